//! Segments read on all threads, their chunk memories taken in the order of the document.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use crate::memory::{Block, ChunkMemory};
use crate::session::device::{Model, Scratch};
use crate::session::turns::{Last, Turns};
use crate::{Result, room};

/// One segment to read.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// The run-in, then the segment: whole chunks.
    pub tokens: Cow<'a, [u32]>,
    /// Tokens of the run-in.
    pub run_in: usize,
    /// Ids of the chunks.
    pub chunks: Range<u64>,
}

/// Reads `jobs`, with up to `threads` threads, and appends the memories of each in order to `memory`, whose
/// next chunk is the first of the first job. As many neighbours of one length as the device likes at once are read
/// together. `source` gives the bytes of the source that a chunk stands for.
///
/// The threads make the records, in `blocks`, which are kept for the next call, and write them; the thread of the caller only
/// counts them. A thread for which there is none of `scratches` makes one, which is kept too. A thread that is far ahead of the
/// others waits until blocks are free: results take bounded memory.
///
/// `on_jobs` is called on the thread of the caller after some jobs have been appended, and may stop the rest. They are
/// appended whole or, if an error is returned, perhaps in part.
///
/// # Errors
/// Those of the model and of the memory.
#[allow(clippy::too_many_arguments)]
pub(super) fn read(
    model: &Model,
    threads: usize,
    scratches: &mut Vec<Scratch>,
    blocks: &mut Vec<Block>,
    jobs: &[Job<'_>],
    source: &(dyn Fn(u64) -> Range<u64> + Sync),
    memory: &mut ChunkMemory,
    on_jobs: &mut dyn FnMut(&ChunkMemory) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let groups = groups(jobs, model.segments_at_once());
    let threads = threads.min(groups.len());
    // For each thread one to fill and one that waits for its turn.
    let wanted = (2 * threads).min(groups.len());
    let chunks = groups.iter().map(|jobs| chunks(jobs)).max().unwrap_or(0);
    blocks.retain(|block| block.capacity() >= chunks);
    while blocks.len() < wanted {
        blocks.push(memory.block(chunks)?);
    }
    let turns = Turns::new(groups.len(), std::mem::take(blocks));
    let made = Mutex::new(Vec::new());
    let result = thread::scope(|scope| {
        let _last = Last(&turns);
        let (send, receive) = mpsc::channel();
        let mut given = scratches.iter_mut();
        for i in 0..threads {
            let (send, turns, groups, made, mut given) = (send.clone(), &turns, &groups, &made, given.next());
            let work = move || {
                // A thread that panics ends the turns of all: what it was to read is missing.
                let _last = Last(turns);
                let mut own = None;
                // In ascending order, so that what is finished early waits for few others.
                while let Some((i, mut block)) = turns.take() {
                    let jobs = groups.get(i).copied().unwrap_or_default();
                    let scratch = match &mut given {
                        Some(scratch) => Ok(&mut **scratch),
                        None => scratch_of(model, &mut own),
                    };
                    let done = scratch.and_then(|scratch| compute(model, scratch, jobs, source, &mut block));
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
                turns.give(block);
                due += 1;
                if on_jobs(memory).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    });
    scratches.append(&mut made.into_inner().unwrap_or_else(PoisonError::into_inner));
    *blocks = turns.into_blocks();
    result
}

/// That of a thread, made when it is first needed. It only reads segments, for which a device keeps no chunks.
fn scratch_of<'a>(model: &Model, own: &'a mut Option<Scratch>) -> Result<&'a mut Scratch> {
    match own {
        Some(scratch) => Ok(scratch),
        None => Ok(own.insert(model.scratch(0)?)),
    }
}

/// `jobs` in groups of up to `most` neighbours with the same lengths.
fn groups<'a, 'b>(jobs: &'b [Job<'a>], most: usize) -> Vec<&'b [Job<'a>]> {
    let alike = jobs.chunk_by(|a, b| (a.tokens.len(), a.run_in) == (b.tokens.len(), b.run_in));
    alike.flat_map(|jobs| jobs.chunks(most)).collect()
}

/// The number of chunks of `jobs`.
fn chunks(jobs: &[Job<'_>]) -> usize {
    jobs.iter().map(|job| job.chunks.end.saturating_sub(job.chunks.start) as usize).sum()
}

/// Reads `jobs`, which are neighbours, into `block`.
fn compute(
    model: &Model,
    scratch: &mut Scratch,
    jobs: &[Job<'_>],
    source: &(dyn Fn(u64) -> Range<u64> + Sync),
    block: &mut Block,
) -> Result<()> {
    let Some(first) = jobs.first() else { return Ok(()) };
    let segments: Vec<&[u32]> = jobs.iter().map(|job| &*job.tokens).collect();
    block.begin(first.chunks.start);
    model.read_segments(scratch, &segments, first.run_in, &mut |c| {
        block.push(c.keys, c.values, c.landmark, source(block.end()))
    })
}
