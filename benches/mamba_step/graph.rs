//! One token through a whole Mamba-2 as an ONNX graph: id and states in, logits and states out.

use ramba::Result;
use ramba::backend::SsmShape;
use ramba::model::Config;
use ramba::onnx::{Attribute, Dim, Element, Graph, Value};
use ramba::weights::Weights;

/// Names of the states of block `i`: (W − 1, channels) and (nh, P, N). Those of the outputs end in `_out`.
pub fn states(i: usize) -> [String; 2] {
    [format!("conv.{i}"), format!("ssm.{i}")]
}

/// The ONNX file, weights in f32. One group of B and C, and time steps without limits.
pub fn step(weights: &Weights, config: &Config) -> Result<Vec<u8>> {
    let mut w = Writer { graph: Graph::new(), weights, config };
    let ids = w.graph.input("id", Element::I64, &[Dim::Fixed(1)]);
    let embedding = weights.matrix_f32("token_embd.weight", config.vocab, config.hidden)?;
    let table = w.graph.constant("token_embd.weight", &[config.vocab, config.hidden], &embedding)?;
    let mut x = w.graph.op("Gather", &[&table, &ids]); // (1, D)
    for i in 0..config.blocks {
        x = w.block(&x, i)?;
    }
    let x = w.norm(&x, "output_norm.weight", config.hidden)?;
    let logits = w.linear(&x, "token_embd.weight", config.vocab, config.hidden, ".transposed")?;
    w.graph.output("logits", &logits, Element::F32, &[Dim::Fixed(1), Dim::Fixed(config.vocab)]);
    w.graph.into_model("mamba2_step", &[])
}

struct Writer<'a> {
    graph: Graph,
    weights: &'a Weights,
    config: &'a Config,
}

impl Writer<'_> {
    /// (1, D) → (1, D)
    fn block(&mut self, x: &Value, i: usize) -> Result<Value> {
        let (hidden, ssm) = (self.config.hidden, self.config.ssm);
        let SsmShape { inner, heads, state, conv, .. } = ssm;
        let (channels, width) = (ssm.conv_channels(), ssm.head_dim());
        let name = |part: &str| format!("blk.{i}.{part}");
        let dims = |dims: &[usize]| dims.iter().map(|&d| Dim::Fixed(d)).collect::<Vec<_>>();
        let [conv_name, ssm_name] = states(i);
        let history = self.graph.input(&conv_name, Element::F32, &dims(&[conv - 1, channels]));
        let before = self.graph.input(&ssm_name, Element::F32, &dims(&[heads, width, state]));

        let normed = self.norm(x, &name("attn_norm.weight"), hidden)?;
        let zxbcdt = self.linear(&normed, &name("ssm_in.weight"), ssm.projected(), hidden, "")?;
        let sizes = [inner, channels, heads].map(|n| n as i64);
        let [z, xbc, dt] = self.split(&zxbcdt, 1, sizes);

        // The convolution: the last W rows, weighted and summed.
        let rows = self.graph.op_with("Concat", &[&history, &xbc], &[("axis", Attribute::Int(0))]);
        let [from, to, axis] = [1, conv as i64, 0].map(|v| self.graph.integers(&[v]));
        let kept = self.graph.op("Slice", &[&rows, &from, &to, &axis]);
        self.graph.output(&format!("{conv_name}_out"), &kept, Element::F32, &dims(&[conv - 1, channels]));
        let taps = self.weights.matrix_f32(&name("ssm_conv1d.weight"), channels, conv)?;
        let taps: Vec<f32> = (0..conv).flat_map(|t| taps.iter().skip(t).step_by(conv).copied()).collect();
        let taps = self.graph.constant(&name("taps"), &[conv, channels], &taps)?;
        let weighted = self.graph.op("Mul", &[&rows, &taps]);
        let axis = self.graph.integers(&[0]);
        let summed = self.graph.op_with("ReduceSum", &[&weighted, &axis], &[("keepdims", Attribute::Int(1))]);
        let bias = self.vector(&name("ssm_conv1d.bias"), channels)?;
        let summed = self.graph.op("Add", &[&summed, &bias]);
        let mixed = self.silu(&summed);
        let [v, b, c] = self.split(&mixed, 1, [inner, state, state].map(|n| n as i64));

        // The recurrence.
        let bias = self.vector(&name("ssm_dt.bias"), heads)?;
        let dt = self.graph.op("Add", &[&dt, &bias]);
        let dt = self.graph.op("Softplus", &[&dt]); // (1, nh)
        let a = self.vector(&name("ssm_a"), heads)?;
        let decay = self.graph.op("Mul", &[&dt, &a]);
        let decay = self.graph.op("Exp", &[&decay]);
        let decay = self.reshape(&decay, &[heads, 1, 1]);
        let dt = self.reshape(&dt, &[heads, 1]);
        let v = self.reshape(&v, &[heads, width]);
        let step = self.graph.op("Mul", &[&v, &dt]);
        let step = self.reshape(&step, &[heads, width, 1]);
        let b = self.reshape(&b, &[1, 1, state]);
        let new = self.graph.op("Mul", &[&step, &b]);
        let old = self.graph.op("Mul", &[&before, &decay]);
        let after = self.graph.op("Add", &[&old, &new]);
        self.graph.output(&format!("{ssm_name}_out"), &after, Element::F32, &dims(&[heads, width, state]));
        let c = self.reshape(&c, &[state, 1]);
        let flat = self.reshape(&after, &[inner, state]);
        let y = self.graph.op("MatMul", &[&flat, &c]);
        let y = self.reshape(&y, &[heads, width]);
        let d = self.weights.vector(&name("ssm_d"), heads)?;
        let d = self.graph.constant(&name("ssm_d"), &[heads, 1], &d)?;
        let skip = self.graph.op("Mul", &[&v, &d]);
        let y = self.graph.op("Add", &[&y, &skip]);
        let y = self.reshape(&y, &[1, inner]);

        let gate = self.silu(&z);
        let y = self.graph.op("Mul", &[&y, &gate]);
        let y = self.norm(&y, &name("ssm_norm.weight"), inner)?;
        let y = self.linear(&y, &name("ssm_out.weight"), hidden, inner, "")?;
        Ok(self.graph.op("Add", &[x, &y]))
    }

    fn silu(&mut self, x: &Value) -> Value {
        let open = self.graph.op("Sigmoid", &[x]);
        self.graph.op("Mul", &[x, &open])
    }

    fn split<const N: usize>(&mut self, x: &Value, axis: i64, sizes: [i64; N]) -> [Value; N] {
        let mut from = 0;
        sizes.map(|size| {
            let [start, end, axis] = [from, from + size, axis].map(|v| self.graph.integers(&[v]));
            from += size;
            self.graph.op("Slice", &[x, &start, &end, &axis])
        })
    }

    fn reshape(&mut self, x: &Value, dims: &[usize]) -> Value {
        let shape = self.graph.integers(&dims.iter().map(|&d| d as i64).collect::<Vec<_>>());
        self.graph.op("Reshape", &[x, &shape])
    }

    fn norm(&mut self, x: &Value, name: &str, width: usize) -> Result<Value> {
        let (two, eps) = (self.graph.scalar(2.0)?, self.graph.scalar(self.config.norm_eps)?);
        let squares = self.graph.op("Pow", &[x, &two]);
        let mean = [("axes", Attribute::Ints(&[-1])), ("keepdims", Attribute::Int(1))];
        let mean = self.graph.op_with("ReduceMean", &[&squares], &mean);
        let mean = self.graph.op("Add", &[&mean, &eps]);
        let root = self.graph.op("Sqrt", &[&mean]);
        let normed = self.graph.op("Div", &[x, &root]);
        let weight = self.vector(name, width)?;
        Ok(self.graph.op("Mul", &[&normed, &weight]))
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<Value> {
        let values = self.weights.vector(name, len)?;
        self.graph.constant(name, &[len], &values)
    }

    /// By the matrix `name` (rows, cols).
    fn linear(&mut self, x: &Value, name: &str, rows: usize, cols: usize, suffix: &str) -> Result<Value> {
        let matrix = self.weights.matrix_f32(name, rows, cols)?;
        let transposed: Vec<f32> = (0..cols).flat_map(|c| matrix.iter().skip(c).step_by(cols).copied()).collect();
        let weight = self.graph.constant(&format!("{name}{suffix}"), &[cols, rows], &transposed)?;
        Ok(self.graph.op("MatMul", &[x, &weight]))
    }
}
