//! One token: the operations that a device repeats, in as few parts as the host lets it.
//!
//! With nothing to read, or all visible chunks on the device, nothing between the embedding and the logits needs the host:
//! a token is one recording. While a document grows, the host keeps what the lower blocks have made for the chunk encoder:
//! two recordings, the lower blocks and the rest. If the device cannot hold all visible chunks, the host weighs and looks
//! up in front of every upper group: the lower blocks, each group and the head are recordings of their own.

use std::sync::atomic::Ordering;

use crate::Result;
use crate::backend::{Backend, MambaScratch, SsmState};
use crate::memory::ChunkMemory;
use crate::topk::MAX_TOP_K;

use super::{Group, Model, NEXT_SCRATCH, Pass, Scratch, State, Trace, Upper, UpperScratch, mamba2};

/// The operations of one token, recorded.
pub(super) struct Step<B: Backend> {
    /// The number of the scratch whose buffers they use, 0 for none.
    pub(super) scratch: u64,
    /// All of them, by [`kind`].
    whole: [B::Recording; KINDS],
    pub(super) lower: B::Recording,
    /// What comes after those, by [`kind`].
    rest: [B::Recording; KINDS],
    /// For each upper group, without and with chunks that the host has chosen.
    pub(super) groups: Vec<[B::Recording; 2]>,
}

/// Who chooses the chunks that tokens read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chooser {
    /// There are none.
    Nobody,
    /// The device, among those that are resident.
    Device,
    /// The host, for one group after the other.
    Host,
}

/// What is wanted of a token's logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Nothing,
    /// All of them, in `s.logits`.
    Logits,
    /// The highest too, in `s.landing`.
    Highest,
    /// As many of those as can be chosen at once: recordings for every number would be many.
    Several,
}

/// Chunks that a mirror is made for at least, so that those of short memories are not made anew while they grow.
const LEAST_MIRRORED: u64 = 4096;

/// The number of kinds.
const KINDS: usize = 8;

/// Which of a token's recordings is meant.
fn kind(chooser: Chooser, wanted: Wanted) -> usize {
    usize::from(chooser == Chooser::Device) + 2 * wanted as usize
}

impl<B: Backend> Step<B> {
    pub(super) fn new(scratch: u64, groups: usize) -> Self {
        Self {
            scratch,
            whole: Default::default(),
            lower: B::Recording::default(),
            rest: Default::default(),
            groups: (0..groups).map(|_| Default::default()).collect(),
        }
    }
}

impl<B: Backend> Scratch<B> {
    /// To be called when a buffer or mirror has been replaced: what was recorded with the old one is not repeated.
    pub(super) fn renew(&mut self) {
        self.id = NEXT_SCRATCH.fetch_add(1, Ordering::Relaxed);
        self.head_step = B::Recording::default();
    }
}

impl<B: Backend> Model<B> {
    /// Who chooses for the next `n` tokens of a sequence at `position`. Readies what the device keeps of the memory, made
    /// anew if it has that of another one.
    pub(super) fn chooser(&self, s: &mut Scratch<B>, n: usize, position: u64, pass: &mut Pass<'_>) -> Result<Chooser> {
        let (Some(u), Some(us)) = (&self.upper, &mut s.upper) else { return Ok(Chooser::Nobody) };
        let Some(memory) = pass.memory.as_deref_mut().filter(|_| !pass.skip_hsa) else { return Ok(Chooser::Nobody) };
        // One that has grown to more than twice of what was expected may need another division of the budget.
        let (id, len) = (memory.id(), memory.len());
        if us.mirror.as_ref().is_none_or(|kept| kept.0 != id || len / 2 > us.mirrored) {
            us.mirror = None;
            us.mirrored = len.max(LEAST_MIRRORED);
            let (shape, precision) = (memory.shape(), memory.precision());
            us.mirror = Some((id, self.backend.mirror(shape, precision, us.device_budget, self.tile(), us.mirrored)?));
            s.renew();
        }
        let Some(UpperScratch { mirror: Some((_, mirror)), .. }) = &mut s.upper else { return Ok(Chooser::Nobody) };
        if n > 1 {
            return Ok(Chooser::Host);
        }
        // Chunk c has ended when (c + 1)·S ≤ position.
        match (position / u.hsa.chunk_size as u64).min(memory.len()) {
            0 => Ok(Chooser::Nobody),
            visible if self.backend.resident(memory, mirror, visible, u.groups.len())? => Ok(Chooser::Device),
            _ => Ok(Chooser::Host),
        }
    }

    /// All layers for the token whose embedding is in `s.x`, unless the host chooses, and what is `wanted` of the logits.
    pub(super) fn token(
        &self,
        state: &mut State<B>,
        s: &mut Scratch<B>,
        pass: &mut Pass<'_>,
        chooser: Chooser,
        wanted: Wanted,
    ) -> Result<()> {
        let State { blocks, tail, tail_len, position, step, .. } = state;
        let (lower, upper) = blocks.split_at_mut(self.lower.len());
        let [whole, rest] = [&mut step.whole, &mut step.rest].map(|kinds| &mut kinds[kind(chooser, wanted)]);
        if let (Some(source), Some(u)) = (pass.remember, &self.upper) {
            let Scratch { x, mamba, upper: us, .. } = &mut *s;
            self.backend.replay(&mut step.lower, || self.lower_blocks(1, 1, lower, x, mamba))?;
            if let Some(us) = us {
                let memory = pass.memory.as_deref_mut();
                self.remember(u, x, 1, *position, (tail, tail_len), &mut us.chunking, memory, source)?;
            }
            let memory = pass.memory.as_deref_mut().filter(|_| chooser == Chooser::Device);
            return self.backend.replay(rest, || self.rest(upper, s, memory, wanted));
        }
        let memory = pass.memory.as_deref_mut().filter(|_| chooser == Chooser::Device);
        self.backend.replay(whole, || {
            self.lower_blocks(1, 1, lower, &mut s.x, &mut s.mamba)?;
            self.rest(upper, s, memory, wanted)
        })
    }

    /// What comes after the lower blocks of a token: the upper groups, which read resident chunks of `memory` if there is
    /// one, and what is `wanted` of the logits.
    fn rest(
        &self,
        states: &mut [SsmState<B::Buffer>],
        s: &mut Scratch<B>,
        mut memory: Option<&mut ChunkMemory>,
        wanted: Wanted,
    ) -> Result<()> {
        if let (Some(u), Some(us)) = (&self.upper, &mut s.upper) {
            let UpperScratch { selection, hsa, mirror, .. } = us;
            let mut states = states.iter_mut();
            for (g, group) in u.groups.iter().enumerate() {
                let mut reads = match (memory.as_deref_mut(), mirror.as_mut()) {
                    (Some(memory), Some((_, mirror))) => Some((memory, mirror)),
                    _ => None,
                };
                if let Some((memory, mirror)) = &mut reads {
                    let retrieval = &group.retrieval;
                    retrieval.choose(&self.config, &u.hsa, &self.backend, &s.x, g, memory, mirror, selection)?;
                }
                let reads = reads.map(|(memory, mirror)| (&*selection, memory, mirror, &mut *hsa));
                self.group(u, group, &mut states, &mut s.x, 1, &mut s.mamba, reads)?;
            }
        }
        if wanted != Wanted::Nothing {
            self.head_product(s, 0, 1)?;
        }
        let highest = match wanted {
            Wanted::Nothing | Wanted::Logits => return Ok(()),
            Wanted::Highest => 1,
            Wanted::Several => MAX_TOP_K,
        };
        self.backend.land_logits(&s.logits, self.config.vocab, highest, &mut s.landing)
    }

    /// The layers of an upper group for the n tokens of `x`, with what they read if they do.
    #[allow(clippy::too_many_arguments, clippy::type_complexity)]
    pub(super) fn group<'a>(
        &self,
        u: &Upper<B>,
        group: &Group<B>,
        states: &mut impl Iterator<Item = &'a mut SsmState<B::Buffer>>,
        x: &mut B::Buffer,
        n: usize,
        mamba: &mut MambaScratch<B::Buffer>,
        mut reads: Option<(
            &super::retrieval::Selection<B>,
            &mut ChunkMemory,
            &mut B::Mirror,
            &mut super::hsa::Scratch<B>,
        )>,
    ) -> Result<()>
    where
        B::Buffer: 'a,
    {
        for (layer, blocks) in &group.layers {
            if let Some((selection, memory, mirror, hsa)) = &mut reads {
                layer.forward(&self.config, &u.hsa, &self.backend, x, n, selection, memory, mirror, hsa)?;
            }
            mamba2::forward(&self.config, &self.backend, blocks, &mut *states, x, 1, n, mamba)?;
        }
        Ok(())
    }

    /// Appends to `trace` what the device has chosen for the token at `position`.
    pub(super) fn trace(&self, s: &mut Scratch<B>, position: u64, trace: &mut Trace) -> Result<()> {
        let (Some(u), Some(us)) = (&self.upper, &mut s.upper) else { return Ok(()) };
        let UpperScratch { selection, mirror: Some((_, mirror)), .. } = us else { return Ok(()) };
        for group in 0..u.groups.len() {
            selection.take(&u.hsa, &self.backend, mirror, group)?;
            selection.trace(&u.hsa, position, group, trace);
        }
        Ok(())
    }
}
