//! Ids to text, one at a time.

use super::Tokenizer;

/// Decodes ids as they come; see [`Tokenizer::decoder`].
///
/// Text comes out as soon as its characters are whole. Bytes that cannot be UTF-8 become U+FFFD, as
/// [`String::from_utf8_lossy`] would have it of all bytes together.
#[derive(Debug, Clone)]
pub struct Decoder {
    tokenizer: Tokenizer,
    /// Start of a character whose end has not come, at most 3 bytes between calls.
    partial: Vec<u8>,
    text: String,
}

impl Decoder {
    pub(super) fn new(tokenizer: Tokenizer) -> Self {
        Self { tokenizer, partial: Vec::new(), text: String::new() }
    }

    /// The text that `id` completes, often a word, sometimes nothing. Special tokens and ids outside of
    /// the vocabulary stand for no text.
    pub fn push(&mut self, id: u32) -> &str {
        self.text.clear();
        let vocab = &self.tokenizer.inner.vocab;
        if let (false, Some(bytes)) = (vocab.is_special(id), vocab.bytes(id)) {
            self.partial.extend_from_slice(bytes);
            self.take_whole();
        }
        &self.text
    }

    /// Ends the text: U+FFFD when it ended inside a character, else nothing. The decoder is then as new.
    pub fn finish(&mut self) -> &str {
        self.text.clear();
        if !self.partial.is_empty() {
            self.partial.clear();
            self.text.push(char::REPLACEMENT_CHARACTER);
        }
        &self.text
    }

    /// Moves everything but an unfinished last character from `partial` to `text`.
    fn take_whole(&mut self) {
        let mut unfinished = 0;
        for chunk in self.partial.utf8_chunks() {
            // What the chunk before could not use was not at the end, so that more bytes do not mend it.
            if unfinished > 0 {
                self.text.push(char::REPLACEMENT_CHARACTER);
            }
            self.text.push_str(chunk.valid());
            unfinished = chunk.invalid().len();
        }
        let invalid = self.partial.split_off(self.partial.len() - unfinished);
        match std::str::from_utf8(&invalid) {
            Err(e) if e.error_len().is_some() => {
                self.text.push(char::REPLACEMENT_CHARACTER);
                self.partial.clear();
            }
            _ => self.partial = invalid,
        }
    }
}
