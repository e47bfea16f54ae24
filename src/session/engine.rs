//! The loaded model.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::chunk_encoder::{self, EncoderOptions};
use crate::cpu::MAX_THREADS;
use crate::fingerprint::Fingerprint;
use crate::gguf::Gguf;
use crate::model::Config;
use crate::options::setters;
use crate::session::device::{Device, Model};
use crate::session::needs;
use crate::session::{Session, SessionOptions};
use crate::tokenizer::Tokenizer;
use crate::weights::{OnLoad, Weights};
use crate::{Error, ErrorKind, Result};

/// How to open a model.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct EngineOptions {
    /// Where the model runs.
    pub device: Device,
    /// Worker threads, at most [`MAX_THREADS`](crate::MAX_THREADS); 0 takes one per core, for a CUDA device at
    /// most eight. Results do not depend on it.
    pub threads: usize,
    /// What encodes the chunks of documents.
    pub encoder: EncoderOptions,
    /// On the CPU, leave weights in the pages of the mapped file, which the system can drop when memory is short, instead of repacking
    /// quantized ones, and copying large ones of plain floats, into memory of the process, as much as the file has of them. Tokens of quantized
    /// models then take two to four times as long to generate; results are the same.
    pub no_repack: bool,
    /// Told how far opening has come, and may stop it.
    pub on_load: Option<OnLoad>,
}

setters!(EngineOptions {
    device: Device,
    threads: usize,
    encoder: EncoderOptions,
    no_repack: bool,
    on_load: impl Into<Option<OnLoad>>,
});

/// A loaded model: weights, tokenizer and worker threads. A clone is the same engine; sessions of one engine may be
/// used from several threads at once.
#[derive(Clone)]
pub struct Engine {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub weights: Weights,
    pub model: Model,
    /// Absent from files that were made for ids alone, and where it is of a kind that is not known.
    pub tokenizer: Option<Tokenizer>,
    /// Why there is none.
    without: String,
    /// Ends a text.
    pub eos: Option<u32>,
    /// Fills up the last chunk of a document.
    pad: u32,
    pub threads: usize,
    /// Whether weights were repacked.
    pub repacked: bool,
    /// What tells the encoder of chunks apart.
    encoder: Vec<u8>,
    fingerprint: OnceLock<Fingerprint>,
}

impl Engine {
    /// Opens the GGUF file of a model (architecture `ramba` or `mamba2`), or the first part of a split one. A file
    /// without a tokenizer that this build knows opens too: its sessions take token ids.
    ///
    /// The file is mapped into memory, not copied: it must not change while an engine uses it (see
    /// [`Weights::open`](crate::weights::Weights::open)).
    ///
    /// # Errors
    /// `Io` if a file cannot be read, `Format` if it is damaged or an ONNX file has other shapes than the model, `Unsupported` if it is
    /// of another kind or this build lacks the encoder's runtime, `InvalidArgument` if an encoder is named for a model without chunk
    /// memories or threads are too many, `Device` if ONNX Runtime cannot be loaded or its provider does not run the whole encoder,
    /// `Cancelled` if [`EngineOptions::on_load`] asked for it.
    pub fn open(path: impl AsRef<Path>, options: &EngineOptions) -> Result<Self> {
        let path = path.as_ref();
        let weights = Weights::open(path)?;
        Self::new(weights, options).map_err(|e| e.context(format_args!("model {}", path.display())))
    }

    /// [`Engine::open`] for a model file that is in memory: owned, or part of the program and then not copied.
    ///
    /// ```no_run
    /// # fn main() -> ramba::Result<()> {
    /// # use ramba::{Engine, EngineOptions};
    /// static MODEL: &[u8] = b"..."; // include_bytes!("model.gguf")
    /// let engine = Engine::from_bytes(MODEL, &EngineOptions::default())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for `open`, but `Io`; `Format` for a part of a split model as well.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>, options: &EngineOptions) -> Result<Self> {
        Self::new(Weights::from_bytes(bytes)?, options).map_err(|e| e.context("model in memory"))
    }

    fn new(weights: Weights, options: &EngineOptions) -> Result<Self> {
        let threads = match (options.device, options.threads) {
            // Each keeps a stream of the device busy.
            (Device::Cuda(_), 0) => threads(0)?.min(8),
            (_, n) => threads(n)?,
        };
        let gguf = weights.gguf();
        let (tokenizer, without) = match Tokenizer::from_gguf(gguf) {
            Ok(tokenizer) => (Some(tokenizer), String::new()),
            // The model runs without: it takes ids.
            Err(e) if e.kind() == ErrorKind::Unsupported => (None, e.to_string()),
            Err(e) => return Err(e),
        };
        let encoder = chunk_encoder::open(&options.encoder, &weights, threads)?;
        let watched = weights.watched(options.on_load.clone());
        let model = Model::load(&watched, options.device, threads, !options.no_repack, encoder)?;
        watched.loaded()?;
        let encoder = chunk_encoder::identity(&options.encoder)?;
        if let Some(tokenizer) = &tokenizer {
            // Padding of the embedding beyond the vocabulary is common and harmless; the reverse is not.
            if tokenizer.vocab_len() > model.config().vocab {
                return Err(Error::format(format!(
                    "the tokenizer has {} tokens, but token_embd.weight has {} rows",
                    tokenizer.vocab_len(),
                    model.config().vocab
                )));
            }
        }
        let special = |name: &str| -> Result<Option<u32>> {
            let key = format!("tokenizer.ggml.{name}");
            let (id, vocab) = (gguf.opt_u32(&key)?, model.config().vocab);
            match id {
                Some(id) if id as usize >= vocab => {
                    Err(Error::format(format!("{key} is {id}, but token_embd.weight has {vocab} rows")))
                }
                id => Ok(id),
            }
        };
        let eos = special("eos_token_id")?;
        let pad = special("padding_token_id")?.or(eos).unwrap_or(0);
        let fingerprint = OnceLock::new();
        let repacked = needs::repacks(options);
        let shared = Shared { weights, model, tokenizer, without, eos, pad, threads, repacked, encoder, fingerprint };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A new session: an empty document.
    ///
    /// # Errors
    /// `Capacity` if the budget is too small for this model, `Io` if the directory cannot be written.
    pub fn session(&self, options: &SessionOptions) -> Result<Session> {
        Session::new(self.clone(), options)
    }

    /// The hyperparameters of the model.
    pub fn config(&self) -> &Config {
        self.shared.model.config()
    }

    /// The metadata and tensor table of the file.
    pub fn gguf(&self) -> &Gguf {
        self.shared.weights.gguf()
    }

    /// Worker threads.
    pub fn threads(&self) -> usize {
        self.shared.threads
    }

    /// The tokens of `text`.
    ///
    /// # Errors
    /// `Unsupported` if the model file has no tokenizer.
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>> {
        self.tokenizer()?.encode(text)
    }

    /// The tokenizer of the file.
    ///
    /// # Errors
    /// `Unsupported` if it has none.
    pub fn tokenizer(&self) -> Result<&Tokenizer> {
        let why = &self.shared.without;
        let tokenizer = self.shared.tokenizer.as_ref();
        tokenizer.ok_or_else(|| {
            Error::unsupported(format!("the model file has no usable tokenizer and takes token ids only: {why}"))
        })
    }

    /// What tells the model and its tokenizer from others.
    pub(super) fn fingerprint(&self) -> &Fingerprint {
        let Shared { weights, encoder, fingerprint, .. } = &*self.shared;
        fingerprint.get_or_init(|| Fingerprint::of(weights, encoder))
    }

    /// The token that fills up the last chunk of a document.
    pub(super) fn pad(&self) -> u32 {
        self.shared.pad
    }
}

/// `wanted` threads, or one per core for 0.
///
/// # Errors
/// `InvalidArgument` for more than [`MAX_THREADS`].
pub(super) fn threads(wanted: usize) -> Result<usize> {
    match wanted {
        0 => Ok(std::thread::available_parallelism().map_or(1, |n| n.get()).min(MAX_THREADS)),
        1..=MAX_THREADS => Ok(wanted),
        n => Err(Error::invalid(format!("{n} threads: at most {MAX_THREADS}"))),
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("config", self.config())
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}
