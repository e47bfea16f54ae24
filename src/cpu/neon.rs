//! AArch64 with Advanced SIMD (NEON), with and without dot products and products of matrices of bytes: two vectors of four lanes stand for
//! the eight.

mod integers;

use std::arch::aarch64::*;
use std::arch::asm;

use super::simd::{LANES, Simd, pairs_of_vectors};

/// Proof that the CPU has Advanced SIMD.
#[derive(Debug, Clone, Copy)]
pub(super) struct Neon(());

impl Neon {
    /// The proof, if the CPU that runs this has the instructions.
    pub(super) fn new() -> Option<Neon> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }

    /// The proof, from within a function that is compiled with the instructions.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn here() -> Neon {
        Neon(())
    }
}

/// Proof that the CPU has Advanced SIMD with dot products of bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct NeonDot(());

impl NeonDot {
    /// The proof, if the CPU that runs this has the instructions.
    pub(super) fn new() -> Option<NeonDot> {
        let there =
            std::arch::is_aarch64_feature_detected!("neon") && std::arch::is_aarch64_feature_detected!("dotprod");
        there.then_some(NeonDot(()))
    }

    /// The proof, from within a function that is compiled with the instructions.
    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    pub(super) fn here() -> NeonDot {
        NeonDot(())
    }
}

/// Proof that the CPU has Advanced SIMD with dot products, and products of matrices, of bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct NeonI8mm(());

impl NeonI8mm {
    /// The proof, if the CPU that runs this has the instructions.
    pub(super) fn new() -> Option<NeonI8mm> {
        let there = NeonDot::new().is_some() && std::arch::is_aarch64_feature_detected!("i8mm");
        there.then_some(NeonI8mm(()))
    }

    /// The proof, from within a function that is compiled with the instructions.
    #[inline]
    #[target_feature(enable = "neon,dotprod,i8mm")]
    pub(super) fn here() -> NeonI8mm {
        NeonI8mm(())
    }
}

/// Four half-precision values as f32.
///
/// # Safety
/// `p` is valid for reading 8 bytes.
// The intrinsic is not stable in Rust yet.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn widened(p: *const u8) -> float32x4_t {
    let wide;
    // SAFETY: the contract; besides it, registers alone, and every CPU with Advanced SIMD has the instruction.
    unsafe {
        asm!(
            "fcvtl {wide:v}.4s, {halves:v}.4h",
            wide = lateout(vreg) wide, halves = in(vreg) vld1_u8(p),
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    wide
}

/// Applies a two-argument intrinsic to both halves.
macro_rules! both {
    ($name:ident, $a:expr, $b:expr) => {{
        let (a, b): (float32x4x2_t, float32x4x2_t) = ($a, $b);
        // SAFETY: the caller's `self` proves that the CPU has Advanced SIMD.
        unsafe { float32x4x2_t($name(a.0, b.0), $name(a.1, b.1)) }
    }};
}

/// [`Simd`], for all of them.
macro_rules! vectors {
    ($($type:ident),*) => {$(
        // SAFETY: the type is only made by `new`, which tests for the instructions, and by `here`, which is only safe to call with
        // them.
        unsafe impl Simd for $type {
    type F = float32x4x2_t;
            pairs_of_vectors!();

    #[inline(always)]
    fn splat(self, v: f32) -> Self::F {
        // SAFETY: `self` proves that the CPU has Advanced SIMD.
        unsafe { float32x4x2_t(vdupq_n_f32(v), vdupq_n_f32(v)) }
    }
    #[inline(always)]
    fn vector(self, v: [f32; LANES]) -> Self::F {
        // SAFETY: the array holds 8 values.
        unsafe { self.load(v.as_ptr()) }
    }
    #[inline(always)]
    fn to_array(self, v: Self::F) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        // SAFETY: the array holds 8 values.
        unsafe { self.store(out.as_mut_ptr(), v) };
        out
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::F {
        // SAFETY: `self` proves that the CPU has Advanced SIMD; `p` is valid by the contract.
        unsafe { float32x4x2_t(vld1q_f32(p), vld1q_f32(p.add(4))) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Self::F) {
        // SAFETY: `self` proves that the CPU has Advanced SIMD; `p` is valid by the contract.
        unsafe {
            vst1q_f32(p, v.0);
            vst1q_f32(p.add(4), v.1);
        }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u8) -> Self::F {
        // SAFETY: `self` proves that the CPU has Advanced SIMD; `p` is valid for 16 bytes by the contract.
        unsafe { float32x4x2_t(widened(p), widened(p.add(8))) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u8) -> Self::F {
        // SAFETY: `self` proves that the CPU has Advanced SIMD; `p` is valid for 16 bytes by the contract.
        unsafe {
            let v = vreinterpretq_u16_u8(vld1q_u8(p));
            let (low, high) = (vshll_n_u16::<16>(vget_low_u16(v)), vshll_n_u16::<16>(vget_high_u16(v)));
            float32x4x2_t(vreinterpretq_f32_u32(low), vreinterpretq_f32_u32(high))
        }
    }
    #[inline(always)]
    unsafe fn load_i8(self, p: *const u8) -> Self::F {
        // SAFETY: `self` proves that the CPU has Advanced SIMD; `p` is valid for 8 bytes by the contract.
        unsafe {
            let v = vmovl_s8(vreinterpret_s8_u8(vld1_u8(p)));
            let (low, high) = (vmovl_s16(vget_low_s16(v)), vmovl_s16(vget_high_s16(v)));
            float32x4x2_t(vcvtq_f32_s32(low), vcvtq_f32_s32(high))
        }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        both!(vaddq_f32, a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        both!(vsubq_f32, a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        both!(vmulq_f32, a, b)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        both!(vdivq_f32, a, b)
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // SAFETY: `self` proves that the CPU has Advanced SIMD.
        unsafe { float32x4x2_t(vfmaq_f32(c.0, a.0, b.0), vfmaq_f32(c.1, a.1, b.1)) }
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: `self` proves that the CPU has Advanced SIMD. Not `vmaxq_f32`, which differs for NaN.
        unsafe { float32x4x2_t(vbslq_f32(vcgtq_f32(a.0, b.0), a.0, b.0), vbslq_f32(vcgtq_f32(a.1, b.1), a.1, b.1)) }
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: `self` proves that the CPU has Advanced SIMD. Not `vminq_f32`, which differs for NaN.
        unsafe { float32x4x2_t(vbslq_f32(vcltq_f32(a.0, b.0), a.0, b.0), vbslq_f32(vcltq_f32(a.1, b.1), a.1, b.1)) }
    }
    #[inline(always)]
    fn round(self, v: Self::F) -> Self::F {
        // SAFETY: `self` proves that the CPU has Advanced SIMD.
        unsafe { float32x4x2_t(vrndnq_f32(v.0), vrndnq_f32(v.1)) }
    }
    #[inline(always)]
    fn scale_by_power_of_two(self, v: Self::F, n: Self::F) -> Self::F {
        // SAFETY: `self` proves that the CPU has Advanced SIMD.
        unsafe {
            let bias = vdupq_n_s32(127);
            let power = [n.0, n.1].map(|n| vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vcvtq_s32_f32(n), bias))));
            self.mul(v, float32x4x2_t(power[0], power[1]))
        }
    }
    #[inline(always)]
    fn sum4(self, v: [Self::F; 4]) -> [f32; 4] {
        v.map(|v| self.sum(v))
    }
    #[inline(always)]
    fn columns4(self, [a, b, c, d]: [Self::F; 4]) -> [Self::F; 4] {
        let flat = [a, b, c, d].map(|v| self.to_array(v));
        let flat = flat.as_flattened();
        std::array::from_fn(|k| self.vector(std::array::from_fn(|i| flat[4 * i + k])))
    }
    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        // SAFETY: `self` proves that the CPU has Advanced SIMD.
        unsafe {
            let v = vaddq_f32(v.0, v.1);
            let v = vadd_f32(vget_low_f32(v), vget_high_f32(v));
            vget_lane_f32::<0>(v) + vget_lane_f32::<1>(v)
        }
    }
}
    )*};
}

vectors!(Neon, NeonDot, NeonI8mm);
