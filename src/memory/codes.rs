//! The codes (`coder.rs`) of landmarks that are not in RAM.

use std::ops::Range;

use super::coder::{CodeShape, Coder, MOST_ROWS, TILE};
use super::rows::Rows;
use super::shape::LandmarkBlock;
use crate::Result;
use crate::aligned::numbers;

/// The codes of consecutive chunks.
pub(super) struct Codes {
    pub(super) coder: Coder,
    tiles: Rows,
    /// The chunks that have codes, and how many there can be.
    first: u64,
    len: u64,
    capacity: u64,
}

impl Codes {
    /// No codes yet; up to `capacity`, of the chunks from `first` on.
    pub(super) fn new(shape: CodeShape, first: u64, capacity: u64) -> Self {
        let tiles = usize::try_from(capacity / TILE as u64).unwrap_or(usize::MAX);
        Self {
            coder: Coder::with(shape, 1.0),
            tiles: Rows::new(shape.tile_bytes(), tiles),
            first,
            len: 0,
            capacity: tiles as u64 * TILE as u64,
        }
    }

    /// The chunks that have codes.
    pub(super) fn chunks(&self) -> Range<u64> {
        self.first..self.first + self.len
    }

    /// Forgets those of the chunks from `len` on.
    pub(super) fn truncate(&mut self, len: u64) {
        self.len = self.len.min(len.saturating_sub(self.first));
        if self.len == 0 {
            // Those that come may have nothing to do with those that were there.
            self.coder.clear();
        }
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.tiles.bytes() + if self.coder.is_new() { 0 } else { self.coder.shape.fixed_bytes() }
    }

    /// Whether bounds of products with as many queries as these are worth it: for more, reading all landmarks is little of the work.
    pub(super) fn is_for(&self, queries: &[f32]) -> bool {
        queries.len() <= MOST_ROWS * self.coder.shape.width
    }

    /// Adds the codes of those of `block` that are the next ones, at most `most`; returns how many.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn keep(&mut self, block: &LandmarkBlock<'_>, most: u64) -> Result<u64> {
        let room = most.min(self.capacity - self.len).min(block.count as u64);
        if self.coder.is_new() || block.first != self.first + self.len {
            return Ok(0);
        }
        self.tiles.reserve((self.len + room).div_ceil(TILE as u64) as usize)?;
        for i in 0..room {
            let (tile, at) = ((self.len / TILE as u64) as usize, (self.len % TILE as u64) as usize);
            let Some(bytes) = self.tiles.get_mut(tile) else { return Ok(i) };
            self.coder.encode(block, i as usize, bytes, at)?;
            self.len += 1;
        }
        Ok(room)
    }

    /// From the first to the last of `chunks`, which lie in one tile, whose product with row i of the queries that were made ready, times
    /// `scale`, may be as high as `least(i)`, for some i; None if there is none. A row of which `least` is None wants none.
    ///
    /// # Errors
    /// None in practice.
    pub(super) fn candidates(
        &self,
        chunks: Range<u64>,
        scale: f32,
        least: impl Fn(usize) -> Option<f32>,
    ) -> Result<Option<Range<u64>>> {
        let CodeShape { heads, directions, .. } = self.coder.shape;
        let from = chunks.start - self.first;
        let (tile, at) = ((from / TILE as u64) as usize, (from % TILE as u64) as usize);
        let Some(bytes) = self.tiles.get(tile) else { return Ok(Some(chunks)) };
        let count = (chunks.end - chunks.start) as usize;
        let mut found: Option<(usize, usize)> = None;
        for (head, bytes) in bytes.chunks_exact(self.coder.shape.head_bytes()).enumerate() {
            let (codes, lengths) = bytes.split_at(directions * TILE);
            let (beside, most) = numbers::<f32>(lengths)?.split_at(TILE);
            let rows = self.coder.queries().enumerate();
            for (i, (query, weights)) in rows.skip(head).step_by(heads) {
                let Some(least) = least(i) else { continue };
                let bounds = query.bounds(weights, codes, beside, most);
                // A bound that is no number says nothing.
                let excluded = |bound: &f32| bound * scale < least;
                let within = bounds.get(at..at + count).unwrap_or_default();
                if let Some(first) = within.iter().position(|bound| !excluded(bound)) {
                    let last = within.iter().rposition(|bound| !excluded(bound)).unwrap_or(first);
                    found = Some(found.map_or((first, last), |(a, b)| (a.min(first), b.max(last))));
                }
            }
        }
        Ok(found.map(|(first, last)| chunks.start + first as u64..chunks.start + last as u64 + 1))
    }
}
