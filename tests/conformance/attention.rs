//! Attention in the chunk encoder, for the kernels that a device has for heads and chunks of several sizes.

use ramba::Cancel;

use super::*;

#[test]
fn encoder_attention_follows_its_formula() {
    everywhere!(encoder_attention_follows_its_formula_on);
}

fn encoder_attention_follows_its_formula_on<B: Named>(b: &B) {
    let mut random = Random(8);
    // Narrow heads, whole and odd ones of both widths of matrix units, and wider ones; one tile of rows and several.
    for (rows, heads, kv_heads, head_dim) in [
        (1, 1, 1, 2),
        (5, 2, 1, 6),
        (17, 4, 2, 16),
        (65, 4, 4, 32),
        (1, 2, 1, 32),
        (5, 3, 1, 32),
        (64, 4, 2, 32),
        (80, 2, 1, 32),
        (81, 2, 2, 32),
        (130, 2, 1, 32),
        (65, 2, 1, 30),
        (130, 2, 1, 30),
        (5, 4, 2, 64),
        (65, 4, 1, 64),
        (81, 2, 1, 64),
        (130, 2, 2, 64),
        (64, 2, 1, 50),
        (81, 1, 1, 62),
        (5, 2, 1, 96),
        (65, 2, 1, 96),
        (130, 2, 1, 128),
        (81, 1, 1, 256),
    ] {
        let shape = EncoderShape { rows, heads, kv_heads, head_dim, freq_base: 10000.0 };
        for chunks in [0, 1, 3] {
            let q: Vec<f32> = random.values(chunks * rows * heads * head_dim).iter().map(|v| v * 3.0).collect();
            let k = random.values(chunks * rows * kv_heads * head_dim);
            let q_norm = random.values(head_dim).iter().map(|v| v * 3.0).collect();
            let norms = naive::Norms { q: q_norm, k: random.values(head_dim), eps: 1e-5 };
            let v = random.values(chunks * rows * kv_heads * head_dim);
            let want = naive::encoder_attention(&shape, &norms, [&q, &k, &v], chunks);
            let mut out = poisoned(b, q.len());
            let [bq, bk, bv] = [&q, &k, &v].map(|v| b.vector(v).unwrap());
            let [q_norm, k_norm] = [&norms.q, &norms.k].map(|v| b.vector(v).unwrap());
            let norms = HeadNorms { q: &q_norm, k: &k_norm, eps: norms.eps };
            b.encoder_attention(&shape, &norms, [&bq, &bk, &bv], chunks, &mut out).unwrap();
            assert_close(&format!("{b:?} {shape:?}"), &read(b, &out, q.len()), &want, 5e-6 * B::SLACK);
        }
    }
}

#[test]
fn attention_of_a_layer_follows_its_formula() {
    everywhere!(attention_of_a_layer_follows_its_formula_on);
}

// Shapes that one kernel takes, and others. A chunk has the same bits alone.
fn attention_of_a_layer_follows_its_formula_on<B: Named>(b: &B) {
    let mut random = Random(16);
    for (rows, heads, kv_heads, head_dim) in
        [(65, 4, 4, 32), (64, 4, 2, 32), (80, 4, 1, 32), (1, 4, 4, 32), (81, 4, 4, 32), (17, 2, 1, 32), (23, 4, 2, 16)]
    {
        let shape = EncoderShape { rows, heads, kv_heads, head_dim, freq_base: 10000.0 };
        let (hidden, narrow) = (heads * head_dim, kv_heads * head_dim);
        for (dtype, chunks) in [(DType::F16, 0), (DType::F16, 1), (DType::F16, 3), (DType::BF16, 2), (DType::F32, 2)] {
            let n = chunks * rows;
            let [(q, q_values), (output, output_values)] = [0; 2].map(|_| weights(&mut random, dtype, hidden, hidden));
            let [(k, k_values), (v, v_values)] = [0; 2].map(|_| weights(&mut random, dtype, narrow, hidden));
            let [q_bias, k_bias, v_bias] = [hidden, narrow, narrow].map(|n| random.values(n));
            let [q_norm, k_norm] = [0; 2].map(|_| random.values(head_dim));
            let (x, norm) = (random.values(n * hidden), random.values(hidden));

            let seen: Vec<f64> = x.chunks(hidden).flat_map(|x| naive::rms_norm(&wide(x), &norm, 1e-5)).collect();
            let product = |values: &[f64], bias: &[f32]| -> Vec<f32> {
                let y = naive::matmul(&seen, values, n, bias.len(), hidden);
                y.iter().enumerate().map(|(i, y)| (y + f64::from(bias[i % bias.len()])) as f32).collect()
            };
            let qkv = [product(&q_values, &q_bias), product(&k_values, &k_bias), product(&v_values, &v_bias)];
            let norms = naive::Norms { q: q_norm, k: k_norm, eps: 1e-5 };
            let attended = naive::encoder_attention(&shape, &norms, [&qkv[0], &qkv[1], &qkv[2]], chunks);
            let mut want = naive::matmul(&attended, &output_values, n, hidden, hidden);
            want.iter_mut().zip(&x).for_each(|(v, &x)| *v += f64::from(x));

            let [q, k, v, output] = [q, k, v, output].map(|w| b.weight(w).unwrap());
            let [q_bias, k_bias, v_bias] = [q_bias, k_bias, v_bias].map(|v| b.vector(&v).unwrap());
            let [norm, q_norm, k_norm] = [norm, norms.q, norms.k].map(|v| b.vector(&v).unwrap());
            let attention = Attention {
                q: (&q, &q_bias),
                k: (&k, &k_bias),
                v: (&v, &v_bias),
                output: &output,
                norms: HeadNorms { q: &q_norm, k: &k_norm, eps: 1e-5 },
            };
            let norm = Norm { weight: &norm, width: hidden, eps: 1e-5 };
            let run = |x: &[f32], chunks: usize| {
                let mut scratch =
                    [hidden, hidden, narrow, narrow, hidden].map(|width| poisoned(b, x.len() / hidden * width));
                let mut y = b.vector(x).unwrap();
                b.norm_attention(&shape, &norm, &attention, &mut y, chunks, (scratch.each_mut(), &Cancel::default()))
                    .unwrap();
                read(b, &y, x.len())
            };
            let got = run(&x, chunks);
            let error = b.product_error(5).max(5e-6 * B::SLACK) * 2.0;
            assert_close(&format!("{b:?} {dtype} {shape:?}, {chunks} chunks"), &got, &want, error);
            if chunks > 1 && dtype != DType::F32 && rows > 4 {
                let last = got.len() - rows * hidden;
                assert_eq!(bits(&run(&x[last..], 1)), bits(&got[last..]), "{b:?} {dtype} {shape:?}: a chunk alone");
            }
        }
    }
}

#[test]
fn memories_of_chunks_follow_their_formula() {
    everywhere!(memories_of_chunks_follow_their_formula_on);
}

// Shapes that one kernel takes, and others.
fn memories_of_chunks_follow_their_formula_on<B: Named>(b: &B) {
    let mut random = Random(17);
    for (rows, hidden, heads, head_dim, landmark) in
        [(65, 128, 1, 32, 128), (17, 40, 2, 32, 36), (1, 128, 1, 32, 4), (5, 128, 2, 16, 30), (65, 256, 1, 64, 64)]
    {
        for (dtype, chunks, normed) in [
            (DType::F16, 0, true),
            (DType::F16, 1, true),
            (DType::F16, 70, false),
            (DType::BF16, 3, true),
            (DType::F32, 3, true),
        ] {
            let (n, width) = (chunks * rows, heads * head_dim);
            let [(k, k_values), (v, v_values)] = [0; 2].map(|_| weights(&mut random, dtype, width, hidden));
            let (mark, mark_values) = weights(&mut random, dtype, landmark, hidden);
            let (x, norm, k_norm) = (random.values(n * hidden), random.values(hidden), random.values(head_dim));

            let seen: Vec<f64> = x.chunks(hidden).flat_map(|x| naive::rms_norm(&wide(x), &norm, 1e-5)).collect();
            let last: Vec<f64> = seen.chunks(rows * hidden).flat_map(|c| c[(rows - 1) * hidden..].to_vec()).collect();
            let mut keys = naive::matmul(&seen, &k_values, n, width, hidden);
            if normed {
                keys = keys.chunks(head_dim).flat_map(|k| naive::rms_norm(k, &k_norm, 1e-5)).collect();
            }
            let values = naive::matmul(&seen, &v_values, n, width, hidden);
            let landmarks = naive::matmul(&last, &mark_values, chunks, landmark, hidden);

            let [k, v, mark] = [k, v, mark].map(|w| b.weight(w).unwrap());
            let [x, norm, k_norm] = [x, norm, k_norm].map(|v| b.vector(&v).unwrap());
            let k_norm = normed.then_some(&k_norm);
            let memory = MemoryWeights { k: &k, v: &v, landmark: &mark, k_norm, heads, head_dim };
            let norm = Norm { weight: &norm, width: hidden, eps: 1e-5 };
            let mut scratch = [n, chunks].map(|rows| poisoned(b, rows * hidden));
            let mut out = [keys.len(), values.len(), landmarks.len()].map(|len| poisoned(b, len));
            b.chunk_memory(&norm, &memory, &x, [chunks, rows], scratch.each_mut(), out.each_mut()).unwrap();
            // A head of small keys is normed up.
            for ((out, want), more) in out.iter().zip([&keys, &values, &landmarks]).zip([20.0, 2.0, 2.0]) {
                let what = format!("{b:?} {dtype} {chunks} chunks of {rows} x {hidden}, {heads} heads of {head_dim}");
                let error = more * b.product_error(5).max(b.product_error(1));
                assert_close(&what, &read(b, out, want.len()), want, error);
            }
        }
    }
}

#[test]
fn layers_of_the_encoder_check_their_arguments() {
    everywhere!(layers_of_the_encoder_check_their_arguments_on);
}

// Of shapes that one kernel takes, with one of the buffers too short, or none.
fn layers_of_the_encoder_check_their_arguments_on<B: Named>(b: &B) {
    let mut random = Random(18);
    let (chunks, rows, hidden, width) = (2, 65, 128, 320);
    let shape = EncoderShape { rows, heads: 4, kv_heads: 4, head_dim: 32, freq_base: 10000.0 };
    let n = chunks * rows;
    let mut weight =
        |rows, cols| b.weight(weights(&mut random, DType::F16, rows, cols).0).map_err(|e| e.to_string()).unwrap();
    let [square, output] = [0; 2].map(|_| weight(hidden, hidden));
    let [gate, up] = [0; 2].map(|_| weight(width, hidden));
    let [k, v] = [0; 2].map(|_| weight(32, hidden));
    let (down, landmark) = (weight(hidden, width), weight(hidden, hidden));
    let refused = |what: &str, short: usize, last: usize, result: ramba::Result<()>| match result {
        Ok(()) => assert_eq!(short, last, "{b:?}: {what}"),
        Err(e) => {
            assert!(short < last, "{b:?}: {what}, {e}");
            assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{b:?}: {what} {short}");
        }
    };
    let buffer = |len: usize, short: bool| b.buffer(len - usize::from(short)).unwrap();
    for short in 0..=6 {
        let mut x = buffer(n * hidden, short == 0);
        let norm = buffer(hidden, short == 1);
        let norm = Norm { weight: &norm, width: hidden, eps: 1e-5 };
        if short <= 2 {
            let mlp = Mlp { gate: &gate, up: &up, down: &down, width };
            let mut scratch = [hidden, width, width].map(|width| buffer(n * width, false));
            refused("norm_mlp", short, 2, b.norm_mlp(&norm, &mlp, &mut x, n, (scratch.each_mut(), &Cancel::default())));
        }
        let biases = [2, 3, 4].map(|which| buffer(hidden, short == which));
        let [q_norm, k_norm] = [5, 5].map(|which| buffer(32, short == which));
        let attention = Attention {
            q: (&square, &biases[0]),
            k: (&square, &biases[1]),
            v: (&square, &biases[2]),
            output: &output,
            norms: HeadNorms { q: &q_norm, k: &k_norm, eps: 1e-5 },
        };
        let mut scratch = [0; 5].map(|_| buffer(n * hidden, false));
        refused(
            "norm_attention",
            short,
            6,
            b.norm_attention(&shape, &norm, &attention, &mut x, chunks, (scratch.each_mut(), &Cancel::default())),
        );

        let k_norm = buffer(32, short == 2);
        let memory = MemoryWeights { k: &k, v: &v, landmark: &landmark, k_norm: Some(&k_norm), heads: 1, head_dim: 32 };
        let mut scratch = [n, chunks].map(|rows| buffer(rows * hidden, false));
        let mut out = [(n * 32, 3), (n * 32, 4), (chunks * hidden, 5)].map(|(len, which)| buffer(len, short == which));
        let done = b.chunk_memory(&norm, &memory, &x, [chunks, rows], scratch.each_mut(), out.each_mut());
        refused("chunk_memory", short, 6, done);
    }
}
