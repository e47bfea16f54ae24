//! Which inputs of a matrix matter: what a model makes of a text tells.

use std::collections::BTreeMap;
use std::path::Path;

use crate::gguf::Gguf;
use crate::memory::{ChunkMemory, Precision};
use crate::model::{Logits, Model, Pass};
use crate::quant::DType;
use crate::tokenizer::Tokenizer;
use crate::weights::Weights;
use crate::{Error, Result};

use super::observer::Observed;
use super::quantize::is_matrix;

/// RAM for the chunk memories of the text.
const BUDGET: u64 = 64 << 20;
/// Tokens between two looks at the text.
const STEP: usize = 4096;

/// For every matrix of a model the mean squares of its inputs over a text. An error in a weight changes the output by that
/// error times its input: [`quantize_with`](super::quantize_with) weighs errors by these squares.
#[derive(Debug, Clone, Default)]
pub struct Importance {
    /// By the name of the matrix: (cols)
    columns: BTreeMap<String, Vec<f32>>,
}

impl Importance {
    /// Runs the model file `model` over all of `text` on the CPU, chunk memories included. A few thousand words of what the
    /// model is meant for are enough.
    ///
    /// # Errors
    /// Those of opening and running a model; `Unsupported` if the file has no tokenizer, `InvalidArgument` if the text is empty.
    pub fn measure(model: impl AsRef<Path>, text: &str) -> Result<Self> {
        let model = model.as_ref();
        let weights = Weights::open(model)?;
        Self::of(&weights, text).map_err(|e| e.context(format_args!("model {}", model.display())))
    }

    fn of(weights: &Weights, text: &str) -> Result<Self> {
        let gguf: &Gguf = weights.gguf();
        let tokenizer = Tokenizer::from_gguf(gguf);
        let tokenizer = tokenizer.map_err(|e| e.context("a model without a usable tokenizer cannot read a text"))?;
        let tokens = tokenizer.encode(text)?;
        if tokens.is_empty() {
            return Err(Error::invalid("the text that tells which weights matter is empty"));
        }
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        let model = Model::load(weights, Observed::new(threads)?)?;
        let memory =
            model.chunk_shape().map(|shape| ChunkMemory::create(&std::env::temp_dir(), shape, Precision::F16, BUDGET));
        let mut memory = memory.transpose()?;
        let (mut state, mut scratch) = (model.state()?, model.scratch()?);
        let source = |chunk: u64| chunk..chunk + 1;
        for tokens in tokens.chunks(STEP) {
            let remember = memory.is_some().then_some(&source as _);
            // The output matrix counts too, though not for every token, which would take most of the time.
            let pass = Pass { memory: memory.as_mut(), remember, logits: Logits::Last, ..Pass::default() };
            model.advance(&mut state, &mut scratch, tokens, pass)?;
        }
        let mut columns = BTreeMap::new();
        for t in gguf.tensors().iter().filter(|t| is_matrix(t)) {
            if let Some(squares) = model.backend().inputs(&weights.tensor(&t.name)?) {
                columns.insert(t.name.clone(), squares);
            }
        }
        Ok(Self { columns })
    }

    /// The mean squares of the inputs of the matrix `name`, if it was used: (cols).
    pub fn inputs(&self, name: &str) -> Option<&[f32]> {
        self.columns.get(name).map(Vec::as_slice)
    }

    /// Whether it knows nothing.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// What to weigh the errors of the matrix `name` by when it becomes `dtype`.
    pub(super) fn weigh(&self, name: &str, dtype: DType) -> Option<&[f32]> {
        self.inputs(name).filter(|_| dtype.can_be_weighted())
    }
}
