//! The C interface (feature `capi`): opaque handles, status codes, a message for the last failure of each thread.
//!
//! No panic crosses the boundary: every entry catches it and reports [`RambaStatus::Internal`]. `include/ramba.h` is
//! made from this file by cbindgen; what is said here of pointers is said there to the C programmer.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::ptr;

use crate::{
    Answer, AskOptions, Decoding, Engine, EngineOptions, Error, ErrorKind, Quote, Result, Session, SessionOptions,
    StopReason, Support,
};

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
    /// The model asks for something that this build does not do.
    Unsupported = 3,
    /// An argument is null, out of range or inconsistent.
    InvalidArgument = 4,
    /// A budget of memory or disk is too small.
    Capacity = 5,
    /// The caller asked to stop.
    Cancelled = 6,
    /// A bug in the library. The handle that was used must only be closed.
    Internal = 7,
    /// An accelerator or its driver failed.
    Device = 8,
}

/// A loaded model. May be used from several threads at once.
pub struct RambaModel(Engine);

/// One document, and the answer to the last question about it. Used by one thread at a time.
pub struct RambaSession {
    session: Session,
    decoding: Decoding,
    answer: Option<Answer>,
    /// The text of the answer, and those of its sources.
    text: CString,
    source_texts: Vec<CString>,
}

/// Why an answer ended.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RambaStop {
    /// There is no answer.
    None = 0,
    /// The model ended it.
    End = 1,
    /// It is cut off: there was no room for more tokens.
    Length = 2,
    /// The callback asked to stop.
    Callback = 3,
}

/// What an answer rests on.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RambaSupport {
    /// There is no answer, or the model keeps no chunks, so that nobody can say.
    Unknown = 0,
    /// The document seems not to hold an answer: what there is is a guess.
    None = 1,
    /// The sources carry weight, but the answer does not stand there in these words.
    Found = 2,
    /// The answer stands in the sources, at the places that ramba_quote_at() tells.
    Quoted = 3,
}

/// Bytes of the document's text.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RambaRange {
    /// The first byte.
    pub byte_start: u64,
    /// The byte after the last one.
    pub byte_end: u64,
}

/// A chunk of the document that was read for an answer.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RambaSource {
    /// Number of the chunk in the document.
    pub chunk: u64,
    /// First byte of the document's text that the chunk stands for. The bytes are whole characters.
    pub byte_start: u64,
    /// The byte after the last one.
    pub byte_end: u64,
    /// Mean weight of the chunk over the tokens of the answer, 0 to 1.
    pub weight: f32,
}

/// Gets each token of an answer and the text that it completes: UTF-8, ended by a null byte, valid during the call.
/// `user` is what was given to ramba_ask(). Anything but 0 as the result stops the answer.
pub type RambaOnToken = Option<unsafe extern "C" fn(token: u32, text: *const c_char, user: *mut c_void) -> c_int>;

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

fn remember(message: &str) {
    // `Error` escapes control characters, the null byte among them; a panic's message may hold one.
    let message = CString::new(message.replace('\0', "\\0")).unwrap_or_default();
    // Not accessible only while the thread ends, when nobody can ask any more.
    let _ = LAST_ERROR.try_with(|last| last.replace(message));
}

/// Runs the body of an entry and turns its failure into a status and a message.
fn enter(body: impl FnOnce() -> Result<()>) -> RambaStatus {
    // What a panic leaves half done is behind a handle that the caller is told not to use any more.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => RambaStatus::Ok,
        Ok(Err(e)) => {
            remember(&e.to_string());
            match e.kind() {
                ErrorKind::Io | ErrorKind::Busy => RambaStatus::Io,
                ErrorKind::Format => RambaStatus::Format,
                ErrorKind::Unsupported => RambaStatus::Unsupported,
                ErrorKind::InvalidArgument => RambaStatus::InvalidArgument,
                ErrorKind::Capacity => RambaStatus::Capacity,
                ErrorKind::Cancelled => RambaStatus::Cancelled,
                ErrorKind::Device => RambaStatus::Device,
            }
        }
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message = message.or(panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
            remember(&Error::new(ErrorKind::Io, format!("internal error: {message}")).to_string());
            RambaStatus::Internal
        }
    }
}

/// # Safety
/// `text` is null or a string ended by a null byte that lives and does not change during the use of the result.
unsafe fn utf8<'a>(text: *const c_char, name: &str) -> Result<&'a str> {
    if text.is_null() {
        return Err(Error::invalid(format!("{name} is null")));
    }
    // SAFETY: not null; the rest is the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|e| Error::invalid(format!("{name} is not UTF-8 at byte {}", e.valid_up_to())))
}

/// # Safety
/// `pointer` is null or points to a `T` that nobody else uses during the use of the result.
unsafe fn exclusive<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or_else(|| Error::invalid(format!("{name} is null")))
}

/// The message of the last failure on this thread; empty if there was none. Valid until the next call on this thread.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_last_error() -> *const c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// Opens the model file at `path` and stores a handle in `*model`, to be closed with ramba_model_close(). `threads` are
/// worker threads, at most 512, 0 for one per core.
///
/// After fork() the model can be used in both processes; a session only in the one that opened it, elsewhere its calls fail.
///
/// # Safety
/// `path` must be a string ended by a null byte, `model` a valid place for a pointer. The file must not change while
/// the model is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_model_open(
    path: *const c_char,
    threads: u32,
    model: *mut *mut RambaModel,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `model`.
        let out = unsafe { exclusive(model, "model") }?;
        *out = ptr::null_mut();
        // SAFETY: the caller's promise about `path`.
        let path = unsafe { utf8(path, "path") }?;
        let options = EngineOptions::default().threads(threads as usize);
        *out = Box::into_raw(Box::new(RambaModel(Engine::open(path, &options)?)));
        Ok(())
    })
}

/// Closes a model. Sessions of it stay usable. Null is ignored.
///
/// # Safety
/// `model` must come from ramba_model_open() and not have been closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_model_close(model: *mut RambaModel) {
    if !model.is_null() {
        // SAFETY: it was made by `Box::into_raw` and is given back once; the caller's promise.
        let model = unsafe { Box::from_raw(model) };
        enter(|| {
            drop(model);
            Ok(())
        });
    }
}

/// Starts a session, an empty document, and stores a handle in `*session`, to be closed with ramba_session_close().
/// Chunk memories take `budget_bytes` of memory; the rest of them lies in files in the folder `directory`, which must
/// exist (null for the system's temporary folder). The files have no names and are gone with the session or the process.
///
/// # Safety
/// `model` must be an open model, `directory` null or a string ended by a null byte, `session` a valid place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_session_open(
    model: *const RambaModel,
    directory: *const c_char,
    budget_bytes: u64,
    session: *mut *mut RambaSession,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `session`.
        let out = unsafe { exclusive(session, "session") }?;
        *out = ptr::null_mut();
        // SAFETY: the caller's promise about `model`; it is only read, and an engine may be shared.
        let model = unsafe { model.as_ref() }.ok_or_else(|| Error::invalid("model is null"))?;
        let directory = match directory.is_null() {
            true => None,
            // SAFETY: the caller's promise about `directory`.
            false => Some(PathBuf::from(unsafe { utf8(directory, "directory") }?)),
        };
        let options = SessionOptions::default().budget(budget_bytes).directory(directory);
        let session = model.0.session(&options)?;
        let (decoding, text, source_texts) = (Decoding::Copied, CString::default(), Vec::new());
        *out = Box::into_raw(Box::new(RambaSession { session, decoding, answer: None, text, source_texts }));
        Ok(())
    })
}

/// Closes a session and deletes its memories. Null is ignored.
///
/// # Safety
/// `session` must come from ramba_session_open() and not have been closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_session_close(session: *mut RambaSession) {
    if !session.is_null() {
        // SAFETY: it was made by `Box::into_raw` and is given back once; the caller's promise.
        let session = unsafe { Box::from_raw(session) };
        enter(|| {
            drop(session);
            Ok(())
        });
    }
}

/// Lets the model write from now on what it likes (`free` not 0), or has answers copied from what it reads (0, as at first):
/// they are then spans of whole words that stand there, or several with commas between them.
///
/// # Safety
/// `session` must be an open session that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_set_free_writing(session: *mut RambaSession, free: c_int) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `session`.
        let session = unsafe { exclusive(session, "session") }?;
        session.decoding = if free == 0 { Decoding::Copied } else { Decoding::Free };
        Ok(())
    })
}

/// Checks what can be checked of `question` before there is a document: that it is not blank and leaves room for an answer.
/// `max_tokens` as for ramba_ask(), which checks the same.
///
/// # Safety
/// `model` must be an open model, `question` a string ended by a null byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_check_question(
    model: *const RambaModel,
    question: *const c_char,
    max_tokens: u32,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `model`; it is only read, and an engine may be shared.
        let model = unsafe { model.as_ref() }.ok_or_else(|| Error::invalid("model is null"))?;
        // SAFETY: the caller's promise about `question`.
        let question = unsafe { utf8(question, "question") }?;
        model.0.check_question(question, &options(max_tokens, Decoding::Copied))
    })
}

/// Appends `length` bytes of UTF-8 text to the document. The text may be split anywhere, inside a character too.
///
/// # Safety
/// `session` must be an open session that no other thread uses, `text` must point to `length` bytes (it may be null if
/// there are none).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_feed(session: *mut RambaSession, text: *const c_char, length: usize) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `session`.
        let session = unsafe { exclusive(session, "session") }?;
        if length == 0 {
            return Ok(());
        }
        if text.is_null() || isize::try_from(length).is_err() {
            return Err(Error::invalid(format!("text: {length} bytes at {text:?}")));
        }
        // SAFETY: not null and of a length that a slice can have; that so many bytes are there is the caller's promise.
        let text = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
        session.session.feed_bytes(text)
    })
}

/// Answers `question` from the document, which stays as it is, with at most `max_tokens` tokens (0 for the default). If
/// `on_token` is not null it is called for every token with `user`, and may stop the answer, which then is what has been
/// written so far. It must not use the session.
///
/// The answer can be read with ramba_answer(), and what is to be known of it with ramba_stop_reason(), ramba_answer_support(),
/// ramba_quote_count() and ramba_quote_at(), ramba_source_count(), ramba_source_at() and ramba_source_text(). An answer whose
/// support is RAMBA_SUPPORT_NONE is a guess, which the callback has seen as well.
///
/// # Safety
/// `session` must be an open session that no other thread uses, `question` a string ended by a null byte, `on_token` null
/// or a function that keeps to what is said above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_ask(
    session: *mut RambaSession,
    question: *const c_char,
    max_tokens: u32,
    on_token: RambaOnToken,
    user: *mut c_void,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `session`.
        let session = unsafe { exclusive(session, "session") }?;
        // SAFETY: the caller's promise about `question`.
        let question = unsafe { utf8(question, "question") }?;
        (session.answer, session.text) = (None, CString::default());
        session.source_texts.clear();
        let options = options(max_tokens, session.decoding);
        let answer = session.session.ask(question, &options, &mut |token, text| {
            let Some(on_token) = on_token else { return ControlFlow::Continue(()) };
            let text = c_text(text);
            // SAFETY: the caller's promise about `on_token`; `text` lives until it returns.
            match unsafe { on_token(token, text.as_ptr(), user) } {
                0 => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        })?;
        session.text = c_text(&answer.text);
        session.source_texts = answer.sources.iter().map(|source| c_text(&source.text)).collect();
        session.answer = Some(answer);
        Ok(())
    })
}

/// The answer to the last question: UTF-8, ended by a null byte; empty if there is none. Valid until the next call with
/// this session. A null byte in the answer shows as U+FFFD.
///
/// # Safety
/// `session` must be an open session that no other thread uses, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_answer(session: *const RambaSession) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { session.as_ref() }.map_or(c"".as_ptr(), |s| s.text.as_ptr())
}

/// Why the last answer ended.
///
/// # Safety
/// `session` must be an open session that no other thread uses, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_stop_reason(session: *const RambaSession) -> RambaStop {
    // SAFETY: the caller's promise.
    match unsafe { answer(session) }.map(|answer| answer.stop) {
        None => RambaStop::None,
        Some(StopReason::End) => RambaStop::End,
        Some(StopReason::Length) => RambaStop::Length,
        Some(StopReason::Callback) => RambaStop::Callback,
    }
}

/// What the last answer rests on.
///
/// # Safety
/// `session` must be an open session that no other thread uses, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_answer_support(session: *const RambaSession) -> RambaSupport {
    // SAFETY: the caller's promise.
    match unsafe { answer(session) }.map(|answer| &answer.support) {
        None | Some(Support::Unknown) => RambaSupport::Unknown,
        Some(Support::None) => RambaSupport::None,
        Some(Support::Found) => RambaSupport::Found,
        Some(Support::Quoted(_)) => RambaSupport::Quoted,
    }
}

/// The number of places where the last answer stands in its sources: 1, or one for each of its parts if these stand in
/// different places, and 0 unless its support is RAMBA_SUPPORT_QUOTED.
///
/// # Safety
/// `session` must be an open session that no other thread uses, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_quote_count(session: *const RambaSession) -> usize {
    // SAFETY: the caller's promise.
    unsafe { quotes(session) }.len()
}

/// Stores place `index` of those where the last answer stands in `*range`.
///
/// # Safety
/// `session` must be an open session that no other thread uses, `range` a valid place for a ramba_range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_quote_at(
    session: *const RambaSession,
    index: usize,
    range: *mut RambaRange,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `range`.
        let out = unsafe { exclusive(range, "range") }?;
        *out = RambaRange::default();
        // SAFETY: the caller's promise about `session`; it is only read.
        let quotes = unsafe { quotes(session) };
        let quote = quotes.get(index).ok_or_else(|| Error::invalid(format!("quote {index} of {}", quotes.len())))?;
        let bytes = &quote.bytes;
        *out = RambaRange { byte_start: bytes.start, byte_end: bytes.end };
        Ok(())
    })
}

/// The number of sources of the last answer.
///
/// # Safety
/// `session` must be an open session that no other thread uses, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_source_count(session: *const RambaSession) -> usize {
    // SAFETY: the caller's promise.
    unsafe { answer(session) }.map_or(0, |answer| answer.sources.len())
}

/// Stores source `index` of the last answer in `*source`. They are ordered by weight, heaviest first.
///
/// # Safety
/// `session` must be an open session that no other thread uses, `source` a valid place for a ramba_source.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_source_at(
    session: *const RambaSession,
    index: usize,
    source: *mut RambaSource,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `source`.
        let out = unsafe { exclusive(source, "source") }?;
        *out = RambaSource::default();
        // SAFETY: the caller's promise about `session`; it is only read.
        let session = unsafe { session.as_ref() }.ok_or_else(|| Error::invalid("session is null"))?;
        let sources = session.answer.as_ref().map_or(&[][..], |answer| &answer.sources);
        let s = sources.get(index).ok_or_else(|| Error::invalid(format!("source {index} of {}", sources.len())))?;
        let (byte_start, byte_end) = (s.bytes.start, s.bytes.end);
        *out = RambaSource { chunk: s.chunk, byte_start, byte_end, weight: s.weight };
        Ok(())
    })
}

/// The text of source `index` of the last answer, as it was fed: UTF-8, ended by a null byte; empty if there is none. Valid until
/// the next call of ramba_ask() with this session, whatever becomes of the file that it came from. Null bytes show as U+FFFD.
///
/// # Safety
/// `session` must be an open session that no other thread uses, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_source_text(session: *const RambaSession, index: usize) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { session.as_ref() }.and_then(|s| s.source_texts.get(index)).map_or(c"".as_ptr(), |text| text.as_ptr())
}

/// # Safety
/// `session` is null or an open session that nobody else uses during the use of the result.
unsafe fn answer<'a>(session: *const RambaSession) -> Option<&'a Answer> {
    // SAFETY: the caller's promise.
    unsafe { session.as_ref() }.and_then(|session| session.answer.as_ref())
}

/// # Safety
/// As for [`answer`].
unsafe fn quotes<'a>(session: *const RambaSession) -> &'a [Quote] {
    // SAFETY: the caller's promise.
    match unsafe { answer(session) }.map(|answer| &answer.support) {
        Some(Support::Quoted(quotes)) => quotes,
        _ => &[],
    }
}

/// How to answer with at most `max_tokens` tokens, 0 for the default.
fn options(max_tokens: u32, decoding: Decoding) -> AskOptions {
    let default = AskOptions::default().decoding(decoding);
    match max_tokens {
        0 => default,
        n => default.max_tokens(n as usize),
    }
}

/// `text` for C, with U+FFFD for null bytes.
fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}
