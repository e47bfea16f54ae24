//! The mixer of a Mamba-2 block: `ssm_step.cu` for one token, `ssm_conv.cu` and `ssd.cu` for many.

use zerocopy::{Immutable, IntoBytes};

use super::Buffer;
use super::arguments::twin;
use super::module::{Kernel, Kernels, launch};
use super::stream::Stream;
use crate::Result;
use crate::backend::{SSM_SPAN as SPAN, SsmParams, SsmShape, SsmState};

/// `Ssm` of the kernels.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Ssm {
    inner: u32,
    heads: u32,
    state: u32,
    groups: u32,
    taps: u32,
    dt_min: f32,
    dt_max: f32,
    channels: u32,
    projected: u32,
}
twin!(Ssm: "common", "Ssm" { inner, heads, state, groups, taps, dt_min, dt_max, channels, projected });

impl From<&SsmShape> for Ssm {
    fn from(s: &SsmShape) -> Ssm {
        // All of them are below 2^23, by `SsmShape::check`.
        Ssm {
            inner: s.inner as u32,
            heads: s.heads as u32,
            state: s.state as u32,
            groups: s.groups as u32,
            taps: s.conv as u32,
            dt_min: s.dt_min,
            dt_max: s.dt_max,
            channels: s.conv_channels() as u32,
            projected: s.projected() as u32,
        }
    }
}

/// One token.
pub(super) fn step(
    kernels: &Kernels,
    stream: &mut Stream,
    shape: &SsmShape,
    params: &SsmParams<Buffer>,
    zxbcdt: &Buffer,
    state: &mut SsmState<Buffer>,
    y: &mut Buffer,
) -> Result<()> {
    let SsmParams { conv_weight, conv_bias, dt_bias, a, d } = params;
    let (width, processors) = (shape.head_dim(), stream.context.processors as usize);
    // Blocks of a few rows spread a state over the device. Once there are enough, more rows share what is read of B and C.
    let rows = if shape.heads * width.div_ceil(64) >= 4 * processors { 64 } else { 8 }.min(width);
    let grid = [shape.heads, width.div_ceil(rows), 1];
    let floats = 2 * shape.state + rows;
    let threads = (floats + 1).next_multiple_of(32).clamp(256, 512) as u32;
    let fast = shape.state.is_multiple_of(4) && shape.conv == 4;
    let arrived = stream.arrived.at;
    let name = match fast {
        true => const { Kernel::named("ssm_step_4") },
        false => const { Kernel::named("ssm_step_any") },
    };
    // SAFETY: all lengths were checked by `Operations::ssm_mix`; there are counters for every group.
    unsafe {
        launch!(kernels, stream, name, grid, [threads, 1], floats * 4;
            Ssm::from(shape), zxbcdt.at(), conv_weight.at(), conv_bias.at(), dt_bias.at(), a.at(), d.at(), state.conv.at(),
            state.ssm.at(), arrived, rows as u32, y.at())
    }
}

/// `n` tokens of each of `sequences`.
pub(super) fn scan(
    kernels: &Kernels,
    stream: &mut Stream,
    (shape, params): (&SsmShape, &SsmParams<Buffer>),
    zxbcdt: &Buffer,
    [sequences, n]: [usize; 2],
    state: &mut SsmState<Buffer>,
    y: &mut Buffer,
) -> Result<()> {
    let SsmParams { conv_weight, conv_bias, dt_bias, a, d } = params;
    let (ssm, blocks, channels, heads) = (Ssm::from(shape), n.div_ceil(SPAN), shape.conv_channels(), shape.heads);
    let all = shape.inner * shape.state;
    let xbc = stream.scratch(0, 4 * sequences * n * channels)?;
    let dt = stream.scratch(1, 4 * sequences * n * heads)?;
    let own = stream.scratch(2, 4 * sequences * blocks * all)?;
    let decay = stream.scratch(3, 4 * sequences * blocks * heads)?;
    let width = shape.head_dim().div_ceil(SPAN);
    let tiles = width * shape.state.div_ceil(SPAN);
    let count = n as u32;
    // SAFETY: all lengths were checked by `Operations::ssm_mix`; the scratch holds xbc (sequences, n, channels),
    // dt (sequences, n, heads), a state and a decay per head for every block of every sequence.
    unsafe {
        launch!(kernels, stream, "ssm_conv", [(channels + heads).div_ceil(128), sequences * n.div_ceil(16), 1], [128, 1], 0;
            ssm, zxbcdt.at(), count, conv_weight.at(), conv_bias.at(), dt_bias.at(), state.conv.at(), xbc, dt)?;
        launch!(kernels, stream, "ssm_history", [channels.div_ceil(128), sequences, 1], [128, 1], 0;
            ssm, zxbcdt.at(), count, state.conv.at())?;
        launch!(kernels, stream, "ssd_states", [sequences * blocks, heads, tiles], [128, 1], 0;
            ssm, xbc, dt, count, a.at(), own, decay)?;
        launch!(kernels, stream, "ssd_scan", [all.div_ceil(256), sequences, 1], [256, 1], 0;
            ssm, blocks as u32, own, decay, state.ssm.at())?;
        launch!(kernels, stream, "ssd_out", [sequences * blocks, heads, width], [128, 1], 0;
            ssm, xbc, dt, count, a.at(), d.at(), own, zxbcdt.at(), y.at())
    }
}
