//! Fields of `config.json` about generation and bookkeeping need no `--ignore` and change nothing; one that changes what is computed is
//! refused.

use ramba::ErrorKind::Unsupported;
use ramba::convert::convert;
use serde_json::{Value, json};
use test_support::checkpoint::{Tensors, World, config, fixtures, on, to};

fn world() -> World {
    let folder = fixtures().join("base");
    let mut w = World::new(64);
    w.config = config(&folder);
    w.config["time_step_limit"] = Value::Null;
    w.tensors = Tensors::read(&folder.join("model.safetensors"));
    w
}

fn converted(w: &World) -> Vec<u8> {
    w.put("config.json", w.config.to_string());
    w.tensors.write(&w.path("model.safetensors"));
    let options = to("F32").name("one".to_owned());
    convert(w.dir.path(), w.path("model.gguf"), &options, &mut on).unwrap_or_else(|e| panic!("{e}"));
    std::fs::read(w.path("model.gguf")).unwrap()
}

#[test]
fn generation_and_bookkeeping_change_nothing() {
    let mut w = world();
    let plain = converted(&w);
    for (key, value) in [
        ("temperature", json!(0.7)),
        ("do_sample", json!(true)),
        ("top_k", json!(50)),
        ("top_p", json!(0.9)),
        ("num_beams", json!(4)),
        ("repetition_penalty", json!(1.1)),
        ("max_new_tokens", json!(128)),
        ("suppress_tokens", json!([1, 2])),
        ("forced_eos_token_id", json!(0)),
        ("unsloth_version", json!("2025.1")),
        ("_attn_implementation_autoset", json!(true)),
        ("auto_map", json!({"AutoModel": "modeling.X"})),
        ("flash_inference", json!(false)),
        // Never read by the authors' code.
        ("insert_lmk", json!(true)),
        ("insert_lmk", json!(false)),
        ("stick_breaking", json!(true)),
        ("stick_breaking", json!(false)),
    ] {
        w.config[key] = value.clone();
        assert!(converted(&w) == plain, "{key} = {value}");
    }
}

#[test]
fn what_skips_a_part_of_the_model_is_refused() {
    let mut w = world();
    w.config["flash_inference"] = json!(true);
    w.fails(Unsupported, &["config.json", "flash_inference", "HSA", "prompt"]);
    // Nor can it be waved through.
    w.put("config.json", w.config.to_string());
    let options = to("F32").ignored_fields(vec!["flash_inference".into()]);
    assert!(w.run(&options).unwrap_err().to_string().contains("flash_inference"));
}

#[test]
fn a_decay_that_nothing_reads_is_left_out() {
    let folder = fixtures().join("pos_decay");
    let mut w = world();
    w.config = config(&folder);
    w.config["time_step_limit"] = Value::Null;
    w.tensors = Tensors::read(&folder.join("model.safetensors"));
    let decays = converted(&w);
    w.config["enable_softmax"] = json!(false);
    let without = converted(&w);
    w.config["enable_pos_decay"] = json!(false);
    w.tensors.list.retain(|(name, _, _)| !name.ends_with("pos_decay"));
    assert!(converted(&w) == without && without != decays);
}
