//! The reader of chunk memories: what tokens choose, by the device where it has all visible chunks, and by the host else.

use super::chunk_cache::{self, ChunkCache};
use super::stream::Stream;
use super::{Buffer, Cuda};
use crate::backend::{Checked, Choice, HsaShape, ReadChunks, ReaderOptions, Reads, Selecting, check};
use crate::memory::{ChunkMemory, ChunkShape, Precision};
use crate::room;
use crate::topk::TopK;
use crate::{Error, Result};

/// Chunks that a cache is made for at least, so that those of short memories are not made anew while they grow.
const LEAST_MADE_FOR: u64 = 4096;

/// What the device keeps of the memory that was read last, and what tokens have chosen there.
pub struct ChunkReader {
    options: ReaderOptions,
    cache: Option<ChunkCache>,
    /// (n, Gr)
    top: Vec<TopK>,
    /// What the host has chosen.
    choice: Choice,
    /// For each group, whether the device has chosen last.
    by_device: Vec<bool>,
    /// The group that has chosen last.
    last: usize,
    /// Whether chunks were brought in for the token that comes.
    ready: bool,
}

impl ChunkReader {
    /// Makes sure that the cache is one of `memory`.
    fn follow(&mut self, stream: &mut Stream, memory: &ChunkMemory) -> Result<()> {
        let (id, len) = (memory.id(), memory.len());
        // One that has grown to more than twice of what was expected may need another division of the budget.
        if self.cache.as_ref().is_none_or(|cache| cache.memory != id || len / 2 > cache.made_for) {
            self.cache = None;
            let ReaderOptions { budget, tokens, .. } = self.options;
            self.cache = Some(ChunkCache::new(stream, memory, budget, tokens, len.max(LEAST_MADE_FOR))?);
        }
        Ok(())
    }

    /// Divides what the host has chosen for `group` into batches, and fetches the chunks of the only one. Tells whether there are any.
    fn ready(&mut self, stream: &mut Stream, memory: &mut ChunkMemory, group: usize, per_token: usize) -> Result<bool> {
        let Self { cache, choice, by_device, last, .. } = self;
        let cache = cache.as_mut().ok_or_else(nothing)?;
        (by_device[group], *last) = (false, group);
        choice.divide(group, per_token, cache.slots());
        if choice.batches() == 1 {
            let Reads { chunks, picks, .. } = choice.batch(0);
            cache.fetch(stream, memory, chunks, picks)?;
        }
        Ok(!choice.is_empty())
    }
}

fn nothing() -> Error {
    Error::invalid("nothing was chosen")
}

impl ReadChunks for Cuda {
    type Reader = ChunkReader;

    fn least_budget(&self, shape: &ChunkShape, precision: Precision, tokens: usize) -> u64 {
        chunk_cache::least_budget(&self.context, shape, precision, tokens)
    }

    fn reader(&self, options: &ReaderOptions) -> ChunkReader {
        ChunkReader {
            options: *options,
            cache: None,
            top: Vec::new(),
            choice: Choice::default(),
            by_device: vec![false; options.groups],
            last: 0,
            ready: false,
        }
    }

    fn ready(&self, _: Checked, reader: &mut ChunkReader, memory: &mut ChunkMemory, visible: u64) -> Result<()> {
        self.on_stream(|stream| {
            reader.follow(stream, memory)?;
            let cache = reader.cache.as_mut().ok_or_else(nothing)?;
            if reader.options.groups <= chunk_cache::SELECTIONS {
                cache.resident(stream, memory, visible, true)?;
                reader.ready = true;
            }
            Ok(())
        })
    }

    fn select(
        &self,
        _: Checked,
        reader: &mut ChunkReader,
        memory: &mut ChunkMemory,
        (group, selecting): (usize, &Selecting),
        (q, visible): (&Buffer, &[u64]),
    ) -> Result<bool> {
        let heads = memory.shape().retrieval_heads;
        let Selecting { top_k, scale, weighting, position_decay } = *selecting;
        self.on_stream(|stream| {
            reader.follow(stream, memory)?;
            let bring = group == 0 && !std::mem::take(&mut reader.ready);
            let ChunkReader { options, cache, top, choice, by_device, last, .. } = reader;
            let cache = cache.as_mut().ok_or_else(nothing)?;
            if let [visible] = *visible
                && options.groups <= chunk_cache::SELECTIONS
                && cache.resident(stream, memory, visible, bring)?
            {
                (by_device[group], *last) = (true, group);
                cache.select(&self.kernels, stream, q, selecting, group)?;
                return Ok(visible > 0);
            }
            let rows = visible.len() * heads;
            if top.first().is_some_and(|top| top.k() != top_k) {
                top.clear();
            }
            if top.len() < rows {
                room::resize(top, rows, TopK::new(top_k)?)?;
            }
            let top = &mut top[..rows];
            top.iter_mut().for_each(TopK::clear);
            cache.score(&self.kernels, stream, (q, visible), scale, memory, top)?;
            choice.weigh(group, top, top_k, weighting, position_decay);
            reader.ready(stream, memory, group, heads * top_k)
        })
    }

    fn choose(
        &self,
        _: Checked,
        reader: &mut ChunkReader,
        memory: &mut ChunkMemory,
        group: usize,
        chosen: &[(u64, f32)],
        per_token: usize,
    ) -> Result<bool> {
        self.on_stream(|stream| {
            reader.follow(stream, memory)?;
            reader.choice.set(group, chosen);
            reader.ready(stream, memory, group, per_token)
        })
    }

    fn attend(
        &self,
        _: Checked,
        reader: &mut ChunkReader,
        memory: &mut ChunkMemory,
        shape: &HsaShape,
        q: &Buffer,
        out: &mut Buffer,
    ) -> Result<()> {
        let ChunkReader { cache, choice, by_device, last, .. } = reader;
        let cache = cache.as_mut().ok_or_else(nothing)?;
        check(cache.memory == memory.id(), || "chunks were chosen in another memory".to_owned())?;
        self.on_stream(|stream| {
            if by_device[*last] {
                return cache.attend(&self.kernels, stream, shape, q, 0..1, out);
            }
            for batch in 0..choice.batches() {
                let Reads { tokens, chunks, picks } = choice.batch(batch);
                if choice.batches() > 1 {
                    cache.fetch(stream, memory, chunks, picks)?;
                }
                cache.attend(&self.kernels, stream, shape, q, tokens, out)?;
            }
            Ok(())
        })
    }

    fn trace(&self, _: Checked, reader: &mut ChunkReader, group: usize, out: &mut [(u64, f32)]) -> Result<()> {
        let ChunkReader { cache, choice, by_device, .. } = reader;
        match cache {
            Some(cache) if by_device[group] => self.on_stream(|stream| cache.readings(stream, group, out)),
            _ => {
                out.copy_from_slice(choice.of(group));
                Ok(())
            }
        }
    }
}
