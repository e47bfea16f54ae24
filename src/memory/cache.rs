//! A fixed number of slots for chunk records, replaced by the CLOCK rule, and how a byte budget is divided.

use super::buffer::{ALIGN, Buffer, filled};
use super::store::Layout;
use crate::{Error, Result};

/// The smallest cache, in chunks.
const MIN_SLOTS: usize = 8;
/// Bytes set aside for the alignment of buffers and the memory's own fields, whatever the budget.
const OVERHEAD: usize = 4096;
/// A larger buffer for reads or writes would not make them faster.
const MAX_IO_BYTES: usize = 1 << 20;
/// Bytes per slot beside the record: its entry, two places in the table, two in the list of misses.
const SLOT_INDEX_BYTES: usize = size_of::<Slot>() + 2 * size_of::<u32>() + 2 * size_of::<u64>();

/// How a byte budget is divided. Up to a quarter holds landmarks, up to a sixteenth each the read and the write
/// buffer (at most 1 MiB each, at least one record), the rest cached chunks and their index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Chunks in the cache.
    pub(super) slots: usize,
    /// Landmarks that stay in RAM, those of the first chunks.
    pub(super) landmarks: usize,
    /// Records collected before a write.
    pub(super) batch: usize,
    /// Bytes of the read buffer.
    pub(super) read_bytes: usize,
    /// What all of it takes.
    pub(super) total: usize,
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
        let landmarks = budget / 4 / layout.landmark_bytes;
        let fixed = OVERHEAD + batch * record + read_bytes + landmarks * layout.landmark_bytes;
        let slot = layout.chunk_stride + SLOT_INDEX_BYTES;
        // The table's entries are 32 bits wide.
        let slots = (budget.saturating_sub(fixed) / slot).min(u32::MAX as usize / 2);
        Ok(Self { slots, landmarks, batch, read_bytes, total: fixed + slots * slot })
    }

    /// A budget that leaves room for `slots` chunks.
    ///
    /// # Errors
    /// `Capacity` if it cannot be expressed.
    pub(super) fn minimum(layout: &Layout, slots: usize) -> Result<u64> {
        let record = (layout.chunk_stride + layout.landmark_stride) as u64;
        let slot = (layout.chunk_stride + SLOT_INDEX_BYTES) as u64;
        // A quarter and two sixteenths go elsewhere; a buffer that needs more than its sixteenth is one record.
        (slots.max(MIN_SLOTS) as u64)
            .checked_mul(slot)
            .and_then(|b| b.checked_add(OVERHEAD as u64 + record + layout.landmark_stride as u64))
            .and_then(|b| Some(b.checked_mul(8)?.div_ceil(5)))
            .ok_or_else(|| Error::capacity(format!("a cache of {slots} chunks is too large")))
    }
}

/// No chunk.
const NONE: u64 = u64::MAX;
/// No slot.
const FREE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The chunk in it, or [`NONE`].
    id: u64,
    /// The last round that asked for it.
    round: u64,
    /// Asked for since the hand last passed.
    referenced: bool,
}

/// Slots for chunk records and the map from chunk ids to slots. Its size depends on the number of slots alone.
pub(crate) struct Cache {
    data: Buffer,
    stride: usize,
    slots: Vec<Slot>,
    /// Open addressing with linear probing; slot numbers or [`FREE`]. Half full at most.
    table: Vec<u32>,
    hand: usize,
    round: u64,
    /// Slots that the current round asked for.
    pinned: usize,
}

impl Cache {
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(super) fn new(slots: usize, stride: usize) -> Result<Self> {
        debug_assert_eq!(stride % ALIGN, 0);
        Ok(Self {
            data: Buffer::new(slots * stride)?,
            stride,
            slots: filled(slots, Slot { id: NONE, round: 0, referenced: false })?,
            table: filled(2 * slots, FREE)?,
            hand: 0,
            round: 0,
            pinned: 0,
        })
    }

    /// Slots without records, for who keeps those elsewhere.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    #[cfg(feature = "cuda")]
    pub(crate) fn index(slots: usize) -> Result<Self> {
        Self::new(slots, 0)
    }

    /// The slot of a resident chunk.
    #[cfg(feature = "cuda")]
    pub(crate) fn slot(&self, id: u64) -> Option<usize> {
        self.find(id)
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The record of a resident chunk.
    pub(super) fn get(&self, id: u64) -> Option<&[u8]> {
        let slot = self.find(id)?;
        self.data.bytes().get(slot * self.stride..)?.get(..self.stride)
    }

    /// Starts a round: what it pins stays resident until the next one.
    pub(crate) fn begin(&mut self) {
        self.round += 1;
        self.pinned = 0;
    }

    /// Slots pinned in this round.
    pub(crate) fn pinned(&self) -> usize {
        self.pinned
    }

    /// Pins a chunk if it is resident.
    pub(crate) fn pin(&mut self, id: u64) -> bool {
        let Some(index) = self.find(id) else { return false };
        let slot = &mut self.slots[index];
        self.pinned += usize::from(slot.round != self.round);
        (slot.round, slot.referenced) = (self.round, true);
        true
    }

    /// Empties a slot that this round does not need, and returns its number. None if the round pinned all.
    pub(crate) fn claim(&mut self) -> Option<usize> {
        // The first turn clears the marks, the second finds a slot.
        for _ in 0..2 * self.slots.len() {
            let index = self.hand;
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &mut self.slots[index];
            if slot.id != NONE && slot.round == self.round {
                continue;
            }
            if slot.id != NONE && slot.referenced {
                slot.referenced = false;
                continue;
            }
            self.release(index);
            return Some(index);
        }
        None
    }

    /// As [`Cache::claim`], but the slot of the chunk's own number if that is empty.
    #[cfg(feature = "cuda")]
    pub(crate) fn claim_for(&mut self, id: u64) -> Option<usize> {
        let own = usize::try_from(id).ok().filter(|&own| self.slots.get(own).is_some_and(|slot| slot.id == NONE));
        own.or_else(|| self.claim())
    }

    /// Empties the slot of the chunk's own number for it, and drops the chunk from any other. None if there is no such slot.
    /// Neither slot may be pinned.
    #[cfg(feature = "cuda")]
    pub(crate) fn settle(&mut self, id: u64) -> Option<usize> {
        let own = usize::try_from(id).ok().filter(|&own| own < self.slots.len())?;
        if let Some(other) = self.find(id) {
            self.release(other);
        }
        self.release(own);
        Some(own)
    }

    /// The bytes of a claimed slot.
    pub(super) fn record_mut(&mut self, index: usize) -> &mut [u8] {
        &mut self.data.bytes_mut()[index * self.stride..][..self.stride]
    }

    /// Makes a claimed slot, whose record is complete, the place of chunk `id` and pins it.
    pub(crate) fn publish(&mut self, index: usize, id: u64) {
        let mut at = self.home(id);
        while self.table[at] != FREE {
            at = (at + 1) % self.table.len();
        }
        self.table[at] = index as u32;
        self.slots[index] = Slot { id, round: self.round, referenced: true };
        self.pinned += 1;
    }

    /// Drops the chunks from `len` on.
    pub(crate) fn truncate(&mut self, len: u64) {
        for index in 0..self.slots.len() {
            if self.slots[index].id >= len {
                self.release(index);
            }
        }
    }

    /// Where the search for a chunk starts.
    fn home(&self, id: u64) -> usize {
        // Fibonacci hashing (Knuth, The Art of Computer Programming, vol. 3, 6.4), scaled to the table.
        let hash = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((u128::from(hash) * self.table.len() as u128) >> 64) as usize
    }

    /// The place in the table of a resident chunk.
    fn place(&self, id: u64) -> Option<usize> {
        let mut at = self.home(id);
        loop {
            match self.table[at] {
                FREE => return None,
                slot if self.slots[slot as usize].id == id => return Some(at),
                _ => at = (at + 1) % self.table.len(),
            }
        }
    }

    fn find(&self, id: u64) -> Option<usize> {
        self.place(id).map(|at| self.table[at] as usize)
    }

    /// Makes a slot empty, and closes the gap in the table so that no search stops too early.
    fn release(&mut self, index: usize) {
        let place = match self.slots[index].id {
            NONE => None,
            id => self.place(id),
        };
        self.slots[index] = Slot { id: NONE, round: 0, referenced: false };
        let Some(mut gap) = place else { return };
        let n = self.table.len();
        self.table[gap] = FREE;
        let mut at = (gap + 1) % n;
        while self.table[at] != FREE {
            let home = self.home(self.slots[self.table[at] as usize].id);
            // An entry may move back to the gap unless its search starts after the gap.
            if (at + n - home) % n >= (at + n - gap) % n {
                self.table[gap] = self.table[at];
                self.table[at] = FREE;
                gap = at;
            }
            at = (at + 1) % n;
        }
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
                        assert!(plan.total as u64 <= budget, "{shape:?} {plan:?}");
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
        let mut cache = Cache::new(slots, ALIGN).unwrap();
        let mut naive = std::collections::BTreeMap::new();
        let mut x = 1u64;
        for step in 0..20_000 {
            // Numerical Recipes' linear congruential generator.
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let id = (x >> 20) % 40;
            cache.begin();
            assert_eq!(cache.pin(id), naive.contains_key(&id), "step {step}");
            if !naive.contains_key(&id) {
                let index = cache.claim().unwrap();
                naive.retain(|_, &mut at| at != index);
                cache.record_mut(index).fill(id as u8);
                cache.publish(index, id);
                naive.insert(id, index);
            }
            if x.is_multiple_of(97) {
                let len = (x >> 30) % 40;
                cache.truncate(len);
                naive.retain(|&id, _| id < len);
            }
            for id in 0..40 {
                assert_eq!(cache.get(id).is_some(), naive.contains_key(&id));
                assert!(cache.get(id).is_none_or(|r| r.iter().all(|&b| b == id as u8)));
            }
        }
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn chunks_settle_in_the_slots_of_their_numbers() {
        let mut cache = Cache::index(6).unwrap();
        let put = |cache: &mut Cache, id| {
            let index = cache.claim_for(id).unwrap();
            cache.publish(index, id);
            index
        };
        cache.begin();
        // Their own ones, or any if there is none or another chunk is in it.
        assert_eq!((put(&mut cache, 4), put(&mut cache, 2), put(&mut cache, 900)), (4, 2, 0));
        assert_ne!(put(&mut cache, 0), 0);
        for id in 0..6 {
            cache.begin();
            if cache.slot(id) != Some(id as usize) {
                let index = cache.settle(id).unwrap();
                assert_eq!(index, id as usize);
                cache.publish(index, id);
            }
            assert!((0..=id).all(|id| cache.slot(id) == Some(id as usize)));
        }
        assert_eq!((cache.slot(900), cache.settle(6), cache.settle(u64::MAX)), (None, None, None));
    }

    #[test]
    fn a_round_never_evicts_what_it_pinned() {
        let mut cache = Cache::new(4, ALIGN).unwrap();
        cache.begin();
        for id in 0..4 {
            let index = cache.claim().unwrap();
            cache.publish(index, id);
        }
        assert_eq!((cache.pinned(), cache.claim()), (4, None));
        cache.begin();
        assert!(cache.pin(0) && cache.pin(3) && cache.pin(0));
        assert_eq!(cache.pinned(), 2);
        for id in [10, 11] {
            let index = cache.claim().unwrap();
            cache.publish(index, id);
        }
        assert!(cache.claim().is_none());
        assert!([0, 3, 10, 11].iter().all(|&id| cache.get(id).is_some()));
    }
}
