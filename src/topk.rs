//! Selection of the best of many by score, chunks or tokens, without allocation.

use heapless::Vec;

use crate::{Error, Result};

/// The largest number of chunks a selection can hold.
pub const MAX_TOP_K: usize = 64;

/// A chunk, or a token, that takes part in a selection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its number.
    pub id: u64,
    /// Its score; never NaN inside a [`TopK`].
    pub score: f32,
}

/// The K best candidates seen so far.
///
/// The result depends only on the set of candidates offered, not on their order: a higher score wins, and of equal
/// scores (`0.0` and `-0.0` are equal) the lower id. A NaN score is never selected. Each id is to be offered once.
#[derive(Debug, Clone)]
pub struct TopK {
    /// Best first.
    entries: Vec<Candidate, MAX_TOP_K>,
    k: usize,
}

impl TopK {
    /// An empty selection of at most `k` chunks.
    ///
    /// # Errors
    /// `InvalidArgument` if `k` is 0 or larger than [`MAX_TOP_K`].
    pub fn new(k: usize) -> Result<Self> {
        if k == 0 || k > MAX_TOP_K {
            return Err(Error::invalid(format!("top-k of {k} chunks, expected 1 to {MAX_TOP_K}")));
        }
        Ok(Self { entries: Vec::new(), k })
    }

    /// The number of chunks wanted.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The number of chunks selected so far, at most [`TopK::k`].
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets all candidates.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The score that a candidate must exceed (or equal, with a lower id than some selected one) to be selected; a
    /// quick test for scoring loops, negative infinity while there is room.
    pub fn threshold(&self) -> f32 {
        match self.entries.last() {
            Some(worst) if self.entries.len() == self.k => worst.score,
            _ => f32::NEG_INFINITY,
        }
    }

    /// Offers a candidate.
    pub fn push(&mut self, id: u64, score: f32) {
        if score.is_nan() {
            return;
        }
        let new = Candidate { id, score };
        if self.entries.len() == self.k {
            match self.entries.last() {
                Some(worst) if better(&new, worst) => self.entries.pop(),
                _ => return,
            };
        }
        let at = self.entries.partition_point(|e| better(e, &new));
        // There is room for one more: k is at most the capacity, and a full selection has just lost its worst.
        let _ = self.entries.insert(at, new);
    }

    /// Offers everything that `other` has selected: the selection of two parts of the chunks is the selection of all.
    pub fn merge(&mut self, other: &TopK) {
        for c in &other.entries {
            self.push(c.id, c.score);
        }
    }

    /// The selection, best first.
    pub fn best_first(&self) -> &[Candidate] {
        &self.entries
    }

    /// The selection by position, most recent chunk first, which is the order that stick-breaking weights need.
    pub fn recent_first(&self) -> Vec<Candidate, MAX_TOP_K> {
        let mut sorted = self.entries.clone();
        sorted.sort_unstable_by_key(|c| std::cmp::Reverse(c.id));
        sorted
    }
}

/// Fills `top` with the highest of `logits`: an id is that of a token, of equals the lower one comes first, and −∞ is left
/// out. All logits are checked. See [`Operations::top_logits`](crate::backend::Operations::top_logits).
pub(crate) fn highest(logits: &[f32], top: &mut TopK) -> Result<()> {
    top.clear();
    let mut least = f32::NEG_INFINITY;
    for (id, &logit) in (0u64..).zip(logits) {
        // Nearly all of them. NaN goes on.
        if logit <= least {
            continue;
        }
        if logit.is_nan() || logit == f32::INFINITY {
            return Err(Error::invalid(format!("the logit of token {id} is {logit}")));
        }
        top.push(id, logit);
        least = top.threshold();
    }
    if top.is_empty() {
        return Err(Error::invalid(format!("none of {} tokens has a logit above -inf", logits.len())));
    }
    Ok(())
}

/// Whether `a` is to be selected before `b`. Neither score is NaN.
fn better(a: &Candidate, b: &Candidate) -> bool {
    a.score > b.score || (a.score == b.score && a.id < b.id)
}

#[cfg(test)]
mod tests {
    use test_support::numbers::Random;

    use super::*;

    fn ids(candidates: &[Candidate]) -> std::vec::Vec<u64> {
        candidates.iter().map(|c| c.id).collect()
    }

    #[test]
    fn agrees_with_sorting_whatever_the_order_of_offers() {
        let mut random = Random(7);
        for case in 0..400 {
            let k = 1 + (random.bits() % MAX_TOP_K as u64) as usize;
            let n = (random.bits() % 150) as usize;
            // Few distinct scores make many ties; NaN and infinities take part.
            let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 0.0, -f32::NAN];
            let mut all: std::vec::Vec<Candidate> = (0..n as u64)
                .map(|id| {
                    let r = random.bits();
                    let score =
                        if r.is_multiple_of(8) { special[(r >> 8) as usize % 6] } else { (r >> 8) as f32 % 5.0 - 2.0 };
                    Candidate { id, score: if case % 2 == 0 { score } else { score.round() } }
                })
                .collect();

            let mut up = TopK::new(k).unwrap();
            all.iter().for_each(|c| up.push(c.id, c.score));
            // A random order, in two halves that are merged.
            for i in (1..all.len()).rev() {
                let j = random.bits() as usize % (i + 1);
                all.swap(i, j);
            }
            let mut parts = [TopK::new(k).unwrap(), TopK::new(k).unwrap()];
            all.iter().enumerate().for_each(|(i, c)| parts[i % 2].push(c.id, c.score));
            let [mut merged, other] = parts;
            merged.merge(&other);

            all.retain(|c| !c.score.is_nan());
            all.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.id.cmp(&b.id)));
            all.truncate(k);
            assert_eq!(ids(up.best_first()), ids(&all), "case {case}");
            assert_eq!(ids(merged.best_first()), ids(&all), "case {case}");
            if all.len() == k {
                assert_eq!(up.threshold(), all[k - 1].score);
            }

            all.sort_by_key(|c| std::cmp::Reverse(c.id));
            assert_eq!(ids(&up.recent_first()), ids(&all), "case {case}");
        }
    }

    #[test]
    fn nothing_but_nan_selects_nothing() {
        let mut top = TopK::new(3).unwrap();
        (0..10).for_each(|id| top.push(id, f32::NAN));
        assert!(top.is_empty());
        assert!(top.recent_first().is_empty());
        assert_eq!(top.threshold(), f32::NEG_INFINITY);
    }

    #[test]
    fn k_is_checked() {
        assert!(TopK::new(0).is_err());
        assert!(TopK::new(MAX_TOP_K + 1).is_err());
        assert_eq!(TopK::new(MAX_TOP_K).unwrap().k(), MAX_TOP_K);
    }
}
