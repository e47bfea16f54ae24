//! What a token computes and moves, by the shapes of the model.

use ramba::gguf::TensorInfo;
use ramba::{DType, Engine};

/// Multiply-adds, by the type of the weights. Those of activations with each other, in recurrences and attention, are of F32.
#[derive(Default)]
pub struct Work(Vec<(DType, f64)>);

impl Work {
    fn add(&mut self, dtype: DType, count: f64) {
        match self.0.iter_mut().find(|(of, _)| *of == dtype) {
            Some((_, sum)) => *sum += count,
            None => self.0.push((dtype, count)),
        }
    }

    /// All of them.
    pub fn total(&self) -> f64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Seconds that they take if those of each type come at the rate, in multiply-adds per second, that `rates` has for it.
    pub fn seconds(&self, rates: &[(DType, f64)]) -> f64 {
        let rate = |dtype| rates.iter().find(|(of, _)| *of == dtype).map_or(f64::NAN, |(_, rate)| *rate);
        self.0.iter().map(|(dtype, count)| count / rate(*dtype)).sum()
    }
}

/// Where in the model a tensor is used.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// In lower blocks, for every token.
    Lower,
    /// In upper blocks and HSA layers, for every token of a question and an answer.
    Upper,
    /// For tokens whose logits are wanted.
    Head,
    /// For every row that the chunk encoder reads.
    Row,
    /// Once for every chunk.
    Chunk,
    /// Looked up.
    Table,
}

/// The types of matrices, and F32.
pub fn types(engine: &Engine) -> impl Iterator<Item = DType> {
    DType::ALL.into_iter().filter(|dtype| {
        let matrices = || engine.gguf().tensors().iter().filter(|t| is_matrix(t));
        *dtype == DType::F32 || matrices().any(|t| t.dtype == *dtype && part(engine, &t.name) != Part::Table)
    })
}

fn is_matrix(tensor: &TensorInfo) -> bool {
    tensor.dims.len() == 2 && tensor.dims.iter().all(|&dim| dim > 1)
}

fn part(engine: &Engine, name: &str) -> Part {
    let block = |name: &str| name.strip_prefix("blk.")?.split('.').next()?.parse::<usize>().ok();
    match name {
        "output.weight" | "output_norm.weight" => Part::Head,
        "token_embd.weight" if engine.gguf().tensor("output.weight").is_some() => Part::Table,
        "token_embd.weight" => Part::Head,
        "chunk.landmark.weight" => Part::Chunk,
        _ if name.starts_with("enc.") || name.starts_with("chunk.") => Part::Row,
        _ if block(name).is_some_and(|block| block < engine.config().lower_blocks) => Part::Lower,
        _ => Part::Upper,
    }
}

/// Adds a product with each matrix of a part, and what else its layers compute, `times` times.
fn add(engine: &Engine, work: &mut Work, of: Part, times: f64) {
    let matrices = engine.gguf().tensors().iter().filter(|t| is_matrix(t) && part(engine, &t.name) == of);
    matrices.for_each(|t| work.add(t.dtype, times * t.dims.iter().product::<u64>() as f64));
    let config = engine.config();
    // The state decays and takes in the token, and is multiplied with C.
    let blocks = match of {
        Part::Lower => config.lower_blocks,
        Part::Upper => config.blocks - config.lower_blocks,
        _ => 0,
    };
    work.add(DType::F32, times * (2 * blocks * config.ssm.ssm_state_len()) as f64);
    if let (Part::Row, Some(hsa)) = (of, &config.hsa) {
        let rows = hsa.chunk_size + usize::from(hsa.encoder.cls);
        work.add(DType::F32, times * (2 * hsa.encoder.blocks * rows * config.hidden) as f64);
    }
}

/// Adds the search among `chunks` chunks and attention inside those that are chosen, `times` times.
fn add_retrieval(engine: &Engine, work: &mut Work, chunks: f64, times: f64) {
    let config = engine.config();
    let Some(hsa) = &config.hsa else { return };
    let search = (hsa.groups * hsa.retrieval_width) as f64 * chunks;
    let read = (hsa.groups * hsa.layers_per_group * 2 * hsa.chunk_size * config.hidden) as f64;
    work.add(DType::F32, times * (search + read * chunks.min(hsa.top_k as f64)));
}

/// Adds the chunk encoder, for `tokens` tokens.
fn add_encoder(engine: &Engine, work: &mut Work, tokens: f64) {
    let Some(hsa) = &engine.config().hsa else { return };
    let chunks = tokens / hsa.chunk_size as f64;
    add(engine, work, Part::Row, chunks * (hsa.chunk_size + usize::from(hsa.encoder.cls)) as f64);
    add(engine, work, Part::Chunk, chunks);
}

/// Reading a document of `tokens` tokens: by segments, the lower blocks for these and the tokens that segments overlap; or else all layers.
pub fn reading(engine: &Engine, tokens: u64) -> Work {
    let (mut work, segments) = (Work::default(), engine.config().segments);
    match segments.size() {
        Some(size) => {
            let overlaps = tokens.div_ceil(size).saturating_sub(1) * segments.overlap();
            add(engine, &mut work, Part::Lower, (tokens + overlaps) as f64);
        }
        None => {
            add(engine, &mut work, Part::Lower, tokens as f64);
            add(engine, &mut work, Part::Upper, tokens as f64);
            let chunks = engine.config().hsa.as_ref().map_or(0.0, |hsa| tokens as f64 / hsa.chunk_size as f64);
            // As many as there are on the way.
            add_retrieval(engine, &mut work, chunks / 2.0, tokens as f64);
        }
    }
    add_encoder(engine, &mut work, tokens as f64);
    work
}

/// A question of `tokens` tokens, which may read `chunks` chunks. A model that reads again what a question finds takes it twice, the second
/// time with windows that are read for it if the question leaves room in them.
pub fn question(engine: &Engine, tokens: usize, chunks: u64) -> Work {
    let (mut work, config) = (Work::default(), engine.config());
    let once = |work: &mut Work, chunks: f64| {
        add(engine, work, Part::Lower, tokens as f64);
        add(engine, work, Part::Upper, tokens as f64);
        add_retrieval(engine, work, chunks, tokens as f64);
    };
    once(&mut work, chunks as f64);
    if let (Some(rereading), Some(hsa), Ok(_)) = (config.rereading, &config.hsa, engine.tokenizer()) {
        if tokens < hsa.chunk_size {
            let windows = (rereading.windows * hsa.chunk_size) as f64;
            add(engine, &mut work, Part::Lower, windows);
            add_encoder(engine, &mut work, windows);
            once(&mut work, rereading.windows as f64);
        } else {
            once(&mut work, chunks as f64);
        }
    }
    add(engine, &mut work, Part::Head, 1.0);
    work
}

/// Bytes that a token moves when it is decoded.
pub struct Moved {
    /// Weights, each once; those of the chunk encoder are needed once in a chunk, and left out.
    pub weights: u64,
    /// Recurrent states, read and written.
    pub states: u64,
    /// Landmarks of all chunks, as f16.
    pub landmarks: u64,
    /// Keys and values of the chunks that each HSA layer reads, as f16.
    pub chunks: u64,
}

impl Moved {
    /// With `chunks` chunks that may be read.
    pub fn of(engine: &Engine, chunks: u64) -> Self {
        let config = engine.config();
        let needed = |name: &str| matches!(part(engine, name), Part::Lower | Part::Upper | Part::Head);
        let tensors = engine.gguf().tensors().iter();
        let mut moved = Self {
            weights: tensors.filter(|t| needed(&t.name)).map(|t| t.bytes as u64).sum(),
            states: 2 * 4 * (config.blocks * (config.ssm.ssm_state_len() + config.ssm.conv_state_len())) as u64,
            landmarks: 0,
            chunks: 0,
        };
        if let Some(hsa) = &config.hsa {
            moved.landmarks = chunks * (2 * hsa.groups * hsa.retrieval_width) as u64;
            // Of a key/value head the chunks that its retrieval head has chosen.
            let chunk = 2 * 2 * hsa.chunk_size * hsa.kv_heads * hsa.head_dim(config.hidden);
            moved.chunks = chunks.min(hsa.top_k as u64) * (hsa.groups * hsa.layers_per_group * chunk) as u64;
        }
        moved
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.weights + self.states + self.landmarks + self.chunks
    }
}
