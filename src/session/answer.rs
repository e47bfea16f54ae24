//! What an answer is, and how it is asked for.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::{Session, passage};
use crate::Result;
use crate::memory::{Origin, Part};
use crate::model::{Trace, Weighting};
use crate::options::setters;
use crate::sampler::SamplerOptions;

/// How to answer a question or to continue a document.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AskOptions {
    /// Most tokens to generate.
    pub max_tokens: usize,
    /// How a token is chosen; the default takes the most probable one.
    pub sampling: SamplerOptions,
    /// How the answer to a question comes about.
    pub decoding: Decoding,
    /// Go on where the model would end its answer, to measure speed. It is then written freely.
    pub ignore_end: bool,
    /// Sources of a smaller mean weight are left out of [`Answer::sources`].
    pub min_source_weight: f32,
}

setters!(AskOptions {
    max_tokens: usize,
    sampling: SamplerOptions,
    decoding: Decoding,
    ignore_end: bool,
    min_source_weight: f32,
});

impl Default for AskOptions {
    fn default() -> Self {
        let greedy = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
        Self {
            max_tokens: 128,
            sampling: greedy,
            decoding: Decoding::Copied,
            ignore_end: false,
            min_source_weight: 0.01,
        }
    }
}

/// How the answer to a question comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Decoding {
    /// It is copied: it is a span of whole words that stands in the chunks that were read for it, or several with
    /// commas between them. Among what can go on such a span the model chooses.
    #[default]
    Copied,
    /// The model writes what it likes. So it does, whatever is asked for, where there is nothing to copy from: with
    /// models that keep no chunks or have no tokenizer or end-of-text token, and in
    /// [`Session::generate`](crate::Session::generate).
    Free,
}

/// What an answer rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Support {
    /// It stands in cited sources, as whole words and apart from white space: one quote or, for an answer of several parts
    /// with commas between them, one for each.
    Quoted(Vec<Quote>),
    /// The model has read the sources with weight, but the answer does not stand there in these words.
    Found,
    /// The document seems not to hold an answer: what the model wrote is a guess. docs/quality.md says how that is
    /// decided, and how often it is wrong.
    None,
    /// Nobody can say: the model keeps no chunks, or carries what it has read in a recurrence that is never reset, or
    /// this is no answer to a question.
    Unknown,
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
    /// Why it ended. It may be cut off, unless this is [`StopReason::End`].
    pub stop: StopReason,
    /// What it rests on.
    pub support: Support,
    /// What all chunks together weighed before anything was written, 0 to 1 (mean over retrieval groups and heads).
    /// Always 1 with models that weigh by a softmax.
    pub weight: f32,
    /// How likely the model itself finds the answer among all that it could write, 0 to 1: the geometric mean of the
    /// probabilities of its tokens, of the one that ended it too. 1 for what is generated.
    pub probability: f32,
    /// From the call to the first token: with the reading of what was not read yet, and the question.
    pub first_token: Duration,
    /// The chunks of the document that the model read while it produced the answer, heaviest first.
    pub sources: Vec<Source>,
}

/// A chunk of the document that was read for an answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Source {
    /// The name of the document, if it is one of a [`Library`](crate::Library).
    pub document: Option<String>,
    /// Number of the chunk in the document.
    pub chunk: u64,
    /// Mean weight of the chunk over the tokens of the answer (and over retrieval groups and heads), 0 to 1.
    pub weight: f32,
    /// The bytes of the document's text that the chunk stands for: whole characters. One that lies across the border of
    /// two chunks counts for the first of them.
    pub bytes: Range<u64>,
    /// The text at these bytes, as it was fed. What tokens that were fed stand for need not be UTF-8: such bytes show
    /// as U+FFFD.
    pub text: String,
    /// The label that holds where the chunk begins, such as a page or a heading, if the document has [marks](crate::Mark).
    pub label: Option<String>,
    /// The bytes of the original file, where marks say which they are.
    pub origin: Option<Range<u64>>,
}

/// A passage of the document that an answer stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quote {
    /// The name of the document, if it is one of a [`Library`](crate::Library).
    pub document: Option<String>,
    /// The bytes of the document's text. They may begin or end in the chunk beside a source, where a word of the answer does.
    pub bytes: Range<u64>,
    /// The text at these bytes, as it was fed; what is no UTF-8 there shows as U+FFFD.
    pub text: String,
    /// The label of the place, such as a page or a heading, if the document has [marks](crate::Mark).
    pub label: Option<String>,
    /// The bytes of the original file, where marks say which they are.
    pub origin: Option<Range<u64>>,
}

/// What chunks must weigh together for an answer to rest on them.
const LEAST_WEIGHT: f32 = 0.25;

/// How probable a copied answer must be where weights say nothing: if it is less, the model would rather have said
/// something that it has not read.
const LEAST_PROBABILITY: f32 = 0.4;

impl Session {
    /// What an answer rests on that was given with these `chunks` and `weight`, and if it is `copied`, with this
    /// probability.
    pub(super) fn support(
        &mut self,
        answer: &str,
        chunks: impl IntoIterator<Item = u64>,
        weight: f32,
        copied: Option<f32>,
    ) -> Result<Support> {
        let carried = self.resources.carries();
        let chunks: Vec<u64> = chunks.into_iter().chain(self.resources.unfinished_chunk()).collect();
        if self.resources.memory.is_none() {
            return Ok(Support::Unknown);
        }
        let hsa = self.resources.config().hsa.as_ref();
        // Those of a softmax sum to 1 whatever there is to read.
        let softmax = hsa.is_some_and(|hsa| matches!(hsa.weighting, Weighting::Softmax { .. }));
        let weak = match self.resources.config().rereading {
            // Such a model has seen question and text together, and writes nothing if they do not fit.
            Some(_) => false,
            None if softmax => copied.is_some_and(|probability| probability < LEAST_PROBABILITY),
            None => weight < LEAST_WEIGHT,
        };
        if weak || answer.trim().is_empty() {
            return Ok(if carried { Support::Unknown } else { Support::None });
        }
        let mut passages = Vec::new();
        for chunk in chunks {
            if !passage::has(&passages, chunk) {
                passage::add(&mut passages, chunk, &mut |chunk| self.resources.place(chunk))?;
            }
        }
        let quotes = passage::quote(answer, &passages).into_iter();
        let quotes = quotes.map(|(part, bytes)| self.quote(part, bytes)).collect::<Result<Vec<_>>>()?;
        Ok(if quotes.is_empty() { Support::Found } else { Support::Quoted(quotes) })
    }

    /// The passage at `bytes` of a document.
    fn quote(&self, part: &Part, bytes: Range<u64>) -> Result<Quote> {
        let Origin { label, bytes: origin } = part.marks.origin(bytes.clone())?;
        let text = String::from_utf8_lossy(&part.text.read(bytes.clone())?).into_owned();
        Ok(Quote { document: self.name(part.index), bytes, text, label, origin })
    }
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
    // Chunks of equal weights in their order.
    means.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    means
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RetrievedChunk;

    #[test]
    fn weights_are_means_over_selections() {
        let read = |position, chunk, weight| RetrievedChunk { position, group: 0, head: 0, chunk, weight };
        let trace = vec![read(0, 3, 0.5), read(0, 1, 0.25), read(1, 3, 0.5), read(2, 7, 0.75)];
        assert_eq!(mean_weights(&trace, 4, 0.0), [(3, 0.25), (7, 0.1875), (1, 0.0625)]);
        assert_eq!(mean_weights(&trace, 4, 0.2), [(3, 0.25)]);
        assert!(mean_weights(&Trace::new(), 0, 0.0).is_empty());
    }
}
