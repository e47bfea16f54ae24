//! Answers that are copied: an automaton over the spans of the chunks that were read for an answer, which says what may
//! come next.
//!
//! An answer is a span, or several with commas between them. A span is part of a passage that begins and ends where
//! words do; it is written token by token, and since a token need not be cut as the text was, bytes are compared. White
//! space is one space, before a span too, where a model may or may not write one. What has been said is not said again.

use super::passage::{self, Cursor, Passage, Place, folded, has};
use crate::Result;
use crate::sampler::Sampler;
use crate::tokenizer::Tokenizer;

/// How many of the most likely tokens are looked at before all are.
const LIKELY: usize = 16;

/// The text of a token.
type Token = heapless::Vec<u8, 1024>;

/// What was read for an answer, and how far the answer has come in it.
pub(super) struct Copying {
    tokenizer: Tokenizer,
    eos: u32,
    passages: Vec<Passage>,
    /// Where spans may begin, in the order of what follows there; (passage, place).
    starts: Vec<(usize, usize)>,
    /// Spans that what was written last may be the beginning of.
    spans: Vec<Cursor>,
    /// The spans before, folded.
    said: Vec<Vec<u8>>,
    /// Whether a span may begin: at the start, and after a comma.
    fresh: bool,
    /// Whether white space has been written for that.
    spaced: bool,
    empty: bool,
}

impl Copying {
    /// Nothing read and nothing written. `eos` ends an answer.
    pub fn new(tokenizer: Tokenizer, eos: u32) -> Self {
        Self {
            tokenizer,
            eos,
            passages: Vec::new(),
            starts: Vec::new(),
            spans: Vec::new(),
            said: Vec::new(),
            fresh: true,
            spaced: false,
            empty: true,
        }
    }

    /// Whether there is nothing to copy from.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Adds the text of those of `chunks` that are not among the passages. `place` says where a chunk stands.
    ///
    /// # Errors
    /// Those of `place` and of reading the text.
    pub fn add(
        &mut self,
        chunks: impl IntoIterator<Item = u64>,
        place: &mut dyn FnMut(u64) -> Result<Place>,
    ) -> Result<()> {
        let mut chunks = chunks.into_iter().filter(|&chunk| !has(&self.passages, chunk)).peekable();
        if chunks.peek().is_none() {
            return Ok(());
        }
        let written: Vec<Vec<u8>> = {
            let mut written: Vec<&[u8]> = self.spans.iter().map(|span| self.span(span)).collect();
            written.sort_unstable();
            written.dedup();
            written.into_iter().map(<[u8]>::to_vec).collect()
        };
        let new: Vec<u64> = chunks.collect();
        for chunk in new {
            passage::add(&mut self.passages, chunk, place)?;
        }

        let Self { passages, starts, spans, said, .. } = self;
        starts.clear();
        starts.extend(passages.iter().enumerate().flat_map(|(i, p)| p.starts().map(move |at| (i, at))));
        let after = |&(passage, at): &(usize, usize)| passages.get(passage).map_or(&[][..], |p| p.after(at));
        starts.sort_unstable_by(|a, b| after(a).cmp(after(b)).then(a.cmp(b)));
        spans.clear();
        for span in &written {
            spans.extend(begun(passages, starts, said, span));
        }
        Ok(())
    }

    /// Chooses among the tokens that may come next; None if there are none. `logits` are those of all tokens.
    ///
    /// # Errors
    /// Those of the sampler.
    pub fn choose(&self, sampler: &mut Sampler, logits: &mut [f32]) -> Result<Option<u32>> {
        let highest = |best: (u32, f32), new: (u32, f32)| if new.1 > best.1 { new } else { best };
        let likeliest = (0u32..).zip(logits.iter().copied()).fold((0, f32::NEG_INFINITY), highest).0;
        // The most likely one mostly may, or one of the next: looking at them is less than looking at all.
        for _ in 0..if sampler.is_greedy() { LIKELY } else { 0 } {
            let id = sampler.sample(logits)?;
            if self.may_follow(id, likeliest) {
                return Ok(Some(id));
            }
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
        let mut any = false;
        for (id, logit) in (0u32..).zip(&mut *logits).filter(|(_, logit)| **logit > f32::NEG_INFINITY) {
            match self.may_follow(id, likeliest) {
                true => any = true,
                false => *logit = f32::NEG_INFINITY,
            }
        }
        if any { sampler.sample(logits).map(Some) } else { Ok(None) }
    }

    /// Whether token `id` may come next, where the model would write `likeliest`.
    fn may_follow(&self, id: u32, likeliest: u32) -> bool {
        if id == self.eos {
            return self.empty || self.may_end();
        }
        let Some(bytes) = self.bytes(id) else { return false };
        let bytes = bytes.as_slice();
        if bytes == b" " && self.fresh && !self.spaced {
            return true;
        }
        if self.fresh {
            let span = self.unspaced(bytes);
            if !span.is_empty() && begun(&self.passages, &self.starts, &self.said, span).next().is_some() {
                return true;
            }
        }
        // A comma is written by a model that has more to say, not by one that cannot go on with something else.
        self.spans.iter().any(|span| self.rest(span).starts_with(bytes))
            || (is_comma(bytes) && id == likeliest && self.may_end())
    }

    /// Takes token `id`, which is one that may come next.
    pub fn push(&mut self, id: u32) {
        let Some(bytes) = self.bytes(id) else { return };
        let bytes = bytes.as_slice();
        let mut spans: Vec<Cursor> = Vec::new();
        for span in &self.spans {
            if self.rest(span).starts_with(bytes) {
                spans.push(Cursor { end: span.end + bytes.len(), ..*span });
            }
        }
        if self.fresh {
            let span = self.unspaced(bytes);
            if !span.is_empty() {
                spans.extend(begun(&self.passages, &self.starts, &self.said, span));
            }
        }
        let comma = is_comma(bytes) && self.may_end();
        if let Some(said) = self.spans.iter().find(|span| comma && self.ends(span)) {
            self.said.push(self.span(said).to_vec());
        }
        let space = bytes == b" " && self.fresh && !self.spaced;
        self.fresh = comma || space;
        self.spaced = space || (comma && bytes.len() > 1);
        self.spans = spans;
        self.empty = false;
    }

    /// Whether a span may end here.
    fn may_end(&self) -> bool {
        self.spans.iter().any(|span| self.ends(span))
    }

    fn ends(&self, span: &Cursor) -> bool {
        self.passages.get(span.passage).is_some_and(|passage| passage.may_end(span.start, span.end))
    }

    fn span(&self, span: &Cursor) -> &[u8] {
        self.passages.get(span.passage).map_or(&[], |p| p.span(span.start, span.end))
    }

    /// What follows a span.
    fn rest(&self, span: &Cursor) -> &[u8] {
        self.passages.get(span.passage).map_or(&[], |p| p.after(span.end))
    }

    /// The text of a token, folded; None for tokens that stand for none.
    fn bytes(&self, id: u32) -> Option<Token> {
        let bytes = Some(self.tokenizer.text_bytes(id)).filter(|bytes| !bytes.is_empty())?;
        let mut token = Token::new();
        // None is so long.
        folded(bytes.iter().copied()).try_for_each(|byte| token.push(byte)).ok().map(|()| token)
    }

    /// What a token begins a span with.
    fn unspaced<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.strip_prefix(b" ").filter(|_| !self.spaced).unwrap_or(bytes)
    }
}

/// The spans of `passages` that `written` may be the beginning of, and that do not begin with what has been `said`. `starts` are all
/// places where spans may begin, in the order of what follows there.
fn begun<'a>(
    passages: &'a [Passage],
    starts: &'a [(usize, usize)],
    said: &'a [Vec<u8>],
    written: &'a [u8],
) -> impl Iterator<Item = Cursor> + 'a {
    let after = |&(passage, at): &(usize, usize)| passages.get(passage).map_or(&[][..], |p| p.after(at));
    let first = starts.partition_point(|start| after(start) < written);
    let some =
        starts.get(first..).unwrap_or_default().iter().take_while(move |start| after(start).starts_with(written));
    let new = move |&&(passage, at): &&(usize, usize)| {
        let passage = passages.get(passage);
        // A text that goes on behind what has been said is another span.
        let again = |said: &Vec<u8>| {
            let whole = |p: &Passage| p.after(at).starts_with(said) && p.may_end(at, at + said.len());
            written.len() <= said.len() && passage.is_some_and(whole)
        };
        !said.iter().any(again)
    };
    let some = some.filter(new);
    some.map(|&(passage, start)| Cursor { passage, start, end: start + written.len() })
}

/// Whether a token stands between two spans.
fn is_comma(bytes: &[u8]) -> bool {
    bytes == b"," || bytes == b", "
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::memory::{ChunkMemory, ChunkShape, Part, Precision};
    use crate::weights::Weights;

    /// Documents of two chunks, cut at a byte, both of which have been read or only the first.
    struct World {
        memory: ChunkMemory,
        tokenizer: Tokenizer,
        cut: u64,
        _dir: tempfile::TempDir,
    }

    fn world(document: &str, cut: usize) -> World {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/ramba-small.gguf");
        let tokenizer = Tokenizer::from_gguf(Weights::open(&model).unwrap().gguf()).unwrap();
        let shape = ChunkShape { chunk_size: 1, kv_heads: 1, head_dim: 1, retrieval_heads: 1, retrieval_width: 1 };
        let dir = tempfile::tempdir().unwrap();
        let memory = ChunkMemory::create(dir.path(), shape, Precision::F16, 1 << 16).unwrap();
        memory.text().append(document.as_bytes()).unwrap();
        World { memory, tokenizer, cut: cut as u64, _dir: dir }
    }

    impl World {
        /// Writes `pieces`, tokens each, and tells how many could be written and whether the answer may end there.
        fn copy(&self, chunks: &[u64], pieces: &[&str]) -> (usize, bool) {
            let eos = self.tokenizer.eos().unwrap();
            let mut copying = Copying::new(self.tokenizer.clone(), eos);
            let (text, marks) = (self.memory.text(), self.memory.marks());
            let mut place = |chunk| {
                let part = Part { index: 0, chunks: 0..2, text: text.clone(), marks: marks.clone() };
                Ok((part, if chunk == 0 { 0..self.cut } else { self.cut..text.len() }))
            };
            copying.add(chunks.iter().copied(), &mut place).unwrap();
            for (i, piece) in pieces.iter().enumerate() {
                for id in self.tokenizer.encode(piece).unwrap() {
                    // As a model does that would write just this.
                    if !copying.may_follow(id, id) {
                        return (i, copying.may_follow(eos, eos));
                    }
                    copying.push(id);
                }
            }
            (pieces.len(), copying.may_follow(eos, eos))
        }
    }

    #[test]
    fn numbers_are_copied_whole() {
        let w = world("The rent is 1250. The Wi-Fi key is 90817263, and it costs 1,250.50 a year.", 30);
        for (pieces, expected) in [
            (&["1250"][..], (1, true)),
            (&["1250", "5"], (1, true)),
            (&["125"], (1, false)),
            (&["9081726"], (1, false)),
            (&["90817263"], (1, true)),
            (&["250"], (0, true)),
            (&["1", ",250"], (2, false)),
            (&["1,250.50"], (1, true)),
        ] {
            assert_eq!(w.copy(&[0, 1], pieces), expected, "{pieces:?}");
        }
    }

    #[test]
    fn tokens_need_not_be_cut_as_the_text_was() {
        let w = world("it was the Denver\n   Broncos (of Colorado) who won\u{2014}naïvely.", 40);
        for pieces in [
            &["Denver Broncos"][..],
            &[" Denver", " Broncos"],
            &[" D", "en", "ver", " Bron", "cos"],
            &["Denver\nBroncos"],
            &["(of Colorado)"],
            &[" Colorado"],
            &["naïvely"],
            &["na", "ï", "vely"],
        ] {
            assert_eq!(w.copy(&[0, 1], pieces), (pieces.len(), true), "{pieces:?}");
        }
        assert_eq!(w.copy(&[0, 1], &["Denver Bron"]), (1, false));
        for no in ["enver", "DenverBroncos", "  Denver", "Denver won"] {
            assert_eq!(w.copy(&[0, 1], &[no]).0, 0, "{no:?}");
        }
    }

    #[test]
    fn several_spans_have_commas_between_them() {
        let w = world("Ada has 71432. Bob has 8811; Eve, who left, has 5.", 20);
        for (pieces, expected) in [
            (&["71432", ", ", "8811"][..], (3, true)),
            (&["71432", ",", " 8811", ",", " 5"], (5, true)),
            (&["Ada", ",", "Bob", ", Eve"], (4, true)),
            // In the text as it is, or a span more.
            (&["Eve", ",", " who left"], (3, true)),
            (&["Eve", ",", " Ada"], (3, true)),
            (&["7143", ","], (1, false)),
            (&["71432", ","], (2, false)),
            (&["71432", ";"], (1, true)),
            // Said before.
            (&["71432", ", ", "71432"], (2, false)),
            (&["8811", ",", "71432", ",", "8811"], (4, false)),
            (&["Bob", ",", "Bob has 8811"], (2, false)),
            (&[",", "Ada"], (1, false)),
        ] {
            assert_eq!(w.copy(&[0, 1], pieces), expected, "{pieces:?}");
        }
    }

    /// Also where only one of them has been read: a word is in both chunks that it lies in, what comes after it is not.
    #[test]
    fn chunks_end_inside_of_words() {
        let document = "the key is 482913 of course";
        for cut in 12..17 {
            let w = world(document, cut);
            for chunks in [&[0][..], &[1], &[0, 1], &[1, 0]] {
                assert_eq!(w.copy(chunks, &["482913"]), (1, true), "{cut} {chunks:?}");
                assert_eq!(w.copy(chunks, &["is 482913 of"]).0, usize::from(chunks.len() == 2), "{cut} {chunks:?}");
            }
        }
        assert_eq!(world(document, 10).copy(&[], &["482913"]), (0, true));
    }
}
