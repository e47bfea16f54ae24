//! A flag that stops what is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, ErrorKind, Result};

/// Stops the work of a [`Session`](crate::Session) from any thread: reading, a question, an answer that is being written.
///
/// What is stopped ends with an error of kind [`Cancelled`](ErrorKind::Cancelled) as soon as no thread computes a layer any more, in about the
/// time that a chunk takes to be read. So does all that is begun later, until [`clear`](Cancel::clear): a request that comes between two calls is not
/// lost. A clone is the same flag.
///
/// ```no_run
/// # fn main() -> ramba::Result<()> {
/// # use ramba::{Engine, EngineOptions, SessionOptions};
/// # let engine = Engine::open("models/ramba-small.gguf", &EngineOptions::default())?;
/// let mut session = engine.session(&SessionOptions::default())?;
/// let cancel = session.cancel();
/// std::thread::spawn(move || {
///     std::thread::sleep(std::time::Duration::from_secs(5));
///     cancel.cancel();
/// });
/// // Fails with `Cancelled` if it takes longer than that; what was read by then is there.
/// session.feed(&std::fs::read_to_string("book.txt").unwrap())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Takes the request back: what is begun from now on is done.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether there is a request to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails if there is a request to stop.
    ///
    /// # Errors
    /// `Cancelled`.
    pub(crate) fn check(&self) -> Result<()> {
        match self.is_cancelled() {
            true => Err(Error::new(ErrorKind::Cancelled, "stopped by the caller")),
            false => Ok(()),
        }
    }
}
