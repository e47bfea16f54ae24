//! Consecutive tokens of a document with their source map: where each of them lies in the text.

use std::ops::Range;

use crate::bytes::{Put, Take};
use crate::{Error, Result, room};

/// Consecutive tokens of a document from some position on, with their places in the source text.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Position of `ids[0]` in the document.
    start: u64,
    ids: Vec<u32>,
    /// Byte of the source after each token.
    ends: Vec<u64>,
    /// Byte of the source at which `ids[0]` starts.
    from: u64,
}

impl Tokens {
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
    pub fn copy(&self) -> Result<Tokens> {
        let mut copy = Tokens { start: self.start, from: self.from, ..Tokens::default() };
        copy.reserve(self.ids.len() + 1024)?;
        copy.append(self);
        Ok(copy)
    }

    /// Appends them to `bytes`, as docs/format.md describes them.
    pub fn save(&self, bytes: &mut Vec<u8>) {
        bytes.put_u64(self.start);
        bytes.put_u64(self.from);
        bytes.put_u64(self.ids.len() as u64);
        self.ids.iter().for_each(|&id| bytes.put_u32(id));
        self.ends.iter().for_each(|&end| bytes.put_u64(end));
    }

    /// Tokens that were saved, of a vocabulary of `vocab`.
    ///
    /// # Errors
    /// `Format` if they are none, `Capacity` if there is not enough memory.
    pub fn load(take: &mut Take<'_>, vocab: usize) -> Result<Self> {
        let mut tokens = Tokens { start: take.u64()?, from: take.u64()?, ..Tokens::default() };
        let count = take.count(12)?;
        tokens.reserve(count)?;
        for _ in 0..count {
            tokens.ids.push(take.u32()?);
        }
        for _ in 0..count {
            let end = take.u64()?;
            if end < tokens.bytes() {
                return Err(Error::format("places of tokens out of order"));
            }
            tokens.ends.push(end);
        }
        match tokens.ids.iter().find(|&&id| id as usize >= vocab) {
            Some(id) => Err(Error::format(format!("token {id} of a vocabulary of {vocab}"))),
            None => Ok(tokens),
        }
    }

    /// Appends a token that stands for the next `bytes` bytes of the source.
    pub fn push(&mut self, id: u32, bytes: u64) {
        self.ends.push(self.bytes() + bytes);
        self.ids.push(id);
    }

    /// Becomes what `other` has from `position` on.
    pub fn begin_in(&mut self, other: &Tokens, position: u64) {
        let from = other.index(position);
        self.start = other.start + from as u64;
        self.from = other.source(other.start..self.start).end;
        self.ids.clear();
        self.ends.clear();
        self.append(other);
    }

    /// Appends the tokens that `later`, of the same document, has behind those here.
    pub fn append(&mut self, later: &Tokens) {
        let from = later.index(self.end());
        self.ids.extend_from_slice(later.ids.get(from..).unwrap_or_default());
        self.ends.extend_from_slice(later.ends.get(from..).unwrap_or_default());
    }

    /// Position of the first token that is kept.
    pub fn start(&self) -> u64 {
        self.start
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
        let mut tokens = Tokens::default();
        (0..10).for_each(|i| tokens.push(i, u64::from(i) + 1));
        let (source, ids) = (tokens.source(4..7), tokens.ids(4..7).to_vec());
        assert_eq!(source, 10..28); // 1+2+3+4, then 5+6+7 more
        tokens.drop_before(3);
        assert_eq!((tokens.source(4..7), tokens.ids(4..7)), (source, &ids[..]));
        assert_eq!((tokens.end(), tokens.bytes()), (10, 55));
        tokens.drop_before(10);
        assert_eq!((tokens.end(), tokens.bytes(), tokens.ids(0..10)), (10, 55, &[][..]));
        tokens.push(7, 2);
        assert_eq!(tokens.source(10..64), 55..57);
    }

    #[test]
    fn tokens_go_on_in_another_window() {
        let mut tokens = Tokens::default();
        (0..10).for_each(|i| tokens.push(i, u64::from(i) + 1));
        tokens.drop_before(2);
        let mut ahead = Tokens::default();
        ahead.push(9, 9);
        for position in [2, 5, 10] {
            ahead.begin_in(&tokens, position);
            assert_eq!((ahead.end(), ahead.bytes()), (10, 55));
            assert_eq!(ahead.source(position..12), tokens.source(position..12));
            assert_eq!(ahead.ids(position..12), tokens.ids(position..12));
        }
        ahead.begin_in(&tokens, 7);
        ahead.push(3, 3);
        ahead.push(1, 1);
        tokens.append(&ahead);
        assert_eq!((tokens.ids(6..12), tokens.source(9..12)), (&[6, 7, 8, 9, 3, 1][..], 45..59));
        tokens.append(&ahead);
        assert_eq!((tokens.end(), tokens.bytes()), (12, 59));
    }
}
