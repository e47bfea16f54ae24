//! Whether a converted model restarts its recurrence at segments is a choice: `carry`, as published models are evaluated, or `reset`, as
//! they are trained.

use ramba::convert::{ConvertOptions, Report, SegmentMode, convert};
use ramba::cpu::Cpu;
use ramba::memory::Precision;
use ramba::model::{Logits, Model};
use ramba::weights::Weights;
use ramba::{ErrorKind, Result};
use serde_json::{Value, json};
use test_support::checkpoint::{Tensors, World, config, fixtures, on, refused, to};
use test_support::model::{Runner, relative};

fn with(segments: SegmentMode) -> ConvertOptions {
    to("F32").segments(segments).name("one".to_owned())
}

/// The checkpoint of a fixture with fields of its config changed.
fn world(fixture: &str, fields: &[(&str, Value)]) -> World {
    let folder = fixtures().join(fixture);
    let mut w = World::new(64);
    w.config = config(&folder);
    w.config["time_step_limit"] = Value::Null;
    for (key, value) in fields {
        w.config[key] = value.clone();
    }
    w.tensors = Tensors::read(&folder.join("model.safetensors"));
    w.put("config.json", w.config.to_string());
    w.tensors.write(&w.path("model.safetensors"));
    w
}

/// Converts, and returns the report and the file.
fn converted(w: &World, segments: SegmentMode) -> Result<(Report, Vec<u8>)> {
    let report = convert(w.dir.path(), w.path("model.gguf"), &with(segments), &mut on)?;
    Ok((report, std::fs::read(w.path("model.gguf")).unwrap()))
}

fn logits(file: &[u8], tokens: &[u32]) -> Vec<f32> {
    let model = Model::load(&Weights::from_bytes(file.to_vec()).unwrap(), Cpu::new(1).unwrap()).unwrap();
    Runner::new(&model, Precision::F32).advance(tokens, Logits::All)
}

#[test]
fn carry_is_the_default_and_the_model_without_segments() {
    assert_eq!(ConvertOptions::default().segments, SegmentMode::Carry);
    let (w, endless) = (world("base", &[]), world("base", &[("segment_size", json!(-1))]));
    let (report, carried) = converted(&w, SegmentMode::Carry).unwrap();
    let (other, same) = converted(&endless, SegmentMode::Carry).unwrap();
    assert!(carried == same, "what the authors' evaluation computes");
    let says = |report: &Report| {
        report.notes.iter().any(|n| n.contains("segment_size = 32") && n.contains("--segments reset"))
    };
    assert!(says(&report) && !says(&other), "{:?}", report.notes);
    // Without an upper half nothing distinguishes it from other Mamba-2 models.
    let (report, _) = converted(&world("plain_segments", &[]), SegmentMode::Carry).unwrap();
    assert_eq!(report.architecture, "mamba2");
}

#[test]
fn reset_keeps_the_segments_of_the_config() {
    let w = world("base", &[("segment_overlap", json!(8))]);
    let (report, file) = converted(&w, SegmentMode::Reset).unwrap();
    let weights = Weights::from_bytes(file).unwrap();
    let key = |name: &str| weights.gguf().u32(name).unwrap();
    assert_eq!((key("ramba.segment.size"), key("ramba.segment.overlap")), (32, 8));
    assert!(!report.notes.iter().any(|n| n.contains("segment")), "{:?}", report.notes);
    for (fixture, fields) in
        [("base", &[("segment_size", json!(-1))][..]), ("base", &[("segment_size", json!(0))]), ("mamba2_hf", &[])]
    {
        refused(converted(&world(fixture, fields), SegmentMode::Reset), ErrorKind::InvalidArgument, &["segment_size"]);
    }
    let overlap = world("base", &[("segment_overlap", json!(999_999))]);
    refused(converted(&overlap, SegmentMode::Reset), ErrorKind::Format, &["config.json", "segment.overlap"]);
}

#[test]
fn the_two_agree_in_the_first_segment_alone() {
    let w = world("base", &[]);
    let tokens: Vec<u32> = (0..90).map(|i| i * 37 % 64).collect();
    let (carried, reset) = (converted(&w, SegmentMode::Carry).unwrap().1, converted(&w, SegmentMode::Reset).unwrap().1);
    let (carried, reset) = (logits(&carried, &tokens), logits(&reset, &tokens));
    assert!(relative(&carried[..32 * 64], &reset[..32 * 64]) < 1e-5);
    assert!(relative(&carried[32 * 64..], &reset[32 * 64..]) > 0.1);
}

#[test]
fn modes_have_names() {
    for mode in [SegmentMode::Carry, SegmentMode::Reset] {
        assert_eq!(mode.to_string().parse::<SegmentMode>().unwrap(), mode);
    }
    refused("both".parse::<SegmentMode>(), ErrorKind::InvalidArgument, &["\"both\"", "carry", "reset"]);
}
