//! How fast chunks are encoded: the built-in encoder beside the runtimes of ONNX that this build has.
//!
//! `cargo bench --features tract,ort --bench encoder [-- MODEL.gguf]`, with `ORT_DYLIB_PATH` for ONNX Runtime.
//!
//! Rounds of all rows alternate and medians are printed, so that a change of the machine's speed meets all of them. The
//! built-in encoder is measured with the weights as they are in the file and, since ONNX files hold them so, in F32.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use ramba::EncoderOptions;
use ramba::chunk_encoder::{self, OrtOptions};
use ramba::convert::{self, Progress};
use ramba::cpu::Cpu;
use ramba::model::{ChunkEncoder, Config, Memories, NativeEncoder};
use ramba::weights::Weights;

const BATCHES: [usize; 3] = [1, 8, 64];
const ROUNDS: usize = 15;
/// Each sample repeats a call for about this long.
const SAMPLE: f64 = 0.02;

struct Row {
    name: String,
    encoder: Arc<dyn ChunkEncoder>,
    /// Seconds of each round, for each batch.
    seconds: [Vec<f64>; 3],
}

fn main() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/models/ramba-small.gguf");
    let given = std::env::args().skip(1).find(|a| !a.starts_with("--"));
    let path = PathBuf::from(given.unwrap_or_else(|| shipped.to_owned()));
    let weights = Weights::open(&path).expect("the model");
    let config = Config::from_gguf(weights.gguf()).expect("its hyperparameters");
    let shape = config.chunk_shape().expect("a model with a chunk encoder");
    let dir = std::env::temp_dir().join(format!("ramba-bench-{}", std::process::id()));
    std::fs::create_dir(&dir).expect("a folder");
    let in_f32 = dir.join("f32.gguf");
    let mut keep = |_: Progress<'_>| ControlFlow::Continue(());
    convert::quantize(&path, &in_f32, &"F32".parse().expect("a type"), &mut keep).expect("in F32");
    let f32_weights = Weights::from_bytes(std::fs::read(&in_f32).expect("in F32")).expect("in F32");
    std::fs::remove_dir_all(&dir).expect("the folder");

    let mut rows = Vec::new();
    let mut row =
        |name: String, encoder: Arc<dyn ChunkEncoder>| rows.push(Row { name, encoder, seconds: Default::default() });
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let counts = if all > 1 { vec![1, all] } else { vec![1] };
    for &threads in &counts {
        let cpu = || Cpu::new(threads).expect("threads");
        row(format!("native, {threads} thread(s)"), Arc::new(NativeEncoder::load(&weights, cpu()).expect("native")));
        row(format!("native F32, {threads}"), Arc::new(NativeEncoder::load(&f32_weights, cpu()).expect("native")));
        let options = EncoderOptions::Ort(OrtOptions::default());
        match chunk_encoder::open(&options, &weights, threads) {
            Ok(encoder) => row(format!("ort, {threads}"), encoder.expect("ort")),
            Err(e) => println!("not measured: {e}"),
        }
        if threads == 1 {
            match chunk_encoder::open(&EncoderOptions::Tract { file: None }, &weights, threads) {
                Ok(encoder) => row(format!("tract, {threads}"), encoder.expect("tract")),
                Err(e) => println!("not measured: {e}"),
            }
        }
    }

    let states = |chunks: usize| -> Vec<f32> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 22) as f32 - 2.0
        };
        (0..chunks * shape.chunk_size * config.hidden).map(|_| next()).collect()
    };
    let hidden = BATCHES.map(states);
    let mut out = Memories::new(shape);
    for round in 0..=ROUNDS {
        for row in &mut rows {
            for ((&chunks, hidden), seconds) in BATCHES.iter().zip(&hidden).zip(&mut row.seconds) {
                let start = Instant::now();
                let mut calls = 0;
                while calls == 0 || start.elapsed().as_secs_f64() < SAMPLE {
                    row.encoder.encode(black_box(hidden), chunks, &mut out).expect("encoded");
                    calls += 1;
                }
                // The first round warms up.
                if round > 0 {
                    seconds.push(start.elapsed().as_secs_f64() / f64::from(calls));
                }
            }
        }
    }

    println!(
        "µs a chunk of {} tokens, D {}; in brackets the time of the first row over that of the row",
        shape.chunk_size, config.hidden
    );
    println!("{:<24} {:>20} {:>20} {:>20}", "encoder", "1 chunk", "8 chunks", "64 chunks");
    let medians = |row: &Row| row.seconds.clone().map(median);
    let first = rows.first().map(medians).unwrap_or_default();
    for row in &rows {
        let cells = medians(row);
        let cell = |i: usize| format!("{:.1} ({:.2})", cells[i] / BATCHES[i] as f64 * 1e6, first[i] / cells[i]);
        println!("{:<24} {:>20} {:>20} {:>20}", row.name, cell(0), cell(1), cell(2));
    }
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}
