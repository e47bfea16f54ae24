//! Which tensors a model has: a file with others holds parts that would be left unused, one with fewer is not whole.

use std::collections::BTreeSet;

use super::config::{Config, EncoderConfig, HsaConfig};
use crate::backend::Weighting;
use crate::gguf::{Gguf, Quoted};
use crate::{Error, Result};

/// Names in a message.
const SHOWN: usize = 4;

impl Config {
    /// Fails if `gguf` has a tensor that a model with these hyperparameters does not use.
    ///
    /// # Errors
    /// `Format` with the names of such tensors, and of the hyperparameter that leaves the first of them unused.
    pub(super) fn check_all_used(&self, gguf: &Gguf) -> Result<()> {
        let names = self.tensor_names();
        let unused = gguf.tensors().iter().map(|t| t.name.as_str());
        let unused: Vec<&str> = unused.filter(|name| *name != OUTPUT && !names.contains(*name)).collect();
        let Some(first) = unused.first() else { return Ok(()) };
        let architecture = gguf.str("general.architecture")?;
        let why = match self.switch(first) {
            Some(key) => format!(" ({architecture}.{key} leaves it out)"),
            None => String::new(),
        };
        Err(Error::format(format!(
            "{} of the file {} not part of the model that its hyperparameters describe: {}{why}{}",
            count(unused.len()),
            if unused.len() == 1 { "is" } else { "are" },
            Quoted(first),
            others(&unused[1..]),
        )))
    }

    /// Fails unless `gguf` has every tensor of a model with these hyperparameters.
    ///
    /// # Errors
    /// `Format` with the names of those that are missing.
    #[cfg(feature = "convert")]
    pub(crate) fn check_complete(&self, gguf: &Gguf) -> Result<()> {
        let names = self.tensor_names();
        let missing: Vec<&str> = names.iter().map(String::as_str).filter(|n| gguf.tensor(n).is_none()).collect();
        let Some(first) = missing.first() else { return Ok(()) };
        Err(Error::format(format!(
            "{} of the model {} missing: {}{}",
            count(missing.len()),
            if missing.len() == 1 { "is" } else { "are" },
            Quoted(first),
            others(&missing[1..]),
        )))
    }

    /// The names of all tensors that the model must have; docs/format.md has their shapes. [`OUTPUT`] may be there as
    /// well.
    fn tensor_names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = ["token_embd.weight", "output_norm.weight"].map(String::from).into();
        let mut add = |prefix: &str, parts: &[&str]| names.extend(parts.iter().map(|part| format!("{prefix}{part}")));
        for i in 0..self.blocks {
            add(&format!("blk.{i}."), &BLOCK);
        }
        let Some(hsa) = &self.hsa else { return names };
        let HsaConfig { qk_norm, landmark_norm, .. } = *hsa;
        let EncoderConfig { blocks, cls, prenorm, .. } = hsa.encoder;
        let decay = hsa.weighting == Weighting::Softmax { position_decay: true };
        let mut add_if = |present: bool, prefix: &str, parts: &[&str]| {
            if present {
                add(prefix, parts);
            }
        };
        for j in 0..blocks {
            add_if(true, &format!("enc.blk.{j}."), &ENCODER_LAYER);
        }
        add_if(true, "enc.", &["output_norm.weight"]);
        add_if(prenorm, "enc.", &["prenorm.weight"]);
        add_if(cls, "enc.", &["cls"]);
        add_if(true, "chunk.", &["k.weight", "v.weight", "landmark.weight"]);
        add_if(qk_norm, "chunk.", &["k_norm.weight"]);
        for g in 0..hsa.groups {
            let prefix = format!("ret.{g}.");
            add_if(true, &prefix, &["norm.weight", "q.weight"]);
            add_if(landmark_norm, &prefix, &["q_norm.weight", "k_norm.weight"]);
            add_if(decay, &prefix, &["pos_decay"]);
        }
        for l in 0..hsa.groups * hsa.layers_per_group {
            let prefix = format!("hsa.{l}.");
            add_if(true, &prefix, &["norm.weight", "q.weight", "output.weight"]);
            add_if(qk_norm, &prefix, &["q_norm.weight"]);
        }
        names
    }

    /// The hyperparameter that says whether there is a tensor such as `name`.
    fn switch(&self, name: &str) -> Option<&'static str> {
        let mut parts = name.split('.');
        Some(match (parts.next()?, parts.next()?, parts.next().unwrap_or_default()) {
            ("blk", ..) => "block_count",
            ("enc" | "chunk" | "ret" | "hsa", ..) if self.hsa.is_none() => "upper_group_count",
            ("enc", "blk", _) => "encoder.block_count",
            ("enc", "cls", _) => "encoder.cls",
            ("enc", "prenorm", _) => "encoder.prenorm",
            ("chunk", "k_norm", _) | ("hsa", _, "q_norm") => "attention.qk_norm",
            ("ret", _, "q_norm" | "k_norm") => "retrieval.landmark_norm",
            ("ret", _, "pos_decay") => "retrieval.position_decay",
            ("ret", ..) => "upper_group_count",
            ("hsa", ..) => "block_count",
            _ => return None,
        })
    }
}

/// The output matrix, which a model may do without.
const OUTPUT: &str = "output.weight";

/// A Mamba-2 block.
const BLOCK: [&str; 9] = [
    "attn_norm.weight",
    "ssm_in.weight",
    "ssm_conv1d.weight",
    "ssm_conv1d.bias",
    "ssm_dt.bias",
    "ssm_a",
    "ssm_d",
    "ssm_norm.weight",
    "ssm_out.weight",
];

/// A layer of the chunk encoder.
const ENCODER_LAYER: [&str; 14] = [
    "attn_norm.weight",
    "attn_q.weight",
    "attn_q.bias",
    "attn_k.weight",
    "attn_k.bias",
    "attn_v.weight",
    "attn_v.bias",
    "attn_q_norm.weight",
    "attn_k_norm.weight",
    "attn_output.weight",
    "ffn_norm.weight",
    "ffn_gate.weight",
    "ffn_up.weight",
    "ffn_down.weight",
];

fn count(n: usize) -> String {
    if n == 1 { "a tensor".to_owned() } else { format!("{n} tensors") }
}

/// The rest of a list whose first name stands already.
fn others(names: &[&str]) -> String {
    let mut list: String = names.iter().take(SHOWN - 1).map(|name| format!(", {}", Quoted(name))).collect();
    if let Some(more @ 1..) = names.len().checked_sub(SHOWN - 1) {
        list += &format!(" and {more} more");
    }
    list
}
