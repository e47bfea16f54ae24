//! Text to token ids and back, with the vocabulary of the model file.
//!
//! Byte-level byte-pair encoding as GPT-2 introduced it, with ids identical to those of Hugging Face's
//! `tokenizers`, whose crate does the merging. Text is only text: special tokens spelled out in it are not
//! recognized, so that a document cannot speak for the program that reads it.

mod decoder;
mod normalize;
mod split;
mod stream;
mod vocab;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub use decoder::Decoder;
pub use stream::EncodeStream;

use crate::gguf::{Gguf, Quoted};
use crate::{Error, Result, room};

/// Bytes of the longest word (as the pre-tokenizer cuts them) that is encoded as one.
const MAX_WORD: usize = 64 << 10;

/// Memories of words that are kept for the next encoder.
const MOST_CACHES: usize = 16;

/// The vocabulary of a model. A clone is the same one, shared between threads.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
}

struct Inner {
    vocab: vocab::Vocab,
    splitter: split::Splitter,
    /// The vocabulary was trained on text in normal form C.
    nfc: bool,
    bos: Option<u32>,
    eos: Option<u32>,
    pad: Option<u32>,
    /// Those that nobody uses.
    caches: Mutex<Vec<vocab::WordCache>>,
}

/// What a model file says of its vocabulary; not yet checked.
#[derive(Debug, Clone, Default)]
pub struct TokenizerParts<'a> {
    /// How text is cut into words before merging (`tokenizer.ggml.pre`): see [`Tokenizer::from_gguf`].
    pub pre: &'a str,
    /// Spelling of every token, its id being its place: normal tokens in GPT-2's alphabet of bytes.
    pub tokens: Vec<&'a str>,
    /// llama.cpp's token types, one for every token: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused,
    /// 6 byte. Without them, all tokens are normal.
    pub token_types: Option<&'a [i32]>,
    /// The merges, best first: two tokens with a space between them.
    pub merges: Vec<&'a str>,
    /// Begin of text.
    pub bos: Option<u32>,
    /// End of text.
    pub eos: Option<u32>,
    /// Padding.
    pub pad: Option<u32>,
}

impl Tokenizer {
    /// The tokenizer of a model file: its keys `tokenizer.ggml.` `model` (`gpt2`), `pre`, `tokens`, `token_type`,
    /// `merges` and `bos_token_id`, `eos_token_id`, `padding_token_id`.
    ///
    /// Known values of `pre`: `gpt-2`, GPT-2's expression alone; `gpt-neox`, `olmo` and `mpt`, the same on text
    /// in Unicode normal form C; `ramba`, GPT-2's expression after every digit has been split off alone.
    ///
    /// # Errors
    /// `Unsupported` for another model or `pre`, and where a key is missing: the file has no tokenizer that this build can use.
    /// `Format` for an inconsistent vocabulary.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let lacks = |key: &str| Error::unsupported(format!("the file has no key {key}"));
        let text = |key: &str| gguf.opt_str(key)?.ok_or_else(|| lacks(key));
        let texts = |key: &str| gguf.opt_strings(key)?.ok_or_else(|| lacks(key));
        let model = text("tokenizer.ggml.model")?;
        if model != "gpt2" {
            return Err(Error::unsupported(format!(
                "tokenizer.ggml.model is {}; this build knows gpt2 (byte-level byte-pair encoding)",
                Quoted(model)
            )));
        }
        Self::new(TokenizerParts {
            pre: text("tokenizer.ggml.pre")?,
            tokens: texts("tokenizer.ggml.tokens")?.iter().collect(),
            token_types: gguf.opt_i32s("tokenizer.ggml.token_type")?,
            merges: texts("tokenizer.ggml.merges")?.iter().collect(),
            bos: gguf.opt_u32("tokenizer.ggml.bos_token_id")?,
            eos: gguf.opt_u32("tokenizer.ggml.eos_token_id")?,
            pad: gguf.opt_u32("tokenizer.ggml.padding_token_id")?,
        })
    }

    /// The tokenizer of checked `parts`.
    ///
    /// # Errors
    /// As [`Self::from_gguf`], naming the key that the part has in a file.
    pub fn new(parts: TokenizerParts<'_>) -> Result<Self> {
        let (digits, nfc) = match parts.pre {
            "ramba" => (true, false),
            "gpt-2" => (false, false),
            "gpt-neox" | "olmo" | "mpt" => (false, true),
            other => return Err(Error::unsupported(format!("tokenizer.ggml.pre is {}, unknown here", Quoted(other)))),
        };
        let (bos, eos, pad) = (parts.bos, parts.eos, parts.pad);
        // The code that merges keeps every token and every merge several times, and ends the process if it gets no memory.
        let texts = |texts: &[&str]| texts.iter().map(|t| 8 * t.len() + 512).sum::<usize>();
        room::check(texts(&parts.tokens) + texts(&parts.merges))?;
        let (vocab, user_defined) = vocab::Vocab::new(parts)?;
        let splitter = split::Splitter::new(digits, &user_defined)?;
        Ok(Self { inner: Arc::new(Inner { vocab, splitter, nfc, bos, eos, pad, caches: Mutex::default() }) })
    }

    /// The ids of `text`. No begin or end token is added.
    ///
    /// # Errors
    /// None is known for a checked vocabulary; failures of the merging code are passed on.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        // Hardly ever more than one for two bytes, in a vector that doubles its room.
        room::check(8 * text.len())?;
        let mut ids = Vec::new();
        let mut stream = self.stream();
        stream.push(text, &mut |id, _| ids.push(id))?;
        stream.finish(&mut |id, _| ids.push(id))?;
        Ok(ids)
    }

    /// `f` with the words that are remembered. Whoever encodes at the same time has others.
    fn with_cache<R>(&self, f: impl FnOnce(&mut vocab::WordCache) -> R) -> R {
        let caches = || self.inner.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cache = caches().pop().unwrap_or_default();
        let result = f(&mut cache);
        let mut caches = caches();
        if caches.len() < MOST_CACHES {
            caches.push(cache);
        }
        result
    }

    /// An encoder for a text that comes in pieces.
    pub fn stream(&self) -> EncodeStream {
        EncodeStream::new(self.clone())
    }

    /// The encoder that [`EncodeStream::save`] has saved, on one thread.
    ///
    /// # Errors
    /// `Format` if the bytes cannot be those of an encoder of this tokenizer.
    pub fn resume(&self, saved: &[u8]) -> Result<EncodeStream> {
        EncodeStream::load(self.clone(), saved)
    }

    /// The text of `ids`: see [`Decoder`].
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut decoder = self.decoder();
        let mut text = String::new();
        for &id in ids {
            text.push_str(decoder.push(id));
        }
        text.push_str(decoder.finish());
        text
    }

    /// A decoder for ids that come one at a time.
    pub fn decoder(&self) -> Decoder {
        Decoder::new(self.clone())
    }

    /// The token that begins a text, if the file names one.
    pub fn bos(&self) -> Option<u32> {
        self.inner.bos
    }

    /// The token that ends a text, if the file names one.
    pub fn eos(&self) -> Option<u32> {
        self.inner.eos
    }

    /// The token that fills up, if the file names one.
    pub fn pad(&self) -> Option<u32> {
        self.inner.pad
    }

    /// Number of tokens: ids are smaller than this.
    pub fn vocab_len(&self) -> usize {
        self.inner.vocab.len()
    }

    /// The id of a token by its spelling in the file, for special tokens above all.
    pub fn token(&self, spelling: &str) -> Option<u32> {
        self.inner.vocab.id(spelling)
    }

    /// The bytes that a token stands for (its name, if it is special); `None` outside of the vocabulary.
    pub fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        self.inner.vocab.bytes(id)
    }

    /// How many bytes of text `id` stands for: none if it is special.
    pub fn text_len(&self, id: u32) -> u64 {
        self.inner.vocab.text_len(id)
    }

    /// The bytes of text that `id` stands for: none if it is special.
    pub fn text_bytes(&self, id: u32) -> &[u8] {
        self.token_bytes(id).filter(|_| !self.is_special(id)).unwrap_or_default()
    }

    /// Whether `id` stands for no text: a control token, an unused one, begin, end or padding, or no token.
    pub fn is_special(&self, id: u32) -> bool {
        self.inner.vocab.is_special(id)
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("tokens", &self.vocab_len()).finish_non_exhaustive()
    }
}

/// The last character boundary of `text` at or before `at`.
fn boundary_before(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
