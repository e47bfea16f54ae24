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
//!
//! Weights come in the panels of `packed.rs`. The product is written once, over the vectors of [`Integers`].

use super::buffer::cast_mut;
use super::integers::Integers;
use super::matmul::Columns;
use super::packed::{HALVES, LINE, PanelShape, ROWS};
use crate::quant::DType;

/// Values in a block of activations, and in a block of weights here; the super-blocks of K-quants are 8 of them.
pub(super) const BLOCK: usize = 32;

/// Rows of activations that are multiplied at once, from `left` rows on.
#[inline(always)]
fn group(left: usize, most: usize) -> usize {
    match left {
        8.. if most >= 8 => 8,
        4.. if most >= 4 => 4,
        2.. if most >= 2 => 2,
        left => left.min(1),
    }
}

/// How quantized activations lie in memory, in units of f32. A group of rows that are multiplied at once takes as much as so many rows, and
/// has the rows side by side: value b of a part of the group is that of its first row, then that of its second row, and so on, so that a
/// product reads one stream. Integers alternate in pairs of words, which products of matrices take at once. Groups start at cache lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) cols: usize,
}

impl Layout {
    /// Groups never cross multiples of so many rows.
    pub(super) const ROWS: usize = 8;

    /// Space for a row.
    pub(super) fn stride(self) -> usize {
        (5 * (self.cols / BLOCK) + self.cols / 4).next_multiple_of(16)
    }

    /// The parts of a group of `rows` rows, to be filled.
    #[inline(always)]
    fn group_mut(self, rows: usize, group: &mut [f32]) -> GroupMut<'_> {
        let blocks = self.cols / BLOCK * rows;
        let (scales, rest) = group.split_at_mut(blocks);
        let (weighted, rest) = rest.split_at_mut(blocks);
        let (offsets, rest) = rest.split_at_mut(blocks);
        let (halves, q) = rest.split_at_mut(2 * blocks);
        GroupMut { rows, scales, weighted, offsets: cast_mut(offsets), halves: cast_mut(halves), q: cast_mut(q) }
    }
}

/// Rows of activations as integers in blocks of 32, x ≈ d · q with d = max|x| / 127, to be filled: the parts in order.
pub(super) struct GroupMut<'a> {
    rows: usize,
    /// d, (cols / 32, rows)
    scales: &'a mut [f32],
    /// d · Σ q, (cols / 32, rows)
    weighted: &'a mut [f32],
    /// −offset · Σ q, (cols / 32, rows)
    offsets: &'a mut [i32],
    /// The same of each half of a block, (cols / 16, rows)
    halves: &'a mut [i32],
    /// Four values each, (cols / 8, rows, 2)
    q: &'a mut [i32],
}

impl GroupMut<'_> {
    /// The rows of `x` (rows, cols), each with its number.
    #[inline(always)]
    pub(super) fn rows<'x>(&self, x: &'x [f32]) -> impl Iterator<Item = (usize, &'x [f32])> + use<'x> {
        x.chunks_exact(x.len() / self.rows.max(1)).enumerate()
    }

    /// Fills block `b` of row `r`: d, the sums of the halves of q, and q.
    #[inline(always)]
    pub(super) fn put(&mut self, (r, b): (usize, usize), offset: i32, d: f32, sums: [i32; 2], q: [i32; BLOCK / 4]) {
        let at = b * self.rows + r;
        self.scales[at] = d;
        self.weighted[at] = d * (sums[0] + sums[1]) as f32;
        self.offsets[at] = -offset * (sums[0] + sums[1]);
        for (half, sum) in sums.into_iter().enumerate() {
            self.halves[(2 * b + half) * self.rows + r] = -offset * sum;
        }
        let words = &mut self.q[b * q.len() * self.rows..][..q.len() * self.rows];
        for (words, &q) in words.chunks_exact_mut(2 * self.rows).zip(q.as_chunks::<2>().0) {
            words[2 * r..][..2].copy_from_slice(&q);
        }
    }
}

/// A group of M rows, to be read inside a product: places instead of slices, since a small product takes no longer than making those.
#[derive(Clone, Copy)]
struct Group<const M: usize> {
    at: *const f32,
    /// In a row.
    blocks: usize,
}

/// # Safety
/// Of all methods: row `m` is one of the group, and the block, or half or words of one, is inside it.
impl<const M: usize> Group<M> {
    #[inline(always)]
    unsafe fn scale(self, m: usize, b: usize) -> f32 {
        // SAFETY: the contract.
        unsafe { *self.at.add(b * M + m) }
    }
    #[inline(always)]
    unsafe fn weighted(self, m: usize, b: usize) -> f32 {
        // SAFETY: the contract.
        unsafe { *self.at.add((self.blocks + b) * M + m) }
    }
    #[inline(always)]
    unsafe fn offset(self, m: usize, b: usize) -> *const i32 {
        // SAFETY: the contract.
        unsafe { self.at.add((2 * self.blocks + b) * M + m).cast() }
    }
    #[inline(always)]
    unsafe fn half(self, m: usize, half: usize) -> *const i32 {
        // SAFETY: the contract.
        unsafe { self.at.add((3 * self.blocks + half) * M + m).cast() }
    }
    /// Four values of each row, and the next four, from an even `word` on.
    #[inline(always)]
    unsafe fn words(self, word: usize) -> *const i32 {
        // SAFETY: the contract.
        unsafe { self.at.add((5 * self.blocks + word) * M).cast() }
    }
}

/// A matrix product with quantized weights.
pub(super) struct QuantizedProduct<'a> {
    pub(super) dtype: DType,
    pub(super) shape: PanelShape,
    pub(super) layout: Layout,
    /// (rows, stride of the layout)
    pub(super) x: &'a [f32],
}

impl QuantizedProduct<'_> {
    /// The group of the M rows of activations from row `first` on, which are checked to be there.
    #[inline(always)]
    fn group<const M: usize>(&self, first: usize) -> Group<M> {
        let stride = self.layout.stride();
        let rows = &self.x[first * stride..(first + M) * stride];
        Group { at: rows.as_ptr(), blocks: self.layout.cols / BLOCK }
    }
}

/// What products multiply weights as if it had been added to them: they are unsigned then.
pub(super) fn offset<S: Integers>(_: S, dtype: DType) -> i32 {
    match dtype {
        DType::Q8_0 => S::SIGNED_OFFSET,
        DType::Q4_0 => 8,
        DType::Q6_K => 32,
        DType::Q4_K | DType::F32 | DType::F16 | DType::BF16 => 0,
    }
}

/// What the words of integers are XORed with in a panel, so that products read them as they are: [`Integers::signed_dot`] of many
/// instruction sets takes unsigned weights.
pub(super) fn flip<S: Integers>(_: S, dtype: DType) -> u32 {
    if dtype == DType::Q8_0 && S::SIGNED_OFFSET == 128 { 0x8080_8080 } else { 0 }
}

/// Quantizes up to [`Layout::ROWS`] rows `x` of whole blocks, from a multiple of it on, for weights of `offset`.
#[inline(always)]
pub(super) fn quantize_rows<S: Integers>(s: S, x: &[f32], offset: i32, layout: Layout, out: &mut [f32]) {
    let (rows, stride) = (x.len() / layout.cols, layout.stride());
    let mut i = 0;
    while i < rows {
        let count = group(rows - i, S::AT_ONCE);
        let out = layout.group_mut(count, &mut out[i * stride..(i + count) * stride]);
        s.quantize(&x[i * layout.cols..(i + count) * layout.cols], offset, out);
        i += count;
    }
}

/// The scale of a block of activations and its inverse.
#[inline(always)]
pub(super) fn scale_of(max: f32) -> (f32, f32) {
    (max / 127.0, if max > 0.0 { 127.0 / max } else { 0.0 })
}

/// [`Integers::quantize`] in plain Rust.
pub(super) fn quantize(x: &[f32], offset: i32, mut out: GroupMut<'_>) {
    for (r, x) in out.rows(x) {
        for (b, x) in x.as_chunks::<BLOCK>().0.iter().enumerate() {
            // Magnitudes compare as their bits do, and NaN is above all numbers: the scale is then NaN and so the result.
            let max = f32::from_bits(x.iter().map(|v| v.abs().to_bits()).max().unwrap_or(0));
            let (d, inverse) = scale_of(max);
            let q = x.map(|v| (v * inverse).round_ties_even() as i8);
            let sums = [0, 1].map(|h| q[h * BLOCK / 2..][..BLOCK / 2].iter().map(|&q| i32::from(q)).sum::<i32>());
            let mut words = [0; BLOCK / 4];
            for (word, q) in words.iter_mut().zip(q.as_chunks::<4>().0) {
                *word = i32::from_ne_bytes(q.map(i8::cast_unsigned));
            }
            out.put((r, b), offset, d, sums, words);
        }
    }
}

/// Types of weights, as constants that select code.
const Q8_0: u8 = 0;
const Q4_0: u8 = 1;
const Q4_K: u8 = 2;
const Q6_K: u8 = 3;

/// The columns of the product that `y` stands for, from `panel` and the rows of activations from `first` on.
#[inline(always)]
pub(super) fn multiply_panel<S: Integers>(
    s: S,
    product: &QuantizedProduct<'_>,
    panel: &[u8],
    first: usize,
    y: &mut Columns<'_>,
) {
    match product.dtype {
        DType::Q8_0 => multiply::<S, Q8_0>(s, product, panel, first, y),
        DType::Q4_0 => multiply::<S, Q4_0>(s, product, panel, first, y),
        DType::Q4_K => multiply::<S, Q4_K>(s, product, panel, first, y),
        DType::Q6_K => multiply::<S, Q6_K>(s, product, panel, first, y),
        DType::F32 | DType::F16 | DType::BF16 => {}
    }
}

#[inline(always)]
fn multiply<S: Integers, const KIND: u8>(
    s: S,
    product: &QuantizedProduct<'_>,
    panel: &[u8],
    first: usize,
    y: &mut Columns<'_>,
) {
    let (n, count) = (y.n(), y.count());
    assert!(panel.len() >= product.shape.bytes() && count <= ROWS);
    let panel = Panel {
        lines: panel.as_ptr(),
        halves: panel[product.shape.lines()..].as_ptr(),
        blocks: product.layout.cols / BLOCK,
    };
    let mut i = 0;
    while i < n {
        let at = first + i;
        // As many rows as their sums fit into registers, with the lanes of one vector; one row with all lanes.
        i += match group(n - i, S::AT_ONCE) {
            8 => by_lanes::<S, KIND, 8>(s, product, (at, i), &panel, y),
            4 => by_lanes::<S, KIND, 4>(s, product, (at, i), &panel, y),
            2 => by_lanes::<S, KIND, 2>(s, product, (at, i), &panel, y),
            _ if S::LANES == ROWS => by_lanes::<S, KIND, 1>(s, product, (at, i), &panel, y),
            _ => {
                let x = product.group::<1>(at);
                for lane in (0..ROWS).step_by(2 * S::LANES) {
                    // SAFETY: the panel is as long as its shape says, and the row as its layout.
                    let sums = unsafe { tile::<S, KIND, 1, 2>(s, x, &panel, lane) };
                    put(s, sums, i, lane, y);
                }
                1
            }
        };
    }
}

/// M rows of activations from row `at` on times a panel, into row `i` of the result; returns M.
#[inline(always)]
fn by_lanes<S: Integers, const KIND: u8, const M: usize>(
    s: S,
    product: &QuantizedProduct<'_>,
    (at, i): (usize, usize),
    panel: &Panel,
    y: &mut Columns<'_>,
) -> usize {
    let x = product.group::<M>(at);
    for lane in (0..ROWS).step_by(S::LANES) {
        // SAFETY: the panel is as long as its shape says, and the rows as their layout.
        let sums = unsafe { tile::<S, KIND, M, 1>(s, x, panel, lane) };
        put(s, sums, i, lane, y);
    }
    M
}

/// Results of M rows from row `i` on, from column `lane` on.
#[inline(always)]
fn put<S: Integers, const M: usize, const N: usize>(
    s: S,
    sums: [[S::V; N]; M],
    i: usize,
    lane: usize,
    y: &mut Columns<'_>,
) {
    let count = y.count();
    for (m, sums) in sums.into_iter().enumerate() {
        for (n, sums) in sums.into_iter().enumerate() {
            let lane = lane + n * S::LANES;
            let part = count.saturating_sub(lane).min(S::LANES);
            if part == 0 {
                continue;
            }
            let out = y.part(i + m, lane, part);
            // SAFETY: `out` is valid for `part` values.
            unsafe {
                if part == S::LANES {
                    let sums = if out.accumulate { s.add_v(s.load_v(out.at), sums) } else { sums };
                    s.store_v(out.at, sums);
                } else {
                    let mut lanes = [0.0f32; ROWS];
                    s.store_v(lanes.as_mut_ptr(), sums);
                    for (r, v) in lanes.into_iter().enumerate().take(part) {
                        out.put(0, r, v);
                    }
                }
            }
        }
    }
}

/// A panel in memory.
struct Panel {
    lines: *const u8,
    halves: *const u8,
    /// Of 32 values.
    blocks: usize,
}

/// Words in a super-block of the file, see `packed.rs`.
const Q4_K_WORDS: usize = 35;
/// Words in a super-block of the file, see `packed.rs`.
const Q6_K_WORDS: usize = 52;

/// M rows of activations times N vectors of rows of weights, from row `lane` of the panel on.
///
/// # Safety
/// The panel is one of `KIND` with as many blocks as the rows of activations, and has N vectors from `lane` on.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of constant range keep the sums in registers")]
unsafe fn tile<S: Integers, const KIND: u8, const M: usize, const N: usize>(
    s: S,
    x: Group<M>,
    panel: &Panel,
    lane: usize,
) -> [[S::V; N]; M] {
    let mut acc = [[s.splat_v(0.0); N]; M];
    // SAFETY: every word and f16 value is one of a block of the panel, at the place that `packed.rs` says, and every part of a row of
    // activations one of a block that it has.
    unsafe {
        let line = |word: usize, n: usize| s.words(panel.lines.add(word * LINE + 4 * (lane + n * S::LANES)));
        let half = |at: usize, n: usize| s.halves(panel.halves.add(at * HALVES + 2 * (lane + n * S::LANES)));
        let words = |b: usize, k: usize| x.words(8 * b + k);
        let offsets = |b: usize| -> [S::I; M] { std::array::from_fn(|m| s.broadcast(x.offset(m, b))) };
        match KIND {
            Q8_0 => {
                let offsets = |b: usize| if S::SIGNED_OFFSET == 0 { [s.int(0); M] } else { offsets(b) };
                for b in 0..panel.blocks {
                    let mut sums = [s.signed_begin(offsets(b)); N];
                    for k in [0, 2, 4, 6] {
                        for n in 0..N {
                            let w = [line(8 * b + k, n), line(8 * b + k + 1, n)];
                            s.signed_dot(&mut sums[n], w, words(b, k));
                        }
                    }
                    for n in 0..N {
                        let (scale, sums) = (half(b, n), s.signed_end(sums[n], offsets(b)));
                        for m in 0..M {
                            let by = s.mul_v(scale, s.splat_v(x.scale(m, b)));
                            acc[m][n] = s.fma_v(s.to_floats(sums[m]), by, acc[m][n]);
                        }
                    }
                }
            }
            Q4_0 => {
                for b in 0..panel.blocks {
                    let mut sums = [s.nibbles_begin(offsets(b)); N];
                    for k in [0, 2] {
                        for n in 0..N {
                            let w = [line(4 * b + k, n), line(4 * b + k + 1, n)];
                            s.nibbles_dot(&mut sums[n], w.map(|w| nibbles(s, w)), words(b, k));
                            s.nibbles_dot(&mut sums[n], w.map(|w| nibbles(s, s.shr(w, 4))), words(b, 4 + k));
                        }
                    }
                    for n in 0..N {
                        let (scale, sums) = (half(b, n), s.nibbles_end(sums[n], offsets(b)));
                        for m in 0..M {
                            let by = s.mul_v(scale, s.splat_v(x.scale(m, b)));
                            acc[m][n] = s.fma_v(s.to_floats(sums[m]), by, acc[m][n]);
                        }
                    }
                }
            }
            Q4_K => {
                for block in 0..panel.blocks / 8 {
                    let at = block * Q4_K_WORDS;
                    for n in 0..N {
                        // The scales and minima of 4 blocks each, a byte for each block; `quant.rs` has the layout.
                        let (a, b, c) = (line(at, n), line(at + 1, n), line(at + 2, n));
                        let (low, two) = (s.int(0x0f0f_0f0f), s.int(0x3030_3030));
                        let scales = [s.and(a, s.int(0x3f3f_3f3f)), s.or(s.and(c, low), s.and(s.shr(a, 2), two))];
                        let mins =
                            [s.and(b, s.int(0x3f3f_3f3f)), s.or(s.and(s.shr(c, 4), low), s.and(s.shr(b, 2), two))];
                        let (d, dmin) = (half(2 * block, n), half(2 * block + 1, n));
                        for pair in 0..4 {
                            for h in 0..2 {
                                // The low halves of the bytes of 8 words are a block, and the high ones the next: words are read for
                                // each, so that the sums of one alone have to fit into registers.
                                let (in_block, b) = (2 * pair + h, 8 * block + 2 * pair + h);
                                let none = [s.int(0); M];
                                let mut sums = s.nibbles_begin(none);
                                for k in [0, 2, 4, 6] {
                                    let at = at + 3 + 8 * pair + k;
                                    let w = [line(at, n), line(at + 1, n)];
                                    let w = w.map(|w| nibbles(s, if h == 0 { w } else { s.shr(w, 4) }));
                                    s.nibbles_dot(&mut sums, w, words(b, k));
                                }
                                let byte = |v: [S::I; 2]| {
                                    let at = (in_block / 4, 8 * (in_block % 4) as u32);
                                    s.to_floats(s.and(s.shr(v[at.0], at.1), s.int(0xff)))
                                };
                                let (scale, min) = (s.mul_v(byte(scales), d), s.mul_v(byte(mins), dmin));
                                let sums = s.nibbles_end(sums, none);
                                for m in 0..M {
                                    let by = s.mul_v(scale, s.splat_v(x.scale(m, b)));
                                    acc[m][n] = s.fma_v(s.to_floats(sums[m]), by, acc[m][n]);
                                    let weighted = s.splat_v(x.weighted(m, b));
                                    acc[m][n] = s.fnma_v(min, weighted, acc[m][n]);
                                }
                            }
                        }
                    }
                }
            }
            _ => {
                for block in 0..panel.blocks / 8 {
                    let at = block * Q6_K_WORDS;
                    for n in 0..N {
                        let d = half(block, n);
                        for b in 0..8 {
                            // Each half of the super-block is 4 blocks: 0 and 1 in the low, 2 and 3 in the high halves of 64 bytes.
                            let (part, low) = (b % 4, at + b / 4 * 16 + b % 2 * 8);
                            let high = at + 32 + b / 4 * 8;
                            let scales = line(at + 48 + b / 2, n);
                            let mut total = [s.int(0); M];
                            for h in 0..2 {
                                let start: [S::I; M] =
                                    std::array::from_fn(|m| s.broadcast(x.half(m, 2 * (8 * block + b) + h)));
                                let mut sums = s.six_bits_begin(start);
                                for k in [4 * h, 4 * h + 2] {
                                    let mut w = [s.int(0); 2];
                                    for (j, w) in w.iter_mut().enumerate() {
                                        let (low, high) = (line(low + k + j, n), line(high + k + j, n));
                                        let low = nibbles(s, if part < 2 { low } else { s.shr(low, 4) });
                                        let high = s.and(s.shr(high, 2 * part as u32), s.int(0x0303_0303));
                                        *w = s.or(low, s.shl(high, 4));
                                    }
                                    s.six_bits_dot(&mut sums, w, words(8 * block + b, k));
                                }
                                // A signed byte for each half.
                                let scale = s.sar(s.shl(scales, 24 - 8 * (2 * (b % 2) + h) as u32), 24);
                                let sums = s.six_bits_end(sums);
                                for m in 0..M {
                                    total[m] = s.add_i(total[m], s.mul_i(sums[m], scale));
                                }
                            }
                            for m in 0..M {
                                let by = s.mul_v(d, s.splat_v(x.scale(m, 8 * block + b)));
                                acc[m][n] = s.fma_v(s.to_floats(total[m]), by, acc[m][n]);
                            }
                        }
                    }
                }
            }
        }
    }
    acc
}

/// The low half of each byte.
#[inline(always)]
fn nibbles<S: Integers>(s: S, w: S::I) -> S::I {
    s.and(w, s.int(0x0f0f_0f0f))
}
