//! RAMba inference: Mamba-2 with Hierarchical Sparse Attention, in bounded memory.
//!
//! ```no_run
//! use ramba::{AskOptions, Engine, EngineOptions, SessionOptions};
//!
//! # fn main() -> ramba::Result<()> {
//! let engine = Engine::open("models/ramba-small.gguf", &EngineOptions::default())?;
//! let mut session = engine.session(&SessionOptions::default())?;
//! session.feed("The pass key of QXRT is 482913. ")?;
//! session.feed("And so on, for as long as you like.")?;
//! let answer = session.answer("What is the pass key of QXRT?", &AskOptions::default())?;
//! println!("{}", answer.text);
//! for source in &answer.sources {
//!     println!("from bytes {:?} with weight {}", source.bytes, source.weight);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! An [`Engine`] is a loaded model, a [`Session`] one growing document. The other modules are what these are made of,
//! for programs that want to look at model files or to build on the parts.

pub mod backend;
#[cfg(feature = "capi")]
pub mod capi;
pub mod chunk_encoder;
#[cfg(feature = "convert")]
pub mod convert;
pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
mod error;
pub mod gguf;
pub mod memory;
pub mod model;
pub mod onnx;
mod options;
pub mod quant;
mod room;
pub mod sampler;
mod session;
mod slots;
pub mod tokenizer;
pub mod topk;
mod unfinished;
pub mod weights;

pub use chunk_encoder::{EncoderOptions, OrtOptions, Provider};
pub use error::{Error, ErrorKind, Result, printable};
pub use memory::Precision;
pub use sampler::SamplerOptions;
pub use session::{
    Answer, AskOptions, Decoding, Device, Engine, EngineOptions, MemoryNeeds, OnProgress, Progress, Session,
    SessionOptions, Source, StopReason, Support,
};
