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
    /// Rows of activations whose sums fit into registers: 4, or 8.
    const AT_ONCE: usize;
    /// What [`Integers::signed_dot`] adds to each weight.
    const SIGNED_OFFSET: i32;

    /// Lanes of i32, or of 4 bytes.
    type I: Copy;
    /// Lanes of f32.
    type V: Copy;
    /// Sums of products of 4-bit weights.
    type NibbleSums: Copy;
    /// Weights for [`Integers::signed_dot`].
    type Signed: Copy;
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

    /// Sums that begin, and end, with `start`: an instruction set takes it into account where it costs less.
    fn nibbles_begin(self, start: Self::I) -> Self::NibbleSums;
    /// Adds the products of 4 weights of 0 to 15 in each lane with the bytes `x`. At most 8 times between begin and end.
    fn nibbles_dot(self, sums: Self::NibbleSums, w: Self::I, x: Self::I) -> Self::NibbleSums;
    fn nibbles_end(self, sums: Self::NibbleSums, start: Self::I) -> Self::I;

    /// 4 signed bytes in each lane as panels have them, see [`quantized::flip`], made ready.
    fn signed(self, w: Self::I) -> Self::Signed;
    /// As [`Integers::nibbles_begin`].
    fn signed_begin(self, start: Self::I) -> Self::SignedSums;
    /// Adds the products of 4 weights in each lane, plus the offset, with the bytes `x`. At most 8 times between begin and end.
    fn signed_dot(self, sums: Self::SignedSums, w: Self::Signed, x: Self::I) -> Self::SignedSums;
    fn signed_end(self, sums: Self::SignedSums, start: Self::I) -> Self::I;

    /// Adds the products of twice 4 weights of 0 to 63 in each lane with the bytes `x`.
    fn six_bits_dot(self, sums: Self::I, w: [Self::I; 2], x: [Self::I; 2]) -> Self::I;
}
