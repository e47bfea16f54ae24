//! A whole Mamba-2 block.

use ramba::Cancel;
use ramba::backend::{MambaScratch, MambaWeights};

use super::*;

/// Shape, width of the model and type of the weights: those that a device may have kernels for, then others.
fn blocks() -> Vec<(SsmShape, usize, DType)> {
    let base = SsmShape { inner: 256, heads: 4, state: 32, ..SSM_SHAPES[0] };
    vec![
        (base, 128, DType::F16),
        (SsmShape { inner: 64, heads: 1, dt_min: 0.01, dt_max: 0.5, ..base }, 8, DType::BF16),
        (SsmShape { inner: 512, heads: 8, ..base }, 72, DType::F16),
        (base, 136, DType::F16),
        (base, 128, DType::F32),
        (base, 128, DType::Q8_0),
        (SsmShape { inner: 96, heads: 4, state: 40, groups: 2, ..base }, 33, DType::F32),
        (SsmShape { inner: 96, heads: 3, conv: 3, ..base }, 64, DType::BF16),
    ]
}

/// A block with random weights, and what they stand for.
struct RandomBlock<B: Backend> {
    shape: SsmShape,
    width: usize,
    dtype: DType,
    params: Params,
    norm: Vec<f32>,
    gated: Vec<f32>,
    /// (2·E + 2·Ng·N + nh, D), (D, E)
    dense: [Vec<f64>; 2],
    weights: [B::Weight; 2],
    norms: [B::Buffer; 2],
    mixer: SsmParams<B::Buffer>,
}

impl<B: Backend> RandomBlock<B> {
    fn new(b: &B, random: &mut Random, shape: SsmShape, width: usize, dtype: DType) -> Self {
        let params = ssm_params(random, &shape);
        let (norm, gated) = (random.values(width), random.values(shape.inner));
        let [(w_in, dense_in), (w_out, dense_out)] =
            [(shape.projected(), width), (width, shape.inner)].map(|(rows, cols)| weights(random, dtype, rows, cols));
        let (mixer, _) = ssm_buffers(b, &params, &shape);
        Self {
            norms: [b.vector(&norm).unwrap(), b.vector(&gated).unwrap()],
            weights: [b.weight(w_in).unwrap(), b.weight(w_out).unwrap()],
            dense: [dense_in, dense_out],
            shape,
            width,
            dtype,
            params,
            norm,
            gated,
            mixer,
        }
    }

    fn scratch(&self, b: &B, rows: usize) -> MambaScratch<B::Buffer> {
        let shape = &self.shape;
        MambaScratch {
            normed: poisoned(b, rows * self.width),
            projected: poisoned(b, rows * shape.projected()),
            mixed: poisoned(b, rows * shape.inner),
            mixed_norm: poisoned(b, rows * shape.inner),
            cancel: Cancel::default(),
        }
    }

    fn weights(&self) -> MambaWeights<'_, B::Weight, B::Buffer> {
        let shape = &self.shape;
        MambaWeights {
            norm: Norm { weight: &self.norms[0], width: self.width, eps: 1e-5 },
            in_proj: &self.weights[0],
            mixer: &self.mixer,
            gated_norm: Norm { weight: &self.norms[1], width: shape.inner / shape.groups, eps: 1e-5 },
            out_proj: &self.weights[1],
        }
    }

    /// `n` tokens of each of `sequences`; the states move on.
    fn run(&self, b: &B, x: &[f32], sequences: usize, n: usize, state: &mut SsmState<B::Buffer>) -> Vec<f32> {
        let (rows, mut x) = (sequences * n, b.vector(x).unwrap());
        let mut scratch = self.scratch(b, rows);
        b.mamba_block(&self.shape, &self.weights(), &mut x, [sequences, n], state, &mut scratch).unwrap();
        read(b, &x, rows * self.width)
    }

    /// What one sequence adds to `x`. With `rounded` products see their inputs as integers of 8 bits.
    fn added(&self, x: &[f32], state: &mut State, rounded: bool) -> Vec<f64> {
        let seen = |values: Vec<f64>| match rounded {
            true => naive::through_8_bits(&values.iter().map(|&v| v as f32).collect::<Vec<_>>()),
            false => values,
        };
        let (shape, width, n) = (&self.shape, self.width, x.len() / self.width);
        let normed: Vec<f64> = x.chunks(width).flat_map(|x| naive::rms_norm(&wide(x), &self.norm, 1e-5)).collect();
        let projected = naive::matmul(&seen(normed), &self.dense[0], n, shape.projected(), width);
        let projected: Vec<f32> = projected.iter().map(|&v| v as f32).collect();
        let part = shape.inner / shape.groups;
        let mixed: Vec<f64> = naive::ssm_mix(shape, &self.params, &projected, state)
            .chunks(part)
            .enumerate()
            .flat_map(|(i, y)| naive::rms_norm(y, &self.gated[i % shape.groups * part..][..part], 1e-5))
            .collect();
        naive::matmul(&seen(mixed), &self.dense[1], n, width, shape.inner)
    }
}

#[test]
fn mamba_block_follows_its_formula() {
    everywhere!(mamba_block_follows_its_formula_on);
}

fn mamba_block_follows_its_formula_on<B: Named>(b: &B) {
    let mut random = Random(21);
    for (shape, width, dtype) in blocks() {
        let block = RandomBlock::new(b, &mut random, shape, width, dtype);
        for (sequences, n) in [(0, 5), (3, 0), (2, 1), (1, 2), (2, 5), (1, 64), (3, 70), (2, 200)] {
            let x = random.values(sequences * n * width);
            let mut values = |len: usize| (0..sequences.max(1)).map(|_| random.values(len)).collect::<Vec<_>>();
            let (conv, ssm) = (values(shape.conv_state_len()), values(shape.ssm_state_len()));
            let (mut want, mut want_conv, mut want_ssm) = (Vec::new(), Vec::new(), Vec::new());
            let rounded = dtype == DType::Q8_0 && b.quantizes(sequences * n);
            for (s, x) in x.chunks_exact((n * width).max(1)).enumerate() {
                let mut state = State { conv: wide(&conv[s]), ssm: wide(&ssm[s]) };
                want.extend(block.added(x, &mut state, rounded));
                want_conv.extend(state.conv);
                want_ssm.extend(state.ssm);
            }
            let vector = |parts: &[Vec<f32>]| b.vector(&parts.concat()).unwrap();
            let mut state = SsmState { conv: vector(&conv), ssm: vector(&ssm) };
            let got = block.run(b, &x, sequences, n, &mut state);
            let added: Vec<f32> = got.iter().zip(&x).map(|(got, x)| got - x).collect();
            let what = format!("{b:?} {dtype} {width} {shape:?}, {sequences} of {n}");
            // Some numbers of 8 bits are rounded the other way, and the gated norm makes what comes of it larger in small rows.
            let error = if rounded { 1e-2 } else { 8e-5 + 2e-5 * B::SLACK };
            assert_close(&what, &added, &want, error);
            assert_close(&what, &read(b, &state.conv, want_conv.len()), &want_conv, error);
            assert_close(&what, &read(b, &state.ssm, want_ssm.len()), &want_ssm, error);
        }
    }
}

#[test]
fn mamba_block_has_the_same_bits_among_others_and_in_splits_at_64() {
    everywhere!(mamba_block_has_the_same_bits_among_others_and_in_splits_at_64_on);
}

fn mamba_block_has_the_same_bits_among_others_and_in_splits_at_64_on<B: Named>(b: &B) {
    let mut random = Random(22);
    // A GPU has other kernels for few rows than for many where it has none for the whole block.
    let count = if B::SLACK > 1.0 { 3 } else { usize::MAX };
    for (shape, width, dtype) in blocks().into_iter().take(count) {
        let block = RandomBlock::new(b, &mut random, shape, width, dtype);
        let (n, sequences) = (576, 3);
        let x = random.values(sequences * n * width);
        let zero = |sequences: usize| SsmState {
            conv: b.buffer(sequences * shape.conv_state_len()).unwrap(),
            ssm: b.buffer(sequences * shape.ssm_state_len()).unwrap(),
        };
        let mut state = zero(sequences);
        let together = block.run(b, &x, sequences, n, &mut state);
        let states = read(b, &state.ssm, sequences * shape.ssm_state_len());
        for (s, x) in x.chunks(n * width).enumerate() {
            for split in [&[576][..], &[64, 512], &[320, 64, 192]] {
                let (mut at, mut got, mut state) = (0, Vec::new(), zero(1));
                for n in split {
                    got.extend(block.run(b, &x[at * width..(at + n) * width], 1, *n, &mut state));
                    at += n;
                }
                let what = format!("{b:?} {dtype} {width} {shape:?}, sequence {s} in {split:?}");
                assert!(bits(&got) == bits(&together[s * n * width..][..n * width]), "{what}");
                let len = shape.ssm_state_len();
                assert!(bits(&read(b, &state.ssm, len)) == bits(&states[s * len..][..len]), "{what}");
            }
        }
    }
}

#[test]
fn mamba_block_checks_its_arguments() {
    everywhere!(mamba_block_checks_its_arguments_on);
}

fn mamba_block_checks_its_arguments_on<B: Named>(b: &B) {
    let mut random = Random(23);
    let (shape, width, dtype) = blocks()[0];
    let block = RandomBlock::new(b, &mut random, shape, width, dtype);
    let n = 70;
    // x, the inputs before, the state: one of them too short.
    for short in 0..3 {
        let len = |which: usize, len: usize| len - usize::from(which == short);
        let mut x = b.buffer(len(0, n * width)).unwrap();
        let mut state = SsmState {
            conv: b.buffer(len(1, shape.conv_state_len())).unwrap(),
            ssm: b.buffer(len(2, shape.ssm_state_len())).unwrap(),
        };
        let mut scratch = block.scratch(b, n);
        let e = b.mamba_block(&shape, &block.weights(), &mut x, [1, n], &mut state, &mut scratch).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{short}");
    }
}

/// The published 370M, for which a device may have one kernel for all blocks of a token.
const PUBLISHED: SsmShape = SsmShape { inner: 2048, heads: 32, state: 128, ..SSM_SHAPES[0] };

#[test]
fn mamba_blocks_follow_their_formula() {
    everywhere!(mamba_blocks_follow_their_formula_on);
}

fn mamba_blocks_follow_their_formula_on<B: Named>(b: &B) {
    let mut random = Random(24);
    let small = blocks()[0].0;
    let wide_heads = SsmShape { heads: 8, dt_min: 0.01, dt_max: 0.5, ..PUBLISHED };
    let cases = [
        (small, 128, vec![]),
        (small, 128, vec![DType::F16, DType::Q8_0, DType::F32]),
        (PUBLISHED, 1024, vec![DType::F16]),
        (PUBLISHED, 1024, vec![DType::F16, DType::F16, DType::BF16]),
        (wide_heads, 1024, vec![DType::BF16]),
        (PUBLISHED, 1024, vec![DType::F16, DType::Q8_0]),
    ];
    for (shape, width, types) in cases {
        let all: Vec<_> = types.iter().map(|&dtype| RandomBlock::new(b, &mut random, shape, width, dtype)).collect();
        follow(b, &mut random, &all.iter().collect::<Vec<_>>(), 3);
    }
    // More than go into one launch. It is a loop on a CPU.
    if B::SLACK > 1.0 {
        let block = RandomBlock::new(b, &mut random, PUBLISHED, 1024, DType::F16);
        follow(b, &mut random, &[&block; 35], 1);
    }
}

/// A few tokens through `blocks`, each with a state of its own.
fn follow<B: Named>(b: &B, random: &mut Random, blocks: &[&RandomBlock<B>], tokens: usize) {
    let mut want: Vec<State> = Vec::new();
    let mut states: Vec<SsmState<B::Buffer>> = Vec::new();
    for block in blocks {
        let (conv, ssm) = (random.values(block.shape.conv_state_len()), random.values(block.shape.ssm_state_len()));
        want.push(State { conv: wide(&conv), ssm: wide(&ssm) });
        states.push(SsmState { conv: b.vector(&conv).unwrap(), ssm: b.vector(&ssm).unwrap() });
    }
    let (shape, width) = blocks.first().map_or((SSM_SHAPES[0], 1), |block| (block.shape, block.width));
    let mut scratch = blocks.first().map_or_else(
        || MambaScratch {
            normed: b.buffer(0).unwrap(),
            projected: b.buffer(0).unwrap(),
            mixed: b.buffer(0).unwrap(),
            mixed_norm: b.buffer(0).unwrap(),
            cancel: Cancel::default(),
        },
        |block| block.scratch(b, 1),
    );
    let types: Vec<_> = blocks.iter().map(|block| block.dtype).collect();
    let rough = types.contains(&DType::Q8_0) && b.quantizes(1);
    let error = (if rough { 5e-2 } else { 8e-5 + 2e-5 * B::SLACK }) * types.len().max(1) as f64;
    for token in 0..tokens {
        let what = format!("{b:?} {types:?} {width} {shape:?}, token {token}");
        let first = random.values(width);
        // Each block takes the stream as f32, as the device does.
        let mut x = first.clone();
        for (block, state) in blocks.iter().zip(&mut want) {
            let added = block.added(&x, state, block.dtype == DType::Q8_0 && b.quantizes(1));
            x.iter_mut().zip(added).for_each(|(x, added)| *x = (f64::from(*x) + added) as f32);
        }
        let mut got = b.vector(&first).unwrap();
        let run = blocks.iter().zip(&mut states).map(|(block, state)| (block.weights(), state));
        b.mamba_blocks(&shape, run, &mut got, [1, 1], &mut scratch).unwrap();
        assert_close(&what, &read(b, &got, width), &wide(&x), error);
        for (state, want) in states.iter().zip(&want) {
            assert_close(&what, &read(b, &state.conv, want.conv.len()), &want.conv, error);
            assert_close(&what, &read(b, &state.ssm, want.ssm.len()), &want.ssm, error);
        }
    }
}

#[test]
fn mamba_blocks_check_their_arguments() {
    everywhere!(mamba_blocks_check_their_arguments_on);
}

fn mamba_blocks_check_their_arguments_on<B: Named>(b: &B) {
    let mut random = Random(25);
    for (shape, width) in [(blocks()[0].0, 128), (PUBLISHED, 1024)] {
        let block = RandomBlock::new(b, &mut random, shape, width, DType::F16);
        // x, the inputs before, the state: one of them too short.
        for short in 0..3 {
            let len = |which: usize, len: usize| len - usize::from(which == short);
            let mut x = b.buffer(len(0, width)).unwrap();
            let mut state = SsmState {
                conv: b.buffer(len(1, shape.conv_state_len())).unwrap(),
                ssm: b.buffer(len(2, shape.ssm_state_len())).unwrap(),
            };
            let run = std::iter::once((block.weights(), &mut state));
            let e = b.mamba_blocks(&shape, run, &mut x, [1, 1], &mut block.scratch(b, 1)).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{short}");
        }
    }
}
