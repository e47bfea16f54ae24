//! Documents.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, TryLockError};

use super::answer::Answered;
use super::handles::{self, Entry, Handle};
use super::{
    Failure, Outcome, RAMBA_NONE, RambaModel, RambaSessionOptions, RambaStatus, Text, User, enter, flow, name, options,
    out, slice, with_length,
};
use crate::{Cancel, ErrorKind, Mark, Progress, Session};

/// One document, and the answer to the last question about it. Used by one call at a time.
pub struct RambaSession(());

pub(super) type Inside = Arc<Shared>;

pub(super) struct Shared {
    cancel: Cancel,
    state: Mutex<State>,
}

/// What a call has for itself.
pub(super) struct State {
    pub session: Session,
    pub answered: Answered,
    /// What ramba_text() returned last.
    text: Text,
}

impl Handle for RambaSession {
    type Inside = Inside;
    const NAME: &'static str = "session";

    fn entry(inside: Inside) -> Entry {
        Entry::Session(inside)
    }

    fn inside(entry: &Entry) -> Option<&Inside> {
        match entry {
            Entry::Session(inside) => Some(inside),
            _ => None,
        }
    }
}

/// A handle for `session`.
pub(super) fn open(session: Session) -> *mut RambaSession {
    let cancel = session.cancel();
    let state = Mutex::new(State { session, answered: Answered::default(), text: Text::default() });
    handles::open(Arc::new(Shared { cancel, state }))
}

/// Does `work` with a session that no other call uses.
pub(super) fn with<T>(session: *const RambaSession, work: impl FnOnce(&mut State) -> Outcome<T>) -> Outcome<T> {
    let shared = handles::get(session)?;
    let mut state = match shared.state.try_lock() {
        Ok(state) => state,
        Err(TryLockError::WouldBlock) => {
            let message = "another call uses the session, or this is a callback of one";
            return Err(crate::Error::new(ErrorKind::Busy, message).into());
        }
        Err(TryLockError::Poisoned(_)) => return Err(Failure::internal("the session failed in an earlier call")),
    };
    work(&mut state)
}

/// How far a session has come.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RambaProgress {
    /// Bytes of text taken.
    pub bytes: u64,
    /// Tokens read.
    pub tokens: u64,
    /// Chunks in the memory.
    pub chunks: u64,
}

/// Told how far reading has come, on the thread that called; `*progress` is valid during the call. `user` is what was given to
/// ramba_set_progress(). Anything but 0 as the result stops the reading: the call fails with RAMBA_STATUS_CANCELLED, and reading can go on
/// from the byte that ramba_progress_of() tells.
pub type RambaOnProgress = Option<unsafe extern "C" fn(progress: *const RambaProgress, user: *mut c_void) -> c_int>;

/// Starts a session, an empty document that is gone when it is closed, and stores a handle in `*session`, to be closed with
/// ramba_session_close(). `options` may be null.
///
/// # Safety
/// `options` must be null or filled by ramba_session_options_default(), with a directory that is null or ended by a null byte, `session` a valid
/// place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_session_open(
    model: *const RambaModel,
    options: *const RambaSessionOptions,
    session: *mut *mut RambaSession,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `session`.
        let out = unsafe { out(session, "session") }?;
        *out = ptr::null_mut();
        let engine = handles::get(model)?;
        // SAFETY: the caller's promise about `options`.
        let options = unsafe { options::session(options) }?;
        *out = open(engine.session(&options)?);
        Ok(())
    })
}

/// Closes a session. What it has read is gone, unless it is of a library and committed. If another call uses the session, it ends with that
/// call. Null is ignored.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_session_close(session: *mut RambaSession) -> RambaStatus {
    enter(|| handles::close(session))
}

/// Sets what is told how far reading has come; null for nobody. `user` is given to it, and must be good for that until another is set or the
/// session is closed.
///
/// # Safety
/// `on_progress` must be null or a function that keeps to what is said of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_set_progress(
    session: *mut RambaSession,
    on_progress: RambaOnProgress,
    user: *mut c_void,
) -> RambaStatus {
    enter(|| {
        with(session, |state| {
            let user = User(user);
            state.session.on_progress(on_progress.map(|on_progress| -> crate::OnProgress {
                Box::new(move |progress| {
                    // The whole of it, which may be sent, not the pointer in it.
                    let User(user) = { user };
                    let Progress { bytes, tokens, chunks } = progress;
                    let progress = RambaProgress { bytes, tokens, chunks };
                    // SAFETY: a function that keeps to what is said of it, with its own pointer: the caller's promise.
                    flow(unsafe { on_progress(&progress, user) })
                })
            }));
            Ok(())
        })
    })
}

/// Appends `length` bytes of UTF-8 to the document. The text may be split anywhere, inside a character too. A call reads what is due of it; a
/// long text is best fed in pieces of some 100 KB for each thread.
///
/// After RAMBA_STATUS_CANCELLED the text up to the byte that ramba_progress_of() tells has been taken, and nothing from it on.
///
/// # Safety
/// `text` must point to `length` bytes (it may be null if there are none).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_feed(session: *mut RambaSession, text: *const c_char, length: usize) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `text`.
        let text = unsafe { slice(text.cast::<u8>(), length, "text") }?;
        with(session, |state| Ok(state.session.feed_bytes(text)?))
    })
}

/// Appends `count` tokens to the document: for models without a tokenizer.
///
/// # Safety
/// `tokens` must point to `count` tokens (it may be null if there are none).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_feed_tokens(
    session: *mut RambaSession,
    tokens: *const u32,
    count: usize,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `tokens`.
        let tokens = unsafe { slice(tokens, count, "tokens") }?;
        with(session, |state| Ok(state.session.feed_tokens(tokens)?))
    })
}

/// Says what stands at byte `at` of the document's text and after it: byte `origin` of the original file (RAMBA_NONE where it has no such place;
/// following bytes go one for one until the next mark), and what people call the place, such as "page 12", at most 1024 bytes of UTF-8 ended by a
/// null byte, which holds until the next label (null: the one before goes on; empty: it ends). Answers give it back with their sources and
/// quotes. Marks come in order, each when the text before it has been fed.
///
/// # Safety
/// `label` must be null or a string ended by a null byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_mark(
    session: *mut RambaSession,
    at: u64,
    origin: u64,
    label: *const c_char,
) -> RambaStatus {
    enter(|| {
        let mut mark = Mark::new(at).origin((origin != RAMBA_NONE).then_some(origin));
        if !label.is_null() {
            // SAFETY: the caller's promise about `label`.
            mark = mark.label(unsafe { name(label, "label") }?);
        }
        with(session, |state| Ok(state.session.mark(&mark)?))
    })
}

/// Reads everything that was fed, up to its end, so that the next question is answered at once.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_prefill(session: *mut RambaSession) -> RambaStatus {
    enter(|| with(session, |state| Ok(state.session.prefill()?)))
}

/// Makes all that was fed last, in the library that the document is of: when this returns, neither the end of the process nor that of the
/// machine takes anything of it away. If reading is cancelled, what is read by then is committed, and the rest read later.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_commit(session: *mut RambaSession) -> RambaStatus {
    enter(|| with(session, |state| Ok(state.session.commit()?)))
}

/// Stops the call that uses the session, from any thread or from a callback: it ends with RAMBA_STATUS_CANCELLED in about the time that a chunk takes to
/// be read. So do all later ones, until ramba_uncancel(): a request that comes between two calls is not lost.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_cancel(session: *const RambaSession) -> RambaStatus {
    enter(|| {
        handles::get(session)?.cancel.cancel();
        Ok(())
    })
}

/// Takes the request of ramba_cancel() back. The session goes on from where it was stopped.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_uncancel(session: *const RambaSession) -> RambaStatus {
    enter(|| {
        handles::get(session)?.cancel.clear();
        Ok(())
    })
}

/// Stores in `*progress` how far the session has come.
///
/// # Safety
/// `progress` must be a valid place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_progress_of(session: *const RambaSession, progress: *mut RambaProgress) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `progress`.
        let out = unsafe { out(progress, "progress") }?;
        *out = RambaProgress::default();
        with(session, |state| {
            let session = &state.session;
            *out = RambaProgress { bytes: session.bytes(), tokens: session.tokens(), chunks: session.chunks() };
            Ok(())
        })
    })
}

/// Tokens that the model has run over for the document since the session was opened: 0 for one of a library that is only asked.
///
/// # Safety
/// `tokens` must be a valid place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_tokens_computed(session: *const RambaSession, tokens: *mut u64) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `tokens`.
        let out = unsafe { out(tokens, "tokens") }?;
        *out = 0;
        with(session, |state| {
            *out = state.session.tokens_computed();
            Ok(())
        })
    })
}

/// Stores in `*text` the text of the document from byte `byte_start` up to byte `byte_end`, as it was fed, and in `*length` its bytes. It is
/// UTF-8, where a character that is cut shows as U+FFFD, ended by a null byte, and valid until the next call of this function with this
/// session.
///
/// # Safety
/// `text` and `length` must be valid places; `length` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_text(
    session: *mut RambaSession,
    byte_start: u64,
    byte_end: u64,
    text: *mut *const c_char,
    length: *mut usize,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `text`.
        let out = unsafe { out(text, "text") }?;
        // SAFETY: the caller's promise about `length`.
        *out = unsafe { with_length(length, (Text::EMPTY, 0)) };
        with(session, |state| {
            state.text.set(&state.session.text(byte_start..byte_end)?);
            // SAFETY: as above.
            *out = unsafe { with_length(length, (state.text.pointer(), state.text.len())) };
            Ok(())
        })
    })
}
