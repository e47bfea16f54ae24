//! Shared by the tests of the model: the golden fixtures and a model with everything needed to run it.

use std::ops::Range;
use std::path::PathBuf;

use ramba::backend::Backend;
use ramba::cpu::Cpu;
use ramba::memory::{ChunkMemory, ChunkView, KvData, Precision};
use ramba::model::{Logits, Model, Pass, Scratch, Segments, State, Trace};
use ramba::weights::Weights;
use serde_json::Value;

/// A random tiny model and what the PyTorch reference makes of it; tests/fixtures/golden/README.md describes the parts.
pub struct Fixture {
    pub name: String,
    pub json: Value,
    floats: Vec<f32>,
    path: PathBuf,
}

impl Fixture {
    pub fn all() -> Vec<Fixture> {
        let dir = crate::fixture("golden");
        let files = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path());
        let mut names: Vec<String> = files
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        assert!(!names.is_empty(), "no fixtures in {dir:?}");
        names.iter().map(|name| Fixture::open(name)).collect()
    }

    pub fn open(name: &str) -> Fixture {
        let dir = crate::fixture("golden");
        let json: Value = serde_json::from_slice(&std::fs::read(dir.join(format!("{name}.json"))).unwrap()).unwrap();
        let bin = std::fs::read(dir.join(format!("{name}.bin"))).unwrap();
        Fixture {
            name: name.to_owned(),
            floats: bin.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
            path: match json["model"].as_str() {
                Some(shipped) => crate::root().join(shipped),
                None => dir.join(format!("{name}.gguf")),
            },
            json,
        }
    }

    pub fn quantized(&self) -> bool {
        !matches!(self.json["type"].as_str().unwrap(), "F32" | "F16" | "BF16")
    }

    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap()
    }

    pub fn weights(&self) -> Weights {
        Weights::open(&self.path).unwrap()
    }

    pub fn load<B: Backend>(&self, backend: B) -> Model<B> {
        Model::load(&self.weights(), backend).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    pub fn tokens(&self) -> Vec<u32> {
        ids(&self.json["tokens"])
    }

    /// `len` values of the .bin from an offset in the json.
    pub fn floats(&self, offset: &Value, len: usize) -> &[f32] {
        let at = offset.as_u64().unwrap() as usize;
        &self.floats[at..at + len]
    }
}

pub fn ids(array: &Value) -> Vec<u32> {
    array.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// A model, one sequence and its memory.
pub struct Runner<'a, B: Backend = Cpu> {
    pub model: &'a Model<B>,
    pub state: State<B>,
    pub scratch: Scratch<B>,
    pub memory: Option<ChunkMemory>,
    pub trace: Trace,
    _dir: tempfile::TempDir,
}

/// The "bytes" of a chunk when a token counts as one.
pub fn token_range(chunk_size: u64) -> impl Fn(u64) -> Range<u64> + Sync {
    move |chunk| chunk * chunk_size..(chunk + 1) * chunk_size
}

impl<'a, B: Backend> Runner<'a, B> {
    pub fn new(model: &'a Model<B>, precision: Precision) -> Self {
        Self::with_slots(model, precision, 64)
    }

    /// A runner whose memory has room for at least `slots` chunks in RAM.
    pub fn with_slots(model: &'a Model<B>, precision: Precision, slots: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let memory = model.chunk_shape().map(|shape| {
            let budget = ChunkMemory::minimum_budget(&shape, precision, slots).unwrap();
            ChunkMemory::create(dir.path(), shape, precision, budget).unwrap()
        });
        let (state, scratch) = (model.state().unwrap(), model.scratch().unwrap());
        Self { model, state, scratch, memory, trace: Trace::new(), _dir: dir }
    }

    fn chunk_size(&self) -> u64 {
        self.model.chunk_shape().map_or(1, |shape| shape.chunk_size as u64)
    }

    /// Continues the document: segments restart, finished chunks are remembered.
    pub fn advance(&mut self, tokens: &[u32], logits: Logits) -> Vec<f32> {
        let source = token_range(self.chunk_size());
        let remember = self.memory.is_some().then_some(&source as _);
        let pass =
            Pass { memory: self.memory.as_mut(), remember, logits, trace: Some(&mut self.trace), ..Pass::default() };
        self.model.advance(&mut self.state, &mut self.scratch, tokens, pass).unwrap().to_vec()
    }

    /// Continues without remembering and without restarting, as a question does.
    pub fn question(&mut self, tokens: &[u32], logits: Logits) -> Vec<f32> {
        let pass = Pass { memory: self.memory.as_mut(), logits, trace: Some(&mut self.trace), ..Pass::default() };
        self.model.forward(&mut self.state, &mut self.scratch, tokens, pass).unwrap().to_vec()
    }

    /// Reads a document of whole chunks, segment by segment, through the lower half and the encoder alone.
    pub fn read(&mut self, tokens: &[u32]) {
        let segments: Segments = self.model.config().segments;
        let chunk = self.chunk_size();
        let (scratch, memory) = (&mut self.scratch, self.memory.as_mut().unwrap());
        let mut at = 0;
        while at < tokens.len() {
            let segment = segments.at(at as u64);
            let (from, overlap) = (at - segment.overlap as usize, segment.overlap as usize);
            at = tokens.len().min(segment.end as usize);
            self.model
                .read_segments(scratch, &[&tokens[from..at]], overlap, &mut |e| {
                    let source = token_range(chunk)(memory.len());
                    memory.append(e.keys, e.values, e.landmark, source).map(|_| ())
                })
                .unwrap();
        }
    }

    /// Greedy continuation with `step`, each token fed back but the last; returns ids and the logits after each token fed.
    pub fn greedy(
        &mut self,
        first: &[f32],
        count: usize,
        step: impl Fn(&mut Self, &[u32]) -> Vec<f32>,
    ) -> (Vec<u32>, Vec<Vec<f32>>) {
        let (mut tokens, mut rows) = (vec![argmax(first)], Vec::new());
        while rows.len() + 1 < count {
            rows.push(step(self, &tokens[tokens.len() - 1..]));
            tokens.push(argmax(&rows[rows.len() - 1]));
        }
        (tokens, rows)
    }

    /// Keys and values (S, G, d) of a chunk, as the memory gives them back.
    pub fn chunk(&mut self, id: u64) -> (Vec<f32>, Vec<f32>) {
        let memory = self.memory.as_mut().unwrap();
        memory.fetch(&[id]).unwrap();
        let ChunkView { keys, values } = memory.view(id).unwrap();
        (decode(keys), decode(values))
    }

    /// Landmarks (chunks, R) of the whole memory; only for `Precision::F32`.
    pub fn landmarks(&mut self) -> Vec<f32> {
        let memory = self.memory.as_mut().unwrap();
        let mut all = Vec::new();
        memory
            .for_each_landmarks(0..memory.len(), |block| {
                match block.data {
                    ramba::memory::LandmarkData::F32(data) => all.extend_from_slice(data),
                    ramba::memory::LandmarkData::F16(_) => panic!("f16 landmarks"),
                }
                Ok(())
            })
            .unwrap();
        all
    }
}

fn decode(data: KvData<'_>) -> Vec<f32> {
    match data {
        KvData::F32(values) => values.to_vec(),
        KvData::F16(bits) => bits.iter().map(|&b| half::f16::from_bits(b).to_f32()).collect(),
        KvData::Int8 { scales, data } => {
            let width = data.len() / scales.len();
            data.chunks_exact(width)
                .zip(scales)
                .flat_map(|(row, s)| row.iter().map(move |&v| f32::from(v) * s))
                .collect()
        }
    }
}

pub fn argmax(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.unwrap().0 as u32
}

/// Largest difference as a share of the largest value of `want`.
pub fn relative(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len());
    let difference = got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0, f32::max);
    let nan = got.iter().any(|g| !g.is_finite());
    if nan { f32::INFINITY } else { difference / want.iter().fold(0.0, |m: f32, w| m.max(w.abs())) }
}
