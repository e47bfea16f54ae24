//! The CUDA backend.
//!
//! The driver's library is loaded at run time: a program with this backend also runs on machines without it, where
//! [`Cuda::new`] says so. The kernels are in `kernels/*.cu`, one operation a file, each with its shapes, its grid and its
//! twin on the CPU; this folder checks arguments and starts them.
//!
//! Every thread computes on a stream of its own (see `lane.rs`): for the whole of a [`run`](Backend::run), at whose end
//! it waits for the device, or else for one operation. Weights keep their bytes, in layouts that suit loads of 16 bytes
//! (`weight.rs`). Device memory comes from plain allocations, made when buffers are and for what a recording counts in; none
//! is made for a token.

mod attention;
mod choice;
mod driver;
mod encoder;
mod lane;
mod mamba;
mod mamba_blocks;
mod mirror;
mod module;
mod product;
mod scoring;
mod ssm;
mod weight;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::backend::{
    Attention, Backend, EncoderShape, HeadNorms, HsaShape, MambaScratch, MambaWeights, MemoryWeights, Mlp, Norm, Pick,
    Product, Selecting, Span, SsmParams, SsmShape, SsmState, Stateful, check, layer, need,
};
use crate::memory::{ChunkMemory, ChunkShape, Precision};
use crate::quant::DType;
use crate::topk::{MAX_TOP_K, TopK};
use crate::weights::Tensor;
use crate::{Error, Result};
use driver::{Context, Event, Graph, Memory};
use lane::Lane;
use module::{Argument, Kernels, launch};

pub use choice::Landing;
pub use mirror::Mirror;
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
    /// Tells the lanes of several devices apart.
    id: u64,
    kernels: Kernels,
    /// Lanes that no thread has.
    lanes: Mutex<Vec<Lane>>,
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

/// Operations of a token, recorded the second time they are done: the first time allocates what they need.
#[derive(Default)]
pub enum Recording {
    /// Not done yet.
    #[default]
    New,
    /// Done once.
    Warm,
    /// To be repeated.
    Graph(RecordedGraph),
    /// The driver cannot record them.
    Never,
}

/// A graph of kernels.
pub struct RecordedGraph {
    graph: Graph,
    /// What its kernels count in.
    _counters: Option<Memory>,
}

/// `Place` of `kernels/copy.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Place {
    at: u64,
    group: u64,
    stride: u64,
}
// SAFETY: the same fields in the same order.
unsafe impl Argument for Place {}

impl Place {
    /// In units of so many values.
    fn new(span: Span, unit: usize) -> Place {
        let [at, group, stride] = [span.at, span.group, span.stride].map(|v| (v / unit) as u64);
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
        let lane = Lane::new(&context)?;
        log::info!("CUDA device: {}, compute capability {major}.{minor}", context.name);
        Ok(Cuda { id: NEXT.fetch_add(1, Ordering::Relaxed), kernels, lanes: Mutex::new(vec![lane]), context })
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
            let started = self.on_lane(|lane| Event::on(&lane.stream))?;
            f()?;
            self.on_lane(|lane| Event::on(&lane.stream)?.since(&started))
        })
    }

    /// A lane that no thread has, or a new one.
    fn lane(&self) -> Result<Lane> {
        let free = self.lanes.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.map_or_else(|| Lane::new(&self.context), Ok)
    }

    fn give_back(&self, lane: Lane) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
    }

    /// One operation: on the thread's lane, or on any and then waited for.
    fn on_lane<T>(&self, f: impl FnOnce(&mut Lane) -> Result<T>) -> Result<T> {
        self.context.enter()?;
        match lane::with_current(self.id, f) {
            Ok(result) => result,
            Err(f) => {
                let mut lane = self.lane()?;
                let result = f(&mut lane).and_then(|v| lane.synchronize().map(|()| v));
                self.give_back(lane);
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
            1..=512 if width.is_multiple_of(4) => ("rms_norm_512", rows.div_ceil(4), [32, 4]),
            1..=2048 if width.is_multiple_of(4) => ("rms_norm_2048", rows.div_ceil(4), [32, 4]),
            _ => ("rms_norm_any", rows, [256, 1]),
        };
        self.on_lane(|lane| {
            let (kernels, stream) = (&self.kernels, &lane.stream);
            // SAFETY: x and out hold `rows` rows and the weight `parts` rows of `width`, by the callers' checks.
            unsafe {
                launch!(kernels, stream, name, [grid, 1, 1], block, 0;
                    x, weight.at(), parts as u32, eps, rows as u32, width as u32, out)
            }
        })
    }
}

/// Checks the lengths of [`Backend::norm_matmul`].
fn check_products(
    norm: &Norm<'_, Buffer>,
    x: &Buffer,
    n: usize,
    products: &[Product<'_, Weight, Buffer>],
) -> Result<()> {
    let Some(cols) = products.first().map(|product| product.weight.cols) else { return Ok(()) };
    norm.check(cols)?;
    need("norm_matmul: weight", norm.weight.len, &[cols])?;
    need("norm_matmul: input", x.len, &[n, cols])?;
    for Product { weight: w, bias, out } in products {
        check(w.cols == cols, || format!("norm_matmul: weights of {cols} and of {} columns", w.cols))?;
        need("norm_matmul: bias", bias.map_or(w.rows, |bias| bias.len), &[w.rows])?;
        need("norm_matmul: result", out.len, &[n, w.rows])?;
    }
    Ok(())
}

/// In the order of [`SsmShape::check_mix`].
fn lengths(params: &SsmParams<Buffer>) -> [usize; 5] {
    let SsmParams { conv_weight, conv_bias, dt_bias, a, d } = params;
    [conv_weight, conv_bias, dt_bias, a, d].map(|b| b.len)
}

/// Checks the lengths of a Mamba-2 block for a kernel of the whole, but for x, with those of z, x, B, C, dt and of y for
/// `n` tokens of each of `sequences`.
fn check_block(
    shape: &SsmShape,
    weights: &MambaWeights<'_, Weight, Buffer>,
    [sequences, n]: [usize; 2],
    [projected, mixed]: [usize; 2],
    state: &SsmState<Buffer>,
) -> Result<()> {
    let MambaWeights { norm, in_proj, mixer, gated_norm, .. } = weights;
    shape.check_mix(sequences, n, projected, mixed, lengths(mixer), [state.conv.len, state.ssm.len])?;
    need("mamba_block: norm", norm.weight.len, &[in_proj.cols])?;
    need("mamba_block: gated norm", gated_norm.weight.len, &[shape.inner])
}

/// By `DType as usize`.
const EMBED: [&str; 7] =
    ["embed_f32", "embed_f16", "embed_bf16", "embed_q8_0", "embed_q4_0", "embed_q4_k", "embed_q6_k"];

impl Backend for Cuda {
    type Buffer = Buffer;
    type Weight = Weight;
    type Mirror = Mirror;
    type Recording = Recording;
    type Landing = Landing;

    fn tile(&self, hidden: usize) -> usize {
        // A small model takes more tokens to fill a device.
        (TILE_VALUES / hidden.max(1)).clamp(256, 8192)
    }

    fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        let lane = || {
            let lane = self.context.enter().and_then(|()| self.lane());
            // Without one, every operation tries again and reports what is wrong.
            lane.inspect_err(|e| log::error!("{e}")).ok()
        };
        let give_back = |mut lane: Lane| {
            // Results are taken with `read`, which reports failures.
            if let Err(e) = self.context.enter().and_then(|()| lane.synchronize()) {
                log::error!("{e}");
            }
            self.give_back(lane);
        };
        lane::hold(self.id, lane, give_back, f)
    }

    fn replay(&self, recording: &mut Recording, work: impl FnOnce() -> Result<()>) -> Result<()> {
        match recording {
            Recording::Graph(graph) => return self.on_lane(|lane| lane.stream.launch(&graph.graph)),
            Recording::Never => return work(),
            Recording::New => {
                *recording = Recording::Warm;
                return work();
            }
            Recording::Warm => {}
        }
        // Only inside `run`: the operations of `work` must meet the lane that records.
        let begun = lane::with_current(self.id, Lane::record);
        let Ok(begun) = begun else { return work() };
        *recording = Recording::Never;
        begun?;
        let done = work();
        let recorded = self.on_lane(Lane::recorded);
        done?;
        let (graph, _counters) = recorded?;
        self.on_lane(|lane| lane.stream.launch(&graph))?;
        *recording = Recording::Graph(RecordedGraph { graph, _counters });
        Ok(())
    }

    fn weight(&self, tensor: Tensor) -> Result<Weight> {
        self.on_lane(|lane| Weight::new(&self.context, &lane.stream, &tensor))
    }

    fn buffer(&self, len: usize) -> Result<Buffer> {
        let bytes = len.checked_mul(4).ok_or_else(|| Error::capacity(format!("no memory for {len} activations")))?;
        let mut buffer = Buffer { memory: Memory::new(&self.context, bytes)?, len };
        self.zero(&mut buffer)?;
        Ok(buffer)
    }

    fn zero(&self, buffer: &mut Buffer) -> Result<()> {
        self.on_lane(|lane| lane.stream.zero(buffer.at(), buffer.len * 4))
    }

    fn read(&self, buffer: &Buffer, out: &mut [f32]) -> Result<()> {
        need("read", buffer.len, &[out.len()])?;
        self.on_lane(|lane| lane.read(buffer.at(), zerocopy::IntoBytes::as_mut_bytes(out)))
    }

    fn look<const K: usize>(
        &self,
        buffers: [(&Buffer, usize); K],
        f: impl FnOnce([&[f32]; K]) -> Result<()>,
    ) -> Result<()> {
        for (buffer, len) in buffers {
            need("look", buffer.len, &[len])?;
        }
        let parts = buffers.map(|(buffer, len)| (buffer.at(), len * 4));
        // Taken out of the lane, which `f` may use.
        let mut seen = self.on_lane(|lane| lane.bring_back(&parts))?;
        let mut rest = &*seen.bytes_mut();
        let mut values: [&[f32]; K] = [&[]; K];
        for (values, (_, len)) in values.iter_mut().zip(parts) {
            let (part, later) = rest.split_at(len.next_multiple_of(lane::ALIGN));
            let part = zerocopy::FromBytes::ref_from_bytes(&part[..len]);
            *values = part.map_err(|e| Error::invalid(format!("values in pinned memory: {e:?}")))?;
            rest = later;
        }
        let done = f(values);
        self.on_lane(|lane| {
            lane.keep(seen);
            done
        })
    }

    fn write(&self, buffer: &mut Buffer, data: &[f32]) -> Result<()> {
        need("write", buffer.len, &[data.len()])?;
        self.on_lane(|lane| lane.upload(buffer.at(), zerocopy::IntoBytes::as_bytes(data)))
    }

    fn copy(&self, x: &Buffer, from: Span, out: &mut Buffer, to: Span, rows: [usize; 2], width: usize) -> Result<()> {
        if rows.contains(&0) || width == 0 {
            return Ok(());
        }
        need("copy: source", x.len, &[from.end(rows, width)])?;
        need("copy: result", out.len, &[to.end(rows, width)])?;
        // Four values at once where none of them is cut apart.
        let fours = [from, to].iter().flat_map(|s| [s.at, s.group, s.stride]).all(|v| v.is_multiple_of(4));
        let (name, unit) = if fours && width.is_multiple_of(4) { ("copy_4", 4) } else { ("copy_1", 1) };
        let [from, to] = [from, to].map(|s| Place::new(s, unit));
        let (width, count) = (width / unit, rows[0] * rows[1] * (width / unit));
        self.on_lane(|lane| {
            // SAFETY: as checked above.
            unsafe {
                launch!(self.kernels, &lane.stream, name, [count.div_ceil(THREADS), 1, 1], [THREADS as u32, 1], 0;
                    x.at(), from, out.at(), to, rows[1] as u64, width as u64, count as u64)
            }
        })
    }

    fn embed(&self, table: &Weight, ids: &[u32], out: &mut Buffer) -> Result<()> {
        need("embed: result", out.len, &[ids.len(), table.cols])?;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= table.rows) {
            return Err(Error::invalid(format!("token id {id} of a vocabulary of {}", table.rows)));
        }
        let plain = matches!(table.dtype, DType::F32 | DType::F16 | DType::BF16);
        let grid = match plain {
            true => [ids.len().div_ceil(4), table.cols.div_ceil(1024), 1],
            false => [(ids.len() * (table.cols / 16)).div_ceil(THREADS), 1, 1],
        };
        self.on_lane(|lane| {
            let (list, only) = match ids {
                [id] => (0, *id),
                _ => (lane.give(0, zerocopy::IntoBytes::as_bytes(ids))?, 0),
            };
            // SAFETY: every id is a row of the table, `out` holds a row for each.
            unsafe {
                launch!(self.kernels, &lane.stream, EMBED[table.dtype as usize], grid, [THREADS as u32, 1], 0;
                    table.parts(), list, only, ids.len() as u32, out.at())
            }
        })
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
        need("rms_norm: input", x.len, &[rows, width])?;
        need("rms_norm: weight", weight.len, &[width])?;
        need("rms_norm: result", out.len, &[rows, width])?;
        self.norm(x.at(), weight, eps, rows, width, out.at())
    }

    fn rms_norm_in_place(&self, x: &mut Buffer, weight: &Buffer, eps: f32, rows: usize, width: usize) -> Result<()> {
        need("rms_norm: values", x.len, &[rows, width])?;
        need("rms_norm: weight", weight.len, &[width])?;
        self.norm(x.at(), weight, eps, rows, width, x.at())
    }

    fn matmul(&self, w: &Weight, x: &Buffer, n: usize, y: &mut Buffer, accumulate: bool) -> Result<()> {
        need("matmul: input", x.len, &[n, w.cols])?;
        need("matmul: result", y.len, &[n, w.rows])?;
        self.products(None, x, n, &[Product::new(w, y)], accumulate).map(|_| ())
    }

    fn norm_matmul(
        &self,
        norm: &Norm<'_, Buffer>,
        x: &Buffer,
        n: usize,
        normed: &mut Buffer,
        products: &mut [Product<'_, Weight, Buffer>],
        accumulate: bool,
    ) -> Result<()> {
        let Some(cols) = products.first().map(|product| product.weight.cols) else { return Ok(()) };
        check_products(norm, x, n, products)?;
        if self.products(Some(norm), x, n, products, accumulate)? {
            return Ok(());
        }
        self.rms_norm(x, norm.weight, norm.eps, n * (cols / norm.width), norm.width, normed)?;
        self.products(None, normed, n, products, accumulate).map(|_| ())
    }

    fn norm_swiglu(
        &self,
        norm: &Norm<'_, Buffer>,
        [gate, up]: [&Weight; 2],
        rows: usize,
        x: &Buffer,
        n: usize,
        normed: &mut Buffer,
        spare: &mut Buffer,
        out: &mut Buffer,
    ) -> Result<()> {
        check(gate.rows == rows && up.rows == rows, || format!("norm_swiglu: {} and {} rows", gate.rows, up.rows))?;
        let mut both = [Product::new(gate, &mut *out), Product::new(up, &mut *spare)];
        check_products(norm, x, n, &both)?;
        if self.swiglu(norm, x, n, &both)? {
            return Ok(());
        }
        self.norm_matmul(norm, x, n, normed, &mut both, false)?;
        self.silu_mul(out, spare, n * rows)
    }

    fn norm_mlp(
        &self,
        norm: &Norm<'_, Buffer>,
        mlp: &Mlp<'_, Weight>,
        x: &mut Buffer,
        n: usize,
        scratch: [&mut Buffer; 3],
    ) -> Result<()> {
        if !encoder::takes_mlp(&self.context, norm, mlp, n) {
            return layer::mlp(self, norm, mlp, x, n, scratch);
        }
        need("norm_mlp: norm", norm.weight.len, &[norm.width])?;
        need("norm_mlp: input", x.len, &[n, norm.width])?;
        self.on_lane(|lane| encoder::mlp(&self.kernels, lane, norm, mlp, x, n))
    }

    fn silu_mul(&self, gate: &mut Buffer, up: &Buffer, len: usize) -> Result<()> {
        need("silu_mul: gate", gate.len, &[len])?;
        need("silu_mul: up", up.len, &[len])?;
        let grid = [len.div_ceil(16).div_ceil(THREADS), 1, 1];
        // SAFETY: both hold `len` values.
        self.on_lane(|lane| unsafe {
            launch!(self.kernels, &lane.stream, "silu_mul", grid, [THREADS as u32, 1], 0; gate.at(), up.at(), len as u64)
        })
    }

    fn mean_rows(&self, x: &Buffer, blocks: usize, rows: usize, width: usize, out: &mut Buffer) -> Result<()> {
        need("mean_rows: input", x.len, &[blocks, rows, width])?;
        need("mean_rows: result", out.len, &[blocks, width])?;
        if rows == 0 {
            return Ok(());
        }
        let count = blocks * width;
        // SAFETY: x holds blocks · rows · width values, `out` blocks · width.
        self.on_lane(|lane| unsafe {
            launch!(self.kernels, &lane.stream, "mean_rows", [count.div_ceil(THREADS), 1, 1], [THREADS as u32, 1], 0;
                x.at(), rows as u32, width as u32, out.at(), count as u64)
        })
    }

    fn top_logits(&self, logits: &Buffer, count: usize, top: &mut TopK) -> Result<()> {
        need("top_logits", logits.len, &[count])?;
        let wanted = top.k();
        self.on_lane(|lane| {
            let bytes = choice::bytes(wanted);
            let result = lane.landing(bytes).ok_or_else(|| Error::invalid(format!("top_logits: {wanted} at once")))?;
            choice::choose(&self.kernels, lane, logits, count, wanted, result)?;
            match choice::take(lane.landed(bytes)?, top)? {
                true => Ok(()),
                false => choice::explain(lane, logits, count, top),
            }
        })
    }

    fn landing(&self) -> Result<Landing> {
        Landing::new(&self.context)
    }

    fn land_logits(&self, logits: &Buffer, count: usize, wanted: usize, landing: &mut Landing) -> Result<()> {
        need("land_logits", logits.len, &[count])?;
        check((1..=MAX_TOP_K).contains(&wanted), || format!("land_logits: {wanted} at once"))?;
        self.on_lane(|lane| choice::choose(&self.kernels, lane, logits, count, wanted, landing.at))
    }

    fn landed_logits(&self, logits: &Buffer, count: usize, landing: &mut Landing, top: &mut TopK) -> Result<()> {
        need("landed_logits", logits.len, &[count])?;
        self.on_lane(|lane| {
            lane.synchronize()?;
            match choice::take(landing.bytes(), top)? {
                true => Ok(()),
                false => choice::explain(lane, logits, count, top),
            }
        })
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
        shape.check_mix(sequences, n, zxbcdt.len, y.len, lengths(params), [state.conv.len, state.ssm.len])?;
        check(shape.groups <= lane::COUNTERS, || format!("{} groups of heads", shape.groups))?;
        match (sequences, n) {
            (0, _) | (_, 0) => Ok(()),
            (1, 1) => self.on_lane(|lane| ssm::step(&self.kernels, lane, shape, params, zxbcdt, state, y)),
            _ => self.on_lane(|lane| ssm::scan(&self.kernels, lane, shape, params, zxbcdt, sequences, n, state, y)),
        }
    }

    fn mamba_block(
        &self,
        shape: &SsmShape,
        weights: &MambaWeights<'_, Weight, Buffer>,
        x: &mut Buffer,
        sequences: usize,
        n: usize,
        state: &mut SsmState<Buffer>,
        scratch: &mut MambaScratch<Buffer>,
    ) -> Result<()> {
        if !mamba::takes(self, shape, weights, n) {
            return layer::mamba(self, shape, weights, x, sequences, n, state, scratch);
        }
        check_block(shape, weights, [sequences, n], [scratch.projected.len, scratch.mixed.len], state)?;
        need("mamba_block: x", x.len, &[sequences, n, weights.in_proj.cols])?;
        if sequences == 0 {
            return Ok(());
        }
        self.on_lane(|lane| mamba::block(self, lane, shape, weights, x, sequences, n, state))
    }

    fn mamba_blocks<'a>(
        &self,
        shape: &SsmShape,
        blocks: impl Iterator<Item = Stateful<'a, Weight, Buffer>>,
        x: &mut Buffer,
        scratch: &mut MambaScratch<Buffer>,
    ) -> Result<()> {
        if !mamba_blocks::takes_shape(self, shape) {
            return layer::mamba_blocks(self, shape, blocks, x, [1, 1], scratch);
        }
        let all: Vec<_> = blocks.collect();
        if !all.iter().all(|(weights, _)| mamba_blocks::takes(shape, weights)) {
            return layer::mamba_blocks(self, shape, all.into_iter(), x, [1, 1], scratch);
        }
        self.on_lane(|lane| mamba_blocks::run(self, lane, shape, &all, x))
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
        shape.check_attention(chunks, [norms.q.len, norms.k.len], [q.len, k.len, v.len, out.len])?;
        self.on_lane(|lane| attention::encode(&self.kernels, lane, shape, norms, [q, k, v], chunks, out))
    }

    fn norm_attention(
        &self,
        shape: &EncoderShape,
        norm: &Norm<'_, Buffer>,
        attention: &Attention<'_, Weight, Buffer>,
        x: &mut Buffer,
        chunks: usize,
        scratch: [&mut Buffer; 5],
    ) -> Result<()> {
        if !encoder::takes_attention(&self.context, shape, norm, attention) {
            return layer::attention(self, shape, norm, attention, x, chunks, scratch);
        }
        encoder::check_attention(shape, norm, attention, x, chunks)?;
        self.on_lane(|lane| encoder::attention(&self.kernels, lane, shape, norm, attention, x, chunks))
    }

    fn chunk_memory(
        &self,
        norm: &Norm<'_, Buffer>,
        memory: &MemoryWeights<'_, Weight, Buffer>,
        x: &Buffer,
        size: [usize; 2],
        scratch: [&mut Buffer; 2],
        out: [&mut Buffer; 3],
    ) -> Result<()> {
        if !encoder::takes_memory(&self.context, norm, memory, size) {
            return layer::memory(self, norm, memory, x, size, scratch, out);
        }
        encoder::check_memory(norm, memory, x, size, &out)?;
        self.on_lane(|lane| encoder::memory(&self.kernels, lane, norm, memory, x, size, out))
    }

    fn mirror(
        &self,
        shape: ChunkShape,
        precision: Precision,
        budget: u64,
        tokens: usize,
        chunks: u64,
    ) -> Result<Mirror> {
        self.on_lane(|lane| Mirror::new(lane, shape, precision, budget, tokens, chunks))
    }

    fn slots(&self, _: &ChunkMemory, mirror: &Mirror) -> usize {
        mirror.slots()
    }

    fn score_top_k(
        &self,
        q: &Buffer,
        visible: &[u64],
        scale: f32,
        memory: &mut ChunkMemory,
        mirror: &mut Mirror,
        top: &mut [TopK],
    ) -> Result<()> {
        let n = visible.len();
        let ChunkShape { retrieval_heads: heads, retrieval_width: width, .. } = memory.shape();
        need("score_top_k: queries", q.len, &[n, heads, width])?;
        need("score_top_k: selections", top.len(), &[n, heads])?;
        self.on_lane(|lane| mirror.score(&self.kernels, lane, q, visible, scale, memory, &mut top[..n * heads]))
    }

    fn fetch(&self, memory: &mut ChunkMemory, mirror: &mut Mirror, ids: &[u64], picks: &[Pick]) -> Result<()> {
        self.on_lane(|lane| mirror.fetch(lane, memory, ids, picks))
    }

    fn resident(&self, memory: &mut ChunkMemory, mirror: &mut Mirror, visible: u64, selections: usize) -> Result<bool> {
        self.on_lane(|lane| mirror.resident(lane, memory, visible, selections))
    }

    fn select(
        &self,
        q: &Buffer,
        selecting: &Selecting,
        selection: usize,
        memory: &mut ChunkMemory,
        mirror: &mut Mirror,
    ) -> Result<()> {
        selecting.check(memory, q.len)?;
        self.on_lane(|lane| mirror.select(&self.kernels, lane, q, selecting, selection))
    }

    fn readings(&self, mirror: &mut Mirror, selection: usize, out: &mut [(u64, f32)]) -> Result<()> {
        self.on_lane(|lane| mirror.readings(lane, selection, out))
    }

    fn hsa_attend(
        &self,
        shape: &HsaShape,
        q: &Buffer,
        tokens: Range<usize>,
        memory: &ChunkMemory,
        mirror: &mut Mirror,
        out: &mut Buffer,
    ) -> Result<()> {
        shape.check(&tokens, memory)?;
        let HsaShape { heads, head_dim, .. } = *shape;
        need("hsa_attend: q", q.len, &[tokens.end, heads, head_dim])?;
        need("hsa_attend: result", out.len, &[tokens.end, heads, head_dim])?;
        self.on_lane(|lane| mirror.attend(&self.kernels, lane, shape, q, tokens, out))
    }
}

impl std::fmt::Debug for Cuda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cuda({})", self.context.name)
    }
}
