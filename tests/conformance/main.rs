//! What every backend must do: each operation against its formula in f64 (`naive.rs`), with odd sizes, one and zero, and
//! the promise that a row has the same bits alone, among others, and on any number of threads.

use half::f16;

use ramba::ErrorKind;
use ramba::backend::{
    Attention, Backend, EncoderShape, HeadNorms, HsaShape, MemoryWeights, Mlp, Norm, Operations, Pick, Product, Reader,
    ReaderOptions, Rows, Selecting, SsmParams, SsmShape, SsmState, Weighting,
};
use ramba::cpu::{Cpu, Isa};
use ramba::memory::{ChunkMemory, ChunkShape, KvData, LandmarkBlock, LandmarkData, Precision};
use ramba::quant::{self, DType};
use ramba::topk::TopK;
use ramba::weights::Tensor;
use test_support::naive::{self, Params, State};
use test_support::numbers::Random;

/// A backend, and how exactly it computes.
trait Named: Backend + std::fmt::Debug {
    /// Whether quantized weights multiply `n` rows of activations as 8-bit numbers.
    fn quantizes(&self, n: usize) -> bool;
    /// Error of a product of `n` rows, as a share of the largest value.
    fn product_error(&self, n: usize) -> f64;
    /// Error of other operations, in units of what f32 on the CPU is held to.
    const SLACK: f64;
}

impl Named for Cpu {
    fn quantizes(&self, _: usize) -> bool {
        true
    }
    fn product_error(&self, _: usize) -> f64 {
        3e-6
    }
    const SLACK: f64 = 1.0;
}

#[cfg(feature = "cuda")]
impl Named for ramba::cuda::Cuda {
    fn quantizes(&self, n: usize) -> bool {
        n <= ramba::cuda::FEW
    }
    fn product_error(&self, n: usize) -> f64 {
        // Matrix units take the factors as sums of two bfloat16, exact to 2^-16 of each.
        if n <= ramba::cuda::FEW { 3e-6 } else { 5e-5 }
    }
    const SLACK: f64 = 30.0;
}

/// Runs a test on every instruction set that this CPU has, and on the first CUDA device if there is one: with copies of what
/// the host gives it, and without, as on devices that share the host's memory.
macro_rules! everywhere {
    ($test:ident $(, $argument:expr)?) => {
        for isa in Isa::available() {
            $test(&Cpu::with_isa(1, isa).unwrap() $(, $argument)?);
        }
        #[cfg(feature = "cuda")]
        for mapped in [false, true] {
            match ramba::cuda::Cuda::with_mapped_memory(0, mapped) {
                Ok(cuda) => $test(&cuda $(, $argument)?),
                Err(e) => test_support::require::no_cuda_device(e),
            }
        }
    };
}

/// Where everything must be tested, no kernels of this architecture may be left out for want of a CPU that has them.
#[test]
fn every_instruction_set_of_the_architecture_is_here() {
    let fast = match () {
        () if cfg!(target_arch = "x86_64") => "Avx2",
        () if cfg!(target_arch = "aarch64") => "NeonI8mm",
        () => "Scalar",
    };
    let here: Vec<_> = Isa::available().map(|isa| format!("{isa:?}")).collect();
    if !here.iter().any(|isa| isa == fast) {
        test_support::require::lacking(format_args!("{fast}: this CPU has {here:?} alone"));
    }
}

// Behind the macro that they use.
mod attention;
mod blocks;
mod choices;
mod products;
mod selections;

fn wide(v: &[f32]) -> Vec<f64> {
    v.iter().map(|&v| f64::from(v)).collect()
}

fn read<B: Backend>(b: &B, buffer: &B::Buffer, n: usize) -> Vec<f32> {
    let mut out = vec![0.0; n];
    b.read(buffer, &mut out).unwrap();
    out
}

/// A buffer of values that no result may keep.
fn poisoned<B: Backend>(b: &B, n: usize) -> B::Buffer {
    b.vector(&vec![f32::NAN; n]).unwrap()
}

fn assert_close(what: &str, got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    // Of the largest; the terms of a sum are about 1, and few sums may all be much smaller.
    let scale = want.iter().fold(0.25f64, |m, v| m.max(v.abs()));
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(g) - w).abs() / scale;
        assert!(error <= tolerance, "{what}: value {i} is {g}, expected {w}, error {error:e} of the largest");
    }
}

/// Bits, so that a difference in the last place or of signs of zero shows.
fn bits(v: &[f32]) -> Vec<u32> {
    v.iter().map(|v| v.to_bits()).collect()
}

const SIZES: [usize; 8] = [1, 3, 7, 8, 9, 31, 64, 100];

#[test]
fn rms_norm_follows_its_formula() {
    everywhere!(rms_norm_follows_its_formula_on);
}

fn rms_norm_follows_its_formula_on<B: Named>(b: &B) {
    let mut random = Random(1);
    for width in SIZES {
        for rows in [0, 1, 3] {
            let (x, w) = (random.values(rows * width), random.values(width));
            let want: Vec<f64> = x.chunks(width).flat_map(|x| naive::rms_norm(&wide(x), &w, 1e-5)).collect();
            let (x, w) = (b.vector(&x).unwrap(), b.vector(&w).unwrap());
            let mut out = poisoned(b, rows * width);
            b.rms_norm(&x, &w, 1e-5, rows, width, &mut out).unwrap();
            assert_close(&format!("{b:?} {rows} x {width}"), &read(b, &out, rows * width), &want, 1e-6 * B::SLACK);
        }
    }
}

#[test]
fn elementwise_operations_follow_their_formulas() {
    everywhere!(elementwise_operations_follow_their_formulas_on);
}

fn elementwise_operations_follow_their_formulas_on<B: Named>(b: &B) {
    let mut random = Random(2);
    for n in SIZES.into_iter().chain([0, 40_000]) {
        // Far into both ends, where a careless exp overflows.
        let gate: Vec<f32> = random.values(n).iter().map(|v| v * 40.0).chain([-200.0, 200.0, 0.0]).collect();
        let up = random.values(n + 3);
        let want: Vec<f64> = gate.iter().zip(&up).map(|(&g, &u)| naive::silu(f64::from(g)) * f64::from(u)).collect();
        let mut out = b.vector(&gate).unwrap();
        let up = b.vector(&up).unwrap();
        b.silu_mul(&mut out, &up, n + 3).unwrap();
        for (got, want) in read(b, &out, n + 3).iter().zip(&want) {
            assert!((f64::from(*got) - want).abs() <= 1e-6 * B::SLACK * want.abs() + 1e-30, "{b:?}: {got} for {want}");
        }
    }

    let x = random.values(2 * 3 * 9);
    let mean = |i: usize| (0..3).map(|r| f64::from(x[(i / 9 * 3 + r) * 9 + i % 9])).sum::<f64>() / 3.0;
    let want: Vec<f64> = (0..18).map(mean).collect();
    let mut out = poisoned(b, 18);
    b.mean_rows(&b.vector(&x).unwrap(), 2, 3, 9, &mut out).unwrap();
    assert_close("mean_rows", &read(b, &out, 18), &want, 1e-6 * B::SLACK);

    let mut out = b.buffer(10).unwrap();
    let x = b.vector(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    b.copy(&x, Rows::of(1, 2), &mut out, Rows::of(0, 5), [1, 2], 3).unwrap();
    assert_eq!(read(b, &out, 10), [2.0, 3.0, 4.0, 0.0, 0.0, 4.0, 5.0, 6.0, 0.0, 0.0]);

    // Two groups of three rows, out of longer groups and into rows that lie apart; one value, and fours of them.
    for width in [1, 4, 8] {
        let x = random.values(2 * 5 * width);
        let [from, to] = [
            Rows { at: 2 * width, group: 5 * width, stride: width },
            Rows { at: 4, group: 12 * width, stride: 3 * width },
        ];
        let mut want = vec![0.0; 4 + 24 * width];
        for (g, r) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
            want[4 + (g * 4 + r) * 3 * width..][..width].copy_from_slice(&x[(g * 5 + 2 + r) * width..][..width]);
        }
        let mut out = b.buffer(want.len()).unwrap();
        b.copy(&b.vector(&x).unwrap(), from, &mut out, to, [2, 3], width).unwrap();
        assert_eq!(read(b, &out, want.len()), want);
    }
}

/// Random weights of a type, and what they stand for.
fn weights(random: &mut Random, dtype: DType, rows: usize, cols: usize) -> (Tensor, Vec<f64>) {
    let mut bytes = vec![0; rows * dtype.row_bytes(cols).unwrap()];
    quant::quantize(dtype, &random.values(rows * cols), &mut bytes).unwrap();
    let tensor = Tensor::from_bytes(dtype, rows, cols, bytes).unwrap();
    let values = wide(&tensor.to_f32().unwrap());
    (tensor, values)
}

#[test]
fn embed_looks_rows_up() {
    everywhere!(embed_looks_rows_up_on);
}

fn embed_looks_rows_up_on<B: Named>(b: &B) {
    let mut random = Random(5);
    for dtype in DType::ALL {
        let (w, values) = weights(&mut random, dtype, 5, 256);
        let mut out = poisoned(b, 3 * 256);
        let w = b.weight(w).unwrap();
        b.embed(&w, &[4, 0, 4], &mut out).unwrap();
        let want: Vec<f64> = [4, 0, 4].iter().flat_map(|r| values[r * 256..(r + 1) * 256].to_vec()).collect();
        assert_close(dtype.name(), &read(b, &out, 3 * 256), &want, 0.0);
        assert_eq!(b.embed(&w, &[5], &mut out).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

const SSM_SHAPES: [SsmShape; 5] = {
    let base = SsmShape { inner: 64, heads: 2, state: 16, groups: 1, conv: 4, dt_min: 0.0, dt_max: f32::INFINITY };
    [
        base,
        SsmShape { inner: 15, heads: 3, state: 7, groups: 3, conv: 3, ..base },
        SsmShape { inner: 1, heads: 1, state: 1, conv: 1, ..base },
        SsmShape { inner: 96, heads: 4, state: 40, groups: 2, dt_min: 0.01, dt_max: 0.5, ..base },
        SsmShape { inner: 128, heads: 2, state: 128, ..base },
    ]
};

fn ssm_params(random: &mut Random, shape: &SsmShape) -> Params {
    let channels = shape.conv_channels();
    Params {
        conv_weight: random.values(channels * shape.conv),
        conv_bias: random.values(channels),
        dt_bias: random.values(shape.heads).iter().map(|v| v * 2.0 - 1.0).collect(),
        a: random.values(shape.heads).iter().map(|v| -(v * 3.0).exp()).collect(),
        d: random.values(shape.heads),
    }
}

fn ssm_buffers<B: Backend>(b: &B, p: &Params, shape: &SsmShape) -> (SsmParams<B::Buffer>, SsmState<B::Buffer>) {
    let v = |v: &[f32]| b.vector(v).unwrap();
    let params = SsmParams {
        conv_weight: v(&p.conv_weight),
        conv_bias: v(&p.conv_bias),
        dt_bias: v(&p.dt_bias),
        a: v(&p.a),
        d: v(&p.d),
    };
    let state =
        SsmState { conv: b.buffer(shape.conv_state_len()).unwrap(), ssm: b.buffer(shape.ssm_state_len()).unwrap() };
    (params, state)
}

#[test]
fn ssm_mix_follows_its_recurrence_in_any_split() {
    everywhere!(ssm_mix_follows_its_recurrence_in_any_split_on);
}

fn ssm_mix_follows_its_recurrence_in_any_split_on<B: Named>(b: &B) {
    let mut random = Random(6);
    for shape in SSM_SHAPES {
        let p = ssm_params(&mut random, &shape);
        let total = 200;
        let input: Vec<f32> = random.values(total * shape.projected()).iter().map(|v| v * 2.0).collect();
        let zero = State { conv: vec![0.0; shape.conv_state_len()], ssm: vec![0.0; shape.ssm_state_len()] };
        let mut end = zero.clone();
        let want = naive::ssm_mix(&shape, &p, &input, &mut end);
        for split in [vec![200], vec![1; 200], vec![64, 1, 63, 2, 70], vec![3, 61, 65, 7, 64]] {
            let (params, mut state) = ssm_buffers(b, &p, &shape);
            let mut got = Vec::new();
            let mut at = 0;
            for n in split {
                let x = b.vector(&input[at * shape.projected()..(at + n) * shape.projected()]).unwrap();
                let mut y = poisoned(b, n * shape.inner);
                b.ssm_mix(&shape, &params, &x, [1, n], &mut state, &mut y).unwrap();
                got.extend(read(b, &y, n * shape.inner));
                at += n;
            }
            let what = format!("{b:?} {shape:?}");
            assert_close(&what, &got, &want, 2e-5 * B::SLACK);
            assert_close(&what, &read(b, &state.conv, shape.conv_state_len()), &end.conv, 1e-7);
            assert_close(&what, &read(b, &state.ssm, shape.ssm_state_len()), &end.ssm, 1e-5 * B::SLACK);
        }
    }
}

#[test]
fn ssm_mix_keeps_sequences_apart() {
    everywhere!(ssm_mix_keeps_sequences_apart_on);
}

fn ssm_mix_keeps_sequences_apart_on<B: Named>(b: &B) {
    let mut random = Random(16);
    for shape in SSM_SHAPES {
        let p = ssm_params(&mut random, &shape);
        for (sequences, n) in [(0, 5), (3, 0), (3, 1), (1, 7), (2, 64), (3, 70), (5, 130)] {
            let input: Vec<f32> = random.values(sequences * n * shape.projected()).iter().map(|v| v * 2.0).collect();
            let mut values = |len: usize| (0..sequences.max(1)).map(|_| random.values(len)).collect::<Vec<_>>();
            let (conv, ssm) = (values(shape.conv_state_len()), values(shape.ssm_state_len()));
            let (mut want, mut want_conv, mut want_ssm) = (Vec::new(), Vec::new(), Vec::new());
            for (s, input) in input.chunks_exact((n * shape.projected()).max(1)).enumerate() {
                let mut state = State { conv: wide(&conv[s]), ssm: wide(&ssm[s]) };
                want.extend(naive::ssm_mix(&shape, &p, input, &mut state));
                want_conv.extend(state.conv);
                want_ssm.extend(state.ssm);
            }
            let (params, _) = ssm_buffers(b, &p, &shape);
            let vector = |parts: &[Vec<f32>]| b.vector(&parts.concat()).unwrap();
            let mut state = SsmState { conv: vector(&conv), ssm: vector(&ssm) };
            let mut y = poisoned(b, want.len());
            b.ssm_mix(&shape, &params, &b.vector(&input).unwrap(), [sequences, n], &mut state, &mut y).unwrap();
            let what = format!("{b:?} {shape:?}, {sequences} of {n}");
            assert_close(&what, &read(b, &y, want.len()), &want, 2e-5 * B::SLACK);
            assert_close(&what, &read(b, &state.conv, want_conv.len()), &want_conv, 1e-7);
            assert_close(&what, &read(b, &state.ssm, want_ssm.len()), &want_ssm, 1e-5 * B::SLACK);
        }
    }
}

#[test]
fn ssm_mix_has_the_same_bits_for_splits_at_64_and_any_number_of_threads() {
    for isa in Isa::available() {
        let cpus = [1, 2, 3].map(|threads| Cpu::with_isa(threads, isa).unwrap());
        let mut random = Random(7);
        // Large enough for several threads.
        let shape = SsmShape { inner: 256, heads: 8, state: 32, ..SSM_SHAPES[0] };
        let p = ssm_params(&mut random, &shape);
        let input = random.values(193 * shape.projected());
        let run = |b: &Cpu, split: &[usize]| {
            let (params, mut state) = ssm_buffers(b, &p, &shape);
            let mut got = Vec::new();
            let mut at = 0;
            for n in split {
                let x = b.vector(&input[at * shape.projected()..(at + n) * shape.projected()]).unwrap();
                let mut y = poisoned(b, n * shape.inner);
                b.ssm_mix(&shape, &params, &x, [1, *n], &mut state, &mut y).unwrap();
                got.extend(bits(&read(b, &y, n * shape.inner)));
                at += n;
            }
            got.extend(bits(&read(b, &state.ssm, shape.ssm_state_len())));
            got
        };
        let all = run(&cpus[0], &[193]);
        for b in &cpus {
            for split in [&[193][..], &[64, 64, 65], &[128, 64, 1]] {
                assert!(run(b, split) == all, "{b:?} {split:?}");
            }
        }
    }
}

/// The best `k` of all visible landmarks, by a full sort.
fn best_of(scores: &[f64], visible: u64, k: usize) -> Vec<u64> {
    let mut ids: Vec<u64> = (0..scores.len() as u64).filter(|&c| c < visible).collect();
    ids.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
    ids.truncate(k);
    ids
}

/// A memory of random chunks, and what it has of them.
struct Kept {
    memory: ChunkMemory,
    /// (chunks, Gr, R/Gr)
    landmarks: Vec<f64>,
    /// Keys and values (S, G, d) of each chunk.
    chunks: Vec<(Vec<f64>, Vec<f64>)>,
    _dir: tempfile::TempDir,
}

/// As small in RAM as it can be.
fn kept(random: &mut Random, shape: ChunkShape, precision: Precision, count: usize) -> Kept {
    kept_in(random, shape, precision, count, 8)
}

/// The scores of `count` landmarks, `row` values apart, for the query `q` of a head.
fn scores(landmarks: &[f64], row: usize, q: &[f32], count: usize, scale: f32) -> Vec<f64> {
    let product = |l: &[f64]| q.iter().zip(l).map(|(&q, &l)| f64::from(q) * l).sum::<f64>();
    (0..count).map(|c| product(&landmarks[c * row..]) * f64::from(scale)).collect()
}

/// With at least `slots` chunks in RAM.
fn kept_in(random: &mut Random, shape: ChunkShape, precision: Precision, count: usize, slots: usize) -> Kept {
    let dir = tempfile::tempdir().unwrap();
    let budget = ChunkMemory::minimum_budget(&shape, precision, slots).unwrap();
    let mut memory = ChunkMemory::create(dir.path(), shape, precision, budget).unwrap();
    for _ in 0..count {
        let (keys, values) = (random.values(shape.kv_len()), random.values(shape.kv_len()));
        memory.append(&keys, &values, &random.values(shape.landmark_len()), 0..1).unwrap();
    }
    let half = |v: &[u16]| v.iter().map(|&v| f64::from(f16::from_bits(v).to_f32())).collect::<Vec<_>>();
    let mut landmarks = Vec::new();
    let add = |block: LandmarkBlock<'_>| {
        landmarks.extend(match block.data {
            LandmarkData::F32(v) => wide(v),
            LandmarkData::F16(v) => half(v),
        });
        Ok(())
    };
    memory.for_each_landmarks(0..count as u64, add).unwrap();
    let decode = |data: KvData<'_>| match data {
        KvData::F32(v) => wide(v),
        KvData::F16(v) => half(v),
        KvData::Int8 { scales, data } => {
            let scaled = |(e, &v): (usize, &i8)| f64::from(v) * f64::from(scales[e / shape.head_dim]);
            data.iter().enumerate().map(scaled).collect()
        }
    };
    let mut chunks = Vec::new();
    for id in 0..count as u64 {
        memory.fetch(&[id]).unwrap();
        let view = memory.view(id).unwrap();
        chunks.push((decode(view.keys), decode(view.values)));
    }
    Kept { memory, landmarks, chunks, _dir: dir }
}

/// Tokens, retrieval heads, width of their landmarks, chunks, and how many of them are wanted.
type Scored = (usize, usize, usize, usize, usize);

/// Bytes that a device has for chunks besides the least it needs, less than those of all landmarks.
const NO_MORE: u64 = 0;
const SOME_MORE: u64 = 1 << 20;

#[test]
fn select_takes_what_a_sort_takes() {
    const CASES: &[Scored] = &[(1, 1, 64, 1, 8), (1, 2, 9, 300, 4), (70, 1, 32, 257, 8), (2, 1, 1, 40, 1)];
    const MORE: &[Scored] = &[(20, 3, 7, 65, 64)];
    for (cases, more) in [(CASES, NO_MORE), (MORE, SOME_MORE)] {
        everywhere!(select_takes_what_a_sort_takes_on, (cases, more));
        for isa in Isa::available() {
            select_takes_what_a_sort_takes_on(&Cpu::with_isa(2, isa).unwrap(), (cases, more));
        }
    }
}

#[test]
fn select_takes_the_best_of_thousands() {
    everywhere!(select_takes_what_a_sort_takes_on, (&[(3, 1, 128, 5000, 8)], NO_MORE));
}

#[test]
fn select_takes_the_best_of_tens_of_thousands() {
    const CASES: &[Scored] = &[(1, 1, 128, 30_000, 8)];
    // With no more, landmarks would pass through the device in some thousand pieces.
    everywhere!(select_takes_what_a_sort_takes_on, (CASES, SOME_MORE));
    for isa in Isa::available() {
        select_takes_what_a_sort_takes_on(&Cpu::with_isa(2, isa).unwrap(), (CASES, SOME_MORE));
    }
}

fn select_takes_what_a_sort_takes_on<B: Named>(b: &B, (cases, more): (&[Scored], u64)) {
    let mut random = Random(9);
    for &(n, heads, width, count, k) in cases {
        for precision in [Precision::F32, Precision::F16] {
            let row = heads * width;
            let shape = ChunkShape { retrieval_heads: heads, retrieval_width: width, ..ONE };
            let Kept { mut memory, landmarks, _dir, .. } = kept_in(&mut random, shape, precision, count, heads * k);
            let q = random.values(n * row);
            // From nothing to all there is.
            let visible: Vec<u64> =
                (0..n).map(|i| if n == 1 { count as u64 } else { (i * count / (n - 1)) as u64 }).collect();
            let scale = 1.0 / (width as f32).sqrt();
            // So small that a device cannot keep all landmarks.
            let mut reader = reader(b, least_budget(b, &memory) + more);
            let weighting = Weighting::Softmax { position_decay: false };
            let selecting = Selecting { top_k: k, scale, weighting, position_decay: 0.0 };
            reader.select(b, &mut memory, (0, &selecting), &b.vector(&q).unwrap(), &visible).unwrap();
            let mut read = Vec::new();
            reader.trace(b, 0, &mut read).unwrap();
            assert_eq!(read.len(), n * heads * k);
            for i in 0..n {
                for h in 0..heads {
                    let scores = scores(&landmarks[h * width..], row, &q[i * row + h * width..][..width], count, scale);
                    let want = best_of(&scores, visible[i], k);
                    let (got, none) = read[(i * heads + h) * k..][..k].split_at(want.len());
                    assert!(none.iter().all(|r| *r == (0, 0.0)), "{b:?} {n} {count}");
                    assert!(
                        got.windows(2).all(|pair| pair[0].0 > pair[1].0),
                        "{b:?}: {got:?} is not most recent first"
                    );
                    assert!(got.iter().all(|r| r.0 < visible[i]), "{b:?} {n} {count}");
                    // Of a softmax, the logarithms of weights are scores but for a constant.
                    let near = 1e-5 * B::SLACK.sqrt();
                    for (id, weight) in got {
                        let own = scores[*id as usize] - scores[got[0].0 as usize];
                        let told = f64::from(*weight).ln() - f64::from(got[0].1).ln();
                        assert!((own - told).abs() < near, "{b:?} {n} {count}: {own} {told}");
                    }
                    // Different ids are fine where the scores are equal but for rounding.
                    let mut own: Vec<f64> = got.iter().map(|r| scores[r.0 as usize]).collect();
                    own.sort_by(|a, b| b.total_cmp(a));
                    assert!(
                        own.iter().zip(want).all(|(own, best)| (own - scores[best as usize]).abs() < near),
                        "{b:?}"
                    );
                }
            }
        }
    }
}

/// One value of everything.
const ONE: ChunkShape = ChunkShape { chunk_size: 1, kv_heads: 1, head_dim: 1, retrieval_heads: 1, retrieval_width: 1 };

/// A reader for up to 256 tokens of two groups, with so many bytes of a device.
fn reader<B: Backend>(b: &B, budget: u64) -> Reader<B> {
    Reader::new(b, ReaderOptions { budget, tokens: 256, groups: 2 })
}

/// The least budget of such a reader.
fn least_budget<B: Backend>(b: &B, memory: &ChunkMemory) -> u64 {
    b.least_budget(&memory.shape(), memory.precision(), 256)
}

/// A reader with the least budget.
fn smallest_reader<B: Backend>(b: &B, memory: &ChunkMemory) -> Reader<B> {
    reader(b, least_budget(b, memory))
}

#[test]
fn a_shortened_memory_is_scored_and_read_anew() {
    everywhere!(a_shortened_memory_is_scored_and_read_anew_on);
}

fn a_shortened_memory_is_scored_and_read_anew_on<B: Named>(b: &B) {
    let mut random = Random(12);
    let shape = ChunkShape { retrieval_width: 16, head_dim: 16, chunk_size: 16, ..ONE };
    let Kept { mut memory, .. } = kept(&mut random, shape, Precision::F32, 20);
    let mut reader = smallest_reader(b, &memory);
    let q = b.vector(&[1.0; 16]).unwrap();
    let hsa = HsaShape {
        heads: 1,
        kv_heads: 1,
        head_dim: 16,
        chunk_size: 16,
        retrieval_heads: 1,
        top_k: 1,
        softmax_off_by_one: false,
    };
    for round in 1..40u64 {
        // The last chunks are replaced by others; one of them has by far the best landmark.
        memory.truncate(20 - round % 3).unwrap();
        let value = round as f32;
        while memory.len() < 22 {
            let best = if memory.len() == 20 { 100.0 + value } else { -1.0 };
            memory.append(&[0.0; 256], &[value; 256], &[best; 16], 0..1).unwrap();
        }
        let weighting = Weighting::StickBreaking;
        let selecting = Selecting { top_k: 1, scale: 1.0, weighting, position_decay: 0.0 };
        assert!(reader.select(b, &mut memory, (0, &selecting), &q, &[22]).unwrap());
        let mut read = Vec::new();
        reader.trace(b, 0, &mut read).unwrap();
        assert_eq!(read, [(20, 1.0)], "{b:?} round {round}");
        let mut out = poisoned(b, 16);
        reader.attend(b, &mut memory, &hsa, &q, &mut out).unwrap();
        assert_close(&format!("{b:?}"), &crate::read(b, &out, 16), &[f64::from(value); 16], 1e-5);
    }
}

#[test]
fn attend_follows_its_formula_for_every_precision() {
    everywhere!(attend_follows_its_formula_for_every_precision_on);
}

fn attend_follows_its_formula_for_every_precision_on<B: Named>(b: &B) {
    let mut random = Random(10);
    for (heads, kv_heads, retrieval_heads, d, s, k) in [
        (1, 1, 1, 1, 1, 1),
        (4, 1, 1, 16, 64, 8),
        (6, 2, 1, 7, 5, 3),
        (6, 2, 2, 24, 16, 4),
        (7, 1, 1, 8, 16, 2),
        (16, 1, 1, 64, 64, 8),
        (40, 2, 2, 32, 32, 3),
        (20, 1, 1, 128, 16, 2),
    ] {
        let base = HsaShape {
            heads,
            kv_heads,
            head_dim: d,
            chunk_size: s,
            retrieval_heads,
            top_k: k,
            softmax_off_by_one: false,
        };
        let count = 5;
        for precision in [Precision::F32, Precision::F16, Precision::Int8] {
            let shape = ChunkShape { chunk_size: s, kv_heads, head_dim: d, ..ONE };
            let Kept { mut memory, chunks, _dir, .. } = kept(&mut random, shape, precision, count);
            let mut reader = smallest_reader(b, &memory);
            for (n, softmax_off_by_one) in [(0, false), (1, false), (5, true)] {
                let shape = HsaShape { softmax_off_by_one, ..base };
                let q: Vec<f32> = random.values(n * heads * d).iter().map(|v| v * 4.0).collect();
                let picks: Vec<Pick> = (0..n * retrieval_heads * k)
                    .map(|i| match i % 4 {
                        3 => Pick { chunk: u32::MAX, weight: 0.0 },
                        _ => Pick { chunk: (random.bits() % count as u64) as u32, weight: random.value() },
                    })
                    .collect();
                let want = naive::hsa_attend(&shape, &q, n, &chunks, &picks);
                let mut out = b.vector(&vec![9.0; q.len()]).unwrap();
                let chosen: Vec<_> = picks.iter().map(|p| (u64::from(p.chunk), p.weight)).collect();
                let per_token = retrieval_heads * k;
                reader.choose(b, &mut memory, 0, &chosen, per_token).unwrap();
                reader.attend(b, &mut memory, &shape, &b.vector(&q).unwrap(), &mut out).unwrap();
                let what = format!("{b:?} {precision:?} {shape:?}");
                assert_close(&what, &read(b, &out, q.len()), &want, 1e-5 * B::SLACK);
                if n > 2 {
                    // Some tokens in the middle: the same bits, and nothing else touched.
                    let row = heads * d;
                    let mut part = b.vector(&vec![9.0; q.len()]).unwrap();
                    let some = b.vector(&q[2 * row..4 * row]).unwrap();
                    reader.choose(b, &mut memory, 1, &chosen[2 * per_token..4 * per_token], per_token).unwrap();
                    reader.attend(b, &mut memory, &shape, &some, &mut part).unwrap();
                    let mut whole = read(b, &out, q.len());
                    whole.copy_within(2 * row..4 * row, 0);
                    whole[2 * row..].fill(9.0);
                    assert_eq!(bits(&read(b, &part, q.len())), bits(&whole));
                }
            }
        }
    }
}

#[test]
fn wrong_lengths_are_errors() {
    everywhere!(wrong_lengths_are_errors_on);
}

fn wrong_lengths_are_errors_on<B: Named>(b: &B) {
    let small = b.buffer(3).unwrap();
    let mut out = b.buffer(3).unwrap();
    let w = b.weight(Tensor::from_f32(2, 2, vec![0.0; 4]).unwrap()).unwrap();
    let kind = |r: ramba::Result<()>| r.unwrap_err().kind();
    assert_eq!(kind(b.matmul(&w, &small, 2, &mut out, false)), ErrorKind::InvalidArgument);
    assert_eq!(kind(b.matmul(&w, &small, usize::MAX, &mut out, false)), ErrorKind::InvalidArgument);
    assert_eq!(kind(b.rms_norm(&small, &small, 0.0, 2, 2, &mut out)), ErrorKind::InvalidArgument);
    assert_eq!(kind(b.write(&mut out, &[0.0; 4])), ErrorKind::InvalidArgument);
    assert_eq!(kind(b.read(&out, &mut [0.0; 4])), ErrorKind::InvalidArgument);
    let far = Rows::of(usize::MAX, 1);
    assert_eq!(kind(b.copy(&small, far, &mut out, far, [1, 2], 1)), ErrorKind::InvalidArgument);
    let shape = HsaShape {
        heads: 1,
        kv_heads: 1,
        head_dim: 1,
        chunk_size: 2,
        retrieval_heads: 1,
        top_k: 1,
        softmax_off_by_one: false,
    };
    let Kept { mut memory, _dir, .. } = kept(&mut Random(1), ONE, Precision::F32, 1);
    let mut reader = smallest_reader(b, &memory);
    let kind = |r: ramba::Result<bool>| r.unwrap_err().kind();
    assert_eq!(kind(reader.choose(b, &mut memory, 0, &[(1, 1.0)], 1)), ErrorKind::InvalidArgument);
    assert_eq!(kind(reader.choose(b, &mut memory, 0, &[(0, 1.0); 3], 2)), ErrorKind::InvalidArgument);
    assert_eq!(kind(reader.choose(b, &mut memory, 2, &[(0, 1.0)], 1)), ErrorKind::InvalidArgument);
    assert_eq!(kind(reader.choose(b, &mut memory, 0, &[(0, 1.0); 257], 1)), ErrorKind::InvalidArgument);
    assert!(reader.choose(b, &mut memory, 0, &[(0, 1.0)], 1).unwrap());
    let kind = |r: ramba::Result<()>| r.unwrap_err().kind();
    let attend = reader.attend(b, &mut memory, &shape, &small, &mut out);
    assert_eq!(kind(attend), ErrorKind::InvalidArgument, "chunks of two rows, the memory has one");
    let shape = HsaShape { chunk_size: 1, ..shape };
    reader.attend(b, &mut memory, &shape, &small, &mut out).unwrap();
    let attend = reader.attend(b, &mut memory, &HsaShape { top_k: 2, ..shape }, &small, &mut out);
    assert_eq!(kind(attend), ErrorKind::InvalidArgument, "one chunk was chosen");
    let none = b.buffer(0).unwrap();
    assert_eq!(kind(reader.attend(b, &mut memory, &shape, &none, &mut out)), ErrorKind::InvalidArgument);
    let weighting = Weighting::StickBreaking;
    let selecting = Selecting { top_k: 1, scale: 1.0, weighting, position_decay: 0.0 };
    let far = reader.select(b, &mut memory, (0, &selecting), &small, &[2]);
    assert_eq!(far.unwrap_err().kind(), ErrorKind::InvalidArgument);
    let kind = |r: ramba::Result<()>| r.unwrap_err().kind();
    let shape = EncoderShape { rows: 1, heads: 1, kv_heads: 1, head_dim: 2, freq_base: 1e4 };
    let one = b.buffer(1).unwrap();
    let mut attend = |q, k| {
        b.encoder_attention(&shape, &HeadNorms { q, k, eps: 1e-5 }, [&small; 3], 1, &mut out).map_err(|e| e.kind())
    };
    assert_eq!(attend(&small, &small), Ok(()));
    assert_eq!(attend(&one, &small), Err(ErrorKind::InvalidArgument));
    assert_eq!(attend(&small, &one), Err(ErrorKind::InvalidArgument));
    let p = ssm_params(&mut Random(1), &SSM_SHAPES[0]);
    let (params, mut state) = ssm_buffers(b, &p, &SSM_SHAPES[0]);
    let odd = SsmShape { heads: 5, ..SSM_SHAPES[0] };
    assert_eq!(kind(b.ssm_mix(&odd, &params, &small, [1, 1], &mut state, &mut out)), ErrorKind::InvalidArgument);
    assert_eq!(Cpu::new(0).unwrap_err().kind(), ErrorKind::InvalidArgument);
}
