//! Products with weights: `matvec.cu` for few rows of activations, `split.cu` and `matmul.cu` for many.

use zerocopy::{Immutable, IntoBytes};

use super::arguments::twin;
use super::driver::Context;
use super::format::{self, Halves, Matvec};
use super::module::{Kernel, launch};
use super::stream::Stream;
use super::weight::Weight;
use super::{Buffer, Cuda, FEW, THREADS};
use crate::backend::{Norm, Product};
use crate::quant::DType;
use crate::{Error, Result};

/// x as f16 or as bfloat16: rows of up to 512, of up to 2048, of any number of values.
const SPLIT: [[Split; 3]; 2] = [
    [Kernel::named("split_f16_512"), Kernel::named("split_f16_2048"), Kernel::named("split_f16_any")],
    [Kernel::named("split_bf16_512"), Kernel::named("split_bf16_2048"), Kernel::named("split_bf16_any")],
];
/// x, a norm's weight or none, its eps, rows, width; both halves, units, sums or none.
type Split = Kernel<(u64, u64, f32, u32, u32, u64, u64, u64, u64)>;

/// The kernels of [`ROWS`] for a number of values.
macro_rules! rows_of {
    ($width:literal) => {
        [
            [Kernel::named(concat!("matmul_rows_f16_", $width)), Kernel::named(concat!("swiglu_rows_f16_", $width))],
            [Kernel::named(concat!("matmul_rows_bf16_", $width)), Kernel::named(concat!("swiglu_rows_bf16_", $width))],
        ]
    };
}

/// Whole rows of x of up to so many values; bytes of shared memory besides x; for weights as f16 and as bfloat16, products and
/// the gated ones.
const ROWS: [(usize, usize, [[ProductOfRows; 2]; 2]); 3] =
    [(128, 37_120, rows_of!("128")), (256, 33_024, rows_of!("256")), (320, 16_640, rows_of!("320"))];
/// Weights with biases and results, tiles, x, a norm's weight or none, its eps, rows, columns; whether results are added to.
type ProductOfRows = Kernel<(Products, u32, u64, u64, f32, u32, u32, u32)>;

/// Tokens, and rows of weights, of a tile of `matmul_rows`; the most products.
const ROWS_TILE: usize = 64;
const MOST_PRODUCTS: usize = 3;

/// Tiles of `matmul_halves` and `matmul_wide`, and their stages, which have three parts of 64 bytes for each row.
const SMALL: (usize, usize) = (64, 5);
const LARGE: (usize, usize) = (128, 3);

/// From how many tokens on it pays to make integers of quantized weights first, and up to how many weights there may be
/// scratch for them, 2.4 bytes each.
const MANY: usize = 256;
const MOST_WIDE: usize = 32 << 20;

/// `Factors` of the kernels.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Factors {
    scale: u64,
    less: u64,
    sums: u64,
}
twin!(Factors: "matmul", "Factors" { scale, less, sums });

/// `Products` of the kernels.
#[derive(Clone, Copy, Default, IntoBytes, Immutable)]
#[repr(C)]
struct Products {
    w: [u64; MOST_PRODUCTS],
    bias: [u64; MOST_PRODUCTS],
    y: [u64; MOST_PRODUCTS],
    rows: [u32; MOST_PRODUCTS],
    count: u32,
}
twin!(Products: "matmul", "Products" { w, bias, y, rows, count });

/// x as sums of two numbers of 16 bits: see `split.cu`.
struct SplitHalves {
    hi: u64,
    lo: u64,
    units: u64,
    sums: u64,
}

/// Where the bias is, or 0.
fn bias(product: &Product<'_, Weight, Buffer>) -> u64 {
    product.bias.map_or(0, Buffer::at)
}

impl Cuda {
    /// For each of `all` y (n, rows) = x (n, cols) · wᵀ + bias, or added to y, of x as it is or normed. `false`, and nothing done, if
    /// the norm needs an operation of its own; the caller has checked the lengths.
    pub(super) fn products(
        &self,
        norm: Option<&Norm<'_, Buffer>>,
        x: &Buffer,
        n: usize,
        all: &[Product<'_, Weight, Buffer>],
        accumulate: bool,
    ) -> Result<bool> {
        let Some(cols) = all.first().map(|product| product.weight.cols).filter(|_| n > 0) else { return Ok(true) };
        if n <= FEW {
            // Parts of whole blocks of 32, which quantized weights multiply.
            let normed = norm.is_none_or(|norm| norm.width.is_multiple_of(32));
            if normed && all.iter().all(|product| product.weight.few.is_some()) {
                return all.iter().try_for_each(|p| self.few(norm, x, n, p, accumulate)).map(|()| true);
            }
        } else if norm.is_none_or(|norm| norm.width == cols) {
            if let Some(kernels) = self.takes_rows(all) {
                return self.product_of_rows(norm, x, n, all, kernels, false, accumulate).map(|()| true);
            }
            if all.iter().all(|product| self.takes_halves(product.weight, n)) {
                return self.products_of_halves(norm, x, n, all, accumulate).map(|()| true);
            }
        }
        if norm.is_some() {
            return Ok(false);
        }
        for product in all {
            if n <= FEW {
                self.few(None, x, n, product, accumulate)?;
            } else if self.takes_halves(product.weight, n) {
                self.products_of_halves(None, x, n, std::slice::from_ref(product), accumulate)?;
            } else {
                self.product(x, n, product, accumulate)?;
            }
        }
        Ok(true)
    }

    /// The product of few tokens. With a norm the weight's [`FewRows`] must be.
    fn few(
        &self,
        norm: Option<&Norm<'_, Buffer>>,
        x: &Buffer,
        n: usize,
        product: &Product<'_, Weight, Buffer>,
        accumulate: bool,
    ) -> Result<()> {
        let (w, y) = (product.weight, &*product.out);
        if w.rows == 0 {
            return Ok(());
        }
        if let Some(few) = &w.few {
            self.matvec(w, few, x, norm, n, y, accumulate)?;
        } else if let Some(name) = format::of(w.dtype).matvec_odd {
            self.on_stream(|stream| {
                // SAFETY: x holds n rows of `cols`, y n rows of `rows`.
                unsafe {
                    launch!(self.kernels, stream, name, [w.rows.div_ceil(8), n, 1], [256, 1], 0;
                        w.parts(), x.at(), y.at(), u32::from(accumulate))
                }
            })?;
        } else {
            return self.product(x, n, product, accumulate);
        }
        let Some(bias) = product.bias else { return Ok(()) };
        // SAFETY: y holds n rows of `rows` values, the bias one.
        self.on_stream(|stream| unsafe { self.bias(stream, y, bias, n, w.rows) })
    }

    /// y (n, width) += bias (width)
    ///
    /// # Safety
    /// They are as long as that.
    pub(super) unsafe fn bias(
        &self,
        stream: &mut Stream,
        y: &Buffer,
        bias: &Buffer,
        n: usize,
        width: usize,
    ) -> Result<()> {
        let count = n * width;
        // SAFETY: by the contract of this function.
        unsafe {
            launch!(self.kernels, stream, "add_bias", [count.div_ceil(THREADS), 1, 1], [THREADS as u32, 1], 0;
                y.at(), bias.at(), width as u32, count as u64)
        }
    }

    /// The product of many tokens for any weights.
    fn product(&self, x: &Buffer, n: usize, product: &Product<'_, Weight, Buffer>, accumulate: bool) -> Result<()> {
        let w = product.weight;
        let large = self.large_tiles(w, n);
        let (tile, threads) = if large { (128, 256) } else { (64, 128) };
        let name = format::of(w.dtype).matmul[usize::from(large)];
        self.on_stream(|stream| {
            // SAFETY: x holds n rows of `cols`, y n rows of `rows`, the bias `rows`.
            unsafe {
                launch!(self.kernels, stream, name, [w.rows.div_ceil(tile), n.div_ceil(tile), 1], [threads, 1], 0;
                    w.parts(), x.at(), n as u32, bias(product), product.out.at(), u32::from(accumulate))
            }
        })
    }

    /// The kernels that multiply whole rows of x, if there are such, and their bytes of shared memory.
    fn takes_rows(&self, all: &[Product<'_, Weight, Buffer>]) -> Option<([ProductOfRows; 2], usize)> {
        let Weight { dtype, cols, .. } = *all.first()?.weight;
        let kind = [DType::F16, DType::BF16].iter().position(|&kind| kind == dtype)?;
        let (_, more, names) = ROWS.iter().find(|(most, ..)| (1..=*most).contains(&cols))?;
        let shared = cols.next_multiple_of(32) * 256 + more;
        let alike = all.len() <= MOST_PRODUCTS && all.iter().all(|product| product.weight.dtype == dtype);
        (alike && cols.is_multiple_of(8) && shared <= self.context.shared).then_some((names[kind], shared))
    }

    /// silu(norm(x) · gateᵀ) · (norm(x) · upᵀ) in the place of the first product's result, if that is one kernel; the caller has
    /// checked the lengths.
    pub(super) fn swiglu(
        &self,
        norm: &Norm<'_, Buffer>,
        x: &Buffer,
        n: usize,
        both: &[Product<'_, Weight, Buffer>; 2],
    ) -> Result<bool> {
        let kernels = self.takes_rows(both).filter(|_| n > FEW && norm.width == both[0].weight.cols);
        let Some(kernels) = kernels else { return Ok(false) };
        self.product_of_rows(Some(norm), x, n, both, kernels, true, false).map(|()| true)
    }

    /// Products of whole rows of x in shared memory, `gated` or for themselves, by a kernel of [`Cuda::takes_rows`].
    #[allow(clippy::too_many_arguments)]
    fn product_of_rows(
        &self,
        norm: Option<&Norm<'_, Buffer>>,
        x: &Buffer,
        n: usize,
        all: &[Product<'_, Weight, Buffer>],
        (names, shared): ([ProductOfRows; 2], usize),
        gated: bool,
        accumulate: bool,
    ) -> Result<()> {
        let mut products = Products { count: all.len() as u32, ..Products::default() };
        let mut tiles = 0;
        for (i, product) in all.iter().enumerate().take(MOST_PRODUCTS) {
            products.w[i] = product.weight.parts().q;
            products.bias[i] = bias(product);
            products.y[i] = product.out.at();
            products.rows[i] = product.weight.rows as u32;
            tiles += if gated && i > 0 { 0 } else { product.weight.rows.div_ceil(ROWS_TILE) };
        }
        let Some(first) = all.first().filter(|_| tiles > 0) else { return Ok(()) };
        let (name, cols) = (names[usize::from(gated)], first.weight.cols);
        let (weight, eps) = norm.map_or((0, 0.0), |norm| (norm.weight.at(), norm.eps));
        // Two blocks for each processor, if there are tokens for fewer; what those of one tile bring of x they bring twice.
        let groups = (2 * self.context.processors as usize / n.div_ceil(ROWS_TILE)).clamp(1, tiles);
        let grid = [tiles.div_ceil(tiles.div_ceil(groups)), n.div_ceil(ROWS_TILE), 1];
        self.on_stream(|stream| {
            // SAFETY: x holds n rows of `cols`, the results n rows of their weights' `rows`, biases `rows`, the norm `cols`
            // values, by the callers' checks.
            unsafe {
                launch!(self.kernels, stream, name, grid, [32, 8], shared;
                    products, tiles as u32, x.at(), weight, eps, n as u32, cols as u32, u32::from(accumulate))
            }
        })
    }

    /// Large tiles if there are enough of them.
    fn large_tiles(&self, w: &Weight, n: usize) -> bool {
        w.rows.div_ceil(128) * n.div_ceil(128) >= self.context.processors as usize
    }

    /// Bytes of shared memory of a tile of one of the kernels that multiply halves.
    fn stages(w: &Weight, (tile, stages): (usize, usize)) -> usize {
        let factors = match format::of(w.dtype).halves {
            Halves::Integers { factors, .. } => factors,
            _ => 0,
        };
        tile * stages * (3 * 64 + factors)
    }

    /// Whether x is multiplied as sums of two numbers of 16 bits, and weights as they are or as integers.
    fn takes_halves(&self, w: &Weight, n: usize) -> bool {
        let fits = match format::of(w.dtype).halves {
            Halves::No => false,
            Halves::AsTheyAre(_) => w.cols > 0 && w.cols.is_multiple_of(8),
            Halves::Integers { .. } => w.cols > 0 && n >= MANY && w.rows * w.cols <= MOST_WIDE,
        };
        fits && Self::stages(w, SMALL) <= self.context.shared
    }

    /// Products of x as sums of two numbers of 16 bits, which are made once for all of them that need the same.
    fn products_of_halves(
        &self,
        norm: Option<&Norm<'_, Buffer>>,
        x: &Buffer,
        n: usize,
        all: &[Product<'_, Weight, Buffer>],
        accumulate: bool,
    ) -> Result<()> {
        let mut before = None;
        self.on_stream(|stream| {
            for product in all.iter().filter(|product| product.weight.rows > 0) {
                // Which halves, and with which sums.
                let dtype = product.weight.dtype;
                let kind = (dtype == DType::BF16, dtype == DType::Q4_K);
                let halves = self.halves(stream, product.weight, n)?;
                if before.replace(kind) != Some(kind) {
                    self.split(stream, norm, x, n, product.weight, &halves)?;
                }
                self.product_of_halves(stream, product, n, &halves, accumulate)?;
            }
            Ok(())
        })
    }

    /// Where x is split to.
    fn halves(&self, stream: &mut Stream, w: &Weight, n: usize) -> Result<SplitHalves> {
        let hi = stream.scratch(0, 4 * n * w.cols)?;
        let units = stream.scratch(1, 4 * n * (1 + w.cols / 32))?;
        let sums = if w.dtype == DType::Q4_K { units + 4 * n as u64 } else { 0 };
        Ok(SplitHalves { hi, lo: hi + 2 * (n * w.cols) as u64, units, sums })
    }

    /// Splits x (n, cols), normed if there is a norm, for products with `w`.
    fn split(
        &self,
        stream: &mut Stream,
        norm: Option<&Norm<'_, Buffer>>,
        x: &Buffer,
        n: usize,
        w: &Weight,
        halves: &SplitHalves,
    ) -> Result<()> {
        let (weight, eps) = norm.map_or((0, 0.0), |norm| (norm.weight.at(), norm.eps));
        let (which, grid, block) = match w.cols {
            1..=512 => (0, n.div_ceil(4), [32, 4]),
            513..=2048 => (1, n.div_ceil(4), [32, 4]),
            _ => (2, n, [256, 1]),
        };
        let name = SPLIT[usize::from(w.dtype == DType::BF16)][which];
        let SplitHalves { hi, lo, units, sums } = *halves;
        // SAFETY: x holds n rows of `cols`, the norm `cols` values, by the callers' checks; the scratch both halves of x and what
        // belongs to its rows.
        unsafe {
            launch!(self.kernels, stream, name, [grid, 1, 1], block, 0;
                x.at(), weight, eps, n as u32, w.cols as u32, hi, lo, units, sums)
        }
    }

    /// A product of x as it was split.
    fn product_of_halves(
        &self,
        stream: &mut Stream,
        product: &Product<'_, Weight, Buffer>,
        n: usize,
        halves: &SplitHalves,
        accumulate: bool,
    ) -> Result<()> {
        let (w, accumulate) = (product.weight, u32::from(accumulate));
        let (rows, cols, bias, y) = (w.rows, w.cols, bias(product), product.out.at());
        let SplitHalves { hi, lo, units, sums } = *halves;
        let large = self.large_tiles(w, n) && Self::stages(w, LARGE) <= self.context.shared;
        let (size, threads) = if large { (LARGE, 256) } else { (SMALL, 128) };
        let large = usize::from(large);
        let (tiles, shared) = ([rows.div_ceil(size.0), n.div_ceil(size.0), 1], Self::stages(w, size));
        // SAFETY: y holds n rows of `rows`, the bias `rows`, by the callers' checks; the scratch holds both halves of x and what
        // belongs to its rows, and the integers of the weights with their factors.
        unsafe {
            let (widen, name) = match &format::of(w.dtype).halves {
                Halves::Integers { widen, matmul, .. } => (*widen, matmul[large]),
                Halves::AsTheyAre(matmul) => {
                    let name = matmul[large];
                    return launch!(self.kernels, stream, name, tiles, [threads, 1], shared;
                        w.parts(), hi, lo, units, n as u32, bias, y, accumulate);
                }
                Halves::No => return Err(Error::invalid(format!("a product of halves with {}", w.dtype))),
            };
            let count = rows * cols;
            let q = stream.scratch(2, 2 * count + count / 4 + count / 8)?;
            let scale = q + 2 * count as u64;
            let factors = Factors { scale, less: scale + (count / 4) as u64, sums };
            launch!(self.kernels, stream, widen, [(count / 16).div_ceil(256), 1, 1], [256, 1], 0;
                w.parts(), q, scale, factors.less)?;
            launch!(self.kernels, stream, name, tiles, [threads, 1], shared;
                q, rows as u32, cols as u32, factors, hi, lo, units, n as u32, bias, y, accumulate)
        }
    }

    /// A product of few rows, with the norm of x if there is one.
    #[allow(clippy::too_many_arguments)]
    fn matvec(
        &self,
        w: &Weight,
        few: &FewRows,
        x: &Buffer,
        norm: Option<&Norm<'_, Buffer>>,
        n: usize,
        y: &Buffer,
        accumulate: bool,
    ) -> Result<()> {
        let (weight, width, eps) = norm.map_or((0, w.cols, 0.0), |norm| (norm.weight.at(), norm.width, norm.eps));
        let FewRows { kernel, blocks, shared } = *few;
        self.on_stream(|stream| {
            // SAFETY: x holds n rows of `cols`, y n rows of `rows`, the norm `cols` values, by the callers' checks.
            unsafe {
                launch!(self.kernels, stream, kernel, [blocks, n, 1], [256, 1], shared;
                    w.parts(), x.at(), weight, width as u32, eps, y.at(), u32::from(accumulate))
            }
        })
    }
}

/// How a weight's products with few rows of activations are computed from shared memory.
#[derive(Clone, Copy)]
pub(super) struct FewRows {
    kernel: Matvec,
    /// For each row of activations.
    blocks: usize,
    /// Bytes of shared memory.
    shared: usize,
}

impl FewRows {
    /// None if it is not for weights of this type and size.
    pub fn of(context: &Context, dtype: DType, rows: usize, cols: usize) -> Option<FewRows> {
        let (format, processors) = (format::of(dtype), context.processors as usize);
        let unit = format.unit;
        if cols == 0 || !cols.is_multiple_of(unit) {
            return None;
        }
        // Every processor gets a block first (two where kernels do not overlap), then warps get more rows, to share what is
        // read of x.
        let first = processors * if context.early() { 1 } else { 2 };
        let several = [1, 2, 4].into_iter().rev().find(|several| rows >= 8 * first * several).unwrap_or(1);
        // Loads that a warp has on their way, of each row: `ahead` of the kernel.
        let ahead = match (several, unit <= 8) {
            (4, true) => 4,
            (4, false) => 1,
            (_, true) => 8 / several,
            (_, false) => 4 / several,
        };
        let padded = cols.next_multiple_of(32 * unit * ahead);
        let shared = if unit <= 8 { 4 * padded } else { padded + padded / 32 * 8 };
        // As many blocks as run at once, which take the same number of rows.
        let groups = rows.div_ceil(8 * several);
        let at_once = processors * if several == 2 { 3 } else { 2 };
        let blocks = groups.div_ceil(groups.div_ceil(at_once).max(1));
        // The kernel has some of its own.
        let fits = shared + 1024 <= context.shared;
        fits.then_some(FewRows { kernel: format.matvec[several.ilog2() as usize], blocks, shared })
    }
}
