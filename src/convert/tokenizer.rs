//! `tokenizer.json` of Hugging Face's `tokenizers`, or `vocab.json` and `merges.txt` of older programs → the keys that [`Tokenizer`]
//! reads.
//!
//! Byte-level BPE alone is understood: anything that would cut or spell text in another way is refused by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

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

/// Largest `tokenizer.json`: that of a vocabulary of 128,000 tokens takes 9 MiB.
const MAX_BYTES: u64 = 16 << 20;

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

#[derive(Deserialize, Default)]
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

#[derive(Deserialize, Default)]
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

/// The keys of a file without a tokenizer: llama.cpp's name for none, and the ids of special tokens that the config tells.
pub(super) fn none(shape: &Shape) -> Vec<(String, Value)> {
    let mut entries = vec![("tokenizer.ggml.model".to_owned(), Value::Str("none".into()))];
    entries.extend(special_entries(shape.bos, shape.eos, shape.pad));
    entries.extend(shape.question_entries(shape.question, shape.answer));
    entries
}

fn special_entries(bos: Option<u32>, eos: Option<u32>, pad: Option<u32>) -> impl Iterator<Item = (String, Value)> {
    let ids = [("bos_token_id", bos), ("eos_token_id", eos), ("padding_token_id", pad)];
    ids.into_iter().filter_map(|(name, id)| Some((format!("tokenizer.ggml.{name}"), Value::U32(id?))))
}

/// The keys `tokenizer.ggml.…` and, for a RAMba, those of its question tokens, from the files in `folder`.
pub(super) fn entries(folder: &Path, shape: &Shape, notes: &mut Vec<String>) -> Result<Vec<(String, Value)>> {
    const WHOLE: &str = "tokenizer.json";
    if folder.join(WHOLE).exists() {
        let text = json::text(&folder.join(WHOLE), MAX_BYTES)?;
        return json::parse(&text).and_then(|file| file_entries(&file, shape)).map_err(|e| e.context(WHOLE));
    }
    match (folder.join(VOCAB).exists(), folder.join(MERGES).exists()) {
        (true, true) => {
            notes.push(format!("there is no {WHOLE}: the tokenizer was made of {VOCAB} and {MERGES}"));
            let file = vocab_and_merges(folder)?;
            file_entries(&file, shape).map_err(|e| e.context(format_args!("{VOCAB} and {MERGES}")))
        }
        (false, false) => Err(Error::format(format!(
            "there is no {WHOLE}, and no {VOCAB} with {MERGES}: the model could not read text. With --no-tokenizer \
             (`ConvertOptions::no_tokenizer`) it is converted for token ids alone"
        ))),
        (vocab, _) => Err(Error::format(format!(
            "there is no {WHOLE}; {} is there, but {} is not",
            if vocab { VOCAB } else { MERGES },
            if vocab { MERGES } else { VOCAB }
        ))),
    }
}

fn file_entries(file: &File, shape: &Shape) -> Result<Vec<(String, Value)>> {
    let pre = pre_tokenizer(file)?;
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
    entries.extend(special_entries(bos, eos, pad));
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

const VOCAB: &str = "vocab.json";
const MERGES: &str = "merges.txt";

/// What `tokenizer.json` would say, by the files of programs before it: the vocabulary, the merges one a line, tokens that were added later
/// (`added_tokens.json`), special ones (`special_tokens_map.json`), and the class that reads them (`tokenizer_config.json`). The last
/// three may be missing.
fn vocab_and_merges(folder: &Path) -> Result<File> {
    let text = |name: &str| json::text(&folder.join(name), MAX_BYTES);
    let optional = |name: &str| -> Result<Map<String, Json>> {
        if !folder.join(name).exists() {
            return Ok(Map::new());
        }
        json::object(&text(name)?).map_err(|e| e.context(name))
    };
    let vocab: Unique<u32> = json::parse(&text(VOCAB)?).map_err(|e| e.context(VOCAB))?;
    let merges = text(MERGES)?;
    // The first line may tell the version of the format. Each of the others is a pair.
    let lines =
        merges.lines().enumerate().filter(|(i, line)| !(line.is_empty() || *i == 0 && line.starts_with("#version")));
    let merges = lines.map(|(_, line)| Merge::Spaced(line.to_owned())).collect();

    const CONFIG: &str = "tokenizer_config.json";
    let (config, special) = (optional(CONFIG)?, optional("special_tokens_map.json")?);
    let nfc = class(&config).map_err(|e| e.context(CONFIG))?;
    for (field, default) in [("add_prefix_space", false), ("add_bos_token", false), ("add_eos_token", false)] {
        if config.get(field).is_some_and(|value| !value.is_null() && *value != default) {
            return Err(unknown(field, &config[field]).context(CONFIG));
        }
    }
    let mut specials: BTreeSet<String> = BTreeSet::new();
    for (name, value) in special
        .iter()
        .chain(&config)
        .filter(|(name, _)| name.ends_with("_token") || name.as_str() == "additional_special_tokens")
    {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in values.iter().filter(|value| value.is_string() || value.is_object()) {
            let content = value.as_str().or_else(|| value["content"].as_str());
            specials.insert(content.ok_or_else(|| unknown(name, value))?.to_owned());
        }
    }
    if specials.is_empty() {
        specials.insert(DEFAULT_SPECIAL.to_owned());
    }

    let mut added: BTreeMap<u32, Added> = BTreeMap::new();
    for (content, id) in optional("added_tokens.json")? {
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| unknown("added_tokens.json", &id))?;
        added.insert(id, Added { id, special: specials.contains(&content), content, ..Added::default() });
    }
    if let Some(Json::Object(tokens)) = config.get("added_tokens_decoder") {
        for (id, token) in tokens {
            let id: u32 = id.parse().map_err(|_| unknown("added_tokens_decoder", token).context(CONFIG))?;
            let mut with_id = token.clone();
            with_id["id"] = id.into();
            let token =
                serde_json::from_value(with_id).map_err(|e| Error::format(format!("{CONFIG}: token {id}: {e}")))?;
            added.insert(id, token);
        }
    }
    // Special tokens of the vocabulary itself.
    for (content, id) in vocab.0.iter().filter(|(content, _)| specials.contains(content)) {
        let token = Added { id: *id, content: content.clone(), special: true, ..Added::default() };
        added.entry(*id).or_insert(token);
    }
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false});
    Ok(File {
        added_tokens: added.into_values().collect(),
        normalizer: if nfc { json!({"type": "NFC"}) } else { Json::Null },
        pre_tokenizer: bytes.clone(),
        post_processor: Json::Null,
        decoder: bytes,
        model: Model { vocab, merges, ..Model::default() },
    })
}

/// The end of text of GPT-2, whose class has it where nothing else is said.
const DEFAULT_SPECIAL: &str = "<|endoftext|>";

/// Whether the class of the tokenizer brings text into normal form C. Other classes than these cut text in other ways.
fn class(config: &Map<String, Json>) -> Result<bool> {
    match config.get("tokenizer_class").filter(|class| !class.is_null()) {
        None => Ok(false),
        Some(class) => match class.as_str().map(|class| class.strip_suffix("Fast").unwrap_or(class)) {
            Some("GPT2Tokenizer") => Ok(false),
            Some("GPTNeoXTokenizer") => Ok(true),
            _ => Err(unknown("tokenizer_class", class)),
        },
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
