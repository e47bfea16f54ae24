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
#[cfg(feature = "convert")]
mod observer;
mod pool;
mod quantized;
mod reads;
mod retrieval;
mod scalar;
mod simd;
mod ssm;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::backend::{
    Backend, EncoderShape, HeadNorms, HsaShape, Norm, Pick, Product, Selecting, Span, SsmParams, SsmShape, SsmState,
    check, need,
};
use crate::memory::{ChunkMemory, ChunkShape, Precision};
use crate::quant;
use crate::topk::{MAX_TOP_K, TopK, highest};
use crate::weights::Tensor;
use crate::{Error, Result};
use attention::Reading;
use kernels::Kernels;
#[cfg(feature = "convert")]
use observer::Observer;
use pool::Pool;
use reads::recycle;
use retrieval::Scoring;
use ssm::Mixer;

pub use buffer::Buffer;
pub use kernels::Isa;
pub use pool::MAX_THREADS;
pub use reads::Reads;

/// The CPU, with threads of its own.
pub struct Cpu {
    kernels: &'static Kernels,
    pool: Pool,
    #[cfg(feature = "convert")]
    observer: Option<Observer>,
}

impl Cpu {
    /// A backend that uses `threads` threads and the best instructions of this CPU.
    ///
    /// With one thread everything runs on the caller's. The result of no operation depends on the number of threads.
    ///
    /// # Errors
    /// `InvalidArgument` if `threads` is 0 or more than [`MAX_THREADS`], `Capacity` if they cannot be started.
    pub fn new(threads: usize) -> Result<Cpu> {
        Self::of(Kernels::best(), threads)
    }

    fn of(kernels: &'static Kernels, threads: usize) -> Result<Cpu> {
        Ok(Cpu {
            kernels,
            pool: Pool::new(threads)?,
            #[cfg(feature = "convert")]
            observer: None,
        })
    }

    /// As [`Cpu::new`]; what matrices are multiplied with is kept for [`Cpu::observed`].
    #[cfg(feature = "convert")]
    pub(crate) fn observing(threads: usize) -> Result<Cpu> {
        Ok(Cpu { observer: Some(Observer::default()), ..Self::new(threads)? })
    }

    /// The mean squares (cols) of what `w` was multiplied with, if it was.
    #[cfg(feature = "convert")]
    pub(crate) fn observed(&self, w: &Tensor) -> Option<Vec<f32>> {
        self.observer.as_ref()?.of(w)
    }

    /// The same with a given instruction set: for tests and comparisons. Results of different instruction sets differ by
    /// rounding.
    ///
    /// # Errors
    /// `Unsupported` if this CPU does not have the instructions; otherwise those of [`Cpu::new`].
    pub fn with_isa(threads: usize, isa: Isa) -> Result<Cpu> {
        let kernels = Kernels::new(isa).ok_or_else(|| Error::unsupported(format!("this CPU does not have {isa:?}")))?;
        Self::of(kernels, threads)
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

impl Backend for Cpu {
    type Buffer = Buffer;
    type Weight = Tensor;
    type Mirror = Reads;
    type Recording = ();
    type Landing = ();

    fn tile(&self, _: usize) -> usize {
        256
    }

    fn replay(&self, (): &mut (), work: impl FnOnce() -> Result<()>) -> Result<()> {
        work()
    }

    fn zero(&self, buffer: &mut Buffer) -> Result<()> {
        buffer.fill(0.0);
        Ok(())
    }

    fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.pool.run(f)
    }

    fn weight(&self, tensor: Tensor) -> Result<Tensor> {
        Ok(tensor)
    }

    fn buffer(&self, len: usize) -> Result<Buffer> {
        Buffer::zeros(len)
    }

    fn read(&self, buffer: &Buffer, out: &mut [f32]) -> Result<()> {
        need("read", buffer.len(), &[out.len()])?;
        out.copy_from_slice(&buffer[..out.len()]);
        Ok(())
    }

    fn look<const K: usize>(
        &self,
        buffers: [(&Buffer, usize); K],
        f: impl FnOnce([&[f32]; K]) -> Result<()>,
    ) -> Result<()> {
        for (buffer, len) in buffers {
            need("look", buffer.len(), &[len])?;
        }
        f(buffers.map(|(buffer, len)| &buffer[..len]))
    }

    fn write(&self, buffer: &mut Buffer, data: &[f32]) -> Result<()> {
        need("write", buffer.len(), &[data.len()])?;
        buffer[..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn copy(&self, x: &Buffer, from: Span, out: &mut Buffer, to: Span, rows: [usize; 2], width: usize) -> Result<()> {
        if rows.contains(&0) || width == 0 {
            return Ok(());
        }
        need("copy: source", x.len(), &[from.end(rows, width)])?;
        need("copy: result", out.len(), &[to.end(rows, width)])?;
        for (g, r) in (0..rows[0]).flat_map(|g| (0..rows[1]).map(move |r| (g, r))) {
            let x = &x[from.at + g * from.group + r * from.stride..][..width];
            out[to.at + g * to.group + r * to.stride..][..width].copy_from_slice(x);
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
            self.kernels.rms_norm(&mut x[..rows * width], weight, width, eps);
        }
        Ok(())
    }

    fn matmul(&self, w: &Tensor, x: &Buffer, n: usize, y: &mut Buffer, accumulate: bool) -> Result<()> {
        need("matmul: input", x.len(), &[n, w.cols()])?;
        need("matmul: result", y.len(), &[n, w.rows()])?;
        #[cfg(feature = "convert")]
        if let Some(observer) = &self.observer {
            observer.see(w, x, n);
        }
        matmul::matmul(self.kernels, &self.pool, w, x, n, y, accumulate)
    }

    fn norm_matmul(
        &self,
        norm: &Norm<'_, Buffer>,
        x: &Buffer,
        n: usize,
        normed: &mut Buffer,
        products: &mut [Product<'_, Tensor, Buffer>],
        accumulate: bool,
    ) -> Result<()> {
        let Some(cols) = products.first().map(|product| product.weight.cols()) else { return Ok(()) };
        norm.check(cols)?;
        self.rms_norm(x, norm.weight, norm.eps, n * (cols / norm.width), norm.width, normed)?;
        for Product { weight, bias, out } in products {
            check(weight.cols() == cols, || {
                format!("norm_matmul: weights of {cols} and of {} columns", weight.cols())
            })?;
            self.matmul(weight, normed, n, out, accumulate)?;
            if let (Some(bias), width @ 1..) = (bias, weight.rows()) {
                need("norm_matmul: bias", bias.len(), &[width])?;
                out[..n * width].chunks_exact_mut(width).for_each(|y| self.kernels.add_into(y, &bias[..width]));
            }
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
            Ok(())
        })
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

    fn top_logits(&self, logits: &Buffer, count: usize, top: &mut TopK) -> Result<()> {
        need("top_logits", logits.len(), &[count])?;
        highest(&logits[..count], top)
    }

    fn landing(&self) -> Result<()> {
        Ok(())
    }

    fn land_logits(&self, logits: &Buffer, count: usize, wanted: usize, (): &mut ()) -> Result<()> {
        need("land_logits", logits.len(), &[count])?;
        // The logits stay where they are until they are asked for.
        check((1..=MAX_TOP_K).contains(&wanted), || format!("land_logits: {wanted} at once"))
    }

    fn landed_logits(&self, logits: &Buffer, count: usize, (): &mut (), top: &mut TopK) -> Result<()> {
        self.top_logits(logits, count, top)
    }

    fn ssm_mix(
        &self,
        shape: &SsmShape,
        params: &SsmParams<Buffer>,
        zxbcdt: &Buffer,
        sequences: usize,
        n: usize,
        state: &mut SsmState<Buffer>,
        y: &mut Buffer,
    ) -> Result<()> {
        let lengths = [&params.conv_weight, &params.conv_bias, &params.dt_bias, &params.a, &params.d].map(|b| b.len());
        shape.check_mix(sequences, n, zxbcdt.len(), y.len(), lengths, [state.conv.len(), state.ssm.len()])?;
        if n == 0 {
            return Ok(());
        }
        for sequence in 0..sequences {
            let own = |len: usize| sequence * len..(sequence + 1) * len;
            let mixer = Mixer { shape, params, zxbcdt: &zxbcdt[own(n * shape.projected())], n };
            let history = &mut state.conv[own(shape.conv_state_len())];
            let (state, y) = (&mut state.ssm[own(shape.ssm_state_len())], &mut y[own(n * shape.inner)]);
            ssm::mix(self.kernels, &self.pool, &mixer, history, state, y)?;
        }
        Ok(())
    }

    fn encoder_attention(
        &self,
        shape: &EncoderShape,
        norms: &HeadNorms<'_, Buffer>,
        q: &Buffer,
        k: &Buffer,
        v: &Buffer,
        chunks: usize,
        out: &mut Buffer,
    ) -> Result<()> {
        let lengths = [q.len(), k.len(), v.len(), out.len()];
        shape.check_attention(chunks, [norms.q.len(), norms.k.len()], lengths)?;
        attention::encode(self.kernels, &self.pool, shape, norms, [q, k, v], chunks, out)
    }

    fn mirror(&self, _: ChunkShape, _: Precision, _: u64, _: usize, _: u64) -> Result<Reads> {
        Ok(Reads::default())
    }

    fn slots(&self, memory: &ChunkMemory, _: &Reads) -> usize {
        memory.slots()
    }

    fn score_top_k(
        &self,
        q: &Buffer,
        visible: &[u64],
        scale: f32,
        memory: &mut ChunkMemory,
        _: &mut Reads,
        top: &mut [TopK],
    ) -> Result<()> {
        let n = visible.len();
        let ChunkShape { retrieval_heads: heads, retrieval_width: width, .. } = memory.shape();
        need("score_top_k: queries", q.len(), &[n, heads, width])?;
        need("score_top_k: selections", top.len(), &[n, heads])?;
        let top = &mut top[..n * heads];
        memory.for_each_landmarks(0..visible.iter().copied().max().unwrap_or(0), |block| {
            let scoring = Scoring { q, heads, width, block: &block, visible, scale };
            retrieval::score_top_k(self.kernels, &self.pool, &scoring, top)
        })
    }

    fn fetch(&self, memory: &mut ChunkMemory, mirror: &mut Reads, ids: &[u64], picks: &[Pick]) -> Result<()> {
        if let Some(pick) = picks.iter().find(|p| p.weight != 0.0 && p.chunk as usize >= ids.len()) {
            return Err(Error::invalid(format!("fetch: chunk {} of {}", pick.chunk, ids.len())));
        }
        mirror.ids.clear();
        mirror.ids.extend_from_slice(ids);
        mirror.picks.clear();
        mirror.picks.extend_from_slice(picks);
        memory.fetch(ids)
    }

    fn resident(&self, memory: &mut ChunkMemory, mirror: &mut Reads, visible: u64, _: usize) -> Result<bool> {
        check(visible <= memory.len(), || format!("resident: {visible} chunks visible, there are {}", memory.len()))?;
        mirror.visible = visible;
        // Whatever is chosen of them, the cache has room for it.
        Ok(visible <= memory.slots() as u64)
    }

    fn select(
        &self,
        q: &Buffer,
        selecting: &Selecting,
        selection: usize,
        memory: &mut ChunkMemory,
        mirror: &mut Reads,
    ) -> Result<()> {
        selecting.check(memory, q.len())?;
        mirror.begin(memory.shape().retrieval_heads, selecting.top_k)?;
        let mut top = std::mem::take(&mut mirror.top);
        let visible = [mirror.visible];
        let scored = self.score_top_k(q, &visible, selecting.scale, memory, mirror, &mut top);
        mirror.top = top;
        scored?;
        mirror.choose(selecting, selection);
        memory.fetch(&mirror.ids)
    }

    fn readings(&self, mirror: &mut Reads, selection: usize, out: &mut [(u64, f32)]) -> Result<()> {
        let readings = mirror.readings.get(selection).and_then(|readings| readings.get(..out.len()));
        out.copy_from_slice(readings.ok_or_else(|| Error::invalid(format!("readings: selection {selection}")))?);
        Ok(())
    }

    fn hsa_attend(
        &self,
        shape: &HsaShape,
        q: &Buffer,
        tokens: Range<usize>,
        memory: &ChunkMemory,
        mirror: &mut Reads,
        out: &mut Buffer,
    ) -> Result<()> {
        shape.check(&tokens, memory)?;
        let HsaShape { heads, head_dim, retrieval_heads, top_k, .. } = *shape;
        need("hsa_attend: q", q.len(), &[tokens.end, heads, head_dim])?;
        need("hsa_attend: picks", mirror.picks.len(), &[tokens.len(), retrieval_heads, top_k])?;
        need("hsa_attend: result", out.len(), &[tokens.end, heads, head_dim])?;
        let mut chunks = recycle(std::mem::take(&mut mirror.views));
        for &id in &mirror.ids {
            let view = memory.view(id);
            chunks.push(view.ok_or_else(|| Error::invalid(format!("hsa_attend: chunk {id} was not fetched")))?);
        }
        let picks = &mirror.picks[..tokens.len() * retrieval_heads * top_k];
        let rows = tokens.start * heads * head_dim..tokens.end * heads * head_dim;
        let reading = Reading { shape, q: &q[rows.clone()], chunks: &chunks, picks };
        attention::attend(self.kernels, &self.pool, &reading, &mut out[rows])?;
        mirror.views = recycle(chunks);
        Ok(())
    }
}
