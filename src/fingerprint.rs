//! What tells models apart: a memory on disk is good for the model and the tokenizer that made it only.

use sha2::{Digest, Sha256};

use crate::gguf::Gguf;
use crate::weights::Weights;

/// Bytes of a tensor that are looked at in one place, and in how many places, evenly spaced. A tensor that is not larger than
/// these together is looked at whole.
const SAMPLE: usize = 4096;
const SAMPLES: usize = 16;

/// SHA-256 of what makes a model, and of what makes its tokenizer; docs/format.md says of which bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) model: [u8; 32],
    pub(crate) tokenizer: [u8; 32],
}

impl Fingerprint {
    /// That of the model in `weights`, whose chunks are encoded by what `encoder` describes.
    pub(crate) fn of(weights: &Weights, encoder: &[u8]) -> Self {
        let gguf = weights.gguf();
        let mut model = Sha256::new();
        update(&mut model, gguf, |key| !key.starts_with("tokenizer.") && !key.starts_with("general."));
        for info in gguf.tensors() {
            model.update(format!("{} {} {:?}\n", info.name, info.dtype, info.dims));
            let bytes = weights.bytes(info);
            if bytes.len() <= SAMPLE * SAMPLES {
                model.update(bytes);
                continue;
            }
            for i in 0..SAMPLES {
                let at = (bytes.len() - SAMPLE) / (SAMPLES - 1) * i;
                model.update(bytes.get(at..at + SAMPLE).unwrap_or_default());
            }
        }
        model.update(encoder);
        let mut tokenizer = Sha256::new();
        update(&mut tokenizer, gguf, |key| key.starts_with("tokenizer."));
        Self { model: model.finalize().into(), tokenizer: tokenizer.finalize().into() }
    }
}

/// Adds the keys that are `wanted`, with their values.
fn update(hash: &mut Sha256, gguf: &Gguf, wanted: impl Fn(&str) -> bool) {
    for (key, value) in gguf.entries().filter(|(key, _)| wanted(key)) {
        hash.update(format!("{key} {value:?}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = include_bytes!("../tests/fixtures/golden/base.gguf");

    fn of(bytes: Vec<u8>) -> Fingerprint {
        Fingerprint::of(&Weights::from_bytes(bytes).unwrap(), b"native")
    }

    #[test]
    fn a_changed_weight_is_another_model() {
        let whole = of(FILE.to_vec());
        assert_eq!(of(FILE.to_vec()), whole);
        let mut changed = FILE.to_vec();
        // The last value of the last tensor.
        let last = changed.len() - 4;
        changed[last] ^= 1;
        let changed = of(changed);
        assert_ne!(changed.model, whole.model);
        assert_eq!(changed.tokenizer, whole.tokenizer);
        let other = Fingerprint::of(&Weights::from_bytes(FILE.to_vec()).unwrap(), b"other");
        assert_ne!(other.model, whole.model);
    }
}
