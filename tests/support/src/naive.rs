//! Every operation once more, as its formula reads, in f64.

use ramba::backend::{EncoderShape, HsaShape, Pick, SsmShape};

pub fn silu(v: f64) -> f64 {
    v / (1.0 + (-v).exp())
}

pub fn rms_norm(x: &[f64], weight: &[f32], eps: f32) -> Vec<f64> {
    let mean = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
    let factor = 1.0 / (mean + f64::from(eps)).sqrt();
    x.iter().zip(weight).map(|(v, &w)| v * factor * f64::from(w)).collect()
}

/// x (n, cols) · wᵀ, w (rows, cols)
pub fn matmul(x: &[f64], w: &[f64], n: usize, rows: usize, cols: usize) -> Vec<f64> {
    let mut y = Vec::new();
    for i in 0..n {
        for r in 0..rows {
            y.push((0..cols).map(|k| x[i * cols + k] * w[r * cols + k]).sum());
        }
    }
    y
}

/// Activations as the product with quantized weights sees them: 8 bits in blocks of 32.
pub fn through_8_bits(x: &[f32]) -> Vec<f64> {
    let mut out = Vec::new();
    for block in x.chunks(32) {
        let max = block.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let (d, inverse) = (max / 127.0, if max > 0.0 { 127.0 / max } else { 0.0 });
        out.extend(block.iter().map(|v| f64::from(d) * f64::from((v * inverse).round_ties_even())));
    }
    out
}

pub fn softmax(scores: &mut [f64], off_by_one: bool) {
    let max = scores.iter().fold(f64::MIN, |m, v| m.max(*v));
    let mut sum = if off_by_one { (-max).exp() } else { 0.0 };
    for v in scores.iter_mut() {
        *v = (*v - max).exp();
        sum += *v;
    }
    scores.iter_mut().for_each(|v| *v /= sum);
}

/// Small parameters of a Mamba-2 block, as in `SsmParams`.
pub struct Params {
    pub conv_weight: Vec<f32>,
    pub conv_bias: Vec<f32>,
    pub dt_bias: Vec<f32>,
    pub a: Vec<f32>,
    pub d: Vec<f32>,
}

/// The state as in `SsmState`.
#[derive(Clone)]
pub struct State {
    pub conv: Vec<f64>,
    pub ssm: Vec<f64>,
}

/// The mixer, token by token.
pub fn ssm_mix(shape: &SsmShape, p: &Params, zxbcdt: &[f32], state: &mut State) -> Vec<f64> {
    let SsmShape { inner, heads, state: ns, groups, conv, .. } = *shape;
    let (channels, width) = (shape.conv_channels(), shape.head_dim());
    let mut y = Vec::new();
    for row in zxbcdt.chunks(shape.projected()) {
        let row: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
        let (z, rest) = row.split_at(inner);
        let (xbc, dt) = rest.split_at(channels);
        let mut window = state.conv.clone();
        window.extend_from_slice(xbc);
        let mixed: Vec<f64> = (0..channels)
            .map(|c| {
                let taps = (0..conv).map(|k| f64::from(p.conv_weight[c * conv + k]) * window[k * channels + c]);
                silu(f64::from(p.conv_bias[c]) + taps.sum::<f64>())
            })
            .collect();
        state.conv = window[channels..].to_vec();
        let mut u = vec![0.0; inner];
        for h in 0..heads {
            let g = h / (heads / groups);
            let dt = (dt[h] + f64::from(p.dt_bias[h])).exp().ln_1p();
            let dt = dt.clamp(f64::from(shape.dt_min), f64::from(shape.dt_max));
            let decay = (dt * f64::from(p.a[h])).exp();
            for i in 0..width {
                let x = mixed[h * width + i];
                let mut v = f64::from(p.d[h]) * x;
                for k in 0..ns {
                    let s = &mut state.ssm[(h * width + i) * ns + k];
                    *s = decay * *s + dt * x * mixed[inner + g * ns + k];
                    v += *s * mixed[inner + (groups + g) * ns + k];
                }
                u[h * width + i] = v * silu(z[h * width + i]);
            }
        }
        y.extend(u);
    }
    y
}

/// One head vector, rotated for position `r`.
fn rotate(x: &[f64], r: usize, base: f32) -> Vec<f64> {
    let half = x.len() / 2;
    let mut out = vec![0.0; x.len()];
    for i in 0..half {
        let angle = r as f64 * f64::from(base).powf(-2.0 * i as f64 / x.len() as f64);
        let (a, b) = (x[i], x[i + half]);
        out[i] = a * angle.cos() - b * angle.sin();
        out[i + half] = b * angle.cos() + a * angle.sin();
    }
    out
}

/// Norms of q and k as in `HeadNorms`.
pub struct Norms {
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub eps: f32,
}

pub fn encoder_attention(shape: &EncoderShape, norms: &Norms, [q, k, v]: [&[f32]; 3], chunks: usize) -> Vec<f64> {
    let EncoderShape { rows, heads, kv_heads, head_dim: d, freq_base } = *shape;
    let mut out = vec![0.0; chunks * rows * heads * d];
    for c in 0..chunks {
        for h in 0..heads {
            let g = h / (heads / kv_heads);
            let kv = |r: usize| ((c * rows + r) * kv_heads + g) * d;
            let turned = |x: &[f32], norm: &[f32], r: usize| {
                let x: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
                rotate(&rms_norm(&x, norm, norms.eps), r, freq_base)
            };
            let keys: Vec<_> = (0..rows).map(|j| turned(&k[kv(j)..kv(j) + d], &norms.k, j)).collect();
            for i in 0..rows {
                let at = ((c * rows + i) * heads + h) * d;
                let qi = turned(&q[at..at + d], &norms.q, i);
                let mut p: Vec<f64> = keys
                    .iter()
                    .map(|kj| qi.iter().zip(kj).map(|(a, b)| a * b).sum::<f64>() / (d as f64).sqrt())
                    .collect();
                softmax(&mut p, false);
                for (j, p) in p.iter().enumerate() {
                    for e in 0..d {
                        out[at + e] += p * f64::from(v[kv(j) + e]);
                    }
                }
            }
        }
    }
    out
}

/// HSA over chunks whose keys and values are given as f64, (S, G, d) each.
pub fn hsa_attend(shape: &HsaShape, q: &[f32], n: usize, chunks: &[(Vec<f64>, Vec<f64>)], picks: &[Pick]) -> Vec<f64> {
    let HsaShape { heads, kv_heads, head_dim: d, chunk_size, retrieval_heads, top_k, softmax_off_by_one } = *shape;
    let mut out = vec![0.0; n * heads * d];
    for i in 0..n {
        for h in 0..heads {
            let g = h / (heads / kv_heads);
            let at = (i * heads + h) * d;
            for pick in &picks[(i * retrieval_heads + g.min(retrieval_heads - 1)) * top_k..][..top_k] {
                if pick.weight == 0.0 {
                    continue;
                }
                let (keys, values) = &chunks[pick.chunk as usize];
                let row = |s: usize| (s * kv_heads + g) * d;
                let mut p: Vec<f64> = (0..chunk_size)
                    .map(|s| (0..d).map(|e| f64::from(q[at + e]) * keys[row(s) + e]).sum::<f64>() / (d as f64).sqrt())
                    .collect();
                softmax(&mut p, softmax_off_by_one);
                for (s, p) in p.iter().enumerate() {
                    for e in 0..d {
                        out[at + e] += f64::from(pick.weight) * p * values[row(s) + e];
                    }
                }
            }
        }
    }
    out
}
