//! Attention in the chunk encoder, for the kernels that a device has for heads and chunks of several sizes.

use super::*;

#[test]
fn encoder_attention_follows_its_formula() {
    everywhere!(encoder_attention_follows_its_formula_on);
}

fn encoder_attention_follows_its_formula_on<B: Named>(b: &B) {
    let mut rng = Rng(8);
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
            let q: Vec<f32> = rng.values(chunks * rows * heads * head_dim).iter().map(|v| v * 3.0).collect();
            let k = rng.values(chunks * rows * kv_heads * head_dim);
            let q_norm = rng.values(head_dim).iter().map(|v| v * 3.0).collect();
            let norms = naive::Norms { q: q_norm, k: rng.values(head_dim), eps: 1e-5 };
            let v = rng.values(chunks * rows * kv_heads * head_dim);
            let want = naive::encoder_attention(&shape, &norms, [&q, &k, &v], chunks);
            let mut out = poisoned(b, q.len());
            let [bq, bk, bv] = [&q, &k, &v].map(|v| b.vector(v).unwrap());
            let [q_norm, k_norm] = [&norms.q, &norms.k].map(|v| b.vector(v).unwrap());
            let norms = HeadNorms { q: &q_norm, k: &k_norm, eps: norms.eps };
            b.encoder_attention(&shape, &norms, &bq, &bk, &bv, chunks, &mut out).unwrap();
            assert_close(&format!("{b:?} {shape:?}"), &read(b, &out, q.len()), &want, 5e-6 * B::SLACK);
        }
    }
}
