//! Documents from files or standard input, read into a session.

use std::fs::File;
use std::io::{self, Cursor, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use ramba::{Error, ErrorKind, Result, Session};

use crate::{interrupt, process, show};

/// The model file to use: `given`, or the shipped one, looked for in the repository, in the crate as it is published, and under
/// the current folder.
///
/// # Errors
/// `Io` if none is given and the shipped one is not there.
pub fn model_path(given: Option<&Path>) -> Result<PathBuf> {
    const SHIPPED: &str = "models/ramba-small.gguf";
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    [package.with_file_name(SHIPPED), package.join(SHIPPED), PathBuf::from(SHIPPED)]
        .into_iter()
        .find(|p| p.is_file())
        .ok_or_else(|| Error::new(ErrorKind::Io, format!("{SHIPPED} is not here: give a model file with --model")))
}

/// Where a document comes from. It is read once: its passages are quoted from the memory that was made of it.
pub struct Document {
    name: String,
    /// Bytes in all, where the source tells.
    len: Option<u64>,
    source: Box<dyn Read>,
}

/// What reading a document took.
pub struct Reading {
    /// UTF-8 bytes of text.
    pub bytes: u64,
    /// Tokens that these are.
    pub tokens: u64,
    /// Chunks that are remembered.
    pub chunks: u64,
    /// Wall time.
    pub elapsed: Duration,
}

impl Reading {
    /// Mean speed of reading.
    pub fn tokens_per_s(&self) -> f64 {
        self.tokens as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

impl Document {
    /// Opens `path`, or standard input for `-`.
    pub fn open(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self { name: "standard input".into(), len: None, source: Box::new(io::stdin()) });
        }
        let name = path.display().to_string();
        // One that is a pipe waits here for who writes to it.
        let file = interrupt::wait(|| File::open(path))?.map_err(|e| Error::io(format!("opening {name}"), e))?;
        let meta = file.metadata().map_err(|e| Error::io(format!("reading {name}"), e))?;
        if meta.is_dir() {
            return Err(Error::new(ErrorKind::Io, format!("{name} is a directory, not a text file")));
        }
        // A pipe or a device has no length to show progress against.
        Ok(Self { name, len: meta.is_file().then_some(meta.len()), source: Box::new(file) })
    }

    /// `text` as a document.
    pub fn of(text: String) -> Self {
        let len = Some(text.len() as u64);
        Self { name: "the document".into(), len, source: Box::new(Cursor::new(text)) }
    }

    /// Feeds the whole document to `session`, with a progress bar on standard error if that is a terminal.
    pub fn read_into(&mut self, session: &mut Session) -> Result<Reading> {
        let started = Instant::now();
        let bar = bar(self.len);
        let shown = bar.clone();
        session.on_progress(Some(Box::new(move |p| {
            shown.set_position(p.bytes);
            let rate = p.tokens as f64 / started.elapsed().as_secs_f64();
            let rss = process::rss().map_or(String::new(), |b| format!(", {} in RAM", show::mib(b)));
            shown.set_message(format!("{rate:.0} tokens/s{rss}"));
            interrupt::asked()
        })));
        let bytes = self.feed(session).and_then(|bytes| session.prefill().map(|()| bytes));
        session.on_progress(None);
        bar.finish_and_clear();
        let bytes = bytes.map_err(|e| e.context(&self.name))?;
        if bytes == 0 {
            return Err(Error::invalid(format!("{} is empty: there is nothing to read", self.name)));
        }
        Ok(Reading { bytes, tokens: session.tokens(), chunks: session.chunks(), elapsed: started.elapsed() })
    }

    fn feed(&mut self, session: &mut Session) -> Result<u64> {
        let mut block = vec![0; 256 * 1024];
        let mut total = 0;
        loop {
            let got = interrupt::wait(|| self.source.read(&mut block))?;
            let got = match got {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                got => got.map_err(|e| Error::io("reading", e))?,
            };
            if got == 0 {
                return Ok(total);
            }
            session.feed_bytes(&block[..got])?;
            total += got as u64;
        }
    }
}

fn bar(len: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match len {
        Some(len) => (ProgressBar::new(len), "{bar:30} {bytes}/{total_bytes} {msg} {eta}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {msg}"),
    };
    // The templates are constants; a mistake in one would show the default bar.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
