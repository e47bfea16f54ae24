//! Checkpoints made elsewhere, converted: the logits of the independent model that `tests/fixtures/convert` was made with.

use std::path::Path;

use ramba::convert::{SegmentMode, convert};
use ramba::cpu::Cpu;
use ramba::memory::Precision;
use ramba::model::{Logits, Model};
use ramba::weights::Weights;
use serde_json::Value;
use tempfile::TempDir;
use test_support::checkpoint::{Tensors, config, fixtures, on, to};
use test_support::model::{Runner, ids};
/// What PyTorch makes of a checkpoint; models/recipe/parity.py describes the files.
struct Expected {
    prompt: Vec<u32>,
    positions: Vec<usize>,
    greedy: Vec<u32>,
    /// Rows of logits: one for each position, then one for each token of the continuation.
    rows: Vec<f32>,
}

impl Expected {
    fn read(folder: &Path) -> Self {
        let json: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        let bytes = std::fs::read(folder.join("expected.bin")).unwrap();
        Self {
            prompt: ids(&json["prompt"]),
            positions: ids(&json["positions"]).iter().map(|&p| p as usize).collect(),
            greedy: ids(&json["greedy"]),
            rows: bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
        }
    }
}

/// Differences of logits.
#[derive(Default)]
struct Difference {
    max: f32,
    sum: f64,
    count: usize,
}

impl Difference {
    fn add(&mut self, got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len());
        for (g, w) in got.iter().zip(want) {
            let d = (g - w).abs();
            self.max = if d.is_nan() { f32::INFINITY } else { self.max.max(d) };
            self.sum += f64::from(d);
        }
        self.count += got.len();
    }
}

/// Reads the prompt in pieces of `step` tokens, continues it, and compares: (difference, tokens that agree).
fn run(model: &Model<Cpu>, expected: &Expected, step: usize) -> (Difference, usize) {
    let vocab = model.config().vocab;
    let mut difference = Difference::default();
    let mut runner = Runner::new(model, Precision::F32);
    let mut logits = Vec::new();
    for piece in expected.prompt.chunks(step) {
        logits.extend(runner.advance(piece, Logits::All));
    }
    let mut want = expected.rows.chunks_exact(vocab);
    for &p in &expected.positions {
        difference.add(&logits[p * vocab..][..vocab], want.next().unwrap());
    }
    let last = &logits[logits.len() - vocab..];
    difference.add(last, want.next().unwrap());
    let (tokens, rows) = runner.greedy(last, expected.greedy.len(), |run, token| run.advance(token, Logits::Last));
    let agreed = tokens.iter().zip(&expected.greedy).take_while(|(a, b)| a == b).count();
    // Rows after a token that differs are those of another text.
    for (row, want) in rows.iter().zip(want).take(agreed) {
        difference.add(row, want);
    }
    (difference, agreed)
}

/// Converts the checkpoint to F32 and compares; prints a row of docs/parity.md.
fn check(folder: &Path) -> std::result::Result<(), String> {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("model.gguf");
    // What was expected was computed with the segments of the config.
    let segments =
        if config(folder)["segment_size"].as_i64() > Some(0) { SegmentMode::Reset } else { SegmentMode::Carry };
    convert(folder, &file, &to("F32").segments(segments), &mut on).unwrap_or_else(|e| panic!("{e}"));
    let model = Model::load(&Weights::open(&file).unwrap(), Cpu::new(2).unwrap()).unwrap();
    let expected = Expected::read(folder);
    let name = folder.file_name().unwrap().to_string_lossy();
    let largest = expected.rows.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let mut row = format!("| `{name}` | {largest:.2}");
    let mut failed = String::new();
    for (how, step) in [("at once", expected.prompt.len()), ("token by token", 1)] {
        let (d, agreed) = run(&model, &expected, step);
        let mean = d.sum / d.count as f64;
        row += &format!(" | {:.1e} | {mean:.1e} | {agreed} of {}", d.max, expected.greedy.len());
        if !(d.max <= 1e-3 && agreed == expected.greedy.len()) {
            failed += &format!("{name}, {how}: logits differ by {:.1e}, {agreed} tokens agree; ", d.max);
        }
    }
    println!("{row} |");
    if failed.is_empty() { Ok(()) } else { Err(failed) }
}

fn check_all(folder: &Path) {
    let mut folders: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    folders.retain(|f| f.join("expected.json").exists());
    folders.sort();
    println!("| variant | largest logit | at once: max | mean | tokens | one by one: max | mean | tokens |");
    let failed: Vec<_> = folders.iter().filter_map(|f| check(f).err()).collect();
    assert!(failed.is_empty() && !folders.is_empty(), "{failed:#?}");
}

#[test]
fn of_every_variant() {
    check_all(&fixtures());
}

/// For checkpoints that are too large to be kept: `RAMBA_PARITY` names the folder that models/recipe/parity.py wrote.
#[test]
#[ignore = "needs the folder that RAMBA_PARITY names"]
fn parity_of_a_folder() {
    check_all(Path::new(&std::env::var_os("RAMBA_PARITY").expect("RAMBA_PARITY")));
}

#[test]
fn a_fixture_would_show_a_wrong_tensor() {
    let folder = fixtures().join("base");
    let mut tensors = Tensors::read(&folder.join("model.safetensors"));
    let (_, _, data) = tensors.find("backbone.layers.3.q_proj.weight");
    data.reverse();
    // Reversed f32 bytes are other numbers; keep them finite.
    data.chunks_exact_mut(4).for_each(|v| v.copy_from_slice(&0.25f32.to_le_bytes()));
    let dir = TempDir::new().unwrap();
    for file in ["config.json", "expected.json", "expected.bin"] {
        std::fs::copy(folder.join(file), dir.path().join(file)).unwrap();
    }
    tensors.write(&dir.path().join("model.safetensors"));
    assert!(check(dir.path()).is_err());
}
