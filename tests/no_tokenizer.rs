//! A model file without a tokenizer that this build knows opens and takes token ids.

use std::ops::ControlFlow;
use std::path::Path;

use ramba::{AskOptions, Decoding, Engine, EngineOptions, ErrorKind, SessionOptions};
use tempfile::TempDir;
use test_support::gguf::{kind, string};
use test_support::random::{self, Shape};

/// The tokens of an answer by ids alone, among many without an end.
fn by_ids(path: &Path) -> Vec<Vec<u32>> {
    let engine = Engine::open(path, &EngineOptions::default().threads(1)).unwrap();
    let mut session = engine.session(&SessionOptions::default().budget(1 << 20)).unwrap();
    session.feed_tokens(&(0..150).map(|i| i * 7 % 256).collect::<Vec<_>>()).unwrap();
    // Without a tokenizer there is nothing to copy by.
    let options = AskOptions::default().max_tokens(12).decoding(Decoding::Free);
    let mut ask = |i: u32| session.ask_tokens(&[258, i, 259], &options, &mut |_, _| ControlFlow::Continue(()));
    (0..20).map(|i| ask(i).unwrap().tokens).collect()
}

#[test]
fn models_open_and_take_ids() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("model.gguf");
    let sound = random::write(dir.path(), Shape::default());
    let kinds = [
        ("no_vocab", random::without("tokenizer.ggml.model").str("tokenizer.ggml.model", "no_vocab")),
        ("none", random::without("tokenizer.ggml.model").str("tokenizer.ggml.model", "none")),
        ("\"llama\"", random::without("tokenizer.ggml.model").str("tokenizer.ggml.model", "llama")),
        ("\"qwen2\"", random::without("tokenizer.ggml.pre").str("tokenizer.ggml.pre", "qwen2")),
        ("tokenizer.ggml.pre", random::without("tokenizer.ggml.pre")),
        ("tokenizer.ggml.tokens", random::without("tokenizer.ggml.tokens")),
        ("tokenizer.ggml.merges", random::without("tokenizer.ggml.merges")),
        ("tokenizer.ggml.model", random::without("tokenizer.ggml.model")),
        ("tokenizer.ggml.model", random::without("tokenizer.ggml.model").i32s("tokenizer.ggml.scores", &[1])),
    ];
    for (why, file) in kinds {
        std::fs::write(&path, file.build()).unwrap();
        // End and padding are known all the same.
        assert_eq!(by_ids(&path), by_ids(&sound), "{why}");
        let engine = Engine::open(&path, &EngineOptions::default()).unwrap();
        let mut session = engine.session(&SessionOptions::default().budget(1 << 20)).unwrap();
        for error in [engine.tokenize("text").err().unwrap(), session.feed("text").err().unwrap()] {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("token ids") && error.to_string().contains(why), "{error}");
        }
    }
    std::fs::write(&path, random::without("tokenizer.").build()).unwrap();
    assert_eq!(by_ids(&path).len(), 20);
}

#[test]
fn a_damaged_vocabulary_is_not_taken_for_none() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("model.gguf");
    for (file, word) in [
        (random::without("tokenizer.ggml.merges").strings("tokenizer.ggml.merges", &["no merge at all"]), "merge"),
        (random::without("tokenizer.ggml.tokens").u32("tokenizer.ggml.tokens", 1), "tokenizer.ggml.tokens"),
        (random::without("tokenizer.").u32("tokenizer.ggml.eos_token_id", 260), "eos_token_id is 260"),
        (random::without("tokenizer.").raw("tokenizer.ggml.model", kind::STRING, &string(b"\xff")), "UTF-8"),
    ] {
        std::fs::write(&path, file.build()).unwrap();
        let error = Engine::open(&path, &EngineOptions::default()).err().unwrap();
        assert!(error.kind() == ErrorKind::Format && error.to_string().contains(word), "{error}");
    }
}
