//! Reading a document and answering questions about it: what joins model, memory, tokenizer and sampler.
//!
//! A [`Session`] is one growing document. [`feed`](Session::feed) reads text into it, [`ask`](Session::ask) answers a
//! question without changing it, [`generate`](Session::generate) writes on.
//!
//! How a document is read depends on the model. If its recurrence starts anew at every segment (all models made for
//! long documents), what outlives a segment is chunk memories alone: segments are independent of each other and are read
//! in parallel, through the lower half of the model only, exactly and without approximation. Otherwise the document goes
//! through the whole model in order.

mod answer;
mod copying;
mod device;
mod engine;
mod needs;
mod passage;
mod question;
mod reading;
mod tail;
#[cfg(test)]
mod tests;
mod turns;
mod writing;

use std::borrow::Cow;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use std::{process, thread};

pub use answer::{Answer, AskOptions, Decoding, Source, StopReason, Support};
pub use device::Device;
pub use engine::{Engine, EngineOptions};
pub use needs::MemoryNeeds;

use crate::memory::{Block, ChunkMemory, Precision, Text};
use crate::model::{Pass, Trace};
use crate::tokenizer::EncodeStream;
use crate::{Error, ErrorKind, Result, room};
use copying::Copying;
use device::{Model, Scratch, State};
use reading::Job;
use tail::Tail;
use writing::Writing;

/// Bytes of text that are taken between two looks at what is due to be read, for each thread that makes tokens of it.
const BLOCK: usize = 64 * 1024;

/// Tokens per thread, and what a device reads at once twice per thread, wait to be read together: enough that threads
/// rarely wait for the last of them.
const WINDOW: u64 = 8192;

/// The same for devices that read several segments at once, in what they read at once: they take so little time for it
/// that starting the threads and waiting for the last of them must be rare.
const WINDOW_AT_ONCE: u64 = 16;

/// Where and how a session keeps the memory of its document.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Bytes of RAM for chunk memories, taken as they are used; what does not fit stays on disk. The default is 64 MiB.
    pub budget: u64,
    /// Folder for the files of chunk memories, which must exist; by default the system's temporary folder. The files have no names
    /// there, and are gone with the session or with the process, however it ends.
    pub directory: Option<PathBuf>,
    /// Bytes of its own memory that a device other than the CPU may use for chunk memories. The default is 64 MiB. Tokens take
    /// the least time while it holds all chunks and their landmarks.
    pub device_budget: u64,
    /// How keys and values are stored.
    pub precision: Precision,
    /// For a model whose recurrence is never reset: read documents without HSA, which is faster and changes what the
    /// recurrence remembers of them. Other models read exactly and without HSA anyway.
    pub skip_hsa_while_reading: bool,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            budget: 64 << 20,
            directory: None,
            device_budget: 64 << 20,
            precision: Precision::default(),
            skip_hsa_while_reading: false,
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

/// Puts a part of a document into a tail, by way of a stream if it is text. Tells whether there was one.
type Next<'a> = dyn FnMut(&mut Option<EncodeStream>, &mut Tail) -> Result<bool> + Send + 'a;

/// One document, growing: what has been read of it, and how to go on.
pub struct Session {
    engine: Engine,
    /// None for models without chunks.
    memory: Option<ChunkMemory>,
    /// Working memory of the threads; the first is also that of answers.
    scratches: Vec<Scratch>,
    /// For chunks on their way from those threads to the memory.
    blocks: Vec<Block>,
    /// None for models without a tokenizer.
    stream: Option<EncodeStream>,
    /// Bytes of the source before those of `stream`.
    taken: u64,
    /// Tokens from some way before `read_to` on.
    tail: Tail,
    /// Tokens before this position are read for good: whole segments, or whole steps.
    read_to: u64,
    /// At `read_to`, if the recurrence never restarts.
    reading: Option<State>,
    /// Of the question or the text being written; made when first needed.
    answering: Option<State>,
    /// Tokens of the document, if the memories of all of it are in place. They are provisional from `read_to` on.
    settled: Option<u64>,
    skip_hsa: bool,
    on_progress: Option<OnProgress>,
    /// What failed, if the memories can no longer be trusted.
    poisoned: Option<String>,
    /// The process that this was made in.
    process: u32,
}

impl Session {
    pub(crate) fn new(engine: Engine, options: &SessionOptions) -> Result<Self> {
        let model = &engine.shared.model;
        let memory = match model.chunk_shape() {
            Some(shape) => {
                let directory = options.directory.clone().unwrap_or_else(std::env::temp_dir);
                let memory = ChunkMemory::create(&directory, shape, options.precision, options.budget)?;
                enough_slots(model, &memory, options)?;
                Some(memory)
            }
            None => None,
        };
        Self::with_memory(engine, memory, options)
    }

    /// A session with the given memory: of the shape that the model makes, and empty.
    fn with_memory(engine: Engine, memory: Option<ChunkMemory>, options: &SessionOptions) -> Result<Self> {
        let model = &engine.shared.model;
        let reading = match model.config().segments.size() {
            Some(_) => None,
            None => Some(model.state()?),
        };
        Ok(Self {
            memory,
            scratches: vec![model.scratch(options.device_budget)?],
            blocks: Vec::new(),
            stream: engine.tokenizer().ok().map(|t| t.stream().with_threads(engine.threads())),
            taken: 0,
            tail: Tail::default(),
            read_to: 0,
            reading,
            answering: None,
            settled: None,
            skip_hsa: options.skip_hsa_while_reading,
            on_progress: None,
            poisoned: None,
            process: process::id(),
            engine,
        })
    }

    /// Appends text to the document. Any split of a text over calls gives the same document.
    ///
    /// Text is read when enough of it has come, and at the latest when it is asked about. A long text is best fed in
    /// pieces of some 100 KB for each thread, which keeps memory bounded and all of them at work. What follows in a piece that is
    /// long enough becomes tokens while the text before it is read, on a thread of its own: for a fast device, pieces of several
    /// megabytes gain by that.
    ///
    /// # Errors
    /// `Unsupported` if the model has no tokenizer. `Cancelled` if the progress callback asked for it: the text up to
    /// [`bytes`](Self::bytes) has been taken, and the session can go on from there. After any other error in reading the
    /// session is unusable, and says so.
    pub fn feed(&mut self, text: &str) -> Result<()> {
        self.feed_bytes(text.as_bytes())
    }

    /// As [`feed`](Self::feed) for bytes of UTF-8, which may be split inside a character.
    ///
    /// # Errors
    /// As for `feed`, and `Format` when the bytes are not UTF-8, naming the place. The text before it has been taken,
    /// nothing from it on.
    pub fn feed_bytes(&mut self, text: &[u8]) -> Result<()> {
        self.usable()?;
        if text.is_empty() {
            return Ok(());
        }
        self.engine.tokenizer()?;
        let mut blocks = text.chunks(BLOCK * self.engine.threads().max(1));
        let kept = self.kept_text();
        let taken = self.taken;
        let done = self.take_in(&mut |stream, tail| {
            let (Some(stream), Some(block)) = (stream, blocks.next()) else { return Ok(false) };
            // A token has at least one byte.
            tail.reserve(block.len())?;
            let before = stream.bytes();
            let pushed = stream.push_bytes(block, &mut |id, bytes| tail.push(id, bytes));
            if let Some(kept) = &kept {
                // Of bytes that are not UTF-8 none is taken, nor those of a character that they should have been the rest of.
                let new = usize::try_from(stream.bytes().saturating_sub(before)).unwrap_or(usize::MAX);
                kept.append(block.get(..new).unwrap_or(block))?;
                kept.truncate(taken + stream.bytes())?;
            }
            pushed.map(|()| true)
        });
        self.keep(done)
    }

    /// Appends tokens to the document. Text fed before ends there: it forms no tokens with what comes after. In
    /// [`Source::bytes`] a token counts as many bytes as the text it stands for.
    ///
    /// # Errors
    /// `InvalidArgument` for a token that is not in the vocabulary, before any is taken; else as for [`feed`](Self::feed).
    pub fn feed_tokens(&mut self, tokens: &[u32]) -> Result<()> {
        self.usable()?;
        let vocab = self.engine.config().vocab;
        if let Some(id) = tokens.iter().find(|&&id| id as usize >= vocab) {
            return Err(Error::invalid(format!("token {id} of a vocabulary of {vocab}")));
        }
        self.end_text()?;
        let engine = self.engine.clone();
        let tokenizer = engine.tokenizer().ok();
        let mut blocks = tokens.chunks(BLOCK);
        let kept = self.kept_text();
        let mut text = Vec::new();
        let taken = self.take_in(&mut |_, tail| {
            let Some(block) = blocks.next() else { return Ok(false) };
            tail.reserve(block.len())?;
            tail.extend(block, |id| tokenizer.map_or(0, |t| t.text_len(id)));
            if let (Some(kept), Some(tokenizer)) = (&kept, tokenizer) {
                text.clear();
                block.iter().for_each(|&id| text.extend_from_slice(tokenizer.text_bytes(id)));
                kept.append(&text)?;
            }
            Ok(true)
        });
        self.taken = self.tail.bytes();
        self.keep(taken)
    }

    /// Reads everything that was fed, up to the unfinished end, so that the next question is answered at once.
    ///
    /// # Errors
    /// `Format` if the text ends inside a character; else as for [`feed`](Self::feed).
    pub fn settle(&mut self) -> Result<()> {
        self.usable()?;
        if self.settled.is_some() {
            return Ok(());
        }
        self.advance()?;
        let whole = self.whole_tail()?;
        if self.segment_size().is_some() {
            self.drop_provisional()?;
            self.read_segments(&whole, whole.end(), false, self.bytes())?;
        }
        self.settled = Some(whole.end());
        Ok(())
    }

    /// Answers `question` from the document, which stays as it is. White space around it, line ends in it and how its question
    /// mark is written, or whether, make no difference.
    ///
    /// `on_token` gets each token and the text that it completes (a part of a character shows with its last token), and
    /// may stop the answer.
    ///
    /// # Errors
    /// `InvalidArgument` if the question or the document is empty, or the question leaves no room for an answer (see
    /// [`Engine::check_question`]); else as for [`settle`](Self::settle).
    pub fn ask(
        &mut self,
        question: &str,
        options: &AskOptions,
        on_token: &mut dyn FnMut(u32, &str) -> ControlFlow<()>,
    ) -> Result<Answer> {
        self.usable()?;
        let prompt = self.engine.prompt(question)?;
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
        let room = self.engine.room(prompt.len(), options)?;
        if self.tokens() == 0 && self.bytes() == 0 {
            return Err(Error::invalid("the document is empty: there is nothing to ask about"));
        }
        self.settle()?;
        self.start_question()?;
        let mut writing = Writing { options, on_token, room, started, grows: false };
        writing.run(self, prompt)
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
        self.feed(prompt)?;
        self.end_text()?;
        if self.tail.end() == 0 {
            return Err(Error::invalid("there is nothing to continue"));
        }
        self.advance()?;
        self.unsettle()?;
        self.start_writing()?;
        let prompt = self.tail.ids(self.read_to..self.tail.end()).to_vec();
        let mut writing = Writing { options, on_token, room: options.max_tokens, started, grows: true };
        let answer = writing.run(self, &prompt);
        // The memories made while writing are dropped: those that stay are made when their segment is whole.
        self.unsettle()?;
        answer
    }

    /// Sets what is told of progress while text is read, and may stop it.
    pub fn on_progress(&mut self, callback: Option<OnProgress>) {
        self.on_progress = callback;
    }

    /// Bytes of text taken.
    pub fn bytes(&self) -> u64 {
        self.taken + self.stream.as_ref().map_or(0, EncodeStream::bytes)
    }

    /// The text of the document at `bytes`, as it was fed. Bytes that are no UTF-8, as those of a character that the range cuts,
    /// show as U+FFFD.
    ///
    /// # Errors
    /// `InvalidArgument` if there are no such bytes, `Unsupported` if the model keeps no chunks, `Io` or `Format` if the text
    /// cannot be read or is damaged.
    pub fn text(&self, bytes: Range<u64>) -> Result<String> {
        let kept = self.kept_text();
        let kept = kept.ok_or_else(|| Error::unsupported("the model keeps no chunks, and no text with them"))?;
        Ok(String::from_utf8_lossy(&kept.read(bytes)?).into_owned())
    }

    /// Tokens of the document. Text at its end may be held back until it is certain how it divides into tokens, or
    /// until [`settle`](Self::settle).
    pub fn tokens(&self) -> u64 {
        self.settled.unwrap_or_else(|| self.tail.end())
    }

    /// Chunks in the memory: those of the whole document after [`settle`](Self::settle), the last one padded.
    pub fn chunks(&self) -> u64 {
        self.memory.as_ref().map_or(0, ChunkMemory::len)
    }

    /// Bytes that the chunk memories take on disk.
    pub fn disk_bytes(&self) -> u64 {
        self.memory.as_ref().map_or(0, ChunkMemory::disk_bytes)
    }

    /// The model of this session.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    fn usable(&self) -> Result<()> {
        if self.process != process::id() {
            // The files are shared with that process, which does not know of what is written here.
            return Err(Error::invalid("the session belongs to the process that made it: after fork() make another"));
        }
        // For all that is small.
        room::check(0)?;
        match &self.poisoned {
            Some(why) => {
                Err(Error::new(ErrorKind::Io, format!("the session is unusable since an earlier failure: {why}")))
            }
            None => Ok(()),
        }
    }

    /// Passes `result` on. A failure other than a request to stop means that memories may be missing.
    fn poison<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(e) = &result
            && e.kind() != ErrorKind::Cancelled
        {
            self.poisoned = Some(e.to_string());
        }
        result
    }

    fn segment_size(&self) -> Option<u64> {
        self.engine.config().segments.size()
    }

    /// S; 1 for models without chunks.
    fn chunk_size(&self) -> u64 {
        self.engine.config().hsa.as_ref().map_or(1, |hsa| hsa.chunk_size as u64)
    }

    /// Adds a token to the document.
    fn push(&mut self, id: u32) -> Result<()> {
        let text = self.engine.shared.tokenizer.as_ref().map_or(&[][..], |tokenizer| tokenizer.text_bytes(id));
        self.tail.push(id, text.len() as u64);
        self.taken += text.len() as u64;
        let kept = self.memory.as_ref().map_or(Ok(()), |memory| memory.text().append(text));
        self.keep(kept)
    }

    /// The text of the document, for models with chunks.
    fn kept_text(&self) -> Option<Arc<Text>> {
        self.memory.as_ref().map(|memory| Arc::clone(memory.text()))
    }

    /// Passes `result` on. If text could not be kept, what was taken is not all there.
    fn keep<T>(&mut self, result: Result<T>) -> Result<T> {
        match &result {
            Err(e) if matches!(e.kind(), ErrorKind::Io | ErrorKind::Capacity) && self.poisoned.is_none() => {
                self.poison(result)
            }
            _ => result,
        }
    }

    /// The number of the chunk that is not full yet, if the recurrence has read it and the memory has it not.
    fn unfinished_chunk(&self) -> Option<u64> {
        self.memory.as_ref().filter(|_| self.segment_size().is_none()).map(ChunkMemory::len)
    }

    /// The bytes of the document that a chunk, or what follows the last one, is made of.
    fn chunk_bytes(&mut self, chunk: u64) -> Result<Range<u64>> {
        let Some(memory) = &mut self.memory else { return Ok(0..0) };
        if chunk < memory.len() {
            return memory.source(chunk);
        }
        let start = chunk.checked_sub(1).map_or(Ok(0), |last| memory.source(last).map(|bytes| bytes.end))?;
        Ok(start..memory.text().len())
    }

    /// Selections of chunks that `tokens` tokens make.
    fn selections(&self, tokens: u64) -> u64 {
        self.engine.config().hsa.as_ref().map_or(0, |hsa| tokens * (hsa.groups * hsa.retrieval_heads) as u64)
    }

    /// Adds to `copying` the text of what the tokens of `trace` have read.
    fn copy_from(&mut self, copying: &mut Copying, trace: &Trace) -> Result<()> {
        let Some(text) = self.kept_text() else { return Ok(()) };
        let chunks = trace.iter().map(|reading| reading.chunk).chain(self.unfinished_chunk());
        copying.add(&text, chunks, &mut |chunk| self.chunk_bytes(chunk))
    }

    /// Makes tokens of all text that was fed.
    fn end_text(&mut self) -> Result<()> {
        let Self { stream, tail, .. } = self;
        let ended = stream.as_mut().map_or(Ok(()), |stream| stream.finish(&mut |id, bytes| tail.push(id, bytes)));
        self.taken = self.tail.bytes();
        let kept = self.kept_text().map_or(Ok(()), |text| text.truncate(self.taken));
        self.keep(kept)?;
        ended
    }

    /// The tail with the tokens of the text that is held back.
    fn whole_tail(&self) -> Result<Tail> {
        let mut tail = self.tail.copy()?;
        if let Some(stream) = &self.stream {
            stream.clone().finish(&mut |id, bytes| tail.push(id, bytes))?;
        }
        Ok(tail)
    }

    /// Drops the memories of what is not read for good.
    fn drop_provisional(&mut self) -> Result<()> {
        let chunks = self.read_to / self.chunk_size();
        let dropped = match &mut self.memory {
            Some(memory) if memory.len() > chunks => memory.truncate(chunks),
            _ => Ok(()),
        };
        self.poison(dropped)
    }

    /// To be called before the document changes.
    fn unsettle(&mut self) -> Result<()> {
        self.settled = None;
        self.drop_provisional()
    }

    /// Takes parts of the document from `next`, which puts one into the tail and tells whether there was one, and reads what is
    /// due. If the recurrence starts anew at segments, the parts of the next window become tokens while one is read.
    fn take_in(&mut self, next: &mut Next<'_>) -> Result<()> {
        self.unsettle()?;
        let Some(window) = self.window() else {
            while next(&mut self.stream, &mut self.tail)? {
                self.advance()?;
            }
            return Ok(());
        };
        // A segment is read when there is a token after it.
        let mut fill = |stream: &mut Option<EncodeStream>, tail: &mut Tail, end: u64| {
            while tail.end() <= end {
                if !next(stream, tail)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let mut ahead = Tail::default();
        loop {
            let end = self.read_to + window;
            if !fill(&mut self.stream, &mut self.tail, end)? {
                return Ok(());
            }
            ahead.begin_in(&self.tail, end.saturating_sub(self.overlap()));
            let bytes = self.bytes().max(self.tail.bytes());
            // Taken out for the call, which needs the rest of the session.
            let mut due = std::mem::take(&mut self.tail);
            let mut stream = self.stream.take();
            let (read, filled) = thread::scope(|scope| {
                let filling = room::spawn(scope, "ramba-tokens".into(), || fill(&mut stream, &mut ahead, end + window));
                let read = self.read_segments(&due, end, true, bytes);
                // Without a thread, it is done when this is read.
                (read, filling.map_or(Ok(true), |f| f.join().unwrap_or_else(|panic| resume_unwind(panic))))
            });
            self.stream = stream;
            if self.read_to == end {
                std::mem::swap(&mut self.tail, &mut ahead);
                ahead = due;
            } else {
                due.drop_before(self.read_to.saturating_sub(self.overlap()));
                due.append(&ahead);
                self.tail = due;
            }
            read?;
            if !filled? {
                return Ok(());
            }
        }
    }

    /// Tokens before a segment that are run first.
    fn overlap(&self) -> u64 {
        self.engine.config().segments.overlap()
    }

    /// Tokens that are read at once, whole segments; None if the recurrence never starts anew.
    fn window(&self) -> Option<u64> {
        let size = self.segment_size()?;
        let at_once = self.engine.shared.model.segments_at_once() as u64;
        let times = if at_once > 1 { WINDOW_AT_ONCE } else { 2 };
        Some((self.engine.threads() as u64 * WINDOW.max(times * at_once * size)).next_multiple_of(size))
    }

    /// Reads for good what is complete.
    ///
    /// A segment or step is complete when there is a token after it, so that there always is one left to continue from.
    fn advance(&mut self) -> Result<()> {
        let before_last = self.tail.end().saturating_sub(1);
        let (Some(size), Some(window)) = (self.segment_size(), self.window()) else {
            let step = self.engine.shared.model.tile() as u64;
            while before_last >= self.read_to + step {
                let done = self.read_step(step);
                self.poison(done)?;
                self.tail.drop_before(self.read_to);
                self.tell()?;
            }
            return Ok(());
        };
        let complete = before_last - before_last % size;
        while complete > self.read_to {
            let end = complete.min(self.read_to + window);
            // Taken out for the call, which needs the rest of the session.
            let tail = std::mem::take(&mut self.tail);
            let done = self.read_segments(&tail, end, true, self.bytes());
            self.tail = tail;
            self.tail.drop_before(self.read_to.saturating_sub(self.overlap()));
            done?;
        }
        Ok(())
    }

    /// Moves `reading` on by `step` tokens through the whole model.
    fn read_step(&mut self, step: u64) -> Result<()> {
        self.drop_provisional()?;
        let end = self.read_to + step;
        let chunk = self.chunk_size();
        let Self { engine, memory, scratches, tail, reading, .. } = self;
        let (Some(state), Some(scratch)) = (reading, scratches.first_mut()) else { return Ok(()) };
        let source = |c: u64| tail.source(c * chunk..(c + 1) * chunk);
        let remember = memory.is_some().then_some(&source as &(dyn Fn(u64) -> Range<u64> + Sync));
        let pass = Pass { memory: memory.as_mut(), remember, skip_hsa: self.skip_hsa, ..Pass::default() };
        engine.shared.model.forward(state, scratch, tail.ids(self.read_to..end), pass)?;
        self.read_to = end;
        Ok(())
    }

    /// Reads the segments of `tail` from `read_to` to `end`, in parallel: for good, which moves `read_to`, or
    /// provisionally with the last chunk padded. `bytes` have been taken of the source.
    fn read_segments(&mut self, tail: &Tail, end: u64, for_good: bool, bytes: u64) -> Result<()> {
        let jobs = self.jobs(tail, end);
        let chunk = self.chunk_size();
        let Self { engine, memory, scratches, blocks, on_progress, read_to, .. } = self;
        let model = &engine.shared.model;
        let Some(memory) = memory else {
            // Nothing outlives a segment: there is nothing to read it for.
            if for_good {
                *read_to = end;
            }
            return Ok(());
        };
        let source = |c: u64| tail.source(c * chunk..(c + 1) * chunk);
        let threads = engine.threads();
        let result = reading::read(model, threads, scratches, blocks, &jobs, &source, memory, &mut |memory| {
            let tokens = memory.len() * chunk;
            if for_good {
                *read_to = tokens;
            }
            let progress = Progress { bytes, tokens: tokens.min(tail.end()), chunks: memory.len() };
            on_progress.as_mut().map_or(ControlFlow::Continue(()), |tell| tell(progress))
        });
        match self.poison(result)? {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(cancelled()),
        }
    }

    /// The segments of `tail` from `read_to` to `end`, the last one padded to whole chunks.
    fn jobs<'t>(&self, tail: &'t Tail, end: u64) -> Vec<Job<'t>> {
        let config = self.engine.config();
        let chunk = self.chunk_size();
        let mut jobs = Vec::new();
        let mut at = self.read_to;
        while at < end {
            let span = config.segments.at(at);
            let last = span.end.min(end);
            let mut tokens = Cow::Borrowed(tail.ids(span.start - span.overlap..last));
            let padded = ((last - span.start).next_multiple_of(chunk) + span.overlap) as usize;
            if tokens.len() < padded {
                tokens.to_mut().resize(padded, self.engine.pad());
            }
            let chunks = span.start / chunk..last.div_ceil(chunk);
            jobs.push(Job { tokens, run_in: span.overlap as usize, chunks });
            at = last;
        }
        jobs
    }

    /// Position of the next token of `answering`.
    fn answering_position(&self) -> u64 {
        self.answering.as_ref().map_or(0, State::position)
    }

    fn tell(&mut self) -> Result<()> {
        let progress = Progress { bytes: self.bytes(), tokens: self.read_to, chunks: self.chunks() };
        match self.on_progress.as_mut().map(|tell| tell(progress)) {
            Some(ControlFlow::Break(())) => Err(cancelled()),
            _ => Ok(()),
        }
    }

    /// Sets `answering` to the state that a question starts from.
    fn start_question(&mut self) -> Result<()> {
        if self.segment_size().is_some() {
            // After the padded end, so that all chunks are visible, with nothing but the chunks to know the document by.
            let end = self.tokens().next_multiple_of(self.chunk_size());
            let Self { engine, answering, .. } = self;
            let model = &engine.shared.model;
            return model.reset(state(model, answering)?, end);
        }
        self.drop_provisional()?;
        self.copy_reading()?;
        let whole = self.whole_tail()?;
        let tokens = whole.ids(self.read_to..whole.end()).to_vec();
        // Chunks that end among these tokens are remembered until the document goes on.
        let tail = std::mem::replace(&mut self.tail, whole);
        let done = self.pass(&tokens, true, Pass::default()).map(|_| ());
        self.tail = tail;
        done
    }

    /// Sets `answering` to the state at `read_to`, from which the document is written on.
    fn start_writing(&mut self) -> Result<()> {
        if self.segment_size().is_none() {
            return self.copy_reading();
        }
        let span = self.engine.config().segments.at(self.read_to);
        let from = span.start - span.overlap;
        let run_in = self.tail.ids(from..span.start).to_vec();
        let Self { engine, answering, .. } = self;
        let model = &engine.shared.model;
        model.reset(state(model, answering)?, from)?;
        self.pass(&run_in, false, Pass::default()).map(|_| ())
    }

    /// Sets `answering` to `reading`.
    fn copy_reading(&mut self) -> Result<()> {
        let Self { engine, answering, reading, .. } = self;
        let model = &engine.shared.model;
        match reading {
            Some(reading) => model.copy_state(reading, state(model, answering)?),
            None => Ok(()),
        }
    }

    /// Moves `answering` on by `tokens` and returns the logits that `pass` asks for, to which this adds what is read. If
    /// the document `grows`, the tokens are those of its tail: their chunks are remembered, and the recurrence restarts
    /// where segments begin.
    fn pass<'s>(&'s mut self, tokens: &[u32], grows: bool, pass: Pass<'s>) -> Result<&'s [f32]> {
        let chunk = self.chunk_size();
        let Self { engine, memory, scratches, tail, answering, .. } = self;
        let model = &engine.shared.model;
        let state = state(model, answering)?;
        let Some(scratch) = scratches.first_mut() else { return Ok(&[]) };
        let source = |c: u64| tail.source(c * chunk..(c + 1) * chunk);
        let remember = (grows && memory.is_some()).then_some(&source as &(dyn Fn(u64) -> Range<u64> + Sync));
        let pass = Pass { memory: memory.as_mut(), remember, ..pass };
        if grows { model.advance(state, scratch, tokens, pass) } else { model.forward(state, scratch, tokens, pass) }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("bytes", &self.bytes())
            .field("tokens", &self.tokens())
            .field("chunks", &self.chunks())
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}

/// Fails unless `memory` can hold all chunks that one token may read.
fn enough_slots(model: &Model, memory: &ChunkMemory, options: &SessionOptions) -> Result<()> {
    let wanted = model.config().hsa.as_ref().map_or(0, |hsa| hsa.top_k * hsa.retrieval_heads);
    if memory.slots() >= wanted {
        return Ok(());
    }
    let least = ChunkMemory::minimum_budget(&memory.shape(), options.precision, wanted)?;
    Err(Error::capacity(format!(
        "a memory budget of {} bytes holds {} chunks, but a token reads up to {wanted}: {least} bytes are enough",
        options.budget,
        memory.slots()
    )))
}

/// The state in `slot`, made if there is none.
fn state<'a>(model: &Model, slot: &'a mut Option<State>) -> Result<&'a mut State> {
    let state = match slot.take() {
        Some(state) => state,
        None => model.state()?,
    };
    Ok(slot.insert(state))
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "reading was stopped by the caller")
}
