//! The chunking layer: hidden states of whole chunks go in, their memories come out.
//!
//! What makes the memories is the model's own encoder, which runs on the model's device, or any [`ChunkEncoder`], which
//! gets the hidden states through the host. This file is the only one that knows both.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::backend::{Backend, Rows};
use crate::memory::ChunkShape;
use crate::weights::Weights;
use crate::{Cancel, Error, Result, room};

use super::config::{Config, HsaConfig};
use super::encoder::{Encoder, Work};

/// Turns the hidden states of chunks into their memories. Every chunk is encoded for itself.
///
/// It may be called from several threads at once.
pub trait ChunkEncoder: Send + Sync {
    /// Encodes `hidden`, (chunks, S, D) row-major, into `out`, by [`Memories::fill`]. `chunks` is at least 1.
    ///
    /// # Errors
    /// `InvalidArgument` if `hidden` has another length, and failures of whatever does the work.
    fn encode(&self, hidden: &[f32], chunks: usize, out: &mut Memories) -> Result<()>;
}

/// The memories of the chunks encoded last.
#[derive(Debug, Clone)]
pub struct Memories {
    shape: ChunkShape,
    chunks: usize,
    /// (chunks, rows, G·d), rows at least S: what follows the S rows of a chunk is no part of its memory.
    keys: Vec<f32>,
    /// (chunks, rows, G·d)
    values: Vec<f32>,
    /// (chunks, R)
    landmarks: Vec<f32>,
}

/// The same, where the encoder has left them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoded<'a> {
    pub shape: ChunkShape,
    pub chunks: usize,
    /// (chunks, rows, G·d), as in [`Memories`]
    pub keys: &'a [f32],
    /// (chunks, rows, G·d)
    pub values: &'a [f32],
    /// (chunks, R)
    pub landmarks: &'a [f32],
}

/// The memory of one chunk as the encoder makes it.
#[derive(Debug, Clone, Copy)]
pub struct EncodedChunk<'a> {
    /// (S, G, d)
    pub keys: &'a [f32],
    /// (S, G, d)
    pub values: &'a [f32],
    /// (Gr, R / Gr), RMS-normed per head if the model norms landmarks
    pub landmark: &'a [f32],
}

impl Memories {
    /// None yet, for chunks of `shape`.
    pub fn new(shape: ChunkShape) -> Self {
        Self { shape, chunks: 0, keys: Vec::new(), values: Vec::new(), landmarks: Vec::new() }
    }

    /// The shape of every chunk.
    pub fn shape(&self) -> ChunkShape {
        self.shape
    }

    /// Takes the memories of `chunks` chunks in the place of those before: `keys` and `values` (chunks, S, G, d),
    /// `landmarks` (chunks, Gr, R / Gr).
    ///
    /// # Errors
    /// `InvalidArgument` for other lengths, `Format` for NaN or infinity: one such landmark would spoil every later
    /// retrieval.
    pub fn fill(&mut self, chunks: usize, keys: &[f32], values: &[f32], landmarks: &[f32]) -> Result<()> {
        self.chunks = 0;
        let (kv, landmark) = (self.shape.kv_len(), self.shape.landmark_len());
        for (what, values, each) in [("keys", keys, kv), ("values", values, kv), ("landmarks", landmarks, landmark)] {
            if chunks.checked_mul(each) != Some(values.len()) {
                let len = values.len();
                return Err(Error::invalid(format!("encoder: {len} {what} for {chunks} chunks of {each}")));
            }
            if !values.iter().all(|v| v.is_finite()) {
                return Err(Error::format(format!("encoder: NaN or infinity in the {what}")));
            }
        }
        self.take(Encoded { shape: self.shape, chunks, keys, values, landmarks });
        Ok(())
    }

    /// Takes what was encoded in the place of the chunks before.
    fn take(&mut self, encoded: Encoded<'_>) {
        self.chunks = encoded.chunks;
        for (to, from) in [
            (&mut self.keys, encoded.keys),
            (&mut self.values, encoded.values),
            (&mut self.landmarks, encoded.landmarks),
        ] {
            to.clear();
            to.extend_from_slice(from);
        }
    }

    fn encoded(&self) -> Encoded<'_> {
        let Self { shape, chunks, keys, values, landmarks } = self;
        Encoded { shape: *shape, chunks: *chunks, keys, values, landmarks }
    }

    /// The chunks in order.
    pub fn iter(&self) -> impl Iterator<Item = EncodedChunk<'_>> {
        self.encoded().iter()
    }
}

impl<'a> Encoded<'a> {
    /// The chunks in order.
    pub fn iter(self) -> impl Iterator<Item = EncodedChunk<'a>> {
        let kv = (self.keys.len() / self.chunks.max(1)).max(1);
        let (kv_len, landmark_len) = (self.shape.kv_len(), self.shape.landmark_len().max(1));
        let of_chunks = self.keys.chunks_exact(kv).zip(self.values.chunks_exact(kv)).take(self.chunks);
        of_chunks.zip(self.landmarks.chunks_exact(landmark_len)).map(move |((k, v), landmark)| EncodedChunk {
            keys: k.get(..kv_len).unwrap_or(k),
            values: v.get(..kv_len).unwrap_or(v),
            landmark,
        })
    }
}

/// The chunking layer of a model.
pub(super) enum Chunking<B: Backend> {
    Native(Encoder<B>),
    External(Arc<dyn ChunkEncoder>),
}

/// The hidden states of the tokens after the last whole chunk.
pub(super) struct Incomplete<B: Backend> {
    /// (S, D)
    pub(super) rows: B::Buffer,
    /// Rows in use.
    pub(super) len: usize,
}

impl<B: Backend> Incomplete<B> {
    /// None yet, with room for `values`, S · D.
    pub(super) fn new(backend: &B, values: usize) -> Result<Self> {
        Ok(Self { rows: backend.buffer(values)?, len: 0 })
    }
}

/// What one call needs, for up to C chunks.
pub(super) struct Scratch<B: Backend> {
    /// (C, rows, D): the hidden states go in here, S rows per chunk, by [`Scratch::put`]; a CLS row is set by the
    /// encoder.
    x: B::Buffer,
    /// C
    chunks: usize,
    /// S, or S + 1 if the encoder adds a row
    rows: usize,
    chunk_size: usize,
    hidden: usize,
    /// Absent if the encoder is not the model's own.
    work: Option<Work<B>>,
    /// (C, S, D) for an encoder that is not the model's own
    host: Vec<f32>,
    /// What such an encoder makes.
    out: Memories,
    /// Encoding ends with `Cancelled` between two halves of a layer once this asks for it.
    pub(super) cancel: Cancel,
}

impl<B: Backend> Chunking<B> {
    /// `external`, or the encoder in `weights`.
    pub(super) fn load(
        config: &Config,
        hsa: &HsaConfig,
        weights: &Weights,
        backend: &B,
        external: Option<Arc<dyn ChunkEncoder>>,
    ) -> Result<Self> {
        match external {
            Some(encoder) => Ok(Chunking::External(encoder)),
            None => Ok(Chunking::Native(Encoder::load(config, hsa, weights, backend)?)),
        }
    }

    pub(super) fn scratch(&self, config: &Config, hsa: &HsaConfig, backend: &B, chunks: usize) -> Result<Scratch<B>> {
        let (rows, work) = match self {
            Chunking::Native(encoder) => (encoder.rows(), Some(Work::new(config, hsa, backend, chunks)?)),
            Chunking::External(_) => (hsa.chunk_size, None),
        };
        Ok(Scratch {
            x: backend.buffer(chunks * rows * config.hidden)?,
            chunks,
            rows,
            chunk_size: hsa.chunk_size,
            hidden: config.hidden,
            work,
            host: Vec::new(),
            out: Memories::new(hsa.chunk_shape(config.hidden)),
            cancel: Cancel::default(),
        })
    }

    /// Encodes the first `chunks` chunks that were [`put`](Scratch::put) into `s`, and shows `emit` what they are.
    pub(super) fn encode(
        &self,
        config: &Config,
        hsa: &HsaConfig,
        backend: &B,
        chunks: usize,
        s: &mut Scratch<B>,
        emit: &mut dyn FnMut(Encoded<'_>) -> Result<()>,
    ) -> Result<()> {
        if chunks == 0 || chunks > s.chunks {
            return Err(Error::invalid(format!("{chunks} chunks in scratch for {}", s.chunks)));
        }
        match (self, &mut s.work) {
            (Chunking::Native(encoder), Some(work)) => {
                encoder.encode((config, hsa, backend), chunks, &mut s.x, work, &s.cancel, emit)
            }
            (Chunking::External(encoder), None) => {
                s.cancel.check()?;
                room::resize(&mut s.host, chunks * s.chunk_size * s.hidden, 0.0)?;
                backend.read(&s.x, &mut s.host)?;
                encoder.encode(&s.host, chunks, &mut s.out)?;
                emit(s.out.encoded())
            }
            _ => Err(Error::invalid("the scratch was not made for this encoder")),
        }
    }
}

impl<B: Backend> Chunking<B> {
    /// Shows `emit` the memories of the chunks that end among the n tokens of `x` (n, D), which follow those of
    /// `incomplete`, and keeps the rest there.
    pub(super) fn remember(
        &self,
        (config, hsa, backend): (&Config, &HsaConfig, &B),
        x: &B::Buffer,
        n: usize,
        incomplete: &mut Incomplete<B>,
        s: &mut Scratch<B>,
        emit: &mut dyn FnMut(Encoded<'_>) -> Result<()>,
    ) -> Result<()> {
        let (chunk, hidden, begun) = (hsa.chunk_size, config.hidden, incomplete.len);
        let chunks = (begun + n) / chunk;
        // Rows of `x` that belong to complete chunks.
        let mut used = 0;
        if chunks > 0 {
            used = chunks * chunk - begun;
            s.put(backend, &incomplete.rows, 0, begun)?;
            s.put(backend, x, begun, used)?;
            self.encode(config, hsa, backend, chunks, s, emit)?;
            incomplete.len = 0;
        }
        let [from, to] = [used, incomplete.len].map(|row| Rows::of(row * hidden, hidden));
        backend.copy(x, from, &mut incomplete.rows, to, [1, n - used], hidden)?;
        incomplete.len += n - used;
        Ok(())
    }
}

impl<B: Backend> Scratch<B> {
    /// Takes whole chunks of each of `sequences` as the hidden states of the first chunks: rows `own` of the `n` that
    /// each has in `x` (sequences, n, D).
    pub(super) fn put_own(
        &mut self,
        backend: &B,
        x: &B::Buffer,
        sequences: usize,
        n: usize,
        own: Range<usize>,
    ) -> Result<()> {
        let (row, chunk) = (self.hidden, self.chunk_size * self.hidden);
        let chunks = own.len() / self.chunk_size;
        let source = Rows { at: own.start * row, group: n * row, stride: chunk };
        let target = Rows { at: 0, group: chunks * self.rows * row, stride: self.rows * row };
        backend.copy(x, source, &mut self.x, target, [sequences, chunks], chunk)
    }

    /// Takes the first `n` rows of `x` (n, D) as hidden states number `to` on, counted over all chunks.
    pub(super) fn put(&mut self, backend: &B, x: &B::Buffer, to: usize, n: usize) -> Result<()> {
        let (chunk, hidden) = (self.chunk_size, self.hidden);
        let (mut from, mut to, end) = (0, to, to + n);
        while to < end {
            // Whole chunks, whose rows are neighbours on both sides, or what is left of one.
            let (count, width) = match (to % chunk, end - to) {
                (0, left) if left >= chunk => (left / chunk, chunk),
                (begun, left) => (1, (chunk - begun).min(left)),
            };
            let source = Rows::of(from * hidden, chunk * hidden);
            let target = Rows::of((to / chunk * self.rows + to % chunk) * hidden, self.rows * hidden);
            backend.copy(x, source, &mut self.x, target, [1, count], width * hidden)?;
            (from, to) = (from + count * width, to + count * width);
        }
        Ok(())
    }
}

/// The built-in encoder of a model file by itself, with hidden states from the host: what others are compared with.
/// A [`Model`](super::Model) needs none, it has its own.
pub struct NativeEncoder<B: Backend> {
    config: Config,
    hsa: HsaConfig,
    backend: B,
    chunking: Chunking<B>,
    /// Calls take turns. With the hidden states as they came from the host, (C, S, D).
    scratch: Mutex<Option<(Scratch<B>, B::Buffer)>>,
}

impl<B: Backend> NativeEncoder<B> {
    /// Loads the encoder of `weights`.
    ///
    /// # Errors
    /// `InvalidArgument` if the model has none, otherwise as [`Model::load`](super::Model::load).
    pub fn load(weights: &Weights, backend: B) -> Result<Self> {
        let config = Config::from_gguf(weights.gguf())?;
        let hsa = config.hsa.clone().ok_or_else(|| Error::invalid("this model keeps no chunk memories"))?;
        let chunking = Chunking::load(&config, &hsa, weights, &backend, None)?;
        Ok(Self { config, hsa, backend, chunking, scratch: Mutex::new(None) })
    }
}

impl<B: Backend> ChunkEncoder for NativeEncoder<B> {
    fn encode(&self, hidden: &[f32], chunks: usize, out: &mut Memories) -> Result<()> {
        let (config, hsa, backend) = (&self.config, &self.hsa, &self.backend);
        let rows = chunks.saturating_mul(hsa.chunk_size);
        if rows.checked_mul(config.hidden) != Some(hidden.len()) || out.shape() != hsa.chunk_shape(config.hidden) {
            return Err(Error::invalid(format!(
                "{} values are not the hidden states of {chunks} chunks",
                hidden.len()
            )));
        }
        let mut kept = self.scratch.lock().map_err(|_| Error::invalid("the encoder failed in an earlier call"))?;
        let slot = &mut *kept;
        backend.run(|| {
            let (mut s, mut staged) = match slot.take() {
                Some(kept) if kept.0.chunks >= chunks => kept,
                _ => (self.chunking.scratch(config, hsa, backend, chunks)?, backend.buffer(hidden.len())?),
            };
            backend.write(&mut staged, hidden)?;
            s.put(backend, &staged, 0, rows)?;
            let done = self.chunking.encode(config, hsa, backend, chunks, &mut s, &mut |encoded| {
                out.take(encoded);
                Ok(())
            });
            *slot = Some((s, staged));
            done
        })
    }
}
