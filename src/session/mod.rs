//! Reading a document and answering questions about it: what joins model, memory, tokenizer and sampler.
//!
//! A [`Session`] is one growing document. [`feed`](Session::feed) reads text into it, [`ask`](Session::ask) answers a
//! question without changing it, [`generate`](Session::generate) writes on.
//!
//! How a document is read depends on the model. If its recurrence starts anew at every segment (all models made for
//! long documents), what outlives a segment is chunk memories alone: segments are independent of each other and are
//! read in parallel, through the lower half of the model only, exactly and without approximation. Otherwise the
//! document goes through the whole model in order.

mod answer;
mod catalogue;
mod copying;
#[cfg(test)]
mod crash;
mod decode;
mod device;
mod engine;
mod generation;
mod lexical;
mod library;
mod measure;
mod needs;
mod passage;
mod prefill;
mod question;
mod reader;
mod rereading;
mod resources;
#[cfg(test)]
mod tests;
mod tokens;
mod unread;
mod work_queue;

use std::fmt;
use std::ops::{ControlFlow, Range};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::time::Instant;
use std::{process, thread};

pub use answer::{Answer, AskOptions, Decoding, Quote, Source, StopReason, Support};
pub use catalogue::{Catalogue, Damage, DocumentInfo};
pub use device::Device;
pub use engine::{Engine, EngineOptions};
pub use library::Library;
pub use needs::{MemoryNeeds, Usage};

use crate::bytes::{Put, Take};
use crate::memory::{ChunkMemory, Mark, Original, Precision};
use crate::model::{Pass, Trace};
use crate::options::setters;
use crate::{Cancel, Error, ErrorKind, Result, room};
use copying::Copying;
use decode::Decode;
use generation::Generation;
use library::Stored;
use reader::{Reader, cancelled};
use resources::Resources;
use unread::{Input, Unread};

/// Where and how a session keeps the memory of its document.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionOptions {
    /// Bytes of RAM for chunk memories, taken as they are used; what does not fit stays on disk. The default is 64 MiB.
    pub budget: u64,
    /// Folder for the files of chunk memories, which must exist; by default the system's temporary folder. The files
    /// have no names there, and are gone with the session or with the process, however it ends.
    pub directory: Option<PathBuf>,
    /// Bytes of its own memory that a device other than the CPU may use for chunk memories. The default is 64 MiB.
    /// Tokens take the least time while it holds all chunks and their landmarks.
    pub device_budget: u64,
    /// How keys and values are stored.
    pub precision: Precision,
    /// For a model whose recurrence is never reset: read documents without HSA, which is faster and changes what the
    /// recurrence remembers of them. Other models read exactly and without HSA anyway.
    pub skip_hsa_while_reading: bool,
    /// Leave out chunks of a library that are damaged, with a warning for each in [`log`] and a place in [`Session::skipped`], instead of
    /// failing. Answers may then lack what these chunks would have told.
    pub skip_damaged: bool,
}

setters!(SessionOptions {
    budget: u64,
    directory: impl Into<Option<PathBuf>>,
    device_budget: u64,
    precision: Precision,
    skip_hsa_while_reading: bool,
    skip_damaged: bool,
});

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            budget: 64 << 20,
            directory: None,
            device_budget: 64 << 20,
            precision: Precision::default(),
            skip_hsa_while_reading: false,
            skip_damaged: false,
        }
    }
}

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of text taken.
    pub bytes: u64,
    /// Tokens read.
    pub tokens: u64,
    /// Chunks in the memory.
    pub chunks: u64,
}

/// Told of progress; may ask to stop.
pub type OnProgress = Box<dyn FnMut(Progress) -> ControlFlow<()> + Send>;

/// One document, growing: what has been read of it, and how to go on.
///
/// Its parts are text that waits to be read, a reader and a generation, which know nothing of each other: the session
/// keeps their order, tells of progress, and refuses to go on after a failure.
pub struct Session {
    resources: Resources,
    unread: Unread,
    reader: Reader,
    generation: Generation,
    /// Tokens of the document, if the memories of all of it are in place. Those of tokens that are not read for good
    /// are provisional: they are dropped when the document goes on.
    prefilled: Option<u64>,
    on_progress: Option<OnProgress>,
    poison: Poison,
    /// Where the document lasts, if it does.
    stored: Option<Stored>,
    /// Documents that are asked together with this one.
    before: Before,
    /// Whether the last commit has all there is.
    committed: bool,
    /// The process that this was made in.
    process: u32,
}

/// Documents of a library that are asked together with another one, and come before it.
#[derive(Debug, Default)]
struct Before {
    names: Vec<String>,
    /// Bytes of their texts.
    bytes: u64,
    tokens: u64,
}

/// What failed, if memories may be missing since: then the session is unusable.
#[derive(Debug, Default)]
struct Poison(Option<String>);

impl Poison {
    /// Passes `result` on. Any failure other than a request to stop poisons.
    fn on_failure<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(e) = &result
            && e.kind() != ErrorKind::Cancelled
        {
            self.0.get_or_insert_with(|| e.to_string());
        }
        result
    }

    /// The same for text that is taken: what is wrong with the text itself does not poison. If it could not be kept,
    /// what was taken is not all there.
    fn on_loss<T>(&mut self, result: Result<T>) -> Result<T> {
        match &result {
            Err(e) if matches!(e.kind(), ErrorKind::Io | ErrorKind::Capacity) => self.on_failure(result),
            _ => result,
        }
    }
}

impl Session {
    pub(crate) fn new(engine: Engine, options: &SessionOptions) -> Result<Self> {
        let memory = match engine.shared.model.chunk_shape() {
            Some(shape) => {
                let directory = options.directory.clone().unwrap_or_else(std::env::temp_dir);
                Some(ChunkMemory::create(&directory, shape, options.precision, options.budget)?)
            }
            None => None,
        };
        Self::with_memory(engine, memory, options)
    }

    /// A session with the given memory: of the shape that the model makes, and empty.
    fn with_memory(engine: Engine, mut memory: Option<ChunkMemory>, options: &SessionOptions) -> Result<Self> {
        if options.skip_damaged {
            memory.iter_mut().for_each(ChunkMemory::skip_damaged);
        }
        let reader = Reader::new(&engine, options.skip_hsa_while_reading)?;
        let text = memory.as_ref().map(|memory| memory.text().clone());
        let cancel = Cancel::default();
        Ok(Self {
            unread: Unread::new(engine.tokenizer().ok(), engine.threads(), text, cancel.clone()),
            generation: Generation::new(&engine, options, &cancel)?,
            resources: Resources::new(engine, memory, options, cancel)?,
            reader,
            prefilled: None,
            on_progress: None,
            poison: Poison::default(),
            stored: None,
            before: Before::default(),
            committed: false,
            process: process::id(),
        })
    }

    /// Appends text to the document. Any split of a text over calls gives the same document.
    ///
    /// Text is read when enough of it has come, and at the latest when it is asked about. A long text is best fed in
    /// pieces of some 100 KB for each thread, which keeps memory bounded and all of them at work. What follows in a
    /// piece that is long enough becomes tokens while the text before it is read, on a thread of its own: for a fast
    /// device, pieces of several megabytes gain by that.
    ///
    /// # Errors
    /// `Unsupported` if the model has no tokenizer. `Cancelled` if the progress callback or [`Session::cancel`] asked for it: the text up
    /// to [`bytes`](Self::bytes) has been taken, and the session can go on from there. After any other error in reading
    /// the session is unusable, and says so.
    pub fn feed(&mut self, text: &str) -> Result<()> {
        self.feed_bytes(text.as_bytes())
    }

    /// As [`feed`](Self::feed) for bytes of UTF-8, which may be split inside a character.
    ///
    /// # Errors
    /// As for `feed`, and `Format` when the bytes are not UTF-8, naming the place. The text before it has been taken,
    /// nothing from it on.
    pub fn feed_bytes(&mut self, text: &[u8]) -> Result<()> {
        self.growing()?;
        if text.is_empty() {
            return Ok(());
        }
        self.engine().tokenizer()?;
        let input = Input::text(text, self.engine().threads());
        self.take_in(input)
    }

    /// Appends tokens to the document. Text fed before ends there: it forms no tokens with what comes after. In
    /// [`Source::bytes`] a token counts as many bytes as the text it stands for.
    ///
    /// # Errors
    /// `InvalidArgument` for a token that is not in the vocabulary, before any is taken; else as for
    /// [`feed`](Self::feed).
    pub fn feed_tokens(&mut self, tokens: &[u32]) -> Result<()> {
        self.growing()?;
        let vocab = self.engine().config().vocab;
        if let Some(id) = tokens.iter().find(|&&id| id as usize >= vocab) {
            return Err(Error::invalid(format!("token {id} of a vocabulary of {vocab}")));
        }
        self.end_text()?;
        self.take_in(Input::tokens(tokens))
    }

    /// Says what stands at a byte of the text and after it: where that is in the original file, and what people call the place.
    /// Answers give it back with their sources and quotes. Marks come in order, each when the text before it has been fed;
    /// where two stand at one byte, the second one counts. They last with the document, and do not change what is answered.
    ///
    /// With models that keep no chunks, whose answers have no sources, marks are of no use and not kept.
    ///
    /// # Errors
    /// `InvalidArgument` if the mark lies before the last one or behind the text, or its label is too long; `Capacity` and `Io`
    /// if it cannot be kept: the session is unusable then.
    pub fn mark(&mut self, mark: &Mark) -> Result<()> {
        self.growing()?;
        mark.check()?;
        if mark.at > self.bytes() {
            return Err(Error::invalid(format!("a mark at byte {} of a text of {}", mark.at, self.bytes())));
        }
        let Self { resources, poison, committed, .. } = self;
        let Some(memory) = &resources.memory else { return Ok(()) };
        *committed = false;
        poison.on_loss(memory.marks().push(mark))
    }

    /// Feeds `text` with the `marks` of places in it, which may be its end: as [`feed`](Self::feed) and then
    /// [`mark`](Self::mark) for each, but of a text that was stopped in the middle, what was taken has its marks.
    ///
    /// # Errors
    /// `InvalidArgument`, before anything is taken, if marks are not in order or not in the text; else as for `feed` and `mark`.
    pub fn feed_marked(&mut self, text: &str, marks: &[Mark]) -> Result<()> {
        self.growing()?;
        let (start, end) = (self.bytes(), self.bytes() + text.len() as u64);
        if !marks.iter().map(|mark| mark.at).is_sorted() || marks.iter().any(|mark| !(start..=end).contains(&mark.at)) {
            return Err(Error::invalid(format!("marks out of order, or not at bytes {start} to {end} of the text")));
        }
        marks.iter().try_for_each(Mark::check)?;
        let fed = self.feed(text);
        if self.poison.0.is_none() {
            let taken = self.bytes();
            marks.iter().filter(|mark| mark.at <= taken).try_for_each(|mark| self.mark(mark))?;
        }
        fed
    }

    /// Reads everything that was fed, up to the unfinished end, so that the next question is answered at once.
    ///
    /// # Errors
    /// `Format` if the text ends inside a character; else as for [`feed`](Self::feed).
    pub fn prefill(&mut self) -> Result<()> {
        self.read_all()?;
        let Self { resources, unread, reader, .. } = self;
        match reader {
            Reader::BySegment(_) => Ok(()),
            // What it leaves behind when it fails is dropped before the next attempt.
            Reader::InSequence(reader) => reader.read_rest(resources, &unread.all_tokens()?),
        }
    }

    /// Reads everything that was fed; in sequence, whole steps of it.
    fn read_all(&mut self) -> Result<()> {
        self.usable()?;
        if self.prefilled.is_some() {
            return Ok(());
        }
        self.resources.cancel.check()?;
        self.stored.as_ref().map_or(Ok(()), Stored::writable).map_err(|e| e.context("its end is not read yet"))?;
        self.committed = false;
        self.advance()?;
        let all = self.unread.all_tokens()?;
        self.drop_provisional()?;
        let Self { resources, unread, reader, on_progress, poison, .. } = self;
        if let Reader::BySegment(reader) = reader {
            poison.on_failure(reader.read_rest(resources, &all, unread.bytes(), &mut |p| tell(on_progress, p)))?;
        }
        self.prefilled = Some(all.end());
        Ok(())
    }

    /// Answers `question` from the document, which stays as it is. White space around it, line ends in it and how its
    /// question mark is written, or whether, make no difference.
    ///
    /// `on_token` gets each token and the text that it completes (a part of a character shows with its last token), and
    /// may stop the answer.
    ///
    /// # Errors
    /// `InvalidArgument` if the question or the document is empty, or the question leaves no room for an answer (see
    /// [`Engine::check_question`]); else as for [`prefill`](Self::prefill).
    pub fn ask(
        &mut self,
        question: &str,
        options: &AskOptions,
        on_token: &mut dyn FnMut(u32, &str) -> ControlFlow<()>,
    ) -> Result<Answer> {
        self.usable()?;
        self.resources.cancel.check()?;
        let prompt = self.engine().prompt(question)?;
        self.ask_tokens(&prompt, options, on_token)
    }

    /// [`ask`](Self::ask) with the tokens of the whole prompt, the marks around the question included.
    ///
    /// # Errors
    /// As for `ask`.
    pub fn ask_tokens(
        &mut self,
        prompt: &[u32],
        options: &AskOptions,
        on_token: &mut dyn FnMut(u32, &str) -> ControlFlow<()>,
    ) -> Result<Answer> {
        let started = Instant::now();
        self.usable()?;
        self.resources.cancel.check()?;
        let room = self.engine().room(prompt.len(), options)?;
        if self.tokens() == 0 && self.bytes() == 0 {
            return Err(Error::invalid("the document is empty: there is nothing to ask about"));
        }
        self.prefill()?;
        let tokens = self.tokens();
        self.generation.start_question(&self.resources, &self.reader, tokens)?;
        self.generation.reread(&mut self.resources, prompt)?;
        Decode { options, on_token, room, started, grows: false }.run(self, prompt)
    }

    /// [`ask`](Self::ask) for the whole answer at once.
    ///
    /// # Errors
    /// As for `ask`.
    pub fn answer(&mut self, question: &str, options: &AskOptions) -> Result<Answer> {
        self.ask(question, options, &mut |_, _| ControlFlow::Continue(()))
    }

    /// Appends `prompt` to the document and lets the model write on. What it writes becomes part of the document, as if
    /// its tokens had been fed.
    ///
    /// # Errors
    /// `InvalidArgument` if there is nothing to continue; else as for [`ask`](Self::ask).
    pub fn generate(
        &mut self,
        prompt: &str,
        options: &AskOptions,
        on_token: &mut dyn FnMut(u32, &str) -> ControlFlow<()>,
    ) -> Result<Answer> {
        let started = Instant::now();
        self.growing()?;
        if self.resources.memory.as_ref().is_some_and(|memory| !memory.marks().is_empty()) {
            // What follows stands nowhere.
            self.mark(&Mark::new(self.bytes()).label(""))?;
        }
        self.feed(prompt)?;
        self.end_text()?;
        if self.unread.tokens().end() == 0 {
            return Err(Error::invalid("there is nothing to continue"));
        }
        self.advance()?;
        self.invalidate()?;
        self.generation.start_continuation(&mut self.resources, &self.reader, self.unread.tokens())?;
        let tokens = self.unread.tokens();
        let prompt = tokens.ids(self.reader.read_to()..tokens.end()).to_vec();
        let mut decode = Decode { options, on_token, room: options.max_tokens, started, grows: true };
        let answer = decode.run(self, &prompt);
        // The memories made while writing are dropped: those that stay are made when their segment is whole.
        self.invalidate()?;
        answer
    }

    /// Keeps `bytes`, the file that the text is made of, beside it in the library, so that people can be shown the place there: a page of a PDF,
    /// say. It is a copy: files move and change, and a path is of one machine. It lasts with the first [`commit`](Self::commit),
    /// which must come after; [`Library::original`] gives it back. Nothing of it is looked at.
    ///
    /// # Errors
    /// `InvalidArgument` if the session is not of a [`Library`], or of one for reading only, or was committed before. `Capacity` if the
    /// disk is full, `Io` if writing failed otherwise.
    pub fn keep_original(&mut self, bytes: &[u8]) -> Result<()> {
        self.usable()?;
        self.lasting()?.document_mut()?.keep_original(bytes)
    }

    /// Gives the original up, from the next [`commit`](Self::commit) on: to be called where the text goes on from another file.
    ///
    /// # Errors
    /// `InvalidArgument` if the session is not of a [`Library`], or of one for reading only.
    pub fn forget_original(&mut self) -> Result<()> {
        self.usable()?;
        self.lasting()?.document_mut()?.forget_original();
        self.committed = false;
        Ok(())
    }

    /// The file that the text was made of, if that was [kept](Self::keep_original).
    ///
    /// # Errors
    /// `Io` if it cannot be read, `Format` if it has changed since.
    pub fn original(&self) -> Result<Option<Original>> {
        self.stored.as_ref().map_or(Ok(None), |stored| stored.document().original())
    }

    /// Makes all that was fed last, read as far as it can be: when this returns, neither the end of the process nor that of
    /// the machine takes anything of it away. Until then, the document is what it was at the commit before. A commit of what is
    /// committed costs nothing.
    ///
    /// If reading is stopped by the progress callback or is [cancelled](Self::cancel), or the text ends inside a character, what is read is committed, and
    /// the rest is read later.
    ///
    /// # Errors
    /// `InvalidArgument` if the session is not of a [`Library`], or of one for reading only. `Capacity` if the disk is full and
    /// `Io` if writing failed otherwise: the session is unusable then, and the library opens the document as it was.
    pub fn commit(&mut self) -> Result<()> {
        self.usable()?;
        self.lasting()?.document_mut()?;
        match self.prefill() {
            Err(e) if matches!(e.kind(), ErrorKind::Cancelled | ErrorKind::Format) => self.invalidate()?,
            done => done?,
        }
        if self.committed {
            return Ok(());
        }
        let chunks = self.reader.read_to() / self.resources.chunk_size();
        let saved = self.save()?;
        let Self { resources, stored, poison, .. } = self;
        if let Some(stored) = stored {
            poison.on_failure(stored.commit(resources.memory.as_mut(), chunks, saved))?;
        }
        self.committed = true;
        Ok(())
    }

    /// What is needed to go on besides the chunk memory and the text, as docs/format.md describes it.
    fn save(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.put_u64(self.prefilled.map_or(0, |tokens| tokens + 1));
        self.unread.save(&mut bytes);
        self.reader.save(self.engine(), &mut bytes)?;
        Ok(bytes)
    }

    /// Puts documents before this one, whose chunks are in the memory before its own.
    fn put_after(&mut self, before: Before) {
        let own = self.resources.memory.as_mut().map_or(0, |memory| memory.first());
        if let Reader::InSequence(reader) = &mut self.reader {
            reader.put_after(own * self.resources.chunk_size());
        }
        self.before = before;
    }

    /// Takes what has been read of the document as all there is.
    fn take_as_read(&mut self) {
        if let Reader::InSequence(reader) = &mut self.reader {
            reader.put_after(0);
        }
        self.prefilled = Some(self.reader.read_to());
    }

    /// Goes on as what was saved, in the place of an empty document, whose chunk memory and text are there already.
    fn load(&mut self, saved: &[u8]) -> Result<()> {
        let mut take = Take::new(saved);
        let (engine, chunk) = (self.engine().clone(), self.resources.chunk_size());
        let prefilled = take.u64()?.checked_sub(1);
        self.unread.load(&mut take, engine.config().vocab, engine.threads())?;
        self.reader.load(&engine, &mut take)?;
        take.end()?;
        let (tokens, read_to) = (self.unread.tokens(), self.reader.read_to());
        let chunks = match (&self.reader, prefilled) {
            (Reader::BySegment(_), Some(tokens)) => tokens.div_ceil(chunk),
            (Reader::BySegment(_), None) => read_to / chunk,
            (Reader::InSequence(reader), _) => reader.end() / chunk,
        };
        let ready = match &self.reader {
            Reader::BySegment(_) => true,
            Reader::InSequence(reader) => prefilled.is_none_or(|tokens| reader.end() == tokens),
        };
        let there = self.resources.memory.as_ref().map_or(chunks, ChunkMemory::len);
        let positions = [tokens.start(), self.reader.needs(), read_to, tokens.end(), prefilled.unwrap_or(u64::MAX)];
        if !ready || there != chunks || !positions.is_sorted() {
            return Err(Error::format(format!(
                "a commit of {there} chunks, {chunks} expected, and tokens {positions:?}"
            )));
        }
        (self.prefilled, self.committed) = (prefilled, true);
        Ok(())
    }

    /// Tokens that the model has run over for the document since the session was made or opened: a document that is opened and
    /// asked has 0. Tokens that segments overlap, and those at the end that were read before it was known what follows,
    /// count each time.
    pub fn tokens_computed(&self) -> u64 {
        self.reader.computed()
    }

    /// What stops this session from other threads.
    pub fn cancel(&self) -> Cancel {
        self.resources.cancel.clone()
    }

    /// The chunks that were found to be damaged and left out, as [`SessionOptions::skip_damaged`] asks for: the document, if it is
    /// one of a library, and the number of the chunk in it.
    ///
    /// # Errors
    /// Those of opening the files of the documents.
    pub fn skipped(&mut self) -> Result<Vec<(Option<String>, u64)>> {
        let Some(memory) = &mut self.resources.memory else { return Ok(Vec::new()) };
        let skipped: Vec<u64> = memory.skipped().iter().copied().collect();
        let parts =
            skipped.into_iter().map(|chunk| memory.part(chunk).map(|part| (part.index, chunk - part.chunks.start)));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        Ok(parts.into_iter().map(|(index, chunk)| (self.name(index), chunk)).collect())
    }

    /// Sets what is told of progress while text is read, and may stop it.
    pub fn on_progress(&mut self, callback: Option<OnProgress>) {
        self.on_progress = callback;
    }

    /// Bytes of text taken.
    pub fn bytes(&self) -> u64 {
        self.before.bytes + self.unread.bytes()
    }

    /// The text of the document at `bytes`, as it was fed. Bytes that are no UTF-8, as those of a character that the
    /// range cuts, show as U+FFFD.
    ///
    /// # Errors
    /// `InvalidArgument` if there are no such bytes or several documents, `Unsupported` if the model keeps no chunks, `Io` or `Format` if
    /// the text cannot be read or is damaged.
    pub fn text(&self, bytes: Range<u64>) -> Result<String> {
        if !self.before.names.is_empty() {
            return Err(Error::invalid("the text of several documents: open the one that it is of"));
        }
        let text = self.resources.text();
        let text = text.ok_or_else(|| Error::unsupported("the model keeps no chunks, and no text with them"))?;
        Ok(String::from_utf8_lossy(&text.read(bytes)?).into_owned())
    }

    /// The name of document number `index` of those that are asked, if it is one of a library.
    fn name(&self, index: usize) -> Option<String> {
        let name = self.before.names.get(index).map(String::as_str);
        name.or(self.stored.as_ref().map(Stored::name)).map(str::to_owned)
    }

    /// Tokens of the document. Text at its end may be held back until it is certain how it divides into tokens, or
    /// until [`prefill`](Self::prefill).
    pub fn tokens(&self) -> u64 {
        self.before.tokens + self.prefilled.unwrap_or_else(|| self.unread.tokens().end())
    }

    /// Chunks in the memory: those of the whole document after [`prefill`](Self::prefill), the last one padded.
    pub fn chunks(&self) -> u64 {
        self.resources.memory.as_ref().map_or(0, ChunkMemory::len)
    }

    /// Bytes that the chunk memories take on disk.
    pub fn disk_bytes(&self) -> u64 {
        self.resources.memory.as_ref().map_or(0, ChunkMemory::disk_bytes)
    }

    /// The model of this session.
    pub fn engine(&self) -> &Engine {
        &self.resources.engine
    }

    fn usable(&self) -> Result<()> {
        if self.process != process::id() {
            // The files are shared with that process, which does not know of what is written here.
            return Err(Error::invalid("the session belongs to the process that made it: after fork() make another"));
        }
        // For all that is small.
        room::check(0)?;
        match &self.poison.0 {
            Some(why) => {
                Err(Error::new(ErrorKind::Io, format!("the session is unusable since an earlier failure: {why}")))
            }
            None => Ok(()),
        }
    }

    /// Where the document is kept.
    fn lasting(&mut self) -> Result<&mut Stored> {
        self.stored.as_mut().ok_or_else(|| Error::invalid("the session is temporary: only documents of a library last"))
    }

    /// Fails if the document cannot grow, or is to be left alone.
    fn growing(&self) -> Result<()> {
        self.usable()?;
        self.resources.cancel.check()?;
        self.stored.as_ref().map_or(Ok(()), Stored::writable)
    }

    /// Adds a token to the document.
    fn push(&mut self, id: u32) -> Result<()> {
        self.poison.on_loss(self.unread.push(id))
    }

    /// Makes tokens of all text that was fed.
    fn end_text(&mut self) -> Result<()> {
        self.committed = false;
        self.poison.on_loss(self.unread.end_text())
    }

    /// Drops the memories of what is not read for good.
    fn drop_provisional(&mut self) -> Result<()> {
        if let Reader::InSequence(reader) = &mut self.reader {
            reader.forget_rest();
        }
        let chunks = self.reader.read_to() / self.resources.chunk_size();
        self.poison.on_failure(self.resources.truncate(chunks))
    }

    /// To be called before the document changes.
    fn invalidate(&mut self) -> Result<()> {
        (self.prefilled, self.committed) = (None, false);
        self.drop_provisional()
    }

    /// Takes `input` and reads what is due. If the recurrence starts anew at segments, the text of the next window
    /// becomes tokens while one is read.
    fn take_in(&mut self, mut input: Input<'_>) -> Result<()> {
        self.invalidate()?;
        loop {
            let Self { resources, unread, reader, on_progress, poison, .. } = self;
            let Reader::BySegment(reader) = reader else {
                if !poison.on_loss(unread.take(&mut input))? {
                    return Ok(());
                }
                self.advance()?;
                continue;
            };
            let end = reader.read_to() + reader.window();
            // A segment is read when there is a token after it.
            if !poison.on_loss(unread.fill(&mut input, end))? {
                return Ok(());
            }
            let (bytes, next) = (unread.bytes(), end + reader.window());
            let (tokens, encoder, ahead) = unread.split(reader.needs(end));
            let (read, filled) = thread::scope(|scope| {
                let fill = || encoder.fill(&mut input, ahead, next);
                let filling = room::spawn(scope, "ramba-tokens".into(), fill);
                let read = reader.read(resources, tokens, end, bytes, &mut |progress| tell(on_progress, progress));
                // Without a thread, it is done when this is read.
                (read, filling.map_or(Ok(true), |f| f.join().unwrap_or_else(|panic| resume_unwind(panic))))
            });
            unread.join(reader.needs(reader.read_to()));
            poison.on_failure(read)?;
            if !poison.on_loss(filled)? {
                return Ok(());
            }
        }
    }

    /// Reads for good what is complete: with a token after it, so that there always is one left to continue from.
    fn advance(&mut self) -> Result<()> {
        let Self { resources, unread, reader, on_progress, poison, .. } = self;
        match reader {
            Reader::BySegment(reader) => {
                while let Some(end) = reader.next(unread.tokens().end()) {
                    let (tokens, bytes) = (unread.tokens(), unread.bytes());
                    let read = reader.read(resources, tokens, end, bytes, &mut |progress| tell(on_progress, progress));
                    unread.drop_before(reader.needs(reader.read_to()));
                    poison.on_failure(read)?;
                }
            }
            Reader::InSequence(reader) => {
                while reader.is_due(unread.tokens().end()) {
                    poison.on_failure(reader.read(resources, unread.tokens()))?;
                    unread.drop_before(reader.read_to());
                    let chunks = resources.memory.as_ref().map_or(0, ChunkMemory::len);
                    let progress = Progress { bytes: unread.bytes(), tokens: reader.read_to(), chunks };
                    if tell(on_progress, progress).is_break() {
                        return Err(cancelled());
                    }
                }
            }
        }
        Ok(())
    }

    /// Moves the generation on by `ids`, which are tokens of the document if it `grows`, and returns the logits that
    /// `pass` asks for.
    fn pass<'s>(&'s mut self, ids: &[u32], grows: bool, pass: Pass<'s>) -> Result<&'s [f32]> {
        let growing = grows.then(|| self.unread.tokens());
        self.generation.pass(&mut self.resources, ids, growing, pass)
    }

    /// Adds to `copying` the text of what the tokens of `trace` have read.
    fn copy_from(&mut self, copying: &mut Copying, trace: &Trace) -> Result<()> {
        let r = &mut self.resources;
        let chunks = trace.iter().map(|read| read.chunk).chain(r.unfinished_chunk());
        copying.add(chunks, &mut |chunk| r.place(chunk))
    }
}

/// Tokens of the document whose session saved these bytes; None if it was not read to its end.
fn saved_tokens(saved: &[u8]) -> Result<Option<u64>> {
    Ok(Take::new(saved).u64()?.checked_sub(1))
}

fn tell(on_progress: &mut Option<OnProgress>, progress: Progress) -> ControlFlow<()> {
    on_progress.as_mut().map_or(ControlFlow::Continue(()), |tell| tell(progress))
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("bytes", &self.bytes())
            .field("tokens", &self.tokens())
            .field("chunks", &self.chunks())
            .field("poisoned", &self.poison.0)
            .finish_non_exhaustive()
    }
}
