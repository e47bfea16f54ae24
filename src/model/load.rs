//! A model of a file: every tensor by its name and shape.

use std::ops::Range;
use std::sync::Arc;

use crate::backend::Backend;
use crate::weights::Weights;
use crate::{Error, Result};

use super::chunking::{ChunkEncoder, Chunking};
use super::config::Config;
use super::hsa::HsaLayer;
use super::mamba2::MambaBlock;
use super::retrieval::Retrieval;
use super::{Group, Model, Upper};

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
            range.map(|i| MambaBlock::load(&config, weights, &backend, i)).collect()
        };
        let embedding = weights.matrix("token_embd.weight", vocab, hidden)?;
        let output = weights.try_matrix("output.weight", vocab, hidden)?.map(|t| backend.weight(t)).transpose()?;
        let embedding = if output.is_some() { backend.table(embedding) } else { backend.weight(embedding) }?;
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
}
