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

/// The chunk memories of some segments.
#[derive(Default)]
struct Chunks {
    /// For each chunk keys (S, G, d), values (S, G, d) and landmark (Gr, R/Gr).
    data: Vec<f32>,
    /// Values in the keys of a chunk, and in all of it.
    keys: usize,
    chunk: usize,
}

/// Reads `jobs`, with one thread for each of `scratches`, and appends the memories of each in order to `memory`. As many
/// neighbours of one length as the device likes at once are read together.
///
/// `on_jobs` is called on the thread of the caller after some jobs have been appended, and may stop the rest. They are
/// appended whole or, if an error is returned, perhaps in part.
///
/// # Errors
/// Those of the model and of the memory.
pub(super) fn read(
    model: &Model,
    scratches: &mut [Scratch],
    jobs: &[Job],
    memory: &mut ChunkMemory,
    on_jobs: &mut dyn FnMut(&ChunkMemory) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let next = AtomicUsize::new(0);
    let groups = groups(jobs, model.segments_at_once());
    thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for (i, scratch) in scratches.iter_mut().enumerate().take(groups.len()) {
            let (send, next, groups) = (send.clone(), &next, &groups);
            let work = move || {
                // In ascending order, so that what is finished early waits for few others.
                while let Some((i, jobs)) = take(next, groups) {
                    // Nobody listens any more: stopped, or failed elsewhere.
                    if send.send((i, compute(model, scratch, jobs))).is_err() {
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
        let mut due = groups.iter().enumerate();
        let mut waited = due.next();
        for (i, chunks) in receive {
            early.insert(i, chunks);
            while let Some((n, jobs)) = waited {
                let Some(chunks) = early.remove(&n) else { break };
                append(memory, jobs, &chunks?)?;
                waited = due.next();
                if on_jobs(memory).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// `jobs` in groups of up to `most` neighbours with the same lengths.
fn groups(jobs: &[Job], most: usize) -> Vec<&[Job]> {
    let alike = jobs.chunk_by(|a, b| (a.tokens.len(), a.run_in) == (b.tokens.len(), b.run_in));
    alike.flat_map(|jobs| jobs.chunks(most)).collect()
}

/// The next jobs that nobody has taken.
fn take<'a>(next: &AtomicUsize, groups: &[&'a [Job]]) -> Option<(usize, &'a [Job])> {
    // The counter only divides the jobs; their data is shared by the start of the threads.
    let i = next.fetch_add(1, Ordering::Relaxed);
    groups.get(i).map(|jobs| (i, *jobs))
}

fn compute(model: &Model, scratch: &mut Scratch, jobs: &[Job]) -> Result<Chunks> {
    let mut chunks = Chunks::default();
    let segments: Vec<&[u32]> = jobs.iter().map(|job| job.tokens.as_slice()).collect();
    let run_in = jobs.first().map_or(0, |job| job.run_in);
    let count: usize = jobs.iter().map(|job| job.sources.len()).sum();
    model.read_segments(scratch, &segments, run_in, &mut |c| {
        chunks.keys = c.keys.len();
        chunks.chunk = c.keys.len() + c.values.len() + c.landmark.len();
        if chunks.data.is_empty() {
            chunks.data.reserve_exact(chunks.chunk * count);
        }
        chunks.data.extend_from_slice(c.keys);
        chunks.data.extend_from_slice(c.values);
        chunks.data.extend_from_slice(c.landmark);
        Ok(())
    })?;
    Ok(chunks)
}

fn append(memory: &mut ChunkMemory, jobs: &[Job], chunks: &Chunks) -> Result<()> {
    let sources = jobs.iter().flat_map(|job| &job.sources);
    for (chunk, source) in chunks.data.chunks_exact(chunks.chunk.max(1)).zip(sources) {
        let (keys, rest) = chunk.split_at(chunks.keys);
        let (values, landmark) = rest.split_at(chunks.keys);
        memory.append(keys, values, landmark, source.clone())?;
    }
    Ok(())
}
