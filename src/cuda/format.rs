//! The number formats of weights: for each one row, with the names of its kernels. They all end in the format's suffix.

use super::module::Kernel;
use super::product::Factors;
use super::weight::Parts;
use crate::quant::DType;

/// The table, ids or one id, how many; rows of the table.
type Embed = Kernel<(Parts, u64, u32, u32, u64)>;
/// Weights, x, a norm's weight or none, its width and eps; y, whether it is added to.
pub(super) type Matvec = Kernel<(Parts, u64, u64, u32, f32, u64, u32)>;
/// Weights, x; y, whether it is added to.
type MatvecOdd = Kernel<(Parts, u64, u64, u32)>;
/// Weights, x, its rows, a bias or none; y, whether it is added to.
type Matmul = Kernel<(Parts, u64, u32, u64, u64, u32)>;
/// Weights, x in two halves with its units, its rows, a bias or none; y, whether it is added to.
type MatmulHalves = Kernel<(Parts, u64, u64, u64, u32, u64, u64, u32)>;
/// Weights; integers, factors, what is subtracted.
type Widen = Kernel<(Parts, u64, u64, u64)>;
/// Integers, their rows and columns and factors, then as [`MatmulHalves`].
type MatmulWide = Kernel<(u64, u32, u32, Factors, u64, u64, u64, u32, u64, u64, u32)>;

/// What a format needs, and its kernels.
pub(super) struct Format {
    dtype: DType,
    pub embed: Embed,
    /// Few rows of activations from shared memory: for one, two and four rows of weights a warp.
    pub matvec: [Matvec; 3],
    /// Few rows of activations for columns that are no whole units.
    pub matvec_odd: Option<MatvecOdd>,
    /// Many rows of activations, for any weights: tiles of 64, of 128.
    pub matmul: [Matmul; 2],
    pub halves: Halves,
    /// Values of 16 bytes of weights.
    pub unit: usize,
}

/// How weights are multiplied with activations that are sums of two numbers of 16 bits.
pub(super) enum Halves {
    /// Not at all.
    No,
    /// As they are: tiles of 64, of 128.
    AsTheyAre([MatmulHalves; 2]),
    /// As integers, which the first kernel makes of them.
    Integers {
        widen: Widen,
        /// Tiles of 64, of 128.
        matmul: [MatmulWide; 2],
        /// Bytes of factors of a row of a stage.
        factors: usize,
    },
}

/// A row: the type, the suffix of its kernels, values of 16 bytes, whether there is a kernel for odd columns, and its halves.
macro_rules! format {
    ($dtype:ident, $suffix:literal, $unit:literal, $odd:expr, $halves:expr) => {
        Format {
            dtype: DType::$dtype,
            embed: Kernel::named(concat!("embed_", $suffix)),
            matvec: [
                Kernel::named(concat!("matvec_", $suffix, "_1")),
                Kernel::named(concat!("matvec_", $suffix, "_2")),
                Kernel::named(concat!("matvec_", $suffix, "_4")),
            ],
            matvec_odd: if $odd { Some(Kernel::named(concat!("matvec_odd_", $suffix))) } else { None },
            matmul: [
                Kernel::named(concat!("matmul_", $suffix, "_64")),
                Kernel::named(concat!("matmul_", $suffix, "_128")),
            ],
            halves: $halves,
            unit: $unit,
        }
    };
}

const WIDE: [MatmulWide; 2] = [Kernel::named("matmul_wide_64"), Kernel::named("matmul_wide_128")];
/// For formats with minima.
const WIDE_LESS: [MatmulWide; 2] = [Kernel::named("matmul_wide_less_64"), Kernel::named("matmul_wide_less_128")];

const fn as_they_are([small, large]: [&'static str; 2]) -> Halves {
    Halves::AsTheyAre([Kernel::named(small), Kernel::named(large)])
}

const fn integers(widen: &'static str, matmul: [MatmulWide; 2], factors: usize) -> Halves {
    Halves::Integers { widen: Kernel::named(widen), matmul, factors }
}

/// In the order of [`DType`].
static FORMATS: [Format; DType::ALL.len()] = [
    format!(F32, "f32", 4, true, Halves::No),
    format!(F16, "f16", 8, true, as_they_are(["matmul_halves_f16_64", "matmul_halves_f16_128"])),
    format!(BF16, "bf16", 8, true, as_they_are(["matmul_halves_bf16_64", "matmul_halves_bf16_128"])),
    format!(Q8_0, "q8_0", 16, false, integers("widen_q8_0", WIDE, 8)),
    format!(Q4_0, "q4_0", 32, false, integers("widen_q4_0", WIDE, 8)),
    format!(Q4_K, "q4_k", 32, false, integers("widen_q4_k", WIDE_LESS, 16)),
    format!(Q6_K, "q6_k", 32, false, integers("widen_q6_k", WIDE, 8)),
];

// Every row is where `of` looks for it.
const _: () = {
    let mut i = 0;
    while i < FORMATS.len() {
        assert!(FORMATS[i].dtype as usize == i);
        i += 1;
    }
};

/// The row of a type.
pub(super) fn of(dtype: DType) -> &'static Format {
    &FORMATS[dtype as usize]
}

/// A kernel for weights of 16 bits, of which there is one for f16 and one for bfloat16.
macro_rules! of_16_bits {
    ($dtype:expr, $name:literal) => {
        match $dtype {
            $crate::quant::DType::F16 => const { $crate::cuda::module::Kernel::named(concat!($name, "_f16")) },
            _ => const { $crate::cuda::module::Kernel::named(concat!($name, "_bf16")) },
        }
    };
}
pub(super) use of_16_bits;
