//! Short codes of the landmarks that the device has no room for (see `memory/coder.rs`): what they show to be among the best, or not to be
//! certainly not, is read from the host and scored. The result is that of scoring all landmarks.

use std::sync::Arc;

use zerocopy::IntoBytes;

use super::driver::{Context, Memory};
use super::module::{Kernels, launch};
use super::scoring::{Found, Ids, Landmarks, Lists, Scoring, joined};
use super::stream::Stream;
use crate::memory::{ChunkMemory, ChunkShape, Coder, LandmarkBlock, LandmarkData};
use crate::topk::{MAX_TOP_K, TopK};
use crate::{Result, room};

/// What rounding adds to products on matrix units: queries are sums of two f16, which leaves 2^-22 of each number, and sums are cut off
/// behind their 24th bit, once for every factor.
const PRODUCT: f64 = 8.0;
/// The widest landmarks that codes are made of: what is left of eight of them lies in shared memory.
const WIDEST: usize = 1024;
/// The fewest tiles that are worth it.
const FEWEST_TILES: usize = 8;

/// What codes take.
#[derive(Clone, Copy)]
pub(super) struct CodeSizes {
    /// A tile.
    tile: usize,
    /// Mean, directions and scales of all heads.
    bases: usize,
}

impl CodeSizes {
    /// None if landmarks of the shape have no codes.
    pub fn new(shape: &ChunkShape) -> Option<CodeSizes> {
        let coder = coder(shape)?;
        let (tile, numbers) = coder.sizes();
        Some(CodeSizes { tile, bases: numbers * size_of::<f32>() })
    }

    /// Bytes for the codes of `chunks` chunks, or of as many as `free` bytes are enough for; 0 if these are too few.
    pub fn bytes(&self, chunks: u64, free: usize) -> usize {
        let wanted = usize::try_from(chunks.div_ceil(Coder::TILE as u64)).unwrap_or(usize::MAX);
        match (free.saturating_sub(self.bases) / self.tile).min(wanted) {
            ..FEWEST_TILES => 0,
            tiles => self.bases + tiles * self.tile,
        }
    }
}

fn coder(shape: &ChunkShape) -> Option<Coder> {
    (shape.retrieval_width <= WIDEST).then(|| Coder::new(shape, PRODUCT)).flatten()
}

/// The codes of consecutive chunks, on the device.
pub(super) struct DeviceCodes {
    coder: Coder,
    bases: Memory,
    tiles: Memory,
    /// The chunks that have codes, and how many there can be.
    first: u64,
    len: u64,
    capacity: u64,
    /// (n, Gr, R/Gr), and what the codes need of them.
    queries: Vec<f32>,
    rows: Vec<f32>,
    /// (n, Gr, list): the highest bounds of the last search.
    bounds: Vec<Found>,
    /// (n, Gr), and a bit for each chunk: those whose bounds reach them.
    least: Vec<f32>,
    within: Vec<u32>,
    /// Chunks whose landmarks are read, in order, those that were read before, and landmarks on their way.
    wanted: Vec<u64>,
    read: Vec<u64>,
    landmarks: Vec<u8>,
}

/// What scores landmarks that the host has.
pub(super) struct Reading<'a> {
    pub kernels: &'a Kernels,
    pub scoring: &'a Scoring<'a>,
    pub memory: &'a mut ChunkMemory,
    /// Where they come to lie.
    pub passing: &'a mut Memory,
    pub found: &'a mut Lists,
    /// (n, Gr)
    pub top: &'a mut [TopK],
}

impl DeviceCodes {
    /// For the chunks from `first` on; None if there is no room for any in `bytes` bytes, see [`CodeSizes::bytes`].
    pub fn new(context: &Arc<Context>, shape: &ChunkShape, first: u64, bytes: usize) -> Result<Option<Self>> {
        let (Some(sizes), Some(coder)) = (CodeSizes::new(shape), coder(shape)) else { return Ok(None) };
        let tiles = bytes.saturating_sub(sizes.bases) / sizes.tile;
        if tiles == 0 {
            return Ok(None);
        }
        let (queries, rows, bounds, least, within, wanted, read, landmarks) = Default::default();
        Ok(Some(Self {
            coder,
            bases: Memory::new(context, sizes.bases)?,
            tiles: Memory::new(context, tiles * sizes.tile)?,
            first,
            len: 0,
            capacity: (tiles * Coder::TILE) as u64,
            queries,
            rows,
            bounds,
            least,
            within,
            wanted,
            read,
            landmarks,
        }))
    }

    /// The end of the chunks that have codes.
    pub fn end(&self) -> u64 {
        self.first + self.len
    }

    /// Forgets those of the chunks from `len` on.
    pub fn truncate(&mut self, len: u64) {
        self.len = self.len.min(len.saturating_sub(self.first));
        if self.len == 0 {
            // Those that come may have nothing to do with those that were there.
            self.coder.clear();
        }
    }

    /// Chooses the directions, if it has not been done and the host has enough landmarks at hand.
    pub fn begin(&mut self, stream: &mut Stream, memory: &ChunkMemory) -> Result<()> {
        if self.coder.is_new() && memory.choose_directions(&mut self.coder)? {
            let mut at = self.bases.at;
            for part in self.coder.bases() {
                stream.upload(at, part.as_bytes())?;
                at += size_of_val(part) as u64;
            }
        }
        Ok(())
    }

    /// Makes codes of the landmarks `at`, `count` chunks from `first` on, as far as they are the next ones.
    pub fn keep(
        &mut self,
        kernels: &Kernels,
        stream: &mut Stream,
        scoring: &Scoring<'_>,
        (at, first, count): (u64, u64, usize),
    ) -> Result<()> {
        let count = (count as u64).min(self.capacity - self.len) as usize;
        if self.coder.is_new() || first != self.end() || count == 0 {
            return Ok(());
        }
        let ChunkShape { retrieval_heads: heads, retrieval_width: width, .. } = *scoring.shape;
        let tiles = (self.len as usize + count).div_ceil(Coder::TILE) - self.len as usize / Coder::TILE;
        // SAFETY: there are `count` landmarks of (heads, width), bases of all heads, and tiles for `capacity` chunks.
        unsafe {
            launch!(kernels, stream, "encode_codes", [tiles, heads, 1], [256, 1], 8 * width * 4;
                at, u32::from(scoring.half), count as u32, heads as u32, width as u32, self.coder.directions() as u32,
                self.bases.at, self.len as u32, self.tiles.at)?;
        }
        self.len += count as u64;
        Ok(())
    }

    /// Offers to `top` those of the chunks with codes that may belong there; `lists` is for those of the device. False, and none is
    /// offered, if there are no codes, or if they are not for these queries.
    pub fn search(&mut self, stream: &mut Stream, lists: &Memory, reading: &mut Reading<'_>) -> Result<bool> {
        let Scoring { shape, q, visible, scale, .. } = *reading.scoring;
        let ChunkShape { retrieval_heads: heads, retrieval_width: width, .. } = *shape;
        let (n, k) = (visible.len(), reading.top.first().map_or(0, TopK::k));
        let rows = n * heads;
        // With more of them the best are read again, with fewer those next to them at once.
        let list = if k <= MAX_TOP_K / 4 { MAX_TOP_K / 2 } else { MAX_TOP_K };
        let most_rows = Coder::MOST_ROWS.min(lists.bytes / (list * size_of::<Found>()));
        // With other factors a bound is none.
        if self.len == 0 || rows == 0 || rows > most_rows || !(scale > 0.0 && scale.is_finite()) {
            return Ok(false);
        }
        room::resize(&mut self.queries, rows * width, 0.0)?;
        stream.read(q.at(), self.queries.as_mut_bytes())?;
        self.coder.prepare(&self.queries)?;
        self.coder.rows(&mut self.rows)?;
        let bytes = rows * list * size_of::<Found>();
        let best = stream.scratch(2, bytes)?;
        let queries = stream.give(0, self.rows.as_bytes())?;
        let here = |&v: &u64| v.saturating_sub(self.first).min(self.len) as u32;
        let seen: Vec<u32> = visible.iter().map(here).collect();
        let (at, only) = match *seen {
            [only] => (0, only),
            _ => (stream.give(3, seen.as_bytes())?, 0),
        };
        let (count, m) = (self.len as u32, self.coder.directions());
        let processors = stream.context.processors as usize;
        let most_parts = lists.bytes / (rows * list * size_of::<Found>());
        let parts = (4 * processors / rows).clamp(1, (self.len as usize).div_ceil(8 * Coder::TILE)).min(most_parts);
        // SAFETY: there are a query for every row, tiles for `count` chunks, and lists for every row and part.
        unsafe {
            launch!(reading.kernels, stream, "bound_codes", [parts, heads, n], [256, 1],
                (4 * (4 + m)).next_multiple_of(16) + joined(list);
                queries, at, only, heads as u32, m as u32, self.tiles.at, count, scale, list as u32, lists.at)?;
            launch!(reading.kernels, stream, "best_of", [rows, 1, 1], [256, 1], joined(list);
                lists.at, parts as u32, list as u32, best)?;
        }
        let none = Found { score: 0.0, id: u32::MAX };
        room::resize(&mut self.bounds, rows * list, none)?;
        stream.read(best, self.bounds.as_mut_bytes())?;

        self.wanted.clear();
        for (found, top) in self.bounds.chunks_exact(list).zip(&*reading.top) {
            let least = top.threshold();
            self.wanted.extend(ids(found, least).map(|id| self.first + id));
        }
        self.read(stream, reading)?;
        // What is not in a list is at most as good as the last one in it.
        let enough = |found: &[Found], top: &TopK| found.last().is_none_or(|last| excluded(last, top.threshold()));
        let mut lists_of_rows = self.bounds.chunks_exact(list).zip(&*reading.top);
        if lists_of_rows.all(|(found, top)| enough(found, top)) {
            return Ok(true);
        }

        // All others that may belong there, some at a time: the more are read, the fewer may still.
        std::mem::swap(&mut self.read, &mut self.wanted);
        let (tiles, room) =
            (self.len.div_ceil(Coder::TILE as u64) as usize, reading.passing.bytes / landmark_bytes(reading.scoring));
        let mut first = 0;
        while first < tiles {
            self.least.clear();
            self.least.extend(reading.top.iter().map(TopK::threshold));
            let within = stream.scratch(2, (tiles - first) * size_of::<u32>())?;
            let queries = stream.give(0, self.rows.as_bytes())?;
            let least = stream.give(1, self.least.as_bytes())?;
            let at = if visible.len() == 1 { 0 } else { stream.give(3, seen.as_bytes())? };
            let blocks = (tiles - first).div_ceil(8).min(2 * processors);
            // SAFETY: there are a query and a threshold for every row, tiles for `count` chunks, and a word for each of them.
            unsafe {
                launch!(reading.kernels, stream, "codes_within", [blocks, 1, 1], [256, 1], size_of_val(&*self.rows) + size_of_val(&*self.least);
                    queries, at, only, least, n as u32, heads as u32, m as u32, self.tiles.at, first as u32, count, scale, within)?;
            }
            room::resize(&mut self.within, tiles - first, 0)?;
            stream.read(within, self.within.as_mut_bytes())?;
            self.wanted.clear();
            for &(mut bits) in &self.within {
                let tile = self.first + (first * Coder::TILE) as u64;
                while bits != 0 {
                    let id = tile + u64::from(bits.trailing_zeros());
                    bits &= bits - 1;
                    if self.read.binary_search(&id).is_err() {
                        self.wanted.push(id);
                    }
                }
                first += 1;
                if self.wanted.len() >= room {
                    break;
                }
            }
            self.read(stream, reading)?;
        }
        Ok(true)
    }

    /// Reads the landmarks of `wanted`, which are then in order, and offers them to `top`.
    fn read(&mut self, stream: &mut Stream, reading: &mut Reading<'_>) -> Result<()> {
        let Self { wanted, landmarks, .. } = self;
        let Reading { kernels, scoring, memory, passing, found, top } = reading;
        wanted.sort_unstable();
        wanted.dedup();
        let bytes = landmark_bytes(scoring);
        for wanted in wanted.chunks(passing.bytes / bytes) {
            landmarks.clear();
            let mut ids = room::with_capacity(wanted.len())?;
            for run in wanted.chunk_by(|a, b| a + 1 == *b) {
                let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
                memory.for_each_landmarks(*first..last + 1, |block| {
                    let data = data(&block);
                    room::grow(landmarks, data.len())?;
                    landmarks.extend_from_slice(data);
                    // There is room for all.
                    ids.extend(block.first..block.first + block.count as u64);
                    Ok(())
                })?;
            }
            // Those that are damaged may be left out.
            if ids.is_empty() {
                continue;
            }
            // `run` has waited for those before.
            stream.fill(passing, 0, landmarks)?;
            let landmarks = Landmarks { at: passing.at, ids: Ids::These(&ids) };
            scoring.run(kernels, stream, &landmarks, found, top)?;
        }
        Ok(())
    }
}

/// Whether a landmark with this bound, and those with lower ones, are not among the best; there is nothing behind the end of a list.
fn excluded(found: &Found, least: f32) -> bool {
    found.id == u32::MAX || found.score < least
}

/// Those of a list that may be among the best.
fn ids(found: &[Found], least: f32) -> impl Iterator<Item = u64> {
    found.iter().take_while(move |found| !excluded(found, least)).map(|found| u64::from(found.id))
}

fn landmark_bytes(scoring: &Scoring<'_>) -> usize {
    scoring.shape.landmark_len() * if scoring.half { 2 } else { 4 }
}

/// The bytes of a block of landmarks.
pub(super) fn data<'a>(block: &LandmarkBlock<'a>) -> &'a [u8] {
    match block.data {
        LandmarkData::F32(v) => v.as_bytes(),
        LandmarkData::F16(v) => v.as_bytes(),
    }
}
