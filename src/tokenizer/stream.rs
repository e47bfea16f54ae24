//! Text to ids, as the text comes: the same ids in any split, in bounded memory.

use std::{fmt, thread};

use super::normalize::Nfc;
use super::split::Piece;
use super::vocab::WordCache;
use super::{MAX_WORD, Tokenizer, boundary_before};
use crate::bytes::{Put, Take};
use crate::{Cancel, Error, Result, room};

/// Bytes of text taken at a time. Between two of them it can be stopped; they take half a millisecond to one.
const BLOCK: usize = 16 << 10;

/// Bytes of text that are worth a thread.
const LEAST_PART: usize = 32 << 10;

/// Encodes a text that comes in pieces; see [`Tokenizer::stream`].
///
/// Ids are handed to a callback with the number of source bytes that each one stands for. The sum of
/// those is the length of the text. (Where the vocabulary wants Unicode normal form C, a token that ends
/// inside a character that normalization made has its share of the source bytes, which may be 0.)
///
/// Memory is bounded whatever comes: a word longer than 64 KiB (a run of letters, of white space, …) is
/// encoded in parts of 64 KiB. Everything else is encoded exactly as Hugging Face's `tokenizers` does.
/// A clone is an independent continuation of the same text: to see the ids of what is held back without
/// ending the text, clone the stream and [`finish`](Self::finish) the clone.
#[derive(Clone)]
pub struct EncodeStream {
    tokenizer: Tokenizer,
    /// Start of a character of which `push_bytes` has not seen the end.
    partial: Vec<u8>,
    /// Bytes taken, without `partial`.
    taken: u64,
    nfc: Option<Nfc>,
    /// (Normalized) text that is not yet encoded.
    text: String,
    /// Length of `text` from which it is worth to look at again.
    retry: usize,
    /// Bytes of (normalized) text encoded, and of source handed out.
    encoded: u64,
    counted: u64,
    threads: usize,
    cancel: Cancel,
}

impl EncodeStream {
    pub(super) fn new(tokenizer: Tokenizer) -> Self {
        let nfc = tokenizer.inner.nfc.then(Nfc::default);
        Self {
            tokenizer,
            partial: Vec::new(),
            taken: 0,
            nfc,
            text: String::new(),
            retry: 0,
            encoded: 0,
            counted: 0,
            threads: 1,
            cancel: Cancel::default(),
        }
    }

    /// Lets `cancel` end the encoding of a long piece of text: with `Cancelled`, and what was encoded by then taken.
    #[must_use]
    pub fn stop_with(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Lets long pieces of text be encoded on up to so many threads at once. The ids are the same.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Takes the next piece of the text. `sink` gets each id that is now certain, and its source bytes.
    ///
    /// # Errors
    /// `Format` when [`Self::push_bytes`] left a character unfinished.
    pub fn push(&mut self, text: &str, sink: &mut impl FnMut(u32, u64)) -> Result<()> {
        if !self.partial.is_empty() && !text.is_empty() {
            return Err(self.not_utf8());
        }
        let tokenizer = self.tokenizer.clone();
        tokenizer.with_cache(|cache| {
            let rest = self.push_parts(text, cache, sink)?;
            self.push_in_order(rest, cache, sink)
        })
    }

    /// Takes text on this thread alone.
    fn push_in_order(&mut self, text: &str, cache: &mut WordCache, sink: &mut impl FnMut(u32, u64)) -> Result<()> {
        let mut rest = text;
        while !rest.is_empty() {
            self.cancel.check()?;
            let (block, after) = rest.split_at(boundary_before(rest, BLOCK));
            match &mut self.nfc {
                Some(nfc) => nfc.push(block, &mut self.text),
                None => self.text.push_str(block),
            }
            self.taken += block.len() as u64;
            rest = after;
            if self.text.len() >= self.retry {
                self.encode(false, cache, sink)?;
            }
        }
        Ok(())
    }

    /// Encodes long text in parts, one on this thread and the others on threads of their own. Returns what is left, which is all
    /// of it if there are no places to cut it at.
    fn push_parts<'t>(
        &mut self,
        text: &'t str,
        cache: &mut WordCache,
        sink: &mut impl FnMut(u32, u64),
    ) -> Result<&'t str> {
        let parts = (text.len() / LEAST_PART).min(self.threads);
        // An added token, or what normal form C makes one character, could lie across a cut.
        if parts < 2 || self.nfc.is_some() || self.tokenizer.inner.splitter.lookahead() > 0 {
            return Ok(text);
        }
        // At the end of the last part as well: what follows it decides where the last word of the text ends.
        let end = text.len() - LEAST_PART / 2;
        let mut cuts: Vec<usize> =
            (1..=parts).filter_map(|i| word_end(text, end / parts * i, LEAST_PART / 2)).collect();
        cuts.dedup();
        let Some((&first, &last)) = cuts.first().zip(cuts.last()) else { return Ok(text) };
        let (tokenizer, cancel) = (self.tokenizer.clone(), self.cancel.clone());
        thread::scope(|scope| {
            let others: Vec<_> = cuts
                .windows(2)
                .map(|cut| {
                    let part = text.get(cut[0]..cut[1]).unwrap_or_default();
                    let (tokenizer, cancel) = (&tokenizer, &cancel);
                    let work = move || tokenizer.with_cache(|cache| whole(tokenizer, part, cache, cancel));
                    (part, room::spawn(scope, "ramba-words".into(), work))
                })
                .collect();
            self.push_in_order(text.get(..first).unwrap_or_default(), cache, sink)?;
            self.encode(true, cache, sink)?;
            for (part, thread) in others {
                let ids = match thread.map(thread::ScopedJoinHandle::join) {
                    Ok(Ok(ids)) => ids?,
                    // There was no thread for it, or it is gone.
                    Ok(Err(_)) | Err(_) => whole(&tokenizer, part, cache, &cancel)?,
                };
                for id in ids {
                    sink(id, tokenizer.inner.vocab.bytes(id).map_or(0, <[u8]>::len) as u64);
                }
                for count in [&mut self.taken, &mut self.encoded, &mut self.counted] {
                    *count += part.len() as u64;
                }
            }
            Ok(text.get(last..).unwrap_or_default())
        })
    }

    /// As [`Self::push`] for bytes of UTF-8, which may be split inside a character.
    ///
    /// # Errors
    /// `Format` when the bytes are not UTF-8, naming the place counted from the start of the text.
    /// Everything before that place has been taken, nothing from it on.
    pub fn push_bytes(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(u32, u64)) -> Result<()> {
        while let (false, Some((&next, rest))) = (self.partial.is_empty(), bytes.split_first()) {
            self.partial.push(next);
            match std::str::from_utf8(&self.partial) {
                Ok(_) => {
                    let whole = std::mem::take(&mut self.partial);
                    self.push(std::str::from_utf8(&whole).unwrap_or_default(), sink)?;
                }
                Err(e) if e.error_len().is_some() => {
                    self.partial.clear();
                    return Err(self.not_utf8());
                }
                Err(_) => {}
            }
            bytes = rest;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.push(text, sink),
            Err(e) => {
                let (valid, rest) = bytes.split_at(e.valid_up_to());
                self.push(std::str::from_utf8(valid).unwrap_or_default(), sink)?;
                if e.error_len().is_some() {
                    return Err(self.not_utf8());
                }
                self.partial.extend_from_slice(rest);
                Ok(())
            }
        }
    }

    /// Ends the text: `sink` gets the ids that were held back. The stream is then as new.
    ///
    /// # Errors
    /// `Format` when the text ended inside a character. What came before it has been encoded.
    pub fn finish(&mut self, sink: &mut impl FnMut(u32, u64)) -> Result<()> {
        let tokenizer = self.tokenizer.clone();
        if let Some(nfc) = &mut self.nfc {
            nfc.flush(&mut self.text);
        }
        tokenizer.with_cache(|cache| self.encode(true, cache, sink))?;
        let new = Self::new(tokenizer).with_threads(self.threads).stop_with(self.cancel.clone());
        let ended = std::mem::replace(self, new);
        if ended.partial.is_empty() { Ok(()) } else { Err(ended.not_utf8()) }
    }

    /// What the stream holds back, as docs/format.md describes it: [`Tokenizer::resume`] goes on from there with the same ids.
    pub fn save(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_counted(&self.partial);
        bytes.put_counted(self.text.as_bytes());
        [self.taken, self.encoded, self.counted].into_iter().for_each(|n| bytes.put_u64(n));
        bytes.put_u32(u32::from(self.nfc.is_some()));
        if let Some(nfc) = &self.nfc {
            nfc.save(&mut bytes);
        }
        bytes
    }

    /// A stream of `tokenizer` that goes on as the one that was saved.
    pub(super) fn load(tokenizer: Tokenizer, bytes: &[u8]) -> Result<Self> {
        let mut take = Take::new(bytes);
        let mut stream = Self::new(tokenizer);
        stream.partial = take.counted()?.to_vec();
        let text = take.counted()?;
        stream.text = std::str::from_utf8(text).map_err(|_| Error::format("text that is not UTF-8"))?.to_owned();
        (stream.taken, stream.encoded, stream.counted) = (take.u64()?, take.u64()?, take.u64()?);
        match (take.u32()? != 0, &mut stream.nfc) {
            (true, Some(nfc)) => *nfc = Nfc::load(&mut take)?,
            (false, None) => {}
            _ => return Err(Error::format("text that was normalized in another way")),
        }
        take.end()?;
        if stream.is_sound() { Ok(stream) } else { Err(Error::format("counts of text that contradict each other")) }
    }

    /// Whether the counts fit what is held back.
    fn is_sound(&self) -> bool {
        let held = self.text.len() as u64;
        let most = [self.taken, self.encoded, self.counted].into_iter().max().unwrap_or_default();
        most < 1 << 62
            && match &self.nfc {
                Some(nfc) => {
                    nfc.is_sound(self.taken, self.encoded, held) && nfc.clone().source_of(self.encoded) >= self.counted
                }
                None => self.encoded + held == self.taken && self.counted == self.encoded,
            }
    }

    /// Bytes of the text taken so far, encoded or held back.
    pub fn bytes(&self) -> u64 {
        self.taken + self.partial.len() as u64
    }

    /// Encodes what is certain of `self.text`, all of it when it is `complete`.
    fn encode(&mut self, complete: bool, cache: &mut WordCache, sink: &mut impl FnMut(u32, u64)) -> Result<()> {
        let inner = &self.tokenizer.inner;
        let text = self.text.as_str();
        // From this many bytes on, a word that has no end yet is longer than MAX_WORD whatever its end is.
        let too_long = MAX_WORD + inner.splitter.lookahead() + 8;
        let mut start = 0;
        let mut token = inner.splitter.next_token(text, 0);
        while start < text.len() {
            let end = match inner.splitter.piece(text, start, token.as_ref(), complete) {
                Piece::Token(range, id) => {
                    let (end, bytes) = (range.end, (range.end - range.start) as u64);
                    self.encoded += bytes;
                    let source_end = self.nfc.as_mut().map_or(self.encoded, |nfc| nfc.source_of(self.encoded));
                    sink(id, source_end - self.counted);
                    self.counted = source_end;
                    start = end;
                    token = inner.splitter.next_token(text, start);
                    continue;
                }
                Piece::Word(range) => range.end.min(boundary_before(text, start + MAX_WORD)),
                Piece::NeedMore if text.len() - start > too_long => boundary_before(text, start + MAX_WORD),
                Piece::NeedMore => break,
            };
            let word = text.as_bytes().get(start..end).unwrap_or_default();
            for &id in inner.vocab.encode_word(word, cache)? {
                self.encoded += inner.vocab.bytes(id).map_or(0, <[u8]>::len) as u64;
                let source_end = self.nfc.as_mut().map_or(self.encoded, |nfc| nfc.source_of(self.encoded));
                sink(id, source_end - self.counted);
                self.counted = source_end;
            }
            start = end;
        }
        self.text.drain(..start);
        // A long word that comes in small pieces is not looked at for every one of them.
        self.retry = self.text.len() + self.text.len() / 4;
        Ok(())
    }

    fn not_utf8(&self) -> Error {
        Error::format(format!("the text is not UTF-8 at byte {}", self.taken))
    }
}

/// The first place in the `most` bytes from `from` on at which a word of letters ends and the next one begins, whatever the
/// rest of the text is: between a letter and a single space before another one.
fn word_end(text: &str, from: usize, most: usize) -> Option<usize> {
    let around = text.as_bytes().get(from.checked_sub(1)?..(from + most).min(text.len()))?;
    let found =
        around.windows(3).position(|w| w[0].is_ascii_alphabetic() && w[1] == b' ' && w[2].is_ascii_alphabetic());
    found.map(|i| from + i)
}

/// The ids of a text that ends there.
fn whole(tokenizer: &Tokenizer, text: &str, cache: &mut WordCache, cancel: &Cancel) -> Result<Vec<u32>> {
    let mut ids = room::with_capacity(text.len() / 2)?;
    let mut stream = tokenizer.stream().stop_with(cancel.clone());
    stream.push_in_order(text, cache, &mut |id, _| ids.push(id))?;
    stream.encode(true, cache, &mut |id, _| ids.push(id))?;
    Ok(ids)
}

impl fmt::Debug for EncodeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodeStream").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
