//! Lexical retrieval: which chunks share words with a question. What is read again is chosen by these words beside the
//! model's own retrieval, which finds other things: together they find more than either.
//!
//! A word counts by its rarity, the inverse document frequency of BM25 (Robertson and Zaragoza, "The Probabilistic Relevance
//! Framework: BM25 and Beyond", 2009, equation 3.3), in a chunk whole and in the chunk before or after it half. Nothing is kept for this:
//! the text of the documents is scanned with every question (docs/performance.md), in memory that does not grow with it beyond a bound.
//! A scan counts words in stretches of the text, a second look at these chooses the best ones, and the chunks that they lie in are
//! scored exactly.

use std::collections::BTreeMap;
use std::ops::Range;

use super::resources::Resources;
use crate::memory::{ChunkMemory, Part, Text};
use crate::topk::TopK;
use crate::{Cancel, Error, Result};

/// Most different words of a question that count, the first ones.
const MOST_WORDS: usize = 64;

/// Bytes of a stretch: about a chunk of 64 tokens of English.
const STRETCH: u64 = 256;

/// Stretches whose chunks are scored.
const CANDIDATES: usize = 32;

/// Stretches whose words are kept for the second look, 2 MB for 67 MB of text; what comes after these is scanned again.
const MOST_KEPT: usize = 1 << 18;

/// What a word counts in a neighbouring chunk.
const NEIGHBOUR: f32 = 0.5;

/// Bytes of text that are scanned at once.
const STEP: u64 = 1 << 18;

/// Bytes before and after a chunk that are looked at for the other part of a word that it ends in.
const CONTEXT: u64 = 64;

/// The `found` chunks with their weights, and those that share words with the `question`, best first: by the logarithm of the weight, which is
/// that of the least one for chunks that the model has not found, and `weight` times what the words are worth.
///
/// # Errors
/// Those of reading the text and the chunks, `Cancelled`.
pub(super) fn rank(r: &mut Resources, question: &str, found: &[(u64, f32)], weight: f32) -> Result<Vec<u64>> {
    let (words, cancel) = (Words::new(question), r.cancel.clone());
    let memory = r.memory.as_mut().ok_or_else(|| Error::invalid("the model keeps no chunks"))?;
    let shared = words.search(memory, found.iter().map(|f| f.0), &cancel)?;
    let log = |weight: f32| weight.max(f32::MIN_POSITIVE).ln();
    let least = found.iter().map(|f| log(f.1)).fold(f32::INFINITY, f32::min);
    let own: BTreeMap<u64, f32> = found.iter().map(|&(chunk, weight)| (chunk, log(weight))).collect();
    let score = |(&chunk, &words): (&u64, &f32)| (chunk, own.get(&chunk).unwrap_or(&least) + weight * words);
    let mut ranked: Vec<(u64, f32)> = shared.iter().map(score).collect();
    // Chunks of equal scores in their order.
    ranked.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    Ok(ranked.into_iter().map(|(chunk, _)| chunk).collect())
}

/// Bytes of RAM that [`rank`] takes, at most, in `text` bytes of documents.
pub(super) fn most_bytes(text: u64) -> u64 {
    // A list of masks may have room for twice as many.
    2 * size_of::<Mask>() as u64 * text.div_ceil(STRETCH).min(MOST_KEPT as u64) + 2 * text.min(STEP)
}

/// Which of the words of a question are there: bit i for word i.
type Mask = u64;

/// The different words of a question, in lower case, at most [`MOST_WORDS`]. A word is a run of letters and digits.
struct Words {
    words: Vec<Vec<u8>>,
    /// Whether a word may begin where the bytes a and b are, at 256 · a + b.
    begins: Box<[bool; 1 << 16]>,
    /// Open addressing: the number of a word, or [`NONE`].
    table: [u8; TABLE],
}

const TABLE: usize = 512;
const NONE: u8 = u8::MAX;

/// FNV-1a, 32 bits.
fn hash(word: &[u8]) -> u32 {
    word.iter().fold(BASIS, |hash, &byte| hashed(hash, byte))
}

const BASIS: u32 = 0x811c_9dc5;

fn hashed(hash: u32, byte: u8) -> u32 {
    (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
}

/// The character at `at`, if there is a whole one.
fn character(text: &[u8], at: usize) -> Option<char> {
    let bytes = text.get(at..text.len().min(at + 4))?;
    bytes.utf8_chunks().next()?.valid().chars().next()
}

/// The character before `at`.
fn character_before(text: &[u8], at: usize) -> Option<char> {
    let start = (at.saturating_sub(4)..at).rev().find(|&start| text[start] & 0xc0 != 0x80)?;
    character(text, start).filter(|c| start + c.len_utf8() == at)
}

impl Words {
    fn new(question: &str) -> Self {
        let mut words = Self { words: Vec::new(), begins: Box::new([false; 1 << 16]), table: [NONE; TABLE] };
        for word in question.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let word = word.to_lowercase();
            let (word, hash) = (word.as_bytes(), hash(word.as_bytes()));
            if words.words.len() == MOST_WORDS || words.find(hash, |other| other == word).is_some() {
                continue;
            }
            let mut slot = hash as usize % TABLE;
            while words.table[slot] != NONE {
                slot = (slot + 1) % TABLE;
            }
            words.table[slot] = words.words.len() as u8;
            words.add_begins(word);
            words.words.push(word.to_vec());
        }
        words
    }

    /// Marks every pair of bytes that `word` may begin with in some case. Beyond ASCII that is any, as case may change all bytes there;
    /// after a word of one byte, any that goes on with no letter or digit of ASCII.
    fn add_begins(&mut self, word: &[u8]) {
        let any =
            |byte: u8| {
                (0..=u8::MAX).filter(move |&other| {
                    if byte.is_ascii() { other.eq_ignore_ascii_case(&byte) } else { !other.is_ascii() }
                })
            };
        for first in any(word[0]) {
            for second in 0..=u8::MAX {
                let may = match word.get(1) {
                    _ if !first.is_ascii() => true,
                    // Lower case may have more bytes than upper case.
                    Some(byte) => any(*byte).any(|other| other == second) || !second.is_ascii(),
                    None => !second.is_ascii_alphanumeric(),
                };
                self.begins[usize::from(u16::from_be_bytes([first, second]))] |= may;
            }
        }
    }

    /// The number of the word with this hash that is the `same`.
    fn find(&self, hash: u32, same: impl Fn(&[u8]) -> bool) -> Option<usize> {
        let mut slot = hash as usize % TABLE;
        while self.table[slot] != NONE {
            let number = usize::from(self.table[slot]);
            if self.words.get(number).is_some_and(|word| same(word)) {
                return Some(number);
            }
            slot = (slot + 1) % TABLE;
        }
        None
    }

    /// Calls `visit` with the bytes and the number of each word of `text` that is one of these.
    fn scan(&self, text: &[u8], mut visit: impl FnMut(Range<usize>, usize)) {
        let begins = |first, second| self.begins[usize::from(u16::from_be_bytes([first, second]))];
        let mut visit = |at| {
            if let Some((word, number)) = self.word_at(text, at) {
                visit(word, number);
            }
        };
        // Nearly all bytes are passed over here, at a byte in two cycles.
        for (at, pair) in text.windows(2).enumerate() {
            if begins(pair[0], pair[1]) {
                visit(at);
            }
        }
        if text.last().is_some_and(|&last| begins(last, 0)) {
            visit(text.len() - 1);
        }
    }

    /// The word that begins at `at`, if one does and it is one of these: its bytes and its number.
    fn word_at(&self, text: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
        let before = at.checked_sub(1).map_or(b' ', |before| text[before]);
        if before.is_ascii_alphanumeric()
            || !before.is_ascii() && character_before(text, at).is_some_and(char::is_alphanumeric)
        {
            return None;
        }
        let (mut hash, mut end) = (BASIS, at);
        while let Some(byte) = text.get(end).filter(|byte| byte.is_ascii_alphanumeric()) {
            hash = hashed(hash, byte.to_ascii_lowercase());
            end += 1;
        }
        // Most words are ASCII alone.
        if text.get(end).is_none_or(u8::is_ascii) {
            let number = self.find(hash, |word| word.eq_ignore_ascii_case(&text[at..end]))?;
            return Some((at..end, number));
        }
        let (mut word, mut end) = (Vec::new(), at);
        while let Some(c) = character(text, end).filter(|c| c.is_alphanumeric()) {
            c.to_lowercase().for_each(|c| word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()));
            end += c.len_utf8();
        }
        let number = self.find(self::hash(&word), |other| other == word)?;
        Some((at..end, number))
    }

    /// Calls `visit` with the words that begin in each stretch of `text`, in order.
    fn stretches(&self, text: &Text, cancel: &Cancel, mut visit: impl FnMut(Mask)) -> Result<()> {
        let (mut at, len) = (0, text.len());
        let (mut stretch, mut mask) = (0, 0);
        while at < len {
            cancel.check()?;
            let end = len.min(at + STEP);
            let bytes = text.read(at..end)?;
            // A word that goes on is left to the next step.
            let parts = |byte: &u8| byte.is_ascii() && !byte.is_ascii_alphanumeric();
            let between = if end < len { bytes.iter().rposition(parts) } else { None };
            let bytes = &bytes[..between.map_or(bytes.len(), |last| last + 1)];
            self.scan(bytes, |word, number| {
                while stretch < (at + word.start as u64) / STRETCH {
                    visit(std::mem::take(&mut mask));
                    stretch += 1;
                }
                mask |= 1 << number;
            });
            at += bytes.len() as u64;
        }
        while stretch < len.div_ceil(STRETCH) {
            visit(std::mem::take(&mut mask));
            stretch += 1;
        }
        Ok(())
    }

    /// Chunks that share words, and those of `also`, with what the words are worth.
    fn search(
        &self,
        memory: &mut ChunkMemory,
        also: impl Iterator<Item = u64>,
        cancel: &Cancel,
    ) -> Result<BTreeMap<u64, f32>> {
        // The first chunk and the first stretch of each document.
        let mut documents = Vec::new();
        let mut held = [0u64; MOST_WORDS];
        let (mut chunk, mut stretches) = (0, 0);
        // As long as there is memory for it.
        let (mut kept, mut keeps) = (Vec::new(), true);
        while chunk < memory.len() && !self.words.is_empty() {
            let part = memory.part(chunk)?;
            documents.push((chunk, stretches));
            let end = stretches + part.text.len().div_ceil(STRETCH);
            let scanned = self.stretches(&part.text, cancel, |mask| {
                stretches += 1;
                bits(mask).for_each(|word| held[word] += 1);
                keeps = keeps && kept.len() < MOST_KEPT && kept.try_reserve(1).is_ok();
                if keeps {
                    kept.push(mask);
                }
            });
            if let Err(e) = scanned {
                memory.tolerate(e)?;
                // What comes next would stand in the wrong place.
                (stretches, keeps) = (end, false);
            }
            chunk = part.chunks.end;
        }
        let worth = Worth::new(&held, stretches);

        let mut best = TopK::new(CANDIDATES)?;
        let ends = documents.iter().skip(1).map(|&(_, first)| first).chain([stretches]);
        for (&(chunk, first), end) in documents.iter().zip(ends) {
            let (mut id, mut before, mut mask) = (first, 0, 0);
            let mut push = |after| {
                let score = worth.of(mask, before | after);
                if id > first && score > 0.0 {
                    best.push(id - 1, score);
                }
                (before, mask) = (mask, after);
                id += 1;
            };
            // A document whose words are kept need not be opened again.
            match kept.get(first as usize..end as usize) {
                Some(kept) => kept.iter().for_each(|&mask| push(mask)),
                None => {
                    let part = memory.part(chunk)?;
                    self.stretches(&part.text, cancel, &mut push).or_else(|e| memory.tolerate(e))?;
                }
            }
            push(0);
        }

        let mut scored: BTreeMap<u64, f32> = also.map(|chunk| (chunk, 0.0)).collect();
        for stretch in best.best_first() {
            let document = documents.partition_point(|&(_, first)| first <= stretch.id).saturating_sub(1);
            let Some(&(chunk, first)) = documents.get(document) else { continue };
            let part = memory.part(chunk)?;
            let start = (stretch.id - first) * STRETCH;
            match overlapping(memory, &part, start..start + STRETCH) {
                Ok(chunks) => scored.extend(chunks.map(|chunk| (chunk, 0.0))),
                Err(e) => memory.tolerate(e)?,
            }
        }
        let mut masks = BTreeMap::new();
        for (&chunk, score) in &mut scored {
            let part = memory.part(chunk)?;
            let mut mask = |chunk: u64| -> Result<Mask> {
                if !part.chunks.contains(&chunk) {
                    return Ok(0);
                }
                if let Some(&mask) = masks.get(&chunk) {
                    return Ok(mask);
                }
                let mask = self.mask(memory, &part, chunk).or_else(|e| memory.tolerate(e).map(|()| 0))?;
                masks.insert(chunk, mask);
                Ok(mask)
            };
            let near = mask(chunk + 1)? | chunk.checked_sub(1).map_or(Ok(0), &mut mask)?;
            *score = worth.of(mask(chunk)?, near);
        }
        Ok(scored)
    }

    /// The words of a chunk, those that go on beyond its ends included.
    fn mask(&self, memory: &mut ChunkMemory, part: &Part, chunk: u64) -> Result<Mask> {
        let own = memory.source(chunk)?;
        let from = own.start.saturating_sub(CONTEXT);
        let text = part.text.read(from..own.end.saturating_add(CONTEXT).min(part.text.len()))?;
        let mut mask = 0;
        self.scan(&text, |word, number| {
            if from + (word.end as u64) > own.start && from + (word.start as u64) < own.end {
                mask |= 1 << number;
            }
        });
        Ok(mask)
    }
}

/// What words are worth.
struct Worth([f32; MOST_WORDS]);

impl Worth {
    /// Of words that so many of `all` stretches have.
    fn new(held: &[u64; MOST_WORDS], all: u64) -> Self {
        Self(held.map(|count| (1.0 + ((all - count) as f64 + 0.5) / (count as f64 + 0.5)).ln() as f32))
    }

    /// Of those here and those `near`.
    fn of(&self, here: Mask, near: Mask) -> f32 {
        let sum = |mask| bits(mask).map(|word| self.0[word]).sum::<f32>();
        sum(here) + NEIGHBOUR * sum(near & !here)
    }
}

/// The numbers of the bits that are set.
fn bits(mut mask: Mask) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(bit)
    })
}

/// The chunks of a document that have some of its `bytes`.
fn overlapping(memory: &mut ChunkMemory, part: &Part, bytes: Range<u64>) -> Result<Range<u64>> {
    let Range { mut start, mut end } = part.chunks;
    while start < end {
        let middle = start + (end - start) / 2;
        if memory.source(middle)?.end <= bytes.start { start = middle + 1 } else { end = middle }
    }
    while end < part.chunks.end && memory.source(end)?.start < bytes.end {
        end += 1;
    }
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(question: &str, text: &str) -> Vec<(String, Range<usize>)> {
        let words = Words::new(question);
        let mut out = Vec::new();
        words
            .scan(text.as_bytes(), |range, n| out.push((String::from_utf8_lossy(&words.words[n]).into_owned(), range)));
        out
    }

    #[test]
    fn words_are_found_whole_and_in_any_case() {
        let found = scanned(
            "Who is the MAYOR of Zürich? É 東京",
            "(The mayors) MAYOR—of ZÜRICH, who é ésof “is” 東京 東京都 of\u{e9}",
        );
        let found: Vec<&str> = found.iter().map(|f| f.0.as_str()).collect();
        assert_eq!(found, ["the", "mayor", "of", "zürich", "who", "é", "is", "東京"]);
        // Half a character at either end is in no word.
        let half = &"éof".as_bytes()[1..];
        let words = Words::new("of");
        let mut count = 0;
        words.scan(half, |_, _| count += 1);
        words.scan(&"of é".as_bytes()[..4], |_, _| count += 1);
        assert_eq!(count, 2);
        assert_eq!(scanned("the 7", "7 77 bathe the"), [("7".into(), 0..1), ("the".into(), 11..14)]);
        assert!(scanned("?!", "anything").is_empty());
        assert!(scanned("a", "").is_empty());
    }

    #[test]
    fn more_words_than_count_are_left_out() {
        let question: Vec<String> = (0..100).map(|i| format!("w{i}")).collect();
        let words = Words::new(&question.join(" "));
        assert_eq!(words.words.len(), MOST_WORDS);
        for (i, word) in question.iter().enumerate() {
            let found = words.find(hash(word.as_bytes()), |other| other == word.as_bytes());
            assert_eq!(found, (i < MOST_WORDS).then_some(i));
        }
    }

    #[test]
    fn rare_words_are_worth_more_and_neighbours_half() {
        let mut held = [0; MOST_WORDS];
        held[..3].copy_from_slice(&[1, 9, 100]);
        let worth = Worth::new(&held, 100);
        let rarity = |count: f32| (1.0 + (100.0 - count + 0.5) / (count + 0.5)).ln();
        let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-5, "{a} and {b}");
        close(worth.of(0b1, 0), rarity(1.0));
        close(worth.of(0b110, 0b11), rarity(9.0) + rarity(100.0) + rarity(1.0) / 2.0);
        assert!(rarity(100.0) > 0.0);
    }
}
