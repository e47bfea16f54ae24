//! Text that waits to be read: the tokenizer's stream, and the tokens of the document from some way before the first
//! unread one on.

use std::slice::Chunks;
use std::sync::Arc;

use super::tokens::Tokens;
use crate::bytes::{Put, Take};
use crate::memory::Text;
use crate::tokenizer::{EncodeStream, Tokenizer};
use crate::{Cancel, Error, Result};

/// Bytes of text that are taken between two looks at what is due to be read, for each thread that makes tokens of it;
/// and as many tokens.
const PIECE: usize = 64 * 1024;

/// What is fed to a session, in pieces.
pub(super) enum Input<'a> {
    Text(Chunks<'a, u8>),
    Tokens(Chunks<'a, u32>),
}

impl<'a> Input<'a> {
    /// Text, to become tokens on `threads` threads.
    pub fn text(text: &'a [u8], threads: usize) -> Self {
        Input::Text(text.chunks(PIECE * threads.max(1)))
    }

    pub fn tokens(tokens: &'a [u32]) -> Self {
        Input::Tokens(tokens.chunks(PIECE))
    }
}

/// What turns text into tokens, and keeps the text.
pub(super) struct Encoder {
    tokenizer: Option<Tokenizer>,
    /// None for models without a tokenizer.
    stream: Option<EncodeStream>,
    /// Bytes of the document before those of `stream`.
    base: u64,
    /// Where the text of the document is kept, for models with chunks.
    text: Option<Arc<Text>>,
    /// The text of tokens that are taken.
    spelled: Vec<u8>,
    /// Ends the taking of text between two pieces; its clone in `stream`, in the middle of one.
    cancel: Cancel,
}

impl Encoder {
    /// Bytes of text taken.
    pub fn bytes(&self) -> u64 {
        self.base + self.stream.as_ref().map_or(0, EncodeStream::bytes)
    }

    /// Takes pieces of `input` into `tokens` until there is a token after position `end`. Whether there is one.
    ///
    /// # Errors
    /// `Cancelled` if that is asked for, `Format` if the text is not UTF-8, `Capacity` without memory or disk, `Io` if the text cannot be kept
    /// otherwise.
    pub fn fill(&mut self, input: &mut Input<'_>, tokens: &mut Tokens, end: u64) -> Result<bool> {
        while tokens.end() <= end {
            if !self.take(input, tokens)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes the next piece of `input` into `tokens`. Whether there was one.
    ///
    /// # Errors
    /// As [`Encoder::fill`].
    pub fn take(&mut self, input: &mut Input<'_>, tokens: &mut Tokens) -> Result<bool> {
        self.cancel.check()?;
        match input {
            Input::Text(pieces) => match (pieces.next(), &mut self.stream) {
                (Some(piece), Some(stream)) => {
                    // A token has at least one byte.
                    tokens.reserve(piece.len())?;
                    let before = stream.bytes();
                    let pushed = stream.push_bytes(piece, &mut |id, bytes| tokens.push(id, bytes));
                    if let Some(text) = &self.text {
                        // Of bytes that are not UTF-8 none is taken, nor those of a character that they should have
                        // been the rest of.
                        let new = usize::try_from(stream.bytes().saturating_sub(before)).unwrap_or(usize::MAX);
                        text.append(piece.get(..new).unwrap_or(piece))?;
                        text.truncate(self.base + stream.bytes())?;
                    }
                    pushed.map(|()| true)
                }
                _ => Ok(false),
            },
            Input::Tokens(pieces) => match pieces.next() {
                Some(piece) => {
                    tokens.reserve(piece.len())?;
                    self.take_tokens(piece, tokens).map(|()| true)
                }
                None => Ok(false),
            },
        }
    }

    /// Takes tokens that each stand for text of their own.
    fn take_tokens(&mut self, ids: &[u32], tokens: &mut Tokens) -> Result<()> {
        let Self { tokenizer, base, text, spelled, .. } = self;
        // The text is appended at once: to do it for every token takes as long as a fifth of reading on a large GPU.
        spelled.clear();
        for &id in ids {
            let bytes = tokenizer.as_ref().map_or(&[][..], |tokenizer| tokenizer.text_bytes(id));
            tokens.push(id, bytes.len() as u64);
            spelled.extend_from_slice(bytes);
        }
        *base += spelled.len() as u64;
        text.as_ref().map_or(Ok(()), |text| text.append(spelled))
    }
}

/// The end of a document, of which it is not certain yet how it divides into tokens, or which is not read for good.
pub(super) struct Unread {
    encoder: Encoder,
    /// Tokens from some way before the first unread one on.
    tokens: Tokens,
    /// While a window of them is read: the tokens of the next one, with those that it overlaps.
    ahead: Tokens,
}

impl Unread {
    /// Of an empty document, whose text goes to `text`. No more is taken when `cancel` asks for it.
    pub fn new(tokenizer: Option<&Tokenizer>, threads: usize, text: Option<Arc<Text>>, cancel: Cancel) -> Self {
        let stream = tokenizer.map(|tokenizer| tokenizer.stream().with_threads(threads).stop_with(cancel.clone()));
        let encoder = Encoder { tokenizer: tokenizer.cloned(), stream, base: 0, text, spelled: Vec::new(), cancel };
        Self { encoder, tokens: Tokens::default(), ahead: Tokens::default() }
    }

    /// Appends to `bytes` what is needed to go on, as docs/format.md describes it.
    pub fn save(&self, bytes: &mut Vec<u8>) {
        self.tokens.save(bytes);
        bytes.put_u64(self.encoder.base);
        bytes.put_u32(u32::from(self.encoder.stream.is_some()));
        if let Some(stream) = &self.encoder.stream {
            bytes.put_counted(&stream.save());
        }
    }

    /// Goes on as what was saved, in the place of an empty document; `vocab` is the number of tokens there are.
    ///
    /// # Errors
    /// `Format` if the bytes are none of [`Unread::save`], `Capacity` if there is not enough memory.
    pub fn load(&mut self, take: &mut Take<'_>, vocab: usize, threads: usize) -> Result<()> {
        let Encoder { tokenizer, stream, base, cancel, .. } = &mut self.encoder;
        self.tokens = Tokens::load(take, vocab)?;
        *base = take.u64()?;
        match (take.u32()? != 0, tokenizer) {
            (true, Some(tokenizer)) => {
                let resumed = tokenizer.resume(take.counted()?)?;
                *stream = Some(resumed.with_threads(threads).stop_with(cancel.clone()));
            }
            (false, None) => {}
            _ => return Err(Error::format("text without a tokenizer, or none with one")),
        }
        let bytes = self.encoder.bytes();
        match self.encoder.text.as_ref().map(|text| text.len()) {
            Some(kept) if kept != bytes => {
                Err(Error::format(format!("{bytes} bytes of text, of which {kept} are kept")))
            }
            _ => Ok(()),
        }
    }

    /// Bytes of text taken.
    pub fn bytes(&self) -> u64 {
        self.encoder.bytes()
    }

    /// The tokens that are certain, from some way before the first unread one on.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Takes the next piece of `input`. Whether there was one.
    ///
    /// # Errors
    /// As [`Encoder::fill`].
    pub fn take(&mut self, input: &mut Input<'_>) -> Result<bool> {
        self.encoder.take(input, &mut self.tokens)
    }

    /// [`Encoder::fill`] for the tokens here.
    ///
    /// # Errors
    /// As [`Encoder::fill`].
    pub fn fill(&mut self, input: &mut Input<'_>, end: u64) -> Result<bool> {
        self.encoder.fill(input, &mut self.tokens, end)
    }

    /// Takes one token, which stands for text of its own.
    ///
    /// # Errors
    /// `Capacity` without disk, `Io` if the text cannot be kept otherwise.
    pub fn push(&mut self, id: u32) -> Result<()> {
        self.encoder.take_tokens(&[id], &mut self.tokens)
    }

    /// The tokens here, to be read, and what takes more text meanwhile into a window that goes on with the tokens from
    /// position `from` on. [`Unread::join`] puts the two together.
    pub fn split(&mut self, from: u64) -> (&Tokens, &mut Encoder, &mut Tokens) {
        self.ahead.begin_in(&self.tokens, from);
        (&self.tokens, &mut self.encoder, &mut self.ahead)
    }

    /// Goes on behind a [`Unread::split`]: with the window that was filled if it begins where tokens are needed `from`
    /// now, or with both windows as one.
    pub fn join(&mut self, from: u64) {
        if self.ahead.start() <= from {
            std::mem::swap(&mut self.tokens, &mut self.ahead);
        } else {
            self.tokens.drop_before(from);
            self.tokens.append(&self.ahead);
        }
    }

    /// Forgets the tokens before position `from`.
    pub fn drop_before(&mut self, from: u64) {
        self.tokens.drop_before(from);
    }

    /// Makes tokens of all text that was taken: it forms none with what comes after.
    ///
    /// # Errors
    /// `Format` when the text ended inside a character, which is then forgotten, and those of keeping the text.
    pub fn end_text(&mut self) -> Result<()> {
        let Self { encoder, tokens, .. } = self;
        let ended = encoder.stream.as_mut().map_or(Ok(()), |s| s.finish(&mut |id, bytes| tokens.push(id, bytes)));
        encoder.base = tokens.bytes();
        encoder.text.as_ref().map_or(Ok(()), |text| text.truncate(encoder.base))?;
        ended
    }

    /// A copy of the tokens, with those of the text whose division into tokens is not certain yet, as if it ended here.
    ///
    /// # Errors
    /// `Format` when the text ends inside a character, `Capacity` if there is not enough memory.
    pub fn all_tokens(&self) -> Result<Tokens> {
        let mut tokens = self.tokens.copy()?;
        if let Some(stream) = &self.encoder.stream {
            stream.clone().finish(&mut |id, bytes| tokens.push(id, bytes))?;
        }
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However far reading came while the next window was filled, the tokens go on where they are needed.
    #[test]
    fn windows_are_joined_wherever_reading_stopped() {
        let all: Vec<u32> = (0..100).collect();
        for (overlap, end) in [(0, 40), (7, 40), (7, 50)] {
            for read_to in [10, end - 1, end] {
                let mut unread = Unread::new(None, 1, None, Cancel::default());
                unread.fill(&mut Input::tokens(&all[..50]), 49).unwrap();
                let (tokens, encoder, ahead) = unread.split(end - overlap);
                assert_eq!(tokens.end(), 50);
                assert!(encoder.fill(&mut Input::tokens(&all[50..]), ahead, 100).is_ok_and(|more| !more));
                let from = read_to - overlap;
                unread.join(from);
                assert_eq!(unread.tokens().ids(from..200), &all[from as usize..], "{overlap} {end} {read_to}");
            }
        }
    }
}
