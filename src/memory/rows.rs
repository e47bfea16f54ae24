//! Rows of bytes that take memory as they are used.

use std::ops::Range;

use crate::Result;
use crate::aligned::{ALIGN, Buffer};
use crate::room;

/// Bytes of a part of [`Rows`].
pub(super) const PART_BYTES: usize = 1 << 20;

/// What a part takes beside its rows.
pub(super) const PART_OVERHEAD: usize = ALIGN + 2 * size_of::<Buffer>();

/// Rows of bytes of one size, up to a limit, that take memory as they are used: in parts of about [`PART_BYTES`], each
/// of which starts on a cache line.
pub(super) struct Rows {
    width: usize,
    /// Rows in each part but the last.
    each: usize,
    limit: usize,
    parts: Vec<Buffer>,
}

impl Rows {
    /// No rows yet, of `width` bytes each.
    pub(super) fn new(width: usize, limit: usize) -> Self {
        Self { width, each: (PART_BYTES / width.max(1)).max(1), limit, parts: Vec::new() }
    }

    /// Makes sure of the rows before `count`, or before the limit.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn reserve(&mut self, count: usize) -> Result<()> {
        while self.len() < count.min(self.limit) {
            let rows = self.each.min(self.limit - self.len());
            let part = Buffer::zeros(rows * self.width)?;
            room::grow(&mut self.parts, 1)?;
            self.parts.push(part);
        }
        Ok(())
    }

    /// The number of rows there can be.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The number of rows there are.
    pub(super) fn len(&self) -> usize {
        self.parts.len().saturating_mul(self.each).min(self.limit)
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.len() * self.width + self.parts.len() * PART_OVERHEAD
    }

    /// Row `i`, if it is there.
    pub(super) fn get(&self, i: usize) -> Option<&[u8]> {
        self.parts.get(i / self.each)?.bytes().get(i % self.each * self.width..)?.get(..self.width)
    }

    /// Row `i`, if it is there.
    pub(super) fn get_mut(&mut self, i: usize) -> Option<&mut [u8]> {
        self.parts.get_mut(i / self.each)?.bytes_mut().get_mut(i % self.each * self.width..)?.get_mut(..self.width)
    }

    /// As many of `rows`, which are there, as lie next to each other, from the first one on.
    pub(super) fn adjacent(&self, rows: Range<usize>) -> &[u8] {
        let (part, first) = (rows.start / self.each, rows.start % self.each);
        let count = rows.len().min(self.each - first);
        let bytes = self.parts.get(part).map_or(&[][..], Buffer::bytes);
        bytes.get(first * self.width..(first + count) * self.width).unwrap_or_default()
    }
}

/// Turns numbers of `width` bytes from the host's byte order to little-endian, or back.
pub(super) fn swap_if_big_endian(bytes: &mut [u8], width: usize) {
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_take_memory_as_they_are_used() {
        for (width, limit) in [(64, 100_000), (192, 3), (PART_BYTES - 64, 5), (3 * PART_BYTES, 4), (1, 1), (64, 0)] {
            let mut rows = Rows::new(width, limit);
            assert_eq!((rows.len(), rows.bytes()), (0, 0));
            for count in [1, 2, limit / 2, limit, limit + 9] {
                rows.reserve(count).unwrap();
                assert!((count.min(limit)..=limit).contains(&rows.len()));
                assert!(rows.bytes() <= (count.min(limit) * width + PART_BYTES + PART_OVERHEAD) * 2);
            }
            for i in 0..limit {
                let row = rows.get_mut(i).unwrap();
                assert_eq!((row.len(), row.as_ptr().addr() % width.min(ALIGN)), (width, 0));
                row[0] = i as u8;
            }
            let mut next = 0;
            while next < limit {
                let adjacent = rows.adjacent(next..limit);
                assert!(!adjacent.is_empty() && adjacent.len().is_multiple_of(width));
                for row in adjacent.chunks_exact(width) {
                    assert_eq!((row[0], rows.get(next).unwrap()), (next as u8, row));
                    next += 1;
                }
            }
            assert!(rows.get(limit).is_none());
        }
        assert_eq!(Rows::new(usize::MAX / 2, 1).reserve(1).unwrap_err().kind(), crate::ErrorKind::Capacity);
        Rows::new(64, usize::MAX).reserve(1).unwrap();
    }
}
