//! How much memory a model will take, from its header alone.

use super::{Device, EngineOptions, Session, SessionOptions};
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
        // That of an answer; and where the recurrence carries on, those that the document goes on with, and that answers start from.
        let states = if config.segments.size().is_some() { 1 } else { 3 };
        // What is read again with a question in sight has a state and activations of its own.
        let again = u64::from(config.rereading.is_some());
        let mut needs = Self {
            weights: gguf.tensors().iter().map(|t| t.bytes as u64).sum(),
            repacked: repacked_bytes(gguf),
            threads,
            working: (threads as u64 + again) * scratch_bytes(&config),
            state: (states + again) * state_bytes(&config),
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

/// Memory that a model and a session take, in bytes: [estimated](Usage::estimate) before anything is loaded, or as it is
/// [now](Session::usage).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Usage {
    /// The tensors, mapped from the file: the system can drop their pages.
    pub weights: u64,
    /// Weights that are repacked into memory of the process.
    pub repacked: u64,
    /// About the activations of threads, and what kernels take besides.
    pub scratch: u64,
    /// Recurrent states.
    pub state: u64,
    /// Chunk memories in RAM, within the [budget](SessionOptions::budget). Of all that is here, only this and `disk` depend on the
    /// length of a document, and this no longer when the budget is used.
    pub cache: u64,
    /// Chunk memories on disk, with their text.
    pub disk: u64,
}

impl Usage {
    /// What a session takes of the model with this header when it has read a document of so many tokens and bytes of text and answered a
    /// question, if it runs on the CPU.
    ///
    /// ```no_run
    /// use ramba::weights::Weights;
    /// use ramba::{EngineOptions, SessionOptions, Usage};
    ///
    /// # fn main() -> ramba::Result<()> {
    /// let weights = Weights::open("models/ramba-small.gguf".as_ref())?;
    /// let (engine, session) = (EngineOptions::default(), SessionOptions::default().budget(32 << 20));
    /// let usage = Usage::estimate(weights.gguf(), &engine, &session, 1 << 20, 2_800_000)?;
    /// println!("{} MiB of RAM, {} MiB of disk", usage.anonymous() >> 20, usage.disk >> 20);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`MemoryNeeds::of`], and `Capacity` if the budget is too small.
    pub fn estimate(
        gguf: &Gguf,
        engine: &EngineOptions,
        session: &SessionOptions,
        tokens: u64,
        bytes: u64,
    ) -> Result<Self> {
        let needs = MemoryNeeds::of(gguf, engine.threads, session.precision)?;
        let config = Config::from_gguf(gguf)?;
        let mut usage = Self {
            weights: needs.weights,
            repacked: if repacks(engine) { needs.repacked } else { 0 },
            scratch: needs.working,
            state: needs.state,
            cache: 0,
            disk: 0,
        };
        if let Some(shape) = config.chunk_shape() {
            let chunks = tokens.div_ceil(needs.chunk_tokens);
            usage.cache = ChunkMemory::most_bytes(&shape, session.precision, session.budget, chunks)?;
            if let Some(rereading) = config.rereading {
                usage.cache += needs.least_budget;
                if rereading.lexical_weight > 0.0 {
                    usage.scratch += super::lexical::most_bytes(bytes);
                }
            }
            usage.disk = ChunkMemory::file_bytes(&shape, session.precision, chunks, bytes)?;
        }
        Ok(usage)
    }

    /// What the process takes that the system cannot drop: what Android and containers count.
    pub fn anonymous(&self) -> u64 {
        self.repacked + self.scratch + self.state + self.cache
    }
}

impl Session {
    /// What the model and this session take now.
    pub fn usage(&self) -> Usage {
        let (engine, config) = (self.engine(), self.engine().config());
        let again = self.generation.rereading_bytes();
        let scratches = self.resources.scratches.len() as u64 + u64::from(again.is_some());
        let states = self.reader.states() + self.generation.states();
        let memory = self.resources.memory.as_ref();
        Usage {
            weights: engine.gguf().tensors().iter().map(|t| t.bytes as u64).sum(),
            repacked: if engine.shared.repacked { repacked_bytes(engine.gguf()) } else { 0 },
            scratch: scratches * scratch_bytes(config),
            state: states * state_bytes(config),
            cache: memory.map_or(0, ChunkMemory::reserved_bytes) + again.unwrap_or(0),
            disk: self.disk_bytes(),
        }
    }
}

/// Whether the CPU repacks weights.
pub(super) fn repacks(options: &EngineOptions) -> bool {
    options.device == Device::Cpu && !options.no_repack
}

/// Bytes of the tensors that are repacked.
fn repacked_bytes(gguf: &Gguf) -> u64 {
    // An embedding that is not the output matrix too is only looked up.
    let looked_up = gguf.tensor("output.weight").map(|_| "token_embd.weight");
    let kept = |t: &&TensorInfo| is_kept(t.dtype, t.bytes) && Some(t.name.as_str()) != looked_up;
    gguf.tensors().iter().filter(kept).map(|t| t.bytes as u64).sum()
}

/// Bytes of a recurrent state.
fn state_bytes(config: &Config) -> u64 {
    let ssm = &config.ssm;
    let per_block = (ssm.conv - 1) * ssm.conv_channels() + ssm.inner * ssm.state;
    4 * (config.blocks * per_block) as u64
}

/// About the bytes that a thread takes to work in.
fn scratch_bytes(config: &Config) -> u64 {
    4 * activations(config) as u64 * 5 / 4
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
