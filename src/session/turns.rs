//! Whose turn it is: pieces of work handed out in order, each with one of a fixed number of blocks to put its results in.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::memory::Block;

/// Hands out the numbers `0..end` in ascending order, each together with an empty block. Since nobody gets a number without
/// a block, the lowest one that is not done yet is always under way, however few blocks there are.
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    next: usize,
    end: usize,
    blocks: Vec<Block>,
}

/// Ends all turns when dropped: after a failure or a panic, nobody is left waiting for a block that will not come back.
pub(super) struct Last<'a>(pub &'a Turns);

impl Turns {
    pub fn new(end: usize, blocks: Vec<Block>) -> Self {
        Self { state: Mutex::new(State { next: 0, end, blocks }), changed: Condvar::new() }
    }

    /// The next number and a block for it, waiting for one if need be; None when there are no more.
    pub fn take(&self) -> Option<(usize, Block)> {
        let more = |state: &mut State| state.next < state.end && state.blocks.is_empty();
        let mut state = self.changed.wait_while(self.lock(), more).unwrap_or_else(PoisonError::into_inner);
        if state.next >= state.end {
            return None;
        }
        let block = state.blocks.pop()?;
        state.next += 1;
        Some((state.next - 1, block))
    }

    /// Takes a block back, to be filled again.
    pub fn give(&self, block: Block) {
        self.lock().blocks.push(block);
        // All, for whom there are no more numbers may be among those who wait.
        self.changed.notify_all();
    }

    /// The blocks that were given back.
    pub fn into_blocks(self) -> Vec<Block> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).blocks
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Last<'_> {
    fn drop(&mut self) {
        self.0.lock().end = 0;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::memory::{ChunkMemory, ChunkShape, Precision};

    fn blocks(count: usize) -> Vec<Block> {
        let shape = ChunkShape { chunk_size: 1, kv_heads: 1, head_dim: 1, retrieval_heads: 1, retrieval_width: 1 };
        let dir = tempfile::tempdir().unwrap();
        let memory = ChunkMemory::create(dir.path(), shape, Precision::F16, 1 << 16).unwrap();
        (0..count).map(|_| memory.block(1).unwrap()).collect()
    }

    #[test]
    fn all_turns_come_however_few_blocks_there_are() {
        for (threads, count) in [(1, 1), (4, 1), (4, 2), (2, 4)] {
            let turns = Turns::new(200, blocks(count));
            thread::scope(|scope| {
                let (send, receive) = mpsc::channel();
                for _ in 0..threads {
                    let (send, turns) = (send.clone(), &turns);
                    scope.spawn(move || {
                        while let Some(turn) = turns.take() {
                            send.send(turn).unwrap();
                        }
                    });
                }
                drop(send);
                let (mut early, mut due) = (BTreeMap::new(), 0);
                for (i, block) in receive {
                    early.insert(i, block);
                    assert!(early.len() <= count);
                    while let Some(block) = early.remove(&due) {
                        turns.give(block);
                        due += 1;
                    }
                }
                assert_eq!(due, 200);
            });
            assert_eq!(turns.into_blocks().len(), count);
        }
    }

    #[test]
    fn nobody_waits_after_the_last_turn() {
        let turns = Turns::new(9, blocks(1));
        thread::scope(|scope| {
            let (_, block) = turns.take().unwrap();
            let waiting = scope.spawn(|| turns.take().is_none());
            let panic = catch_unwind(AssertUnwindSafe(|| {
                let _last = Last(&turns);
                panic!("as a callback may");
            }));
            assert!(panic.is_err() && waiting.join().unwrap());
            turns.give(block);
            assert!(turns.take().is_none());
        });
    }
}
