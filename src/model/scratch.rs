//! Working memory of one call at a time.

use crate::backend::{Backend, MambaScratch, Reader, ReaderOptions, SsmState};
use crate::memory::{ChunkShape, Precision};
use crate::{Cancel, Result};

use super::{Model, Upper, chunking, hsa, mamba2, retrieval};

/// Device memory for chunk memories, unless [`Scratch::set_device_budget`] says otherwise.
const DEVICE_BUDGET: u64 = 64 << 20;

/// Working memory of one call at a time: bounded, whatever the number of tokens.
pub struct Scratch<B: Backend> {
    /// (T, D) the residual stream
    pub(super) x: B::Buffer,
    pub(super) mamba: MambaScratch<B::Buffer>,
    pub(super) upper: Option<UpperScratch<B>>,
    /// The recurrence of segments that are read apart, lower blocks only; made when first needed.
    pub(super) lower: Vec<SsmState<B::Buffer>>,
    /// (rows, D) rows of `x` that logits are wanted of
    pub(super) head: B::Buffer,
    /// (rows, D)
    pub(super) head_norm: B::Buffer,
    /// (rows, vocab)
    pub(super) logits: B::Buffer,
    /// Rows of the three buffers above.
    pub(super) head_rows: usize,
    /// (wanted, vocab)
    pub(super) host_logits: Vec<f32>,
}

/// What a RAMba needs besides.
pub(super) struct UpperScratch<B: Backend> {
    pub(super) chunking: chunking::Scratch<B>,
    pub(super) retrieval: retrieval::Scratch<B>,
    pub(super) hsa: hsa::Scratch<B>,
    pub(super) reader: Reader<B>,
    options: ReaderOptions,
}

impl<B: Backend> Model<B> {
    /// Working memory for one call at a time.
    ///
    /// # Errors
    /// If the device has no memory for it.
    pub fn scratch(&self) -> Result<Scratch<B>> {
        // Inside `run`, a device does not wait for each of the buffers.
        self.backend.run(|| self.new_scratch())
    }

    fn new_scratch(&self) -> Result<Scratch<B>> {
        let (config, backend) = (&self.config, &self.backend);
        let tokens = self.tile();
        let upper = match &self.upper {
            None => None,
            Some(Upper { hsa, chunking, groups }) => {
                let options = ReaderOptions { budget: DEVICE_BUDGET, tokens, groups: groups.len() };
                Some(UpperScratch {
                    // T is a multiple of S: with fewer than S tokens left by the tile before, no more than T / S chunks
                    // end.
                    chunking: chunking.scratch(config, hsa, backend, tokens / hsa.chunk_size)?,
                    retrieval: retrieval::Scratch::new(config, hsa, backend, tokens)?,
                    hsa: hsa::Scratch::new(config, backend, tokens)?,
                    reader: Reader::new(backend, options),
                    options,
                })
            }
        };
        Ok(Scratch {
            x: backend.buffer(tokens * config.hidden)?,
            mamba: mamba2::scratch(config, backend, tokens)?,
            upper,
            lower: Vec::new(),
            head: backend.buffer(config.hidden)?,
            head_norm: backend.buffer(config.hidden)?,
            logits: backend.buffer(config.vocab)?,
            head_rows: 1,
            host_logits: Vec::new(),
        })
    }

    /// The least budget of [`Model::set_device_budget`] with which the device holds up to `chunks` chunks and their landmarks.
    pub fn least_device_budget(&self, shape: &ChunkShape, precision: Precision, chunks: usize) -> u64 {
        // A device keeps room for twice the landmarks that it expects, and none takes more than f32.
        let landmarks = 2 * chunks * shape.landmark_len() * size_of::<f32>();
        self.backend.least_budget(shape, precision, self.tile()) + landmarks as u64
    }

    /// How many bytes of its own memory the device may use for chunk memories that are read with `scratch`; a budget
    /// for the CPU has no effect. While the device holds all visible chunks, it chooses among them without the host.
    /// The next call takes it.
    pub fn set_device_budget(&self, scratch: &mut Scratch<B>, budget: u64) {
        if let Some(upper) = &mut scratch.upper {
            upper.options.budget = budget;
            upper.reader = Reader::new(&self.backend, upper.options);
        }
    }
}

impl<B: Backend> Scratch<B> {
    /// Calls with this scratch end with `Cancelled` between two steps of a layer once `cancel` asks for it.
    pub fn stop_with(&mut self, cancel: Cancel) {
        if let Some(upper) = &mut self.upper {
            upper.chunking.cancel = cancel.clone();
        }
        self.mamba.cancel = cancel;
    }

    /// Makes room for `rows` rows of logits.
    pub(super) fn make_head_room(&mut self, model: &Model<B>, rows: usize) -> Result<()> {
        if rows > self.head_rows {
            let (config, backend) = (&model.config, &model.backend);
            self.head = backend.buffer(rows * config.hidden)?;
            self.head_norm = backend.buffer(rows * config.hidden)?;
            self.logits = backend.buffer(rows * config.vocab)?;
            self.head_rows = rows;
        }
        Ok(())
    }
}
