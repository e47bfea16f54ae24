//! The number formats of weights: one table row each, with the reference code that reads and writes them.
//!
//! A format stores values in blocks. The layouts are ggml's (`ggml-common.h`, `ggml-quants.c`); dequantized values
//! equal ggml's bit for bit, because each is computed by the same operations in the same order:
//!
//! | type | values | bytes | block | value |
//! |---|---|---|---|---|
//! | `F32` | 1 | 4 | f32 | |
//! | `F16` | 1 | 2 | IEEE half | |
//! | `BF16` | 1 | 2 | upper half of an f32 | |
//! | `Q8_0` | 32 | 34 | f16 `d`; i8 `q[32]` | `d·q` |
//! | `Q4_0` | 32 | 18 | f16 `d`; u8 `q[16]`: value j in the low, j + 16 in the high half of byte j | `d·(q − 8)` |
//! | `Q4_K` | 256 | 144 | f16 `d`, `dmin`; 8 scales and 8 minima of 6 bits in u8 `s[12]`; u8 `q[128]` | `d·sc·q − dmin·m` |
//! | `Q6_K` | 256 | 210 | u8 `ql[128]` (low 4 bits), u8 `qh[64]` (high 2 bits), i8 `sc[16]`, f16 `d` | `d·sc·(q − 32)` |
//!
//! Everything is little-endian. The fast kernels live elsewhere; this module is what they are checked against.

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::{Error, Result};

/// How the values of a tensor are stored.
#[allow(non_camel_case_types, reason = "the names that everybody knows these formats by")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper 16 bits of an f32.
    BF16,
    /// 8 bits, one scale per 32 values.
    Q8_0,
    /// 4 bits, one scale per 32 values.
    Q4_0,
    /// 4 bits, scale and minimum per 32 values, both quantized themselves.
    Q4_K,
    /// 6 bits, scale per 16 values, quantized itself.
    Q6_K,
}

/// One row of the table.
struct Format {
    dtype: DType,
    name: &'static str,
    /// The number of the type in a GGUF file.
    ggml: u32,
    /// Values in a block.
    block_len: usize,
    /// Bytes in a block.
    block_bytes: usize,
    /// Where a block keeps its f16 scales: the only values in it that can be NaN or infinite. Empty for
    /// the plain floats, whose every value can be.
    scales: &'static [usize],
    /// Whole blocks to values.
    dequantize: fn(&[u8], &mut [f32]),
    /// Values (finite) to whole blocks.
    quantize: fn(&[f32], &mut [u8]),
    /// `None` where weights change nothing worth it.
    quantize_weighted: Option<EncodeWeighted>,
}

/// Values, a weight for each, and blocks.
type EncodeWeighted = fn(&[f32], &[f32], &mut [u8]);

/// Indexed by `DType as usize`.
#[rustfmt::skip]
static FORMATS: [Format; 7] = [
    Format { dtype: DType::F32, name: "F32", ggml: 0, block_len: 1, block_bytes: 4, scales: &[],
             dequantize: |b, v| decode(b, v, f32_decode), quantize: |v, b| encode(v, b, f32_encode),
             quantize_weighted: None },
    Format { dtype: DType::F16, name: "F16", ggml: 1, block_len: 1, block_bytes: 2, scales: &[],
             dequantize: f16_decode, quantize: f16_encode,
             quantize_weighted: None },
    Format { dtype: DType::BF16, name: "BF16", ggml: 30, block_len: 1, block_bytes: 2, scales: &[],
             dequantize: |b, v| decode(b, v, bf16_decode), quantize: |v, b| encode(v, b, bf16_encode),
             quantize_weighted: None },
    Format { dtype: DType::Q8_0, name: "Q8_0", ggml: 8, block_len: 32, block_bytes: 34, scales: &[0],
             dequantize: |b, v| decode(b, v, q8_0_decode), quantize: |v, b| encode(v, b, q8_0_encode),
             quantize_weighted: None },
    Format { dtype: DType::Q4_0, name: "Q4_0", ggml: 2, block_len: 32, block_bytes: 18, scales: &[0],
             dequantize: |b, v| decode(b, v, q4_0_decode), quantize: |v, b| encode(v, b, q4_0_encode),
             quantize_weighted: Some(|v, w, b| encode_weighted(v, w, b, q4_0_encode_weighted)) },
    Format { dtype: DType::Q4_K, name: "Q4_K", ggml: 12, block_len: 256, block_bytes: 144, scales: &[0, 2],
             dequantize: |b, v| decode(b, v, q4_k_decode), quantize: |v, b| encode(v, b, |v, b| q4_k_encode(v, &[1.0; 256], b)),
             quantize_weighted: Some(|v, w, b| encode_weighted(v, w, b, q4_k_encode)) },
    Format { dtype: DType::Q6_K, name: "Q6_K", ggml: 14, block_len: 256, block_bytes: 210, scales: &[208],
             dequantize: |b, v| decode(b, v, q6_k_decode), quantize: |v, b| encode(v, b, |v, b| q6_k_encode(v, &[1.0; 256], b)),
             quantize_weighted: Some(|v, w, b| encode_weighted(v, w, b, q6_k_encode)) },
];

impl DType {
    /// Every type that this crate reads.
    pub const ALL: [DType; 7] =
        [DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0, DType::Q4_K, DType::Q6_K];

    fn format(self) -> &'static Format {
        &FORMATS[self as usize]
    }

    /// The type that a GGUF file numbers `id`, if this crate reads it.
    pub fn from_ggml(id: u32) -> Option<DType> {
        FORMATS.iter().find(|f| f.ggml == id).map(|f| f.dtype)
    }

    /// Its number in a GGUF file.
    pub fn ggml(self) -> u32 {
        self.format().ggml
    }

    /// Its usual name, for example `Q8_0`.
    pub fn name(self) -> &'static str {
        self.format().name
    }

    /// Values in a block.
    pub fn block_len(self) -> usize {
        self.format().block_len
    }

    /// Bytes in a block.
    pub fn block_bytes(self) -> usize {
        self.format().block_bytes
    }

    /// Whether quantization can take weights of the values into account: types whose scales are searched for.
    pub fn can_be_weighted(self) -> bool {
        self.format().quantize_weighted.is_some()
    }

    /// Bytes of a row of `cols` values; `None` if that is not a whole number of blocks or does not fit a `usize`.
    pub fn row_bytes(self, cols: usize) -> Option<usize> {
        let f = self.format();
        if !cols.is_multiple_of(f.block_len) {
            return None;
        }
        (cols / f.block_len).checked_mul(f.block_bytes)
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Decodes whole blocks of `dtype` into exactly the values that they hold.
///
/// # Errors
/// `InvalidArgument` if the two lengths do not match.
pub fn dequantize(dtype: DType, bytes: &[u8], values: &mut [f32]) -> Result<()> {
    check_lengths(dtype, bytes.len(), values.len())?;
    (dtype.format().dequantize)(bytes, values);
    Ok(())
}

/// Encodes `values` as whole blocks of `dtype`. F16, BF16, Q8_0 and Q4_0 give the bytes that ggml's reference code
/// gives; for Q4_K and Q6_K many encodings are valid, and this one minimizes the squared error.
///
/// # Errors
/// `InvalidArgument` if the two lengths do not match, a value is NaN or infinite, or is too large for the format.
pub fn quantize(dtype: DType, values: &[f32], bytes: &mut [u8]) -> Result<()> {
    encode_checked(dtype, values, bytes, dtype.format().quantize)
}

/// [`quantize`] with the squared error of each value weighed by one of `weights`. Types that cannot be
/// [weighted](DType::can_be_weighted) are quantized as ever.
///
/// # Errors
/// As for `quantize`, and `InvalidArgument` if there is not a weight for each value, or one is negative, NaN or infinite.
pub fn quantize_weighted(dtype: DType, values: &[f32], weights: &[f32], bytes: &mut [u8]) -> Result<()> {
    if weights.len() != values.len() || weights.iter().any(|w| !(w.is_finite() && *w >= 0.0)) {
        return Err(Error::invalid(format!("{} weights of {} values to quantize", weights.len(), values.len())));
    }
    match dtype.format().quantize_weighted {
        Some(encode) => encode_checked(dtype, values, bytes, |values, bytes| encode(values, weights, bytes)),
        None => quantize(dtype, values, bytes),
    }
}

fn encode_checked(dtype: DType, values: &[f32], bytes: &mut [u8], encode: impl Fn(&[f32], &mut [u8])) -> Result<()> {
    check_lengths(dtype, bytes.len(), values.len())?;
    if let Some(i) = values.iter().position(|v| !v.is_finite()) {
        return Err(Error::invalid(format!("quantizing to {dtype}: value {i} is {}", values[i])));
    }
    encode(values, bytes);
    match first_non_finite(dtype, bytes) {
        Some(i) => {
            Err(Error::invalid(format!("quantizing to {dtype}: values near {i} exceed the range of the format")))
        }
        None => Ok(()),
    }
}

/// The first value of a row of whole blocks that decodes to NaN or infinity because the file says so (a plain
/// float, or the scale of a block); `None` if all are finite. A trailing part of a block is ignored.
///
/// Scales near the end of the f16 range cannot overflow an f32: 65504 · 127 · 127 is far from 3.4e38.
pub fn first_non_finite(dtype: DType, bytes: &[u8]) -> Option<usize> {
    let f = dtype.format();
    match dtype {
        DType::F32 => position(bytes, |b: &[u8; 4]| u32::from_le_bytes(*b) & 0x7f80_0000 == 0x7f80_0000),
        DType::F16 => position(bytes, f16_bits_non_finite),
        DType::BF16 => position(bytes, |b: &[u8; 2]| u16::from_le_bytes(*b) & 0x7f80 == 0x7f80),
        DType::Q8_0 | DType::Q4_0 | DType::Q4_K | DType::Q6_K => {
            let bad = |block: &[u8]| f.scales.iter().any(|&at| f16_bits_non_finite(&[block[at], block[at + 1]]));
            bytes.chunks_exact(f.block_bytes).position(bad).map(|block| block * f.block_len)
        }
    }
}

/// Index of the first group of `B` bytes that `bad` holds for. Looks at a page at a time without leaving early,
/// so that the compiler can use vectors: a model's floats are all read once by this at load.
fn position<const B: usize>(bytes: &[u8], bad: impl Fn(&[u8; B]) -> bool) -> Option<usize> {
    const PAGE: usize = 1024;
    let (groups, _) = bytes.as_chunks::<B>();
    for (p, page) in groups.chunks(PAGE).enumerate() {
        if page.iter().fold(false, |any, g| any | bad(g)) {
            return page.iter().position(&bad).map(|i| p * PAGE + i);
        }
    }
    None
}

fn f16_bits_non_finite(b: &[u8; 2]) -> bool {
    u16::from_le_bytes(*b) & 0x7c00 == 0x7c00
}

fn check_lengths(dtype: DType, bytes: usize, values: usize) -> Result<()> {
    if dtype.row_bytes(values) == Some(bytes) {
        return Ok(());
    }
    Err(Error::invalid(format!("{values} values of {dtype} do not take {bytes} bytes")))
}

/// Runs a block decoder over whole blocks; the caller has checked the lengths.
fn decode<const B: usize, const N: usize>(bytes: &[u8], values: &mut [f32], f: impl Fn(&[u8; B], &mut [f32; N])) {
    for (b, v) in bytes.as_chunks::<B>().0.iter().zip(values.as_chunks_mut::<N>().0) {
        f(b, v);
    }
}

/// Runs a block encoder over whole blocks; the caller has checked the lengths.
fn encode<const B: usize, const N: usize>(values: &[f32], bytes: &mut [u8], f: impl Fn(&[f32; N], &mut [u8; B])) {
    for (v, b) in values.as_chunks::<N>().0.iter().zip(bytes.as_chunks_mut::<B>().0) {
        f(v, b);
    }
}

/// The same with a weight for each value.
fn encode_weighted<const B: usize, const N: usize>(
    values: &[f32],
    weights: &[f32],
    bytes: &mut [u8],
    f: impl Fn(&[f32; N], &[f32; N], &mut [u8; B]),
) {
    let blocks = values.as_chunks::<N>().0.iter().zip(weights.as_chunks::<N>().0);
    for ((v, w), b) in blocks.zip(bytes.as_chunks_mut::<B>().0) {
        // Where nothing counts, everything counts alike.
        f(v, if w.iter().any(|&w| w > 0.0) { w } else { &[1.0; N] }, b);
    }
}

fn f32_decode(b: &[u8; 4], v: &mut [f32; 1]) {
    v[0] = f32::from_le_bytes(*b);
}

fn f32_encode(v: &[f32; 1], b: &mut [u8; 4]) {
    *b = v[0].to_le_bytes();
}

/// Values that are converted at once: `half` chooses the instructions for each call.
const HALVES: usize = 256;

fn f16_decode(bytes: &[u8], values: &mut [f32]) {
    let mut halves = [f16::ZERO; HALVES];
    for (b, v) in bytes.chunks(2 * HALVES).zip(values.chunks_mut(HALVES)) {
        for (half, b) in halves.iter_mut().zip(b.as_chunks::<2>().0) {
            *half = f16::from_le_bytes(*b);
        }
        halves[..v.len()].convert_to_f32_slice(v);
    }
}

fn f16_encode(values: &[f32], bytes: &mut [u8]) {
    let mut halves = [f16::ZERO; HALVES];
    for (v, b) in values.chunks(HALVES).zip(bytes.chunks_mut(2 * HALVES)) {
        halves[..v.len()].convert_from_f32_slice(v);
        for (half, b) in halves.iter().zip(b.as_chunks_mut::<2>().0) {
            *b = half.to_le_bytes();
        }
    }
}

fn bf16_decode(b: &[u8; 2], v: &mut [f32; 1]) {
    v[0] = half::bf16::from_le_bytes(*b).to_f32();
}

fn bf16_encode(v: &[f32; 1], b: &mut [u8; 2]) {
    *b = half::bf16::from_f32(v[0]).to_le_bytes();
}

/// The f16 at byte `at` of a block (a constant of its format).
fn scale<const B: usize>(b: &[u8; B], at: usize) -> f32 {
    f16::from_le_bytes([b[at], b[at + 1]]).to_f32()
}

/// Stores an f16 at byte `at` of a block and returns the value that a reader will see.
fn put_scale<const B: usize>(b: &mut [u8; B], at: usize, value: f32) -> f32 {
    let value = f16::from_f32(value);
    [b[at], b[at + 1]] = value.to_le_bytes();
    value.to_f32()
}

/// The value of largest magnitude, with its sign (the first one, if several are as large).
fn extreme(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |m: f32, &v| if v.abs() > m.abs() { v } else { m })
}

/// `1 / d`, or 0 for a block of zeros.
fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

fn q8_0_decode(b: &[u8; 34], v: &mut [f32; 32]) {
    let d = scale(b, 0);
    for (v, &q) in v.iter_mut().zip(&b[2..]) {
        *v = f32::from(q as i8) * d;
    }
}

fn q8_0_encode(v: &[f32; 32], b: &mut [u8; 34]) {
    let d = extreme(v).abs() / 127.0;
    let id = inverse(d);
    put_scale(b, 0, d);
    for (q, &v) in b[2..].iter_mut().zip(v) {
        *q = (v * id).round() as i8 as u8;
    }
}

fn q4_0_decode(b: &[u8; 18], v: &mut [f32; 32]) {
    let d = scale(b, 0);
    let (low, high) = v.split_at_mut(16);
    for ((low, high), &q) in low.iter_mut().zip(high).zip(&b[2..]) {
        *low = f32::from((q & 15) as i8 - 8) * d;
        *high = f32::from((q >> 4) as i8 - 8) * d;
    }
}

fn q4_0_encode(v: &[f32; 32], b: &mut [u8; 18]) {
    // The extreme value maps to −8 exactly, so that all 16 codes are of use.
    q4_0_encode_with(v, extreme(v) / -8.0, b);
}

fn q4_0_encode_weighted(v: &[f32; 32], w: &[f32; 32], b: &mut [u8; 18]) {
    q4_0_encode_with(v, fit_symmetric(v, w, 8.0), b);
}

fn q4_0_encode_with(v: &[f32; 32], d: f32, b: &mut [u8; 18]) {
    let id = inverse(d);
    put_scale(b, 0, d);
    let code = |v: f32| (v * id + 8.5).clamp(0.0, 15.0) as u8;
    let (low, high) = v.split_at(16);
    for ((q, &low), &high) in b[2..].iter_mut().zip(low).zip(high) {
        *q = code(low) | (code(high) << 4);
    }
}

/// Scale and minimum codes (6 bits each) of the 8 sub-blocks of a Q4_K block. The first 4 of each lie in the low 6
/// bits of bytes 4..8 and 8..12; of the others, the low 4 bits lie in bytes 12..16 and the high 2 bits above the
/// first ones.
fn q4_k_scales(b: &[u8; 144]) -> [(u8, u8); 8] {
    let s = &b[4..16];
    std::array::from_fn(|j| {
        if j < 4 {
            (s[j] & 63, s[j + 4] & 63)
        } else {
            ((s[j + 4] & 15) | (s[j - 4] >> 6 << 4), (s[j + 4] >> 4) | (s[j] >> 6 << 4))
        }
    })
}

fn put_q4_k_scales(b: &mut [u8; 144], codes: &[(u8, u8); 8]) {
    let s = &mut b[4..16];
    for j in 0..4 {
        let ((scale, min), (scale4, min4)) = (codes[j], codes[j + 4]);
        s[j] = scale | (scale4 >> 4 << 6);
        s[j + 4] = min | (min4 >> 4 << 6);
        s[j + 8] = (scale4 & 15) | (min4 << 4);
    }
}

fn q4_k_decode(b: &[u8; 144], v: &mut [f32; 256]) {
    let (d, dmin) = (scale(b, 0), scale(b, 2));
    let codes = q4_k_scales(b);
    // Sub-blocks 2i and 2i + 1 are the low and high halves of the same 32 bytes.
    for (j, (v, &(sc, m))) in v.as_chunks_mut::<32>().0.iter_mut().zip(&codes).enumerate() {
        let (scale, min) = (d * f32::from(sc), dmin * f32::from(m));
        let (at, shift) = (16 + j / 2 * 32, j % 2 * 4);
        for (v, &q) in v.iter_mut().zip(&b[at..at + 32]) {
            *v = scale * f32::from((q >> shift) & 15) - min;
        }
    }
}

fn q4_k_encode(v: &[f32; 256], w: &[f32; 256], b: &mut [u8; 144]) {
    *b = [0; 144];
    let (subs, weights) = (v.as_chunks::<32>().0, w.as_chunks::<32>().0);
    let fits: [(f32, f32); 8] = std::array::from_fn(|j| fit_affine(&subs[j], &weights[j], 15.0));
    let d = put_scale(b, 0, fits.iter().fold(0.0, |m: f32, f| m.max(f.0)) / 63.0);
    let dmin = put_scale(b, 2, fits.iter().fold(0.0, |m: f32, f| m.max(f.1)) / 63.0);
    let six_bits = |v: f32, unit: f32| (v * inverse(unit)).round().clamp(0.0, 63.0) as u8;
    let codes = fits.map(|(scale, min)| (six_bits(scale, d), six_bits(min, dmin)));
    put_q4_k_scales(b, &codes);
    for (j, (v, &(sc, m))) in subs.iter().zip(&codes).enumerate() {
        let (id, min) = (inverse(d * f32::from(sc)), dmin * f32::from(m));
        let (at, shift) = (16 + j / 2 * 32, j % 2 * 4);
        for (q, &v) in b[at..at + 32].iter_mut().zip(v) {
            *q |= (((v + min) * id).round().clamp(0.0, 15.0) as u8) << shift;
        }
    }
}

fn q6_k_decode(b: &[u8; 210], v: &mut [f32; 256]) {
    let d = scale(b, 208);
    for (i, v) in v.iter_mut().enumerate() {
        let (low, low_shift, high, high_shift) = q6_k_place(i);
        let q = ((b[low] >> low_shift) & 15) | (((b[high] >> high_shift) & 3) << 4);
        *v = d * f32::from(b[192 + i / 16] as i8) * f32::from(q as i8 - 32);
    }
}

/// Where value `i` of a Q6_K block keeps its low 4 and high 2 bits: byte and shift of each. A half of 128 values
/// is 4 rows of 32: the rows share 32 bytes of `qh`, 2 bits each; rows 0 and 2, and 1 and 3, share 32 bytes of `ql`.
fn q6_k_place(i: usize) -> (usize, usize, usize, usize) {
    let (half, row, at) = (i / 128, i / 32 % 4, i % 32);
    (half * 64 + row % 2 * 32 + at, row / 2 * 4, 128 + half * 32 + at, row * 2)
}

fn q6_k_encode(v: &[f32; 256], w: &[f32; 256], b: &mut [u8; 210]) {
    *b = [0; 210];
    let (subs, weights) = (v.as_chunks::<16>().0, w.as_chunks::<16>().0);
    let fits: [f32; 16] = std::array::from_fn(|j| fit_symmetric(&subs[j], &weights[j], 32.0));
    // The extreme scale maps to −128 exactly, so that all codes are of use.
    let d = put_scale(b, 208, extreme(&fits) / -128.0);
    let codes = fits.map(|s| (s * inverse(d)).round().clamp(-128.0, 127.0) as i8);
    for (c, code) in b[192..208].iter_mut().zip(codes) {
        *c = code as u8;
    }
    for (i, &v) in v.iter().enumerate() {
        let id = inverse(d * f32::from(codes[i / 16]));
        let q = ((v * id).round().clamp(-32.0, 31.0) + 32.0) as u8;
        let (low, low_shift, high, high_shift) = q6_k_place(i);
        b[low] |= (q & 15) << low_shift;
        b[high] |= (q >> 4) << high_shift;
    }
}

/// The scale (of either sign) with which codes −`n`..`n` give the smallest squared error, weighed by `w`: the best of several
/// first guesses, each refined by least squares for the codes that it gives. In f64, where no square overflows.
fn fit_symmetric(v: &[f32], w: &[f32], n: f64) -> f32 {
    let top = f64::from(extreme(v));
    if top == 0.0 {
        return 0.0;
    }
    let mut best = (f64::INFINITY, 0.0);
    for step in -8..=8 {
        let id = -(n + 0.1 * f64::from(step)) / top;
        let coded = || {
            let code = |v: f64| (v * id).round().clamp(-n, n - 1.0);
            v.iter().zip(w).map(move |(&v, &w)| (f64::from(w), f64::from(v), code(f64::from(v))))
        };
        let (vq, qq) = coded().fold((0.0, 0.0), |(vq, qq), (w, v, q)| (vq + w * v * q, qq + w * q * q));
        // If no value that counts has a code, any scale is as good.
        let s = if qq > 0.0 { vq / qq } else { 1.0 / id };
        let error = coded().map(|(w, v, q)| w * (v - s * q).powi(2)).sum::<f64>();
        if error < best.0 {
            best = (error, s);
        }
    }
    best.1 as f32
}

/// The scale and minimum (`v ≈ scale·q − min`, neither negative) with which codes 0..=`n` give the smallest squared
/// error, weighed by `w`: the best of several first guesses, each refined by least squares for the codes that it gives.
fn fit_affine(v: &[f32], w: &[f32], n: f64) -> (f32, f32) {
    let low = f64::from(v.iter().fold(0.0, |m: f32, &v| m.min(v)));
    let high = v.iter().fold(low, |m, &v| m.max(f64::from(v)));
    if high == low {
        return (0.0, -low as f32);
    }
    let mut best = (f64::INFINITY, 0.0, 0.0);
    for step in -10..=10 {
        let id = (n + 0.1 * f64::from(step)) / (high - low);
        let coded = || {
            let code = |v: f64| ((v - low) * id).round().clamp(0.0, n);
            v.iter().zip(w).map(move |(&v, &w)| (f64::from(w), f64::from(v), code(f64::from(v))))
        };
        let (mut all, mut q1, mut q2, mut v1, mut vq) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (w, v, q) in coded() {
            all += w;
            q1 += w * q;
            q2 += w * q * q;
            v1 += w * v;
            vq += w * v * q;
        }
        let det = all * q2 - q1 * q1;
        let line = |scale: f64| (scale, if all > 0.0 { (scale * q1 - v1) / all } else { -low });
        let (scale, min) = match det > 0.0 {
            true => line((all * vq - v1 * q1) / det),
            // All codes that count are the same one.
            false => line(1.0 / id),
        };
        // A negative minimum is not allowed, and zero is the nearest to it.
        let (scale, min) = match min < 0.0 {
            true if q2 > 0.0 => (vq / q2, 0.0),
            true => (1.0 / id, 0.0),
            false => (scale, min),
        };
        let error = coded().map(|(w, v, q)| w * (v - (scale * q - min)).powi(2)).sum::<f64>();
        if error < best.0 && scale >= 0.0 {
            best = (error, scale, min);
        }
    }
    (best.1 as f32, best.2 as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_indexed_by_type() {
        for (i, (f, dtype)) in FORMATS.iter().zip(DType::ALL).enumerate() {
            assert_eq!(f.dtype, dtype);
            assert_eq!(dtype as usize, i);
            assert_eq!(DType::from_ggml(dtype.ggml()), Some(dtype));
        }
        assert_eq!(DType::from_ggml(u32::MAX), None);
    }
}
