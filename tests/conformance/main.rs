//! What every backend must do: each operation against its formula in f64 (`naive.rs`), with odd sizes, one and zero, and
//! the promise that a row has the same bits alone, among others, and on any number of threads.

mod naive;

use half::f16;
use naive::{Params, State};
use ramba::ErrorKind;
use ramba::backend::{Backend, EncoderShape, HsaShape, Pick, Span, SsmParams, SsmShape, SsmState};
use ramba::cpu::{Cpu, Isa};
use ramba::memory::{ChunkView, KvData, LandmarkBlock, LandmarkData, TopK};
use ramba::quant::{self, DType};
use ramba::weights::Tensor;

/// Runs `test` on every instruction set that this CPU has.
fn everywhere(test: impl Fn(&Cpu)) {
    for isa in Isa::available() {
        test(&Cpu::with_isa(1, isa).unwrap());
    }
}

/// A small deterministic generator (xorshift64*, Vigna 2016).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    /// Uniform in −1 .. 1.
    fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
    fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.value()).collect()
    }
}

fn wide(v: &[f32]) -> Vec<f64> {
    v.iter().map(|&v| f64::from(v)).collect()
}

fn read(b: &Cpu, buffer: &<Cpu as Backend>::Buffer, n: usize) -> Vec<f32> {
    let mut out = vec![0.0; n];
    b.read(buffer, &mut out).unwrap();
    out
}

fn assert_close(what: &str, got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1e-30f64, |m, v| m.max(v.abs()));
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
    everywhere(|b| {
        let mut rng = Rng(1);
        for width in SIZES {
            for rows in [0, 1, 3] {
                let (x, w) = (rng.values(rows * width), rng.values(width));
                let want: Vec<f64> = x.chunks(width).flat_map(|x| naive::rms_norm(&wide(x), &w, 1e-5)).collect();
                let (x, w) = (b.vector(&x).unwrap(), b.vector(&w).unwrap());
                let mut out = b.buffer(rows * width).unwrap();
                b.rms_norm(&x, &w, 1e-5, rows, width, &mut out).unwrap();
                assert_close(&format!("{b:?} {rows} x {width}"), &read(b, &out, rows * width), &want, 1e-6);
            }
        }
    });
}

#[test]
fn elementwise_operations_follow_their_formulas() {
    everywhere(|b| {
        let mut rng = Rng(2);
        for n in SIZES.into_iter().chain([0, 40_000]) {
            // Far into both ends, where a careless exp overflows.
            let gate: Vec<f32> = rng.values(n).iter().map(|v| v * 40.0).chain([-200.0, 200.0, 0.0]).collect();
            let up = rng.values(n + 3);
            let want: Vec<f64> =
                gate.iter().zip(&up).map(|(&g, &u)| naive::silu(f64::from(g)) * f64::from(u)).collect();
            let mut out = b.vector(&gate).unwrap();
            let up = b.vector(&up).unwrap();
            b.silu_mul(&mut out, &up, n + 3).unwrap();
            for (got, want) in read(b, &out, n + 3).iter().zip(&want) {
                assert!((f64::from(*got) - want).abs() <= 1e-6 * want.abs() + 1e-30, "{b:?}: {got} for {want}");
            }
        }
        let (y, bias) = (rng.values(5 * 9), rng.values(9));
        let want: Vec<f64> = y.iter().enumerate().map(|(i, v)| f64::from(*v) + f64::from(bias[i % 9])).collect();
        let mut out = b.vector(&y).unwrap();
        b.add_bias(&mut out, &b.vector(&bias).unwrap(), 5, 9).unwrap();
        assert_close("add_bias", &read(b, &out, 45), &want, 1e-7);

        let x = rng.values(2 * 3 * 9);
        let mean = |i: usize| (0..3).map(|r| f64::from(x[(i / 9 * 3 + r) * 9 + i % 9])).sum::<f64>() / 3.0;
        let want: Vec<f64> = (0..18).map(mean).collect();
        let mut out = b.buffer(18).unwrap();
        b.mean_rows(&b.vector(&x).unwrap(), 2, 3, 9, &mut out).unwrap();
        assert_close("mean_rows", &read(b, &out, 18), &want, 1e-6);

        let mut out = b.buffer(10).unwrap();
        let x = b.vector(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        b.copy(&x, Span { at: 1, stride: 2 }, &mut out, Span { at: 0, stride: 5 }, 2, 3).unwrap();
        assert_eq!(read(b, &out, 10), [2.0, 3.0, 4.0, 0.0, 0.0, 4.0, 5.0, 6.0, 0.0, 0.0]);
    });
}

/// Random weights of a type, and what they stand for.
fn weights(rng: &mut Rng, dtype: DType, rows: usize, cols: usize) -> (Tensor, Vec<f64>) {
    let mut bytes = vec![0; rows * dtype.row_bytes(cols).unwrap()];
    quant::quantize(dtype, &rng.values(rows * cols), &mut bytes).unwrap();
    let tensor = Tensor::from_bytes(dtype, rows, cols, bytes).unwrap();
    let values = wide(&tensor.to_f32().unwrap());
    (tensor, values)
}

#[test]
fn matmul_follows_its_formula_for_every_type() {
    everywhere(|b| {
        let mut rng = Rng(3);
        for dtype in DType::ALL {
            let quantized = dtype.block_len() > 1;
            let all: &[usize] = if quantized { &[0, 32, 96, 256, 1280] } else { &[0, 1, 7, 8, 9, 33, 100, 513] };
            for &cols in all.iter().filter(|cols| cols.is_multiple_of(dtype.block_len())) {
                for rows in [0, 1, 3, 8, 17, 37] {
                    let (w, values) = weights(&mut rng, dtype, rows, cols);
                    for n in [0, 1, 2, 3, 5, 6, 7, 13, 70] {
                        let x: Vec<f32> = rng.values(n * cols).iter().map(|v| v * 3.0).collect();
                        let seen = if quantized { naive::through_8_bits(&x) } else { wide(&x) };
                        let want = naive::matmul(&seen, &values, n, rows, cols);
                        let (w, x) = (b.weight(w.clone()).unwrap(), b.vector(&x).unwrap());
                        let mut y = b.buffer(n * rows).unwrap();
                        b.matmul(&w, &x, n, &mut y, false).unwrap();
                        let what = format!("{b:?} {dtype} {n} x {cols} x {rows}");
                        assert_close(&what, &read(b, &y, n * rows), &want, 3e-6);
                        b.matmul(&w, &x, n, &mut y, true).unwrap();
                        let twice: Vec<f64> = want.iter().map(|v| 2.0 * v).collect();
                        assert_close(&what, &read(b, &y, n * rows), &twice, 3e-6);
                    }
                }
            }
        }
    });
}

#[test]
fn extreme_quantized_values_do_not_overflow() {
    everywhere(|b| {
        for dtype in DType::ALL.into_iter().filter(|t| t.block_len() > 1) {
            for fill in [0x00, 0x7f, 0x80, 0xff] {
                // Every byte of every integer at an end of its range, with scales of 1.
                let (rows, cols) = (16, 512);
                let mut bytes = vec![fill; rows * dtype.row_bytes(cols).unwrap()];
                for block in bytes.chunks_exact_mut(dtype.block_bytes()) {
                    let scales: &[usize] = match dtype {
                        DType::Q4_K => &[0, 2],
                        DType::Q6_K => &[208],
                        _ => &[0],
                    };
                    for &at in scales {
                        block[at..at + 2].copy_from_slice(&f16::ONE.to_le_bytes());
                    }
                }
                let w = Tensor::from_bytes(dtype, rows, cols, bytes).unwrap();
                let values = wide(&w.to_f32().unwrap());
                for sign in [1.0, -1.0] {
                    let x = vec![sign; 9 * cols];
                    let want = naive::matmul(&wide(&x), &values, 9, rows, cols);
                    for n in [1, 9] {
                        let mut y = b.buffer(n * rows).unwrap();
                        b.matmul(&w, &b.vector(&x).unwrap(), n, &mut y, false).unwrap();
                        assert_close(
                            &format!("{b:?} {dtype} {fill:x}"),
                            &read(b, &y, n * rows),
                            &want[..n * rows],
                            1e-5,
                        );
                    }
                }
            }
        }
    });
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others_and_on_any_number_of_threads() {
    for isa in Isa::available() {
        let one = Cpu::with_isa(1, isa).unwrap();
        let more = [2, 3].map(|threads| Cpu::with_isa(threads, isa).unwrap());
        let mut rng = Rng(4);
        for dtype in DType::ALL {
            let (rows, n) = (530, 67);
            let cols = if dtype.block_len() == 1 { 203 } else { 256 };
            let (w, _) = weights(&mut rng, dtype, rows, cols);
            let x = rng.values(n * cols);
            let run = |b: &Cpu, x: &[f32]| {
                let n = x.len() / cols;
                let mut y = b.buffer(n * rows).unwrap();
                b.matmul(&w, &b.vector(x).unwrap(), n, &mut y, false).unwrap();
                bits(&read(b, &y, n * rows))
            };
            let all = run(&one, &x);
            for b in &more {
                assert!(run(b, &x) == all, "{b:?} {dtype}");
            }
            for part in [1, 2, 5, 6, 30] {
                let parts: Vec<u32> = x.chunks(part * cols).flat_map(|x| run(&one, x)).collect();
                assert!(parts == all, "{isa:?} {dtype}: {part} rows at a time");
            }
        }
    }
}

#[test]
fn embed_looks_rows_up() {
    everywhere(|b| {
        let mut rng = Rng(5);
        for dtype in DType::ALL {
            let (w, values) = weights(&mut rng, dtype, 5, 256);
            let mut out = b.buffer(3 * 256).unwrap();
            b.embed(&w, &[4, 0, 4], &mut out).unwrap();
            let want: Vec<f64> = [4, 0, 4].iter().flat_map(|r| values[r * 256..(r + 1) * 256].to_vec()).collect();
            assert_close(dtype.name(), &read(b, &out, 3 * 256), &want, 0.0);
            assert_eq!(b.embed(&w, &[5], &mut out).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
    });
}

const SSM_SHAPES: [SsmShape; 5] = {
    let base =
        SsmShape { inner: 64, heads: 2, state: 16, groups: 1, conv: 4, dt_min: 0.0, dt_max: f32::INFINITY, eps: 1e-5 };
    [
        base,
        SsmShape { inner: 15, heads: 3, state: 7, groups: 3, conv: 3, ..base },
        SsmShape { inner: 1, heads: 1, state: 1, conv: 1, ..base },
        SsmShape { inner: 96, heads: 4, state: 40, groups: 2, dt_min: 0.01, dt_max: 0.5, ..base },
        SsmShape { inner: 128, heads: 2, state: 128, ..base },
    ]
};

fn ssm_params(rng: &mut Rng, shape: &SsmShape) -> Params {
    let channels = shape.conv_channels();
    Params {
        conv_weight: rng.values(channels * shape.conv),
        conv_bias: rng.values(channels),
        dt_bias: rng.values(shape.heads).iter().map(|v| v * 2.0 - 1.0).collect(),
        a: rng.values(shape.heads).iter().map(|v| -(v * 3.0).exp()).collect(),
        d: rng.values(shape.heads),
        norm: rng.values(shape.inner),
    }
}

fn ssm_buffers(
    b: &Cpu,
    p: &Params,
    shape: &SsmShape,
) -> (SsmParams<<Cpu as Backend>::Buffer>, SsmState<<Cpu as Backend>::Buffer>) {
    let v = |v: &[f32]| b.vector(v).unwrap();
    let params = SsmParams {
        conv_weight: v(&p.conv_weight),
        conv_bias: v(&p.conv_bias),
        dt_bias: v(&p.dt_bias),
        a: v(&p.a),
        d: v(&p.d),
        norm: v(&p.norm),
    };
    let state =
        SsmState { conv: b.buffer(shape.conv_state_len()).unwrap(), ssm: b.buffer(shape.ssm_state_len()).unwrap() };
    (params, state)
}

#[test]
fn ssm_mix_follows_its_recurrence_in_any_split() {
    everywhere(|b| {
        let mut rng = Rng(6);
        for shape in SSM_SHAPES {
            let p = ssm_params(&mut rng, &shape);
            let total = 200;
            let input: Vec<f32> = rng.values(total * shape.projected()).iter().map(|v| v * 2.0).collect();
            let zero = State { conv: vec![0.0; shape.conv_state_len()], ssm: vec![0.0; shape.ssm_state_len()] };
            let mut end = zero.clone();
            let want = naive::ssm_mix(&shape, &p, &input, &mut end);
            for split in [vec![200], vec![1; 200], vec![64, 1, 63, 2, 70], vec![3, 61, 65, 7, 64]] {
                let (params, mut state) = ssm_buffers(b, &p, &shape);
                let mut got = Vec::new();
                let mut at = 0;
                for n in split {
                    let x = b.vector(&input[at * shape.projected()..(at + n) * shape.projected()]).unwrap();
                    let mut y = b.buffer(n * shape.inner).unwrap();
                    b.ssm_mix(&shape, &params, &x, n, &mut state, &mut y).unwrap();
                    got.extend(read(b, &y, n * shape.inner));
                    at += n;
                }
                let what = format!("{b:?} {shape:?}");
                assert_close(&what, &got, &want, 2e-5);
                assert_close(&what, &read(b, &state.conv, shape.conv_state_len()), &end.conv, 1e-7);
                assert_close(&what, &read(b, &state.ssm, shape.ssm_state_len()), &end.ssm, 1e-5);
            }
        }
    });
}

#[test]
fn ssm_mix_has_the_same_bits_for_splits_at_64_and_any_number_of_threads() {
    for isa in Isa::available() {
        let cpus = [1, 2, 3].map(|threads| Cpu::with_isa(threads, isa).unwrap());
        let mut rng = Rng(7);
        // Large enough for several threads.
        let shape = SsmShape { inner: 256, heads: 8, state: 32, ..SSM_SHAPES[0] };
        let p = ssm_params(&mut rng, &shape);
        let input = rng.values(193 * shape.projected());
        let run = |b: &Cpu, split: &[usize]| {
            let (params, mut state) = ssm_buffers(b, &p, &shape);
            let mut got = Vec::new();
            let mut at = 0;
            for n in split {
                let x = b.vector(&input[at * shape.projected()..(at + n) * shape.projected()]).unwrap();
                let mut y = b.buffer(n * shape.inner).unwrap();
                b.ssm_mix(&shape, &params, &x, *n, &mut state, &mut y).unwrap();
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

#[test]
fn encoder_attention_follows_its_formula() {
    everywhere(|b| {
        let mut rng = Rng(8);
        for (rows, heads, kv_heads, head_dim) in [(1, 1, 1, 2), (5, 2, 1, 6), (17, 4, 2, 16), (65, 4, 4, 32)] {
            let shape = EncoderShape { rows, heads, kv_heads, head_dim, freq_base: 10000.0 };
            for chunks in [0, 1, 3] {
                let q: Vec<f32> = rng.values(chunks * rows * heads * head_dim).iter().map(|v| v * 3.0).collect();
                let k = rng.values(chunks * rows * kv_heads * head_dim);
                let v = rng.values(chunks * rows * kv_heads * head_dim);
                let want = naive::encoder_attention(&shape, &q, &k, &v, chunks);
                let mut out = b.buffer(q.len()).unwrap();
                let [bq, bk, bv] = [&q, &k, &v].map(|v| b.vector(v).unwrap());
                b.encoder_attention(&shape, &bq, &bk, &bv, chunks, &mut out).unwrap();
                assert_close(&format!("{b:?} {shape:?}"), &read(b, &out, q.len()), &want, 5e-6);
            }
        }
    });
}

/// The best `k` of all visible landmarks, by a full sort.
fn best_of(scores: &[f64], visible: u64, k: usize) -> Vec<u64> {
    let mut ids: Vec<u64> = (0..scores.len() as u64).filter(|&c| c < visible).collect();
    ids.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
    ids.truncate(k);
    ids
}

#[test]
fn score_top_k_selects_what_a_sort_selects() {
    for (isa, threads) in Isa::available().flat_map(|isa| [(isa, 1), (isa, 2)]) {
        let b = &Cpu::with_isa(threads, isa).unwrap();
        let mut rng = Rng(9);
        for (n, heads, width, count, k) in [
            (1, 1, 64, 1, 8),
            (1, 2, 9, 300, 4),
            (3, 1, 128, 5000, 8),
            (70, 1, 32, 257, 8),
            (20, 3, 7, 65, 64),
            (2, 1, 1, 40, 1),
        ] {
            for half in [false, true] {
                let row = heads * width;
                let (q, landmarks) = (rng.values(n * row), rng.values(count * row));
                let halves: Vec<u16> = landmarks.iter().map(|&v| f16::from_f32(v).to_bits()).collect();
                let seen: Vec<f64> = match half {
                    true => halves.iter().map(|&v| f64::from(f16::from_bits(v).to_f32())).collect(),
                    false => wide(&landmarks),
                };
                // From nothing to more than there is.
                let visible: Vec<u64> =
                    (0..n).map(|i| (i * (count + 2) / n.max(1)) as u64 + (n == 1) as u64 * 999).collect();
                let scale = 1.0 / (width as f32).sqrt();
                let mut top: Vec<TopK> = (0..n * heads).map(|_| TopK::new(k).unwrap()).collect();
                let bq = b.vector(&q).unwrap();
                // In two blocks, the second not a multiple of anything.
                let first = count / 3;
                for (from, to) in [(0, first), (first, count)] {
                    if from == to {
                        continue;
                    }
                    let (f, h) = (&landmarks[from * row..to * row], &halves[from * row..to * row]);
                    let data = if half { LandmarkData::F16(h) } else { LandmarkData::F32(f) };
                    let block = LandmarkBlock { first: from as u64, count: to - from, data };
                    b.score_top_k(&bq, heads, width, &block, &visible, scale, &mut top).unwrap();
                }
                for i in 0..n {
                    for h in 0..heads {
                        let scores: Vec<f64> = (0..count)
                            .map(|c| {
                                let l = &seen[c * row + h * width..][..width];
                                let q = &q[i * row + h * width..][..width];
                                q.iter().zip(l).map(|(&q, &l)| f64::from(q) * l).sum::<f64>() * f64::from(scale)
                            })
                            .collect();
                        let want = best_of(&scores, visible[i], k);
                        let got = top[i * heads + h].best_first();
                        assert_eq!(got.len(), want.len());
                        for (got, want) in got.iter().zip(want) {
                            // Different ids are fine where the scores are equal but for rounding.
                            let (a, z) = (scores[got.id as usize], scores[want as usize]);
                            assert!(
                                (a - z).abs() < 1e-5 && (f64::from(got.score) - a).abs() < 1e-5,
                                "{b:?} {n} {count}"
                            );
                            assert!(got.id < visible[i]);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn hsa_attend_follows_its_formula_for_every_precision() {
    everywhere(|b| {
        let mut rng = Rng(10);
        for (heads, kv_heads, retrieval_heads, d, s, k) in
            [(1, 1, 1, 1, 1, 1), (4, 1, 1, 16, 64, 8), (6, 2, 1, 7, 5, 3), (6, 2, 2, 24, 16, 4), (7, 1, 1, 8, 16, 2)]
        {
            let base = HsaShape {
                heads,
                kv_heads,
                head_dim: d,
                chunk_size: s,
                retrieval_heads,
                top_k: k,
                softmax_off_by_one: false,
            };
            let len = s * kv_heads * d;
            let count = 5;
            let values: Vec<Vec<f32>> = (0..2 * count).map(|_| rng.values(len)).collect();
            let halves: Vec<Vec<u16>> =
                values.iter().map(|v| v.iter().map(|&v| f16::from_f32(v).to_bits()).collect()).collect();
            let bytes: Vec<Vec<i8>> = values.iter().map(|v| v.iter().map(|v| (v * 127.0) as i8).collect()).collect();
            let scales: Vec<Vec<f32>> = (0..2 * count).map(|_| rng.values(s * kv_heads)).collect();
            for precision in 0..3 {
                let data = |i: usize| match precision {
                    0 => KvData::F32(&values[i]),
                    1 => KvData::F16(&halves[i]),
                    _ => KvData::Int8 { scales: &scales[i], data: &bytes[i] },
                };
                let seen = |i: usize| -> Vec<f64> {
                    match precision {
                        0 => wide(&values[i]),
                        1 => halves[i].iter().map(|&v| f64::from(f16::from_bits(v).to_f32())).collect(),
                        _ => {
                            let scaled = |(e, &v): (usize, &i8)| f64::from(v) * f64::from(scales[i][e / d]);
                            bytes[i].iter().enumerate().map(scaled).collect()
                        }
                    }
                };
                let chunks: Vec<ChunkView<'_>> =
                    (0..count).map(|i| ChunkView { keys: data(2 * i), values: data(2 * i + 1) }).collect();
                let naive_chunks: Vec<_> = (0..count).map(|i| (seen(2 * i), seen(2 * i + 1))).collect();
                for (n, softmax_off_by_one) in [(0, false), (1, false), (5, true)] {
                    let shape = HsaShape { softmax_off_by_one, ..base };
                    let q: Vec<f32> = rng.values(n * heads * d).iter().map(|v| v * 4.0).collect();
                    let picks: Vec<Pick> = (0..n * retrieval_heads * k)
                        .map(|i| match i % 4 {
                            3 => Pick { chunk: u32::MAX, weight: 0.0 },
                            _ => Pick { chunk: (rng.next() % count as u64) as u32, weight: rng.value() },
                        })
                        .collect();
                    let want = naive::hsa_attend(&shape, &q, n, &naive_chunks, &picks);
                    let mut out = b.vector(&vec![9.0; q.len()]).unwrap();
                    b.hsa_attend(&shape, &b.vector(&q).unwrap(), 0..n, &chunks, &picks, &mut out).unwrap();
                    assert_close(&format!("{b:?} {shape:?}"), &read(b, &out, q.len()), &want, 1e-5);
                    if n > 2 {
                        // Some tokens in the middle: the same bits, and nothing else touched.
                        let mut part = b.vector(&vec![9.0; q.len()]).unwrap();
                        let picks = &picks[2 * retrieval_heads * k..];
                        b.hsa_attend(&shape, &b.vector(&q).unwrap(), 2..4, &chunks, picks, &mut part).unwrap();
                        let mut whole = read(b, &out, q.len());
                        whole[..2 * heads * d].fill(9.0);
                        whole[4 * heads * d..].fill(9.0);
                        assert_eq!(bits(&read(b, &part, q.len())), bits(&whole));
                    }
                }
            }
        }
    });
}

#[test]
fn wrong_lengths_are_errors() {
    everywhere(|b| {
        let small = b.buffer(3).unwrap();
        let mut out = b.buffer(3).unwrap();
        let w = Tensor::from_f32(2, 2, vec![0.0; 4]).unwrap();
        let kind = |r: ramba::Result<()>| r.unwrap_err().kind();
        assert_eq!(kind(b.matmul(&w, &small, 2, &mut out, false)), ErrorKind::InvalidArgument);
        assert_eq!(kind(b.matmul(&w, &small, usize::MAX, &mut out, false)), ErrorKind::InvalidArgument);
        assert_eq!(kind(b.rms_norm(&small, &small, 0.0, 2, 2, &mut out)), ErrorKind::InvalidArgument);
        assert_eq!(kind(b.write(&mut out, &[0.0; 4])), ErrorKind::InvalidArgument);
        assert_eq!(kind(b.read(&out, &mut [0.0; 4])), ErrorKind::InvalidArgument);
        let far = Span { at: usize::MAX, stride: 1 };
        assert_eq!(kind(b.copy(&small, far, &mut out, far, 2, 1)), ErrorKind::InvalidArgument);
        let shape = HsaShape {
            heads: 1,
            kv_heads: 1,
            head_dim: 1,
            chunk_size: 2,
            retrieval_heads: 1,
            top_k: 1,
            softmax_off_by_one: false,
        };
        let pick = Pick { chunk: 0, weight: 1.0 };
        assert_eq!(kind(b.hsa_attend(&shape, &small, 0..1, &[], &[pick], &mut out)), ErrorKind::InvalidArgument);
        let short = ChunkView { keys: KvData::F32(&[0.0]), values: KvData::F32(&[0.0]) };
        assert_eq!(kind(b.hsa_attend(&shape, &small, 0..1, &[short], &[pick], &mut out)), ErrorKind::InvalidArgument);
        let p = ssm_params(&mut Rng(1), &SSM_SHAPES[0]);
        let (params, mut state) = ssm_buffers(b, &p, &SSM_SHAPES[0]);
        let odd = SsmShape { heads: 5, ..SSM_SHAPES[0] };
        assert_eq!(kind(b.ssm_mix(&odd, &params, &small, 1, &mut state, &mut out)), ErrorKind::InvalidArgument);
        assert_eq!(Cpu::new(0).unwrap_err().kind(), ErrorKind::InvalidArgument);
    });
}
