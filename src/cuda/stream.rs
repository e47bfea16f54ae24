//! Streams, each with the scratch of the operations on it. A thread has one while it computes.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use super::driver::{Context, Memory, Pinned, RawStream};
use super::graphs::{Graphs, Launch};
use super::module::{Arguments, Kernel, Kernels};
use crate::{Error, Result};

/// Bytes of pinned memory of a stream in each direction.
const PINNED: usize = 1 << 20;

/// Where parts begin that are brought back together.
pub(super) const ALIGN: usize = 256;

/// Counters of a stream, of blocks: of the groups of heads of `ssm_step`, of the rows of `score_few` and `select_few`.
pub(super) const COUNTERS: usize = 1 << 12;

/// A stream with the scratch of what runs on it.
pub(super) struct Stream {
    pub context: Arc<Context>,
    /// To be had by [`Stream::raw`] only, which begins what was put off.
    raw: RawStream,
    /// Whether everything that was begun has ended.
    ended: bool,
    /// Kernels that are put off.
    graphs: Graphs,
    /// Whether a token is computed alone, whose kernels are put off until something else is needed of the stream.
    alone: bool,
    /// What comes back from the device passes through here.
    back: Pinned,
    /// Where the device has that.
    landing: u64,
    /// What comes back together, to be worked on where it is; grows as it is needed.
    seen: Option<Pinned>,
    /// What goes to the device passes through here, so that the host goes on while it is copied.
    out: Pinned,
    /// Bytes of `out` that the device may still be reading.
    busy: usize,
    /// (COUNTERS) u32, zero between kernels, and what the parts of `mamba_blocks` exchange.
    pub arrived: Memory,
    /// Scratch memory of the operations, which grows as they need it.
    scratch: [Option<Memory>; SCRATCHES],
}

/// Scratch memories of a stream: an operation may use several at once.
const SCRATCHES: usize = 4;

impl Stream {
    pub fn new(context: &Arc<Context>) -> Result<Stream> {
        let raw = RawStream::new(context)?;
        let arrived = counters(context, &raw)?;
        let back = Pinned::new(context, PINNED)?;
        Ok(Stream {
            context: Arc::clone(context),
            raw,
            ended: false,
            graphs: Graphs::default(),
            alone: false,
            landing: back.device_at(),
            back,
            seen: None,
            out: Pinned::new(context, PINNED)?,
            busy: 0,
            arrived,
            scratch: Default::default(),
        })
    }

    /// Starts a kernel with `grid` blocks of `block` threads and `shared` bytes of dynamic shared memory, or puts it off. If they are
    /// `together`, because they wait for each other, none starts before all can.
    ///
    /// # Safety
    /// What `arguments` point to on the device must be as long as the kernel's header says for this grid.
    #[allow(clippy::too_many_arguments)]
    pub unsafe fn launch<A: Arguments>(
        &mut self,
        kernels: &Kernels,
        kernel: Kernel<A>,
        grid: [usize; 3],
        block: [u32; 2],
        shared: usize,
        together: bool,
        arguments: &A,
    ) -> Result<()> {
        if grid.contains(&0) {
            return Ok(());
        }
        // The compiler loads neighbours in shared memory together, up to 16 bytes, also where only the first is used.
        let shared = shared.next_multiple_of(16);
        let function = kernels.prepare(kernel, grid, shared)?;
        if !self.alone {
            self.enter()?;
        } else if self.graphs.is_empty() {
            self.context.put_off();
        }
        let launch = Launch {
            name: kernel.name(),
            function,
            arguments: A::WORDS,
            grid: grid.map(|g| g as u32),
            block,
            shared: shared as u32,
            early: self.context.early(),
            together,
        };
        // SAFETY: by the contract of this function. Device memory that is freed until it starts is kept by the context.
        unsafe { self.graphs.push(launch, arguments) };
        if self.alone { Ok(()) } else { self.graphs.start_each(&self.raw) }
    }

    /// Starts what was put off.
    ///
    /// # Errors
    /// Failures of the device.
    pub fn begin(&mut self) -> Result<()> {
        if self.graphs.is_empty() {
            return Ok(());
        }
        self.enter()?;
        let begun = self.graphs.start(&self.raw);
        self.context.begun();
        begun
    }

    /// To be called before anything begins on `raw`.
    fn enter(&mut self) -> Result<()> {
        self.ended = false;
        self.context.enter()
    }

    /// The stream, for what no graph can hold. What was put off has begun.
    ///
    /// # Errors
    /// Failures of the device.
    pub fn raw(&mut self) -> Result<&RawStream> {
        self.begin()?;
        self.enter()?;
        Ok(&self.raw)
    }

    /// Does `f`, whose kernels have other arguments for every token, between graphs.
    ///
    /// # Errors
    /// Those of `f`, and failures of the device.
    pub fn apart<T>(&mut self, f: impl FnOnce(&mut Stream) -> Result<T>) -> Result<T> {
        self.begin()?;
        let alone = std::mem::replace(&mut self.alone, false);
        let done = f(self);
        self.alone = alone;
        done
    }

    /// What comes is for one token `alone`, or for several.
    ///
    /// # Errors
    /// Failures of the device.
    pub fn next(&mut self, alone: bool) -> Result<()> {
        self.begin()?;
        self.alone = alone;
        Ok(())
    }

    /// `Exchange` of `mamba_blocks`.
    pub fn exchange(&self) -> u64 {
        self.arrived.at + 4 * COUNTERS as u64
    }

    /// Scratch memory `which` with at least `bytes` bytes of any content. What it had is lost.
    pub fn scratch(&mut self, which: usize, bytes: usize) -> Result<u64> {
        let slot = self.scratch.get_mut(which).ok_or_else(|| Error::invalid(format!("scratch memory {which}")))?;
        if let Some(memory) = slot.as_ref().filter(|memory| memory.bytes >= bytes) {
            return Ok(memory.at);
        }
        // The old one may still be in use.
        self.synchronize()?;
        let slot = self.scratch.get_mut(which).ok_or_else(|| Error::invalid(format!("scratch memory {which}")))?;
        *slot = None;
        let memory = Memory::new(&self.context, bytes.max(4096).next_power_of_two())?;
        Ok(slot.insert(memory).at)
    }

    /// Copies `data` to the device, without waiting for it.
    pub fn upload(&mut self, at: u64, data: &[u8]) -> Result<()> {
        for (i, part) in data.chunks(PINNED).enumerate() {
            let staged = self.stage(part)?;
            self.begin()?;
            self.enter()?;
            self.raw.upload(at + (i * PINNED) as u64, &self.out.bytes_mut()[staged])?;
        }
        Ok(())
    }

    /// `data` where kernels can read it until the next [`Stream::synchronize`]: in the host's memory if the context is
    /// `mapped`, else in scratch memory `which`.
    pub fn give(&mut self, which: usize, data: &[u8]) -> Result<u64> {
        if self.context.mapped && data.len() <= PINNED {
            let staged = self.stage(data)?;
            return Ok(self.out.device_at() + staged.start as u64);
        }
        let at = self.scratch(which, data.len())?;
        self.upload(at, data)?;
        Ok(at)
    }

    /// Copies `data`, at most [`PINNED`] bytes, into `out`.
    fn stage(&mut self, data: &[u8]) -> Result<Range<usize>> {
        if self.busy + data.len() > PINNED {
            self.synchronize()?;
        }
        let staged = self.busy..self.busy + data.len();
        self.out.bytes_mut()[staged.clone()].copy_from_slice(data);
        self.busy = staged.end.next_multiple_of(16).min(PINNED);
        Ok(staged)
    }

    /// Waits for everything begun.
    pub fn synchronize(&mut self) -> Result<()> {
        self.begin()?;
        if !self.ended {
            self.raw()?.synchronize()?;
        }
        self.has_ended();
        Ok(())
    }

    /// To be called when everything that was begun has ended.
    fn has_ended(&mut self) {
        (self.ended, self.busy) = (true, 0);
    }

    /// Puts `data` into `memory` from byte `at` on. If the memory is the host's (see [`Memory::filled_by_host`]), kernels
    /// that read what was there must have ended.
    pub fn fill(&mut self, memory: &mut Memory, at: usize, data: &[u8]) -> Result<()> {
        match memory.host_mut() {
            Some(host) => {
                host[at..at + data.len()].copy_from_slice(data);
                Ok(())
            }
            None => self.upload(memory.at + at as u64, data),
        }
    }

    /// Where kernels can leave `bytes` bytes for [`Stream::landed`], in the host's memory; `None` if they are too many.
    pub fn landing(&self, bytes: usize) -> Option<u64> {
        (bytes <= PINNED).then_some(self.landing)
    }

    /// What kernels left there, after waiting for them.
    pub fn landed(&mut self, bytes: usize) -> Result<&[u8]> {
        self.synchronize()?;
        Ok(&self.back.bytes_mut()[..bytes])
    }

    /// Copies all of `parts`, places and bytes, into pinned memory, one after the other at multiples of [`ALIGN`], and waits. The
    /// memory may be given back by [`Stream::keep`].
    pub fn bring_back(&mut self, parts: &[(u64, usize)]) -> Result<Pinned> {
        let bytes = parts.iter().map(|(_, len)| len.next_multiple_of(ALIGN)).sum::<usize>();
        let mut seen = match self.seen.take().filter(|pinned| pinned.bytes >= bytes) {
            Some(pinned) => pinned,
            None => Pinned::new(&self.context, bytes.max(PINNED).next_power_of_two())?,
        };
        self.raw()?.download_all(parts, ALIGN, seen.bytes_mut())?;
        self.has_ended();
        Ok(seen)
    }

    /// Takes back what [`Stream::bring_back`] gave, for the next time.
    pub fn keep(&mut self, seen: Pinned) {
        if self.seen.as_ref().is_none_or(|kept| kept.bytes < seen.bytes) {
            self.seen = Some(seen);
        }
    }

    /// Copies from the device to `out`, and waits.
    pub fn read(&mut self, at: u64, out: &mut [u8]) -> Result<()> {
        for (i, out) in out.chunks_mut(PINNED).enumerate() {
            self.begin()?;
            self.enter()?;
            let part = &mut self.back.bytes_mut()[..out.len()];
            self.raw.download(at + (i * PINNED) as u64, part)?;
            out.copy_from_slice(part);
            self.has_ended();
        }
        self.synchronize()
    }
}

/// Counters at zero, and the exchange before its first round.
fn counters(context: &Arc<Context>, raw: &RawStream) -> Result<Memory> {
    let memory = Memory::new(context, 4 * COUNTERS + super::mamba_blocks::EXCHANGE)?;
    raw.zero(memory.at, memory.bytes)?;
    Ok(memory)
}

thread_local! {
    /// The streams that this thread computes on, one per backend, by the backend's number.
    static CURRENT: RefCell<Vec<(u64, Stream)>> = const { RefCell::new(Vec::new()) };
}

/// Gives this thread a stream for `f`, unless it has one.
pub(super) fn hold<R>(
    backend: u64,
    stream: impl FnOnce() -> Option<Stream>,
    give_back: impl Fn(Stream),
    f: impl FnOnce() -> R,
) -> R {
    /// Gives the stream back, also when `f` panics.
    struct Guard<G: Fn(Stream)>(u64, G);
    impl<G: Fn(Stream)> Drop for Guard<G> {
        fn drop(&mut self) {
            let stream = CURRENT.with_borrow_mut(|streams| {
                let at = streams.iter().position(|stream| stream.0 == self.0)?;
                Some(streams.swap_remove(at).1)
            });
            if let Some(stream) = stream {
                (self.1)(stream);
            }
        }
    }
    if CURRENT.with_borrow(|streams| streams.iter().any(|stream| stream.0 == backend)) {
        return f();
    }
    let _guard = stream().map(|stream| {
        CURRENT.with_borrow_mut(|streams| streams.push((backend, stream)));
        Guard(backend, give_back)
    });
    f()
}

/// What `f` makes of this thread's stream, or `f` itself if it has none.
pub(super) fn with_current<R, F: FnOnce(&mut Stream) -> R>(backend: u64, f: F) -> std::result::Result<R, F> {
    CURRENT.with_borrow_mut(|streams| match streams.iter_mut().find(|stream| stream.0 == backend) {
        Some((_, stream)) => Ok(f(stream)),
        None => Err(f),
    })
}
