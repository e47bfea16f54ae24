//! Matrix products of activations with weights: work for the threads, and the kernel for plain floats.

use std::marker::PhantomData;

use super::dense::{View, ViewMut, dot_block, dot_panel, pack_panel, panel_len};
use super::kernels::Kernels;
use super::pool::{Pool, Scratch};
use super::quantized::{Layout, QuantizedProduct, TASK_ROWS, tile_len};
use super::simd::{BF16, Element, F16, F32, Simd};
use crate::Result;
use crate::quant::DType;
use crate::weights::Tensor;

/// Rows of float weights that a task takes at a time.
const DENSE_TASK_ROWS: usize = 32;

/// From this number of rows on, float weights are packed before they are multiplied.
const PACK_FROM: usize = 6;

/// Some columns of a result (n, rows), written by one task while others write other columns.
pub(super) struct Columns<'a> {
    at: *mut f32,
    n: usize,
    stride: usize,
    count: usize,
    accumulate: bool,
    lifetime: PhantomData<&'a mut [f32]>,
}

impl Columns<'_> {
    /// The number of columns.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Row i, column j of these, becomes `v`, or grows by `v`.
    #[inline(always)]
    pub(super) fn put(&mut self, i: usize, j: usize, v: f32) {
        assert!(i < self.n && j < self.count);
        // SAFETY: in bounds by the assertion and by `Output::columns`.
        unsafe { self.rows(i).put(0, j, v) }
    }

    /// The columns in rows `i ..`, for unchecked writing. `i` must be less than n.
    #[inline(always)]
    pub(super) fn rows(&mut self, i: usize) -> ViewMut {
        assert!(i < self.n);
        // SAFETY: row i starts inside of the result.
        let at = unsafe { self.at.add(i * self.stride) };
        ViewMut { at, stride: self.stride, accumulate: self.accumulate }
    }
}

/// A result (n, rows) that several tasks write.
struct Output<'a> {
    at: *mut f32,
    n: usize,
    rows: usize,
    accumulate: bool,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: an exclusive borrow of plain numbers; only `columns`, which is unsafe, gives access to them.
unsafe impl Sync for Output<'_> {}
// SAFETY: as above.
unsafe impl Send for Output<'_> {}

impl<'a> Output<'a> {
    fn new(y: &'a mut [f32], n: usize, rows: usize, accumulate: bool) -> Output<'a> {
        assert!(y.len() >= n * rows);
        Output { at: y.as_mut_ptr(), n, rows, accumulate, lifetime: PhantomData }
    }

    /// # Safety
    /// No other `Columns` with any of `first .. first + count` exists at the same time.
    unsafe fn columns(&self, first: usize, count: usize) -> Columns<'_> {
        assert!(first + count <= self.rows);
        // SAFETY: in bounds of the first row.
        let at = unsafe { self.at.add(first) };
        Columns { at, n: self.n, stride: self.rows, count, accumulate: self.accumulate, lifetime: PhantomData }
    }
}

/// `y (n, rows) = x (n, cols) · wᵀ`, or `y += x · wᵀ`. The caller has checked the lengths.
///
/// # Errors
/// `Capacity` if there is no memory for what the kernels need.
pub(super) fn matmul(
    kernels: &Kernels,
    pool: &Pool,
    w: &Tensor,
    x: &[f32],
    n: usize,
    y: &mut [f32],
    accumulate: bool,
) -> Result<()> {
    let (rows, cols) = (w.rows(), w.cols());
    if n == 0 || rows == 0 {
        return Ok(());
    }
    if cols == 0 {
        if !accumulate {
            y[..n * rows].fill(0.0);
        }
        return Ok(());
    }
    let work = n * rows * cols;
    let y = Output::new(y, n, rows, accumulate);
    match w.dtype() {
        DType::F32 | DType::F16 | DType::BF16 => {
            let product = FloatProduct { dtype: w.dtype(), weights: w.bytes(), row_bytes: w.row_bytes(), cols, n, x };
            pool.each(rows.div_ceil(DENSE_TASK_ROWS), work, |task| {
                let first = task * DENSE_TASK_ROWS;
                let count = DENSE_TASK_ROWS.min(rows - first);
                // SAFETY: every task has rows of its own.
                let mut columns = unsafe { y.columns(first, count) };
                if n < PACK_FROM {
                    kernels.multiply_floats(&product, first, &mut columns, &mut []);
                } else {
                    let mut scratch = pool.scratch();
                    let panels = scratch.a.scratch(count.div_ceil(4) * panel_len(cols))?;
                    kernels.multiply_floats(&product, first, &mut columns, panels);
                }
                Ok(())
            })
        }
        dtype @ (DType::Q8_0 | DType::Q4_0 | DType::Q4_K | DType::Q6_K) => {
            let layout = Layout { cols, wide: kernels.wants_wide(dtype, n) };
            let mut scratch = pool.scratch();
            let Scratch { a, .. } = &mut *scratch;
            let quantized = a.scratch(n * layout.stride())?;
            // Some 20 instructions per 32 values are as long as about 8 multiply-adds per value.
            pool.each_part(quantized, layout.stride(), n * cols * 8, |i, record| {
                kernels.quantize(&x[i * cols..(i + 1) * cols], layout.row_mut(record));
                Ok(())
            })?;
            let (weights, row_bytes) = (w.bytes(), w.row_bytes());
            let product = QuantizedProduct { dtype, weights, row_bytes, n, layout, x: quantized };
            pool.each(rows.div_ceil(TASK_ROWS), work, |task| {
                let first = task * TASK_ROWS;
                // SAFETY: every task has rows of its own.
                let mut columns = unsafe { y.columns(first, TASK_ROWS.min(rows - first)) };
                let mut scratch = pool.scratch();
                kernels.multiply_quantized(&product, first, &mut columns, scratch.a.scratch(tile_len(cols))?);
                Ok(())
            })
        }
    }
}

/// A matrix product with weights in plain floats.
pub(super) struct FloatProduct<'a> {
    pub(super) dtype: DType,
    /// All rows of the matrix.
    pub(super) weights: &'a [u8],
    pub(super) row_bytes: usize,
    pub(super) cols: usize,
    pub(super) n: usize,
    /// (n, cols)
    pub(super) x: &'a [f32],
}

/// The columns of the product that `y` stands for, from weights `first ..`, with `panels` of scratch or, for few rows, none.
#[inline(always)]
pub(super) fn multiply_floats<S: Simd>(
    s: S,
    product: &FloatProduct<'_>,
    first: usize,
    y: &mut Columns<'_>,
    panels: &mut [f32],
) {
    match product.dtype {
        DType::F32 => multiply_elements::<S, F32>(s, product, first, y, panels),
        DType::F16 => multiply_elements::<S, F16>(s, product, first, y, panels),
        DType::BF16 => multiply_elements::<S, BF16>(s, product, first, y, panels),
        DType::Q8_0 | DType::Q4_0 | DType::Q4_K | DType::Q6_K => {}
    }
}

#[inline(always)]
fn multiply_elements<S: Simd, T: Element>(
    s: S,
    product: &FloatProduct<'_>,
    first: usize,
    y: &mut Columns<'_>,
    panels: &mut [f32],
) {
    let FloatProduct { weights, row_bytes, cols, n, x, .. } = *product;
    let count = y.count();
    assert!(
        row_bytes == cols * T::BYTES && weights.len() >= (first + count) * row_bytes && x.len() >= n * cols && n > 0
    );
    let w = View { at: weights[first * row_bytes..].as_ptr(), stride: row_bytes };
    if panels.is_empty() {
        let x = View { at: x.as_ptr(), stride: cols };
        // SAFETY: `weights` has rows first .. first + count and `x` n rows by the assertion; `y` has n rows of `count`.
        unsafe { dot_block::<S, T>(s, (n, count, cols), x, w, y.rows(0)) };
        return;
    }
    let len = panel_len(cols);
    for (r, panel) in (0..count).step_by(4).zip(panels.chunks_exact_mut(len)) {
        // SAFETY: rows first + r .., up to 4 of the `count` that `weights` has by the assertion.
        unsafe { pack_panel::<S, T>(s, View { at: w.at.add(r * row_bytes), ..w }, 4.min(count - r), cols, panel) };
    }
    // As many rows of x as stay in the second-level cache while all panels pass.
    let block = (32 * 1024 / cols / 3 * 3).max(12);
    for i0 in (0..n).step_by(block) {
        let m = block.min(n - i0);
        let x = View { at: x[i0 * cols..].as_ptr(), stride: cols };
        for (r, panel) in (0..count).step_by(4).zip(panels.chunks_exact(len)) {
            let out = y.rows(i0);
            // SAFETY: `x` has rows i0 .. i0 + m; so has `y`, and columns r .., up to 4 of `count`.
            unsafe {
                let out = ViewMut { at: out.at.add(r), ..out };
                dot_panel(s, (m, 4.min(count - r), cols), x, panel, out);
            }
        }
    }
}
