//! `tokenizer.json` of Hugging Face's `tokenizers` → the keys that [`Tokenizer`] reads.
//!
//! Byte-level BPE alone is understood: anything that would cut or spell text in another way is refused by its name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::config::Shape;
use super::json::{self, Unique};
use crate::gguf::{Array, Quoted, Strings, Value};
use crate::tokenizer::{Tokenizer, TokenizerParts};
use crate::{Error, Result};

/// Token types as llama.cpp numbers them.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// Texts of special tokens that a config may leave out.
const END: [&str; 2] = ["<|end|>", "<|endoftext|>"];
const PADDING: [&str; 2] = ["<|pad|>", "<|padding|>"];
const QUESTION: [&str; 1] = ["<|question|>"];
const ANSWER: [&str; 1] = ["<|answer|>"];

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    normalizer: Json,
    #[serde(default)]
    pre_tokenizer: Json,
    #[serde(default)]
    post_processor: Json,
    #[serde(default)]
    decoder: Json,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    dropout: Json,
    #[serde(default)]
    unk_token: Json,
    #[serde(default)]
    continuing_subword_prefix: Json,
    #[serde(default)]
    end_of_word_suffix: Json,
    #[serde(default)]
    byte_fallback: Json,
    #[serde(default)]
    ignore_merges: Json,
    vocab: Unique<u32>,
    merges: Vec<Merge>,
}

/// As older and newer versions of the library write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Spaced(String),
    Pair(String, String),
}

/// The keys `tokenizer.ggml.…` and, for a RAMba, those of its question tokens.
pub(super) fn entries(text: &str, shape: &Shape) -> Result<Vec<(String, Value)>> {
    let file: File = json::parse(text)?;
    let pre = pre_tokenizer(&file)?;
    check_model(&file.model)?;

    // Bounded by the table of tensors, and by the reader.
    let vocab = u32::try_from(shape.vocab).map_err(|_| Error::unsupported("the vocabulary is too large"))?;
    let mut tokens: BTreeMap<u32, (&str, i32)> = BTreeMap::new();
    let mut by_text: BTreeMap<&str, u32> = BTreeMap::new();
    for (token, id) in &file.model.vocab.0 {
        if let Some((other, _)) = tokens.insert(*id, (token, NORMAL)) {
            return Err(Error::format(format!("{} and {} both have the id {id}", Quoted(other), Quoted(token))));
        }
    }
    for added in &file.added_tokens {
        let what = || format!("added token {}", Quoted(&added.content));
        if added.single_word || added.lstrip || added.rstrip {
            return Err(Error::unsupported(format!("{}: single_word, lstrip and rstrip are not known", what())));
        }
        let kind = if added.special { CONTROL } else { USER_DEFINED };
        match tokens.insert(added.id, (&added.content, kind)) {
            Some((other, _)) if other != added.content => {
                return Err(Error::format(format!("{}: its id {} is that of {}", what(), added.id, Quoted(other))));
            }
            _ => by_text.insert(&added.content, added.id),
        };
    }
    if let Some((&id, (token, _))) = tokens.last_key_value().filter(|(id, _)| **id >= vocab) {
        return Err(Error::format(format!("token {} has the id {id}, but the model has {vocab} rows", Quoted(token))));
    }
    let unused: Vec<String> = (0..vocab).filter(|id| !tokens.contains_key(id)).map(|id| format!("[PAD{id}]")).collect();
    let (mut names, mut types, mut gaps) = (Vec::new(), Vec::new(), unused.iter());
    for id in 0..vocab {
        let (name, kind) = match tokens.get(&id) {
            Some(&token) => token,
            None => (gaps.next().map_or("", String::as_str), UNUSED),
        };
        names.push(name);
        types.push(kind);
    }
    let merges: Vec<String> = file.model.merges.iter().map(spelled).collect::<Result<_>>()?;

    let known = |id: Option<u32>, texts: &[&str]| id.or_else(|| texts.iter().find_map(|t| by_text.get(t).copied()));
    let (bos, eos, pad) = (shape.bos, known(shape.eos, &END), known(shape.pad, &PADDING));
    // The reader's own checks, before anything is written.
    Tokenizer::new(TokenizerParts {
        pre,
        tokens: names.clone(),
        token_types: Some(&types),
        merges: merges.iter().map(String::as_str).collect(),
        bos,
        eos,
        pad,
    })?;

    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let mut entries = vec![
        (key("model"), Value::Str("gpt2".into())),
        (key("pre"), Value::Str(pre.into())),
        (key("tokens"), Value::Array(Array::Str(Strings::new(&names)?))),
        (key("token_type"), Value::Array(Array::I32(types))),
        (key("merges"), Value::Array(Array::Str(Strings::new(&merges)?))),
    ];
    for (name, id) in [("bos_token_id", bos), ("eos_token_id", eos), ("padding_token_id", pad)] {
        entries.extend(id.map(|id| (key(name), Value::U32(id))));
    }
    entries.extend(shape.question_entries(known(shape.question, &QUESTION), known(shape.answer, &ANSWER)));
    Ok(entries)
}

fn spelled(merge: &Merge) -> Result<String> {
    match merge {
        Merge::Spaced(text) => Ok(text.clone()),
        Merge::Pair(a, b) if !a.contains(' ') && !b.contains(' ') => Ok(format!("{a} {b}")),
        Merge::Pair(a, b) => {
            Err(Error::unsupported(format!("merge of {} and {}: a space in it", Quoted(a), Quoted(b))))
        }
    }
}

fn check_model(model: &Model) -> Result<()> {
    match model.kind.as_deref() {
        Some("BPE") | None => {}
        Some(other) => return Err(Error::unsupported(format!("model {}: byte-level BPE is known", Quoted(other)))),
    }
    let switches = [
        ("dropout", &model.dropout),
        ("unk_token", &model.unk_token),
        ("continuing_subword_prefix", &model.continuing_subword_prefix),
        ("end_of_word_suffix", &model.end_of_word_suffix),
        ("byte_fallback", &model.byte_fallback),
        ("ignore_merges", &model.ignore_merges),
    ];
    for (name, value) in switches {
        let off = match value {
            Json::Null | Json::Bool(false) => true,
            Json::String(text) => text.is_empty(),
            Json::Number(n) => n.as_f64() == Some(0.0),
            _ => false,
        };
        if !off {
            return Err(unknown(&format!("model.{name}"), value));
        }
    }
    Ok(())
}

/// The value of `tokenizer.ggml.pre` for how the file cuts text into words.
fn pre_tokenizer(file: &File) -> Result<&'static str> {
    let nfc = match steps("normalizer", &file.normalizer, "normalizers")?[..] {
        [] => false,
        [step] if step["type"] == "NFC" => true,
        _ => return Err(unknown("normalizer", &file.normalizer)),
    };
    let digits = match steps("pre_tokenizer", &file.pre_tokenizer, "pretokenizers")?[..] {
        [bytes] if is_byte_level(bytes) => false,
        [digits, bytes]
            if digits["type"] == "Digits" && digits["individual_digits"] == true && is_byte_level(bytes) =>
        {
            true
        }
        _ => return Err(unknown("pre_tokenizer", &file.pre_tokenizer)),
    };
    // What comes after the ids: offsets alone for `ByteLevel`; others add tokens.
    if !matches!(file.post_processor["type"].as_str(), None | Some("ByteLevel")) {
        return Err(unknown("post_processor", &file.post_processor));
    }
    if file.decoder["type"] != "ByteLevel" {
        return Err(unknown("decoder", &file.decoder));
    }
    match (digits, nfc) {
        (true, false) => Ok("ramba"),
        (false, false) => Ok("gpt-2"),
        (false, true) => Ok("gpt-neox"),
        (true, true) => Err(Error::unsupported("digits split off alone in normal form C are not known")),
    }
}

/// GPT-2's expression on the text as it is.
fn is_byte_level(step: &Json) -> bool {
    step["type"] == "ByteLevel" && step["add_prefix_space"] == false && step["use_regex"] != false
}

/// The steps of a `Sequence`, or the one step, or none.
fn steps<'a>(what: &str, value: &'a Json, list: &str) -> Result<Vec<&'a Json>> {
    match value {
        Json::Null => Ok(Vec::new()),
        Json::Object(step) if step.get("type") == Some(&Json::from("Sequence")) => {
            let steps = value[list].as_array().ok_or_else(|| unknown(what, value))?;
            Ok(steps.iter().collect())
        }
        step => Ok(vec![step]),
    }
}

fn unknown(what: &str, value: &Json) -> Error {
    Error::unsupported(format!("{what} is {}, not understood", Quoted(&value.to_string())))
}
