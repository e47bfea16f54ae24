//! Unicode normalization form C of a text that comes in pieces, with the place in the source of every byte.

use std::collections::VecDeque;

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::MAX_WORD;
use crate::bytes::{Put, Take};
use crate::{Error, Result};

/// A span that normalization changed, in bytes since the start of the text.
#[derive(Clone)]
struct Edit {
    /// Where it lies in the normalized text.
    start: u64,
    end: u64,
    /// Where it ends in the source.
    source_end: u64,
}

/// The normalizer: text goes in, normalized text comes out, a few characters late.
#[derive(Clone, Default)]
pub(super) struct Nfc {
    /// Text since the last place that normalization cannot reach across.
    pending: String,
    /// Bytes let out so far, and the bytes of the source that they were made from.
    out: u64,
    source: u64,
    /// Changes not yet passed by [`Self::source_of`], in order.
    edits: VecDeque<Edit>,
    /// A place in the normalized text and in the source, behind which no edit is left.
    passed: (u64, u64),
}

impl Nfc {
    /// Appends what is needed to go on to `bytes`.
    pub(super) fn save(&self, bytes: &mut Vec<u8>) {
        bytes.put_counted(self.pending.as_bytes());
        [self.out, self.source, self.passed.0, self.passed.1].into_iter().for_each(|n| bytes.put_u64(n));
        bytes.put_u64(self.edits.len() as u64);
        for edit in &self.edits {
            [edit.start, edit.end, edit.source_end].into_iter().for_each(|n| bytes.put_u64(n));
        }
    }

    /// A normalizer that goes on as the one that was saved.
    pub(super) fn load(take: &mut Take<'_>) -> Result<Self> {
        let pending = std::str::from_utf8(take.counted()?).map_err(|_| Error::format("text that is not UTF-8"))?;
        let [out, source] = [take.u64()?, take.u64()?];
        let passed = (take.u64()?, take.u64()?);
        let mut edits = VecDeque::new();
        let ascending = |edit: &Edit| passed.0 <= edit.start && edit.start <= edit.end && edit.source_end >= passed.1;
        for _ in 0..take.count(24)? {
            let edit = Edit { start: take.u64()?, end: take.u64()?, source_end: take.u64()? };
            if !ascending(&edit) {
                return Err(Error::format("changes of text out of order"));
            }
            edits.push_back(edit);
        }
        Ok(Self { pending: pending.to_owned(), out, source, edits, passed })
    }

    /// Whether this can be where `taken` bytes of text were taken, of which `encoded` normalized ones are encoded and `held` wait.
    pub(super) fn is_sound(&self, taken: u64, encoded: u64, held: u64) -> bool {
        let (out, source) = (self.out, self.source);
        out < 1 << 62
            && source < 1 << 62
            && encoded + held == out
            && source + self.pending.len() as u64 == taken
            && self.passed.0 <= encoded
            && self.passed.1 <= source
            && self.edits.iter().all(|edit| edit.end <= out && edit.source_end <= source)
    }

    /// Takes `text` and appends to `to` what is certain.
    pub(super) fn push(&mut self, text: &str, to: &mut String) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            // ASCII is the same in every form, but what follows may combine with its last character.
            let ascii = rest.bytes().position(|b| !b.is_ascii()).unwrap_or(rest.len());
            if let Some((run, last)) = rest.get(..ascii).and_then(|run| run.split_at_checked(ascii.wrapping_sub(1))) {
                self.flush(to);
                to.push_str(run);
                self.out += run.len() as u64;
                self.source += run.len() as u64;
                self.pending.push_str(last);
                rest = rest.get(ascii..).unwrap_or_default();
                continue;
            }
            if is_boundary(first) || self.pending.len() >= MAX_WORD {
                self.flush(to);
            }
            self.pending.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }

    /// Appends what was held back: the text ends here, or may be cut here.
    pub(super) fn flush(&mut self, to: &mut String) {
        if self.pending.is_empty() {
            return;
        }
        let (start, before) = (self.out, to.len());
        if is_nfc_quick(self.pending.chars()) == IsNormalized::Yes {
            to.push_str(&self.pending);
        } else {
            to.extend(self.pending.chars().nfc());
        }
        self.out += (to.len() - before) as u64;
        self.source += self.pending.len() as u64;
        if to.get(before..) != Some(&self.pending) {
            self.edits.push_back(Edit { start, end: self.out, source_end: self.source });
        }
        self.pending.clear();
    }

    /// The place in the source of the byte `at` of the normalized text. To be asked in ascending order.
    /// Inside a changed span the answer is within the span it was made from.
    pub(super) fn source_of(&mut self, at: u64) -> u64 {
        while let Some(edit) = self.edits.front().filter(|edit| edit.end <= at) {
            self.passed = (edit.end, edit.source_end);
            self.edits.pop_front();
        }
        let (out, source) = self.passed;
        match self.edits.front() {
            Some(edit) if edit.start < at => (source + (at - out)).min(edit.source_end),
            _ => source + (at - out),
        }
    }
}

/// Whether the text before `c` and the text from `c` on can be normalized apart.
fn is_boundary(c: char) -> bool {
    c.is_ascii() || canonical_combining_class(c) == 0 && is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes
}
