//! Models.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use super::handles::{self, Entry, Handle};
use super::{RambaAskOptions, RambaModelOptions, RambaStatus, enter, options, out, path, slice, utf8};
use crate::Engine;

/// A loaded model. May be used from several threads at once.
pub struct RambaModel(());

pub(super) type Inside = Engine;

impl Handle for RambaModel {
    type Inside = Inside;
    const NAME: &'static str = "model";

    fn entry(inside: Inside) -> Entry {
        Entry::Model(inside)
    }

    fn inside(entry: &Entry) -> Option<&Inside> {
        match entry {
            Entry::Model(inside) => Some(inside),
            _ => None,
        }
    }
}

/// Told how many bytes of a model's weights are loaded, of how many. `user` is that of ramba_model_options. Anything but 0 as the result stops
/// the loading, which fails with RAMBA_STATUS_CANCELLED.
pub type RambaOnLoad = Option<unsafe extern "C" fn(loaded: u64, all: u64, user: *mut c_void) -> c_int>;

/// Opens the model file at `path` (GGUF; of a split model the first part) and stores a handle in `*model`, to be closed with
/// ramba_model_close(). `options` may be null.
///
/// The file is mapped, not copied. It must not be written to while the model is open; to replace it, rename another over it.
///
/// # Safety
/// `path` must be a string ended by a null byte, `options` null or filled by ramba_model_options_default(), with paths that are null or ended by
/// a null byte, `model` a valid place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_model_open(
    path: *const c_char,
    options: *const RambaModelOptions,
    model: *mut *mut RambaModel,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `model`.
        let out = unsafe { out(model, "model") }?;
        *out = ptr::null_mut();
        // SAFETY: the caller's promise about `path` and `options`.
        let (path, options) = unsafe { (self::path(path, "path")?, options::model(options)?) };
        *out = handles::open(Engine::open(path, &options)?);
        Ok(())
    })
}

/// Opens the model file that lies in memory, `length` bytes at `data`, as ramba_model_open() does a file. The bytes are not copied: they must
/// stay as they are until the model and all sessions and libraries of it are closed.
///
/// # Safety
/// `data` must point to `length` bytes that stay as is said above; for the rest as for ramba_model_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_model_open_buffer(
    data: *const c_void,
    length: usize,
    options: *const RambaModelOptions,
    model: *mut *mut RambaModel,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `model`.
        let out = unsafe { out(model, "model") }?;
        *out = ptr::null_mut();
        // SAFETY: the caller's promise about `data`, which is as good as static as long as anything of the model is there.
        let bytes: &'static [u8] = unsafe { slice(data.cast::<u8>(), length, "data") }?;
        // SAFETY: the caller's promise about `options`.
        let options = unsafe { options::model(options) }?;
        *out = handles::open(Engine::from_bytes(bytes, &options)?);
        Ok(())
    })
}

/// Closes a model. Sessions and libraries of it stay usable. Null is ignored.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_model_close(model: *mut RambaModel) -> RambaStatus {
    enter(|| handles::close(model))
}

/// Checks what can be checked of a question, `length` bytes of UTF-8, before there is a document: that it is not blank and leaves room for an
/// answer with `options`, which may be null. ramba_ask() checks the same.
///
/// # Safety
/// `question` must point to `length` bytes, `options` must be null or filled by ramba_ask_options_default().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_check_question(
    model: *const RambaModel,
    question: *const c_char,
    length: usize,
    options: *const RambaAskOptions,
) -> RambaStatus {
    enter(|| {
        let engine = handles::get(model)?;
        // SAFETY: the caller's promise about `question`.
        let question = utf8(unsafe { slice(question.cast::<u8>(), length, "question") }?, "question")?;
        // SAFETY: the caller's promise about `options`.
        let options = unsafe { options::ask(options) }?;
        Ok(engine.check_question(question, &options)?)
    })
}
