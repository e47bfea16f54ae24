//! Lanes: a stream with the scratch of the operations on it. A thread has one while it computes.

use std::cell::RefCell;
use std::sync::Arc;

use super::driver::{Context, Memory, Pinned, Stream};
use crate::{Error, Result};

/// Bytes of pinned memory of a lane, through which results come back.
const PINNED: usize = 1 << 20;

/// Groups of heads whose blocks `ssm_step` counts.
pub(super) const MAX_GROUPS: usize = 1 << 12;

/// A stream and its scratch.
pub(super) struct Lane {
    pub context: Arc<Context>,
    pub stream: Stream,
    pub pinned: Pinned,
    /// (MAX_GROUPS) u32, zero between kernels.
    pub arrived: Memory,
    /// Scratch memory of the operations, which grows as they need it.
    scratch: [Option<Memory>; SCRATCHES],
    /// Whether operations are recorded, so that nothing may be allocated.
    pub recording: bool,
}

/// Scratch memories of a lane: an operation may use several at once.
const SCRATCHES: usize = 4;

impl Lane {
    pub fn new(context: &Arc<Context>) -> Result<Lane> {
        let stream = Stream::new(context)?;
        let arrived = Memory::new(context, 4 * MAX_GROUPS)?;
        stream.zero(arrived.at, arrived.bytes)?;
        Ok(Lane {
            context: Arc::clone(context),
            stream,
            pinned: Pinned::new(context, PINNED)?,
            arrived,
            scratch: Default::default(),
            recording: false,
        })
    }

    /// Scratch memory `which` with at least `bytes` bytes of any content. What it had is lost.
    pub fn scratch(&mut self, which: usize, bytes: usize) -> Result<u64> {
        let slot = self.scratch.get_mut(which).ok_or_else(|| Error::invalid(format!("scratch memory {which}")))?;
        if let Some(memory) = slot.as_ref().filter(|memory| memory.bytes >= bytes) {
            return Ok(memory.at);
        }
        if self.recording {
            return Err(Error::invalid("scratch memory was needed while recording"));
        }
        // The old one may still be in use.
        self.stream.synchronize()?;
        *slot = None;
        let memory = Memory::new(&self.context, bytes.max(4096).next_power_of_two())?;
        Ok(slot.insert(memory).at)
    }

    /// Copies from the device to `out`, and waits.
    pub fn read(&mut self, at: u64, out: &mut [u8]) -> Result<()> {
        let Lane { stream, pinned, .. } = self;
        for (i, out) in out.chunks_mut(PINNED).enumerate() {
            let part = &mut pinned.bytes_mut()[..out.len()];
            stream.download(at + (i * PINNED) as u64, part)?;
            out.copy_from_slice(part);
        }
        Ok(())
    }
}

thread_local! {
    /// The lanes that this thread computes on, one per backend, by the backend's number.
    static CURRENT: RefCell<Vec<(u64, Lane)>> = const { RefCell::new(Vec::new()) };
}

/// Gives this thread a lane for `f`, unless it has one.
pub(super) fn hold<R>(
    backend: u64,
    lane: impl FnOnce() -> Option<Lane>,
    give_back: impl Fn(Lane),
    f: impl FnOnce() -> R,
) -> R {
    /// Gives the lane back, also when `f` panics.
    struct Guard<G: Fn(Lane)>(u64, G);
    impl<G: Fn(Lane)> Drop for Guard<G> {
        fn drop(&mut self) {
            let lane = CURRENT.with_borrow_mut(|lanes| {
                let at = lanes.iter().position(|lane| lane.0 == self.0)?;
                Some(lanes.swap_remove(at).1)
            });
            if let Some(lane) = lane {
                (self.1)(lane);
            }
        }
    }
    if CURRENT.with_borrow(|lanes| lanes.iter().any(|lane| lane.0 == backend)) {
        return f();
    }
    let _guard = lane().map(|lane| {
        CURRENT.with_borrow_mut(|lanes| lanes.push((backend, lane)));
        Guard(backend, give_back)
    });
    f()
}

/// What `f` makes of this thread's lane, or `f` itself if it has none.
pub(super) fn with_current<R, F: FnOnce(&mut Lane) -> R>(backend: u64, f: F) -> std::result::Result<R, F> {
    CURRENT.with_borrow_mut(|lanes| match lanes.iter_mut().find(|lane| lane.0 == backend) {
        Some((_, lane)) => Ok(f(lane)),
        None => Err(f),
    })
}
