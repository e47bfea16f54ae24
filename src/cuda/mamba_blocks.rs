//! One token through Mamba-2 blocks one after the other: `mamba_blocks.cu`.

use zerocopy::{Immutable, IntoBytes};

use super::arguments::{alike, bytes_of, twin};
use super::format::of_16_bits;
use super::module::launch;
use super::stream::Stream;
use super::weight::halves;
use super::{Buffer, Cuda, Weight};
use crate::Result;
use crate::backend::{MambaWeights, SsmParams, SsmShape, Stateful};

/// Width of the model, inner width, state, taps: the published 370M.
const WIDTH: usize = 1024;
const INNER: usize = 2 * WIDTH;
const STATE: usize = 128;
const TAPS: usize = 4;

/// Blocks of a launch, the rows of a head that a part has, threads of a part.
const PARTS: usize = STATE;
const ROWS: usize = INNER / PARTS;
const THREADS: u32 = 352;

/// Mamba-2 blocks of a launch, at most.
const MOST: usize = 32;

/// Bytes of `Shared`, and of `Exchange` for a stream.
const SHARED: usize = bytes_of("mamba_blocks", "Shared");
pub(super) const EXCHANGE: usize = bytes_of("mamba_blocks", "Exchange");

/// The share of the memory's speed at which weights are asked for. Less leaves memory idle, with more of it what the parts exchange
/// waits behind weights.
const SHARE: f64 = 0.68;

/// `Block` of the kernel.
#[derive(Clone, Copy, Default, IntoBytes, Immutable)]
#[repr(C)]
struct Block {
    in_proj: u64,
    out_proj: u64,
    norm: u64,
    conv_weight: u64,
    conv_bias: u64,
    dt_bias: u64,
    a: u64,
    d: u64,
    gated_norm: u64,
    history: u64,
    state: u64,
    eps: f32,
    gated_eps: f32,
}

/// `Blocks` of the kernel.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct Blocks {
    count: u32,
    dt_min: f32,
    dt_max: f32,
    head: u32,
    block: [Block; MOST],
}
alike!(Block: "mamba_blocks", "Block" {
    in_proj, out_proj, norm, conv_weight, conv_bias, dt_bias, a, d, gated_norm,
    history, state, eps, gated_eps
});
twin!(Blocks: "mamba_blocks", "Blocks" { count, dt_min, dt_max, head, block });

/// Whether the kernel is for blocks of this shape on this device.
pub(super) fn takes_shape(cuda: &Cuda, shape: &SsmShape) -> bool {
    let SsmShape { inner, heads, state, groups, conv, .. } = *shape;
    let context = &cuda.context;
    let fits = context.capability.0 >= 9 && context.processors as usize >= PARTS && SHARED <= context.shared;
    let whole_parts = heads > 0 && inner.is_multiple_of(heads) && (inner / heads).is_multiple_of(ROWS);
    fits && whole_parts && (inner, state, groups, conv) == (INNER, STATE, 1, TAPS)
}

/// Whether it is for blocks with these weights, if it is [for their shape](takes_shape).
pub(super) fn takes(shape: &SsmShape, weights: &MambaWeights<'_, Weight, Buffer>) -> bool {
    let MambaWeights { norm, in_proj, gated_norm, out_proj, .. } = weights;
    (norm.width, gated_norm.width) == (WIDTH, INNER)
        && halves([in_proj, out_proj])
        && (in_proj.rows, in_proj.cols) == (shape.projected(), WIDTH)
        && (out_proj.rows, out_proj.cols) == (WIDTH, INNER)
}

/// Runs `blocks`, all of which it [takes]. The caller has checked the lengths.
pub(super) fn run(
    cuda: &Cuda,
    stream: &mut Stream,
    shape: &SsmShape,
    blocks: &[Stateful<'_, Weight, Buffer>],
    x: &mut Buffer,
) -> Result<()> {
    let exchange = stream.exchange();
    let (cycles, bytes) = cuda.context.speed;
    let pace = if bytes > 0.0 { (PARTS * 2 * WIDTH) as f64 * cycles / (SHARE * bytes) } else { 0.0 };
    // Neighbours with weights of one type.
    for alike in blocks.chunk_by(|(a, _), (b, _)| a.in_proj.dtype == b.in_proj.dtype) {
        let name = of_16_bits!(alike[0].0.in_proj.dtype, "mamba_blocks");
        for some in alike.chunks(MOST) {
            let mut all = Blocks {
                count: some.len() as u32,
                dt_min: shape.dt_min,
                dt_max: shape.dt_max,
                head: shape.head_dim() as u32,
                block: [Block::default(); MOST],
            };
            for (block, (weights, state)) in all.block.iter_mut().zip(some) {
                let SsmParams { conv_weight, conv_bias, dt_bias, a, d } = weights.mixer;
                *block = Block {
                    in_proj: weights.in_proj.parts().q,
                    out_proj: weights.out_proj.parts().q,
                    norm: weights.norm.weight.at(),
                    conv_weight: conv_weight.at(),
                    conv_bias: conv_bias.at(),
                    dt_bias: dt_bias.at(),
                    a: a.at(),
                    d: d.at(),
                    gated_norm: weights.gated_norm.weight.at(),
                    history: state.conv.at(),
                    state: state.ssm.at(),
                    eps: weights.norm.eps,
                    gated_eps: weights.gated_norm.eps,
                };
            }
            // SAFETY: the caller has checked all lengths, `takes` the shapes.
            unsafe {
                launch!(together: cuda.kernels, stream, name, [PARTS, 1, 1], [THREADS, 1], SHARED;
                    all, x.at(), exchange, pace as u32)?;
            }
        }
    }
    Ok(())
}
