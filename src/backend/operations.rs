//! The operations of the model: what each computes, and the checks in front of every backend.

use super::compute::Compute;
use super::device::{Array, Checked, Device, Matrix};
use super::shapes::{EncoderShape, HeadNorms, Rows, SsmParams, SsmShape, SsmState, check, need};
use crate::topk::TopK;
use crate::{Error, Result};

/// The operations, for every backend that has their bodies. Each checks the lengths of its arguments and returns
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) instead of reading or writing outside of them.
pub trait Operations: Device {
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

    /// A buffer holding `data`: [`Device::buffer`] and [`Operations::write`].
    ///
    /// # Errors
    /// If the device has no memory for it.
    fn vector(&self, data: &[f32]) -> Result<Self::Buffer> {
        let mut buffer = self.buffer(data.len())?;
        self.write(&mut buffer, data)?;
        Ok(buffer)
    }

    /// `out[to.at + g·to.group + r·to.stride + i] = x[from.at + g·from.group + r·from.stride + i]` for g, r < `rows` (groups and
    /// rows of each), i < `width`.
    ///
    /// # Errors
    /// If a buffer is too short.
    fn copy(
        &self,
        x: &Self::Buffer,
        from: Rows,
        out: &mut Self::Buffer,
        to: Rows,
        rows: [usize; 2],
        width: usize,
    ) -> Result<()>;

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

    /// [`Operations::rms_norm`] with the result in the place of its input.
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

    /// `y (n, width)[i] += bias (width)`.
    ///
    /// # Errors
    /// If a buffer is too short.
    fn add_bias(&self, y: &mut Self::Buffer, bias: &Self::Buffer, n: usize, width: usize) -> Result<()>;

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

    /// The mixer of a Mamba-2 block between its input projection and the norm before its output projection, for n tokens
    /// of each of some sequences (`size` is both numbers, sequences first), which follow those of `state`: that of one sequence
    /// after that of the other.
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
    fn ssm_mix(
        &self,
        shape: &SsmShape,
        params: &SsmParams<Self::Buffer>,
        zxbcdt: &Self::Buffer,
        size: [usize; 2],
        state: &mut SsmState<Self::Buffer>,
        y: &mut Self::Buffer,
    ) -> Result<()>;

    /// Bidirectional attention inside each of `chunks` chunks, with norms per head and rotary positions.
    ///
    /// q is (chunks, rows, heads, d), k and v are (chunks, rows, kv_heads, d), `out` is as q. Each d values of q and of k are
    /// normed by themselves, `q ← norms.q · q / √(mean(q²) + eps)`, and then rotated.
    /// Row r is at position r. Pairs (i, i + d/2) are rotated by the angle r · freq_base^(−2i/d). Query head h reads
    /// key/value head h / (heads / kv_heads); scores are scaled by 1/√d; no mask.
    ///
    /// # Errors
    /// If a buffer is too short or the shape is inconsistent.
    fn encoder_attention(
        &self,
        shape: &EncoderShape,
        norms: &HeadNorms<'_, Self::Buffer>,
        qkv: [&Self::Buffer; 3],
        chunks: usize,
        out: &mut Self::Buffer,
    ) -> Result<()>;
}

const YES: Checked = Checked::YES;

impl<B: Compute> Operations for B {
    fn read(&self, buffer: &B::Buffer, out: &mut [f32]) -> Result<()> {
        need("read", buffer.values(), &[out.len()])?;
        Compute::read(self, YES, buffer, out)
    }

    fn look<const K: usize>(
        &self,
        buffers: [(&B::Buffer, usize); K],
        f: impl FnOnce([&[f32]; K]) -> Result<()>,
    ) -> Result<()> {
        for (buffer, len) in buffers {
            need("look", buffer.values(), &[len])?;
        }
        Compute::look(self, YES, buffers, f)
    }

    fn write(&self, buffer: &mut B::Buffer, data: &[f32]) -> Result<()> {
        need("write", buffer.values(), &[data.len()])?;
        Compute::write(self, YES, buffer, data)
    }

    fn copy(
        &self,
        x: &B::Buffer,
        from: Rows,
        out: &mut B::Buffer,
        to: Rows,
        rows: [usize; 2],
        width: usize,
    ) -> Result<()> {
        if rows.contains(&0) || width == 0 {
            return Ok(());
        }
        need("copy: source", x.values(), &[from.end(rows, width)])?;
        need("copy: result", out.values(), &[to.end(rows, width)])?;
        Compute::copy(self, YES, (x, from), (out, to), rows, width)
    }

    fn embed(&self, table: &B::Weight, ids: &[u32], out: &mut B::Buffer) -> Result<()> {
        need("embed: result", out.values(), &[ids.len(), table.cols()])?;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= table.rows()) {
            return Err(Error::invalid(format!("token id {id} of a vocabulary of {}", table.rows())));
        }
        Compute::embed(self, YES, table, ids, out)
    }

    fn rms_norm(
        &self,
        x: &B::Buffer,
        weight: &B::Buffer,
        eps: f32,
        rows: usize,
        width: usize,
        out: &mut B::Buffer,
    ) -> Result<()> {
        need("rms_norm: input", x.values(), &[rows, width])?;
        need("rms_norm: weight", weight.values(), &[width])?;
        need("rms_norm: result", out.values(), &[rows, width])?;
        if rows == 0 || width == 0 {
            return Ok(());
        }
        Compute::rms_norm(self, YES, x, (weight, eps), [rows, width], out)
    }

    fn rms_norm_in_place(
        &self,
        x: &mut B::Buffer,
        weight: &B::Buffer,
        eps: f32,
        rows: usize,
        width: usize,
    ) -> Result<()> {
        need("rms_norm: values", x.values(), &[rows, width])?;
        need("rms_norm: weight", weight.values(), &[width])?;
        if rows == 0 || width == 0 {
            return Ok(());
        }
        Compute::rms_norm_in_place(self, YES, x, (weight, eps), [rows, width])
    }

    fn matmul(&self, w: &B::Weight, x: &B::Buffer, n: usize, y: &mut B::Buffer, accumulate: bool) -> Result<()> {
        need("matmul: input", x.values(), &[n, w.cols()])?;
        need("matmul: result", y.values(), &[n, w.rows()])?;
        Compute::matmul(self, YES, w, x, n, y, accumulate)
    }

    fn add_bias(&self, y: &mut B::Buffer, bias: &B::Buffer, n: usize, width: usize) -> Result<()> {
        need("add_bias: values", y.values(), &[n, width])?;
        need("add_bias: bias", bias.values(), &[width])?;
        if n == 0 || width == 0 {
            return Ok(());
        }
        Compute::add_bias(self, YES, y, bias, [n, width])
    }

    fn silu_mul(&self, gate: &mut B::Buffer, up: &B::Buffer, len: usize) -> Result<()> {
        need("silu_mul: gate", gate.values(), &[len])?;
        need("silu_mul: up", up.values(), &[len])?;
        Compute::silu_mul(self, YES, gate, up, len)
    }

    fn mean_rows(&self, x: &B::Buffer, blocks: usize, rows: usize, width: usize, out: &mut B::Buffer) -> Result<()> {
        need("mean_rows: input", x.values(), &[blocks, rows, width])?;
        need("mean_rows: result", out.values(), &[blocks, width])?;
        if blocks == 0 || rows == 0 || width == 0 {
            return Ok(());
        }
        Compute::mean_rows(self, YES, x, [blocks, rows, width], out)
    }

    fn top_logits(&self, logits: &B::Buffer, count: usize, top: &mut TopK) -> Result<()> {
        need("top_logits", logits.values(), &[count])?;
        check(count <= i32::MAX as usize, || format!("top_logits: {count} logits"))?;
        Compute::top_logits(self, YES, logits, count, top)
    }

    fn ssm_mix(
        &self,
        shape: &SsmShape,
        params: &SsmParams<B::Buffer>,
        zxbcdt: &B::Buffer,
        size: [usize; 2],
        state: &mut SsmState<B::Buffer>,
        y: &mut B::Buffer,
    ) -> Result<()> {
        shape.check_mix(params, size, [zxbcdt, y], state)?;
        if size.contains(&0) {
            return Ok(());
        }
        Compute::ssm_mix(self, YES, (shape, params), zxbcdt, size, state, y)
    }

    fn encoder_attention(
        &self,
        shape: &EncoderShape,
        norms: &HeadNorms<'_, B::Buffer>,
        [q, k, v]: [&B::Buffer; 3],
        chunks: usize,
        out: &mut B::Buffer,
    ) -> Result<()> {
        let EncoderShape { rows, heads, kv_heads, head_dim, .. } = *shape;
        shape.check()?;
        norms.check(head_dim)?;
        need("encoder_attention: q", q.values(), &[chunks, rows, heads, head_dim])?;
        need("encoder_attention: k", k.values(), &[chunks, rows, kv_heads, head_dim])?;
        need("encoder_attention: v", v.values(), &[chunks, rows, kv_heads, head_dim])?;
        need("encoder_attention: result", out.values(), &[chunks, rows, heads, head_dim])?;
        Compute::encoder_attention(self, YES, (shape, norms), [q, k, v], chunks, out)
    }
}
