//! Plain Rust: what every other instruction set is checked against, and what runs where there is no other.

use super::quantized::Integers;
use super::simd::{LANES, Simd, portable_bf16, portable_f16};

/// No special instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scalar;

#[inline(always)]
fn zip(a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

// SAFETY: uses no instructions beyond those of the build target.
unsafe impl Simd for Scalar {
    type F = [f32; LANES];

    #[inline(always)]
    fn splat(self, v: f32) -> Self::F {
        [v; LANES]
    }
    #[inline(always)]
    fn vector(self, v: [f32; LANES]) -> Self::F {
        v
    }
    #[inline(always)]
    fn to_array(self, v: Self::F) -> [f32; LANES] {
        v
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::F {
        // SAFETY: `p` is valid for 8 values by the contract; the read asks for no alignment.
        unsafe { p.cast::<Self::F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Self::F) {
        // SAFETY: `p` is valid for 8 values by the contract; the write asks for no alignment.
        unsafe { p.cast::<Self::F>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u8) -> Self::F {
        // SAFETY: the same contract.
        unsafe { portable_f16(p) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u8) -> Self::F {
        // SAFETY: the same contract.
        unsafe { portable_bf16(p) }
    }
    #[inline(always)]
    unsafe fn load_i8(self, p: *const u8) -> Self::F {
        // SAFETY: `p` is valid for 8 bytes by the contract.
        unsafe { p.cast::<[i8; LANES]>().read() }.map(f32::from)
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // Not `mul_add`, which is a call into a software library where the CPU has no such instruction.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn round(self, v: Self::F) -> Self::F {
        // Adding and subtracting 1.5·2^23 leaves no room for a fraction: ties go to even, and it takes two additions
        // where `round_ties_even` may take a call. Exact for |v| < 2^22.
        const MAGIC: f32 = 12_582_912.0;
        v.map(|v| (v + MAGIC) - MAGIC)
    }
    #[inline(always)]
    fn scale_by_power_of_two(self, v: Self::F, n: Self::F) -> Self::F {
        zip(v, n, |v, n| v * f32::from_bits(((n as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    fn sum4(self, v: [Self::F; 4]) -> [f32; 4] {
        v.map(|v| self.sum(v))
    }
    #[inline(always)]
    fn columns4(self, v: [Self::F; 4]) -> [Self::F; 4] {
        let flat = v.as_flattened();
        std::array::from_fn(|k| std::array::from_fn(|i| flat[4 * i + k]))
    }
}

impl Integers for Scalar {}
