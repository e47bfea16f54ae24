//! Passages of the document: the text of chunks that were read, with the places where words begin and end.

use std::ops::Range;
use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation;

use crate::Result;
use crate::memory::{Part, Text};

/// Bytes before and after chunks that are looked at for the other part of a word that a chunk ends in.
const CONTEXT: u64 = 256;

/// Most bytes before and after a chunk that are looked at for the rest of a sentence that it cuts: some 32 tokens of English.
const SENTENCE: u64 = 128;

/// Neighbouring chunks and the whole words that they hold, in a form to compare with: runs of white space are one
/// space, so that where lines end is no matter.
pub(super) struct Passage {
    /// The document.
    pub part: Part,
    /// The chunks.
    pub chunks: Range<u64>,
    /// The text, white space folded.
    folded: Vec<u8>,
    /// Byte of the document of each byte of `folded`.
    places: Vec<u64>,
    /// For each byte of `folded` and its end: whether words begin or end before it.
    bounds: Vec<bool>,
}

/// A place in a passage, and where the span that ends there begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub passage: usize,
    pub start: usize,
    pub end: usize,
}

impl Passage {
    /// The text of `chunks`, which are `bytes` of the document `part`.
    ///
    /// # Errors
    /// Those of reading the text.
    pub fn read(part: Part, chunks: Range<u64>, bytes: Range<u64>) -> Result<Self> {
        let text = Arc::clone(&part.text);
        let from = bytes.start.saturating_sub(CONTEXT);
        let to = bytes.end.saturating_add(CONTEXT).min(text.len());
        let mut around = text.read(from..to)?;
        only_characters(&mut around);
        let around = String::from_utf8(around).unwrap_or_default();
        // The first and last bound are those of the context: no words begin or end there unless the document does.
        let words = around.split_word_bound_indices().map(|(at, _)| at).chain([around.len()]);
        let words: Vec<usize> = words.filter(|&at| at > 0 || from == 0).collect();
        let words = match words.split_last() {
            Some((_, words)) if to < text.len() => words,
            _ => &words[..],
        };
        let (first, last) = ((bytes.start - from) as usize, (bytes.end - from) as usize);
        let start = words.iter().copied().take_while(|&at| at <= first).last().unwrap_or(0);
        let end = words.iter().copied().find(|&at| at >= last).unwrap_or(around.len());

        let mut passage = Self { part, chunks, folded: Vec::new(), places: Vec::new(), bounds: Vec::new() };
        let mut words = words.iter().copied().skip_while(|&at| at < start).peekable();
        for (at, &byte) in around.as_bytes().iter().enumerate().take(end).skip(start) {
            let bound = words.next_if_eq(&at).is_some();
            if byte.is_ascii_whitespace() && passage.folded.last() == Some(&b' ') {
                continue;
            }
            passage.folded.push(if byte.is_ascii_whitespace() { b' ' } else { byte });
            passage.places.push(from + at as u64);
            passage.bounds.push(bound);
        }
        passage.bounds.push(words.next_if_eq(&end).is_some());
        Ok(passage)
    }

    /// Where spans may begin.
    pub fn starts(&self) -> impl Iterator<Item = usize> {
        let places = self.folded.iter().zip(&self.bounds).enumerate();
        places.filter(|(_, (byte, bound))| **bound && **byte != b' ').map(|(at, _)| at)
    }

    /// What follows `at`.
    pub fn after(&self, at: usize) -> &[u8] {
        self.folded.get(at..).unwrap_or_default()
    }

    /// The span `start..end`.
    pub fn span(&self, start: usize, end: usize) -> &[u8] {
        self.folded.get(start..end).unwrap_or_default()
    }

    /// Whether a span that begins at `start`, which is one of [`Self::starts`], may end at `end`: where a word does,
    /// and there is more in it than punctuation.
    pub fn may_end(&self, start: usize, end: usize) -> bool {
        let span = self.span(start, end);
        let says_something = || String::from_utf8_lossy(span).chars().any(char::is_alphanumeric);
        self.bounds.get(end) == Some(&true) && span.last().is_some_and(|&last| last != b' ') && says_something()
    }

    /// The bytes of the document at the span `start..end`, which is not empty.
    pub fn bytes(&self, start: usize, end: usize) -> Range<u64> {
        let place = |at: usize| self.places.get(at).copied().unwrap_or_default();
        place(start)..place(end.saturating_sub(1)) + 1
    }

    /// The first place where `span`, folded, stands as whole words.
    pub fn find(&self, span: &[u8]) -> Option<Range<u64>> {
        let mut starts = self.starts().filter(|&start| self.after(start).starts_with(span));
        starts.find(|&start| self.may_end(start, start + span.len())).map(|start| self.bytes(start, start + span.len()))
    }
}

/// `text` with runs of white space as one space.
pub(super) fn folded(text: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    let mut last = 0;
    text.filter_map(move |byte| {
        let byte = if byte.is_ascii_whitespace() { b' ' } else { byte };
        let again = byte == b' ' && last == b' ';
        last = byte;
        (!again).then_some(byte)
    })
}

/// Overwrites what is no character of UTF-8: a character that is cut at an end, or bytes of tokens that form none.
fn only_characters(bytes: &mut [u8]) {
    let mut invalid = Vec::new();
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        at += chunk.valid().len();
        invalid.push(at..at + chunk.invalid().len());
        at += chunk.invalid().len();
    }
    for range in invalid {
        // SUBSTITUTE, one byte for each, so that places stay what they are.
        bytes[range].fill(0x1a);
    }
}

/// Where `answer` stands in `passages` as whole words: in which document, and the bytes of it, or those of each of its parts if these stand in
/// different places and have commas between them. Empty if it does not, or not all of it.
pub(super) fn quote<'p>(answer: &str, passages: &'p [Passage]) -> Vec<(&'p Part, Range<u64>)> {
    let parts: Vec<&str> = answer.split(',').collect();
    let mut quotes = Vec::new();
    let mut next = 0;
    while next < parts.len() {
        // As many as stand together. What a span has is in any that holds it, so that the longest leave no less for the
        // rest.
        let longest = (next + 1..=parts.len()).rev().find_map(|end| {
            let span = parts.get(next..end).unwrap_or_default().join(",");
            let span: Vec<u8> = folded(span.trim().bytes()).collect();
            let found = passages.iter().find_map(|p| p.find(&span).map(|bytes| (&p.part, bytes)));
            found.map(|found| (end, found))
        });
        let Some((end, found)) = longest else { return Vec::new() };
        quotes.push(found);
        next = end;
    }
    quotes
}

/// Whether a chunk is among `passages`.
pub(super) fn has(passages: &[Passage], chunk: u64) -> bool {
    passages.iter().any(|passage| passage.chunks.contains(&chunk))
}

/// Where a chunk stands: the document, and its bytes there.
pub(super) type Place = (Part, Range<u64>);

/// Adds a chunk to `passages`, as one passage with its neighbours of the same document. `place` says where a chunk stands.
///
/// # Errors
/// Those of `place` and of reading the text.
pub(super) fn add(passages: &mut Vec<Passage>, chunk: u64, place: &mut dyn FnMut(u64) -> Result<Place>) -> Result<()> {
    let mut chunks = chunk..chunk + 1;
    let (part, own) = place(chunk)?;
    passages.retain(|passage| {
        let apart =
            passage.part.index != part.index || passage.chunks.end < chunks.start || chunks.end < passage.chunks.start;
        if !apart {
            chunks = chunks.start.min(passage.chunks.start)..chunks.end.max(passage.chunks.end);
        }
        apart
    });
    let start = if chunks.start < chunk { place(chunks.start)?.1.start } else { own.start };
    let end = if chunks.end > chunk + 1 { place(chunks.end - 1)?.1.end } else { own.end };
    passages.push(Passage::read(part, chunks, start..end)?);
    Ok(())
}

/// The whole characters of `text` at `bytes`, and which bytes they are. One that lies across an end counts for what comes
/// before it.
///
/// # Errors
/// Those of reading the text.
pub(super) fn text(text: &Text, bytes: Range<u64>) -> Result<(Range<u64>, String)> {
    let bytes = boundary(text, bytes.start)?..boundary(text, bytes.end)?;
    let characters = String::from_utf8_lossy(&text.read(bytes.clone())?).into_owned();
    Ok((bytes, characters))
}

/// The bytes before and after `bytes` of `text` that belong to sentences which these cut, [`SENTENCE`] bytes of them at most: of a longer
/// sentence, whole words. Lines do not end sentences ([UAX #29](https://www.unicode.org/reports/tr29/) otherwise), empty ones do.
///
/// # Errors
/// Those of reading the text.
pub(super) fn cut_sentences(text: &Text, bytes: &Range<u64>) -> Result<(Range<u64>, Range<u64>)> {
    let first = sentence_bounds(text, bytes.start)?.0;
    let end = sentence_bounds(text, bytes.end)?.1;
    Ok((first..bytes.start, bytes.end..end))
}

/// The bounds of the sentence that `at` lies in, or `at` twice where it lies between two; no farther than [`SENTENCE`] bytes.
fn sentence_bounds(text: &Text, at: u64) -> Result<(u64, u64)> {
    let from = boundary(text, at.saturating_sub(SENTENCE))?.min(at);
    let to = boundary(text, at.saturating_add(SENTENCE).min(text.len()))?;
    let mut around = text.read(from..to)?;
    only_characters(&mut around);
    // The end of a line is white space, unless an empty one follows.
    for space in around.chunk_by_mut(|a, b| a.is_ascii_whitespace() && b.is_ascii_whitespace()) {
        if space.iter().filter(|&&byte| byte == b'\n').count() == 1 {
            space.fill(b' ');
        }
    }
    let around = String::from_utf8(around).unwrap_or_default();
    let middle = (at - from) as usize;
    let bounds: Vec<usize> = around.split_sentence_bound_indices().map(|(at, _)| at).collect();
    let words = || around.split_word_bound_indices().map(|(at, _)| at);
    // The ends of what was read are no bounds, unless the text ends there.
    let before = bounds.iter().copied().rfind(|&b| b <= middle && (b > 0 || from == 0));
    let before = before.or_else(|| words().find(|&b| b > 0 && b <= middle)).unwrap_or(middle);
    let whole = || (to == text.len()).then_some(around.len());
    let after = bounds.iter().copied().find(|&b| b >= middle && b > 0).or_else(whole);
    let after = after.or_else(|| words().rfind(|&b| b >= middle)).unwrap_or(middle);
    Ok((from + before as u64, from + after.max(middle) as u64))
}

/// The first place at or after byte `at` of `text` that is not inside of a character.
///
/// # Errors
/// Those of reading the text.
fn boundary(text: &Text, at: u64) -> Result<u64> {
    // The bytes of a character after its first one are at most three.
    let next = text.read(at..at.saturating_add(3).min(text.len()))?;
    Ok(at + next.iter().take_while(|&&byte| byte & 0xc0 == 0x80).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{ChunkMemory, ChunkShape, Precision};

    #[test]
    fn sentences_that_are_cut_are_completed() {
        let shape = ChunkShape { chunk_size: 1, kv_heads: 1, head_dim: 1, retrieval_heads: 1, retrieval_width: 1 };
        let memory = |text: &str| {
            let dir = tempfile::tempdir().unwrap();
            let memory = ChunkMemory::create(dir.path(), shape, Precision::F16, 1 << 16).unwrap();
            memory.text().append(text.as_bytes()).unwrap();
            (memory, dir)
        };
        // The text with | where it is cut, and what is before and after, up to and from there.
        for (cut, before, after) in [
            ("It rains. The key of harbor-|lantern is 7. Go.", "The key of harbor-", "lantern is 7. "),
            ("One. |Two.", "", ""),
            ("The key\nof harbor\nis |48\n2. Then.", "The key\nof harbor\nis ", "48\n2. "),
            ("A title\n\nThe ke|y is 5\n\nNext", "The ke", "y is 5\n"),
            ("Où est-c|e? Là.", "Où est-c", "e? "),
            ("|All", "", "All"),
            ("All|", "All", ""),
            ("|", "", ""),
        ] {
            let (memory, _dir) = memory(&cut.replace('|', ""));
            let at = cut.find('|').unwrap() as u64;
            let (start, end) = sentence_bounds(memory.text(), at).unwrap();
            let read = |bytes: Range<u64>| String::from_utf8(memory.text().read(bytes).unwrap()).unwrap();
            assert_eq!((read(start..at).as_str(), read(at..end).as_str()), (before, after), "{cut}");
        }
        // Of a sentence without an end, some whole words.
        let (memory, _dir) = memory(&"word ".repeat(100));
        let (before, after) = cut_sentences(memory.text(), &(202..303)).unwrap();
        assert!(before.start >= 202 - SENTENCE && before.start % 5 < 2 && before.end == 202, "{before:?}");
        assert!(
            after.start == 303 && after.end <= 303 + SENTENCE && after.end % 5 > 3 || after.end % 5 == 0,
            "{after:?}"
        );
    }
}
