//! Attention inside the chunk encoder: `encoder_attention.cu`.

use zerocopy::{Immutable, IntoBytes};

use super::Buffer;
use super::arguments::twin;
use super::module::{Kernel, Kernels, launch};
use super::stream::Stream;
use crate::backend::{EncoderShape, HeadNorms};
use crate::{Error, Result};

/// Most rows of a tile of the kernels on matrix units.
pub(super) const TILE: usize = 80;

/// `Encoder` of the kernels.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Encoder {
    rows: u32,
    heads: u32,
    kv_heads: u32,
    d: u32,
    base: f32,
    eps: f32,
}
twin!(Encoder: "encoder_attention", "Encoder" { rows, heads, kv_heads, d, base, eps });

impl Encoder {
    pub(super) fn new(shape: &EncoderShape, eps: f32) -> Encoder {
        let EncoderShape { rows, heads, kv_heads, head_dim, freq_base: base } = *shape;
        let [rows, heads, kv_heads, d] = [rows, heads, kv_heads, head_dim].map(|v| v as u32);
        Encoder { rows, heads, kv_heads, d, base, eps }
    }
}

/// [`Operations::encoder_attention`](crate::backend::Operations::encoder_attention). The caller has checked the lengths.
pub(super) fn encode(
    kernels: &Kernels,
    stream: &mut Stream,
    shape: &EncoderShape,
    norms: &HeadNorms<'_, Buffer>,
    [q, k, v]: [&Buffer; 3],
    chunks: usize,
    out: &mut Buffer,
) -> Result<()> {
    let EncoderShape { rows, heads, head_dim: d, .. } = *shape;
    let (q_norm, k_norm, encoder) = (norms.q.at(), norms.k.at(), Encoder::new(shape, norms.eps));
    let grid = [heads, chunks, 1];
    if d <= 64 {
        // As few tiles as there can be, of equal size.
        let warps = rows.div_ceil(rows.div_ceil(TILE)).div_ceil(16);
        let (name, width) = match d {
            32 if rows <= TILE => (const { Kernel::named("encoder_attention_32") }, 32),
            64 if rows <= TILE => (const { Kernel::named("encoder_attention_64") }, 64),
            ..=32 => (const { Kernel::named("encoder_attention_to_32") }, 32),
            _ => (const { Kernel::named("encoder_attention_to_64") }, 64),
        };
        // SAFETY: the caller has checked all lengths; a tile has 16 rows a warp.
        return unsafe {
            launch!(kernels, stream, name, grid, [32 * warps as u32, 1], 16 * warps * 8 * width;
                encoder, q.at(), k.at(), v.at(), q_norm, k_norm, out.at())
        };
    }
    if d > 256 {
        return Err(Error::unsupported(format!("encoder heads of {d} values on a CUDA device, at most 256")));
    }
    let floats = |tile: usize| tile * (2 * d + 1) + 4 * 4 * (d + tile) + d / 2;
    let mut tile = rows.min(128);
    // Room for two blocks on a multiprocessor of the smallest devices.
    while tile > 8 && floats(tile) * 4 > 48 << 10 {
        tile = tile.div_ceil(2);
    }
    // SAFETY: the caller has checked all lengths.
    unsafe {
        launch!(kernels, stream, "encoder_attention_any", grid, [128, 1], floats(tile) * 4;
            encoder, q.at(), k.at(), v.at(), q_norm, k_norm, tile as u32, out.at())
    }
}
