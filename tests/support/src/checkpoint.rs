//! A small checkpoint in the files that others save, sound or with everything set to nonsense, and what `convert` makes of it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ramba::convert::{ConvertOptions, Progress, Report, convert};
use ramba::{Error, ErrorKind, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

pub fn on(_: Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub fn to(types: &str) -> ConvertOptions {
    ConvertOptions::default().types(types.parse().unwrap()).no_tokenizer(true)
}

pub fn fixtures() -> PathBuf {
    crate::fixture("convert")
}

/// The `config.json` of a folder, without the numbers that JSON does not have.
pub fn config(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    serde_json::from_str(&text.replace("Infinity", "null")).unwrap()
}

/// A safetensors file to be. Everything may be set to nonsense.
#[derive(Clone, Default)]
pub struct Tensors {
    /// Name, entry of the header without its offsets, bytes.
    pub list: Vec<(String, Value, Vec<u8>)>,
}

impl Tensors {
    pub fn read(path: &Path) -> Self {
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

    pub fn add(&mut self, name: &str, shape: &[usize], value: f32) {
        let len = shape.iter().product();
        // Not all the same, so that a wrong order shows.
        let values = (0..len).flat_map(|i| (value + (i % 7) as f32 * 0.01).to_le_bytes());
        self.list.push((name.to_owned(), json!({"dtype": "F32", "shape": shape}), values.collect()));
    }

    pub fn find(&mut self, name: &str) -> &mut (String, Value, Vec<u8>) {
        self.list.iter_mut().find(|(n, _, _)| n == name).unwrap_or_else(|| panic!("{name}"))
    }

    pub fn header(&self) -> Value {
        let (mut header, mut at) = (json!({"__metadata__": {"format": "pt"}}), 0);
        for (name, entry, data) in &self.list {
            let mut entry = entry.clone();
            entry["data_offsets"] = json!([at, at + data.len()]);
            header[name] = entry;
            at += data.len();
        }
        header
    }

    pub fn bytes(&self) -> Vec<u8> {
        let data: Vec<u8> = self.list.iter().flat_map(|(_, _, data)| data.clone()).collect();
        file(&self.header().to_string(), &data)
    }

    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.bytes()).unwrap();
    }
}

pub fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// A small sound checkpoint in a folder of its own: plain Mamba-2 with one block, `vocab` tokens.
pub struct World {
    pub dir: TempDir,
    pub config: Value,
    pub tensors: Tensors,
}

impl World {
    pub fn new(vocab: usize) -> Self {
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

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Converts what lies in the folder.
    pub fn run(&self, options: &ConvertOptions) -> Result<Report> {
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
    pub fn all(&self) -> Result<Report> {
        self.put("config.json", self.config.to_string());
        self.tensors.write(&self.path("model.safetensors"));
        self.run(&to("F32"))
    }

    /// Expects a failure whose message has all of `words`.
    pub fn fails(&self, kind: ErrorKind, words: &[&str]) {
        refused(self.all(), kind, words);
    }

    /// With this as the file of tensors.
    pub fn fails_with(&self, bytes: &[u8], kind: ErrorKind, words: &[&str]) {
        self.put("config.json", self.config.to_string());
        self.put("model.safetensors", bytes);
        refused(self.run(&to("F32")), kind, words);
    }
}

pub fn refused<T>(done: Result<T>, kind: ErrorKind, words: &[&str]) {
    let error: Error = done.err().unwrap_or_else(|| panic!("accepted, where {words:?} was expected"));
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is missing in: {message}");
    }
    assert!(!message.chars().any(char::is_control), "{message}");
}
