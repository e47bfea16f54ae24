//! How fast the CUDA kernels are, beside what the device can do.
//!
//! `cargo bench --features cuda --bench cuda [-- FILTER] [--json]`
//!
//! Two ceilings are measured in the same run: a copy inside the device's memory (bytes read and written), and products of
//! bfloat16 on matrix units with their operands in registers. Then each operation at sizes of real models. Times are the
//! device's own (events), medians over rounds that alternate between all rows. Inputs rotate over enough copies that no
//! cache holds them, and results are filled with NaN before and looked at after.
//!
//! The rows `hsa` use the inputs of `pytorch.py`, so that their times can be put side by side.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{hsa_shape, values, weights};
use cudarc::driver::{CudaContext, LaunchConfig, PushKernelArg, sys::CUevent_flags};
use ramba::Cancel;
use ramba::backend::{
    Attention, Device, EncoderShape, HeadNorms, Layers, MambaScratch, MambaWeights, MemoryWeights, Mlp, Norm,
    Operations, Product, Reader, ReaderOptions, Selecting, SsmParams, SsmShape, SsmState, Weighting,
};
use ramba::cuda::Cuda;
use ramba::memory::{ChunkMemory, ChunkShape, Precision};
use ramba::quant::DType;
use ramba::topk::TopK;

type Buffer = <Cuda as Device>::Buffer;

/// What limits an operation.
#[derive(Clone, Copy, PartialEq)]
enum Limit {
    /// Bytes moved.
    Bytes,
    /// Operations of matrix units, two for a multiply-add: those done, several for a product of f32.
    Matrix,
    /// Neither: only the time counts.
    None,
}

/// One row of the table.
struct Row<'a> {
    name: String,
    limit: Limit,
    /// Bytes or operations of one call.
    work: f64,
    /// The i-th call, so that inputs can rotate.
    call: Box<dyn FnMut(usize) + Send + 'a>,
    /// Looks at the result.
    check: Box<dyn Fn() + 'a>,
    seconds: Vec<f64>,
    calls: usize,
}

const ROUNDS: usize = 7;
/// Each sample repeats a call for about this long.
const SAMPLE: f64 = 0.004;
/// Bytes that inputs rotate over: several times the largest cache.
const ROTATE: usize = 320 << 20;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let json = args.iter().any(|a| a == "--json");
    let filter = args.iter().find(|a| !a.starts_with("--")).map_or("", String::as_str);
    let cuda = match Cuda::new(0) {
        Ok(cuda) => cuda,
        Err(e) => return println!("{e}"),
    };
    let (copy, matrix) = ceilings();
    let (major, minor) = cuda.capability();
    if json {
        println!(
            "{}",
            serde_json::json!({"device": cuda.name(), "copy_gb_s": copy / 1e9, "bf16_tflop_s": matrix / 1e12})
        );
    } else {
        println!("{}, compute capability {major}.{minor}; medians of {ROUNDS} alternated rounds", cuda.name());
        println!("| operation | time | rate | share of the ceiling |\n|---|---|---|---|");
        println!("| ceiling: copy | | {:.0} GB/s | |", copy / 1e9);
        println!("| ceiling: bfloat16 | | {:.1} TFLOP/s | |", matrix / 1e12);
    }

    // Group by group, so that what one allocates is freed before the next.
    type Group = for<'a> fn(&'a Cuda, &mut Vec<Row<'a>>);
    for group in [
        products as Group,
        small_products,
        mlp,
        elementwise,
        choices,
        mixers,
        token,
        encoder,
        whole_attention,
        memories,
        landmarks,
        hsa,
    ] {
        let mut rows = Vec::new();
        group(&cuda, &mut rows);
        rows.retain(|r| r.name.contains(filter));
        measure(&cuda, &mut rows);
        for row in &rows {
            (row.check)();
            let (time, per_second) = (median(&row.seconds), row.work / median(&row.seconds));
            let ceiling = if row.limit == Limit::Bytes { copy } else { matrix };
            let share = 100.0 * per_second / ceiling;
            if json {
                let limit = ["bytes", "matrix", "none"][row.limit as usize];
                println!(
                    "{}",
                    serde_json::json!({"name": row.name, "us": time * 1e6, "limit": limit, "work": row.work, "share": share})
                );
                continue;
            }
            let rate = match row.limit {
                Limit::Bytes => format!("{:.0} GB/s | {share:.0} %", per_second / 1e9),
                Limit::Matrix => format!("{:.1} TFLOP/s | {share:.0} %", per_second / 1e12),
                Limit::None => " | ".to_owned(),
            };
            println!("| {} | {:.1} µs | {rate} |", row.name, time * 1e6);
        }
    }
}

fn measure(cuda: &Cuda, rows: &mut [Row<'_>]) {
    for row in rows.iter_mut() {
        let mut at = 0;
        let mut run = |row: &mut Row<'_>, calls: usize| {
            let time = cuda.time(|| {
                for _ in 0..calls {
                    (row.call)(at);
                    at += 1;
                }
                Ok(())
            });
            time.expect("a device that works").as_secs_f64() / calls as f64
        };
        run(row, 1);
        let once = run(row, 3);
        row.calls = ((SAMPLE / once) as usize).clamp(1, 200);
    }
    for round in 0..ROUNDS {
        for row in rows.iter_mut() {
            let (call, calls) = (&mut row.call, row.calls);
            let time: Duration = cuda
                .time(|| {
                    (0..calls).for_each(|i| call(round * calls + i));
                    Ok(())
                })
                .expect("a device that works");
            row.seconds.push(time.as_secs_f64() / calls as f64);
        }
    }
}

fn median(v: &[f64]) -> f64 {
    let mut v = v.to_vec();
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}

/// Bytes a second of a copy, and operations a second of matrix units.
fn ceilings() -> (f64, f64) {
    let context = CudaContext::new(0).expect("a device");
    let stream = context.new_stream().expect("a stream");
    let timed = |f: &mut dyn FnMut()| {
        let event = || context.new_event(Some(CUevent_flags::CU_EVENT_DEFAULT)).expect("an event");
        let mut seconds: Vec<f64> = (0..ROUNDS + 2)
            .map(|_| {
                let (start, end) = (event(), event());
                start.record(&stream).expect("a device that works");
                f();
                end.record(&stream).expect("a device that works");
                f64::from(start.elapsed_ms(&end).expect("a device that works")) / 1e3
            })
            .collect();
        seconds.drain(..2);
        median(&seconds)
    };
    let bytes = 1 << 30;
    let from = stream.alloc_zeros::<u8>(bytes).expect("memory");
    let mut to = stream.alloc_zeros::<u8>(bytes).expect("memory");
    let copy = 2.0 * bytes as f64 / timed(&mut || stream.memcpy_dtod(&from, &mut to).expect("a device that works"));

    // 8 independent sums per warp, random-looking operands that stay finite.
    let source = r#"
extern "C" __global__ void products(float* out, int rounds) {
    unsigned a[4], b[2];
    for (int i = 0; i < 4; i++) a[i] = 0x3c003f80u ^ (threadIdx.x * 2654435761u >> 9 & 0x007f007fu);
    for (int i = 0; i < 2; i++) b[i] = 0xbd003d80u ^ (threadIdx.x * 40503u & 0x007f007fu);
    float d[8][4] = {};
    for (int r = 0; r < rounds; r++)
#pragma unroll
        for (int j = 0; j < 8; j++)
            asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                : "+f"(d[j][0]), "+f"(d[j][1]), "+f"(d[j][2]), "+f"(d[j][3])
                : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    float sum = 0;
    for (int j = 0; j < 8; j++) sum += d[j][0] + d[j][1] + d[j][2] + d[j][3];
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}"#;
    let matrix = compile(&context, source).map(|kernel| {
        let (blocks, threads, rounds) = (132 * 8, 256, 4096);
        let mut out = stream.alloc_zeros::<f32>(blocks * threads).expect("memory");
        let config =
            LaunchConfig { grid_dim: (blocks as u32, 1, 1), block_dim: (threads as u32, 1, 1), shared_mem_bytes: 0 };
        let seconds = timed(&mut || {
            let mut launch = stream.launch_builder(&kernel);
            launch.arg(&mut out).arg(&rounds);
            // SAFETY: `out` holds a value for every thread.
            unsafe { launch.launch(config) }.expect("a device that works");
        });
        // 16 · 8 · 16 multiply-adds a product, 8 of them a round.
        (blocks * threads / 32 * rounds as usize * 8 * 2 * 16 * 8 * 16) as f64 / seconds
    });
    (copy, matrix.unwrap_or(f64::NAN))
}

/// The kernel `products` of `source`, if there is a compiler.
fn compile(context: &Arc<CudaContext>, source: &str) -> Option<cudarc::driver::CudaFunction> {
    // SAFETY: only looks for the library.
    if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
        return None;
    }
    let options = cudarc::nvrtc::CompileOptions {
        options: vec!["--gpu-architecture=compute_80".to_owned()],
        ..cudarc::nvrtc::CompileOptions::default()
    };
    let ptx = cudarc::nvrtc::compile_ptx_with_opts(source, options).ok()?;
    context.load_module(ptx).ok()?.load_function("products").ok()
}

/// Values that repeat: large buffers are quick to make.
fn buffer(cuda: &Cuda, n: usize) -> Buffer {
    let period = values(n.min((1 << 20) - 1));
    let mut all = Vec::with_capacity(n);
    while all.len() < n {
        all.extend_from_slice(&period[..period.len().min(n - all.len())]);
    }
    cuda.vector(&all).expect("memory")
}

fn poisoned(cuda: &Cuda, n: usize) -> Buffer {
    cuda.vector(&vec![f32::NAN; n]).expect("memory")
}

/// Something shared between the calls of a row and its check.
fn shared<T>(value: T) -> Arc<std::sync::Mutex<T>> {
    Arc::new(std::sync::Mutex::new(value))
}

/// Adds a row whose result is `n` values of `out`.
fn row<'a>(
    cuda: &'a Cuda,
    rows: &mut Vec<Row<'a>>,
    name: String,
    limit: Limit,
    work: usize,
    n: usize,
    mut call: impl FnMut(usize, &mut Buffer) + Send + 'a,
) {
    let out = shared(poisoned(cuda, n));
    let seen = Arc::clone(&out);
    let label = name.clone();
    rows.push(Row {
        name,
        limit,
        work: work as f64,
        call: Box::new(move |i| call(i, &mut out.lock().expect("one thread"))),
        check: Box::new(move || {
            let mut result = vec![0.0; n];
            cuda.read(&seen.lock().expect("one thread"), &mut result).expect("a device that works");
            assert!(result.iter().all(|v| v.is_finite()), "{label}: not all of the result was written");
        }),
        seconds: Vec::new(),
        calls: 1,
    });
}

fn products<'a>(cuda: &'a Cuda, rows: &mut Vec<Row<'a>>) {
    for dtype in DType::ALL {
        // A matrix that fills the device, and the input projection of a model 1024 wide, alone and with its norm.
        for (out, cols) in [(65536, 1024), (4384, 1024)] {
            let tensor = weights(dtype, out, cols);
            let bytes = tensor.bytes().len();
            let copies = (ROTATE / bytes).clamp(2, 64);
            let all: Vec<_> = (0..copies).map(|_| cuda.weight(tensor.clone()).expect("memory")).collect();
            let (x, norm, mut normed) = (buffer(cuda, cols), buffer(cuda, cols), poisoned(cuda, cols));
            row(cuda, rows, format!("matvec {dtype} 1 x {cols} x {out}"), Limit::Bytes, bytes, out, move |i, y| {
                let norm = Norm { weight: &norm, width: cols, eps: 1e-5 };
                let product = &mut [Product::new(&all[i % copies], y)];
                cuda.norm_matmul(&norm, &x, 1, &mut normed, product, false).expect("shapes");
            });
        }
        // Each product of f32 is several of 16 bits.
        let parts = if dtype == DType::F32 { 3 } else { 2 };
        let (n, out, cols) = (2048, 4384, 1024);
        let w = cuda.weight(weights(dtype, out, cols)).expect("memory");
        let x = buffer(cuda, n * cols);
        let work = 2 * parts * n * out * cols;
        row(cuda, rows, format!("matmul {dtype} {n} x {cols} x {out}"), Limit::Matrix, work, n * out, move |_, y| {
            cuda.matmul(&w, &x, n, y, false).expect("shapes");
        });
    }
}

/// Products of a small model: whole rows of x fit into shared memory. Its input and output projections, and the three of its
/// encoder's attention.
fn small_products<'a>(cuda: &'a Cuda, rows: &mut Vec<Row<'a>>) {
    for (n, cols, out, count) in [(8064, 128, 580, 1), (8064, 256, 128, 1), (7280, 128, 128, 3), (7280, 320, 128, 1)] {
        let w = cuda.weight(weights(DType::F16, out, cols)).expect("memory");
        let (x, norm, mut normed) = (buffer(cuda, n * cols), buffer(cuda, cols), poisoned(cuda, n * cols));
        let mut more: Vec<_> = (1..count).map(|_| poisoned(cuda, n * out)).collect();
        let work = 4 * count * n * out * cols;
        let label = format!("norm and {count} matmul F16 {n} x {cols} x {out}");
        row(cuda, rows, label, Limit::Matrix, work, n * out, move |_, y| {
            let norm = Norm { weight: &norm, width: cols, eps: 1e-5 };
            let mut products = vec![Product::new(&w, y)];
            products.extend(more.iter_mut().map(|y| Product::new(&w, y)));
            cuda.norm_matmul(&norm, &x, n, &mut normed, &mut products, false).expect("shapes");
        });
    }
}

/// The MLP of a small model's encoder.
fn mlp<'a>(cuda: &'a Cuda, rows: &mut Vec<Row<'a>>) {
    let (n, cols, width) = (7280, 128, 320);
    let [gate, up, down] = [(width, cols), (width, cols), (cols, width)]
        .map(|(rows, cols)| cuda.weight(weights(DType::F16, rows, cols)).expect("memory"));
    let norm = buffer(cuda, cols);
    let [mut normed, mut spare, mut between] = [cols, width, width].map(|width| poisoned(cuda, n * width));
    let work = 3 * 4 * n * cols * width;
    row(cuda, rows, format!("norm and MLP F16 {n} x {cols} x {width}"), Limit::Matrix, work, n * cols, move |i, x| {
        if i == 0 {
            cuda.write(x, &vec![0.5; n * cols]).expect("memory");
        }
        let norm = Norm { weight: &norm, width: cols, eps: 1e-5 };
        let mlp = Mlp { gate: &gate, up: &up, down: &down, width };
        cuda.norm_mlp(&norm, &mlp, x, n, ([&mut normed, &mut spare, &mut between], &Cancel::default()))
            .expect("shapes");
    });
}

fn elementwise<'a>(cuda: &'a Cuda, rows: &mut Vec<Row<'a>>) {
    let (n, width) = (65536, 1024);
    let bytes = 4 * n * width;
    let (x, weight) = (buffer(cuda, n * width), buffer(cuda, width));
    row(cuda, rows, format!("rms_norm {n} x {width}"), Limit::Bytes, 2 * bytes, n * width, move |_, y| {
        cuda.rms_norm(&x, &weight, 1e-5, n, width, y).expect("shapes");
    });
    let up = buffer(cuda, n * width);
    row(cuda, rows, format!("silu_mul {n} x {width}"), Limit::Bytes, 3 * bytes, n * width, move |i, y| {
        if i == 0 {
            cuda.write(y, &vec![0.5; n * width]).expect("memory");
        }
        cuda.silu_mul(y, &up, n * width).expect("shapes");
    });
    let (rows_of, blocks) = (64, n / 64);
    let x = buffer(cuda, n * width);
    row(
        cuda,
        rows,
        format!("mean_rows {blocks} x {rows_of} x {width}"),
        Limit::Bytes,
        bytes,
        blocks * width,
        move |_, y| {
            cuda.mean_rows(&x, blocks, rows_of, width, y).expect("shapes");
        },
    );
    let table = cuda.weight(weights(DType::F16, n, width)).expect("memory");
    let ids: Vec<u32> = (0..n as u32).map(|i| i.wrapping_mul(40503) % n as u32).collect();
    row(cuda, rows, format!("embed F16 {n} x {width}"), Limit::Bytes, bytes / 2 + bytes, n * width, move |_, y| {
        cuda.embed(&table, &ids, y).expect("shapes");
    });
}

fn choices<'a>(cuda: &'a Cuda, rows: &mut Vec<Row<'a>>) {
    let count = 50277;
    // As in use, the logits have just been computed and are in the cache.
    let logits: Vec<f32> = values(count).iter().map(|v| v * 10.0).collect();
    for k in [1, 40] {
        let logits = cuda.vector(&logits).expect("memory");
        let mut top = TopK::new(k).expect("k");
        // With the wait for the result, which is part of every use.
        row(cuda, rows, format!("top_logits {k} of {count}"), Limit::Bytes, 4 * count, 0, move |_, _| {
            cuda.top_logits(&logits, count, &mut top).expect("shapes");
        });
    }
}

fn ssm_shape(heads: usize) -> SsmShape {
    SsmShape { inner: 64 * heads, heads, state: 128, groups: 1, conv: 4, dt_min: 0.0, dt_max: f32::INFINITY }
}

fn ssm_params(cuda: &Cuda, s: &SsmShape) -> SsmParams<Buffer> {
    let small = |n| cuda.vector(&vec![-0.5; n]).expect("memory");
    SsmParams {
        conv_weight: buffer(cuda, s.conv_channels() * s.conv),
        conv_bias: buffer(cuda, s.conv_channels()),
        dt_bias: small(s.heads),
        a: small(s.heads),
        d: small(s.heads),
    }
}

fn ssm_state(cuda: &Cuda, s: &SsmShape, sequences: usize) -> SsmState<Buffer> {
    SsmState { conv: buffer(cuda, sequences * s.conv_state_len()), ssm: buffer(cuda, sequences * s.ssm_state_len()) }
}

fn mamba_scratch(cuda: &Cuda, s: &SsmShape, width: usize, rows: usize) -> MambaScratch<Buffer> {
    MambaScratch {
        normed: poisoned(cuda, rows * width),
        projected: poisoned(cuda, rows * s.projected()),
        mixed: poisoned(cuda, rows * s.inner),
        mixed_norm: poisoned(cuda, rows * s.inner),
        cancel: Cancel::default(),
    }
}

fn mixers<'a>(cuda: &'a Cuda, rows: &mut Vec<Row<'a>>) {
    for heads in [2048, 32] {
        let s = ssm_shape(heads);
        let bytes = 8 * s.ssm_state_len();
        let copies = (ROTATE / bytes).clamp(2, 256);
        let (params, mut states) =
            (ssm_params(cuda, &s), (0..copies).map(|_| ssm_state(cuda, &s, 1)).collect::<Vec<_>>());
        let x = buffer(cuda, s.projected());
        let name = format!("ssm_step {} wide, state {}", s.inner, s.state);
        row(cuda, rows, name, Limit::Bytes, bytes, s.inner, move |i, y| {
            cuda.ssm_mix(&s, &params, &x, [1, 1], &mut states[i % copies], y).expect("shapes");
        });
    }
    for (heads, sequences, n) in [(32, 1, 2048), (4, 14, 512)] {
        let s = SsmShape { state: if heads == 4 { 32 } else { 128 }, ..ssm_shape(heads) };
        let (params, mut state, x) =
            (ssm_params(cuda, &s), ssm_state(cuda, &s, sequences), buffer(cuda, sequences * n * s.projected()));
        // Per 64 tokens and head: C·Bᵀ, C·state, (C·Bᵀ)·x and the new state, each in three products.
        let (p, q) = (s.head_dim(), s.state);
        let work = 3 * 2 * sequences * n.div_ceil(64) * heads * 64 * (64 * q + p * q + 64 * p + p * q);
        let name = format!("ssm_mix {sequences} x {n} tokens, {} wide, state {q}", s.inner);
        row(cuda, rows, name, Limit::Matrix, work, sequences * n * s.inner, move |_, y| {
            cuda.ssm_mix(&s, &params, &x, [sequences, n], &mut state, y).expect("shapes");
        });
    }

    // A whole block of the shipped model. x grows with every call, but not far: its norm does not.
    let (s, sequences, n, width) = (SsmShape { state: 32, ..ssm_shape(4) }, 14, 576, 128);
    let all = sequences * n;
    let [in_proj, out_proj] = [(s.projected(), width), (width, s.inner)]
        .map(|(rows, cols)| cuda.weight(weights(DType::F16, rows, cols)).expect("memory"));
    let (params, mut state, norm, gated) =
        (ssm_params(cuda, &s), ssm_state(cuda, &s, sequences), buffer(cuda, width), buffer(cuda, s.inner));
    let mut scratch = mamba_scratch(cuda, &s, width, all);
    let (p, q) = (s.head_dim(), s.state);
    let work = 4 * all * width * (s.projected() + s.inner)
        + 3 * 2 * all.div_ceil(64) * s.heads * 64 * (64 * q / s.heads + p * q + 64 * p + p * q);
    let name = format!("mamba_block {sequences} x {n} tokens, {width} -> {} wide, state {q}", s.inner);
    row(cuda, rows, name, Limit::Matrix, work, all * width, move |i, x| {
        if i == 0 {
            cuda.write(x, &vec![0.5; all * width]).expect("memory");
        }
        let weights = MambaWeights {
            norm: Norm { weight: &norm, width, eps: 1e-5 },
            in_proj: &in_proj,
            mixer: &params,
            gated_norm: Norm { weight: &gated, width: s.inner, eps: 1e-5 },
            out_proj: &out_proj,
        };
        cuda.mamba_block(&s, &weights, x, [sequences, n], &mut state, &mut scratch).expect("shapes");
    });
}

/// One token through the lower blocks of the published 370M: 366 MB, more than a cache holds.
fn token<'a>(cuda: &'a Cuda, rows: &mut Vec<Row<'a>>) {
    let (s, width, blocks) = (ssm_shape(32), 1024, 24);
    let products: Vec<_> = (0..blocks)
        .map(|_| {
            [(s.projected(), width), (width, s.inner)]
                .map(|(r, c)| cuda.weight(weights(DType::F16, r, c)).expect("memory"))
        })
        .collect();
    let mut states: Vec<_> = (0..blocks).map(|_| ssm_state(cuda, &s, 1)).collect();
    let (params, norm, gated) = (ssm_params(cuda, &s), buffer(cuda, width), buffer(cuda, s.inner));
    let mut scratch = mamba_scratch(cuda, &s, width, 1);
    let bytes = blocks * (2 * width * (s.projected() + s.inner) + 2 * 4 * s.ssm_state_len());
    let name = format!("mamba_blocks 1 token, {blocks} of {width} -> {} wide, state {}", s.inner, s.state);
    row(cuda, rows, name, Limit::Bytes, bytes, width, move |i, x| {
        if i == 0 {
            cuda.write(x, &vec![0.5; width]).expect("memory");
        }
        let run = products.iter().zip(&mut states).map(|([in_proj, out_proj], state)| {
            let weights = MambaWeights {
                norm: Norm { weight: &norm, width, eps: 1e-5 },
                in_proj,
                mixer: &params,
                gated_norm: Norm { weight: &gated, width: s.inner, eps: 1e-5 },
                out_proj,
            };
            (weights, state)
        });
        cuda.mamba_blocks(&s, run, x, [1, 1], &mut scratch).expect("shapes");
    });
}

fn encoder<'a>(cuda: &'a Cuda, rows: &mut Vec<Row<'a>>) {
    for (chunks, heads, kv_heads, d) in [(128, 16, 16, 64), (112, 4, 4, 32)] {
        let shape = EncoderShape { rows: 65, heads, kv_heads, head_dim: d, freq_base: 1e4 };
        let q = buffer(cuda, chunks * 65 * heads * d);
        let (k, v) = (buffer(cuda, chunks * 65 * kv_heads * d), buffer(cuda, chunks * 65 * kv_heads * d));
        let (q_norm, k_norm) = (buffer(cuda, d), buffer(cuda, d));
        let name = format!("encoder_attention {chunks} chunks, {heads} heads of {d}");
        row(cuda, rows, name, Limit::None, 0, chunks * 65 * heads * d, move |_, y| {
            let norms = HeadNorms { q: &q_norm, k: &k_norm, eps: 1e-5 };
            cuda.encoder_attention(&shape, &norms, [&q, &k, &v], chunks, y).expect("shapes");
        });
    }
}

/// The attention of a layer of a small model's encoder, with norm, projections and the output's product.
fn whole_attention<'a>(cuda: &'a Cuda, rows: &mut Vec<Row<'a>>) {
    let (chunks, heads, d) = (112, 4, 32);
    let shape = EncoderShape { rows: 65, heads, kv_heads: heads, head_dim: d, freq_base: 1e4 };
    let (width, n) = (heads * d, chunks * 65);
    let [q, k, v, output] = [0; 4].map(|_| cuda.weight(weights(DType::F16, width, width)).expect("memory"));
    let [norm, bias, head_norm] = [width, width, d].map(|n| buffer(cuda, n));
    let mut scratch = [0; 5].map(|_| poisoned(cuda, n * width));
    row(
        cuda,
        rows,
        format!("norm_attention {chunks} chunks, {heads} heads of {d}"),
        Limit::None,
        0,
        n * width,
        move |i, x| {
            if i == 0 {
                cuda.write(x, &vec![0.5; n * width]).expect("memory");
            }
            let attention = Attention {
                q: (&q, &bias),
                k: (&k, &bias),
                v: (&v, &bias),
                output: &output,
                norms: HeadNorms { q: &head_norm, k: &head_norm, eps: 1e-5 },
            };
            let norm = Norm { weight: &norm, width, eps: 1e-5 };
            cuda.norm_attention(&shape, &norm, &attention, x, chunks, (scratch.each_mut(), &Cancel::default()))
                .expect("shapes");
        },
    );
}

/// The end of a small model's encoder.
fn memories<'a>(cuda: &'a Cuda, rows: &mut Vec<Row<'a>>) {
    let (chunks, hidden, head_dim) = (112, 128, 32);
    let n = chunks * 65;
    let [k, v, landmark] =
        [head_dim, head_dim, hidden].map(|rows| cuda.weight(weights(DType::F16, rows, hidden)).expect("memory"));
    let (x, [norm, k_norm]) = (buffer(cuda, n * hidden), [hidden, head_dim].map(|n| buffer(cuda, n)));
    let mut scratch = [n, chunks].map(|rows| poisoned(cuda, rows * hidden));
    let (mut values, mut landmarks) = (poisoned(cuda, n * head_dim), poisoned(cuda, chunks * hidden));
    row(
        cuda,
        rows,
        format!("chunk_memory {chunks} chunks of 65 x {hidden}"),
        Limit::None,
        0,
        n * head_dim,
        move |_, keys| {
            let memory = MemoryWeights { k: &k, v: &v, landmark: &landmark, k_norm: Some(&k_norm), heads: 1, head_dim };
            let norm = Norm { weight: &norm, width: hidden, eps: 1e-5 };
            let out = [keys, &mut values, &mut landmarks];
            cuda.chunk_memory(&norm, &memory, &x, [chunks, 65], scratch.each_mut(), out).expect("shapes");
        },
    );
}

/// A memory on disk that keeps `chunks` of keys that are also the values, and landmarks.
fn memory(shape: ChunkShape, chunks: usize, kv: &[f32], landmarks: &[f32]) -> (tempfile::TempDir, ChunkMemory) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut memory = ChunkMemory::create(dir.path(), shape, Precision::F16, 1 << 28).expect("memory");
    let (len, width) = (shape.kv_len(), shape.landmark_len());
    for c in 0..chunks {
        let kv = &kv[c % (kv.len() / len) * len..][..len];
        memory.append(kv, kv, &landmarks[c % (landmarks.len() / width) * width..][..width], 0..1).expect("space");
    }
    (dir, memory)
}

fn landmarks<'a>(cuda: &'a Cuda, rows: &mut Vec<Row<'a>>) {
    let (all, width) = (1 << 20, 128);
    let shape = ChunkShape { chunk_size: 1, kv_heads: 1, head_dim: 1, retrieval_heads: 1, retrieval_width: width };
    let data = values(4096 * width);
    for (n, count) in [(1, all), (2048, 16384)] {
        let (dir, mut memory) = memory(shape, count, &[0.5], &data);
        let mut reader = Reader::new(cuda, ReaderOptions { budget: 1 << 30, tokens: n, groups: 1 });
        let q = buffer(cuda, n * width);
        let visible = vec![count as u64; n];
        let selecting = Selecting { top_k: 8, scale: 0.1, weighting: Weighting::StickBreaking, position_decay: 0.0 };
        let (limit, work) =
            if n == 1 { (Limit::Bytes, count * width * 2) } else { (Limit::Matrix, 2 * 2 * n * count * width) };
        // With the wait for the result, which is part of every use, and what is made of it.
        let mut read = Vec::new();
        row(cuda, rows, format!("select {n} x {count} x {width}"), limit, work, 0, move |_, _| {
            let _ = &dir;
            reader.select(cuda, &mut memory, (0, &selecting), &q, &visible).expect("shapes");
            reader.trace(cuda, 0, &mut read).expect("chosen");
        });
    }
}

/// Output `j` of splitmix64 (Steele, Lea, Flood 2014) from `seed`, as `pytorch.py` draws.
fn draw(seed: u64, j: u64) -> u64 {
    let mut z = seed.wrapping_add((j + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

/// The picks of `n` tokens, 8 each, by the rule at the top of `pytorch.py`.
fn picks(n: usize) -> Vec<(u64, f32)> {
    let mut all = Vec::with_capacity(8 * n);
    for t in 0..n as u64 {
        let visible = t / 64;
        let mut chosen: Vec<u64> = Vec::new();
        for i in 0..visible.min(8) {
            let mut c = ((draw(1, 8 * t + i) >> 32) * visible) >> 32;
            while chosen.contains(&c) {
                c = (c + 1) % visible;
            }
            chosen.push(c);
        }
        chosen.sort_unstable_by(|a, b| b.cmp(a));
        let mut left = 1.0f32;
        for i in 0..8 {
            all.push(match chosen.get(i) {
                Some(&c) => {
                    let p = (((draw(2, 8 * t + i as u64) >> 41) as f32) + 0.5) / (1 << 23) as f32;
                    let pick = (c, p * left);
                    left *= 1.0 - p;
                    pick
                }
                None => (0, 0.0),
            });
        }
    }
    all
}

fn hsa<'a>(cuda: &'a Cuda, rows: &mut Vec<Row<'a>>) {
    let (shape, kept) = hsa_shape();
    let kv = values(64 * 64 * 64);
    for n in [4096, 8192, 16384, 32768, 65536] {
        let chunks = n / 64;
        let (dir, mut memory) = memory(kept, chunks, &kv, &[0.5]);
        let mut reader = Reader::new(cuda, ReaderOptions { budget: 256 << 20, tokens: n, groups: 1 });
        reader.choose(cuda, &mut memory, 0, &picks(n), 8).expect("in range");
        let q = buffer(cuda, n * 1024);
        // Scores and values, each with the operand from f32 as a sum of two f16.
        let work = 2 * 2 * 2 * n * 16 * 8 * 64 * 64;
        row(cuda, rows, format!("hsa {n} x 16 heads x 8 chunks"), Limit::Matrix, work, n * 1024, move |_, y| {
            let _ = &dir;
            reader.attend(cuda, &mut memory, &shape, &q, y).expect("shapes");
        });
    }
    // A token alone: bound by the latency of a few reads.
    let (dir, mut memory) = memory(kept, 64, &kv, &[0.5]);
    let mut reader = Reader::new(cuda, ReaderOptions { budget: 64 << 20, tokens: 1, groups: 1 });
    let some: Vec<(u64, f32)> = (0..8).map(|chunk| (chunk * 7, 0.1)).collect();
    reader.choose(cuda, &mut memory, 0, &some, 8).expect("in range");
    let q = buffer(cuda, 1024);
    row(cuda, rows, "hsa 1 x 16 heads x 8 chunks".to_owned(), Limit::None, 0, 1024, move |_, y| {
        let _ = &dir;
        reader.attend(cuda, &mut memory, &shape, &q, y).expect("shapes");
    });
}
