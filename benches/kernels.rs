//! How fast the CPU kernels are, beside what this machine can do.
//!
//! `cargo bench --bench kernels [-- FILTER]`
//!
//! Three ceilings are measured first: multiply-adds of f32 and of bytes on registers alone, and reads of memory. Then
//! each operation at sizes of real models, in absolute terms and as a share of its ceiling. Rounds of all rows alternate
//! and medians are printed, so that a change of the machine's speed meets all of them.

mod common;

use std::hint::black_box;
use std::time::Instant;

use common::{hsa_shape, values, weights};
use ramba::backend::{
    Device, EncoderShape, HeadNorms, Operations, Reader, ReaderOptions, Selecting, SsmParams, SsmShape, SsmState,
    Weighting,
};
use ramba::cpu::Cpu;
use ramba::memory::{ChunkMemory, ChunkShape, Precision};
use ramba::quant::DType;

type Buffer = <Cpu as Device>::Buffer;

/// What limits an operation.
#[derive(Clone, Copy, PartialEq)]
enum Limit {
    /// Multiply-adds of f32.
    Float,
    /// Multiply-adds of bytes.
    Byte,
    /// Bytes read from memory.
    Read,
}

/// One row of the table.
struct Row<'a> {
    name: String,
    limit: Limit,
    /// Multiply-adds or bytes of one call.
    work: f64,
    call: Box<dyn FnMut() + 'a>,
    seconds: Vec<f64>,
}

const ROUNDS: usize = 15;
/// Each sample repeats a call for about this long.
const SAMPLE: f64 = 0.01;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let filter = args.first().map_or("", String::as_str);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let one = Cpu::new(1).expect("one thread");
    let all = Cpu::new(threads).expect("threads");

    let mut rows = Vec::new();
    for (cpu, label) in [(&one, "1"), (&all, if threads > 1 { "all" } else { "" })] {
        if label.is_empty() {
            continue;
        }
        ceilings(&mut rows, cpu, label);
        products(&mut rows, cpu, label);
        mixers(&mut rows, cpu, label);
        attention(&mut rows, cpu, label);
    }
    rows.retain(|r| r.name.contains("ceiling") || r.name.contains(filter));

    for row in &mut rows {
        (row.call)();
    }
    for _ in 0..ROUNDS {
        for row in &mut rows {
            let start = Instant::now();
            let mut calls = 0;
            while calls == 0 || start.elapsed().as_secs_f64() < SAMPLE {
                (row.call)();
                calls += 1;
            }
            row.seconds.push(start.elapsed().as_secs_f64() / f64::from(calls));
        }
    }

    println!("{:?}, {threads} threads for \"all\"; medians of {ROUNDS} alternated rounds", one);
    println!("| operation | time | rate | share of the ceiling |\n|---|---|---|---|");
    let rate = |r: &Row<'_>| {
        let mut s = r.seconds.clone();
        s.sort_by(f64::total_cmp);
        (s[s.len() / 2], r.work / s[s.len() / 2])
    };
    for row in &rows {
        let (seconds, per_second) = rate(row);
        let threads = row.name.rsplit(' ').next();
        let ceiling = rows
            .iter()
            .find(|c| c.name.starts_with("ceiling") && c.limit == row.limit && c.name.rsplit(' ').next() == threads)
            .map_or(f64::NAN, |c| rate(c).1);
        let rate = match row.limit {
            Limit::Read => format!("{:.1} GB/s", per_second / 1e9),
            Limit::Float => format!("{:.1} GFLOP/s", 2.0 * per_second / 1e9),
            Limit::Byte => format!("{:.1} GOP/s", 2.0 * per_second / 1e9),
        };
        println!("| {} | {:.1} µs | {rate} | {:.0} % |", row.name, seconds * 1e6, 100.0 * per_second / ceiling);
    }
}

fn row<'a>(name: String, limit: Limit, work: usize, call: impl FnMut() + 'a) -> Row<'a> {
    Row { name, limit, work: work as f64, call: Box::new(call), seconds: Vec::new() }
}

fn buffer(cpu: &Cpu, n: usize) -> Buffer {
    cpu.vector(&values(n)).expect("memory")
}

/// Runs `f` once on every thread at the same time.
fn on_all(cpu: &Cpu, f: impl Fn(usize) + Sync + Send) {
    use rayon::prelude::*;
    match cpu.threads() {
        1 => f(0),
        n => cpu.run(|| (0..n).into_par_iter().with_max_len(1).for_each(f)),
    }
}

#[cfg(target_arch = "x86_64")]
mod loops {
    use std::arch::x86_64::*;

    pub const FLOAT_WORK: usize = 10_000 * 12 * 8;
    pub const BYTE_WORK: usize = 10_000 * 8 * 32;

    /// 12 independent chains of multiply-adds.
    #[target_feature(enable = "avx2,fma")]
    pub fn floats() -> f32 {
        let mut acc = [_mm256_set1_ps(1.0); 12];
        let (a, b) = (_mm256_set1_ps(0.999), _mm256_set1_ps(0.001));
        for _ in 0..10_000 {
            for acc in &mut acc {
                *acc = _mm256_fmadd_ps(*acc, a, b);
            }
        }
        let sum = acc.into_iter().reduce(|a, b| _mm256_add_ps(a, b)).unwrap_or(a);
        _mm256_cvtss_f32(sum)
    }

    /// 8 independent chains of the usual product of bytes: multiply to 16 bits, widen to 32, add.
    #[target_feature(enable = "avx2")]
    pub fn bytes(seed: i8) -> i32 {
        let mut acc = [_mm256_setzero_si256(); 8];
        let mut w = _mm256_set1_epi8(seed);
        let ones = _mm256_set1_epi16(1);
        for _ in 0..10_000 {
            // Changes, so that the products cannot be moved out of the loop.
            w = _mm256_xor_si256(w, ones);
            for (i, acc) in acc.iter_mut().enumerate() {
                let x = _mm256_set1_epi8(i as i8);
                *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), ones));
            }
        }
        let sum = acc.into_iter().reduce(|a, b| _mm256_add_epi32(a, b)).unwrap_or(w);
        _mm256_cvtsi256_si32(sum)
    }
}

fn ceilings<'a>(rows: &mut Vec<Row<'a>>, cpu: &'a Cpu, label: &str) {
    let threads = cpu.threads();
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the CPU has the instructions.
        let floats = move || on_all(cpu, |_| _ = black_box(unsafe { loops::floats() }));
        rows.push(row(format!("ceiling: f32 {label}"), Limit::Float, threads * loops::FLOAT_WORK, floats));
        // SAFETY: the CPU has the instructions.
        let bytes = move || on_all(cpu, |_| _ = black_box(unsafe { loops::bytes(black_box(3)) }));
        rows.push(row(format!("ceiling: bytes {label}"), Limit::Byte, threads * loops::BYTE_WORK, bytes));
    }
    let memory = vec![1u64; 16 << 20];
    let bytes = memory.len() * 8;
    let read = move || {
        on_all(cpu, |i| {
            let part = memory.len() / threads;
            let sum = memory[i * part..(i + 1) * part].chunks_exact(16).fold([0u64; 16], |mut sum, v| {
                sum.iter_mut().zip(v).for_each(|(s, v)| *s = s.wrapping_add(*v));
                sum
            });
            black_box(sum);
        });
    };
    rows.push(row(format!("ceiling: memory {label}"), Limit::Read, bytes, read));
}

fn products<'a>(rows: &mut Vec<Row<'a>>, cpu: &'a Cpu, label: &str) {
    // Input projections of blocks 1024 and 256 wide, with a prompt and with one token.
    for dtype in DType::ALL {
        let float = dtype.block_len() == 1;
        for (out, cols, n) in [(4384, 1024, 512), (1160, 256, 576)] {
            let w = cpu.weight(weights(dtype, out, cols)).expect("memory");
            let (x, mut y) = (buffer(cpu, n * cols), buffer(cpu, n * out));
            let limit = if float { Limit::Float } else { Limit::Byte };
            rows.push(row(format!("matmul {dtype} {n} x {cols} x {out} {label}"), limit, n * out * cols, move || {
                cpu.matmul(&w, &x, n, &mut y, false).expect("shapes");
            }));
        }
        // So many rows that no cache holds them.
        let (out, cols) = (65536, 1024);
        let w = weights(dtype, out, cols);
        let bytes = w.bytes().len();
        let w = cpu.weight(w).expect("memory");
        let (x, mut y) = (buffer(cpu, cols), buffer(cpu, out));
        rows.push(row(format!("matmul {dtype} 1 x {cols} x {out} {label}"), Limit::Read, bytes, move || {
            cpu.matmul(&w, &x, 1, &mut y, false).expect("shapes");
        }));
    }
}

fn mixers<'a>(rows: &mut Vec<Row<'a>>, cpu: &'a Cpu, label: &str) {
    for (inner, state) in [(2048, 128), (512, 64)] {
        let shape =
            SsmShape { inner, heads: inner / 64, state, groups: 1, conv: 4, dt_min: 0.0, dt_max: f32::INFINITY };
        let new = || {
            let small = |n| cpu.vector(&vec![-0.5; n]).expect("memory");
            let params = SsmParams {
                conv_weight: buffer(cpu, shape.conv_channels() * 4),
                conv_bias: buffer(cpu, shape.conv_channels()),
                dt_bias: small(shape.heads),
                a: small(shape.heads),
                d: small(shape.heads),
            };
            let state = SsmState { conv: buffer(cpu, shape.conv_state_len()), ssm: buffer(cpu, shape.ssm_state_len()) };
            (params, state)
        };
        for n in [1, 512] {
            let (params, mut state) = new();
            let (x, mut y) = (buffer(cpu, n * shape.projected()), buffer(cpu, n * inner));
            // What the recurrence itself multiplies; a token alone reads and writes the state.
            let (limit, work) = if n == 1 {
                (Limit::Read, 8 * inner * shape.state)
            } else {
                (Limit::Float, n * inner * 2 * shape.state)
            };
            rows.push(row(format!("ssm_mix {n} x {inner} state {} {label}", shape.state), limit, work, move || {
                cpu.ssm_mix(&shape, &params, &x, [1, n], &mut state, &mut y).expect("shapes");
            }));
        }
    }
}

fn attention<'a>(rows: &mut Vec<Row<'a>>, cpu: &'a Cpu, label: &str) {
    let shape = EncoderShape { rows: 65, heads: 4, kv_heads: 1, head_dim: 64, freq_base: 1e4 };
    let (chunks, width) = (8, 256);
    let (q, k, v) = (buffer(cpu, chunks * 65 * width), buffer(cpu, chunks * 65 * 64), buffer(cpu, chunks * 65 * 64));
    let (q_norm, k_norm) = (buffer(cpu, 64), buffer(cpu, 64));
    let mut out = buffer(cpu, chunks * 65 * width);
    let work = chunks * 65 * 65 * width * 2;
    rows.push(row(format!("encoder_attention {chunks} chunks {label}"), Limit::Float, work, move || {
        let norms = HeadNorms { q: &q_norm, k: &k_norm, eps: 1e-5 };
        cpu.encoder_attention(&shape, &norms, [&q, &k, &v], chunks, &mut out).expect("shapes");
    }));

    let (count, width) = (262_144, 128);
    let shape = ChunkShape { chunk_size: 1, kv_heads: 1, head_dim: 1, retrieval_heads: 1, retrieval_width: width };
    let landmarks = values(count * width);
    for n in [1, 128] {
        let count = if n == 1 { count } else { 16384 };
        let mut memory = memory(shape, landmarks.chunks(width).take(count).map(|l| (vec![0.5], l)));
        let mut reader = reader(cpu);
        let q = buffer(cpu, n * width);
        let (limit, work) = if n == 1 { (Limit::Read, count * width * 2) } else { (Limit::Float, n * count * width) };
        rows.push(row(format!("select {n} x {count} x {width} {label}"), limit, work, move || {
            let visible = vec![count as u64; n];
            let selecting =
                Selecting { top_k: 8, scale: 0.1, weighting: Weighting::StickBreaking, position_decay: 0.0 };
            black_box(reader.select(cpu, &mut memory, (0, &selecting), &q, &visible).expect("shapes"));
        }));
    }

    let (shape, kept) = hsa_shape();
    for n in [1, 64] {
        let mut memory = memory(kept, std::iter::once((values(64 * 64), &[0.5][..])));
        let mut reader = reader(cpu);
        let (q, mut out) = (buffer(cpu, n * 1024), buffer(cpu, n * 1024));
        reader.choose(cpu, &mut memory, 0, &vec![(0, 0.1); n * 8], 8).expect("in range");
        let work = n * 2 * 16 * 8 * 64 * 64;
        rows.push(row(format!("attend {n} x 16 heads x 8 chunks {label}"), Limit::Float, work, move || {
            reader.attend(cpu, &mut memory, &shape, &q, &mut out).expect("shapes");
        }));
    }
}

/// A reader for up to 128 tokens.
fn reader(cpu: &Cpu) -> Reader<Cpu> {
    Reader::new(cpu, ReaderOptions { budget: 0, tokens: 128, groups: 1 })
}

/// A memory that keeps all of `chunks`, keys that are also the values and landmarks, in RAM.
fn memory<'l>(shape: ChunkShape, chunks: impl Iterator<Item = (Vec<f32>, &'l [f32])>) -> ChunkMemory {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut memory = ChunkMemory::create(dir.path(), shape, Precision::F16, 1 << 30).expect("memory");
    for (kv, landmark) in chunks {
        memory.append(&kv, &kv, landmark, 0..1).expect("space");
    }
    memory
}
