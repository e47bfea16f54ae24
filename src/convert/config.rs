//! `config.json` → the shape of a model and the metadata of its file.
//!
//! Three kinds are known: published RAMba (`num_lower_layers` …), Hugging Face's `Mamba2ForCausalLM`
//! (`num_hidden_layers`) and the original Mamba-2 (`d_model`, `n_layer`, `ssm_cfg`). A field is read, or must have the one value
//! under which it changes nothing here, or is known to be about training and loading alone; any other is refused by its name.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::SegmentMode;
use super::safetensors::Checkpoint;
use crate::gguf::{Quoted, Value};
use crate::{Error, Result};

/// Epsilon of the norms of chunking, encoder, retrieval and HSA, a constant of the authors' code.
const HSA_EPS: f32 = 1e-6;
/// Most layers of any kind: far more than any model, few enough to list them before they are counted.
const MAX_LAYERS: u64 = 1024;
/// Base of the encoder's rotary positions, a constant of the authors' code.
const ROPE_BASE: f64 = 10_000.0;

/// Fields about training, loading, the saving program and how text is generated, which change nothing that a model computes, and fields that
/// the authors' code never reads (`insert_lmk`, `stick_breaking`).
const INERT: &[&str] = &[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_attn_implementation_internal",
    "_commit_hash",
    "_experts_implementation",
    "_experts_implementation_autoset",
    "_flash_attn_2_enabled",
    "_name_or_path",
    "add_cross_attention",
    "architectures",
    "attn_implementation",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "cache_implementation",
    "chunk_size_feed_forward",
    "cross_attention_hidden_size",
    "custom_pipelines",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dt_rank",
    "dtype",
    "early_stopping",
    "enable_gumbel_noise",
    "encoder_dropout",
    "encoder_no_repeat_ngram_size",
    "epsilon_cutoff",
    "eta_cutoff",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_decoder_ids",
    "forced_eos_token_id",
    "fused_add_norm",
    "generation_config",
    "gradient_checkpointing",
    "guidance_scale",
    "id2label",
    "inference_segment",
    "initializer_range",
    "insert_lmk",
    "intermediate_size",
    "is_decoder",
    "is_encoder_decoder",
    "is_fast",
    "label2id",
    "length_penalty",
    "lmk_token_id",
    "loss_type",
    "mamba_chunk_size",
    "max_length",
    "max_new_tokens",
    "max_position_embeddings",
    "max_seq_len",
    "max_time",
    "min_length",
    "min_new_tokens",
    "min_p",
    "model_name",
    "no_repeat_ngram_size",
    "norm_before_gate",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_return_sequences",
    "offloading_to_cpu",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pad_id",
    "pad_vocab_size_multiple",
    "penalty_alpha",
    "prefix",
    "problem_type",
    "pruned_heads",
    "remove_invalid_values",
    "renormalize_logits",
    "repetition_penalty",
    "rescale_prenorm_residual",
    "residual_in_fp32",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "sequence_bias",
    "slide_window",
    "sliding_window",
    "stick_breaking",
    "stop_strings",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "time_step_floor",
    "time_step_init_scheme",
    "time_step_max",
    "time_step_min",
    "time_step_rank",
    "time_step_scale",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "typical_p",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
    "use_return_dict",
];

/// What a model looks like. Numbers are as the file says: that they fit one another is checked by the reader of the
/// model file, on the header to be written.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub vocab: u64,
    /// D
    pub hidden: u64,
    /// E
    pub inner: u64,
    /// nh
    pub ssm_heads: u64,
    /// N
    pub state: u64,
    /// Ng
    pub ssm_groups: u64,
    /// W
    pub conv: u64,
    eps: f32,
    /// Bounds of the time step.
    dt_min: f32,
    dt_max: f32,
    /// Mamba-2 blocks before the chunking layer.
    pub lower: u64,
    /// Z, 0 if the recurrence is never reset.
    segment: u64,
    overlap: u64,
    /// `None` if the config does not say.
    tied: Option<bool>,
    pub upper: Option<Upper>,
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    pub pad: Option<u32>,
    pub question: Option<u32>,
    pub answer: Option<u32>,
    /// Whether a question begins with a space.
    pub question_space: bool,
    /// Above which probability of the end where an answer begins there is none.
    pub no_answer_probability: Option<f64>,
    /// Chunks that a question's answer is read from again, and windows for them; 0 for none.
    pub rereading: [u64; 2],
    /// What words that a chunk shares with a question weigh in the choice of these.
    pub lexical_weight: Option<f64>,
}

/// The part of a RAMba above its lower blocks.
#[derive(Debug, Clone)]
pub(super) struct Upper {
    pub groups: u64,
    /// HSA layers of each group.
    pub layers: u64,
    /// Mamba-2 blocks after each HSA layer.
    pub per_hsa: u64,
    /// H
    pub heads: u64,
    /// G
    pub kv_heads: u64,
    /// S
    chunk: u64,
    /// K
    top_k: u64,
    /// R
    pub retrieval: u64,
    pub single_head: bool,
    pub landmark_norm: bool,
    softmax: bool,
    pub pos_decay: bool,
    off_by_one: bool,
    pub qk_norm: bool,
    pub enc_layers: u64,
    pub enc_heads: u64,
    pub enc_kv_heads: u64,
    /// F
    pub enc_ffn: u64,
    pub enc_cls: bool,
    pub enc_prenorm: bool,
    rope_base: f32,
}

impl Shape {
    /// Reads `config.json`.
    pub(super) fn read(object: &Map<String, Json>, ignored: &[String], notes: &mut Vec<String>) -> Result<Self> {
        let mut f = Fields { object, known: BTreeSet::new() };
        let shape = if object.contains_key("d_model") && object.contains_key("n_layer") {
            original(&mut f)?
        } else {
            hugging_face(&mut f, notes)?
        };
        for field in ignored {
            match object.get(field) {
                Some(value) if !f.known.contains(field.as_str()) => {
                    notes.push(format!("{} = {} of config.json was ignored as asked", Quoted(field), short(value)));
                }
                Some(_) => {
                    return Err(Error::invalid(format!("{} is understood and cannot be ignored", Quoted(field))));
                }
                None => return Err(Error::invalid(format!("{} is to be ignored, but is not there", Quoted(field)))),
            }
        }
        f.finish(ignored)?;
        Ok(shape)
    }

    /// Decides whether the recurrence starts anew at segments.
    pub(super) fn resolve_segments(&mut self, mode: SegmentMode, notes: &mut Vec<String>) -> Result<()> {
        match (mode, self.segment) {
            (SegmentMode::Carry, 0) | (SegmentMode::Reset, 1..) => {}
            (SegmentMode::Carry, size) => {
                notes.push(format!(
                    "segment_size = {size} of config.json is not used: the recurrence is carried on, as its authors evaluate. With \
                     --segments reset it starts anew at every segment, as in their training, and documents are read in parallel"
                ));
                (self.segment, self.overlap) = (0, 0);
            }
            (SegmentMode::Reset, 0) => {
                return Err(Error::invalid("config.json has no segment_size at which the recurrence could be reset"));
            }
        }
        Ok(())
    }

    /// Leaves out of `checkpoint` the decay of positions where nothing reads it: the authors' code does with softmax alone.
    pub(super) fn resolve_decay(&mut self, checkpoint: &mut Checkpoint, notes: &mut Vec<String>) {
        let Some(upper) = self.upper.as_mut().filter(|upper| upper.pos_decay && !upper.softmax) else { return };
        upper.pos_decay = false;
        checkpoint.forget_leaf("pos_decay");
        notes.push("enable_pos_decay of config.json has no effect without enable_softmax, and is left out".into());
    }

    /// Whether the output matrix is the embedding: what the config says, or else what the tensors show. An output matrix that
    /// repeats the embedding is left out of `checkpoint`.
    pub(super) fn resolve_output(&mut self, checkpoint: &mut Checkpoint) -> Result<bool> {
        const OUTPUT: &str = "lm_head.weight";
        if !checkpoint.has(OUTPUT) {
            if self.tied == Some(false) {
                return Err(Error::format(format!("tensor {OUTPUT} is missing, and config.json says it is not tied")));
            }
            return Ok(true);
        }
        if self.tied == Some(false) {
            return Ok(false);
        }
        let names = super::names::EMBEDDING;
        if !names.iter().any(|name| checkpoint.has(name)) {
            // Which is said when the tensors are looked for.
            return Ok(true);
        }
        let same = checkpoint.same(OUTPUT, names[0])? || checkpoint.same(OUTPUT, names[1])?;
        match (same, self.tied) {
            (true, _) => {
                checkpoint.forget(OUTPUT);
                Ok(true)
            }
            (false, None) => Ok(false),
            (false, Some(_)) => {
                Err(Error::format(format!("config.json says that {OUTPUT} is tied to the embedding, but they differ")))
            }
        }
    }

    /// Llama.cpp's architecture for what is Mamba-2 and nothing else.
    pub(super) fn architecture(&self) -> &'static str {
        let plain = self.upper.is_none() && self.segment == 0 && self.dt_min <= 0.0 && self.dt_max.is_infinite();
        if plain { "mamba2" } else { "ramba" }
    }

    /// The keys of docs/format.md, but for `general.` and the tokenizer's.
    pub(super) fn entries(&self) -> Vec<(String, Value)> {
        let arch = self.architecture();
        let mut entries = Vec::new();
        let mut put = |key: &str, value: Value| entries.push((format!("{arch}.{key}"), value));
        // Every number was read as at most u32::MAX, sums of layers are below 2^11; products are checked by the reader,
        // which is given the largest number instead of a truncated one.
        let upper = self.upper.as_ref();
        let upper_blocks = upper.map_or(0, |u| u.groups * u.layers * u.per_hsa);
        put("context_length", n(1 << 20));
        put("embedding_length", n(self.hidden));
        put("feed_forward_length", n(0));
        put("block_count", n(self.lower + upper_blocks));
        put("vocab_size", n(self.vocab));
        put("ssm.conv_kernel", n(self.conv));
        put("ssm.inner_size", n(self.inner));
        put("ssm.state_size", n(self.state));
        put("ssm.time_step_rank", n(self.ssm_heads));
        put("ssm.group_count", n(self.ssm_groups));
        put("attention.layer_norm_rms_epsilon", Value::F32(self.eps));
        put("attention.head_count", n(upper.map_or(0, |u| u.heads)));
        if arch == "ramba" {
            if self.dt_min > 0.0 {
                put("ssm.time_step_min", Value::F32(self.dt_min));
            }
            if self.dt_max.is_finite() {
                put("ssm.time_step_max", Value::F32(self.dt_max));
            }
            put("segment.size", n(self.segment));
            put("segment.overlap", n(self.overlap));
            put("lower_block_count", n(self.lower));
            put("upper_group_count", n(upper.map_or(0, |u| u.groups)));
        }
        if let Some(u) = upper {
            put("blocks_per_hsa", n(u.per_hsa));
            put("attention.head_count_kv", n(u.kv_heads));
            put("attention.qk_norm", Value::Bool(u.qk_norm));
            put("attention.softmax_off_by_one", Value::Bool(u.off_by_one));
            put("hsa.layer_norm_rms_epsilon", Value::F32(HSA_EPS));
            put("chunk.size", n(u.chunk));
            put("chunk.top_k", n(u.top_k));
            put("retrieval.width", n(u.retrieval));
            put("retrieval.single_head", Value::Bool(u.single_head));
            put("retrieval.landmark_norm", Value::Bool(u.landmark_norm));
            put("retrieval.softmax", Value::Bool(u.softmax));
            put("retrieval.position_decay", Value::Bool(u.pos_decay));
            put("encoder.block_count", n(u.enc_layers));
            put("encoder.head_count", n(u.enc_heads));
            put("encoder.head_count_kv", n(u.enc_kv_heads));
            put("encoder.feed_forward_length", n(u.enc_ffn));
            put("encoder.cls", Value::Bool(u.enc_cls));
            put("encoder.prenorm", Value::Bool(u.enc_prenorm));
            put("encoder.rope.freq_base", Value::F32(u.rope_base));
        }
        entries
    }

    /// The keys that say how a question is put, if both of its tokens are known.
    pub(super) fn question_entries(&self, question: Option<u32>, answer: Option<u32>) -> Vec<(String, Value)> {
        match (question, answer, self.architecture()) {
            (Some(question), Some(answer), "ramba") => {
                let mut entries = vec![
                    ("ramba.ask.question_token_id".into(), Value::U32(question)),
                    ("ramba.ask.answer_token_id".into(), Value::U32(answer)),
                ];
                if self.question_space {
                    entries.push(("ramba.ask.leading_space".into(), Value::Bool(true)));
                }
                if let Some(limit) = self.no_answer_probability {
                    entries.push(("ramba.ask.no_answer_probability".into(), Value::F32(limit as f32)));
                }
                let [chunks, windows] = self.rereading;
                if chunks + windows > 0 {
                    entries.push(("ramba.rereading.chunks".into(), n(chunks)));
                    entries.push(("ramba.rereading.windows".into(), n(windows)));
                }
                if let Some(weight) = self.lexical_weight {
                    entries.push(("ramba.rereading.lexical_weight".into(), Value::F32(weight as f32)));
                }
                entries
            }
            _ => Vec::new(),
        }
    }
}

/// A number as metadata has it.
fn n(value: u64) -> Value {
    Value::U32(u32::try_from(value).unwrap_or(u32::MAX))
}

/// Published RAMba and `Mamba2ForCausalLM`: the same names for the Mamba-2 part.
fn hugging_face(f: &mut Fields<'_>, notes: &mut Vec<String>) -> Result<Shape> {
    let published = f.object.contains_key("num_lower_layers");
    match f.text("model_type")? {
        Some("mamba2") | None => {}
        Some("ramba") if published => {}
        Some(other) => {
            return Err(Error::unsupported(format!("model_type is {}; mamba2 and RAMba are known", Quoted(other))));
        }
    }
    f.inert(INERT);
    f.only("hidden_act", &["silu".into(), "swish".into()])?;
    f.only("use_bias", &[false.into()])?;
    f.only("use_conv_bias", &[true.into()])?;
    f.only("rms_norm", &[true.into()])?;
    f.only("ssm_cfg", &[Json::Object(Map::new())])?;

    let hidden = f.need("hidden_size")?;
    let inner = inner_size(f, "hidden_size", hidden)?;
    let heads = match (f.uint("num_heads")?, f.uint("head_dim")?) {
        (Some(heads), Some(dim)) if heads * dim != inner => {
            return Err(Error::format(format!(
                "num_heads = {heads} times head_dim = {dim} is not {inner} = expand · hidden_size"
            )));
        }
        (Some(heads), _) => heads,
        (None, Some(dim)) if dim > 0 && inner.is_multiple_of(dim) => inner / dim,
        (None, Some(dim)) => return Err(Error::format(format!("head_dim = {dim} does not divide {inner}"))),
        (None, None) => return Err(missing("num_heads")),
    };
    let (dt_min, dt_max) = f.limits("time_step_limit")?;
    let hidden_layers = f.uint("num_hidden_layers")?;
    let lower = if published {
        f.need("num_lower_layers")?
    } else {
        hidden_layers.ok_or_else(|| missing("num_hidden_layers"))?
    };
    check_layers("Mamba-2 blocks", lower)?;
    let mut shape = Shape {
        vocab: f.need("vocab_size")?,
        hidden,
        inner,
        ssm_heads: heads,
        state: f.need("state_size")?,
        ssm_groups: f.need("n_groups")?,
        conv: f.need("conv_kernel")?,
        eps: f.float("layer_norm_epsilon")?.ok_or_else(|| missing("layer_norm_epsilon"))? as f32,
        dt_min,
        dt_max,
        lower,
        segment: 0,
        overlap: 0,
        tied: f.flag("tie_word_embeddings")?,
        upper: None,
        bos: f.token("bos_token_id", notes)?,
        eos: f.token("eos_token_id", notes)?,
        pad: f.token("pad_token_id", notes)?,
        question: None,
        answer: None,
        question_space: false,
        no_answer_probability: None,
        rereading: [0; 2],
        lexical_weight: None,
    };
    if published {
        shape.question = f.token("question_token_id", notes)?;
        shape.answer = f.token("answer_token_id", notes)?;
        shape.question_space = f.flag("question_space")?.unwrap_or(false);
        shape.no_answer_probability = f.float("no_answer_probability")?;
        shape.rereading = [f.uint("rereading_chunks")?.unwrap_or(0), f.uint("rereading_windows")?.unwrap_or(0)];
        shape.lexical_weight = f.float("rereading_lexical_weight")?;
        shape.segment = f.segment("segment_size")?;
        shape.overlap = f.uint("segment_overlap")?.unwrap_or(0);
        shape.upper = upper(f, hidden)?;
    } else {
        // The block of tokens that its code computes at once.
        f.inert(&["chunk_size"]);
    }
    Ok(shape)
}

fn upper(f: &mut Fields<'_>, hidden: u64) -> Result<Option<Upper>> {
    f.only("hsa_only", &[true.into()])?;
    for off in ["skip_hsa", "mask_slide_window", "reset_hsa_residual", "enable_stable_enc"] {
        f.only(off, &[false.into()])?;
    }
    f.only("flash_inference", &[false.into()]).map_err(|e| {
        Error::unsupported(format!(
            "{e}: with it, the authors' code leaves HSA out while it reads a prompt. Set it to false"
        ))
    })?;
    f.only("block_q", &[1.into()])?;
    let groups = f.uint("num_upper_groups")?.unwrap_or(0);
    let blocks = f.uint("num_upper_layers")?.unwrap_or(0);
    let per_hsa = f.uint("num_mamba_per_gca")?;
    let heads = f.uint("num_attention_heads")?;
    let kv_heads = f.uint("num_kv_heads")?;
    let enc_heads = f.uint("encoder_num_attention_heads")?.or(heads);
    // The authors' field for the encoder's is the one that elsewhere means the model's.
    let enc_kv_heads = f.uint("encoder_num_kv_heads")?.or(f.uint("num_key_value_heads")?);
    let enc_layers = f.uint("encoder_layers")?.unwrap_or(0);
    let (chunk, top_k, retrieval) = (f.uint("chunk_size")?, f.uint("chunk_topk")?, f.uint("retrieval_dim")?);
    let cls = f.flag("enable_enc_cls")?;
    let found = Upper {
        groups,
        layers: 0,
        per_hsa: per_hsa.unwrap_or(0),
        heads: heads.unwrap_or(0),
        kv_heads: kv_heads.unwrap_or(0),
        chunk: chunk.unwrap_or(0),
        top_k: top_k.unwrap_or(0),
        retrieval: retrieval.unwrap_or(0),
        single_head: f.flag("singlehead_retrieval")?.unwrap_or(false),
        landmark_norm: f.flag("enable_lmk_norm")?.unwrap_or(false),
        softmax: f.flag("enable_softmax")?.unwrap_or(false),
        pos_decay: f.flag("enable_pos_decay")?.unwrap_or(false),
        off_by_one: f.flag("enable_softmax1")?.unwrap_or(false),
        qk_norm: f.flag("enable_qk_norm")?.unwrap_or(false),
        enc_layers,
        enc_heads: enc_heads.unwrap_or(0),
        enc_kv_heads: enc_kv_heads.or(enc_heads).unwrap_or(0),
        // The width of the authors' code: D · 8/3, down to a multiple of 64.
        enc_ffn: f.uint("encoder_intermediate_size")?.unwrap_or(hidden * 8 / 3 / 64 * 64),
        enc_cls: cls.unwrap_or(enc_layers > 0),
        enc_prenorm: f.flag("enc_prenorm")?.unwrap_or(false) && enc_layers > 0,
        rope_base: f.float("encoder_rope_theta")?.unwrap_or(ROPE_BASE) as f32,
    };
    if groups == 0 {
        return match blocks {
            0 => Ok(None),
            _ => Err(Error::format(format!("num_upper_layers is {blocks}, but num_upper_groups is 0"))),
        };
    }
    let needed = [
        ("num_mamba_per_gca", per_hsa),
        ("num_attention_heads", heads),
        ("num_kv_heads", kv_heads),
        ("chunk_size", chunk),
        ("chunk_topk", top_k),
        ("retrieval_dim", retrieval),
    ];
    if let Some((name, _)) = needed.iter().find(|(_, value)| value.is_none()) {
        return Err(missing(name));
    }
    check_layers("num_upper_groups", groups)?;
    check_layers("num_upper_layers", blocks)?;
    check_layers("encoder_layers", enc_layers)?;
    // Both are at most 2^32.
    let per_group = groups * found.per_hsa;
    if per_group == 0 || blocks == 0 || !blocks.is_multiple_of(per_group) {
        return Err(Error::format(format!(
            "num_upper_layers = {blocks} is not a multiple of num_upper_groups = {groups} times num_mamba_per_gca = {}",
            found.per_hsa
        )));
    }
    if found.enc_cls && enc_layers == 0 {
        return Err(Error::format("enable_enc_cls is true, but encoder_layers is 0"));
    }
    for (name, heads, kv_name, kv_heads) in [
        ("num_attention_heads", found.heads, "num_kv_heads", found.kv_heads),
        ("encoder_num_attention_heads", found.enc_heads, "num_key_value_heads", found.enc_kv_heads),
    ] {
        let whole = heads > 0 && kv_heads > 0 && hidden.is_multiple_of(heads) && heads.is_multiple_of(kv_heads);
        if !whole {
            return Err(Error::format(format!(
                "{name} = {heads} and {kv_name} = {kv_heads} do not divide hidden_size = {hidden} into heads"
            )));
        }
    }
    Ok(Some(Upper { layers: blocks / per_group, ..found }))
}

/// The config of the original Mamba-2 code (<https://github.com/state-spaces/mamba>, `MambaConfig` and the arguments
/// of `Mamba2`, whose defaults are used here).
fn original(f: &mut Fields<'_>) -> Result<Shape> {
    f.inert(&["fused_add_norm", "residual_in_fp32", "architectures", "model_type"]);
    f.only("d_intermediate", &[0.into()])?;
    f.only("attn_layer_idx", &[Json::Array(Vec::new())])?;
    f.only("attn_cfg", &[Json::Object(Map::new())])?;
    f.only("rms_norm", &[true.into()])?;
    let hidden = f.need("d_model")?;
    let lower = f.need("n_layer")?;
    check_layers("n_layer", lower)?;
    let vocab = f.need("vocab_size")?;
    let multiple = f.uint("pad_vocab_size_multiple")?.unwrap_or(8).max(1);
    let tied = f.flag("tie_embeddings")?;
    f.known.insert("ssm_cfg");
    let empty = Map::new();
    let ssm = match f.object.get("ssm_cfg") {
        Some(Json::Object(ssm)) => ssm,
        None | Some(Json::Null) => &empty,
        Some(_) => return Err(Error::format("ssm_cfg is not an object")),
    };
    let mut s = Fields { object: ssm, known: BTreeSet::new() };
    let shape = mixer(&mut s, hidden).and_then(|m| s.finish(&[]).map(|()| m)).map_err(|e| e.context("ssm_cfg"))?;
    Ok(Shape { vocab: vocab.next_multiple_of(multiple), lower, tied, ..shape })
}

/// `ssm_cfg` of the original config.
fn mixer(s: &mut Fields<'_>, hidden: u64) -> Result<Shape> {
    match s.text("layer")? {
        Some("Mamba2") => {}
        other => {
            return Err(Error::unsupported(format!("layer is {}; Mamba2 is known", Quoted(other.unwrap_or("Mamba1")))));
        }
    }
    s.inert(&["conv_init", "A_init_range", "dt_min", "dt_max", "dt_init_floor", "chunk_size", "use_mem_eff_path"]);
    s.only("D_has_hdim", &[false.into()])?;
    s.only("rmsnorm", &[true.into()])?;
    s.only("norm_before_gate", &[false.into()])?;
    s.only("bias", &[false.into()])?;
    s.only("conv_bias", &[true.into()])?;
    let inner = inner_size(s, "d_model", hidden)?;
    let d_ssm = s.uint("d_ssm")?.unwrap_or(inner);
    if d_ssm != inner {
        return Err(Error::unsupported(format!("d_ssm = {d_ssm} is not the inner size {inner}")));
    }
    let head_dim = s.uint("headdim")?.unwrap_or(64);
    if head_dim == 0 || !inner.is_multiple_of(head_dim) {
        return Err(Error::format(format!("headdim = {head_dim} does not divide the inner size {inner}")));
    }
    let (dt_min, dt_max) = s.limits("dt_limit")?;
    Ok(Shape {
        vocab: 0,
        hidden,
        inner,
        ssm_heads: inner / head_dim,
        state: s.uint("d_state")?.unwrap_or(128),
        ssm_groups: s.uint("ngroups")?.unwrap_or(1),
        conv: s.uint("d_conv")?.unwrap_or(4),
        eps: 1e-5,
        dt_min,
        dt_max,
        lower: 0,
        segment: 0,
        overlap: 0,
        tied: None,
        upper: None,
        bos: None,
        eos: None,
        pad: None,
        question: None,
        answer: None,
        question_space: false,
        no_answer_probability: None,
        rereading: [0; 2],
        lexical_weight: None,
    })
}

/// E = expand · D, a whole number.
fn inner_size(f: &mut Fields<'_>, hidden_key: &str, hidden: u64) -> Result<u64> {
    let expand = f.float("expand")?.unwrap_or(2.0);
    let inner = expand * hidden as f64;
    if inner < 1.0 || inner > f64::from(u32::MAX) || inner.fract() != 0.0 {
        return Err(Error::format(format!("expand = {expand} times {hidden_key} = {hidden} is not a width")));
    }
    Ok(inner as u64)
}

fn check_layers(what: &str, count: u64) -> Result<()> {
    if count > MAX_LAYERS {
        return Err(Error::unsupported(format!("{what}: {count}, at most {MAX_LAYERS}")));
    }
    Ok(())
}

fn missing(key: &str) -> Error {
    Error::format(format!("the field {key} is missing"))
}

/// A value in a message.
fn short(value: &Json) -> String {
    Quoted(&value.to_string()).to_string()
}

/// The fields of an object, and which of them are understood. `null` is as good as absent.
struct Fields<'a> {
    object: &'a Map<String, Json>,
    known: BTreeSet<&'static str>,
}

impl<'a> Fields<'a> {
    fn get(&mut self, key: &'static str) -> Option<&'a Json> {
        self.known.insert(key);
        self.object.get(key).filter(|value| !value.is_null())
    }

    fn wrong(key: &str, value: &Json, wanted: &str) -> Error {
        Error::format(format!("{key} is {}, not {wanted}", short(value)))
    }

    /// A whole number of at most 32 bits.
    fn uint(&mut self, key: &'static str) -> Result<Option<u64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let whole =
            value.as_u64().or_else(|| value.as_f64().filter(|v| v.fract() == 0.0 && *v >= 0.0).map(|v| v as u64));
        match whole {
            Some(v) if v <= u64::from(u32::MAX) => Ok(Some(v)),
            _ => Err(Self::wrong(key, value, "a whole number of at most 32 bits")),
        }
    }

    fn need(&mut self, key: &'static str) -> Result<u64> {
        self.uint(key)?.ok_or_else(|| missing(key))
    }

    fn float(&mut self, key: &'static str) -> Result<Option<f64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        number(value).map(Some).ok_or_else(|| Self::wrong(key, value, "a number"))
    }

    fn flag(&mut self, key: &'static str) -> Result<Option<bool>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| Self::wrong(key, value, "true or false"))
    }

    fn text(&mut self, key: &'static str) -> Result<Option<&'a str>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| Self::wrong(key, value, "a text"))
    }

    /// A pair of bounds; all numbers if absent.
    fn limits(&mut self, key: &'static str) -> Result<(f32, f32)> {
        let Some(value) = self.get(key) else { return Ok((0.0, f32::INFINITY)) };
        let pair = value.as_array().map(Vec::as_slice);
        match pair {
            Some([min, max]) => match (number(min), number(max)) {
                (Some(min), Some(max)) if min <= max => Ok((min as f32, max as f32)),
                _ => Err(Self::wrong(key, value, "a smaller and a larger number")),
            },
            _ => Err(Self::wrong(key, value, "two numbers")),
        }
    }

    /// The segment size; 0 and −1 mean that there are none.
    fn segment(&mut self, key: &'static str) -> Result<u64> {
        match self.get(key) {
            Some(value) if value.as_i64() == Some(-1) => Ok(0),
            _ => Ok(self.uint(key)?.unwrap_or(0)),
        }
    }

    /// A token id, or the first of a list of them.
    fn token(&mut self, key: &'static str, notes: &mut Vec<String>) -> Result<Option<u32>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let (first, more) = match value {
            Json::Array(ids) => (ids.first().unwrap_or(value), ids.len() > 1),
            id => (id, false),
        };
        let id = first.as_u64().and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or_else(|| Self::wrong(key, value, "a token id"))?;
        if more {
            notes.push(format!("{key} lists several tokens; the first, {id}, is kept"));
        }
        Ok(Some(id))
    }

    /// A field that changes the computation unless it has one of `values`.
    fn only(&mut self, key: &'static str, values: &[Json]) -> Result<()> {
        match self.get(key) {
            Some(value) if !values.contains(value) => {
                let known: Vec<_> = values.iter().map(Json::to_string).collect();
                Err(Error::unsupported(format!(
                    "{key} is {}; this crate computes {}",
                    short(value),
                    known.join(" or ")
                )))
            }
            _ => Ok(()),
        }
    }

    fn inert(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    fn finish(&self, ignored: &[String]) -> Result<()> {
        let known = |key: &String| self.known.contains(key.as_str()) || ignored.contains(key);
        let unknown: Vec<_> = self.object.iter().filter(|(key, value)| !value.is_null() && !known(key)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        const SHOWN: usize = 8;
        let list: Vec<_> =
            unknown.iter().take(SHOWN).map(|(key, value)| format!("{} = {}", Quoted(key), short(value))).collect();
        let more = if unknown.len() > SHOWN { format!(" and {} more", unknown.len() - SHOWN) } else { String::new() };
        Err(Error::unsupported(format!(
            "fields that are not understood and may change what the model computes: {}{more}",
            list.join(", ")
        )))
    }
}

/// A number, or one of those that Python writes as `Infinity` or `{"__float__": "Infinity"}`.
fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(n) => n.as_f64(),
        Json::String(text) if text == "Infinity" => Some(f64::INFINITY),
        Json::String(text) if text == "-Infinity" => Some(f64::NEG_INFINITY),
        Json::Object(tagged) if tagged.len() == 1 => {
            tagged.get("__float__").filter(|v| !v.is_object()).and_then(number)
        }
        _ => None,
    }
}
