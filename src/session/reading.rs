//! Segments read on all threads, their chunk memories taken in the order of the document.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::memory::ChunkMemory;
use crate::session::device::{Model, Scratch};
use crate::{Error, Result};

/// One segment to read.
#[derive(Debug)]
pub(super) struct Job {
    /// The run-in, then the segment: whole chunks.
    pub tokens: Vec<u32>,
    /// Tokens of the run-in.
    pub run_in: usize,
    /// The bytes of the source that each chunk stands for.
    pub sources: Vec<Range<u64>>,
}

/// The chunk memories of one segment.
#[derive(Default)]
struct Chunks {
    /// For each chunk keys (S, G, d), values (S, G, d) and landmark (Gr, R/Gr).
    data: Vec<f32>,
    /// Values in the keys of a chunk, and in all of it.
    keys: usize,
    chunk: usize,
}

/// Reads `jobs`, with one thread for each of `scratches`, and appends the memories of each in order to `memory`.
///
/// `on_job` is called on the thread of the caller after each job has been appended, and may stop the rest. A job is
/// appended whole or, if an error is returned, perhaps in part.
///
/// # Errors
/// Those of the model and of the memory.
pub(super) fn read(
    model: &Model,
    scratches: &mut [Scratch],
    jobs: &[Job],
    memory: &mut ChunkMemory,
    on_job: &mut dyn FnMut(&ChunkMemory) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for (i, scratch) in scratches.iter_mut().enumerate().take(jobs.len()) {
            let (send, next) = (send.clone(), &next);
            let work = move || {
                // In ascending order, so that what is finished early waits for few others.
                while let Some((i, job)) = take(next, jobs) {
                    // Nobody listens any more: stopped, or failed elsewhere.
                    if send.send((i, compute(model, scratch, job))).is_err() {
                        return;
                    }
                }
            };
            match thread::Builder::new().name(format!("ramba-read-{i}")).spawn_scoped(scope, work) {
                Ok(_) => {}
                // The threads there are do all the work.
                Err(e) if i > 0 => log::warn!("reading with {i} threads only: {e}"),
                Err(e) => return Err(Error::io("starting a thread to read with", e)),
            }
        }
        drop(send);

        let mut early = BTreeMap::new();
        let mut due = jobs.iter().enumerate();
        let mut waited = due.next();
        for (i, chunks) in receive {
            early.insert(i, chunks);
            while let Some((n, job)) = waited {
                let Some(chunks) = early.remove(&n) else { break };
                append(memory, job, &chunks?)?;
                waited = due.next();
                if on_job(memory).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// The next job that nobody has taken.
fn take<'a>(next: &AtomicUsize, jobs: &'a [Job]) -> Option<(usize, &'a Job)> {
    // The counter only divides the jobs; their data is shared by the start of the threads.
    let i = next.fetch_add(1, Ordering::Relaxed);
    jobs.get(i).map(|job| (i, job))
}

fn compute(model: &Model, scratch: &mut Scratch, job: &Job) -> Result<Chunks> {
    let mut chunks = Chunks::default();
    model.read_segment(scratch, &job.tokens, job.run_in, &mut |c| {
        chunks.keys = c.keys.len();
        chunks.chunk = c.keys.len() + c.values.len() + c.landmark.len();
        if chunks.data.is_empty() {
            chunks.data.reserve_exact(chunks.chunk * job.sources.len());
        }
        chunks.data.extend_from_slice(c.keys);
        chunks.data.extend_from_slice(c.values);
        chunks.data.extend_from_slice(c.landmark);
        Ok(())
    })?;
    Ok(chunks)
}

fn append(memory: &mut ChunkMemory, job: &Job, chunks: &Chunks) -> Result<()> {
    for (chunk, source) in chunks.data.chunks_exact(chunks.chunk.max(1)).zip(&job.sources) {
        let (keys, rest) = chunk.split_at(chunks.keys);
        let (values, landmark) = rest.split_at(chunks.keys);
        memory.append(keys, values, landmark, source.clone())?;
    }
    Ok(())
}
