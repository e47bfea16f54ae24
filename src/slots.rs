//! A fixed number of slots for chunks, replaced by the CLOCK rule, and the map from chunks to slots. What lies in a slot is kept
//! elsewhere: in RAM by the memory's cache, on a device by its chunk cache.

use crate::{Result, room};

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

/// The slots. They take memory as they are used.
pub(crate) struct Slots {
    /// The slots there are, and how many there can be.
    slots: Vec<Slot>,
    capacity: usize,
    /// Slots in which there is no chunk.
    empty: usize,
    /// Open addressing with linear probing; slot numbers or [`FREE`]. Half full at most.
    table: Vec<u32>,
    hand: usize,
    round: u64,
    /// Slots that the current round asked for.
    pinned: usize,
}

impl Slots {
    /// Bytes that a slot takes: its entry, and two places in the table.
    pub(crate) const BYTES_EACH: usize = size_of::<Slot>() + 2 * size_of::<u32>();

    /// Up to `capacity` slots.
    pub(crate) fn new(capacity: usize) -> Self {
        let (slots, table) = (Vec::new(), Vec::new());
        Self { slots, capacity, empty: 0, table, hand: 0, round: 0, pinned: 0 }
    }

    /// So many slots, all of them there from the start.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    #[cfg_attr(
        not(feature = "cuda"),
        allow(dead_code, reason = "only devices with memory of their own keep chunks at their numbers")
    )]
    pub(crate) fn all(slots: usize) -> Result<Self> {
        let mut all = Self::new(slots);
        all.grow(slots)?;
        Ok(all)
    }

    /// Makes sure of `len` slots, as far as there can be so many.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory; the slots are then as they were.
    fn grow(&mut self, len: usize) -> Result<()> {
        let len = len.min(self.capacity);
        if len <= self.slots.len() {
            return Ok(());
        }
        if 2 * len > self.table.len() {
            let before = self.slots.len();
            let most = len.max(2 * before).max(64).min(self.capacity);
            // In a larger table entries have other places.
            let table = room::filled(2 * most, FREE)?;
            room::grow(&mut self.slots, most - before)?;
            self.table = table;
            for index in 0..before {
                self.enter(index);
            }
        }
        self.empty += len - self.slots.len();
        self.slots.resize(len, Slot { id: NONE, round: 0, referenced: false });
        Ok(())
    }

    /// Bytes taken.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.table.capacity() * size_of::<u32>()
    }

    /// The slot of a resident chunk.
    pub(crate) fn get(&self, id: u64) -> Option<usize> {
        self.place(id).map(|at| self.table[at] as usize)
    }

    /// How many there can be.
    pub(crate) fn len(&self) -> usize {
        self.capacity
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
        let Some(index) = self.get(id) else { return false };
        let slot = &mut self.slots[index];
        self.pinned += usize::from(slot.round != self.round);
        (slot.round, slot.referenced) = (self.round, true);
        true
    }

    /// Empties a slot that this round does not need, and returns its number. While there can be more slots, no chunk has to go
    /// for it. None if the round pinned all.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub(crate) fn claim(&mut self) -> Result<Option<usize>> {
        if self.empty == 0 && self.slots.len() < self.capacity {
            self.grow(self.slots.len() + 1)?;
            return Ok(Some(self.slots.len() - 1));
        }
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
            return Ok(Some(index));
        }
        Ok(None)
    }

    /// As [`Slots::claim`], but the slot of the chunk's own number if that is empty.
    #[cfg_attr(
        not(feature = "cuda"),
        allow(dead_code, reason = "only devices with memory of their own keep chunks at their numbers")
    )]
    pub(crate) fn claim_for(&mut self, id: u64) -> Result<Option<usize>> {
        let own = usize::try_from(id).ok().filter(|&own| self.slots.get(own).is_some_and(|slot| slot.id == NONE));
        if own.is_some() { Ok(own) } else { self.claim() }
    }

    /// Empties the slot of the chunk's own number for it, and drops the chunk from any other. None if there is no such slot.
    /// Neither slot may be pinned.
    #[cfg_attr(
        not(feature = "cuda"),
        allow(dead_code, reason = "only devices with memory of their own keep chunks at their numbers")
    )]
    pub(crate) fn claim_own(&mut self, id: u64) -> Option<usize> {
        let own = usize::try_from(id).ok().filter(|&own| own < self.slots.len())?;
        if let Some(other) = self.get(id) {
            self.release(other);
        }
        self.release(own);
        Some(own)
    }

    /// Makes a claimed slot, whose record is complete, the place of chunk `id` and pins it.
    pub(crate) fn publish(&mut self, index: usize, id: u64) {
        self.slots[index] = Slot { id, round: self.round, referenced: true };
        self.enter(index);
        self.pinned += 1;
        self.empty -= 1;
    }

    /// Enters a slot into the table, if there is a chunk in it.
    fn enter(&mut self, index: usize) {
        let id = self.slots[index].id;
        if id == NONE {
            return;
        }
        let mut at = self.home(id);
        while self.table[at] != FREE {
            at = (at + 1) % self.table.len();
        }
        self.table[at] = index as u32;
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
        if self.table.is_empty() {
            return None;
        }
        let mut at = self.home(id);
        loop {
            match self.table[at] {
                FREE => return None,
                slot if self.slots[slot as usize].id == id => return Some(at),
                _ => at = (at + 1) % self.table.len(),
            }
        }
    }

    /// Makes a slot empty, and closes the gap in the table so that no search stops too early.
    fn release(&mut self, index: usize) {
        let place = match self.slots[index].id {
            NONE => return,
            id => self.place(id),
        };
        self.empty += 1;
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
    use super::*;

    #[test]
    fn chunks_move_to_the_slots_of_their_numbers() {
        let mut slots = Slots::all(6).unwrap();
        let put = |slots: &mut Slots, id| {
            let index = slots.claim_for(id).unwrap().unwrap();
            slots.publish(index, id);
            index
        };
        slots.begin();
        // Their own ones, or any if there is none or another chunk is in it.
        assert_eq!((put(&mut slots, 4), put(&mut slots, 2), put(&mut slots, 900)), (4, 2, 0));
        assert_ne!(put(&mut slots, 0), 0);
        for id in 0..6 {
            slots.begin();
            if slots.get(id) != Some(id as usize) {
                let index = slots.claim_own(id).unwrap();
                assert_eq!(index, id as usize);
                slots.publish(index, id);
            }
            assert!((0..=id).all(|id| slots.get(id) == Some(id as usize)));
        }
        assert_eq!((slots.get(900), slots.claim_own(6), slots.claim_own(u64::MAX)), (None, None, None));
    }

    #[test]
    fn a_round_never_evicts_what_it_pinned() {
        let mut slots = Slots::new(4);
        slots.begin();
        for id in 0..4 {
            let index = slots.claim().unwrap().unwrap();
            slots.publish(index, id);
        }
        assert_eq!((slots.pinned(), slots.claim().unwrap()), (4, None));
        slots.begin();
        assert!(slots.pin(0) && slots.pin(3) && slots.pin(0));
        assert_eq!(slots.pinned(), 2);
        for id in [10, 11] {
            let index = slots.claim().unwrap().unwrap();
            slots.publish(index, id);
        }
        assert!(slots.claim().unwrap().is_none());
        assert!([0, 3, 10, 11].iter().all(|&id| slots.get(id).is_some()));
    }
}
