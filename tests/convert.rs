//! Checkpoints made elsewhere: the same logits as the independent model that `tests/fixtures/convert` was made with, and a
//! clear refusal of everything that is damaged, hostile or not understood.

#![cfg(feature = "convert")]

mod common;

use std::alloc::System;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cap::Cap;
use common::model::{Runner, ids};
use ramba::convert::{ConvertOptions, Progress, Report, Types, convert, quantize};
use ramba::cpu::Cpu;
use ramba::gguf::Gguf;
use ramba::memory::Precision;
use ramba::model::{Logits, Model};
use ramba::quant::DType;
use ramba::weights::Weights;
use ramba::{Engine, EngineOptions, Error, ErrorKind, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Nothing here needs more; a size taken from a hostile file would.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, 256 << 20);

fn on(_: Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn to(types: &str) -> ConvertOptions {
    ConvertOptions { types: types.parse().unwrap(), ..ConvertOptions::default() }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/convert")
}

mod parity {
    use super::*;

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
        convert(folder, &file, &to("F32"), &mut on).unwrap_or_else(|e| panic!("{e}"));
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
        ALLOCATOR.set_limit(usize::MAX).unwrap();
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
}

/// A safetensors file to be. Everything may be set to nonsense.
#[derive(Clone, Default)]
struct Tensors {
    /// Name, entry of the header without its offsets, bytes.
    list: Vec<(String, Value, Vec<u8>)>,
}

impl Tensors {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: Value = serde_json::from_slice(&bytes[8..8 + len]).unwrap();
        let entries = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__");
        let list = entries.map(|(name, entry)| {
            let offset = |i: usize| 8 + len + entry["data_offsets"][i].as_u64().unwrap() as usize;
            let data = bytes[offset(0)..offset(1)].to_vec();
            (name.clone(), json!({"dtype": entry["dtype"], "shape": entry["shape"]}), data)
        });
        Self { list: list.collect() }
    }

    fn add(&mut self, name: &str, shape: &[usize], value: f32) {
        let len = shape.iter().product();
        // Not all the same, so that a wrong order shows.
        let values = (0..len).flat_map(|i| (value + (i % 7) as f32 * 0.01).to_le_bytes());
        self.list.push((name.to_owned(), json!({"dtype": "F32", "shape": shape}), values.collect()));
    }

    fn find(&mut self, name: &str) -> &mut (String, Value, Vec<u8>) {
        self.list.iter_mut().find(|(n, _, _)| n == name).unwrap_or_else(|| panic!("{name}"))
    }

    fn header(&self) -> Value {
        let (mut header, mut at) = (json!({"__metadata__": {"format": "pt"}}), 0);
        for (name, entry, data) in &self.list {
            let mut entry = entry.clone();
            entry["data_offsets"] = json!([at, at + data.len()]);
            header[name] = entry;
            at += data.len();
        }
        header
    }

    fn bytes(&self) -> Vec<u8> {
        let data: Vec<u8> = self.list.iter().flat_map(|(_, _, data)| data.clone()).collect();
        file(&self.header().to_string(), &data)
    }

    fn write(&self, path: &Path) {
        std::fs::write(path, self.bytes()).unwrap();
    }
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// A small sound checkpoint in a folder of its own: plain Mamba-2 with one block, `vocab` tokens.
struct World {
    dir: TempDir,
    config: Value,
    tensors: Tensors,
}

impl World {
    fn new(vocab: usize) -> Self {
        let (d, e, nh, n) = (32, 64, 4, 8);
        let config = json!({
            "model_type": "mamba2", "vocab_size": vocab, "hidden_size": d, "expand": 2, "num_heads": nh, "head_dim": 16,
            "state_size": n, "n_groups": 1, "conv_kernel": 4, "layer_norm_epsilon": 1e-5, "num_hidden_layers": 1,
            "tie_word_embeddings": true,
        });
        let mut t = Tensors::default();
        t.add("backbone.embeddings.weight", &[vocab, d], 0.1);
        t.add("backbone.norm_f.weight", &[d], 1.0);
        t.add("backbone.layers.0.norm.weight", &[d], 1.0);
        t.add("backbone.layers.0.mixer.in_proj.weight", &[2 * e + 2 * n + nh, d], -0.02);
        t.add("backbone.layers.0.mixer.conv1d.weight", &[e + 2 * n, 1, 4], 0.2);
        t.add("backbone.layers.0.mixer.conv1d.bias", &[e + 2 * n], 0.0);
        t.add("backbone.layers.0.mixer.dt_bias", &[nh], -1.0);
        t.add("backbone.layers.0.mixer.A_log", &[nh], 0.5);
        t.add("backbone.layers.0.mixer.D", &[nh], 1.0);
        t.add("backbone.layers.0.mixer.norm.weight", &[e], 1.0);
        t.add("backbone.layers.0.mixer.out_proj.weight", &[d, e], 0.03);
        Self { dir: TempDir::new().unwrap(), config, tensors: t }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Converts what lies in the folder.
    fn run(&self, options: &ConvertOptions) -> Result<Report> {
        let done = convert(self.dir.path(), self.path("out.gguf"), options, &mut on);
        assert_eq!(done.is_ok(), self.path("out.gguf").exists(), "a file if and only if all went well");
        let left =
            std::fs::read_dir(self.dir.path()).unwrap().any(|e| e.unwrap().path().extension() == Some("part".as_ref()));
        assert!(!left, "no temporary file stays");
        if done.is_ok() {
            std::fs::remove_file(self.path("out.gguf")).unwrap();
        }
        done
    }

    /// Writes config and tensors, converts them.
    fn all(&self) -> Result<Report> {
        self.put("config.json", self.config.to_string());
        self.tensors.write(&self.path("model.safetensors"));
        self.run(&to("F32"))
    }

    /// Expects a failure whose message has all of `words`.
    fn fails(&self, kind: ErrorKind, words: &[&str]) {
        refused(self.all(), kind, words);
    }

    /// With this as the file of tensors.
    fn fails_with(&self, bytes: &[u8], kind: ErrorKind, words: &[&str]) {
        self.put("config.json", self.config.to_string());
        self.put("model.safetensors", bytes);
        refused(self.run(&to("F32")), kind, words);
    }
}

fn refused<T>(done: Result<T>, kind: ErrorKind, words: &[&str]) {
    let error: Error = done.err().unwrap_or_else(|| panic!("accepted, where {words:?} was expected"));
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is missing in: {message}");
    }
    assert!(!message.chars().any(char::is_control), "{message}");
}

use ErrorKind::{Format, InvalidArgument, Io, Unsupported};

#[test]
fn a_sound_checkpoint() {
    let report = World::new(64).all().unwrap();
    assert_eq!((report.architecture.as_str(), report.tensors.len()), ("mamba2", 11));
    assert!(report.tensors.iter().all(|t| t.to == DType::F32 && t.error.is_none()));
    assert!(report.notes[0].contains("tokenizer.json"), "{:?}", report.notes);
}

#[test]
fn headers() {
    let w = World::new(64);
    let sound = w.tensors.bytes();
    w.fails_with(b"", Format, &["header length at byte 0", "0 bytes"]);
    w.fails_with(&sound[..7], Format, &["header length at byte 0", "7 bytes"]);
    w.fails_with(&sound[..1000], Format, &["header length at byte 0", "992"]);
    for length in [u64::MAX, u64::MAX - 7, 1 << 63, 1 << 32, sound.len() as u64 - 7] {
        let mut bytes = sound.clone();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        w.fails_with(&bytes, Format, &["header length at byte 0", &length.to_string()]);
    }
    let mut large = vec![b' '; (16 << 20) + 64];
    large[..8].copy_from_slice(&((16u64 << 20) + 1).to_le_bytes());
    w.fails_with(&large, Unsupported, &["header length at byte 0", "limit"]);
    let mut bytes = sound.clone();
    bytes[30] = 0xff;
    w.fails_with(&bytes, Format, &["header", "UTF-8 at byte 30"]);
    for header in
        ["", "[]", "null", "{", "{\"a\":", "{\"__metadata__\": 3}", &"[".repeat(5000), &"{\"a\":".repeat(5000)]
    {
        w.fails_with(&file(header, b""), Format, &["header at byte 8"]);
    }
}

#[test]
fn entries_of_the_header() {
    let w = World::new(64);
    let one = |entry: &str| file(&format!("{{\"a\": {entry}}}"), &[0; 16]);
    let bad = |entry: &str, words: &[&str]| w.fails_with(&one(entry), Format, words);
    bad("3", &["\"a\"", "struct Entry"]);
    bad(r#"{"dtype":"F32","shape":[4]}"#, &["data_offsets"]);
    bad(r#"{"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":1}"#, &["`x`"]);
    bad(r#"{"dtype":"F32","dtype":"F16","shape":[4],"data_offsets":[0,16]}"#, &["duplicate field `dtype`"]);
    bad(r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,16]}"#, &["-1"]);
    bad(r#"{"dtype":"F32","shape":[4.5],"data_offsets":[0,16]}"#, &["4.5"]);
    bad(r#"{"dtype":"F32","shape":[4],"data_offsets":[0,16,32]}"#, &["\"a\""]);
    bad(r#"{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,16]}"#, &["\"a\""]);
    bad(r#"{"dtype":"Q4","shape":[4],"data_offsets":[0,16]}"#, &["\"a\"", "dtype \"Q4\" is unknown"]);
    bad(r#"{"dtype":"F32","shape":[4],"data_offsets":[16,0]}"#, &["\"a\"", "data_offsets [16, 0]"]);
    bad(r#"{"dtype":"F32","shape":[4],"data_offsets":[0,17]}"#, &["data_offsets [0, 17]", "16 bytes"]);
    bad(r#"{"dtype":"F32","shape":[4],"data_offsets":[18446744073709551615,16]}"#, &["data_offsets"]);
    bad(r#"{"dtype":"F32","shape":[4],"data_offsets":[0,18446744073709551615]}"#, &["data_offsets"]);
    bad(r#"{"dtype":"F32","shape":[3],"data_offsets":[0,16]}"#, &["shape [3] of F32"]);
    bad(r#"{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,16]}"#, &["shape", "16 bytes"]);
    bad(r#"{"dtype":"F4","shape":[1],"data_offsets":[0,0]}"#, &["shape [1] of F4"]);
    bad(r#"{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,4],"data_offsets":[0,16]}"#, &["9 dimensions"]);
    bad(r#"{"dtype":"F32","shape":[2],"data_offsets":[8,16]}"#, &["\"a\"", "gap"]);
    bad(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, &["end at byte 8", "16 bytes"]);
    bad(
        r#"{"dtype":"F32","shape":[4],"data_offsets":[0,16]}, "b": {"dtype":"F32","shape":[2],"data_offsets":[8,16]}"#,
        &["\"b\"", "shares bytes"],
    );
    bad(
        r#"{"dtype":"F32","shape":[4],"data_offsets":[0,16]}, "a": {"dtype":"F32","shape":[4],"data_offsets":[0,16]}"#,
        &["\"a\" occurs twice"],
    );
    // Control characters of a name do not reach the terminal (looked for in every message).
    let name = r#"{"\u001b[2J\n": {"dtype":"Q4","shape":[4],"data_offsets":[0,16]}}"#;
    w.fails_with(&file(name, &[0; 16]), Format, &["[2J"]);
    let mut many = String::from("{");
    for i in 0..65_537 {
        many += &format!("\"{i}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}},");
    }
    many.pop();
    w.fails_with(&file(&(many + "}"), b""), Format, &["more than 65536 tensors"]);
}

#[test]
fn tensors_that_do_not_fit_the_config() {
    let mut w = World::new(64);
    w.tensors.list.remove(4);
    w.fails(Format, &["backbone.layers.0.mixer.conv1d.weight", "missing", "blk.0.ssm_conv1d.weight"]);

    let mut w = World::new(64);
    w.tensors.add("backbone.layers.0.mixer.in_proj.bias", &[148], 0.0);
    w.tensors.add("backbone.layers.1.norm.weight", &[32], 0.0);
    w.fails(Unsupported, &["2 tensors", "in_proj.bias", "layers.1.norm.weight"]);

    for (shape, len) in
        [(json!([32, 64, 1]), 2048), (json!([64, 32]), 2048), (json!([2048]), 2048), (json!([32, 63]), 2016)]
    {
        let mut w = World::new(64);
        let (_, entry, data) = w.tensors.find("backbone.layers.0.mixer.out_proj.weight");
        entry["shape"] = shape.clone();
        data.truncate(len * 4);
        w.fails(Format, &["out_proj.weight", "shape", "[32, 64]"]);
    }
    for (dtype, bytes) in [("I32", 4), ("I8", 1), ("F8_E4M3", 1), ("BOOL", 1)] {
        let mut w = World::new(64);
        let (_, entry, data) = w.tensors.find("backbone.norm_f.weight");
        entry["dtype"] = json!(dtype);
        data.truncate(32 * bytes);
        w.fails(Unsupported, &["norm_f.weight", dtype]);
    }
    for (dtype, value) in [
        ("F32", &f32::NAN.to_le_bytes()[..]),
        ("F16", &[0, 0x7c]),
        ("BF16", &[0x80, 0xff]),
        ("F64", &1e300f64.to_le_bytes()),
    ] {
        let mut w = World::new(64);
        let (_, entry, data) = w.tensors.find("backbone.embeddings.weight");
        entry["dtype"] = json!(dtype);
        *data = vec![0; 64 * 32 * value.len()];
        data[1001 * value.len()..][..value.len()].copy_from_slice(value);
        w.fails(Format, &["backbone.embeddings.weight", "value 1001"]);
    }
    let mut w = World::new(64);
    w.tensors.add("backbone.embedding.weight", &[64, 32], 0.0);
    w.fails(Format, &["both", "backbone.embeddings.weight", "backbone.embedding.weight"]);
}

#[test]
fn an_output_matrix_of_its_own() {
    let with = |tied: Value, value: Option<f32>| {
        let mut w = World::new(64);
        w.config["tie_word_embeddings"] = tied;
        value.into_iter().for_each(|v| w.tensors.add("lm_head.weight", &[64, 32], v));
        w
    };
    let has_output = |w: World| w.all().unwrap().tensors.iter().any(|t| t.name == "output.weight");
    assert!(!has_output(with(json!(true), None)));
    assert!(!has_output(with(json!(true), Some(0.1))), "the same as the embedding");
    assert!(!has_output(with(Value::Null, Some(0.1))));
    assert!(has_output(with(Value::Null, Some(0.3))));
    assert!(has_output(with(json!(false), Some(0.1))));
    with(json!(false), None).fails(Format, &["lm_head.weight", "missing"]);
    with(json!(true), Some(0.3)).fails(Format, &["lm_head.weight", "differ"]);
}

#[test]
fn configs_that_are_not_understood() {
    let set = |change: &dyn Fn(&mut Value)| {
        let mut w = World::new(64);
        change(&mut w.config);
        w
    };
    let with = |key: &str, value: Value| set(&|c| c[key] = value.clone());
    for (key, value) in [
        ("sw_layers", json!([24])),
        ("nsa_layers", json!([1])),
        ("rope_scaling", json!({"type": "yarn"})),
        ("a_new_switch", json!(false)),
        ("hidden_act", json!("gelu")),
        ("use_bias", json!(true)),
        ("use_conv_bias", json!(false)),
        ("rms_norm", json!(false)),
        ("ssm_cfg", json!({"ngroups": 2})),
        ("model_type", json!("falcon_mamba")),
    ] {
        with(key, value).fails(Unsupported, &["config.json", key]);
    }
    for (key, value) in [
        ("hidden_size", json!(0)),
        ("hidden_size", json!(-32)),
        ("hidden_size", json!("32")),
        ("hidden_size", json!(32.5)),
        ("hidden_size", json!(1u64 << 40)),
        ("expand", json!(2.01)),
        ("expand", json!(-2)),
        ("num_heads", json!(3)),
        ("head_dim", json!(0)),
        ("state_size", Value::Null),
        ("n_groups", Value::Null),
        ("conv_kernel", json!([4])),
        ("layer_norm_epsilon", json!("small")),
        ("time_step_limit", json!([1.0, 0.0])),
        ("time_step_limit", json!([0.0, "much"])),
        ("time_step_limit", json!([0.0, {"__float__": {"__float__": 1}}])),
        ("tie_word_embeddings", json!("yes")),
        ("bos_token_id", json!("zero")),
    ] {
        with(key, value.clone()).fails(Format, &["config.json", key]);
    }
    // Found by the reader's own checks, on the header to be written.
    for (key, value) in
        [("vocab_size", 0), ("conv_kernel", 1), ("state_size", 0), ("n_groups", 0), ("num_hidden_layers", 0)]
    {
        let w = with(key, json!(value));
        let message = w.all().unwrap_err().to_string();
        assert!(message.contains("config.json"), "{message}");
    }
    with("num_hidden_layers", json!(u32::MAX)).fails(Unsupported, &["4294967295"]);
    with("vocab_size", json!(u32::MAX)).fails(Format, &["backbone.embeddings.weight", "shape"]);

    let mut w = with("sw_layers", json!([24]));
    w.config["sliding_something"] = json!(512);
    w.fails(Unsupported, &["sw_layers", "[24]", "sliding_something"]);

    let mut w = with("a_new_switch", json!(true));
    w.put("config.json", w.config.to_string());
    w.tensors.write(&w.path("model.safetensors"));
    let ignoring =
        |names: &[&str]| ConvertOptions { ignored_fields: names.iter().map(|&n| n.to_owned()).collect(), ..to("F32") };
    let report = w.run(&ignoring(&["a_new_switch"])).unwrap();
    assert!(report.notes.iter().any(|n| n.contains("a_new_switch")), "{:?}", report.notes);
    refused(w.run(&ignoring(&["not_there"])), InvalidArgument, &["not_there"]);
    refused(w.run(&ignoring(&["hidden_size", "a_new_switch"])), InvalidArgument, &["hidden_size"]);

    w.config = Value::Null;
    w.fails(Format, &["config.json"]);
    w.put("config.json", "{\"hidden_size\": 32, \"hidden_size\": 64}");
    refused(w.run(&to("F32")), Format, &["config.json", "hidden_size", "twice"]);
    w.put("config.json", vec![b' '; (1 << 20) + 1]);
    refused(w.run(&to("F32")), Unsupported, &["config.json", "limit"]);
    std::fs::remove_file(w.path("config.json")).unwrap();
    refused(w.run(&to("F32")), Io, &["config.json"]);
}

/// A published-style config with one field changed, beside the tensors of a fixture.
#[test]
fn ramba_configs_that_do_not_fit() {
    let folder = fixtures().join("base");
    let config: Value = {
        let text = std::fs::read_to_string(folder.join("config.json")).unwrap().replace("Infinity", "null");
        serde_json::from_str(&text).unwrap()
    };
    let with = |key: &str, value: Value| {
        let mut w = World::new(64);
        w.config = config.clone();
        w.config["time_step_limit"] = Value::Null;
        w.config[key] = value;
        w.tensors = Tensors::read(&folder.join("model.safetensors"));
        w
    };
    with("segment_size", json!(-1)).all().unwrap();
    with("stick_breaking", json!(true)).all().unwrap();
    with("stick_breaking", json!(false)).fails(Unsupported, &["stick_breaking", "enable_softmax"]);
    for (key, value) in [
        ("num_upper_groups", json!(0)),
        ("num_upper_groups", json!(2)),
        ("num_mamba_per_gca", json!(0)),
        ("num_mamba_per_gca", json!(2)),
        ("num_attention_heads", json!(0)),
        ("num_attention_heads", json!(3)),
        ("num_kv_heads", json!(0)),
        ("num_kv_heads", Value::Null),
        ("chunk_size", Value::Null),
        ("chunk_topk", json!("all")),
        ("segment_size", json!(-2)),
    ] {
        with(key, value).fails(Format, &["config.json", key]);
    }
    for (key, word) in
        [("chunk_size", "chunk.size"), ("chunk_topk", "chunk.top_k"), ("segment_overlap", "segment.overlap")]
    {
        let message = with(key, json!(999_999)).all().unwrap_err().to_string();
        assert!(message.contains("config.json") && message.contains(word), "{message}");
    }
    with("encoder_layers", json!(0)).fails(Format, &["layers.1.norm.weight", "missing"]);
    with("encoder_layers", json!(2)).fails(Format, &["encoder.layers.1", "missing"]);
    with("enable_qk_norm", json!(true)).fails(Format, &["k_rmsnorm.weight", "missing"]);
    with("retrieval_dim", json!(32)).fails(Format, &["lmk_ln.weight", "[32, 16]"]);
    for (key, value) in
        [("hsa_only", json!(false)), ("skip_hsa", json!(true)), ("insert_lmk", json!(true)), ("block_q", json!(64))]
    {
        with(key, value).fails(Unsupported, &["config.json", key]);
    }
}

#[test]
fn shards() {
    let w = World::new(64);
    w.put("config.json", w.config.to_string());
    let (mut first, mut second) = (w.tensors.clone(), Tensors::default());
    second.list = first.list.split_off(5);
    first.write(&w.path("a.safetensors"));
    second.write(&w.path("b.safetensors"));
    let map = |t: &Tensors, file: &str| t.list.iter().map(|(n, _, _)| (n.clone(), json!(file))).collect::<Vec<_>>();
    let index: serde_json::Map<_, _> =
        [map(&first, "a.safetensors"), map(&second, "b.safetensors")].concat().into_iter().collect();
    let try_index = |weight_map: &serde_json::Map<String, Value>| {
        w.put("model.safetensors.index.json", json!({"metadata": {}, "weight_map": weight_map}).to_string());
        w.run(&to("F32"))
    };
    try_index(&index).unwrap();
    let changed = |name: &str, file: Option<&str>| {
        let mut map = index.clone();
        match file {
            Some(file) => map.insert(name.to_owned(), json!(file)),
            None => map.remove(name),
        };
        map
    };
    let name = "backbone.norm_f.weight";
    refused(try_index(&changed(name, Some("b.safetensors"))), Format, &[name, "b.safetensors"]);
    refused(try_index(&changed(name, None)), Format, &[name, "does not list"]);
    refused(try_index(&changed("more", Some("a.safetensors"))), Format, &["more"]);
    refused(try_index(&changed(name, Some("c.safetensors"))), Io, &["c.safetensors"]);
    for file in ["../a.safetensors", "/etc/passwd", "", ".", "..", "x/..", "sub\\a"] {
        refused(try_index(&changed(name, Some(file))), Format, &["is not the name of a file"]);
    }
    second.list.push(first.list[0].clone());
    second.write(&w.path("b.safetensors"));
    refused(try_index(&index), Format, &["backbone.embeddings.weight", "two shards"]);
    w.put("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"b\", \"a\": \"b\"}}");
    refused(w.run(&to("F32")), Format, &["index.json", "\"a\" occurs twice"]);
    std::fs::remove_file(w.path("model.safetensors.index.json")).unwrap();
    refused(w.run(&to("F32")), Format, &["neither", "model.safetensors.index.json"]);
    w.put("pytorch_model.bin", "pickle");
    refused(w.run(&to("F32")), Unsupported, &["pytorch_model.bin", "models/recipe/bin_to_safetensors.py"]);
}

#[test]
fn no_mutation_of_a_file_panics() {
    let w = World::new(16);
    w.put("config.json", w.config.to_string());
    let sound = w.tensors.bytes();
    let header = 8 + u64::from_le_bytes(sound[..8].try_into().unwrap()) as usize;
    let mut accepted = 0;
    for at in (0..header).step_by(3) {
        for byte in [0, b'0', b'9', b'"', b'}', 0xff] {
            let mut bytes = sound.clone();
            bytes[at] = byte;
            w.put("model.safetensors", &bytes);
            accepted += usize::from(w.run(&to("F32")).is_ok());
        }
    }
    for cut in (0..sound.len()).step_by(97) {
        w.put("model.safetensors", &sound[..cut]);
        assert!(w.run(&to("F32")).is_err(), "cut at {cut}");
    }
    assert!(accepted < header / 4, "{accepted} of the changes had no effect");
}

#[test]
fn nothing_is_left_of_a_failure() {
    let w = World::new(64);
    w.put("config.json", w.config.to_string());
    w.tensors.write(&w.path("model.safetensors"));
    let out = w.path("kept.gguf");
    std::fs::write(&out, "before").unwrap();
    let mut calls = 0;
    let stopped = convert(w.dir.path(), &out, &to("F32"), &mut |p| {
        calls += 1;
        assert!(p.written <= p.total);
        if p.tensor == "blk.0.ssm_a" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    refused(stopped, ErrorKind::Cancelled, &["stopped"]);
    assert_eq!((std::fs::read(&out).unwrap(), calls > 5), (b"before".to_vec(), true));
    assert_eq!(std::fs::read_dir(w.dir.path()).unwrap().count(), 3);

    convert(w.dir.path(), &out, &to("F32"), &mut on).unwrap();
    assert!(std::fs::read(&out).unwrap().starts_with(b"GGUF"), "a file is replaced when the new one is complete");
    refused(convert(w.dir.path(), w.path("no/where.gguf"), &to("F32"), &mut on), Io, &["where.gguf"]);
    refused(convert(w.dir.path(), w.dir.path(), &to("F32"), &mut on), InvalidArgument, &["folder"]);
    refused(convert(w.path("nowhere"), &out, &to("F32"), &mut on), Io, &["nowhere"]);
}

mod types {
    use super::*;

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
            let (errors, values) =
                a.iter().zip(&b).fold((0.0, 0.0), |(e, v), (a, b)| (e + square(a - b), v + square(*a)));
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
}

mod tokenizer {
    use super::*;

    fn json_of(name: &str) -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn world() -> World {
        let w = World::new(1030);
        w.put("config.json", w.config.to_string());
        w.tensors.write(&w.path("model.safetensors"));
        w
    }

    #[test]
    fn the_ids_are_those_of_the_shipped_model() {
        let w = world();
        w.put("tokenizer.json", json_of("models/recipe/small-tokenizer.json").to_string());
        let out = w.path("model.gguf");
        convert(w.dir.path(), &out, &to("F32"), &mut on).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/ramba-small.gguf");
        let open = |path: &Path| Engine::open(path, &EngineOptions { threads: 1, ..EngineOptions::default() }).unwrap();
        let text = "The pass key of QXRT is 482913.\n\n  Übermäßig, 我们 — <|end|> he'd say 3.14.";
        let (ours, theirs) = (open(&out), open(&shipped));
        assert_eq!(ours.tokenize(text).unwrap(), theirs.tokenize(text).unwrap());
        let weights = Weights::open(&out).unwrap();
        let gguf = weights.gguf();
        assert_eq!(gguf.str("tokenizer.ggml.pre").unwrap(), "ramba");
        assert_eq!(gguf.u32("tokenizer.ggml.eos_token_id").unwrap(), 1, "found by its text");
        assert_eq!(gguf.strings("tokenizer.ggml.tokens").unwrap().get(1029), Some("[PAD1029]"));
    }

    #[test]
    fn tokenizers_that_are_not_understood() {
        let w = world();
        let sound = json_of("models/recipe/small-tokenizer.json");
        let with = |change: &dyn Fn(&mut Value), kind: ErrorKind, words: &[&str]| {
            let mut json = sound.clone();
            change(&mut json);
            w.put("tokenizer.json", json.to_string());
            refused(w.run(&to("F32")), kind, &[&["tokenizer.json"], words].concat());
        };
        with(&|t| t["model"]["type"] = json!("Unigram"), Unsupported, &["Unigram"]);
        with(&|t| t["model"]["byte_fallback"] = json!(true), Unsupported, &["byte_fallback"]);
        with(&|t| t["model"]["ignore_merges"] = json!(true), Unsupported, &["ignore_merges"]);
        with(&|t| t["model"]["end_of_word_suffix"] = json!("</w>"), Unsupported, &["end_of_word_suffix"]);
        with(&|t| t["normalizer"] = json!({"type": "NFKC"}), Unsupported, &["normalizer", "NFKC"]);
        with(&|t| t["normalizer"] = json!({"type": "NFC"}), Unsupported, &["normal form C"]);
        with(&|t| t["pre_tokenizer"] = Value::Null, Unsupported, &["pre_tokenizer"]);
        with(
            &|t| t["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = json!(true),
            Unsupported,
            &["pre_tokenizer"],
        );
        with(
            &|t| t["pre_tokenizer"]["pretokenizers"][0]["individual_digits"] = json!(false),
            Unsupported,
            &["pre_tokenizer"],
        );
        with(&|t| t["post_processor"] = json!({"type": "TemplateProcessing"}), Unsupported, &["post_processor"]);
        with(&|t| t["decoder"] = json!({"type": "WordPiece"}), Unsupported, &["decoder"]);
        with(&|t| t["added_tokens"][0]["lstrip"] = json!(true), Unsupported, &["<|pad|>", "lstrip"]);
        with(&|t| t["added_tokens"][0]["id"] = json!(7), Format, &["<|pad|>", "id 7"]);
        with(&|t| t["added_tokens"][0]["id"] = json!(5000), Format, &["5000", "1030"]);
        with(&|t| t["model"]["vocab"]["new"] = json!(7), Format, &["id 7"]);
        with(&|t| t["model"]["vocab"]["new"] = json!(4_000_000_000u32), Format, &["4000000000"]);
        with(&|t| t["model"]["vocab"]["new"] = json!(-1), Format, &["-1"]);
        with(&|t| t["model"]["merges"][0] = json!(["a b", "c"]), Unsupported, &["a b"]);
        with(&|t| t["model"]["merges"][0] = json!("nothing"), Format, &["merge 0"]);
        with(&|t| t["model"]["merges"][0] = json!(7), Format, &[]);
        with(&|t| t["model"]["vocab"] = json!({}), Format, &["byte"]);
        with(&|t| *t = json!([]), Format, &[]);
        w.put("tokenizer.json", vec![b' '; (16 << 20) + 1]);
        refused(w.run(&to("F32")), Unsupported, &["tokenizer.json", "limit"]);
        w.put("tokenizer.json", format!("{{\"normalizer\": {}", "[".repeat(100_000)));
        refused(w.run(&to("F32")), Format, &["tokenizer.json", "recursion"]);
    }
}
