//! Integers on x86-64.
//!
//! Without VNNI, products of bytes are those of `vpmaddubsw`: unsigned by signed, two in a lane of 16 bits. The sum of 16 products of 4-bit
//! weights, of at most 15 · 127 each, fits there (30,480), so that a block needs one widening; that of 4 products of 6-bit weights fits
//! too (32,004); signed weights are multiplied as their two halves of 4 bits. With VNNI (`vpdpbusd`), four products are added to a lane of 32
//! bits at once, unsigned by signed too. Signed weights have been made unsigned by adding 128.

use std::arch::x86_64::*;

use super::{Avx2, Avx512, AvxVnni};
use crate::cpu::integers::{Integers, each_row, products_in_lanes};
use crate::cpu::quantized::{BLOCK, GroupMut, scale_of};

/// The formula of `quantized.rs`, 32 values at a time.
#[target_feature(enable = "avx2,fma,f16c")]
fn quantize(x: &[f32], offset: i32, mut out: GroupMut<'_>) {
    let magnitude = _mm256_set1_epi32(0x7fff_ffff);
    for (r, x) in out.rows(x) {
        for (b, x) in x.as_chunks::<BLOCK>().0.iter().enumerate() {
            // SAFETY: four times 8 of the 32 values.
            let x: [__m256; 4] = std::array::from_fn(|i| unsafe { _mm256_loadu_ps(x.as_ptr().add(8 * i)) });
            let bits = x.map(|x| _mm256_and_si256(_mm256_castps_si256(x), magnitude));
            let max = _mm256_max_epi32(_mm256_max_epi32(bits[0], bits[1]), _mm256_max_epi32(bits[2], bits[3]));
            let max = _mm_max_epi32(_mm256_castsi256_si128(max), _mm256_extracti128_si256::<1>(max));
            let max = _mm_max_epi32(max, _mm_shuffle_epi32::<0b01_00_11_10>(max));
            let max = _mm_max_epi32(max, _mm_shuffle_epi32::<0b10_11_00_01>(max));
            let (d, inverse) = scale_of(f32::from_bits(_mm_cvtsi128_si32(max) as u32));
            let inverse = _mm256_set1_ps(inverse);
            let i = x.map(|x| _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse)));
            // Packing works within halves; the permutation puts groups of 4 back into order.
            let packed = _mm256_packs_epi16(_mm256_packs_epi32(i[0], i[1]), _mm256_packs_epi32(i[2], i[3]));
            let packed = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
            let sums = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), packed), _mm256_set1_epi16(1));
            let sums = _mm256_hadd_epi32(sums, sums);
            let sums = _mm256_hadd_epi32(sums, sums);
            let [low, high] = [_mm256_extract_epi32::<0>(sums), _mm256_extract_epi32::<4>(sums)];
            let mut words = [0; BLOCK / 4];
            // SAFETY: there are 32 bytes.
            unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), packed) };
            out.put((r, b), offset, d, [low, high], words);
        }
    }
}

/// What [`Avx2`] and [`AvxVnni`] have in common.
macro_rules! lanes_of_256_bits {
    () => {
        const LANES: usize = 8;
        const AT_ONCE: usize = 4;
        const SIGNED_OFFSET: i32 = 128;
        type I = __m256i;
        type V = __m256;

        #[inline(always)]
        fn quantize(self, x: &[f32], offset: i32, out: GroupMut<'_>) {
            // SAFETY: `self` proves that the CPU has AVX2, FMA and F16C.
            unsafe { quantize(x, offset, out) }
        }
        #[inline(always)]
        unsafe fn words(self, p: *const u8) -> __m256i {
            // SAFETY: `self` proves that the CPU has AVX; `p` is valid by the contract.
            unsafe { _mm256_loadu_si256(p.cast()) }
        }
        #[inline(always)]
        unsafe fn broadcast(self, p: *const i32) -> __m256i {
            // SAFETY: `self` proves that the CPU has AVX; `p` is valid by the contract.
            unsafe { _mm256_set1_epi32(p.read_unaligned()) }
        }
        #[inline(always)]
        fn int(self, v: u32) -> __m256i {
            // SAFETY: `self` proves that the CPU has AVX.
            unsafe { _mm256_set1_epi32(v.cast_signed()) }
        }
        #[inline(always)]
        fn and(self, a: __m256i, b: __m256i) -> __m256i {
            // SAFETY: `self` proves that the CPU has AVX2.
            unsafe { _mm256_and_si256(a, b) }
        }
        #[inline(always)]
        fn or(self, a: __m256i, b: __m256i) -> __m256i {
            // SAFETY: `self` proves that the CPU has AVX2.
            unsafe { _mm256_or_si256(a, b) }
        }
        #[inline(always)]
        fn shl(self, v: __m256i, bits: u32) -> __m256i {
            // SAFETY: `self` proves that the CPU has AVX2.
            unsafe { _mm256_sllv_epi32(v, _mm256_set1_epi32(bits.cast_signed())) }
        }
        #[inline(always)]
        fn shr(self, v: __m256i, bits: u32) -> __m256i {
            // SAFETY: `self` proves that the CPU has AVX2.
            unsafe { _mm256_srlv_epi32(v, _mm256_set1_epi32(bits.cast_signed())) }
        }
        #[inline(always)]
        fn sar(self, v: __m256i, bits: u32) -> __m256i {
            // SAFETY: `self` proves that the CPU has AVX2.
            unsafe { _mm256_srav_epi32(v, _mm256_set1_epi32(bits.cast_signed())) }
        }
        #[inline(always)]
        fn add_i(self, a: __m256i, b: __m256i) -> __m256i {
            // SAFETY: `self` proves that the CPU has AVX2.
            unsafe { _mm256_add_epi32(a, b) }
        }
        #[inline(always)]
        fn mul_i(self, a: __m256i, b: __m256i) -> __m256i {
            // SAFETY: `self` proves that the CPU has AVX2.
            unsafe { _mm256_mullo_epi32(a, b) }
        }
        #[inline(always)]
        fn to_floats(self, v: __m256i) -> __m256 {
            // SAFETY: `self` proves that the CPU has AVX.
            unsafe { _mm256_cvtepi32_ps(v) }
        }
        #[inline(always)]
        unsafe fn halves(self, p: *const u8) -> __m256 {
            // SAFETY: `self` proves that the CPU has F16C; `p` is valid for 16 bytes by the contract.
            unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) }
        }
        #[inline(always)]
        fn splat_v(self, v: f32) -> __m256 {
            // SAFETY: `self` proves that the CPU has AVX.
            unsafe { _mm256_set1_ps(v) }
        }
        #[inline(always)]
        fn mul_v(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: `self` proves that the CPU has AVX.
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        fn add_v(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: `self` proves that the CPU has AVX.
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        fn fma_v(self, a: __m256, b: __m256, c: __m256) -> __m256 {
            // SAFETY: `self` proves that the CPU has FMA.
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        fn fnma_v(self, a: __m256, b: __m256, c: __m256) -> __m256 {
            // SAFETY: `self` proves that the CPU has FMA.
            unsafe { _mm256_fnmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn load_v(self, p: *const f32) -> __m256 {
            // SAFETY: `self` proves that the CPU has AVX; `p` is valid by the contract.
            unsafe { _mm256_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store_v(self, p: *mut f32, v: __m256) {
            // SAFETY: `self` proves that the CPU has AVX; `p` is valid by the contract.
            unsafe { _mm256_storeu_ps(p, v) }
        }
    };
}

// SAFETY: as for `Simd`.
unsafe impl Integers for Avx2 {
    lanes_of_256_bits!();

    /// 16 sums of 16 bits.
    type NibbleSums = __m256i;
    /// Of the low and the high halves of the bytes.
    type SignedSums = [__m256i; 2];

    #[inline(always)]
    fn nibbles_begin<const M: usize>(self, _: [__m256i; M]) -> [__m256i; M] {
        [self.int(0); M]
    }
    #[inline(always)]
    unsafe fn nibbles_dot<const M: usize>(self, sums: &mut [__m256i; M], w: [__m256i; 2], x: *const i32) {
        // SAFETY: the same contract; `self` proves that the CPU has AVX2.
        unsafe { each_row(self, sums, w, x, |sums, w, x| _mm256_add_epi16(sums, _mm256_maddubs_epi16(w, x))) }
    }
    #[inline(always)]
    fn nibbles_end<const M: usize>(self, sums: [__m256i; M], start: [__m256i; M]) -> [__m256i; M] {
        // SAFETY: `self` proves that the CPU has AVX2.
        std::array::from_fn(|m| unsafe { _mm256_add_epi32(start[m], _mm256_madd_epi16(sums[m], _mm256_set1_epi16(1))) })
    }
    #[inline(always)]
    fn signed_begin<const M: usize>(self, _: [__m256i; M]) -> [[__m256i; 2]; M] {
        [[self.int(0); 2]; M]
    }
    #[inline(always)]
    unsafe fn signed_dot<const M: usize>(self, sums: &mut [[__m256i; 2]; M], w: [__m256i; 2], x: *const i32) {
        for (j, w) in w.into_iter().enumerate() {
            // SAFETY: word j of each row, by the contract; `self` proves that the CPU has AVX2.
            unsafe {
                let low = self.int(0x0f0f_0f0f);
                let w = [_mm256_and_si256(w, low), _mm256_and_si256(_mm256_srli_epi16::<4>(w), low)];
                for (m, sums) in sums.iter_mut().enumerate() {
                    let x = self.broadcast(x.add(2 * m + j));
                    for (sum, w) in sums.iter_mut().zip(w) {
                        *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(w, x));
                    }
                }
            }
        }
    }
    #[inline(always)]
    fn signed_end<const M: usize>(self, sums: [[__m256i; 2]; M], start: [__m256i; M]) -> [__m256i; M] {
        // SAFETY: `self` proves that the CPU has AVX2.
        std::array::from_fn(|m| unsafe {
            let low = _mm256_madd_epi16(sums[m][0], _mm256_set1_epi16(1));
            let high = _mm256_madd_epi16(sums[m][1], _mm256_set1_epi16(16));
            _mm256_add_epi32(start[m], _mm256_add_epi32(low, high))
        })
    }
    #[inline(always)]
    fn six_bits_begin<const M: usize>(self, start: [__m256i; M]) -> [__m256i; M] {
        start
    }
    #[inline(always)]
    unsafe fn six_bits_dot<const M: usize>(self, sums: &mut [__m256i; M], w: [__m256i; 2], x: *const i32) {
        for (m, sums) in sums.iter_mut().enumerate() {
            // SAFETY: both words of row m, by the contract; `self` proves that the CPU has AVX2.
            unsafe {
                let x = [self.broadcast(x.add(2 * m)), self.broadcast(x.add(2 * m + 1))];
                let four = _mm256_add_epi16(_mm256_maddubs_epi16(w[0], x[0]), _mm256_maddubs_epi16(w[1], x[1]));
                *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(four, _mm256_set1_epi16(1)));
            }
        }
    }
    #[inline(always)]
    fn six_bits_end<const M: usize>(self, sums: [__m256i; M]) -> [__m256i; M] {
        sums
    }
}

// SAFETY: as for `Simd`.
unsafe impl Integers for AvxVnni {
    lanes_of_256_bits!();
    products_in_lanes!(__m256i, _mm256_dpbusd_avx_epi32);
}

// SAFETY: as for `Simd`.
unsafe impl Integers for Avx512 {
    const LANES: usize = 16;
    const AT_ONCE: usize = 8;
    const SIGNED_OFFSET: i32 = 128;
    type I = __m512i;
    type V = __m512;

    #[inline(always)]
    fn quantize(self, x: &[f32], offset: i32, out: GroupMut<'_>) {
        // SAFETY: `self` proves that the CPU has AVX2, FMA and F16C.
        unsafe { quantize(x, offset, out) }
    }
    #[inline(always)]
    unsafe fn words(self, p: *const u8) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F; `p` is valid by the contract.
        unsafe { _mm512_loadu_si512(p.cast()) }
    }
    #[inline(always)]
    unsafe fn broadcast(self, p: *const i32) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F; `p` is valid by the contract.
        unsafe { _mm512_set1_epi32(p.read_unaligned()) }
    }
    #[inline(always)]
    fn int(self, v: u32) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_set1_epi32(v.cast_signed()) }
    }
    #[inline(always)]
    fn and(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_and_si512(a, b) }
    }
    #[inline(always)]
    fn or(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_or_si512(a, b) }
    }
    #[inline(always)]
    fn shl(self, v: __m512i, bits: u32) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_sllv_epi32(v, self.int(bits)) }
    }
    #[inline(always)]
    fn shr(self, v: __m512i, bits: u32) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_srlv_epi32(v, self.int(bits)) }
    }
    #[inline(always)]
    fn sar(self, v: __m512i, bits: u32) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_srav_epi32(v, self.int(bits)) }
    }
    #[inline(always)]
    fn add_i(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    fn mul_i(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_mullo_epi32(a, b) }
    }
    #[inline(always)]
    fn to_floats(self, v: __m512i) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_cvtepi32_ps(v) }
    }
    #[inline(always)]
    unsafe fn halves(self, p: *const u8) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F; `p` is valid for 32 bytes by the contract.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(p.cast())) }
    }
    #[inline(always)]
    fn splat_v(self, v: f32) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_set1_ps(v) }
    }
    #[inline(always)]
    fn mul_v(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn add_v(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn fma_v(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn fnma_v(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F.
        unsafe { _mm512_fnmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn load_v(self, p: *const f32) -> __m512 {
        // SAFETY: `self` proves that the CPU has AVX-512F; `p` is valid by the contract.
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store_v(self, p: *mut f32, v: __m512) {
        // SAFETY: `self` proves that the CPU has AVX-512F; `p` is valid by the contract.
        unsafe { _mm512_storeu_ps(p, v) }
    }

    products_in_lanes!(__m512i, _mm512_dpbusd_epi32);
}
