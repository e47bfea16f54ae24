//! The reader of chunk memories, which reads where the memory's own cache has the chunks.

use super::Cpu;
use super::attention::{self, Reading};
use super::buffer::Buffer;
use super::retrieval::{self, Scoring};
use crate::backend::{Checked, Choice, HsaShape, ReadChunks, ReaderOptions, Reads, Selecting};
use crate::memory::{Best, ChunkMemory, ChunkShape, ChunkView, LandmarkBlock, Precision};
use crate::topk::TopK;
use crate::{Error, Result, room};

/// What tokens have chosen.
#[derive(Default)]
pub struct ChunkReader {
    choice: Choice,
    /// (n, Gr)
    top: Vec<TopK>,
    /// Always empty: its allocation is what is kept.
    views: Vec<ChunkView<'static>>,
}

impl ReadChunks for Cpu {
    type Reader = ChunkReader;

    fn least_budget(&self, _: &ChunkShape, _: Precision, _: usize) -> u64 {
        0
    }

    fn reader(&self, _: &ReaderOptions) -> ChunkReader {
        ChunkReader::default()
    }

    fn select(
        &self,
        _: Checked,
        reader: &mut ChunkReader,
        memory: &mut ChunkMemory,
        (group, selecting): (usize, &Selecting),
        (q, visible): (&Buffer, &[u64]),
    ) -> Result<bool> {
        let ChunkShape { retrieval_heads: heads, retrieval_width: width, .. } = memory.shape();
        let Selecting { top_k, scale, weighting, position_decay } = *selecting;
        let ChunkReader { choice, top, .. } = reader;
        let rows = visible.len() * heads;
        if top.first().is_some_and(|top| top.k() != top_k) {
            top.clear();
        }
        if top.len() < rows {
            room::resize(top, rows, TopK::new(top_k)?)?;
        }
        let top = &mut top[..rows];
        top.iter_mut().for_each(TopK::clear);
        let upto = visible.iter().copied().max().unwrap_or(0);
        let mut best = Scored { cpu: self, q, heads, width, visible, scale, top };
        memory.search(&q[..rows * width], upto, scale, &mut best)?;
        choice.weigh(group, top, top_k, weighting, position_decay);
        ready(choice, memory, group, heads * top_k)
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
        reader.choice.set(group, chosen);
        ready(&mut reader.choice, memory, group, per_token)
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
        let ChunkReader { choice, views, .. } = reader;
        let row = shape.heads * shape.head_dim;
        for batch in 0..choice.batches() {
            let Reads { tokens, chunks: ids, picks } = choice.batch(batch);
            if choice.batches() > 1 {
                memory.fetch(ids)?;
            }
            let mut chunks = recycle(std::mem::take(views));
            for &id in ids {
                let view = memory.view(id);
                chunks.push(view.ok_or_else(|| Error::invalid(format!("attend: chunk {id} was not fetched")))?);
            }
            let rows = tokens.start * row..tokens.end * row;
            let reading = Reading { shape, q: &q[rows.clone()], chunks: &chunks, picks };
            attention::attend(self.kernels, &self.pool, &reading, &mut out[rows])?;
            *views = recycle(chunks);
        }
        Ok(())
    }

    fn trace(&self, _: Checked, reader: &mut ChunkReader, group: usize, out: &mut [(u64, f32)]) -> Result<()> {
        out.copy_from_slice(reader.choice.of(group));
        Ok(())
    }
}

/// What tokens have chosen so far, and what for.
struct Scored<'a> {
    cpu: &'a Cpu,
    /// (n, Gr, w)
    q: &'a [f32],
    heads: usize,
    width: usize,
    /// (n)
    visible: &'a [u64],
    scale: f32,
    /// (n, Gr)
    top: &'a mut [TopK],
}

impl Best for Scored<'_> {
    fn least(&self, row: usize, chunk: u64) -> Option<f32> {
        let visible = self.visible.get(row / self.heads)?;
        self.top.get(row).filter(|_| *visible > chunk).map(TopK::threshold)
    }

    fn offer(&mut self, block: &LandmarkBlock<'_>) -> Result<()> {
        let Self { cpu, q, heads, width, visible, scale, .. } = *self;
        let scoring = Scoring { q, heads, width, block, visible, scale };
        retrieval::score_top_k(cpu.kernels, &cpu.pool, &scoring, self.top)
    }
}

/// Divides what `group` has chosen into batches, and fetches the chunks of the only one. Tells whether there are any.
fn ready(choice: &mut Choice, memory: &mut ChunkMemory, group: usize, per_token: usize) -> Result<bool> {
    choice.divide(group, per_token, memory.slots());
    if choice.batches() == 1 {
        memory.fetch(choice.batch(0).chunks)?;
    }
    Ok(!choice.is_empty())
}

/// The allocation of `views`, emptied, for views of another lifetime: collecting a vector's own iterator happens in place.
fn recycle<'a>(mut views: Vec<ChunkView<'_>>) -> Vec<ChunkView<'a>> {
    views.clear();
    views.into_iter().map_while(|_| None).collect()
}
