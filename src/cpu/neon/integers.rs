//! Integers on AArch64. With products of matrices of bytes (`smmla`), two rows of weights are multiplied with two of activations, 8 values
//! deep, at once; with dot products (`sdot`), four products of bytes are added to a lane of 32 bits; without, products are 16 bits wide:
//! those of 4-bit weights are added up there, two of others are widened at once.

use std::arch::aarch64::*;
use std::arch::asm;

use super::{Neon, NeonDot, NeonI8mm, widened};
use crate::cpu::integers::{Integers, each_row, products_in_lanes};

/// What both have in common.
macro_rules! lanes_of_32_bits {
    () => {
        const LANES: usize = 4;
        const AT_ONCE: usize = 8;
        const SIGNED_OFFSET: i32 = 0;
        type I = int32x4_t;
        type V = float32x4_t;

        #[inline(always)]
        unsafe fn words(self, p: *const u8) -> int32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD; `p` is valid by the contract.
            unsafe { vreinterpretq_s32_u8(vld1q_u8(p)) }
        }
        #[inline(always)]
        unsafe fn broadcast(self, p: *const i32) -> int32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD; `p` is valid by the contract.
            unsafe { vdupq_n_s32(p.read_unaligned()) }
        }
        #[inline(always)]
        fn int(self, v: u32) -> int32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            unsafe { vdupq_n_s32(v.cast_signed()) }
        }
        #[inline(always)]
        fn and(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            unsafe { vandq_s32(a, b) }
        }
        #[inline(always)]
        fn or(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            unsafe { vorrq_s32(a, b) }
        }
        #[inline(always)]
        fn shl(self, v: int32x4_t, bits: u32) -> int32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            unsafe { vshlq_s32(v, vdupq_n_s32(bits.cast_signed())) }
        }
        #[inline(always)]
        fn shr(self, v: int32x4_t, bits: u32) -> int32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD; a negative shift is one to the right.
            unsafe { vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(v), vdupq_n_s32(-bits.cast_signed()))) }
        }
        #[inline(always)]
        fn sar(self, v: int32x4_t, bits: u32) -> int32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD; a negative shift is one to the right.
            unsafe { vshlq_s32(v, vdupq_n_s32(-bits.cast_signed())) }
        }
        #[inline(always)]
        fn add_i(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            unsafe { vaddq_s32(a, b) }
        }
        #[inline(always)]
        fn mul_i(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            unsafe { vmulq_s32(a, b) }
        }
        #[inline(always)]
        fn to_floats(self, v: int32x4_t) -> float32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            unsafe { vcvtq_f32_s32(v) }
        }
        #[inline(always)]
        unsafe fn halves(self, p: *const u8) -> float32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD; `p` is valid for 8 bytes by the contract.
            unsafe { widened(p) }
        }
        #[inline(always)]
        fn splat_v(self, v: f32) -> float32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            unsafe { vdupq_n_f32(v) }
        }
        #[inline(always)]
        fn mul_v(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            unsafe { vmulq_f32(a, b) }
        }
        #[inline(always)]
        fn add_v(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            unsafe { vaddq_f32(a, b) }
        }
        #[inline(always)]
        fn fma_v(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            unsafe { vfmaq_f32(c, a, b) }
        }
        #[inline(always)]
        fn fnma_v(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            unsafe { vfmsq_f32(c, a, b) }
        }
        #[inline(always)]
        unsafe fn load_v(self, p: *const f32) -> float32x4_t {
            // SAFETY: `self` proves that the CPU has Advanced SIMD; `p` is valid by the contract.
            unsafe { vld1q_f32(p) }
        }
        #[inline(always)]
        unsafe fn store_v(self, p: *mut f32, v: float32x4_t) {
            // SAFETY: `self` proves that the CPU has Advanced SIMD; `p` is valid by the contract.
            unsafe { vst1q_f32(p, v) }
        }
    };
}

// SAFETY: as for `Simd`.
unsafe impl Integers for Neon {
    lanes_of_32_bits!();

    /// Of the first and the last two rows of weights: 4 sums of 16 bits each, of at most 8 products of 15 · 127.
    type NibbleSums = [int16x8_t; 2];
    type SignedSums = int32x4_t;

    #[inline(always)]
    fn nibbles_begin<const M: usize>(self, _: [int32x4_t; M]) -> [[int16x8_t; 2]; M] {
        // SAFETY: `self` proves that the CPU has Advanced SIMD.
        [[unsafe { vdupq_n_s16(0) }; 2]; M]
    }
    #[inline(always)]
    unsafe fn nibbles_dot<const M: usize>(self, sums: &mut [[int16x8_t; 2]; M], w: [int32x4_t; 2], x: *const i32) {
        // SAFETY: the same contract; `self` proves that the CPU has Advanced SIMD.
        unsafe {
            each_row(self, sums, w, x, |sums, w, x| {
                let (w, x) = (vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
                [vmlal_s8(sums[0], vget_low_s8(w), vget_low_s8(x)), vmlal_high_s8(sums[1], w, x)]
            });
        }
    }
    #[inline(always)]
    fn nibbles_end<const M: usize>(self, sums: [[int16x8_t; 2]; M], start: [int32x4_t; M]) -> [int32x4_t; M] {
        // SAFETY: `self` proves that the CPU has Advanced SIMD.
        std::array::from_fn(|m| unsafe { vpadalq_s16(start[m], vpaddq_s16(sums[m][0], sums[m][1])) })
    }
    #[inline(always)]
    fn signed_begin<const M: usize>(self, start: [int32x4_t; M]) -> [int32x4_t; M] {
        start
    }
    #[inline(always)]
    unsafe fn signed_dot<const M: usize>(self, sums: &mut [int32x4_t; M], w: [int32x4_t; 2], x: *const i32) {
        // Two products of 128 · 127 fit into 16 bits.
        // SAFETY: the same contract; `self` proves that the CPU has Advanced SIMD.
        unsafe {
            each_row(self, sums, w, x, |sums, w, x| {
                let (w, x) = (vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
                let pairs = vpaddq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(x)), vmull_high_s8(w, x));
                vpadalq_s16(sums, pairs)
            });
        }
    }
    #[inline(always)]
    fn signed_end<const M: usize>(self, sums: [int32x4_t; M], _: [int32x4_t; M]) -> [int32x4_t; M] {
        sums
    }
    #[inline(always)]
    fn six_bits_begin<const M: usize>(self, start: [int32x4_t; M]) -> [int32x4_t; M] {
        start
    }
    #[inline(always)]
    unsafe fn six_bits_dot<const M: usize>(self, sums: &mut [int32x4_t; M], w: [int32x4_t; 2], x: *const i32) {
        // SAFETY: the same contract.
        unsafe { self.signed_dot(sums, w, x) }
    }
    #[inline(always)]
    fn six_bits_end<const M: usize>(self, sums: [int32x4_t; M]) -> [int32x4_t; M] {
        sums
    }
}

/// Adds four products of signed bytes to each lane.
// The intrinsic is not stable in Rust yet.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot(mut sums: int32x4_t, w: int32x4_t, x: int32x4_t) -> int32x4_t {
    // SAFETY: registers alone; the CPU has the instruction.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {w:v}.16b, {x:v}.16b",
            sums = inout(vreg) sums, w = in(vreg) w, x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

// SAFETY: as for `Simd`.
unsafe impl Integers for NeonDot {
    lanes_of_32_bits!();
    products_in_lanes!(int32x4_t, sdot);
}

/// Adds the products of a matrix of 2 × 8 signed bytes with another one's transpose to one of 2 × 2, row by row.
// The intrinsic is not stable in Rust yet.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn smmla(mut sums: int32x4_t, w: int32x4_t, x: int32x4_t) -> int32x4_t {
    // SAFETY: registers alone; the CPU has the instruction.
    unsafe {
        asm!(
            "smmla {sums:v}.4s, {w:v}.16b, {x:v}.16b",
            sums = inout(vreg) sums, w = in(vreg) w, x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

impl NeonI8mm {
    /// Sums of two rows of activations at a time, as the products of matrices add them up: a vector of the first two rows of weights, each
    /// with both rows of activations, and one of the last two. One row is left to dot products.
    #[inline(always)]
    fn begin<const M: usize>(self, mut start: [int32x4_t; M]) -> [int32x4_t; M] {
        for pair in start.as_chunks_mut::<2>().0 {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            *pair = [unsafe { vzip1q_s32(pair[0], pair[1]) }; 2];
        }
        start
    }
    /// # Safety
    /// As [`Integers::nibbles_dot`].
    #[inline(always)]
    unsafe fn dot<const M: usize>(self, sums: &mut [int32x4_t; M], w: [int32x4_t; 2], x: *const i32) {
        // SAFETY: the words of rows 2i and 2i + 1, or of the last row, are there by the contract; `self` proves that the CPU has the
        // instructions.
        unsafe {
            let rows = [vzip1q_s32(w[0], w[1]), vzip2q_s32(w[0], w[1])];
            let (pairs, last) = sums.as_chunks_mut::<2>();
            for (i, sums) in pairs.iter_mut().enumerate() {
                let x = vld1q_s32(x.add(4 * i));
                *sums = [smmla(sums[0], rows[0], x), smmla(sums[1], rows[1], x)];
            }
            for sums in last {
                let x = x.add(2 * (M - 1));
                *sums = sdot(sdot(*sums, w[0], self.broadcast(x)), w[1], self.broadcast(x.add(1)));
            }
        }
    }
    /// The sums of each row of activations.
    #[inline(always)]
    fn end<const M: usize>(self, mut sums: [int32x4_t; M]) -> [int32x4_t; M] {
        for pair in sums.as_chunks_mut::<2>().0 {
            // SAFETY: `self` proves that the CPU has Advanced SIMD.
            *pair = unsafe { [vuzp1q_s32(pair[0], pair[1]), vuzp2q_s32(pair[0], pair[1])] };
        }
        sums
    }
}

// SAFETY: as for `Simd`.
unsafe impl Integers for NeonI8mm {
    lanes_of_32_bits!();

    type NibbleSums = int32x4_t;
    type SignedSums = int32x4_t;

    #[inline(always)]
    fn nibbles_begin<const M: usize>(self, start: [int32x4_t; M]) -> [int32x4_t; M] {
        self.begin(start)
    }
    #[inline(always)]
    unsafe fn nibbles_dot<const M: usize>(self, sums: &mut [int32x4_t; M], w: [int32x4_t; 2], x: *const i32) {
        // SAFETY: the same contract.
        unsafe { self.dot(sums, w, x) }
    }
    #[inline(always)]
    fn nibbles_end<const M: usize>(self, sums: [int32x4_t; M], _: [int32x4_t; M]) -> [int32x4_t; M] {
        self.end(sums)
    }
    #[inline(always)]
    fn signed_begin<const M: usize>(self, start: [int32x4_t; M]) -> [int32x4_t; M] {
        self.begin(start)
    }
    #[inline(always)]
    unsafe fn signed_dot<const M: usize>(self, sums: &mut [int32x4_t; M], w: [int32x4_t; 2], x: *const i32) {
        // SAFETY: the same contract.
        unsafe { self.dot(sums, w, x) }
    }
    #[inline(always)]
    fn signed_end<const M: usize>(self, sums: [int32x4_t; M], _: [int32x4_t; M]) -> [int32x4_t; M] {
        self.end(sums)
    }
    #[inline(always)]
    fn six_bits_begin<const M: usize>(self, start: [int32x4_t; M]) -> [int32x4_t; M] {
        self.begin(start)
    }
    #[inline(always)]
    unsafe fn six_bits_dot<const M: usize>(self, sums: &mut [int32x4_t; M], w: [int32x4_t; 2], x: *const i32) {
        // SAFETY: the same contract.
        unsafe { self.dot(sums, w, x) }
    }
    #[inline(always)]
    fn six_bits_end<const M: usize>(self, sums: [int32x4_t; M]) -> [int32x4_t; M] {
        self.end(sums)
    }
}
