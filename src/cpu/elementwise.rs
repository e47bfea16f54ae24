//! Norms, gates and the other operations that look at one row at a time.

use super::simd::{LANES, Simd, exp, silu};

/// The sum over lanes of `f` of all values, in an order that depends on the length alone.
#[inline(always)]
fn sum_of_squares<S: Simd>(s: S, x: &[f32]) -> f32 {
    let mut acc = [s.splat(0.0); 4];
    let (blocks, rest) = x.as_chunks::<{ 4 * LANES }>();
    for block in blocks {
        for (acc, x) in acc.iter_mut().zip(block.as_chunks::<LANES>().0) {
            let x = s.vector(*x);
            *acc = s.fma(x, x, *acc);
        }
    }
    for (acc, x) in acc.iter_mut().zip(rest.chunks(LANES)) {
        let x = s.load_part(x);
        *acc = s.fma(x, x, *acc);
    }
    s.sum(s.add(s.add(acc[0], acc[1]), s.add(acc[2], acc[3])))
}

/// `x[i] = x[i] · factor · weight[i]`
#[inline(always)]
fn scale_by<S: Simd>(s: S, x: &mut [f32], factor: f32, weight: &[f32]) {
    let factor = s.splat(factor);
    let (xs, x_rest) = x.as_chunks_mut::<LANES>();
    let (ws, w_rest) = weight.as_chunks::<LANES>();
    for (x, w) in xs.iter_mut().zip(ws) {
        *x = s.to_array(s.mul(s.mul(s.vector(*x), factor), s.vector(*w)));
    }
    let v = s.mul(s.mul(s.load_part(x_rest), factor), s.load_part(w_rest));
    s.store_part(x_rest, v);
}

/// RMS norm of each row of `width` values, in place; the rows of `weight` take turns.
#[inline(always)]
pub(super) fn rms_norm<S: Simd>(s: S, x: &mut [f32], weight: &[f32], width: usize, eps: f32) {
    for (row, weight) in x.chunks_exact_mut(width).zip(weight.chunks_exact(width).cycle()) {
        let mean = sum_of_squares(s, row) / row.len() as f32;
        scale_by(s, row, 1.0 / (mean + eps).sqrt(), weight);
    }
}

/// `y += x`
#[inline(always)]
pub(super) fn add_into<S: Simd>(s: S, y: &mut [f32], x: &[f32]) {
    let (ys, y_rest) = y.as_chunks_mut::<LANES>();
    let (xs, x_rest) = x.as_chunks::<LANES>();
    for (y, x) in ys.iter_mut().zip(xs) {
        *y = s.to_array(s.add(s.vector(*y), s.vector(*x)));
    }
    for (y, x) in y_rest.iter_mut().zip(x_rest) {
        *y += x;
    }
}

/// `gate[i] = silu(gate[i]) · up[i]`
#[inline(always)]
pub(super) fn silu_mul<S: Simd>(s: S, gate: &mut [f32], up: &[f32]) {
    let (gs, g_rest) = gate.as_chunks_mut::<LANES>();
    let (us, u_rest) = up.as_chunks::<LANES>();
    for (g, u) in gs.iter_mut().zip(us) {
        *g = s.to_array(s.mul(silu(s, s.vector(*g)), s.vector(*u)));
    }
    let v = s.mul(silu(s, s.load_part(g_rest)), s.load_part(u_rest));
    s.store_part(g_rest, v);
}

/// `y[i] = y[i] · silu(z[i])`
#[inline(always)]
pub(super) fn gate<S: Simd>(s: S, y: &mut [f32], z: &[f32]) {
    let (ys, y_rest) = y.as_chunks_mut::<LANES>();
    let (zs, z_rest) = z.as_chunks::<LANES>();
    for (y, z) in ys.iter_mut().zip(zs) {
        *y = s.to_array(s.mul(s.vector(*y), silu(s, s.vector(*z))));
    }
    let v = s.mul(s.load_part(y_rest), silu(s, s.load_part(z_rest)));
    s.store_part(y_rest, v);
}

/// `x = factor · softmax(scale · x)`. With `off_by_one`, the denominator is larger by 1 before any shift.
#[inline(always)]
pub(super) fn softmax<S: Simd>(s: S, x: &mut [f32], scale: f32, factor: f32, off_by_one: bool) {
    let mut largest = s.splat(f32::NEG_INFINITY);
    let (xs, x_rest) = x.as_chunks_mut::<LANES>();
    for x in xs.iter_mut() {
        let v = s.mul(s.vector(*x), s.splat(scale));
        *x = s.to_array(v);
        largest = s.max(largest, v);
    }
    let mut largest = s.max_lane(largest);
    for x in x_rest.iter_mut() {
        *x *= scale;
        largest = largest.max(*x);
    }
    if off_by_one {
        largest = largest.max(0.0);
    }
    let shift = s.splat(largest);
    let mut sum = s.splat(0.0);
    for x in xs.iter_mut() {
        let v = exp(s, s.sub(s.vector(*x), shift));
        *x = s.to_array(v);
        sum = s.add(sum, v);
    }
    if !x_rest.is_empty() {
        let v = exp(s, s.sub(s.load_part(x_rest), shift));
        s.store_part(x_rest, v);
        // Once more from memory, with zeros in the lanes past the end.
        sum = s.add(sum, s.load_part(x_rest));
    }
    let mut sum = s.sum(sum);
    if off_by_one {
        sum += s.to_array(exp(s, s.splat(-largest)))[0];
    }
    let factor = s.splat(factor / sum);
    for x in xs {
        *x = s.to_array(s.mul(s.vector(*x), factor));
    }
    let v = s.mul(s.load_part(x_rest), factor);
    s.store_part(x_rest, v);
}
