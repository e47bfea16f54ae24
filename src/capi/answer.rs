//! Questions, continuations, and what is to be known of an answer.

use std::ffi::{c_char, c_float, c_int, c_void};
use std::ops::Range;

use super::session::{self, State};
use super::{
    Failure, Outcome, RAMBA_NONE, RambaAskOptions, RambaSession, RambaStatus, Text, enter, flow, options, out, slice,
    utf8, value, with_length,
};
use crate::{Answer, AskOptions, Quote, Result, Session, StopReason, Support};

/// The last answer of a session.
#[derive(Default)]
pub(super) struct Answered {
    answer: Option<Answer>,
    text: Text,
    quotes: Vec<Passage>,
    sources: Vec<Passage>,
}

/// The texts of a quote or a source, for C.
struct Passage {
    text: Text,
    label: Text,
    document: Text,
}

impl Passage {
    fn new(text: &str, label: Option<&str>, document: Option<&str>) -> Self {
        let [label, document] = [label, document].map(|text| Text::new(text.unwrap_or_default()));
        Self { text: Text::new(text), label, document }
    }
}

/// Why an answer ended.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RambaStop {
    /// There is no answer.
    None = 0,
    /// The model ended it.
    End = 1,
    /// It is cut off: there was no room for more tokens.
    Length = 2,
    /// The callback asked to stop.
    Callback = 3,
}

/// What an answer rests on.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RambaSupport {
    /// There is no answer, or the model keeps no chunks, so that nobody can say.
    Unknown = 0,
    /// The document seems not to hold an answer: what there is is a guess.
    None = 1,
    /// The sources carry weight, but the answer does not stand there in these words.
    Found = 2,
    /// The answer stands in the sources, at the places that ramba_quote_at() tells.
    Quoted = 3,
}

/// A place of a document that an answer stands in. Its texts are UTF-8, ended by a null byte, and valid as long as ramba_answer().
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RambaQuote {
    /// The first byte, in the document's text. It may lie in the chunk beside a source, where a word of the answer does.
    pub byte_start: u64,
    /// The byte after the last one.
    pub byte_end: u64,
    /// The first byte in the original file, if marks say so; otherwise RAMBA_NONE.
    pub origin_start: u64,
    /// The byte after the last one there, or RAMBA_NONE.
    pub origin_end: u64,
    /// The text at these bytes, as it was fed.
    pub text: *const c_char,
    /// Bytes of that, without the null byte after them.
    pub text_length: usize,
    /// The label that marks give the place, such as a page or a heading; empty if there is none.
    pub label: *const c_char,
    /// Bytes of that, without the null byte after them.
    pub label_length: usize,
    /// The name of the document, if it is one of a library; otherwise empty.
    pub document: *const c_char,
}

/// A chunk of a document that was read for an answer. Its texts are as those of ramba_quote.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RambaSource {
    /// Number of the chunk in the document.
    pub chunk: u64,
    /// First byte of the document's text that the chunk stands for. The bytes are whole characters.
    pub byte_start: u64,
    /// The byte after the last one.
    pub byte_end: u64,
    /// The first byte in the original file, if marks say so; otherwise RAMBA_NONE.
    pub origin_start: u64,
    /// The byte after the last one there, or RAMBA_NONE.
    pub origin_end: u64,
    /// The text at these bytes, as it was fed, whatever becomes of the file that it came from.
    pub text: *const c_char,
    /// Bytes of that, without the null byte after them.
    pub text_length: usize,
    /// The label that holds where the chunk begins, such as a page or a heading; empty if there is none.
    pub label: *const c_char,
    /// Bytes of that, without the null byte after them.
    pub label_length: usize,
    /// The name of the document, if it is one of a library; otherwise empty.
    pub document: *const c_char,
    /// Mean weight of the chunk over the tokens of the answer, 0 to 1.
    pub weight: c_float,
    /// 0.
    pub reserved: u32,
}

/// Gets each token of an answer and the text that it completes, `length` bytes of UTF-8 with a null byte after them, valid during the call: whole
/// characters, so that it is empty for a token that is only a part of one (one that the answer breaks off shows as U+FFFD at the end of it). `user` is what was given to the call. Anything but 0 as the
/// result stops the answer, which is then what has been written so far.
pub type RambaOnToken =
    Option<unsafe extern "C" fn(token: u32, text: *const c_char, length: usize, user: *mut c_void) -> c_int>;

/// A callback of Rust for one of C.
///
/// # Safety
/// `on_token` is a function that keeps to what is said of it, good to be called with `user` as long as the result is.
unsafe fn telling(on_token: RambaOnToken, user: *mut c_void) -> impl FnMut(u32, &str) -> std::ops::ControlFlow<()> {
    let mut told = Text::default();
    move |token, text| {
        let Some(on_token) = on_token else { return flow(0) };
        told.set(text);
        // SAFETY: the caller's promise; the text lives until it returns.
        flow(unsafe { on_token(token, told.pointer(), told.len(), user) })
    }
}

/// Lets `ask` make the answer of `state`.
fn answer(state: &mut State, ask: impl FnOnce(&mut Session) -> Result<Answer>) -> Outcome {
    state.answered = Answered::default();
    let answer = ask(&mut state.session)?;
    let text = Text::new(&answer.text);
    let quotes = quotes(&answer).iter();
    let quotes = quotes.map(|q| Passage::new(&q.text, q.label.as_deref(), q.document.as_deref())).collect();
    let sources = answer.sources.iter();
    let sources = sources.map(|s| Passage::new(&s.text, s.label.as_deref(), s.document.as_deref())).collect();
    state.answered = Answered { answer: Some(answer), text, quotes, sources };
    Ok(())
}

/// Answers a question, `length` bytes of UTF-8, from the document, which stays as it is. `options` may be null. If `on_token` is not null, it is
/// called for every token with `user`.
///
/// The answer can be read with ramba_answer(), and what is to be known of it with the functions after that. An answer whose support is
/// RAMBA_SUPPORT_NONE is a guess, which the callback has seen as well.
///
/// # Safety
/// `question` must point to `length` bytes, `options` must be null or filled by ramba_ask_options_default(), `on_token` null or a function that
/// keeps to what is said of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_ask(
    session: *mut RambaSession,
    question: *const c_char,
    length: usize,
    options: *const RambaAskOptions,
    on_token: RambaOnToken,
    user: *mut c_void,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `question`, `options` and `on_token`.
        let (question, options, mut tell) = unsafe {
            (slice(question.cast::<u8>(), length, "question")?, options::ask(options)?, telling(on_token, user))
        };
        let question = utf8(question, "question")?;
        session::with(session, |state| answer(state, |session| session.ask(question, &options, &mut tell)))
    })
}

/// ramba_ask() with the `count` tokens of the whole prompt, the marks around the question included: for models without a tokenizer.
///
/// # Safety
/// `tokens` must point to `count` tokens; for the rest as for ramba_ask().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_ask_tokens(
    session: *mut RambaSession,
    tokens: *const u32,
    count: usize,
    options: *const RambaAskOptions,
    on_token: RambaOnToken,
    user: *mut c_void,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `tokens`, `options` and `on_token`.
        let (tokens, options, mut tell) =
            unsafe { (slice(tokens, count, "tokens")?, options::ask(options)?, telling(on_token, user)) };
        session::with(session, |state| answer(state, |session| session.ask_tokens(tokens, &options, &mut tell)))
    })
}

/// Appends a prompt, `length` bytes of UTF-8, to the document and lets the model write on. What it writes is an answer as that of ramba_ask(), and
/// becomes part of the document.
///
/// # Safety
/// As for ramba_ask().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_generate(
    session: *mut RambaSession,
    prompt: *const c_char,
    length: usize,
    options: *const RambaAskOptions,
    on_token: RambaOnToken,
    user: *mut c_void,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `prompt`, `options` and `on_token`.
        let (prompt, options, mut tell): (_, AskOptions, _) =
            unsafe { (slice(prompt.cast::<u8>(), length, "prompt")?, options::ask(options)?, telling(on_token, user)) };
        let prompt = utf8(prompt, "prompt")?;
        session::with(session, |state| answer(state, |session| session.generate(prompt, &options, &mut tell)))
    })
}

/// What `look` sees in the last answer of `session`, or `otherwise` where there is none.
fn of_answer<T>(session: *const RambaSession, otherwise: T, look: impl FnOnce(&Answer) -> T) -> T {
    let looked = value(None, || session::with(session, |state| Ok(state.answered.answer.as_ref().map(look))));
    looked.unwrap_or(otherwise)
}

/// The last answer: UTF-8, ended by a null byte; empty if there is none. Its bytes without that are stored in `*length`, unless `length` is
/// null. Valid until this session is asked again, generates or is closed.
///
/// # Safety
/// `length` must be null or a valid place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_answer(session: *const RambaSession, length: *mut usize) -> *const c_char {
    let text = value((Text::EMPTY, 0), || {
        session::with(session, |state| Ok((state.answered.text.pointer(), state.answered.text.len())))
    });
    // SAFETY: the caller's promise about `length`.
    unsafe { with_length(length, text) }
}

/// Why the last answer ended.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_stop_reason(session: *const RambaSession) -> RambaStop {
    of_answer(session, RambaStop::None, |answer| match answer.stop {
        StopReason::End => RambaStop::End,
        StopReason::Length => RambaStop::Length,
        StopReason::Callback => RambaStop::Callback,
    })
}

/// What the last answer rests on.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_answer_support(session: *const RambaSession) -> RambaSupport {
    of_answer(session, RambaSupport::Unknown, |answer| match answer.support {
        Support::Unknown => RambaSupport::Unknown,
        Support::None => RambaSupport::None,
        Support::Found => RambaSupport::Found,
        Support::Quoted(_) => RambaSupport::Quoted,
    })
}

/// What all chunks together weighed for the last answer before anything of it was written, 0 to 1; 0 if there is none. Always 1 with models that
/// weigh by a softmax.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_answer_weight(session: *const RambaSession) -> c_float {
    of_answer(session, 0.0, |answer| answer.weight)
}

/// How likely the model itself finds the last answer among all that it could write, 0 to 1: the geometric mean of the probabilities of its
/// tokens. 1 for what is generated, 0 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_answer_probability(session: *const RambaSession) -> c_float {
    of_answer(session, 0.0, |answer| answer.probability)
}

/// The number of places where the last answer stands in its sources: 1, or one for each of its parts if these stand in
/// different places, and 0 unless its support is RAMBA_SUPPORT_QUOTED.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_quote_count(session: *const RambaSession) -> usize {
    of_answer(session, 0, |answer| quotes(answer).len())
}

/// Stores place `index` of those where the last answer stands in `*quote`.
///
/// # Safety
/// `quote` must be a valid place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_quote_at(
    session: *const RambaSession,
    index: usize,
    quote: *mut RambaQuote,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `quote`.
        let out = unsafe { out(quote, "quote") }?;
        session::with(session, |state| {
            let answered = &state.answered;
            let quotes = answered.answer.as_ref().map_or(&[][..], quotes);
            let (Some(q), Some(texts)) = (quotes.get(index), answered.quotes.get(index)) else {
                return Err(beyond("quote", index, quotes.len()));
            };
            let (origin_start, origin_end) = origin(&q.origin);
            *out = RambaQuote {
                byte_start: q.bytes.start,
                byte_end: q.bytes.end,
                origin_start,
                origin_end,
                text: texts.text.pointer(),
                text_length: texts.text.len(),
                label: texts.label.pointer(),
                label_length: texts.label.len(),
                document: texts.document.pointer(),
            };
            Ok(())
        })
    })
}

/// The number of sources of the last answer.
#[unsafe(no_mangle)]
pub extern "C" fn ramba_source_count(session: *const RambaSession) -> usize {
    of_answer(session, 0, |answer| answer.sources.len())
}

/// Stores source `index` of the last answer in `*source`. They are ordered by weight, heaviest first.
///
/// # Safety
/// `source` must be a valid place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ramba_source_at(
    session: *const RambaSession,
    index: usize,
    source: *mut RambaSource,
) -> RambaStatus {
    enter(|| {
        // SAFETY: the caller's promise about `source`.
        let out = unsafe { out(source, "source") }?;
        session::with(session, |state| {
            let answered = &state.answered;
            let sources = answered.answer.as_ref().map_or(&[][..], |answer| &answer.sources);
            let (Some(s), Some(texts)) = (sources.get(index), answered.sources.get(index)) else {
                return Err(beyond("source", index, sources.len()));
            };
            let (origin_start, origin_end) = origin(&s.origin);
            *out = RambaSource {
                chunk: s.chunk,
                byte_start: s.bytes.start,
                byte_end: s.bytes.end,
                origin_start,
                origin_end,
                text: texts.text.pointer(),
                text_length: texts.text.len(),
                label: texts.label.pointer(),
                label_length: texts.label.len(),
                document: texts.document.pointer(),
                weight: s.weight,
                reserved: 0,
            };
            Ok(())
        })
    })
}

/// First byte in the original file and the byte after the last one.
fn origin(origin: &Option<Range<u64>>) -> (u64, u64) {
    origin.as_ref().map_or((RAMBA_NONE, RAMBA_NONE), |bytes| (bytes.start, bytes.end))
}

fn quotes(answer: &Answer) -> &[Quote] {
    match &answer.support {
        Support::Quoted(quotes) => quotes,
        _ => &[],
    }
}

fn beyond(what: &str, index: usize, count: usize) -> Failure {
    Failure::invalid(format!("{what} {index} of {count}"))
}
