//! A checkpoint one file of which is any bytes, shared by the targets of its files.

use std::ops::ControlFlow;
use std::path::Path;

use ramba::convert::{ConvertOptions, convert};
use ramba::model::Config;
use ramba::weights::Weights;
use tempfile::TempDir;

/// A folder with the parts of a sound checkpoint, in memory where the system has a place for that.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    let dir = dir.expect("a temporary folder");
    put(dir.path(), "config.json", include_bytes!("../../tests/fixtures/convert/base/config.json"));
    put(dir.path(), "model.safetensors", include_bytes!("../../tests/fixtures/convert/base/model.safetensors"));
    dir
}

pub fn put(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("room for a small file");
}

/// Converts what lies in `folder`: a file that a model can be made of, or a message that can be shown.
pub fn check(folder: &Path) {
    let out = folder.join("model.gguf");
    let options = ConvertOptions::default().no_tokenizer(true);
    match convert(folder, &out, &options, &mut |_| ControlFlow::Continue(())) {
        Ok(report) => {
            let weights = Weights::open(&out).expect("it was just written");
            Config::from_gguf(weights.gguf()).expect("checked before it was written");
            assert_eq!(weights.gguf().tensors().len(), report.tensors.len());
            for t in weights.gguf().tensors() {
                let tensor = weights.tensor(&t.name).expect("finite values");
                assert!(tensor.to_f32().expect("lengths were checked").iter().all(|v| v.is_finite()));
            }
            std::fs::remove_file(&out).expect("ours");
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.chars().any(char::is_control) && message.len() < 4096, "{message:?}");
            assert!(!out.exists());
        }
    }
    let left = std::fs::read_dir(folder).expect("ours").count();
    assert_eq!(left, 2, "something is left of a conversion");
}
