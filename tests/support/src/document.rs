//! A document of several kinds of characters, and what identifies an answer from it.

use ramba::{Answer, Support};

/// What identifies an answer; the time does not. Debug formatting tells every bit of a weight.
pub fn content(answer: &Answer) -> String {
    let Answer { text, tokens, stop, support, weight, probability, sources, .. } = answer;
    format!("{text:?} {tokens:?} {stop:?} {support:?} {weight:?} {probability:?} {sources:?}")
}

/// `answer` as if its documents had no names.
pub fn unnamed(mut answer: Answer) -> Answer {
    answer.sources.iter_mut().for_each(|source| source.document = None);
    if let Support::Quoted(quotes) = &mut answer.support {
        quotes.iter_mut().for_each(|quote| quote.document = None);
    }
    answer
}

/// Text of `len` bytes or a few more, with characters of several bytes and places where tokens merge.
pub fn text(len: usize) -> String {
    let words = ["the", "three", "naïve", "month", "über", "with", "日本", "path", "x", "thistle", "42", "…"];
    let mut out = String::new();
    let mut n = 1u32;
    while out.len() < len {
        n = n.wrapping_mul(1664525).wrapping_add(1013904223);
        out.push_str(words[(n >> 16) as usize % words.len()]);
        out.push(if n >> 28 == 0 { '\n' } else { ' ' });
    }
    out
}
