//! Work that is stopped from another thread ends soon with an error of its own, leaves nothing behind, and can go on from where it was.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ramba::{AskOptions, Decoding, Engine, EngineOptions, ErrorKind, OnLoad, Session, SessionOptions};
use tempfile::TempDir;
use test_support::document::{content, text};
use test_support::random::{self, shapes};

const QUESTION: &str = "What is the pass key of QXRT?";

fn short() -> AskOptions {
    AskOptions::default().max_tokens(12).min_source_weight(0.0)
}

fn session(engine: &Engine, dir: &TempDir) -> Session {
    engine.session(&SessionOptions::default().budget(1 << 20).directory(dir.path().to_owned())).unwrap()
}

/// Runs `work`, which is cancelled after `delay`, and clears the request.
fn cancelled_after<T>(session: &mut Session, delay: Duration, work: impl FnOnce(&mut Session) -> T) -> T {
    let cancel = session.cancel();
    thread::scope(|scope| {
        let (done, wait) = mpsc::channel::<()>();
        scope.spawn(move || {
            let _ = wait.recv_timeout(delay);
            cancel.cancel();
        });
        let result = work(session);
        drop(done);
        result
    })
}

#[test]
fn reading_that_is_stopped_anywhere_goes_on_from_there() {
    for shape in shapes() {
        let dir = TempDir::new().unwrap();
        let engine = Engine::open(random::write(dir.path(), shape), &EngineOptions::default().threads(2)).unwrap();
        let text = text(40_000);
        let mut whole = session(&engine, &dir);
        let started = Instant::now();
        whole.feed(&text).unwrap();
        let time = started.elapsed();
        let expected = content(&whole.answer(QUESTION, &short()).unwrap());

        let mut stopped = 0;
        for i in 0..8u32 {
            let mut session = session(&engine, &dir);
            // Again and again, at other places each time.
            for _ in 0..20 {
                let taken = session.bytes() as usize;
                let delay = time * (i + 1) / 40;
                let read = cancelled_after(&mut session, delay, |s| s.feed_bytes(&text.as_bytes()[taken..]));
                session.cancel().clear();
                match read {
                    Ok(()) => break,
                    Err(e) => assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}"),
                }
                stopped += 1;
            }
            let taken = session.bytes() as usize;
            session.feed_bytes(&text.as_bytes()[taken..]).unwrap();
            assert_eq!(content(&session.answer(QUESTION, &short()).unwrap()), expected);
        }
        assert!(stopped >= 4, "reading was stopped {stopped} times");
    }
}

#[test]
fn an_answer_that_is_stopped_leaves_the_document_as_it_was() {
    for shape in shapes() {
        let dir = TempDir::new().unwrap();
        let engine = Engine::open(random::write(dir.path(), shape), &EngineOptions::default().threads(2)).unwrap();
        let mut session = session(&engine, &dir);
        session.feed(&text(3000)).unwrap();
        let expected = content(&session.answer(QUESTION, &short()).unwrap());
        let tokens = session.tokens();
        // The random model rambles on.
        let long = AskOptions::default().max_tokens(1 << 20).decoding(Decoding::Free);
        let long = long.ignore_end(true);
        for i in 0..20 {
            let delay = Duration::from_micros(50 * i);
            let stopped = cancelled_after(&mut session, delay, |s| s.answer(QUESTION, &long));
            // A model with segments has room for some tokens only.
            if let Err(e) = stopped {
                assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}");
            }
            session.cancel().clear();
            assert_eq!(content(&session.answer(QUESTION, &short()).unwrap()), expected);
            assert_eq!(session.tokens(), tokens);
        }
        // From within, too: the token that is being told of is the last one.
        let (cancel, mut told) = (session.cancel(), 0);
        let stopped = session.ask(QUESTION, &long, &mut |_, _| {
            told += 1;
            cancel.cancel();
            ControlFlow::Continue(())
        });
        assert_eq!((stopped.unwrap_err().kind(), told), (ErrorKind::Cancelled, 1));
    }
}

#[test]
fn a_request_holds_until_it_is_taken_back() {
    let dir = TempDir::new().unwrap();
    let engine = Engine::open(random::write(dir.path(), shapes()[0]), &EngineOptions::default().threads(1)).unwrap();
    let library = engine.library(dir.path().join("library"), &SessionOptions::default().budget(1 << 20)).unwrap();
    let mut session = library.add("one").unwrap();
    session.feed(&text(500)).unwrap();
    let cancel = session.cancel();
    cancel.cancel();
    assert!(cancel.is_cancelled());
    let long = &AskOptions::default();
    for result in [
        session.feed("more"),
        session.feed_tokens(&[1]),
        session.prefill(),
        session.answer(QUESTION, long).map(drop),
        session.generate("", long, &mut |_, _| ControlFlow::Continue(())).map(drop),
    ] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    }
    // What was read can be kept all the same.
    session.commit().unwrap();
    cancel.clear();
    session.prefill().unwrap();
    // All is read: nothing is left to stop.
    cancel.cancel();
    session.prefill().unwrap();
    session.commit().unwrap();
    let (bytes, tokens) = (session.bytes(), session.tokens());
    drop(session);
    let session = library.open("one").unwrap();
    assert_eq!((session.bytes(), session.tokens()), (bytes, tokens));
}

#[test]
fn loading_tells_how_far_it_is_and_can_be_stopped() {
    let file: &'static [u8] = random::bytes(shapes()[0]).leak();
    let told = Arc::new(AtomicU64::new(0));
    let tensors = ramba::gguf::Gguf::parse(file).unwrap().tensors().iter().map(|t| t.bytes as u64).sum::<u64>();
    let watch = {
        let told = Arc::clone(&told);
        OnLoad::new(move |loaded, all| {
            assert_eq!(all, tensors);
            assert!(told.swap(loaded, Ordering::Relaxed) <= loaded);
            ControlFlow::Continue(())
        })
    };
    let engine = Engine::from_bytes(file, &EngineOptions::default().threads(1).on_load(watch)).unwrap();
    assert_eq!(told.load(Ordering::Relaxed), tensors);
    // The same model as from a file.
    let dir = TempDir::new().unwrap();
    let opened = Engine::open(random::write(dir.path(), shapes()[0]), &EngineOptions::default().threads(1)).unwrap();
    let answers = [engine, opened].map(|engine| {
        let mut session = session(&engine, &dir);
        session.feed(&text(500)).unwrap();
        content(&session.answer(QUESTION, &short()).unwrap())
    });
    assert_eq!(answers[0], answers[1]);

    for at in [0, tensors / 2, tensors] {
        let stop =
            OnLoad::new(move |loaded, _| if loaded >= at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        let stopped = Engine::from_bytes(file, &EngineOptions::default().on_load(stop)).unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Cancelled, "{stopped}");
    }
}
