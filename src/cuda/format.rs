//! The number formats of weights: for each one row, with the names of its kernels. They all end in the format's suffix.

use crate::quant::DType;

/// What a format needs, and its kernels.
pub(super) struct Format {
    dtype: DType,
    pub embed: &'static str,
    /// Few rows of activations from shared memory: for one, two and four rows of weights a warp.
    pub matvec: [&'static str; 3],
    /// Few rows of activations for columns that are no whole units.
    pub matvec_odd: Option<&'static str>,
    /// Many rows of activations, for any weights: tiles of 64, of 128.
    pub matmul: [&'static str; 2],
    pub halves: Halves,
    /// Values of 16 bytes of weights.
    pub unit: usize,
}

/// How weights are multiplied with activations that are sums of two numbers of 16 bits.
pub(super) enum Halves {
    /// Not at all.
    No,
    /// As they are: tiles of 64, of 128.
    AsTheyAre([&'static str; 2]),
    /// As integers, which the first kernel makes of them.
    Integers {
        widen: &'static str,
        /// Tiles of 64, of 128.
        matmul: [&'static str; 2],
        /// Bytes of factors of a row of a stage.
        factors: usize,
    },
}

/// A row: the type, the suffix of its kernels, values of 16 bytes, whether there is a kernel for odd columns, and its halves.
macro_rules! format {
    ($dtype:ident, $suffix:literal, $unit:literal, $odd:expr, $halves:expr) => {
        Format {
            dtype: DType::$dtype,
            embed: concat!("embed_", $suffix),
            matvec: [
                concat!("matvec_", $suffix, "_1"),
                concat!("matvec_", $suffix, "_2"),
                concat!("matvec_", $suffix, "_4"),
            ],
            matvec_odd: if $odd { Some(concat!("matvec_odd_", $suffix)) } else { None },
            matmul: [concat!("matmul_", $suffix, "_64"), concat!("matmul_", $suffix, "_128")],
            halves: $halves,
            unit: $unit,
        }
    };
}

const WIDE: [&str; 2] = ["matmul_wide_64", "matmul_wide_128"];
/// For formats with minima.
const WIDE_LESS: [&str; 2] = ["matmul_wide_less_64", "matmul_wide_less_128"];

const fn as_they_are(matmul: [&'static str; 2]) -> Halves {
    Halves::AsTheyAre(matmul)
}

const fn integers(widen: &'static str, matmul: [&'static str; 2], factors: usize) -> Halves {
    Halves::Integers { widen, matmul, factors }
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

/// The name of a kernel for weights of 16 bits, of which there is one for f16 and one for bfloat16.
macro_rules! of_16_bits {
    ($dtype:expr, $name:literal) => {
        match $dtype {
            $crate::quant::DType::F16 => concat!($name, "_f16"),
            _ => concat!($name, "_bf16"),
        }
    };
}
pub(super) use of_16_bits;
