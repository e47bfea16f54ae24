//! An HSA layer: attention inside the chunks that retrieval has selected.

use crate::Result;
use crate::backend::{Backend, HsaShape, Norm, Product, Reader};
use crate::memory::ChunkMemory;
use crate::weights::Weights;

use super::config::{Config, HsaConfig};

/// The weights of one layer.
pub(super) struct HsaLayer<B: Backend> {
    /// (D)
    norm: B::Buffer,
    /// (H·d, D)
    q: B::Weight,
    /// (d) optional norm of the queries per head
    q_norm: Option<B::Buffer>,
    /// (D, H·d)
    output: B::Weight,
    /// D
    hidden: usize,
    shape: HsaShape,
    eps: f32,
}

/// Activations for up to T tokens.
pub(super) struct Scratch<B: Backend> {
    /// (T, D)
    norm: B::Buffer,
    /// (T, H, d)
    q: B::Buffer,
    /// (T, H, d)
    attended: B::Buffer,
}

impl<B: Backend> Scratch<B> {
    pub(super) fn new(config: &Config, backend: &B, tokens: usize) -> Result<Self> {
        let buffer = || backend.buffer(tokens * config.hidden);
        Ok(Self { norm: buffer()?, q: buffer()?, attended: buffer()? })
    }
}

impl<B: Backend> HsaLayer<B> {
    /// Loads layer `index`, counted over all upper groups.
    pub(super) fn load(config: &Config, hsa: &HsaConfig, weights: &Weights, backend: &B, index: usize) -> Result<Self> {
        let hidden = config.hidden;
        let name = |part: &str| format!("hsa.{index}.{part}");
        let q_norm = if hsa.qk_norm {
            Some(backend.vector(&weights.vector(&name("q_norm.weight"), hsa.head_dim(hidden))?)?)
        } else {
            None
        };
        Ok(Self {
            norm: backend.vector(&weights.vector(&name("norm.weight"), hidden)?)?,
            q: backend.weight(weights.matrix(&name("q.weight"), hidden, hidden)?)?,
            q_norm,
            output: backend.weight(weights.matrix(&name("output.weight"), hidden, hidden)?)?,
            hidden,
            shape: HsaShape {
                heads: hsa.heads,
                kv_heads: hsa.kv_heads,
                head_dim: hsa.head_dim(hidden),
                chunk_size: hsa.chunk_size,
                retrieval_heads: hsa.retrieval_heads,
                top_k: hsa.top_k,
                softmax_off_by_one: hsa.off_by_one,
            },
            eps: hsa.norm_eps,
        })
    }

    /// Adds to the residual stream `x` (n, D) what its tokens read in the chunks of `memory` that `reader` has chosen
    /// for them.
    pub(super) fn forward(
        &self,
        backend: &B,
        x: &mut B::Buffer,
        n: usize,
        reader: &mut Reader<B>,
        memory: &mut ChunkMemory,
        s: &mut Scratch<B>,
    ) -> Result<()> {
        let HsaShape { heads, head_dim, .. } = self.shape;
        let norm = Norm { weight: &self.norm, width: self.hidden, eps: self.eps };
        backend.norm_matmul(&norm, x, n, &mut s.norm, &mut [Product::new(&self.q, &mut s.q)], false)?;
        if let Some(weight) = &self.q_norm {
            backend.rms_norm_in_place(&mut s.q, weight, self.eps, n * heads, head_dim)?;
        }
        reader.attend(backend, memory, &self.shape, &s.q, &mut s.attended)?;
        backend.matmul(&self.output, &s.attended, n, x, true)
    }
}
