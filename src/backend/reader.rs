//! The reader of a chunk memory: which chunks tokens read, and attention inside them.

use super::device::{Array, Checked, Device};
use super::shapes::{check, need};
use super::weighting::Weighting;
use crate::Result;
use crate::memory::{ChunkMemory, ChunkShape, Precision};
use crate::topk::MAX_TOP_K;

/// Shape of hierarchical sparse attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HsaShape {
    /// H, a multiple of `kv_heads`.
    pub heads: usize,
    /// G.
    pub kv_heads: usize,
    /// d.
    pub head_dim: usize,
    /// S.
    pub chunk_size: usize,
    /// Gr: G, or 1 if all key/value heads read the same chunks.
    pub retrieval_heads: usize,
    /// K: picks per token and retrieval head.
    pub top_k: usize,
    /// Whether the softmax inside a chunk has an additional 1 in its denominator.
    pub softmax_off_by_one: bool,
}

/// One chunk chosen for a token, in a list of chunks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pick {
    /// Index into the list of chunks given along.
    pub chunk: u32,
    /// Weight of what is read there. A pick of weight 0 is skipped, whatever its index.
    pub weight: f32,
}

impl Pick {
    /// No chunk.
    pub const NONE: Pick = Pick { chunk: 0, weight: 0.0 };
}

/// How [`Reader::select`] chooses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Selecting {
    /// K: the most chunks a retrieval head chooses, 1 to [`MAX_TOP_K`].
    pub top_k: usize,
    /// Factor of the products of queries and landmarks.
    pub scale: f32,
    /// How scores become weights.
    pub weighting: Weighting,
    /// Added to the scores per place in the order, most recent first.
    pub position_decay: f32,
}

/// What a reader is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Bytes of its own memory that a device may use for chunk memories; of no effect on the CPU, which reads the memory's cache.
    pub budget: u64,
    /// Most tokens at once.
    pub tokens: usize,
    /// Groups of layers that choose for themselves.
    pub groups: usize,
}

/// The bodies of [`Reader`], which has checked all lengths and says what each computes.
pub trait ReadChunks: Device {
    /// What the device keeps of a memory, and what tokens have chosen there.
    type Reader: Send;

    /// The least budget for memories of a shape and up to `tokens` tokens at once.
    fn least_budget(&self, shape: &ChunkShape, precision: Precision, tokens: usize) -> u64;

    /// A reader, which takes memory of the device when it reads for the first time.
    fn reader(&self, options: &ReaderOptions) -> Self::Reader;

    /// [`Reader::ready`]. There are so many chunks, not none.
    ///
    /// # Errors
    /// As [`ReadChunks::select`].
    fn ready(&self, _: Checked, _: &mut Self::Reader, _: &mut ChunkMemory, _visible: u64) -> Result<()> {
        Ok(())
    }

    /// [`Reader::select`]. No number of visible chunks is more than there are.
    ///
    /// # Errors
    /// `Capacity` for a budget that is too small, and failures of the memory and the device.
    fn select(
        &self,
        checked: Checked,
        reader: &mut Self::Reader,
        memory: &mut ChunkMemory,
        choosing: (usize, &Selecting),
        queries: (&Self::Buffer, &[u64]),
    ) -> Result<bool>;

    /// [`Reader::choose`]. All chunks of a weight exist.
    ///
    /// # Errors
    /// As [`ReadChunks::select`].
    fn choose(
        &self,
        checked: Checked,
        reader: &mut Self::Reader,
        memory: &mut ChunkMemory,
        group: usize,
        chosen: &[(u64, f32)],
        per_token: usize,
    ) -> Result<bool>;

    /// [`Reader::attend`] for the n tokens that were last selected for.
    ///
    /// # Errors
    /// Failures of the memory and the device.
    fn attend(
        &self,
        checked: Checked,
        reader: &mut Self::Reader,
        memory: &mut ChunkMemory,
        shape: &HsaShape,
        q: &Self::Buffer,
        out: &mut Self::Buffer,
    ) -> Result<()>;

    /// [`Reader::trace`]; `out` is as long as what was chosen.
    ///
    /// # Errors
    /// Failures of the device.
    fn trace(&self, checked: Checked, reader: &mut Self::Reader, group: usize, out: &mut [(u64, f32)]) -> Result<()>;
}

/// Reads chunk memories for the tokens of one call after the other, of one memory or of several in turn. What the device keeps of a
/// memory, how tokens are divided where their chunks do not all fit, and who chooses, host or device, are the backend's affair: the
/// result is the same but for rounding.
pub struct Reader<B: ReadChunks> {
    inner: B::Reader,
    options: ReaderOptions,
    /// For each group, how many tokens have chosen last, and how many chunks each.
    chosen: Vec<[usize; 2]>,
    /// The group that has chosen last.
    last: usize,
}

const YES: Checked = Checked::YES;

impl<B: ReadChunks> Reader<B> {
    /// A reader. The memory of the device is taken when it reads for the first time.
    pub fn new(backend: &B, options: ReaderOptions) -> Self {
        Self { inner: backend.reader(&options), options, chosen: vec![[0, 0]; options.groups], last: 0 }
    }

    /// Says that the next call chooses among the first `visible` chunks of `memory` for one token, before anything is computed for it.
    /// Never needed: what the device does not have by then it is given when it chooses, in the midst of the token.
    ///
    /// # Errors
    /// As [`Reader::select`].
    pub fn ready(&mut self, backend: &B, memory: &mut ChunkMemory, visible: u64) -> Result<()> {
        check(visible <= memory.len(), || format!("ready: {visible} chunks visible, there are {}", memory.len()))?;
        if visible == 0 { Ok(()) } else { backend.ready(YES, &mut self.inner, memory, visible) }
    }

    /// Chooses chunks of `memory` for n tokens and a group of layers, and readies them for [`Reader::attend`]: for token i and
    /// retrieval head g those K of the first `visible[i]` chunks c with the highest `scale · q[i, g] · landmark[c, g]`, and their
    /// weights. `false` if no token reads anything.
    ///
    /// q is (n, Gr, R/Gr), `visible` (n). Groups choose in ascending order.
    ///
    /// # Errors
    /// `InvalidArgument` if an argument is out of range or too short, `Capacity` if the memory's or the device's budget is too small
    /// for what a token reads, and failures of the memory and the device.
    pub fn select(
        &mut self,
        backend: &B,
        memory: &mut ChunkMemory,
        (group, selecting): (usize, &Selecting),
        q: &B::Buffer,
        visible: &[u64],
    ) -> Result<bool> {
        let (n, ChunkShape { retrieval_heads, retrieval_width, .. }) = (visible.len(), memory.shape());
        need("select: queries", q.values(), &[n, retrieval_heads, retrieval_width])?;
        check((1..=MAX_TOP_K).contains(&selecting.top_k), || format!("select: {} chunks", selecting.top_k))?;
        let most = visible.iter().copied().max().unwrap_or(0);
        check(most <= memory.len(), || format!("select: {most} chunks visible, there are {}", memory.len()))?;
        self.begin(group, n, retrieval_heads * selecting.top_k)?;
        backend.select(YES, &mut self.inner, memory, (group, selecting), (q, visible))
    }

    /// As [`Reader::select`], with chunks and weights that the caller has chosen: (n, Gr, K). A chunk of weight 0 is not read,
    /// and need not exist. `per_token` is Gr · K.
    ///
    /// # Errors
    /// As [`Reader::select`].
    pub fn choose(
        &mut self,
        backend: &B,
        memory: &mut ChunkMemory,
        group: usize,
        chosen: &[(u64, f32)],
        per_token: usize,
    ) -> Result<bool> {
        let most = memory.shape().retrieval_heads * MAX_TOP_K;
        let whole = (1..=most).contains(&per_token) && chosen.len().is_multiple_of(per_token);
        check(whole, || format!("choose: {} chunks, {per_token} for each token", chosen.len()))?;
        if let Some((id, _)) = chosen.iter().find(|(id, weight)| *weight != 0.0 && *id >= memory.len()) {
            check(false, || format!("chunk {id}, there are {}", memory.len()))?;
        }
        self.begin(group, chosen.len() / per_token, per_token)?;
        backend.choose(YES, &mut self.inner, memory, group, chosen, per_token)
    }

    /// Attention inside the chunks that were chosen last: for each token i and query head h of key/value head g,
    /// `out[i, h] = Σ_j w_j · Σ_s softmax_s(q[i, h] · keys[c_j, s, g] / √d) · values[c_j, s, g]`, in the order of the K chunks c_j
    /// and weights w_j of retrieval head min(g, Gr − 1), each chunk with its own softmax.
    ///
    /// q and `out` are (n, H, d). Where nothing was chosen the result is zero. What follows in `out` is left alone.
    ///
    /// # Errors
    /// `InvalidArgument` if an argument is too short or the shape is inconsistent with itself, the memory's or what was chosen;
    /// failures of the memory and the device.
    pub fn attend(
        &mut self,
        backend: &B,
        memory: &mut ChunkMemory,
        shape: &HsaShape,
        q: &B::Buffer,
        out: &mut B::Buffer,
    ) -> Result<()> {
        let HsaShape { heads, kv_heads, head_dim, chunk_size, retrieval_heads, top_k, .. } = *shape;
        let [n, per_token] = self.chosen.get(self.last).copied().unwrap_or_default();
        let kept = memory.shape();
        let whole = kv_heads > 0 && heads > 0 && heads.is_multiple_of(kv_heads) && head_dim > 0 && chunk_size > 0;
        let whole = whole && (retrieval_heads == 1 || retrieval_heads == kv_heads);
        let same = (chunk_size, kv_heads, head_dim) == (kept.chunk_size, kept.kv_heads, kept.head_dim);
        check(whole && same, || format!("shape of HSA: {shape:?}, of the memory: {kept:?}"))?;
        check(n == 0 || per_token == retrieval_heads * top_k, || {
            format!("attend: {retrieval_heads} x {top_k} chunks, {per_token} were chosen")
        })?;
        need("attend: q", q.values(), &[n, heads, head_dim])?;
        need("attend: result", out.values(), &[n, heads, head_dim])?;
        if n == 0 {
            return Ok(());
        }
        backend.attend(YES, &mut self.inner, memory, shape, q, out)
    }

    /// Fills `out` (n, Gr, K) with what the tokens of the last choice of `group` read: chunks and weights, most recent first,
    /// weight 0 where there are fewer than K.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such group, and failures of the device.
    pub fn trace(&mut self, backend: &B, group: usize, out: &mut Vec<(u64, f32)>) -> Result<()> {
        let chosen = self.chosen.get(group).copied();
        let Some([n, per_token]) = chosen else { return check(false, || format!("trace: group {group}")) };
        out.clear();
        out.resize(n * per_token, (0, 0.0));
        if n == 0 { Ok(()) } else { backend.trace(YES, &mut self.inner, group, out) }
    }

    /// Notes a choice, with which `attend` goes on.
    fn begin(&mut self, group: usize, n: usize, per_token: usize) -> Result<()> {
        let ReaderOptions { tokens, groups, .. } = self.options;
        check(n <= tokens, || format!("{n} tokens for a reader of {tokens}"))?;
        check(group < groups, || format!("group {group} of {groups}"))?;
        // Nothing is chosen if it fails.
        self.last = group;
        self.chosen[group] = [n, per_token];
        Ok(())
    }
}
