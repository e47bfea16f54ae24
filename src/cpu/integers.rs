//! Vectors of integers for quantized weights, and the products of bytes in them.

use super::quantized::{self, GroupMut};
use super::simd::Simd;

/// Vectors with a lane of 32 bits for each row of weights, and products of bytes: each lane of a vector of words holds 4 bytes of its
/// row, which are multiplied with 4 bytes of activations, the same for all lanes, and added up in the lane.
///
/// # Safety
/// As [`Simd`].
pub(super) unsafe trait Integers: Simd {
    /// Lanes of a vector: 4, 8 or 16.
    const LANES: usize;
    /// Rows of activations whose sums fit into registers: 1, 4 or 8.
    const AT_ONCE: usize;
    /// What [`Integers::signed_dot`] adds to each weight.
    const SIGNED_OFFSET: i32;

    /// Lanes of i32, or of 4 bytes.
    type I: Copy;
    /// Lanes of f32.
    type V: Copy;
    /// Sums of products of 4-bit weights.
    type NibbleSums: Copy;
    /// Sums of products of signed weights.
    type SignedSums: Copy;

    /// Quantizes rows of whole blocks of 32 values, for weights of `offset`.
    #[inline(always)]
    fn quantize(self, x: &[f32], offset: i32, out: GroupMut<'_>) {
        quantized::quantize(x, offset, out);
    }

    /// # Safety
    /// `p` is valid for reading a vector.
    unsafe fn words(self, p: *const u8) -> Self::I;
    /// The same value in all lanes.
    ///
    /// # Safety
    /// `p` is valid for reading 4 bytes; no alignment is needed.
    unsafe fn broadcast(self, p: *const i32) -> Self::I;
    /// The same value in all lanes.
    fn int(self, v: u32) -> Self::I;
    fn and(self, a: Self::I, b: Self::I) -> Self::I;
    fn or(self, a: Self::I, b: Self::I) -> Self::I;
    fn shl(self, v: Self::I, bits: u32) -> Self::I;
    /// Fills with zeros.
    fn shr(self, v: Self::I, bits: u32) -> Self::I;
    /// Fills with the sign.
    fn sar(self, v: Self::I, bits: u32) -> Self::I;
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I;
    /// The lower 32 bits.
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn to_floats(self, v: Self::I) -> Self::V;

    /// f16 values as f32.
    ///
    /// # Safety
    /// `p` is valid for reading a value for each lane.
    unsafe fn halves(self, p: *const u8) -> Self::V;
    fn splat_v(self, v: f32) -> Self::V;
    fn mul_v(self, a: Self::V, b: Self::V) -> Self::V;
    fn add_v(self, a: Self::V, b: Self::V) -> Self::V;
    /// c + a · b, rounded once where the instruction set can.
    fn fma_v(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// c − a · b, rounded once where the instruction set can.
    fn fnma_v(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// # Safety
    /// `p` is valid for reading a vector; no alignment is needed.
    unsafe fn load_v(self, p: *const f32) -> Self::V;
    /// # Safety
    /// `p` is valid for writing a vector; no alignment is needed.
    unsafe fn store_v(self, p: *mut f32, v: Self::V);

    /// Sums of M rows of activations, which begin, and end, with `start`: an instruction set takes it into account where it costs less.
    fn nibbles_begin<const M: usize>(self, start: [Self::I; M]) -> [Self::NibbleSums; M];
    /// Adds the products of twice 4 weights of 0 to 15 in each lane with the bytes at `x`. At most 4 times between begin and end.
    ///
    /// # Safety
    /// `x` is valid for reading two words of each of the M rows: both of the first row, then those of the next.
    unsafe fn nibbles_dot<const M: usize>(self, sums: &mut [Self::NibbleSums; M], w: [Self::I; 2], x: *const i32);
    fn nibbles_end<const M: usize>(self, sums: [Self::NibbleSums; M], start: [Self::I; M]) -> [Self::I; M];

    /// As [`Integers::nibbles_begin`].
    fn signed_begin<const M: usize>(self, start: [Self::I; M]) -> [Self::SignedSums; M];
    /// Adds the products of twice 4 weights in each lane, signed bytes as panels have them (see [`quantized::flip`]) plus the offset, with
    /// the bytes at `x`. At most 4 times between begin and end.
    ///
    /// # Safety
    /// As [`Integers::nibbles_dot`].
    unsafe fn signed_dot<const M: usize>(self, sums: &mut [Self::SignedSums; M], w: [Self::I; 2], x: *const i32);
    fn signed_end<const M: usize>(self, sums: [Self::SignedSums; M], start: [Self::I; M]) -> [Self::I; M];

    /// As [`Integers::nibbles_begin`], in one order with [`Integers::six_bits_dot`].
    fn six_bits_begin<const M: usize>(self, start: [Self::I; M]) -> [Self::I; M];
    /// Adds the products of twice 4 weights of 0 to 63 in each lane with the bytes at `x`.
    ///
    /// # Safety
    /// As [`Integers::nibbles_dot`].
    unsafe fn six_bits_dot<const M: usize>(self, sums: &mut [Self::I; M], w: [Self::I; 2], x: *const i32);
    fn six_bits_end<const M: usize>(self, sums: [Self::I; M]) -> [Self::I; M];
}

/// Adds to the sums of M rows, by `dot`, which multiplies a word of each lane with one for all of them.
///
/// # Safety
/// As [`Integers::nibbles_dot`].
#[inline(always)]
pub(super) unsafe fn each_row<S: Integers, Sums: Copy, const M: usize>(
    s: S,
    sums: &mut [Sums; M],
    w: [S::I; 2],
    x: *const i32,
    dot: impl Fn(Sums, S::I, S::I) -> Sums,
) {
    for (j, w) in w.into_iter().enumerate() {
        for (m, sums) in sums.iter_mut().enumerate() {
            // SAFETY: word j of row m, by the contract.
            *sums = dot(*sums, w, unsafe { s.broadcast(x.add(2 * m + j)) });
        }
    }
}

/// The products of [`Integers`], where one instruction does for all weights: `$dot` adds the products of 4 weights in each lane.
macro_rules! products_in_lanes {
    ($i:ty, $dot:path) => {
        type NibbleSums = $i;
        type SignedSums = $i;

        #[inline(always)]
        fn nibbles_begin<const M: usize>(self, start: [$i; M]) -> [$i; M] {
            start
        }
        #[inline(always)]
        #[allow(unused_unsafe, reason = "that of plain Rust is safe")]
        unsafe fn nibbles_dot<const M: usize>(self, sums: &mut [$i; M], w: [$i; 2], x: *const i32) {
            // SAFETY: `self` proves that the CPU has the instruction.
            let dot = |sums, w, x| unsafe { $dot(sums, w, x) };
            // SAFETY: the same contract.
            unsafe { crate::cpu::integers::each_row(self, sums, w, x, dot) }
        }
        #[inline(always)]
        fn nibbles_end<const M: usize>(self, sums: [$i; M], _: [$i; M]) -> [$i; M] {
            sums
        }
        #[inline(always)]
        fn signed_begin<const M: usize>(self, start: [$i; M]) -> [$i; M] {
            start
        }
        #[inline(always)]
        unsafe fn signed_dot<const M: usize>(self, sums: &mut [$i; M], w: [$i; 2], x: *const i32) {
            // SAFETY: the same contract.
            unsafe { self.nibbles_dot(sums, w, x) }
        }
        #[inline(always)]
        fn signed_end<const M: usize>(self, sums: [$i; M], _: [$i; M]) -> [$i; M] {
            sums
        }
        #[inline(always)]
        fn six_bits_begin<const M: usize>(self, start: [$i; M]) -> [$i; M] {
            start
        }
        #[inline(always)]
        unsafe fn six_bits_dot<const M: usize>(self, sums: &mut [$i; M], w: [$i; 2], x: *const i32) {
            // SAFETY: the same contract.
            unsafe { self.nibbles_dot(sums, w, x) }
        }
        #[inline(always)]
        fn six_bits_end<const M: usize>(self, sums: [$i; M]) -> [$i; M] {
            sums
        }
    };
}
pub(super) use products_in_lanes;
