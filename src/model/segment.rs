//! Where the recurrence starts anew, and from how far back: the only place that knows.
//!
//! Segment n covers positions [n·size, (n+1)·size). It is computed from a zero state over its own tokens and up to
//! `overlap` tokens before them, whose outputs are not used.

/// The segments of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    size: u64,
    overlap: u64,
}

/// One segment: computed from a zero state at `start - overlap`, used in `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// First position that belongs to the segment.
    pub start: u64,
    /// Tokens before `start` that are run first, for their effect on the state only.
    pub overlap: u64,
    /// Position after the last; `u64::MAX` when the recurrence never restarts.
    pub end: u64,
}

impl Segments {
    /// Segments of `size` tokens (more than 0) with `overlap` (less than `size`) tokens before each that are run first.
    pub(crate) fn new(size: u64, overlap: u64) -> Self {
        debug_assert!(size > 0 && overlap < size);
        Self { size, overlap }
    }

    /// One recurrence for ever.
    pub(crate) fn endless() -> Self {
        Self { size: 0, overlap: 0 }
    }

    /// Tokens per segment, or `None` when the recurrence never restarts.
    pub fn size(&self) -> Option<u64> {
        (self.size > 0).then_some(self.size)
    }

    /// Most tokens before a segment that are run first.
    pub fn overlap(&self) -> u64 {
        self.overlap
    }

    /// The segment that holds `position`.
    pub fn at(&self, position: u64) -> Segment {
        if self.size == 0 {
            return Segment { start: 0, overlap: 0, end: u64::MAX };
        }
        let start = position - position % self.size;
        Segment { start, overlap: start.min(self.overlap), end: start.saturating_add(self.size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_tile_the_timeline() {
        let segments = Segments::new(64, 16);
        let segment = |start, overlap, end| Segment { start, overlap, end };
        for (positions, expected) in
            [(0..64, segment(0, 0, 64)), (64..128, segment(64, 16, 128)), (128..150, segment(128, 16, 192))]
        {
            positions.for_each(|position| assert_eq!(segments.at(position), expected));
        }
        assert_eq!(Segments::new(64, 63).at(u64::MAX).end, u64::MAX);
        for position in [0, 1, u64::MAX] {
            assert_eq!(Segments::endless().at(position), segment(0, 0, u64::MAX));
        }
    }
}
