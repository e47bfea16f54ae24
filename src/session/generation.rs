//! What a question or a continuation carries from token to token, and what its tokens read.

use super::answer::mean_weights;
use super::device::State;
use super::lexical;
use super::passage;
use super::reader::Reader;
use super::rereading::{Piece, Rereading};
use super::resources::Resources;
use super::tokens::Tokens;
use super::{Engine, SessionOptions};
use crate::model::{Pass, RereadingConfig, Trace};
use crate::{Cancel, Result};

/// The state of a question and its answer, or of a continuation of the document.
#[derive(Default)]
pub(super) struct Generation {
    /// Made when it is first needed.
    state: Option<State>,
    /// For models that read again what a question finds.
    rereading: Option<Rereading>,
    /// Whether the answer comes from that.
    again: bool,
}

impl Generation {
    /// # Errors
    /// Those of [`Rereading::new`].
    pub fn new(engine: &Engine, options: &SessionOptions, cancel: &Cancel) -> Result<Self> {
        Ok(Self { rereading: Rereading::new(engine, options, cancel)?, ..Self::default() })
    }

    /// Recurrent states that it holds.
    pub fn states(&self) -> u64 {
        u64::from(self.state.is_some()) + u64::from(self.rereading.is_some())
    }

    /// Bytes of RAM that the memories of windows take, if there are such.
    pub fn rereading_bytes(&self) -> Option<u64> {
        self.rereading.as_ref().map(Rereading::reserved_bytes)
    }

    /// Position of the next token.
    pub fn position(&self) -> u64 {
        match &self.rereading {
            Some(rereading) if self.again => rereading.position(),
            _ => self.state.as_ref().map_or(0, State::position),
        }
    }

    /// Begins a question about a document of `tokens` tokens, all of which have been read.
    ///
    /// # Errors
    /// Failures of the device.
    pub fn start_question(&mut self, r: &Resources, reader: &Reader, tokens: u64) -> Result<()> {
        self.again = false;
        match reader {
            // After the padded end, so that all chunks are visible, with nothing but the chunks to know the document
            // by.
            Reader::BySegment(_) => self.reset(r, r.memory.as_ref().map_or(tokens, |m| m.len() * r.chunk_size())),
            Reader::InSequence(reader) => self.copy(r, reader.rest()),
        }
    }

    /// After the beginning of a question: reads again what its `prompt` finds, if the model was trained for it. The
    /// prompt is then asked of that alone.
    ///
    /// # Errors
    /// Failures of the model, the memory and the device.
    pub fn reread(&mut self, r: &mut Resources, prompt: &[u32]) -> Result<()> {
        let (Some(rereading), true) = (&self.rereading, r.memory.is_some()) else { return Ok(()) };
        let RereadingConfig { chunks: most, lexical_weight, .. } = rereading.config();
        let mut trace = Trace::new();
        self.pass(r, prompt, None, Pass { trace: Some(&mut trace), ..Pass::default() })?;
        let last = self.position().saturating_sub(1);
        trace.retain(|read| read.position == last);
        let found = mean_weights(&trace, r.selections(1), 0.0);
        let ranked = if lexical_weight > 0.0 {
            let question = r.engine.tokenizer()?.decode(prompt);
            lexical::rank(r, &question, &found, lexical_weight)?
        } else {
            found.into_iter().map(|(chunk, _)| chunk).collect()
        };
        let (mut chosen, mut pieces) = (Vec::new(), Vec::new());
        for chunk in ranked.into_iter().take(most) {
            let (part, bytes) = r.place(chunk)?;
            pieces.extend(Piece::read(&r.engine, chunk, &part.text, bytes.clone())?);
            chosen.push((chunk, part, bytes));
        }
        // The sentences that these cut, as far as there is room.
        for (chunk, part, bytes) in chosen {
            let (before, after) = passage::cut_sentences(&part.text, &bytes)?;
            for (beside, bytes) in [(chunk + 1, after), (chunk.saturating_sub(1), before)] {
                let shown = pieces.iter().any(|piece: &Piece| piece.chunk == beside && piece.overlaps(&bytes));
                // There is a chunk for it, unless the end of the document has not been read.
                if !shown && !bytes.is_empty() && r.place(beside)?.0.index == part.index {
                    pieces.extend(Piece::read(&r.engine, beside, &part.text, bytes)?);
                }
            }
        }
        let Some(rereading) = &mut self.rereading else { return Ok(()) };
        self.again = rereading.read(&r.engine, prompt, &pieces)?;
        if !self.again {
            log::debug!("a question of {} tokens leaves no room to read again what it finds", prompt.len());
            let start = self.position() - prompt.len() as u64;
            self.reset(r, start)?;
        }
        Ok(())
    }

    /// Begins a continuation at the end of what `reader` has read for good of the document of `tokens`.
    ///
    /// # Errors
    /// Failures of the model, the memory and the device.
    pub fn start_continuation(&mut self, r: &mut Resources, reader: &Reader, tokens: &Tokens) -> Result<()> {
        self.again = false;
        match reader {
            Reader::BySegment(reader) => {
                let segment = r.config().segments.at(reader.read_to());
                let from = segment.start - segment.overlap;
                self.reset(r, from)?;
                self.pass(r, tokens.ids(from..segment.start), None, Pass::default()).map(drop)
            }
            Reader::InSequence(reader) => self.copy(r, reader.state()),
        }
    }

    /// Moves on by `ids` and returns the logits that `pass` asks for. If they are tokens of the `growing` document,
    /// their chunks are remembered, and the recurrence restarts where segments begin.
    ///
    /// # Errors
    /// Failures of the model, the memory and the device.
    pub fn pass<'s>(
        &'s mut self,
        r: &'s mut Resources,
        ids: &[u32],
        growing: Option<&'s Tokens>,
        pass: Pass<'s>,
    ) -> Result<&'s [f32]> {
        let Self { state, rereading, again } = self;
        if let (Some(rereading), true) = (rereading, *again) {
            return rereading.pass(&r.engine, ids, pass);
        }
        let chunk = r.chunk_size();
        let state = r.engine.shared.model.state_in(state)?;
        let Some(tokens) = growing else {
            return r.run(state, pass, |model, state, scratch, pass| model.forward(state, scratch, ids, pass));
        };
        r.run(state, pass, |model, state, scratch, pass| {
            let source = |c: u64| tokens.source(c * chunk..(c + 1) * chunk);
            let remember = pass.memory.is_some().then_some(&source as _);
            model.advance(state, scratch, ids, Pass { remember, ..pass })
        })
    }

    fn reset(&mut self, r: &Resources, position: u64) -> Result<()> {
        let model = &r.engine.shared.model;
        model.reset(model.state_in(&mut self.state)?, position)
    }

    fn copy(&mut self, r: &Resources, from: &State) -> Result<()> {
        let model = &r.engine.shared.model;
        model.copy_state(from, model.state_in(&mut self.state)?)
    }
}
