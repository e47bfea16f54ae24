//! A prefix that a training program put before all names is taken off and reported; other names are listed.

use ramba::ErrorKind::{Format, Unsupported};
use ramba::convert::{Report, convert};
use test_support::checkpoint::{World, on, to};

fn converted(w: &World) -> (Report, Vec<u8>) {
    w.put("config.json", w.config.to_string());
    w.tensors.write(&w.path("model.safetensors"));
    let options = to("F32").name("one".to_owned());
    let report = convert(w.dir.path(), w.path("model.gguf"), &options, &mut on).unwrap_or_else(|e| panic!("{e}"));
    (report, std::fs::read(w.path("model.gguf")).unwrap())
}

fn renamed(change: impl Fn(&str) -> String) -> World {
    let mut w = World::new(64);
    w.tensors.list.iter_mut().for_each(|(name, _, _)| *name = change(name));
    w
}

#[test]
fn a_common_prefix_is_taken_off_and_reported() {
    let (plain, file) = converted(&World::new(64));
    for prefix in ["_orig_mod.", "module.", "model.", "module._orig_mod.", "base_model.model."] {
        let mut w = renamed(|name| format!("{prefix}{name}"));
        let (report, same) = converted(&w);
        assert!(same == file, "{prefix}");
        let notes: Vec<_> = report.notes.iter().filter(|note| !plain.notes.contains(note)).collect();
        assert!(notes.len() == 1 && notes[0].contains(&format!("{prefix:?}")), "{notes:?}");
        // An output matrix under the same prefix is found too.
        w.tensors.add(&format!("{prefix}lm_head.weight"), &[64, 32], 0.1);
        assert!(converted(&w).1 == file, "{prefix}");
    }
    // The other name of the embedding.
    let original = renamed(|name| format!("model.{}", name.replace("embeddings", "embedding")));
    assert!(converted(&original).1 == file);
}

#[test]
fn names_that_are_unknown_are_listed() {
    renamed(|name| name.replace("backbone", "transformer")).fails(
        Format,
        &["\"backbone.embeddings.weight\" is missing", "11 tensors", "\"transformer.embeddings.weight\"", "6 more"],
    );
    // Not a prefix of all.
    let mut w = renamed(|name| format!("model.{name}"));
    w.tensors.add("lm_head.weight", &[64, 32], 0.1);
    w.fails(Format, &["\"backbone.embeddings.weight\" is missing", "\"model.backbone.embeddings.weight\""]);
    let mut w = renamed(|name| format!("model.{name}"));
    w.tensors.add("model.extra", &[1], 0.1);
    w.fails(Unsupported, &["1 tensors", "\"extra\""]);
}
