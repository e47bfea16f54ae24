//! Messages for people.

use std::ffi::{CString, c_char, c_void};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use ::log::{LevelFilter, Log, Metadata, Record};

use super::{Failure, RambaStatus, User, enter};
use crate::{Error, ErrorKind};

/// How important a message is; those of a level include all before it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RambaLogLevel {
    /// None.
    Off = 0,
    /// Something failed that no status can tell.
    Error = 1,
    /// Something is slower or less than was asked for.
    Warn = 2,
    /// What is worth knowing.
    Info = 3,
    /// What helps to find a fault.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

/// Gets a message: its level, a ramba_log_level, and its text, UTF-8 without control characters, ended by a null byte, valid during the call. May
/// be called on any thread, several at once. It may call the library, but not with the session of the call that it comes from.
pub type RambaOnLog = Option<unsafe extern "C" fn(level: u32, message: *const c_char, user: *mut c_void)>;

/// Who gets messages.
#[derive(Clone, Copy)]
struct Sink {
    on_log: unsafe extern "C" fn(u32, *const c_char, *mut c_void),
    user: User,
}

static SINK: Mutex<Option<Sink>> = Mutex::new(None);

/// Waits for the sink, but not for ever: after `fork()`, whoever has locked it may be in another process.
fn sink() -> Option<MutexGuard<'static, Option<Sink>>> {
    for _ in 0..1000 {
        match SINK.try_lock() {
            Ok(sink) => return Some(sink),
            Err(TryLockError::Poisoned(sink)) => return Some(PoisonError::into_inner(sink)),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_micros(100)),
        }
    }
    None
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= ::log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        // Not locked during the call, which may set another.
        let Some(Sink { on_log, user: User(user) }) = sink().and_then(|sink| *sink) else { return };
        let text = record.args().to_string();
        let message = CString::new(crate::printable(&text).into_owned()).unwrap_or_default();
        // SAFETY: a function that keeps to what is said of it, with its own pointer: the promise of whoever has set it.
        unsafe { on_log(record.level() as u32, message.as_ptr(), user) };
    }

    fn flush(&self) {}
}

/// Sets what gets the messages of the library up to `level`, a ramba_log_level, for the whole process; null, or level 0, for nobody, as at first.
/// `user` is given to it. A message may still be on its way to the one before on another thread when this returns.
///
/// RAMBA_STATUS_UNSUPPORTED if the library is linked into a Rust program that has a logger of its own.
///
/// # Safety
/// `on_log` must be null or a function that keeps to what is said of it, good to be called with `user` until another is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_set_log(level: u32, on_log: RambaOnLog, user: *mut c_void) -> RambaStatus {
    enter(|| {
        let levels = [
            LevelFilter::Off,
            LevelFilter::Error,
            LevelFilter::Warn,
            LevelFilter::Info,
            LevelFilter::Debug,
            LevelFilter::Trace,
        ];
        let Some(&level) = usize::try_from(level).ok().and_then(|level| levels.get(level)) else {
            return Err(Failure::invalid(format!("level {level} is no ramba_log_level")));
        };
        static ONCE: Once = Once::new();
        static OURS: Mutex<bool> = Mutex::new(false);
        ONCE.call_once(|| *OURS.lock().unwrap_or_else(PoisonError::into_inner) = ::log::set_logger(&Logger).is_ok());
        if !*OURS.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(Error::unsupported("the program has a logger of its own").into());
        }
        let Some(mut sink) = sink() else {
            return Err(Error::new(ErrorKind::Busy, "the log is locked since fork()").into());
        };
        *sink = on_log.map(|on_log| Sink { on_log, user: User(user) });
        ::log::set_max_level(if on_log.is_some() { level } else { LevelFilter::Off });
        Ok(())
    })
}
