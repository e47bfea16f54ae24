//! The chunk encoder: a small bidirectional transformer that turns the hidden states of one chunk into its memory,
//! which is keys and values for every token and a landmark for the whole.

use crate::backend::{Attention, Backend, EncoderShape, HeadNorms, MemoryWeights, Mlp, Norm, Rows};
use crate::weights::Weights;
use crate::{Cancel, Error, Result};

use super::chunking::Encoded;
use super::config::{Config, EncoderConfig, HsaConfig};

/// The weights of the chunking layer. D hidden, S chunk size, He and Ge encoder heads and kv heads of width de = D /
/// He, F width of the MLP, G memory kv heads of width d, R retrieval width.
pub(super) struct Encoder<B: Backend> {
    /// (D) optional norm of the input
    prenorm: Option<B::Buffer>,
    /// (D) optional last row of every chunk
    cls: Option<B::Buffer>,
    layers: Vec<Layer<B>>,
    /// (D)
    output_norm: B::Buffer,
    /// (G·d, D)
    k: B::Weight,
    /// (G·d, D)
    v: B::Weight,
    /// (d) optional norm of the keys per head
    k_norm: Option<B::Buffer>,
    /// (R, D)
    landmark: B::Weight,
    /// (R / Gr) ones, if landmarks are normed. The learned scales of that norm are part of the queries, see
    /// `retrieval`.
    landmark_ones: Option<B::Buffer>,
    shape: EncoderShape,
}

/// One transformer layer.
struct Layer<B: Backend> {
    /// (D)
    attn_norm: B::Buffer,
    /// (He·de, D)
    q: B::Weight,
    /// (He·de)
    q_bias: B::Buffer,
    /// (de)
    q_norm: B::Buffer,
    /// (Ge·de, D)
    k: B::Weight,
    /// (Ge·de)
    k_bias: B::Buffer,
    /// (de)
    k_norm: B::Buffer,
    /// (Ge·de, D)
    v: B::Weight,
    /// (Ge·de)
    v_bias: B::Buffer,
    /// (D, He·de)
    output: B::Weight,
    /// (D)
    ffn_norm: B::Buffer,
    /// (F, D)
    gate: B::Weight,
    /// (F, D)
    up: B::Weight,
    /// (D, F)
    down: B::Weight,
}

/// Activations for up to C chunks of `rows` (S, or S + 1 with CLS) rows.
pub(super) struct Work<B: Backend> {
    /// C
    chunks: usize,
    /// (C, rows, D)
    norm: B::Buffer,
    /// (C, rows, He·de)
    q: B::Buffer,
    /// (C, rows, Ge·de)
    k: B::Buffer,
    /// (C, rows, Ge·de)
    v: B::Buffer,
    /// (C, rows, He·de)
    attended: B::Buffer,
    /// (C, rows, F)
    gate: B::Buffer,
    /// (C, rows, F)
    up: B::Buffer,
    /// (C, D)
    summary: B::Buffer,
    /// (C, R)
    landmarks: B::Buffer,
    /// (C, rows, G·d)
    keys: B::Buffer,
    /// (C, rows, G·d)
    values: B::Buffer,
}

/// Rows per chunk in the encoder.
fn rows(hsa: &HsaConfig) -> usize {
    hsa.chunk_size + usize::from(hsa.encoder.cls)
}

impl<B: Backend> Work<B> {
    pub(super) fn new(config: &Config, hsa: &HsaConfig, backend: &B, chunks: usize) -> Result<Self> {
        let all = chunks * rows(hsa);
        let enc = &hsa.encoder;
        let deep = |width: usize| backend.buffer(if enc.blocks > 0 { all * width } else { 0 });
        let kv_width = config.hidden / enc.heads * enc.kv_heads;
        let memory_width = hsa.head_dim(config.hidden) * hsa.kv_heads;
        Ok(Self {
            chunks,
            norm: backend.buffer(all * config.hidden)?,
            q: deep(config.hidden)?,
            k: deep(kv_width)?,
            v: deep(kv_width)?,
            attended: deep(config.hidden)?,
            gate: deep(enc.feed_forward)?,
            up: deep(enc.feed_forward)?,
            summary: backend.buffer(chunks * config.hidden)?,
            landmarks: backend.buffer(chunks * hsa.retrieval_width)?,
            keys: backend.buffer(all * memory_width)?,
            values: backend.buffer(all * memory_width)?,
        })
    }
}

impl<B: Backend> Encoder<B> {
    pub(super) fn load(config: &Config, hsa: &HsaConfig, weights: &Weights, backend: &B) -> Result<Self> {
        let hidden = config.hidden;
        let enc = &hsa.encoder;
        let matrix = |name: &str, rows, cols| backend.weight(weights.matrix(name, rows, cols)?);
        let vector = |name: &str, len| backend.vector(&weights.vector(name, len)?);
        let optional = |present: bool, name: &str, len| present.then(|| vector(name, len)).transpose();
        let memory_width = hsa.head_dim(hidden) * hsa.kv_heads;
        Ok(Self {
            prenorm: optional(enc.prenorm, "enc.prenorm.weight", hidden)?,
            cls: optional(enc.cls, "enc.cls", hidden)?,
            layers: (0..enc.blocks).map(|i| Layer::load(config, enc, weights, backend, i)).collect::<Result<_>>()?,
            output_norm: vector("enc.output_norm.weight", hidden)?,
            k: matrix("chunk.k.weight", memory_width, hidden)?,
            v: matrix("chunk.v.weight", memory_width, hidden)?,
            k_norm: optional(hsa.qk_norm, "chunk.k_norm.weight", hsa.head_dim(hidden))?,
            landmark: matrix("chunk.landmark.weight", hsa.retrieval_width, hidden)?,
            landmark_ones: hsa.landmark_norm.then(|| backend.vector(&vec![1.0; hsa.landmark_width()])).transpose()?,
            shape: EncoderShape {
                rows: rows(hsa),
                heads: enc.heads,
                kv_heads: enc.kv_heads,
                head_dim: hidden / enc.heads,
                freq_base: enc.freq_base,
            },
        })
    }

    /// Rows of a chunk: S, or S + 1 with CLS.
    pub(super) fn rows(&self) -> usize {
        self.shape.rows
    }

    /// Encodes the first `chunks` chunks of `x` (C, rows, D), which is spent, and shows `emit` what they are. Every
    /// chunk is encoded for itself. Stops between two halves of a layer if `cancel` asks for it.
    pub(super) fn encode(
        &self,
        (config, hsa, backend): (&Config, &HsaConfig, &B),
        chunks: usize,
        x: &mut B::Buffer,
        s: &mut Work<B>,
        cancel: &Cancel,
        emit: &mut dyn FnMut(Encoded<'_>) -> Result<()>,
    ) -> Result<()> {
        let (hidden, eps) = (config.hidden, hsa.norm_eps);
        let rows = self.shape.rows;
        if chunks > s.chunks {
            return Err(Error::invalid(format!("{chunks} chunks in scratch for {}", s.chunks)));
        }
        let all = chunks * rows;
        if let Some(cls) = &self.cls {
            let last = Rows::of(hsa.chunk_size * hidden, rows * hidden);
            backend.copy(cls, Rows::of(0, 0), x, last, [1, chunks], hidden)?;
        }
        if let Some(weight) = &self.prenorm {
            backend.rms_norm_in_place(x, weight, eps, all, hidden)?;
        }
        for layer in &self.layers {
            layer.forward(&self.shape, (config, hsa, backend), chunks, x, s, cancel)?;
        }
        cancel.check()?;

        let norm = Norm { weight: &self.output_norm, width: hidden, eps };
        let head_dim = hsa.head_dim(hidden);
        if self.cls.is_some() {
            let memory = MemoryWeights {
                k: &self.k,
                v: &self.v,
                landmark: &self.landmark,
                k_norm: self.k_norm.as_ref(),
                heads: hsa.kv_heads,
                head_dim,
            };
            let out = [&mut s.keys, &mut s.values, &mut s.landmarks];
            backend.chunk_memory(&norm, &memory, x, [chunks, rows], [&mut s.norm, &mut s.summary], out)?;
        } else {
            backend.rms_norm(x, &self.output_norm, eps, all, hidden, &mut s.norm)?;
            backend.mean_rows(&s.norm, chunks, rows, hidden, &mut s.summary)?;
            backend.matmul(&self.landmark, &s.summary, chunks, &mut s.landmarks, false)?;
            backend.matmul(&self.k, &s.norm, all, &mut s.keys, false)?;
            backend.matmul(&self.v, &s.norm, all, &mut s.values, false)?;
            if let Some(weight) = &self.k_norm {
                backend.rms_norm_in_place(&mut s.keys, weight, eps, all * hsa.kv_heads, head_dim)?;
            }
        }
        if let Some(ones) = &self.landmark_ones {
            let heads = chunks * hsa.retrieval_heads;
            backend.rms_norm_in_place(&mut s.landmarks, ones, eps, heads, hsa.landmark_width())?;
        }

        let kv = all * hsa.kv_heads * head_dim;
        let results = [(&s.keys, kv), (&s.values, kv), (&s.landmarks, chunks * hsa.retrieval_width)];
        let shape = hsa.chunk_shape(hidden);
        backend.look(results, |[keys, values, landmarks]| emit(Encoded { shape, chunks, keys, values, landmarks }))
    }
}

impl<B: Backend> Layer<B> {
    fn load(config: &Config, enc: &EncoderConfig, weights: &Weights, backend: &B, index: usize) -> Result<Self> {
        let (hidden, feed_forward) = (config.hidden, enc.feed_forward);
        let head_dim = hidden / enc.heads;
        let kv_width = head_dim * enc.kv_heads;
        let name = |part: &str| format!("enc.blk.{index}.{part}");
        let matrix = |part: &str, rows, cols| backend.weight(weights.matrix(&name(part), rows, cols)?);
        let vector = |part: &str, len| backend.vector(&weights.vector(&name(part), len)?);
        Ok(Self {
            attn_norm: vector("attn_norm.weight", hidden)?,
            q: matrix("attn_q.weight", hidden, hidden)?,
            q_bias: vector("attn_q.bias", hidden)?,
            q_norm: vector("attn_q_norm.weight", head_dim)?,
            k: matrix("attn_k.weight", kv_width, hidden)?,
            k_bias: vector("attn_k.bias", kv_width)?,
            k_norm: vector("attn_k_norm.weight", head_dim)?,
            v: matrix("attn_v.weight", kv_width, hidden)?,
            v_bias: vector("attn_v.bias", kv_width)?,
            output: matrix("attn_output.weight", hidden, hidden)?,
            ffn_norm: vector("ffn_norm.weight", hidden)?,
            gate: matrix("ffn_gate.weight", feed_forward, hidden)?,
            up: matrix("ffn_up.weight", feed_forward, hidden)?,
            down: matrix("ffn_down.weight", hidden, feed_forward)?,
        })
    }

    /// Attention and MLP over `x`, `chunks` chunks at once.
    fn forward(
        &self,
        shape: &EncoderShape,
        (config, hsa, backend): (&Config, &HsaConfig, &B),
        chunks: usize,
        x: &mut B::Buffer,
        s: &mut Work<B>,
        cancel: &Cancel,
    ) -> Result<()> {
        cancel.check()?;
        let (hidden, eps, all) = (config.hidden, hsa.norm_eps, chunks * shape.rows);

        let norm = Norm { weight: &self.attn_norm, width: hidden, eps };
        let attention = Attention {
            q: (&self.q, &self.q_bias),
            k: (&self.k, &self.k_bias),
            v: (&self.v, &self.v_bias),
            output: &self.output,
            norms: HeadNorms { q: &self.q_norm, k: &self.k_norm, eps },
        };
        let scratch = [&mut s.norm, &mut s.q, &mut s.k, &mut s.v, &mut s.attended];
        backend.norm_attention(shape, &norm, &attention, x, chunks, (scratch, cancel))?;
        cancel.check()?;

        let norm = Norm { weight: &self.ffn_norm, width: hidden, eps };
        let mlp = Mlp { gate: &self.gate, up: &self.up, down: &self.down, width: hsa.encoder.feed_forward };
        backend.norm_mlp(&norm, &mlp, x, all, ([&mut s.norm, &mut s.up, &mut s.gate], cancel))
    }
}
