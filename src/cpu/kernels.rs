//! The kernels, compiled for each instruction set, and the choice between them.
//!
//! To add an instruction set: implement [`Simd`](super::simd::Simd) and [`Integers`](super::integers::Integers) for a type
//! made by `new() -> Option`, give it an [`Isa`], a table below and a place in [`PRIORITY`]. The conformance suite then runs on it.

use std::ops::Range;

use super::attention::{self, Reading};
use super::buffer::Buffer;
use super::elementwise;
use super::matmul::{self, Columns, FloatProduct};
use super::quantized::{self, Layout, QuantizedProduct};
use super::retrieval::{self, Scoring};
use super::ssm::{self, Mixed, Mixer};
use crate::backend::{EncoderShape, HeadNorms, SsmShape};
use crate::quant::DType;
use crate::topk::TopK;

/// Instruction sets that have kernels in this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust.
    Scalar,
    /// x86-64 with AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The same with AVX-VNNI.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// The same as `Avx2` with AVX-512 (F, BW, VL and VNNI).
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AArch64 with Advanced SIMD, which every such CPU has.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// The same with dot products of bytes, which most have since about 2018.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
    /// The same with products of matrices of bytes (i8mm), which most have since about 2021.
    #[cfg(target_arch = "aarch64")]
    NeonI8mm,
}

/// Best first.
const PRIORITY: &[Isa] = &[
    #[cfg(target_arch = "x86_64")]
    Isa::Avx512,
    #[cfg(target_arch = "x86_64")]
    Isa::AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Isa::Avx2,
    #[cfg(target_arch = "aarch64")]
    Isa::NeonI8mm,
    #[cfg(target_arch = "aarch64")]
    Isa::NeonDot,
    #[cfg(target_arch = "aarch64")]
    Isa::Neon,
    Isa::Scalar,
];

impl Isa {
    /// The instruction sets that this CPU can run, best first.
    pub fn available() -> impl Iterator<Item = Isa> {
        PRIORITY.iter().copied().filter(|isa| Kernels::new(*isa).is_some())
    }
}

impl Kernels {
    /// The kernels for `isa`, if this CPU can run them.
    pub(super) fn new(isa: Isa) -> Option<&'static Kernels> {
        match isa {
            Isa::Scalar => Some(&scalar::TABLE),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => super::x86::Avx2::new().map(|_| &avx2::TABLE),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni => super::x86::AvxVnni::new().map(|_| &avx_vnni::TABLE),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => super::x86::Avx512::new().map(|_| &avx512::TABLE),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => super::neon::Neon::new().map(|_| &neon::TABLE),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDot => super::neon::NeonDot::new().map(|_| &neon_dot::TABLE),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonI8mm => super::neon::NeonI8mm::new().map(|_| &neon_i8mm::TABLE),
        }
    }

    /// The best kernels for this CPU.
    pub(super) fn best() -> &'static Kernels {
        PRIORITY.iter().find_map(|isa| Kernels::new(*isa)).unwrap_or(&scalar::TABLE)
    }
}

/// Hands the list of kernels to the macro `then`: name, arguments, and the generic function that does it, which takes the
/// instruction set as its first argument. Those of `integers` multiply quantized weights, the others work on `floats`.
macro_rules! with_kernels {
    ($then:ident $($head:tt)*) => {
        $then! {
            $($head)*
            integers {
                fn offset(dtype: DType) -> i32 = quantized::offset;
                fn flip(dtype: DType) -> u32 = quantized::flip;
                fn quantize(x: &[f32], offset: i32, layout: Layout, out: &mut [f32]) = quantized::quantize_rows;
                fn multiply_quantized(product: &QuantizedProduct<'_>, panel: &[u8], first: usize, y: &mut Columns<'_>)
                    = quantized::multiply_panel;
            }
            floats {
                fn multiply_floats(product: &FloatProduct<'_>, first: usize, y: &mut Columns<'_>, panels: &mut [f32])
                    = matmul::multiply_floats;
                fn rms_norm(x: &mut [f32], weight: &[f32], width: usize, eps: f32) = elementwise::rms_norm;
                fn add_into(y: &mut [f32], x: &[f32]) = elementwise::add_into;
                fn silu_mul(gate: &mut [f32], up: &[f32]) = elementwise::silu_mul;
                fn gate(y: &mut [f32], z: &[f32]) = elementwise::gate;
                fn convolve(mixer: &Mixer<'_>, history: &[f32], first: usize, out: &mut [f32]) = ssm::convolve;
                fn gram(shape: &SsmShape, xbc: &[f32], out: &mut [f32]) = ssm::gram;
                fn scan(mixer: &Mixer<'_>, mixed: Mixed<'_>, head: usize, state: &mut [f32], v: &mut [f32], scratch: &mut [f32])
                    = ssm::scan;
                fn encode_chunk(
                    shape: &EncoderShape, norms: &HeadNorms<'_, Buffer>, rope: &[f32], qkv: [&[f32]; 3], out: &mut [f32],
                    scratch: &mut [f32]
                ) = attention::encode_chunk;
                fn attend_heads(reading: &Reading<'_>, at: usize, out: &mut [f32], scratch: &mut [f32])
                    = attention::attend_heads;
                fn score(
                    scoring: &Scoring<'_>, tokens: Range<usize>, landmarks: Range<usize>, top: &mut [TopK],
                    scratch: &mut [f32]
                ) = retrieval::score;
            }
        }
    };
}

/// The table type, with a safe method per kernel.
macro_rules! declare {
    ($($group:ident { $(fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $path:path;)* })*) => {
        /// The kernels of one instruction set.
        pub(super) struct Kernels {
            isa: Isa,
            $($($name: unsafe fn($($type),*) $(-> $result)?,)*)*
        }

        impl Kernels {
            /// The instruction set.
            pub(super) fn isa(&self) -> Isa {
                self.isa
            }

            $($(
                #[inline]
                pub(super) fn $name(&self, $($arg: $type),*) $(-> $result)? {
                    // SAFETY: a reference to a table is only handed out by `new`, after testing that the CPU has the
                    // instructions that its functions are compiled with; they ask for nothing else.
                    unsafe { (self.$name)($($arg),*) }
                }
            )*)*
        }
    };
}

/// A table: every kernel compiled with the features of one instruction set.
macro_rules! table {
    (
        $isa:ident, $token:expr, $features:tt;
        $($group:ident { $(fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $path:path;)* })*
    ) => {
        use super::*;

        pub(super) static TABLE: Kernels = Kernels { isa: Isa::$isa, $($($name),*),* };

        $($(function! { $token, $features, fn $name($($arg: $type),*) $(-> $result)? = $path })*)*
    };
}

/// A table of an instruction set that has other instructions for integers only: its kernels for `floats` are those of the set `base`,
/// whose features it has too.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! integers_table {
    (
        $isa:ident, $token:expr, $features:tt, $base:ident;
        integers { $(fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $path:path;)* }
        floats { $(fn $float:ident $arguments:tt = $float_path:path;)* }
    ) => {
        use super::*;

        pub(super) static TABLE: Kernels = Kernels { isa: Isa::$isa, $($name,)* $($float: super::$base::$float),* };

        $(function! { $token, $features, fn $name($($arg: $type),*) $(-> $result)? = $path })*
    };
}

/// A kernel compiled with such features.
macro_rules! function {
    ($token:expr, [$($feature:meta)?], fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? = $path:path) => {
        $(#[$feature])?
        pub(super) fn $name($($arg: $type),*) $(-> $result)? {
            $path($token, $($arg),*)
        }
    };
}

with_kernels!(declare);

mod scalar {
    with_kernels!(table Scalar, crate::cpu::scalar::Scalar, []; );
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    with_kernels!(table Avx2, crate::cpu::x86::Avx2::here(), [target_feature(enable = "avx2,fma,f16c")]; );
}

#[cfg(target_arch = "x86_64")]
mod avx_vnni {
    with_kernels!(
        integers_table AvxVnni, crate::cpu::x86::AvxVnni::here(), [target_feature(enable = "avx2,fma,f16c,avxvnni")], avx2;
    );
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    with_kernels!(
        table Avx512, crate::cpu::x86::Avx512::here(),
        [target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")];
    );
}

#[cfg(target_arch = "aarch64")]
mod neon {
    with_kernels!(table Neon, crate::cpu::neon::Neon::here(), [target_feature(enable = "neon")]; );
}

#[cfg(target_arch = "aarch64")]
mod neon_dot {
    with_kernels!(
        integers_table NeonDot, crate::cpu::neon::NeonDot::here(), [target_feature(enable = "neon,dotprod")], neon;
    );
}

#[cfg(target_arch = "aarch64")]
mod neon_i8mm {
    with_kernels!(
        integers_table NeonI8mm, crate::cpu::neon::NeonI8mm::here(), [target_feature(enable = "neon,dotprod,i8mm")], neon;
    );
}
