//! Libraries of documents that last.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use super::handles::{self, Entry, Handle};
use super::session::with;
use super::{
    Failure, Outcome, RAMBA_NONE, RambaModel, RambaSession, RambaSessionOptions, RambaStatus, Text, enter, name,
    options, out, path, session, slice, value, with_length,
};
use crate::{Library, Session};

/// Documents in a folder that lasts. May be used from several threads at once.
pub struct RambaLibrary(());

/// The library, and the names that ramba_library_document_count() has found last.
pub(super) type Inside = Arc<(Library, Mutex<Vec<Text>>)>;

impl Handle for RambaLibrary {
    type Inside = Inside;
    const NAME: &'static str = "library";

    fn entry(inside: Inside) -> Entry {
        Entry::Library(inside)
    }

    fn inside(entry: &Entry) -> Option<&Inside> {
        match entry {
            Entry::Library(inside) => Some(inside),
            _ => None,
        }
    }
}

/// Told of something in a library that is not as it was written: the name of the document, the chunk (RAMBA_NONE for its text, or if nothing of
/// the document can be used) and what is wrong, both ended by a null byte and valid during the call. `user` is what was given to
/// ramba_library_verify() or ramba_skipped().
pub type RambaOnDamage =
    Option<unsafe extern "C" fn(document: *const c_char, chunk: u64, message: *const c_char, user: *mut c_void)>;

/// Opens the library in the folder `path` and stores a handle in `*library`, to be closed with ramba_library_close(). With `read_only` 0 it is
/// made if it is not there, and nobody else can write to it meanwhile (RAMBA_STATUS_BUSY); otherwise others may. `options` are those of the
/// sessions of its documents, and may be null.
///
/// # Safety
/// `path` must be a string ended by a null byte, `options` null or filled by ramba_session_options_default(), `library` a valid place for a
/// pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_library_open(
    model: *const RambaModel,
    path: *const c_char,
    read_only: c_int,
    options: *const RambaSessionOptions,
    library: *mut *mut RambaLibrary,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `library`.
        let out = unsafe { out(library, "library") }?;
        *out = ptr::null_mut();
        let engine = handles::get(model)?;
        // SAFETY: the caller's promise about `path` and `options`.
        let (path, options) = unsafe { (self::path(path, "path")?, options::session(options)?) };
        let library = if read_only == 0 { engine.library(path, &options) } else { engine.read_library(path, &options) };
        *out = handles::open(Arc::new((library?, Mutex::default())));
        Ok(())
    })
}

/// Closes a library. Sessions of its documents stay usable, and keep it for themselves until they are closed. Null is ignored.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_library_close(library: *mut RambaLibrary) -> RambaStatus {
    enter(|| handles::close(library))
}

/// Looks which documents there are and stores their number in `*count`. Their names are those of ramba_library_document_name().
///
/// # Safety
/// `count` must be a valid place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_library_document_count(library: *mut RambaLibrary, count: *mut usize) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `count`.
        let out = unsafe { out(count, "count") }?;
        *out = 0;
        let library = handles::get(library)?;
        let names: Vec<Text> = library.0.documents().iter().map(|name| Text::new(name)).collect();
        *out = names.len();
        *library.1.lock().unwrap_or_else(PoisonError::into_inner) = names;
        Ok(())
    })
}

/// The name of document `index` of those that ramba_library_document_count() has counted, in the order in which they came: UTF-8, ended by a null
/// byte; empty if there is none. Its bytes without that are stored in `*length`, unless `length` is null. Valid until they are counted again.
///
/// # Safety
/// `length` must be null or a valid place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_library_document_name(
    library: *const RambaLibrary,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    let text = value((Text::EMPTY, 0), || {
        let library = handles::get(library)?;
        let names = library.1.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || Failure::invalid(format!("document {index} of {} that were counted", names.len()));
        let name = names.get(index).ok_or_else(missing)?;
        Ok((name.pointer(), name.len()))
    });
    // SAFETY: the caller's promise about `length`.
    unsafe { with_length(length, text) }
}

/// A session of a document of `library`, as `make` makes it of its name.
///
/// # Safety
/// `document` must be a string ended by a null byte, `session` a valid place for a pointer.
unsafe fn document(
    library: *mut RambaLibrary,
    document: *const c_char,
    session: *mut *mut RambaSession,
    make: impl FnOnce(&Library, &str) -> crate::Result<Session>,
) -> Outcome {
    // SAFETY: the caller's promise about `session`.
    let out = unsafe { out(session, "session") }?;
    *out = ptr::null_mut();
    let library = handles::get(library)?;
    // SAFETY: the caller's promise about `document`.
    let name = unsafe { name(document, "document") }?;
    *out = session::open(make(&library.0, name)?);
    Ok(())
}

/// Starts a new document with the UTF-8 name `document`, and stores a session of it in `*session`, to be closed with ramba_session_close(). It is
/// in the library when it is first committed.
///
/// # Safety
/// `document` must be a string ended by a null byte, `session` a valid place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_library_add(
    library: *mut RambaLibrary,
    document: *const c_char,
    session: *mut *mut RambaSession,
) -> RambaStatus {
    // SAFETY: the caller's promise.
    enter(|| unsafe { self::document(library, document, session, Library::add) })
}

/// As ramba_library_add(), for a document that takes the place of the one with that name, if there is one, when it is first committed.
///
/// # Safety
/// As for ramba_library_add().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_library_replace(
    library: *mut RambaLibrary,
    document: *const c_char,
    session: *mut *mut RambaSession,
) -> RambaStatus {
    // SAFETY: the caller's promise.
    enter(|| unsafe { self::document(library, document, session, Library::replace) })
}

/// Opens a document as it was last committed, without reading anything again, and stores a session of it in `*session`, to be closed with
/// ramba_session_close(): to be asked, and to be read on unless the library is for reading only.
///
/// # Safety
/// As for ramba_library_add().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_library_document(
    library: *mut RambaLibrary,
    document: *const c_char,
    session: *mut *mut RambaSession,
) -> RambaStatus {
    // SAFETY: the caller's promise.
    enter(|| unsafe { self::document(library, document, session, Library::open) })
}

/// Opens `count` documents to be asked together, as they were last committed, and stores a session of them in `*session`, to be closed with
/// ramba_session_close(): for questions only. They stand one after the other in the order of the library, and sources and quotes say which
/// they are of.
///
/// # Safety
/// `documents` must point to `count` strings ended by a null byte, `session` must be a valid place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_library_documents(
    library: *mut RambaLibrary,
    documents: *const *const c_char,
    count: usize,
    session: *mut *mut RambaSession,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `session`.
        let out = unsafe { out(session, "session") }?;
        *out = ptr::null_mut();
        let library = handles::get(library)?;
        // SAFETY: the caller's promise about `documents` and each of them.
        let names: Vec<&str> = unsafe {
            let names = slice(documents, count, "documents")?.iter();
            names.map(|&document| name(document, "document")).collect::<Outcome<_>>()?
        };
        *out = session::open(library.0.open_many(&names)?);
        Ok(())
    })
}

/// Removes a document and gives its room on the disk back.
///
/// # Safety
/// `document` must be a string ended by a null byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_library_remove(library: *mut RambaLibrary, document: *const c_char) -> RambaStatus {
    enter(|| {
        let library = handles::get(library)?;
        // SAFETY: the caller's promise about `document`.
        Ok(library.0.remove(unsafe { name(document, "document") }?)?)
    })
}

/// Reads all of every document and stores in `*damages` how many places of them are not as they were written, each of which `on_damage`, unless it
/// is null, is told of with `user` on the thread that called.
///
/// # Safety
/// `on_damage` must be null or a function that keeps to what is said of it, `damages` a valid place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_library_verify(
    library: *mut RambaLibrary,
    on_damage: RambaOnDamage,
    user: *mut c_void,
    damages: *mut usize,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `damages`.
        let out = unsafe { out(damages, "damages") }?;
        *out = 0;
        let found = handles::get(library)?.0.verify()?;
        *out = found.len();
        for damage in found {
            // SAFETY: the caller's promise about `on_damage`.
            unsafe { tell(on_damage, damage.document, damage.chunk, damage.message, user) };
        }
        Ok(())
    })
}

/// Stores in `*chunks` how many damaged chunks the session has left out so far, as `skip_damaged` of its options asks for, each of which
/// `on_damage`, unless it is null, is told of with `user` on the thread that called.
///
/// # Safety
/// `on_damage` must be null or a function that keeps to what is said of it, `chunks` a valid place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_skipped(
    session: *mut RambaSession,
    on_damage: RambaOnDamage,
    user: *mut c_void,
    chunks: *mut usize,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `chunks`.
        let out = unsafe { out(chunks, "chunks") }?;
        *out = 0;
        // The session is not held while others are told: they may use it.
        let skipped = with(session, |state| Ok(state.session.skipped()?))?;
        *out = skipped.len();
        for (document, chunk) in skipped {
            let document = document.unwrap_or_default();
            // SAFETY: the caller's promise about `on_damage`.
            unsafe { tell(on_damage, document, Some(chunk), "left out: it is damaged".to_owned(), user) };
        }
        Ok(())
    })
}

/// # Safety
/// `on_damage` must be null or a function that keeps to what is said of it, with its own pointer.
unsafe fn tell(on_damage: RambaOnDamage, document: String, chunk: Option<u64>, message: String, user: *mut c_void) {
    let Some(on_damage) = on_damage else { return };
    // Neither has a null byte: names are checked, messages escape control characters.
    let [name, message] = [document, message].map(|text| CString::new(text).unwrap_or_default());
    // SAFETY: the caller's promise about `on_damage`; the texts live until it returns.
    unsafe { on_damage(name.as_ptr(), chunk.unwrap_or(RAMBA_NONE), message.as_ptr(), user) };
}
