//! How a document is read: by segments, in parallel, or in sequence through the whole model.

use std::borrow::Cow;
use std::ops::{ControlFlow, Range};

use super::device::State;
use super::prefill::{Prefill, SegmentTokens};
use super::resources::Resources;
use super::tokens::Tokens;
use super::work_queue::WorkQueue;
use super::{Engine, Progress};
use crate::bytes::{Put, Take};
use crate::model::{Pass, Segments};
use crate::{Error, ErrorKind, Result};

/// Tokens per thread, and what a device reads at once twice per thread, wait to be read together: enough that threads
/// rarely wait for the last of them.
const WINDOW: u64 = 8192;

/// The same for devices that read several segments at once, in what they read at once: they take so little time for it
/// that starting the threads and waiting for the last of them must be rare.
const WINDOW_AT_ONCE: u64 = 16;

/// Told of progress; may ask to stop.
pub(super) type Tell<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Reads a document.
#[allow(clippy::large_enum_variant, reason = "there is one for each session")]
pub(super) enum Reader {
    BySegment(SegmentReader),
    InSequence(SequenceReader),
}

impl Reader {
    /// The reader of an empty document. `skip_hsa` is for documents that are read in sequence.
    ///
    /// # Errors
    /// If the device has no memory for the state.
    pub fn new(engine: &Engine, skip_hsa: bool) -> Result<Self> {
        let model = &engine.shared.model;
        let segments = model.config().segments;
        let Some(size) = segments.size() else {
            let (state, step) = (model.state()?, model.tile() as u64);
            return Ok(Reader::InSequence(SequenceReader {
                read_to: 0,
                state,
                rest: None,
                ready: false,
                step,
                skip_hsa,
                computed: 0,
            }));
        };
        let at_once = model.segments_at_once() as u64;
        let times = if at_once > 1 { WINDOW_AT_ONCE } else { 2 };
        let window = (engine.threads() as u64 * WINDOW.max(times * at_once * size)).next_multiple_of(size);
        let queue = WorkQueue::default();
        Ok(Reader::BySegment(SegmentReader {
            segments,
            size,
            window,
            pad: engine.pad(),
            read_to: 0,
            queue,
            computed: 0,
        }))
    }

    /// Appends to `bytes` what is needed to go on, as docs/format.md describes it.
    ///
    /// # Errors
    /// Those of saving a state.
    pub fn save(&self, engine: &Engine, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.put_u64(self.read_to());
        match self {
            Reader::BySegment(_) => bytes.put_u64(0),
            Reader::InSequence(reader) => {
                bytes.put_u64(1 + u64::from(reader.skip_hsa));
                let save = |state| engine.shared.model.save_state(state);
                bytes.put_counted(&save(&reader.state)?);
                let rest = reader.rest.as_ref().filter(|_| reader.ready);
                bytes.put_counted(&rest.map_or(Ok(Vec::new()), save)?);
            }
        }
        Ok(())
    }

    /// Goes on as what was saved, in the place of the reader of an empty document.
    ///
    /// # Errors
    /// `Format` if the bytes are none of [`Reader::save`], and those of loading a state.
    pub fn load(&mut self, engine: &Engine, take: &mut Take<'_>) -> Result<()> {
        let (at, kind) = (take.u64()?, take.u64()?);
        match self {
            Reader::BySegment(reader) if kind == 0 && at.is_multiple_of(reader.size) => reader.read_to = at,
            Reader::InSequence(reader) if kind == 1 || kind == 2 => {
                reader.skip_hsa = kind == 2;
                reader.state = engine.shared.model.load_state(take.counted()?)?;
                reader.read_to = at;
                let rest = take.counted()?;
                reader.ready = !rest.is_empty();
                reader.rest =
                    Some(rest).filter(|_| reader.ready).map(|rest| engine.shared.model.load_state(rest)).transpose()?;
                if reader.state.position() != at {
                    return Err(Error::format(format!("{at} tokens read, a state at {}", reader.state.position())));
                }
            }
            _ => return Err(Error::format(format!("a reader of kind {kind} at {at}"))),
        }
        Ok(())
    }

    /// Recurrent states that it holds.
    pub fn states(&self) -> u64 {
        match self {
            Reader::BySegment(_) => 0,
            Reader::InSequence(reader) => 1 + u64::from(reader.rest.is_some()),
        }
    }

    /// The first token that is needed to go on.
    pub fn needs(&self) -> u64 {
        match self {
            Reader::BySegment(reader) => reader.needs(reader.read_to),
            Reader::InSequence(reader) => reader.read_to,
        }
    }

    /// Tokens that the model has read for the document since it was opened: those that segments overlap, and those that were
    /// read for now and again, are counted each time.
    pub fn computed(&self) -> u64 {
        match self {
            Reader::BySegment(reader) => reader.computed,
            Reader::InSequence(reader) => reader.computed,
        }
    }

    /// Tokens before this position are read for good: whole segments, or whole steps.
    pub fn read_to(&self) -> u64 {
        match self {
            Reader::BySegment(reader) => reader.read_to,
            Reader::InSequence(reader) => reader.read_to,
        }
    }
}

/// Reads segments apart from each other, through the lower half of the model: nothing but chunk memories outlives them.
pub(super) struct SegmentReader {
    segments: Segments,
    /// Tokens of a segment.
    size: u64,
    /// Tokens that are read at once, whole segments.
    window: u64,
    /// Fills up the last chunk.
    pad: u32,
    read_to: u64,
    queue: WorkQueue,
    /// Tokens that the model has read.
    computed: u64,
}

impl SegmentReader {
    pub fn read_to(&self) -> u64 {
        self.read_to
    }

    /// Tokens that are read at once, whole segments.
    pub fn window(&self) -> u64 {
        self.window
    }

    /// The end of the next window of a document of `tokens` tokens, or of its whole segments before that. A segment is
    /// whole when there is a token after it, so that there always is one left to continue from. None if there is none
    /// to read.
    pub fn next(&self, tokens: u64) -> Option<u64> {
        let before_last = tokens.saturating_sub(1);
        let end = (before_last - before_last % self.size).min(self.read_to + self.window);
        (end > self.read_to).then_some(end)
    }

    /// The first token that is needed to go on from position `at`: the first one that its segment overlaps.
    pub fn needs(&self, at: u64) -> u64 {
        at.saturating_sub(self.segments.overlap())
    }

    /// Reads whole segments of `tokens` up to `end`, for good. `bytes` have been taken of the document.
    ///
    /// # Errors
    /// `Cancelled` if `tell` asked for it; else failures of the model, the memory and the device.
    pub fn read(&mut self, r: &mut Resources, tokens: &Tokens, end: u64, bytes: u64, tell: Tell<'_>) -> Result<()> {
        let Self { segments, pad, read_to, queue, computed, .. } = self;
        if r.memory.is_none() {
            // Nothing outlives a segment: there is nothing to read it for.
            *read_to = end;
            return Ok(());
        }
        let jobs = segment_tokens(*segments, r.chunk_size(), *pad, tokens, *read_to..end);
        *computed += count(&jobs);
        prefill(r, queue, &jobs, tokens, bytes, &mut |progress| {
            *read_to = progress.tokens;
            tell(progress)
        })
    }

    /// Reads what is left of `tokens` for now, with the last chunk padded: its memories are to be forgotten before the
    /// document goes on.
    ///
    /// # Errors
    /// As [`SegmentReader::read`].
    pub fn read_rest(&mut self, r: &mut Resources, tokens: &Tokens, bytes: u64, tell: Tell<'_>) -> Result<()> {
        if r.memory.is_none() {
            return Ok(());
        }
        let jobs = segment_tokens(self.segments, r.chunk_size(), self.pad, tokens, self.read_to..tokens.end());
        self.computed += count(&jobs);
        prefill(r, &mut self.queue, &jobs, tokens, bytes, tell)
    }
}

/// Tokens of `jobs`.
fn count(jobs: &[SegmentTokens<'_>]) -> u64 {
    jobs.iter().map(|job| job.ids.len() as u64).sum()
}

/// Reads `jobs`, segments of `tokens`, into the memory.
fn prefill(
    r: &mut Resources,
    queue: &mut WorkQueue,
    jobs: &[SegmentTokens<'_>],
    tokens: &Tokens,
    bytes: u64,
    tell: Tell<'_>,
) -> Result<()> {
    let Resources { engine, memory: Some(memory), scratches, cancel } = r else { return Ok(()) };
    let chunk = memory.shape().chunk_size as u64;
    let prefill = Prefill { model: &engine.shared.model, threads: engine.threads(), scratches, queue, cancel };
    let done = prefill.run(jobs, tokens, memory, &mut |memory| {
        let tokens = (memory.len() * chunk).min(tokens.end());
        tell(Progress { bytes, tokens, chunks: memory.len() })
    })?;
    if done.is_break() { Err(cancelled()) } else { Ok(()) }
}

/// The segments of `tokens` at `positions`, the last one padded with `pad` to whole chunks.
fn segment_tokens<'t>(
    segments: Segments,
    chunk: u64,
    pad: u32,
    tokens: &'t Tokens,
    positions: Range<u64>,
) -> Vec<SegmentTokens<'t>> {
    let Range { start: mut at, end } = positions;
    let mut all = Vec::new();
    while at < end {
        let segment = segments.at(at);
        let last = segment.end.min(end);
        let mut ids = Cow::Borrowed(tokens.ids(segment.start - segment.overlap..last));
        let padded = ((last - segment.start).next_multiple_of(chunk) + segment.overlap) as usize;
        if ids.len() < padded {
            ids.to_mut().resize(padded, pad);
        }
        let chunks = segment.start / chunk..last.div_ceil(chunk);
        all.push(SegmentTokens { ids, overlap: segment.overlap as usize, chunks });
        at = last;
    }
    all
}

/// Reads a document in order through the whole model, whose recurrence is never reset.
pub(super) struct SequenceReader {
    read_to: u64,
    /// After the token before `read_to`.
    state: State,
    /// After all tokens, for questions about them; while reading goes on, that after the next step. Made when it is first needed.
    rest: Option<State>,
    /// Whether `rest` and the memory are those after all tokens.
    ready: bool,
    /// Tokens that are read at once.
    step: u64,
    skip_hsa: bool,
    /// Tokens that the model has read.
    computed: u64,
}

impl SequenceReader {
    pub fn read_to(&self) -> u64 {
        self.read_to
    }

    /// The state after the tokens that are read for good.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// To be called when the memories of what was read for now are forgotten.
    pub fn forget_rest(&mut self) {
        self.ready = false;
    }

    /// Moves on by `by` tokens, whole chunks, of other documents that are read before this one: what has been read is all there is.
    pub fn put_after(&mut self, by: u64) {
        self.state.shift(by);
        self.rest.iter_mut().for_each(|rest| rest.shift(by));
        self.ready = true;
    }

    /// Tokens that have been read, for good and for now.
    pub fn end(&self) -> u64 {
        if self.ready { self.rest().position() } else { self.read_to }
    }

    /// The state after [`SequenceReader::read_rest`]; before the first, that after the tokens that are read for good.
    pub fn rest(&self) -> &State {
        self.rest.as_ref().unwrap_or(&self.state)
    }

    /// Whether a whole step of a document of `tokens` tokens is to be read, with a token after it to continue from.
    pub fn is_due(&self, tokens: u64) -> bool {
        tokens > self.read_to + self.step
    }

    /// Reads the next step of `tokens`, for good.
    ///
    /// # Errors
    /// Failures of the model, the memory and the device.
    pub fn read(&mut self, r: &mut Resources, tokens: &Tokens) -> Result<()> {
        let Self { read_to, state, rest, ready, step, skip_hsa, computed } = self;
        *ready = false;
        let chunk = r.chunk_size();
        r.truncate(*read_to / chunk)?;
        // The state before the step stays, so that reading can go on from there if it is stopped within.
        let model = &r.engine.shared.model;
        let next = model.state_in(rest)?;
        model.copy_state(state, next)?;
        let end = *read_to + *step;
        let source = |c: u64| tokens.source(c * chunk..(c + 1) * chunk);
        let pass = Pass { remember: Some(&source), skip_hsa: *skip_hsa, ..Pass::default() };
        r.run(next, pass, |model, state, scratch, pass| {
            model.forward(state, scratch, tokens.ids(*read_to..end), pass)
        })?;
        std::mem::swap(state, next);
        *read_to = end;
        *computed += *step;
        Ok(())
    }

    /// Reads what is left of `tokens` for now, once for all questions about them. The memories of chunks that end there are to be
    /// forgotten before the document goes on.
    ///
    /// # Errors
    /// Failures of the model, the memory and the device.
    pub fn read_rest(&mut self, r: &mut Resources, tokens: &Tokens) -> Result<()> {
        if self.ready {
            return Ok(());
        }
        let chunk = r.chunk_size();
        r.truncate(self.read_to / chunk)?;
        let model = &r.engine.shared.model;
        let state = model.state_in(&mut self.rest)?;
        model.copy_state(&self.state, state)?;
        let ids = tokens.ids(self.read_to..tokens.end());
        let source = |c: u64| tokens.source(c * chunk..(c + 1) * chunk);
        r.run(state, Pass::default(), |model, state, scratch, pass| {
            let remember = pass.memory.is_some().then_some(&source as _);
            model.advance(state, scratch, ids, Pass { remember, ..pass })
        })?;
        self.computed += ids.len() as u64;
        self.ready = true;
        Ok(())
    }
}

/// The caller has stopped the reading.
pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "reading was stopped by the caller")
}
