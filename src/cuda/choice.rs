//! The highest logits: chosen by `top_logits.cu`, taken by the host.

use zerocopy::{FromBytes, Immutable, KnownLayout};

use super::Buffer;
use super::module::{Kernels, launch};
use super::stream::Stream;
use crate::topk::{TopK, highest};
use crate::{Error, Result};

/// An entry of the kernel's result.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Chosen {
    id: u32,
    logit: f32,
}

/// Bytes of the result for `wanted` logits.
pub(super) fn bytes(wanted: usize) -> usize {
    (1 + wanted) * size_of::<Chosen>()
}

/// Starts the choice of the `wanted` highest of the first `count` logits, which the caller has checked are there. `result`
/// has room for [`bytes`] of them.
pub(super) fn choose(
    kernels: &Kernels,
    stream: &mut Stream,
    logits: &Buffer,
    count: usize,
    wanted: usize,
    result: u64,
) -> Result<()> {
    // SAFETY: there are `count` logits from the start of a buffer on, and entries for `wanted` and their number.
    unsafe {
        launch!(kernels, stream, "top_logits", [1, 1, 1], [1024, 1], 0;
            logits.at(), count as u32, wanted as u32, result)
    }
}

/// Fills `top` with the best of the result. False if there is none to choose from, or one cannot be right.
pub(super) fn take(result: &[u8], top: &mut TopK) -> Result<bool> {
    let found = <[Chosen]>::ref_from_bytes(result);
    let found = found.map_err(|_| Error::invalid("results that are no whole entries"))?;
    let Some((&Chosen { id: number @ 1.., .. }, found)) = found.split_first() else { return Ok(false) };
    let Some(found) = found.get(..number as usize) else { return Ok(false) };
    top.clear();
    // Best first: of more than are wanted, the others come too late.
    found.iter().take(top.k()).for_each(|c| top.push(u64::from(c.id), c.logit));
    Ok(true)
}

/// What [`take`] has found wrong, the host finds: the error, or `top` all the same.
pub(super) fn explain(stream: &mut Stream, logits: &Buffer, count: usize, top: &mut TopK) -> Result<()> {
    let mut all = vec![0.0; count];
    stream.read(logits.at(), zerocopy::IntoBytes::as_mut_bytes(&mut all[..]))?;
    highest(&all, top)
}
