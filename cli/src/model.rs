//! Which model file is used.

use std::path::{Path, PathBuf};

use ramba::{Error, ErrorKind, Result};

/// The model file to use: `given`, or the shipped one, looked for in the repository, in the crate as it is published, and under
/// the current folder.
///
/// # Errors
/// `Io` if none is given and the shipped one is not there.
pub fn path(given: Option<&Path>) -> Result<PathBuf> {
    const SHIPPED: &str = "models/ramba-small.gguf";
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    [package.with_file_name(SHIPPED), package.join(SHIPPED), PathBuf::from(SHIPPED)]
        .into_iter()
        .find(|p| p.is_file())
        .ok_or_else(|| Error::new(ErrorKind::Io, format!("{SHIPPED} is not here: give a model file with --model")))
}
