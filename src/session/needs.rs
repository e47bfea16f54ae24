//! How much memory a model will take, from its header alone.

use crate::Result;
use crate::cpu::is_kept;
use crate::gguf::{Gguf, TensorInfo};
use crate::memory::{ChunkMemory, Precision};
use crate::model::Config;

/// Tokens that the model computes at once.
const TILE: usize = 256;

/// What opening a model and a session will take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryNeeds {
    /// The tensors. They are mapped from the file: the system brings them in as they are used and can drop them again.
    pub weights: u64,
    /// Of these, what the CPU repacks or copies into memory of the process, unless [asked not to](crate::EngineOptions::no_repack): quantized
    /// matrices, and large ones of plain floats. Their pages of the file are given back then.
    pub repacked: u64,
    /// Worker threads that `working` is for.
    pub threads: usize,
    /// Working memory of a session that uses all threads: its activations, and about what the kernels take besides.
    pub working: u64,
    /// The recurrent states of a session.
    pub state: u64,
    /// The least [budget](crate::SessionOptions::budget) of chunk memories with which a token can read all its chunks;
    /// 0 for a model without chunks. More holds more of them in RAM and reads less from disk.
    pub least_budget: u64,
    /// Tokens in a chunk; 0 for a model without.
    pub chunk_tokens: u64,
    /// Bytes that a chunk takes on disk, without the files' padding.
    pub chunk_bytes: u64,
}

impl MemoryNeeds {
    /// The needs of the model with this header, for `threads` worker threads (0: one per core) and chunk memories in
    /// `precision`.
    ///
    /// # Errors
    /// `Unsupported` for another architecture or values beyond this build's bounds, `Format` for hyperparameters that do not fit;
    /// `InvalidArgument` for more threads than [`MAX_THREADS`](crate::MAX_THREADS).
    pub fn of(gguf: &Gguf, threads: usize, precision: Precision) -> Result<Self> {
        let config = Config::from_gguf(gguf)?;
        let threads = super::engine::threads(threads)?;
        let values = |n: usize| 4 * n as u64;
        let ssm = &config.ssm;
        let per_block = (ssm.conv - 1) * ssm.conv_channels() + ssm.inner * ssm.state;
        // That of an answer; and where the recurrence carries on, those that the document goes on with, and that answers start from.
        let states = if config.segments.size().is_some() { 1 } else { 3 };
        // What is read again with a question in sight has a state and activations of its own.
        let again = u64::from(config.rereading.is_some());
        // An embedding that is not the output matrix too is only looked up.
        let looked_up = gguf.tensor("output.weight").map(|_| "token_embd.weight");
        let kept = |t: &&TensorInfo| is_kept(t.dtype, t.bytes) && Some(t.name.as_str()) != looked_up;
        let mut needs = Self {
            weights: gguf.tensors().iter().map(|t| t.bytes as u64).sum(),
            repacked: gguf.tensors().iter().filter(kept).map(|t| t.bytes as u64).sum(),
            threads,
            working: (threads as u64 + again) * values(activations(&config)) * 5 / 4,
            state: (states + again) * values(config.blocks * per_block),
            least_budget: 0,
            chunk_tokens: 0,
            chunk_bytes: 0,
        };
        if let (Some(shape), Some(hsa)) = (config.chunk_shape(), &config.hsa) {
            needs.least_budget = ChunkMemory::minimum_budget(&shape, precision, hsa.top_k * hsa.retrieval_heads)?;
            needs.chunk_tokens = shape.chunk_size as u64;
            needs.chunk_bytes = ChunkMemory::chunk_bytes(&shape, precision)?;
        }
        Ok(needs)
    }
}

/// About the values in the activations of one thread: those of [`Model::scratch`](crate::model::Model::scratch).
fn activations(config: &Config) -> usize {
    let (hidden, ssm) = (config.hidden, &config.ssm);
    let tile = TILE;
    let blocks = tile * (2 * hidden + ssm.projected() + ssm.inner);
    let head = 2 * hidden + 2 * config.vocab;
    let Some(hsa) = &config.hsa else { return blocks + head };
    let enc = &hsa.encoder;
    let memory = hsa.head_dim(hidden) * hsa.kv_heads;
    let per_row = match enc.blocks {
        0 => 2 * hidden,
        _ => 4 * hidden + 2 * (hidden / enc.heads * enc.kv_heads) + 2 * enc.feed_forward,
    };
    // Keys and values twice: where they are computed, and copied to the host.
    let encoder = (tile + tile / hsa.chunk_size) * (per_row + 4 * memory);
    blocks + head + encoder + tile * (4 * hidden + hsa.retrieval_width)
}
