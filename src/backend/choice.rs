//! What tokens have chosen, as a backend reads it: chunks of consecutive tokens that there is room for at once, and picks among them.

use std::ops::Range;

use super::reader::Pick;
use super::weighting::{Weighting, weigh};
use crate::topk::TopK;

/// The choices of the groups for the tokens of a call, and the batches of the group that has chosen last.
#[derive(Default)]
pub(crate) struct Choice {
    /// For each group (n, Gr, K): chunk and weight, most recent chunk first; weight 0 where there are fewer than K
    groups: Vec<Vec<(u64, f32)>>,
    /// (n, Gr, K): the same for the last group, as indices into the chunks of the token's batch
    picks: Vec<Pick>,
    /// Distinct chunks of one token.
    of_token: Vec<u64>,
    /// The chunks of all batches, ascending inside each.
    chunks: Vec<u64>,
    /// Covers the tokens in order.
    batches: Vec<Batch>,
    per_token: usize,
}

/// Consecutive tokens whose chunks there is room for at once.
#[derive(Debug, Clone, Default)]
struct Batch {
    tokens: Range<usize>,
    chunks: Range<usize>,
}

/// A batch, with what is in it.
pub(crate) struct Reads<'a> {
    /// Which of the tokens.
    pub(crate) tokens: Range<usize>,
    /// The chunks that they read, ascending.
    pub(crate) chunks: &'a [u64],
    /// (tokens, Gr, K) of those chunks.
    pub(crate) picks: &'a [Pick],
}

impl Choice {
    /// Takes the chunks of `top` (n, Gr), weighed, as the choice of `group`.
    pub(crate) fn weigh(&mut self, group: usize, top: &[TopK], k: usize, weighting: Weighting, decay: f32) {
        let readings = self.group_mut(group);
        readings.resize(top.len() * k, (0, 0.0));
        for (readings, top) in readings.chunks_exact_mut(k).zip(top) {
            weigh(top, weighting, decay, readings);
        }
    }

    /// Takes chunks and weights (n, Gr, K) as the choice of `group`.
    pub(crate) fn set(&mut self, group: usize, chosen: &[(u64, f32)]) {
        let readings = self.group_mut(group);
        readings.clear();
        readings.extend_from_slice(chosen);
    }

    fn group_mut(&mut self, group: usize) -> &mut Vec<(u64, f32)> {
        if self.groups.len() <= group {
            self.groups.resize_with(group + 1, Vec::new);
        }
        &mut self.groups[group]
    }

    /// The choice of `group`, (n, Gr, K).
    pub(crate) fn of(&self, group: usize) -> &[(u64, f32)] {
        self.groups.get(group).map_or(&[], Vec::as_slice)
    }

    /// Divides the tokens of `group` into batches of at most `slots` distinct chunks; a token alone may need more.
    pub(crate) fn divide(&mut self, group: usize, per_token: usize, slots: usize) {
        let Self { groups, picks, of_token, chunks, batches, .. } = self;
        let readings = groups.get(group).map_or(&[][..], Vec::as_slice);
        chunks.clear();
        batches.clear();
        let mut batch = Batch::default();
        for (token, readings) in readings.chunks_exact(per_token).enumerate() {
            of_token.clear();
            of_token.extend(readings.iter().filter(|r| r.1 != 0.0).map(|r| r.0));
            of_token.sort_unstable();
            of_token.dedup();
            let known = &chunks[batch.chunks.clone()];
            let new = of_token.iter().filter(|id| known.binary_search(id).is_err()).count();
            if known.len() + new > slots && !batch.tokens.is_empty() {
                let next = Batch { tokens: token..token, chunks: chunks.len()..chunks.len() };
                batches.push(std::mem::replace(&mut batch, next));
            }
            for id in &*of_token {
                if let Err(at) = chunks[batch.chunks.clone()].binary_search(id) {
                    chunks.insert(batch.chunks.start + at, *id);
                    batch.chunks.end += 1;
                }
            }
            batch.tokens.end = token + 1;
        }
        batches.push(batch);

        picks.clear();
        for batch in &*batches {
            let known = &chunks[batch.chunks.clone()];
            let readings = readings.chunks_exact(per_token).skip(batch.tokens.start).take(batch.tokens.len());
            picks.extend(readings.flatten().map(|&(id, weight)| match known.binary_search(&id) {
                // Far below 2^32 for all tokens of a tile.
                Ok(chunk) if weight != 0.0 => Pick { chunk: chunk as u32, weight },
                _ => Pick::NONE,
            }));
        }
        self.per_token = per_token;
    }

    /// How many batches there are, at least one once something was divided.
    pub(crate) fn batches(&self) -> usize {
        self.batches.len()
    }

    /// A batch.
    pub(crate) fn batch(&self, index: usize) -> Reads<'_> {
        let Batch { tokens, chunks } = self.batches.get(index).cloned().unwrap_or_default();
        let picks = tokens.start * self.per_token..tokens.end * self.per_token;
        Reads {
            chunks: self.chunks.get(chunks).unwrap_or_default(),
            picks: self.picks.get(picks).unwrap_or_default(),
            tokens,
        }
    }

    /// Whether no token reads anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
}
