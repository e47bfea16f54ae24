//! Quantizing by what matters: weighed errors get smaller, and a model quantized after reading a text stays closer to itself.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ramba::ErrorKind;
use ramba::convert::{Importance, Types, quantize, quantize_with};
use ramba::cpu::Cpu;
use ramba::model::{Logits, Model, Pass};
use ramba::quant::{self, DType};
use ramba::tokenizer::Tokenizer;
use ramba::weights::Weights;
use test_support::numbers::Random;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The squared error of `values` in `bytes`, weighed.
fn error(dtype: DType, values: &[f32], weights: &[f32], bytes: &[u8]) -> f64 {
    let mut seen = vec![0.0; values.len()];
    quant::dequantize(dtype, bytes, &mut seen).unwrap();
    values.iter().zip(&seen).zip(weights).map(|((v, s), w)| f64::from(w * (v - s) * (v - s))).sum()
}

#[test]
fn weighed_errors_get_smaller() {
    let n = 64 * 256;
    let v = Random(1).normals(n, 1.0);
    // A few inputs that matter much, as in trained models.
    let w: Vec<f32> = Random(2).normals(n, 2.0).iter().map(|w| w.exp()).collect();
    for (dtype, share) in [(DType::Q4_0, 0.75), (DType::Q4_K, 0.9), (DType::Q6_K, 0.95)] {
        assert!(dtype.can_be_weighted());
        let mut plain = vec![0; dtype.row_bytes(n).unwrap()];
        let mut weighted = plain.clone();
        quant::quantize(dtype, &v, &mut plain).unwrap();
        quant::quantize_weighted(dtype, &v, &w, &mut weighted).unwrap();
        let (before, after) = (error(dtype, &v, &w, &plain), error(dtype, &v, &w, &weighted));
        assert!(after < share * before, "{dtype}: {after} of {before}");
        // Weights that are all the same change nothing but the search that Q4_0 has not without them.
        quant::quantize_weighted(dtype, &v, &vec![1.0; n], &mut weighted).unwrap();
        assert!(weighted == plain || dtype == DType::Q4_0);
        quant::quantize_weighted(dtype, &v, &vec![0.0; n], &mut weighted).unwrap();
        let zeros = vec![0.0; n];
        quant::quantize_weighted(dtype, &zeros, &w, &mut weighted).unwrap();
        assert_eq!(error(dtype, &zeros, &w, &weighted), 0.0, "{dtype}");
    }
    for dtype in [DType::F32, DType::F16, DType::BF16, DType::Q8_0] {
        let mut plain = vec![0; dtype.row_bytes(n).unwrap()];
        let mut weighted = plain.clone();
        quant::quantize(dtype, &v, &mut plain).unwrap();
        quant::quantize_weighted(dtype, &v, &w, &mut weighted).unwrap();
        assert!(!dtype.can_be_weighted() && weighted == plain, "{dtype}");
    }
    let mut bytes = [0; 18];
    for bad in [&[1.0; 31][..], &[f32::NAN; 32], &[-1.0; 32], &[f32::INFINITY; 32]] {
        let error = quant::quantize_weighted(DType::Q4_0, &[1.0; 32], bad, &mut bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}

/// Log-probabilities after each of the first tokens of `text`.
fn log_probabilities(model: &Path, text: &str) -> Vec<Vec<f64>> {
    let weights = Weights::open(model).unwrap();
    let tokens = Tokenizer::from_gguf(weights.gguf()).unwrap().encode(text).unwrap();
    let model = Model::load(&weights, Cpu::new(1).unwrap()).unwrap();
    let (mut state, mut scratch) = (model.state().unwrap(), model.scratch().unwrap());
    let pass = Pass { logits: Logits::All, ..Pass::default() };
    let logits = model.forward(&mut state, &mut scratch, &tokens[..400], pass).unwrap();
    let rows = logits.chunks_exact(model.config().vocab);
    rows.map(|row| {
        let most = row.iter().copied().fold(f32::MIN, f32::max);
        let sum: f64 = row.iter().map(|l| f64::from(l - most).exp()).sum();
        row.iter().map(|l| f64::from(l - most) - sum.ln()).collect()
    })
    .collect()
}

/// Mean Kullback–Leibler divergence.
fn divergence(from: &[Vec<f64>], to: &[Vec<f64>]) -> f64 {
    let of_row = |(p, q): (&Vec<f64>, &Vec<f64>)| p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>();
    from.iter().zip(to).map(of_row).sum::<f64>() / from.len() as f64
}

#[test]
fn a_model_quantized_after_a_text_stays_closer_to_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, weighed) = (dir.path().join("plain.gguf"), dir.path().join("weighed.gguf"));
    let model = file("models/ramba-small.gguf");
    let read = |name: &str| std::fs::read_to_string(file(name)).unwrap();
    // One text to learn from, others to judge by.
    let importance = Importance::measure(&model, &read("docs/security.md")).unwrap();
    assert!(importance.inputs("blk.0.ssm_in.weight").is_some_and(|c| c.len() == 128 && c.iter().all(|v| *v > 0.0)));
    for part in ["blk.3.ssm_out.weight", "enc.blk.0.ffn_down.weight", "ret.0.q.weight", "hsa.1.output.weight"] {
        assert!(importance.inputs(part).is_some(), "{part}");
    }
    let types: Types = "Q4_0,token_embd=F16".parse().unwrap();
    let mut go_on = |_: ramba::convert::Progress<'_>| ControlFlow::Continue(());
    quantize(&model, &plain, &types, &mut go_on).unwrap();
    let report = quantize_with(&model, &weighed, &types, &importance, &mut go_on).unwrap();
    assert!(!report.notes.iter().any(|note| note.contains("said nothing")), "{:?}", report.notes);
    let size = |path: &Path| path.metadata().unwrap().len();
    assert_eq!(size(&plain), size(&weighed));
    for text in ["README.md", "docs/format.md"] {
        let text = read(text);
        let [model, plain, weighed] = [&model, &plain, &weighed].map(|path| log_probabilities(path, &text));
        let (before, after) = (divergence(&model, &plain), divergence(&model, &weighed));
        println!("{before:.4} without, {after:.4} with importance");
        assert!(after < 0.85 * before, "{before} without, {after} with importance");
    }
    let error = Importance::measure(&model, "").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let error = Importance::measure(file("tests/fixtures/golden/base.gguf"), "a").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let other = file("tests/fixtures/golden/qk_norm.gguf");
    let error =
        quantize_with(other, dir.path().join("x"), &"Q4_0".parse().unwrap(), &importance, &mut go_on).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
}
