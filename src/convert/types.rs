//! Which number format each matrix gets.

use std::str::FromStr;

use crate::gguf::Quoted;
use crate::quant::DType;
use crate::{Error, Result};

/// Types of matrices by their names, for example `Q8_0` or `ssm_in=Q4_0,hsa=Q8_0,default=F16`.
///
/// A text of this kind has entries with commas between them. An entry is `PART=TYPE`, or `default=TYPE`, or `TYPE` alone,
/// which is the default. A PART is one or more parts of a tensor's name, as the dots separate it: `ssm_in` is the input
/// matrix of every block, `blk.0` all matrices of block 0, `enc` those of the chunk encoder. The first PART that
/// a name has counts; the default is for the others.
///
/// If the default is Q4_0 or Q4_K, `token_embd.weight` and `output.weight` become Q8_0 or Q6_K unless a PART names them: the
/// embedding, which often is the output matrix too, suffers most from 4 bits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Types {
    default: Option<DType>,
    /// In order.
    parts: Vec<(String, DType)>,
}

impl Types {
    /// All matrices of one type.
    pub fn all(dtype: DType) -> Self {
        Self { default: Some(dtype), parts: Vec::new() }
    }

    /// The type of the matrices that no PART names, if one is given.
    pub fn rest(&self) -> Option<DType> {
        self.default
    }

    /// The type that a PART gives the matrix `name`.
    fn named(&self, name: &str) -> Option<DType> {
        self.parts.iter().find(|(part, _)| has_part(name, part)).map(|&(_, dtype)| dtype)
    }

    /// The type of the matrix `name` with rows of `cols` values; `default` where nothing else is said. A type whose blocks the rows do not fill
    /// becomes F16, with a note.
    pub(super) fn choose(&self, name: &str, cols: u64, default: DType, notes: &mut Vec<String>) -> Result<DType> {
        let embedding = matches!(name, "token_embd.weight" | "output.weight");
        let wanted = self.named(name).unwrap_or(match default {
            DType::Q4_0 if embedding && self.default.is_some() => DType::Q8_0,
            DType::Q4_K if embedding && self.default.is_some() => DType::Q6_K,
            default => default,
        });
        if cols.is_multiple_of(wanted.block_len() as u64) {
            return Ok(wanted);
        }
        notes.push(format!(
            "{name} is stored as F16: its rows of {cols} values are not whole blocks of {} ({wanted})",
            wanted.block_len()
        ));
        Ok(DType::F16)
    }

    /// That every PART names one of the matrices `names`.
    pub(super) fn check_used<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
        match self.parts.iter().find(|(part, _)| !names.clone().any(|name| has_part(name, part))) {
            Some((part, _)) => Err(Error::invalid(format!("{} is not a part of any matrix's name", Quoted(part)))),
            None => Ok(()),
        }
    }
}

/// Whether the dots cut `name` so that `part` is some of the pieces next to each other.
fn has_part(name: &str, part: &str) -> bool {
    name.match_indices(part).any(|(at, _)| {
        let (before, after) = (&name[..at], &name[at + part.len()..]);
        (before.is_empty() || before.ends_with('.')) && (after.is_empty() || after.starts_with('.'))
    })
}

impl FromStr for Types {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut types = Types::default();
        for entry in text.split(',').map(str::trim) {
            let (part, name) = entry.split_once('=').map_or(("default", entry), |(p, t)| (p.trim(), t.trim()));
            let dtype = DType::ALL.into_iter().find(|d| d.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
                let known = DType::ALL.map(DType::name).join(", ");
                let meant = similar(name).map_or(String::new(), |dtype| format!(" (did you mean {dtype}?)"));
                Error::invalid(format!("{} is not a type{meant}; known are {known}", Quoted(name)))
            })?;
            if part.is_empty() {
                return Err(Error::invalid(format!("{}: no part of a name before the =", Quoted(entry))));
            }
            if part != "default" {
                types.parts.push((part.to_owned(), dtype));
            } else if types.default.replace(dtype).is_some() {
                return Err(Error::invalid(format!("{}: two defaults", Quoted(text))));
            }
        }
        Ok(types)
    }
}

/// The type that someone means who writes the name of a mixture of llama.cpp's (`Q4_K_M`), of a family (`Q8`) or of a type elsewhere
/// (`float16`).
fn similar(name: &str) -> Option<DType> {
    let name = name.to_ascii_uppercase().replace('-', "_");
    let name = name.strip_prefix("MOSTLY_").unwrap_or(&name);
    let begins = |d: &DType| name.strip_prefix(d.name()).is_some_and(|rest| rest.starts_with('_'));
    let family = |d: &DType| !name.is_empty() && d.name().strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
    let elsewhere = match name {
        "FP32" | "FLOAT32" | "FLOAT" => Some(DType::F32),
        "FP16" | "FLOAT16" | "HALF" => Some(DType::F16),
        "BFLOAT16" => Some(DType::BF16),
        "INT8" | "Q8_K" | "Q8_1" => Some(DType::Q8_0),
        "INT4" | "Q4_1" => Some(DType::Q4_0),
        _ => None,
    };
    elsewhere.or_else(|| DType::ALL.into_iter().find(begins)).or_else(|| DType::ALL.into_iter().find(family))
}

/// llama.cpp's number for files whose matrices are mostly of one type (`enum llama_ftype` in `include/llama.h`).
pub(super) fn file_type(dtype: DType) -> u32 {
    match dtype {
        DType::F32 => 0,
        DType::F16 => 1,
        DType::Q4_0 => 2,
        DType::Q8_0 => 7,
        DType::Q4_K => 14,
        DType::Q6_K => 18,
        DType::BF16 => 32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_that_fits_counts() {
        let types: Types = "blk.1=q8_0, ssm_in=Q4_0, F16".parse().unwrap();
        let of = |name: &str| types.choose(name, 256, types.rest().unwrap(), &mut Vec::new()).unwrap();
        assert_eq!(of("blk.1.ssm_in.weight"), DType::Q8_0);
        assert_eq!(of("blk.10.ssm_in.weight"), DType::Q4_0);
        assert_eq!(of("blk.10.ssm_out.weight"), DType::F16);
        assert!(types.check_used(["blk.1.ssm_in.weight"].into_iter()).is_ok());
        assert!(types.check_used(["blk.10.ssm_in.weight"].into_iter()).is_err());
    }

    #[test]
    fn four_bits_spare_the_embedding_and_odd_rows() {
        let (types, mut notes) = (Types::all(DType::Q4_K), Vec::new());
        let mut of = |name: &str, cols| types.choose(name, cols, DType::Q4_K, &mut notes).unwrap();
        assert_eq!(of("token_embd.weight", 256), DType::Q6_K);
        assert_eq!(of("blk.0.ssm_in.weight", 256), DType::Q4_K);
        assert_eq!(of("blk.0.ssm_in.weight", 320), DType::F16);
        assert!(notes.len() == 1 && notes[0].contains("320"), "{notes:?}");
        assert_eq!("token_embd=Q4_K,Q4_K".parse::<Types>().unwrap().named("token_embd.weight"), Some(DType::Q4_K));
    }

    #[test]
    fn names_of_others_suggest_a_type() {
        let message = |text: &str| text.parse::<Types>().unwrap_err().to_string();
        for (name, meant) in [
            ("Q4_K_M", "Q4_K"),
            ("q4_k_s", "Q4_K"),
            ("Q6_K_L", "Q6_K"),
            ("Q8", "Q8_0"),
            ("Q6", "Q6_K"),
            ("MOSTLY_Q4_K_M", "Q4_K"),
            ("fp16", "F16"),
            ("bfloat16", "BF16"),
            ("ssm_in=Q4_K_M,F16", "Q4_K"),
        ] {
            assert!(message(name).contains(&format!("did you mean {meant}?")), "{}", message(name));
        }
        for name in ["Q3_K_M", "", "Q", "IQ2_XXS"] {
            assert!(!message(name).contains("mean") && message(name).contains("Q4_0, "), "{}", message(name));
        }
    }

    #[test]
    fn what_is_no_type() {
        for text in ["", "Q3_K", "ssm_in=", "=F16", "F16,F32", "ssm_in=F16,,F32"] {
            assert!(text.parse::<Types>().is_err(), "{text}");
        }
    }
}
