//! What one sequence carries from token to token.

use std::collections::VecDeque;

use crate::backend::{Backend, Rows, SsmState};
use crate::bytes::{Put, Take};
use crate::{Error, Result, room};

use super::chunking::Incomplete;
use super::{Model, mamba2};

/// What one sequence carries from token to token.
pub struct State<B: Backend> {
    /// One per Mamba-2 block, lower first.
    pub(super) blocks: Vec<SsmState<B::Buffer>>,
    /// The tokens after the last whole chunk; none for a model without chunks.
    pub(super) incomplete: Option<Incomplete<B>>,
    /// Position of the next token.
    pub(super) position: u64,
    /// Position at which the recurrence was zero.
    pub(super) origin: u64,
    /// The last tokens, as many as a segment overlaps.
    pub(super) recent: VecDeque<u32>,
    /// Whether a failed call has left the state between two tokens.
    poisoned: bool,
}

impl<B: Backend> State<B> {
    /// Position of the next token.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Moves the positions of all tokens, those before too, on by `by`: whole chunks.
    pub fn shift(&mut self, by: u64) {
        self.position += by;
        self.origin += by;
    }

    /// Tokens of the incomplete chunk that are kept for its memory.
    pub fn begun(&self) -> usize {
        self.incomplete.as_ref().map_or(0, |incomplete| incomplete.len)
    }

    /// To be called before a state changes.
    ///
    /// # Errors
    /// `InvalidArgument` if an earlier change has failed midway.
    pub(super) fn begin(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.poisoned, true) {
            true => Err(Error::invalid("an earlier call failed midway: the state must be reset")),
            false => Ok(()),
        }
    }

    /// To be called when it has changed by `tokens`, of which it keeps the last `overlap`.
    pub(super) fn end(&mut self, tokens: &[u32], overlap: usize) {
        let news = tokens.get(tokens.len().saturating_sub(overlap)..).unwrap_or_default();
        let excess = (self.recent.len() + news.len()).saturating_sub(overlap);
        self.recent.drain(..excess.min(self.recent.len()));
        self.recent.extend(news);
        self.poisoned = false;
    }
}

impl<B: Backend> Model<B> {
    /// The state before the first token of a timeline.
    ///
    /// # Errors
    /// If the device has no memory for it.
    pub fn state(&self) -> Result<State<B>> {
        let config = &self.config;
        let incomplete = |chunk: usize| Incomplete::new(&self.backend, chunk * config.hidden);
        Ok(State {
            blocks: self.zero_states(config.blocks, 1)?,
            incomplete: self.chunk_size().map(incomplete).transpose()?,
            position: 0,
            origin: 0,
            recent: VecDeque::with_capacity(config.segments.overlap() as usize),
            poisoned: false,
        })
    }

    /// Sets `state` to zero at `position`, with no chunk begun.
    ///
    /// # Errors
    /// Failures of the device.
    pub fn reset(&self, state: &mut State<B>, position: u64) -> Result<()> {
        state.poisoned = true;
        self.clear(&mut state.blocks)?;
        if let Some(incomplete) = &mut state.incomplete {
            incomplete.len = 0;
        }
        state.position = position;
        state.origin = position;
        state.recent.clear();
        state.poisoned = false;
        Ok(())
    }

    /// Makes `to` equal to `from`. Both must come from this model.
    ///
    /// # Errors
    /// `InvalidArgument` if they do not.
    pub fn copy_state(&self, from: &State<B>, to: &mut State<B>) -> Result<()> {
        let copy = |from: &B::Buffer, to: &mut B::Buffer, len: usize| {
            self.backend.copy(from, Rows::of(0, 0), to, Rows::of(0, 0), [1, 1], len)
        };
        to.poisoned = true;
        for (from, to) in from.blocks.iter().zip(&mut to.blocks) {
            copy(&from.conv, &mut to.conv, self.config.ssm.conv_state_len())?;
            copy(&from.ssm, &mut to.ssm, self.config.ssm.ssm_state_len())?;
        }
        if let (Some(from), Some(to)) = (&from.incomplete, &mut to.incomplete) {
            copy(&from.rows, &mut to.rows, from.len * self.config.hidden)?;
            to.len = from.len;
        }
        to.position = from.position;
        to.origin = from.origin;
        to.recent.clone_from(&from.recent);
        to.poisoned = from.poisoned;
        Ok(())
    }

    /// The bytes of `state`, as docs/format.md describes them: from them [`Model::load_state`] makes a state that goes on with the
    /// same results, bit for bit.
    ///
    /// # Errors
    /// `InvalidArgument` for a state poisoned by an earlier failure, `Capacity` if there is not enough memory, and failures of
    /// the device.
    pub fn save_state(&self, state: &State<B>) -> Result<Vec<u8>> {
        if state.poisoned {
            return Err(Error::invalid("an earlier call failed midway: the state must be reset"));
        }
        let rows = self.chunk_size().map_or(0, |_| state.begun() * self.config.hidden);
        let mut bytes = room::with_capacity(8 * 4 + 4 * (state.recent.len() + self.state_values() + rows))?;
        bytes.put_u64(state.position);
        bytes.put_u64(state.origin);
        bytes.put_u64(state.recent.len() as u64);
        state.recent.iter().for_each(|&id| bytes.put_u32(id));
        bytes.put_u64(state.begun() as u64);
        let mut values = Vec::new();
        let mut put = |buffer: &B::Buffer, len: usize| {
            room::resize(&mut values, len, 0.0)?;
            self.backend.read(buffer, &mut values)?;
            values.iter().for_each(|value: &f32| bytes.put_u32(value.to_bits()));
            Ok(())
        };
        for block in &state.blocks {
            put(&block.conv, self.config.ssm.conv_state_len())?;
            put(&block.ssm, self.config.ssm.ssm_state_len())?;
        }
        if let Some(incomplete) = &state.incomplete {
            put(&incomplete.rows, rows)?;
        }
        Ok(bytes)
    }

    /// The state of `bytes`, from [`Model::save_state`] of this model.
    ///
    /// # Errors
    /// `Format` if they are not, `Capacity` if there is not enough memory, and failures of the device.
    pub fn load_state(&self, bytes: &[u8]) -> Result<State<B>> {
        let mut take = Take::new(bytes);
        let mut state = self.state()?;
        state.position = take.u64()?;
        state.origin = take.u64()?;
        let recent = take.count(4)?;
        if recent as u64 > self.config.segments.overlap() || state.origin > state.position {
            return Err(Error::format(format!("{recent} recent tokens, {} tokens since zero", state.position)));
        }
        for _ in 0..recent {
            let id = take.u32()?;
            self.check_ids(&[id]).map_err(|e| Error::format(e.to_string()))?;
            state.recent.push_back(id);
        }
        let begun = take.u64()?;
        let chunk = self.chunk_size().unwrap_or(1) as u64;
        if begun >= chunk || begun > state.position {
            return Err(Error::format(format!("{begun} tokens of a chunk of {chunk}")));
        }
        let mut values = Vec::new();
        let mut get = |buffer: &mut B::Buffer, len: usize| {
            room::resize(&mut values, len, 0.0)?;
            for value in &mut values {
                *value = f32::from_bits(take.u32()?);
                if !value.is_finite() {
                    return Err(Error::format("NaN or infinity in a recurrent state"));
                }
            }
            self.backend.write(buffer, &values)
        };
        for block in &mut state.blocks {
            get(&mut block.conv, self.config.ssm.conv_state_len())?;
            get(&mut block.ssm, self.config.ssm.ssm_state_len())?;
        }
        if let Some(incomplete) = &mut state.incomplete {
            get(&mut incomplete.rows, begun as usize * self.config.hidden)?;
            incomplete.len = begun as usize;
        }
        take.end()?;
        Ok(state)
    }

    /// Values in the recurrence of all blocks.
    fn state_values(&self) -> usize {
        self.config.blocks * (self.config.ssm.conv_state_len() + self.config.ssm.ssm_state_len())
    }

    /// States of `blocks` blocks, each for `sequences` sequences, before their first tokens.
    pub(super) fn zero_states(&self, blocks: usize, sequences: usize) -> Result<Vec<SsmState<B::Buffer>>> {
        (0..blocks).map(|_| mamba2::zero_state(&self.config.ssm, &self.backend, sequences)).collect()
    }

    /// Makes all of `states` those before a first token.
    pub(super) fn clear(&self, states: &mut [SsmState<B::Buffer>]) -> Result<()> {
        states.iter_mut().try_for_each(|state| {
            self.backend.zero(&mut state.conv)?;
            self.backend.zero(&mut state.ssm)
        })
    }
}
