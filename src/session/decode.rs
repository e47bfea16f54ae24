//! Decode: the tokens of an answer or a continuation, one after the other.

use std::ops::ControlFlow;
use std::time::Instant;

use super::answer::mean_weights;
use super::copying::Copying;
use super::{Answer, AskOptions, Decoding, Session, Source, StopReason, Support, passage};
use crate::Result;
use crate::memory::Origin;
use crate::model::{Logits, Pass, Trace};
use crate::sampler::Sampler;
use crate::topk::TopK;

/// An answer or a continuation that is to be written.
pub(super) struct Decode<'a> {
    pub options: &'a AskOptions,
    pub on_token: &'a mut dyn FnMut(u32, &str) -> ControlFlow<()>,
    /// Most tokens.
    pub room: usize,
    pub started: Instant,
    /// Whether what is written becomes part of the document.
    pub grows: bool,
}

impl Decode<'_> {
    /// Reads `prompt` and writes on after it.
    pub fn run(&mut self, session: &mut Session, prompt: &[u32]) -> Result<Answer> {
        let tokenizer = session.resources.engine.shared.tokenizer.clone();
        let eos = session.resources.engine.shared.eos.filter(|_| !self.options.ignore_end);
        let mut decoder = tokenizer.as_ref().map(|t| t.decoder());
        let copied = self.options.decoding == Decoding::Copied && !self.grows && session.resources.memory.is_some();
        let copying = tokenizer.zip(eos).filter(|_| copied).map(|(tokenizer, eos)| Copying::new(tokenizer, eos));
        let mut next = NextToken::new(Sampler::new(self.options.sampling)?, copying, self.grows)?;
        let (mut text, mut tokens) = (String::new(), Vec::new());
        let mut first_token = None;

        next.read(session, prompt, self.grows)?;
        // The first token of the answer comes out of the last one of the prompt: what that one reads counts.
        let answer_from = session.generation.position().saturating_sub(1);
        next.trace.retain(|read| read.position >= answer_from);
        // What is written makes what it is written from look more relevant: how relevant that is shows before.
        let weight =
            next.trace.iter().map(|read| read.weight).sum::<f32>() / session.resources.selections(1).max(1) as f32;

        let stop = loop {
            if tokens.len() >= self.room {
                break StopReason::Length;
            }
            // None if a word that was begun has no end in what was read.
            let limit = session.engine().config().no_answer_probability.filter(|_| tokens.is_empty() && !self.grows);
            if let (Some(eos), Some(limit)) = (eos, limit)
                && next.ends_above(eos, limit)
            {
                first_token.get_or_insert_with(|| self.started.elapsed());
                break StopReason::End;
            }
            let Some(id) = next.choose(session)? else { break StopReason::Length };
            first_token.get_or_insert_with(|| self.started.elapsed());
            if Some(id) == eos {
                break StopReason::End;
            }
            tokens.push(id);
            if self.grows {
                session.push(id)?;
            }
            let piece = decoder.as_mut().map_or("", |d| d.push(id));
            text.push_str(piece);
            if (self.on_token)(id, piece).is_break() {
                break StopReason::Callback;
            }
            if tokens.len() < self.room {
                next.read(session, &[id], self.grows)?;
            }
        };
        text.push_str(decoder.as_mut().map_or("", |d| d.finish()));
        let tokens_read = session.generation.position() - answer_from;
        let means =
            mean_weights(&next.trace, session.resources.selections(tokens_read), self.options.min_source_weight);
        let sources =
            means.iter().map(|&(chunk, weight)| source(session, chunk, weight)).collect::<Result<Vec<_>>>()?;
        let chosen = tokens.len() + usize::from(stop == StopReason::End);
        let probability = (next.log_probability / chosen.max(1) as f64).exp() as f32;
        let (support, probability) = match self.grows {
            true => (Support::Unknown, 1.0),
            false => {
                let copied = next.copying.map(|_| probability);
                (session.support(&text, means.iter().map(|mean| mean.0), weight, copied)?, probability)
            }
        };
        let first_token = first_token.unwrap_or_else(|| self.started.elapsed());
        Ok(Answer { text, stop, support, weight, probability, first_token, sources, tokens })
    }
}

/// A chunk that was read, as a source.
fn source(session: &mut Session, chunk: u64, weight: f32) -> Result<Source> {
    let (part, bytes) = session.resources.place(chunk)?;
    let (bytes, text) = passage::text(&part.text, bytes)?;
    let Origin { label, bytes: origin } = part.marks.origin(bytes.clone())?;
    // In the document.
    let chunk = chunk - part.chunks.start;
    Ok(Source { document: session.name(part.index), chunk, weight, bytes, text, label, origin })
}

/// What chooses the next token.
struct NextToken {
    sampler: Sampler,
    /// The highest logits, if they are enough: then the others stay on the device.
    top: Option<TopK>,
    /// All of them otherwise.
    logits: Vec<f32>,
    /// What an answer is copied from, if it is.
    copying: Option<Copying>,
    /// What the tokens read.
    trace: Trace,
    /// Of what was chosen, if all logits are there.
    log_probability: f64,
}

impl NextToken {
    /// `free` if neither what may come next nor its probability matters.
    fn new(sampler: Sampler, copying: Option<Copying>, free: bool) -> Result<Self> {
        let top = sampler.enough().filter(|_| free).map(TopK::new).transpose()?;
        Ok(Self { sampler, top, logits: Vec::new(), copying, trace: Trace::new(), log_probability: 0.0 })
    }

    /// Reads `tokens`.
    fn read(&mut self, session: &mut Session, tokens: &[u32], grows: bool) -> Result<()> {
        let Self { top, logits, trace, .. } = self;
        let pass = Pass { trace: Some(trace), ..Pass::default() };
        match top {
            Some(top) => {
                top.clear();
                session.pass(tokens, grows, Pass { logits: Logits::Top, top: Some(top), ..pass })?;
            }
            None => {
                let all = session.pass(tokens, grows, Pass { logits: Logits::Last, ..pass })?;
                logits.clear();
                logits.extend_from_slice(all);
            }
        }
        Ok(())
    }

    /// Whether token `id` is more probable than `limit` after those that were read last. Then it is chosen; if not, it cannot be.
    fn ends_above(&mut self, id: u32, limit: f32) -> bool {
        let total = log_sum_exp(&self.logits);
        let Some(logit) = self.logits.get_mut(id as usize) else { return false };
        let log_probability = f64::from(*logit) - total;
        if log_probability.exp() > f64::from(limit) {
            self.log_probability += log_probability;
            return true;
        }
        *logit = f32::NEG_INFINITY;
        false
    }

    /// Chooses the token after those that were read last; None if there is none that may follow.
    fn choose(&mut self, session: &mut Session) -> Result<Option<u32>> {
        let Self { sampler, top, logits, copying, trace, log_probability } = self;
        if let Some(top) = top {
            return sampler.sample_top(top).map(Some);
        }
        let total = log_sum_exp(logits);
        let mut id = None;
        match copying {
            Some(copying) => {
                session.copy_from(copying, trace)?;
                if copying.is_empty() {
                    id = Some(sampler.sample(logits)?);
                } else if let Some(copied) = copying.choose(sampler, logits)? {
                    copying.push(copied);
                    id = Some(copied);
                }
            }
            None => id = Some(sampler.sample(logits)?),
        }
        // Those that may follow have their logits still.
        if let Some(&logit) = id.and_then(|id| logits.get(id as usize)) {
            *log_probability += f64::from(logit) - total;
        }
        Ok(id)
    }
}

/// The logarithm of the sum of the exponentials.
fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from((logit - max).exp())).sum();
    f64::from(max) + sum.ln()
}
