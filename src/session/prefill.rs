//! Prefill: segments of a document read on all threads, their chunk memories added in the order of the document.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use crate::memory::{Block, ChunkMemory};
use crate::session::device::{Model, Scratch};
use crate::session::tokens::Tokens;
use crate::session::work_queue::{CloseOnDrop, WorkQueue};
use crate::{Cancel, Result, room};

/// One segment to read.
#[derive(Debug)]
pub(super) struct SegmentTokens<'a> {
    /// The tokens that the segment overlaps, then its own: whole chunks.
    pub ids: Cow<'a, [u32]>,
    /// How many of them it overlaps.
    pub overlap: usize,
    /// Ids of its chunks.
    pub chunks: Range<u64>,
}

/// What segments are read with. All but the model is kept from one call to the next.
pub(super) struct Prefill<'a> {
    pub model: &'a Model,
    pub threads: usize,
    /// One for each thread. A thread for which there is none makes one.
    pub scratches: &'a mut Vec<Scratch>,
    /// Blocks for the results of threads.
    pub queue: &'a mut WorkQueue,
    /// Ends the work early.
    pub cancel: &'a Cancel,
}

impl Prefill<'_> {
    /// Reads `segments` of `tokens` with up to `threads` threads, and appends the memories of each in order to
    /// `memory`, whose next chunk is the first of the first segment. As many neighbours of one length as the device
    /// likes at once are read together.
    ///
    /// The threads make the records in blocks, and write them; the thread of the caller only counts them. A thread that
    /// is far ahead of the others waits until blocks are free: results take bounded memory.
    ///
    /// `on_segments` is called on the thread of the caller after some segments have been appended, and may stop the
    /// rest. They are appended whole or, if an error is returned, perhaps in part.
    ///
    /// # Errors
    /// Those of the model and of the memory.
    pub fn run(
        self,
        segments: &[SegmentTokens<'_>],
        tokens: &Tokens,
        memory: &mut ChunkMemory,
        on_segments: &mut dyn FnMut(&ChunkMemory) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let Self { model, threads, scratches, queue, cancel } = self;
        let groups = groups(segments, model.segments_at_once());
        let threads = threads.min(groups.len());
        // For each thread one to fill and one that waits until those before it are there.
        let count = (2 * threads).min(groups.len());
        let capacity = groups.iter().map(|group| chunks(group)).max().unwrap_or(0);
        queue.begin(groups.len(), (count, capacity), |capacity| memory.block(capacity))?;
        let queue = &*queue;
        let chunk = memory.shape().chunk_size as u64;
        let source = |c: u64| tokens.source(c * chunk..(c + 1) * chunk);
        let made = Mutex::new(Vec::new());
        let result = thread::scope(|scope| {
            let _close = CloseOnDrop(queue);
            let (send, receive) = mpsc::channel();
            let mut given = scratches.iter_mut();
            for i in 0..threads {
                let (send, groups, made, mut given) = (send.clone(), &groups, &made, given.next());
                let work = move || {
                    // A thread that panics ends the work of all: what it was to read is missing.
                    let _close = CloseOnDrop(queue);
                    let mut own = None;
                    // In ascending order, so that what is finished early waits for few others.
                    while let Some((i, mut block)) = queue.take() {
                        let group = groups.get(i).copied().unwrap_or_default();
                        let scratch = match &mut given {
                            Some(scratch) => Ok(&mut **scratch),
                            None => scratch_of(model, cancel, &mut own),
                        };
                        let done = scratch.and_then(|scratch| compute(model, scratch, group, &source, &mut block));
                        let done = done.and_then(|()| block.write()).map(|()| block);
                        // Nobody listens any more: stopped, or failed elsewhere.
                        if send.send((i, done)).is_err() {
                            break;
                        }
                    }
                    made.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
                };
                match room::spawn(scope, format!("ramba-read-{i}"), work) {
                    Ok(_) => {}
                    // The threads there are do all the work.
                    Err(e) if i > 0 => log::warn!("reading with {i} threads only: {e}"),
                    Err(e) => return Err(e),
                }
            }
            drop(send);

            let (mut early, mut due) = (BTreeMap::new(), 0);
            for (i, block) in receive {
                early.insert(i, block);
                while let Some(block) = early.remove(&due) {
                    let block = block?;
                    memory.append_block(&block)?;
                    queue.give_back(block);
                    due += 1;
                    if on_segments(memory).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        });
        scratches.append(&mut made.into_inner().unwrap_or_else(PoisonError::into_inner));
        result
    }
}

/// The scratch of a thread, made when it is first needed. It only reads segments, for which a device keeps no chunks.
fn scratch_of<'a>(model: &Model, cancel: &Cancel, own: &'a mut Option<Scratch>) -> Result<&'a mut Scratch> {
    match own {
        Some(scratch) => Ok(scratch),
        None => Ok(own.insert(model.scratch(0, cancel)?)),
    }
}

/// `segments` in groups of up to `most` neighbours with the same lengths.
fn groups<'a, 'b>(segments: &'b [SegmentTokens<'a>], most: usize) -> Vec<&'b [SegmentTokens<'a>]> {
    let alike = segments.chunk_by(|a, b| (a.ids.len(), a.overlap) == (b.ids.len(), b.overlap));
    alike.flat_map(|segments| segments.chunks(most)).collect()
}

/// The number of chunks of `segments`.
fn chunks(segments: &[SegmentTokens<'_>]) -> usize {
    segments.iter().map(|segment| segment.chunks.end.saturating_sub(segment.chunks.start) as usize).sum()
}

/// Reads `segments`, which are neighbours, into `block`.
fn compute(
    model: &Model,
    scratch: &mut Scratch,
    segments: &[SegmentTokens<'_>],
    source: &(dyn Fn(u64) -> Range<u64> + Sync),
    block: &mut Block,
) -> Result<()> {
    let Some(first) = segments.first() else { return Ok(()) };
    let tokens: Vec<&[u32]> = segments.iter().map(|segment| &*segment.ids).collect();
    block.begin(first.chunks.start);
    model.read_segments(scratch, &tokens, first.overlap, &mut |c| {
        block.push(c.keys, c.values, c.landmark, source(block.end()))
    })
}
