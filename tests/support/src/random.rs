//! A small random RAMba with a byte tokenizer: answers nonsense, but the same nonsense to the same text.

use std::path::{Path, PathBuf};

use ramba::quant::DType;

use super::gguf::{File, kind};
use super::numbers::Random;

/// What can be chosen about the model. The default has segments that overlap.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Segment size; 0: the recurrence never restarts.
    pub segment: u32,
    pub overlap: u32,
    pub chunk: u32,
    pub top_k: u32,
    pub dtype: DType,
}

impl Default for Shape {
    fn default() -> Self {
        Self { segment: 64, overlap: 24, chunk: 16, top_k: 3, dtype: DType::F32 }
    }
}

/// Read in segments, with and without overlap; in sequence.
pub fn shapes() -> [Shape; 3] {
    [Shape::default(), Shape { overlap: 0, ..Shape::default() }, Shape { segment: 0, overlap: 0, ..Shape::default() }]
}

// Widths of the model. Rows are whole blocks of 32, so that all but the super-block types fit.
const D: usize = 32;
const E: usize = 64;
const HEADS: usize = 4;
const STATE: usize = 8;
const CONV: usize = 4;
const BLOCKS: usize = 4;
const R: usize = 32;
const KV: usize = 16;
const FFN: usize = 64;

pub const PAD: u32 = 256;
pub const EOS: u32 = 257;
pub const QUESTION: u32 = 258;
pub const ANSWER: u32 = 259;
const VOCAB: usize = 260;

/// Writes the model into `dir` and returns its path.
pub fn write(dir: &Path, shape: Shape) -> PathBuf {
    let path = dir.join("random.gguf");
    std::fs::write(&path, bytes(shape)).unwrap();
    path
}

/// The bytes of the model file.
pub fn bytes(shape: Shape) -> Vec<u8> {
    file(shape).build()
}

/// The model file, to be changed.
pub fn file(shape: Shape) -> File {
    let mut random = Random(11);
    let mut file = tokenizer(metadata(File::new(), shape));
    let mut matrix = |file: File, name: &str, rows: usize, cols: usize, gain: f32| {
        let values = random.normals(rows * cols, gain / (cols as f32).sqrt());
        file.tensor(name, &[cols as u64, rows as u64], shape.dtype, &values)
    };
    let vector = |file: File, name: &str, values: &[f32]| file.tensor_f32(name, &[values.len() as u64], values);
    let ones = |file: File, name: &str, n: usize| file.tensor_f32(name, &[n as u64], &vec![1.0; n]);

    file = matrix(file, "token_embd.weight", VOCAB, D, 4.0);
    file = ones(file, "output_norm.weight", D);
    for i in 0..BLOCKS {
        let name = |part: &str| format!("blk.{i}.{part}");
        let channels = E + 2 * STATE;
        file = ones(file, &name("attn_norm.weight"), D);
        file = matrix(file, &name("ssm_in.weight"), E + channels + HEADS, D, 1.0);
        let taps = Random(i as u64).normals(channels * CONV, 0.5);
        file = file.tensor_f32(&name("ssm_conv1d.weight"), &[CONV as u64, channels as u64], &taps);
        file = vector(file, &name("ssm_conv1d.bias"), &vec![0.0; channels]);
        file = vector(file, &name("ssm_dt.bias"), &[-1.0, -2.0, -3.0, -4.0]);
        file = file.tensor_f32(&name("ssm_a"), &[1, HEADS as u64], &[-1.0, -2.0, -4.0, -8.0]);
        file = file.tensor_f32(&name("ssm_d"), &[1, HEADS as u64], &[1.0; HEADS]);
        file = file.tensor_f32(&name("ssm_norm.weight"), &[E as u64, 1], &[1.0; E]);
        file = matrix(file, &name("ssm_out.weight"), D, E, 1.0);
    }
    file = ones(file, "enc.blk.0.attn_norm.weight", D);
    for (part, rows) in [("q", D), ("k", D), ("v", D)] {
        file = matrix(file, &format!("enc.blk.0.attn_{part}.weight"), rows, D, 1.0);
        file = vector(file, &format!("enc.blk.0.attn_{part}.bias"), &vec![0.1; rows]);
    }
    file = matrix(file, "enc.blk.0.attn_output.weight", D, D, 1.0);
    file = ones(file, "enc.blk.0.attn_q_norm.weight", D / 2);
    file = ones(file, "enc.blk.0.attn_k_norm.weight", D / 2);
    file = ones(file, "enc.blk.0.ffn_norm.weight", D);
    file = matrix(file, "enc.blk.0.ffn_gate.weight", FFN, D, 1.0);
    file = matrix(file, "enc.blk.0.ffn_up.weight", FFN, D, 1.0);
    file = matrix(file, "enc.blk.0.ffn_down.weight", D, FFN, 1.0);
    file = ones(file, "enc.output_norm.weight", D);
    file = vector(file, "enc.cls", &Random(5).normals(D, 1.0));
    file = matrix(file, "chunk.k.weight", KV, D, 1.0);
    file = matrix(file, "chunk.v.weight", KV, D, 3.0);
    file = matrix(file, "chunk.landmark.weight", R, D, 1.0);
    file = ones(file, "ret.0.norm.weight", D);
    file = matrix(file, "ret.0.q.weight", R, D, 2.0);
    for l in 0..2 {
        file = ones(file, &format!("hsa.{l}.norm.weight"), D);
        file = matrix(file, &format!("hsa.{l}.q.weight"), D, D, 1.0);
        file = matrix(file, &format!("hsa.{l}.output.weight"), D, D, 2.0);
    }
    file
}

/// The model file without the keys that begin with `prefix`.
pub fn without(prefix: &str) -> File {
    let mut file = file(Shape::default());
    file.entries.retain(|entry| !entry[8..].starts_with(prefix.as_bytes()));
    file
}

fn metadata(file: File, shape: Shape) -> File {
    file.str("general.architecture", "ramba")
        .str("general.name", "random")
        .u32("ramba.embedding_length", D as u32)
        .u32("ramba.block_count", BLOCKS as u32)
        .u32("ramba.lower_block_count", 2)
        .u32("ramba.upper_group_count", 1)
        .u32("ramba.blocks_per_hsa", 1)
        .u32("ramba.ssm.conv_kernel", CONV as u32)
        .u32("ramba.ssm.inner_size", E as u32)
        .u32("ramba.ssm.state_size", STATE as u32)
        .u32("ramba.ssm.time_step_rank", HEADS as u32)
        .u32("ramba.ssm.group_count", 1)
        .f32("ramba.attention.layer_norm_rms_epsilon", 1e-5)
        .f32("ramba.hsa.layer_norm_rms_epsilon", 1e-6)
        .u32("ramba.attention.head_count", 2)
        .u32("ramba.attention.head_count_kv", 1)
        .bool("ramba.attention.qk_norm", false)
        .bool("ramba.attention.softmax_off_by_one", false)
        .u32("ramba.chunk.size", shape.chunk)
        .u32("ramba.chunk.top_k", shape.top_k)
        .u32("ramba.retrieval.width", R as u32)
        .bool("ramba.retrieval.single_head", false)
        .bool("ramba.retrieval.landmark_norm", false)
        .u32("ramba.encoder.block_count", 1)
        .u32("ramba.encoder.head_count", 2)
        .u32("ramba.encoder.head_count_kv", 2)
        .u32("ramba.encoder.feed_forward_length", FFN as u32)
        .bool("ramba.encoder.cls", true)
        .bool("ramba.encoder.prenorm", false)
        .f32("ramba.encoder.rope.freq_base", 10000.0)
        .u32("ramba.segment.size", shape.segment)
        .u32("ramba.segment.overlap", shape.overlap)
        .u32("ramba.ask.question_token_id", QUESTION)
        .u32("ramba.ask.answer_token_id", ANSWER)
}

/// One token for every byte, in GPT-2's spelling of bytes, and four special ones. One merge, so that what text is cut
/// into depends on what follows it.
fn tokenizer(file: File) -> File {
    let printable = |b: u32| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut shifted = 0x100..;
    let spelling = |b: u32| if printable(b) { b } else { shifted.next().unwrap() };
    let mut tokens: Vec<String> = (0..256).map(spelling).map(|c| char::from_u32(c).unwrap().to_string()).collect();
    // The bytes 0xfe and 0xff never occur in UTF-8: 0xff makes room for the merge.
    tokens[255] = "th".into();
    tokens.extend(["<|pad|>", "<|end|>", "<|question|>", "<|answer|>"].map(String::from));
    let types: Vec<u8> = (0..VOCAB as i32).flat_map(|i| if i < 256 { 1i32 } else { 3 }.to_le_bytes()).collect();
    file.str("tokenizer.ggml.model", "gpt2")
        .str("tokenizer.ggml.pre", "ramba")
        .strings("tokenizer.ggml.tokens", &tokens)
        .array("tokenizer.ggml.token_type", kind::I32, VOCAB as u64, &types)
        .strings("tokenizer.ggml.merges", &["t h"])
        .u32("tokenizer.ggml.padding_token_id", PAD)
        .u32("tokenizer.ggml.eos_token_id", EOS)
}
