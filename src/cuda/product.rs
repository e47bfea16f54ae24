//! Products with weights: `matvec.cu` for few rows of activations, `split.cu` and `matmul.cu` for many.

use super::lane::Lane;
use super::module::{Argument, launch};
use super::weight::Weight;
use super::{Buffer, Cuda, FEW};
use crate::Result;
use crate::backend::Norm;
use crate::quant::DType;

/// By `DType as usize`, and rows a warp: 1, 2, 4.
const MATVEC: [[&str; 3]; 7] = [
    ["matvec_f32_1", "matvec_f32_2", "matvec_f32_4"],
    ["matvec_f16_1", "matvec_f16_2", "matvec_f16_4"],
    ["matvec_bf16_1", "matvec_bf16_2", "matvec_bf16_4"],
    ["matvec_q8_0_1", "matvec_q8_0_2", "matvec_q8_0_4"],
    ["matvec_q4_0_1", "matvec_q4_0_2", "matvec_q4_0_4"],
    ["matvec_q4_k_1", "matvec_q4_k_2", "matvec_q4_k_4"],
    ["matvec_q6_k_1", "matvec_q6_k_2", "matvec_q6_k_4"],
];

/// By `DType as usize`, for plain floats.
const MATVEC_ODD: [&str; 3] = ["matvec_odd_f32", "matvec_odd_f16", "matvec_odd_bf16"];

/// By `DType as usize`: tiles of 64, of 128.
const MATMUL: [[&str; 2]; 7] = [
    ["matmul_f32_64", "matmul_f32_128"],
    ["matmul_f16_64", "matmul_f16_128"],
    ["matmul_bf16_64", "matmul_bf16_128"],
    ["matmul_q8_0_64", "matmul_q8_0_128"],
    ["matmul_q4_0_64", "matmul_q4_0_128"],
    ["matmul_q4_k_64", "matmul_q4_k_128"],
    ["matmul_q6_k_64", "matmul_q6_k_128"],
];

/// By `DType as usize - 1`: what makes integers of quantized weights; tiles of 64, of 128.
const MATMUL_HALVES: [(Option<&str>, [&str; 2]); 6] = [
    (None, ["matmul_halves_f16_64", "matmul_halves_f16_128"]),
    (None, ["matmul_halves_bf16_64", "matmul_halves_bf16_128"]),
    (Some("widen_q8_0"), ["matmul_wide_64", "matmul_wide_128"]),
    (Some("widen_q4_0"), ["matmul_wide_64", "matmul_wide_128"]),
    (Some("widen_q4_k"), ["matmul_wide_less_64", "matmul_wide_less_128"]),
    (Some("widen_q6_k"), ["matmul_wide_64", "matmul_wide_128"]),
];

/// x as f16 or as bfloat16: rows of up to 512, of up to 2048, of any number of values.
const SPLIT: [[&str; 3]; 2] =
    [["split_f16_512", "split_f16_2048", "split_f16_any"], ["split_bf16_512", "split_bf16_2048", "split_bf16_any"]];

/// Tiles of `matmul_halves` and `matmul_wide`, and their stages, which have three parts of 64 bytes for each row.
const SMALL: (usize, usize) = (64, 5);
const LARGE: (usize, usize) = (128, 3);

/// From how many tokens on it pays to make integers of quantized weights first, and up to how many weights there may be
/// scratch for them, 2.4 bytes each.
const MANY: usize = 256;
const MOST_WIDE: usize = 32 << 20;

/// `Factors` of the kernels.
#[derive(Clone, Copy)]
#[repr(C)]
struct Factors {
    scale: u64,
    less: u64,
    sums: u64,
}
// SAFETY: the same fields in the same order.
unsafe impl Argument for Factors {}

impl Cuda {
    /// y (n, rows) = x (n, cols) · wᵀ, or added to it; the caller has checked the lengths.
    pub(super) fn product(&self, w: &Weight, x: &Buffer, n: usize, y: &Buffer, accumulate: bool) -> Result<()> {
        if n == 0 || w.rows == 0 {
            return Ok(());
        }
        if n <= FEW
            && let Some(shared) = self.matvec_shared(w)
        {
            return self.matvec(w, x, None, n, shared, y, accumulate);
        }
        if n <= FEW
            && let Some(&name) = MATVEC_ODD.get(w.dtype as usize)
        {
            return self.on_lane(|lane| {
                // SAFETY: x holds n rows of `cols`, y n rows of `rows`.
                unsafe {
                    launch!(self.kernels, &lane.stream, name, [w.rows.div_ceil(8), n, 1], [256, 1], 0;
                        w.parts(), x.at(), y.at(), u32::from(accumulate))
                }
            });
        }
        if self.takes_halves(w, n) {
            return self.on_lane(|lane| self.product_of_halves(lane, w, x, None, n, y, accumulate));
        }
        let large = self.large_tiles(w, n);
        let (tile, threads) = if large { (128, 256) } else { (64, 128) };
        let name = MATMUL[w.dtype as usize][usize::from(large)];
        self.on_lane(|lane| {
            // SAFETY: x holds n rows of `cols`, y n rows of `rows`.
            unsafe {
                launch!(self.kernels, &lane.stream, name, [w.rows.div_ceil(tile), n.div_ceil(tile), 1], [threads, 1], 0;
                    w.parts(), x.at(), n as u32, y.at(), u32::from(accumulate))
            }
        })
    }

    /// The same of normed x, if that can be done without an operation for the norm; the caller has checked the lengths.
    pub(super) fn norm_product(
        &self,
        norm: &Norm<'_, Buffer>,
        w: &Weight,
        x: &Buffer,
        n: usize,
        y: &Buffer,
        accumulate: bool,
    ) -> Result<bool> {
        // Parts of whole blocks of 32, which quantized weights multiply.
        if (1..=FEW).contains(&n)
            && norm.width.is_multiple_of(32)
            && let Some(shared) = self.matvec_shared(w)
        {
            return self.matvec(w, x, Some(norm), n, shared, y, accumulate).map(|()| true);
        }
        if n > FEW && w.rows > 0 && norm.width == w.cols && self.takes_halves(w, n) {
            return self
                .on_lane(|lane| self.product_of_halves(lane, w, x, Some(norm), n, y, accumulate))
                .map(|()| true);
        }
        Ok(false)
    }

    /// Large tiles if there are enough of them.
    fn large_tiles(&self, w: &Weight, n: usize) -> bool {
        w.rows.div_ceil(128) * n.div_ceil(128) >= self.context.processors as usize
    }

    /// Bytes of shared memory of a tile of one of the kernels that multiply halves.
    fn stages(w: &Weight, (tile, stages): (usize, usize)) -> usize {
        let factors = match w.dtype {
            DType::Q4_K => 16,
            DType::F16 | DType::BF16 => 0,
            _ => 8,
        };
        tile * stages * (3 * 64 + factors)
    }

    /// Whether x is multiplied as sums of two numbers of 16 bits, and weights as they are or as integers.
    fn takes_halves(&self, w: &Weight, n: usize) -> bool {
        let fits = match w.dtype {
            DType::F32 => false,
            DType::F16 | DType::BF16 => w.cols > 0 && w.cols.is_multiple_of(8),
            _ => w.cols > 0 && n >= MANY && w.rows * w.cols <= MOST_WIDE,
        };
        fits && Self::stages(w, SMALL) <= self.context.shared
    }

    /// A product of x as sums of two numbers of 16 bits.
    #[allow(clippy::too_many_arguments)]
    fn product_of_halves(
        &self,
        lane: &mut Lane,
        w: &Weight,
        x: &Buffer,
        norm: Option<&Norm<'_, Buffer>>,
        n: usize,
        y: &Buffer,
        accumulate: bool,
    ) -> Result<()> {
        let (rows, cols, accumulate) = (w.rows, w.cols, u32::from(accumulate));
        let hi = lane.scratch(0, 4 * n * cols)?;
        let lo = hi + 2 * (n * cols) as u64;
        // Units of the rows of x, then sums of each 32 of its values, which only Q4_K needs.
        let units = lane.scratch(1, 4 * n * (1 + cols / 32))?;
        let sums = if w.dtype == DType::Q4_K { units + 4 * n as u64 } else { 0 };
        let (weight, eps) = norm.map_or((0, 0.0), |norm| (norm.weight.at(), norm.eps));
        let (which, grid, block) = match cols {
            1..=512 => (0, n.div_ceil(4), [32, 4]),
            513..=2048 => (1, n.div_ceil(4), [32, 4]),
            _ => (2, n, [256, 1]),
        };
        let split = SPLIT[usize::from(w.dtype == DType::BF16)][which];
        let large = self.large_tiles(w, n) && Self::stages(w, LARGE) <= self.context.shared;
        let (size, threads) = if large { (LARGE, 256) } else { (SMALL, 128) };
        let (widen, names) = MATMUL_HALVES[w.dtype as usize - 1];
        let name = names[usize::from(large)];
        let (tiles, shared) = ([rows.div_ceil(size.0), n.div_ceil(size.0), 1], Self::stages(w, size));
        // SAFETY: x holds n rows of `cols`, y n rows of `rows`, the norm `cols` values, by the callers' checks; the scratch
        // holds both halves of x and what belongs to its rows, and the integers of the weights with their factors.
        unsafe {
            launch!(self.kernels, &lane.stream, split, [grid, 1, 1], block, 0;
                x.at(), weight, eps, n as u32, cols as u32, hi, lo, units, sums)?;
            let Some(widen) = widen else {
                return launch!(self.kernels, &lane.stream, name, tiles, [threads, 1], shared;
                    w.parts(), hi, lo, units, n as u32, y.at(), accumulate);
            };
            let count = rows * cols;
            let q = lane.scratch(2, 2 * count + count / 4 + count / 8)?;
            let scale = q + 2 * count as u64;
            let factors = Factors { scale, less: scale + (count / 4) as u64, sums };
            launch!(self.kernels, &lane.stream, widen, [(count / 16).div_ceil(256), 1, 1], [256, 1], 0;
                w.parts(), q, scale, factors.less)?;
            launch!(self.kernels, &lane.stream, name, tiles, [threads, 1], shared;
                q, rows as u32, cols as u32, factors, hi, lo, units, n as u32, y.at(), accumulate)
        }
    }

    /// How a product of few rows is computed from shared memory, if it can be: rows of `w` a warp, and bytes of shared memory.
    fn matvec_shared(&self, w: &Weight) -> Option<(usize, usize)> {
        // Values of 16 bytes of weights.
        let unit = match w.dtype {
            DType::F32 => 4,
            DType::F16 | DType::BF16 => 8,
            DType::Q8_0 => 16,
            _ => 32,
        };
        if w.cols == 0 || !w.cols.is_multiple_of(unit) {
            return None;
        }
        // Every processor gets a block first (two where kernels do not overlap), then warps get more rows, to share what is
        // read of x.
        let blocks = self.context.processors as usize * if self.kernels.early { 1 } else { 2 };
        let several = [1, 2, 4].into_iter().rev().find(|rows| w.rows >= 8 * blocks * rows).unwrap_or(1);
        // Loads that a warp has on their way, of each row: `ahead` of the kernel.
        let ahead = match (several, unit <= 8) {
            (4, true) => 4,
            (4, false) => 1,
            (_, true) => 8 / several,
            (_, false) => 4 / several,
        };
        let cols = w.cols.next_multiple_of(32 * unit * ahead);
        let bytes = if unit <= 8 { 4 * cols } else { cols + cols / 32 * 8 };
        // The kernel has some of its own.
        (bytes + 1024 <= self.context.shared).then_some((several, bytes))
    }

    /// A product of few rows, with the norm of x if there is one; rows a warp and shared memory from [`Cuda::matvec_shared`].
    #[allow(clippy::too_many_arguments)]
    fn matvec(
        &self,
        w: &Weight,
        x: &Buffer,
        norm: Option<&Norm<'_, Buffer>>,
        n: usize,
        (several, shared): (usize, usize),
        y: &Buffer,
        accumulate: bool,
    ) -> Result<()> {
        let (weight, width, eps) = norm.map_or((0, w.cols, 0.0), |norm| (norm.weight.at(), norm.width, norm.eps));
        let names = MATVEC[w.dtype as usize];
        let name = names[several.ilog2() as usize];
        // As many blocks as run at once, which take the same number of rows.
        let groups = w.rows.div_ceil(8 * several);
        let at_once = self.context.processors as usize * if several == 2 { 3 } else { 2 };
        let grid = [groups.div_ceil(groups.div_ceil(at_once).max(1)), n, 1];
        self.on_lane(|lane| {
            // SAFETY: x holds n rows of `cols`, y n rows of `rows`, the norm `cols` values, by the callers' checks.
            unsafe {
                launch!(self.kernels, &lane.stream, name, grid, [256, 1], shared;
                    w.parts(), x.at(), weight, width as u32, eps, y.at(), u32::from(accumulate))
            }
        })
    }
}
