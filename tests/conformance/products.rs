//! Products of every type of weights, alone, with a norm, and several at once.

use ramba::Cancel;
use ramba::backend::Device;

use super::*;

/// One test a type, so that each can be looked at by slow tools alone.
macro_rules! matmul_follows_its_formula {
    ($($name:ident: $dtype:expr,)*) => {$(
        #[test]
        fn $name() {
            everywhere!(matmul_follows_its_formula_for, $dtype);
        }
    )*};
}
matmul_follows_its_formula! {
    matmul_f32_follows_its_formula: DType::F32,
    matmul_f16_follows_its_formula: DType::F16,
    matmul_bf16_follows_its_formula: DType::BF16,
    matmul_q8_0_follows_its_formula: DType::Q8_0,
    matmul_q4_0_follows_its_formula: DType::Q4_0,
    matmul_q4_k_follows_its_formula: DType::Q4_K,
    matmul_q6_k_follows_its_formula: DType::Q6_K,
}

fn matmul_follows_its_formula_for<B: Named>(b: &B, dtype: DType) {
    let mut random = Random(3);
    let quantized = dtype.block_len() > 1;
    let all: &[usize] = if quantized { &[0, 32, 96, 256, 1280] } else { &[0, 1, 7, 8, 9, 33, 100, 104, 513] };
    for &cols in all.iter().filter(|cols| cols.is_multiple_of(dtype.block_len())) {
        for rows in [0, 1, 3, 8, 17, 37] {
            let (w, values) = weights(&mut random, dtype, rows, cols);
            for n in [0, 1, 2, 3, 5, 6, 7, 13, 70] {
                let x: Vec<f32> = random.values(n * cols).iter().map(|v| v * 3.0).collect();
                let seen = if quantized && b.quantizes(n) { naive::through_8_bits(&x) } else { wide(&x) };
                let want = naive::matmul(&seen, &values, n, rows, cols);
                let (w, x) = (b.weight(w.clone()).unwrap(), b.vector(&x).unwrap());
                let mut y = poisoned(b, n * rows);
                b.matmul(&w, &x, n, &mut y, false).unwrap();
                let what = format!("{b:?} {dtype} {n} x {cols} x {rows}");
                assert_close(&what, &read(b, &y, n * rows), &want, b.product_error(n));
                b.matmul(&w, &x, n, &mut y, true).unwrap();
                let twice: Vec<f64> = want.iter().map(|v| 2.0 * v).collect();
                assert_close(&what, &read(b, &y, n * rows), &twice, b.product_error(n));
            }
        }
    }
}

#[test]
fn large_products_follow_their_formula() {
    everywhere!(large_products_follow_their_formula_on);
}

// Enough rows and tokens for the largest tiles of any device, and neither whole tiles nor pairs.
fn large_products_follow_their_formula_on<B: Named>(b: &B) {
    let mut random = Random(12);
    let (n, rows) = (1410, 1537);
    for dtype in DType::ALL {
        let cols = if dtype.block_len() > 1 { 256 } else { 88 };
        let (w, values) = weights(&mut random, dtype, rows, cols);
        let x = random.values(n * cols);
        let mut y = poisoned(b, n * rows);
        b.matmul(&b.weight(w).unwrap(), &b.vector(&x).unwrap(), n, &mut y, false).unwrap();
        let got = read(b, &y, n * rows);
        for token in [0, 63, 64, 127, 128, 700, 1407, 1408, 1409] {
            let x = &x[token * cols..][..cols];
            let seen = if dtype.block_len() > 1 && b.quantizes(n) { naive::through_8_bits(x) } else { wide(x) };
            let want = naive::matmul(&seen, &values, 1, rows, cols);
            let what = format!("{b:?} {dtype} {token} of {n} x {cols} x {rows}");
            assert_close(&what, &got[token * rows..][..rows], &want, b.product_error(n));
        }
    }
}

#[test]
fn extreme_quantized_values_do_not_overflow() {
    everywhere!(extreme_quantized_values_do_not_overflow_on);
}

fn extreme_quantized_values_do_not_overflow_on<B: Named>(b: &B) {
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
                    let mut y = poisoned(b, n * rows);
                    b.matmul(&b.weight(w.clone()).unwrap(), &b.vector(&x).unwrap(), n, &mut y, false).unwrap();
                    assert_close(
                        &format!("{b:?} {dtype} {fill:x}"),
                        &read(b, &y, n * rows),
                        &want[..n * rows],
                        b.product_error(n).max(1e-5),
                    );
                }
            }
        }
    }
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others_repacked_or_not_and_on_any_number_of_threads() {
    for isa in Isa::available() {
        let cpu = |threads| Cpu::with_isa(threads, isa).unwrap();
        let one = cpu(1);
        let more = [cpu(2), cpu(3), cpu(1).repacking(false), cpu(2).repacking(false)];
        let mut random = Random(4);
        for dtype in DType::ALL {
            let (rows, n) = (530, 67);
            let cols = if dtype.block_len() == 1 { 203 } else { 256 };
            let (w, _) = weights(&mut random, dtype, rows, cols);
            let x = random.values(n * cols);
            let run = |b: &Cpu, x: &[f32]| {
                let n = x.len() / cols;
                let mut y = poisoned(b, n * rows);
                b.matmul(&b.weight(w.clone()).unwrap(), &b.vector(x).unwrap(), n, &mut y, false).unwrap();
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

// Inside a block sums are exact, and over the blocks of a row every instruction set has the same chain of additions; but plain Rust rounds
// products before it adds them.
#[test]
fn products_of_quantized_weights_have_the_same_bits_with_every_instruction_set_that_fuses() {
    let mut random = Random(16);
    for dtype in DType::ALL.into_iter().filter(|t| t.block_len() > 1) {
        for (rows, cols) in [(1, 256), (37, 512), (530, 1280)] {
            let (w, _) = weights(&mut random, dtype, rows, cols);
            for n in [1, 2, 3, 4, 7, 8, 13, 16, 67] {
                let x = random.values(n * cols);
                let run = |isa| {
                    let b = Cpu::with_isa(1, isa).unwrap();
                    let mut y = poisoned(&b, n * rows);
                    b.matmul(&b.weight(w.clone()).unwrap(), &b.vector(&x).unwrap(), n, &mut y, false).unwrap();
                    (isa, bits(&read(&b, &y, n * rows)))
                };
                let all: Vec<_> = Isa::available().filter(|isa| *isa != Isa::Scalar).map(run).collect();
                for pair in all.windows(2) {
                    let [(a, first), (b, second)] = pair else { unreachable!() };
                    assert!(first == second, "{a:?} and {b:?}: {dtype} {n} x {cols} x {rows}");
                }
            }
        }
    }
}

#[test]
fn norm_and_product_in_one() {
    everywhere!(norm_and_product_in_one_on);
}

fn norm_and_product_in_one_on<B: Named>(b: &B) {
    let mut random = Random(11);
    for dtype in DType::ALL {
        for (rows, cols, width) in [(33, 256, 256), (7, 512, 128), (1030, 1024, 1024)] {
            let (w, values) = weights(&mut random, dtype, rows, cols);
            let w = b.weight(w).unwrap();
            for n in [0, 1, 2, 9] {
                let (x, norm, before) = (random.values(n * cols), random.values(cols), random.values(n * rows));
                let mut normed = Vec::new();
                for x in x.chunks(cols) {
                    for (x, norm) in x.chunks(width).zip(norm.chunks(width)) {
                        normed.extend(naive::rms_norm(&wide(x), norm, 1e-5).iter().map(|&v| v as f32));
                    }
                }
                let quantized = dtype.block_len() > 1 && b.quantizes(n);
                let seen = if quantized { naive::through_8_bits(&normed) } else { wide(&normed) };
                let product = naive::matmul(&seen, &values, n, rows, cols);
                let (x, norm) = (b.vector(&x).unwrap(), b.vector(&norm).unwrap());
                let norm = Norm { weight: &norm, width, eps: 1e-5 };
                // A value between two bytes falls to either: one step of a block's scale.
                let error = if quantized { 2e-3 } else { b.product_error(n).max(5e-6) };
                for accumulate in [false, true] {
                    let mut scratch = poisoned(b, n * cols);
                    let mut y = if accumulate { b.vector(&before).unwrap() } else { poisoned(b, n * rows) };
                    let products = &mut [Product::new(&w, &mut y)];
                    b.norm_matmul(&norm, &x, n, &mut scratch, products, accumulate).unwrap();
                    let own = |i: usize| if accumulate { f64::from(before[i]) } else { 0.0 };
                    let want: Vec<f64> = product.iter().enumerate().map(|(i, v)| v + own(i)).collect();
                    assert_close(&format!("{b:?} {dtype} {n} x {cols} x {rows}"), &read(b, &y, n * rows), &want, error);
                }
            }
        }
    }
}

#[test]
fn several_products_of_one_norm() {
    everywhere!(several_products_of_one_norm_on);
}

// Weights of one type, or of two, with and without a bias; more of them than a kernel takes at once, and none.
fn several_products_of_one_norm_on<B: Named>(b: &B) {
    let mut random = Random(13);
    let (f32, f16, bf16, q8) = (DType::F32, DType::F16, DType::BF16, DType::Q8_0);
    let mixes: [&[DType]; 7] =
        [&[], &[f16], &[f16, f16], &[bf16, bf16, bf16], &[f16; 4], &[f16, f32, bf16], &[q8, f16]];
    for types in mixes {
        for cols in [8, 32, 128, 136, 256, 320, 512].into_iter().filter(|cols| !types.contains(&q8) || cols % 32 == 0) {
            for n in [0, 1, 5, 64, 131, 300] {
                let (x, norm) = (random.values(n * cols), random.values(cols));
                let normed: Vec<f32> =
                    x.chunks(cols).flat_map(|x| naive::rms_norm(&wide(x), &norm, 1e-5)).map(|v| v as f32).collect();
                let (mut weight, mut bias, mut want) = (Vec::new(), Vec::new(), Vec::new());
                for (i, &dtype) in types.iter().enumerate() {
                    let rows = [70, 1, 200, 0][i];
                    let (w, values) = weights(&mut random, dtype, rows, cols);
                    let own = (i != 1).then(|| random.values(rows));
                    let seen =
                        if dtype == q8 && b.quantizes(n) { naive::through_8_bits(&normed) } else { wide(&normed) };
                    let mut product = naive::matmul(&seen, &values, n, rows, cols);
                    if let Some(own) = &own {
                        product.iter_mut().enumerate().for_each(|(i, v)| *v += f64::from(own[i % rows]));
                    }
                    weight.push(b.weight(w).unwrap());
                    bias.push(own.map(|own| b.vector(&own).unwrap()));
                    want.push(product);
                }
                let (x, norm, mut scratch) = (b.vector(&x).unwrap(), b.vector(&norm).unwrap(), poisoned(b, n * cols));
                let norm = Norm { weight: &norm, width: cols, eps: 1e-5 };
                let mut results: Vec<_> = want.iter().map(|want| poisoned(b, want.len())).collect();
                let mut products: Vec<_> = results
                    .iter_mut()
                    .enumerate()
                    .map(|(i, out)| Product { weight: &weight[i], bias: bias[i].as_ref(), out })
                    .collect();
                b.norm_matmul(&norm, &x, n, &mut scratch, &mut products, false).unwrap();
                for (i, want) in want.iter().enumerate() {
                    let what = format!("{b:?} {types:?} {n} x {cols}, product {i}");
                    let error = if types[i] == q8 && b.quantizes(n) { 2e-3 } else { b.product_error(n).max(5e-6) };
                    assert_close(&what, &read(b, &results[i], want.len()), want, error);
                }
            }
        }
    }
}

#[test]
fn swiglu_follows_its_formula() {
    everywhere!(swiglu_follows_its_formula_on);
}

fn swiglu_follows_its_formula_on<B: Named>(b: &B) {
    let mut random = Random(14);
    for dtype in [DType::F32, DType::F16, DType::BF16, DType::Q8_0] {
        for (cols, rows) in [(32, 1), (128, 320), (256, 70), (320, 36), (512, 33)] {
            for n in [0, 1, 4, 5, 65, 200] {
                let (x, norm) = (random.values(n * cols), random.values(cols));
                let normed: Vec<f32> =
                    x.chunks(cols).flat_map(|x| naive::rms_norm(&wide(x), &norm, 1e-5)).map(|v| v as f32).collect();
                let quantized = dtype == DType::Q8_0 && b.quantizes(n);
                let seen = if quantized { naive::through_8_bits(&normed) } else { wide(&normed) };
                let [(gate, gate_values), (up, up_values)] = [0; 2].map(|_| weights(&mut random, dtype, rows, cols));
                let [gates, ups] = [gate_values, up_values].map(|w| naive::matmul(&seen, &w, n, rows, cols));
                let want: Vec<f64> = gates.iter().zip(&ups).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
                let (gate, up) = (b.weight(gate).unwrap(), b.weight(up).unwrap());
                let (x, norm, mut normed) = (b.vector(&x).unwrap(), b.vector(&norm).unwrap(), poisoned(b, n * cols));
                let (mut spare, mut out) = (poisoned(b, n * rows), poisoned(b, n * rows));
                let norm = Norm { weight: &norm, width: cols, eps: 1e-5 };
                b.norm_swiglu(&norm, ([&gate, &up], rows), &x, n, [&mut normed, &mut spare], &mut out).unwrap();
                let what = format!("{b:?} {dtype} {n} x {cols} x {rows}");
                let error = if quantized { 5e-3 } else { b.product_error(n).max(1e-5) };
                assert_close(&what, &read(b, &out, n * rows), &want, error);
            }
        }
    }
}

#[test]
fn mlp_follows_its_formula() {
    everywhere!(mlp_follows_its_formula_on);
}

// Shapes that one kernel takes, and others.
fn mlp_follows_its_formula_on<B: Named>(b: &B) {
    let mut random = Random(15);
    for dtype in [DType::F32, DType::F16, DType::BF16, DType::Q8_0] {
        for (cols, width) in [(32, 8), (128, 320), (128, 72), (40, 24), (64, 33), (256, 64), (320, 36)] {
            if cols % dtype.block_len() != 0 || width % dtype.block_len() != 0 {
                continue;
            }
            for n in [0, 1, 4, 5, 65, 200] {
                let (x, norm) = (random.values(n * cols), random.values(cols));
                let normed: Vec<f32> =
                    x.chunks(cols).flat_map(|x| naive::rms_norm(&wide(x), &norm, 1e-5)).map(|v| v as f32).collect();
                let quantized = dtype == DType::Q8_0 && b.quantizes(n);
                let seen = |v: &[f32]| if quantized { naive::through_8_bits(v) } else { wide(v) };
                let [(gate, gate_values), (up, up_values)] = [0; 2].map(|_| weights(&mut random, dtype, width, cols));
                let (down, down_values) = weights(&mut random, dtype, cols, width);
                let [gates, ups] = [gate_values, up_values].map(|w| naive::matmul(&seen(&normed), &w, n, width, cols));
                let between: Vec<f32> = gates.iter().zip(&ups).map(|(g, u)| (naive::silu(*g) * u) as f32).collect();
                let mut want = naive::matmul(&seen(&between), &down_values, n, cols, width);
                want.iter_mut().zip(&x).for_each(|(v, &x)| *v += f64::from(x));
                let [gate, up, down] = [gate, up, down].map(|w| b.weight(w).unwrap());
                let (mut x, norm) = (b.vector(&x).unwrap(), b.vector(&norm).unwrap());
                let norm = Norm { weight: &norm, width: cols, eps: 1e-5 };
                let mlp = Mlp { gate: &gate, up: &up, down: &down, width };
                let [mut normed, mut spare, mut between] = [cols, width, width].map(|width| poisoned(b, n * width));
                b.norm_mlp(&norm, &mlp, &mut x, n, ([&mut normed, &mut spare, &mut between], &Cancel::default()))
                    .unwrap();
                let what = format!("{b:?} {dtype} {n} x {cols} x {width}");
                let error = if quantized { 1e-2 } else { 2.0 * b.product_error(n).max(1e-5) };
                assert_close(&what, &read(b, &x, n * cols), &want, error);
            }
        }
    }
}
