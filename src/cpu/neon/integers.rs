//! Integers on AArch64. With dot products (`sdot`), four products of bytes are added to a lane of 32 bits at once; without, products are 16
//! bits wide: those of 4-bit weights are added up there, two of others are widened at once.

use std::arch::aarch64::*;
use std::arch::asm;

use half::f16;

use super::{Neon, NeonDot};
use crate::cpu::integers::Integers;

/// What both have in common.
macro_rules! lanes_of_32_bits {
    () => {
        const LANES: usize = 4;
        const AT_ONCE: usize = 8;
        const SIGNED_OFFSET: i32 = 0;
        type I = int32x4_t;
        type V = float32x4_t;
        type Signed = int32x4_t;
        type SignedSums = int32x4_t;

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
            // The conversion instructions are not stable in Rust yet.
            // SAFETY: `self` proves that the CPU has Advanced SIMD; `p` is valid for 8 bytes by the contract, and the array holds 4 values.
            unsafe {
                let halves = p.cast::<[[u8; 2]; 4]>().read().map(|b| f16::from_le_bytes(b).to_f32());
                vld1q_f32(halves.as_ptr())
            }
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
        #[inline(always)]
        fn signed(self, w: int32x4_t) -> int32x4_t {
            w
        }
        #[inline(always)]
        fn signed_begin(self, start: int32x4_t) -> int32x4_t {
            start
        }
        #[inline(always)]
        fn signed_end(self, sums: int32x4_t, _: int32x4_t) -> int32x4_t {
            sums
        }
        #[inline(always)]
        fn six_bits_dot(self, sums: int32x4_t, w: [int32x4_t; 2], x: [int32x4_t; 2]) -> int32x4_t {
            self.signed_dot(self.signed_dot(sums, w[0], x[0]), w[1], x[1])
        }
    };
}

// SAFETY: as for `Simd`.
unsafe impl Integers for Neon {
    lanes_of_32_bits!();

    /// Of the first and the last two rows: 4 sums of 16 bits each, of at most 8 products of 15 · 127.
    type NibbleSums = [int16x8_t; 2];

    #[inline(always)]
    fn nibbles_begin(self, _: int32x4_t) -> [int16x8_t; 2] {
        // SAFETY: `self` proves that the CPU has Advanced SIMD.
        [unsafe { vdupq_n_s16(0) }; 2]
    }
    #[inline(always)]
    fn nibbles_dot(self, sums: [int16x8_t; 2], w: int32x4_t, x: int32x4_t) -> [int16x8_t; 2] {
        // SAFETY: `self` proves that the CPU has Advanced SIMD.
        unsafe {
            let (w, x) = (vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
            [vmlal_s8(sums[0], vget_low_s8(w), vget_low_s8(x)), vmlal_high_s8(sums[1], w, x)]
        }
    }
    #[inline(always)]
    fn nibbles_end(self, sums: [int16x8_t; 2], start: int32x4_t) -> int32x4_t {
        // SAFETY: `self` proves that the CPU has Advanced SIMD.
        unsafe { vpadalq_s16(start, vpaddq_s16(sums[0], sums[1])) }
    }
    #[inline(always)]
    fn signed_dot(self, sums: int32x4_t, w: int32x4_t, x: int32x4_t) -> int32x4_t {
        // Two products of 128 · 127 fit into 16 bits.
        // SAFETY: `self` proves that the CPU has Advanced SIMD.
        unsafe {
            let (w, x) = (vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
            let pairs = vpaddq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(x)), vmull_high_s8(w, x));
            vpadalq_s16(sums, pairs)
        }
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

    type NibbleSums = int32x4_t;

    #[inline(always)]
    fn nibbles_begin(self, start: int32x4_t) -> int32x4_t {
        start
    }
    #[inline(always)]
    fn nibbles_dot(self, sums: int32x4_t, w: int32x4_t, x: int32x4_t) -> int32x4_t {
        self.signed_dot(sums, w, x)
    }
    #[inline(always)]
    fn nibbles_end(self, sums: int32x4_t, _: int32x4_t) -> int32x4_t {
        sums
    }
    #[inline(always)]
    fn signed_dot(self, sums: int32x4_t, w: int32x4_t, x: int32x4_t) -> int32x4_t {
        // SAFETY: `self` proves that the CPU has dot products.
        unsafe { sdot(sums, w, x) }
    }
}
