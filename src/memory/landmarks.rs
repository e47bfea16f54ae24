//! The landmarks of the first chunks, kept in RAM, and how records from the disk become blocks.

use std::ops::Range;

use super::rows::Rows;
use super::shape::LandmarkBlock;
use super::store::{Layout, RECORD_HEADER};
use crate::Result;

/// The landmarks of chunks `0..capacity`, packed, in the host's byte order. They take memory as chunks come.
pub(super) struct Landmarks {
    rows: Rows,
    /// How many of the first chunks have theirs here.
    kept: u64,
}

impl Landmarks {
    pub(super) fn new(layout: &Layout, capacity: usize) -> Self {
        Self { rows: Rows::new(layout.landmark_bytes, capacity), kept: 0 }
    }

    /// Whether there is room for no more.
    pub(super) fn is_full(&self) -> bool {
        self.kept >= self.rows.limit() as u64
    }

    /// How many of the first chunks have their landmarks here.
    pub(super) fn kept(&self) -> u64 {
        self.kept
    }

    /// Forgets those of the chunks from `len` on.
    pub(super) fn truncate(&mut self, len: u64) {
        self.kept = self.kept.min(len);
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    /// Makes room for the landmarks of the chunks before `end`, as far as they are to be kept.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn reserve(&mut self, end: u64) -> Result<()> {
        self.rows.reserve(usize::try_from(end).unwrap_or(usize::MAX))
    }

    /// Keeps those landmarks for which there is room, unless some before them are missing: `records` are those of chunk
    /// `first` and following, as in the file.
    pub(super) fn keep(&mut self, layout: &Layout, first: u64, records: &[u8]) {
        for (id, record) in (first..).zip(records.chunks_exact(layout.landmark_stride)) {
            if id > self.kept {
                return;
            }
            let Some(to) = usize::try_from(id).ok().and_then(|id| self.rows.get_mut(id)) else { return };
            to.copy_from_slice(&record[RECORD_HEADER..][..layout.landmark_bytes]);
            layout.swap_landmarks(to);
            self.kept = self.kept.max(id + 1);
        }
    }

    /// As many landmarks of `chunks`, which must be kept, as lie next to each other, as one block.
    ///
    /// # Errors
    /// None in practice.
    pub(super) fn block(&self, layout: &Layout, chunks: Range<u64>) -> Result<LandmarkBlock<'_>> {
        let bytes = self.rows.adjacent(chunks.start as usize..chunks.end as usize);
        let count = bytes.len() / layout.landmark_bytes;
        Ok(LandmarkBlock { first: chunks.start, count, data: layout.landmarks(bytes)? })
    }
}

/// Turns landmark records, as read, into a block at the start of the same buffer.
///
/// # Errors
/// `InvalidArgument` if the buffer is misaligned.
pub(super) fn pack<'a>(layout: &Layout, first: u64, records: &'a mut [u8]) -> Result<LandmarkBlock<'a>> {
    let count = records.len() / layout.landmark_stride;
    for i in 0..count {
        let from = i * layout.landmark_stride + RECORD_HEADER;
        records.copy_within(from..from + layout.landmark_bytes, i * layout.landmark_bytes);
    }
    let packed = &mut records[..count * layout.landmark_bytes];
    layout.swap_landmarks(packed);
    Ok(LandmarkBlock { first, count, data: layout.landmarks(packed)? })
}
