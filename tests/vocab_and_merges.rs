//! `vocab.json` and `merges.txt` serve where `tokenizer.json` is missing; with neither, a conversion is refused unless asked for.

use std::path::Path;

use ramba::ErrorKind::{Format, Unsupported};
use ramba::Result;
use ramba::convert::{Report, convert};
use ramba::weights::Weights;
use serde_json::{Value, json};
use test_support::checkpoint::{World, on, refused, to};

fn sound() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/recipe/small-tokenizer.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    // As GPT-2 cuts words.
    json["pre_tokenizer"] = json!({"type": "ByteLevel", "add_prefix_space": false});
    json
}

/// A checkpoint whose tokenizer lies in the files of older programs.
fn world() -> World {
    let w = World::new(1030);
    w.put("config.json", w.config.to_string());
    w.tensors.write(&w.path("model.safetensors"));
    let json = sound();
    let mut vocab = json["model"]["vocab"].clone();
    let mut added = serde_json::Map::new();
    for token in json["added_tokens"].as_array().unwrap() {
        let content = token["content"].as_str().unwrap();
        vocab.as_object_mut().unwrap().remove(content);
        added.insert(content.to_owned(), token["id"].clone());
    }
    let specials: Vec<_> = added.keys().cloned().collect();
    let spelled = |m: &Value| {
        m.as_str().map_or_else(|| format!("{} {}", m[0].as_str().unwrap(), m[1].as_str().unwrap()), str::to_owned)
    };
    let merges: Vec<_> = json["model"]["merges"].as_array().unwrap().iter().map(spelled).collect();
    w.put("vocab.json", vocab.to_string());
    w.put("merges.txt", format!("#version: 0.2\r\n{}\n\n", merges.join("\r\n")));
    w.put("added_tokens.json", Value::Object(added).to_string());
    w.put("special_tokens_map.json", json!({"additional_special_tokens": specials}).to_string());
    w
}

fn run(w: &World) -> Result<Report> {
    let options = to("F32").name("one".to_owned()).no_tokenizer(false);
    convert(w.dir.path(), w.path("model.gguf"), &options, &mut on)
}

fn file(w: &World) -> Vec<u8> {
    run(w).unwrap_or_else(|e| panic!("{e}"));
    std::fs::read(w.path("model.gguf")).unwrap()
}

#[test]
fn they_say_the_same_as_the_whole() {
    let w = world();
    let report = run(&w).unwrap();
    assert!(report.notes.iter().any(|n| n.contains("vocab.json") && n.contains("merges.txt")), "{:?}", report.notes);
    let of_parts = file(&w);
    for class in ["GPT2Tokenizer", "GPT2TokenizerFast"] {
        w.put("tokenizer_config.json", json!({"tokenizer_class": class, "add_prefix_space": false}).to_string());
        assert!(file(&w) == of_parts, "{class}");
    }
    w.put("tokenizer_config.json", json!({"tokenizer_class": "GPTNeoXTokenizer"}).to_string());
    let neox = file(&w);
    let pre = |file: Vec<u8>| Weights::from_bytes(file).unwrap().gguf().str("tokenizer.ggml.pre").unwrap().to_owned();
    assert_eq!(pre(neox.clone()), "gpt-neox");
    // The whole one comes first.
    let mut whole = sound();
    w.put("tokenizer.json", whole.to_string());
    assert!(file(&w) == of_parts);
    whole["normalizer"] = json!({"type": "NFC"});
    w.put("tokenizer.json", whole.to_string());
    assert!(file(&w) == neox);
}

#[test]
fn special_tokens_are_found_where_they_are_named() {
    let w = world();
    let of_parts = file(&w);
    // In the configuration of the tokenizer alone.
    for name in ["added_tokens.json", "special_tokens_map.json"] {
        std::fs::remove_file(w.path(name)).unwrap();
    }
    let json = sound();
    let decoder: serde_json::Map<_, _> = json["added_tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| {
            let mut token = t.clone();
            token.as_object_mut().unwrap().remove("id");
            (t["id"].to_string(), token)
        })
        .collect();
    w.put("tokenizer_config.json", json!({"added_tokens_decoder": decoder}).to_string());
    assert!(file(&w) == of_parts);
    // In the vocabulary itself.
    w.put("vocab.json", json["model"]["vocab"].to_string());
    let names: Vec<_> = json["added_tokens"].as_array().unwrap().iter().map(|t| t["content"].clone()).collect();
    w.put("tokenizer_config.json", json!({"eos_token": names[1], "additional_special_tokens": names}).to_string());
    assert!(file(&w) == of_parts);
}

#[test]
fn what_they_cannot_say_is_refused() {
    for (name, content, words) in [
        (
            "tokenizer_config.json",
            json!({"tokenizer_class": "Qwen2Tokenizer"}),
            ["tokenizer_config.json", "Qwen2Tokenizer"],
        ),
        ("tokenizer_config.json", json!({"add_prefix_space": true}), ["tokenizer_config.json", "add_prefix_space"]),
        ("tokenizer_config.json", json!({"add_bos_token": true}), ["tokenizer_config.json", "add_bos_token"]),
        (
            "tokenizer_config.json",
            json!({"added_tokens_decoder": {"0": {"content": "<|pad|>", "lstrip": true, "special": true}}}),
            ["<|pad|>", "lstrip"],
        ),
    ] {
        let w = world();
        w.put(name, content.to_string());
        refused(run(&w), Unsupported, &words);
    }
    for (name, content, word) in [
        ("vocab.json", "{\"a\": 1, \"a\": 2}", "twice"),
        ("vocab.json", "[]", "vocab.json"),
        ("merges.txt", "#version: 0.2\nno merge of two\n", "merge 0"),
        ("added_tokens.json", "{\"new\": 7}", "id 7"),
        ("tokenizer_config.json", "{\"added_tokens_decoder\": {\"0\": {}}}", "token 0"),
    ] {
        let w = world();
        w.put(name, content);
        refused(run(&w), Format, &[word]);
    }
}

#[test]
fn a_model_that_could_not_read_text_must_be_asked_for() {
    let w = world();
    std::fs::remove_file(w.path("merges.txt")).unwrap();
    refused(run(&w), Format, &["vocab.json is there", "merges.txt is not"]);
    std::fs::remove_file(w.path("vocab.json")).unwrap();
    refused(run(&w), Format, &["no tokenizer.json", "--no-tokenizer"]);
    let report = w.run(&to("F32")).unwrap();
    assert!(report.notes.iter().any(|n| n.contains("no tokenizer")), "{:?}", report.notes);
    // Asked for, a tokenizer that is there is left out as well.
    w.put("tokenizer.json", "not even JSON");
    convert(w.dir.path(), w.path("model.gguf"), &to("F32"), &mut on).unwrap();
    let weights = Weights::open(&w.path("model.gguf")).unwrap();
    assert_eq!(weights.gguf().str("tokenizer.ggml.model").unwrap(), "none");
}
