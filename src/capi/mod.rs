//! The C interface (feature `capi`): handles, status codes, a message for the last failure of each thread.
//!
//! Nothing that a caller does wrong with a handle is undefined: handles are numbers in the guise of pointers, looked up in a table, so that
//! one that is null, closed or of another kind is an error. No panic crosses the border: every entry catches it and reports
//! [`RambaStatus::Internal`].
//!
//! `include/ramba.h` is made from these files by cbindgen; what is said here of pointers is said there to the C programmer. The rules that
//! hold for all of it stand in `cbindgen.toml`.

mod answer;
mod handles;
mod library;
mod log;
mod model;
mod options;
mod session;
mod usage;

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::{Error, ErrorKind};

pub use answer::*;
pub use library::*;
pub use log::*;
pub use model::*;
pub use options::*;
pub use session::*;
pub use usage::*;

/// Changes when a function, a structure or a constant of this interface changes or goes. Compare it with ramba_abi_version().
pub const RAMBA_ABI_VERSION: u32 = 1;

/// In the place of a byte or a chunk: there is none.
pub const RAMBA_NONE: u64 = 0xffff_ffff_ffff_ffff;

/// What a call came to. Everything but RAMBA_STATUS_OK leaves a message for ramba_last_error().
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RambaStatus {
    /// Done.
    Ok = 0,
    /// Reading or writing a file failed.
    Io = 1,
    /// A file is damaged or of another format, or text is not UTF-8.
    Format = 2,
    /// The model or the caller asks for something that this build does not do.
    Unsupported = 3,
    /// An argument is null, out of range or inconsistent, or a handle is closed.
    InvalidArgument = 4,
    /// A budget of memory or disk is too small, or there is no more of it.
    Capacity = 5,
    /// The caller asked to stop.
    Cancelled = 6,
    /// A bug in the library. The handle that was used can only be closed.
    Internal = 7,
    /// An accelerator or its driver failed.
    Device = 8,
    /// Another call uses the session, or another process or session writes to the library or document.
    Busy = 9,
}

/// A call that did not succeed.
struct Failure {
    status: RambaStatus,
    message: String,
}

/// What the body of an entry returns.
type Outcome<T = ()> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Io => RambaStatus::Io,
            ErrorKind::Format => RambaStatus::Format,
            ErrorKind::Unsupported => RambaStatus::Unsupported,
            ErrorKind::InvalidArgument => RambaStatus::InvalidArgument,
            ErrorKind::Capacity => RambaStatus::Capacity,
            ErrorKind::Busy => RambaStatus::Busy,
            ErrorKind::Cancelled => RambaStatus::Cancelled,
            ErrorKind::Device => RambaStatus::Device,
        };
        Self { status, message: error.to_string() }
    }
}

impl Failure {
    fn invalid(message: impl Into<String>) -> Self {
        Error::invalid(message).into()
    }

    fn internal(message: &str) -> Self {
        // Made printable and of bounded length.
        let message = Error::new(ErrorKind::Io, format!("internal error: {message}")).to_string();
        Self { status: RambaStatus::Internal, message }
    }
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// Runs the body of an entry and turns its failure into a status and a message.
fn enter(body: impl FnOnce() -> Outcome) -> RambaStatus {
    // What a panic leaves half done is behind a lock, which it poisons.
    let done = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        Err(Failure::internal(message.or(panic.downcast_ref::<&str>().copied()).unwrap_or("unknown")))
    });
    let Err(Failure { status, message }) = done else { return RambaStatus::Ok };
    // `Error` has escaped control characters, the null byte among them.
    let message = CString::new(message).unwrap_or_default();
    // Not accessible only while the thread ends, when nobody can ask any more.
    let _ = LAST_ERROR.try_with(|last| last.replace(message));
    status
}

/// Runs the body of an entry that has a value to return instead of a status.
fn value<T>(otherwise: T, body: impl FnOnce() -> Outcome<T>) -> T {
    let mut result = otherwise;
    enter(|| {
        result = body()?;
        Ok(())
    });
    result
}

/// What a callback wants that returned this.
fn flow(result: c_int) -> ControlFlow<()> {
    if result == 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// The caller's pointer, given back to its callbacks.
#[derive(Clone, Copy)]
struct User(*mut std::ffi::c_void);

// SAFETY: it is never followed here. That callbacks may be called with it on the threads they are documented for is the caller's promise.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

/// Text with a null byte after it.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    /// None that is left.
    const EMPTY: *const c_char = c"".as_ptr();

    fn new(text: &str) -> Self {
        let mut new = Self::default();
        new.set(text);
        new
    }

    fn set(&mut self, text: &str) {
        self.0.clear();
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
    }

    fn pointer(&self) -> *const c_char {
        if self.0.is_empty() { Self::EMPTY } else { self.0.as_ptr().cast() }
    }

    /// Bytes, without the null byte after them.
    fn len(&self) -> usize {
        self.0.len().saturating_sub(1)
    }
}

/// `pointer` and, in `*length` if that is a place, `len`.
///
/// # Safety
/// `length` is null or a valid place.
unsafe fn with_length(length: *mut usize, text: (*const c_char, usize)) -> *const c_char {
    // SAFETY: the caller's promise.
    if let Some(out) = unsafe { length.as_mut() } {
        *out = text.1;
    }
    text.0
}

/// # Safety
/// `text` is null or a string ended by a null byte that lives and does not change during the use of the result.
unsafe fn c_string<'a>(text: *const c_char, name: &str) -> Outcome<&'a CStr> {
    if text.is_null() {
        return Err(Failure::invalid(format!("{name} is null")));
    }
    // SAFETY: not null; the rest is the caller's promise.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// # Safety
/// As for [`c_string`].
unsafe fn name<'a>(text: *const c_char, name: &str) -> Outcome<&'a str> {
    // SAFETY: the caller's promise.
    utf8(unsafe { c_string(text, name) }?.to_bytes(), name)
}

/// The path in `bytes`.
///
/// # Safety
/// As for [`c_string`].
unsafe fn path(text: *const c_char, name: &str) -> Outcome<PathBuf> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { c_string(text, name) }?.to_bytes();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Ok(PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
    }
    #[cfg(not(unix))]
    {
        Ok(PathBuf::from(utf8(bytes, name)?))
    }
}

/// The same for a path that may be null.
///
/// # Safety
/// As for [`c_string`].
unsafe fn optional_path(text: *const c_char, name: &str) -> Outcome<Option<PathBuf>> {
    // SAFETY: the caller's promise.
    if text.is_null() { Ok(None) } else { unsafe { path(text, name) }.map(Some) }
}

fn utf8<'a>(bytes: &'a [u8], name: &str) -> Outcome<&'a str> {
    std::str::from_utf8(bytes)
        .map_err(|e| Error::format(format!("{name} is not UTF-8 at byte {}", e.valid_up_to())).into())
}

/// `length` values at `at`.
///
/// # Safety
/// `at` points to so many values, which live and do not change during the use of the result, or there are none.
unsafe fn slice<'a, T>(at: *const T, length: usize, name: &str) -> Outcome<&'a [T]> {
    if length == 0 {
        return Ok(&[]);
    }
    if at.is_null() || !at.is_aligned() || length.checked_mul(size_of::<T>()).is_none_or(|n| n > isize::MAX as usize) {
        return Err(Failure::invalid(format!("{name}: {length} values at {at:?}")));
    }
    // SAFETY: not null, aligned and of a length that a slice can have; that so many values are there is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(at, length) })
}

/// The place for a result.
///
/// # Safety
/// `pointer` is null or points to a place for a `T` that nobody else uses during the use of the result.
unsafe fn out<'a, T>(pointer: *mut T, name: &str) -> Outcome<&'a mut T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or_else(|| Failure::invalid(format!("{name} is null")))
}

/// The interface that the library has: RAMBA_ABI_VERSION when it was built.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_abi_version() -> u32 {
    RAMBA_ABI_VERSION
}

/// The version of the library, as "0.1.0". Valid for ever.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version without a null byte"),
    };
    VERSION.as_ptr()
}

/// The message of the last failure on this thread, in UTF-8, ended by a null byte; empty if there was none. Valid until the next call on this
/// thread.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_last_error() -> *const c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(Text::EMPTY)
}
