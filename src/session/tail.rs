//! The end of a document: the tokens that are not read for good yet, and where each one lies in the source.

use std::ops::Range;

use crate::{Error, Result, room};

/// Consecutive tokens of a document from some position on, with their places in the source text.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Position of `ids[0]` in the document.
    start: u64,
    ids: Vec<u32>,
    /// Byte of the source after each token.
    ends: Vec<u64>,
    /// Byte of the source at which `ids[0]` starts.
    from: u64,
}

impl Tail {
    /// Makes room for so many more tokens.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub fn reserve(&mut self, tokens: usize) -> Result<()> {
        let _turn = room::turn();
        // They may double their room, and be copied.
        room::check(24 * (self.ids.len() + tokens))?;
        let there = self.ids.try_reserve(tokens).and_then(|()| self.ends.try_reserve(tokens));
        there.map_err(|_| Error::capacity(format!("there is no memory for {tokens} more tokens")))
    }

    /// A copy, with room for the tokens of text that is held back.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub fn copy(&self) -> Result<Tail> {
        let mut copy = Tail { start: self.start, from: self.from, ..Tail::default() };
        copy.reserve(self.ids.len() + 1024)?;
        copy.append(self);
        Ok(copy)
    }

    /// Appends a token that stands for the next `bytes` bytes of the source.
    pub fn push(&mut self, id: u32, bytes: u64) {
        self.ends.push(self.bytes() + bytes);
        self.ids.push(id);
    }

    /// Appends tokens that each stand for as many of the next bytes of the source as `bytes` says.
    pub fn extend(&mut self, ids: &[u32], bytes: impl Fn(u32) -> u64) {
        let mut end = self.bytes();
        self.ids.extend_from_slice(ids);
        self.ends.extend(ids.iter().map(|&id| {
            end += bytes(id);
            end
        }));
    }

    /// Becomes what `other` has from `position` on.
    pub fn begin_in(&mut self, other: &Tail, position: u64) {
        let from = other.index(position);
        self.start = other.start + from as u64;
        self.from = other.source(other.start..self.start).end;
        self.ids.clear();
        self.ends.clear();
        self.append(other);
    }

    /// Appends the tokens that `later`, of the same document, has behind those here.
    pub fn append(&mut self, later: &Tail) {
        let from = later.index(self.end());
        self.ids.extend_from_slice(later.ids.get(from..).unwrap_or_default());
        self.ends.extend_from_slice(later.ends.get(from..).unwrap_or_default());
    }

    /// Position after the last token: the tokens of the document so far.
    pub fn end(&self) -> u64 {
        self.start + self.ids.len() as u64
    }

    /// Byte of the source after the last token.
    pub fn bytes(&self) -> u64 {
        self.ends.last().copied().unwrap_or(self.from)
    }

    /// The tokens at `positions`, as far as they are kept.
    pub fn ids(&self, positions: Range<u64>) -> &[u32] {
        self.ids.get(self.index(positions.start)..self.index(positions.end)).unwrap_or_default()
    }

    /// The bytes of the source that the tokens at `positions` stand for, as far as there are such tokens.
    pub fn source(&self, positions: Range<u64>) -> Range<u64> {
        let byte_before =
            |i: usize| if i == 0 { self.from } else { self.ends.get(i - 1).copied().unwrap_or(self.from) };
        byte_before(self.index(positions.start))..byte_before(self.index(positions.end))
    }

    /// Forgets the tokens before `position`.
    pub fn drop_before(&mut self, position: u64) {
        let count = self.index(position);
        self.from = self.source(self.start..position).end;
        self.ids.drain(..count);
        self.ends.drain(..count);
        self.start += count as u64;
    }

    /// Index of `position`, or the nearest one there is.
    fn index(&self, position: u64) -> usize {
        (position.saturating_sub(self.start).min(self.ids.len() as u64)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_dropping() {
        let mut tail = Tail::default();
        (0..10).for_each(|i| tail.push(i, u64::from(i) + 1));
        let (source, ids) = (tail.source(4..7), tail.ids(4..7).to_vec());
        assert_eq!(source, 10..28); // 1+2+3+4, then 5+6+7 more
        tail.drop_before(3);
        assert_eq!((tail.source(4..7), tail.ids(4..7)), (source, &ids[..]));
        assert_eq!((tail.end(), tail.bytes()), (10, 55));
        tail.drop_before(10);
        assert_eq!((tail.end(), tail.bytes(), tail.ids(0..10)), (10, 55, &[][..]));
        tail.push(7, 2);
        assert_eq!(tail.source(10..64), 55..57);
        tail.extend(&[3, 1], u64::from);
        assert_eq!((tail.source(11..13), tail.ids(10..13)), (57..61, &[7, 3, 1][..]));
    }

    #[test]
    fn a_tail_goes_on_in_another_one() {
        let mut tail = Tail::default();
        (0..10).for_each(|i| tail.push(i, u64::from(i) + 1));
        tail.drop_before(2);
        let mut ahead = Tail::default();
        ahead.push(9, 9);
        for position in [2, 5, 10] {
            ahead.begin_in(&tail, position);
            assert_eq!((ahead.end(), ahead.bytes()), (10, 55));
            assert_eq!(ahead.source(position..12), tail.source(position..12));
            assert_eq!(ahead.ids(position..12), tail.ids(position..12));
        }
        ahead.begin_in(&tail, 7);
        ahead.extend(&[3, 1], u64::from);
        tail.append(&ahead);
        assert_eq!((tail.ids(6..12), tail.source(9..12)), (&[6, 7, 8, 9, 3, 1][..], 45..59));
        tail.append(&ahead);
        assert_eq!((tail.end(), tail.bytes()), (12, 59));
    }
}
