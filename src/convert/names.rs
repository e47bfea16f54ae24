//! Which tensor of a checkpoint becomes which tensor of a model file.

use super::config::{Shape, Upper};
use crate::{Error, Result};

/// The embedding of published RAMba and Hugging Face checkpoints, and of the original ones.
pub(super) const EMBEDDING: [&str; 2] = ["backbone.embeddings.weight", "backbone.embedding.weight"];

/// Most values of a tensor: beyond it no sum of sizes is sure to be right, and no model is there either.
const MAX_VALUES: u64 = 1 << 40;

/// A tensor of both.
#[derive(Debug)]
pub(super) struct Row {
    /// Its name in the model file.
    pub gguf: String,
    /// Its name in the checkpoint, or the two that it may have.
    pub names: Vec<String>,
    /// Its sizes in the model file, fastest first.
    pub dims: Vec<u64>,
    /// Its sizes in the checkpoint, slowest first.
    pub shape: Vec<u64>,
    /// Whether it may be quantized.
    pub matrix: bool,
    /// Whether the model file holds −exp of the values.
    pub negate_exp: bool,
}

impl Row {
    /// Number of values; the same for both.
    pub(super) fn len(&self) -> u64 {
        // Bounded when the table was made.
        self.dims.iter().product()
    }
}

/// The tensors of a model, in the order of its file.
pub(super) fn table(shape: &Shape, tied: bool) -> Result<Vec<Row>> {
    let mut t = Table { rows: Vec::new(), ours: String::new(), theirs: String::new() };
    let (d, vocab) = (shape.hidden, shape.vocab);
    t.matrix("token_embd.weight", EMBEDDING[0], vocab, d);
    t.also_named(EMBEDDING[1]);
    if !tied {
        t.matrix("output.weight", "lm_head.weight", vocab, d);
    }
    t.vector("output_norm.weight", "backbone.norm_f.weight", d);

    // `layer` counts all layers of the checkpoint, `block` the Mamba-2 blocks among them.
    let (mut layer, mut block) = (0, 0);
    let mut next = |t: &mut Table, ours: String| {
        t.ours = ours;
        t.theirs = format!("backbone.layers.{layer}.");
        layer += 1;
    };
    let mut blocks = |t: &mut Table, count: u64, next: &mut dyn FnMut(&mut Table, String)| {
        for _ in 0..count {
            next(t, format!("blk.{block}."));
            t.block(shape);
            block += 1;
        }
    };
    blocks(&mut t, shape.lower, &mut next);
    if let Some(upper) = &shape.upper {
        next(&mut t, String::new());
        t.chunking(shape, upper);
        let mut hsa = 0;
        for group in 0..upper.groups {
            next(&mut t, format!("ret.{group}."));
            t.retrieval(d, upper);
            for _ in 0..upper.layers {
                next(&mut t, format!("hsa.{hsa}."));
                t.hsa(d, upper);
                blocks(&mut t, upper.per_hsa, &mut next);
                hsa += 1;
            }
        }
    }
    for row in &t.rows {
        let len = row.dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).unwrap_or(u64::MAX);
        if !(1..=MAX_VALUES).contains(&len) {
            return Err(Error::format(format!("config.json makes {} a tensor of {:?}", row.names[0], row.shape)));
        }
    }
    Ok(t.rows)
}

/// Whether a tensor of a model file is one that [`table`] calls a matrix.
pub(super) fn is_matrix(name: &str) -> bool {
    let leaf = name.strip_suffix(".weight").map(|n| n.rsplit_once('.').map_or(n, |(_, leaf)| leaf));
    matches!(
        leaf,
        Some(
            "token_embd"
                | "output"
                | "ssm_in"
                | "ssm_out"
                | "attn_q"
                | "attn_k"
                | "attn_v"
                | "attn_output"
                | "ffn_gate"
                | "ffn_up"
                | "ffn_down"
                | "k"
                | "v"
                | "q"
                | "landmark"
        )
    )
}

/// A table in the making, with the prefixes of the layer at hand.
struct Table {
    rows: Vec<Row>,
    ours: String,
    theirs: String,
}

impl Table {
    fn add(&mut self, ours: &str, theirs: &str, dims: &[u64], shape: &[u64], matrix: bool) {
        self.rows.push(Row {
            gguf: format!("{}{ours}", self.ours),
            names: vec![format!("{}{theirs}", self.theirs)],
            dims: dims.to_vec(),
            shape: shape.to_vec(),
            matrix,
            negate_exp: false,
        });
    }

    /// (rows, cols)
    fn matrix(&mut self, ours: &str, theirs: &str, rows: u64, cols: u64) {
        self.add(ours, theirs, &[cols, rows], &[rows, cols], true);
    }

    /// (len)
    fn vector(&mut self, ours: &str, theirs: &str, len: u64) {
        self.add(ours, theirs, &[len], &[len], false);
    }

    /// Another name that the last tensor may have in a checkpoint.
    fn also_named(&mut self, theirs: &str) {
        let name = format!("{}{theirs}", self.theirs);
        if let Some(row) = self.rows.last_mut() {
            row.names.push(name);
        }
    }

    fn block(&mut self, shape: &Shape) {
        let Shape { hidden: d, inner: e, ssm_heads: nh, state, ssm_groups: groups, conv, .. } = *shape;
        // Each factor has at most 32 bits; a product beyond 64 bits is too large a tensor in any case.
        let channels = groups.saturating_mul(state).saturating_mul(2).saturating_add(e);
        let projected = channels.saturating_add(e).saturating_add(nh);
        self.vector("attn_norm.weight", "norm.weight", d);
        self.matrix("ssm_in.weight", "mixer.in_proj.weight", projected, d);
        self.add("ssm_conv1d.weight", "mixer.conv1d.weight", &[conv, channels], &[channels, 1, conv], false);
        self.vector("ssm_conv1d.bias", "mixer.conv1d.bias", channels);
        self.vector("ssm_dt.bias", "mixer.dt_bias", nh);
        self.add("ssm_a", "mixer.A_log", &[1, nh], &[nh], false);
        if let Some(row) = self.rows.last_mut() {
            row.negate_exp = true;
        }
        self.add("ssm_d", "mixer.D", &[1, nh], &[nh], false);
        let per_group = e.checked_div(groups).unwrap_or(0);
        self.add("ssm_norm.weight", "mixer.norm.weight", &[per_group, groups], &[e], false);
        self.matrix("ssm_out.weight", "mixer.out_proj.weight", d, e);
    }

    fn chunking(&mut self, shape: &Shape, u: &Upper) {
        let (d, f) = (shape.hidden, u.enc_ffn);
        // That the heads divide D was checked with the config.
        let width = d / u.enc_heads;
        for j in 0..u.enc_layers {
            let (ours, theirs) = (format!("enc.blk.{j}."), format!("encoder.layers.{j}."));
            let name = |part: &str| format!("{ours}{part}");
            let their = |part: &str| format!("{theirs}{part}");
            self.vector(&name("attn_norm.weight"), &their("input_layernorm.weight"), d);
            for (part, heads) in [("q", u.enc_heads), ("k", u.enc_kv_heads), ("v", u.enc_kv_heads)] {
                let proj = their(&format!("self_attn.{part}_proj"));
                self.matrix(&name(&format!("attn_{part}.weight")), &format!("{proj}.weight"), heads * width, d);
                self.vector(&name(&format!("attn_{part}.bias")), &format!("{proj}.bias"), heads * width);
            }
            self.vector(&name("attn_q_norm.weight"), &their("self_attn.q_norm.weight"), width);
            self.vector(&name("attn_k_norm.weight"), &their("self_attn.k_norm.weight"), width);
            self.matrix(&name("attn_output.weight"), &their("self_attn.o_proj.weight"), d, d);
            self.vector(&name("ffn_norm.weight"), &their("post_attention_layernorm.weight"), d);
            self.matrix(&name("ffn_gate.weight"), &their("mlp.gate_proj.weight"), f, d);
            self.matrix(&name("ffn_up.weight"), &their("mlp.up_proj.weight"), f, d);
            self.matrix(&name("ffn_down.weight"), &their("mlp.down_proj.weight"), d, f);
        }
        let norm = if u.enc_layers > 0 { "encoder.norm.weight" } else { "norm.weight" };
        self.vector("enc.output_norm.weight", norm, d);
        if u.enc_prenorm {
            self.vector("enc.prenorm.weight", "enc_prenorm.weight", d);
        }
        if u.enc_cls {
            self.add("enc.cls", "cls_emb", &[d], &[1, 1, d], false);
        }
        let kv = d / u.heads * u.kv_heads;
        self.matrix("chunk.k.weight", "proj_k.weight", kv, d);
        self.matrix("chunk.v.weight", "proj_v.weight", kv, d);
        self.matrix("chunk.landmark.weight", "lmk_ln.weight", u.retrieval, d);
        if u.qk_norm {
            self.vector("chunk.k_norm.weight", "k_rmsnorm.weight", d / u.heads);
        }
    }

    fn retrieval(&mut self, d: u64, u: &Upper) {
        self.vector("norm.weight", "pre_norm.weight", d);
        self.matrix("q.weight", "ln.weight", u.retrieval, d);
        if u.landmark_norm {
            let width = u.retrieval / if u.single_head { 1 } else { u.kv_heads };
            self.vector("q_norm.weight", "lmk_q_norm.weight", width);
            self.vector("k_norm.weight", "lmk_k_norm.weight", width);
        }
        if u.pos_decay {
            self.vector("pos_decay", "pos_decay", 1);
        }
    }

    fn hsa(&mut self, d: u64, u: &Upper) {
        self.vector("norm.weight", "pre_norm.weight", d);
        self.matrix("q.weight", "q_proj.weight", d, d);
        self.matrix("output.weight", "o_proj.weight", d, d);
        if u.qk_norm {
            self.vector("q_norm.weight", "q_norm.weight", d / u.heads);
        }
    }
}
