//! A Mamba-2 block: x + out_proj(mixer(in_proj(RMSNorm(x)))).

use crate::backend::{Backend, MambaScratch, MambaWeights, Norm, SsmParams, SsmShape, SsmState};
use crate::weights::Weights;
use crate::{Cancel, Result};

use super::config::Config;

/// The weights of one block.
pub(super) struct MambaBlock<B: Backend> {
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

/// Activations of a block for up to `tokens` tokens, shared by all blocks.
pub(super) fn scratch<B: Backend>(config: &Config, backend: &B, tokens: usize) -> Result<MambaScratch<B::Buffer>> {
    Ok(MambaScratch {
        normed: backend.buffer(tokens * config.hidden)?,
        projected: backend.buffer(tokens * config.ssm.projected())?,
        mixed: backend.buffer(tokens * config.ssm.inner)?,
        mixed_norm: backend.buffer(tokens * config.ssm.inner)?,
        cancel: Cancel::default(),
    })
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

impl<B: Backend> MambaBlock<B> {
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

    fn weights(&self, config: &Config) -> MambaWeights<'_, B::Weight, B::Buffer> {
        let (eps, ssm) = (config.norm_eps, &config.ssm);
        MambaWeights {
            norm: Norm { weight: &self.norm, width: config.hidden, eps },
            in_proj: &self.in_proj,
            mixer: &self.mixer,
            gated_norm: Norm { weight: &self.gated_norm, width: ssm.inner / ssm.groups, eps },
            out_proj: &self.out_proj,
        }
    }
}

/// Adds the output of each of `blocks`, one after the other, to the residual stream `x` (sequences, n, D), and moves
/// their states on by n tokens in each sequence. `size` is sequences and n. Stops between two steps of a block if the scratch's `cancel` asks for it.
pub(super) fn forward<'a, 's: 'a, B: Backend>(
    (config, backend): (&'a Config, &B),
    blocks: &'a [MambaBlock<B>],
    states: impl Iterator<Item = &'s mut SsmState<B::Buffer>>,
    x: &mut B::Buffer,
    size: [usize; 2],
    scratch: &mut MambaScratch<B::Buffer>,
) -> Result<()>
where
    B::Weight: 'a,
    B::Buffer: 's,
{
    let cancel = scratch.cancel.clone();
    let blocks = blocks.iter().zip(states).take_while(|_| !cancel.is_cancelled());
    let blocks = blocks.map(|(block, state)| (block.weights(config), state));
    backend.mamba_blocks(&config.ssm, blocks, x, size, scratch)?;
    cancel.check()
}
