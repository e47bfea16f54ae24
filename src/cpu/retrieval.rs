//! Scores of landmarks, and the best of them, without a row of scores ever being written.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::dense::{View, ViewMut, dot_block, dot_panel, pack_panel, panel_len};
use super::kernels::Kernels;
use super::pool::Pool;
use super::simd::{Element, F16, F32, Simd};
use crate::Result;
use crate::memory::{LandmarkBlock, LandmarkData};
use crate::topk::TopK;

/// Landmarks that are scored at a time.
const TILE: usize = 32;

/// Tokens that are scored at a time.
const TOKENS: usize = 48;

/// Up to this many selections, tasks divide the landmarks; for more, the tokens.
const FEW: usize = 16;

/// What to score. The caller has checked the lengths.
pub(super) struct Scoring<'a> {
    /// (n, Gr, width)
    pub(super) q: &'a [f32],
    pub(super) heads: usize,
    pub(super) width: usize,
    pub(super) block: &'a LandmarkBlock<'a>,
    /// (n)
    pub(super) visible: &'a [u64],
    pub(super) scale: f32,
}

/// [`Reader::select`](crate::backend::Reader::select).
pub(super) fn score_top_k(kernels: &Kernels, pool: &Pool, scoring: &Scoring<'_>, top: &mut [TopK]) -> Result<()> {
    let Scoring { heads, width, block, visible, .. } = *scoring;
    let n = visible.len();
    let work = n * heads * width * block.count;
    if n * heads <= FEW {
        let parts = if pool.len() == 1 { 1 } else { (pool.len() * 2).min(block.count.div_ceil(TILE)) };
        let part = block.count.div_ceil(parts.max(1)).next_multiple_of(TILE);
        if parts <= 1 {
            kernels.score(scoring, 0..n, 0..block.count, top, tile(&mut pool.scratch().a, scoring)?);
            return Ok(());
        }
        let all = Mutex::new(top);
        pool.each(parts, work, |i| {
            let range = (i * part).min(block.count)..((i + 1) * part).min(block.count);
            // A selection does not depend on the order of its candidates: those of the parts can be joined in any.
            let mut own: heapless::Vec<TopK, FEW> = {
                let top = all.lock().unwrap_or_else(PoisonError::into_inner);
                top.iter().flat_map(|t| TopK::new(t.k())).collect()
            };
            kernels.score(scoring, 0..n, range, &mut own, tile(&mut pool.scratch().a, scoring)?);
            let mut top = all.lock().unwrap_or_else(PoisonError::into_inner);
            top.iter_mut().zip(&own).for_each(|(top, own)| top.merge(own));
            Ok(())
        })
    } else {
        let tokens = n.div_ceil(2 * pool.len()).clamp(1, TOKENS);
        pool.each_part(top, tokens * heads, work, |i, top| {
            let range = i * tokens..((i + 1) * tokens).min(n);
            kernels.score(scoring, range, 0..block.count, top, tile(&mut pool.scratch().a, scoring)?);
            Ok(())
        })
    }
}

/// The scratch of [`score`]: a tile of packed landmarks and the scores.
fn tile<'a>(scratch: &'a mut super::buffer::Buffer, scoring: &Scoring<'_>) -> Result<&'a mut [f32]> {
    scratch.scratch(TILE / 4 * panel_len(scoring.width) + TILE * TOKENS)
}

/// Offers the landmarks of a range of places in the block to the selections `top` of some tokens.
#[inline(always)]
pub(super) fn score<S: Simd>(
    s: S,
    scoring: &Scoring<'_>,
    tokens: Range<usize>,
    landmarks: Range<usize>,
    top: &mut [TopK],
    scratch: &mut [f32],
) {
    let len = scoring.block.count * scoring.heads * scoring.width;
    match scoring.block.data {
        LandmarkData::F32(v) => {
            assert!(v.len() >= len);
            score_elements::<S, F32>(s, scoring, v.as_ptr().cast(), tokens, landmarks, top, scratch);
        }
        LandmarkData::F16(v) => {
            assert!(v.len() >= len);
            score_elements::<S, F16>(s, scoring, v.as_ptr().cast(), tokens, landmarks, top, scratch);
        }
    }
}

/// [`score`] for landmarks that start at `data`.
#[inline(always)]
fn score_elements<S: Simd, T: Element>(
    s: S,
    scoring: &Scoring<'_>,
    data: *const u8,
    tokens: Range<usize>,
    landmarks: Range<usize>,
    top: &mut [TopK],
    scratch: &mut [f32],
) {
    let Scoring { q, heads, width, block, visible, scale } = *scoring;
    let (m, row) = (tokens.len(), heads * width);
    if m == 0 || width == 0 {
        return;
    }
    let (panels, scores) = scratch.split_at_mut(TILE / 4 * panel_len(width));
    assert!(scores.len() >= TILE * TOKENS && m <= TOKENS);
    assert!(landmarks.end <= block.count && q.len() >= tokens.end * row);
    for c0 in landmarks.clone().step_by(TILE) {
        let count = TILE.min(landmarks.end - c0);
        let first = block.first + c0 as u64;
        if visible[tokens.clone()].iter().all(|&v| v <= first) {
            continue;
        }
        for h in 0..heads {
            // SAFETY: `data` has `block.count` rows of `row` values by the assertion of `score`, so that the values of
            // head h in `count` of them from c0 on are inside; q and `scores` are long enough as asserted.
            unsafe {
                let at = data.add((c0 * row + h * width) * T::BYTES);
                let w = View { at, stride: row * T::BYTES };
                let x = View { at: q.as_ptr().add(tokens.start * row + h * width), stride: row };
                let out = ViewMut { at: scores.as_mut_ptr(), stride: TILE, accumulate: false };
                if m < 6 {
                    dot_block::<S, T>(s, (m, count, width), x, w, out);
                } else {
                    for (r, panel) in (0..count).step_by(4).zip(panels.chunks_exact_mut(panel_len(width))) {
                        let rows = 4.min(count - r);
                        pack_panel::<S, T>(s, View { at: at.add(r * w.stride), ..w }, rows, width, panel);
                        dot_panel(s, (m, rows, width), x, panel, ViewMut { at: out.at.add(r), ..out });
                    }
                }
            }
            for (i, scores) in scores.chunks_exact(TILE).enumerate().take(m) {
                let seen = visible[tokens.start + i].saturating_sub(first).min(count as u64) as usize;
                let top = &mut top[i * heads + h];
                let mut threshold = top.threshold();
                for (c, score) in scores[..seen].iter().enumerate() {
                    let score = score * scale;
                    if score >= threshold {
                        top.push(first + c as u64, score);
                        threshold = top.threshold();
                    }
                }
            }
        }
    }
}
