//! RAMba inference: Mamba-2 with Hierarchical Sparse Attention, in bounded memory.

mod error;

pub use error::{Error, ErrorKind, Result};
