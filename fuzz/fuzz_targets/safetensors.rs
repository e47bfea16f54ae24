//! Any bytes as the file of tensors beside a sound `config.json`: a conversion must not panic, hang or allocate by numbers of the file,
//! leaves nothing behind when it fails, and makes a sound model file when it does not.
#![no_main]

mod checkpoint;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(checkpoint::folder);

fuzz_target!(|file: &[u8]| {
    checkpoint::put(FOLDER.path(), "model.safetensors", file);
    checkpoint::check(FOLDER.path());
});
