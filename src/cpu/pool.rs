//! Threads, and scratch memory for what runs on them.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use rayon::ThreadPool;
use rayon::prelude::*;

use super::buffer::Buffer;
use crate::{Error, Result};

/// Multiply-adds (or as long a work of another kind) below which it is not worth to wake a second thread: some ten
/// microseconds.
const WORTH_SHARING: usize = 1 << 18;

/// The threads of a backend.
pub(super) struct Pool {
    /// `None` for one thread: everything runs on the caller's.
    threads: Option<ThreadPool>,
    scratch: Mutex<Vec<Scratch>>,
}

/// Reusable memory of one task. Its content is arbitrary.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) a: Buffer,
    pub(super) b: Buffer,
    pub(super) c: Buffer,
}

impl Pool {
    pub(super) fn new(threads: usize) -> Result<Pool> {
        let pool = match threads {
            0 => return Err(Error::invalid("0 threads")),
            1 => None,
            n => Some(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(n)
                    .thread_name(|i| format!("ramba-{i}"))
                    .build()
                    .map_err(|e| Error::invalid(format!("starting {n} threads: {e}")))?,
            ),
        };
        Ok(Pool { threads: pool, scratch: Mutex::new(Vec::new()) })
    }

    /// The number of threads.
    pub(super) fn len(&self) -> usize {
        self.threads.as_ref().map_or(1, ThreadPool::current_num_threads)
    }

    /// Runs `f` on a thread of the pool.
    pub(super) fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        match &self.threads {
            Some(pool) => pool.install(f),
            None => f(),
        }
    }

    /// Calls `f` with 0 .. `tasks`, on all threads if the `work` (about the number of multiply-adds) is worth it.
    pub(super) fn each(&self, tasks: usize, work: usize, f: impl Fn(usize) + Sync + Send) {
        match &self.threads {
            Some(pool) if tasks > 1 && work > WORTH_SHARING => {
                pool.install(|| (0..tasks).into_par_iter().for_each(f));
            }
            _ => (0..tasks).for_each(f),
        }
    }

    /// Calls `f` with the index and content of consecutive parts of `out` of `part` values.
    pub(super) fn each_part<T: Send>(
        &self,
        out: &mut [T],
        part: usize,
        work: usize,
        f: impl Fn(usize, &mut [T]) + Sync + Send,
    ) {
        if part == 0 {
            return;
        }
        match &self.threads {
            Some(pool) if out.len() > part && work > WORTH_SHARING => {
                pool.install(|| out.par_chunks_mut(part).enumerate().for_each(|(i, out)| f(i, out)));
            }
            _ => out.chunks_mut(part).enumerate().for_each(|(i, out)| f(i, out)),
        }
    }

    /// [`Pool::each_part`] over two slices side by side.
    pub(super) fn each_pair<T: Send, U: Send>(
        &self,
        (a, part_a): (&mut [T], usize),
        (b, part_b): (&mut [U], usize),
        work: usize,
        f: impl Fn(usize, &mut [T], &mut [U]) + Sync + Send,
    ) {
        if part_a == 0 || part_b == 0 {
            return;
        }
        match &self.threads {
            Some(pool) if a.len() > part_a && work > WORTH_SHARING => pool.install(|| {
                let pairs = a.par_chunks_mut(part_a).zip(b.par_chunks_mut(part_b)).enumerate();
                pairs.for_each(|(i, (a, b))| f(i, a, b));
            }),
            _ => {
                let pairs = a.chunks_mut(part_a).zip(b.chunks_mut(part_b)).enumerate();
                pairs.for_each(|(i, (a, b))| f(i, a, b));
            }
        }
    }

    /// Scratch memory until the result is dropped. As many exist as were in use at one time, and they keep their size.
    ///
    /// Not thread-local: a thread that waits for others may run another task meanwhile, which needs its own.
    pub(super) fn scratch(&self) -> Borrowed<'_> {
        let scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        Borrowed { pool: self, scratch }
    }
}

/// Scratch memory that goes back to its pool.
pub(super) struct Borrowed<'a> {
    pool: &'a Pool,
    scratch: Scratch,
}

impl Deref for Borrowed<'_> {
    type Target = Scratch;
    fn deref(&self) -> &Scratch {
        &self.scratch
    }
}

impl DerefMut for Borrowed<'_> {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let scratch = std::mem::take(&mut self.scratch);
        self.pool.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }
}
