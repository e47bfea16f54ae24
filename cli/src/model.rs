//! Which model is used.

use std::borrow::Cow;
use std::path::Path;

use ramba::weights::Weights;
use ramba::{Engine, EngineOptions, Result};

/// The model that comes with the program, and is in it: there is one wherever that is installed.
static SHIPPED: &[u8] = include_bytes!("../models/ramba-small.gguf");

/// Opens the model file `given`, or the shipped model.
///
/// # Errors
/// Those of [`Engine::open`].
pub fn open(given: Option<&Path>, options: &EngineOptions) -> Result<Engine> {
    match given {
        Some(path) => Engine::open(path, options),
        None => Engine::from_bytes(Cow::Borrowed(SHIPPED), options),
    }
}

/// The header and the tensors of the model file `given`, or of the shipped model.
///
/// # Errors
/// Those of [`Weights::open`].
pub fn weights(given: Option<&Path>) -> Result<Weights> {
    match given {
        Some(path) => Weights::open(path),
        None => Weights::from_bytes(Cow::Borrowed(SHIPPED)),
    }
}

/// What the model is called.
pub fn name(given: Option<&Path>) -> String {
    given.map_or("ramba-small".into(), |path| path.display().to_string())
}
