//! The chunk encoder's layer in few kernels, for the shapes that they take: `mlp.cu`,
//! `attention_whole` of `encoder_attention.cu`, and `chunk_memory.cu`.

use zerocopy::{Immutable, IntoBytes};

use super::arguments::twin;
use super::driver::Context;
use super::format::of_16_bits;
use super::module::{Kernels, launch};
use super::stream::Stream;
use super::weight::{Weight, halves};
use super::{Buffer, FEW, attention};
use crate::Result;
use crate::backend::{Attention, EncoderShape, MemoryWeights, Mlp, Norm};

/// Rows of a block and the most values of a row of `mlp.cu` and `chunk_memory.cu`, and bytes of shared memory of the former.
const TILE: usize = 64;
const MOST: usize = 128;
const MLP_SHARED: usize = 73_728;

/// Bytes of shared memory of `chunk_memory.cu`.
const MEMORY_SHARED: usize = 32_768;

/// Heads of `attention_whole`, and their width, which is that of keys that `chunk_memory` norms, too.
const HEADS: usize = 4;
const WIDTH: usize = 32;

/// `Mlp` of the kernels.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct MlpOf {
    gate: u64,
    up: u64,
    down: u64,
    norm: u64,
    eps: f32,
    cols: u32,
    width: u32,
    /// To whole words.
    unused: u32,
}
twin!(MlpOf: "mlp", "Mlp" { gate, up, down, norm, eps, cols, width });

/// `Layer` of the kernels.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct Layer {
    weights: [u64; 4],
    biases: [u64; 3],
    norms: [u64; 3],
    eps: f32,
    /// To whole words.
    unused: u32,
}
twin!(Layer: "encoder_attention", "Layer" { weights, biases, norms, eps });

/// `Memory` of the kernels.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct Memory {
    weights: [u64; 3],
    norms: [u64; 2],
    out: [u64; 3],
    eps: f32,
    cols: u32,
    width: u32,
    landmark_width: u32,
}
twin!(Memory: "chunk_memory", "Memory" { weights, norms, out, eps, cols, width, landmark_width });

/// Whether `mlp.cu` takes it. Few rows are bound by the bytes of the weights.
pub(super) fn takes_mlp(context: &Context, norm: &Norm<'_, Buffer>, mlp: &Mlp<'_, Weight>, n: usize) -> bool {
    let Mlp { gate, up, down, width } = *mlp;
    let cols = norm.width;
    let alike = halves([gate, up, down])
        && [gate, up].iter().all(|w| (w.rows, w.cols) == (width, cols))
        && (down.rows, down.cols) == (cols, width);
    let fits = (1..=MOST).contains(&cols) && cols.is_multiple_of(8) && width > 0 && width.is_multiple_of(8);
    alike && fits && n > FEW && MLP_SHARED <= context.shared
}

/// [`Layers::norm_mlp`](crate::backend::Layers::norm_mlp) of what [`takes_mlp`] says. The caller has checked the lengths.
pub(super) fn mlp(
    kernels: &Kernels,
    stream: &mut Stream,
    norm: &Norm<'_, Buffer>,
    mlp: &Mlp<'_, Weight>,
    x: &mut Buffer,
    n: usize,
) -> Result<()> {
    let name = of_16_bits!(mlp.gate.dtype, "mlp");
    let [gate, up, down] = [mlp.gate, mlp.up, mlp.down].map(|w| w.parts().q);
    let (cols, width) = (norm.width as u32, mlp.width as u32);
    let of = MlpOf { gate, up, down, norm: norm.weight.at(), eps: norm.eps, cols, width, unused: 0 };
    // SAFETY: x holds n rows and the norm one of `cols` values, by the caller's check; the weights are of `width` and `cols`.
    unsafe {
        launch!(kernels, stream, name, [n.div_ceil(TILE), 1, 1], [256, 1], MLP_SHARED;
            of, x.at(), n as u32)
    }
}

/// Bytes of shared memory of `attention_whole`: three parts of weights, and 16 rows of keys and values of two heads a group of
/// warps.
fn attention_shared(rows: usize) -> usize {
    49_152 + rows.div_ceil(16) * 8192
}

/// Whether `attention_whole` takes it.
pub(super) fn takes_attention(
    context: &Context,
    shape: &EncoderShape,
    norm: &Norm<'_, Buffer>,
    attention: &Attention<'_, Weight, Buffer>,
) -> bool {
    let EncoderShape { rows, heads, kv_heads, head_dim, .. } = *shape;
    let Attention { q: (q, _), k: (k, _), v: (v, _), output, .. } = *attention;
    let [wide, narrow] = [heads, kv_heads].map(|heads| (heads * head_dim, norm.width));
    (heads, head_dim, norm.width) == (HEADS, WIDTH, HEADS * WIDTH)
        && [1, 2, 4].contains(&kv_heads)
        && halves([q, k, v, output])
        && [(q, wide), (k, narrow), (v, narrow), (output, wide)].iter().all(|(w, shape)| (w.rows, w.cols) == *shape)
        && (1..=attention::TILE).contains(&rows)
        && attention_shared(rows) <= context.shared
}

/// [`Layers::norm_attention`](crate::backend::Layers::norm_attention) of what [`takes_attention`] says. The caller has checked
/// the lengths.
pub(super) fn attention(
    kernels: &Kernels,
    stream: &mut Stream,
    shape: &EncoderShape,
    norm: &Norm<'_, Buffer>,
    attention: &Attention<'_, Weight, Buffer>,
    x: &mut Buffer,
    chunks: usize,
) -> Result<()> {
    let Attention { q, k, v, output, norms } = attention;
    let name = of_16_bits!(output.dtype, "attention_whole");
    let layer = Layer {
        weights: [q.0, k.0, v.0, output].map(|w| w.parts().q),
        biases: [q.1, k.1, v.1].map(Buffer::at),
        norms: [norm.weight, norms.q, norms.k].map(Buffer::at),
        eps: norm.eps,
        unused: 0,
    };
    let (encoder, warps) = (attention::Encoder::new(shape, norms.eps), 2 * shape.rows.div_ceil(16));
    // SAFETY: x holds `chunks` chunks, biases and norms a value for each row of their weights, by the caller's check; the
    // weights are of the kernel's shape.
    unsafe {
        launch!(kernels, stream, name, [chunks, 1, 1], [32 * warps as u32, 1], attention_shared(shape.rows);
            encoder, layer, x.at())
    }
}

/// Whether `chunk_memory.cu` takes it.
pub(super) fn takes_memory(
    context: &Context,
    norm: &Norm<'_, Buffer>,
    memory: &MemoryWeights<'_, Weight, Buffer>,
    [chunks, rows]: [usize; 2],
) -> bool {
    let MemoryWeights { k, v, landmark, heads, head_dim, .. } = *memory;
    let (cols, width) = (norm.width, heads * head_dim);
    halves([k, v, landmark])
        && head_dim == WIDTH
        && [1, 2].contains(&heads)
        && (1..=MOST).contains(&cols)
        && cols.is_multiple_of(8)
        && [k, v].iter().all(|w| (w.rows, w.cols) == (width, cols))
        && landmark.cols == cols
        && (1..=MOST).contains(&landmark.rows)
        && landmark.rows.is_multiple_of(4)
        && chunks.checked_mul(rows).is_some_and(|all| (1..=u32::MAX as usize / 2).contains(&all))
        && MEMORY_SHARED <= context.shared
}

/// [`Layers::chunk_memory`](crate::backend::Layers::chunk_memory) of what [`takes_memory`] says. The caller has checked the
/// lengths.
pub(super) fn memory(
    kernels: &Kernels,
    stream: &mut Stream,
    norm: &Norm<'_, Buffer>,
    memory: &MemoryWeights<'_, Weight, Buffer>,
    x: &Buffer,
    [chunks, rows]: [usize; 2],
    out: &mut [&mut Buffer; 3],
) -> Result<()> {
    let MemoryWeights { k, v, landmark, k_norm, .. } = *memory;
    let name = of_16_bits!(k.dtype, "chunk_memory");
    let of = Memory {
        weights: [k, v, landmark].map(|w| w.parts().q),
        norms: [norm.weight.at(), k_norm.map_or(0, Buffer::at)],
        out: out.each_mut().map(|buffer| buffer.at()),
        eps: norm.eps,
        cols: norm.width as u32,
        width: k.rows as u32,
        landmark_width: landmark.rows as u32,
    };
    let tiles = (chunks * rows).div_ceil(TILE) + chunks.div_ceil(TILE);
    // SAFETY: x and the results hold `chunks` chunks, norms a row and a head, by the caller's check; the weights are of the
    // kernel's shape.
    unsafe {
        launch!(kernels, stream, name, [tiles, 1, 1], [128, 1], MEMORY_SHARED;
            of, x.at(), chunks as u32, rows as u32)
    }
}
