//! Products of quantized weights on AVX2.
//!
//! Few rows of activations (a generated token): 8 rows of weights at a time straight from the file. Each block of a row
//! becomes 8 partial sums; a small tree of additions turns those of 8 rows into one vector with a lane per row, so that
//! the scale of a block costs one multiply-add per 8 rows.
//!
//! Many rows: 16 rows of weights are unpacked once into a tile in which the same columns of 8 rows lie side by side, so
//! that a vector holds partial sums of 8 rows from the start. Two forms:
//! - 4-bit weights stay unsigned bytes and are multiplied by signed bytes (`vpmaddubsw`). In a lane of 16 bits stands the
//!   sum of 16 products of at most 15 · 127, which fits (30,480), so that a block needs 8 multiplications and one widening per
//!   8 rows;
//! - 8- and 6-bit weights become 16 bits, those of Q6_K with their scale multiplied in, for `vpmaddwd`, which is as many
//!   multiplications as the byte form with its widening, without its saturation.

use std::arch::x86_64::*;

use half::f16;

use super::Avx2;
use crate::cpu::matmul::Columns;
use crate::cpu::quantized::{BLOCK, Integers, Layout, QuantizedProduct, RowMut, TASK_ROWS, q4_k_scale_min, scale_of};
use crate::quant::DType;

/// From this number of rows of activations on, weights are unpacked into a tile.
const TILE_FROM: usize = 4;

/// Types of weights, as constants that select code.
const Q8_0: u8 = 0;
const Q4_0: u8 = 1;
const Q4_K: u8 = 2;
const Q6_K: u8 = 3;

impl Integers for Avx2 {
    #[inline(always)]
    fn quantize(self, x: &[f32], out: RowMut<'_>) {
        // SAFETY: `self` proves that the CPU has the instructions.
        unsafe { quantize(x, out) }
    }

    fn wants_wide(dtype: DType, n: usize) -> bool {
        n >= TILE_FROM && matches!(dtype, DType::Q8_0 | DType::Q6_K)
    }

    #[inline(always)]
    fn multiply(self, product: &QuantizedProduct<'_>, first: usize, y: &mut Columns<'_>, tile: &mut [f32]) {
        let rows = product.weights.len() / product.row_bytes.max(1);
        assert!(first + y.count() <= rows && y.count() <= TASK_ROWS && product.n > 0);
        // SAFETY: `self` proves that the CPU has the instructions; the rows exist as asserted.
        unsafe {
            match product.dtype {
                DType::Q8_0 => multiply::<Q8_0>(product, first, y, tile),
                DType::Q4_0 => multiply::<Q4_0>(product, first, y, tile),
                DType::Q4_K => multiply::<Q4_K>(product, first, y, tile),
                DType::Q6_K => multiply::<Q6_K>(product, first, y, tile),
                DType::F32 | DType::F16 | DType::BF16 => {}
            }
        }
    }
}

/// The formula of `quantized.rs`, 32 values at a time.
#[target_feature(enable = "avx2,fma,f16c")]
fn quantize(x: &[f32], out: RowMut<'_>) {
    let magnitude = _mm256_set1_epi32(0x7fff_ffff);
    let blocks = x.as_chunks::<BLOCK>().0.iter().zip(out.q.as_chunks_mut::<BLOCK>().0);
    let per_block = out.scales.iter_mut().zip(out.weighted.iter_mut()).zip(out.sums.iter_mut());
    for ((x, q), ((scale, weighted), sum)) in blocks.zip(per_block) {
        // SAFETY: four times 8 of the 32 values.
        let x: [__m256; 4] = std::array::from_fn(|i| unsafe { _mm256_loadu_ps(x.as_ptr().add(8 * i)) });
        let bits = x.map(|x| _mm256_and_si256(_mm256_castps_si256(x), magnitude));
        let max = _mm256_max_epi32(_mm256_max_epi32(bits[0], bits[1]), _mm256_max_epi32(bits[2], bits[3]));
        let max = _mm_max_epi32(_mm256_castsi256_si128(max), _mm256_extracti128_si256::<1>(max));
        let max = _mm_max_epi32(max, _mm_shuffle_epi32::<0b01_00_11_10>(max));
        let max = _mm_max_epi32(max, _mm_shuffle_epi32::<0b10_11_00_01>(max));
        let (d, inverse) = scale_of(f32::from_bits(_mm_cvtsi128_si32(max) as u32));
        let inverse = _mm256_set1_ps(inverse);
        let i = x.map(|x| _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse)));
        let all = _mm256_add_epi32(_mm256_add_epi32(i[0], i[1]), _mm256_add_epi32(i[2], i[3]));
        // Packing works within halves; the permutation puts groups of 4 back into order.
        let packed = _mm256_packs_epi16(_mm256_packs_epi32(i[0], i[1]), _mm256_packs_epi32(i[2], i[3]));
        let packed = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        // SAFETY: `q` has 32 bytes.
        unsafe { _mm256_storeu_si256(q.as_mut_ptr().cast(), packed) };
        *sum = sum_lanes(all);
        *scale = d;
        *weighted = d * *sum as f32;
    }
    for (wide, q) in out.wide.as_chunks_mut::<16>().0.iter_mut().zip(out.q.as_chunks::<16>().0) {
        // SAFETY: 16 bytes in, 16 values of 16 bits out.
        unsafe {
            let v = _mm256_cvtepi8_epi16(_mm_loadu_si128(q.as_ptr().cast()));
            _mm256_storeu_si256(wide.as_mut_ptr().cast(), v);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sum_lanes(v: __m256i) -> i32 {
    let v = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
    let v = _mm_add_epi32(v, _mm_shuffle_epi32::<0b01_00_11_10>(v));
    _mm_cvtsi128_si32(_mm_add_epi32(v, _mm_shuffle_epi32::<0b10_11_00_01>(v)))
}

/// Lane r of the result is the sum of the lanes of vector r.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sum_each(v: [__m256i; 8]) -> __m256i {
    let pair = |a, b| _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let four = |a, b| _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    let low = four(pair(v[0], v[1]), pair(v[2], v[3]));
    let high = four(pair(v[4], v[5]), pair(v[6], v[7]));
    _mm256_add_epi32(_mm256_permute2x128_si256::<0x20>(low, high), _mm256_permute2x128_si256::<0x31>(low, high))
}

/// Lane k of result r becomes lane r of result k, in units of 32 bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn transpose(v: [__m256i; 8]) -> [__m256i; 8] {
    let [a, b, c, d, e, f, g, h] = v;
    let (ab0, ab1) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (cd0, cd1) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    let (ef0, ef1) = (_mm256_unpacklo_epi32(e, f), _mm256_unpackhi_epi32(e, f));
    let (gh0, gh1) = (_mm256_unpacklo_epi32(g, h), _mm256_unpackhi_epi32(g, h));
    // Each holds one column of a to d, or of e to h, in either half: columns 0 and 4, 1 and 5, 2 and 6, 3 and 7.
    let low = [
        _mm256_unpacklo_epi64(ab0, cd0),
        _mm256_unpackhi_epi64(ab0, cd0),
        _mm256_unpacklo_epi64(ab1, cd1),
        _mm256_unpackhi_epi64(ab1, cd1),
    ];
    let high = [
        _mm256_unpacklo_epi64(ef0, gh0),
        _mm256_unpackhi_epi64(ef0, gh0),
        _mm256_unpacklo_epi64(ef1, gh1),
        _mm256_unpackhi_epi64(ef1, gh1),
    ];
    let mut out = [_mm256_setzero_si256(); 8];
    for i in 0..4 {
        out[i] = _mm256_permute2x128_si256::<0x20>(low[i], high[i]);
        out[i + 4] = _mm256_permute2x128_si256::<0x31>(low[i], high[i]);
    }
    out
}

/// 8 f16 values, one from each row, as f32.
///
/// # Safety
/// Every pointer is valid for 2 bytes from `at` on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn halves(rows: &[*const u8; 8], at: usize) -> __m256 {
    let mut bits = [0u16; 8];
    for (bits, row) in bits.iter_mut().zip(rows) {
        // SAFETY: by the contract of this function.
        *bits = u16::from_le(unsafe { row.add(at).cast::<u16>().read_unaligned() });
    }
    // SAFETY: `bits` is 16 bytes.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(bits.as_ptr().cast()) })
}

/// One f16 value.
///
/// # Safety
/// `p` is valid for 2 bytes.
#[inline]
unsafe fn half_at(p: *const u8) -> f32 {
    // SAFETY: by the contract of this function.
    f16::from_bits(u16::from_le(unsafe { p.cast::<u16>().read_unaligned() })).to_f32()
}

/// Partial sums of 32 products of signed bytes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dot_signed(w: __m256i, x: __m256i) -> __m256i {
    // |w| · (x with the sign of w): the instruction wants one unsigned side. |−128| is 128 as unsigned, and two products
    // of 128 · 127 do not saturate 16 bits.
    let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
}

/// Partial sums of 32 products of unsigned 4-bit values with signed bytes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dot_unsigned(w: __m256i, x: __m256i) -> __m256i {
    _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1))
}

/// Bytes of 32 weights, for Q4_K and Q6_K of the super-block that block `b` is in.
const fn block_bytes(kind: u8) -> usize {
    match kind {
        Q8_0 => 34,
        Q4_0 => 18,
        Q4_K => 144,
        _ => 210,
    }
}

/// The integers of block `b % 8` of a K-quant super-block at `p`, or of the block at `p`: unsigned for the 4-bit types,
/// without the scale for Q6_K.
///
/// # Safety
/// `p` is valid for the block.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn integers<const KIND: u8>(p: *const u8, b: usize) -> __m256i {
    let low_bits = _mm256_set1_epi8(15);
    // SAFETY: all offsets are within the block: 34, 18, 144 or 210 bytes.
    unsafe {
        match KIND {
            Q8_0 => _mm256_loadu_si256(p.add(2).cast()),
            Q4_0 => {
                let both = _mm_loadu_si128(p.add(2).cast());
                let both = _mm256_set_m128i(_mm_srli_epi16::<4>(both), both);
                _mm256_and_si256(both, low_bits)
            }
            Q4_K => {
                let both = _mm256_loadu_si256(p.add(16 + (b % 8) / 2 * 32).cast());
                _mm256_and_si256(if b.is_multiple_of(2) { both } else { _mm256_srli_epi16::<4>(both) }, low_bits)
            }
            _ => {
                let (half, part) = (b % 8 / 4, b % 4);
                let low = _mm256_loadu_si256(p.add(half * 64 + part % 2 * 32).cast());
                let low = _mm256_and_si256(if part < 2 { low } else { _mm256_srli_epi16::<4>(low) }, low_bits);
                let high = _mm256_loadu_si256(p.add(128 + half * 32).cast());
                let high = match part {
                    0 => _mm256_slli_epi16::<4>(high),
                    1 => _mm256_slli_epi16::<2>(high),
                    2 => high,
                    _ => _mm256_srli_epi16::<2>(high),
                };
                let high = _mm256_and_si256(high, _mm256_set1_epi8(0x30));
                _mm256_sub_epi8(_mm256_or_si256(low, high), _mm256_set1_epi8(32))
            }
        }
    }
}

/// The scales of block `b % 8` of a Q6_K super-block at `p` as 16 bits, one per half.
///
/// # Safety
/// `p` is valid for 210 bytes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn q6_k_scales(p: *const u8, b: usize) -> __m256i {
    // SAFETY: two of the 16 bytes from 192 on.
    let (low, high) = unsafe { (*p.add(192 + b % 8 * 2).cast::<i8>(), *p.add(193 + b % 8 * 2).cast::<i8>()) };
    _mm256_set_m128i(_mm_set1_epi16(i16::from(high)), _mm_set1_epi16(i16::from(low)))
}

/// Rows `first ..` of the product.
///
/// # Safety
/// The weights have these rows, of whole blocks; `y` has at most 16 columns.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn multiply<const KIND: u8>(
    product: &QuantizedProduct<'_>,
    first: usize,
    y: &mut Columns<'_>,
    tile: &mut [f32],
) {
    // SAFETY: the same contract.
    unsafe {
        if product.n < TILE_FROM {
            few::<KIND>(product, first, y);
        } else {
            many::<KIND>(product, first, y, tile);
        }
    }
}

/// 8 rows of weights from `first + j` on; where there are fewer, the last one again.
///
/// # Safety
/// The weights have rows first .. first + count.
#[inline]
unsafe fn eight_rows(product: &QuantizedProduct<'_>, first: usize, j: usize, count: usize) -> [*const u8; 8] {
    std::array::from_fn(|r| {
        // SAFETY: a row below first + count.
        unsafe { product.weights.as_ptr().add((first + (j + r).min(count - 1)) * product.row_bytes) }
    })
}

/// As [`multiply`], straight from the weights.
///
/// # Safety
/// As [`multiply`].
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn few<const KIND: u8>(product: &QuantizedProduct<'_>, first: usize, y: &mut Columns<'_>) {
    let blocks = product.layout.cols / BLOCK;
    let count = y.count();
    for j in (0..count).step_by(8) {
        // SAFETY: rows first .. first + count exist by the contract.
        let rows = unsafe { eight_rows(product, first, j, count) };
        for i in 0..product.n {
            let x = product.row(i);
            let mut acc = _mm256_setzero_ps();
            let step = if KIND == Q4_K || KIND == Q6_K { 8 } else { 1 };
            for b in (0..blocks).step_by(step) {
                let at = b / step * block_bytes(KIND);
                // SAFETY: block b of every row, and of the activations, which have as many columns.
                unsafe {
                    let rows = rows.map(|row| row.add(at));
                    let q = x.q.as_ptr().add(b * BLOCK);
                    match KIND {
                        Q8_0 => {
                            let sums = sum_q8_0(&rows, q);
                            let scale = _mm256_mul_ps(halves(&rows, 0), _mm256_set1_ps(x.scales[b]));
                            acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scale, acc);
                        }
                        Q4_0 => {
                            let sums = _mm256_sub_epi32(sum_q4_0(&rows, q), _mm256_set1_epi32(8 * x.sums[b]));
                            let scale = _mm256_mul_ps(halves(&rows, 0), _mm256_set1_ps(x.scales[b]));
                            acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scale, acc);
                        }
                        Q4_K => {
                            let sums = sums_q4_k(&rows, q);
                            let (scales, mins) = q4_k_scales(&rows);
                            for k in 0..8 {
                                let scale = _mm256_mul_ps(scales[k], _mm256_set1_ps(x.scales[b + k]));
                                acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[k]), scale, acc);
                                acc = _mm256_fnmadd_ps(mins[k], _mm256_set1_ps(x.weighted[b + k]), acc);
                            }
                        }
                        _ => {
                            let sums = sums_q6_k(&rows, q);
                            let d = halves(&rows, 208);
                            for (k, sums) in sums.into_iter().enumerate() {
                                let scale = _mm256_mul_ps(d, _mm256_set1_ps(x.scales[b + k]));
                                acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scale, acc);
                            }
                        }
                    }
                }
            }
            let mut results = [0.0; 8];
            // SAFETY: an array of 8 values.
            unsafe { _mm256_storeu_ps(results.as_mut_ptr(), acc) };
            for (r, v) in results.into_iter().enumerate().take(count - j) {
                y.put(i, j + r, v);
            }
        }
    }
}

/// # Safety
/// A block at every row, 32 activations at `q`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn sum_q8_0(rows: &[*const u8; 8], q: *const i8) -> __m256i {
    // SAFETY: by the contract of this function.
    unsafe {
        let x = _mm256_loadu_si256(q.cast());
        let mut v = [x; 8];
        for (v, row) in v.iter_mut().zip(rows) {
            *v = dot_signed(integers::<Q8_0>(*row, 0), x);
        }
        sum_each(v)
    }
}

/// # Safety
/// A block at every row, 32 activations at `q`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn sum_q4_0(rows: &[*const u8; 8], q: *const i8) -> __m256i {
    // Rows r and r + 4 share a vector, so that the halves of the result come out in order.
    // SAFETY: by the contract of this function; the quants are 16 bytes from 2 on.
    unsafe {
        let low_bits = _mm256_set1_epi8(15);
        let x_low = _mm256_broadcastsi128_si256(_mm_loadu_si128(q.cast()));
        let x_high = _mm256_broadcastsi128_si256(_mm_loadu_si128(q.add(16).cast()));
        let mut v = [x_low; 4];
        for (r, v) in v.iter_mut().enumerate() {
            let w = _mm256_loadu2_m128i(rows[r + 4].add(2).cast(), rows[r].add(2).cast());
            let low = _mm256_maddubs_epi16(_mm256_and_si256(w, low_bits), x_low);
            let high = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16::<4>(w), low_bits), x_high);
            *v = _mm256_madd_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(1));
        }
        let pair = |a, b| _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let (a, b) = (pair(v[0], v[1]), pair(v[2], v[3]));
        _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b))
    }
}

/// # Safety
/// A super-block at every row, 256 activations at `q`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn sums_q4_k(rows: &[*const u8; 8], q: *const i8) -> [__m256i; 8] {
    let mut sums = [_mm256_setzero_si256(); 8];
    for pair in 0..4 {
        // SAFETY: by the contract of this function: 32 bytes of two blocks, 64 activations.
        unsafe {
            let x0 = _mm256_loadu_si256(q.add(pair * 64).cast());
            let x1 = _mm256_loadu_si256(q.add(pair * 64 + 32).cast());
            let (mut v0, mut v1) = ([x0; 8], [x1; 8]);
            for ((v0, v1), row) in v0.iter_mut().zip(&mut v1).zip(rows) {
                *v0 = dot_unsigned(integers::<Q4_K>(*row, 2 * pair), x0);
                *v1 = dot_unsigned(integers::<Q4_K>(*row, 2 * pair + 1), x1);
            }
            sums[2 * pair] = sum_each(v0);
            sums[2 * pair + 1] = sum_each(v1);
        }
    }
    sums
}

/// d · sc and dmin · m of the 8 blocks of a super-block, a lane per row.
///
/// # Safety
/// A super-block at every row.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn q4_k_scales(rows: &[*const u8; 8]) -> ([__m256; 8], [__m256; 8]) {
    let (mut scales, mut mins) = ([_mm256_setzero_si256(); 8], [_mm256_setzero_si256(); 8]);
    for ((scales, mins), row) in scales.iter_mut().zip(&mut mins).zip(rows) {
        // The layout of the 12 bytes is in `quant.rs`; here as three words, four blocks at a time.
        // SAFETY: the 12 bytes from 4 on.
        let [a, b, c] = unsafe { row.add(4).cast::<[u32; 3]>().read_unaligned() }.map(u32::from_le);
        let sc = u64::from(a & 0x3f3f_3f3f) | u64::from((c & 0x0f0f_0f0f) | ((a >> 2) & 0x3030_3030)) << 32;
        let m = u64::from(b & 0x3f3f_3f3f) | u64::from(((c >> 4) & 0x0f0f_0f0f) | ((b >> 2) & 0x3030_3030)) << 32;
        *scales = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(sc.cast_signed()));
        *mins = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(m.cast_signed()));
    }
    // SAFETY: the first 4 bytes of a super-block.
    let (d, dmin) = unsafe { (halves(rows, 0), halves(rows, 2)) };
    let times = |v: [__m256i; 8], by| {
        let mut out = [by; 8];
        for (out, v) in out.iter_mut().zip(v) {
            *out = _mm256_mul_ps(_mm256_cvtepi32_ps(v), by);
        }
        out
    };
    (times(transpose(scales), d), times(transpose(mins), dmin))
}

/// # Safety
/// A super-block at every row, 256 activations at `q`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn sums_q6_k(rows: &[*const u8; 8], q: *const i8) -> [__m256i; 8] {
    let mut sums = [_mm256_setzero_si256(); 8];
    for (b, sums) in sums.iter_mut().enumerate() {
        // SAFETY: by the contract of this function.
        unsafe {
            let x = _mm256_loadu_si256(q.add(b * BLOCK).cast());
            let mut v = [x; 8];
            for (v, row) in v.iter_mut().zip(rows) {
                let w = integers::<Q6_K>(*row, b);
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
                *v = _mm256_madd_epi16(pairs, q6_k_scales(*row, b));
            }
            *sums = sum_each(v);
        }
    }
    sums
}

/// Whether the tile of a type holds bytes; otherwise 16 bits.
const fn in_bytes(kind: u8) -> bool {
    matches!(kind, Q4_0 | Q4_K)
}

/// As [`multiply`], through a tile of 16 rows:
///
/// - integers, per block: for each 4 columns (bytes) or 2 columns (16 bits), those of rows 0 to 7, then of rows 8 to 15;
/// - scales, per block: 16; and for Q4_K minima, per block: 16.
///
/// # Safety
/// As [`multiply`].
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn many<const KIND: u8>(product: &QuantizedProduct<'_>, first: usize, y: &mut Columns<'_>, tile: &mut [f32]) {
    let Layout { cols, .. } = product.layout;
    let (blocks, count) = (cols / BLOCK, y.count());
    let (integers, rest) = tile.split_at_mut(cols * if in_bytes(KIND) { 4 } else { 8 });
    let (scales, rest) = rest.split_at_mut(blocks * 16);
    let (mins, _) = rest.split_at_mut(blocks * 16);
    for j in [0, 8] {
        // SAFETY: rows first .. first + count exist by the contract; the tile has the lengths above.
        unsafe {
            let rows = eight_rows(product, first, j, count);
            unpack::<KIND>(&rows, blocks, integers.as_mut_ptr().add(j), &mut scales[j..], &mut mins[j..]);
        }
    }
    let tile = Tile { integers, scales, mins, blocks };
    let mut i = 0;
    while i < product.n {
        // SAFETY: rows i .. of x and y.
        i += unsafe {
            match product.n - i {
                1 => rows_by_tile::<KIND, 1>(product, i, &tile, y),
                2 => rows_by_tile::<KIND, 2>(product, i, &tile, y),
                3 => rows_by_tile::<KIND, 3>(product, i, &tile, y),
                _ => rows_by_tile::<KIND, 4>(product, i, &tile, y),
            }
        };
    }
}

/// Writes 8 rows into a tile at `out`, the first or second 8 of every 16 words, and their scales.
///
/// # Safety
/// `blocks` blocks at every row; room for them in the tile.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn unpack<const KIND: u8>(
    rows: &[*const u8; 8],
    blocks: usize,
    out: *mut f32,
    scales: &mut [f32],
    mins: &mut [f32],
) {
    let step = if KIND == Q4_K || KIND == Q6_K { 8 } else { 1 };
    for b in 0..blocks {
        // SAFETY: block b of every row; words 16 · (8 or 16) · b .. of the tile.
        unsafe {
            let rows = rows.map(|row| row.add(b / step * block_bytes(KIND)));
            let mut w = [_mm256_setzero_si256(); 8];
            for (w, row) in w.iter_mut().zip(&rows) {
                *w = integers::<KIND>(*row, b);
            }
            if in_bytes(KIND) {
                for (k, v) in transpose(w).into_iter().enumerate() {
                    _mm256_storeu_si256(out.add((b * 8 + k) * 16).cast(), v);
                }
            } else {
                let (mut low, mut high) = (w, w);
                for ((low, high), row) in low.iter_mut().zip(&mut high).zip(&rows) {
                    let both = *low;
                    *low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(both));
                    *high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(both));
                    if KIND == Q6_K {
                        let sc = q6_k_scales(*row, b);
                        *low = _mm256_mullo_epi16(*low, _mm256_permute2x128_si256::<0x00>(sc, sc));
                        *high = _mm256_mullo_epi16(*high, _mm256_permute2x128_si256::<0x11>(sc, sc));
                    }
                }
                for (k, v) in transpose(low).into_iter().chain(transpose(high)).enumerate() {
                    _mm256_storeu_si256(out.add((b * 16 + k) * 16).cast(), v);
                }
            }
            for (r, row) in rows.iter().enumerate() {
                let at = b * 16 + r;
                match KIND {
                    Q4_K => {
                        let mut packed = [0; 12];
                        std::ptr::copy_nonoverlapping(row.add(4), packed.as_mut_ptr(), 12);
                        let (sc, m) = q4_k_scale_min(&packed, b);
                        scales[at] = half_at(*row) * f32::from(sc);
                        mins[at] = half_at(row.add(2)) * f32::from(m);
                    }
                    Q6_K => scales[at] = half_at(row.add(208)),
                    _ => scales[at] = half_at(*row),
                }
            }
        }
    }
}

/// 16 unpacked rows, see [`many`].
struct Tile<'a> {
    integers: &'a [f32],
    scales: &'a [f32],
    mins: &'a [f32],
    blocks: usize,
}

/// M rows of activations from row `i` on times the tile; returns M.
///
/// # Safety
/// Rows i .. i + M exist; the tile is as long as [`many`] says.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn rows_by_tile<const KIND: u8, const M: usize>(
    product: &QuantizedProduct<'_>,
    i: usize,
    tile: &Tile<'_>,
    y: &mut Columns<'_>,
) -> usize {
    let mut acc = [[_mm256_setzero_ps(); 2]; M];
    let rows: [_; M] = std::array::from_fn(|m| product.row(i + m));
    let x =
        rows.each_ref().map(|row| if in_bytes(KIND) { row.q.as_ptr().cast::<i32>() } else { row.wide.as_ptr().cast() });
    // Words of the tile per block, and of activations.
    let (words, steps) = if in_bytes(KIND) { (128, 8) } else { (256, 16) };
    for b in 0..tile.blocks {
        let mut sums = [[_mm256_setzero_si256(); 2]; M];
        // SAFETY: block b of the tile, which has `blocks`, and of the activations, which have as many columns.
        unsafe {
            let w = tile.integers.as_ptr().add(b * words).cast::<__m256i>();
            for k in 0..steps {
                let (w0, w1) = (_mm256_load_si256(w.add(2 * k)), _mm256_load_si256(w.add(2 * k + 1)));
                for m in 0..M {
                    let x = _mm256_set1_epi32(x[m].add(b * steps + k).read_unaligned());
                    if in_bytes(KIND) {
                        sums[m][0] = _mm256_add_epi16(sums[m][0], _mm256_maddubs_epi16(w0, x));
                        sums[m][1] = _mm256_add_epi16(sums[m][1], _mm256_maddubs_epi16(w1, x));
                    } else {
                        sums[m][0] = _mm256_add_epi32(sums[m][0], _mm256_madd_epi16(w0, x));
                        sums[m][1] = _mm256_add_epi32(sums[m][1], _mm256_madd_epi16(w1, x));
                    }
                }
            }
            for h in 0..2 {
                let scale = _mm256_load_ps(tile.scales.as_ptr().add(b * 16 + h * 8));
                for m in 0..M {
                    let mut sum = sums[m][h];
                    if in_bytes(KIND) {
                        sum = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
                    }
                    if KIND == Q4_0 {
                        sum = _mm256_sub_epi32(sum, _mm256_set1_epi32(8 * *rows[m].sums.get_unchecked(b)));
                    }
                    let by = _mm256_mul_ps(scale, _mm256_set1_ps(*rows[m].scales.get_unchecked(b)));
                    acc[m][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), by, acc[m][h]);
                    if KIND == Q4_K {
                        let min = _mm256_load_ps(tile.mins.as_ptr().add(b * 16 + h * 8));
                        let weighted = _mm256_set1_ps(*rows[m].weighted.get_unchecked(b));
                        acc[m][h] = _mm256_fnmadd_ps(min, weighted, acc[m][h]);
                    }
                }
            }
        }
    }
    let count = y.count();
    for (m, acc) in acc.into_iter().enumerate() {
        let mut results = [0.0; 16];
        // SAFETY: an array of 16 values.
        unsafe {
            _mm256_storeu_ps(results.as_mut_ptr(), acc[0]);
            _mm256_storeu_ps(results.as_mut_ptr().add(8), acc[1]);
        }
        for (r, v) in results.into_iter().enumerate().take(count) {
            y.put(i + m, r, v);
        }
    }
    M
}
