//! What several tests, benchmarks and fuzz targets share.

pub mod build;
pub mod checkpoint;
pub mod chunks;
pub mod document;
pub mod gguf;
pub mod model;
pub mod naive;
pub mod numbers;
pub mod pdf;
pub mod random;
pub mod require;

use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The smaller of the two models that come with the repository: it finds pass keys, fast, and tests ask it for these.
pub fn shipped() -> PathBuf {
    root().join("models/ramba-small.gguf")
}

/// A file or folder of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures").join(name)
}
