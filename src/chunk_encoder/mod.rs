//! Chunk encoders other than the one that is built in: ONNX models, run by tract or by ONNX Runtime.
//!
//! The model is either made from the loaded one, so that another runtime or device does the same work, or comes from a
//! file of its own: an encoder that was trained on elsewhere takes the place of the built-in one if its inputs and outputs
//! have the names and shapes of `docs/onnx.md`.

#[cfg(feature = "ort")]
mod ort;
mod provider;
#[cfg(any(feature = "tract", feature = "ort", test))]
mod signature;
#[cfg(feature = "tract")]
mod tract;

use std::path::PathBuf;
use std::sync::Arc;

pub use provider::Provider;

use sha2::{Digest, Sha256};

use crate::model::ChunkEncoder;
use crate::options::setters;
use crate::weights::Weights;
use crate::{Error, Result};

/// What encodes the chunks of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EncoderOptions {
    /// The encoder of the model file, on the model's device.
    #[default]
    Native,
    /// An ONNX model run by tract, on the CPU; in builds with the feature `tract`.
    Tract {
        /// The ONNX file; without it, the model file's encoder is used.
        file: Option<PathBuf>,
    },
    /// An ONNX model run by ONNX Runtime; in builds with the feature `ort`.
    Ort(OrtOptions),
}

/// How ONNX Runtime is to run the encoder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct OrtOptions {
    /// The ONNX file; without it, the model file's encoder is used.
    pub file: Option<PathBuf>,
    /// The library of ONNX Runtime, 1.18 or later; without it, what the environment variable `ORT_DYLIB_PATH` names, or
    /// else the system's. A process loads one library: the first that is asked for. If that fails, so do all later attempts.
    pub library: Option<PathBuf>,
    /// What does the computing.
    pub provider: Provider,
    /// Whether the CPU may do what the provider cannot. Without this, a provider that is missing, or that leaves any operator
    /// to the CPU, is an error.
    pub allow_cpu: bool,
}

setters!(OrtOptions {
    file: impl Into<Option<PathBuf>>,
    library: impl Into<Option<PathBuf>>,
    provider: Provider,
    allow_cpu: bool,
});

/// The encoder that `options` ask for, with `threads` threads where it divides its work; `None` for the built-in one.
///
/// # Errors
/// `Unsupported` if this build lacks the runtime; `InvalidArgument` if the model of `weights` keeps no chunk memories;
/// `Io`, `Format` if the ONNX file cannot be read or is damaged, or has other shapes than the model; `Device` if ONNX
/// Runtime cannot be loaded, or its provider does not run the whole encoder.
pub fn open(options: &EncoderOptions, weights: &Weights, threads: usize) -> Result<Option<Arc<dyn ChunkEncoder>>> {
    match options {
        EncoderOptions::Native => Ok(None),
        #[cfg(feature = "tract")]
        EncoderOptions::Tract { file } => {
            let (signature, bytes) = load(file.as_deref(), weights)?;
            Ok(Some(Arc::new(tract::Tract::new(&bytes, signature).map_err(|e| in_file(e, file.as_deref()))?)))
        }
        #[cfg(feature = "ort")]
        EncoderOptions::Ort(options) => {
            let (signature, bytes) = load(options.file.as_deref(), weights)?;
            let encoder = ort::Ort::new(&bytes, signature, options, threads);
            Ok(Some(Arc::new(encoder.map_err(|e| in_file(e, options.file.as_deref()))?)))
        }
        #[allow(unreachable_patterns)]
        other => {
            let _ = (weights, threads);
            let feature = if matches!(other, EncoderOptions::Ort(_)) { "ort" } else { "tract" };
            Err(Error::unsupported(format!("this build has no encoder for ONNX by {feature} (feature `{feature}`)")))
        }
    }
}

/// What tells the encoder of `options` from others, where the model is the same: chunk memories of one are not those of another.
///
/// # Errors
/// `Io` if its file cannot be read.
pub(crate) fn identity(options: &EncoderOptions) -> Result<Vec<u8>> {
    let file = match options {
        EncoderOptions::Native => return Ok(b"native".to_vec()),
        EncoderOptions::Tract { file } | EncoderOptions::Ort(OrtOptions { file, .. }) => file.as_deref(),
    };
    let mut identity = b"onnx".to_vec();
    if let Some(path) = file {
        let bytes = std::fs::read(path).map_err(|e| Error::io(format!("reading the encoder {path:?}"), e))?;
        identity.extend_from_slice(&Sha256::digest(&bytes));
    }
    Ok(identity)
}

/// What the model of `weights` wants of an encoder, and the bytes of one.
#[cfg(any(feature = "tract", feature = "ort"))]
fn load(file: Option<&std::path::Path>, weights: &Weights) -> Result<(signature::Signature, Vec<u8>)> {
    let config = crate::model::Config::from_gguf(weights.gguf())?;
    let signature = signature::Signature::of(&config)?;
    let bytes = match file {
        None => crate::onnx::encoder(weights)?,
        Some(path) => read(path)?,
    };
    Ok((signature, bytes))
}

#[cfg(any(feature = "tract", feature = "ort"))]
fn read(path: &std::path::Path) -> Result<Vec<u8>> {
    let io = |e| Error::io(format!("reading the encoder {path:?}"), e);
    let meta = std::fs::metadata(path).map_err(io)?;
    if !meta.is_file() {
        return Err(io(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file")));
    }
    // More is no protocol buffer.
    if meta.len() > i32::MAX as u64 {
        return Err(Error::format(format!("encoder {path:?}: more than 2 GiB")));
    }
    std::fs::read(path).map_err(io)
}

#[cfg(any(feature = "tract", feature = "ort"))]
fn in_file(error: Error, file: Option<&std::path::Path>) -> Error {
    match file {
        Some(path) => error.context(format_args!("encoder {path:?}")),
        None => error.context("encoder of the model file"),
    }
}

/// Does `work` of a library that others wrote. Its panics become errors of kind `Format`: both loaders have places that take
/// a field for granted which a damaged file lacks. The panic's own message still goes to the panic hook.
#[cfg(any(feature = "tract", feature = "ort"))]
fn guarded<R>(what: &str, work: impl FnOnce() -> Result<R>) -> Result<R> {
    // What `work` had borrowed is only used again where a panic leaves it whole: see the callers.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::format(format!("{what} panicked: what it was given makes no sense to it"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn what_a_build_lacks_is_named() {
        let weights = Weights::from_bytes(include_bytes!("../../tests/fixtures/golden/base.gguf").to_vec()).unwrap();
        assert!(open(&EncoderOptions::Native, &weights, 1).unwrap().is_none());
        let lacking = [
            (!cfg!(feature = "tract"), EncoderOptions::Tract { file: None }, "`tract`"),
            (!cfg!(feature = "ort"), EncoderOptions::Ort(OrtOptions::default()), "`ort`"),
        ];
        for (_, options, feature) in lacking.iter().filter(|(lacks, ..)| *lacks) {
            let error = open(options, &weights, 1).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(feature), "{error}");
        }
    }
}
