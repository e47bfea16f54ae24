//! `tokenizer.json` of a checkpoint: the same ids as before, or a refusal by name.

use std::alloc::System;
use std::path::Path;

use cap::Cap;
use ramba::ErrorKind::{self, Format, Unsupported};
use ramba::convert::{ConvertOptions, Types, convert};
use ramba::quant::DType;
use ramba::weights::Weights;
use ramba::{Engine, EngineOptions};
use serde_json::{Value, json};
use test_support::checkpoint::{World, on, refused};

/// Nothing here needs more; a size taken from a hostile file would.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, 256 << 20);

fn with_tokenizer() -> ConvertOptions {
    ConvertOptions::default().types(Types::all(DType::F32))
}

fn json_of(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn world() -> World {
    let w = World::new(1030);
    w.put("config.json", w.config.to_string());
    w.tensors.write(&w.path("model.safetensors"));
    w
}

#[test]
fn the_ids_are_those_of_the_shipped_model() {
    let w = world();
    w.put("tokenizer.json", json_of("models/recipe/small-tokenizer.json").to_string());
    let out = w.path("model.gguf");
    convert(w.dir.path(), &out, &with_tokenizer(), &mut on).unwrap();
    let shipped = test_support::shipped();
    let open = |path: &Path| Engine::open(path, &EngineOptions::default().threads(1)).unwrap();
    let text = "The pass key of QXRT is 482913.\n\n  Übermäßig, 我们 — <|end|> he'd say 3.14.";
    let (ours, theirs) = (open(&out), open(&shipped));
    assert_eq!(ours.tokenize(text).unwrap(), theirs.tokenize(text).unwrap());
    let weights = Weights::open(&out).unwrap();
    let gguf = weights.gguf();
    assert_eq!(gguf.str("tokenizer.ggml.pre").unwrap(), "ramba");
    assert_eq!(gguf.u32("tokenizer.ggml.eos_token_id").unwrap(), 1, "found by its text");
    assert_eq!(gguf.strings("tokenizer.ggml.tokens").unwrap().get(1029), Some("[PAD1029]"));
}

#[test]
fn tokenizers_that_are_not_understood() {
    let w = world();
    let sound = json_of("models/recipe/small-tokenizer.json");
    let with = |change: &dyn Fn(&mut Value), kind: ErrorKind, words: &[&str]| {
        let mut json = sound.clone();
        change(&mut json);
        w.put("tokenizer.json", json.to_string());
        refused(w.run(&with_tokenizer()), kind, &[&["tokenizer.json"], words].concat());
    };
    with(&|t| t["model"]["type"] = json!("Unigram"), Unsupported, &["Unigram"]);
    with(&|t| t["model"]["byte_fallback"] = json!(true), Unsupported, &["byte_fallback"]);
    with(&|t| t["model"]["ignore_merges"] = json!(true), Unsupported, &["ignore_merges"]);
    with(&|t| t["model"]["end_of_word_suffix"] = json!("</w>"), Unsupported, &["end_of_word_suffix"]);
    with(&|t| t["normalizer"] = json!({"type": "NFKC"}), Unsupported, &["normalizer", "NFKC"]);
    with(&|t| t["normalizer"] = json!({"type": "NFC"}), Unsupported, &["normal form C"]);
    with(&|t| t["pre_tokenizer"] = Value::Null, Unsupported, &["pre_tokenizer"]);
    with(
        &|t| t["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = json!(true),
        Unsupported,
        &["pre_tokenizer"],
    );
    with(
        &|t| t["pre_tokenizer"]["pretokenizers"][0]["individual_digits"] = json!(false),
        Unsupported,
        &["pre_tokenizer"],
    );
    with(&|t| t["post_processor"] = json!({"type": "TemplateProcessing"}), Unsupported, &["post_processor"]);
    with(&|t| t["decoder"] = json!({"type": "WordPiece"}), Unsupported, &["decoder"]);
    with(&|t| t["added_tokens"][0]["lstrip"] = json!(true), Unsupported, &["<|pad|>", "lstrip"]);
    with(&|t| t["added_tokens"][0]["id"] = json!(7), Format, &["<|pad|>", "id 7"]);
    with(&|t| t["added_tokens"][0]["id"] = json!(5000), Format, &["5000", "1030"]);
    with(&|t| t["model"]["vocab"]["new"] = json!(7), Format, &["id 7"]);
    with(&|t| t["model"]["vocab"]["new"] = json!(4_000_000_000u32), Format, &["4000000000"]);
    with(&|t| t["model"]["vocab"]["new"] = json!(-1), Format, &["-1"]);
    with(&|t| t["model"]["merges"][0] = json!(["a b", "c"]), Unsupported, &["a b"]);
    with(&|t| t["model"]["merges"][0] = json!("nothing"), Format, &["merge 0"]);
    with(&|t| t["model"]["merges"][0] = json!(7), Format, &[]);
    with(&|t| t["model"]["vocab"] = json!({}), Format, &["byte"]);
    with(&|t| *t = json!([]), Format, &[]);
    w.put("tokenizer.json", vec![b' '; (16 << 20) + 1]);
    refused(w.run(&with_tokenizer()), Unsupported, &["tokenizer.json", "limit"]);
    w.put("tokenizer.json", format!("{{\"normalizer\": {}", "[".repeat(100_000)));
    refused(w.run(&with_tokenizer()), Format, &["tokenizer.json", "recursion"]);
}
