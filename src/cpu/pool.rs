//! Threads, and scratch memory for what runs on them.

use std::ops::{Deref, DerefMut};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::ThreadPool;
use rayon::prelude::*;

use super::buffer::Buffer;
use crate::{Error, Result, room};

/// Multiply-adds (or as long a work of another kind) below which it is not worth to wake a second thread: some ten
/// microseconds.
const WORTH_SHARING: usize = 1 << 18;

/// Most threads of a backend: each takes memory, and far more of them than cores hold each other up.
pub const MAX_THREADS: usize = 512;

/// The threads of a backend.
pub(super) struct Pool {
    count: usize,
    first: Crew,
    /// How many forks lie between the process that made this and the one that it was last used in.
    forks: AtomicUsize,
}

/// The threads of one process. After `fork()` the new process has none of them: it gets others when it needs some.
struct Crew {
    process: u32,
    /// `None` for one thread: everything runs on the caller's.
    threads: Option<ThreadPool>,
    scratch: Mutex<Vec<Scratch>>,
    /// That of the process that was forked off.
    next: OnceLock<Box<Crew>>,
}

impl Crew {
    fn new(count: usize) -> Result<Crew> {
        let threads = match count {
            1 => None,
            n => {
                let _turn = room::turn();
                room::check(n * room::STACK).map_err(|e| e.context(format_args!("starting {n} threads")))?;
                let builder = rayon::ThreadPoolBuilder::new().num_threads(n).thread_name(|i| format!("ramba-{i}"));
                Some(builder.build().map_err(|e| Error::capacity(format!("starting {n} threads: {e}")))?)
            }
        };
        Ok(Crew { process: process::id(), threads, scratch: Mutex::default(), next: OnceLock::new() })
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if self.process != process::id() {
            // Its threads are in another process: there is nobody to be told to stop.
            std::mem::forget(self.threads.take());
        }
    }
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
        if threads == 0 {
            return Err(Error::invalid("0 threads"));
        }
        if threads > MAX_THREADS {
            return Err(Error::invalid(format!("{threads} threads: at most {MAX_THREADS}")));
        }
        Ok(Pool { count: threads, first: Crew::new(threads)?, forks: AtomicUsize::new(0) })
    }

    /// The number of threads.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The threads of the process that was seen last.
    fn crew(&self) -> &Crew {
        (0..self.forks.load(Ordering::Acquire)).fold(&self.first, |crew, _| crew.next.get().map_or(crew, |next| next))
    }

    /// The threads of this process, started if it was forked off. Without any, everything runs on the caller's.
    fn threads(&self) -> Option<&ThreadPool> {
        let mut crew = self.crew();
        if self.count > 1 && crew.process != process::id() {
            crew = crew.next.get_or_init(|| {
                Box::new(Crew::new(self.count).unwrap_or_else(|e| {
                    log::warn!("after a fork: {e}; one thread does the work");
                    Crew { process: process::id(), threads: None, scratch: Mutex::default(), next: OnceLock::new() }
                }))
            });
            let forks =
                std::iter::successors(Some(&self.first), |crew| crew.next.get().map(|next| &**next)).count() - 1;
            self.forks.store(forks, Ordering::Release);
        }
        crew.threads.as_ref()
    }

    /// Runs `f` on a thread of the pool.
    pub(super) fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        match self.threads() {
            Some(pool) => pool.install(f),
            None => f(),
        }
    }

    /// Calls `f` with 0 .. `tasks`, on all threads if the `work` (about the number of multiply-adds) is worth it.
    ///
    /// # Errors
    /// The one of `f` that came first.
    pub(super) fn each(&self, tasks: usize, work: usize, f: impl Fn(usize) -> Result<()> + Sync + Send) -> Result<()> {
        let shared = tasks > 1 && work > WORTH_SHARING;
        match shared.then(|| self.threads()).flatten() {
            Some(pool) => share(pool, tasks, &f),
            None => (0..tasks).try_for_each(f),
        }
    }

    /// Calls `f` with the index and content of consecutive parts of `out` of `part` values.
    ///
    /// # Errors
    /// As [`Pool::each`].
    pub(super) fn each_part<T: Send>(
        &self,
        out: &mut [T],
        part: usize,
        work: usize,
        f: impl Fn(usize, &mut [T]) -> Result<()> + Sync + Send,
    ) -> Result<()> {
        if part == 0 {
            return Ok(());
        }
        let shared = out.len() > part && work > WORTH_SHARING;
        match shared.then(|| self.threads()).flatten() {
            Some(pool) => share_parts(pool, out, part, &f),
            None => out.chunks_mut(part).enumerate().try_for_each(|(i, out)| f(i, out)),
        }
    }

    /// [`Pool::each_part`] over two slices side by side.
    ///
    /// # Errors
    /// As [`Pool::each`].
    pub(super) fn each_pair<T: Send, U: Send>(
        &self,
        (a, part_a): (&mut [T], usize),
        (b, part_b): (&mut [U], usize),
        work: usize,
        f: impl Fn(usize, &mut [T], &mut [U]) -> Result<()> + Sync + Send,
    ) -> Result<()> {
        if part_a == 0 || part_b == 0 {
            return Ok(());
        }
        let shared = a.len() > part_a && work > WORTH_SHARING;
        match shared.then(|| self.threads()).flatten() {
            Some(pool) => share_pairs(pool, (a, part_a), (b, part_b), &f),
            None => {
                let mut pairs = a.chunks_mut(part_a).zip(b.chunks_mut(part_b)).enumerate();
                pairs.try_for_each(|(i, (a, b))| f(i, a, b))
            }
        }
    }

    /// Scratch memory until the result is dropped. As many exist as were in use at one time, and they keep their size.
    ///
    /// Not thread-local: a thread that waits for others may run another task meanwhile, which needs its own.
    pub(super) fn scratch(&self) -> Borrowed<'_> {
        let home = &self.crew().scratch;
        let scratch = home.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        Borrowed { home, scratch }
    }
}

// What follows is not generic in `f`: all that a closure brings in of the library that shares work is there once, not for every kernel.

fn share(pool: &ThreadPool, tasks: usize, f: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    pool.install(|| (0..tasks).into_par_iter().try_for_each(f))
}

fn share_parts<T: Send>(
    pool: &ThreadPool,
    out: &mut [T],
    part: usize,
    f: &(dyn Fn(usize, &mut [T]) -> Result<()> + Sync),
) -> Result<()> {
    pool.install(|| out.par_chunks_mut(part).enumerate().try_for_each(|(i, out)| f(i, out)))
}

type OnPair<'f, T, U> = dyn Fn(usize, &mut [T], &mut [U]) -> Result<()> + Sync + 'f;

fn share_pairs<T: Send, U: Send>(
    pool: &ThreadPool,
    (a, part_a): (&mut [T], usize),
    (b, part_b): (&mut [U], usize),
    f: &OnPair<'_, T, U>,
) -> Result<()> {
    let pairs = a.par_chunks_mut(part_a).zip(b.par_chunks_mut(part_b)).enumerate();
    pool.install(|| pairs.try_for_each(|(i, (a, b))| f(i, a, b)))
}

/// Scratch memory that goes back to its pool.
pub(super) struct Borrowed<'a> {
    home: &'a Mutex<Vec<Scratch>>,
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
        self.home.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }
}
