//! Scores of landmarks on the device, and what is made of the best: lists for the host, or picks for `hsa.cu`.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::arguments::{alike, twin};
use super::driver::Context;
use super::module::{Kernels, launch};
use super::stream::{COUNTERS, Stream};
use super::{Buffer, FEW};
use crate::backend::{Selecting, Weighting};
use crate::memory::ChunkShape;
use crate::room;
use crate::topk::{MAX_TOP_K, TopK};
use crate::{Error, Result};

/// Host sides of a scoring.
#[derive(Default)]
pub(super) struct Lists {
    /// (n): how many of the landmarks at hand each token sees
    visible: Vec<u32>,
    /// (n, Gr, K), if they are too many for the stream's memory
    found: Vec<Found>,
}

/// `Found` of `score_top_k.cu`.
#[derive(Clone, Copy, zerocopy::IntoBytes, zerocopy::FromBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
#[repr(C)]
pub(super) struct Found {
    pub score: f32,
    pub id: u32,
}

/// Landmarks on the device.
pub(super) struct Landmarks<'a> {
    pub at: u64,
    pub ids: Ids<'a>,
}

/// The chunks of landmarks.
pub(super) enum Ids<'a> {
    /// The first one, and how many follow each other from it on.
    From(u64, usize),
    /// Ascending.
    These(&'a [u64]),
}

impl Ids<'_> {
    fn len(&self) -> usize {
        match *self {
            Ids::From(_, count) => count,
            Ids::These(ids) => ids.len(),
        }
    }

    /// How many come before chunk `end`.
    fn before(&self, end: u64) -> u32 {
        match *self {
            Ids::From(first, count) => u32::try_from(end.saturating_sub(first)).unwrap_or(u32::MAX).min(count as u32),
            Ids::These(ids) => ids.partition_point(|&id| id < end) as u32,
        }
    }

    /// The `i`-th one; None if there is none, as at the end of a list.
    fn get(&self, i: u32) -> Option<u64> {
        match *self {
            Ids::From(first, count) => ((i as usize) < count).then_some(first + u64::from(i)),
            Ids::These(ids) => ids.get(i as usize).copied(),
        }
    }
}

/// What to score.
pub(super) struct Scoring<'a> {
    pub shape: &'a ChunkShape,
    /// Whether landmarks are f16.
    pub half: bool,
    /// (n, Gr, R/Gr)
    pub q: &'a Buffer,
    /// (n)
    pub visible: &'a [u64],
    pub scale: f32,
}

impl Scoring<'_> {
    /// Offers `landmarks` to `top` (n, Gr). Waits for the device.
    pub fn run(
        &self,
        kernels: &Kernels,
        stream: &mut Stream,
        landmarks: &Landmarks<'_>,
        lists: &mut Lists,
        top: &mut [TopK],
    ) -> Result<()> {
        let Landmarks { at, ids } = landmarks;
        let count = ids.len();
        let ChunkShape { retrieval_heads: heads, retrieval_width: width, .. } = *self.shape;
        let n = self.visible.len();
        let Some(k) = top.first().map(TopK::k) else { return Ok(()) };
        lists.visible.clear();
        lists.visible.extend(self.visible.iter().map(|&v| ids.before(v)));
        // A single token's needs no memory.
        let (seen, only) = match *lists.visible {
            [only] => (0, only),
            _ => (stream.give(0, lists.visible.as_bytes())?, 0),
        };
        let few = n <= FEW && in_one_launch(self.half, width, n * heads);
        let processors = stream.context.processors as usize;
        let parts = if few {
            // Blocks without a share of the landmarks leave at once.
            (4 * processors / (heads * n)).clamp(1, count)
        } else {
            // Enough blocks to keep the device's memory busy; no more, since the lists of every part start empty.
            (6 * processors / (heads * n.div_ceil(16))).min(count.div_ceil(128)).max(1)
        };
        let results = n * heads * k;
        let bytes = results * size_of::<Found>();
        let found = stream.scratch(1, 8 * n * heads * parts * k)?;
        let landing = stream.landing(bytes);
        let best = landing.map_or_else(|| stream.scratch(2, bytes), Ok)?;
        let arrived = stream.arrived.at;
        // SAFETY: q holds (n, heads, width), there are `count` landmarks of (heads, width), lists for every row and part, and
        // counters for every row of a few.
        unsafe {
            if few {
                launch!(kernels, stream, "score_few", [parts, heads, n], [256, 1], width * 4 + joined(k);
                    self.q.at(), seen, only, heads as u32, width as u32, *at, count as u32, self.scale, k as u32, found,
                    arrived, best)?;
            } else {
                let (kind, shared) = kind(&stream.context, self.half, width, k);
                launch!(kernels, stream, "score_top_k", [parts, heads, n.div_ceil(16)], [128, 1], shared;
                    self.q.at(), seen, only, n as u32, heads as u32, width as u32, *at, count as u32, kind, self.scale,
                    k as u32, found)?;
                launch!(kernels, stream, "best_of", [n * heads, 1, 1], [256, 1], joined(k);
                    found, parts as u32, k as u32, best)?;
            }
        }
        let found = match landing {
            Some(_) => <[Found]>::ref_from_bytes(stream.landed(bytes)?)
                .map_err(|_| Error::invalid("results that are no whole entries"))?,
            None => {
                room::resize(&mut lists.found, results, Found { score: 0.0, id: u32::MAX })?;
                stream.read(best, lists.found.as_mut_bytes())?;
                &lists.found
            }
        };
        for (top, found) in top.iter_mut().zip(found.chunks_exact(k)) {
            found.iter().filter_map(|f| Some((ids.get(f.id)?, f.score))).for_each(|(id, score)| top.push(id, score));
        }
        Ok(())
    }
}

/// `Choice` of `score_top_k.cu`.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct Choice {
    softmax: u32,
    decay: f32,
    picks: u64,
    readings: u64,
}
twin!(Choice: "score_top_k", "Choice" { softmax, decay, picks, readings });
alike!(Found: "score_top_k", "Found" { score, id });

/// Parts of up to `count` landmarks that [`Among::select`] makes lists of, at least 32 landmarks each.
fn parts_of(context: &Context, heads: usize, count: usize) -> usize {
    (4 * context.processors as usize / heads).clamp(1, count.div_ceil(32).max(1))
}

/// Bytes of the lists of [`Among::select`].
pub(super) fn lists_bytes(context: &Context, shape: &ChunkShape) -> usize {
    let heads = shape.retrieval_heads;
    heads * parts_of(context, heads, usize::MAX) * MAX_TOP_K * size_of::<Found>()
}

/// Landmarks to choose among, all of them on the device.
pub(super) struct Among<'a> {
    pub shape: &'a ChunkShape,
    /// Whether they are f16.
    pub half: bool,
    pub landmarks: u64,
    /// How many there is room for.
    pub count: usize,
    /// u32: how many there are.
    pub visible: u64,
}

impl Among<'_> {
    /// Chooses for the queries `q` (Gr, R/Gr) of one token, and weighs: picks and readings (Gr, K). `lists` has
    /// [`lists_bytes`] bytes. Everything is left to the device, so that it may be recorded.
    #[allow(clippy::too_many_arguments)]
    pub fn select(
        &self,
        kernels: &Kernels,
        stream: &mut Stream,
        q: &Buffer,
        selecting: &Selecting,
        lists: u64,
        picks: u64,
        readings: u64,
    ) -> Result<()> {
        let ChunkShape { retrieval_heads: heads, retrieval_width: width, .. } = *self.shape;
        let Selecting { top_k: k, scale, weighting, position_decay: decay } = *selecting;
        let softmax = u32::from(matches!(weighting, Weighting::Softmax { .. }));
        let choice = Choice { softmax, decay, picks, readings };
        let arrived = stream.arrived.at;
        let (parts, count) = (parts_of(&stream.context, heads, self.count), self.count as u32);
        // SAFETY: q holds (heads, width), there is room for `count` landmarks of (heads, width) and as many as `visible` says
        // are there, at most `count`; lists for every head and part; picks and readings for every head.
        unsafe {
            if in_one_launch(self.half, width, heads) {
                return launch!(kernels, stream, "select_few", [parts, heads, 1], [256, 1], width * 4 + joined(k);
                    q.at(), self.visible, heads as u32, width as u32, self.landmarks, count, scale, k as u32, lists,
                    arrived, choice);
            }
            let (kind, shared) = kind(&stream.context, self.half, width, k);
            launch!(kernels, stream, "score_top_k", [parts, heads, 1], [128, 1], shared;
                q.at(), self.visible, 0u32, 1u32, heads as u32, width as u32, self.landmarks, count, kind, scale, k as u32,
                lists)?;
            launch!(kernels, stream, "select_of", [heads, 1, 1], [256, 1], joined(k);
                lists, parts as u32, k as u32, choice)
        }
    }
}

/// Whether `score_few` and `select_few` can: they read 16 bytes of f16 at once, and count the blocks of `rows`.
fn in_one_launch(half: bool, width: usize, rows: usize) -> bool {
    half && width.is_multiple_of(8) && rows <= COUNTERS
}

/// Bytes of the lists that the eight warps of a block join.
pub(super) fn joined(k: usize) -> usize {
    8 * k * size_of::<Found>()
}

/// How `score_top_k` reads landmarks, and the shared memory it takes: on matrix units if the width is whole steps of them and
/// there is room for the queries, 64 KB for a width of 1024.
fn kind(context: &Context, half: bool, width: usize, k: usize) -> (u32, usize) {
    let lists = 4 * 16 * k * size_of::<Found>();
    let queries = 16 * width * 4;
    // The kernel has some of its own.
    match half {
        false => (0, lists),
        true if width.is_multiple_of(16) && lists + queries + 256 <= context.shared => (1, lists + queries),
        true => (2, lists),
    }
}
