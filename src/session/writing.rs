//! Tokens one after the other: how an answer is produced.

use std::ops::ControlFlow;
use std::time::Instant;

use super::answer::mean_weights;
use super::{Answer, AskOptions, Session, Source, StopReason};
use crate::Result;
use crate::model::{Logits, Pass, Trace};
use crate::sampler::Sampler;
use crate::topk::TopK;

/// An answer that is to be written.
pub(super) struct Writing<'a> {
    pub options: &'a AskOptions,
    pub on_token: &'a mut dyn FnMut(u32, &str) -> ControlFlow<()>,
    /// Most tokens.
    pub room: usize,
    pub started: Instant,
    /// Whether what is written becomes part of the document.
    pub grows: bool,
}

impl Writing<'_> {
    /// Reads `prompt` and writes on after it.
    pub fn run(&mut self, session: &mut Session, prompt: &[u32]) -> Result<Answer> {
        let tokenizer = session.engine.shared.tokenizer.clone();
        let eos = session.engine.shared.eos.filter(|_| !self.options.ignore_end);
        let mut decoder = tokenizer.as_ref().map(|t| t.decoder());
        let mut next = Next::new(Sampler::new(self.options.sampling)?)?;
        let (mut text, mut tokens) = (String::new(), Vec::new());
        let mut first_token = None;

        let mut id = next.after(session, prompt, self.grows)?;
        // The first token of the answer comes out of the last one of the prompt: what that one reads counts.
        let answer_from = session.answering_position().saturating_sub(1);
        next.trace.retain(|reading| reading.position >= answer_from);

        let stop = loop {
            if tokens.len() >= self.room {
                break StopReason::Length;
            }
            first_token.get_or_insert_with(|| self.started.elapsed());
            if Some(id) == eos {
                break StopReason::End;
            }
            tokens.push(id);
            if self.grows {
                session.push(id);
            }
            let piece = decoder.as_mut().map_or("", |d| d.push(id));
            text.push_str(piece);
            if (self.on_token)(id, piece).is_break() {
                break StopReason::Callback;
            }
            if tokens.len() < self.room {
                id = next.after(session, &[id], self.grows)?;
            }
        };
        text.push_str(decoder.as_mut().map_or("", |d| d.finish()));
        let tokens_read = session.answering_position() - answer_from;
        let sources = self.sources(session, &next.trace, tokens_read)?;
        Ok(Answer { text, stop, first_token: first_token.unwrap_or_else(|| self.started.elapsed()), sources, tokens })
    }

    /// The chunks of `trace`, what `tokens` tokens have read, as sources.
    fn sources(&self, session: &mut Session, trace: &Trace, tokens: u64) -> Result<Vec<Source>> {
        let (Some(hsa), Some(memory)) = (&session.engine.config().hsa, &mut session.memory) else {
            return Ok(Vec::new());
        };
        let selections = tokens * (hsa.groups * hsa.retrieval_heads) as u64;
        let means = mean_weights(trace, selections, self.options.min_source_weight);
        means.into_iter().map(|(chunk, weight)| Ok(Source { chunk, weight, bytes: memory.source(chunk)? })).collect()
    }
}

/// What chooses the next token.
struct Next {
    sampler: Sampler,
    /// The highest logits, if they are enough: then the others stay on the device.
    top: Option<TopK>,
    /// What the tokens read.
    trace: Trace,
}

impl Next {
    fn new(sampler: Sampler) -> Result<Self> {
        let top = sampler.enough().map(TopK::new).transpose()?;
        Ok(Self { sampler, top, trace: Trace::new() })
    }

    /// Reads `tokens` and chooses the one after them.
    fn after(&mut self, session: &mut Session, tokens: &[u32], grows: bool) -> Result<u32> {
        let Self { sampler, top, trace } = self;
        let pass = Pass { trace: Some(trace), ..Pass::default() };
        match top {
            Some(top) => {
                top.clear();
                session.pass(tokens, grows, Pass { logits: Logits::Top, top: Some(top), ..pass })?;
                sampler.sample_top(top)
            }
            None => sampler.sample(session.pass(tokens, grows, Pass { logits: Logits::Last, ..pass })?),
        }
    }
}
