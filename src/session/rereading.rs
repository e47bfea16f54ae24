//! Reading again with the question in sight.
//!
//! Chunks of a document are encoded before anyone knows what will be asked, which bounds how well they can be read. A
//! model that was trained for it reads the few chunks that a question finds once more, as windows of one chunk's size:
//!
//! ```text
//! [question] text of the question [end] text of the chunks | [question] text of the question [end] the text after it | …
//! ```
//!
//! All windows are one segment: the recurrence carries the question and the text before, and the chunk encoder sees both together.
//! The question is then asked of the memories of these windows alone.

use std::ops::Range;

use super::device::{Scratch, State};
use super::passage;
use super::{Engine, SessionOptions};
use crate::memory::{ChunkMemory, Text};
use crate::model::{Pass, RereadingConfig, RetrievedChunk, Trace};
use crate::{Cancel, Result};

/// Room for the windows of one question: their memories, and a state to ask them with.
pub(super) struct Rereading {
    config: RereadingConfig,
    /// The token between the question and the text of a window.
    end: u32,
    memory: ChunkMemory,
    scratch: Scratch,
    state: State,
    /// For each window, the chunks of the document whose text it holds, and how many tokens of each.
    shares: Vec<Vec<(u64, usize)>>,
}

/// Text to be read again: a chunk, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub chunk: u64,
    /// The bytes of the document.
    bytes: Range<u64>,
    tokens: Vec<u32>,
}

impl Piece {
    /// None if there is nothing but white space.
    ///
    /// # Errors
    /// Those of reading the text, and of the tokenizer.
    pub fn read(engine: &Engine, chunk: u64, text: &Text, bytes: Range<u64>) -> Result<Option<Self>> {
        let (bytes, characters) = passage::text(text, bytes)?;
        if characters.trim().is_empty() {
            return Ok(None);
        }
        Ok(Some(Self { chunk, bytes, tokens: engine.tokenize(&characters)? }))
    }

    /// Whether some of `bytes` are in it.
    pub fn overlaps(&self, bytes: &Range<u64>) -> bool {
        self.bytes.start < bytes.end && bytes.start < self.bytes.end
    }
}

/// Windows for one question.
#[derive(Debug, PartialEq, Eq)]
struct Windows {
    /// (windows, S)
    tokens: Vec<u32>,
    shares: Vec<Vec<(u64, usize)>>,
}

/// What stands in all windows alike.
struct Frame<'a> {
    /// The question, with the token that opens it and the one that ends it.
    head: &'a [u32],
    /// Fills what is left over.
    pad: u32,
    /// S, tokens of a window.
    size: usize,
    windows: usize,
}

impl Rereading {
    /// Room for windows, if the model was trained for them and can be given text.
    ///
    /// # Errors
    /// `Io` if the directory of `options` cannot be written, `Capacity` if there is no memory for them.
    pub fn new(engine: &Engine, options: &SessionOptions, cancel: &Cancel) -> Result<Option<Self>> {
        let model = &engine.shared.model;
        let (Some(config), Some(shape)) = (engine.config().rereading, model.chunk_shape()) else { return Ok(None) };
        let (Ok(_), Some(end)) = (engine.tokenizer(), engine.shared.eos) else {
            log::warn!(
                "nothing is read again with a question in sight: there is no tokenizer, or no end-of-text token"
            );
            return Ok(None);
        };
        let slots = config.windows * shape.retrieval_heads;
        let budget = ChunkMemory::minimum_budget(&shape, options.precision, slots)?;
        let directory = options.directory.clone().unwrap_or_else(std::env::temp_dir);
        Ok(Some(Self {
            config,
            end,
            memory: ChunkMemory::create(&directory, shape, options.precision, budget)?,
            scratch: model.scratch(model.least_device_budget(&shape, options.precision, config.windows), cancel)?,
            state: model.state()?,
            shares: Vec::new(),
        }))
    }

    /// Bytes of RAM that the memories of windows take.
    pub fn reserved_bytes(&self) -> u64 {
        self.memory.reserved_bytes()
    }

    /// What is read again.
    pub fn config(&self) -> RereadingConfig {
        self.config
    }

    /// Reads the tokens of `pieces`, best first, with the question of `prompt` in sight. False if there is no room for any.
    ///
    /// # Errors
    /// Those of the model and of the memory.
    pub fn read(&mut self, engine: &Engine, prompt: &[u32], pieces: &[Piece]) -> Result<bool> {
        let model = &engine.shared.model;
        let Self { config, end, memory, scratch, state, shares } = self;
        let mut head = prompt.to_vec();
        // In the place of the token that asks for the answer.
        if let Some(last) = head.last_mut() {
            *last = *end;
        }
        let (pad, size) = (engine.pad(), memory.shape().chunk_size);
        let frame = Frame { head: &head, pad, size, windows: config.windows };
        let Some(windows) = frame.lay_out(pieces) else { return Ok(false) };
        memory.truncate(0)?;
        model.read_segments(scratch, &[&windows.tokens], 0, &mut |c| {
            memory.append(c.keys, c.values, c.landmark, 0..0).map(drop)
        })?;
        // After the windows, so that all are visible.
        model.reset(state, windows.tokens.len() as u64)?;
        *shares = windows.shares;
        Ok(true)
    }

    /// As [`Generation::pass`](super::generation::Generation::pass), of the windows. What is traced are the chunks of
    /// the document that they hold.
    ///
    /// # Errors
    /// Those of the model and of the memory.
    pub fn pass<'s>(&'s mut self, engine: &'s Engine, ids: &[u32], pass: Pass<'s>) -> Result<&'s [f32]> {
        let Self { memory, scratch, state, shares, .. } = self;
        let Pass { logits, top, trace, .. } = pass;
        let mut read = Trace::new();
        let traced = trace.is_some().then_some(&mut read);
        let pass = Pass { memory: Some(memory), logits, top, trace: traced, ..Pass::default() };
        let logits = engine.shared.model.forward(state, scratch, ids, pass)?;
        if let Some(trace) = trace {
            trace.extend(read.iter().flat_map(|read| divided(read, shares)));
        }
        Ok(logits)
    }

    /// Position of the next token.
    pub fn position(&self) -> u64 {
        self.state.position()
    }
}

/// What was read of a window, as what was read of the chunks that it holds: by their shares of its tokens.
fn divided(reading: &RetrievedChunk, shares: &[Vec<(u64, usize)>]) -> impl Iterator<Item = RetrievedChunk> {
    let shares = shares.get(reading.chunk as usize).map_or(&[][..], |shares| shares);
    let whole: usize = shares.iter().map(|share| share.1).sum();
    shares.iter().map(move |&(chunk, tokens)| RetrievedChunk {
        chunk,
        weight: reading.weight * tokens as f32 / whole as f32,
        ..*reading
    })
}

impl Frame<'_> {
    /// The windows for as many of `pieces` as there is room for, best first, laid out in the order of the document; None if there is
    /// none.
    fn lay_out(&self, pieces: &[Piece]) -> Option<Windows> {
        let Self { head, pad, size, windows } = *self;
        let room = size.checked_sub(head.len()).filter(|&room| room > 0)?;
        let mut left = room * windows;
        let mut shown: Vec<&Piece> = Vec::new();
        for piece in pieces {
            // What is less preferred gives way as a whole.
            if let Some(rest) = left.checked_sub(piece.tokens.len()) {
                left = rest;
                shown.push(piece);
            }
        }
        shown.sort_unstable_by_key(|piece| (piece.chunk, piece.bytes.start));
        let text: Vec<(u64, u32)> =
            shown.iter().flat_map(|piece| piece.tokens.iter().map(|&token| (piece.chunk, token))).collect();
        if text.is_empty() {
            return None;
        }
        let mut laid = Windows { tokens: Vec::with_capacity(windows * size), shares: Vec::with_capacity(windows) };
        for window in 0..windows {
            let text = text.get(window * room..).unwrap_or_default();
            let text = text.get(..room).unwrap_or(text);
            laid.tokens.extend_from_slice(head);
            laid.tokens.extend(text.iter().map(|&(_, token)| token));
            laid.tokens.resize((window + 1) * size, pad);
            let mut shares: Vec<(u64, usize)> = Vec::new();
            for &(chunk, _) in text {
                match shares.last_mut().filter(|share| share.0 == chunk) {
                    Some(share) => share.1 += 1,
                    None => shares.push((chunk, 1)),
                }
            }
            laid.shares.push(shares);
        }
        Some(laid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(id: u64, size: u32) -> Piece {
        Piece { chunk: id, bytes: 0..1, tokens: (0..size).map(|i| 100 + 8 * id as u32 + i).collect() }
    }

    /// Against `lay_out` of models/recipe/questions/reread.py.
    #[test]
    fn windows_are_those_of_the_recipe() {
        let frame = |head| Frame { head, pad: 0, size: 8, windows: 3 };
        // There is room for one chunk and a half: for the best one.
        let windows = frame(&[2, 50, 51, 1]).lay_out(&[chunk(7, 8), chunk(2, 8), chunk(3, 8)]).unwrap();
        let first = [2, 50, 51, 1, 156, 157, 158, 159, 2, 50, 51, 1, 160, 161, 162, 163];
        assert_eq!(windows.tokens, [&first[..], &[2, 50, 51, 1, 0, 0, 0, 0]].concat());
        assert_eq!(windows.shares, [vec![(7, 4)], vec![(7, 4)], vec![]]);
        // The document has one chunk only.
        let windows = frame(&[2, 50, 1]).lay_out(&[chunk(4, 8)]).unwrap();
        let first = [2, 50, 1, 132, 133, 134, 135, 136, 2, 50, 1, 137, 138, 139, 0, 0];
        assert_eq!(windows.tokens, [&first[..], &[2, 50, 1, 0, 0, 0, 0, 0]].concat());
        // There is room for none.
        assert_eq!(frame(&[2, 50, 51, 52, 53, 1]).lay_out(&[chunk(7, 8)]), None);
        assert_eq!(frame(&[1; 8]).lay_out(&[chunk(7, 1)]), None);
        assert_eq!(frame(&[1; 9]).lay_out(&[chunk(7, 1)]), None);
        assert_eq!(frame(&[2, 1]).lay_out(&[]), None);
    }

    #[test]
    fn chunks_stand_in_the_order_of_the_document_and_have_their_shares() {
        let frame = Frame { head: &[9; 3], pad: 0, size: 8, windows: 3 };
        let windows = frame.lay_out(&[chunk(7, 7), chunk(2, 6), chunk(5, 3)]).unwrap();
        assert_eq!(windows.shares, [vec![(2, 5)], vec![(2, 1), (7, 4)], vec![(7, 3)]]);
        let reading = RetrievedChunk { position: 3, group: 0, head: 1, chunk: 1, weight: 0.5 };
        let read: Vec<RetrievedChunk> = divided(&reading, &windows.shares).collect();
        assert_eq!(
            read,
            [RetrievedChunk { chunk: 2, weight: 0.1, ..reading }, RetrievedChunk { chunk: 7, weight: 0.4, ..reading }]
        );
        assert_eq!(divided(&RetrievedChunk { chunk: 3, ..reading }, &windows.shares).count(), 0);
    }
}
