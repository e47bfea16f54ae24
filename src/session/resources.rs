//! What every part of a session works with: the model, the chunk memory and working memory.

use std::sync::Arc;

use super::device::{Model, Scratch};
use super::passage::Place;
use super::{Engine, SessionOptions};
use crate::memory::{ChunkMemory, Text};
use crate::model::{Config, Pass};
use crate::{Cancel, Error, Result};

/// The model, the chunk memory of the document and working memory.
pub(super) struct Resources {
    pub engine: Engine,
    /// None for models without chunks.
    pub memory: Option<ChunkMemory>,
    /// Working memory of threads. The first is that of whatever is not read by segments, and there is always one.
    pub scratches: Vec<Scratch>,
    /// Ends what is under way.
    pub cancel: Cancel,
}

impl Resources {
    /// # Errors
    /// `Capacity` if `memory` cannot hold what one token reads, or there is no memory for the scratch.
    pub fn new(engine: Engine, memory: Option<ChunkMemory>, options: &SessionOptions, cancel: Cancel) -> Result<Self> {
        let model = &engine.shared.model;
        if let Some(memory) = &memory {
            enough_slots(model, memory, options)?;
        }
        Ok(Self { scratches: vec![model.scratch(options.device_budget, &cancel)?], engine, memory, cancel })
    }

    pub fn config(&self) -> &Config {
        self.engine.config()
    }

    /// S; 1 for models without chunks.
    pub fn chunk_size(&self) -> u64 {
        self.config().hsa.as_ref().map_or(1, |hsa| hsa.chunk_size as u64)
    }

    /// Whether the recurrence is never reset.
    pub fn carries(&self) -> bool {
        self.config().segments.size().is_none()
    }

    /// Selections of chunks that `tokens` tokens make.
    pub fn selections(&self, tokens: u64) -> u64 {
        self.config().hsa.as_ref().map_or(0, |hsa| tokens * (hsa.groups * hsa.retrieval_heads) as u64)
    }

    /// Runs `call` with the model, the first scratch, and `pass` with the memory to read.
    pub fn run<'s, S>(
        &'s mut self,
        state: &mut S,
        pass: Pass<'s>,
        call: impl FnOnce(&'s Model, &mut S, &'s mut Scratch, Pass<'s>) -> Result<&'s [f32]>,
    ) -> Result<&'s [f32]> {
        let Self { engine, memory, scratches, .. } = self;
        let scratch = scratches.first_mut().ok_or_else(|| Error::invalid("a session without a scratch"))?;
        let remember = pass.remember.filter(|_| memory.is_some());
        call(&engine.shared.model, state, scratch, Pass { memory: memory.as_mut(), remember, ..pass })
    }

    /// Forgets the chunks from number `chunks` on, if there are any.
    ///
    /// # Errors
    /// Those of [`ChunkMemory::truncate`].
    pub fn truncate(&mut self, chunks: u64) -> Result<()> {
        match &mut self.memory {
            Some(memory) if memory.len() > chunks => memory.truncate(chunks),
            _ => Ok(()),
        }
    }

    /// The text of the document, for models with chunks.
    pub fn text(&self) -> Option<Arc<Text>> {
        self.memory.as_ref().map(|memory| Arc::clone(memory.text()))
    }

    /// The number of the chunk that is not full yet, if the recurrence has read it and the memory has it not.
    pub fn unfinished_chunk(&self) -> Option<u64> {
        self.memory.as_ref().filter(|_| self.carries()).map(ChunkMemory::len)
    }

    /// Where a chunk, or what follows the last one, stands.
    ///
    /// # Errors
    /// Those of [`ChunkMemory::source`] and [`ChunkMemory::part`].
    pub fn place(&mut self, chunk: u64) -> Result<Place> {
        let memory = self.memory.as_mut().ok_or_else(|| Error::invalid("the model keeps no chunks"))?;
        let part = memory.part(chunk)?;
        if chunk < memory.len() {
            return Ok((part, memory.source(chunk)?));
        }
        let last = part.chunks.clone().last();
        let start = last.map_or(Ok(0), |last| memory.source(last).map(|bytes| bytes.end))?;
        let end = part.text.len();
        Ok((part, start..end))
    }
}

/// Fails unless `memory` can hold all chunks that one token may read.
fn enough_slots(model: &Model, memory: &ChunkMemory, options: &SessionOptions) -> Result<()> {
    let wanted = model.config().hsa.as_ref().map_or(0, |hsa| hsa.top_k * hsa.retrieval_heads);
    if memory.slots() >= wanted {
        return Ok(());
    }
    let least = ChunkMemory::minimum_budget(&memory.shape(), memory.precision(), wanted)?;
    Err(Error::capacity(format!(
        "a memory budget of {} bytes holds {} chunks, but a token reads up to {wanted}: {least} bytes are enough",
        options.budget,
        memory.slots()
    )))
}
