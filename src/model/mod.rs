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

mod chunking;
mod config;
mod encoder;
mod hsa;
mod mamba2;
mod retrieval;
mod segment;
mod step;
mod tensors;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::backend::{Backend, MambaScratch, Norm, Product, SSM_SPAN, Span as At, SsmState};
use crate::memory::{ChunkMemory, ChunkShape};
use crate::topk::TopK;
use crate::weights::Weights;
use crate::{Error, Result, room};

pub use crate::backend::Weighting;
pub use chunking::{ChunkEncoder, EncodedChunk, Memories, NativeEncoder};
pub use config::{Config, EncoderConfig, HsaConfig};
pub use retrieval::{Reading, Trace};
pub use segment::{Segments, Span};

use chunking::Chunking;
use hsa::HsaLayer;
use mamba2::Block;
use retrieval::{Retrieval, Selection};
use step::{Chooser, Step, Wanted};

/// Most rows of logits computed at once.
const LOGIT_ROWS: usize = 16;

/// Device memory for chunk memories, unless [`Scratch::set_device_budget`] says otherwise.
const DEVICE_BUDGET: u64 = 64 << 20;

/// The number of the next scratch.
static NEXT_SCRATCH: AtomicU64 = AtomicU64::new(1);

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
    chunking: Chunking<B>,
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
    /// What one token does to this state.
    step: Step<B>,
}

/// Working memory of one call at a time: bounded, whatever the number of tokens.
pub struct Scratch<B: Backend> {
    /// Never the same for two of a process, nor for one before and after a buffer of it was replaced.
    id: u64,
    /// (T, D) the residual stream
    x: B::Buffer,
    mamba: MambaScratch<B::Buffer>,
    upper: Option<UpperScratch<B>>,
    /// The recurrence of segments that are read apart, lower blocks only; made when first needed.
    lower: Vec<SsmState<B::Buffer>>,
    /// (rows, D) rows of `x` that logits are wanted of
    head: B::Buffer,
    /// (rows, D)
    head_norm: B::Buffer,
    /// (rows, vocab)
    logits: B::Buffer,
    /// Rows of the three buffers above.
    head_rows: usize,
    /// The head for the first row of `x`.
    head_step: B::Recording,
    /// The highest logits of a token alone.
    landing: B::Landing,
    /// (wanted, vocab)
    host_logits: Vec<f32>,
}

struct UpperScratch<B: Backend> {
    chunking: chunking::Scratch<B>,
    selection: Selection<B>,
    hsa: hsa::Scratch<B>,
    /// What the device keeps of the memory with this [`id`](ChunkMemory::id), the last one read.
    mirror: Option<(u64, B::Mirror)>,
    /// Chunks that it was made for.
    mirrored: u64,
    device_budget: u64,
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
    /// source the chunk comes from. The number of a chunk is its first position / S, and must be the next one in the memory.
    pub remember: Option<&'a (dyn Fn(u64) -> Range<u64> + Sync)>,
    /// Leave the HSA layers out, as if no chunk were visible.
    pub skip_hsa: bool,
    /// Which logits to return.
    pub logits: Logits,
    /// For [`Logits::Top`]: filled as [`Backend::top_logits`] does. Without a token it is left alone.
    pub top: Option<&'a mut TopK>,
    /// If given, what the tokens read is appended.
    pub trace: Option<&'a mut Trace>,
}

impl<B: Backend> Model<B> {
    /// Loads the model of `weights`, checking every tensor's shape against the hyperparameters.
    ///
    /// # Errors
    /// As [`Config::from_gguf`], `Format` for missing or misshapen tensors, and failures of the device.
    pub fn load(weights: &Weights, backend: B) -> Result<Self> {
        Self::load_with(weights, backend, None)
    }

    /// [`Model::load`], with `encoder` in the place of the one in the file, which is then not looked at.
    ///
    /// # Errors
    /// As [`Model::load`], and `InvalidArgument` for an encoder where the model keeps no chunk memories.
    pub fn load_with(weights: &Weights, backend: B, encoder: Option<Arc<dyn ChunkEncoder>>) -> Result<Self> {
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
            None if encoder.is_some() => return Err(Error::invalid("this model keeps no chunk memories to encode")),
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
                    chunking: Chunking::load(&config, hsa, weights, &backend, encoder)?,
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
        // Inside `run`, a device does not wait for each of the buffers.
        self.backend.run(|| self.new_scratch())
    }

    fn new_scratch(&self) -> Result<Scratch<B>> {
        let (config, backend) = (&self.config, &self.backend);
        let tokens = self.tile();
        let upper = match &self.upper {
            None => None,
            Some(Upper { hsa, chunking, .. }) => Some(UpperScratch {
                // T is a multiple of S: with fewer than S tokens left by the tile before, no more than T / S chunks end.
                chunking: chunking.scratch(config, hsa, backend, tokens / hsa.chunk_size)?,
                selection: Selection::new(config, hsa, backend, tokens)?,
                hsa: hsa::Scratch::new(config, backend, tokens)?,
                mirror: None,
                mirrored: 0,
                device_budget: DEVICE_BUDGET,
            }),
        };
        Ok(Scratch {
            id: NEXT_SCRATCH.fetch_add(1, Ordering::Relaxed),
            x: backend.buffer(tokens * config.hidden)?,
            mamba: mamba2::scratch(config, backend, tokens)?,
            upper,
            lower: Vec::new(),
            head: backend.buffer(config.hidden)?,
            head_norm: backend.buffer(config.hidden)?,
            logits: backend.buffer(config.vocab)?,
            head_rows: 1,
            head_step: B::Recording::default(),
            landing: backend.landing()?,
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
            blocks: self.zero_states(config.blocks, 1)?,
            tail,
            tail_len: 0,
            position: 0,
            origin: 0,
            recent: VecDeque::with_capacity(config.segments.overlap() as usize),
            torn: false,
            step: Step::new(0, config.hsa.as_ref().map_or(0, |hsa| hsa.groups)),
        })
    }

    /// Sets `state` to zero at `position`, with no chunk begun.
    ///
    /// # Errors
    /// Failures of the device.
    pub fn reset(&self, state: &mut State<B>, position: u64) -> Result<()> {
        state.torn = true;
        self.clear(&mut state.blocks)?;
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
            self.backend.copy(from, At::rows(0, 0), to, At::rows(0, 0), [1, 1], len)
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

    /// How many segments [`Model::read_segments`] is best given at once.
    pub fn segments_at_once(&self) -> usize {
        let segments = &self.config.segments;
        let longest = segments.size().map_or(u64::MAX, |size| size + segments.overlap());
        usize::try_from(self.tile() as u64 / longest).unwrap_or(1).max(1)
    }

    /// Reads segments of a document apart from all others: lower blocks from a zero state, and the encoder.
    ///
    /// Each of `segments`, all of one length, is the `run_in` tokens before the segment and then its own, a multiple of S.
    /// `emit` is called with the memory of each chunk in order. Segments may be read in any order, any number at once, and
    /// from several threads, each with its own scratch.
    ///
    /// # Errors
    /// `InvalidArgument` if the model has no chunks, a token is not in the vocabulary or the lengths do not fit, and what
    /// `emit` returns.
    pub fn read_segments(
        &self,
        scratch: &mut Scratch<B>,
        segments: &[&[u32]],
        run_in: usize,
        emit: &mut (dyn FnMut(EncodedChunk<'_>) -> Result<()> + Send),
    ) -> Result<()> {
        let (Some(upper), Some(chunk)) = (&self.upper, self.chunk_size()) else {
            return Err(Error::invalid("this model keeps no chunk memories"));
        };
        let Some(length) = segments.first().map(|tokens| tokens.len()) else { return Ok(()) };
        if let Some(odd) = segments.iter().find(|tokens| tokens.len() != length) {
            return Err(Error::invalid(format!("segments of {length} and of {} tokens at once", odd.len())));
        }
        segments.iter().try_for_each(|tokens| self.check_ids(tokens))?;
        let Some(own) = length.checked_sub(run_in) else {
            return Err(Error::invalid(format!("a run-in of {run_in} tokens out of {length}")));
        };
        if !own.is_multiple_of(chunk) {
            return Err(Error::invalid(format!("{own} tokens are not whole chunks of {chunk}")));
        }
        let at_once = (self.tile() / length.max(1)).clamp(1, self.segments_at_once());
        self.backend.run(|| {
            for some in segments.chunks(at_once) {
                if scratch.lower.is_empty() {
                    scratch.lower = self.zero_states(self.lower.len(), self.segments_at_once())?;
                } else {
                    self.clear(&mut scratch.lower)?;
                }
                // Several fit into one tile with their run-ins.
                let part = |range: Range<usize>| match some {
                    [one] => Cow::Borrowed(&one[range]),
                    _ => Cow::Owned(some.iter().map(|t| &t[range.clone()]).collect::<Vec<_>>().concat()),
                };
                let mut from = 0;
                while from < length {
                    // All at once if there is room and it makes no difference, or else tiles of the run-in, then of whole chunks.
                    let end = if some.len() * length <= self.tile() && run_in.is_multiple_of(SSM_SPAN) {
                        length
                    } else {
                        (from + self.tile()).min(if from < run_in { run_in } else { length })
                    };
                    let (tile, own) = (part(from..end), from.max(run_in)..end);
                    self.lower_half(scratch, &tile, some.len())?;
                    let chunks = some.len() * (own.len() / chunk);
                    if let (Some(UpperScratch { chunking: s, .. }), 1..) = (&mut scratch.upper, chunks) {
                        s.put_own(&self.backend, &scratch.x, some.len(), end - from, own.start - from..own.end - from)?;
                        upper.chunking.encode(&self.config, &upper.hsa, &self.backend, chunks, s, &mut |encoded| {
                            encoded.iter().try_for_each(&mut *emit)
                        })?;
                    }
                    from = end;
                }
            }
            Ok(())
        })
    }

    /// The embedding and the lower blocks for `tokens`, the next of `sequences` segments one after the other.
    fn lower_half(&self, s: &mut Scratch<B>, tokens: &[u32], sequences: usize) -> Result<()> {
        self.backend.embed(&self.embedding, tokens, &mut s.x)?;
        self.lower_blocks(sequences, tokens.len() / sequences, &mut s.lower, &mut s.x, &mut s.mamba)
    }

    /// Runs the whole model over `tokens`, which follow those of `state`, and returns the logits asked for.
    ///
    /// The recurrence is never restarted; see [`Model::advance`]. When a call fails, `state` is good for
    /// [`Model::reset`] only, and chunks may have been appended to the memory.
    ///
    /// # Errors
    /// `InvalidArgument` for a token that is not in the vocabulary, a state torn by an earlier failure, chunks that do not
    /// continue those of the memory, or [`Logits::Top`] without a place for them or of logits that cannot be right (see
    /// [`Backend::top_logits`]); failures of the memory and of the device.
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
        self.check(tokens, &pass)?;
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
                if matches!(logits, Logits::Last | Logits::Top) && !after.is_empty() {
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
            let wanted = match (pass.logits, &pass.top) {
                (Logits::All, _) => Wanted::Logits,
                (Logits::Last, _) if left == 0 => Wanted::Logits,
                (Logits::Top, Some(top)) if left == 0 && top.k() == 1 => Wanted::Highest,
                (Logits::Top, Some(_)) if left == 0 => Wanted::Several,
                _ => Wanted::Nothing,
            };
            let chooser = self.whole_stack(state, s, tile, pass, wanted)?;
            // Those of a token alone are there already, unless the host had to choose.
            let done = tile.len() == 1 && chooser != Chooser::Host;
            let first = if pass.logits == Logits::All { 0 } else { tile.len() - 1 };
            match (wanted, pass.top.as_deref_mut()) {
                (Wanted::Logits, _) => self.logits(s, first..tile.len(), done)?,
                (Wanted::Highest | Wanted::Several, Some(top)) if done => {
                    self.backend.landed_logits(&s.logits, self.config.vocab, &mut s.landing, top)?;
                }
                (Wanted::Highest | Wanted::Several, Some(top)) => {
                    self.head(s, first, 1)?;
                    self.backend.top_logits(&s.logits, self.config.vocab, top)?;
                }
                _ => {}
            }
            if let (Chooser::Device, Some(trace)) = (chooser, pass.trace.as_deref_mut()) {
                self.trace(s, state.position - 1, trace)?;
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

    /// All layers up to the final norm, for the tokens of one tile, which leaves the residual stream in `s.x`. A token alone
    /// gets what is `wanted` of its logits too, unless the host chooses what it reads. Says who did.
    fn whole_stack(
        &self,
        state: &mut State<B>,
        s: &mut Scratch<B>,
        tokens: &[u32],
        pass: &mut Pass<'_>,
        wanted: Wanted,
    ) -> Result<Chooser> {
        let (config, backend, n) = (&self.config, &self.backend, tokens.len());
        let chooser = self.chooser(s, n, state.position, pass)?;
        if state.step.scratch != s.id {
            state.step = Step::new(s.id, state.step.groups.len());
        }
        backend.embed(&self.embedding, tokens, &mut s.x)?;
        if n == 1 && chooser != Chooser::Host {
            self.token(state, s, pass, chooser, wanted)?;
            state.position += 1;
            return Ok(chooser);
        }

        let State { blocks, tail, tail_len, position, step, .. } = state;
        let (lower, upper) = blocks.split_at_mut(self.lower.len());
        // Many tokens are worth their launches; a token alone is not.
        let replay = |recording: &mut B::Recording, work: &mut dyn FnMut() -> Result<()>| match n {
            1 => backend.replay(recording, work),
            _ => work(),
        };
        replay(&mut step.lower, &mut || self.lower_blocks(1, n, lower, &mut s.x, &mut s.mamba))?;

        if let (Some(u), Some(us)) = (&self.upper, &mut s.upper) {
            if let Some(source) = pass.remember {
                let memory = pass.memory.as_deref_mut();
                self.remember(u, &s.x, n, *position, (tail, tail_len), &mut us.chunking, memory, source)?;
            }
            let mut memory = pass.memory.as_deref_mut().filter(|_| chooser == Chooser::Host);
            let UpperScratch { selection, hsa, mirror, .. } = us;
            let mut states = upper.iter_mut();
            for (g, (group, steps)) in u.groups.iter().zip(&mut step.groups).enumerate() {
                let mut reads = None;
                if let (Some(memory), Some((_, mirror))) = (memory.as_deref_mut(), mirror.as_mut()) {
                    let retrieval = &group.retrieval;
                    retrieval.select(config, &u.hsa, backend, &s.x, n, *position, memory, mirror, selection)?;
                    if let Some(trace) = pass.trace.as_deref_mut() {
                        selection.trace(&u.hsa, *position, g, trace);
                    }
                    reads = (!selection.is_empty()).then_some((memory, mirror));
                }
                let recording = &mut steps[usize::from(reads.is_some())];
                let own = group.layers.iter().map(|(_, blocks)| blocks.len()).sum();
                let mut own = states.by_ref().take(own);
                replay(recording, &mut || {
                    let reads =
                        reads.as_mut().map(|(memory, mirror)| (&*selection, &mut **memory, &mut **mirror, &mut *hsa));
                    self.group(u, group, &mut own, &mut s.x, n, &mut s.mamba, reads)
                })?;
                // A repeated recording has not asked for them.
                own.for_each(|_| {});
            }
        }
        *position += n as u64;
        Ok(chooser)
    }

    /// The lower blocks over `x` (sequences, n, D).
    fn lower_blocks(
        &self,
        sequences: usize,
        n: usize,
        states: &mut [SsmState<B::Buffer>],
        x: &mut B::Buffer,
        s: &mut MambaScratch<B::Buffer>,
    ) -> Result<()> {
        mamba2::forward(&self.config, &self.backend, &self.lower, states.iter_mut(), x, sequences, n, s)
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
        s: &mut chunking::Scratch<B>,
        memory: Option<&mut ChunkMemory>,
        source: &(dyn Fn(u64) -> Range<u64> + Sync),
    ) -> Result<()> {
        let memory = memory.ok_or_else(|| Error::invalid("no memory to append chunks to"))?;
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
        // Rows of `x` that belong to complete chunks.
        let used = if chunks > 0 {
            let used = chunks * chunk - begun;
            s.put(backend, tail, 0, begun)?;
            s.put(backend, x, begun, used)?;
            u.chunking.encode(&self.config, &u.hsa, backend, chunks, s, &mut |encoded| {
                let mut append =
                    |(id, e): (u64, EncodedChunk<'_>)| memory.append(e.keys, e.values, e.landmark, source(id));
                (first..).zip(encoded.iter()).try_for_each(|chunk| append(chunk).map(drop))
            })?;
            *tail_len = 0;
            used
        } else {
            0
        };
        let [from, to] = [used, *tail_len].map(|row| At::rows(row * hidden, hidden));
        backend.copy(x, from, tail, to, [1, n - used], hidden)?;
        *tail_len += n - used;
        Ok(())
    }

    /// Appends the logits of `rows` of `s.x` to `s.host_logits`; those of one row may be `done`, in `s.logits`.
    fn logits(&self, s: &mut Scratch<B>, rows: Range<usize>, done: bool) -> Result<()> {
        let (config, backend) = (&self.config, &self.backend);
        let at_once = rows.len().min(LOGIT_ROWS);
        if at_once > s.head_rows {
            s.head = backend.buffer(at_once * config.hidden)?;
            s.head_norm = backend.buffer(at_once * config.hidden)?;
            s.logits = backend.buffer(at_once * config.vocab)?;
            s.head_rows = at_once;
            s.renew();
        }
        for first in rows.clone().step_by(at_once.max(1)) {
            let n = at_once.min(rows.end - first);
            if !done {
                self.head(s, first, n)?;
            }
            let before = s.host_logits.len();
            room::resize(&mut s.host_logits, before + n * config.vocab, 0.0)?;
            backend.read(&s.logits, s.host_logits.get_mut(before..).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Leaves the logits of n rows of `s.x` from `first` on in `s.logits`, which has room for them.
    fn head(&self, s: &mut Scratch<B>, first: usize, n: usize) -> Result<()> {
        if (first, n) != (0, 1) {
            return self.head_product(s, first, n);
        }
        let mut step = std::mem::take(&mut s.head_step);
        let done = self.backend.replay(&mut step, || self.head_product(s, first, n));
        s.head_step = step;
        done
    }

    /// [`Model::head`], never recorded.
    fn head_product(&self, s: &mut Scratch<B>, first: usize, n: usize) -> Result<()> {
        let (backend, width) = (&self.backend, self.config.hidden);
        let Scratch { x, head, head_norm, logits, .. } = s;
        let rows = if first == 0 {
            &*x
        } else {
            let at = |row: usize| At::rows(row * width, width);
            backend.copy(x, at(first), head, at(0), [1, n], width)?;
            &*head
        };
        let norm = Norm { weight: &self.output_norm, width, eps: self.config.norm_eps };
        let output = self.output.as_ref().unwrap_or(&self.embedding);
        backend.norm_matmul(&norm, rows, n, head_norm, &mut [Product::new(output, logits)], false)
    }

    fn zero_states(&self, blocks: usize, sequences: usize) -> Result<Vec<SsmState<B::Buffer>>> {
        (0..blocks).map(|_| mamba2::zero_state(&self.config.ssm, &self.backend, sequences)).collect()
    }

    /// Makes all of `states` those before a first token.
    fn clear(&self, states: &mut [SsmState<B::Buffer>]) -> Result<()> {
        states.iter_mut().try_for_each(|state| {
            self.backend.zero(&mut state.conv)?;
            self.backend.zero(&mut state.ssm)
        })
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

impl<B: Backend> Scratch<B> {
    /// How many bytes of its own memory the device may use for chunk memories; a budget for the CPU has no effect. While the
    /// device holds all visible chunks, it chooses among them without the host.
    /// The next call takes it.
    pub fn set_device_budget(&mut self, bytes: u64) {
        if let Some(upper) = &mut self.upper {
            upper.device_budget = bytes;
            upper.mirror = None;
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
