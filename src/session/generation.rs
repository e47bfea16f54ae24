//! What a question or a continuation carries from token to token.

use super::device::State;
use super::reader::Reader;
use super::resources::Resources;
use super::tokens::Tokens;
use super::unread::Unread;
use crate::Result;
use crate::model::Pass;

/// The state of a question and its answer, or of a continuation of the document.
#[derive(Default)]
pub(super) struct Generation {
    /// Made when it is first needed.
    state: Option<State>,
}

impl Generation {
    /// Position of the next token.
    pub fn position(&self) -> u64 {
        self.state.as_ref().map_or(0, State::position)
    }

    /// Begins a question about a document of `tokens` tokens, the last of which, in `unread`, are read for now or to be
    /// read.
    ///
    /// # Errors
    /// Failures of the model, the memory and the device.
    pub fn start_question(&mut self, r: &mut Resources, reader: &Reader, unread: &Unread, tokens: u64) -> Result<()> {
        match reader {
            // After the padded end, so that all chunks are visible, with nothing but the chunks to know the document
            // by.
            Reader::BySegment(_) => self.reset(r, tokens.next_multiple_of(r.chunk_size())),
            Reader::InSequence(reader) => {
                self.copy(r, reader.state())?;
                let all = unread.all_tokens()?;
                // Chunks that end among these tokens are remembered until the document goes on.
                let rest = all.ids(reader.read_to()..all.end());
                self.pass(r, rest, Some(&all), Pass::default()).map(drop)
            }
        }
    }

    /// Begins a continuation at the end of what `reader` has read for good of the document of `tokens`.
    ///
    /// # Errors
    /// Failures of the model, the memory and the device.
    pub fn start_continuation(&mut self, r: &mut Resources, reader: &Reader, tokens: &Tokens) -> Result<()> {
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
        &mut self,
        r: &'s mut Resources,
        ids: &[u32],
        growing: Option<&'s Tokens>,
        pass: Pass<'s>,
    ) -> Result<&'s [f32]> {
        let chunk = r.chunk_size();
        let state = self.state(r)?;
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
        r.engine.shared.model.reset(self.state(r)?, position)
    }

    fn copy(&mut self, r: &Resources, from: &State) -> Result<()> {
        r.engine.shared.model.copy_state(from, self.state(r)?)
    }

    fn state(&mut self, r: &Resources) -> Result<&mut State> {
        match &mut self.state {
            Some(state) => Ok(state),
            none => Ok(none.insert(r.engine.shared.model.state()?)),
        }
    }
}
