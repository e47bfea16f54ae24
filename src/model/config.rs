//! The hyperparameters of a model, read from its file and checked before anything is allocated.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::backend::{MAX_CONV, SsmShape, Weighting};
use crate::gguf::{Gguf, Quoted};
use crate::memory::ChunkShape;
use crate::topk::MAX_TOP_K;
use crate::{Error, Result};

use super::segment::Segments;

// Bounds of what is accepted. They are far above every published shape (the largest has hidden 2560) and low
// enough that no sum or product of checked values overflows and no file can ask for an absurd allocation.
const MAX_WIDTH: u64 = 1 << 16;
const MAX_BLOCKS: u64 = 1024;
const MAX_VOCAB: u64 = 1 << 20;
const MAX_CHUNK: u64 = 1024;
const MAX_SEGMENT: u64 = 1 << 20;
const MAX_STATE_VALUES: usize = 1 << 28;

/// Everything about a model that is not a weight. All fields are consistent with one another.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Rows of the embedding.
    pub vocab: usize,
    /// D, the width of the residual stream.
    pub hidden: usize,
    /// Mamba-2 blocks, lower and upper together.
    pub blocks: usize,
    /// Mamba-2 blocks before the chunking layer. All of them for a plain Mamba-2 model.
    pub lower_blocks: usize,
    /// Epsilon of the norms of the Mamba-2 blocks and of the final norm.
    pub norm_eps: f32,
    /// The Mamba-2 mixer.
    pub ssm: SsmShape,
    /// Chunking, retrieval and hierarchical sparse attention; `None` for a plain Mamba-2 model.
    pub hsa: Option<HsaConfig>,
    /// Where the recurrence starts anew.
    pub segments: Segments,
    /// The token that opens a question, if the model was trained with one.
    pub question_token: Option<u32>,
    /// The token that ends a question and opens its answer.
    pub answer_token: Option<u32>,
    /// Whether a question begins with a space, as words inside a text do.
    pub question_space: bool,
    /// Above which probability of the end-of-text token where an answer begins there is none; else there is one. None: it is a
    /// token among others there.
    pub no_answer_probability: Option<f32>,
    /// How what a question finds is read again, if the model was trained for it.
    pub rereading: Option<RereadingConfig>,
}

/// The chunks that a question finds are read a second time with the question in sight: as one segment of windows, each of one
/// chunk's size, of which every one begins with the question and goes on with their text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RereadingConfig {
    /// Chunks that are read again: the best of those that the last token of the question reads, and of those that share words with it.
    pub chunks: usize,
    /// Windows.
    pub windows: usize,
    /// What the words that a chunk shares with the question weigh against the logarithm of the model's own weight; 0 for its weight alone.
    pub lexical_weight: f32,
}

/// The shape of everything that makes a Mamba-2 model a RAMba.
#[derive(Debug, Clone, PartialEq)]
pub struct HsaConfig {
    /// Upper groups; each has its own retrieval.
    pub groups: usize,
    /// HSA layers of each group.
    pub layers_per_group: usize,
    /// m, Mamba-2 blocks after each HSA layer.
    pub blocks_per_layer: usize,
    /// H, query heads of width D / H.
    pub heads: usize,
    /// G, key and value heads of the chunk memories.
    pub kv_heads: usize,
    /// Whether queries and memory keys are RMS-normed per head.
    pub qk_norm: bool,
    /// Whether the softmax inside a chunk has 1 added to its denominator.
    pub off_by_one: bool,
    /// Epsilon of the norms of chunking, encoder, retrieval and HSA.
    pub norm_eps: f32,
    /// S, tokens per chunk.
    pub chunk_size: usize,
    /// K, chunks read per token and retrieval head.
    pub top_k: usize,
    /// R, width of a landmark over all retrieval heads.
    pub retrieval_width: usize,
    /// Gr, retrieval heads: G, or 1 shared by all kv heads.
    pub retrieval_heads: usize,
    /// Whether retrieval queries and landmarks are RMS-normed per head.
    pub landmark_norm: bool,
    /// How the scores of the selected chunks become weights.
    pub weighting: Weighting,
    /// The transformer that reads a chunk.
    pub encoder: EncoderConfig,
}

impl HsaConfig {
    /// d, width of a query, key or value head.
    pub fn head_dim(&self, hidden: usize) -> usize {
        hidden / self.heads
    }

    /// Width of a landmark per retrieval head.
    pub fn landmark_width(&self) -> usize {
        self.retrieval_width / self.retrieval_heads
    }

    /// How many of the first chunks of a memory of `stored` a token at `position` may read: chunk c has ended when (c + 1)·S ≤ position.
    pub fn visible(&self, position: u64, stored: u64) -> u64 {
        (position / self.chunk_size as u64).min(stored)
    }

    /// The shape of the chunk memories, of a model that is `hidden` wide.
    pub fn chunk_shape(&self, hidden: usize) -> ChunkShape {
        ChunkShape {
            chunk_size: self.chunk_size,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim(hidden),
            retrieval_heads: self.retrieval_heads,
            retrieval_width: self.landmark_width(),
        }
    }
}

/// The shape of the bidirectional chunk encoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderConfig {
    /// Transformer layers; 0: only a norm.
    pub blocks: usize,
    /// Query heads of width D / heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of the gated MLP.
    pub feed_forward: usize,
    /// Whether a learned row at the end of the chunk becomes the landmark; without it, the mean of the rows does.
    pub cls: bool,
    /// Whether the input is normed before the first layer.
    pub prenorm: bool,
    /// Base of the rotary frequencies.
    pub freq_base: f32,
}

impl Config {
    /// The shape of the model's chunk memories; `None` for plain Mamba-2.
    pub fn chunk_shape(&self) -> Option<ChunkShape> {
        self.hsa.as_ref().map(|hsa| hsa.chunk_shape(self.hidden))
    }

    /// Reads and checks the hyperparameters of a file of architecture `mamba2` or `ramba`.
    ///
    /// # Errors
    /// `Unsupported` for another architecture or a value beyond this build's bounds, `Format` for values that are
    /// missing, of the wrong type or inconsistent, and for keys and tensors that would be left unused. That the tensors
    /// of the model are there, and have the shapes that follow, is checked when they are loaded.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let architecture = gguf.str("general.architecture")?;
        if architecture != "mamba2" && architecture != "ramba" {
            return Err(Error::unsupported(format!(
                "architecture {}: this build runs \"mamba2\" and \"ramba\"",
                Quoted(architecture)
            )));
        }
        let keys = Keys { gguf, architecture, named: RefCell::default() };

        let (hidden, vocab) = embedding_shape(gguf)?;
        if let Some(stated) = gguf.opt_u32(&keys.name("embedding_length"))? {
            require(stated as usize == hidden, || {
                format!("{}.embedding_length is {stated}, but token_embd.weight is {hidden} wide", architecture)
            })?;
        }
        let blocks = keys.count("block_count", 1, MAX_BLOCKS)?;
        let norm_eps = keys.epsilon("attention.layer_norm_rms_epsilon")?;
        let ssm = keys.ssm()?;
        // What one sequence keeps between tokens; every factor is at most 2^16, so nothing overflows.
        let per_block = ssm.ssm_state_len() + ssm.conv_state_len();
        if per_block.saturating_mul(blocks) > MAX_STATE_VALUES {
            return Err(Error::unsupported(format!(
                "{blocks} blocks of {} × {} state values are more than this build accepts",
                ssm.inner, ssm.state
            )));
        }

        let mut config = Self {
            vocab,
            hidden,
            blocks,
            lower_blocks: blocks,
            norm_eps,
            ssm,
            hsa: None,
            segments: Segments::endless(),
            question_token: None,
            answer_token: None,
            question_space: false,
            no_answer_probability: None,
            rereading: None,
        };
        if architecture == "ramba" {
            let groups = keys.count("upper_group_count", 0, MAX_BLOCKS)?;
            let lower = keys.name("lower_block_count");
            if groups > 0 {
                config.lower_blocks = keys.count("lower_block_count", 0, blocks as u64)?;
                config.hsa = Some(keys.hsa(&config)?);
            } else if let Some(count) = gguf.opt_u32(&lower)? {
                require(count as usize == blocks, || {
                    format!("{lower} is {count} of {blocks} blocks, but {}.upper_group_count is 0", architecture)
                })?;
            }
            config.segments = keys.segments(config.hsa.as_ref().map_or(1, |hsa| hsa.chunk_size))?;
            config.question_token = keys.token("ask.question_token_id", vocab)?;
            config.answer_token = keys.token("ask.answer_token_id", vocab)?;
            config.question_space = keys.flag("ask.leading_space")?;
            config.no_answer_probability = keys.probability("ask.no_answer_probability")?;
            config.rereading = keys.rereading(&config)?;
            keys.check_all_used()?;
        }
        config.check_all_used(gguf)?;
        Ok(config)
    }
}

/// (D, vocab) of the token embedding, whose dims are {D, vocab}.
fn embedding_shape(gguf: &Gguf) -> Result<(usize, usize)> {
    let name = "token_embd.weight";
    let info = gguf.tensor(name).ok_or_else(|| Error::format(format!("tensor {name} is missing")))?;
    let [hidden, vocab] = info.dims[..] else {
        return Err(Error::format(format!("tensor {name} has {} dimensions instead of 2", info.dims.len())));
    };
    check_range(name, hidden, 1, MAX_WIDTH)?;
    check_range(name, vocab, 1, MAX_VOCAB)?;
    Ok((hidden as usize, vocab as usize))
}

/// Keys of `ramba` that stand there for other readers, or for parts that a model may do without.
const FOR_OTHERS: [&str; 8] = [
    "context_length",
    "vocab_size",
    "feed_forward_length",
    "attention.head_count",
    "encoder.head_count",
    "encoder.head_count_kv",
    "encoder.feed_forward_length",
    "encoder.rope.freq_base",
];

/// The keys of one architecture: `{architecture}.{name}`.
struct Keys<'a> {
    gguf: &'a Gguf,
    architecture: &'a str,
    /// Those that were asked for.
    named: RefCell<BTreeSet<String>>,
}

impl Keys<'_> {
    fn name(&self, key: &str) -> String {
        let name = format!("{}.{key}", self.architecture);
        self.named.borrow_mut().insert(name.clone());
        name
    }

    /// Fails if the file has keys of this architecture that nobody asked for: what they say would be left out.
    fn check_all_used(&self) -> Result<()> {
        let named = self.named.borrow();
        let unused = self.gguf.entries().find(|(key, _)| {
            let ours = key.strip_prefix(self.architecture).and_then(|key| key.strip_prefix('.'));
            ours.is_some_and(|name| !FOR_OTHERS.contains(&name)) && !named.contains(*key)
        });
        match unused {
            Some((key, _)) if named.contains(&format!("{}.chunk.size", self.architecture)) => {
                Err(Error::unsupported(format!("the key {} is unknown to this build", Quoted(key))))
            }
            Some((key, _)) => Err(Error::format(format!(
                "the key {} is not used: it is unknown, or belongs to the upper half, and {}.upper_group_count is 0",
                Quoted(key),
                self.architecture
            ))),
            None => Ok(()),
        }
    }

    /// A required number within `min..=max`.
    fn count(&self, key: &str, min: u64, max: u64) -> Result<usize> {
        let key = self.name(key);
        let value = u64::from(self.gguf.u32(&key)?);
        check_range(&key, value, min, max)?;
        Ok(value as usize)
    }

    /// A flag that is false when absent.
    fn flag(&self, key: &str) -> Result<bool> {
        Ok(self.gguf.opt_bool(&self.name(key))?.unwrap_or(false))
    }

    /// A required epsilon of a norm: positive and finite.
    fn epsilon(&self, key: &str) -> Result<f32> {
        let key = self.name(key);
        let value = self.gguf.f32(&key)?;
        require(value > 0.0 && value < 1.0, || format!("{key} is {value}, not between 0 and 1"))?;
        Ok(value)
    }

    fn probability(&self, key: &str) -> Result<Option<f32>> {
        let key = self.name(key);
        let value = self.gguf.opt_f32(&key)?;
        if let Some(value) = value {
            require((0.0..=1.0).contains(&value), || format!("{key} is {value}, not between 0 and 1"))?;
        }
        Ok(value)
    }

    fn token(&self, key: &str, vocab: usize) -> Result<Option<u32>> {
        let key = self.name(key);
        let token = self.gguf.opt_u32(&key)?;
        if let Some(token) = token {
            require((token as usize) < vocab, || format!("{key} is {token}, but there are {vocab} tokens"))?;
        }
        Ok(token)
    }

    fn ssm(&self) -> Result<SsmShape> {
        let inner = self.count("ssm.inner_size", 1, MAX_WIDTH)?;
        let heads = self.count("ssm.time_step_rank", 1, MAX_WIDTH)?;
        let state = self.count("ssm.state_size", 1, MAX_WIDTH)?;
        let groups = self.count("ssm.group_count", 1, MAX_WIDTH)?;
        let conv = self.count("ssm.conv_kernel", 2, MAX_CONV as u64)?;
        self.divides("ssm.time_step_rank", heads, "ssm.inner_size", inner)?;
        self.divides("ssm.group_count", groups, "ssm.time_step_rank", heads)?;
        check_range(&self.name("ssm.group_count × state_size"), (groups * state) as u64, 1, MAX_WIDTH)?;

        let dt_min = self.gguf.opt_f32(&self.name("ssm.time_step_min"))?.unwrap_or(0.0);
        let dt_max = self.gguf.opt_f32(&self.name("ssm.time_step_max"))?.unwrap_or(f32::INFINITY);
        require(dt_min >= 0.0 && dt_min.is_finite() && dt_max >= dt_min, || {
            format!("{}: the range {dt_min}..{dt_max} is empty", self.name("ssm.time_step_min"))
        })?;
        Ok(SsmShape { inner, heads, state, groups, conv, dt_min, dt_max })
    }

    fn hsa(&self, config: &Config) -> Result<HsaConfig> {
        let hidden = config.hidden;
        let groups = self.count("upper_group_count", 1, MAX_BLOCKS)?;
        let blocks_per_layer = self.count("blocks_per_hsa", 1, MAX_BLOCKS)?;
        let upper = config.blocks - config.lower_blocks;
        let per_group = groups * blocks_per_layer;
        require(upper > 0 && upper.is_multiple_of(per_group), || {
            format!(
                "{upper} upper blocks do not divide into {groups} groups of HSA layers with {blocks_per_layer} blocks each"
            )
        })?;

        let heads = self.count("attention.head_count", 1, MAX_WIDTH)?;
        let kv_heads = self.count("attention.head_count_kv", 1, heads as u64)?;
        self.divides_hidden("attention.head_count", heads, hidden)?;
        self.divides("attention.head_count_kv", kv_heads, "attention.head_count", heads)?;

        let chunk_size = self.count("chunk.size", 1, MAX_CHUNK)?;
        let top_k = self.count("chunk.top_k", 1, MAX_TOP_K as u64)?;
        let retrieval_width = self.count("retrieval.width", 1, MAX_WIDTH)?;
        let retrieval_heads = if self.flag("retrieval.single_head")? { 1 } else { kv_heads };
        require(retrieval_width % retrieval_heads == 0, || {
            format!(
                "{} = {retrieval_width} is not a multiple of {retrieval_heads} retrieval heads",
                self.name("retrieval.width")
            )
        })?;
        let position_decay = self.flag("retrieval.position_decay")?;
        let weighting = if self.flag("retrieval.softmax")? {
            Weighting::Softmax { position_decay }
        } else {
            require(!position_decay, || {
                format!("{} needs {}", self.name("retrieval.position_decay"), self.name("retrieval.softmax"))
            })?;
            Weighting::StickBreaking
        };

        Ok(HsaConfig {
            groups,
            layers_per_group: upper / per_group,
            blocks_per_layer,
            heads,
            kv_heads,
            qk_norm: self.flag("attention.qk_norm")?,
            off_by_one: self.flag("attention.softmax_off_by_one")?,
            norm_eps: self.epsilon("hsa.layer_norm_rms_epsilon")?,
            chunk_size,
            top_k,
            retrieval_width,
            retrieval_heads,
            landmark_norm: self.flag("retrieval.landmark_norm")?,
            weighting,
            encoder: self.encoder(hidden)?,
        })
    }

    fn encoder(&self, hidden: usize) -> Result<EncoderConfig> {
        let blocks = self.count("encoder.block_count", 0, 64)?;
        let (cls, prenorm) = (self.flag("encoder.cls")?, self.flag("encoder.prenorm")?);
        if blocks == 0 {
            require(!cls && !prenorm, || {
                format!("{} and prenorm need an encoder of at least one block", self.name("encoder.cls"))
            })?;
            return Ok(EncoderConfig { blocks, heads: 1, kv_heads: 1, feed_forward: 0, cls, prenorm, freq_base: 1.0 });
        }
        let heads = self.count("encoder.head_count", 1, MAX_WIDTH)?;
        let kv_heads = self.count("encoder.head_count_kv", 1, heads as u64)?;
        let feed_forward = self.count("encoder.feed_forward_length", 1, MAX_WIDTH)?;
        self.divides_hidden("encoder.head_count", heads, hidden)?;
        self.divides("encoder.head_count_kv", kv_heads, "encoder.head_count", heads)?;
        require((hidden / heads).is_multiple_of(2), || {
            format!("encoder heads of {} values cannot be rotated: an even width is needed", hidden / heads)
        })?;
        let key = self.name("encoder.rope.freq_base");
        let freq_base = self.gguf.f32(&key)?;
        require(freq_base >= 1.0 && freq_base.is_finite(), || format!("{key} is {freq_base}, below 1 or infinite"))?;
        Ok(EncoderConfig { blocks, heads, kv_heads, feed_forward, cls, prenorm, freq_base })
    }

    fn segments(&self, chunk_size: usize) -> Result<Segments> {
        let bounded = |key: &str| -> Result<u64> {
            let key = self.name(key);
            let value = self.gguf.opt_u32(&key)?.unwrap_or(0).into();
            check_range(&key, value, 0, MAX_SEGMENT)?;
            Ok(value)
        };
        let (size, overlap) = (bounded("segment.size")?, bounded("segment.overlap")?);
        if size == 0 {
            require(overlap == 0, || format!("{} needs {}", self.name("segment.overlap"), self.name("segment.size")))?;
            return Ok(Segments::endless());
        }
        require(size.is_multiple_of(chunk_size as u64), || {
            format!("{} = {size} is not a multiple of the chunk size {chunk_size}", self.name("segment.size"))
        })?;
        require(overlap < size, || {
            format!("{} = {overlap} is not below the segment size {size}", self.name("segment.overlap"))
        })?;
        Ok(Segments::new(size, overlap))
    }

    fn rereading(&self, config: &Config) -> Result<Option<RereadingConfig>> {
        let [chunks, windows, lexical] =
            ["chunks", "windows", "lexical_weight"].map(|key| self.name(&format!("rereading.{key}")));
        let value = |key: &str| Ok::<_, Error>(self.gguf.opt_u32(key)?.unwrap_or(0) as usize);
        let lexical_weight = self.gguf.opt_f32(&lexical)?.unwrap_or(0.0);
        let rereading = RereadingConfig { chunks: value(&chunks)?, windows: value(&windows)?, lexical_weight };
        let RereadingConfig { chunks: count, windows: most, .. } = rereading;
        require((count == 0) == (most == 0), || format!("{chunks} is {count} and {windows} {most}: they go together"))?;
        require(lexical_weight.is_finite() && lexical_weight >= 0.0 && (count > 0 || lexical_weight == 0.0), || {
            format!("{lexical} is {lexical_weight}: expected at least 0, and {chunks} with it")
        })?;
        if count == 0 {
            return Ok(None);
        }
        let (Some(hsa), Some(size)) = (&config.hsa, config.segments.size()) else {
            return Err(Error::format(format!("{chunks} needs chunks, and segments at which the recurrence restarts")));
        };
        require(count <= hsa.top_k, || format!("{chunks} is {count}, but a token reads {}", hsa.top_k))?;
        let room = size / hsa.chunk_size as u64;
        require(most as u64 <= room, || format!("{windows} is {most}, but a segment has {room} chunks"))?;
        require(config.question_token.is_some() && config.answer_token.is_some(), || {
            format!("{chunks} needs {} and answer_token_id", self.name("ask.question_token_id"))
        })?;
        Ok(Some(rereading))
    }

    fn divides(&self, part: &str, value: usize, whole: &str, of: usize) -> Result<()> {
        require(of.is_multiple_of(value), || {
            format!("{} = {value} does not divide {} = {of}", self.name(part), self.name(whole))
        })
    }

    fn divides_hidden(&self, part: &str, value: usize, hidden: usize) -> Result<()> {
        require(hidden.is_multiple_of(value), || {
            format!("{} = {value} does not divide the hidden width {hidden}", self.name(part))
        })
    }
}

fn check_range(name: &str, value: u64, min: u64, max: u64) -> Result<()> {
    if value < min {
        return Err(Error::format(format!("{name} is {value}, below {min}")));
    }
    if value > max {
        return Err(Error::unsupported(format!("{name} is {value}; this build accepts at most {max}")));
    }
    Ok(())
}

fn require(holds: bool, message: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::format(message())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const FILE: &[u8] = include_bytes!("../../tests/fixtures/golden/base.gguf");

    /// The file with the four bytes of `key`'s value replaced: u32 and f32 values follow key and type.
    fn with(key: &str, value: [u8; 4]) -> Vec<u8> {
        let mut file = FILE.to_vec();
        let at = file.windows(key.len()).position(|w| w == key.as_bytes()).unwrap() + key.len() + 4;
        file[at..at + 4].copy_from_slice(&value);
        file
    }

    fn read(file: &[u8]) -> Result<Config> {
        Config::from_gguf(&Gguf::parse(file)?)
    }

    #[test]
    fn reads_what_the_file_says() {
        let config = read(FILE).unwrap();
        assert_eq!((config.vocab, config.hidden, config.blocks, config.lower_blocks), (96, 32, 4, 2));
        assert_eq!((config.ssm.inner, config.ssm.head_dim(), config.ssm.state), (64, 16, 8));
        let hsa = config.hsa.unwrap();
        assert_eq!((hsa.groups, hsa.layers_per_group, hsa.blocks_per_layer), (1, 2, 1));
        assert_eq!((hsa.chunk_size, hsa.top_k, hsa.heads, hsa.kv_heads), (16, 4, 4, 1));
        assert_eq!((hsa.landmark_width(), hsa.head_dim(config.hidden)), (32, 8));
        assert_eq!(hsa.weighting, Weighting::StickBreaking);
        assert!(hsa.encoder.cls && !hsa.encoder.prenorm);
        assert_eq!(config.segments, Segments::new(64, 16));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let huge = u32::MAX;
        let cases: &[(&str, &[u32])] = &[
            ("ramba.block_count", &[0, 1, 2, huge]),
            ("ramba.embedding_length", &[0, 31, huge]),
            ("ramba.ssm.inner_size", &[0, 66, huge]),
            ("ramba.ssm.time_step_rank", &[0, 3, 65, huge]),
            ("ramba.ssm.state_size", &[0, 1 << 17, huge]),
            ("ramba.ssm.group_count", &[0, 3, 8, huge]),
            ("ramba.ssm.conv_kernel", &[0, 1, 17, huge]),
            ("ramba.attention.head_count", &[0, 3, 64, huge]),
            ("ramba.attention.head_count_kv", &[0, 3, 8, huge]),
            ("ramba.lower_block_count", &[4, 5, huge]),
            ("ramba.upper_group_count", &[3, huge]),
            ("ramba.blocks_per_hsa", &[0, 3, huge]),
            ("ramba.chunk.size", &[0, 7, 65536, huge]),
            ("ramba.chunk.top_k", &[0, 65, huge]),
            ("ramba.retrieval.width", &[0, huge]),
            ("ramba.encoder.head_count", &[0, 3, 32, huge]),
            ("ramba.encoder.head_count_kv", &[0, 3, huge]),
            ("ramba.encoder.block_count", &[0, 65, huge]),
            ("ramba.encoder.feed_forward_length", &[0, huge]),
            ("ramba.segment.size", &[0, 8, 65, huge]),
            ("ramba.segment.overlap", &[64, huge]),
        ];
        for (key, values) in cases {
            for value in *values {
                let error = read(&with(key, value.to_le_bytes())).expect_err(&format!("{key} = {value}"));
                assert!(matches!(error.kind(), ErrorKind::Format | ErrorKind::Unsupported), "{key} = {value}: {error}");
            }
        }
        let floats: &[(&str, &[f32])] = &[
            ("ramba.attention.layer_norm_rms_epsilon", &[0.0, -1.0, f32::NAN, f32::INFINITY]),
            ("ramba.hsa.layer_norm_rms_epsilon", &[0.0, -1.0, f32::NAN, f32::INFINITY]),
            ("ramba.encoder.rope.freq_base", &[0.0, -1.0, f32::NAN, f32::INFINITY]),
        ];
        for (key, values) in floats {
            for value in *values {
                assert!(read(&with(key, value.to_le_bytes())).is_err(), "{key} = {value}");
            }
        }
    }

    #[test]
    fn refuses_other_architectures() {
        let mut file = FILE.to_vec();
        let at = file.windows(5).position(|w| w == b"ramba").unwrap();
        file[at..at + 5].copy_from_slice(b"llama");
        assert_eq!(read(&file).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
