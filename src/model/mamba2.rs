//! A Mamba-2 block: x + out_proj(mixer(in_proj(RMSNorm(x)))).

use crate::Result;
use crate::backend::{Backend, Norm, Product, SsmParams, SsmShape, SsmState};
use crate::weights::Weights;

use super::Config;

/// The weights of one block.
pub(super) struct Block<B: Backend> {
    /// (D)
    norm: B::Buffer,
    /// (2·E + 2·Ng·N + nh, D), rows z, x, B, C, dt
    in_proj: B::Weight,
    /// Convolution, time step, A and D.
    mixer: SsmParams<B::Buffer>,
    /// (E), in the file (Ng, E/Ng)
    gated_norm: B::Buffer,
    /// (D, E)
    out_proj: B::Weight,
}

/// Activations of a block for up to T tokens, shared by all blocks.
pub(super) struct Scratch<B: Backend> {
    /// (T, D)
    norm: B::Buffer,
    /// (T, 2·E + 2·Ng·N + nh)
    projected: B::Buffer,
    /// (T, E)
    mixed: B::Buffer,
    /// (T, E)
    mixed_norm: B::Buffer,
}

impl<B: Backend> Scratch<B> {
    pub(super) fn new(config: &Config, backend: &B, tokens: usize) -> Result<Self> {
        Ok(Self {
            norm: backend.buffer(tokens * config.hidden)?,
            projected: backend.buffer(tokens * config.ssm.projected())?,
            mixed: backend.buffer(tokens * config.ssm.inner)?,
            mixed_norm: backend.buffer(tokens * config.ssm.inner)?,
        })
    }
}

/// The state of a block before the first token of each sequence.
pub(super) fn zero_state<B: Backend>(shape: &SsmShape, backend: &B, sequences: usize) -> Result<SsmState<B::Buffer>> {
    Ok(SsmState {
        // (sequences, W − 1, E + 2·Ng·N)
        conv: backend.buffer(sequences * shape.conv_state_len())?,
        // (sequences, nh, P, N)
        ssm: backend.buffer(sequences * shape.ssm_state_len())?,
    })
}

impl<B: Backend> Block<B> {
    /// Loads block `index` of the file.
    pub(super) fn load(config: &Config, weights: &Weights, backend: &B, index: usize) -> Result<Self> {
        let ssm = &config.ssm;
        let name = |part: &str| format!("blk.{index}.{part}");
        let vector = |part: &str, len: usize| backend.vector(&weights.vector(&name(part), len)?);
        Ok(Self {
            norm: vector("attn_norm.weight", config.hidden)?,
            in_proj: backend.weight(weights.matrix(&name("ssm_in.weight"), ssm.projected(), config.hidden)?)?,
            mixer: SsmParams {
                conv_weight: backend.vector(&weights.matrix_f32(
                    &name("ssm_conv1d.weight"),
                    ssm.conv_channels(),
                    ssm.conv,
                )?)?,
                conv_bias: vector("ssm_conv1d.bias", ssm.conv_channels())?,
                dt_bias: vector("ssm_dt.bias", ssm.heads)?,
                a: vector("ssm_a", ssm.heads)?,
                d: vector("ssm_d", ssm.heads)?,
            },
            gated_norm: backend.vector(&weights.matrix_f32(
                &name("ssm_norm.weight"),
                ssm.groups,
                ssm.inner / ssm.groups,
            )?)?,
            out_proj: backend.weight(weights.matrix(&name("ssm_out.weight"), config.hidden, ssm.inner)?)?,
        })
    }

    /// Adds the block's output to the residual stream `x` (sequences, n, D) and moves `state` on by n tokens in each
    /// sequence.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn forward(
        &self,
        config: &Config,
        backend: &B,
        x: &mut B::Buffer,
        sequences: usize,
        n: usize,
        state: &mut SsmState<B::Buffer>,
        s: &mut Scratch<B>,
    ) -> Result<()> {
        let (eps, ssm, rows) = (config.norm_eps, &config.ssm, sequences * n);
        let norm = Norm { weight: &self.norm, width: config.hidden, eps };
        let product = &mut [Product::new(&self.in_proj, &mut s.projected)];
        backend.norm_matmul(&norm, x, rows, &mut s.norm, product, false)?;
        backend.ssm_mix(ssm, &self.mixer, &s.projected, sequences, n, state, &mut s.mixed)?;
        let norm = Norm { weight: &self.gated_norm, width: ssm.inner / ssm.groups, eps };
        let product = &mut [Product::new(&self.out_proj, x)];
        backend.norm_matmul(&norm, &s.mixed, rows, &mut s.mixed_norm, product, true)
    }
}
