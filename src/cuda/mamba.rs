//! A Mamba-2 block of a small model for many tokens: `mamba_block.cu`.

use zerocopy::{Immutable, IntoBytes};

use super::arguments::twin;
use super::format::of_16_bits;
use super::module::launch;
use super::ssm::Ssm;
use super::stream::Stream;
use super::weight::halves;
use super::{Buffer, Cuda, FEW, Weight};
use crate::Result;
use crate::backend::{MambaWeights, SSM_SPAN as SPAN, SsmParams, SsmShape, SsmState};

/// Width of a head, state, taps of the convolution; most heads, widest model.
const HEAD: usize = 64;
const STATE: usize = 32;
const TAPS: usize = 4;
const MOST_HEADS: usize = 8;
const MOST: usize = 128;

/// Bytes of shared memory; of `mamba_out` without, and for each head.
const SHARED_IN: usize = 99_680;
const SHARED_OUT: (usize, usize) = (90_112, 768);

/// `Spans` of the kernels.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct Spans {
    x: u64,
    c: u64,
    gram: u64,
    steps: u64,
    own: u64,
    decay: u64,
    before: u64,
    kept: u64,
}
twin!(Spans: "mamba_block", "Spans" { x, c, gram, steps, own, decay, before, kept });

impl Spans {
    /// Bytes of each for a span, but for `kept`, in the order of the fields.
    fn bytes(heads: usize) -> [usize; 7] {
        let (x, state) = (heads * 4 * SPAN * HEAD, heads * 4 * HEAD * STATE);
        [x, 4 * SPAN * STATE, 4 * SPAN * SPAN, heads * 12 * SPAN, state, heads * 4, state]
    }

    fn new(stream: &mut Stream, shape: &SsmShape, sequences: usize, spans: usize) -> Result<Spans> {
        let all = sequences * spans;
        let [x, c, gram, steps, own, decay, before] = Self::bytes(shape.heads).map(|bytes| all * bytes);
        let first = stream.scratch(0, x + c + gram + steps)?;
        let [c, gram, steps] = [x, x + c, x + c + gram].map(|at| first + at as u64);
        let last = stream.scratch(3, decay.next_multiple_of(256) + sequences * shape.conv_state_len() * 4)?;
        Ok(Spans {
            x: first,
            c,
            gram,
            steps,
            own: stream.scratch(1, own)?,
            decay: last,
            before: stream.scratch(2, before)?,
            kept: last + decay.next_multiple_of(256) as u64,
        })
    }
}

/// Whether there are kernels for whole blocks of this kind with `n` tokens in a sequence. How many sequences there are makes no
/// difference: a sequence has the same bits alone and among others.
pub(super) fn takes(cuda: &Cuda, shape: &SsmShape, weights: &MambaWeights<'_, Weight, Buffer>, n: usize) -> bool {
    let MambaWeights { norm, in_proj, gated_norm, out_proj, .. } = weights;
    let SsmShape { inner, heads, state, groups, conv, .. } = *shape;
    let width = in_proj.cols;
    let mixer = (1..=MOST_HEADS).contains(&heads) && inner == heads * HEAD;
    let mixer = mixer && (state, groups, conv) == (STATE, 1, TAPS) && gated_norm.width == inner;
    let model = (1..=MOST).contains(&width) && width.is_multiple_of(8) && norm.width == width;
    let whole = in_proj.rows == shape.projected() && (out_proj.rows, out_proj.cols) == (width, inner);
    n > FEW && mixer && model && halves([in_proj, out_proj]) && whole && SHARED_IN <= cuda.context.shared
}

/// A block that [`takes`] takes, all lengths checked.
pub(super) fn block(
    cuda: &Cuda,
    stream: &mut Stream,
    shape: &SsmShape,
    weights: &MambaWeights<'_, Weight, Buffer>,
    x: &mut Buffer,
    [sequences, n]: [usize; 2],
    state: &mut SsmState<Buffer>,
) -> Result<()> {
    let MambaWeights { norm, in_proj, mixer, gated_norm, out_proj } = weights;
    let SsmParams { conv_weight, conv_bias, dt_bias, a, d } = mixer;
    let (ssm, spans, width, count) = (Ssm::from(shape), n.div_ceil(SPAN), in_proj.cols as u32, n as u32);
    let between = Spans::new(stream, shape, sequences, spans)?;
    let grid = [spans, sequences, 1];
    let (first, last) = (of_16_bits!(in_proj.dtype, "mamba_in"), of_16_bits!(in_proj.dtype, "mamba_out"));
    let (kernels, w) = (&cuda.kernels, in_proj.parts().q);
    let shared = SHARED_OUT.0 + SHARED_OUT.1 * shape.heads;
    // SAFETY: all lengths and shapes were checked by the caller and by `takes`; the scratch holds what `Spans` says.
    unsafe {
        launch!(kernels, stream, first, grid, [32, 8], SHARED_IN;
            ssm, w, norm.weight.at(), norm.eps, width, x.at(), count, conv_weight.at(), conv_bias.at(), dt_bias.at(), a.at(),
            state.conv.at(), between)?;
        let scanned = shape.inner * STATE / 4;
        launch!(kernels, stream, "mamba_scan", [scanned.div_ceil(256), sequences, 1], [256, 1], 0;
            ssm, spans as u32, between, state.ssm.at(), state.conv.at())?;
        launch!(kernels, stream, last, grid, [32, 8], shared;
            ssm, w, norm.weight.at(), norm.eps, width, count, d.at(), between, gated_norm.weight.at(), gated_norm.eps,
            out_proj.parts().q, x.at())
    }
}
