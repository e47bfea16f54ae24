//! The retrieval layer: which chunks each token reads, and with what weight.

use crate::backend::{Backend, Norm, Product, Reader, Selecting, Weighting};
use crate::memory::ChunkMemory;
use crate::weights::Weights;
use crate::{Result, room};

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
    /// D
    hidden: usize,
    /// Gr
    heads: usize,
    /// R / Gr
    head_width: usize,
    eps: f32,
    selecting: Selecting,
}

/// Activations for up to T tokens, and what was read.
pub(super) struct Scratch<B: Backend> {
    /// (T, D)
    norm: B::Buffer,
    /// (T, Gr, R / Gr)
    q: B::Buffer,
    /// (T): chunks with ids below are visible
    visible: Vec<u64>,
    /// (T, Gr, K): chunk and weight
    read: Vec<(u64, f32)>,
}

/// One chunk that one token has read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetrievedChunk {
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
pub type Trace = Vec<RetrievedChunk>;

impl<B: Backend> Scratch<B> {
    pub(super) fn new(config: &Config, hsa: &HsaConfig, backend: &B, tokens: usize) -> Result<Self> {
        Ok(Self {
            norm: backend.buffer(tokens * config.hidden)?,
            q: backend.buffer(tokens * hsa.retrieval_width)?,
            visible: room::with_capacity(tokens)?,
            read: Vec::new(),
        })
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
            hidden: config.hidden,
            heads: hsa.retrieval_heads,
            head_width: hsa.landmark_width(),
            eps: hsa.norm_eps,
            selecting: Selecting {
                top_k: hsa.top_k,
                scale: 1.0 / (hsa.landmark_width() as f32).sqrt(),
                weighting: hsa.weighting,
                position_decay,
            },
        })
    }

    /// Chooses chunks of `memory` for n tokens, the first of them at `position`, whose residual stream is `x` (n, D),
    /// as group `group`. `false` if no token reads anything.
    pub(super) fn select(
        &self,
        (hsa, backend): (&HsaConfig, &B),
        x: &B::Buffer,
        (n, position): (usize, u64),
        (group, reader): (usize, &mut Reader<B>),
        memory: &mut ChunkMemory,
        s: &mut Scratch<B>,
    ) -> Result<bool> {
        let stored = memory.len();
        s.visible.clear();
        s.visible.extend((0..n as u64).map(|i| hsa.visible(position + i, stored)));
        if s.visible.last().is_none_or(|&most| most == 0) {
            return Ok(false);
        }
        let norm = Norm { weight: &self.norm, width: self.hidden, eps: self.eps };
        backend.norm_matmul(&norm, x, n, &mut s.norm, &mut [Product::new(&self.q, &mut s.q)], false)?;
        if let Some(weight) = &self.q_norm {
            backend.rms_norm_in_place(&mut s.q, weight, self.eps, n * self.heads, self.head_width)?;
        }
        reader.select(backend, memory, (group, &self.selecting), &s.q, &s.visible)
    }

    /// Appends what the n tokens from `position` on have read as group `group` to `trace`.
    pub(super) fn trace(
        &self,
        backend: &B,
        position: u64,
        (group, reader): (usize, &mut Reader<B>),
        s: &mut Scratch<B>,
        trace: &mut Trace,
    ) -> Result<()> {
        reader.trace(backend, group, &mut s.read)?;
        for (i, read) in s.read.chunks_exact(self.selecting.top_k).enumerate() {
            let (token, head) = (i / self.heads, i % self.heads);
            let position = position + token as u64;
            let read = read.iter().filter(|r| r.1 != 0.0);
            trace.extend(read.map(|&(chunk, weight)| RetrievedChunk { position, group, head, chunk, weight }));
        }
        Ok(())
    }
}
