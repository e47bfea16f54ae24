//! The CPU backend.
//!
//! This file and `reader.rs` have the bodies of the operations, which divide work among threads; the kernels are in the files named
//! after what they compute, written over the eight-lane vectors of `simd.rs`, and chosen at run time by `kernels.rs`.

mod attention;
mod buffer;
mod dense;
mod elementwise;
mod integers;
mod kernels;
mod matmul;
#[cfg(target_arch = "aarch64")]
mod neon;
mod packed;
mod pool;
mod quantized;
mod rate;
mod reader;
mod retrieval;
mod scalar;
mod simd;
mod ssm;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::backend::{
    Array, Checked, Compute, Device, EncoderShape, Fusions, HeadNorms, Rows, SsmParams, SsmShape, SsmState,
};
use crate::quant;
use crate::topk::{TopK, highest};
use crate::weights::Tensor;
use crate::{Error, Result};
use kernels::Kernels;
use pool::Pool;
use ssm::Mixer;

pub use buffer::Buffer;
pub use kernels::Isa;
pub use packed::Weight;
pub(crate) use packed::is_kept;
pub use pool::MAX_THREADS;
pub use reader::ChunkReader;

/// The CPU, with threads of its own.
pub struct Cpu {
    kernels: &'static Kernels,
    pool: Pool,
    repack: bool,
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
        Ok(Cpu { kernels, pool: Pool::new(threads)?, repack: true })
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

    /// Whether quantized matrices are repacked when they are loaded, and large ones of plain floats copied, as they are unless this is
    /// called. Products are faster then, those of quantized weights several times, but the matrices are in memory of the process's own, as
    /// large as in the file, whereas the system can drop pages of the file when memory is short. Results are the same.
    #[must_use]
    pub fn repacking(self, repack: bool) -> Cpu {
        Cpu { repack, ..self }
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

impl Array for Buffer {
    fn values(&self) -> usize {
        self.len()
    }
}

impl Device for Cpu {
    type Buffer = Buffer;
    type Weight = Weight;

    fn tile(&self, _: usize) -> usize {
        256
    }

    fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.pool.run(f)
    }

    fn weight(&self, tensor: Tensor) -> Result<Weight> {
        if self.repack { Weight::kept(self.kernels, &self.pool, tensor) } else { Ok(Weight::mapped(tensor)) }
    }

    fn table(&self, tensor: Tensor) -> Result<Weight> {
        Ok(Weight::mapped(tensor))
    }

    fn buffer(&self, len: usize) -> Result<Buffer> {
        Buffer::zeros(len)
    }

    fn zero(&self, buffer: &mut Buffer) -> Result<()> {
        buffer.fill(0.0);
        Ok(())
    }
}

/// About the multiply-adds that a value takes as long as to norm.
const NORM: usize = 6;

/// Rows to norm at once: some, and as many as the rows of the weight that take turns.
fn norm_rows(width: usize, weight: usize) -> usize {
    let turns = weight.checked_div(width).unwrap_or(1).max(1);
    8192usize.checked_div(width).unwrap_or(1).max(1).next_multiple_of(turns)
}

impl Compute for Cpu {
    fn read(&self, _: Checked, buffer: &Buffer, out: &mut [f32]) -> Result<()> {
        out.copy_from_slice(&buffer[..out.len()]);
        Ok(())
    }

    fn look<const K: usize>(
        &self,
        _: Checked,
        buffers: [(&Buffer, usize); K],
        f: impl FnOnce([&[f32]; K]) -> Result<()>,
    ) -> Result<()> {
        f(buffers.map(|(buffer, len)| &buffer[..len]))
    }

    fn write(&self, _: Checked, buffer: &mut Buffer, data: &[f32]) -> Result<()> {
        buffer[..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn copy(
        &self,
        _: Checked,
        (x, from): (&Buffer, Rows),
        (out, to): (&mut Buffer, Rows),
        rows: [usize; 2],
        width: usize,
    ) -> Result<()> {
        for (g, r) in (0..rows[0]).flat_map(|g| (0..rows[1]).map(move |r| (g, r))) {
            let x = &x[from.at + g * from.group + r * from.stride..][..width];
            out[to.at + g * to.group + r * to.stride..][..width].copy_from_slice(x);
        }
        Ok(())
    }

    fn embed(&self, _: Checked, table: &Weight, ids: &[u32], out: &mut Buffer) -> Result<()> {
        let table = &table.tensor;
        let width = table.cols();
        self.pool.each_part(&mut out[..ids.len() * width], width, ids.len() * width * 8, |i, out| {
            quant::dequantize(table.dtype(), table.row(ids[i] as usize), out)
        })
    }

    fn rms_norm(
        &self,
        _: Checked,
        x: &Buffer,
        norm: (&Buffer, f32),
        [rows, width]: [usize; 2],
        out: &mut Buffer,
    ) -> Result<()> {
        let part = norm_rows(width, norm.0.len()) * width;
        self.pool.each_part(&mut out[..rows * width], part, rows * width * NORM, |i, out| {
            out.copy_from_slice(&x[i * part..][..out.len()]);
            self.kernels.rms_norm(out, norm.0, width, norm.1);
            Ok(())
        })
    }

    fn rms_norm_in_place(
        &self,
        _: Checked,
        x: &mut Buffer,
        (weight, eps): (&Buffer, f32),
        [rows, width]: [usize; 2],
    ) -> Result<()> {
        let part = norm_rows(width, weight.len()) * width;
        self.pool.each_part(&mut x[..rows * width], part, rows * width * NORM, |_, x| {
            self.kernels.rms_norm(x, weight, width, eps);
            Ok(())
        })
    }

    fn matmul(&self, _: Checked, w: &Weight, x: &Buffer, n: usize, y: &mut Buffer, accumulate: bool) -> Result<()> {
        matmul::matmul(self.kernels, &self.pool, w, x, n, y, accumulate)
    }

    fn add_bias(&self, _: Checked, y: &mut Buffer, bias: &Buffer, [n, width]: [usize; 2]) -> Result<()> {
        self.pool.each_part(&mut y[..n * width], width, n * width * 2, |_, y| {
            self.kernels.add_into(y, &bias[..width]);
            Ok(())
        })
    }

    fn silu_mul(&self, _: Checked, gate: &mut Buffer, up: &Buffer, len: usize) -> Result<()> {
        // A multiple of the lanes, so that every value is computed in the same way whatever `len`.
        const PART: usize = 1 << 14;
        self.pool.each_part(&mut gate[..len], PART, len * 12, |i, gate| {
            self.kernels.silu_mul(gate, &up[i * PART..i * PART + gate.len()]);
            Ok(())
        })
    }

    fn mean_rows(&self, _: Checked, x: &Buffer, [blocks, rows, width]: [usize; 3], out: &mut Buffer) -> Result<()> {
        self.pool.each_part(&mut out[..blocks * width], width, blocks * rows * width * 2, |i, out| {
            out.fill(0.0);
            x[i * rows * width..][..rows * width].chunks_exact(width).for_each(|x| self.kernels.add_into(out, x));
            out.iter_mut().for_each(|v| *v /= rows as f32);
            Ok(())
        })
    }

    fn top_logits(&self, _: Checked, logits: &Buffer, count: usize, top: &mut TopK) -> Result<()> {
        highest(&logits[..count], top)
    }

    fn ssm_mix(
        &self,
        _: Checked,
        (shape, params): (&SsmShape, &SsmParams<Buffer>),
        zxbcdt: &Buffer,
        [sequences, n]: [usize; 2],
        state: &mut SsmState<Buffer>,
        y: &mut Buffer,
    ) -> Result<()> {
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
        _: Checked,
        (shape, norms): (&EncoderShape, &HeadNorms<'_, Buffer>),
        qkv: [&Buffer; 3],
        chunks: usize,
        out: &mut Buffer,
    ) -> Result<()> {
        attention::encode(self.kernels, &self.pool, shape, norms, qkv.map(|b| &b[..]), chunks, out)
    }
}

impl Fusions for Cpu {}
