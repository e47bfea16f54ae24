//! Checkpoints made elsewhere: a clear refusal of everything that is damaged, hostile or not understood.

use std::alloc::System;
use std::ops::ControlFlow;

use cap::Cap;
use ramba::ErrorKind::{self, Format, InvalidArgument, Io, Unsupported};
use ramba::convert::convert;
use ramba::quant::DType;
use serde_json::{Value, json};
use test_support::checkpoint::{Tensors, World, config, file, fixtures, on, refused, to};

/// Nothing here needs more; a size taken from a hostile file would.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, 256 << 20);

#[test]
fn a_sound_checkpoint() {
    let report = World::new(64).all().unwrap();
    assert_eq!((report.architecture.as_str(), report.tensors.len()), ("mamba2", 11));
    assert!(report.tensors.iter().all(|t| t.to == DType::F32 && t.error.is_none()));
    assert!(report.notes[0].contains("no tokenizer"), "{:?}", report.notes);
}

#[test]
fn headers() {
    let w = World::new(64);
    let sound = w.tensors.bytes();
    w.fails_with(b"", Format, &["header length at byte 0", "0 bytes"]);
    w.fails_with(&sound[..7], Format, &["header length at byte 0", "7 bytes"]);
    w.fails_with(&sound[..1000], Format, &["header length at byte 0", "992"]);
    for length in [u64::MAX, u64::MAX - 7, 1 << 63, 1 << 32, sound.len() as u64 - 7] {
        let mut bytes = sound.clone();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        w.fails_with(&bytes, Format, &["header length at byte 0", &length.to_string()]);
    }
    let mut large = vec![b' '; (16 << 20) + 64];
    large[..8].copy_from_slice(&((16u64 << 20) + 1).to_le_bytes());
    w.fails_with(&large, Unsupported, &["header length at byte 0", "limit"]);
    let mut bytes = sound.clone();
    bytes[30] = 0xff;
    w.fails_with(&bytes, Format, &["header", "UTF-8 at byte 30"]);
    for header in
        ["", "[]", "null", "{", "{\"a\":", "{\"__metadata__\": 3}", &"[".repeat(5000), &"{\"a\":".repeat(5000)]
    {
        w.fails_with(&file(header, b""), Format, &["header at byte 8"]);
    }
}

#[test]
fn entries_of_the_header() {
    let w = World::new(64);
    let one = |entry: &str| file(&format!("{{\"a\": {entry}}}"), &[0; 16]);
    let bad = |entry: &str, words: &[&str]| w.fails_with(&one(entry), Format, words);
    bad("3", &["\"a\"", "struct Entry"]);
    bad(r#"{"dtype":"F32","shape":[4]}"#, &["data_offsets"]);
    bad(r#"{"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":1}"#, &["`x`"]);
    bad(r#"{"dtype":"F32","dtype":"F16","shape":[4],"data_offsets":[0,16]}"#, &["duplicate field `dtype`"]);
    bad(r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,16]}"#, &["-1"]);
    bad(r#"{"dtype":"F32","shape":[4.5],"data_offsets":[0,16]}"#, &["4.5"]);
    bad(r#"{"dtype":"F32","shape":[4],"data_offsets":[0,16,32]}"#, &["\"a\""]);
    bad(r#"{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,16]}"#, &["\"a\""]);
    bad(r#"{"dtype":"Q4","shape":[4],"data_offsets":[0,16]}"#, &["\"a\"", "dtype \"Q4\" is unknown"]);
    bad(r#"{"dtype":"F32","shape":[4],"data_offsets":[16,0]}"#, &["\"a\"", "data_offsets [16, 0]"]);
    bad(r#"{"dtype":"F32","shape":[4],"data_offsets":[0,17]}"#, &["data_offsets [0, 17]", "16 bytes"]);
    bad(r#"{"dtype":"F32","shape":[4],"data_offsets":[18446744073709551615,16]}"#, &["data_offsets"]);
    bad(r#"{"dtype":"F32","shape":[4],"data_offsets":[0,18446744073709551615]}"#, &["data_offsets"]);
    bad(r#"{"dtype":"F32","shape":[3],"data_offsets":[0,16]}"#, &["shape [3] of F32"]);
    bad(r#"{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,16]}"#, &["shape", "16 bytes"]);
    bad(r#"{"dtype":"F4","shape":[1],"data_offsets":[0,0]}"#, &["shape [1] of F4"]);
    bad(r#"{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,4],"data_offsets":[0,16]}"#, &["9 dimensions"]);
    bad(r#"{"dtype":"F32","shape":[2],"data_offsets":[8,16]}"#, &["\"a\"", "gap"]);
    bad(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, &["end at byte 8", "16 bytes"]);
    bad(
        r#"{"dtype":"F32","shape":[4],"data_offsets":[0,16]}, "b": {"dtype":"F32","shape":[2],"data_offsets":[8,16]}"#,
        &["\"b\"", "shares bytes"],
    );
    bad(
        r#"{"dtype":"F32","shape":[4],"data_offsets":[0,16]}, "a": {"dtype":"F32","shape":[4],"data_offsets":[0,16]}"#,
        &["\"a\" occurs twice"],
    );
    // Control characters of a name do not reach the terminal (looked for in every message).
    let name = r#"{"\u001b[2J\n": {"dtype":"Q4","shape":[4],"data_offsets":[0,16]}}"#;
    w.fails_with(&file(name, &[0; 16]), Format, &["[2J"]);
    let mut many = String::from("{");
    for i in 0..65_537 {
        many += &format!("\"{i}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}},");
    }
    many.pop();
    w.fails_with(&file(&(many + "}"), b""), Format, &["more than 65536 tensors"]);
}

#[test]
fn tensors_that_do_not_fit_the_config() {
    let mut w = World::new(64);
    w.tensors.list.remove(4);
    w.fails(Format, &["backbone.layers.0.mixer.conv1d.weight", "missing", "blk.0.ssm_conv1d.weight"]);

    let mut w = World::new(64);
    w.tensors.add("backbone.layers.0.mixer.in_proj.bias", &[148], 0.0);
    w.tensors.add("backbone.layers.1.norm.weight", &[32], 0.0);
    w.fails(Unsupported, &["2 tensors", "in_proj.bias", "layers.1.norm.weight"]);

    for (shape, len) in
        [(json!([32, 64, 1]), 2048), (json!([64, 32]), 2048), (json!([2048]), 2048), (json!([32, 63]), 2016)]
    {
        let mut w = World::new(64);
        let (_, entry, data) = w.tensors.find("backbone.layers.0.mixer.out_proj.weight");
        entry["shape"] = shape.clone();
        data.truncate(len * 4);
        w.fails(Format, &["out_proj.weight", "shape", "[32, 64]"]);
    }
    for (dtype, bytes) in [("I32", 4), ("I8", 1), ("F8_E4M3", 1), ("BOOL", 1)] {
        let mut w = World::new(64);
        let (_, entry, data) = w.tensors.find("backbone.norm_f.weight");
        entry["dtype"] = json!(dtype);
        data.truncate(32 * bytes);
        w.fails(Unsupported, &["norm_f.weight", dtype]);
    }
    for (dtype, value) in [
        ("F32", &f32::NAN.to_le_bytes()[..]),
        ("F16", &[0, 0x7c]),
        ("BF16", &[0x80, 0xff]),
        ("F64", &1e300f64.to_le_bytes()),
    ] {
        let mut w = World::new(64);
        let (_, entry, data) = w.tensors.find("backbone.embeddings.weight");
        entry["dtype"] = json!(dtype);
        *data = vec![0; 64 * 32 * value.len()];
        data[1001 * value.len()..][..value.len()].copy_from_slice(value);
        w.fails(Format, &["backbone.embeddings.weight", "value 1001"]);
    }
    let mut w = World::new(64);
    w.tensors.add("backbone.embedding.weight", &[64, 32], 0.0);
    w.fails(Format, &["both", "backbone.embeddings.weight", "backbone.embedding.weight"]);
}

#[test]
fn an_output_matrix_of_its_own() {
    let with = |tied: Value, value: Option<f32>| {
        let mut w = World::new(64);
        w.config["tie_word_embeddings"] = tied;
        value.into_iter().for_each(|v| w.tensors.add("lm_head.weight", &[64, 32], v));
        w
    };
    let has_output = |w: World| w.all().unwrap().tensors.iter().any(|t| t.name == "output.weight");
    assert!(!has_output(with(json!(true), None)));
    assert!(!has_output(with(json!(true), Some(0.1))), "the same as the embedding");
    assert!(!has_output(with(Value::Null, Some(0.1))));
    assert!(has_output(with(Value::Null, Some(0.3))));
    assert!(has_output(with(json!(false), Some(0.1))));
    with(json!(false), None).fails(Format, &["lm_head.weight", "missing"]);
    with(json!(true), Some(0.3)).fails(Format, &["lm_head.weight", "differ"]);
}

#[test]
fn configs_that_are_not_understood() {
    let set = |change: &dyn Fn(&mut Value)| {
        let mut w = World::new(64);
        change(&mut w.config);
        w
    };
    let with = |key: &str, value: Value| set(&|c| c[key] = value.clone());
    for (key, value) in [
        ("sw_layers", json!([24])),
        ("nsa_layers", json!([1])),
        ("rope_scaling", json!({"type": "yarn"})),
        ("a_new_switch", json!(false)),
        ("hidden_act", json!("gelu")),
        ("use_bias", json!(true)),
        ("use_conv_bias", json!(false)),
        ("rms_norm", json!(false)),
        ("ssm_cfg", json!({"ngroups": 2})),
        ("model_type", json!("falcon_mamba")),
    ] {
        with(key, value).fails(Unsupported, &["config.json", key]);
    }
    for (key, value) in [
        ("hidden_size", json!(0)),
        ("hidden_size", json!(-32)),
        ("hidden_size", json!("32")),
        ("hidden_size", json!(32.5)),
        ("hidden_size", json!(1u64 << 40)),
        ("expand", json!(2.01)),
        ("expand", json!(-2)),
        ("num_heads", json!(3)),
        ("head_dim", json!(0)),
        ("state_size", Value::Null),
        ("n_groups", Value::Null),
        ("conv_kernel", json!([4])),
        ("layer_norm_epsilon", json!("small")),
        ("time_step_limit", json!([1.0, 0.0])),
        ("time_step_limit", json!([0.0, "much"])),
        ("time_step_limit", json!([0.0, {"__float__": {"__float__": 1}}])),
        ("tie_word_embeddings", json!("yes")),
        ("bos_token_id", json!("zero")),
    ] {
        with(key, value.clone()).fails(Format, &["config.json", key]);
    }
    // Found by the reader's own checks, on the header to be written.
    for (key, value) in
        [("vocab_size", 0), ("conv_kernel", 1), ("state_size", 0), ("n_groups", 0), ("num_hidden_layers", 0)]
    {
        let w = with(key, json!(value));
        let message = w.all().unwrap_err().to_string();
        assert!(message.contains("config.json"), "{message}");
    }
    with("num_hidden_layers", json!(u32::MAX)).fails(Unsupported, &["4294967295"]);
    with("vocab_size", json!(u32::MAX)).fails(Format, &["backbone.embeddings.weight", "shape"]);

    let mut w = with("sw_layers", json!([24]));
    w.config["sliding_something"] = json!(512);
    w.fails(Unsupported, &["sw_layers", "[24]", "sliding_something"]);

    let mut w = with("a_new_switch", json!(true));
    w.put("config.json", w.config.to_string());
    w.tensors.write(&w.path("model.safetensors"));
    let ignoring = |names: &[&str]| to("F32").ignored_fields(names.iter().map(|&n| n.to_owned()).collect());
    let report = w.run(&ignoring(&["a_new_switch"])).unwrap();
    assert!(report.notes.iter().any(|n| n.contains("a_new_switch")), "{:?}", report.notes);
    refused(w.run(&ignoring(&["not_there"])), InvalidArgument, &["not_there"]);
    refused(w.run(&ignoring(&["hidden_size", "a_new_switch"])), InvalidArgument, &["hidden_size"]);

    w.config = Value::Null;
    w.fails(Format, &["config.json"]);
    w.put("config.json", "{\"hidden_size\": 32, \"hidden_size\": 64}");
    refused(w.run(&to("F32")), Format, &["config.json", "hidden_size", "twice"]);
    w.put("config.json", vec![b' '; (1 << 20) + 1]);
    refused(w.run(&to("F32")), Unsupported, &["config.json", "limit"]);
    std::fs::remove_file(w.path("config.json")).unwrap();
    refused(w.run(&to("F32")), Io, &["config.json"]);
}

/// A published-style config with one field changed, beside the tensors of a fixture.
#[test]
fn ramba_configs_that_do_not_fit() {
    let folder = fixtures().join("base");
    let config = config(&folder);
    let with = |key: &str, value: Value| {
        let mut w = World::new(64);
        w.config = config.clone();
        w.config["time_step_limit"] = Value::Null;
        w.config[key] = value;
        w.tensors = Tensors::read(&folder.join("model.safetensors"));
        w
    };
    with("segment_size", json!(-1)).all().unwrap();
    for (key, value) in [
        ("num_upper_groups", json!(0)),
        ("num_upper_groups", json!(2)),
        ("num_mamba_per_gca", json!(0)),
        ("num_mamba_per_gca", json!(2)),
        ("num_attention_heads", json!(0)),
        ("num_attention_heads", json!(3)),
        ("num_kv_heads", json!(0)),
        ("num_kv_heads", Value::Null),
        ("chunk_size", Value::Null),
        ("chunk_topk", json!("all")),
        ("segment_size", json!(-2)),
    ] {
        with(key, value).fails(Format, &["config.json", key]);
    }
    for (key, word) in [("chunk_size", "chunk.size"), ("chunk_topk", "chunk.top_k")] {
        let message = with(key, json!(999_999)).all().unwrap_err().to_string();
        assert!(message.contains("config.json") && message.contains(word), "{message}");
    }
    with("encoder_layers", json!(0)).fails(Format, &["layers.1.norm.weight", "missing"]);
    with("encoder_layers", json!(2)).fails(Format, &["encoder.layers.1", "missing"]);
    with("enable_qk_norm", json!(true)).fails(Format, &["k_rmsnorm.weight", "missing"]);
    with("retrieval_dim", json!(32)).fails(Format, &["lmk_ln.weight", "[32, 16]"]);
    for (key, value) in [
        ("hsa_only", json!(false)),
        ("skip_hsa", json!(true)),
        ("flash_inference", json!(true)),
        ("block_q", json!(64)),
    ] {
        with(key, value).fails(Unsupported, &["config.json", key]);
    }
}

#[test]
fn shards() {
    let w = World::new(64);
    w.put("config.json", w.config.to_string());
    let (mut first, mut second) = (w.tensors.clone(), Tensors::default());
    second.list = first.list.split_off(5);
    first.write(&w.path("a.safetensors"));
    second.write(&w.path("b.safetensors"));
    let map = |t: &Tensors, file: &str| t.list.iter().map(|(n, _, _)| (n.clone(), json!(file))).collect::<Vec<_>>();
    let index: serde_json::Map<_, _> =
        [map(&first, "a.safetensors"), map(&second, "b.safetensors")].concat().into_iter().collect();
    let try_index = |weight_map: &serde_json::Map<String, Value>| {
        w.put("model.safetensors.index.json", json!({"metadata": {}, "weight_map": weight_map}).to_string());
        w.run(&to("F32"))
    };
    try_index(&index).unwrap();
    let changed = |name: &str, file: Option<&str>| {
        let mut map = index.clone();
        match file {
            Some(file) => map.insert(name.to_owned(), json!(file)),
            None => map.remove(name),
        };
        map
    };
    let name = "backbone.norm_f.weight";
    refused(try_index(&changed(name, Some("b.safetensors"))), Format, &[name, "b.safetensors"]);
    refused(try_index(&changed(name, None)), Format, &[name, "does not list"]);
    refused(try_index(&changed("more", Some("a.safetensors"))), Format, &["more"]);
    refused(try_index(&changed(name, Some("c.safetensors"))), Io, &["c.safetensors"]);
    for file in ["../a.safetensors", "/etc/passwd", "", ".", "..", "x/..", "sub\\a"] {
        refused(try_index(&changed(name, Some(file))), Format, &["is not the name of a file"]);
    }
    second.list.push(first.list[0].clone());
    second.write(&w.path("b.safetensors"));
    refused(try_index(&index), Format, &["backbone.embeddings.weight", "two shards"]);
    w.put("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"b\", \"a\": \"b\"}}");
    refused(w.run(&to("F32")), Format, &["index.json", "\"a\" occurs twice"]);
    std::fs::remove_file(w.path("model.safetensors.index.json")).unwrap();
    refused(w.run(&to("F32")), Format, &["neither", "model.safetensors.index.json"]);
    w.put("pytorch_model.bin", "pickle");
    refused(w.run(&to("F32")), Unsupported, &["pytorch_model.bin", "models/recipe/bin_to_safetensors.py"]);
}

#[test]
fn no_mutation_of_a_file_panics() {
    let w = World::new(16);
    w.put("config.json", w.config.to_string());
    let sound = w.tensors.bytes();
    let header = 8 + u64::from_le_bytes(sound[..8].try_into().unwrap()) as usize;
    let mut accepted = 0;
    for at in (0..header).step_by(3) {
        for byte in [0, b'0', b'9', b'"', b'}', 0xff] {
            let mut bytes = sound.clone();
            bytes[at] = byte;
            w.put("model.safetensors", &bytes);
            accepted += usize::from(w.run(&to("F32")).is_ok());
        }
    }
    for cut in (0..sound.len()).step_by(97) {
        w.put("model.safetensors", &sound[..cut]);
        assert!(w.run(&to("F32")).is_err(), "cut at {cut}");
    }
    assert!(accepted < header / 4, "{accepted} of the changes had no effect");
}

#[test]
fn nothing_is_left_of_a_failure() {
    let w = World::new(64);
    w.put("config.json", w.config.to_string());
    w.tensors.write(&w.path("model.safetensors"));
    let out = w.path("kept.gguf");
    std::fs::write(&out, "before").unwrap();
    let mut calls = 0;
    let stopped = convert(w.dir.path(), &out, &to("F32"), &mut |p| {
        calls += 1;
        assert!(p.written <= p.total);
        if p.tensor == "blk.0.ssm_a" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    refused(stopped, ErrorKind::Cancelled, &["stopped"]);
    assert_eq!((std::fs::read(&out).unwrap(), calls > 5), (b"before".to_vec(), true));
    assert_eq!(std::fs::read_dir(w.dir.path()).unwrap().count(), 3);

    convert(w.dir.path(), &out, &to("F32"), &mut on).unwrap();
    assert!(std::fs::read(&out).unwrap().starts_with(b"GGUF"), "a file is replaced when the new one is complete");
    refused(convert(w.dir.path(), w.path("no/where.gguf"), &to("F32"), &mut on), Io, &["where.gguf"]);
    refused(convert(w.dir.path(), w.dir.path(), &to("F32"), &mut on), InvalidArgument, &["folder"]);
    refused(convert(w.path("nowhere"), &out, &to("F32"), &mut on), Io, &["nowhere"]);
}
