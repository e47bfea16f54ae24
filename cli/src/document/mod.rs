//! Documents as people have them: files of text, Markdown, HTML, PDF, EPUB, DOCX, CSV and JSON lines, or standard input, as text for a
//! session, with marks that say where in the file it stands.

mod archive;
mod blocks;
mod docx;
mod encoding;
mod epub;
mod format;
mod html;
mod markdown;
mod page;
mod paths;
mod pdf;
mod table;
mod text;
mod writer;

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use encoding_rs::Encoding;
use indicatif::{ProgressBar, ProgressStyle};
use ramba::{Error, ErrorKind, Mark, Result, Session};

use crate::{interrupt, process, show};
use encoding::{Encoded, Examiner};

pub use format::Format;
pub use paths::find;
use writer::Writer;
pub use writer::{Note, Output, tell};

/// Bytes at the start of a file that tell its format.
const START: usize = 64 << 10;

/// Bytes of standard input or a pipe that tell the encoding: it cannot be read twice.
const PIPE_START: usize = 1 << 20;

/// Bytes of Markdown or HTML, which are read at once.
const MARKUP: u64 = 256 << 20;

/// How documents are read.
#[derive(Args, Clone, Default)]
pub struct DocumentArgs {
    /// Encoding of the text, such as utf-8, windows-1252 or shift_jis [default: found out, and said if it is not UTF-8]
    #[arg(long, value_name = "NAME", value_parser = encoding::by_name)]
    pub encoding: Option<&'static Encoding>,
    /// Format of the documents [default: found out by what is in them, then by their names]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub format: Option<Format>,
}

/// Where a document comes from, and what it is. It is read once: its passages are quoted from the memory that was made of it.
pub struct Document {
    name: String,
    input: Input,
    format: Format,
    /// The encoding of formats that have one.
    encoded: Encoded,
    /// Whether all of it is known to be in that encoding.
    sure: bool,
    start: Vec<u8>,
}

/// Where the bytes of a document come from.
pub(crate) struct Input {
    source: Box<dyn Read>,
    /// Bytes in all, where the source tells.
    len: Option<u64>,
}

impl Input {
    /// All of it, if that is at most `most` bytes.
    ///
    /// # Errors
    /// `Capacity` if it is more, and those of reading.
    fn whole(self, most: u64) -> Result<Vec<u8>> {
        let too_large = || Error::capacity(format!("more than {most} bytes, which are read at once in this format"));
        if self.len.is_some_and(|len| len > most) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let (mut source, mut buffer) = (self.source, vec![0; 256 << 10]);
        loop {
            let got = block(&mut source, &mut buffer)?;
            if got == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&buffer[..got]);
            if bytes.len() as u64 > most {
                return Err(too_large());
            }
        }
    }
}

/// Reads some bytes, none at the end. A signal ends the process while it waits for them.
fn block(source: &mut dyn Read, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match interrupt::wait(|| source.read(buffer))? {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            got => return got.map_err(|e| Error::io("reading", e)),
        }
    }
}

/// The same for what reads from a [`Read`]: `Interrupted` means that a signal came.
fn interruptible(source: Box<dyn Read>) -> Box<dyn Read> {
    struct Interruptible(Box<dyn Read>);
    impl Read for Interruptible {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            interrupt::wait(|| self.0.read(buffer)).unwrap_or_else(|_| Err(io::Error::other("stopped")))
        }
    }
    Box::new(Interruptible(source))
}

/// What reading a document took, and what there is to say of it.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The name of the document.
    pub name: String,
    /// UTF-8 bytes of text.
    pub bytes: u64,
    /// Tokens that these are.
    pub tokens: u64,
    /// Chunks that are remembered.
    pub chunks: u64,
    /// Wall time.
    pub elapsed: Duration,
    /// What its text does not show, for people.
    pub notes: Vec<Note>,
}

impl Reading {
    /// Tells what there is to say, on standard error.
    pub fn tell(&self) {
        tell(&self.name, &self.notes);
    }

    /// Mean speed of reading.
    pub fn tokens_per_s(&self) -> f64 {
        self.tokens as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

impl Document {
    /// Opens `path`, or standard input for `-`, as it is found to be.
    ///
    /// # Errors
    /// Those of [`Document::open_as`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_as(path, &DocumentArgs::default())
    }

    /// Opens `path`, or standard input for `-`, as `args` say.
    ///
    /// # Errors
    /// `Io` if it cannot be read, `Unsupported` if it is something that is not read, each with its name.
    pub fn open_as(path: &Path, args: &DocumentArgs) -> Result<Self> {
        let (name, input, file) = if path == Path::new("-") {
            ("standard input".into(), Input { source: Box::new(io::stdin()), len: None }, None)
        } else {
            let name = path.display().to_string();
            // One that is a pipe waits here for who writes to it.
            let opened = interrupt::wait(|| File::open(path))?;
            let file = opened.map_err(|e| match paths::similar(path) {
                Some(other) if e.kind() == io::ErrorKind::NotFound => {
                    Error::new(ErrorKind::Io, format!("{name} is not there: did you mean {}?", other.display()))
                }
                _ => Error::io(format!("opening {name}"), e),
            })?;
            let meta = file.metadata().map_err(|e| Error::io(format!("reading {name}"), e))?;
            if meta.is_dir() {
                return Err(Error::new(ErrorKind::Io, format!("{name} is a directory, not a document")));
            }
            // A pipe or a device has no length to show progress against, and cannot be read twice.
            let again = if meta.is_file() { file.try_clone().ok() } else { None };
            (name, Input { source: Box::new(file), len: meta.is_file().then_some(meta.len()) }, again)
        };
        Self::examine(name.clone(), input, file, path, args).map_err(|e| e.context(name))
    }

    /// `text` as a document.
    pub fn of(text: String) -> Self {
        let len = Some(text.len() as u64);
        Self {
            name: "the document".into(),
            input: Input { source: Box::new(Cursor::new(text)), len },
            format: Format::Text,
            encoded: Encoded { encoding: encoding_rs::UTF_8, mark: 0, guessed: false },
            sure: true,
            start: Vec::new(),
        }
    }

    /// The same document, called `name`.
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// What `file` holds, which is called `name`, as a document.
    ///
    /// # Errors
    /// Those of [`Document::open_as`].
    pub fn from_file(name: &str, file: File, args: &DocumentArgs) -> Result<Self> {
        let io = |e| Error::io("reading", e);
        let (len, again) = (file.metadata().map_err(io)?.len(), file.try_clone().map_err(io)?);
        let input = Input { source: Box::new(file), len: Some(len) };
        Self::examine(name.into(), input, Some(again), Path::new(name), args).map_err(|e| e.context(name))
    }

    /// Finds out what `input` is. A `file` is read to its end for that, if need be.
    fn examine(name: String, mut input: Input, file: Option<File>, path: &Path, args: &DocumentArgs) -> Result<Self> {
        let most = if file.is_some() { START } else { PIPE_START };
        let (mut start, mut buffer) = (Vec::new(), vec![0; START]);
        let mut whole = false;
        while start.len() < most {
            let got = block(&mut input.source, &mut buffer)?;
            start.extend_from_slice(&buffer[..got]);
            // What comes from a pipe is not waited for: a terminal shows what is known.
            whole = got == 0;
            if whole {
                break;
            }
        }
        let format = args.format.map_or_else(|| Format::detect(&start, path), Ok)?;
        let rest = std::mem::replace(&mut input.source, Box::new(io::empty()));
        input.source = Box::new(Cursor::new(start.clone()).chain(rest));
        let mut document = Self {
            name,
            input,
            format,
            encoded: Encoded { encoding: encoding_rs::UTF_8, mark: 0, guessed: false },
            sure: true,
            start,
        };
        if !matches!(format, Format::Pdf | Format::Epub | Format::Docx) {
            (document.encoded, document.sure) = document.find_encoding(file, whole, args)?;
        }
        Ok(document)
    }

    /// The encoding of a text, and whether that is known of all of it.
    fn find_encoding(&self, file: Option<File>, whole: bool, args: &DocumentArgs) -> Result<(Encoded, bool)> {
        let known = encoding::of_start(&self.start)?;
        if let Some(encoding) = args.encoding {
            let mark = known.filter(|known| known.encoding == encoding).map_or(0, |known| known.mark);
            return Ok((Encoded { encoding, mark, guessed: false }, true));
        }
        if let Some(known) = known {
            return Ok((known, true));
        }
        let mut examiner = Examiner::default();
        let mut whole = whole;
        examiner.feed(&self.start);
        if let Some(mut file) = file.filter(|_| !whole) {
            let io = |e| Error::io("reading", e);
            // The two share their place in the file.
            let place = file.stream_position().map_err(io)?;
            let mut buffer = vec![0; 1 << 20];
            loop {
                let got = block(&mut file, &mut buffer)?;
                if got == 0 {
                    break;
                }
                examiner.feed(&buffer[..got]);
            }
            file.seek(io::SeekFrom::Start(place)).map_err(io)?;
            whole = true;
        }
        if examiner.controls * 100 > examiner.bytes {
            return Err(Error::unsupported("it is not text, nor any of the formats that are read"));
        }
        let declared = (self.format == Format::Html).then(|| html::declared(&self.start)).flatten();
        let found = examiner.end(whole);
        Ok(match declared {
            // Pages that say so and are not UTF-8 are right.
            Some(encoding) if found.guessed => (Encoded { encoding, mark: 0, guessed: false }, true),
            _ => (found, whole),
        })
    }

    /// The name of the file, as people know it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Hands its text to `output`, and tells what that does not show.
    ///
    /// # Errors
    /// What is wrong with the file, with its name, and those of the output.
    pub fn read(self, output: &mut dyn Output) -> Result<Vec<Note>> {
        let name = self.name.clone();
        self.read_unnamed(output).map_err(|e| e.context(name))
    }

    fn read_unnamed(self, output: &mut dyn Output) -> Result<Vec<Note>> {
        let Self { mut input, encoded, .. } = self;
        let mut writer = Writer::new(output);
        if encoded.guessed {
            let encoding = encoded.encoding.name();
            writer.note(None, format!("read as {encoding}, which it seems to be: --encoding says otherwise"));
        }
        match self.format {
            Format::Text => text::read(&mut input, encoded, self.sure, &mut writer)?,
            Format::Markdown => markdown::read(&input.whole(MARKUP)?, encoded, &mut writer)?,
            Format::Html => html::read(&input.whole(MARKUP)?, encoded, &mut writer)?,
            Format::Pdf => {
                let bytes = input.whole(pdf::FILE)?;
                writer.original(&bytes)?;
                pdf::read(bytes, &mut writer)?;
            }
            Format::Epub => epub::read(input.whole(archive::ARCHIVE)?, &mut writer)?,
            Format::Docx => docx::read(input.whole(archive::ARCHIVE)?, &mut writer)?,
            Format::Csv => table::read_csv(input, encoded, None, &self.start, &mut writer)?,
            Format::Tsv => table::read_csv(input, encoded, Some(b'\t'), &self.start, &mut writer)?,
            Format::Jsonl => table::read_jsonl(input, encoded, &mut writer)?,
        }
        writer.finish()
    }

    /// Feeds the whole document to `session`, with a progress bar on standard error if that is a terminal.
    ///
    /// # Errors
    /// Those of [`Document::read`] and of the session, and `InvalidArgument` if there is no text.
    pub fn read_into(self, session: &mut Session) -> Result<Reading> {
        self.read_named(session, String::new())
    }

    /// The same, with labels that begin with `prefix`, unless it is empty.
    fn read_named(self, session: &mut Session, prefix: String) -> Result<Reading> {
        let started = Instant::now();
        let name = self.name.clone();
        let (bar, before) = (watch(&name, session), session.bytes());
        if !prefix.is_empty() {
            session.mark(&Mark::new(before).label(&prefix))?;
        }
        let read = self.read(&mut Feed { session, bar: bar.clone(), before, prefix });
        let read = read.and_then(|notes| session.prefill().map(|()| notes).map_err(|e| e.context(&name)));
        bar.end(session);
        let notes = read?;
        let bytes = session.bytes() - before;
        if bytes == 0 {
            return Err(Error::invalid(format!("{name} is empty: there is nothing to read")));
        }
        let (tokens, chunks) = (session.tokens(), session.chunks());
        Ok(Reading { name, bytes, tokens, chunks, elapsed: started.elapsed(), notes })
    }

    /// The name of the file without that of its folder.
    fn short_name(&self) -> String {
        let name =
            Path::new(&self.name).file_name().map_or(self.name.clone(), |name| name.to_string_lossy().into_owned());
        name.chars().take(100).collect()
    }
}

/// Steps of a bar.
const STEPS: f64 = 10_000.0;

/// Shows how far a session comes with a document, on standard error if that is a terminal.
#[derive(Clone)]
pub(crate) struct Watch {
    bar: ProgressBar,
    /// The part of the document that the session has the text of, and the tokens that are its.
    fed: Arc<Mutex<Option<(f64, u64)>>>,
    /// Tokens of the session before.
    before: u64,
}

/// Watches how far `session` comes with the document `name`; a signal stops it.
pub(crate) fn watch(name: &str, session: &mut Session) -> Watch {
    let bar = if io::IsTerminal::is_terminal(&io::stderr()) { ProgressBar::no_length() } else { ProgressBar::hidden() };
    bar.set_style(style("{spinner} {wide_msg}"));
    let watch = Watch { bar, fed: Arc::default(), before: session.tokens() };
    let (started, shown, name) = (Instant::now(), watch.clone(), show::one_short_line(name));
    session.on_progress(Some(Box::new(move |p| {
        let tokens = p.tokens.saturating_sub(shown.before);
        shown.read(tokens);
        let rate = tokens as f64 / started.elapsed().as_secs_f64().max(1e-3);
        let (tokens, rate) = (show::grouped(tokens), show::grouped(rate as u64));
        let rss = process::rss().map_or(String::new(), |b| format!(", {} in RAM", show::mib(b)));
        shown.bar.set_message(format!("{tokens} tokens, {rate} a second, {name}{rss}"));
        shown.bar.tick();
        interrupt::asked()
    })));
    watch
}

/// The templates are constants; a mistake in one would show the default bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Watch {
    /// Takes it that `session` has the text of a part of the document, 0 to 1.
    pub(crate) fn fed(&self, part: f64, session: &Session) {
        let tokens = session.tokens().saturating_sub(self.before);
        *self.fed.lock().unwrap_or_else(PoisonError::into_inner) = Some((part, tokens));
    }

    /// Shows that `tokens` of it are read.
    fn read(&self, tokens: u64) {
        let Some((part, fed)) = *self.fed.lock().unwrap_or_else(PoisonError::into_inner) else { return };
        if self.bar.length().is_none() {
            self.bar.set_length(STEPS as u64);
            self.bar.set_style(style("{bar:12} {percent:>3} %, {eta} left, {wide_msg}"));
        }
        self.bar.set_position((STEPS * part * (tokens as f64 / fed.max(1) as f64).min(1.0)) as u64);
    }

    /// Nothing is shown any more.
    pub(crate) fn end(&self, session: &mut Session) {
        session.on_progress(None);
        self.bar.finish_and_clear();
    }
}

/// Feeds a session.
struct Feed<'s> {
    session: &'s mut Session,
    bar: Watch,
    /// Bytes of the session before, and what labels begin with.
    before: u64,
    prefix: String,
}

impl Output for Feed<'_> {
    fn text(&mut self, text: &str, marks: &[Mark]) -> Result<()> {
        let place = |mark: &Mark| {
            let moved = Mark::new(mark.at + self.before).origin(mark.origin);
            match &mark.label {
                Some(label) if self.prefix.is_empty() => moved.label(label),
                Some(label) => moved.label(format!("{}, {label}", self.prefix)),
                None => moved,
            }
        };
        self.session.feed_marked(text, &marks.iter().map(place).collect::<Vec<_>>())
    }

    fn progress(&mut self, part: f64) {
        self.bar.fed(part, self.session);
    }
}

/// Feeds all of `documents` to `session`, one after the other. If they are several, their names are in the labels.
///
/// # Errors
/// Those of [`Document::read_into`].
pub fn read_all(documents: Vec<Document>, session: &mut Session) -> Result<Vec<Reading>> {
    let several = documents.len() > 1;
    let mut readings = Vec::new();
    for document in documents {
        let prefix = if several { document.short_name() } else { String::new() };
        if session.bytes() > 0 {
            session.feed("\n\n")?;
        }
        readings.push(document.read_named(session, prefix)?);
    }
    Ok(readings)
}

/// # Errors
/// `Cancelled` if a signal has come.
fn check_stop() -> Result<()> {
    interrupt::check()
}
