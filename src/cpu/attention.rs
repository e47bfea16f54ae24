//! Attention inside chunks: of the chunk encoder, and of tokens that read the chunks they have chosen.

use super::buffer::Buffer;
use super::dense::{Factors, View, ViewMut, dot_block, sum_block};
use super::elementwise::{rms_norm, softmax};
use super::kernels::Kernels;
use super::pool::{Pool, Scratch};
use super::simd::{Element, F16, F32, I8, Simd};
use crate::Result;
use crate::backend::{EncoderShape, HeadNorms, HsaShape, Pick};
use crate::memory::{ChunkView, KvData};

/// [`Operations::encoder_attention`](crate::backend::Operations::encoder_attention). The caller has checked the lengths.
pub(super) fn encode(
    kernels: &Kernels,
    pool: &Pool,
    shape: &EncoderShape,
    norms: &HeadNorms<'_, Buffer>,
    [q, k, v]: [&[f32]; 3],
    chunks: usize,
    out: &mut [f32],
) -> Result<()> {
    let EncoderShape { rows, heads, kv_heads, head_dim, .. } = *shape;
    let mut scratch = pool.scratch();
    let rope = scratch.a.scratch(rows * head_dim)?;
    rotations(shape, rope);
    let rope = &*rope;
    let (q_len, kv_len) = (rows * heads * head_dim, rows * kv_heads * head_dim);
    let work = 2 * chunks * heads * rows * rows * head_dim;
    pool.each_part(&mut out[..chunks * q_len], q_len, work, |i, out| {
        let qkv = [&q[i * q_len..][..q_len], &k[i * kv_len..][..kv_len], &v[i * kv_len..][..kv_len]];
        let mut scratch = pool.scratch();
        kernels.encode_chunk(shape, norms, rope, qkv, out, scratch.a.scratch(rows * (2 * head_dim + rows))?);
        Ok(())
    })
}

/// For each position a row of cosines, then sines, of the angles of the pairs: (rows, d).
fn rotations(shape: &EncoderShape, out: &mut [f32]) {
    let d = shape.head_dim;
    for i in 0..d / 2 {
        let angle = f64::from(shape.freq_base).powf(-2.0 * i as f64 / d as f64);
        // Turning by one angle at a time in f64 drifts by about 1e-16 per row, far below the precision of f32.
        let (step_sin, step_cos) = angle.sin_cos();
        let (mut sin, mut cos) = (0.0f64, 1.0f64);
        for row in out.chunks_exact_mut(d) {
            (row[i], row[i + d / 2]) = (cos as f32, sin as f32);
            (cos, sin) = (cos * step_cos - sin * step_sin, sin * step_cos + cos * step_sin);
        }
    }
}

/// `x = scale · x`, rotated. Both have d values.
#[inline(always)]
fn rotate(x: &mut [f32], rotation: &[f32], scale: f32) {
    let half = x.len() / 2;
    let (cos, sin) = rotation.split_at(half);
    let (x0, x1) = x.split_at_mut(half);
    for i in 0..half {
        (x0[i], x1[i]) = ((x0[i] * cos[i] - x1[i] * sin[i]) * scale, (x1[i] * cos[i] + x0[i] * sin[i]) * scale);
    }
}

/// One chunk: q and `out` are (rows, heads, d), k and v (rows, kv_heads, d); scratch rows · (2 · d + rows).
#[inline(always)]
pub(super) fn encode_chunk<S: Simd>(
    s: S,
    shape: &EncoderShape,
    norms: &HeadNorms<'_, Buffer>,
    rope: &[f32],
    [q, k, v]: [&[f32]; 3],
    out: &mut [f32],
    scratch: &mut [f32],
) {
    let EncoderShape { rows, heads, kv_heads, head_dim: d, .. } = *shape;
    let (turned_q, rest) = scratch.split_at_mut(rows * d);
    let (turned_k, scores) = rest.split_at_mut(rows * d);
    assert!(scores.len() >= rows * rows && rope.len() >= rows * d);
    assert!(q.len() >= rows * heads * d && out.len() >= rows * heads * d);
    assert!(k.len() >= rows * kv_heads * d && v.len() >= rows * kv_heads * d);
    let scale = 1.0 / (d as f32).sqrt();
    let (q_norm, k_norm) = (&norms.q[..d], &norms.k[..d]);
    for g in 0..kv_heads {
        for (r, (out, rope)) in turned_k.chunks_exact_mut(d).zip(rope.chunks_exact(d)).enumerate() {
            out.copy_from_slice(&k[(r * kv_heads + g) * d..][..d]);
            rms_norm(s, out, k_norm, d, norms.eps);
            rotate(out, rope, 1.0);
        }
        for h in g * (heads / kv_heads)..(g + 1) * (heads / kv_heads) {
            for (r, (out, rope)) in turned_q.chunks_exact_mut(d).zip(rope.chunks_exact(d)).enumerate() {
                out.copy_from_slice(&q[(r * heads + h) * d..][..d]);
                rms_norm(s, out, q_norm, d, norms.eps);
                rotate(out, rope, scale);
            }
            // SAFETY: shapes as asserted above: `scores` is (rows, rows).
            unsafe {
                let q = View { at: turned_q.as_ptr(), stride: d };
                let k = View { at: turned_k.as_ptr().cast::<u8>(), stride: d * 4 };
                let out = ViewMut { at: scores.as_mut_ptr(), stride: rows, accumulate: false };
                dot_block::<S, F32>(s, (rows, rows, d), q, k, out);
            }
            for row in scores.chunks_exact_mut(rows).take(rows) {
                softmax(s, row, 1.0, 1.0, false);
            }
            // SAFETY: shapes as asserted above; rows of v and out are heads · d apart.
            unsafe {
                let p = Factors { at: scores.as_ptr(), row: rows, col: 1 };
                let v = View { at: v.as_ptr().add(g * d).cast::<u8>(), stride: kv_heads * d * 4 };
                let out = ViewMut { at: out.as_mut_ptr().add(h * d), stride: heads * d, accumulate: false };
                sum_block::<S, F32>(s, (rows, d, rows), p, v, out, false);
            }
        }
    }
}

/// What tokens read, and where.
pub(super) struct Reading<'a> {
    pub(super) shape: &'a HsaShape,
    /// (n, H, d)
    pub(super) q: &'a [f32],
    /// Each of the length that `shape` asks for.
    pub(super) chunks: &'a [ChunkView<'a>],
    /// (n, Gr, K), indices below the length of `chunks` where the weight is not 0.
    pub(super) picks: &'a [Pick],
}

/// Query heads that a task takes at a time: a divisor of those that share a key/value head.
fn heads_per_task(shape: &HsaShape) -> usize {
    let group = shape.heads / shape.kv_heads;
    (1..=6.min(group)).rev().find(|h| group.is_multiple_of(*h)).unwrap_or(1)
}

/// [`Reader::attend`](crate::backend::Reader::attend). The caller has checked the lengths and indices.
pub(super) fn attend(kernels: &Kernels, pool: &Pool, reading: &Reading<'_>, out: &mut [f32]) -> Result<()> {
    let shape = reading.shape;
    let part = heads_per_task(shape) * shape.head_dim;
    let work = 2 * out.len() * shape.top_k * shape.chunk_size;
    pool.each_part(out, part, work, |task, out| {
        let mut scratch = pool.scratch();
        let Scratch { a, .. } = &mut *scratch;
        kernels.attend_heads(reading, task * part, out, a.scratch(part / shape.head_dim * shape.chunk_size)?);
        Ok(())
    })
}

/// Some query heads of one token and one key/value head, those of `q[at ..]`: `out (heads, d)`; scratch heads · S.
#[inline(always)]
pub(super) fn attend_heads<S: Simd>(s: S, reading: &Reading<'_>, at: usize, out: &mut [f32], scratch: &mut [f32]) {
    let HsaShape { heads, kv_heads, head_dim: d, chunk_size, retrieval_heads, top_k, softmax_off_by_one } =
        *reading.shape;
    let m = out.len() / d;
    let (token, head) = (at / (heads * d), at / d % heads);
    let g = head / (heads / kv_heads);
    let q = &reading.q[at..at + m * d];
    let picks = &reading.picks[(token * retrieval_heads + g.min(retrieval_heads - 1)) * top_k..][..top_k];
    let scale = 1.0 / (d as f32).sqrt();
    let row = kv_heads * d;
    assert!(scratch.len() >= m * chunk_size && out.len() == m * d);
    out.fill(0.0);
    for pick in picks {
        if pick.weight == 0.0 {
            continue;
        }
        let ChunkView { keys, values } = reading.chunks[pick.chunk as usize];
        let len = chunk_size * row;
        assert!(kv_len(&keys) >= len && kv_len(&values) >= len);
        let scores = &mut scratch[..m * chunk_size];
        let q = View { at: q.as_ptr(), stride: d };
        let to = ViewMut { at: scores.as_mut_ptr(), stride: chunk_size, accumulate: false };
        let shape = (m, chunk_size, d);
        // SAFETY: q is (m, d), the keys are `chunk_size` rows of kv_heads · d values as asserted, of which this takes d
        // from g · d on; `scores` is (m, chunk_size).
        unsafe {
            match keys {
                KvData::F32(k) => dot_block::<S, F32>(s, shape, q, head_of::<F32>(k.as_ptr().cast(), g, d, row), to),
                KvData::F16(k) => dot_block::<S, F16>(s, shape, q, head_of::<F16>(k.as_ptr().cast(), g, d, row), to),
                KvData::Int8 { data, .. } => {
                    dot_block::<S, I8>(s, shape, q, head_of::<I8>(data.as_ptr().cast(), g, d, row), to);
                }
            }
        }
        for scores in scores.chunks_exact_mut(chunk_size) {
            if let KvData::Int8 { scales, .. } = keys {
                scores.iter_mut().zip(scales[g..].iter().step_by(kv_heads)).for_each(|(v, scale)| *v *= scale);
            }
            softmax(s, scores, scale, pick.weight, softmax_off_by_one);
            if let KvData::Int8 { scales, .. } = values {
                scores.iter_mut().zip(scales[g..].iter().step_by(kv_heads)).for_each(|(v, scale)| *v *= scale);
            }
        }
        let p = Factors { at: scores.as_ptr(), row: chunk_size, col: 1 };
        let to = ViewMut { at: out.as_mut_ptr(), stride: d, accumulate: true };
        let shape = (m, d, chunk_size);
        // SAFETY: `scores` is (m, chunk_size), the values are as the keys above, `out` is (m, d).
        unsafe {
            match values {
                KvData::F32(v) => {
                    sum_block::<S, F32>(s, shape, p, head_of::<F32>(v.as_ptr().cast(), g, d, row), to, false);
                }
                KvData::F16(v) => {
                    sum_block::<S, F16>(s, shape, p, head_of::<F16>(v.as_ptr().cast(), g, d, row), to, false);
                }
                KvData::Int8 { data, .. } => {
                    sum_block::<S, I8>(s, shape, p, head_of::<I8>(data.as_ptr().cast(), g, d, row), to, false);
                }
            }
        }
    }
}

/// Number of values.
pub(super) fn kv_len(data: &KvData<'_>) -> usize {
    match data {
        KvData::F32(v) => v.len(),
        KvData::F16(v) => v.len(),
        KvData::Int8 { data, .. } => data.len(),
    }
}

/// Head `g` of rows of `row` values.
///
/// # Safety
/// `at` is valid for more than g · d values.
#[inline(always)]
unsafe fn head_of<T: Element>(at: *const u8, g: usize, d: usize, row: usize) -> View<u8> {
    // SAFETY: by the contract of this function.
    View { at: unsafe { at.add(g * d * T::BYTES) }, stride: row * T::BYTES }
}
