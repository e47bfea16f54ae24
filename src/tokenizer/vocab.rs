//! The token table of a model file, checked, and byte-pair encoding with it.

use std::collections::{HashMap, HashSet};

use tokenizers::Model as _;
use tokenizers::models::bpe::{BPE, Vocab as BpeVocab};

use super::TokenizerParts;
use crate::gguf::Quoted;
use crate::{Error, Result};

/// Token types of `tokenizer.ggml.token_type`, as llama.cpp numbers them (`include/llama.h`).
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const LAST_TYPE: i32 = 6;

/// Most tokens and most merges that a vocabulary may have, four times those of the largest in use. What is built
/// of them takes about 200 bytes each.
const MAX_TOKENS: usize = 1 << 20;

/// Words kept by [`WordCache`], as many as fit a hash table of 2^14 places, and the bytes of the longest one.
const CACHED_WORDS: usize = 14_000;
const CACHED_WORD_BYTES: usize = 48;

/// A checked vocabulary: every byte of valid UTF-8 has a token, every merge joins two tokens into a third.
pub(super) struct Vocab {
    bpe: BPE,
    /// What every token stands for, one after the other; token `i` is `bytes[ends[i - 1]..ends[i]]`.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many bytes of text every token stands for, at least one; none for those that are never part of the text: control and
    /// unused ones, begin, end and padding.
    text_lens: Vec<u32>,
    /// The tokens that byte-pair encoding does not know.
    others: HashMap<String, u32>,
    /// Character of each byte in the spelling of tokens.
    alphabet: [char; 256],
}

/// The ids of words met before.
#[derive(Default)]
pub(super) struct WordCache {
    /// Word → where its ids lie in `ids`: first and count.
    words: HashMap<Box<[u8]>, (u32, u32)>,
    ids: Vec<u32>,
    /// Those of `ids` that a word refers to; the rest are of the last word, which was too long to keep.
    kept: usize,
    /// The word being encoded, in the alphabet.
    spelled: String,
}

/// The character that stands for each byte in byte-level vocabularies: itself where it prints, else the
/// next free one from U+0100 on (`bytes_to_unicode` in
/// <https://github.com/openai/gpt-2/blob/master/src/encoder.py>).
fn byte_alphabet() -> [char; 256] {
    let mut free = 0x100;
    std::array::from_fn(|b| {
        let prints = matches!(b, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
        let code = if prints { b as u32 } else { free };
        free += u32::from(!prints);
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
    })
}

impl Vocab {
    /// Checks `parts` and builds the table. Returns it with the user-defined tokens (text, id).
    pub(super) fn new<'a>(parts: TokenizerParts<'a>) -> Result<(Self, Vec<(&'a str, u32)>)> {
        let TokenizerParts { tokens, token_types, merges, bos, eos, pad, .. } = parts;
        for (key, len) in [("tokens", tokens.len()), ("merges", merges.len())] {
            if len > MAX_TOKENS {
                return Err(Error::unsupported(format!(
                    "tokenizer.ggml.{key}: {len} {key}; this build takes up to {MAX_TOKENS}"
                )));
            }
        }
        let count = tokens.len() as u32;
        if let Some(types) = token_types {
            if types.len() != tokens.len() {
                return Err(Error::format(format!(
                    "tokenizer.ggml.token_type: {} types for {} tokens",
                    types.len(),
                    tokens.len()
                )));
            }
            if let Some((id, t)) = types.iter().enumerate().find(|(_, t)| !(NORMAL..=LAST_TYPE).contains(*t)) {
                return Err(Error::format(format!("tokenizer.ggml.token_type: token {id} has the unknown type {t}")));
            }
        }
        for (name, id) in [("bos", bos), ("eos", eos), ("padding", pad)] {
            if let Some(id) = id.filter(|&id| id >= count) {
                return Err(Error::format(format!(
                    "tokenizer.ggml.{name}_token_id: {id} is outside of the vocabulary of {count} tokens"
                )));
            }
        }

        let alphabet = byte_alphabet();
        let bytes_of: HashMap<char, u8> = alphabet.iter().copied().zip(0u8..=255).collect();
        let type_of = |id: u32| token_types.and_then(|t| t.get(id as usize)).copied().unwrap_or(NORMAL);

        let mut table = Self {
            bpe: BPE::default(),
            bytes: Vec::with_capacity(tokens.iter().map(|t| t.len()).sum()),
            ends: Vec::with_capacity(tokens.len()),
            text_lens: Vec::with_capacity(tokens.len()),
            others: HashMap::new(),
            alphabet,
        };
        let mut seen: HashSet<&str> = HashSet::with_capacity(tokens.len());
        for (id, &token) in (0u32..).zip(&tokens) {
            if token.is_empty() {
                return Err(Error::format(format!("tokenizer.ggml.tokens: token {id} is empty")));
            }
            if !seen.insert(token) {
                return Err(Error::format(format!(
                    "tokenizer.ggml.tokens: token {id}, {}, occurs twice",
                    Quoted(token)
                )));
            }
            let kind = type_of(id);
            let start = table.bytes.len();
            let spelled = matches!(kind, NORMAL | UNUSED)
                && token.chars().all(|c| bytes_of.get(&c).map(|&b| table.bytes.push(b)).is_some());
            if !spelled {
                // Not in the alphabet: it stands for its own text.
                table.bytes.truncate(start);
                table.bytes.extend_from_slice(token.as_bytes());
            }
            table.ends.push(table.bytes.len());
            let special = matches!(kind, CONTROL | UNUSED) || [bos, eos, pad].contains(&Some(id));
            table.text_lens.push(if special { 0 } else { (table.bytes.len() - start) as u32 });
        }
        drop(seen);

        let (mut words, mut user_defined) = (BpeVocab::with_capacity(tokens.len()), Vec::new());
        for (id, token) in (0u32..).zip(tokens) {
            match type_of(id) {
                NORMAL => {
                    words.insert(token.to_owned(), id);
                }
                kind => {
                    if kind == USER_DEFINED {
                        user_defined.push((token, id));
                    }
                    table.others.insert(token.to_owned(), id);
                }
            }
        }
        for (byte, c) in (0u8..=255).zip(alphabet) {
            // The others do not occur in UTF-8.
            let needed = !matches!(byte, 0xC0 | 0xC1 | 0xF5..=0xFF);
            if needed && !words.contains_key(c.encode_utf8(&mut [0; 4]) as &str) {
                return Err(Error::format(format!(
                    "tokenizer.ggml.tokens: no token for the byte 0x{byte:02X} ({c:?})"
                )));
            }
        }
        let merges = checked_merges(&merges, &words)?;
        table.bpe = BPE::builder()
            .vocab_and_merges(words, merges)
            // Words are cached here, with a bound on their bytes.
            .cache_capacity(0)
            .build()
            .map_err(|e| Error::format(format!("tokenizer.ggml.merges: {e}")))?;
        Ok((table, user_defined))
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// What token `id` stands for; `None` outside of the vocabulary.
    pub(super) fn bytes(&self, id: u32) -> Option<&[u8]> {
        let id = id as usize;
        let end = *self.ends.get(id)?;
        let start = id.checked_sub(1).and_then(|i| self.ends.get(i)).copied().unwrap_or(0);
        self.bytes.get(start..end)
    }

    /// How many bytes of text token `id` stands for, none for a special one or none at all.
    pub(super) fn text_len(&self, id: u32) -> u64 {
        self.text_lens.get(id as usize).map_or(0, |&len| u64::from(len))
    }

    /// Whether `id` is a control token, an unused one or none at all.
    pub(super) fn is_special(&self, id: u32) -> bool {
        self.text_len(id) == 0
    }

    /// The id of a token by its spelling in the file.
    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.bpe.token_to_id(token).or_else(|| self.others.get(token).copied())
    }

    /// The ids of one word. `cache` remembers it.
    pub(super) fn encode_word<'c>(&self, word: &[u8], cache: &'c mut WordCache) -> Result<&'c [u32]> {
        if let Some(&(first, count)) = cache.words.get(word) {
            return Ok(cache.ids.get(first as usize..(first + count) as usize).unwrap_or_default());
        }
        cache.spelled.clear();
        cache.spelled.extend(word.iter().map(|&b| self.alphabet[usize::from(b)]));
        let tokens = self.bpe.tokenize(&cache.spelled).map_err(|e| Error::format(format!("tokenizer: {e}")))?;
        if cache.words.len() >= CACHED_WORDS {
            cache.words.clear();
            cache.kept = 0;
        }
        let first = cache.kept;
        cache.ids.truncate(first);
        cache.ids.extend(tokens.iter().map(|t| t.id));
        if word.len() <= CACHED_WORD_BYTES {
            // Some 14,000 words of at most 48 ids.
            cache.words.insert(word.into(), (first as u32, tokens.len() as u32));
            cache.kept = cache.ids.len();
        }
        Ok(cache.ids.get(first..).unwrap_or_default())
    }
}

/// The merges as pairs, each naming two tokens whose concatenation is a token.
fn checked_merges(merges: &[&str], words: &BpeVocab) -> Result<Vec<(String, String)>> {
    let mut seen: HashSet<&str> = HashSet::with_capacity(merges.len());
    let mut joined = String::new();
    let mut pairs = Vec::with_capacity(merges.len());
    for (i, &merge) in merges.iter().enumerate() {
        let bad = |what: String| Error::format(format!("tokenizer.ggml.merges: merge {i}, {}, {what}", Quoted(merge)));
        let (left, right) = merge.split_once(' ').ok_or_else(|| bad("has no separating space".into()))?;
        if right.contains(' ') {
            return Err(bad("has more than one space".into()));
        }
        joined.clear();
        joined.push_str(left);
        joined.push_str(right);
        for token in [left, right, &joined] {
            if !words.contains_key(token) {
                return Err(bad(format!("needs {}, which is no normal token", Quoted(token))));
            }
        }
        if !seen.insert(merge) {
            return Err(bad("occurs twice".into()));
        }
        pairs.push((left.to_owned(), right.to_owned()));
    }
    Ok(pairs)
}
