//! What is to be read of a chunk memory, which the CPU reads where the memory's cache has it.

use crate::Result;
use crate::backend::{Pick, Selecting, weigh};
use crate::memory::ChunkView;
use crate::topk::TopK;

/// The chunks to read next.
#[derive(Debug, Default)]
pub struct Reads {
    pub(super) ids: Vec<u64>,
    pub(super) picks: Vec<Pick>,
    /// Always empty: its allocation is what is kept.
    pub(super) views: Vec<ChunkView<'static>>,
    /// How many chunks [`select`](crate::backend::Backend::select) chooses among.
    pub(super) visible: u64,
    /// (Gr)
    pub(super) top: Vec<TopK>,
    /// For each selection of a token (Gr, K): chunk and weight.
    pub(super) readings: Vec<Vec<(u64, f32)>>,
}

impl Reads {
    /// Makes `top` the empty selections of one token.
    ///
    /// # Errors
    /// As [`TopK::new`].
    pub(super) fn begin(&mut self, heads: usize, k: usize) -> Result<()> {
        if self.top.first().is_some_and(|top| top.k() != k) {
            self.top.clear();
        }
        self.top.resize(heads, TopK::new(k)?);
        self.top.iter_mut().for_each(TopK::clear);
        Ok(())
    }

    /// Makes chunks to read, picks and readings of `top`.
    pub(super) fn choose(&mut self, selecting: &Selecting, selection: usize) {
        let Selecting { top_k, weighting, position_decay, .. } = *selecting;
        if self.readings.len() <= selection {
            self.readings.resize_with(selection + 1, Vec::new);
        }
        let Some(readings) = self.readings.get_mut(selection) else { return };
        readings.resize(self.top.len() * top_k, (0, 0.0));
        for (top, readings) in self.top.iter().zip(readings.chunks_exact_mut(top_k)) {
            weigh(top, weighting, position_decay, readings);
        }
        self.ids.clear();
        self.ids.extend(readings.iter().filter(|r| r.1 != 0.0).map(|r| r.0));
        self.ids.sort_unstable();
        self.ids.dedup();
        self.picks.clear();
        self.picks.extend(readings.iter().map(|&(id, weight)| match self.ids.binary_search(&id) {
            // At most Gr·K chunks.
            Ok(chunk) if weight != 0.0 => Pick { chunk: chunk as u32, weight },
            _ => Pick::NONE,
        }));
    }
}

/// The allocation of `views`, emptied, for views of another lifetime: collecting a vector's own iterator happens in place.
pub(super) fn recycle<'a>(mut views: Vec<ChunkView<'_>>) -> Vec<ChunkView<'a>> {
    views.clear();
    views.into_iter().map_while(|_| None).collect()
}
