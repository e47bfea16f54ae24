//! Test chunks made from a number, the naive model of a chunk memory, and storages that fail.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use half::f16;
use ramba::memory::{ChunkMemory, ChunkShape, ChunkView, KvData, LandmarkData, Storage};

use super::numbers::Random;

/// A chunk: keys and values (S, G, d), landmark (Gr, R/Gr), source.
pub struct Chunk {
    pub keys: Vec<f32>,
    pub values: Vec<f32>,
    pub landmark: Vec<f32>,
    pub source: Range<u64>,
}

impl Chunk {
    /// The chunk that `seed` stands for.
    pub fn new(shape: &ChunkShape, seed: u64) -> Self {
        let mut random = Random(seed + 1);
        let mut floats = |n| (0..n).map(|_| random.below(4001) as f32 / 1000.0 - 2.0).collect::<Vec<f32>>();
        let (keys, mut values, landmark) =
            (floats(shape.kv_len()), floats(shape.kv_len()), floats(shape.landmark_len()));
        // A row of zeros has no largest magnitude to scale by.
        values[..shape.head_dim].fill(0.0);
        Self { keys, values, landmark, source: seed * 10..seed * 10 + seed % 100 }
    }

    pub fn append_to(&self, memory: &mut ChunkMemory) -> ramba::Result<u64> {
        memory.append(&self.keys, &self.values, &self.landmark, self.source.clone())
    }
}

/// Panics unless `view` is `chunk` in the given precision.
pub fn check_view(shape: &ChunkShape, view: ChunkView<'_>, chunk: &Chunk) {
    for (data, expected) in [(view.keys, &chunk.keys), (view.values, &chunk.values)] {
        match data {
            KvData::F32(x) => assert_eq!(x, expected),
            KvData::F16(x) => assert!(x.iter().zip(expected).all(|(a, b)| *a == f16::from_f32(*b).to_bits())),
            KvData::Int8 { scales, data } => {
                assert_eq!((scales.len(), data.len()), (shape.kv_rows(), shape.kv_len()));
                for (i, (q, x)) in data.iter().zip(expected).enumerate() {
                    let scale = scales[i / shape.head_dim];
                    assert!((x - scale * f32::from(*q)).abs() <= 0.5001 * scale, "{x} as {scale} · {q}");
                }
            }
        }
        let len = match data {
            KvData::F32(x) => x.len(),
            KvData::F16(x) => x.len(),
            KvData::Int8 { data, .. } => data.len(),
        };
        assert_eq!(len, shape.kv_len());
    }
}

/// What a memory should hold: the seed of every chunk.
#[derive(Clone, Default)]
pub struct Naive(pub Vec<u64>);

impl Naive {
    /// Compares the landmarks of chunks `0..upto`.
    pub fn check_landmarks(&self, memory: &mut ChunkMemory, upto: u64) -> ramba::Result<()> {
        let shape = memory.shape();
        let mut next = 0;
        memory.for_each_landmarks(0..upto, |block| {
            assert_eq!(block.first, next);
            assert!(block.count > 0);
            let width = shape.landmark_len();
            for i in 0..block.count {
                let expected = Chunk::new(&shape, self.0[next as usize]).landmark;
                match block.data {
                    LandmarkData::F32(x) => assert_eq!(x[i * width..][..width], expected),
                    LandmarkData::F16(x) => {
                        let row = &x[i * width..][..width];
                        assert!(row.iter().zip(&expected).all(|(a, b)| *a == f16::from_f32(*b).to_bits()));
                    }
                }
                next += 1;
            }
            Ok(())
        })?;
        assert_eq!(next, upto);
        Ok(())
    }

    /// Fetches chunks and compares all of them.
    pub fn check_chunks(&self, memory: &mut ChunkMemory, ids: &[u64]) -> ramba::Result<()> {
        memory.fetch(ids)?;
        for &id in ids {
            let view = memory.view(id).expect("fetched chunks are resident");
            check_view(&memory.shape(), view, &Chunk::new(&memory.shape(), self.0[id as usize]));
        }
        Ok(())
    }

    /// Compares everything.
    pub fn check_all(&self, memory: &mut ChunkMemory) -> ramba::Result<()> {
        assert_eq!(memory.len(), self.0.len() as u64);
        self.check_landmarks(memory, memory.len())?;
        let ids: Vec<u64> = (0..memory.len()).collect();
        for part in ids.chunks(memory.slots()) {
            self.check_chunks(memory, part)?;
        }
        for &id in &ids {
            assert_eq!(memory.source(id)?, Chunk::new(&memory.shape(), self.0[id as usize]).source);
        }
        Ok(())
    }
}

/// When the storages of a memory fail; shared by both.
#[derive(Default)]
pub struct Faults {
    /// Operations done so far.
    pub done: AtomicU64,
    /// The operations that fail: from the first number on, before the second.
    pub from: AtomicU64,
    pub until: AtomicU64,
}

impl Faults {
    pub fn set(&self, failing: Range<u64>) {
        self.from.store(failing.start, Relaxed);
        self.until.store(failing.end, Relaxed);
    }

    fn fails(&self) -> bool {
        let n = self.done.fetch_add(1, Relaxed);
        (self.from.load(Relaxed)..self.until.load(Relaxed)).contains(&n)
    }
}

/// A storage in memory. A failing write leaves half of its bytes, and garbage after them; a failing read too.
pub struct Memory {
    pub bytes: Arc<Mutex<Vec<u8>>>,
    pub faults: Arc<Faults>,
}

impl Storage for Memory {
    fn name(&self) -> String {
        "test storage".into()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if self.faults.fails() {
            buf.fill(0xEE);
            return Err(io::Error::other("bad sector"));
        }
        let bytes = self.bytes.lock().unwrap();
        let data = bytes.get(offset as usize..).and_then(|b| b.get(..buf.len()));
        buf.copy_from_slice(data.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.bytes.lock().unwrap();
        let (start, end) = (offset as usize, offset as usize + data.len());
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        if self.faults.fails() {
            let half = data.len() / 2;
            bytes[start..start + half].copy_from_slice(&data[..half]);
            bytes[start + half..end].fill(0xEE);
            return Err(io::ErrorKind::StorageFull.into());
        }
        bytes[start..end].copy_from_slice(data);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.faults.fails() {
            return Err(io::Error::other("no"));
        }
        self.bytes.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.faults.fails() { Err(io::Error::other("sync")) } else { Ok(()) }
    }
}
