//! What an answer is, and how it is asked for.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::model::Trace;
use crate::sampler::SamplerOptions;

/// How to answer a question or to continue a document.
#[derive(Debug, Clone)]
pub struct AskOptions {
    /// Most tokens to generate.
    pub max_tokens: usize,
    /// How a token is chosen; the default takes the most probable one.
    pub sampling: SamplerOptions,
    /// Go on where the model would end its answer, to measure speed.
    pub ignore_end: bool,
    /// Sources of a smaller mean weight are left out of [`Answer::sources`].
    pub min_source_weight: f32,
}

impl Default for AskOptions {
    fn default() -> Self {
        let greedy = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
        Self { max_tokens: 128, sampling: greedy, ignore_end: false, min_source_weight: 0.01 }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The model ended it.
    End,
    /// There were [`AskOptions::max_tokens`] tokens, or the segment that question and answer share was full.
    Length,
    /// The callback asked to stop.
    Callback,
}

/// A generated text and where it comes from.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// Its tokens, without the one that ended it.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub stop: StopReason,
    /// From the call to the first token: with the reading of what was not read yet, and the question.
    pub first_token: Duration,
    /// The chunks of the document that the model read while it produced the answer, heaviest first.
    pub sources: Vec<Source>,
}

/// A chunk of the document that was read for an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Number of the chunk in the document.
    pub chunk: u64,
    /// Mean weight of the chunk over the tokens of the answer (and over retrieval groups and heads), 0 to 1.
    pub weight: f32,
    /// The bytes of the source text that the chunk stands for.
    pub bytes: Range<u64>,
}

/// The chunks of `trace` with their mean weights over `selections` (one for each token, retrieval group and head),
/// heaviest first, without those of less than `min`.
pub(super) fn mean_weights(trace: &Trace, selections: u64, min: f32) -> Vec<(u64, f32)> {
    let mut sums = BTreeMap::<u64, f64>::new();
    for reading in trace {
        *sums.entry(reading.chunk).or_default() += f64::from(reading.weight);
    }
    let mean = |sum: f64| (sum / selections.max(1) as f64) as f32;
    let mut means: Vec<_> = sums.into_iter().map(|(chunk, sum)| (chunk, mean(sum))).filter(|m| m.1 >= min).collect();
    // Stable, and the map is in the order of chunks: so are equal weights.
    means.sort_by(|a, b| b.1.total_cmp(&a.1));
    means
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reading;

    #[test]
    fn weights_are_means_over_selections() {
        let read = |position, chunk, weight| Reading { position, group: 0, head: 0, chunk, weight };
        let trace = vec![read(0, 3, 0.5), read(0, 1, 0.25), read(1, 3, 0.5), read(2, 7, 0.75)];
        assert_eq!(mean_weights(&trace, 4, 0.0), [(3, 0.25), (7, 0.1875), (1, 0.0625)]);
        assert_eq!(mean_weights(&trace, 4, 0.2), [(3, 0.25)]);
        assert!(mean_weights(&Trace::new(), 0, 0.0).is_empty());
    }
}
