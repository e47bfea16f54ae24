//! Products of small matrices of floats: the building blocks of the matrix product, of attention and of the scan.
//!
//! Two forms. [`dot_block`] multiplies rows by rows: each result has one accumulator of 8 lanes, over the columns in
//! order, whose lanes are summed at the end. [`sum_block`] adds up scaled rows: each result is one chain of additions
//! over the rows in order. Neither order depends on how many rows and columns are computed together.

use super::simd::{Element, LANES, Simd};

/// Rows of a matrix in memory that kernels read.
#[derive(Clone, Copy)]
pub(super) struct View<T> {
    /// First value.
    pub(super) at: *const T,
    /// Distance between the starts of rows, in units of T.
    pub(super) stride: usize,
}

/// Rows of a matrix in memory that kernels write.
#[derive(Clone, Copy)]
pub(super) struct ViewMut {
    /// First value.
    pub(super) at: *mut f32,
    /// Distance between the starts of rows.
    pub(super) stride: usize,
    /// Whether results are added to what is there.
    pub(super) accumulate: bool,
}

impl ViewMut {
    /// # Safety
    /// The place is valid for writing, and for reading if `accumulate`.
    #[inline(always)]
    pub(super) unsafe fn put(self, row: usize, col: usize, v: f32) {
        // SAFETY: by the contract of this function.
        unsafe {
            let p = self.at.add(row * self.stride + col);
            *p = if self.accumulate { *p + v } else { v };
        }
    }
}

/// Rows of a packed panel.
const PANEL: usize = 4;

/// f32 values of a panel that packs up to 4 rows of `cols` values: `[cols / 8, rounded up][4][8]`, zero-padded.
pub(super) const fn panel_len(cols: usize) -> usize {
    cols.div_ceil(LANES) * LANES * PANEL
}

/// The lanes of M × N dot products. Value k of row j of `w` is `k % 8` values into the `k / 8`-th step of `w_step` bytes.
///
/// # Safety
/// `x` is valid for reading M rows and `w` N rows of `cols` values.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of constant range keep the accumulators in registers")]
unsafe fn tile<S: Simd, T: Element, const M: usize, const N: usize>(
    s: S,
    x: View<f32>,
    w: View<u8>,
    w_step: usize,
    cols: usize,
) -> [[S::F; N]; M] {
    let mut acc = [[s.splat(0.0); N]; M];
    let steps = cols / LANES;
    for step in 0..steps {
        let mut xs = [s.splat(0.0); M];
        for (i, xs) in xs.iter_mut().enumerate() {
            // SAFETY: row i < M, values up to (step + 1) · 8 ≤ cols.
            *xs = unsafe { s.load(x.at.add(i * x.stride + step * LANES)) };
        }
        for j in 0..N {
            // SAFETY: row j < N, the same values.
            let ws = unsafe { T::load(s, w.at.add(j * w.stride + step * w_step)) };
            for i in 0..M {
                acc[i][j] = s.fma(xs[i], ws, acc[i][j]);
            }
        }
    }
    let rest = cols % LANES;
    if rest > 0 {
        for j in 0..N {
            // SAFETY: row j < N, the last `rest` values.
            let ws = unsafe { T::load_part(s, w.at.add(j * w.stride + steps * w_step), rest) };
            for i in 0..M {
                // SAFETY: row i < M, the last `rest` values.
                let xs = unsafe { std::slice::from_raw_parts(x.at.add(i * x.stride + steps * LANES), rest) };
                acc[i][j] = s.fma(s.load_part(xs), ws, acc[i][j]);
            }
        }
    }
    acc
}

/// M × up to 4 dot products into `out`, whose rows are those of `x`.
///
/// # Safety
/// As [`tile`] for `count` rows of `w`; `out` is valid for M rows of `count` values.
#[inline(always)]
unsafe fn dots<S: Simd, T: Element, const M: usize>(
    s: S,
    x: View<f32>,
    w: View<u8>,
    w_step: usize,
    count: usize,
    cols: usize,
    out: ViewMut,
) {
    if count == PANEL {
        // SAFETY: the same contract.
        let acc = unsafe { tile::<S, T, M, PANEL>(s, x, w, w_step, cols) };
        for (i, acc) in acc.into_iter().enumerate() {
            for (j, v) in s.sum4(acc).into_iter().enumerate() {
                // SAFETY: row i < M, column j < count.
                unsafe { out.put(i, j, v) };
            }
        }
    } else {
        for j in 0..count {
            // SAFETY: the same contract, for row j < count.
            let acc = unsafe { tile::<S, T, M, 1>(s, x, View { at: w.at.add(j * w.stride), ..w }, w_step, cols) };
            for (i, [acc]) in acc.into_iter().enumerate() {
                // SAFETY: row i < M, column j < count.
                unsafe { out.put(i, j, s.sum(acc)) };
            }
        }
    }
}

/// Rows that are multiplied at once, from `left` rows on: at most 3. Four are better taken as two and two.
#[inline(always)]
fn rows<S: Simd>(left: usize) -> usize {
    match left {
        _ if S::ROWS_AT_ONCE == 1 => 1,
        1 => 1,
        2 | 4 => 2,
        _ => 3,
    }
}

/// `m` × up to 4 dot products into `out`, some rows of `x` at a time.
///
/// # Safety
/// As [`dots`], for `m` rows.
#[inline(always)]
unsafe fn column_of_dots<S: Simd, T: Element>(
    s: S,
    (m, count, cols): (usize, usize, usize),
    x: View<f32>,
    w: View<u8>,
    w_step: usize,
    out: ViewMut,
) {
    let mut i = 0;
    while i < m {
        // SAFETY: rows i .. i + 1, 2 or 3, which are ≤ m.
        unsafe {
            let x = View { at: x.at.add(i * x.stride), ..x };
            let out = ViewMut { at: out.at.add(i * out.stride), ..out };
            match rows::<S>(m - i) {
                1 => dots::<S, T, 1>(s, x, w, w_step, count, cols, out),
                2 => dots::<S, T, 2>(s, x, w, w_step, count, cols, out),
                _ => dots::<S, T, 3>(s, x, w, w_step, count, cols, out),
            }
        }
        i += rows::<S>(m - i);
    }
}

/// `out (m, rows) = x (m, cols) · wᵀ`, w (rows, cols).
///
/// # Safety
/// `x`, `w` and `out` are valid for these shapes.
#[inline(always)]
pub(super) unsafe fn dot_block<S: Simd, T: Element>(
    s: S,
    (m, rows, cols): (usize, usize, usize),
    x: View<f32>,
    w: View<u8>,
    out: ViewMut,
) {
    for r in (0..rows).step_by(PANEL) {
        let count = PANEL.min(rows - r);
        // SAFETY: rows r .. r + count of w, columns of out.
        unsafe {
            let w = View { at: w.at.add(r * w.stride), ..w };
            let out = ViewMut { at: out.at.add(r), ..out };
            column_of_dots::<S, T>(s, (m, count, cols), x, w, LANES * T::BYTES, out);
        }
    }
}

/// Packs up to 4 rows of `w`, as f32, for [`dot_panel`].
///
/// # Safety
/// `w` is valid for `count` rows of `cols` values.
#[inline(always)]
pub(super) unsafe fn pack_panel<S: Simd, T: Element>(s: S, w: View<u8>, count: usize, cols: usize, panel: &mut [f32]) {
    debug_assert!(count <= PANEL && panel.len() >= panel_len(cols));
    let rest = cols % LANES;
    for (step, panel) in panel.chunks_exact_mut(PANEL * LANES).take(cols.div_ceil(LANES)).enumerate() {
        for j in 0..PANEL {
            // SAFETY: row j < count, values from step · 8, 8 of them or the rest; the panel has room for 32.
            unsafe {
                let at = w.at.add(if j < count { j * w.stride + step * LANES * T::BYTES } else { 0 });
                let v = match (j < count, step < cols / LANES) {
                    (false, _) => s.splat(0.0),
                    (true, true) => T::load(s, at),
                    (true, false) => T::load_part(s, at, rest),
                };
                s.store(panel.as_mut_ptr().add(j * LANES), v);
            }
        }
    }
}

/// `out (m, count) = x (m, cols) · wᵀ` for the up to 4 rows of w that `panel` holds.
///
/// # Safety
/// `x` and `out` are valid for these shapes.
#[inline(always)]
pub(super) unsafe fn dot_panel<S: Simd>(
    s: S,
    (m, count, cols): (usize, usize, usize),
    x: View<f32>,
    panel: &[f32],
    out: ViewMut,
) {
    debug_assert!(count <= PANEL && panel.len() >= panel_len(cols));
    let mut i = 0;
    while i < m {
        // SAFETY: rows i .. i + M, which are ≤ m, of x and out; the panel has 4 rows.
        i += unsafe {
            let x = View { at: x.at.add(i * x.stride), ..x };
            let out = ViewMut { at: out.at.add(i * out.stride), ..out };
            match m - i {
                left if left >= 8 && S::ROWS_AT_ONCE >= 8 => panel_tile::<S, 8>(s, x, panel, (count, cols), out),
                left => match rows::<S>(left) {
                    1 => panel_tile::<S, 1>(s, x, panel, (count, cols), out),
                    2 => panel_tile::<S, 2>(s, x, panel, (count, cols), out),
                    _ => panel_tile::<S, 3>(s, x, panel, (count, cols), out),
                },
            }
        };
    }
}

/// M rows of x times a panel, into as many rows of `out`; returns M. Lanes add up in the order of [`tile`].
///
/// # Safety
/// As [`dot_panel`].
#[inline(always)]
unsafe fn panel_tile<S: Simd, const M: usize>(
    s: S,
    x: View<f32>,
    panel: &[f32],
    (count, cols): (usize, usize),
    out: ViewMut,
) -> usize {
    let zero = s.splat(0.0);
    let mut acc = [[s.join([zero; 2]); PANEL / 2]; M];
    let steps = cols / LANES;
    for step in 0..cols.div_ceil(LANES) {
        // SAFETY: the panel has a step of 4 · 8 values for every 8 columns that were begun, and x has M rows of `cols`.
        unsafe {
            let w = panel.as_ptr().add(step * PANEL * LANES);
            let w = [s.load_pair(w), s.load_pair(w.add(2 * LANES))];
            for (i, acc) in acc.iter_mut().enumerate() {
                let at = x.at.add(i * x.stride + step * LANES);
                let x = if step < steps {
                    s.load_twice(at)
                } else {
                    let part = s.load_part(std::slice::from_raw_parts(at, cols % LANES));
                    s.join([part; 2])
                };
                acc[0] = s.fma_pair(x, w[0], acc[0]);
                acc[1] = s.fma_pair(x, w[1], acc[1]);
            }
        }
    }
    for (i, acc) in acc.into_iter().enumerate() {
        let ([a, b], [c, d]) = (s.parts(acc[0]), s.parts(acc[1]));
        for (j, v) in s.sum4([a, b, c, d]).into_iter().enumerate().take(count) {
            // SAFETY: row i < M, column j < count.
            unsafe { out.put(i, j, v) };
        }
    }
    M
}

/// The factors of [`sum_block`]: factor of row k for result row i at `at[i · row + k · col]`.
#[derive(Clone, Copy)]
pub(super) struct Factors {
    pub(super) at: *const f32,
    pub(super) row: usize,
    pub(super) col: usize,
}

/// M × 16 results of [`sum_block`].
///
/// # Safety
/// As [`sum_block`].
#[inline(always)]
unsafe fn sum_pairs<S: Simd, T: Element, const M: usize>(s: S, k: usize, a: Factors, b: View<u8>, out: ViewMut) {
    let mut acc = [s.join([s.splat(0.0); 2]); M];
    // SAFETY: rows i < M of `out` and of the factors, rows below k of b, 16 columns.
    unsafe {
        if out.accumulate {
            for (i, acc) in acc.iter_mut().enumerate() {
                *acc = s.load_pair(out.at.add(i * out.stride));
            }
        }
        for k in 0..k {
            let bs = T::load_pair(s, b.at.add(k * b.stride));
            for (i, acc) in acc.iter_mut().enumerate() {
                let factor = s.splat(*a.at.add(i * a.row + k * a.col));
                *acc = s.fma_pair(s.join([factor; 2]), bs, *acc);
            }
        }
        for (i, acc) in acc.into_iter().enumerate() {
            s.store_pair(out.at.add(i * out.stride), acc);
        }
    }
}

/// M × 8 results of [`sum_block`], or M × `part` if that is not 0.
///
/// # Safety
/// As [`sum_block`].
#[inline(always)]
unsafe fn sum_vectors<S: Simd, T: Element, const M: usize>(
    s: S,
    k: usize,
    a: Factors,
    b: View<u8>,
    part: usize,
    out: ViewMut,
) {
    let mut acc = [s.splat(0.0); M];
    // SAFETY: rows i < M of `out` and of the factors, rows below k of b, 8 columns or `part`.
    unsafe {
        if out.accumulate {
            for (i, acc) in acc.iter_mut().enumerate() {
                let p = out.at.add(i * out.stride);
                *acc = if part > 0 { s.load_part(std::slice::from_raw_parts(p, part)) } else { s.load(p) };
            }
        }
        for k in 0..k {
            let p = b.at.add(k * b.stride);
            let bs = if part > 0 { T::load_part(s, p, part) } else { T::load(s, p) };
            for (i, acc) in acc.iter_mut().enumerate() {
                *acc = s.fma(s.splat(*a.at.add(i * a.row + k * a.col)), bs, *acc);
            }
        }
        for (i, acc) in acc.into_iter().enumerate() {
            let p = out.at.add(i * out.stride);
            if part > 0 { s.store_part(std::slice::from_raw_parts_mut(p, part), acc) } else { s.store(p, acc) }
        }
    }
}

/// `out (m, n)[i] = Σ_k a[i, k] · b (k, n)[k]`, added to `out` if it accumulates. With `triangular`, factors of rows k > i
/// are zero and most of them are skipped.
///
/// # Safety
/// `a`, `b` and `out` are valid for these shapes.
#[inline(always)]
pub(super) unsafe fn sum_block<S: Simd, T: Element>(
    s: S,
    (m, n, k): (usize, usize, usize),
    a: Factors,
    b: View<u8>,
    out: ViewMut,
    triangular: bool,
) {
    let mut j = 0;
    while j < n {
        let width = match n - j {
            w if w >= 2 * LANES => 2 * LANES,
            w => w.min(LANES),
        };
        let mut i = 0;
        while i < m {
            let height = match m - i {
                h if h >= 8 && S::ROWS_AT_ONCE >= 8 => 8,
                h if h >= 4 && S::ROWS_AT_ONCE >= 3 => 4,
                h if h >= 2 && S::ROWS_AT_ONCE >= 3 => 2,
                _ => 1,
            };
            let k = if triangular { k.min(i + height) } else { k };
            // SAFETY: columns j .. j + width ≤ n of b and out, rows i .. i + height ≤ m of a and out.
            unsafe {
                let a = Factors { at: a.at.add(i * a.row), ..a };
                let b = View { at: b.at.add(j * T::BYTES), ..b };
                let out = ViewMut { at: out.at.add(i * out.stride + j), ..out };
                match (height, width % (2 * LANES), width % LANES) {
                    (8, 0, _) => sum_pairs::<S, T, 8>(s, k, a, b, out),
                    (4, 0, _) => sum_pairs::<S, T, 4>(s, k, a, b, out),
                    (2, 0, _) => sum_pairs::<S, T, 2>(s, k, a, b, out),
                    (_, 0, _) => sum_pairs::<S, T, 1>(s, k, a, b, out),
                    (8, _, part) => sum_vectors::<S, T, 8>(s, k, a, b, part, out),
                    (4, _, part) => sum_vectors::<S, T, 4>(s, k, a, b, part, out),
                    (2, _, part) => sum_vectors::<S, T, 2>(s, k, a, b, part, out),
                    (_, _, part) => sum_vectors::<S, T, 1>(s, k, a, b, part, out),
                }
            }
            i += height;
        }
        j += width;
    }
}

/// `out (cols, rows) = x (rows, cols)ᵀ`.
///
/// # Safety
/// `x` and `out` are valid for these shapes and do not overlap.
#[inline(always)]
pub(super) unsafe fn transpose<S: Simd>(
    s: S,
    (rows, cols): (usize, usize),
    x: View<f32>,
    out: *mut f32,
    out_stride: usize,
) {
    // In blocks of 8 rows and 4 columns, so that reads and writes stay within a few cache lines.
    for r0 in (0..rows).step_by(LANES) {
        for c0 in (0..cols).step_by(4) {
            if r0 + LANES <= rows && c0 + 4 <= cols {
                // SAFETY: rows r0 .. r0 + 8 and columns c0 .. c0 + 4 are inside.
                unsafe {
                    let four = |r: usize| x.at.add((r0 + r) * x.stride + c0).cast::<[f32; 4]>().read_unaligned();
                    let two = |r: usize| {
                        let ([a, b, c, d], [e, f, g, h]) = (four(r), four(r + 1));
                        s.vector([a, b, c, d, e, f, g, h])
                    };
                    for (c, column) in s.columns4([two(0), two(2), two(4), two(6)]).into_iter().enumerate() {
                        s.store(out.add((c0 + c) * out_stride + r0), column);
                    }
                }
                continue;
            }
            for c in c0..cols.min(c0 + 4) {
                for r in r0..rows.min(r0 + LANES) {
                    // SAFETY: r < rows and c < cols.
                    unsafe { *out.add(c * out_stride + r) = *x.at.add(r * x.stride + c) };
                }
            }
        }
    }
}
