//! RAMba inference: Mamba-2 with Hierarchical Sparse Attention, in bounded memory.

pub mod backend;
pub mod cpu;
mod error;
pub mod gguf;
pub mod memory;
pub mod model;
pub mod quant;
pub mod sampler;
pub mod tokenizer;
pub mod weights;

pub use error::{Error, ErrorKind, Result};
