//! The encoder by ONNX Runtime, whose library is loaded at run time.
//!
//! A session that was asked to use a GPU or an NPU may run on the CPU without a word: because the library was built
//! without the provider, because a driver is missing, or operator by operator. Here the provider must be registered, the
//! runtime is told not to fall back, and a first run is profiled to see where each operator really ran.

use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, OnceLock};

use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};
use tempfile::TempDir;

use crate::model::{ChunkEncoder, Memories};
use crate::onnx::names;
use crate::{Error, ErrorKind, Result};

use super::OrtOptions;
use super::guarded;
use super::provider::Provider;
use super::signature::{Port, Signature};

/// A session of ONNX Runtime, for any number of chunks.
pub(super) struct Ort {
    /// A session takes one call at a time, and divides it among its threads.
    session: Mutex<Session>,
    signature: Signature,
    /// The process that has those threads.
    process: u32,
}

/// An execution provider as ONNX Runtime wants it.
struct Wanted {
    /// Its name in messages and in the profile.
    name: &'static str,
    available: bool,
    dispatch: ExecutionProviderDispatch,
}

impl Ort {
    /// Makes a session of the ONNX model in `bytes`.
    ///
    /// # Errors
    /// `Device` if the library or the provider is not to be had, `Format` if the model is damaged or of other shapes.
    pub fn new(bytes: &[u8], signature: Signature, options: &OrtOptions, threads: usize) -> Result<Self> {
        load_library(options.library.as_deref())?;
        let session = guarded("ONNX Runtime", || match wanted(options.provider)? {
            None => session(bytes, &signature, threads),
            Some(wanted) => session_on(&wanted, bytes, &signature, threads, options.allow_cpu),
        })?;
        Ok(Self { session: Mutex::new(session), signature, process: process::id() })
    }
}

/// Loads ONNX Runtime for this process, from `path` or where the environment says.
///
/// The first attempt decides for all: a library stays loaded, and after a failure this version of `ort` would take the
/// next call for a success and run with a library that is not there.
fn load_library(path: Option<&Path>) -> Result<()> {
    static LOADED: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(|| try_load(path).map_err(|e| e.to_string())).clone().map_err(device)
}

fn try_load(path: Option<&Path>) -> Result<()> {
    let named = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = match (path, named) {
        (Some(path), _) => path.to_owned(),
        (None, Some(path)) => path,
        (None, None) => format!("{}onnxruntime{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX).into(),
    };
    // Without this the first call would look for the library and panic. A library that is none of ONNX Runtime can
    // panic here too.
    let environment = guarded("the loader of ONNX Runtime", || {
        ort::init_from(&path).map_err(|e| {
            let hint = "name the library (libonnxruntime) by the option or by ORT_DYLIB_PATH";
            device(format!("ONNX Runtime {path:?} cannot be loaded ({e}): {hint}"))
        })
    })?;
    // Its messages go where ours go. Without effect if the program has made an environment of its own.
    let log = |level: ort::logging::LogLevel, _: &str, _: &str, _: &str, message: &str| {
        use ort::logging::LogLevel as From;
        let level = match level {
            From::Fatal | From::Error => log::Level::Error,
            From::Warning => log::Level::Warn,
            From::Info => log::Level::Debug,
            From::Verbose => log::Level::Trace,
        };
        // Names in it may come from the file.
        log::log!(target: "onnxruntime", level, "{}", message.escape_debug());
    };
    environment.with_name("ramba").with_logger(std::sync::Arc::new(log)).commit();
    Ok(())
}

/// What ONNX Runtime knows of `provider`; `None` for the CPU, which needs no asking for.
fn wanted(provider: Provider) -> Result<Option<Wanted>> {
    Ok(Some(match provider {
        Provider::Cpu => return Ok(None),
        // In full f32: by default products would be rounded to the 10 bits of TF32.
        Provider::Cuda => of(ep::CUDA::default().with_tf32(false))?,
        Provider::TensorRt => of(ep::TensorRT::default())?,
        Provider::MiGraphX => of(ep::MIGraphX::default())?,
        Provider::DirectMl => of(ep::DirectML::default())?,
        Provider::CoreMl => of(ep::CoreML::default())?,
        Provider::OpenVino => of(ep::OpenVINO::default())?,
        Provider::Qnn => of(ep::QNN::default())?,
        Provider::Nnapi => of(ep::NNAPI::default())?,
        Provider::Cann => of(ep::CANN::default())?,
        Provider::Vitis => of(ep::Vitis::default())?,
        Provider::Rknpu => of(ep::RKNPU::default())?,
        Provider::VsiNpu => of(ep::VSINPU)?,
        Provider::Xnnpack => of(ep::XNNPACK::default())?,
    }))
}

fn of<P: ExecutionProvider + Into<ExecutionProviderDispatch>>(provider: P) -> Result<Wanted> {
    let (name, available) = (provider.name(), provider.is_available().map_err(|e| device(e.to_string()))?);
    Ok(Wanted { name, available, dispatch: provider.into().error_on_failure() })
}

/// A session on the CPU.
fn session(bytes: &[u8], signature: &Signature, threads: usize) -> Result<Session> {
    let mut builder = builder(threads)?;
    checked(builder.commit_from_memory(bytes).map_err(damaged)?, signature)
}

/// A session on a provider, and perhaps the CPU.
fn session_on(
    wanted: &Wanted,
    bytes: &[u8],
    signature: &Signature,
    threads: usize,
    allow_cpu: bool,
) -> Result<Session> {
    let on_cpu = |why: String| {
        if allow_cpu {
            log::warn!("{why}: the encoder runs on the CPU instead");
            return session(bytes, signature, threads);
        }
        Err(device(format!("{why}; the CPU would do its work if it were allowed to")))
    };
    if !wanted.available {
        return on_cpu(format!("this library of ONNX Runtime has no {}", wanted.name));
    }
    let registered = builder(threads)?.with_execution_providers([wanted.dispatch.clone()]);
    let mut builder = match registered {
        Ok(builder) => builder,
        Err(e) => return on_cpu(format!("{} is not usable ({e})", wanted.name)),
    };
    if !allow_cpu {
        builder = builder.with_disable_cpu_fallback().map_err(|e| device(e.to_string()))?;
    }
    let profile = folder()?;
    builder = builder.with_profiling(profile.path().join("profile")).map_err(|e| device(e.to_string()))?;
    let session = match builder.commit_from_memory(bytes) {
        Ok(session) => session,
        // If the CPU can do it, the model is not what is wrong.
        Err(e) if self::session(bytes, signature, threads).is_ok() => {
            return on_cpu(format!("{} does not run the whole encoder ({e})", wanted.name));
        }
        Err(e) => return Err(damaged(e)),
    };
    let mut session = checked(session, signature)?;

    let mut memories = Memories::new(signature.chunk);
    let [chunk, hidden] = signature.input();
    run(&mut session, signature, &vec![0.0; chunk * hidden], 1, &mut memories)?;
    let path = session.end_profiling().map_err(|e| device(e.to_string()))?;
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(format!("reading the profile {path:?}"), e))?;
    let (on_provider, elsewhere) = operators(&text, wanted.name)?;
    let all = on_provider + elsewhere;
    if elsewhere > 0 || all == 0 {
        let what = format!("{} ran {on_provider} of {all} operators of the encoder", wanted.name);
        if !allow_cpu {
            return Err(device(format!("{what}; the CPU did the others and is not allowed to")));
        }
        log::warn!("{what}, the CPU the others");
    }
    log::info!("the encoder runs on {}: {on_provider} of {all} operators", wanted.name);
    Ok(session)
}

/// Operators in a profile of ONNX Runtime, a JSON array of events, that ran on `provider`, and elsewhere.
fn operators(profile: &str, provider: &str) -> Result<(usize, usize)> {
    let events: Vec<serde_json::Value> =
        serde_json::from_str(profile).map_err(|e| device(format!("the profile of ONNX Runtime is unreadable: {e}")))?;
    let ran: Vec<&str> = events.iter().filter_map(|event| event["args"]["provider"].as_str()).collect();
    let there = ran.iter().filter(|&&name| name == provider).count();
    Ok((there, ran.len() - there))
}

fn builder(threads: usize) -> Result<ort::session::builder::SessionBuilder> {
    let builder = Session::builder().map_err(|e| device(e.to_string()))?;
    let builder = builder.with_intra_threads(threads).map_err(|e| device(e.to_string()))?;
    // Threads that spin between calls would take the cores from the rest of the model.
    builder.with_intra_op_spinning(false).map_err(|e| device(e.to_string()))
}

fn checked(session: Session, signature: &Signature) -> Result<Session> {
    signature.check_inputs(&session.inputs().iter().map(port).collect::<Vec<_>>())?;
    signature.check_outputs(&session.outputs().iter().map(port).collect::<Vec<_>>())?;
    Ok(session)
}

fn port(outlet: &Outlet) -> Port {
    let (f32, dims) = match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => {
            (*ty == TensorElementType::Float32, Some(shape.iter().map(|&d| usize::try_from(d).ok()).collect()))
        }
        _ => (false, None),
    };
    Port { name: outlet.name().to_owned(), f32: Some(f32), dims }
}

impl ChunkEncoder for Ort {
    fn encode(&self, hidden: &[f32], chunks: usize, out: &mut Memories) -> Result<()> {
        self.signature.check_hidden(hidden, chunks)?;
        if self.process != process::id() {
            return Err(device("ONNX Runtime has no threads after fork(): open the model in the new process"));
        }
        // A panic in the middle poisons it, so that a broken session is not used again.
        let mut session = self.session.lock().map_err(|_| device("ONNX Runtime failed in an earlier call"))?;
        run(&mut session, &self.signature, hidden, chunks, out)
    }
}

fn run(session: &mut Session, signature: &Signature, hidden: &[f32], chunks: usize, out: &mut Memories) -> Result<()> {
    let failed = |e: ort::Error| device(format!("ONNX Runtime, while running: {e}"));
    let [chunk, width] = signature.input();
    let input = TensorRef::from_array_view(([chunks, chunk, width], hidden)).map_err(failed)?;
    let results = session.run(ort::inputs![names::HIDDEN => input]).map_err(failed)?;
    let mut slices = [&[][..]; 3];
    for (slice, (name, dims)) in slices.iter_mut().zip(signature.outputs()) {
        let value = results.get(name).ok_or_else(|| Error::format(format!("no output \"{name}\" came")))?;
        let (shape, values) = value.try_extract_tensor::<f32>().map_err(failed)?;
        let wanted = std::iter::once(chunks).chain(dims.iter().copied());
        if !shape.iter().copied().eq(wanted.map(|d| d as i64)) {
            return Err(Error::format(format!("output \"{name}\" came as {shape} for {chunks} chunks of {dims:?}")));
        }
        *slice = values;
    }
    let [keys, values, landmarks] = slices;
    out.fill(chunks, keys, values, landmarks)
}

/// A folder that nobody else can look into or write to, gone at the end.
fn folder() -> Result<TempDir> {
    let named = tempfile::Builder::new().prefix("ramba-ort-").tempdir();
    named.map_err(|e| Error::io("making a temporary folder for a profile", e))
}

fn device(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Device, message)
}

fn damaged(error: ort::Error) -> Error {
    Error::format(format!("ONNX Runtime: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Config;
    use crate::weights::Weights;

    #[test]
    fn operators_are_counted_by_where_they_ran() {
        let profile = r#"[
            {"cat": "Session", "name": "model_run", "args": {}},
            {"cat": "Node", "name": "a", "args": {"provider": "CUDAExecutionProvider"}},
            {"cat": "Node", "name": "b", "args": {"provider": "CUDAExecutionProvider"}},
            {"cat": "Node", "name": "c", "args": {"provider": "CPUExecutionProvider"}}
        ]"#;
        assert_eq!(operators(profile, "CUDAExecutionProvider").unwrap(), (2, 1));
        assert_eq!(operators("[]", "CUDAExecutionProvider").unwrap(), (0, 0));
        assert_eq!(operators("[", "CUDAExecutionProvider").unwrap_err().kind(), ErrorKind::Device);
    }

    /// The provider for Azure is registered without complaint, and then does none of the operators: just what a GPU that
    /// silently falls back to the CPU does.
    #[test]
    fn a_silent_fall_to_the_cpu_is_an_error_unless_allowed() {
        if std::env::var_os("ORT_DYLIB_PATH").is_none() {
            return test_support::require::lacking("ONNX Runtime: ORT_DYLIB_PATH does not name its library");
        }
        load_library(None).unwrap();
        let idle = of(ep::Azure::default()).unwrap();
        if !idle.available {
            return test_support::require::lacking(format_args!("this library of ONNX Runtime has no {}", idle.name));
        }
        let weights = Weights::from_bytes(include_bytes!("../../tests/fixtures/golden/base.gguf").to_vec()).unwrap();
        let signature = Signature::of(&Config::from_gguf(weights.gguf()).unwrap()).unwrap();
        let bytes = crate::onnx::encoder(&weights).unwrap();
        let error = session_on(&idle, &bytes, &signature, 1, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Device);
        assert!(error.to_string().contains("does not run the whole encoder"), "{error}");
        session_on(&idle, &bytes, &signature, 1, true).unwrap();
        // What the profile says of such a session.
        let profile = folder().unwrap();
        let builder = builder(1).unwrap().with_execution_providers([idle.dispatch.clone()]).unwrap();
        let mut session =
            builder.with_profiling(profile.path().join("profile")).unwrap().commit_from_memory(&bytes).unwrap();
        let hidden = vec![0.5; signature.input().iter().product()];
        run(&mut session, &signature, &hidden, 1, &mut Memories::new(signature.chunk)).unwrap();
        let text = std::fs::read_to_string(session.end_profiling().unwrap()).unwrap();
        let (there, elsewhere) = operators(&text, idle.name).unwrap();
        assert!(there == 0 && elsewhere > 10, "{there} {elsewhere}");
        assert_eq!(operators(&text, "CPUExecutionProvider").unwrap(), (elsewhere, 0));
    }
}
