//! The CPU backend.
//!
//! This file checks arguments and splits work; the kernels are in the files named after what they compute, written over
//! the eight-lane vectors of `simd.rs`, and chosen at run time by `kernels.rs`.

mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod buffer;
mod dense;
mod elementwise;
mod kernels;
mod matmul;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pool;
mod quantized;
mod retrieval;
mod scalar;
mod simd;
mod ssm;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::backend::{Backend, EncoderShape, HsaShape, Pick, Span, SsmParams, SsmShape, SsmState};
use crate::memory::{ChunkView, KvData, LandmarkBlock, LandmarkData, TopK};
use crate::quant;
use crate::weights::Tensor;
use crate::{Error, Result};
use attention::Reading;
use kernels::Kernels;
use pool::Pool;
use retrieval::Scoring;
use ssm::Mixer;

pub use buffer::Buffer;
pub use kernels::Isa;

/// The CPU, with threads of its own.
pub struct Cpu {
    kernels: &'static Kernels,
    pool: Pool,
}

impl Cpu {
    /// A backend that uses `threads` threads and the best instructions of this CPU.
    ///
    /// With one thread everything runs on the caller's. The result of no operation depends on the number of threads.
    ///
    /// # Errors
    /// `InvalidArgument` if `threads` is 0 or the threads cannot be started.
    pub fn new(threads: usize) -> Result<Cpu> {
        Ok(Cpu { kernels: Kernels::best(), pool: Pool::new(threads)? })
    }

    /// The same with a given instruction set: for tests and comparisons. Results of different instruction sets differ by
    /// rounding.
    ///
    /// # Errors
    /// `Unsupported` if this CPU does not have the instructions; otherwise those of [`Cpu::new`].
    pub fn with_isa(threads: usize, isa: Isa) -> Result<Cpu> {
        let kernels = Kernels::new(isa).ok_or_else(|| Error::unsupported(format!("this CPU does not have {isa:?}")))?;
        Ok(Cpu { kernels, pool: Pool::new(threads)? })
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.kernels.isa()
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.pool.len()
    }
}

impl std::fmt::Debug for Cpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cpu({:?}, {} threads)", self.isa(), self.threads())
    }
}

/// Fails unless `len` is at least the product of `dims`, naming the argument.
fn need(what: &str, len: usize, dims: &[usize]) -> Result<()> {
    match dims.iter().try_fold(1usize, |p, &d| p.checked_mul(d)) {
        Some(wanted) if wanted <= len => Ok(()),
        _ => Err(Error::invalid(format!("{what}: {len} values, needed {dims:?}"))),
    }
}

/// Fails unless `ok`.
fn check(ok: bool, what: impl FnOnce() -> String) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::invalid(what())) }
}

impl SsmShape {
    fn check(&self) -> Result<()> {
        let SsmShape { inner, heads, state, groups, conv, .. } = *self;
        let whole = heads > 0 && groups > 0 && state > 0 && inner > 0;
        let whole = whole && inner.is_multiple_of(heads) && heads.is_multiple_of(groups);
        let small = [inner, heads, state, groups].iter().all(|&v| v <= 1 << 20);
        check(whole && small && (1..=ssm::MAX_CONV).contains(&conv), || format!("shape of a Mamba-2 block: {self:?}"))
    }
}

impl Backend for Cpu {
    type Buffer = Buffer;
    type Weight = Tensor;

    fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.pool.run(f)
    }

    fn weight(&self, tensor: Tensor) -> Result<Tensor> {
        Ok(tensor)
    }

    fn buffer(&self, len: usize) -> Result<Buffer> {
        Buffer::zeros(len).ok_or_else(|| Error::capacity(format!("no memory for {len} activations")))
    }

    fn read(&self, buffer: &Buffer, out: &mut [f32]) -> Result<()> {
        need("read", buffer.len(), &[out.len()])?;
        out.copy_from_slice(&buffer[..out.len()]);
        Ok(())
    }

    fn write(&self, buffer: &mut Buffer, data: &[f32]) -> Result<()> {
        need("write", buffer.len(), &[data.len()])?;
        buffer[..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn copy(&self, x: &Buffer, from: Span, out: &mut Buffer, to: Span, rows: usize, width: usize) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let end = |s: Span| (rows - 1).checked_mul(s.stride)?.checked_add(s.at)?.checked_add(width);
        need("copy: source", x.len(), &[end(from).unwrap_or(usize::MAX)])?;
        need("copy: result", out.len(), &[end(to).unwrap_or(usize::MAX)])?;
        for r in 0..rows {
            let x = &x[from.at + r * from.stride..][..width];
            out[to.at + r * to.stride..][..width].copy_from_slice(x);
        }
        Ok(())
    }

    fn embed(&self, table: &Tensor, ids: &[u32], out: &mut Buffer) -> Result<()> {
        let width = table.cols();
        need("embed: result", out.len(), &[ids.len(), width])?;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= table.rows()) {
            return Err(Error::invalid(format!("token id {id} of a vocabulary of {}", table.rows())));
        }
        for (i, &id) in ids.iter().enumerate() {
            quant::dequantize(table.dtype(), table.row(id as usize), &mut out[i * width..(i + 1) * width])?;
        }
        Ok(())
    }

    fn rms_norm(
        &self,
        x: &Buffer,
        weight: &Buffer,
        eps: f32,
        rows: usize,
        width: usize,
        out: &mut Buffer,
    ) -> Result<()> {
        need("rms_norm: input", x.len(), &[rows, width])?;
        need("rms_norm: result", out.len(), &[rows, width])?;
        out[..rows * width].copy_from_slice(&x[..rows * width]);
        self.rms_norm_in_place(out, weight, eps, rows, width)
    }

    fn rms_norm_in_place(&self, x: &mut Buffer, weight: &Buffer, eps: f32, rows: usize, width: usize) -> Result<()> {
        need("rms_norm: values", x.len(), &[rows, width])?;
        need("rms_norm: weight", weight.len(), &[width])?;
        if width > 0 {
            self.kernels.rms_norm(&mut x[..rows * width], &weight[..width], eps);
        }
        Ok(())
    }

    fn matmul(&self, w: &Tensor, x: &Buffer, n: usize, y: &mut Buffer, accumulate: bool) -> Result<()> {
        need("matmul: input", x.len(), &[n, w.cols()])?;
        need("matmul: result", y.len(), &[n, w.rows()])?;
        matmul::matmul(self.kernels, &self.pool, w, x, n, y, accumulate);
        Ok(())
    }

    fn add_bias(&self, y: &mut Buffer, bias: &Buffer, n: usize, width: usize) -> Result<()> {
        need("add_bias: values", y.len(), &[n, width])?;
        need("add_bias: bias", bias.len(), &[width])?;
        if width > 0 {
            y[..n * width].chunks_exact_mut(width).for_each(|y| self.kernels.add_into(y, &bias[..width]));
        }
        Ok(())
    }

    fn silu_mul(&self, gate: &mut Buffer, up: &Buffer, len: usize) -> Result<()> {
        need("silu_mul: gate", gate.len(), &[len])?;
        need("silu_mul: up", up.len(), &[len])?;
        // A multiple of the lanes, so that every value is computed in the same way whatever `len`.
        const PART: usize = 1 << 14;
        self.pool.each_part(&mut gate[..len], PART, len * 12, |i, gate| {
            self.kernels.silu_mul(gate, &up[i * PART..i * PART + gate.len()]);
        });
        Ok(())
    }

    fn mean_rows(&self, x: &Buffer, blocks: usize, rows: usize, width: usize, out: &mut Buffer) -> Result<()> {
        need("mean_rows: input", x.len(), &[blocks, rows, width])?;
        need("mean_rows: result", out.len(), &[blocks, width])?;
        if rows == 0 || width == 0 {
            return Ok(());
        }
        for (x, out) in x.chunks_exact(rows * width).zip(out.chunks_exact_mut(width)).take(blocks) {
            out.fill(0.0);
            x.chunks_exact(width).for_each(|x| self.kernels.add_into(out, x));
            out.iter_mut().for_each(|v| *v /= rows as f32);
        }
        Ok(())
    }

    fn ssm_mix(
        &self,
        shape: &SsmShape,
        params: &SsmParams<Buffer>,
        zxbcdt: &Buffer,
        n: usize,
        state: &mut SsmState<Buffer>,
        y: &mut Buffer,
    ) -> Result<()> {
        shape.check()?;
        let (channels, heads) = (shape.conv_channels(), shape.heads);
        need("ssm_mix: input", zxbcdt.len(), &[n, shape.projected()])?;
        need("ssm_mix: result", y.len(), &[n, shape.inner])?;
        need("ssm_mix: convolution", params.conv_weight.len(), &[channels, shape.conv])?;
        need("ssm_mix: bias of the convolution", params.conv_bias.len(), &[channels])?;
        need("ssm_mix: bias of the time step", params.dt_bias.len(), &[heads])?;
        need("ssm_mix: a", params.a.len(), &[heads])?;
        need("ssm_mix: d", params.d.len(), &[heads])?;
        need("ssm_mix: norm", params.norm.len(), &[shape.inner])?;
        // The state is split by heads, so that its length must be right exactly.
        let right = state.conv.len() == shape.conv_state_len() && state.ssm.len() == shape.ssm_state_len();
        check(right, || format!("ssm_mix: state of {} and {} values", state.conv.len(), state.ssm.len()))?;
        if n > 0 {
            ssm::mix(self.kernels, &self.pool, &Mixer { shape, params, zxbcdt, n }, state, y);
        }
        Ok(())
    }

    fn encoder_attention(
        &self,
        shape: &EncoderShape,
        q: &Buffer,
        k: &Buffer,
        v: &Buffer,
        chunks: usize,
        out: &mut Buffer,
    ) -> Result<()> {
        let EncoderShape { rows, heads, kv_heads, head_dim, .. } = *shape;
        let whole = rows > 0 && kv_heads > 0 && heads > 0 && heads.is_multiple_of(kv_heads);
        let whole = whole && head_dim > 0 && head_dim.is_multiple_of(2) && rows <= 1 << 14;
        check(whole, || format!("shape of the encoder: {shape:?}"))?;
        need("encoder_attention: q", q.len(), &[chunks, rows, heads, head_dim])?;
        need("encoder_attention: k", k.len(), &[chunks, rows, kv_heads, head_dim])?;
        need("encoder_attention: v", v.len(), &[chunks, rows, kv_heads, head_dim])?;
        need("encoder_attention: result", out.len(), &[chunks, rows, heads, head_dim])?;
        attention::encode(self.kernels, &self.pool, shape, [q, k, v], chunks, out);
        Ok(())
    }

    fn score_top_k(
        &self,
        q: &Buffer,
        retrieval_heads: usize,
        width: usize,
        block: &LandmarkBlock<'_>,
        visible: &[u64],
        scale: f32,
        top: &mut [TopK],
    ) -> Result<()> {
        let n = visible.len();
        need("score_top_k: queries", q.len(), &[n, retrieval_heads, width])?;
        need("score_top_k: selections", top.len(), &[n, retrieval_heads])?;
        let landmarks = match block.data {
            LandmarkData::F32(v) => v.len(),
            LandmarkData::F16(v) => v.len(),
        };
        need("score_top_k: landmarks", landmarks, &[block.count, retrieval_heads, width])?;
        if n == 0 || retrieval_heads == 0 || width == 0 {
            return Ok(());
        }
        let scoring = Scoring { q, heads: retrieval_heads, width, block, visible, scale };
        retrieval::score_top_k(self.kernels, &self.pool, &scoring, &mut top[..n * retrieval_heads]);
        Ok(())
    }

    fn hsa_attend(
        &self,
        shape: &HsaShape,
        q: &Buffer,
        tokens: Range<usize>,
        chunks: &[ChunkView<'_>],
        picks: &[Pick],
        out: &mut Buffer,
    ) -> Result<()> {
        let HsaShape { heads, kv_heads, head_dim, chunk_size, retrieval_heads, top_k, .. } = *shape;
        let whole = kv_heads > 0 && heads > 0 && heads.is_multiple_of(kv_heads) && head_dim > 0 && chunk_size > 0;
        check(whole && (retrieval_heads == 1 || retrieval_heads == kv_heads), || format!("shape of HSA: {shape:?}"))?;
        check(tokens.start <= tokens.end, || format!("hsa_attend: tokens {tokens:?}"))?;
        need("hsa_attend: q", q.len(), &[tokens.end, heads, head_dim])?;
        need("hsa_attend: picks", picks.len(), &[tokens.len(), retrieval_heads, top_k])?;
        need("hsa_attend: result", out.len(), &[tokens.end, heads, head_dim])?;
        let picks = &picks[..tokens.len() * retrieval_heads * top_k];
        if let Some(pick) = picks.iter().find(|p| p.weight != 0.0 && p.chunk as usize >= chunks.len()) {
            return Err(Error::invalid(format!("hsa_attend: chunk {} of {}", pick.chunk, chunks.len())));
        }
        for chunk in chunks {
            for data in [&chunk.keys, &chunk.values] {
                need("hsa_attend: chunk", attention::kv_len(data), &[chunk_size, kv_heads, head_dim])?;
                if let KvData::Int8 { scales, .. } = data {
                    need("hsa_attend: scales", scales.len(), &[chunk_size, kv_heads])?;
                }
            }
        }
        let rows = tokens.start * heads * head_dim..tokens.end * heads * head_dim;
        let reading = Reading { shape, q: &q[rows.clone()], chunks, picks };
        attention::attend(self.kernels, &self.pool, &reading, &mut out[rows]);
        Ok(())
    }
}
