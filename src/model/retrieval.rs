//! The retrieval layer: which chunks each token reads, and with what weight.

use std::ops::Range;

use crate::backend::{Backend, Norm, Pick, Product, Selecting, Weighting, weigh};
use crate::memory::ChunkMemory;
use crate::topk::TopK;
use crate::weights::Weights;
use crate::{Error, Result, room};

use super::config::{Config, HsaConfig};

/// The weights of the retrieval layer of one upper group.
pub(super) struct Retrieval<B: Backend> {
    /// (D)
    norm: B::Buffer,
    /// (R, D)
    q: B::Weight,
    /// (R / Gr) if landmarks are normed: the scales of the query's norm times those of the landmarks' norm. The latter
    /// differ between groups while the memory is shared, and q · (scale ∘ landmark) = (q ∘ scale) · landmark.
    q_norm: Option<B::Buffer>,
    /// Added to the scores per place in the order, only with a softmax.
    position_decay: f32,
}

/// What the tokens of a tile read: the result of retrieval, and its scratch.
pub(super) struct Selection<B: Backend> {
    /// (T, D)
    norm: B::Buffer,
    /// (T, Gr, R / Gr)
    q: B::Buffer,
    /// (T): chunks with ids below are visible
    visible: Vec<u64>,
    /// (T, Gr)
    top: Vec<TopK>,
    /// (n, Gr, K): chunk and weight, most recent chunk first; weight 0 where there are fewer than K
    readings: Vec<(u64, f32)>,
    /// (n, Gr, K): the same, as indices into the chunks of the token's [`Batch`]
    picks: Vec<Pick>,
    /// Distinct chunks of one token.
    of_token: Vec<u64>,
    /// The chunks of all batches, ascending inside each.
    chunks: Vec<u64>,
    /// Covers the tokens of the tile in order.
    pub(super) batches: Vec<Batch>,
}

/// Consecutive tokens whose chunks fit the memory's cache together.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// Tokens of the tile.
    pub(super) tokens: Range<usize>,
    chunks: Range<usize>,
}

/// One chunk that one token has read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Position of the token.
    pub position: u64,
    /// Upper group.
    pub group: usize,
    /// Retrieval head.
    pub head: usize,
    /// The chunk.
    pub chunk: u64,
    /// Its weight, between 0 and 1.
    pub weight: f32,
}

/// What the tokens of a call have read, in the order of the computation: by tile, group, token, head, and the most
/// recent chunk first. Chunks of weight 0 are left out.
pub type Trace = Vec<Reading>;

impl<B: Backend> Selection<B> {
    pub(super) fn new(config: &Config, hsa: &HsaConfig, backend: &B, tokens: usize) -> Result<Self> {
        let selections = tokens * hsa.retrieval_heads;
        Ok(Self {
            norm: backend.buffer(tokens * config.hidden)?,
            q: backend.buffer(tokens * hsa.retrieval_width)?,
            visible: room::with_capacity(tokens)?,
            top: room::filled(selections, TopK::new(hsa.top_k)?)?,
            readings: Vec::new(),
            picks: Vec::new(),
            of_token: Vec::new(),
            chunks: Vec::new(),
            batches: Vec::new(),
        })
    }

    /// The chunks of `batch`, in the order that its picks count them.
    pub(super) fn chunks(&self, batch: &Batch) -> &[u64] {
        self.chunks.get(batch.chunks.clone()).unwrap_or_default()
    }

    /// The picks of the tokens of `batch`, (tokens, Gr, K).
    pub(super) fn picks(&self, hsa: &HsaConfig, batch: &Batch) -> &[Pick] {
        let per_token = hsa.retrieval_heads * hsa.top_k;
        self.picks.get(batch.tokens.start * per_token..batch.tokens.end * per_token).unwrap_or_default()
    }

    /// Takes over what the device has chosen for a token and upper group `group`.
    pub(super) fn take(&mut self, hsa: &HsaConfig, backend: &B, mirror: &mut B::Mirror, group: usize) -> Result<()> {
        self.readings.resize(hsa.retrieval_heads * hsa.top_k, (0, 0.0));
        backend.readings(mirror, group, &mut self.readings)
    }

    /// Appends what was read to `trace`; the first token is at `position`.
    pub(super) fn trace(&self, hsa: &HsaConfig, position: u64, group: usize, trace: &mut Trace) {
        let selections = self.readings.chunks_exact(hsa.top_k);
        for (i, readings) in selections.enumerate() {
            let (token, head) = (i / hsa.retrieval_heads, i % hsa.retrieval_heads);
            let position = position + token as u64;
            let read = readings.iter().filter(|r| r.1 != 0.0);
            trace.extend(read.map(|&(chunk, weight)| Reading { position, group, head, chunk, weight }));
        }
    }

    /// Whether no token reads anything.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
}

impl<B: Backend> Retrieval<B> {
    pub(super) fn load(config: &Config, hsa: &HsaConfig, weights: &Weights, backend: &B, group: usize) -> Result<Self> {
        let name = |part: &str| format!("ret.{group}.{part}");
        let scales = |part: &str| weights.vector(&name(part), hsa.landmark_width());
        let q_norm = if hsa.landmark_norm {
            let (q, k) = (scales("q_norm.weight")?, scales("k_norm.weight")?);
            let both: Vec<f32> = q.iter().zip(&k).map(|(q, k)| q * k).collect();
            Some(backend.vector(&both)?)
        } else {
            None
        };
        let position_decay = match hsa.weighting {
            Weighting::Softmax { position_decay: true } => {
                weights.vector(&name("pos_decay"), 1)?.first().copied().unwrap_or_default()
            }
            _ => 0.0,
        };
        Ok(Self {
            norm: backend.vector(&weights.vector(&name("norm.weight"), config.hidden)?)?,
            q: backend.weight(weights.matrix(&name("q.weight"), hsa.retrieval_width, config.hidden)?)?,
            q_norm,
            position_decay,
        })
    }

    /// Selects chunks for the n tokens of `x` (n, D), the first of which is at `position`, into `s`, and fetches them if
    /// they are one batch.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn select(
        &self,
        config: &Config,
        hsa: &HsaConfig,
        backend: &B,
        x: &B::Buffer,
        n: usize,
        position: u64,
        memory: &mut ChunkMemory,
        mirror: &mut B::Mirror,
        s: &mut Selection<B>,
    ) -> Result<()> {
        s.chunks.clear();
        s.batches.clear();
        s.readings.clear();
        // Chunk c has ended when (c + 1)·S ≤ position.
        s.visible.clear();
        let stored = memory.len();
        s.visible.extend((0..n as u64).map(|i| ((position + i) / hsa.chunk_size as u64).min(stored)));
        let most = s.visible.last().copied().unwrap_or(0);
        if most == 0 {
            return Ok(());
        }

        self.query(config, hsa, backend, x, n, s)?;
        let top = s.top.get_mut(..n * hsa.retrieval_heads);
        let top = top.ok_or_else(|| Error::invalid("more tokens than the scratch holds"))?;
        top.iter_mut().for_each(TopK::clear);
        backend.score_top_k(&s.q, &s.visible, scale(hsa), memory, mirror, top)?;
        self.weigh_and_batch(hsa, n, backend.slots(memory, mirror), s);
        if let [batch] = s.batches.as_slice() {
            backend.fetch(memory, mirror, s.chunks(batch), s.picks(hsa, batch))?;
        }
        Ok(())
    }

    /// Lets the device choose chunks of `memory` for the token of `x` (D), for upper group `group`, into `mirror`.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn choose(
        &self,
        config: &Config,
        hsa: &HsaConfig,
        backend: &B,
        x: &B::Buffer,
        group: usize,
        memory: &mut ChunkMemory,
        mirror: &mut B::Mirror,
        s: &mut Selection<B>,
    ) -> Result<()> {
        s.chunks.clear();
        s.batches.clear();
        s.batches.push(Batch { tokens: 0..1, chunks: 0..0 });
        self.query(config, hsa, backend, x, 1, s)?;
        let (weighting, position_decay) = (hsa.weighting, self.position_decay);
        let selecting = Selecting { top_k: hsa.top_k, scale: scale(hsa), weighting, position_decay };
        backend.select(&s.q, &selecting, group, memory, mirror)
    }

    /// Leaves the queries of the n tokens of `x` (n, D) in `s.q`.
    fn query(
        &self,
        config: &Config,
        hsa: &HsaConfig,
        backend: &B,
        x: &B::Buffer,
        n: usize,
        s: &mut Selection<B>,
    ) -> Result<()> {
        let norm = Norm { weight: &self.norm, width: config.hidden, eps: hsa.norm_eps };
        backend.norm_matmul(&norm, x, n, &mut s.norm, &mut [Product::new(&self.q, &mut s.q)], false)?;
        match &self.q_norm {
            Some(weight) => {
                let (rows, width) = (n * hsa.retrieval_heads, hsa.landmark_width());
                backend.rms_norm_in_place(&mut s.q, weight, hsa.norm_eps, rows, width)
            }
            None => Ok(()),
        }
    }

    /// Weighs what is selected and divides the tokens into batches of at most `slots` distinct chunks.
    fn weigh_and_batch(&self, hsa: &HsaConfig, n: usize, slots: usize, s: &mut Selection<B>) {
        let per_token = hsa.retrieval_heads * hsa.top_k;
        s.readings.resize(n * per_token, (0, 0.0));
        for (readings, top) in s.readings.chunks_exact_mut(hsa.top_k).zip(&s.top) {
            weigh(top, hsa.weighting, self.position_decay, readings);
        }

        let mut batch = Batch { tokens: 0..0, chunks: 0..0 };
        for (token, readings) in s.readings.chunks_exact(per_token).enumerate() {
            s.of_token.clear();
            s.of_token.extend(readings.iter().filter(|r| r.1 != 0.0).map(|r| r.0));
            s.of_token.sort_unstable();
            s.of_token.dedup();
            let known = s.chunks.get(batch.chunks.clone()).unwrap_or_default();
            let new = s.of_token.iter().filter(|id| known.binary_search(id).is_err()).count();
            if known.len() + new > slots && !batch.tokens.is_empty() {
                let next = Batch { tokens: token..token, chunks: s.chunks.len()..s.chunks.len() };
                s.batches.push(std::mem::replace(&mut batch, next));
            }
            for id in &s.of_token {
                let known = s.chunks.get(batch.chunks.clone()).unwrap_or_default();
                if let Err(at) = known.binary_search(id) {
                    s.chunks.insert(batch.chunks.start + at, *id);
                    batch.chunks.end += 1;
                }
            }
            batch.tokens.end = token + 1;
        }
        s.batches.push(batch);

        s.picks.clear();
        for batch in &s.batches {
            let known = s.chunks.get(batch.chunks.clone()).unwrap_or_default();
            let readings = s.readings.chunks_exact(per_token).skip(batch.tokens.start).take(batch.tokens.len());
            s.picks.extend(readings.flatten().map(|&(id, weight)| match known.binary_search(&id) {
                // At most T·Gr·K chunks, far below 2^32.
                Ok(chunk) => Pick { chunk: chunk as u32, weight },
                Err(_) => Pick::NONE,
            }));
        }
    }
}

/// Factor of the scores.
fn scale(hsa: &HsaConfig) -> f32 {
    1.0 / (hsa.landmark_width() as f32).sqrt()
}
