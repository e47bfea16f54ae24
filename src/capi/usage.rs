//! How much memory it takes.

use std::ffi::c_char;

use super::session::with;
use super::{RambaModelOptions, RambaSession, RambaSessionOptions, RambaStatus, enter, options, out, path};
use crate::Usage;
use crate::weights::Weights;

/// Memory that a model and a session take, in bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RambaUsage {
    /// The tensors, mapped from the file: the system can drop their pages.
    pub weights: u64,
    /// Weights that are repacked into memory of the process.
    pub repacked: u64,
    /// About the activations of threads, and what kernels take besides.
    pub scratch: u64,
    /// Recurrent states.
    pub state: u64,
    /// Chunk memories in RAM, within the budget. Of all that is here, only this and `disk` depend on the length of a document, and this no
    /// longer when the budget is used.
    pub cache: u64,
    /// Chunk memories on disk, with their text.
    pub disk: u64,
    /// What the process takes that the system cannot drop, which is what Android and containers count: the sum of `repacked`, `scratch`,
    /// `state` and `cache`.
    pub anonymous: u64,
}

impl From<Usage> for RambaUsage {
    fn from(usage: Usage) -> Self {
        let Usage { weights, repacked, scratch, state, cache, disk } = usage;
        Self { weights, repacked, scratch, state, cache, disk, anonymous: usage.anonymous() }
    }
}

/// Stores in `*usage` what a session takes of the model file at `path` when it has read a document of so many tokens and bytes of text and
/// answered a question, if it runs on the processor. Nothing of the model but its header is read. Options may be null.
///
/// # Safety
/// As for ramba_model_open() and ramba_session_open(), and `usage` must be a valid place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_estimate(
    path: *const c_char,
    model_options: *const RambaModelOptions,
    session_options: *const RambaSessionOptions,
    tokens: u64,
    bytes: u64,
    usage: *mut RambaUsage,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `usage`.
        let out = unsafe { out(usage, "usage") }?;
        *out = RambaUsage::default();
        // SAFETY: the caller's promise about the rest.
        let (path, engine, session) =
            unsafe { (self::path(path, "path")?, options::model(model_options)?, options::session(session_options)?) };
        *out = Usage::estimate(Weights::open(&path)?.gguf(), &engine, &session, tokens, bytes)?.into();
        Ok(())
    })
}

/// Stores in `*usage` what the model and this session take now.
///
/// # Safety
/// `usage` must be a valid place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_usage_of(session: *const RambaSession, usage: *mut RambaUsage) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `usage`.
        let out = unsafe { out(usage, "usage") }?;
        *out = RambaUsage::default();
        with(session, |state| {
            *out = state.session.usage().into();
            Ok(())
        })
    })
}
