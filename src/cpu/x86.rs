//! x86-64: AVX2, FMA and F16C, which every desktop and server CPU has since about 2013 (Intel) or 2015 (AMD); and the products of bytes that
//! came later, AVX-VNNI and AVX-512 VNNI.

mod integers;

use std::arch::x86_64::*;

use super::simd::{LANES, Simd, pairs_of_vectors};

/// A type that proves that the CPU has some instructions.
macro_rules! proof {
    ($(#[$doc:meta])* $type:ident, $features:literal, $($feature:tt),*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(super) struct $type(());

        impl $type {
            /// The proof, if the CPU that runs this has the instructions.
            pub(super) fn new() -> Option<$type> {
                let there = $(is_x86_feature_detected!($feature))&&*;
                there.then_some($type(()))
            }

            /// The proof, from within a function that is compiled with the instructions.
            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn here() -> $type {
                $type(())
            }
        }
    };
}

proof! {
    /// Proof that the CPU has AVX2, FMA and F16C.
    Avx2, "avx2,fma,f16c", "avx2", "fma", "f16c"
}

proof! {
    /// Proof that the CPU has AVX-VNNI besides.
    AvxVnni, "avx2,fma,f16c,avxvnni", "avx2", "fma", "f16c", "avxvnni"
}

proof! {
    /// Proof that the CPU has AVX-512 with VNNI besides AVX2, FMA and F16C.
    Avx512, "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni",
    "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512vnni"
}

/// Pairs of vectors in one.
macro_rules! pairs_of_512_bits {
    () => {
        type Pair = __m512;
        const ROWS_AT_ONCE: usize = 8;

        #[inline(always)]
        fn join(self, [a, b]: [__m256; 2]) -> __m512 {
            // In halves of four f64, which is AVX-512F; that of eight f32 is an extension.
            // SAFETY: `self` proves that the CPU has AVX-512F.
            unsafe {
                let a = _mm512_castps256_ps512(a);
                _mm512_castpd_ps(_mm512_insertf64x4::<1>(_mm512_castps_pd(a), _mm256_castps_pd(b)))
            }
        }
        #[inline(always)]
        fn parts(self, v: __m512) -> [__m256; 2] {
            // SAFETY: `self` proves that the CPU has AVX-512F.
            unsafe {
                let high = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(v));
                [_mm512_castps512_ps256(v), _mm256_castpd_ps(high)]
            }
        }
        #[inline(always)]
        unsafe fn load_pair(self, p: *const f32) -> __m512 {
            // SAFETY: `self` proves that the CPU has AVX-512F; `p` is valid by the contract.
            unsafe { _mm512_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store_pair(self, p: *mut f32, v: __m512) {
            // SAFETY: `self` proves that the CPU has AVX-512F; `p` is valid by the contract.
            unsafe { _mm512_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn load_twice(self, p: *const f32) -> __m512 {
            // SAFETY: `self` proves that the CPU has AVX-512F; `p` is valid by the contract.
            unsafe { _mm512_castpd_ps(_mm512_broadcast_f64x4(_mm256_loadu_pd(p.cast()))) }
        }
        #[inline(always)]
        fn fma_pair(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: `self` proves that the CPU has AVX-512F.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
    };
}

/// [`Simd`] in vectors of 256 bits, for all of them.
macro_rules! vectors_of_256_bits {
    ($($type:ident: $pairs:ident),*) => {$(
        // SAFETY: the type is only made by `new`, which tests for the instructions, and by `here`, which is only safe to call with them.
unsafe impl Simd for $type {
    type F = __m256;
            $pairs!();

    #[inline(always)]
    fn splat(self, v: f32) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX.
        unsafe { _mm256_set1_ps(v) }
    }
    #[inline(always)]
    fn vector(self, v: [f32; LANES]) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX; the array holds 8 values.
        unsafe { _mm256_loadu_ps(v.as_ptr()) }
    }
    #[inline(always)]
    fn to_array(self, v: __m256) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        // SAFETY: `self` proves that the CPU has AVX; the array holds 8 values.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), v) };
        out
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX; `p` is valid by the contract.
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m256) {
        // SAFETY: `self` proves that the CPU has AVX; `p` is valid by the contract.
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u8) -> __m256 {
        // SAFETY: `self` proves that the CPU has F16C; `p` is valid by the contract.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u8) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX2; `p` is valid by the contract.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast())))) }
    }
    #[inline(always)]
    unsafe fn load_i8(self, p: *const u8) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX2; `p` is valid by the contract.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p.cast()))) }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: `self` proves that the CPU has FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX.
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    fn round(self, v: __m256) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v) }
    }
    #[inline(always)]
    fn scale_by_power_of_two(self, v: __m256, n: __m256) -> __m256 {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(v, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }
    #[inline(always)]
    fn sum4(self, v: [__m256; 4]) -> [f32; 4] {
        let mut out = [0.0; 4];
        // SAFETY: `self` proves that the CPU has AVX; the array holds 4 values.
        unsafe {
            let [a, b, c, d] = v.map(|v| _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v)));
            let ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
            let cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
            let even = _mm_shuffle_ps::<0b10_00_10_00>(ab, cd);
            let odd = _mm_shuffle_ps::<0b11_01_11_01>(ab, cd);
            _mm_storeu_ps(out.as_mut_ptr(), _mm_add_ps(even, odd));
        }
        out
    }
    #[inline(always)]
    fn columns4(self, [a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        // SAFETY: `self` proves that the CPU has AVX.
        unsafe {
            // Groups 0 to 3 in the lower halves, 4 to 7 in the upper: then a 4 × 4 transpose in each half.
            let (g0, g1) = (_mm256_permute2f128_ps::<0x20>(a, c), _mm256_permute2f128_ps::<0x31>(a, c));
            let (g2, g3) = (_mm256_permute2f128_ps::<0x20>(b, d), _mm256_permute2f128_ps::<0x31>(b, d));
            let (low01, high01) = (_mm256_unpacklo_ps(g0, g1), _mm256_unpackhi_ps(g0, g1));
            let (low23, high23) = (_mm256_unpacklo_ps(g2, g3), _mm256_unpackhi_ps(g2, g3));
            [
                _mm256_shuffle_ps::<0b01_00_01_00>(low01, low23),
                _mm256_shuffle_ps::<0b11_10_11_10>(low01, low23),
                _mm256_shuffle_ps::<0b01_00_01_00>(high01, high23),
                _mm256_shuffle_ps::<0b11_10_11_10>(high01, high23),
            ]
        }
    }
    #[inline(always)]
    fn sum(self, v: __m256) -> f32 {
        // SAFETY: `self` proves that the CPU has AVX.
        unsafe {
            let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
        }
    }
}
    )*};
}

vectors_of_256_bits!(Avx2: pairs_of_vectors, AvxVnni: pairs_of_vectors, Avx512: pairs_of_512_bits);
