//! Ctrl-C and its relatives: the work is asked to stop, what it holds is given up in order, and the process ends with 128 +
//! the number of the signal as its status: 130 for SIGINT (Ctrl-C), 143 for SIGTERM, 129 for SIGHUP. A second signal ends it
//! at once.
//!
//! A signal that was ignored when the process started, as SIGHUP is under `nohup`, stays ignored.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use ramba::{Answer, AskOptions, Error, ErrorKind, Result, Session};
use signal_hook::{consts, flag};

use crate::process;

/// The signal that came, or 0.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
/// Whether a signal ends the process without asking: when one has come already, and while nothing but input is waited for.
static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Signals that ask a process to end, with their names.
const SIGNALS: &[(i32, &str)] = &[
    (consts::SIGINT, "SIGINT"),
    (consts::SIGTERM, "SIGTERM"),
    #[cfg(unix)]
    (consts::SIGHUP, "SIGHUP"),
];

/// The signal that ends programs whose output nobody reads, where they do not ask otherwise.
const SIGPIPE: u8 = 13;

/// To be called first in `main`.
///
/// # Errors
/// `Io` if the system does not let us.
pub fn install() -> Result<()> {
    let io = |e| Error::io("preparing for signals", e);
    for &(signal, _) in SIGNALS.iter().filter(|(signal, _)| !process::ignores(*signal)) {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&AT_ONCE)).map_err(io)?;
        flag::register_usize(signal, Arc::clone(&SIGNAL), signal as usize).map_err(io)?;
        flag::register(signal, Arc::clone(&AT_ONCE)).map_err(io)?;
    }
    // With a handler, a write beyond the limit of a file's size is an error like that of a full disk.
    #[cfg(unix)]
    flag::register(consts::SIGXFSZ, Arc::default()).map_err(io)?;
    Ok(())
}

/// Whether to go on.
pub fn asked() -> ControlFlow<()> {
    if SIGNAL.load(Ordering::SeqCst) == 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// # Errors
/// `Cancelled` if a signal has come.
pub fn check() -> Result<()> {
    let number = SIGNAL.load(Ordering::SeqCst);
    match SIGNALS.iter().find(|(signal, _)| *signal as usize == number) {
        Some((_, name)) => Err(Error::new(ErrorKind::Cancelled, format!("stopped by {name}"))),
        None => Ok(()),
    }
}

/// Runs `input`, which may wait for ever and holds nothing that would be left behind: a signal ends the process at once.
///
/// # Errors
/// `Cancelled` if a signal has come already.
pub fn wait<T>(input: impl FnOnce() -> T) -> Result<T> {
    AT_ONCE.store(true, Ordering::SeqCst);
    check()?;
    let result = input();
    AT_ONCE.store(false, Ordering::SeqCst);
    Ok(result)
}

/// [`Session::answer`], which a signal stops.
///
/// # Errors
/// Those of the session, and `Cancelled`.
pub fn answer(session: &mut Session, question: &str, options: &AskOptions) -> Result<Answer> {
    let answer = session.ask(question, options, &mut |_, _| asked());
    check()?;
    answer
}

/// What `main` returns for `done`, after telling people of a failure.
pub fn exit(done: Result<ExitCode>) -> ExitCode {
    let e = match done {
        Ok(status) => return status,
        Err(e) => e,
    };
    let signal = SIGNAL.load(Ordering::SeqCst);
    if signal != 0 && e.kind() == ErrorKind::Cancelled {
        let e = check().err().unwrap_or(e);
        eprintln!("error: {e}");
        return ExitCode::from(u8::try_from(128 + signal).unwrap_or(1));
    }
    // Who asked for the output has seen enough of it, as `head` does.
    let source = std::error::Error::source(&e).and_then(|source| source.downcast_ref::<std::io::Error>());
    if source.is_some_and(|source| source.kind() == std::io::ErrorKind::BrokenPipe) {
        return ExitCode::from(128 + SIGPIPE);
    }
    eprintln!("error: {e}");
    ExitCode::FAILURE
}
