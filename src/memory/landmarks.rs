//! The landmarks of the first chunks, kept in RAM, and how records from the disk become blocks.

use std::ops::Range;

use super::buffer::Buffer;
use super::shape::LandmarkBlock;
use super::store::{Layout, RECORD_HEADER};
use crate::Result;

/// The landmarks of chunks `0..capacity`, packed, in the host's byte order.
pub(super) struct Landmarks {
    data: Buffer,
    capacity: u64,
}

impl Landmarks {
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn new(layout: &Layout, capacity: usize) -> Result<Self> {
        Ok(Self { data: Buffer::new(capacity * layout.landmark_bytes)?, capacity: capacity as u64 })
    }

    /// Chunks whose landmarks are kept.
    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Keeps those landmarks that are among the first: `records` are those of chunk `first` and following, as in the file.
    pub(super) fn keep(&mut self, layout: &Layout, first: u64, records: &[u8]) {
        let size = layout.landmark_bytes;
        let Some(kept) = self.data.bytes_mut().get_mut((first.min(self.capacity) as usize) * size..) else { return };
        for (to, record) in kept.chunks_exact_mut(size).zip(records.chunks_exact(layout.landmark_stride)) {
            to.copy_from_slice(&record[RECORD_HEADER..][..size]);
            layout.swap_landmarks(to);
        }
    }

    /// The landmarks of `chunks`, which must be kept, as one block.
    ///
    /// # Errors
    /// None in practice.
    pub(super) fn block(&self, layout: &Layout, chunks: Range<usize>) -> Result<LandmarkBlock<'_>> {
        let size = layout.landmark_bytes;
        let data = layout.landmarks(&self.data.bytes()[chunks.start * size..chunks.end * size])?;
        Ok(LandmarkBlock { first: chunks.start as u64, count: chunks.len(), data })
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
