//! Memory that is asked for before it is used: what cannot be had is an error, not the end of the process.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use crate::{Error, Result};

/// Bytes that must be left after every allocation made here, for the small ones everywhere that cannot fail but by ending the
/// process: messages, names, lists of a few entries, the stack, what a thread needs to start.
const LEFT: usize = 4 << 20;

/// Bytes of the stack of a new thread, which is the standard library's, and around it.
pub(crate) const STACK: usize = (2 << 20) + (256 << 10);

/// From this size on, whether [`LEFT`] would be left is worth a look, which takes two calls of the system.
const LARGE: usize = 64 << 10;

/// Whose turn it is to look at what is left and to take it.
static TURN: Mutex<()> = Mutex::new(());

/// Waits for the turn, but not for ever: after `fork()` whoever has it may be in another process.
pub(crate) fn turn() -> Option<MutexGuard<'static, ()>> {
    for _ in 0..1000 {
        match TURN.try_lock() {
            Ok(turn) => return Some(turn),
            Err(TryLockError::Poisoned(turn)) => return Some(turn.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_micros(100)),
        }
    }
    None
}

/// Fails unless `bytes` more could be allocated now. For work in other crates, which end the process if they get no memory: what they
/// will take is asked for, and given back, before they are called.
///
/// # Errors
/// `Capacity`.
pub(crate) fn check(bytes: usize) -> Result<()> {
    // Not from the allocator: what it gets back it may keep for itself (glibc raises the size from which on it maps memory to that of the
    // largest block freed), where no thread finds it that is to start.
    let probe = memmap2::MmapMut::map_anon(bytes.saturating_add(LEFT));
    probe.map(drop).map_err(|_| none(bytes))
}

/// An empty vector with room for `len` values.
///
/// # Errors
/// `Capacity` if there is not enough memory.
pub(crate) fn with_capacity<T>(len: usize) -> Result<Vec<T>> {
    let mut v = Vec::new();
    grow(&mut v, len)?;
    Ok(v)
}

/// `len` copies of `value`.
///
/// # Errors
/// `Capacity` if there is not enough memory.
pub(crate) fn filled<T: Clone>(len: usize, value: T) -> Result<Vec<T>> {
    let mut v = with_capacity(len)?;
    v.resize(len, value);
    Ok(v)
}

/// Appends `more` to `text`.
///
/// # Errors
/// `Capacity` if there is not enough memory; `text` is then as it was.
pub(crate) fn append(text: &mut String, more: &str) -> Result<()> {
    if text.capacity() - text.len() < more.len() {
        // It may double its room, and be copied.
        let bytes = 2 * text.len() + more.len();
        let _turn = turn();
        if bytes >= LARGE {
            check(bytes)?;
        }
        text.try_reserve(more.len()).map_err(|_| none(more.len()))?;
    }
    text.push_str(more);
    Ok(())
}

/// Starts a thread if there is memory for it.
///
/// # Errors
/// `Capacity` if there is not, or if the system has no more threads.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: String,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    let _turn = turn();
    let failed = |why: &dyn std::fmt::Display| Error::capacity(format!("starting the thread {name}: {why}"));
    check(STACK).map_err(|e| failed(&e))?;
    thread::Builder::new().name(name.clone()).spawn_scoped(scope, work).map_err(|e| failed(&e))
}

/// Makes room in `v` for exactly `more` values.
///
/// # Errors
/// `Capacity` if there is not enough memory; `v` is then as it was.
pub(crate) fn grow<T>(v: &mut Vec<T>, more: usize) -> Result<()> {
    if v.capacity() - v.len() >= more {
        return Ok(());
    }
    // A vector that grows may be copied.
    let bytes = v.len().saturating_add(more).saturating_mul(size_of::<T>());
    let _turn = if bytes >= LARGE {
        let turn = turn();
        check(bytes)?;
        turn
    } else {
        None
    };
    v.try_reserve_exact(more).map_err(|_| none(bytes))
}

/// Makes `v` of the length `len`, with copies of `value` where it grows.
///
/// # Errors
/// `Capacity` if there is not enough memory; `v` is then as it was.
pub(crate) fn resize<T: Clone>(v: &mut Vec<T>, len: usize, value: T) -> Result<()> {
    grow(v, len.saturating_sub(v.len()))?;
    v.resize(len, value);
    Ok(())
}

fn none(bytes: usize) -> Error {
    Error::capacity(format!("there is no memory for {bytes} more bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn what_cannot_be_had_is_an_error() {
        for len in [usize::MAX, usize::MAX / 8, 1 << 60] {
            assert_eq!(filled(len, 1u64).unwrap_err().kind(), ErrorKind::Capacity);
            assert_eq!(check(len).unwrap_err().kind(), ErrorKind::Capacity);
            let mut v = vec![1u8, 2];
            assert_eq!(resize(&mut v, len, 3).is_err(), len > isize::MAX as usize || len >= 1 << 60);
            assert_eq!(v, [1, 2]);
        }
        assert_eq!(filled(3, 7).unwrap(), [7; 3]);
        let mut text = String::from("a");
        append(&mut text, "bc").unwrap();
        assert_eq!(text, "abc");
        check(1 << 20).unwrap();
    }
}
