//! Which model is used.

use std::borrow::Cow;
use std::path::PathBuf;

use clap::Args;
use ramba::weights::Weights;
use ramba::{Engine, EngineOptions, Error, Result};

/// The model that comes with the program, and is in it: there is one wherever that is installed.
static SHIPPED: &[u8] = include_bytes!("../models/ramba-qa.gguf");

/// What it is called.
const SHIPPED_NAME: &str = "ramba-qa";

/// The model file that was asked for, or the shipped model.
#[derive(Args, Clone, Default)]
pub struct ModelFile {
    /// The model file [default: the model that comes with the program, ramba-qa]
    #[arg(long = "model", value_name = "PATH", env = "RAMBA_MODEL", hide_env_values = true)]
    path: Option<PathBuf>,
}

impl ModelFile {
    /// Opens the model.
    ///
    /// # Errors
    /// Those of [`Engine::open`].
    pub fn open(&self, options: &EngineOptions) -> Result<Engine> {
        match &self.path {
            Some(path) => Engine::open(path, options),
            None => Engine::from_bytes(Cow::Borrowed(SHIPPED), options),
        }
    }

    /// Its header and tensors.
    ///
    /// # Errors
    /// Those of [`Weights::open`].
    pub fn weights(&self) -> Result<Weights> {
        match &self.path {
            Some(path) => Weights::open(path),
            None => Weights::from_bytes(Cow::Borrowed(SHIPPED)),
        }
    }

    /// What the model is called.
    pub fn name(&self) -> String {
        self.path.as_ref().map_or(SHIPPED_NAME.into(), |path| path.display().to_string())
    }
}

/// Why a library cannot be opened, with what to do about it here.
pub fn of_library(e: Error) -> Error {
    let message = e.to_string();
    match message.ends_with("the model that made it") {
        true => Error::new(e.kind(), format!("{message}: --model, or RAMBA_MODEL, names it")),
        false => e,
    }
}
