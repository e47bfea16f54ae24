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
//! [`SsmShape`](crate::backend::SsmShape)) · S chunk size · K chunks read per token · H query heads and G key/value heads of
//! width d · R retrieval width over Gr heads.

mod config;
mod encoder;
mod hsa;
mod mamba2;
mod retrieval;
mod segment;

use std::collections::VecDeque;
use std::ops::Range;

use crate::backend::{Backend, Span as At, SsmState};
use crate::memory::{ChunkMemory, ChunkShape};
use crate::weights::Weights;
use crate::{Error, Result};

pub use config::{Config, EncoderConfig, HsaConfig, Weighting};
pub use encoder::EncodedChunk;
pub use retrieval::{Reading, Trace};
pub use segment::{Segments, Span};

use encoder::Encoder;
use hsa::HsaLayer;
use mamba2::Block;
use retrieval::{Retrieval, Selection};

/// Tokens computed at once, rounded to whole chunks: enough to make matrix products efficient, few enough to
/// keep the scratch small.
const TILE: usize = 256;

/// Most rows of logits computed at once.
const LOGIT_ROWS: usize = 16;

/// A loaded model: immutable, shared by all sequences.
pub struct Model<B: Backend> {
    config: Config,
    backend: B,
    /// (vocab, D)
    embedding: B::Weight,
    lower: Vec<Block<B>>,
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
    encoder: Encoder<B>,
    groups: Vec<Group<B>>,
}

/// Layers that read the same chunks.
struct Group<B: Backend> {
    retrieval: Retrieval<B>,
    layers: Vec<(HsaLayer<B>, Vec<Block<B>>)>,
}

/// What one sequence carries from token to token.
pub struct State<B: Backend> {
    /// One per Mamba-2 block, lower first.
    blocks: Vec<SsmState<B::Buffer>>,
    /// (S, D): outputs of the lower blocks for the tokens of the incomplete chunk.
    tail: Option<B::Buffer>,
    /// Rows of `tail` in use.
    tail_len: usize,
    /// Position of the next token.
    position: u64,
    /// Position at which the recurrence was zero.
    origin: u64,
    /// The last tokens, as many as a run-in needs.
    recent: VecDeque<u32>,
    /// Whether a failed call has left the state between two tokens.
    torn: bool,
}

/// Working memory of one call at a time: bounded, whatever the number of tokens.
pub struct Scratch<B: Backend> {
    /// (T, D) the residual stream
    x: B::Buffer,
    mamba: mamba2::Scratch<B>,
    upper: Option<UpperScratch<B>>,
    /// The recurrence of a segment that is read apart, lower blocks only; made when first needed.
    lower: Vec<SsmState<B::Buffer>>,
    /// (rows, D) rows of `x` that logits are wanted of
    head: B::Buffer,
    /// (rows, D)
    head_norm: B::Buffer,
    /// (rows, vocab)
    logits: B::Buffer,
    /// Rows of the three buffers above.
    head_rows: usize,
    /// (wanted, vocab)
    host_logits: Vec<f32>,
}

struct UpperScratch<B: Backend> {
    encoder: encoder::Scratch<B>,
    selection: Selection<B>,
    hsa: hsa::Scratch<B>,
}

/// Which logits a call is to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Logits {
    /// None: the tokens only change the state.
    #[default]
    None,
    /// Those after the last token, (vocab).
    Last,
    /// Those after every token, (n, vocab).
    All,
}

/// What a call of [`Model::forward`] reads and produces besides the state.
#[derive(Default)]
pub struct Pass<'a> {
    /// The chunk memories to read. Without them HSA adds nothing.
    pub memory: Option<&'a mut ChunkMemory>,
    /// If given, completed chunks are appended to `memory`; called with a chunk's number, it says which bytes of the
    /// source the chunk comes from. The number of a chunk is its first position / S, and must be the next one in the memory.
    pub remember: Option<&'a (dyn Fn(u64) -> Range<u64> + Sync)>,
    /// Leave the HSA layers out, as if no chunk were visible.
    pub skip_hsa: bool,
    /// Which logits to return.
    pub logits: Logits,
    /// If given, what the tokens read is appended.
    pub trace: Option<&'a mut Trace>,
}

impl<B: Backend> Model<B> {
    /// Loads the model of `weights`, checking every tensor's shape against the hyperparameters.
    ///
    /// # Errors
    /// As [`Config::from_gguf`], `Format` for missing or misshapen tensors, and failures of the device.
    pub fn load(weights: &Weights, backend: B) -> Result<Self> {
        let config = Config::from_gguf(weights.gguf())?;
        let (hidden, vocab) = (config.hidden, config.vocab);
        let blocks = |range: Range<usize>| -> Result<Vec<_>> {
            range.map(|i| Block::load(&config, weights, &backend, i)).collect()
        };
        let embedding = backend.weight(weights.matrix("token_embd.weight", vocab, hidden)?)?;
        let output = weights.try_matrix("output.weight", vocab, hidden)?.map(|t| backend.weight(t)).transpose()?;
        let output_norm = backend.vector(&weights.vector("output_norm.weight", hidden)?)?;
        let lower = blocks(0..config.lower_blocks)?;
        let upper = match &config.hsa {
            None => None,
            Some(hsa) => {
                let group = |g: usize| -> Result<Group<B>> {
                    let layer = |l: usize| -> Result<_> {
                        let first = config.lower_blocks + l * hsa.blocks_per_layer;
                        let layer = HsaLayer::load(&config, hsa, weights, &backend, l)?;
                        Ok((layer, blocks(first..first + hsa.blocks_per_layer)?))
                    };
                    let first = g * hsa.layers_per_group;
                    Ok(Group {
                        retrieval: Retrieval::load(&config, hsa, weights, &backend, g)?,
                        layers: (first..first + hsa.layers_per_group).map(layer).collect::<Result<_>>()?,
                    })
                };
                Some(Upper {
                    encoder: Encoder::load(&config, hsa, weights, &backend)?,
                    groups: (0..hsa.groups).map(group).collect::<Result<_>>()?,
                    hsa: hsa.clone(),
                })
            }
        };
        Ok(Self { embedding, lower, upper, output_norm, output, config, backend })
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

    /// Working memory for one call at a time.
    ///
    /// # Errors
    /// If the device has no memory for it.
    pub fn scratch(&self) -> Result<Scratch<B>> {
        let (config, backend) = (&self.config, &self.backend);
        let tokens = self.tile();
        let upper = match &config.hsa {
            None => None,
            Some(hsa) => Some(UpperScratch {
                // T is a multiple of S: with fewer than S tokens left by the tile before, no more than T / S chunks end.
                encoder: encoder::Scratch::new(config, hsa, backend, tokens / hsa.chunk_size)?,
                selection: Selection::new(config, hsa, backend, tokens)?,
                hsa: hsa::Scratch::new(config, backend, tokens)?,
            }),
        };
        Ok(Scratch {
            x: backend.buffer(tokens * config.hidden)?,
            mamba: mamba2::Scratch::new(config, backend, tokens)?,
            upper,
            lower: Vec::new(),
            head: backend.buffer(config.hidden)?,
            head_norm: backend.buffer(config.hidden)?,
            logits: backend.buffer(config.vocab)?,
            head_rows: 1,
            host_logits: Vec::new(),
        })
    }

    /// The state before the first token of a timeline.
    ///
    /// # Errors
    /// If the device has no memory for it.
    pub fn state(&self) -> Result<State<B>> {
        let (config, backend) = (&self.config, &self.backend);
        let tail = config.hsa.as_ref().map(|hsa| backend.buffer(hsa.chunk_size * config.hidden)).transpose()?;
        Ok(State {
            blocks: self.zero_states(config.blocks)?,
            tail,
            tail_len: 0,
            position: 0,
            origin: 0,
            recent: VecDeque::with_capacity(config.segments.overlap() as usize),
            torn: false,
        })
    }

    /// Sets `state` to zero at `position`, with no chunk begun.
    ///
    /// # Errors
    /// If the device has no memory for it.
    pub fn reset(&self, state: &mut State<B>, position: u64) -> Result<()> {
        state.blocks = self.zero_states(self.config.blocks)?;
        state.tail_len = 0;
        state.position = position;
        state.origin = position;
        state.recent.clear();
        state.torn = false;
        Ok(())
    }

    /// Makes `to` equal to `from`. Both must come from this model.
    ///
    /// # Errors
    /// `InvalidArgument` if they do not.
    pub fn copy_state(&self, from: &State<B>, to: &mut State<B>) -> Result<()> {
        let copy = |from: &B::Buffer, to: &mut B::Buffer, len: usize| {
            self.backend.copy(from, At { at: 0, stride: 0 }, to, At { at: 0, stride: 0 }, 1, len)
        };
        to.torn = true;
        for (from, to) in from.blocks.iter().zip(&mut to.blocks) {
            copy(&from.conv, &mut to.conv, self.config.ssm.conv_state_len())?;
            copy(&from.ssm, &mut to.ssm, self.config.ssm.ssm_state_len())?;
        }
        if let (Some(from_tail), Some(to_tail)) = (&from.tail, &mut to.tail) {
            copy(from_tail, to_tail, from.tail_len * self.config.hidden)?;
        }
        to.tail_len = from.tail_len;
        to.position = from.position;
        to.origin = from.origin;
        to.recent.clone_from(&from.recent);
        to.torn = from.torn;
        Ok(())
    }

    /// Reads one segment of a document apart from all others: lower blocks from a zero state, and the encoder.
    ///
    /// `tokens` are the `run_in` tokens before the segment and then the segment, a multiple of S. `emit` is called
    /// with the memory of each chunk in order. Segments may be read in any order and, each with its own scratch, at once.
    ///
    /// # Errors
    /// `InvalidArgument` if the model has no chunks, a token is not in the vocabulary or the lengths do not fit, and what
    /// `emit` returns.
    pub fn read_segment(
        &self,
        scratch: &mut Scratch<B>,
        tokens: &[u32],
        run_in: usize,
        emit: &mut (dyn FnMut(EncodedChunk<'_>) -> Result<()> + Send),
    ) -> Result<()> {
        let (Some(upper), Some(chunk)) = (&self.upper, self.chunk_size()) else {
            return Err(Error::invalid("this model keeps no chunk memories"));
        };
        self.check_ids(tokens)?;
        let Some((run_in, segment)) = tokens.split_at_checked(run_in) else {
            return Err(Error::invalid(format!("a run-in of {run_in} tokens out of {}", tokens.len())));
        };
        if !segment.len().is_multiple_of(chunk) {
            return Err(Error::invalid(format!("{} tokens are not whole chunks of {chunk}", segment.len())));
        }
        let backend = &self.backend;
        backend.run(|| {
            scratch.lower = self.zero_states(self.lower.len())?;
            for tile in run_in.chunks(self.tile()) {
                let Scratch { x, mamba, lower, .. } = scratch;
                self.lower_half(tile, lower, x, mamba)?;
            }
            for tile in segment.chunks(self.tile()) {
                let Scratch { x, mamba, lower, upper: upper_scratch, .. } = scratch;
                self.lower_half(tile, lower, x, mamba)?;
                let Some(UpperScratch { encoder: s, .. }) = upper_scratch else { continue };
                let chunks = tile.len() / chunk;
                self.chunk_rows(&upper.encoder, x, 0, &mut s.x, 0, tile.len())?;
                upper.encoder.encode(&self.config, &upper.hsa, backend, chunks, s)?;
                s.out.iter().try_for_each(&mut *emit)?;
            }
            Ok(())
        })
    }

    /// Runs the whole model over `tokens`, which follow those of `state`, and returns the logits asked for.
    ///
    /// The recurrence is never restarted; see [`Model::advance`]. When a call fails, `state` is good for
    /// [`Model::reset`] only, and chunks may have been appended to the memory.
    ///
    /// # Errors
    /// `InvalidArgument` for a token that is not in the vocabulary, a state torn by an earlier failure, or chunks that do not
    /// continue those of the memory; failures of the memory and of the device.
    pub fn forward<'s>(
        &self,
        state: &mut State<B>,
        scratch: &'s mut Scratch<B>,
        tokens: &[u32],
        mut pass: Pass<'_>,
    ) -> Result<&'s [f32]> {
        self.check_ids(tokens)?;
        scratch.host_logits.clear();
        self.backend.run(|| self.tiles(state, scratch, tokens, &mut pass))?;
        Ok(&scratch.host_logits)
    }

    /// [`Model::forward`] with the recurrence restarted where the model's segments begin: the state is reset, the tokens
    /// before the segment are run again as its run-in, and then the segment's own.
    ///
    /// # Errors
    /// As [`Model::forward`], and `InvalidArgument` if a run-in needs tokens that `state` has not seen.
    pub fn advance<'s>(
        &self,
        state: &mut State<B>,
        scratch: &'s mut Scratch<B>,
        tokens: &[u32],
        mut pass: Pass<'_>,
    ) -> Result<&'s [f32]> {
        self.check_ids(tokens)?;
        scratch.host_logits.clear();
        self.backend.run(|| {
            let mut rest = tokens;
            while !rest.is_empty() {
                let span = self.config.segments.at(state.position);
                let from = span.start - span.run_in;
                if state.position == span.start && state.origin != from {
                    let skip = state.recent.len().checked_sub(span.run_in as usize).ok_or_else(|| {
                        Error::invalid(format!("the {} tokens before position {} are unknown", span.run_in, span.start))
                    })?;
                    let run_in: Vec<u32> = state.recent.iter().skip(skip).copied().collect();
                    self.reset(state, from)?;
                    let memory = pass.memory.as_deref_mut();
                    let mut quiet = Pass { memory, skip_hsa: pass.skip_hsa, ..Pass::default() };
                    self.tiles(state, scratch, &run_in, &mut quiet)?;
                }
                let left = usize::try_from(span.end - state.position).unwrap_or(usize::MAX);
                let (part, after) = rest.split_at(left.min(rest.len()));
                let logits = pass.logits;
                if logits == Logits::Last && !after.is_empty() {
                    pass.logits = Logits::None;
                }
                let done = self.tiles(state, scratch, part, &mut pass);
                pass.logits = logits;
                done?;
                rest = after;
            }
            Ok(())
        })?;
        Ok(&scratch.host_logits)
    }

    /// The tokens in tiles. Logits are appended to `s.host_logits`.
    fn tiles(&self, state: &mut State<B>, s: &mut Scratch<B>, tokens: &[u32], pass: &mut Pass<'_>) -> Result<()> {
        if pass.memory.as_ref().is_some_and(|memory| Some(memory.shape()) != self.chunk_shape()) {
            return Err(Error::invalid("the chunk memory was not made for this model"));
        }
        if std::mem::replace(&mut state.torn, true) {
            return Err(Error::invalid("an earlier call failed midway: the state must be reset"));
        }
        let mut left = tokens.len();
        for tile in tokens.chunks(self.tile()) {
            left -= tile.len();
            self.whole_stack(state, s, tile, pass)?;
            match pass.logits {
                Logits::All => self.logits(s, 0..tile.len())?,
                Logits::Last if left == 0 => self.logits(s, tile.len() - 1..tile.len())?,
                _ => {}
            }
        }
        let overlap = self.config.segments.overlap() as usize;
        let news = tokens.get(tokens.len().saturating_sub(overlap)..).unwrap_or_default();
        let excess = (state.recent.len() + news.len()).saturating_sub(overlap);
        state.recent.drain(..excess.min(state.recent.len()));
        state.recent.extend(news);
        state.torn = false;
        Ok(())
    }

    /// All layers up to the final norm, for the tokens of one tile. Leaves the residual stream in `s.x`.
    fn whole_stack(&self, state: &mut State<B>, s: &mut Scratch<B>, tokens: &[u32], pass: &mut Pass<'_>) -> Result<()> {
        let (config, backend, n) = (&self.config, &self.backend, tokens.len());
        let (lower, upper) = state.blocks.split_at_mut(self.lower.len());
        let position = state.position;
        self.lower_half(tokens, lower, &mut s.x, &mut s.mamba)?;

        if let (Some(u), Some(us)) = (&self.upper, &mut s.upper) {
            if let Some(source) = pass.remember {
                let memory = pass.memory.as_deref_mut();
                let memory = memory.ok_or_else(|| Error::invalid("no memory to append chunks to"))?;
                let tail = (&mut state.tail, &mut state.tail_len);
                self.remember(u, &s.x, n, position, tail, &mut us.encoder, memory, source)?;
            }
            let mut states = upper.iter_mut();
            for (g, group) in u.groups.iter().enumerate() {
                let mut memory = pass.memory.as_deref_mut().filter(|_| !pass.skip_hsa);
                if let Some(memory) = &mut memory {
                    let retrieval = &group.retrieval;
                    retrieval.select(config, &u.hsa, backend, &s.x, n, position, memory, &mut us.selection)?;
                    if let Some(trace) = pass.trace.as_deref_mut() {
                        us.selection.trace(&u.hsa, position, g, trace);
                    }
                }
                for (layer, blocks) in &group.layers {
                    if let Some(memory) = &mut memory {
                        layer.forward(config, &u.hsa, backend, &mut s.x, n, &us.selection, memory, &mut us.hsa)?;
                    }
                    for (block, state) in blocks.iter().zip(&mut states) {
                        block.forward(config, backend, &mut s.x, n, state, &mut s.mamba)?;
                    }
                }
            }
        }
        state.position += n as u64;
        Ok(())
    }

    /// The embedding and the lower blocks, into `x` (n, D).
    fn lower_half(
        &self,
        tokens: &[u32],
        states: &mut [SsmState<B::Buffer>],
        x: &mut B::Buffer,
        s: &mut mamba2::Scratch<B>,
    ) -> Result<()> {
        self.backend.embed(&self.embedding, tokens, x)?;
        for (block, state) in self.lower.iter().zip(states) {
            block.forward(&self.config, &self.backend, x, tokens.len(), state, s)?;
        }
        Ok(())
    }

    /// Appends the memories of the chunks that end among the n tokens of `x`, and keeps the rest for later.
    #[allow(clippy::too_many_arguments)]
    fn remember(
        &self,
        u: &Upper<B>,
        x: &B::Buffer,
        n: usize,
        position: u64,
        (tail, tail_len): (&mut Option<B::Buffer>, &mut usize),
        s: &mut encoder::Scratch<B>,
        memory: &mut ChunkMemory,
        source: &(dyn Fn(u64) -> Range<u64> + Sync),
    ) -> Result<()> {
        let (chunk, hidden, backend) = (u.hsa.chunk_size, self.config.hidden, &self.backend);
        let Some(tail) = tail else { return Ok(()) };
        let begun = *tail_len;
        let first = position / chunk as u64;
        if position % chunk as u64 != begun as u64 || memory.len() != first {
            return Err(Error::invalid(format!(
                "position {position} with {begun} tokens of a chunk begun does not continue a memory of {} chunks",
                memory.len()
            )));
        }
        let chunks = (begun + n) / chunk;
        let whole = At { at: 0, stride: hidden };
        // Rows of `x` that belong to complete chunks.
        let used = if chunks > 0 {
            let used = chunks * chunk - begun;
            self.chunk_rows(&u.encoder, tail, 0, &mut s.x, 0, begun)?;
            self.chunk_rows(&u.encoder, x, 0, &mut s.x, begun, used)?;
            u.encoder.encode(&self.config, &u.hsa, backend, chunks, s)?;
            for (id, e) in (first..).zip(s.out.iter()) {
                memory.append(e.keys, e.values, e.landmark, source(id))?;
            }
            *tail_len = 0;
            used
        } else {
            0
        };
        let at = At { at: *tail_len * hidden, stride: hidden };
        backend.copy(x, At { at: used * hidden, ..whole }, tail, at, n - used, hidden)?;
        *tail_len += n - used;
        Ok(())
    }

    /// Copies `n` rows of `x` from row `from` on to the encoder's input, where row `to` is counted without CLS rows.
    fn chunk_rows(
        &self,
        encoder: &Encoder<B>,
        x: &B::Buffer,
        from: usize,
        out: &mut B::Buffer,
        to: usize,
        n: usize,
    ) -> Result<()> {
        let (hidden, chunk) = (self.config.hidden, self.chunk_size().unwrap_or(1));
        let (mut from, mut to, end) = (from, to, to + n);
        while to < end {
            let rows = (chunk - to % chunk).min(end - to);
            let row = to / chunk * encoder.rows() + to % chunk;
            let at = |row: usize| At { at: row * hidden, stride: hidden };
            self.backend.copy(x, at(from), out, at(row), rows, hidden)?;
            (from, to) = (from + rows, to + rows);
        }
        Ok(())
    }

    /// Appends the logits of `rows` of `s.x` to `s.host_logits`.
    fn logits(&self, s: &mut Scratch<B>, rows: Range<usize>) -> Result<()> {
        let (config, backend) = (&self.config, &self.backend);
        let at_once = rows.len().min(LOGIT_ROWS);
        if at_once > s.head_rows {
            s.head = backend.buffer(at_once * config.hidden)?;
            s.head_norm = backend.buffer(at_once * config.hidden)?;
            s.logits = backend.buffer(at_once * config.vocab)?;
            s.head_rows = at_once;
        }
        let output = self.output.as_ref().unwrap_or(&self.embedding);
        let stride = config.hidden;
        for first in rows.clone().step_by(at_once.max(1)) {
            let n = at_once.min(rows.end - first);
            backend.copy(&s.x, At { at: first * stride, stride }, &mut s.head, At { at: 0, stride }, n, stride)?;
            backend.rms_norm(&s.head, &self.output_norm, config.norm_eps, n, config.hidden, &mut s.head_norm)?;
            backend.matmul(output, &s.head_norm, n, &mut s.logits, false)?;
            let before = s.host_logits.len();
            s.host_logits.resize(before + n * config.vocab, 0.0);
            backend.read(&s.logits, s.host_logits.get_mut(before..).unwrap_or_default())?;
        }
        Ok(())
    }

    fn zero_states(&self, blocks: usize) -> Result<Vec<SsmState<B::Buffer>>> {
        (0..blocks).map(|_| mamba2::zero_state(&self.config.ssm, &self.backend)).collect()
    }

    fn chunk_size(&self) -> Option<usize> {
        self.config.hsa.as_ref().map(|hsa| hsa.chunk_size)
    }

    /// T: most tokens of a tile, whole chunks.
    fn tile(&self) -> usize {
        self.chunk_size().map_or(TILE, |chunk| (TILE / chunk).max(1) * chunk)
    }

    fn check_ids(&self, ids: &[u32]) -> Result<()> {
        match ids.iter().find(|&&id| id as usize >= self.config.vocab) {
            Some(id) => Err(Error::invalid(format!("token {id} of a vocabulary of {}", self.config.vocab))),
            None => Ok(()),
        }
    }
}

impl<B: Backend> State<B> {
    /// Position of the next token.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Tokens of the incomplete chunk that are kept for its memory.
    pub fn begun(&self) -> usize {
        self.tail_len
    }
}
