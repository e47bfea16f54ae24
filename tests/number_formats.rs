//! Number formats of a converted or quantized model: what is stored, and what the report says of it.

use std::path::Path;

use ramba::ErrorKind::{Format, InvalidArgument};
use ramba::convert::{Report, Types, convert, quantize};
use ramba::gguf::Gguf;
use ramba::quant::DType;
use ramba::weights::Weights;
use tempfile::TempDir;
use test_support::checkpoint::{World, fixtures, on, refused, to};

/// The tensors of a file: name, type, bytes.
fn stored(path: &Path) -> Vec<(String, DType, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let gguf = Gguf::parse(&bytes).unwrap();
    let tensor = |t: &ramba::gguf::TensorInfo| (t.name.clone(), t.dtype, bytes[t.offset..][..t.bytes].to_vec());
    gguf.tensors().iter().map(tensor).collect()
}

#[test]
fn quantizing_is_converting() {
    let w = World::new(64);
    w.all().unwrap();
    let at = |name: &str| w.path(name);
    convert(w.dir.path(), at("f32"), &to("F32"), &mut on).unwrap();
    let list = "ssm_in=Q4_0,blk.0=BF16,token_embd=F16,Q8_0";
    for types in ["F32", "F16", "BF16", "Q8_0", "Q4_0", list] {
        let direct = convert(w.dir.path(), at("direct"), &to(types), &mut on).unwrap();
        let parsed: Types = types.parse().unwrap();
        let later = quantize(at("f32"), at("later"), &parsed, &mut on).unwrap();
        assert_eq!(stored(&at("direct")), stored(&at("later")), "{types}");
        let errors = |r: &Report| r.tensors.iter().map(|t| t.error).collect::<Vec<_>>();
        assert_eq!(errors(&direct), errors(&later), "{types}");
    }
    let kinds: Vec<_> = stored(&at("later")).into_iter().map(|(n, d, _)| (n, d)).collect();
    for (name, dtype) in [
        ("token_embd.weight", DType::F16),
        ("blk.0.ssm_in.weight", DType::Q4_0),
        ("blk.0.ssm_out.weight", DType::BF16),
        ("blk.0.ssm_conv1d.weight", DType::F32),
    ] {
        assert!(kinds.contains(&(name.to_owned(), dtype)), "{kinds:?}");
    }
    // In place, and only what is named.
    quantize(at("later"), at("later"), &"ssm_out=Q8_0".parse().unwrap(), &mut on).unwrap();
    let changed = stored(&at("later")).into_iter().zip(&kinds).filter(|(new, old)| new.1 != old.1).count();
    assert_eq!(changed, 1);
    refused(quantize(at("f32"), at("x"), &"ssm_inn=Q8_0".parse().unwrap(), &mut on), InvalidArgument, &["ssm_inn"]);
    refused(quantize(at("f32"), at("x"), &"ssm_a=Q8_0".parse().unwrap(), &mut on), InvalidArgument, &["ssm_a"]);
    refused(quantize(at("config.json"), at("x"), &parsed_all("F16"), &mut on), Format, &["magic"]);
}

fn parsed_all(types: &str) -> Types {
    types.parse().unwrap()
}

#[test]
fn errors_are_those_of_the_values() {
    let w = World::new(64);
    w.all().unwrap();
    convert(w.dir.path(), w.path("f32"), &to("F32"), &mut on).unwrap();
    let report = quantize(w.path("f32"), w.path("q"), &parsed_all("Q4_0"), &mut on).unwrap();
    let (exact, coarse) = (Weights::open(&w.path("f32")).unwrap(), Weights::open(&w.path("q")).unwrap());
    let mut seen = 0;
    for t in report.tensors.iter().filter(|t| t.error.is_some()) {
        let (a, b) =
            (exact.tensor(&t.name).unwrap().to_f32().unwrap(), coarse.tensor(&t.name).unwrap().to_f32().unwrap());
        let square = |v: f32| f64::from(v).powi(2);
        let (errors, values) = a.iter().zip(&b).fold((0.0, 0.0), |(e, v), (a, b)| (e + square(a - b), v + square(*a)));
        let max = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let error = t.error.unwrap();
        assert!((error.relative_rms - (errors / values).sqrt()).abs() < 1e-9 && error.max == max, "{t:?}");
        assert!(error.relative_rms > 1e-4, "{t:?}");
        seen += 1;
    }
    assert_eq!(seen, 3);
    let again = quantize(w.path("q"), w.path("again"), &parsed_all("Q8_0"), &mut on).unwrap();
    assert!(again.notes.iter().any(|n| n.contains("second time")), "{:?}", again.notes);
}

#[test]
fn rows_that_do_not_fill_blocks() {
    let folder = fixtures().join("mamba2_hf"); // rows of 16 and 32 values
    let dir = TempDir::new().unwrap();
    let report = convert(&folder, dir.path().join("a"), &to("Q4_K"), &mut on).unwrap();
    assert!(report.tensors.iter().all(|t| matches!(t.to, DType::F16 | DType::F32)));
    let report = convert(&folder, dir.path().join("a"), &to("Q8_0"), &mut on).unwrap();
    let of = |name: &str| report.tensors.iter().find(|t| t.name == name).unwrap().to;
    assert_eq!((of("blk.0.ssm_out.weight"), of("blk.0.ssm_in.weight")), (DType::Q8_0, DType::F16));
    assert!(report.notes.iter().any(|n| n.contains("blk.0.ssm_in.weight") && n.contains("16 values")));
}

#[test]
fn values_beyond_a_type() {
    let mut w = World::new(64);
    w.tensors.find("backbone.embeddings.weight").2[..4].copy_from_slice(&1e6f32.to_le_bytes());
    w.all().unwrap();
    refused(w.run(&to("F16")), InvalidArgument, &["backbone.embeddings.weight", "F16"]);
    w.run(&to("BF16")).unwrap();
}
