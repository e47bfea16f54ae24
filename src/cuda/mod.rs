//! The CUDA backend.
//!
//! The driver's library is loaded at run time: a program with this backend also runs on machines without it, where
//! [`Cuda::new`] says so. The kernels are in `kernels/*.cu`, one operation a file, each with its shapes, its grid and its
//! twin on the CPU; this folder checks arguments and starts them.
//!
//! Every thread computes on a stream of its own (see `stream.rs`): for the whole of a [`run`](Device::run), at whose end
//! it waits for the device, or else for one operation. The kernels of a token that is computed alone are put off and begun together,
//! as graphs (`graphs.rs`). Weights keep their bytes, in layouts that suit loads of 16 bytes
//! (`weight.rs`). Device memory comes from plain allocations, made when buffers are; none is made for a token.

mod arguments;
mod attention;
mod choice;
mod chunk_cache;
mod codes;
mod driver;
mod encoder;
mod format;
mod graphs;
mod mamba;
mod mamba_blocks;
mod module;
mod product;
mod reader;
mod scoring;
mod ssm;
mod stream;
mod weight;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zerocopy::{Immutable, IntoBytes};

use crate::backend::{
    Array, Attention, Checked, Compute, Device, EncoderShape, Fusions, HeadNorms, MambaWeights, Matrix, MemoryWeights,
    Mlp, Norm, Product, Rows, SsmParams, SsmShape, SsmState, Stateful, check, need,
};
use crate::topk::TopK;
use crate::weights::Tensor;
use crate::{Error, Result};
use arguments::twin;
use driver::{Context, Event, Memory};
use module::{Kernel, Kernels, launch};
use stream::Stream;

pub use reader::ChunkReader;
pub use weight::Weight;

/// Up to this many rows of activations, a product is computed row by row, bound by the bytes of the weights.
pub const FEW: usize = 4;

/// Values of the residual stream of a tile.
const TILE_VALUES: usize = 1 << 21;

/// Threads of a block of the element-wise kernels.
const THREADS: usize = 256;

/// The number of the next backend.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A CUDA device.
pub struct Cuda {
    /// Tells the streams of several devices apart.
    id: u64,
    kernels: Kernels,
    /// Streams that no thread has.
    streams: Mutex<Vec<Stream>>,
    context: Arc<Context>,
}

/// Activations on the device: f32 values.
pub struct Buffer {
    memory: Memory,
    len: usize,
}

impl Buffer {
    fn at(&self) -> u64 {
        self.memory.at
    }
}

/// `Place` of `kernels/copy.cu`.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct Place {
    at: u64,
    group: u64,
    stride: u64,
}
twin!(Place: "copy", "Place" { at, group, stride });

impl Place {
    /// In units of so many values.
    fn new(rows: Rows, unit: usize) -> Place {
        let [at, group, stride] = [rows.at, rows.group, rows.stride].map(|v| (v / unit) as u64);
        Place { at, group, stride }
    }
}

impl Cuda {
    /// The device with this number, from 0.
    ///
    /// # Errors
    /// `Unsupported` if there is no driver, no such device, or no kernels for it; `Device` if it fails.
    pub fn new(ordinal: i32) -> Result<Cuda> {
        Self::with(Context::new(ordinal, None)?)
    }

    /// As [`Cuda::new`], with what kernels read once (lists of tokens and chunks, landmarks on their way) left in the
    /// host's memory, or copied. By default that depends on whether host and device have one memory, as on a Jetson.
    ///
    /// # Errors
    /// As [`Cuda::new`].
    pub fn with_mapped_memory(ordinal: i32, mapped: bool) -> Result<Cuda> {
        Self::with(Context::new(ordinal, Some(mapped))?)
    }

    fn with(context: Arc<Context>) -> Result<Cuda> {
        let (major, minor) = context.capability;
        if (major, minor) < (7, 5) {
            return Err(Error::unsupported(format!(
                "{}: compute capability {major}.{minor}, 7.5 is needed",
                context.name
            )));
        }
        let kernels = Kernels::load(&context)?;
        let stream = Stream::new(&context)?;
        log::info!("CUDA device: {}, compute capability {major}.{minor}", context.name);
        Ok(Cuda { id: NEXT.fetch_add(1, Ordering::Relaxed), kernels, streams: Mutex::new(vec![stream]), context })
    }

    /// The name of the device.
    pub fn name(&self) -> &str {
        &self.context.name
    }

    /// Compute capability, major and minor.
    pub fn capability(&self) -> (i32, i32) {
        self.context.capability
    }

    /// How long the device takes for the operations of `f`, once what was begun before has ended.
    ///
    /// # Errors
    /// Those of `f`, and failures of the device.
    pub fn time(&self, f: impl FnOnce() -> Result<()> + Send) -> Result<Duration> {
        self.run(|| {
            let started = self.on_stream(|stream| Event::on(stream.raw()?))?;
            f()?;
            self.on_stream(|stream| Event::on(stream.raw()?)?.since(&started))
        })
    }

    /// A stream that no thread has, or a new one.
    fn stream(&self) -> Result<Stream> {
        let free = self.streams.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.map_or_else(|| Stream::new(&self.context), Ok)
    }

    fn give_back(&self, mut stream: Stream) {
        if let Err(e) = stream.next(false) {
            log::error!("{e}");
        }
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
    }

    /// One operation: on the thread's stream, or on any and then waited for.
    fn on_stream<T>(&self, f: impl FnOnce(&mut Stream) -> Result<T>) -> Result<T> {
        match stream::with_current(self.id, f) {
            Ok(result) => result,
            Err(f) => {
                let mut stream = self.stream()?;
                let result = f(&mut stream).and_then(|v| stream.synchronize().map(|()| v));
                self.give_back(stream);
                result
            }
        }
    }

    /// `out` may be `x`.
    fn norm(&self, x: u64, weight: &Buffer, eps: f32, rows: usize, width: usize, out: u64) -> Result<()> {
        if rows == 0 || width == 0 {
            return Ok(());
        }
        let parts = weight.len / width;
        let (name, grid, block) = match width {
            1..=512 if width.is_multiple_of(4) => (const { Kernel::named("rms_norm_512") }, rows.div_ceil(4), [32, 4]),
            1..=2048 if width.is_multiple_of(4) => {
                (const { Kernel::named("rms_norm_2048") }, rows.div_ceil(4), [32, 4])
            }
            _ => (const { Kernel::named("rms_norm_any") }, rows, [256, 1]),
        };
        self.on_stream(|stream| {
            // SAFETY: x and out hold `rows` rows and the weight `parts` rows of `width`, by the callers' checks.
            unsafe {
                launch!(self.kernels, stream, name, [grid, 1, 1], block, 0;
                    x, weight.at(), parts as u32, eps, rows as u32, width as u32, out)
            }
        })
    }
}

impl Array for Buffer {
    fn values(&self) -> usize {
        self.len
    }
}

impl Matrix for Weight {
    fn rows(&self) -> usize {
        self.rows
    }

    fn cols(&self) -> usize {
        self.cols
    }
}

impl Device for Cuda {
    type Buffer = Buffer;
    type Weight = Weight;

    fn tile(&self, hidden: usize) -> usize {
        // A small model takes more tokens to fill a device.
        (TILE_VALUES / hidden.max(1)).clamp(256, 8192)
    }

    fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        // Without one, every operation tries again and reports what is wrong.
        let stream = || self.stream().inspect_err(|e| log::error!("{e}")).ok();
        let give_back = |mut stream: Stream| {
            // Results are taken with `read`, which reports failures.
            if let Err(e) = stream.synchronize() {
                log::error!("{e}");
            }
            self.give_back(stream);
        };
        stream::hold(self.id, stream, give_back, f)
    }

    fn flush(&self) -> Result<()> {
        stream::with_current(self.id, Stream::begin).unwrap_or(Ok(()))
    }

    fn weight(&self, tensor: Tensor) -> Result<Weight> {
        self.on_stream(|stream| Weight::new(&self.context, stream.raw()?, &tensor))
    }

    fn buffer(&self, len: usize) -> Result<Buffer> {
        let bytes = len.checked_mul(4).ok_or_else(|| Error::capacity(format!("no memory for {len} activations")))?;
        let mut buffer = Buffer { memory: Memory::new(&self.context, bytes)?, len };
        self.zero(&mut buffer)?;
        Ok(buffer)
    }

    fn zero(&self, buffer: &mut Buffer) -> Result<()> {
        self.on_stream(|stream| stream.raw()?.zero(buffer.at(), buffer.len * 4))
    }
}

impl Compute for Cuda {
    fn read(&self, _: Checked, buffer: &Buffer, out: &mut [f32]) -> Result<()> {
        self.on_stream(|stream| stream.read(buffer.at(), out.as_mut_bytes()))
    }

    fn look<const K: usize>(
        &self,
        _: Checked,
        buffers: [(&Buffer, usize); K],
        f: impl FnOnce([&[f32]; K]) -> Result<()>,
    ) -> Result<()> {
        let parts = buffers.map(|(buffer, len)| (buffer.at(), len * 4));
        // Taken out of the stream, which `f` may use.
        let mut seen = self.on_stream(|stream| stream.bring_back(&parts))?;
        let mut rest = &*seen.bytes_mut();
        let mut values: [&[f32]; K] = [&[]; K];
        for (values, (_, len)) in values.iter_mut().zip(parts) {
            let (part, later) = rest.split_at(len.next_multiple_of(stream::ALIGN));
            let part = zerocopy::FromBytes::ref_from_bytes(&part[..len]);
            *values = part.map_err(|e| Error::invalid(format!("values in pinned memory: {e:?}")))?;
            rest = later;
        }
        let done = f(values);
        self.on_stream(|stream| {
            stream.keep(seen);
            done
        })
    }

    fn write(&self, _: Checked, buffer: &mut Buffer, data: &[f32]) -> Result<()> {
        self.on_stream(|stream| stream.upload(buffer.at(), data.as_bytes()))
    }

    fn copy(
        &self,
        _: Checked,
        (x, from): (&Buffer, Rows),
        (out, to): (&mut Buffer, Rows),
        rows: [usize; 2],
        width: usize,
    ) -> Result<()> {
        // Four values at once where none of them is cut apart.
        let fours = [from, to].iter().flat_map(|s| [s.at, s.group, s.stride]).all(|v| v.is_multiple_of(4));
        let (name, unit) = if fours && width.is_multiple_of(4) {
            (const { Kernel::named("copy_4") }, 4)
        } else {
            (const { Kernel::named("copy_1") }, 1)
        };
        let [from, to] = [from, to].map(|s| Place::new(s, unit));
        let (width, count) = (width / unit, rows[0] * rows[1] * (width / unit));
        // SAFETY: both hold the rows. Where they lie differs from token to token.
        let copy = |stream: &mut Stream| unsafe {
            launch!(self.kernels, stream, name, [count.div_ceil(THREADS), 1, 1], [THREADS as u32, 1], 0;
                x.at(), from, out.at(), to, rows[1] as u64, width as u64, count as u64)
        };
        self.on_stream(|stream| stream.apart(copy))
    }

    fn embed(&self, _: Checked, table: &Weight, ids: &[u32], out: &mut Buffer) -> Result<()> {
        let grid = match table.dtype.block_len() == 1 {
            true => [ids.len().div_ceil(4), table.cols.div_ceil(1024), 1],
            false => [(ids.len() * (table.cols / 16)).div_ceil(THREADS), 1, 1],
        };
        let embed = format::of(table.dtype).embed;
        self.on_stream(|stream| {
            stream.next(false)?;
            let (list, only) = match ids {
                [id] => (0, *id),
                _ => (stream.give(0, ids.as_bytes())?, 0),
            };
            // SAFETY: every id is a row of the table, `out` holds a row for each.
            unsafe {
                launch!(self.kernels, stream, embed, grid, [THREADS as u32, 1], 0;
                    table.parts(), list, only, ids.len() as u32, out.at())?;
            }
            // Many tokens are worth the start of each kernel; a token alone is not.
            stream.next(ids.len() == 1)
        })
    }

    fn rms_norm(
        &self,
        _: Checked,
        x: &Buffer,
        (weight, eps): (&Buffer, f32),
        [rows, width]: [usize; 2],
        out: &mut Buffer,
    ) -> Result<()> {
        self.norm(x.at(), weight, eps, rows, width, out.at())
    }

    fn rms_norm_in_place(
        &self,
        _: Checked,
        x: &mut Buffer,
        (weight, eps): (&Buffer, f32),
        [rows, width]: [usize; 2],
    ) -> Result<()> {
        self.norm(x.at(), weight, eps, rows, width, x.at())
    }

    fn matmul(&self, _: Checked, w: &Weight, x: &Buffer, n: usize, y: &mut Buffer, accumulate: bool) -> Result<()> {
        self.products(None, x, n, &[Product::new(w, y)], accumulate).map(|_| ())
    }

    fn add_bias(&self, _: Checked, y: &mut Buffer, bias: &Buffer, [n, width]: [usize; 2]) -> Result<()> {
        // SAFETY: y holds n rows of `width` values, the bias one.
        self.on_stream(|stream| unsafe { self.bias(stream, y, bias, n, width) })
    }

    fn silu_mul(&self, _: Checked, gate: &mut Buffer, up: &Buffer, len: usize) -> Result<()> {
        let grid = [len.div_ceil(16).div_ceil(THREADS), 1, 1];
        // SAFETY: both hold `len` values.
        self.on_stream(|stream| unsafe {
            launch!(self.kernels, stream, "silu_mul", grid, [THREADS as u32, 1], 0; gate.at(), up.at(), len as u64)
        })
    }

    fn mean_rows(&self, _: Checked, x: &Buffer, [blocks, rows, width]: [usize; 3], out: &mut Buffer) -> Result<()> {
        let count = blocks * width;
        // SAFETY: x holds blocks · rows · width values, `out` blocks · width.
        self.on_stream(|stream| unsafe {
            launch!(self.kernels, stream, "mean_rows", [count.div_ceil(THREADS), 1, 1], [THREADS as u32, 1], 0;
                x.at(), rows as u32, width as u32, out.at(), count as u64)
        })
    }

    fn top_logits(&self, _: Checked, logits: &Buffer, count: usize, top: &mut TopK) -> Result<()> {
        let wanted = top.k();
        self.on_stream(|stream| {
            let bytes = choice::bytes(wanted);
            let result =
                stream.landing(bytes).ok_or_else(|| Error::invalid(format!("top_logits: {wanted} at once")))?;
            choice::choose(&self.kernels, stream, logits, count, wanted, result)?;
            match choice::take(stream.landed(bytes)?, top)? {
                true => Ok(()),
                false => choice::explain(stream, logits, count, top),
            }
        })
    }

    fn ssm_mix(
        &self,
        _: Checked,
        (shape, params): (&SsmShape, &SsmParams<Buffer>),
        zxbcdt: &Buffer,
        size: [usize; 2],
        state: &mut SsmState<Buffer>,
        y: &mut Buffer,
    ) -> Result<()> {
        check(shape.groups <= stream::COUNTERS, || format!("{} groups of heads", shape.groups))?;
        self.on_stream(|stream| match size {
            [1, 1] => ssm::step(&self.kernels, stream, shape, params, zxbcdt, state, y),
            _ => ssm::scan(&self.kernels, stream, (shape, params), zxbcdt, size, state, y),
        })
    }

    fn encoder_attention(
        &self,
        _: Checked,
        (shape, norms): (&EncoderShape, &HeadNorms<'_, Buffer>),
        qkv: [&Buffer; 3],
        chunks: usize,
        out: &mut Buffer,
    ) -> Result<()> {
        self.on_stream(|stream| attention::encode(&self.kernels, stream, shape, norms, qkv, chunks, out))
    }
}

impl Fusions for Cuda {
    fn norm_matmul(
        &self,
        _: Checked,
        norm: &Norm<'_, Buffer>,
        (x, n): (&Buffer, usize),
        normed: &mut Buffer,
        products: &mut [Product<'_, Weight, Buffer>],
        accumulate: bool,
    ) -> Result<bool> {
        if !self.products(Some(norm), x, n, products, accumulate)? {
            let cols = products.first().map_or(0, |product| product.weight.cols);
            need("norm_matmul: scratch", normed.len, &[n, cols])?;
            self.norm(x.at(), norm.weight, norm.eps, n * (cols / norm.width), norm.width, normed.at())?;
            self.products(None, normed, n, products, accumulate)?;
        }
        Ok(true)
    }

    fn norm_swiglu(
        &self,
        _: Checked,
        norm: &Norm<'_, Buffer>,
        (x, n): (&Buffer, usize),
        products: &mut [Product<'_, Weight, Buffer>; 2],
    ) -> Result<bool> {
        self.swiglu(norm, x, n, products)
    }

    fn norm_mlp(
        &self,
        _: Checked,
        norm: &Norm<'_, Buffer>,
        mlp: &Mlp<'_, Weight>,
        x: &mut Buffer,
        n: usize,
    ) -> Result<bool> {
        if !encoder::takes_mlp(&self.context, norm, mlp, n) {
            return Ok(false);
        }
        self.on_stream(|stream| encoder::mlp(&self.kernels, stream, norm, mlp, x, n)).map(|()| true)
    }

    fn mamba_block(
        &self,
        _: Checked,
        shape: &SsmShape,
        weights: &MambaWeights<'_, Weight, Buffer>,
        x: &mut Buffer,
        size: [usize; 2],
        state: &mut SsmState<Buffer>,
    ) -> Result<bool> {
        if !mamba::takes(self, shape, weights, size[1]) {
            return Ok(false);
        }
        self.on_stream(|stream| mamba::block(self, stream, shape, weights, x, size, state)).map(|()| true)
    }

    fn mamba_blocks(
        &self,
        _: Checked,
        shape: &SsmShape,
        blocks: &mut [Stateful<'_, Weight, Buffer>],
        x: &mut Buffer,
    ) -> Result<bool> {
        let all = blocks.iter().all(|(weights, _)| mamba_blocks::takes(shape, weights));
        if !mamba_blocks::takes_shape(self, shape) || !all {
            return Ok(false);
        }
        self.on_stream(|stream| mamba_blocks::run(self, stream, shape, blocks, x)).map(|()| true)
    }

    fn norm_attention(
        &self,
        _: Checked,
        shape: &EncoderShape,
        norm: &Norm<'_, Buffer>,
        attention: &Attention<'_, Weight, Buffer>,
        x: &mut Buffer,
        chunks: usize,
    ) -> Result<bool> {
        if !encoder::takes_attention(&self.context, shape, norm, attention) {
            return Ok(false);
        }
        self.on_stream(|stream| encoder::attention(&self.kernels, stream, shape, norm, attention, x, chunks))
            .map(|()| true)
    }

    fn chunk_memory(
        &self,
        _: Checked,
        norm: &Norm<'_, Buffer>,
        memory: &MemoryWeights<'_, Weight, Buffer>,
        x: &Buffer,
        size: [usize; 2],
        out: &mut [&mut Buffer; 3],
    ) -> Result<bool> {
        if !encoder::takes_memory(&self.context, norm, memory, size) {
            return Ok(false);
        }
        self.on_stream(|stream| encoder::memory(&self.kernels, stream, norm, memory, x, size, out)).map(|()| true)
    }
}

impl std::fmt::Debug for Cuda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cuda({})", self.context.name)
    }
}
