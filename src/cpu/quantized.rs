//! Products of quantized weights with activations quantized to 8 bits.
//!
//! Inside a block of 32 values the product is an integer and exact, whatever instructions compute it. Over the blocks of
//! a row runs one chain of f32 additions in order:
//!
//! ```text
//! y = Σ_b  (Σ_k w[b,k] · x[b,k]) · (scale[b] · d[b])  −  min[b] · (d[b] · Σ_k x[b,k])
//! ```
//!
//! where x and d are the integers and the scale of the activations. Per type:
//!
//! | type | w | scale | min |
//! |---|---|---|---|
//! | Q8_0 | q | d | |
//! | Q4_0 | q − 8 | d | |
//! | Q4_K | q | d · sc | dmin · m |
//! | Q6_K | sc · (q − 32) | d | |
//!
//! w is at most 4096 and x at most 127 in magnitude, so that a block sums to less than 2^24: exact in i32 and in f32.

use half::f16;

use super::buffer::{cast, cast_mut};
use super::matmul::Columns;
use super::simd::Simd;
use crate::quant::DType;

/// Values in a block of activations, and in a block of weights here; the super-blocks of K-quants are 8 of them.
pub(super) const BLOCK: usize = 32;

/// How a row of quantized activations lies in memory, in units of f32; every part starts at a cache line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) cols: usize,
    /// Whether the integers are stored as 16 bits, too.
    pub(super) wide: bool,
}

impl Layout {
    /// Space for one value per block.
    fn per_block(self) -> usize {
        (self.cols / BLOCK).next_multiple_of(16)
    }

    /// Space for one byte per column.
    fn per_byte(self) -> usize {
        (self.cols / 4).next_multiple_of(16)
    }

    /// Space for a row.
    pub(super) fn stride(self) -> usize {
        3 * self.per_block() + if self.wide { 3 } else { 1 } * self.per_byte()
    }

    /// The parts of a row.
    #[inline(always)]
    fn row(self, record: &[f32]) -> Row<'_> {
        let (blocks, cols) = (self.cols / BLOCK, self.cols);
        let (scales, rest) = record.split_at(self.per_block());
        let (weighted, rest) = rest.split_at(self.per_block());
        let (sums, rest) = rest.split_at(self.per_block());
        let (q, wide) = rest.split_at(self.per_byte());
        Row {
            scales: &scales[..blocks],
            weighted: &weighted[..blocks],
            sums: &cast(sums)[..blocks],
            q: &cast(q)[..cols],
            wide: if self.wide { &cast(wide)[..cols] } else { &[] },
        }
    }

    /// The parts of a row, to be filled.
    #[inline(always)]
    pub(super) fn row_mut(self, record: &mut [f32]) -> RowMut<'_> {
        let (blocks, cols) = (self.cols / BLOCK, self.cols);
        let (scales, rest) = record.split_at_mut(self.per_block());
        let (weighted, rest) = rest.split_at_mut(self.per_block());
        let (sums, rest) = rest.split_at_mut(self.per_block());
        let (q, wide) = rest.split_at_mut(self.per_byte());
        RowMut {
            scales: &mut scales[..blocks],
            weighted: &mut weighted[..blocks],
            sums: &mut cast_mut(sums)[..blocks],
            q: &mut cast_mut(q)[..cols],
            wide: if self.wide { &mut cast_mut(wide)[..cols] } else { &mut [] },
        }
    }
}

/// One row of activations as integers in blocks of 32: x ≈ d · q, with d = max|x| / 127.
// The portable products need neither the sums nor the 16-bit integers.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(super) struct Row<'a> {
    /// d, (cols / 32)
    pub(super) scales: &'a [f32],
    /// d · Σ q, (cols / 32)
    pub(super) weighted: &'a [f32],
    /// Σ q, (cols / 32)
    pub(super) sums: &'a [i32],
    /// (cols)
    pub(super) q: &'a [i8],
    /// The same as 16 bits, (cols), or empty if not wanted.
    pub(super) wide: &'a [i16],
}

/// [`Row`], to be filled.
pub(super) struct RowMut<'a> {
    pub(super) scales: &'a mut [f32],
    pub(super) weighted: &'a mut [f32],
    pub(super) sums: &'a mut [i32],
    pub(super) q: &'a mut [i8],
    pub(super) wide: &'a mut [i16],
}

/// A matrix product with quantized weights.
pub(super) struct QuantizedProduct<'a> {
    pub(super) dtype: DType,
    /// All rows of the matrix, of whole blocks.
    pub(super) weights: &'a [u8],
    pub(super) row_bytes: usize,
    /// Rows of activations.
    pub(super) n: usize,
    pub(super) layout: Layout,
    /// (n, stride of the layout)
    pub(super) x: &'a [f32],
}

impl QuantizedProduct<'_> {
    /// Row `i` of the activations.
    #[inline(always)]
    pub(super) fn row(&self, i: usize) -> Row<'_> {
        let stride = self.layout.stride();
        self.layout.row(&self.x[i * stride..(i + 1) * stride])
    }
}

/// What an instruction set does for quantized weights. The defaults are plain Rust.
pub(super) trait Integers: Simd {
    /// Quantizes whole blocks of 32 values.
    #[inline(always)]
    fn quantize(self, x: &[f32], out: RowMut<'_>) {
        quantize(x, out);
    }

    /// Whether [`Integers::multiply`] reads the activations as 16 bits.
    fn wants_wide(dtype: DType, n: usize) -> bool {
        let _ = (dtype, n);
        false
    }

    /// The columns of the product that `y` stands for, from weights `first ..`. `tile` is scratch of [`tile_len`] values.
    #[inline(always)]
    fn multiply(self, product: &QuantizedProduct<'_>, first: usize, y: &mut Columns<'_>, tile: &mut [f32]) {
        let _ = tile;
        multiply(product, first, y);
    }
}

/// [`Integers::quantize`].
#[inline(always)]
pub(super) fn quantize_row<S: Integers>(s: S, x: &[f32], out: RowMut<'_>) {
    s.quantize(x, out);
}

/// [`Integers::wants_wide`].
#[inline(always)]
pub(super) fn wants_wide<S: Integers>(_: S, dtype: DType, n: usize) -> bool {
    S::wants_wide(dtype, n)
}

/// [`Integers::multiply`].
#[inline(always)]
pub(super) fn multiply_rows<S: Integers>(
    s: S,
    product: &QuantizedProduct<'_>,
    first: usize,
    y: &mut Columns<'_>,
    tile: &mut [f32],
) {
    s.multiply(product, first, y, tile);
}

/// Rows of weights that a task takes at a time.
pub(super) const TASK_ROWS: usize = 16;

/// Scratch of a task in f32 values: 16 rows of 16-bit values, and two f32 values per block and row.
pub(super) fn tile_len(cols: usize) -> usize {
    TASK_ROWS * cols / 2 + TASK_ROWS * 2 * (cols / BLOCK)
}

/// The scale of a block of activations and its inverse.
#[inline(always)]
pub(super) fn scale_of(max: f32) -> (f32, f32) {
    (max / 127.0, if max > 0.0 { 127.0 / max } else { 0.0 })
}

fn quantize(x: &[f32], out: RowMut<'_>) {
    let blocks = x.chunks_exact(BLOCK).zip(out.q.chunks_exact_mut(BLOCK));
    let scales = out.scales.iter_mut().zip(out.weighted).zip(out.sums);
    for ((x, q), ((scale, weighted), sum)) in blocks.zip(scales) {
        // Magnitudes compare as their bits do, and NaN is above all numbers: the scale is then NaN and so the result.
        let max = f32::from_bits(x.iter().map(|v| v.abs().to_bits()).max().unwrap_or(0));
        let (d, inverse) = scale_of(max);
        for (q, v) in q.iter_mut().zip(x) {
            *q = (v * inverse).round_ties_even() as i8;
        }
        *sum = q.iter().map(|&q| i32::from(q)).sum();
        *scale = d;
        *weighted = d * *sum as f32;
    }
    for (wide, q) in out.wide.iter_mut().zip(out.q) {
        *wide = i16::from(*q);
    }
}

/// A block of 32 weights: integers, scale and minimum.
struct Block {
    w: [i16; BLOCK],
    scale: f32,
    min: f32,
}

fn half_at(bytes: &[u8], at: usize) -> f32 {
    match bytes.get(at..at + 2) {
        Some(&[a, b]) => f16::from_le_bytes([a, b]).to_f32(),
        _ => 0.0,
    }
}

/// The 6-bit scale and minimum of block `b` of a Q4_K super-block, from its 12 packed bytes.
#[inline(always)]
pub(super) fn q4_k_scale_min(s: &[u8; 12], b: usize) -> (u8, u8) {
    let b = b & 7;
    if b < 4 {
        (s[b] & 63, s[b + 4] & 63)
    } else {
        ((s[b + 4] & 15) | (s[b - 4] >> 6 << 4), (s[b + 4] >> 4) | (s[b] >> 6 << 4))
    }
}

/// Block `b` of a row of weights.
fn block(dtype: DType, row: &[u8], b: usize) -> Block {
    let mut w = [0i16; BLOCK];
    match dtype {
        DType::Q8_0 => {
            let block = row.get(b * 34..b * 34 + 34).unwrap_or(&[0; 34]);
            for (w, &q) in w.iter_mut().zip(block.iter().skip(2)) {
                *w = i16::from(q as i8);
            }
            Block { w, scale: half_at(block, 0), min: 0.0 }
        }
        DType::Q4_0 => {
            let block = row.get(b * 18..b * 18 + 18).unwrap_or(&[0; 18]);
            let (low, high) = w.split_at_mut(16);
            for ((low, high), &q) in low.iter_mut().zip(high).zip(block.iter().skip(2)) {
                *low = i16::from(q & 15) - 8;
                *high = i16::from(q >> 4) - 8;
            }
            Block { w, scale: half_at(block, 0), min: 0.0 }
        }
        DType::Q4_K => {
            let (at, b) = (b / 8 * 144, b % 8);
            let block = row.get(at..at + 144).unwrap_or(&[0; 144]);
            let mut s = [0; 12];
            s.copy_from_slice(&block[4..16]);
            let (sc, m) = q4_k_scale_min(&s, b);
            let q = &block[16 + b / 2 * 32..][..32];
            for (w, &q) in w.iter_mut().zip(q) {
                *w = i16::from(if b % 2 == 0 { q & 15 } else { q >> 4 });
            }
            Block { w, scale: half_at(block, 0) * f32::from(sc), min: half_at(block, 2) * f32::from(m) }
        }
        DType::Q6_K => {
            let (at, b) = (b / 8 * 210, b % 8);
            let block = row.get(at..at + 210).unwrap_or(&[0; 210]);
            // Each half of the super-block is 4 blocks: 0 and 1 in the low, 2 and 3 in the high halves of 64 bytes.
            let (half, part) = (b / 4, b % 4);
            let low = &block[half * 64 + part % 2 * 32..][..32];
            let high = &block[128 + half * 32..][..32];
            for (k, ((w, &low), &high)) in w.iter_mut().zip(low).zip(high).enumerate() {
                let low = if part < 2 { low & 15 } else { low >> 4 };
                let q = low | (((high >> (2 * part)) & 3) << 4);
                let sc = block[192 + 2 * b + k / 16] as i8;
                *w = i16::from(sc) * (i16::from(q) - 32);
            }
            Block { w, scale: half_at(block, 208), min: 0.0 }
        }
        DType::F32 | DType::F16 | DType::BF16 => Block { w, scale: 0.0, min: 0.0 },
    }
}

fn multiply(product: &QuantizedProduct<'_>, first: usize, y: &mut Columns<'_>) {
    let QuantizedProduct { dtype, weights, row_bytes, n, layout, .. } = *product;
    for (j, weights) in weights.chunks_exact(row_bytes).skip(first).take(y.count()).enumerate() {
        // A few rows of x at a time, so that a block of weights is unpacked once for them.
        for i0 in (0..n).step_by(8) {
            let mut results = [0.0f32; 8];
            for b in 0..layout.cols / BLOCK {
                let Block { w, scale, min } = block(dtype, weights, b);
                for (i, result) in (i0..n).zip(&mut results) {
                    let x = product.row(i);
                    let q = &x.q[b * BLOCK..][..BLOCK];
                    let sum: i32 = w.iter().zip(q).map(|(&w, &q)| i32::from(w) * i32::from(q)).sum();
                    *result += sum as f32 * (scale * x.scales[b]);
                    if min != 0.0 {
                        *result -= min * x.weighted[b];
                    }
                }
            }
            for (i, result) in (i0..n).zip(results) {
                y.put(i, j, result);
            }
        }
    }
}
