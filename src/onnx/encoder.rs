//! The whole chunking layer as one ONNX graph: hidden states in, keys, values and landmarks out.
//!
//! Only operators that every runtime has, and none that asks for a shape: with the number of chunks open, such operators
//! would run on the CPU in the middle of a graph on another device.

use std::io::Write;
use std::path::Path;

use crate::model::{Config, EncoderConfig, HsaConfig};
use crate::unfinished::Unfinished;
use crate::weights::Weights;
use crate::{Error, Result, room};

use super::graph::{Attribute, Dim, Element, Graph, Value};

/// Names of the inputs and outputs.
pub(crate) mod names {
    /// (chunks, S, D)
    pub const HIDDEN: &str = "hidden";
    /// (chunks, S, G, d)
    pub const KEYS: &str = "keys";
    /// (chunks, S, G, d)
    pub const VALUES: &str = "values";
    /// (chunks, Gr, R / Gr)
    pub const LANDMARKS: &str = "landmarks";
    /// The dimension that is open.
    pub const CHUNKS: &str = "chunks";
}

/// The version of the layout that `docs/onnx.md` describes.
const LAYOUT: u32 = 1;

/// Writes the [`encoder`] of `weights` to a file, which gets its name when it is complete, and returns its length.
///
/// # Errors
/// As [`encoder`]; `Io` if the file cannot be written, which then does not stay.
pub fn export(weights: &Weights, path: &Path) -> Result<u64> {
    let bytes = encoder(weights)?;
    let mut file = Unfinished::create(path)?;
    file.file().write_all(&bytes).map_err(|e| Error::io(format!("writing {}", path.display()), e))?;
    file.finish()?;
    Ok(bytes.len() as u64)
}

/// The chunk encoder of `weights` as an ONNX file, its weights decoded to f32.
///
/// # Errors
/// `InvalidArgument` if the model has no encoder, `Format` for hyperparameters that do not fit and for missing or misshapen tensors,
/// `Unsupported` for another architecture and if the file would become larger than 2 GiB.
pub fn encoder(weights: &Weights) -> Result<Vec<u8>> {
    let config = Config::from_gguf(weights.gguf())?;
    // The weights in f32, as they are decoded, in the graph, and in the file.
    let tensors = weights.gguf().tensors().iter().filter(|t| t.name.starts_with("enc"));
    room::check(tensors.map(|t| t.rows().saturating_mul(t.cols())).sum::<usize>().saturating_mul(12))?;
    let hsa =
        config.hsa.as_ref().ok_or_else(|| Error::invalid("this model keeps no chunk memories: it has no encoder"))?;
    let mut writer = Writer { graph: Graph::new(), weights, config: &config, hsa, enc: &hsa.encoder };
    writer.chunking_layer()?;
    let property = |key: &'static str, value: usize| (key, value.to_string());
    writer.graph.into_model(
        "chunk_encoder",
        &[
            ("ramba.kind", "chunk_encoder".to_owned()),
            property("ramba.layout", LAYOUT as usize),
            property("ramba.chunk_size", hsa.chunk_size),
            property("ramba.hidden", config.hidden),
            property("ramba.kv_heads", hsa.kv_heads),
            property("ramba.head_dim", hsa.head_dim(config.hidden)),
            property("ramba.retrieval_heads", hsa.retrieval_heads),
            property("ramba.retrieval_width", hsa.retrieval_width),
        ],
    )
}

/// Adds the parts of the layer to the graph. Symbols in shapes: C chunks · n rows, S or S + 1 with CLS · D hidden · He
/// and Ge heads of width de · G kv heads of width d · Gr retrieval heads, R their width together.
struct Writer<'a> {
    graph: Graph,
    weights: &'a Weights,
    config: &'a Config,
    hsa: &'a HsaConfig,
    enc: &'a EncoderConfig,
}

impl Writer<'_> {
    fn chunking_layer(&mut self) -> Result<()> {
        let (config, hsa, enc) = (self.config, self.hsa, self.enc);
        let (chunk, hidden, head_dim) = (hsa.chunk_size, config.hidden, hsa.head_dim(config.hidden));
        let (kv, any) = (hsa.kv_heads, Dim::Any(names::CHUNKS));
        let [s, d, g, gr] = [chunk, hidden, kv, hsa.retrieval_heads].map(Dim::Fixed);

        let input = self.graph.input(names::HIDDEN, Element::F32, &[any, s, d]);
        let mut x = if enc.cls { self.with_cls(&input)? } else { input };
        if enc.prenorm {
            x = self.norm(&x, "enc.prenorm.weight", hidden)?;
        }
        for i in 0..enc.blocks {
            x = self.layer(&x, i)?;
        }
        let x = self.norm(&x, "enc.output_norm.weight", hidden)?;

        let (summary, tokens) = if enc.cls {
            (self.slice(&x, 1, chunk, chunk + 1), self.slice(&x, 1, 0, chunk))
        } else {
            let mean = [("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(1))];
            (self.graph.op_with("ReduceMean", &[&x], &mean), x)
        };
        let landmarks = self.linear(&summary, "chunk.landmark.weight", hsa.retrieval_width, hidden)?;
        let mut landmarks = self.reshape(&landmarks, &[hsa.retrieval_heads, hsa.landmark_width()]);
        if hsa.landmark_norm {
            // The learned scales are part of the queries.
            landmarks = self.rms(&landmarks)?;
        }
        let keys = self.linear(&tokens, "chunk.k.weight", kv * head_dim, hidden)?;
        let mut keys = self.reshape(&keys, &[chunk, kv, head_dim]);
        if hsa.qk_norm {
            keys = self.norm(&keys, "chunk.k_norm.weight", head_dim)?;
        }
        let values = self.linear(&tokens, "chunk.v.weight", kv * head_dim, hidden)?;
        let values = self.reshape(&values, &[chunk, kv, head_dim]);

        let width = Dim::Fixed(head_dim);
        self.graph.output(names::KEYS, &keys, Element::F32, &[any, s, g, width]);
        self.graph.output(names::VALUES, &values, Element::F32, &[any, s, g, width]);
        self.graph.output(names::LANDMARKS, &landmarks, Element::F32, &[any, gr, Dim::Fixed(hsa.landmark_width())]);
        Ok(())
    }

    /// (C, S, D) → (C, S + 1, D): a row of zeros is put after each chunk, then the learned row is added to it.
    fn with_cls(&mut self, x: &Value) -> Result<Value> {
        let (chunk, hidden) = (self.hsa.chunk_size, self.config.hidden);
        let mut rows = vec![0.0; chunk * hidden];
        rows.extend(self.weights.vector("enc.cls", hidden)?);
        let rows = self.graph.constant("enc.cls", &[chunk + 1, hidden], &rows)?;
        let pads = self.graph.integers(&[0, 0, 0, 0, 1, 0]);
        let padded = self.graph.op("Pad", &[x, &pads]);
        Ok(self.graph.op("Add", &[&padded, &rows]))
    }

    /// One transformer layer over (C, n, D).
    fn layer(&mut self, x: &Value, index: usize) -> Result<Value> {
        let (hidden, enc) = (self.config.hidden, self.enc);
        let (head_dim, feed_forward) = (hidden / enc.heads, enc.feed_forward);
        let kv_width = head_dim * enc.kv_heads;
        let rows = self.hsa.chunk_size + usize::from(enc.cls);
        let name = |part: &str| format!("enc.blk.{index}.{part}");
        let share = enc.heads / enc.kv_heads;

        let y = self.norm(x, &name("attn_norm.weight"), hidden)?;
        let mut heads = |part: &str, width: usize| -> Result<Value> {
            let projected = self.linear(&y, &name(&format!("attn_{part}.weight")), width, hidden)?;
            let bias = self.vector(&name(&format!("attn_{part}.bias")), width)?;
            let projected = self.graph.op("Add", &[&projected, &bias]);
            // (C, n, heads, de)
            Ok(self.reshape(&projected, &[rows, width / head_dim, head_dim]))
        };
        let (q, k, v) = (heads("q", hidden)?, heads("k", kv_width)?, heads("v", kv_width)?);
        let q = self.norm(&q, &name("attn_q_norm.weight"), head_dim)?;
        let k = self.norm(&k, &name("attn_k_norm.weight"), head_dim)?;
        let q = self.rotate(&q, index, "q", (head_dim as f32).powf(-0.5))?;
        let k = self.rotate(&k, index, "k", 1.0)?;

        // Heads that share keys are one matrix: (C, Ge, He / Ge · n, de).
        let q = self.transpose(&q, &[0, 2, 1, 3]);
        let q = self.reshape(&q, &[enc.kv_heads, share * rows, head_dim]);
        let k = self.transpose(&k, &[0, 2, 3, 1]); // (C, Ge, de, n)
        let v = self.transpose(&v, &[0, 2, 1, 3]); // (C, Ge, n, de)
        let scores = self.graph.op("MatMul", &[&q, &k]);
        let shares = self.graph.op_with("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
        let attended = self.graph.op("MatMul", &[&shares, &v]);
        let attended = self.reshape(&attended, &[enc.heads, rows, head_dim]);
        let attended = self.transpose(&attended, &[0, 2, 1, 3]);
        let attended = self.reshape(&attended, &[rows, hidden]);
        let attended = self.linear(&attended, &name("attn_output.weight"), hidden, hidden)?;
        let x = self.graph.op("Add", &[x, &attended]);

        let y = self.norm(&x, &name("ffn_norm.weight"), hidden)?;
        let gate = self.linear(&y, &name("ffn_gate.weight"), feed_forward, hidden)?;
        let up = self.linear(&y, &name("ffn_up.weight"), feed_forward, hidden)?;
        let open = self.graph.op("Sigmoid", &[&gate]);
        let gate = self.graph.op("Mul", &[&gate, &open]);
        let gated = self.graph.op("Mul", &[&gate, &up]);
        let down = self.linear(&gated, &name("ffn_down.weight"), hidden, feed_forward)?;
        Ok(self.graph.op("Add", &[&x, &down]))
    }

    /// Rotary positions over (C, n, heads, de), times `scale`: value j is paired with value j + de/2.
    fn rotate(&mut self, x: &Value, index: usize, what: &str, scale: f32) -> Result<Value> {
        let (enc, chunk) = (self.enc, self.hsa.chunk_size);
        let head_dim = self.config.hidden / enc.heads;
        let (rows, half) = (chunk + usize::from(enc.cls), head_dim / 2);
        let (mut cos, mut sin) = (Vec::with_capacity(rows * half), Vec::with_capacity(rows * half));
        for row in 0..rows {
            for j in 0..half {
                let angle = row as f64 * f64::from(enc.freq_base).powf(-2.0 * j as f64 / head_dim as f64);
                cos.push(angle.cos() as f32 * scale);
                sin.push(angle.sin() as f32 * scale);
            }
        }
        let mut table = |part: &str, values: &[f32]| {
            self.graph.constant(&format!("enc.blk.{index}.{what}.{part}"), &[rows, 1, half], values)
        };
        let (cos, sin) = (table("cos", &cos)?, table("sin", &sin)?);
        let (a, b) = (self.slice(x, 3, 0, half), self.slice(x, 3, half, head_dim));
        let [a_cos, a_sin] = [&cos, &sin].map(|table| self.graph.op("Mul", &[&a, table]));
        let [b_cos, b_sin] = [&cos, &sin].map(|table| self.graph.op("Mul", &[&b, table]));
        let first = self.graph.op("Sub", &[&a_cos, &b_sin]);
        let second = self.graph.op("Add", &[&b_cos, &a_sin]);
        Ok(self.graph.op_with("Concat", &[&first, &second], &[("axis", Attribute::Int(-1))]))
    }

    /// `x` over the root of the mean of its squares along the last axis.
    fn rms(&mut self, x: &Value) -> Result<Value> {
        let eps = self.graph.scalar(self.hsa.norm_eps)?;
        // Spelled the way in which runtimes know it and replace it by one operator.
        let two = self.graph.scalar(2.0)?;
        let squares = self.graph.op("Pow", &[x, &two]);
        let mean = [("axes", Attribute::Ints(&[-1])), ("keepdims", Attribute::Int(1))];
        let mean = self.graph.op_with("ReduceMean", &[&squares], &mean);
        let mean = self.graph.op("Add", &[&mean, &eps]);
        let root = self.graph.op("Sqrt", &[&mean]);
        Ok(self.graph.op("Div", &[x, &root]))
    }

    /// RMSNorm along the last axis, of `width` values.
    fn norm(&mut self, x: &Value, name: &str, width: usize) -> Result<Value> {
        let normed = self.rms(x)?;
        let weight = self.vector(name, width)?;
        Ok(self.graph.op("Mul", &[&normed, &weight]))
    }

    /// (…, cols) → (…, rows) by the matrix `name` (rows, cols).
    fn linear(&mut self, x: &Value, name: &str, rows: usize, cols: usize) -> Result<Value> {
        let matrix = self.weights.matrix_f32(name, rows, cols)?;
        let mut transposed = Vec::with_capacity(matrix.len());
        for col in 0..cols {
            transposed.extend(matrix.iter().skip(col).step_by(cols));
        }
        let weight = self.graph.constant(name, &[cols, rows], &transposed)?;
        Ok(self.graph.op("MatMul", &[x, &weight]))
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Value> {
        let values = self.weights.vector(name, len)?;
        self.graph.constant(name, &[len], &values)
    }

    /// `x` with the dimensions after the first one changed.
    fn reshape(&mut self, x: &Value, dims: &[usize]) -> Value {
        // 0: as it was.
        let shape: Vec<i64> = std::iter::once(0).chain(dims.iter().map(|&d| d as i64)).collect();
        let shape = self.graph.integers(&shape);
        self.graph.op("Reshape", &[x, &shape])
    }

    fn transpose(&mut self, x: &Value, order: &[i64]) -> Value {
        self.graph.op_with("Transpose", &[x], &[("perm", Attribute::Ints(order))])
    }

    /// Elements `from..to` of `axis`.
    fn slice(&mut self, x: &Value, axis: usize, from: usize, to: usize) -> Value {
        let [from, to, axis] = [from, to, axis].map(|v| self.graph.integers(&[v as i64]));
        self.graph.op("Slice", &[x, &from, &to, &axis])
    }
}
