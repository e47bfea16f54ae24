//! The records of the chunks in use, and how a byte budget is divided.

use super::coder::{CodeShape, LEAST_SAMPLE, TILE};
use super::rows::{PART_BYTES, PART_OVERHEAD, Rows};
use super::store::Layout;
use super::text;
use crate::aligned::ALIGN;
use crate::slots::Slots;
use crate::{Error, Result};

/// The smallest cache, in chunks.
const MIN_SLOTS: usize = 8;
/// Bytes set aside for the alignment of buffers and the memory's own fields, whatever the budget.
const OVERHEAD: usize = 4096;
/// Records of text collected before a write, at most.
const MAX_TEXT: usize = 16;
/// Records of marks collected before a write.
const MARKS: usize = 1;
/// A larger buffer for reads or writes would not make them faster.
const MAX_IO_BYTES: usize = 1 << 20;
/// Bytes per slot beside the record: those of [`Slots`], and two places in the list of misses.
const SLOT_INDEX_BYTES: usize = Slots::BYTES_EACH + 2 * size_of::<u64>();

/// How a byte budget is divided. Up to a quarter holds landmarks, or up to an eighth those of the first chunks and an eighth
/// the codes of others; up to a sixteenth each the read and the write buffer (at most 1 MiB each, at least one record), up to a
/// sixty-fourth the buffer of text (at most 16 records, at least one), one record marks, the rest cached chunks and their index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Chunks in the cache.
    pub(super) slots: usize,
    /// Landmarks that stay in RAM, those of the first chunks.
    pub(super) landmarks: usize,
    /// The codes of the landmarks that follow, and how many stay in RAM.
    pub(super) codes: Option<(CodeShape, usize)>,
    /// Records collected before a write.
    pub(super) batch: usize,
    /// Bytes of the read buffer.
    pub(super) read_bytes: usize,
    /// Records of text collected before a write.
    pub(super) text: usize,
    /// What is taken whatever the number of chunks.
    pub(super) fixed: usize,
}

impl Plan {
    /// # Errors
    /// `Capacity`, naming the smallest budget, if this one is too small.
    pub(super) fn new(layout: &Layout, budget: u64) -> Result<Self> {
        let least = Self::minimum(layout, MIN_SLOTS)?;
        let budget = match usize::try_from(budget) {
            Ok(b) if budget >= least => b,
            Ok(_) => {
                return Err(Error::capacity(format!(
                    "a memory budget of {budget} bytes is too small: these chunks need {least}"
                )));
            }
            Err(_) => return Err(Error::capacity(format!("a memory budget of {budget} bytes cannot be addressed"))),
        };
        let io = (budget / 16).min(MAX_IO_BYTES);
        let record = layout.chunk_stride + layout.landmark_stride;
        let batch = (io / record).max(1);
        let read_bytes = io.max(layout.landmark_stride);
        let eighth = budget / 8;
        let codes = CodeShape::new(&layout.shape).filter(|codes| {
            let enough = eighth / layout.landmark_bytes >= LEAST_SAMPLE;
            enough && codes.fixed_bytes() <= eighth / 2 && codes.tile_bytes() <= eighth / 8
        });
        let codes = codes.map(|codes| (codes, (eighth - codes.fixed_bytes()) / codes.tile_bytes() * TILE));
        let landmarks = if codes.is_some() { eighth } else { 2 * eighth } / layout.landmark_bytes;
        let text = (budget / 64 / text::STRIDE).clamp(1, MAX_TEXT);
        let fixed = OVERHEAD + batch * record + read_bytes + (text + MARKS) * text::STRIDE;
        // Large rows can leave half of a part empty.
        let parts = budget / PART_BYTES * 2 * PART_OVERHEAD;
        let slot = layout.chunk_stride + SLOT_INDEX_BYTES;
        let code_bytes = if codes.is_some() { eighth } else { 0 };
        let rest = budget.saturating_sub(fixed + parts + landmarks * layout.landmark_bytes + code_bytes);
        // The table's entries are 32 bits wide.
        let slots = (rest / slot).min(u32::MAX as usize / 2);
        Ok(Self { slots, landmarks, codes, batch, read_bytes, text, fixed })
    }

    /// Most bytes that are taken for so many chunks. Rows come in parts, the last of which may be larger than what is in it.
    pub(super) fn most_bytes(&self, layout: &Layout, chunks: u64) -> u64 {
        let rows_of = |chunks: u64, count: usize, width: usize| {
            let bytes = chunks.min(count as u64) * width as u64;
            if bytes == 0 {
                0
            } else {
                (bytes + PART_BYTES as u64).min(count as u64 * width as u64) + PART_OVERHEAD as u64
            }
        };
        let rows = |count: usize, width: usize| rows_of(chunks, count, width);
        // Tables are made larger by doubling, from some entries on.
        let entries = 2 * chunks.min(self.slots as u64) + 128;
        let slots = rows(self.slots, layout.chunk_stride) + entries * SLOT_INDEX_BYTES as u64;
        let codes = self.codes.map_or(0, |(codes, capacity)| {
            let others = chunks.saturating_sub(self.landmarks as u64);
            let fixed = if others > 0 { codes.fixed_bytes() as u64 } else { 0 };
            fixed + rows_of(others.div_ceil(TILE as u64), capacity / TILE, codes.tile_bytes())
        });
        self.fixed as u64 + rows(self.landmarks, layout.landmark_bytes) + codes + slots
    }

    /// A budget that leaves room for `slots` chunks.
    ///
    /// # Errors
    /// `Capacity` if it cannot be expressed.
    pub(super) fn minimum(layout: &Layout, slots: usize) -> Result<u64> {
        let record = (layout.chunk_stride + layout.landmark_stride) as u64;
        let slot = (layout.chunk_stride + SLOT_INDEX_BYTES) as u64;
        // A quarter, two sixteenths and a sixty-fourth go elsewhere; a buffer that needs more than its part is one
        // record.
        (slots.max(MIN_SLOTS) as u64)
            .checked_mul(slot)
            .and_then(|b| {
                b.checked_add((OVERHEAD + (1 + MARKS) * text::STRIDE + layout.landmark_stride) as u64 + record)
            })
            .and_then(|b| Some(b.checked_mul(64)?.div_ceil(39)))
            .ok_or_else(|| Error::capacity(format!("a cache of {slots} chunks is too large")))
    }
}

/// Chunk records in slots, which take memory as they are used.
pub(super) struct Cache {
    data: Rows,
    /// Which chunk is in which slot.
    pub(super) slots: Slots,
}

impl Cache {
    /// Up to `capacity` slots for records of `stride` bytes.
    pub(super) fn new(capacity: usize, stride: usize) -> Self {
        debug_assert_eq!(stride % ALIGN, 0);
        Self { data: Rows::new(stride, capacity), slots: Slots::new(capacity) }
    }

    /// The record of a resident chunk.
    pub(super) fn get(&self, id: u64) -> Option<&[u8]> {
        self.data.get(self.slots.get(id)?)
    }

    /// [`Slots::claim`], with memory for the record.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn claim(&mut self) -> Result<Option<usize>> {
        let Some(index) = self.slots.claim()? else { return Ok(None) };
        self.data.reserve(index + 1)?;
        Ok(Some(index))
    }

    /// The bytes of a claimed slot.
    pub(super) fn record_mut(&mut self, index: usize) -> &mut [u8] {
        self.data.get_mut(index).unwrap_or_default()
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.data.bytes() + self.slots.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::{ChunkShape, Precision};
    use super::*;

    #[test]
    fn the_plan_stays_within_the_budget() {
        for (s, g, d, r) in [(64, 1, 64, 128), (64, 5, 32, 2560), (1, 1, 1, 1), (16, 2, 8, 4000)] {
            let shape = ChunkShape { chunk_size: s, kv_heads: g, head_dim: d, retrieval_heads: 1, retrieval_width: r };
            for precision in [Precision::F32, Precision::F16, Precision::Int8] {
                let layout = Layout::new(shape, precision).unwrap();
                for slots in [1, 8, 9, 100, 1000] {
                    let least = Plan::minimum(&layout, slots).unwrap();
                    for budget in [least, least + 1, least * 3 / 2, 32 << 20, 1 << 33] {
                        let Ok(plan) = Plan::new(&layout, budget) else {
                            assert!(budget < least.max(Plan::minimum(&layout, MIN_SLOTS).unwrap()));
                            continue;
                        };
                        let slot = layout.chunk_stride + SLOT_INDEX_BYTES;
                        let codes = plan
                            .codes
                            .map_or(0, |(codes, capacity)| codes.fixed_bytes() + capacity / TILE * codes.tile_bytes());
                        let total = plan.fixed + plan.landmarks * layout.landmark_bytes + codes + plan.slots * slot;
                        assert!(total as u64 <= budget, "{shape:?} {plan:?}");
                        assert!(plan.slots >= if budget >= least { slots } else { MIN_SLOTS }, "{shape:?} {plan:?}");
                        assert!(plan.batch >= 1 && plan.read_bytes >= layout.landmark_stride);
                    }
                }
                let least = Plan::minimum(&layout, MIN_SLOTS).unwrap();
                let error = Plan::new(&layout, least - 1).unwrap_err();
                assert_eq!(error.kind(), crate::ErrorKind::Capacity);
                assert!(error.to_string().contains(&least.to_string()), "{error}");
            }
        }
    }

    #[test]
    fn the_map_agrees_with_a_naive_one() {
        let slots = 13;
        let mut cache = Cache::new(slots, ALIGN);
        let mut naive = std::collections::BTreeMap::new();
        let mut x = 1u64;
        for step in 0..20_000 {
            // Numerical Recipes' linear congruential generator.
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let id = (x >> 20) % 40;
            cache.slots.begin();
            assert_eq!(cache.slots.pin(id), naive.contains_key(&id), "step {step}");
            if !naive.contains_key(&id) {
                let index = cache.claim().unwrap().unwrap();
                naive.retain(|_, &mut at| at != index);
                cache.record_mut(index).fill(id as u8);
                cache.slots.publish(index, id);
                naive.insert(id, index);
            }
            if x.is_multiple_of(97) {
                let len = (x >> 30) % 40;
                cache.slots.truncate(len);
                naive.retain(|&id, _| id < len);
            }
            for id in 0..40 {
                assert_eq!(cache.get(id).is_some(), naive.contains_key(&id));
                assert!(cache.get(id).is_none_or(|r| r.iter().all(|&b| b == id as u8)));
            }
        }
    }
}
