//! The two ways through a document whose recurrence starts anew at every segment: in sequence, or each segment apart.

use std::borrow::Cow;
use std::ops::Range;

use crate::backend::{Backend, SSM_SPAN};
use crate::{Error, Result};

use super::chunking::EncodedChunk;
use super::scratch::{Scratch, UpperScratch};
use super::state::State;
use super::{Logits, Model, Pass};

impl<B: Backend> Model<B> {
    /// [`Model::forward`] with the recurrence restarted where the model's segments begin: the state is reset, the
    /// tokens before the segment that it overlaps are run again, and then the segment's own.
    ///
    /// # Errors
    /// As [`Model::forward`], and `InvalidArgument` if a segment overlaps tokens that `state` has not seen.
    pub fn advance<'s>(
        &self,
        state: &mut State<B>,
        scratch: &'s mut Scratch<B>,
        tokens: &[u32],
        mut pass: Pass<'_>,
    ) -> Result<&'s [f32]> {
        self.check(tokens, &pass)?;
        scratch.host_logits.clear();
        self.backend.run(|| {
            let mut rest = tokens;
            while !rest.is_empty() {
                let segment = self.config.segments.at(state.position);
                let from = segment.start - segment.overlap;
                if state.position == segment.start && state.origin != from {
                    let skip = state.recent.len().checked_sub(segment.overlap as usize).ok_or_else(|| {
                        let (overlap, start) = (segment.overlap, segment.start);
                        Error::invalid(format!("the {overlap} tokens before position {start} are unknown"))
                    })?;
                    let again: Vec<u32> = state.recent.iter().skip(skip).copied().collect();
                    self.reset(state, from)?;
                    let memory = pass.memory.as_deref_mut();
                    let mut quiet = Pass { memory, skip_hsa: pass.skip_hsa, ..Pass::default() };
                    self.tiles(state, scratch, &again, &mut quiet)?;
                }
                let left = usize::try_from(segment.end - state.position).unwrap_or(usize::MAX);
                let (part, after) = rest.split_at(left.min(rest.len()));
                let logits = pass.logits;
                if matches!(logits, Logits::Last | Logits::Top) && !after.is_empty() {
                    pass.logits = Logits::None;
                }
                let done = self.tiles(state, scratch, part, &mut pass);
                pass.logits = logits;
                done?;
                rest = after;
            }
            Ok(())
        })?;
        Ok(&scratch.host_logits)
    }

    /// How many segments [`Model::read_segments`] is best given at once.
    pub fn segments_at_once(&self) -> usize {
        let segments = &self.config.segments;
        let longest = segments.size().map_or(u64::MAX, |size| size + segments.overlap());
        usize::try_from(self.tile() as u64 / longest).unwrap_or(1).max(1)
    }

    /// Reads segments of a document apart from all others: lower blocks from a zero state, and the encoder.
    ///
    /// Each of `segments`, all of one length, is the `overlap` tokens before the segment and then its own, a multiple
    /// of S. `emit` is called with the memory of each chunk in order. Segments may be read in any order, any number at
    /// once, and from several threads, each with its own scratch.
    ///
    /// # Errors
    /// `InvalidArgument` if the model has no chunks, a token is not in the vocabulary or the lengths do not fit, and
    /// what `emit` returns.
    pub fn read_segments(
        &self,
        scratch: &mut Scratch<B>,
        segments: &[&[u32]],
        overlap: usize,
        emit: &mut (dyn FnMut(EncodedChunk<'_>) -> Result<()> + Send),
    ) -> Result<()> {
        let (Some(upper), Some(chunk)) = (&self.upper, self.chunk_size()) else {
            return Err(Error::invalid("this model keeps no chunk memories"));
        };
        let Some(length) = segments.first().map(|tokens| tokens.len()) else { return Ok(()) };
        if let Some(odd) = segments.iter().find(|tokens| tokens.len() != length) {
            return Err(Error::invalid(format!("segments of {length} and of {} tokens at once", odd.len())));
        }
        segments.iter().try_for_each(|tokens| self.check_ids(tokens))?;
        let Some(own) = length.checked_sub(overlap) else {
            return Err(Error::invalid(format!("an overlap of {overlap} tokens out of {length}")));
        };
        if !own.is_multiple_of(chunk) {
            return Err(Error::invalid(format!("{own} tokens are not whole chunks of {chunk}")));
        }
        let at_once = (self.tile() / length.max(1)).clamp(1, self.segments_at_once());
        self.backend.run(|| {
            for some in segments.chunks(at_once) {
                if scratch.lower.is_empty() {
                    scratch.lower = self.zero_states(self.lower.len(), self.segments_at_once())?;
                } else {
                    self.clear(&mut scratch.lower)?;
                }
                // Several fit into one tile with their overlaps.
                let part = |range: Range<usize>| match some {
                    [one] => Cow::Borrowed(&one[range]),
                    _ => Cow::Owned(some.iter().map(|t| &t[range.clone()]).collect::<Vec<_>>().concat()),
                };
                let mut from = 0;
                while from < length {
                    // All at once if there is room and it makes no difference, or else tiles of the overlap, then of
                    // whole chunks.
                    let end = if some.len() * length <= self.tile() && overlap.is_multiple_of(SSM_SPAN) {
                        length
                    } else {
                        (from + self.tile()).min(if from < overlap { overlap } else { length })
                    };
                    let (tile, own) = (part(from..end), from.max(overlap)..end);
                    let Scratch { x, mamba, lower, .. } = &mut *scratch;
                    self.lower_half(&tile, some.len(), lower, x, mamba)?;
                    let chunks = some.len() * (own.len() / chunk);
                    if let (Some(UpperScratch { chunking: s, .. }), 1..) = (&mut scratch.upper, chunks) {
                        s.put_own(&self.backend, &scratch.x, some.len(), end - from, own.start - from..own.end - from)?;
                        upper.chunking.encode(&self.config, &upper.hsa, &self.backend, chunks, s, &mut |encoded| {
                            encoded.iter().try_for_each(&mut *emit)
                        })?;
                    }
                    from = end;
                }
            }
            Ok(())
        })
    }
}
