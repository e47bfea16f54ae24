//! Any text in any pieces, any questions: nothing panics or hangs, and an answer depends neither on how the text was split, nor on
//! budgets and threads, nor on what was asked before. With small random models, read in segments or in order.
#![no_main]

use std::ops::ControlFlow;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ramba::{
    Answer, AskOptions, Engine, EngineOptions, ErrorKind, MemoryNeeds, Precision, Session, SessionOptions, Support,
};
use test_support::random::{self, Shape};

/// Each model twice: with one thread and with three.
static ENGINES: LazyLock<Vec<[Engine; 2]>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a folder");
    let shapes = [
        Shape::default(),
        Shape { segment: 32, overlap: 0, chunk: 8, ..Shape::default() },
        Shape { segment: 0, overlap: 0, ..Shape::default() },
    ];
    let open = |shape| {
        let path = random::write(dir.path(), shape);
        [1, 3]
            .map(|threads| Engine::open(&path, &EngineOptions::default().threads(threads)).expect("sound"))
    };
    shapes.map(open).into()
});

/// Most bytes of a document, and most calls.
const MOST_TEXT: usize = 1500;
const MOST_CALLS: usize = 10;

/// What an answer is.
fn told(answer: ramba::Result<Answer>) -> Result<String, ErrorKind> {
    let told = |a: Answer| format!("{:?} {:?} {:?} {:?} {:?}", a.text, a.tokens, a.sources, a.support, a.stop);
    answer.map(told).map_err(|e| e.kind())
}

/// Feeds `text` in pieces of the lengths in `cuts`, in turn.
fn feed(session: &mut Session, mut text: &[u8], cuts: &[u8]) -> Result<(), ErrorKind> {
    let mut cuts = cuts.iter().map(|&c| usize::from(c).max(1)).chain([MOST_TEXT]).cycle();
    while !text.is_empty() {
        let (piece, rest) = text.split_at(cuts.next().unwrap_or(MOST_TEXT).min(text.len()));
        session.feed_bytes(piece).map_err(|e| e.kind())?;
        text = rest;
    }
    Ok(())
}

/// Model, budgets beyond the least, how to split, and calls with their texts.
type Input<'a> = (u8, [u16; 2], Vec<u8>, Vec<(u8, &'a [u8])>);

fuzz_target!(|input: Input| {
    let (model, budgets, cuts, calls) = input;
    let engines = &ENGINES[usize::from(model) % ENGINES.len()];
    let precision = [Precision::F16, Precision::F32, Precision::Int8][usize::from(model) / 16 % 3];
    let least = MemoryNeeds::of(engines[0].gguf(), 1, precision).expect("sound").least_budget;
    let [mut whole, mut split] = [0, 1].map(|i: usize| {
        let options = SessionOptions::default().budget(least + u64::from(budgets[i])).precision(precision);
        engines[i].session(&options).expect("within the least budget")
    });
    let options = AskOptions::default().max_tokens(3);
    let mut room = MOST_TEXT;
    for (call, text) in calls.into_iter().take(MOST_CALLS) {
        let text = &text[..text.len().min(room)];
        match call % 8 {
            0..=2 => {
                room -= text.len();
                let (a, b) = (feed(&mut whole, text, &[]), feed(&mut split, text, &cuts));
                // Both stop at the first byte that is not UTF-8. What is left of a character belongs to the text so far.
                assert_eq!(a, b);
                if a.is_err() {
                    return;
                }
            }
            3 | 4 => {
                let question = String::from_utf8_lossy(text);
                // One of them has answered something else before.
                if call >= 128 {
                    let _ = split.answer("?", &options);
                }
                let (a, b) = (whole.answer(&question, &options), split.answer(&question, &options));
                if let Ok(Answer { support: Support::Quoted(quotes), .. }) = &a {
                    assert!(!quotes.is_empty());
                    for quote in quotes {
                        assert!(!split.text(quote.bytes.clone()).expect("a part of the document").is_empty());
                    }
                }
                assert_eq!(told(a), told(b));
            }
            5 => {
                let tokens: Vec<u32> = text.iter().map(|&b| u32::from(b) + u32::from(call / 64)).collect();
                room -= text.len();
                let (a, b) = (whole.feed_tokens(&tokens), split.feed_tokens(&tokens));
                assert_eq!(a.map_err(|e| e.kind()), b.map_err(|e| e.kind()));
            }
            6 => {
                // Only one of them: it must not matter.
                let _ = split.prefill();
            }
            _ => {
                let prompt = String::from_utf8_lossy(text);
                room = room.saturating_sub(prompt.len() + 16);
                let mut go = |_: u32, _: &str| ControlFlow::Continue(());
                let (a, b) = (whole.generate(&prompt, &options, &mut go), split.generate(&prompt, &options, &mut go));
                assert_eq!(told(a), told(b));
            }
        }
        assert_eq!(whole.bytes(), split.bytes());
        let [a, b] = [&whole, &split].map(|s| s.text(0..s.bytes()).map_err(|e| e.kind()));
        assert_eq!(a, b);
    }
});
