//! What a model wants of an encoder's inputs and outputs.

use crate::gguf::Quoted;
use crate::memory::ChunkShape;
use crate::model::Config;
use crate::onnx::names;
use crate::{Error, Result};

/// The shapes of one model's encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature {
    /// D
    pub hidden: usize,
    pub chunk: ChunkShape,
}

/// An input or output as an ONNX file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    pub name: String,
    /// Whether it is a tensor of f32; `None` if that is open.
    pub f32: Option<bool>,
    /// `None` for a dimension that is open. `None` altogether if the rank is.
    pub dims: Option<Vec<Option<usize>>>,
}

impl Signature {
    /// # Errors
    /// `InvalidArgument` if the model keeps no chunk memories.
    pub fn of(config: &Config) -> Result<Self> {
        let chunk = config.chunk_shape();
        let chunk = chunk.ok_or_else(|| Error::invalid("this model keeps no chunk memories: it takes no encoder"))?;
        Ok(Self { hidden: config.hidden, chunk })
    }

    /// Dimensions of the input after the first: S, D.
    pub fn input(&self) -> [usize; 2] {
        [self.chunk.chunk_size, self.hidden]
    }

    /// Names of the outputs and their dimensions after the first.
    pub fn outputs(&self) -> [(&'static str, Vec<usize>); 3] {
        let ChunkShape { chunk_size, kv_heads, head_dim, retrieval_heads, retrieval_width } = self.chunk;
        let kv = vec![chunk_size, kv_heads, head_dim];
        [(names::KEYS, kv.clone()), (names::VALUES, kv), (names::LANDMARKS, vec![retrieval_heads, retrieval_width])]
    }

    /// Fails unless `hidden` are the hidden states of `chunks` chunks.
    pub fn check_hidden(&self, hidden: &[f32], chunks: usize) -> Result<()> {
        let each = self.chunk.chunk_size * self.hidden;
        if chunks == 0 || chunks.checked_mul(each) != Some(hidden.len()) {
            return Err(Error::invalid(format!(
                "{} values are not the hidden states of {chunks} chunks",
                hidden.len()
            )));
        }
        Ok(())
    }

    /// Fails unless the one input is what the model gives. Dimensions that the file leaves open are settled by each call.
    pub fn check_inputs(&self, ports: &[Port]) -> Result<()> {
        match ports {
            [port] => check("input", port, names::HIDDEN, &self.input()),
            _ => {
                let found: Vec<_> = ports.iter().map(|p| Quoted(&p.name).to_string()).collect();
                let expected = names::HIDDEN;
                Err(Error::format(format!("inputs [{}], expected only \"{expected}\"", found.join(", "))))
            }
        }
    }

    /// Fails unless the outputs are what the model wants. There may be others.
    pub fn check_outputs(&self, ports: &[Port]) -> Result<()> {
        for (name, dims) in self.outputs() {
            let port = ports.iter().find(|p| p.name == name);
            let port = port.ok_or_else(|| Error::format(format!("there is no output \"{name}\"")))?;
            check("output", port, name, &dims)?;
        }
        Ok(())
    }
}

/// `dims` are those after the first, the number of chunks.
fn check(what: &str, port: &Port, name: &str, dims: &[usize]) -> Result<()> {
    if port.name != name {
        return Err(Error::format(format!("{what} {}, expected \"{name}\"", Quoted(&port.name))));
    }
    if port.f32 == Some(false) {
        return Err(Error::format(format!("{what} \"{name}\" is not of 32-bit floats")));
    }
    let Some(found) = &port.dims else { return Ok(()) };
    let fits = match found.split_first() {
        Some((None, rest)) => {
            rest.len() == dims.len() && rest.iter().zip(dims).all(|(found, &want)| found.is_none_or(|d| d == want))
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let shown = |dims: &mut dyn Iterator<Item = Option<usize>>| {
        let dims: Vec<_> = dims.map(|d| d.map_or("any".to_owned(), |d| d.to_string())).collect();
        dims.join(", ")
    };
    let wanted = shown(&mut std::iter::once(None).chain(dims.iter().copied().map(Some)));
    let found = shown(&mut found.iter().copied());
    Err(Error::format(format!("{what} \"{name}\" has the shape ({found}), this model wants ({wanted})")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::Gguf;

    fn signature() -> Signature {
        let file = include_bytes!("../../tests/fixtures/golden/base.gguf");
        Signature::of(&Config::from_gguf(&Gguf::parse(file).unwrap()).unwrap()).unwrap()
    }

    fn port(name: &str, dims: &[usize]) -> Port {
        let dims = std::iter::once(None).chain(dims.iter().copied().map(Some)).collect();
        Port { name: name.to_owned(), f32: Some(true), dims: Some(dims) }
    }

    #[test]
    fn what_fits_is_taken() {
        let s = signature();
        s.check_inputs(&[port("hidden", &[16, 32])]).unwrap();
        let mut outputs = vec![port("keys", &[16, 1, 8]), port("values", &[16, 1, 8]), port("landmarks", &[1, 32])];
        s.check_outputs(&outputs).unwrap();
        // What the file leaves open.
        outputs[1].dims = None;
        outputs[2].dims = Some(vec![None; 3]);
        s.check_outputs(&outputs).unwrap();
        s.check_hidden(&[0.0; 2 * 16 * 32], 2).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let s = signature();
        let fixed = Port { dims: Some(vec![Some(1), Some(16), Some(32)]), ..port("hidden", &[]) };
        let ints = Port { f32: Some(false), ..port("hidden", &[16, 32]) };
        let inputs: &[(&[Port], &str)] = &[
            (&[], "expected only"),
            (&[port("hidden", &[16, 32]), port("mask", &[16])], "mask"),
            (&[port("x", &[16, 32])], "expected \"hidden\""),
            (&[port("hidden", &[16, 33])], "(any, 16, 33)"),
            (&[port("hidden", &[16])], "(any, 16)"),
            (&[fixed], "(1, 16, 32)"),
            (&[ints], "32-bit floats"),
        ];
        for (ports, word) in inputs {
            let message = s.check_inputs(ports).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
        let message = s.check_outputs(&[port("keys", &[16, 1, 8])]).unwrap_err().to_string();
        assert!(message.contains("values"), "{message}");
        for chunks in [0, 1, 3, usize::MAX] {
            assert!(s.check_hidden(&[0.0; 2 * 16 * 32], chunks).is_err());
        }
    }
}
