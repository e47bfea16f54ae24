//! The mixer of a Mamba-2 block: causal convolution, selective state space, gate.
//!
//! Many tokens are taken in blocks of [`SPAN`]. With a running sum c of dt·a inside the block, token i of a head gets
//!
//! ```text
//! y_i = exp(c_i) · (C_i · s)  +  Σ_{j ≤ i} (C_i · B_j) · exp(c_i − c_j) · dt_j · x_j  +  d · x_i
//! s  ← exp(c_last) · s + Σ_j exp(c_last − c_j) · dt_j · x_j ⊗ B_j
//! ```
//!
//! where s is the state before the block: three matrix products (the chunked form of "Transformers are SSMs", Dao and
//! Gu, arXiv 2405.21060, section 6). The products C · Bᵀ are shared by the heads of a group.

use super::buffer::Buffer;
use super::dense::{Factors, View, ViewMut, dot_block, sum_block, transpose};
use super::kernels::Kernels;
use super::pool::{Pool, Scratch};
use super::simd::{F32, LANES, Simd, exp, silu, softplus};
use crate::Result;
use crate::backend::{MAX_CONV, SSM_SPAN as SPAN, SsmParams, SsmShape};

/// Everything that the kernels below read. The lengths have been checked by [`mix`]'s caller.
pub(super) struct Mixer<'a> {
    pub(super) shape: &'a SsmShape,
    pub(super) params: &'a SsmParams<Buffer>,
    /// (n, 2·E + 2·Ng·N + nh)
    pub(super) zxbcdt: &'a [f32],
    pub(super) n: usize,
}

impl Mixer<'_> {
    /// What the convolution reads for input row `t`, which may be up to W − 1 before the first token.
    #[inline(always)]
    fn input<'b>(&'b self, history: &'b [f32], t: isize) -> &'b [f32] {
        let channels = self.shape.conv_channels();
        if t < 0 {
            let row = (t + self.shape.conv as isize - 1) as usize;
            &history[row * channels..(row + 1) * channels]
        } else {
            let start = t as usize * self.shape.projected() + self.shape.inner;
            &self.zxbcdt[start..start + channels]
        }
    }
}

/// The state, `history` (W − 1, E + 2·Ng·N) and `state` (nh, P, N), and `y` of one sequence of
/// [`Operations::ssm_mix`](crate::backend::Operations::ssm_mix). The caller has checked the lengths.
pub(super) fn mix(
    kernels: &Kernels,
    pool: &Pool,
    mixer: &Mixer<'_>,
    history: &mut [f32],
    state: &mut [f32],
    y: &mut [f32],
) -> Result<()> {
    let (shape, n) = (mixer.shape, mixer.n);
    let (channels, heads, width) = (shape.conv_channels(), shape.heads, shape.head_dim());
    let blocks = n.div_ceil(SPAN);
    let mut scratch = pool.scratch();
    let Scratch { a, b, c, .. } = &mut *scratch;

    // Convolution, and the products of C and B, block by block.
    let xbc = a.scratch(n * channels)?;
    let gram_len = shape.groups * SPAN * SPAN;
    let grams = b.scratch(blocks * gram_len)?;
    let work = n * (channels * 12 + shape.groups * shape.state * SPAN / 2);
    pool.each_pair((xbc, SPAN * channels), (grams, gram_len), work, |block, xbc, gram| {
        kernels.convolve(mixer, history, block * SPAN, xbc);
        kernels.gram(shape, xbc, gram);
        Ok(())
    })?;
    keep_history(mixer, history);

    // The recurrence, head by head.
    let v = c.scratch(heads * n * width)?;
    let work = n * shape.inner * (2 * shape.state + if n > 1 { SPAN / 2 } else { 0 });
    let mixed = Mixed { xbc, grams };
    pool.each_pair((v, n * width), (state, width * shape.state), work, |head, v, state| {
        let mut scratch = pool.scratch();
        kernels.scan(mixer, mixed, head, state, v, scratch.a.scratch(scan_scratch(shape))?);
        Ok(())
    })?;

    // The gate, row by row.
    let v = &*v;
    let inner = shape.inner;
    pool.each_part(&mut y[..n * inner], inner, n * inner * 12, |t, y| {
        for (head, y) in y.chunks_exact_mut(width).enumerate() {
            y.copy_from_slice(&v[(head * n + t) * width..][..width]);
        }
        let z = &mixer.zxbcdt[t * shape.projected()..][..inner];
        kernels.gate(y, z);
        Ok(())
    })
}

/// The last W − 1 inputs of the convolution, for the next call.
fn keep_history(mixer: &Mixer<'_>, history: &mut [f32]) {
    let (channels, keep) = (mixer.shape.conv_channels(), mixer.shape.conv - 1);
    let old = keep.saturating_sub(mixer.n);
    history.copy_within((keep - old) * channels..keep * channels, 0);
    for row in old..keep {
        let t = (mixer.n + row - keep) as isize;
        let start = row * channels;
        history[start..start + channels].copy_from_slice(mixer.input(&[], t));
    }
}

/// Convolution and SiLU for tokens `first ..`, as many as `out (tokens, channels)` has rows.
#[inline(always)]
pub(super) fn convolve<S: Simd>(s: S, mixer: &Mixer<'_>, history: &[f32], first: usize, out: &mut [f32]) {
    let (channels, taps) = (mixer.shape.conv_channels(), mixer.shape.conv);
    let (weight, bias) = (&mixer.params.conv_weight[..channels * taps], &mixer.params.conv_bias[..channels]);
    let rows = out.len() / channels;
    for c in (0..channels).step_by(LANES) {
        let part = LANES.min(channels - c);
        let weight = &weight[c * taps..(c + part) * taps];
        let mut ws = [s.splat(0.0); MAX_CONV];
        if taps == 4 && part == LANES {
            let (quads, _) = weight.as_chunks::<LANES>();
            let [a, b, c, d] = s.columns4([0, 1, 2, 3].map(|i| s.vector(quads[i])));
            (ws[0], ws[1], ws[2], ws[3]) = (a, b, c, d);
        } else {
            for (k, w) in ws.iter_mut().enumerate().take(taps) {
                *w = s.vector(std::array::from_fn(|i| if i < part { weight[i * taps + k] } else { 0.0 }));
            }
        }
        let bias = s.load_part(&bias[c..c + part]);
        for t in 0..rows {
            let mut acc = bias;
            for (k, &w) in ws.iter().enumerate().take(taps) {
                let x = &mixer.input(history, (first + t + k) as isize - (taps as isize - 1))[c..c + part];
                acc = s.fma(w, load(s, x), acc);
            }
            let out = &mut out[t * channels + c..][..part];
            store(s, out, silu(s, acc));
        }
    }
}

/// Up to 8 values.
#[inline(always)]
fn load<S: Simd>(s: S, x: &[f32]) -> S::F {
    match x.first_chunk::<LANES>() {
        Some(x) => s.vector(*x),
        None => s.load_part(x),
    }
}

/// Up to 8 values.
#[inline(always)]
fn store<S: Simd>(s: S, x: &mut [f32], v: S::F) {
    match x.first_chunk_mut::<LANES>() {
        Some(x) => *x = s.to_array(v),
        None => s.store_part(x, v),
    }
}

/// `out (groups, 64, 64)[g, i, j] = C_i · B_j` for j ≤ i, of one block of `xbc (up to 64, channels)`. The rest of `out` is
/// left as it is or overwritten.
#[inline(always)]
pub(super) fn gram<S: Simd>(s: S, shape: &SsmShape, xbc: &[f32], out: &mut [f32]) {
    let channels = shape.conv_channels();
    let rows = xbc.len() / channels;
    if rows < 2 {
        return;
    }
    for (g, out) in out.chunks_exact_mut(SPAN * SPAN).enumerate().take(shape.groups) {
        for j in (0..rows).step_by(4) {
            let b = &xbc[j * channels + shape.inner + g * shape.state..];
            let c = &xbc[j * channels + shape.inner + (shape.groups + g) * shape.state..];
            let out = &mut out[j * SPAN + j..];
            // SAFETY: B and C have rows j .. of `state` values, `out` columns j .. of rows j .. < 64.
            unsafe {
                dot_block::<S, F32>(
                    s,
                    (rows - j, 4.min(rows - j), shape.state),
                    View { at: c.as_ptr(), stride: channels },
                    View { at: b.as_ptr().cast(), stride: channels * 4 },
                    ViewMut { at: out.as_mut_ptr(), stride: SPAN, accumulate: false },
                );
            }
        }
    }
}

/// What the first stage leaves to the second.
#[derive(Clone, Copy)]
pub(super) struct Mixed<'a> {
    /// x, B and C after convolution and SiLU, (n, E + 2·Ng·N)
    xbc: &'a [f32],
    /// [`gram`] of every block, (blocks, Ng, 64, 64)
    grams: &'a [f32],
}

/// Scratch values of [`scan`].
fn scan_scratch(shape: &SsmShape) -> usize {
    SPAN * SPAN + shape.head_dim() * shape.state + SPAN * shape.head_dim()
}

/// One head over all tokens: `v (n, P)`, and `state (P, N)` updated.
#[inline(always)]
pub(super) fn scan<S: Simd>(
    s: S,
    mixer: &Mixer<'_>,
    mixed: Mixed<'_>,
    head: usize,
    state: &mut [f32],
    v: &mut [f32],
    scratch: &mut [f32],
) {
    let shape = mixer.shape;
    let (channels, projected, width) = (shape.conv_channels(), shape.projected(), shape.head_dim());
    let group = head / (shape.heads / shape.groups);
    let (a, d, bias) = (mixer.params.a[head], mixer.params.d[head], mixer.params.dt_bias[head]);
    // Blocks of tokens keep the state transposed, (N, P), from one to the next.
    let (turned, scratch) = scratch.split_at_mut(width * shape.state);
    let mut is_turned = false;
    for block in 0..mixer.n.div_ceil(SPAN) {
        let t0 = block * SPAN;
        let rows = SPAN.min(mixer.n - t0);
        let mut dt = [0.0; SPAN];
        for (i, dt) in dt.iter_mut().enumerate().take(rows) {
            *dt = mixer.zxbcdt[(t0 + i + 1) * projected - shape.heads + head] + bias;
        }
        for dt in dt.as_chunks_mut::<LANES>().0.iter_mut().take(rows.div_ceil(LANES)) {
            let v = softplus(s, s.vector(*dt));
            *dt = s.to_array(s.min(s.splat(shape.dt_max), s.max(s.splat(shape.dt_min), v)));
        }
        let xbc = &mixed.xbc[t0 * channels..(t0 + rows) * channels];
        let one = Block {
            dt: &dt,
            a,
            d,
            x: &xbc[head * width..],
            b: &xbc[shape.inner + group * shape.state..],
            c: &xbc[shape.inner + (shape.groups + group) * shape.state..],
            rows,
            channels,
            width,
            state: shape.state,
        };
        let v = &mut v[t0 * width..(t0 + rows) * width];
        if is_turned != (rows > 1) {
            is_turned = !is_turned;
            if is_turned { turn(s, state, turned, shape.state) } else { turn(s, turned, state, width) }
        }
        if rows == 1 {
            step(s, &one, state, v);
        } else {
            let gram = &mixed.grams[(block * shape.groups + group) * SPAN * SPAN..][..SPAN * SPAN];
            span(s, &one, gram, turned, v, scratch, block == 0);
        }
    }
    if is_turned {
        turn(s, turned, state, width);
    }
}

/// `to` becomes `from`, rows of `width` values, transposed.
#[inline(always)]
fn turn<S: Simd>(s: S, from: &[f32], to: &mut [f32], width: usize) {
    let rows = from.len() / width.max(1);
    assert!(from.len() == rows * width && to.len() == from.len());
    // SAFETY: both are as long as that.
    unsafe { transpose(s, (rows, width), View { at: from.as_ptr(), stride: width }, to.as_mut_ptr(), rows) };
}

/// One block of tokens of one head. Rows of x, B and C are `channels` apart.
struct Block<'a> {
    dt: &'a [f32; SPAN],
    a: f32,
    d: f32,
    /// (rows, P)
    x: &'a [f32],
    /// (rows, N)
    b: &'a [f32],
    /// (rows, N)
    c: &'a [f32],
    rows: usize,
    channels: usize,
    width: usize,
    state: usize,
}

/// How much is left after a time: e^x, less 1e-20 and no less than 0. To what is younger that makes no difference. But a factor near 1e-38 makes
/// products below the least normal number, and with those many processors compute a hundred times as long.
#[inline(always)]
fn decay<S: Simd>(s: S, x: S::F) -> S::F {
    s.max(s.splat(0.0), s.sub(exp(s, x), s.splat(1e-20)))
}

/// One token.
#[inline(always)]
fn step<S: Simd>(s: S, block: &Block<'_>, state: &mut [f32], v: &mut [f32]) {
    let (b, c, x) = (&block.b[..block.state], &block.c[..block.state], &block.x[..block.width]);
    let (dt, n) = (block.dt[0], block.state);
    let left = s.splat(s.to_array(decay(s, s.splat(dt * block.a)))[0]);
    for (p, state) in state.chunks_mut(4 * n).enumerate() {
        let rows = state.len() / n;
        let mut acc = [s.splat(0.0); 4];
        let mut xs = [s.splat(0.0); 4];
        for (xs, x) in xs.iter_mut().zip(&x[4 * p..]) {
            *xs = s.splat(dt * x);
        }
        if rows == 4 && n % LANES == 0 {
            for k in (0..n).step_by(LANES) {
                for i in 0..4 {
                    // SAFETY: k + 8 ≤ n, the length of B and C and of each of the 4 rows of the state.
                    unsafe {
                        let place = state.as_mut_ptr().add(i * n + k);
                        let (b, c) = (s.load(b.as_ptr().add(k)), s.load(c.as_ptr().add(k)));
                        let h = s.fma(xs[i], b, s.mul(left, s.load(place)));
                        s.store(place, h);
                        acc[i] = s.fma(h, c, acc[i]);
                    }
                }
            }
        } else {
            for ((state, xs), acc) in state.chunks_exact_mut(n).zip(xs).zip(&mut acc) {
                for ((state, b), c) in state.chunks_mut(LANES).zip(b.chunks(LANES)).zip(c.chunks(LANES)) {
                    let h = s.fma(xs, load(s, b), s.mul(left, load(s, state)));
                    store(s, state, h);
                    *acc = s.fma(h, load(s, c), *acc);
                }
            }
        }
        for ((v, x), y) in v[4 * p..].iter_mut().zip(&x[4 * p..]).zip(s.sum4(acc)) {
            *v = y + block.d * x;
        }
    }
}

/// Two or more tokens, of the state (N, P).
#[inline(always)]
fn span<S: Simd>(
    s: S,
    block: &Block<'_>,
    gram: &[f32],
    state: &mut [f32],
    v: &mut [f32],
    scratch: &mut [f32],
    first: bool,
) {
    let Block { dt, a, d, x, b, c, rows, channels, width, state: n } = *block;
    let (mixed, scaled) = scratch.split_at_mut(SPAN * SPAN);
    assert!(rows <= SPAN && state.len() == width * n && v.len() == rows * width && scaled.len() >= rows * width);
    let reach = (rows - 1) * channels;
    assert!(x.len() >= reach + width && b.len() >= reach + n && c.len() >= reach + n);

    // Running sums of dt·a, past the end constant.
    let mut sums = [0.0f32; SPAN];
    let mut sum = 0.0;
    for (sums, dt) in sums.iter_mut().zip(&dt[..rows]) {
        sum += dt * a;
        *sums = sum;
    }
    // How much of token j is left at token i, times C_i · B_j · dt_j; `d` acts like a part of the diagonal.
    for (i, (mixed, gram)) in mixed.chunks_exact_mut(SPAN).zip(gram.chunks_exact(SPAN)).enumerate().take(rows) {
        let now = s.splat(sums[i]);
        for (j, mixed) in mixed.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            if j * LANES > i + 3 {
                break;
            }
            let at = |v: &[f32]| load(s, &v[j * LANES..(j + 1) * LANES]);
            let left = decay(s, s.sub(now, at(&sums)));
            *mixed = s.to_array(s.mul(s.mul(at(gram), left), at(dt)));
        }
        mixed[i] += d;
        // The products below read up to 7 places to the right of the diagonal, within a block of 8.
        let end = (i + 4).next_multiple_of(LANES).min(SPAN);
        mixed[i + 1..end].fill(0.0);
    }

    let rows_of = |v: &[f32]| View { at: v.as_ptr().cast::<u8>(), stride: channels * 4 };
    let out = ViewMut { at: v.as_mut_ptr(), stride: width, accumulate: false };
    // SAFETY: shapes as asserted above; the three parts of the scratch do not overlap.
    unsafe {
        if first && state.iter().all(|&v| v == 0.0) {
            v.fill(0.0);
        } else {
            let c = Factors { at: c.as_ptr(), row: channels, col: 1 };
            let before = View { at: state.as_ptr().cast::<u8>(), stride: width * 4 };
            sum_block::<S, F32>(s, (rows, width, n), c, before, out, false);
            for (i, v) in v.chunks_exact_mut(width).enumerate() {
                let left = decay(s, s.splat(sums[i]));
                v.chunks_mut(LANES).for_each(|v| store(s, v, s.mul(left, load(s, v))));
            }
        }
        let mixed = Factors { at: mixed.as_ptr(), row: SPAN, col: 1 };
        sum_block::<S, F32>(s, (rows, width, rows), mixed, rows_of(x), ViewMut { accumulate: true, ..out }, true);
    }

    // The state after the block.
    let last = s.splat(sum);
    let mut left = [0.0; SPAN];
    for (j, left) in left.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let at = |v: &[f32]| load(s, &v[j * LANES..(j + 1) * LANES]);
        *left = s.to_array(s.mul(decay(s, s.sub(last, at(&sums))), at(dt)));
    }
    for (j, scaled) in scaled.chunks_exact_mut(width).enumerate().take(rows) {
        let x = &x[j * channels..j * channels + width];
        for (scaled, x) in scaled.chunks_mut(LANES).zip(x.chunks(LANES)) {
            store(s, scaled, s.mul(s.splat(left[j]), load(s, x)));
        }
    }
    let left = decay(s, last);
    state.chunks_mut(LANES).for_each(|v| store(s, v, s.mul(left, load(s, v))));
    // SAFETY: shapes as asserted above.
    unsafe {
        let b = Factors { at: b.as_ptr(), row: 1, col: channels };
        let scaled = View { at: scaled.as_ptr().cast::<u8>(), stride: width * 4 };
        let out = ViewMut { at: state.as_mut_ptr(), stride: width, accumulate: true };
        sum_block::<S, F32>(s, (n, width, rows), b, scaled, out, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::scalar::Scalar;

    #[test]
    fn what_is_left_of_old_tokens_is_exact_or_nothing_but_never_near_the_least_number() {
        for i in 0..4000 {
            let x = -0.05 * i as f32;
            let one = |f: fn(Scalar, <Scalar as Simd>::F) -> <Scalar as Simd>::F| {
                Scalar.to_array(f(Scalar, Scalar.splat(x)))[0]
            };
            let (left, whole) = (one(decay::<Scalar>), one(exp::<Scalar>));
            assert!(left == 0.0 || left > 1e-28, "{x}: {left}");
            assert!(left == whole || whole < 1e-12, "{x}: {left}, {whole}");
        }
    }
}
