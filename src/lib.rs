//! RAMba inference: Mamba-2 with Hierarchical Sparse Attention, in bounded memory.

mod error;
pub mod memory;

pub use error::{Error, ErrorKind, Result};
