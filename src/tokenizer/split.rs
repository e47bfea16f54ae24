//! Cuts text into the words that byte-pair encoding works on, exactly as Hugging Face's `ByteLevel`
//! pre-tokenizer does, and says which cuts stay where they are whatever text follows.
//!
//! The words are the matches of GPT-2's expression (<https://github.com/openai/gpt-2/blob/master/src/encoder.py>)
//!
//! ```text
//! 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//! ```
//!
//! They are found by hand rather than by a regular expression engine: the expression never looks further
//! than one character past a word, so that a scanner knows when it has seen enough, which an engine does not
//! tell; and there is no back-tracking to bound.

use std::ops::Range;

use aho_corasick::automaton::Automaton as _;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Input, MatchKind};

use crate::{Error, Result};

/// Most bytes that all added tokens together may have.
const MAX_ADDED_BYTES: usize = 256 << 10;

/// What the expression distinguishes of a character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

/// A piece of the text, as byte positions in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A word for byte-pair encoding.
    Word(Range<usize>),
    /// A token that stands in the text as it is.
    Token(Range<usize>, u32),
    /// Nothing is certain before more text is known.
    NeedMore,
}

/// The pre-tokenizer of one vocabulary.
pub(super) struct Splitter {
    /// Class of every character of the basic multilingual plane, 64 KiB.
    plane0: Vec<Class>,
    /// `\p{L}` above that plane: inclusive ranges in order.
    letters: Vec<(char, char)>,
    /// Every digit is a word of its own, and the text between two digits is split as if it were alone.
    digits: bool,
    tokens: Option<AddedTokens>,
}

/// Tokens found in the text before anything else: leftmost, then longest.
struct AddedTokens {
    /// The form whose memory is in proportion to the text of the tokens.
    automaton: NFA,
    ids: Vec<u32>,
    /// Bytes of the longest one.
    longest: usize,
}

impl Splitter {
    /// A splitter for `digits` alone or not, which takes the `added` tokens (text, id) out of the text first.
    pub(super) fn new(digits: bool, added: &[(&str, u32)]) -> Result<Self> {
        let (mut plane0, mut letters) = (vec![Class::Other; 0x1_0000], Vec::new());
        for &(first, last) in &LETTERS {
            for c in first as usize..=(last as usize).min(0xFFFF) {
                if let Some(class) = plane0.get_mut(c) {
                    *class = Class::Letter;
                }
            }
            if last as u32 > 0xFFFF {
                letters.push((first, last));
            }
        }
        for (code, class) in (0u32..).zip(&mut plane0) {
            match char::from_u32(code) {
                Some(c) if c.is_whitespace() => *class = Class::Space,
                Some(c) if c.is_numeric() => *class = Class::Number,
                _ => {}
            }
        }
        let added_bytes: usize = added.iter().map(|(text, _)| text.len()).sum();
        if added_bytes > MAX_ADDED_BYTES {
            return Err(Error::unsupported(format!(
                "tokenizer.ggml.tokens: the user-defined tokens have {added_bytes} bytes; this build takes up to \
                 {MAX_ADDED_BYTES}"
            )));
        }
        let tokens = if added.is_empty() {
            None
        } else {
            let automaton = NFA::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(added.iter().map(|(text, _)| text))
                .map_err(|e| Error::unsupported(format!("tokenizer.ggml.tokens: user-defined tokens: {e}")))?;
            Some(AddedTokens {
                automaton,
                ids: added.iter().map(|&(_, id)| id).collect(),
                longest: added.iter().map(|(text, _)| text.len()).max().unwrap_or(0),
            })
        };
        Ok(Self { plane0, letters, digits, tokens })
    }

    /// Bytes past the end of a piece that decide whether it is one.
    pub(super) fn lookahead(&self) -> usize {
        self.tokens.as_ref().map_or(0, |t| t.longest)
    }

    /// The first added token at or after `from`.
    pub(super) fn next_token(&self, text: &str, from: usize) -> Option<(Range<usize>, u32)> {
        let tokens = self.tokens.as_ref()?;
        // Nothing is asked of it that it was not built for: it cannot fail.
        let found = tokens.automaton.try_find(&Input::new(text).range(from..)).ok().flatten()?;
        Some((found.range(), *tokens.ids.get(found.pattern().as_usize())?))
    }

    /// The piece that starts at `start`, a character boundary before the end of `text`. `token` is
    /// [`Self::next_token`] from `start` on; `complete` says that no text follows `text`.
    pub(super) fn piece(&self, text: &str, start: usize, token: Option<&(Range<usize>, u32)>, complete: bool) -> Piece {
        let sure = |end: usize| complete || end + self.lookahead() <= text.len();
        let stop = match token {
            Some((range, id)) if range.start <= start => {
                // A longer token could begin here as well.
                return if sure(range.start) { Piece::Token(range.clone(), *id) } else { Piece::NeedMore };
            }
            Some((range, _)) => range.start,
            None => text.len(),
        };
        match self.word_len(text.get(start..stop).unwrap_or_default(), complete || token.is_some()) {
            Some(len) if sure(start + len) => Piece::Word(start..start + len),
            _ => Piece::NeedMore,
        }
    }

    /// Length of the word at the start of `text`, which is not empty; `None` when it depends on what
    /// follows and `closed` does not say that nothing does.
    fn word_len(&self, text: &str, closed: bool) -> Option<usize> {
        let open_end = |len| if closed { Some(len) } else { None };
        let mut chars = text.chars();
        let first = chars.next()?;
        let mut class = self.class(first);
        let mut len = first.len_utf8();
        if self.digits && class == Class::Number {
            return Some(len);
        }
        if first == '\'' {
            match text.as_bytes().get(1..).unwrap_or_default() {
                [b's' | b't' | b'm' | b'd', ..] => return Some(2),
                [b'r' | b'v', b'e', ..] | [b'l', b'l', ..] => return Some(3),
                [] | [b'r' | b'v' | b'l'] if !closed => return None,
                _ => {}
            }
        }
        // Bytes of the last character taken, when it is not the only one.
        let mut last = 0;
        if first == ' ' {
            // One space belongs to the word after it.
            let Some(second) = chars.next() else { return open_end(len) };
            let after = self.class(second);
            if self.digits && after == Class::Number {
                return Some(len);
            }
            class = after;
            last = second.len_utf8();
            len += last;
        }
        for c in chars {
            let this = self.class(c);
            if self.digits && this == Class::Number {
                // The text before a digit ends here, for the look-ahead as well.
                return Some(len);
            }
            if this != class {
                // Of several spaces before something else, the last one is left to it.
                return Some(if class == Class::Space { len - last } else { len });
            }
            last = c.len_utf8();
            len += last;
        }
        open_end(len)
    }

    fn class(&self, c: char) -> Class {
        if let Some(class) = self.plane0.get(c as usize) {
            return *class;
        }
        let after = self.letters.partition_point(|&(first, _)| first <= c);
        match after.checked_sub(1).and_then(|i| self.letters.get(i)) {
            Some(&(_, last)) if c <= last => Class::Letter,
            _ if c.is_numeric() => Class::Number,
            _ if c.is_whitespace() => Class::Space,
            _ => Class::Other,
        }
    }
}

// `LETTERS`: the ranges of `\p{L}`, first and last character, in order.
include!(concat!(env!("OUT_DIR"), "/letters.rs"));
