//! Files as people have them: pointers of Git LFS are called that, and a byte order mark is no obstacle.

use ramba::ErrorKind::Format;
use ramba::convert::{convert, quantize};
use ramba::weights::Weights;
use serde_json::json;
use test_support::checkpoint::{Tensors, World, on, refused, to};

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
    oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

/// A sound checkpoint on disk, in one file or in shards.
fn world(shards: bool) -> World {
    let mut w = World::new(64);
    w.put("config.json", w.config.to_string());
    if !shards {
        w.tensors.write(&w.path("model.safetensors"));
        return w;
    }
    let second = Tensors { list: w.tensors.list.split_off(5) };
    let names = |t: &Tensors, file: &str| t.list.iter().map(|(n, _, _)| (n.clone(), json!(file))).collect::<Vec<_>>();
    let map: serde_json::Map<_, _> =
        [names(&w.tensors, "a.safetensors"), names(&second, "b.safetensors")].concat().into_iter().collect();
    w.put("model.safetensors.index.json", json!({"weight_map": map}).to_string());
    w.tensors.write(&w.path("a.safetensors"));
    second.write(&w.path("b.safetensors"));
    w
}

#[test]
fn a_pointer_of_git_lfs_is_called_that() {
    let words = |file: &'static str| [file, "Git LFS pointer", "git lfs pull"];
    for (shards, file) in [
        (false, "config.json"),
        (false, "model.safetensors"),
        (true, "model.safetensors.index.json"),
        (true, "a.safetensors"),
        (true, "b.safetensors"),
        (false, "tokenizer.json"),
    ] {
        let w = world(shards);
        w.put(file, POINTER);
        let options = to("F32").no_tokenizer(false);
        refused(w.run(&options), Format, &words(file));
    }
    let w = world(false);
    w.put("vocab.json", POINTER);
    w.put("merges.txt", POINTER);
    refused(w.run(&to("F32").no_tokenizer(false)), Format, &words("vocab.json"));
    w.put("model.gguf", POINTER);
    refused(Weights::open(&w.path("model.gguf")), Format, &words("model.gguf"));
    let types = "F16".parse().unwrap();
    refused(quantize(w.path("model.gguf"), w.path("out.gguf"), &types, &mut on), Format, &words("model.gguf"));
}

#[test]
fn a_byte_order_mark_is_read_over() {
    let plain = |w: &World| {
        let options = to("F32").name("one".to_owned()).no_tokenizer(false);
        convert(w.dir.path(), w.path("model.gguf"), &options, &mut on).unwrap_or_else(|e| panic!("{e}"));
        std::fs::read(w.path("model.gguf")).unwrap()
    };
    let tokenizer = concat!(env!("CARGO_MANIFEST_DIR"), "/models/recipe/small-tokenizer.json");
    let tokenizer = std::fs::read_to_string(tokenizer).unwrap();
    let mut w = World::new(1030);
    let mut second = Tensors { list: w.tensors.list.split_off(5) };
    let files = [("a.safetensors", &mut w.tensors), ("b.safetensors", &mut second)];
    let mut map = serde_json::Map::new();
    for (file, tensors) in files {
        tensors.write(&w.dir.path().join(file));
        map.extend(tensors.list.iter().map(|(name, _, _)| (name.clone(), json!(file))));
    }
    let texts = [
        ("config.json", w.config.to_string()),
        ("model.safetensors.index.json", json!({"weight_map": map}).to_string()),
        ("tokenizer.json", tokenizer),
    ];
    texts.iter().for_each(|(name, text)| w.put(name, text));
    let without = plain(&w);
    texts.iter().for_each(|(name, text)| w.put(name, format!("\u{feff}{text}")));
    assert!(plain(&w) == without);
    // One, where a text begins.
    w.put("config.json", format!("\u{feff}\u{feff}{}", w.config));
    refused(w.run(&to("F32")), Format, &["config.json"]);
}
