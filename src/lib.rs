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
//! An [`Engine`] is a loaded model, a [`Session`] one growing document. The modules are for programs that look at model files or make them.
//! What the rest is made of is seen with the feature `unstable`, and may change with any version: backends, layers, chunk memories.

#![cfg_attr(
    not(feature = "unstable"),
    allow(dead_code, unused_imports, reason = "some of the inside is used from outside alone")
)]

mod aligned;
mod bytes;
mod cancel;
// Unit tests link the library a second time, for tests/support, and names for C cannot be there twice.
#[cfg(all(feature = "capi", not(test)))]
pub mod capi;
#[cfg(feature = "convert")]
pub mod convert;
mod error;
mod fingerprint;
pub mod gguf;
pub mod onnx;
mod options;
mod room;
pub mod sampler;
mod session;
mod slots;
mod unfinished;
pub mod weights;

#[cfg(feature = "unstable")]
pub mod backend;
#[cfg(feature = "unstable")]
pub mod chunk_encoder;
#[cfg(feature = "unstable")]
pub mod cpu;
#[cfg(all(feature = "cuda", feature = "unstable"))]
pub mod cuda;
#[cfg(feature = "unstable")]
pub mod memory;
#[cfg(feature = "unstable")]
pub mod model;
#[cfg(feature = "unstable")]
pub mod quant;
#[cfg(feature = "unstable")]
pub mod tokenizer;
#[cfg(feature = "unstable")]
pub mod topk;

#[cfg(not(feature = "unstable"))]
mod backend;
#[cfg(not(feature = "unstable"))]
mod chunk_encoder;
#[cfg(not(feature = "unstable"))]
mod cpu;
#[cfg(all(feature = "cuda", not(feature = "unstable")))]
mod cuda;
#[cfg(not(feature = "unstable"))]
mod memory;
#[cfg(not(feature = "unstable"))]
mod model;
#[cfg(not(feature = "unstable"))]
mod quant;
#[cfg(not(feature = "unstable"))]
mod tokenizer;
#[cfg(not(feature = "unstable"))]
mod topk;

pub use cancel::Cancel;
pub use chunk_encoder::{EncoderOptions, OrtOptions, Provider};
pub use cpu::MAX_THREADS;
pub use error::{Error, ErrorKind, Result, printable};
pub use memory::{Mark, Original, Precision};
pub use quant::DType;
pub use sampler::SamplerOptions;
pub use session::{
    Answer, AskOptions, Catalogue, Damage, Decoding, Device, DocumentInfo, Engine, EngineOptions, Library, MemoryNeeds,
    OnProgress, Progress, Quote, Session, SessionOptions, Source, StopReason, Support, Usage,
};
pub use weights::OnLoad;
