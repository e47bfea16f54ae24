//! Matrix products of activations with weights: work for the threads, and the kernel for plain floats.

use std::marker::PhantomData;
use std::ops::Range;

use super::buffer::cast_mut;
use super::dense::{View, ViewMut, dot_block, dot_panel, pack_panel, panel_len};
use super::kernels::Kernels;
use super::packed::{PanelShape, ROWS, Weight};
use super::pool::{Pool, Scratch};
use super::quantized::{Layout, QuantizedProduct};
use super::simd::{BF16, Element, F16, F32, Simd};
use crate::Result;
use crate::backend::Matrix as _;
use crate::quant::DType;

/// Rows of float weights that a task takes at a time.
const DENSE_TASK_ROWS: usize = 32;

/// Bytes of quantized activations that stay in a cache of the second level while panels pass.
const PASS: usize = 256 * 1024;

/// From this number of rows on, float weights are packed before they are multiplied.
const PACK_FROM: usize = 6;

/// Some columns of some rows of a result, written by one task while others write elsewhere.
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

    /// The number of rows.
    pub(super) fn n(&self) -> usize {
        self.n
    }

    /// `len` columns from column `j` on of row `i`, for unchecked writing.
    #[inline(always)]
    pub(super) fn part(&mut self, i: usize, j: usize, len: usize) -> ViewMut {
        assert!(i < self.n && j + len <= self.count);
        // SAFETY: in bounds by the assertion and by `Output::columns`.
        let at = unsafe { self.at.add(i * self.stride + j) };
        ViewMut { at, stride: self.stride, accumulate: self.accumulate }
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

    /// Columns `columns` of the rows `rows`.
    ///
    /// # Safety
    /// No other `Columns` with any of these columns of these rows exists at the same time.
    unsafe fn columns(&self, rows: Range<usize>, columns: Range<usize>) -> Columns<'_> {
        assert!(rows.start < rows.end && rows.end <= self.n && columns.end <= self.rows);
        // SAFETY: in bounds of the first row.
        let at = unsafe { self.at.add(rows.start * self.rows + columns.start) };
        let (n, count) = (rows.len(), columns.len());
        Columns { at, n, stride: self.rows, count, accumulate: self.accumulate, lifetime: PhantomData }
    }
}

/// `y (n, rows) = x (n, cols) · wᵀ`, or `y += x · wᵀ`. The caller has checked the lengths.
///
/// # Errors
/// `Capacity` if there is no memory for what the kernels need.
pub(super) fn matmul(
    kernels: &Kernels,
    pool: &Pool,
    w: &Weight,
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
    let tensor = &w.tensor;
    match PanelShape::of(tensor.dtype(), cols) {
        None => {
            let (dtype, weights, row_bytes) = (tensor.dtype(), w.floats(), tensor.row_bytes());
            let product = FloatProduct { dtype, weights, row_bytes, cols, n, x };
            pool.each(rows.div_ceil(DENSE_TASK_ROWS), work, |task| {
                let first = task * DENSE_TASK_ROWS;
                let count = DENSE_TASK_ROWS.min(rows - first);
                // SAFETY: every task has rows of its own.
                let mut columns = unsafe { y.columns(0..n, first..first + count) };
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
        Some(shape) => {
            let (dtype, layout) = (tensor.dtype(), Layout { cols });
            let offset = kernels.offset(dtype);
            let mut scratch = pool.scratch();
            let Scratch { a, .. } = &mut *scratch;
            let quantized = a.scratch(n * layout.stride())?;
            // Some 20 instructions per 32 values are as long as about 8 multiply-adds per value.
            pool.each_part(quantized, Layout::ROWS * layout.stride(), n * cols * 8, |i, out| {
                let first = i * Layout::ROWS;
                kernels.quantize(&x[first * cols..n.min(first + Layout::ROWS) * cols], offset, layout, out);
                Ok(())
            })?;
            let product = QuantizedProduct { dtype, shape, layout, x: quantized };
            let at_once = (PASS / (4 * layout.stride())).max(1).next_multiple_of(Layout::ROWS).min(n);
            let (panels, row_bytes) = (rows.div_ceil(ROWS), tensor.row_bytes());
            pool.each(panels * n.div_ceil(at_once), work, |task| {
                let (i, first) = (task / panels * at_once, task % panels * ROWS);
                let count = ROWS.min(rows - first);
                // SAFETY: every task has columns of rows of its own.
                let mut columns = unsafe { y.columns(i..n.min(i + at_once), first..first + count) };
                match w.panel(&shape, task % panels) {
                    Some(panel) => kernels.multiply_quantized(&product, panel, i, &mut columns),
                    None => {
                        let mut scratch = pool.scratch();
                        let panel = cast_mut(scratch.a.scratch(shape.bytes() / 4)?);
                        shape.pack(
                            &tensor.bytes()[first * row_bytes..(first + count) * row_bytes],
                            kernels.flip(dtype),
                            panel,
                        );
                        kernels.multiply_quantized(&product, panel, i, &mut columns);
                    }
                }
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
