//! Answers as people and programs get them.

use std::ops::Range;
use std::process::ExitCode;

use clap::Args;
use ramba::{Answer, AskOptions, Decoding, Quote, Source, StopReason, Support};
use serde_json::{Value, json};

use crate::show::one_line;

/// What is printed for an answer that rests on nothing.
pub const NOT_FOUND: &str = "not found in the document";

/// The exit status of a program that has done its work and found no answer to one of the questions.
pub const NOT_FOUND_STATUS: u8 = 3;

/// How answers come about.
#[derive(Args)]
pub struct AnswerArgs {
    /// Most tokens of an answer
    #[arg(long, value_name = "N", default_value_t = AskOptions::default().max_tokens)]
    max_tokens: usize,
    /// Let the model write what it likes, instead of copying the answer from what it reads
    #[arg(long)]
    free: bool,
}

impl AnswerArgs {
    /// The options for a session.
    pub fn options(&self) -> AskOptions {
        let decoding = if self.free { Decoding::Free } else { Decoding::Copied };
        AskOptions::default().max_tokens(self.max_tokens).decoding(decoding)
    }
}

/// The exit status after `answers`.
pub fn status<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> ExitCode {
    match answers.into_iter().any(|answer| answer.support == Support::None) {
        true => ExitCode::from(NOT_FOUND_STATUS),
        false => ExitCode::SUCCESS,
    }
}

/// An answer on one line, with marks for what one should know of it; no guesses.
pub fn line(answer: &Answer) -> String {
    if answer.support == Support::None {
        return NOT_FOUND.into();
    }
    let cut = if answer.stop == StopReason::Length { "… [cut off]" } else { "" };
    let words = if answer.support == Support::Found { "  [not in these words]" } else { "" };
    let place = match &answer.support {
        Support::Quoted(quotes) => place(quotes),
        _ => String::new(),
    };
    format!("{}{cut}{words}{place}", one_line(&answer.text))
}

/// What people call a place.
fn names(document: &Option<String>, label: &Option<String>) -> Vec<String> {
    [document, label].into_iter().flatten().map(|name| one_line(name)).collect()
}

/// Where an answer stands, as people call the places: each once.
fn place(quotes: &[Quote]) -> String {
    let mut places = Vec::new();
    for quote in quotes {
        let place = names(&quote.document, &quote.label).join(", ");
        if !place.is_empty() && !places.contains(&place) {
            places.push(place);
        }
    }
    if places.is_empty() { String::new() } else { format!("  ({})", places.join("; ")) }
}

/// A source of `answer` on one line: where it stands, as people call the place and as bytes of the file, if the file has such a place.
pub fn source_line(source: &Source, answer: &Answer) -> String {
    let Source { weight, text, .. } = source;
    let quotes = match &answer.support {
        Support::Quoted(quotes) => &quotes[..],
        _ => &[],
    };
    // What was used may stand under another heading than the chunk begins with.
    let used = quotes.iter().find(|quote| {
        let (bytes, used) = (&source.bytes, &quote.bytes);
        quote.document == source.document && used.start < bytes.end && bytes.start < used.end
    });
    let mut place = names(&source.document, used.map_or(&source.label, |quote| &quote.label));
    match &source.origin {
        Some(bytes) => place.push(format!("bytes {}–{}", bytes.start, bytes.end)),
        None if place.is_empty() => place.push(format!("bytes {}–{}", source.bytes.start, source.bytes.end)),
        None => {}
    }
    format!("{}, weight {weight:.2}  “{}”", place.join(", "), one_line(text))
}

/// An answer for programs. What rests on nothing is there too: `support` says so.
pub fn json(question: &str, answer: &Answer) -> Value {
    let (support, quotes) = match &answer.support {
        Support::Quoted(quotes) => ("quoted", &quotes[..]),
        Support::Found => ("found", &[][..]),
        Support::None => ("none", &[][..]),
        _ => ("unknown", &[][..]),
    };
    let quote = |q: &Quote| {
        let json = json!({"byte_start": q.bytes.start, "byte_end": q.bytes.end, "text": q.text});
        placed(json, &q.document, &q.label, &q.origin)
    };
    let source = |s: &Source| {
        let json = json!({
            "chunk": s.chunk, "weight": s.weight, "byte_start": s.bytes.start, "byte_end": s.bytes.end, "text": s.text,
        });
        placed(json, &s.document, &s.label, &s.origin)
    };
    json!({
        "question": question,
        "answer": answer.text,
        "support": support,
        "quotes": quotes.iter().map(quote).collect::<Vec<_>>(),
        "stop": match answer.stop {
            StopReason::End => "end",
            StopReason::Length => "length",
            _ => "callback",
        },
        "weight": answer.weight,
        "probability": answer.probability,
        "first_token_ms": answer.first_token.as_secs_f64() * 1e3,
        "sources": answer.sources.iter().map(source).collect::<Vec<_>>(),
    })
}

/// `json` with what is known of the place that it is about.
fn placed(mut json: Value, document: &Option<String>, label: &Option<String>, origin: &Option<Range<u64>>) -> Value {
    for (key, text) in [("document", document), ("label", label)] {
        if let Some(text) = text {
            json[key] = text.as_str().into();
        }
    }
    if let Some(origin) = origin {
        (json["origin_start"], json["origin_end"]) = (origin.start.into(), origin.end.into());
    }
    json
}
