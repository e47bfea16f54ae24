//! The chunk memory: what the model remembers of a document of any length, in a fixed amount of RAM.

mod shape;
mod topk;

pub use shape::{ChunkShape, ChunkView, KvData, LandmarkBlock, LandmarkData, Precision};
pub use topk::{Candidate, MAX_TOP_K, TopK};
