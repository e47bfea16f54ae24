//! Plain Rust: what every other instruction set is checked against, and what runs where there is no other.

use super::integers::{Integers, products_in_lanes};
use super::simd::{LANES, Simd, pairs_of_vectors, portable_bf16, portable_f16};

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
    // Sums of one row with a panel are 32 values. Of more they would be in memory, and the code would be several times as long.
    pairs_of_vectors!(1);

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

#[inline(always)]
fn zip_i(a: [i32; LANES], b: [i32; LANES], f: impl Fn(i32, i32) -> i32) -> [i32; LANES] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

/// Sums of the products of 4 signed bytes in each lane.
#[inline(always)]
fn dot(sums: [i32; LANES], w: [i32; LANES], x: [i32; LANES]) -> [i32; LANES] {
    std::array::from_fn(|i| {
        let products = w[i].to_le_bytes().into_iter().zip(x[i].to_ne_bytes());
        sums[i] + products.map(|(w, x)| i32::from(w as i8) * i32::from(x as i8)).sum::<i32>()
    })
}

// SAFETY: uses no instructions beyond those of the build target.
unsafe impl Integers for Scalar {
    const LANES: usize = LANES;
    const AT_ONCE: usize = 1;
    const SIGNED_OFFSET: i32 = 0;
    type I = [i32; LANES];
    type V = [f32; LANES];

    #[inline(always)]
    unsafe fn words(self, p: *const u8) -> Self::I {
        // SAFETY: `p` is valid for 8 words by the contract; the read asks for no alignment.
        unsafe { p.cast::<Self::I>().read_unaligned() }.map(i32::from_le)
    }
    #[inline(always)]
    unsafe fn broadcast(self, p: *const i32) -> Self::I {
        // SAFETY: `p` is valid for a word by the contract; the read asks for no alignment.
        [unsafe { p.read_unaligned() }; LANES]
    }
    #[inline(always)]
    fn int(self, v: u32) -> Self::I {
        [v.cast_signed(); LANES]
    }
    #[inline(always)]
    fn and(self, a: Self::I, b: Self::I) -> Self::I {
        zip_i(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn or(self, a: Self::I, b: Self::I) -> Self::I {
        zip_i(a, b, |a, b| a | b)
    }
    #[inline(always)]
    fn shl(self, v: Self::I, bits: u32) -> Self::I {
        v.map(|v| v << bits)
    }
    #[inline(always)]
    fn shr(self, v: Self::I, bits: u32) -> Self::I {
        v.map(|v| (v.cast_unsigned() >> bits).cast_signed())
    }
    #[inline(always)]
    fn sar(self, v: Self::I, bits: u32) -> Self::I {
        v.map(|v| v >> bits)
    }
    #[inline(always)]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip_i(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip_i(a, b, i32::wrapping_mul)
    }
    #[inline(always)]
    fn to_floats(self, v: Self::I) -> Self::V {
        v.map(|v| v as f32)
    }
    #[inline(always)]
    unsafe fn halves(self, p: *const u8) -> Self::V {
        // SAFETY: the same contract.
        unsafe { portable_f16(p) }
    }
    #[inline(always)]
    fn splat_v(self, v: f32) -> Self::V {
        [v; LANES]
    }
    #[inline(always)]
    fn mul_v(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn add_v(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn fma_v(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.fma(a, b, c)
    }
    #[inline(always)]
    fn fnma_v(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| c[i] - a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn load_v(self, p: *const f32) -> Self::V {
        // SAFETY: the same contract.
        unsafe { self.load(p) }
    }
    #[inline(always)]
    unsafe fn store_v(self, p: *mut f32, v: Self::V) {
        // SAFETY: the same contract.
        unsafe { self.store(p, v) }
    }
    products_in_lanes!([i32; LANES], dot);
}
