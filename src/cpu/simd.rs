//! Eight lanes of f32 on some instruction set, and the functions built on them.
//!
//! Every kernel of f32 values is written once, over [`Simd`], and compiled for each instruction set (see `kernels.rs`).
//! A value of a type that implements [`Simd`] is the proof that the CPU has the instructions.

use half::{bf16, f16};

/// Lanes of a vector.
pub(super) const LANES: usize = 8;

/// Eight f32 lanes.
///
/// # Safety
/// Implementors that use instructions beyond those of the build target must not be constructible by safe code on a CPU
/// that lacks them. All methods are `#[inline(always)]`, so that they are compiled with the
/// instruction set of the kernel they end up in.
pub(super) unsafe trait Simd: Copy {
    /// The vector.
    type F: Copy;
    /// Two vectors side by side, in one register where there are such.
    type Pair: Copy;
    /// Rows of x whose sums with a panel fit into registers: 1, 3 or 8.
    const ROWS_AT_ONCE: usize;

    fn splat(self, v: f32) -> Self::F;
    fn vector(self, v: [f32; LANES]) -> Self::F;
    fn to_array(self, v: Self::F) -> [f32; LANES];

    /// # Safety
    /// `p` is valid for reading 8 values; no alignment is needed.
    unsafe fn load(self, p: *const f32) -> Self::F;
    /// # Safety
    /// `p` is valid for writing 8 values; no alignment is needed.
    unsafe fn store(self, p: *mut f32, v: Self::F);
    /// Eight IEEE half-precision values.
    ///
    /// # Safety
    /// `p` is valid for reading 16 bytes; no alignment is needed.
    unsafe fn load_f16(self, p: *const u8) -> Self::F;
    /// Eight bfloat16 values.
    ///
    /// # Safety
    /// `p` is valid for reading 16 bytes; no alignment is needed.
    unsafe fn load_bf16(self, p: *const u8) -> Self::F;
    /// Eight signed bytes.
    ///
    /// # Safety
    /// `p` is valid for reading 8 bytes.
    unsafe fn load_i8(self, p: *const u8) -> Self::F;

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// a · b + c, rounded once where the instruction set can.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The larger; `b` if either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The smaller; `b` if either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The nearest integer, ties to even.
    fn round(self, v: Self::F) -> Self::F;
    /// v · 2^n for integral n in −126..=127.
    fn scale_by_power_of_two(self, v: Self::F, n: Self::F) -> Self::F;

    fn join(self, v: [Self::F; 2]) -> Self::Pair;
    fn parts(self, v: Self::Pair) -> [Self::F; 2];
    /// # Safety
    /// `p` is valid for reading 16 values; no alignment is needed.
    unsafe fn load_pair(self, p: *const f32) -> Self::Pair;
    /// # Safety
    /// `p` is valid for writing 16 values; no alignment is needed.
    unsafe fn store_pair(self, p: *mut f32, v: Self::Pair);
    /// The same 8 values in both vectors.
    ///
    /// # Safety
    /// `p` is valid for reading 8 values; no alignment is needed.
    unsafe fn load_twice(self, p: *const f32) -> Self::Pair;
    /// [`Simd::fma`]
    fn fma_pair(self, a: Self::Pair, b: Self::Pair, c: Self::Pair) -> Self::Pair;

    /// The sums of the lanes of four vectors, each in the order of [`Simd::sum`].
    fn sum4(self, v: [Self::F; 4]) -> [f32; 4];

    /// Of 32 values in a row, the first of each group of 4, the second of each, and so on.
    fn columns4(self, v: [Self::F; 4]) -> [Self::F; 4];

    /// The sum of the lanes, always as ((0+4) + (2+6)) + ((1+5) + (3+7)).
    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        let v = self.to_array(v);
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }

    /// The largest lane.
    #[inline(always)]
    fn max_lane(self, v: Self::F) -> f32 {
        self.to_array(v).into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    /// The first values of `s`, at most 8, and zeros in the lanes that are left.
    #[inline(always)]
    fn load_part(self, s: &[f32]) -> Self::F {
        let mut v = [0.0; LANES];
        for (v, s) in v.iter_mut().zip(s) {
            *v = *s;
        }
        self.vector(v)
    }

    /// The first lanes to all of `s`, at most 8.
    #[inline(always)]
    fn store_part(self, s: &mut [f32], v: Self::F) {
        for (s, v) in s.iter_mut().zip(self.to_array(v)) {
            *s = v;
        }
    }
}

/// Pairs of vectors, for instruction sets whose largest vector is one, of which the sums of three rows fit into registers or of so many.
macro_rules! pairs_of_vectors {
    () => {
        pairs_of_vectors!(3);
    };
    ($rows:literal) => {
        type Pair = [Self::F; 2];
        const ROWS_AT_ONCE: usize = $rows;

        #[inline(always)]
        fn join(self, v: [Self::F; 2]) -> Self::Pair {
            v
        }
        #[inline(always)]
        fn parts(self, v: Self::Pair) -> [Self::F; 2] {
            v
        }
        #[inline(always)]
        unsafe fn load_pair(self, p: *const f32) -> Self::Pair {
            // SAFETY: `p` is valid for 16 values by the contract.
            unsafe { [self.load(p), self.load(p.add(8))] }
        }
        #[inline(always)]
        unsafe fn store_pair(self, p: *mut f32, v: Self::Pair) {
            // SAFETY: `p` is valid for 16 values by the contract.
            unsafe {
                self.store(p, v[0]);
                self.store(p.add(8), v[1]);
            }
        }
        #[inline(always)]
        unsafe fn load_twice(self, p: *const f32) -> Self::Pair {
            // SAFETY: the same contract.
            [unsafe { self.load(p) }; 2]
        }
        #[inline(always)]
        fn fma_pair(self, a: Self::Pair, b: Self::Pair, c: Self::Pair) -> Self::Pair {
            [self.fma(a[0], b[0], c[0]), self.fma(a[1], b[1], c[1])]
        }
    };
}
pub(super) use pairs_of_vectors;

/// A number format that kernels read as f32, eight at a time.
pub(super) trait Element {
    /// Bytes of one value.
    const BYTES: usize;

    /// # Safety
    /// `p` is valid for reading 8 values.
    unsafe fn load<S: Simd>(s: S, p: *const u8) -> S::F;

    /// # Safety
    /// `p` is valid for reading 16 values.
    #[inline(always)]
    unsafe fn load_pair<S: Simd>(s: S, p: *const u8) -> S::Pair {
        // SAFETY: twice 8 of the 16 values.
        unsafe { s.join([Self::load(s, p), Self::load(s, p.add(LANES * Self::BYTES))]) }
    }

    /// Up to 7 values, and zeros in the lanes that are left.
    ///
    /// # Safety
    /// `p` is valid for reading `len` values.
    #[inline(always)]
    unsafe fn load_part<S: Simd>(s: S, p: *const u8, len: usize) -> S::F {
        let mut bytes = [0u8; LANES * 4];
        // SAFETY: `p` holds `len` values by the contract, and 8 values of any format fit into `bytes`.
        unsafe {
            std::ptr::copy_nonoverlapping(p, bytes.as_mut_ptr(), len.min(LANES) * Self::BYTES);
            Self::load(s, bytes.as_ptr())
        }
    }
}

/// f32 values.
pub(super) struct F32;
/// IEEE half-precision values.
pub(super) struct F16;
/// bfloat16 values.
pub(super) struct BF16;
/// Signed bytes, without their scale.
pub(super) struct I8;

impl Element for F32 {
    const BYTES: usize = 4;
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const u8) -> S::F {
        // SAFETY: by the contract of this function; no alignment is needed.
        unsafe { s.load(p.cast()) }
    }
    #[inline(always)]
    unsafe fn load_pair<S: Simd>(s: S, p: *const u8) -> S::Pair {
        // SAFETY: by the contract of this function; no alignment is needed.
        unsafe { s.load_pair(p.cast()) }
    }
}

impl Element for F16 {
    const BYTES: usize = 2;
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const u8) -> S::F {
        // SAFETY: by the contract of this function.
        unsafe { s.load_f16(p) }
    }
}

impl Element for BF16 {
    const BYTES: usize = 2;
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const u8) -> S::F {
        // SAFETY: by the contract of this function.
        unsafe { s.load_bf16(p) }
    }
}

impl Element for I8 {
    const BYTES: usize = 1;
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const u8) -> S::F {
        // SAFETY: by the contract of this function.
        unsafe { s.load_i8(p) }
    }
}

/// Eight half-precision values without special instructions.
///
/// # Safety
/// `p` is valid for reading 16 bytes.
#[inline(never)] // some hundred instructions, in every kernel that reads halves
pub(super) unsafe fn portable_f16(p: *const u8) -> [f32; LANES] {
    // SAFETY: by the contract of this function; an array of bytes needs no alignment.
    let bytes = unsafe { p.cast::<[[u8; 2]; LANES]>().read() };
    bytes.map(|b| f16::from_le_bytes(b).to_f32())
}

/// Eight bfloat16 values without special instructions.
///
/// # Safety
/// `p` is valid for reading 16 bytes.
#[inline(always)]
pub(super) unsafe fn portable_bf16(p: *const u8) -> [f32; LANES] {
    // SAFETY: by the contract of this function; an array of bytes needs no alignment.
    let bytes = unsafe { p.cast::<[[u8; 2]; LANES]>().read() };
    bytes.map(|b| bf16::from_le_bytes(b).to_f32())
}

/// e^x with a relative error below 2e-7. Arguments below −87.3 give e^−87.3 ≈ 1e-38, arguments above 88 give e^88.
#[inline(always)]
pub(super) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    // x = n·ln2 + r with |r| ≤ ln2/2; ln2 in two parts, the first with few enough bits that n times it is exact
    // (Cody and Waite). Then the Taylor polynomial of e^r, whose first missing term is below 2e-8 of the result.
    let x = s.min(s.splat(88.0), s.max(s.splat(-87.3), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let mut p = s.splat(1.0 / 5040.0);
    for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = s.fma(p, r, s.splat(c));
    }
    s.scale_by_power_of_two(p, n)
}

/// x / (1 + e^−x) with a relative error below 4e-7, or |x|·1e-38 where the result vanishes (x < −87).
#[inline(always)]
pub(super) fn silu<S: Simd>(s: S, x: S::F) -> S::F {
    let e = exp(s, s.sub(s.splat(0.0), x));
    s.div(x, s.add(s.splat(1.0), e))
}

/// ln(1 + e^x) with a relative error below 4e-7, or an absolute one of 2e-38 where the result vanishes (x < −87).
#[inline(always)]
pub(super) fn softplus<S: Simd>(s: S, x: S::F) -> S::F {
    // max(x, 0) + ln(1 + e) with e = e^−|x| in (0, 1], and ln(1 + e) = 2·artanh(t) with t = e / (2 + e) ≤ 1/3, which
    // loses nothing for small e. The first missing term of the series is below 1e-9 of the result.
    let zero = s.splat(0.0);
    let positive = s.max(zero, x);
    let e = exp(s, s.sub(s.min(zero, x), positive));
    let t = s.div(e, s.add(s.splat(2.0), e));
    let t2 = s.mul(t, t);
    let mut p = s.splat(2.0 / 17.0);
    for c in [2.0 / 15.0, 2.0 / 13.0, 2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0, 2.0] {
        p = s.fma(p, t2, s.splat(c));
    }
    s.fma(p, t, positive)
}
