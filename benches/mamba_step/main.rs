//! A token of a small Mamba-2: ours beside the same step as an ONNX graph under ONNX Runtime on the CPU.
//!
//! `ORT_DYLIB_PATH=… cargo bench --features ort --bench mamba_step [-- --save FILE.onnx]`
//!
//! The model is 512 wide with 12 blocks, random weights in F32. Both start from zero states, are fed the same ids and must
//! give the same logits. Then rounds alternate, and medians are printed.

mod graph;

use std::collections::HashMap;
use std::time::Instant;

use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor};
use ramba::cpu::Cpu;
use ramba::model::{Config, Logits, Model, Pass, Scratch, State};
use ramba::weights::Weights;
use test_support::gguf::File;

const D: usize = 512;
const BLOCKS: usize = 12;
const VOCAB: usize = 512;
const E: usize = 2 * D;
const HEADS: usize = E / 64;
const STATE: usize = 128;
const CONV: usize = 4;
const CHANNELS: usize = E + 2 * STATE;
const ROUNDS: usize = 11;
/// Tokens of a sample.
const TOKENS: usize = 64;

fn main() {
    let library = std::env::var("ORT_DYLIB_PATH").expect("ORT_DYLIB_PATH names the library of ONNX Runtime");
    ort::init_from(&library).expect("ONNX Runtime").commit();
    let weights = Weights::from_bytes(model()).expect("the model");
    let config = Config::from_gguf(weights.gguf()).expect("its hyperparameters");
    let onnx = graph::step(&weights, &config).expect("the graph");
    let args: Vec<String> = std::env::args().collect();
    if let Some(path) = args.iter().position(|a| a == "--save").and_then(|i| args.get(i + 1)) {
        std::fs::write(path, &onnx).expect("written");
    }

    let all = std::thread::available_parallelism().map_or(1, usize::from);
    println!("a token of a Mamba-2, {D} wide, {BLOCKS} blocks, state {STATE}, F32");
    println!(
        "threads   ours, tokens/s   ONNX Runtime, tokens/s   ratio   largest difference of logits (of the largest)"
    );
    for threads in if all > 1 { vec![1, all] } else { vec![1] } {
        let model = Model::load(&weights, Cpu::new(threads).expect("threads")).expect("the model");
        let mut ours = Ours::new(&model);
        let mut theirs = Theirs::new(&onnx, &config, threads);
        let (mut off, mut largest) = (0.0f32, 0.0f32);
        for id in ids(100) {
            let (a, b) = (ours.step(id), theirs.step(id));
            off = a.iter().zip(&b).fold(off, |most, (a, b)| most.max((a - b).abs()));
            largest = a.iter().fold(largest, |most, v| most.max(v.abs()));
        }
        assert!(off <= 1e-3 * largest, "logits differ by {off} of {largest}");

        let (mut seconds_ours, mut seconds_theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let start = Instant::now();
            ids(TOKENS).for_each(|id| drop(ours.step(id)));
            seconds_ours.push(start.elapsed().as_secs_f64());
            let start = Instant::now();
            ids(TOKENS).for_each(|id| drop(theirs.step(id)));
            seconds_theirs.push(start.elapsed().as_secs_f64());
        }
        let (a, b) = (TOKENS as f64 / median(seconds_ours), TOKENS as f64 / median(seconds_theirs));
        println!("{threads:>7} {a:>16.0} {b:>24.0} {:>7.2} {off:>16.1e} ({largest:.1})", a / b);
    }
}

fn ids(n: usize) -> impl Iterator<Item = u32> {
    (0..n).map(|i| (i * 131 % VOCAB) as u32)
}

struct Ours<'a> {
    model: &'a Model<Cpu>,
    state: State<Cpu>,
    scratch: Scratch<Cpu>,
}

impl<'a> Ours<'a> {
    fn new(model: &'a Model<Cpu>) -> Self {
        Self { model, state: model.state().expect("a state"), scratch: model.scratch().expect("a scratch") }
    }

    fn step(&mut self, id: u32) -> Vec<f32> {
        let pass = Pass { logits: Logits::Last, ..Pass::default() };
        self.model.forward(&mut self.state, &mut self.scratch, &[id], pass).expect("a token").to_vec()
    }
}

/// A session, and the states as it handed them out: they go back in without a copy.
struct Theirs {
    session: Session,
    states: HashMap<String, DynValue>,
}

impl Theirs {
    fn new(onnx: &[u8], config: &Config, threads: usize) -> Self {
        let builder = Session::builder().expect("a session").with_intra_threads(threads).expect("threads");
        let session = { builder }.commit_from_memory(onnx).expect("the graph");
        let zeros = |shape: Vec<usize>| {
            Tensor::from_array((shape.clone(), vec![0.0f32; shape.iter().product()])).expect("zeros").into_dyn()
        };
        let mut states = HashMap::new();
        for i in 0..config.blocks {
            let [conv, ssm] = graph::states(i);
            states.insert(conv, zeros(vec![CONV - 1, CHANNELS]));
            states.insert(ssm, zeros(vec![HEADS, E / HEADS, STATE]));
        }
        Self { session, states }
    }

    fn step(&mut self, id: u32) -> Vec<f32> {
        let mut inputs: Vec<(String, SessionInputValue<'_>)> =
            self.states.drain().map(|(name, value)| (name, SessionInputValue::from(value))).collect();
        let ids = Tensor::from_array(([1usize], vec![i64::from(id)])).expect("an id");
        inputs.push(("id".to_owned(), SessionInputValue::from(ids)));
        let mut logits = Vec::new();
        for (name, value) in self.session.run(inputs).expect("a token") {
            match name.strip_suffix("_out") {
                Some(state) => drop(self.states.insert(state.to_owned(), value)),
                None => logits = value.try_extract_tensor::<f32>().expect("logits").1.to_vec(),
            }
        }
        logits
    }
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// A random model file.
fn model() -> Vec<u8> {
    let mut state = 7u64;
    let mut values = |n: usize, scale: f32| -> Vec<f32> {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * 1.7 * scale
        };
        (0..n).map(|_| next()).collect()
    };
    let mut matrix = |file: File, name: &str, rows: usize, cols: usize| {
        file.tensor_f32(name, &[cols as u64, rows as u64], &values(rows * cols, (cols as f32).powf(-0.5)))
    };
    let file = File::new()
        .str("general.architecture", "mamba2")
        .u32("mamba2.embedding_length", D as u32)
        .u32("mamba2.block_count", BLOCKS as u32)
        .u32("mamba2.ssm.conv_kernel", CONV as u32)
        .u32("mamba2.ssm.inner_size", E as u32)
        .u32("mamba2.ssm.state_size", STATE as u32)
        .u32("mamba2.ssm.time_step_rank", HEADS as u32)
        .u32("mamba2.ssm.group_count", 1)
        .f32("mamba2.attention.layer_norm_rms_epsilon", 1e-5);
    let mut file = matrix(file, "token_embd.weight", VOCAB, D).tensor_f32("output_norm.weight", &[D as u64], &[1.0; D]);
    for i in 0..BLOCKS {
        let name = |part: &str| format!("blk.{i}.{part}");
        let steps: Vec<f32> = (0..HEADS).map(|h| -4.0 + 3.0 * h as f32 / HEADS as f32).collect();
        let a: Vec<f32> = (0..HEADS).map(|h| -1.0 - h as f32).collect();
        file = file.tensor_f32(&name("attn_norm.weight"), &[D as u64], &[1.0; D]);
        file = matrix(file, &name("ssm_in.weight"), E + CHANNELS + HEADS, D);
        file = matrix(file, &name("ssm_conv1d.weight"), CHANNELS, CONV);
        file = file.tensor_f32(&name("ssm_conv1d.bias"), &[CHANNELS as u64], &[0.1; CHANNELS]);
        file = file.tensor_f32(&name("ssm_dt.bias"), &[HEADS as u64], &steps);
        file = file.tensor_f32(&name("ssm_a"), &[1, HEADS as u64], &a);
        file = file.tensor_f32(&name("ssm_d"), &[1, HEADS as u64], &[1.0; HEADS]);
        file = file.tensor_f32(&name("ssm_norm.weight"), &[E as u64, 1], &[1.0; E]);
        file = matrix(file, &name("ssm_out.weight"), D, E);
    }
    file.build()
}
