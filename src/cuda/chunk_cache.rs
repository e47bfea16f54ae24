//! What the device keeps of a chunk memory, within a budget: the landmarks of the first chunks, and the chunks in use.
//!
//! The rest stays where the memory has it: of landmarks beyond there are short codes (`codes.rs`), and what has none passes through a small
//! buffer block by block; chunks are brought in when they are chosen. If there is room for all visible chunks, they move to the slots of their own numbers:
//! then the device can choose without the host.

use std::ops::Range;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Buffer;
use super::arguments::{alike, twin};
use super::codes::{CodeSizes, DeviceCodes, Reading, data};
use super::driver::{Context, Memory, Pinned};
use super::module::{Kernel, Kernels, launch};
use super::scoring::{Among, Ids, Landmarks, Lists, Scoring, lists_bytes};
use super::stream::Stream;
use crate::backend::{HsaShape, Pick, Selecting, check, need};
use crate::memory::{ChunkMemory, ChunkShape, KvData, Precision};
use crate::slots::Slots;
use crate::topk::{MAX_TOP_K, TopK};
use crate::{Error, Result};

/// The fewest chunks to keep.
const MIN_SLOTS: usize = 64;

/// Bytes of landmarks that pass through the device at once.
const PASSING: usize = 1 << 20;

/// Slots start at multiples of this.
const ALIGN: usize = 256;

/// Bytes of chunks that are brought in for one token: a millisecond or two.
const MOVED_AT_ONCE: usize = 8 << 20;

/// Groups that the device can choose for.
pub(super) const SELECTIONS: usize = 32;

/// Landmarks, chunks and picks on the device. Its size is fixed when it is made.
pub struct ChunkCache {
    shape: ChunkShape,
    precision: Precision,
    /// The [`id`](ChunkMemory::id) of the memory that this is a copy of.
    pub(super) memory: u64,
    /// Chunks of it that this was made for.
    pub(super) made_for: u64,
    /// The [`version`](ChunkMemory::version) of the memory that this is a copy of.
    version: u64,
    /// (capacity, Gr, R/Gr) f16, or f32 with [`Precision::F32`]
    landmarks: Memory,
    /// Landmarks that `landmarks` has room for.
    capacity: u64,
    /// Landmarks in it.
    kept: u64,
    /// Of those that follow.
    codes: Option<DeviceCodes>,
    /// Landmarks on their way.
    passing: Memory,
    /// Which chunk is in which slot.
    index: Slots,
    /// For each slot keys (S, G, d), values (S, G, d), and for int8 their scales (S, G) each, from a multiple of 16 on.
    chunks: Memory,
    /// Bytes of a slot.
    stride: usize,
    /// (tokens, Gr, K) of slot and weight, room for the most tokens of a tile and the largest K.
    picks: Memory,
    /// Picks in it.
    picked: usize,
    /// Ids to bring in, and the picks on their way.
    missing: Vec<u64>,
    slot_picks: Vec<SlotPick>,
    found: Lists,
    /// The first chunks that are in the slots of their own numbers, with their landmarks: so far.
    in_place: u64,
    /// u32: how many chunks `select` chooses among.
    visible: Memory,
    /// The same.
    seen: u32,
    /// Lists of `select`, which may be recorded and so has them to itself.
    lists: Memory,
    /// (SELECTIONS, Gr, MAX_TOP_K) of slot and weight: what `select` has chosen, where the host can take it.
    readings: Pinned,
    /// Where the device has them.
    readings_at: u64,
}

/// `Pick` of `hsa.cu`, and that of `score_top_k.cu`: of a chunk that is resident, the slot is its number.
#[derive(Clone, Copy, zerocopy::IntoBytes, zerocopy::FromBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
#[repr(C)]
struct SlotPick {
    slot: u32,
    weight: f32,
}

/// `Hsa` of `hsa.cu`.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct Hsa {
    heads: u32,
    kv_heads: u32,
    d: u32,
    size: u32,
    retrieval_heads: u32,
    top: u32,
    off_by_one: u32,
}
twin!(Hsa: "hsa", "Hsa" { heads, kv_heads, d, size, retrieval_heads, top, off_by_one });
alike!(SlotPick: "hsa", "Pick" { slot, weight });
alike!(SlotPick: "score_top_k", "Pick" { slot, weight });

/// Bytes of a value of keys and values.
fn value_bytes(precision: Precision) -> usize {
    match precision {
        Precision::F32 => 4,
        Precision::F16 => 2,
        Precision::Int8 => 1,
    }
}

fn landmark_bytes(shape: &ChunkShape, precision: Precision) -> usize {
    shape.landmark_len() * if precision == Precision::F32 { 4 } else { 2 }
}

/// What a cache takes for chunks of a shape and up to some tokens at once, in bytes.
struct Sizes {
    /// A slot.
    stride: usize,
    landmark: usize,
    picks: usize,
    passing: usize,
    lists: usize,
    readings: usize,
    codes: Option<CodeSizes>,
    /// All that does not depend on the budget.
    fixed: usize,
}

impl Sizes {
    fn new(context: &Context, shape: &ChunkShape, precision: Precision, tokens: usize) -> Sizes {
        let values = (2 * shape.kv_len() * value_bytes(precision)).next_multiple_of(16);
        let scales = if precision == Precision::Int8 { 8 * shape.kv_rows() } else { 0 };
        let stride = (values + scales).next_multiple_of(ALIGN);
        let landmark = landmark_bytes(shape, precision);
        let picks = tokens * shape.retrieval_heads * MAX_TOP_K * size_of::<SlotPick>();
        let passing = PASSING.max(landmark);
        let lists = lists_bytes(context, shape);
        let readings = SELECTIONS * shape.retrieval_heads * MAX_TOP_K * size_of::<SlotPick>();
        let fixed = picks + passing + lists + readings + ALIGN;
        Sizes { stride, landmark, picks, passing, lists, readings, codes: CodeSizes::new(shape), fixed }
    }

    fn least(&self) -> usize {
        self.fixed + self.landmark + MIN_SLOTS * self.stride
    }
}

/// The least budget of a cache for chunks of a shape and up to `tokens` tokens at once.
pub(super) fn least_budget(context: &Context, shape: &ChunkShape, precision: Precision, tokens: usize) -> u64 {
    Sizes::new(context, shape, precision, tokens).least() as u64
}

impl ChunkCache {
    /// For up to `tokens` tokens at once, and `memory`, of which `made_for` chunks are expected.
    ///
    /// # Errors
    /// `Capacity` if the budget is too small, or the device has no memory for it.
    pub(super) fn new(
        stream: &mut Stream,
        memory: &ChunkMemory,
        budget: u64,
        tokens: usize,
        made_for: u64,
    ) -> Result<ChunkCache> {
        let (shape, precision) = (memory.shape(), memory.precision());
        shape.check()?;
        let sizes = Sizes::new(&stream.context, &shape, precision, tokens);
        let Sizes { stride, landmark, picks, passing, lists, readings, codes, fixed } = sizes;
        let (least, chunks) = (sizes.least(), made_for);
        let budget = usize::try_from(budget).unwrap_or(usize::MAX);
        if budget < least {
            return Err(Error::capacity(format!(
                "a budget of {budget} bytes of device memory is too small for these chunks, they need {least}"
            )));
        }
        // Every token reads all landmarks; chunks that are missed cost one read each. So landmarks come first, with room to grow
        // if there is enough; if they do not fit by far, the two share alike. Where there is no room to grow, there are codes for as many
        // chunks as may come until the budget is divided anew, or at least for those that there are: what has none passes through for
        // every token. Some landmarks tell from the start how good the best are.
        let (free, most) = (budget - fixed - landmark, |free: usize| free / 4 * 3);
        let all = usize::try_from(chunks).unwrap_or(usize::MAX).saturating_mul(landmark);
        let (landmarks, grows) = match most(free) {
            _ if chunks == 0 => (free / 2, true),
            most if all.saturating_mul(2) <= most => (2 * all, true),
            most if all <= most => (most, false),
            most => {
                let codes = codes.map_or(0, |codes| codes.bytes(chunks + chunks / 4, most));
                ((codes + codes / 16).clamp(free / 2, most), false)
            }
        };
        let slots = (free - landmarks).max(MIN_SLOTS * stride) / stride;
        let left = free - slots * stride;
        let codes = codes.filter(|_| !grows).map_or(0, |codes| codes.bytes(2 * chunks, left - left / 16));
        let capacity = 1 + (left - codes) / landmark;
        let visible = Memory::new(&stream.context, size_of::<u32>())?;
        stream.raw()?.zero(visible.at, visible.bytes)?;
        let context = &stream.context;
        let readings = Pinned::new(context, readings)?;
        Ok(ChunkCache {
            shape,
            precision,
            memory: memory.id(),
            made_for,
            version: 0,
            landmarks: Memory::new(context, capacity * landmark)?,
            capacity: capacity as u64,
            kept: 0,
            codes: DeviceCodes::new(context, &shape, capacity as u64, codes)?,
            passing: Memory::filled_by_host(context, passing)?,
            index: Slots::all(slots)?,
            chunks: Memory::new(context, slots * stride)?,
            stride,
            picks: Memory::filled_by_host(context, picks)?,
            picked: 0,
            missing: Vec::new(),
            slot_picks: Vec::new(),
            found: Lists::default(),
            in_place: 0,
            visible,
            seen: 0,
            lists: Memory::new(context, lists)?,
            readings_at: readings.device_at(),
            readings,
        })
    }

    /// How many different chunks can be ready at once.
    pub(super) fn slots(&self) -> usize {
        self.index.len()
    }

    /// Forgets what the memory has forgotten.
    fn follow(&mut self, memory: &ChunkMemory) -> Result<()> {
        check(memory.id() == self.memory, || "chunks were chosen in another memory".to_owned())?;
        if self.version != memory.version() {
            let unchanged = memory.unchanged_since(self.version);
            self.kept = self.kept.min(unchanged);
            self.codes.iter_mut().for_each(|codes| codes.truncate(unchanged));
            self.index.truncate(unchanged);
            self.in_place = self.in_place.min(unchanged);
            self.version = memory.version();
        }
        Ok(())
    }

    /// Scores landmarks for queries (n, Gr, R/Gr) and keeps the best: `top[i·Gr + g]`, which is empty, becomes the selection of all chunks
    /// `c < visible[i]`. Waits for the device. The caller has checked the lengths.
    pub(super) fn score(
        &mut self,
        kernels: &Kernels,
        stream: &mut Stream,
        (q, visible): (&Buffer, &[u64]),
        scale: f32,
        memory: &mut ChunkMemory,
        top: &mut [TopK],
    ) -> Result<()> {
        self.follow(memory)?;
        let most = visible.iter().copied().max().unwrap_or(0);
        if most > memory.len() {
            return Err(Error::invalid(format!("score_top_k: {most} chunks visible, there are {}", memory.len())));
        }
        if most == 0 {
            return Ok(());
        }
        let bytes = landmark_bytes(&self.shape, self.precision);
        let resident = most.min(self.capacity);
        self.keep_landmarks(stream, memory, resident)?;
        // How many chunks there are differs from token to token.
        stream.begin()?;
        let scoring = Scoring { shape: &self.shape, half: self.precision != Precision::F32, q, visible, scale };
        let kept = Landmarks { at: self.landmarks.at, ids: Ids::From(0, resident as usize) };
        let Self { passing, found, lists, codes, .. } = self;
        scoring.run(kernels, stream, &kept, found, top)?;
        let mut rest = resident;
        if let Some(codes) = codes.as_mut().filter(|_| resident < most) {
            let mut reading = Reading { kernels, scoring: &scoring, memory, passing, found, top };
            if codes.search(stream, lists, &mut reading)? {
                rest = codes.end().min(most);
            }
            codes.begin(stream, memory)?;
        }
        if rest < most {
            let room = passing.bytes / bytes;
            memory.for_each_landmarks(rest..most, |block| {
                for (i, part) in data(&block).chunks(room * bytes).enumerate() {
                    // `run` has waited for the ones before.
                    stream.fill(passing, 0, part)?;
                    let (first, count) = (block.first + (i * room) as u64, part.len() / bytes);
                    if let Some(codes) = codes {
                        codes.keep(kernels, stream, &scoring, (passing.at, first, count))?;
                    }
                    scoring.run(
                        kernels,
                        stream,
                        &Landmarks { at: passing.at, ids: Ids::From(first, count) },
                        found,
                        top,
                    )?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Brings in the landmarks of the first `upto` chunks, for which there must be room.
    fn keep_landmarks(&mut self, stream: &mut Stream, memory: &mut ChunkMemory, upto: u64) -> Result<()> {
        if self.kept < upto {
            let bytes = landmark_bytes(&self.shape, self.precision) as u64;
            memory.for_each_landmarks(self.kept..upto, |block| {
                stream.upload(self.landmarks.at + block.first * bytes, data(&block))
            })?;
            self.kept = upto;
        }
        Ok(())
    }

    /// Copies chunk `id`, which is fetched, into a slot.
    fn put(&self, stream: &mut Stream, memory: &ChunkMemory, id: u64, slot: usize) -> Result<()> {
        let view = memory.view(id).ok_or_else(|| Error::invalid(format!("chunk {id} was not fetched")))?;
        let at = self.chunks.at + (slot * self.stride) as u64;
        let (keys, key_scales) = parts(&view.keys);
        let (values, value_scales) = parts(&view.values);
        let scales = at + (keys.len() + values.len()).next_multiple_of(16) as u64;
        stream.upload(at, keys)?;
        stream.upload(at + keys.len() as u64, values)?;
        stream.upload(scales, key_scales)?;
        stream.upload(scales + key_scales.len() as u64, value_scales)
    }

    /// Whether [`ChunkCache::select`] can choose among the first `visible` chunks: all of them, with their landmarks, are in the slots of
    /// their own numbers. With `bring` a part of what is missing is brought in, if there is room for all, so that no token waits long.
    pub(super) fn resident(
        &mut self,
        stream: &mut Stream,
        memory: &mut ChunkMemory,
        visible: u64,
        bring: bool,
    ) -> Result<bool> {
        self.follow(memory)?;
        if visible > self.room() || (self.in_place < visible && !bring) {
            return Ok(false);
        }
        if self.in_place < visible {
            self.keep_landmarks(stream, memory, visible)?;
            self.move_in_place(stream, memory, visible)?;
            if self.in_place < visible {
                return Ok(false);
            }
        }
        // It is at most the number of slots.
        let seen = visible as u32;
        if self.seen != seen {
            // Kernels begun before still see the old number: the copy waits for them.
            stream.upload(self.visible.at, seen.as_bytes())?;
            self.seen = seen;
        }
        Ok(true)
    }

    /// How many chunks can be resident.
    fn room(&self) -> u64 {
        self.capacity.min(self.slots() as u64)
    }

    /// Brings chunks below `upto` into the slots of their own numbers, as many as one call may.
    fn move_in_place(&mut self, stream: &mut Stream, memory: &mut ChunkMemory, upto: u64) -> Result<()> {
        let mut left = (MOVED_AT_ONCE / self.stride).max(1);
        let mut missing = std::mem::take(&mut self.missing);
        while self.in_place < upto && left > 0 {
            missing.clear();
            let most = left.min(memory.slots());
            let mut next = self.in_place;
            while next < upto && missing.len() < most {
                if self.index.get(next) != Some(next as usize) {
                    missing.push(next);
                }
                next += 1;
            }
            memory.fetch(&missing)?;
            self.index.begin();
            for &id in &missing {
                let slot = self.index.claim_own(id).ok_or_else(|| Error::capacity(format!("no slot {id}")))?;
                self.put(stream, memory, id, slot)?;
                self.index.publish(slot, id);
            }
            left -= missing.len();
            self.in_place = next;
        }
        self.missing = missing;
        Ok(())
    }

    /// Chooses for one token and group `selection` among the chunks of the last [`ChunkCache::resident`], weighs what it has chosen and
    /// readies it for [`ChunkCache::attend`], without the host. The caller has checked `selecting` and the queries.
    pub(super) fn select(
        &mut self,
        kernels: &Kernels,
        stream: &mut Stream,
        q: &Buffer,
        selecting: &Selecting,
        selection: usize,
    ) -> Result<()> {
        check(selection < SELECTIONS, || format!("select: selection {selection}"))?;
        let per_selection = self.shape.retrieval_heads * MAX_TOP_K * size_of::<SlotPick>();
        let readings = self.readings_at + (selection * per_selection) as u64;
        let among = Among {
            shape: &self.shape,
            half: self.precision != Precision::F32,
            landmarks: self.landmarks.at,
            count: self.room() as usize,
            visible: self.visible.at,
        };
        among.select(kernels, stream, q, selecting, self.lists.at, self.picks.at, readings)?;
        self.picked = self.shape.retrieval_heads * selecting.top_k;
        Ok(())
    }

    /// Fills `out` (Gr, K) with what the last [`ChunkCache::select`] of this number has chosen. Waits for the device.
    pub(super) fn readings(&mut self, stream: &mut Stream, selection: usize, out: &mut [(u64, f32)]) -> Result<()> {
        stream.synchronize()?;
        let all = <[SlotPick]>::ref_from_bytes(self.readings.bytes_mut());
        let all = all.map_err(|_| Error::invalid("readings that are no whole entries"))?;
        let per_selection = self.shape.retrieval_heads * MAX_TOP_K;
        let own = all.chunks_exact(per_selection).nth(selection).and_then(|own| own.get(..out.len()));
        let own = own.ok_or_else(|| Error::invalid(format!("readings: {} of selection {selection}", out.len())))?;
        for (out, pick) in out.iter_mut().zip(own) {
            *out = (u64::from(pick.slot), pick.weight);
        }
        Ok(())
    }

    /// Readies the chunks `ids` for [`ChunkCache::attend`], and `picks`, which count them from 0.
    ///
    /// # Errors
    /// `Capacity` if these are more different chunks than [`ChunkCache::slots`], and failures of the memory and the device.
    pub(super) fn fetch(
        &mut self,
        stream: &mut Stream,
        memory: &mut ChunkMemory,
        ids: &[u64],
        picks: &[Pick],
    ) -> Result<()> {
        self.follow(memory)?;
        self.picked = 0;
        need("fetch: picks", self.picks.bytes / size_of::<SlotPick>(), &[picks.len()])?;
        if let Some(id) = ids.iter().find(|&&id| id >= memory.len()) {
            return Err(Error::invalid(format!("chunk {id}, there are {}", memory.len())));
        }
        self.index.begin();
        self.missing.clear();
        for &id in ids {
            if !self.index.pin(id) {
                self.missing.push(id);
            }
        }
        self.missing.sort_unstable();
        self.missing.dedup();
        let (wanted, slots) = (self.index.pinned() + self.missing.len(), self.slots());
        if wanted > slots {
            return Err(Error::capacity(format!("{wanted} chunks at once, the budget of device memory holds {slots}")));
        }
        for ids in self.missing.chunks(memory.slots().max(1)) {
            memory.fetch(ids)?;
            for &id in ids {
                let slot = self.index.claim_for(id)?.ok_or_else(|| Error::capacity("no free slot"))?;
                // The chunk that was there has gone.
                self.in_place = self.in_place.min(slot as u64);
                self.put(stream, memory, id, slot)?;
                self.index.publish(slot, id);
            }
        }
        self.slot_picks.clear();
        for pick in picks {
            let slot = match ids.get(pick.chunk as usize) {
                _ if pick.weight == 0.0 => 0,
                Some(&id) => self.index.get(id).ok_or_else(|| Error::invalid(format!("chunk {id} is not ready")))?,
                None => return Err(Error::invalid(format!("fetch: chunk {} of {}", pick.chunk, ids.len()))),
            };
            self.slot_picks.push(SlotPick { slot: slot as u32, weight: pick.weight });
        }
        if self.picks.host_mut().is_some() {
            // Those of the batch before may still be in use.
            stream.synchronize()?;
        }
        stream.fill(&mut self.picks, 0, self.slot_picks.as_bytes())?;
        self.picked = picks.len();
        Ok(())
    }

    /// [`Reader::attend`](crate::backend::Reader::attend) for some of the tokens. The caller has checked shape and buffers.
    pub(super) fn attend(
        &self,
        kernels: &Kernels,
        stream: &mut Stream,
        shape: &HsaShape,
        q: &Buffer,
        tokens: Range<usize>,
        out: &mut Buffer,
    ) -> Result<()> {
        let HsaShape { heads, kv_heads, head_dim: d, chunk_size, retrieval_heads, top_k, softmax_off_by_one } = *shape;
        let n = tokens.len();
        need("attend: picks", self.picked, &[n, retrieval_heads, top_k])?;
        if n == 0 {
            return Ok(());
        }
        let first = (tokens.start * heads * d * 4) as u64;
        let hsa = Hsa {
            heads: heads as u32,
            kv_heads: kv_heads as u32,
            d: d as u32,
            size: chunk_size as u32,
            retrieval_heads: retrieval_heads as u32,
            top: top_k as u32,
            off_by_one: u32::from(softmax_off_by_one),
        };
        let (q, out, slot) = (q.at() + first, out.at() + first, self.stride as u64);
        let fast = FAST.iter().find(|f| self.precision == Precision::F16 && (f.0, f.1) == (d, chunk_size));
        // SAFETY: q and `out` hold the tokens' rows, there are picks for all of them, and every pick of a weight names a
        // slot whose chunk, of this shape, `fetch` or `resident` has put there.
        unsafe {
            if let Some((_, _, names)) = fast {
                let tiles = kv_heads * (heads / kv_heads).div_ceil(16);
                // The chunks of few tokens are divided among several warps.
                let few = n * tiles <= stream.context.processors as usize;
                let (name, warps) = match few {
                    false => (names[0], 1),
                    true if d == 128 => (names[1], 2),
                    true => (names[1], 4),
                };
                let shared = warps * 4 * d * chunk_size;
                launch!(kernels, stream, name, [n, tiles, 1], [32 * warps as u32, 1], shared;
                    hsa, q, self.chunks.at, slot, self.picks.at, out)
            } else {
                let kind = match self.precision {
                    Precision::F32 => 0u32,
                    Precision::F16 => 1,
                    Precision::Int8 => 2,
                };
                launch!(kernels, stream, "hsa_any", [n, heads, 1], [32, 1], (2 * d + chunk_size) * 4;
                    hsa, q, self.chunks.at, slot, self.picks.at, kind, out)
            }
        }
    }
}

/// Head widths and chunk sizes that there are kernels on matrix units for: for many tokens, for few.
const FAST: [(usize, usize, [Attend; 2]); 9] = [
    (32, 16, [Kernel::named("hsa_f16_32_16"), Kernel::named("hsa_few_32_16")]),
    (32, 32, [Kernel::named("hsa_f16_32_32"), Kernel::named("hsa_few_32_32")]),
    (32, 64, [Kernel::named("hsa_f16_32_64"), Kernel::named("hsa_few_32_64")]),
    (64, 16, [Kernel::named("hsa_f16_64_16"), Kernel::named("hsa_few_64_16")]),
    (64, 32, [Kernel::named("hsa_f16_64_32"), Kernel::named("hsa_few_64_32")]),
    (64, 64, [Kernel::named("hsa_f16_64_64"), Kernel::named("hsa_few_64_64")]),
    (128, 16, [Kernel::named("hsa_f16_128_16"), Kernel::named("hsa_few_128_16")]),
    (128, 32, [Kernel::named("hsa_f16_128_32"), Kernel::named("hsa_few_128_32")]),
    (128, 64, [Kernel::named("hsa_f16_128_64"), Kernel::named("hsa_few_128_64")]),
];
/// The shape, q, chunks, bytes from one to the next, picks; results.
type Attend = Kernel<(Hsa, u64, u64, u64, u64, u64)>;

/// The bytes of values and of their scales.
fn parts<'a>(data: &KvData<'a>) -> (&'a [u8], &'a [u8]) {
    match *data {
        KvData::F32(v) => (v.as_bytes(), &[]),
        KvData::F16(v) => (v.as_bytes(), &[]),
        KvData::Int8 { scales, data } => (data.as_bytes(), scales.as_bytes()),
    }
}
