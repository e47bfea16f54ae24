//! RAMba and plain Mamba-2: the weights, what a sequence carries from token to token, and the order of the layers.
//!
//! ```text
//! ids ─ embedding
//!     ─ lower Mamba-2 blocks
//!     ─ every S hidden states ─ chunk encoder ─ chunk memory
//!     ─ for each upper group: retrieval, then repeat: HSA layer, Mamba-2 blocks
//!     ─ norm ─ logits
//! ```
//!
//! Symbols in shapes: D hidden · T tokens of a tile · E, nh, P, N, Ng, W of a Mamba-2 block (see
//! [`SsmShape`](crate::backend::SsmShape)) · S chunk size · K chunks read per token · H query heads and G key/value
//! heads of width d · R retrieval width over Gr heads.

mod by_segment;
mod chunking;
mod config;
mod encoder;
mod hsa;
mod load;
mod mamba2;
mod retrieval;
mod scratch;
mod segment;
mod state;
mod tensors;

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::backend::{Backend, MambaScratch, Norm, Product, Rows, SsmState};
use crate::memory::{ChunkMemory, ChunkShape};
use crate::topk::TopK;
use crate::{Error, Result, room};

pub use crate::backend::Weighting;
pub use chunking::{ChunkEncoder, EncodedChunk, Memories, NativeEncoder};
pub use config::{Config, EncoderConfig, HsaConfig, RereadingConfig};
pub use retrieval::{RetrievedChunk, Trace};
pub use scratch::Scratch;
pub use segment::{Segment, Segments};
pub use state::State;

use chunking::Chunking;
use hsa::HsaLayer;
use mamba2::MambaBlock;
use retrieval::Retrieval;
use scratch::UpperScratch;

/// Most rows of logits computed at once.
const LOGIT_ROWS: usize = 16;

/// A loaded model: immutable, shared by all sequences.
pub struct Model<B: Backend> {
    config: Config,
    backend: B,
    /// (vocab, D)
    embedding: B::Weight,
    lower: Vec<MambaBlock<B>>,
    /// None for plain Mamba-2, whose blocks are all lower.
    upper: Option<Upper<B>>,
    /// (D)
    output_norm: B::Buffer,
    /// (vocab, D); without it the embedding is used
    output: Option<B::Weight>,
}

/// Everything after the lower blocks that makes a RAMba.
struct Upper<B: Backend> {
    hsa: HsaConfig,
    chunking: Chunking<B>,
    groups: Vec<Group<B>>,
}

/// Layers that read the same chunks.
struct Group<B: Backend> {
    retrieval: Retrieval<B>,
    layers: Vec<(HsaLayer<B>, Vec<MambaBlock<B>>)>,
}

/// Which logits a call is to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Logits {
    /// None: the tokens only change the state.
    #[default]
    None,
    /// Those after the last token, (vocab).
    Last,
    /// None to return: the highest after the last token go to [`Pass::top`], and the others stay on the device.
    Top,
    /// Those after every token, (n, vocab).
    All,
}

/// What a call of [`Model::forward`] reads and produces besides the state.
#[derive(Default)]
pub struct Pass<'a> {
    /// The chunk memories to read. Without them HSA adds nothing.
    pub memory: Option<&'a mut ChunkMemory>,
    /// If given, completed chunks are appended to `memory`; called with a chunk's number, it says which bytes of the
    /// source the chunk comes from. The number of a chunk is its first position / S, and must be the next one in the
    /// memory.
    pub remember: Option<&'a (dyn Fn(u64) -> Range<u64> + Sync)>,
    /// Leave the HSA layers out, as if no chunk were visible.
    pub skip_hsa: bool,
    /// Which logits to return.
    pub logits: Logits,
    /// For [`Logits::Top`]: filled as [`Operations::top_logits`](crate::backend::Operations::top_logits) does. Without
    /// a token it is left alone.
    pub top: Option<&'a mut TopK>,
    /// If given, what the tokens read is appended.
    pub trace: Option<&'a mut Trace>,
}

impl<B: Backend> Model<B> {
    /// Runs the whole model over `tokens`, which follow those of `state`, and returns the logits asked for.
    ///
    /// The recurrence is never restarted; see [`Model::advance`]. When a call fails, `state` is good for
    /// [`Model::reset`] only, and chunks may have been appended to the memory.
    ///
    /// # Errors
    /// `InvalidArgument` for a token that is not in the vocabulary, a state poisoned by an earlier failure, chunks that
    /// do not continue those of the memory, or [`Logits::Top`] without a place for them or of logits that cannot be
    /// right (see [`Operations::top_logits`](crate::backend::Operations::top_logits)); failures of the memory and of
    /// the device.
    pub fn forward<'s>(
        &self,
        state: &mut State<B>,
        scratch: &'s mut Scratch<B>,
        tokens: &[u32],
        mut pass: Pass<'_>,
    ) -> Result<&'s [f32]> {
        self.check(tokens, &pass)?;
        scratch.host_logits.clear();
        self.backend.run(|| self.tiles(state, scratch, tokens, &mut pass))?;
        Ok(&scratch.host_logits)
    }

    /// The tokens in tiles. Logits are appended to `s.host_logits`.
    fn tiles(&self, state: &mut State<B>, s: &mut Scratch<B>, tokens: &[u32], pass: &mut Pass<'_>) -> Result<()> {
        if pass.memory.as_ref().is_some_and(|memory| Some(memory.shape()) != self.chunk_shape()) {
            return Err(Error::invalid("the chunk memory was not made for this model"));
        }
        state.begin()?;
        let mut left = tokens.len();
        for tile in tokens.chunks(self.tile()) {
            left -= tile.len();
            let read = self.layers(state, s, tile, pass)?;
            let from = state.position;
            state.position += tile.len() as u64;
            match pass.logits {
                Logits::All => self.logits(s, 0..tile.len())?,
                Logits::Last if left == 0 => self.logits(s, tile.len() - 1..tile.len())?,
                Logits::Top if left == 0 => self.top_logits(s, tile.len() - 1, pass)?,
                _ => {}
            }
            if read {
                self.trace(s, from, pass)?;
            }
            self.backend.flush()?;
        }
        state.end(tokens, self.config.segments.overlap() as usize);
        Ok(())
    }

    /// The forward pass up to the final norm, for the tokens of one tile: it leaves the residual stream in `s.x`.
    /// Whether chunk memories were read.
    fn layers(&self, state: &mut State<B>, s: &mut Scratch<B>, tokens: &[u32], pass: &mut Pass<'_>) -> Result<bool> {
        let (config, backend, n) = (&self.config, &self.backend, tokens.len());
        let from = state.position;
        let State { blocks, incomplete, .. } = state;
        let Scratch { x, mamba, upper: upper_scratch, .. } = s;
        let (lower, upper) = blocks.split_at_mut(self.lower.len());

        // What the token may read is there before anything is computed.
        if let (1, Some(u), Some(us), Some(memory)) = (n, &self.upper, &mut *upper_scratch, pass.memory.as_deref_mut())
            && !pass.skip_hsa
        {
            us.reader.ready(backend, memory, u.hsa.visible(from, memory.len()))?;
        }

        // Embed, lower blocks.
        self.lower_half(tokens, 1, lower, x, mamba)?;
        let (Some(u), Some(us)) = (&self.upper, upper_scratch) else { return Ok(false) };
        let UpperScratch { chunking, retrieval, hsa, reader, .. } = us;

        // Remember.
        if let (Some(source), Some(incomplete)) = (pass.remember, incomplete) {
            let memory = pass.memory.as_deref_mut();
            let memory = memory.ok_or_else(|| Error::invalid("no memory to append chunks to"))?;
            follows(memory, from, incomplete.len, u.hsa.chunk_size)?;
            u.chunking.remember((config, &u.hsa, backend), x, n, incomplete, chunking, &mut |encoded| {
                encoded.iter().try_for_each(|chunk| {
                    let source = source(memory.len());
                    memory.append(chunk.keys, chunk.values, chunk.landmark, source).map(drop)
                })
            })?;
        }

        // Each upper group: select, then attend and Mamba-2 blocks by turns.
        let mut memory = pass.memory.as_deref_mut().filter(|_| !pass.skip_hsa);
        let (mut states, mut read) = (upper.iter_mut(), false);
        for (g, group) in u.groups.iter().enumerate() {
            let mut chosen = None;
            if let Some(memory) = memory.as_deref_mut()
                && group.retrieval.select((&u.hsa, backend), x, (n, from), (g, &mut *reader), memory, retrieval)?
            {
                (chosen, read) = (Some(memory), true);
            }
            for (layer, blocks) in &group.layers {
                if let Some(memory) = &mut chosen {
                    layer.forward(backend, x, n, reader, memory, hsa)?;
                }
                mamba2::forward((config, backend), blocks, &mut states, x, [1, n], mamba)?;
            }
        }
        Ok(read)
    }

    /// The embedding and the lower blocks, for `tokens` of `sequences` one after the other: `x` (sequences, n, D).
    fn lower_half(
        &self,
        tokens: &[u32],
        sequences: usize,
        states: &mut [SsmState<B::Buffer>],
        x: &mut B::Buffer,
        mamba: &mut MambaScratch<B::Buffer>,
    ) -> Result<()> {
        let size = [sequences, tokens.len() / sequences];
        self.backend.embed(&self.embedding, tokens, x)?;
        mamba2::forward((&self.config, &self.backend), &self.lower, states.iter_mut(), x, size, mamba)
    }

    /// Norm and head: leaves the logits of n rows of `s.x` from `first` on in `s.logits`, which has room for them.
    fn head(&self, s: &mut Scratch<B>, first: usize, n: usize) -> Result<()> {
        let (backend, width) = (&self.backend, self.config.hidden);
        let Scratch { x, head, head_norm, logits, .. } = s;
        let rows = if first == 0 {
            &*x
        } else {
            let at = |row: usize| Rows::of(row * width, width);
            backend.copy(x, at(first), head, at(0), [1, n], width)?;
            &*head
        };
        let norm = Norm { weight: &self.output_norm, width, eps: self.config.norm_eps };
        let output = self.output.as_ref().unwrap_or(&self.embedding);
        backend.norm_matmul(&norm, rows, n, head_norm, &mut [Product::new(output, logits)], false)
    }

    /// Appends the logits of `rows` of `s.x` to `s.host_logits`.
    fn logits(&self, s: &mut Scratch<B>, rows: Range<usize>) -> Result<()> {
        let at_once = rows.len().min(LOGIT_ROWS);
        s.make_head_room(self, at_once)?;
        for first in rows.clone().step_by(at_once.max(1)) {
            let n = at_once.min(rows.end - first);
            self.head(s, first, n)?;
            let before = s.host_logits.len();
            room::resize(&mut s.host_logits, before + n * self.config.vocab, 0.0)?;
            self.backend.read(&s.logits, s.host_logits.get_mut(before..).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Fills `pass.top` with the highest logits of row `row` of `s.x`.
    fn top_logits(&self, s: &mut Scratch<B>, row: usize, pass: &mut Pass<'_>) -> Result<()> {
        let Some(top) = pass.top.as_deref_mut() else { return Ok(()) };
        self.head(s, row, 1)?;
        self.backend.top_logits(&s.logits, self.config.vocab, top)
    }

    /// Appends what the tokens of the last tile, the first of them at `position`, have read to `pass.trace`.
    fn trace(&self, s: &mut Scratch<B>, position: u64, pass: &mut Pass<'_>) -> Result<()> {
        let (Some(u), Some(us), Some(trace)) = (&self.upper, &mut s.upper, pass.trace.as_deref_mut()) else {
            return Ok(());
        };
        let UpperScratch { retrieval, reader, .. } = us;
        u.groups.iter().enumerate().try_for_each(|(g, group)| {
            group.retrieval.trace(&self.backend, position, (g, &mut *reader), retrieval, trace)
        })
    }

    /// How long all groups take to choose chunks of `memory` for a token behind the last of them, `times` times, with the residual
    /// stream that the last call has left in `scratch`. A device that computes after the call is not waited for.
    pub(crate) fn search_time(&self, s: &mut Scratch<B>, memory: &mut ChunkMemory, times: u32) -> Result<Duration> {
        let Scratch { x, upper, .. } = s;
        let (Some(u), Some(us)) = (&self.upper, upper) else { return Ok(Duration::ZERO) };
        let UpperScratch { retrieval, reader, .. } = us;
        let position = memory.len() * u.hsa.chunk_size as u64;
        self.backend.run(|| {
            let started = Instant::now();
            for (g, group) in (0..times).flat_map(|_| u.groups.iter().enumerate()) {
                let token = (1, position);
                group.retrieval.select((&u.hsa, &self.backend), x, token, (g, &mut *reader), memory, retrieval)?;
            }
            Ok(started.elapsed())
        })
    }

    /// The hyperparameters.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The device.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// The shape of the model's chunk memories; `None` for plain Mamba-2.
    pub fn chunk_shape(&self) -> Option<ChunkShape> {
        self.config.chunk_shape()
    }

    fn chunk_size(&self) -> Option<usize> {
        self.config.hsa.as_ref().map(|hsa| hsa.chunk_size)
    }

    /// T: most tokens of a tile, whole chunks.
    pub fn tile(&self) -> usize {
        let wanted = self.backend.tile(self.config.hidden);
        self.chunk_size().map_or(wanted, |chunk| (wanted / chunk).max(1) * chunk)
    }

    fn check(&self, ids: &[u32], pass: &Pass<'_>) -> Result<()> {
        if pass.logits == Logits::Top && pass.top.is_none() {
            return Err(Error::invalid("there is no place for the highest logits"));
        }
        self.check_ids(ids)
    }

    fn check_ids(&self, ids: &[u32]) -> Result<()> {
        match ids.iter().find(|&&id| id as usize >= self.config.vocab) {
            Some(id) => Err(Error::invalid(format!("token {id} of a vocabulary of {}", self.config.vocab))),
            None => Ok(()),
        }
    }
}

/// Fails unless tokens from `position` on, with `begun` tokens of their chunk before them, continue `memory`.
fn follows(memory: &ChunkMemory, position: u64, begun: usize, chunk: usize) -> Result<()> {
    if position % chunk as u64 == begun as u64 && memory.len() == position / chunk as u64 {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "position {position} with {begun} tokens of a chunk begun does not continue a memory of {} chunks",
        memory.len()
    )))
}
