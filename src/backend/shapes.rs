//! Shapes and arguments of the operations, and the checks of their lengths.

use super::device::{Array, Matrix};
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

/// The norm of [`Layers::norm_matmul`](super::Layers::norm_matmul).
#[derive(Debug)]
pub struct Norm<'a, Buffer> {
    /// (m, width), where m · width are the inputs of the product
    pub weight: &'a Buffer,
    /// Values that are normed together.
    pub width: usize,
    /// Added to the mean of their squares.
    pub eps: f32,
}

/// One of the products of [`Layers::norm_matmul`](super::Layers::norm_matmul).
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

/// The norms of [`Operations::encoder_attention`](super::Operations::encoder_attention).
#[derive(Debug)]
pub struct HeadNorms<'a, Buffer> {
    /// (d), that of queries
    pub q: &'a Buffer,
    /// (d), that of keys
    pub k: &'a Buffer,
    /// Added to the mean of the squares of a head's row.
    pub eps: f32,
}

/// Where the rows of [`Operations::copy`](super::Operations::copy) lie in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Index of the first value of the first row.
    pub at: usize,
    /// Distance between the starts of two groups of rows.
    pub group: usize,
    /// Distance between the starts of two rows of a group; 0 repeats one row.
    pub stride: usize,
}

impl Rows {
    /// Rows of one group.
    pub fn of(at: usize, stride: usize) -> Rows {
        Rows { at, group: 0, stride }
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

/// Tokens of a block of [`Operations::ssm_mix`](super::Operations::ssm_mix): splits of a sequence at multiples of it give the same bits.
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

    /// Checks the shape and the lengths of what the mixer takes for tokens of some sequences, `size`: `zxbcdt` and y.
    ///
    /// # Errors
    /// `InvalidArgument` if the shape is inconsistent or a buffer too short.
    pub(crate) fn check_mix<Buffer: Array>(
        &self,
        params: &SsmParams<Buffer>,
        [sequences, n]: [usize; 2],
        [zxbcdt, y]: [&Buffer; 2],
        state: &SsmState<Buffer>,
    ) -> Result<()> {
        self.check()?;
        let (channels, heads) = (self.conv_channels(), self.heads);
        need("ssm_mix: input", zxbcdt.values(), &[sequences, n, self.projected()])?;
        need("ssm_mix: result", y.values(), &[sequences, n, self.inner])?;
        need("ssm_mix: convolution", params.conv_weight.values(), &[channels, self.conv])?;
        need("ssm_mix: bias of the convolution", params.conv_bias.values(), &[channels])?;
        need("ssm_mix: bias of the time step", params.dt_bias.values(), &[heads])?;
        need("ssm_mix: a", params.a.values(), &[heads])?;
        need("ssm_mix: d", params.d.values(), &[heads])?;
        need("ssm_mix: inputs of the convolution before", state.conv.values(), &[sequences, self.conv_state_len()])?;
        need("ssm_mix: state", state.ssm.values(), &[sequences, self.ssm_state_len()])
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
}

impl<Buffer: Array> HeadNorms<'_, Buffer> {
    /// # Errors
    /// `InvalidArgument` if a norm is too short for heads of `head_dim` values.
    pub(crate) fn check(&self, head_dim: usize) -> Result<()> {
        need("encoder_attention: norm of q", self.q.values(), &[head_dim])?;
        need("encoder_attention: norm of k", self.k.values(), &[head_dim])
    }
}

impl<Buffer: Array> Norm<'_, Buffer> {
    /// # Errors
    /// `InvalidArgument` unless `cols` values are whole parts, or if the weight is too short for them.
    pub(crate) fn check(&self, cols: usize) -> Result<()> {
        let whole = self.width > 0 && cols.is_multiple_of(self.width);
        check(whole, || format!("norm of {} values for a product of {cols}", self.width))?;
        need("norm: weight", self.weight.values(), &[cols])
    }
}

impl<Weight: Matrix, Buffer: Array> Product<'_, Weight, Buffer> {
    /// # Errors
    /// `InvalidArgument` if the weight has other columns, or something is too short for `n` rows of them.
    pub(crate) fn check(&self, n: usize, cols: usize) -> Result<()> {
        let (w, bias) = (self.weight, self.bias.map_or(self.weight.rows(), Array::values));
        check(w.cols() == cols, || format!("norm_matmul: weights of {cols} and of {} columns", w.cols()))?;
        need("norm_matmul: bias", bias, &[w.rows()])?;
        need("norm_matmul: result", self.out.values(), &[n, w.rows()])
    }
}
