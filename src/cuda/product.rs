//! Products with weights: `matvec.cu` for few rows of activations, `split.cu` and `matmul.cu` for many.

use super::lane::Lane;
use super::module::launch;
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

/// By `DType as usize - 1`, for weights of 16 bits: tiles of 64, of 128.
const MATMUL_HALVES: [[&str; 2]; 2] =
    [["matmul_halves_f16_64", "matmul_halves_f16_128"], ["matmul_halves_bf16_64", "matmul_halves_bf16_128"]];

/// By `DType as usize - 1`: rows of up to 512, of up to 2048, of any number of values.
const SPLIT: [[&str; 3]; 2] =
    [["split_f16_512", "split_f16_2048", "split_f16_any"], ["split_bf16_512", "split_bf16_2048", "split_bf16_any"]];

/// Tiles of `matmul_halves`, and their shared memory: three parts of 64 bytes a row, in several stages.
const SMALL: (usize, usize) = (64, 5 * 3 * 64 * 64);
const LARGE: (usize, usize) = (128, 3 * 3 * 64 * 128);

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
        if self.takes_halves(w) {
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
        if n > FEW && w.rows > 0 && norm.width == w.cols && self.takes_halves(w) {
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

    /// Whether weights can be multiplied as they are.
    fn takes_halves(&self, w: &Weight) -> bool {
        matches!(w.dtype, DType::F16 | DType::BF16)
            && w.cols > 0
            && w.cols.is_multiple_of(8)
            && SMALL.1 <= self.context.shared
    }

    /// A product with weights of 16 bits, of x as sums of two such numbers.
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
        let kind = w.dtype as usize - 1;
        let (hi, units) = (lane.scratch(0, 4 * n * w.cols)?, lane.scratch(1, 4 * n)?);
        let lo = hi + 2 * (n * w.cols) as u64;
        let (weight, eps) = norm.map_or((0, 0.0), |norm| (norm.weight.at(), norm.eps));
        let (split, grid, block) = match w.cols {
            1..=512 => (SPLIT[kind][0], n.div_ceil(4), [32, 4]),
            513..=2048 => (SPLIT[kind][1], n.div_ceil(4), [32, 4]),
            _ => (SPLIT[kind][2], n, [256, 1]),
        };
        let large = self.large_tiles(w, n) && LARGE.1 <= self.context.shared;
        let ((tile, shared), threads) = if large { (LARGE, 256) } else { (SMALL, 128) };
        let name = MATMUL_HALVES[kind][usize::from(large)];
        let tiles = [w.rows.div_ceil(tile), n.div_ceil(tile), 1];
        // SAFETY: x holds n rows of `cols`, y n rows of `rows`, the norm `cols` values, by the callers' checks; the scratch
        // holds both halves of x and a unit of each row.
        unsafe {
            launch!(self.kernels, &lane.stream, split, [grid, 1, 1], block, 0;
                x.at(), weight, eps, n as u32, w.cols as u32, hi, lo, units)?;
            launch!(self.kernels, &lane.stream, name, tiles, [threads, 1], shared;
                w.parts(), hi, lo, units, n as u32, y.at(), u32::from(accumulate))
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
