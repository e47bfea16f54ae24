//! Options of callers whose header may be older or newer than the library.

use std::ffi::{c_char, c_float};
use std::mem::offset_of;
use std::ptr;

use super::{Failure, Outcome, RambaOnLoad, User, name, optional_path};
use crate::{
    AskOptions, Decoding, Device, EncoderOptions, EngineOptions, Error, OnLoad, OrtOptions, Precision, Provider,
    SamplerOptions, SessionOptions,
};

/// Where a model runs.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RambaDevice {
    /// The processor.
    Cpu = 0,
    /// A CUDA device, in builds with CUDA.
    Cuda = 1,
}

/// What encodes the chunks of documents.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RambaEncoder {
    /// The encoder of the model, where the model runs.
    Native = 0,
    /// An ONNX model run by tract, on the processor, in builds with it.
    Tract = 1,
    /// An ONNX model run by ONNX Runtime, in builds with it.
    Ort = 2,
}

/// How keys and values of chunks are stored.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RambaPrecision {
    /// As computed, 4 bytes a value.
    F32 = 0,
    /// IEEE half precision, 2 bytes a value.
    F16 = 1,
    /// One byte a value and one scale for each token and head.
    Int8 = 2,
}

/// How an answer comes about.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RambaDecoding {
    /// It is a span of whole words of what was read for it, or several with commas between them.
    Copied = 0,
    /// The model writes what it likes.
    Free = 1,
}

/// How to open a model. To be filled by ramba_model_options_default().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RambaModelOptions {
    /// Bytes of this structure: what ramba_model_options_default() was called with.
    pub size: usize,
    /// Where the model runs, a ramba_device.
    pub device: u32,
    /// The number of the CUDA device, counted from 0.
    pub device_index: i32,
    /// Worker threads, at most 512; 0 for one per core, and at most eight for a CUDA device. Results do not depend on it.
    pub threads: u32,
    /// What encodes the chunks of documents, a ramba_encoder.
    pub encoder: u32,
    /// The ONNX file of another encoder; null for that of the model.
    pub encoder_file: *const c_char,
    /// The library of ONNX Runtime; null for what the environment variable ORT_DYLIB_PATH names, or else the system's.
    pub encoder_library: *const c_char,
    /// What ONNX Runtime computes on, as "cuda" or "qnn"; null for the processor.
    pub encoder_provider: *const c_char,
    /// Not 0: the processor may do what the provider cannot. Otherwise that is an error.
    pub encoder_allow_cpu: u32,
    /// Not 0: on the processor, quantized weights stay in the pages of the file, which the system can drop, instead of being repacked into
    /// memory of the process. Tokens then take two to four times as long to generate; results are the same.
    pub no_repack: u32,
    /// Told how far opening has come, on the thread of the call, and may stop it; null for nobody.
    pub on_load: RambaOnLoad,
    /// Given to `on_load`.
    pub user: *mut std::ffi::c_void,
}

/// Where and how the memory of a document is kept. To be filled by ramba_session_options_default().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RambaSessionOptions {
    /// Bytes of this structure: what ramba_session_options_default() was called with.
    pub size: usize,
    /// Bytes of RAM for chunk memories, taken as they are used; what does not fit stays on disk.
    pub budget_bytes: u64,
    /// Bytes of its own memory that a device other than the processor may use for chunk memories.
    pub device_budget_bytes: u64,
    /// Folder for the files of temporary documents, which must exist; null for the system's temporary folder. The files have no names, and are
    /// gone with the session or the process.
    pub directory: *const c_char,
    /// How keys and values of chunks are stored, a ramba_precision.
    pub precision: u32,
    /// Not 0: a model whose recurrence is never reset reads documents without HSA, which is faster and changes what it remembers of them.
    pub skip_hsa_while_reading: u32,
    /// Not 0: damaged chunks of a library are left out, with a warning for each in the log and for ramba_skipped(), instead of being an error.
    /// Answers may then lack what these chunks would have told.
    pub skip_damaged: u32,
    /// Nothing.
    pub reserved: u32,
}

/// How to answer. To be filled by ramba_ask_options_default().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RambaAskOptions {
    /// Bytes of this structure: what ramba_ask_options_default() was called with.
    pub size: usize,
    /// Most tokens to generate.
    pub max_tokens: u64,
    /// Two answers of one seed are chosen alike.
    pub seed: u64,
    /// Only this many of the most likely tokens are candidates; 0 for all.
    pub top_k: u64,
    /// How the answer to a question comes about, a ramba_decoding. ramba_generate() always writes freely.
    pub decoding: u32,
    /// What logits are divided by; 0 takes the most likely token always.
    pub temperature: c_float,
    /// Only the fewest most likely tokens whose probabilities sum to this are candidates; 1 for all.
    pub top_p: c_float,
    /// Sources of a smaller mean weight are left out.
    pub min_source_weight: c_float,
}

/// Options with their size in front.
///
/// # Safety
/// The structure begins with its size, as a `usize`, and any bytes that a C program can put into the rest make a value of it.
pub(super) unsafe trait Options: Copy {
    const NAME: &'static str;
    /// Bytes of the structure in the first version of the interface that had it.
    const FIRST: usize;
    fn default() -> Self;
}

// SAFETY: see the structure; all pointers may be anything, callbacks null or what the caller promises.
unsafe impl Options for RambaModelOptions {
    const NAME: &'static str = "ramba_model_options";
    const FIRST: usize = size_of::<Self>();

    fn default() -> Self {
        Self {
            size: size_of::<Self>(),
            device: RambaDevice::Cpu as u32,
            device_index: 0,
            threads: 0,
            encoder: RambaEncoder::Native as u32,
            encoder_file: ptr::null(),
            encoder_library: ptr::null(),
            encoder_provider: ptr::null(),
            encoder_allow_cpu: 0,
            no_repack: 0,
            on_load: None,
            user: ptr::null_mut(),
        }
    }
}

// SAFETY: as above.
unsafe impl Options for RambaSessionOptions {
    const NAME: &'static str = "ramba_session_options";
    const FIRST: usize = offset_of!(Self, skip_damaged);

    fn default() -> Self {
        let SessionOptions { budget, device_budget, .. } = SessionOptions::default();
        Self {
            size: size_of::<Self>(),
            budget_bytes: budget,
            device_budget_bytes: device_budget,
            directory: ptr::null(),
            precision: RambaPrecision::F16 as u32,
            skip_hsa_while_reading: 0,
            skip_damaged: 0,
            reserved: 0,
        }
    }
}

// SAFETY: as above.
unsafe impl Options for RambaAskOptions {
    const NAME: &'static str = "ramba_ask_options";
    const FIRST: usize = size_of::<Self>();

    fn default() -> Self {
        let AskOptions { max_tokens, sampling, min_source_weight, .. } = AskOptions::default();
        Self {
            size: size_of::<Self>(),
            max_tokens: max_tokens as u64,
            seed: sampling.seed,
            top_k: sampling.top_k as u64,
            decoding: RambaDecoding::Copied as u32,
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            min_source_weight,
        }
    }
}

/// Fills the caller's structure of `size` bytes.
///
/// # Safety
/// `to` is null or a place of `size` bytes, aligned for a `T`.
unsafe fn fill<T: Options>(to: *mut T, size: usize) -> Outcome {
    if to.is_null() {
        return Err(Failure::invalid(format!("{} is null", T::NAME)));
    }
    if size < T::FIRST || size > isize::MAX as usize {
        return Err(Failure::invalid(format!("{} of {size} bytes: at least {} were expected", T::NAME, T::FIRST)));
    }
    let default = T::default();
    // SAFETY: `size` bytes are there, the caller's promise, and a T begins with its size. Both are bytes as C sees them, so that padding does
    // no harm. What a newer header has more is 0.
    unsafe {
        ptr::write_bytes(to.cast::<u8>(), 0, size);
        ptr::copy_nonoverlapping((&raw const default).cast::<u8>(), to.cast(), size.min(size_of::<T>()));
        to.cast::<usize>().write(size);
    }
    Ok(())
}

/// The options at `from`; those by default if it is null.
///
/// # Safety
/// `from` is null or points to a T as its [`fill`] has filled it, in which the caller has changed fields.
unsafe fn take<T: Options>(from: *const T) -> Outcome<T> {
    let mut options = T::default();
    if from.is_null() {
        return Ok(options);
    }
    // SAFETY: not null; a T begins with its size.
    let size = unsafe { from.cast::<usize>().read() };
    // A header from the future has hardly a page of options.
    if size < T::FIRST || size > 4096 {
        let name = T::NAME;
        return Err(Failure::invalid(format!("{name} with the size {size}: it is to be filled by {name}_default()")));
    }
    let known = size.min(size_of::<T>());
    // SAFETY: the structure has the bytes that its size says, the caller's promise.
    let more = unsafe {
        ptr::copy_nonoverlapping(from.cast::<u8>(), (&raw mut options).cast(), known);
        std::slice::from_raw_parts(from.cast::<u8>().add(known), size - known)
    };
    if more.iter().any(|&byte| byte != 0) {
        let message = format!("{} has options that this version of the library does not know", T::NAME);
        return Err(Error::unsupported(message).into());
    }
    Ok(options)
}

/// # Safety
/// `from` as for [`take`], its paths null or ended by a null byte.
pub(super) unsafe fn model(from: *const RambaModelOptions) -> Outcome<EngineOptions> {
    // SAFETY: the caller's promise.
    let o = unsafe { take(from) }?;
    let device = match o.device {
        d if d == RambaDevice::Cpu as u32 => Device::Cpu,
        d if d == RambaDevice::Cuda as u32 => Device::Cuda(o.device_index),
        d => return Err(Failure::invalid(format!("device {d} is no ramba_device"))),
    };
    // SAFETY: the caller's promise about the paths and the name.
    let (file, library, provider) = unsafe {
        let provider = match o.encoder_provider.is_null() {
            true => Provider::default(),
            false => name(o.encoder_provider, "encoder_provider")?.parse()?,
        };
        (optional_path(o.encoder_file, "encoder_file")?, optional_path(o.encoder_library, "encoder_library")?, provider)
    };
    let encoder = match o.encoder {
        e if e == RambaEncoder::Native as u32 => EncoderOptions::Native,
        e if e == RambaEncoder::Tract as u32 => EncoderOptions::Tract { file },
        e if e == RambaEncoder::Ort as u32 => {
            let ort = OrtOptions::default().file(file).library(library).provider(provider);
            EncoderOptions::Ort(ort.allow_cpu(o.encoder_allow_cpu != 0))
        }
        e => return Err(Failure::invalid(format!("encoder {e} is no ramba_encoder"))),
    };
    let user = User(o.user);
    let on_load = o.on_load.map(|on_load| {
        OnLoad::new(move |loaded, all| {
            // The whole of it, which may be sent, not the pointer in it.
            let User(user) = { user };
            // SAFETY: a function that keeps to what the header says of it, with the pointer that it is given: the caller's promise.
            super::flow(unsafe { on_load(loaded, all, user) })
        })
    });
    let threads = usize::try_from(o.threads).unwrap_or(usize::MAX);
    let options = EngineOptions::default().device(device).threads(threads).encoder(encoder);
    Ok(options.no_repack(o.no_repack != 0).on_load(on_load))
}

/// # Safety
/// `from` as for [`take`], its path null or ended by a null byte.
pub(super) unsafe fn session(from: *const RambaSessionOptions) -> Outcome<SessionOptions> {
    // SAFETY: the caller's promise.
    let o = unsafe { take(from) }?;
    let precision = match o.precision {
        p if p == RambaPrecision::F32 as u32 => Precision::F32,
        p if p == RambaPrecision::F16 as u32 => Precision::F16,
        p if p == RambaPrecision::Int8 as u32 => Precision::Int8,
        p => return Err(Failure::invalid(format!("precision {p} is no ramba_precision"))),
    };
    // SAFETY: the caller's promise about the path.
    let directory = unsafe { optional_path(o.directory, "directory") }?;
    let options = SessionOptions::default().budget(o.budget_bytes).device_budget(o.device_budget_bytes);
    let options = options.directory(directory).precision(precision);
    let options = options.skip_hsa_while_reading(o.skip_hsa_while_reading != 0);
    Ok(options.skip_damaged(o.skip_damaged != 0))
}

/// # Safety
/// `from` as for [`take`].
pub(super) unsafe fn ask(from: *const RambaAskOptions) -> Outcome<AskOptions> {
    // SAFETY: the caller's promise.
    let o = unsafe { take(from) }?;
    let decoding = match o.decoding {
        d if d == RambaDecoding::Copied as u32 => Decoding::Copied,
        d if d == RambaDecoding::Free as u32 => Decoding::Free,
        d => return Err(Failure::invalid(format!("decoding {d} is no ramba_decoding"))),
    };
    let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let sampling = SamplerOptions::default().temperature(o.temperature).top_k(count(o.top_k));
    let sampling = sampling.top_p(o.top_p).seed(o.seed);
    let options = AskOptions::default().max_tokens(count(o.max_tokens)).decoding(decoding).sampling(sampling);
    Ok(options.min_source_weight(o.min_source_weight))
}

/// Fills `*options` with the defaults. `size` is sizeof *options, which tells the library how old the caller's header is.
///
/// # Safety
/// `options` must be a place of `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_model_options_default(
    options: *mut RambaModelOptions,
    size: usize,
) -> super::RambaStatus {
    // SAFETY: the caller's promise.
    super::enter(|| unsafe { fill(options, size) })
}

/// Fills `*options` with the defaults. `size` is sizeof *options, which tells the library how old the caller's header is.
///
/// # Safety
/// `options` must be a place of `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_session_options_default(
    options: *mut RambaSessionOptions,
    size: usize,
) -> super::RambaStatus {
    // SAFETY: the caller's promise.
    super::enter(|| unsafe { fill(options, size) })
}

/// Fills `*options` with the defaults. `size` is sizeof *options, which tells the library how old the caller's header is.
///
/// # Safety
/// `options` must be a place of `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_ask_options_default(options: *mut RambaAskOptions, size: usize) -> super::RambaStatus {
    // SAFETY: the caller's promise.
    super::enter(|| unsafe { fill(options, size) })
}
