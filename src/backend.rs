//! The operations a model is made of, and what a device must provide to run it.
//!
//! The operations are those of the model, not of an algebra library: a device is free to fuse and to lay out its
//! scratch as it likes. All activations are f32, row-major, in buffers that the device owns.
//!
//! Every operation
//! - checks the lengths of its arguments and returns [`InvalidArgument`](crate::ErrorKind::InvalidArgument) instead of
//!   reading or writing outside of them;
//! - computes each element of its result in an order of additions that depends on the shape of the model alone: not on
//!   the number of threads, nor, on the CPU, on the number of rows `n`: there a row gives the same bits alone and among
//!   others ([`Backend::ssm_mix`] states its one exception), while a GPU has other kernels for few rows than for many,
//!   which agree within rounding;
//! - may be called from several threads at once, and from inside a parallel task.
//!
//! Symbols: D hidden width · E inner width of a Mamba-2 block · nh heads, P = E / nh their width · N state · Ng groups ·
//! W conv width · H query heads · G key/value heads · d head width · S chunk size · K chunks per selection ·
//! Gr retrieval heads · R retrieval width.

pub(crate) mod layer;
mod weighting;

use std::ops::Range;

pub use layer::{Attention, MambaScratch, MambaWeights, MemoryWeights, Mlp, Stateful};
pub use weighting::Weighting;
pub(crate) use weighting::weigh;

use crate::memory::{ChunkMemory, ChunkShape, Precision};
use crate::topk::{MAX_TOP_K, TopK};
use crate::weights::Tensor;
use crate::{Error, Result};

/// Shape and constants of the mixer of a Mamba-2 block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SsmShape {
    /// E, a multiple of `heads` and of `groups`.
    pub inner: usize,
    /// nh, a multiple of `groups`.
    pub heads: usize,
    /// N.
    pub state: usize,
    /// Ng: heads of one group share B and C.
    pub groups: usize,
    /// W.
    pub conv: usize,
    /// Lower limit of the time step.
    pub dt_min: f32,
    /// Upper limit of the time step, may be infinite.
    pub dt_max: f32,
}

impl SsmShape {
    /// P = E / nh.
    pub fn head_dim(&self) -> usize {
        self.inner / self.heads.max(1)
    }

    /// Channels of the convolution, those of x, B and C: E + 2·Ng·N.
    pub fn conv_channels(&self) -> usize {
        self.inner + 2 * self.groups * self.state
    }

    /// Width of a row of the input projection, z, x, B, C and dt: 2·E + 2·Ng·N + nh.
    pub fn projected(&self) -> usize {
        self.inner + self.conv_channels() + self.heads
    }

    /// Values in [`SsmState::conv`]: (W − 1) · (E + 2·Ng·N).
    pub fn conv_state_len(&self) -> usize {
        self.conv.saturating_sub(1) * self.conv_channels()
    }

    /// Values in [`SsmState::ssm`]: nh · P · N.
    pub fn ssm_state_len(&self) -> usize {
        self.inner * self.state
    }
}

/// The small parameters of the mixer of a Mamba-2 block.
#[derive(Debug)]
pub struct SsmParams<Buffer> {
    /// (E + 2·Ng·N, W) as in the file: one row of W taps a channel, the last tap for the current token.
    pub conv_weight: Buffer,
    /// (E + 2·Ng·N)
    pub conv_bias: Buffer,
    /// (nh)
    pub dt_bias: Buffer,
    /// (nh), −exp(A_log)
    pub a: Buffer,
    /// (nh)
    pub d: Buffer,
}

/// What one Mamba-2 block carries from token to token, for one or more sequences. All zeros at the start of a sequence.
#[derive(Debug, Clone)]
pub struct SsmState<Buffer> {
    /// (sequences, W − 1, E + 2·Ng·N): the last inputs of the convolution, oldest first.
    pub conv: Buffer,
    /// (sequences, nh, P, N)
    pub ssm: Buffer,
}

/// Shape of the attention inside the chunk encoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderShape {
    /// Rows of one chunk, S or S + 1.
    pub rows: usize,
    /// Query heads, a multiple of `kv_heads`.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Width of a head, even.
    pub head_dim: usize,
    /// Base of the rotary frequencies.
    pub freq_base: f32,
}

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

/// One chunk chosen for a token.
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

/// How [`Backend::select`] chooses.
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

/// The norm of [`Backend::norm_matmul`].
#[derive(Debug)]
pub struct Norm<'a, Buffer> {
    /// (m, width), where m · width are the inputs of the product
    pub weight: &'a Buffer,
    /// Values that are normed together.
    pub width: usize,
    /// Added to the mean of their squares.
    pub eps: f32,
}

/// One of the products of [`Backend::norm_matmul`].
#[derive(Debug)]
pub struct Product<'a, Weight, Buffer> {
    /// (rows, cols)
    pub weight: &'a Weight,
    /// (rows), added to the product of every row of x
    pub bias: Option<&'a Buffer>,
    /// (n, rows)
    pub out: &'a mut Buffer,
}

impl<'a, Weight, Buffer> Product<'a, Weight, Buffer> {
    /// Without a bias.
    pub fn new(weight: &'a Weight, out: &'a mut Buffer) -> Self {
        Self { weight, bias: None, out }
    }

    /// With one.
    pub fn biased(weight: &'a Weight, bias: &'a Buffer, out: &'a mut Buffer) -> Self {
        Self { weight, bias: Some(bias), out }
    }
}

/// The norms of [`Backend::encoder_attention`].
#[derive(Debug)]
pub struct HeadNorms<'a, Buffer> {
    /// (d), that of queries
    pub q: &'a Buffer,
    /// (d), that of keys
    pub k: &'a Buffer,
    /// Added to the mean of the squares of a head's row.
    pub eps: f32,
}

/// Where the rows of [`Backend::copy`] lie in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Index of the first value of the first row.
    pub at: usize,
    /// Distance between the starts of two groups of rows.
    pub group: usize,
    /// Distance between the starts of two rows of a group; 0 repeats one row.
    pub stride: usize,
}

impl Span {
    /// Rows of one group.
    pub fn rows(at: usize, stride: usize) -> Span {
        Span { at, group: 0, stride }
    }

    /// The index behind the last value of the last row of `groups` x `rows` rows of `width` values, none of them 0.
    pub(crate) fn end(&self, [groups, rows]: [usize; 2], width: usize) -> usize {
        let end = || {
            let [group, row] = [(groups - 1).checked_mul(self.group)?, (rows - 1).checked_mul(self.stride)?];
            self.at.checked_add(group)?.checked_add(row)?.checked_add(width)
        };
        end().unwrap_or(usize::MAX)
    }
}

/// Fails unless `len` is at least the product of `dims`, naming the argument.
pub(crate) fn need(what: &str, len: usize, dims: &[usize]) -> Result<()> {
    match dims.iter().try_fold(1usize, |p, &d| p.checked_mul(d)) {
        Some(wanted) if wanted <= len => Ok(()),
        _ => Err(Error::invalid(format!("{what}: {len} values, needed {dims:?}"))),
    }
}

/// Fails unless `ok`.
pub(crate) fn check(ok: bool, what: impl FnOnce() -> String) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::invalid(what())) }
}

/// The widest convolution.
pub(crate) const MAX_CONV: usize = 8;

/// Tokens of a block of [`Backend::ssm_mix`]: splits of a sequence at multiples of it give the same bits.
pub(crate) const SSM_SPAN: usize = 64;

impl SsmShape {
    /// # Errors
    /// `InvalidArgument` if the shape is inconsistent or absurd.
    pub(crate) fn check(&self) -> Result<()> {
        let SsmShape { inner, heads, state, groups, conv, .. } = *self;
        let whole = heads > 0 && groups > 0 && state > 0 && inner > 0;
        let whole = whole && inner.is_multiple_of(heads) && heads.is_multiple_of(groups);
        let small = [inner, heads, state, groups].iter().all(|&v| v <= 1 << 20);
        check(whole && small && (1..=MAX_CONV).contains(&conv), || format!("shape of a Mamba-2 block: {self:?}"))
    }

    /// Checks the shape and the lengths of [`Backend::ssm_mix`]'s buffers, those of `SsmParams` and `SsmState` in their
    /// order.
    ///
    /// # Errors
    /// `InvalidArgument` if the shape is inconsistent or a buffer too short.
    pub(crate) fn check_mix(
        &self,
        sequences: usize,
        n: usize,
        zxbcdt: usize,
        y: usize,
        params: [usize; 5],
        state: [usize; 2],
    ) -> Result<()> {
        self.check()?;
        let (channels, heads) = (self.conv_channels(), self.heads);
        need("ssm_mix: input", zxbcdt, &[sequences, n, self.projected()])?;
        need("ssm_mix: result", y, &[sequences, n, self.inner])?;
        need("ssm_mix: convolution", params[0], &[channels, self.conv])?;
        need("ssm_mix: bias of the convolution", params[1], &[channels])?;
        need("ssm_mix: bias of the time step", params[2], &[heads])?;
        need("ssm_mix: a", params[3], &[heads])?;
        need("ssm_mix: d", params[4], &[heads])?;
        need("ssm_mix: inputs of the convolution before", state[0], &[sequences, self.conv_state_len()])?;
        need("ssm_mix: state", state[1], &[sequences, self.ssm_state_len()])
    }
}

impl EncoderShape {
    /// # Errors
    /// `InvalidArgument` if the shape is inconsistent or absurd.
    pub(crate) fn check(&self) -> Result<()> {
        let EncoderShape { rows, heads, kv_heads, head_dim, .. } = *self;
        let whole = rows > 0 && kv_heads > 0 && heads > 0 && heads.is_multiple_of(kv_heads);
        let whole = whole && head_dim > 0 && head_dim.is_multiple_of(2) && rows <= 1 << 14;
        check(whole, || format!("shape of the encoder: {self:?}"))
    }

    /// Checks the shape and the lengths of [`Backend::encoder_attention`]'s buffers: the norms, then q, k, v and the result.
    ///
    /// # Errors
    /// `InvalidArgument` if the shape is inconsistent or a buffer too short.
    pub(crate) fn check_attention(&self, chunks: usize, norms: [usize; 2], buffers: [usize; 4]) -> Result<()> {
        self.check()?;
        let EncoderShape { rows, heads, kv_heads, head_dim, .. } = *self;
        need("encoder_attention: norm of q", norms[0], &[head_dim])?;
        need("encoder_attention: norm of k", norms[1], &[head_dim])?;
        need("encoder_attention: q", buffers[0], &[chunks, rows, heads, head_dim])?;
        need("encoder_attention: k", buffers[1], &[chunks, rows, kv_heads, head_dim])?;
        need("encoder_attention: v", buffers[2], &[chunks, rows, kv_heads, head_dim])?;
        need("encoder_attention: result", buffers[3], &[chunks, rows, heads, head_dim])
    }
}

impl HsaShape {
    /// # Errors
    /// `InvalidArgument` if the shape is inconsistent with itself or the memory's, or `tokens` is no range.
    pub(crate) fn check(&self, tokens: &Range<usize>, memory: &ChunkMemory) -> Result<()> {
        let HsaShape { heads, kv_heads, head_dim, chunk_size, retrieval_heads, .. } = *self;
        let kept = memory.shape();
        let whole = kv_heads > 0 && heads > 0 && heads.is_multiple_of(kv_heads) && head_dim > 0 && chunk_size > 0;
        let whole = whole && (retrieval_heads == 1 || retrieval_heads == kv_heads);
        let same = (chunk_size, kv_heads, head_dim) == (kept.chunk_size, kept.kv_heads, kept.head_dim);
        check(whole && same, || format!("shape of HSA: {self:?}, of the memory: {kept:?}"))?;
        check(tokens.start <= tokens.end, || format!("hsa_attend: tokens {tokens:?}"))
    }
}

impl Selecting {
    /// # Errors
    /// `InvalidArgument` for a number of chunks out of range, or queries (Gr, R/Gr) that are too short for `memory`.
    pub(crate) fn check(&self, memory: &ChunkMemory, queries: usize) -> Result<()> {
        let ChunkShape { retrieval_heads, retrieval_width, .. } = memory.shape();
        need("select: queries", queries, &[retrieval_heads, retrieval_width])?;
        check((1..=MAX_TOP_K).contains(&self.top_k), || format!("select: {} chunks", self.top_k))
    }
}

impl<Buffer> Norm<'_, Buffer> {
    /// # Errors
    /// `InvalidArgument` unless `cols` values are whole parts.
    pub(crate) fn check(&self, cols: usize) -> Result<()> {
        let whole = self.width > 0 && cols.is_multiple_of(self.width);
        check(whole, || format!("norm of {} values for a product of {cols}", self.width))
    }
}

/// A device that runs the model.
pub trait Backend: Send + Sync + 'static {
    /// Activations and small parameters: f32, row-major.
    type Buffer: Send + Sync;
    /// A weight matrix (rows = outputs, cols = inputs) as the device keeps it.
    type Weight: Send + Sync;
    /// What the device keeps of a chunk memory: landmarks, chunks in use, and what is to be read next.
    type Mirror: Send;
    /// Work that was recorded to be repeated.
    type Recording: Send + Default;
    /// Where the device leaves the highest logits for the host.
    type Landing: Send;

    /// Tokens of a model of width `hidden` that are best computed at once: enough to make products efficient, few enough
    /// to keep the scratch small.
    fn tile(&self, hidden: usize) -> usize;

    /// Runs `f` where the other operations are cheapest to call, for the CPU on a thread of its pool, and waits for it.
    ///
    /// Never needed for a correct result. Around many small operations (a generated token) it saves waking a thread in
    /// each, and parallel iterators of `rayon` inside `f` use the threads of the backend.
    fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R;

    /// Does `work`, the first time with `recording`; afterwards a device may repeat the operations that `work` did then
    /// instead of calling it.
    ///
    /// Every call with the same recording must therefore do the same operations on the same buffers, and may do none that
    /// takes data from the host or brings it there: [`Backend::read`], [`Backend::write`], [`Backend::embed`],
    /// [`Backend::top_logits`], [`Backend::score_top_k`], [`Backend::fetch`], [`Backend::resident`],
    /// [`Backend::readings`] and [`Backend::landed_logits`]. The buffers, the mirror and the landing must still exist.
    ///
    /// # Errors
    /// Those of `work`, and failures of the device.
    fn replay(&self, recording: &mut Self::Recording, work: impl FnOnce() -> Result<()>) -> Result<()>;

    /// Takes a weight matrix. The CPU keeps reading the mapped file.
    ///
    /// # Errors
    /// If the device has no memory for it.
    fn weight(&self, tensor: Tensor) -> Result<Self::Weight>;

    /// A buffer of `len` zeros.
    ///
    /// # Errors
    /// If the device has no memory for it.
    fn buffer(&self, len: usize) -> Result<Self::Buffer>;

    /// Sets all of `buffer` to zero.
    ///
    /// # Errors
    /// Failures of the device.
    fn zero(&self, buffer: &mut Self::Buffer) -> Result<()>;

    /// Copies the first `out.len()` values of `buffer` to the host.
    ///
    /// # Errors
    /// If the buffer is shorter than that.
    fn read(&self, buffer: &Self::Buffer, out: &mut [f32]) -> Result<()>;

    /// Calls `f` with the first values of some buffers, as many of each as is said, where the host can read them: what is
    /// worked on at once needs no memory of its own.
    ///
    /// # Errors
    /// If a buffer is shorter than that, and those of `f`.
    fn look<const K: usize>(
        &self,
        buffers: [(&Self::Buffer, usize); K],
        f: impl FnOnce([&[f32]; K]) -> Result<()>,
    ) -> Result<()>;

    /// Copies `data` from the host to the start of `buffer`.
    ///
    /// # Errors
    /// If the buffer is shorter than `data`.
    fn write(&self, buffer: &mut Self::Buffer, data: &[f32]) -> Result<()>;

    /// `out[to.at + g·to.group + r·to.stride + i] = x[from.at + g·from.group + r·from.stride + i]` for g, r < `rows` (groups and
    /// rows of each), i < `width`.
    ///
    /// # Errors
    /// If a buffer is too short.
    fn copy(
        &self,
        x: &Self::Buffer,
        from: Span,
        out: &mut Self::Buffer,
        to: Span,
        rows: [usize; 2],
        width: usize,
    ) -> Result<()>;

    /// A buffer holding `data`: [`Backend::buffer`] and [`Backend::write`].
    ///
    /// # Errors
    /// If the device has no memory for it.
    fn vector(&self, data: &[f32]) -> Result<Self::Buffer> {
        let mut buffer = self.buffer(data.len())?;
        self.write(&mut buffer, data)?;
        Ok(buffer)
    }

    /// `out (n, D)[i] = table (vocab, D)[ids[i]]`, dequantized.
    ///
    /// # Errors
    /// If an id is not below the rows of the table.
    fn embed(&self, table: &Self::Weight, ids: &[u32], out: &mut Self::Buffer) -> Result<()>;

    /// `out[r] = weight[r mod m] · x[r] / √(mean(x[r]²) + eps)` for `rows` rows of `width` values, where `weight` has m rows;
    /// with rows = n·heads, width = d and m = 1 this is the norm per head.
    ///
    /// # Errors
    /// If a buffer is too short.
    fn rms_norm(
        &self,
        x: &Self::Buffer,
        weight: &Self::Buffer,
        eps: f32,
        rows: usize,
        width: usize,
        out: &mut Self::Buffer,
    ) -> Result<()>;

    /// [`Backend::rms_norm`] with the result in the place of its input.
    ///
    /// # Errors
    /// If a buffer is too short.
    fn rms_norm_in_place(
        &self,
        x: &mut Self::Buffer,
        weight: &Self::Buffer,
        eps: f32,
        rows: usize,
        width: usize,
    ) -> Result<()>;

    /// `y (n, rows) = x (n, cols) · wᵀ`, or `y += x · wᵀ` with `accumulate`.
    ///
    /// Quantized weights may multiply activations that are quantized to 8 bits in blocks of 32, with f32 sums over blocks.
    ///
    /// # Errors
    /// If a buffer is too short.
    fn matmul(
        &self,
        w: &Self::Weight,
        x: &Self::Buffer,
        n: usize,
        y: &mut Self::Buffer,
        accumulate: bool,
    ) -> Result<()>;

    /// [`Backend::rms_norm`] and several of [`Backend::matmul`] in one: for each of `products`
    /// `out (n, rows) = norm(x) (n, cols) · weightᵀ + bias`, or added to `out`. Each row of x is normed in parts of `width`
    /// values. `normed` (n, cols) is scratch.
    ///
    /// # Errors
    /// If a buffer is too short, or weights have different numbers of columns.
    fn norm_matmul(
        &self,
        norm: &Norm<'_, Self::Buffer>,
        x: &Self::Buffer,
        n: usize,
        normed: &mut Self::Buffer,
        products: &mut [Product<'_, Self::Weight, Self::Buffer>],
        accumulate: bool,
    ) -> Result<()>;

    /// The gated half of an MLP: `out (n, rows) = silu(norm(x) · gateᵀ) · (norm(x) · upᵀ)`, with both weights (rows, cols).
    /// `normed` (n, cols) and `spare` (n, rows) are scratch.
    ///
    /// # Errors
    /// As [`Backend::norm_matmul`].
    #[allow(clippy::too_many_arguments)]
    fn norm_swiglu(
        &self,
        norm: &Norm<'_, Self::Buffer>,
        [gate, up]: [&Self::Weight; 2],
        rows: usize,
        x: &Self::Buffer,
        n: usize,
        normed: &mut Self::Buffer,
        spare: &mut Self::Buffer,
        out: &mut Self::Buffer,
    ) -> Result<()> {
        let products = &mut [Product::new(gate, &mut *out), Product::new(up, &mut *spare)];
        self.norm_matmul(norm, x, n, normed, products, false)?;
        self.silu_mul(out, spare, n * rows)
    }

    /// An MLP, added to its input: `x (n, cols) += (silu(norm(x) · gateᵀ) · (norm(x) · upᵀ)) · downᵀ`. `scratch` is for what is
    /// normed, (n, cols), and twice for what is between the products, (n, width).
    ///
    /// # Errors
    /// As [`Backend::norm_matmul`].
    fn norm_mlp(
        &self,
        norm: &Norm<'_, Self::Buffer>,
        mlp: &Mlp<'_, Self::Weight>,
        x: &mut Self::Buffer,
        n: usize,
        scratch: [&mut Self::Buffer; 3],
    ) -> Result<()> {
        layer::mlp(self, norm, mlp, x, n, scratch)
    }

    /// `gate[i] = silu(gate[i]) · up[i]` for i < `len`, with silu(v) = v / (1 + exp(−v)).
    ///
    /// # Errors
    /// If a buffer is too short.
    fn silu_mul(&self, gate: &mut Self::Buffer, up: &Self::Buffer, len: usize) -> Result<()>;

    /// `out (blocks, width)[b] = mean over r < rows of x (blocks, rows, width)[b, r]`.
    ///
    /// # Errors
    /// If a buffer is too short.
    fn mean_rows(
        &self,
        x: &Self::Buffer,
        blocks: usize,
        rows: usize,
        width: usize,
        out: &mut Self::Buffer,
    ) -> Result<()>;

    /// Fills `top`, of which [`TopK::k`] says how many, with the highest of the first `count` values of `logits`, those of
    /// the tokens 0 .. `count`. What `top` had before is forgotten.
    ///
    /// An id is that of a token, and of equal logits (`0.0` and `-0.0` are equal) the lower one comes first. A logit of −∞
    /// rules its token out: there may be fewer than wanted.
    ///
    /// # Errors
    /// `InvalidArgument` if the buffer is too short, a logit is NaN or +∞ (the message names the first), or none is above −∞.
    fn top_logits(&self, logits: &Self::Buffer, count: usize, top: &mut TopK) -> Result<()>;

    /// Room for what [`Backend::land_logits`] chooses.
    ///
    /// # Errors
    /// If the device has no memory for it.
    fn landing(&self) -> Result<Self::Landing>;

    /// The part of [`Backend::top_logits`] that is the device's, and may be recorded: chooses the `wanted` highest logits,
    /// 1 to [`MAX_TOP_K`], and leaves them in `landing`.
    ///
    /// # Errors
    /// `InvalidArgument` if the buffer is too short or `wanted` out of range.
    fn land_logits(
        &self,
        logits: &Self::Buffer,
        count: usize,
        wanted: usize,
        landing: &mut Self::Landing,
    ) -> Result<()>;

    /// The rest: waits, and fills `top` with what the last [`Backend::land_logits`] of the same logits has left there, as
    /// far as [`TopK::k`] says. That must not be more than it was to choose.
    ///
    /// # Errors
    /// As [`Backend::top_logits`].
    fn landed_logits(
        &self,
        logits: &Self::Buffer,
        count: usize,
        landing: &mut Self::Landing,
        top: &mut TopK,
    ) -> Result<()>;

    /// The mixer of a Mamba-2 block between its input projection and the norm before its output projection, for `n` tokens
    /// of each of `sequences` sequences, which follow those of `state`: that of one sequence after that of the other.
    ///
    /// `zxbcdt` is (sequences, n, 2·E + 2·Ng·N + nh), rows `[z | x | B | C | dt]`; `y` is (sequences, n, E). In each sequence:
    ///
    /// 1. `xBC[t, c] = silu(bias[c] + Σ_k conv_weight[c, k] · xBC_in[t − W + 1 + k, c])`, inputs before the first token
    ///    from `state.conv`.
    /// 2. `dt = clamp(softplus(dt_in + dt_bias), dt_min, dt_max)` per head.
    /// 3. Per head h with B and C of group h / (nh / Ng): `s ← exp(dt·a)·s + dt·x ⊗ B`, `v = s·C + d·x`, s from `state.ssm`.
    /// 4. `y = v · silu(z)`.
    ///
    /// `state` is updated. More than one token are computed in blocks of 64 with matrix products, which agrees with the
    /// step for one token within f32 rounding; the result is the same bits however the tokens are split over calls at
    /// multiples of 64.
    ///
    /// # Errors
    /// If a buffer is too short or the shape is inconsistent.
    #[allow(clippy::too_many_arguments)]
    fn ssm_mix(
        &self,
        shape: &SsmShape,
        params: &SsmParams<Self::Buffer>,
        zxbcdt: &Self::Buffer,
        sequences: usize,
        n: usize,
        state: &mut SsmState<Self::Buffer>,
        y: &mut Self::Buffer,
    ) -> Result<()>;

    /// A whole Mamba-2 block, x ← x + out_proj(gated_norm(mixer(in_proj(norm(x))))), for `n` tokens of each of `sequences`
    /// sequences, which follow those of `state`: [`Backend::norm_matmul`], [`Backend::ssm_mix`] and `norm_matmul` in one.
    ///
    /// x is (sequences, n, D). `state` is updated.
    ///
    /// # Errors
    /// As those operations.
    #[allow(clippy::too_many_arguments)]
    fn mamba_block(
        &self,
        shape: &SsmShape,
        weights: &MambaWeights<'_, Self::Weight, Self::Buffer>,
        x: &mut Self::Buffer,
        sequences: usize,
        n: usize,
        state: &mut SsmState<Self::Buffer>,
        scratch: &mut MambaScratch<Self::Buffer>,
    ) -> Result<()> {
        layer::mamba(self, shape, weights, x, sequences, n, state, scratch)
    }

    /// One token of one sequence through Mamba-2 blocks of one `shape`, one after the other, each as [`Backend::mamba_block`].
    ///
    /// x is (D), the states are those of the blocks.
    ///
    /// # Errors
    /// As [`Backend::mamba_block`].
    fn mamba_blocks<'a>(
        &self,
        shape: &SsmShape,
        blocks: impl Iterator<Item = Stateful<'a, Self::Weight, Self::Buffer>>,
        x: &mut Self::Buffer,
        scratch: &mut MambaScratch<Self::Buffer>,
    ) -> Result<()>
    where
        Self::Weight: 'a,
        Self::Buffer: 'a,
    {
        layer::mamba_blocks(self, shape, blocks, x, [1, 1], scratch)
    }

    /// Bidirectional attention inside each of `chunks` chunks, with norms per head and rotary positions.
    ///
    /// q is (chunks, rows, heads, d), k and v are (chunks, rows, kv_heads, d), `out` is as q. Each d values of q and of k are
    /// normed by themselves, `q ← norms.q · q / √(mean(q²) + eps)`, and then rotated.
    /// Row r is at position r. Pairs (i, i + d/2) are rotated by the angle r · freq_base^(−2i/d). Query head h reads
    /// key/value head h / (heads / kv_heads); scores are scaled by 1/√d; no mask.
    ///
    /// # Errors
    /// If a buffer is too short or the shape is inconsistent.
    #[allow(clippy::too_many_arguments)]
    fn encoder_attention(
        &self,
        shape: &EncoderShape,
        norms: &HeadNorms<'_, Self::Buffer>,
        q: &Self::Buffer,
        k: &Self::Buffer,
        v: &Self::Buffer,
        chunks: usize,
        out: &mut Self::Buffer,
    ) -> Result<()>;

    /// The attention of an encoder's layer, added to its input: `x (chunks, rows, D) += attended · outputᵀ`, where attended is
    /// [`Backend::encoder_attention`] of q, k and v, the products of norm(x) with their weights, and biases. `scratch` is for
    /// what is normed, (chunks, rows, D), q, k, v, and what is attended.
    ///
    /// # Errors
    /// As [`Backend::norm_matmul`] and [`Backend::encoder_attention`].
    fn norm_attention(
        &self,
        shape: &EncoderShape,
        norm: &Norm<'_, Self::Buffer>,
        attention: &Attention<'_, Self::Weight, Self::Buffer>,
        x: &mut Self::Buffer,
        chunks: usize,
        scratch: [&mut Self::Buffer; 5],
    ) -> Result<()> {
        layer::attention(self, shape, norm, attention, x, chunks, scratch)
    }

    /// The memories of chunks from their encoded rows `x` (chunks, rows, D): `keys` and `values` (chunks, rows, G·d) are the products
    /// of norm(x) with their weights, each d keys then normed if there is a norm for them, with the same eps, and `landmarks`
    /// (chunks, R) the product of the normed last row of each chunk. `scratch` is for what is normed, (chunks, rows, D), and the last
    /// rows, (chunks, D); `out` are keys, values, landmarks.
    ///
    /// # Errors
    /// As [`Backend::norm_matmul`].
    fn chunk_memory(
        &self,
        norm: &Norm<'_, Self::Buffer>,
        memory: &MemoryWeights<'_, Self::Weight, Self::Buffer>,
        x: &Self::Buffer,
        size: [usize; 2],
        scratch: [&mut Self::Buffer; 2],
        out: [&mut Self::Buffer; 3],
    ) -> Result<()> {
        layer::memory(self, norm, memory, x, size, scratch, out)
    }

    /// What this device needs to read chunk memories of a shape, for up to `tokens` tokens at once, in at most `budget` bytes
    /// of its own memory. The CPU reads the memory's own cache and needs none. The memory has some `chunks` chunks (0 if that is
    /// not known), by which a device may divide the budget; it may have any number.
    ///
    /// # Errors
    /// `Capacity` if the budget is too small (the message names the smallest), or the device has no memory for it.
    fn mirror(
        &self,
        shape: ChunkShape,
        precision: Precision,
        budget: u64,
        tokens: usize,
        chunks: u64,
    ) -> Result<Self::Mirror>;

    /// How many different chunks [`Backend::fetch`] can ready at once.
    fn slots(&self, memory: &ChunkMemory, mirror: &Self::Mirror) -> usize;

    /// Scores landmarks and keeps the best: for token i and retrieval head g, every chunk `c < visible[i]` of `memory` is
    /// offered to `top[i·Gr + g]` with the score `scale · q[i, g] · landmark[c, g]`.
    ///
    /// q is (n, Gr, R/Gr), `visible` (n), `top` (n, Gr); a row of scores is never written.
    ///
    /// # Errors
    /// If an argument is too short or `visible` goes beyond the memory, and failures of the memory.
    fn score_top_k(
        &self,
        q: &Self::Buffer,
        visible: &[u64],
        scale: f32,
        memory: &mut ChunkMemory,
        mirror: &mut Self::Mirror,
        top: &mut [TopK],
    ) -> Result<()>;

    /// Readies the chunks `ids` of `memory` for [`Backend::hsa_attend`], and `picks`, which count them from 0.
    ///
    /// # Errors
    /// `Capacity` if these are more different chunks than [`Backend::slots`], `InvalidArgument` if a pick is out of range,
    /// and failures of the memory.
    fn fetch(&self, memory: &mut ChunkMemory, mirror: &mut Self::Mirror, ids: &[u64], picks: &[Pick]) -> Result<()>;

    /// Whether [`Backend::select`] can choose among the first `visible` chunks of `memory`, `selections` times for a token:
    /// all of them, with their landmarks, are where it reads them. To be called for every token before its first operation.
    ///
    /// A device brings in what is missing if it has room for all of it, a part with every call, so that no token waits
    /// long. If there is nothing to bring, this takes no time worth mentioning.
    ///
    /// # Errors
    /// `InvalidArgument` if `visible` goes beyond the memory, and failures of the memory and the device.
    fn resident(
        &self,
        memory: &mut ChunkMemory,
        mirror: &mut Self::Mirror,
        visible: u64,
        selections: usize,
    ) -> Result<bool>;

    /// Chooses for one token among the chunks of the last [`Backend::resident`], weighs what it has chosen and readies it
    /// for [`Backend::hsa_attend`]: [`Backend::score_top_k`], the weights, and [`Backend::fetch`] in one.
    ///
    /// q is (Gr, R/Gr). [`Backend::readings`] has the result under the number `selection`, which counts those of a token.
    /// Unlike the operations that it stands for, it needs nothing of the host and may be recorded: which chunks are
    /// visible it learns when it is repeated.
    ///
    /// # Errors
    /// `InvalidArgument` if the queries are too short or an argument is out of range, and failures of the memory.
    fn select(
        &self,
        q: &Self::Buffer,
        selecting: &Selecting,
        selection: usize,
        memory: &mut ChunkMemory,
        mirror: &mut Self::Mirror,
    ) -> Result<()>;

    /// Fills `out` (Gr, K) with what the last [`Backend::select`] of this number has chosen: chunks and weights, most
    /// recent first, weight 0 where there are fewer than K.
    ///
    /// # Errors
    /// `InvalidArgument` if these are more than can have been chosen, and failures of the device.
    fn readings(&self, mirror: &mut Self::Mirror, selection: usize, out: &mut [(u64, f32)]) -> Result<()>;

    /// Attention inside the chosen chunks, those given to the last [`Backend::fetch`] or chosen by the last
    /// [`Backend::select`]: for each token i of `tokens` and
    /// query head h of key/value head g, with i' = i − tokens.start,
    /// `out[i, h] = Σ_j w_j · Σ_s softmax_s(q[i, h] · keys[c_j, s, g] / √d) · values[c_j, s, g]`, in the order of the
    /// picks j < K at `picks[(i'·Gr + min(g, Gr − 1))·K + j]`, each chunk with its own softmax.
    ///
    /// q and `out` are (n, H, d) with n ≥ tokens.end, the picks were (tokens.len(), Gr, K). Without picks the result is
    /// zero. Rows of `out` beyond `tokens` are left alone.
    ///
    /// # Errors
    /// If an argument is too short or the shape is inconsistent with itself or the memory's.
    fn hsa_attend(
        &self,
        shape: &HsaShape,
        q: &Self::Buffer,
        tokens: Range<usize>,
        memory: &ChunkMemory,
        mirror: &mut Self::Mirror,
        out: &mut Self::Buffer,
    ) -> Result<()>;
}
