//! Work handed out in order: numbered pieces, each with one of a bounded number of blocks to put its results in.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::Result;
use crate::memory::Block;

/// Hands out the numbers `0..end` in ascending order, each together with an empty block. Since nobody gets a number
/// without a block, the lowest one that is not done yet is always under way, however few blocks there are.
#[derive(Default)]
pub(super) struct WorkQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: usize,
    end: usize,
    blocks: Vec<Block>,
}

/// Closes the queue when dropped: after a failure or a panic, nobody is left waiting for a block that will not come
/// back.
pub(super) struct CloseOnDrop<'a>(pub &'a WorkQueue);

impl WorkQueue {
    /// Begins with the numbers `0..end`, and with at least `count` blocks of at least `capacity` chunks: those of the
    /// last round that are large enough, and others from `make`.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn begin(
        &mut self,
        end: usize,
        (count, capacity): (usize, usize),
        make: impl Fn(usize) -> Result<Block>,
    ) -> Result<()> {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        (state.next, state.end) = (0, end);
        state.blocks.retain(|block| block.capacity() >= capacity);
        while state.blocks.len() < count {
            state.blocks.push(make(capacity)?);
        }
        Ok(())
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
    pub fn give_back(&self, block: Block) {
        self.lock().blocks.push(block);
        // All, for whom there are no more numbers may be among those who wait.
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CloseOnDrop<'_> {
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

    /// A queue of `end` numbers and `count` blocks.
    fn queue(end: usize, count: usize) -> WorkQueue {
        let shape = ChunkShape { chunk_size: 1, kv_heads: 1, head_dim: 1, retrieval_heads: 1, retrieval_width: 1 };
        let dir = tempfile::tempdir().unwrap();
        let memory = ChunkMemory::create(dir.path(), shape, Precision::F16, 1 << 16).unwrap();
        let mut queue = WorkQueue::default();
        queue.begin(end, (count, 1), |capacity| memory.block(capacity)).unwrap();
        queue
    }

    #[test]
    fn all_numbers_come_however_few_blocks_there_are() {
        for (threads, count) in [(1, 1), (4, 1), (4, 2), (2, 4)] {
            let queue = queue(200, count);
            thread::scope(|scope| {
                let (send, receive) = mpsc::channel();
                for _ in 0..threads {
                    let (send, queue) = (send.clone(), &queue);
                    scope.spawn(move || {
                        while let Some(work) = queue.take() {
                            send.send(work).unwrap();
                        }
                    });
                }
                drop(send);
                let (mut early, mut due) = (BTreeMap::new(), 0);
                for (i, block) in receive {
                    early.insert(i, block);
                    assert!(early.len() <= count);
                    while let Some(block) = early.remove(&due) {
                        queue.give_back(block);
                        due += 1;
                    }
                }
                assert_eq!(due, 200);
            });
            assert_eq!(queue.lock().blocks.len(), count);
        }
    }

    #[test]
    fn nobody_waits_for_a_closed_queue() {
        let queue = queue(9, 1);
        thread::scope(|scope| {
            let (_, block) = queue.take().unwrap();
            let waiting = scope.spawn(|| queue.take().is_none());
            let panic = catch_unwind(AssertUnwindSafe(|| {
                let _close = CloseOnDrop(&queue);
                panic!("as a callback may");
            }));
            assert!(panic.is_err() && waiting.join().unwrap());
            queue.give_back(block);
            assert!(queue.take().is_none());
        });
    }
}
