//! What a session promises: the same document gives the same memories and answers however it comes, however many threads
//! read it, and whatever was asked before; answers name their sources; failures are clear and final.

use std::ops::ControlFlow;
use std::path::Path;

use ramba::{
    AskOptions, Decoding, Device, Engine, EngineOptions, ErrorKind, Precision, Session, SessionOptions, StopReason,
};
use tempfile::TempDir;
use test_support::document::{content, text};
use test_support::model::{Fixture, ids};
use test_support::random::{self, Shape, shapes};

const QUESTION: &str = "What is the pass key of QXRT?";

struct World {
    dir: TempDir,
    engine: Engine,
}

fn world(shape: Shape, threads: usize) -> World {
    let dir = TempDir::new().unwrap();
    let path = random::write(dir.path(), shape);
    let engine = Engine::open(path, &EngineOptions::default().threads(threads)).unwrap();
    World { dir, engine }
}

impl World {
    fn session(&self) -> Session {
        self.engine.session(&options(self.dir.path())).unwrap()
    }
}

fn options(dir: &Path) -> SessionOptions {
    SessionOptions::default().budget(1 << 20).directory(dir.to_owned())
}

fn short() -> AskOptions {
    AskOptions::default().max_tokens(12).min_source_weight(0.0)
}

/// The random model writes on and on, if it is let.
fn rambling() -> AskOptions {
    short().decoding(Decoding::Free)
}

#[test]
fn any_split_of_the_text_gives_the_same_answer() {
    for shape in shapes() {
        let world = world(shape, 2);
        let text = text(3000);
        let mut whole = world.session();
        whole.feed(&text).unwrap();
        let expected = content(&whole.answer(QUESTION, &short()).unwrap());
        for piece in [1, 7, 100, 1000] {
            let mut session = world.session();
            for bytes in text.as_bytes().chunks(piece) {
                session.feed_bytes(bytes).unwrap();
            }
            let answer = session.answer(QUESTION, &short()).unwrap();
            assert_eq!(content(&answer), expected, "pieces of {piece} bytes");
            assert_eq!((session.tokens(), session.bytes()), (whole.tokens(), text.len() as u64));
            assert_eq!((session.chunks(), session.disk_bytes() > 0), (whole.chunks(), true));
        }
    }
}

#[test]
fn threads_do_not_change_an_answer() {
    for shape in shapes() {
        let text = text(30_000);
        let answers = [1, 2, 3].map(|threads| {
            let world = world(shape, threads);
            let mut session = world.session();
            session.feed(&text).unwrap();
            content(&session.answer(QUESTION, &short()).unwrap())
        });
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
    }
}

#[test]
fn the_end_of_a_document_is_read_once_before_all_questions() {
    let shape = Shape { segment: 0, overlap: 0, ..Shape::default() };
    let world = world(shape, 2);
    let mut session = world.session();
    session.feed(&text(3000)).unwrap();
    session.prefill().unwrap();
    let chunks = session.tokens() / u64::from(shape.chunk);
    assert!(chunks > 0);
    let answers = [0; 2].map(|_| {
        assert_eq!(session.chunks(), chunks);
        content(&session.answer(QUESTION, &short()).unwrap())
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(session.chunks(), chunks);
}

#[test]
fn questions_leave_no_trace() {
    for shape in shapes() {
        let world = world(shape, 2);
        let text = text(2000);
        let mut quiet = world.session();
        quiet.feed(&text).unwrap();
        let expected = content(&quiet.answer(QUESTION, &short()).unwrap());

        let mut asked = world.session();
        let error = asked.answer(QUESTION, &short()).unwrap_err();
        assert!(
            error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("document is empty"),
            "{error}"
        );
        for piece in text.as_bytes().chunks(333) {
            asked.feed_bytes(piece).unwrap();
            // Some pieces end inside a character, where the text cannot be asked about.
            match asked.answer("And now?", &short()) {
                Ok(_) => {}
                Err(e) => assert_eq!(e.kind(), ErrorKind::Format, "{e}"),
            }
        }
        for _ in 0..2 {
            assert_eq!(content(&asked.answer(QUESTION, &short()).unwrap()), expected);
        }
    }
}

#[test]
fn tokens_and_text_give_the_same_document() {
    for shape in shapes() {
        let world = world(shape, 2);
        let text = text(1500);
        let mut by_text = world.session();
        by_text.feed(&text).unwrap();
        let mut by_tokens = world.session();
        by_tokens.feed_tokens(&world.engine.tokenize(&text).unwrap()).unwrap();
        assert_eq!(by_tokens.bytes(), text.len() as u64);
        let answers = [&mut by_text, &mut by_tokens].map(|s| content(&s.answer(QUESTION, &short()).unwrap()));
        assert_eq!(answers[0], answers[1]);
    }
}

#[test]
fn sources_are_places_of_the_text() {
    let world = world(Shape::default(), 2);
    let text = text(1000);
    let mut session = world.session();
    session.feed(&text).unwrap();
    let answer = session.answer(QUESTION, &short()).unwrap();
    let tokens = session.tokens();
    assert_eq!(session.chunks(), tokens.div_ceil(16), "the unfinished chunk is there too");
    assert!(!answer.sources.is_empty());
    let mut sum = 0.0;
    for (i, source) in answer.sources.iter().enumerate() {
        assert!(source.chunk < session.chunks());
        assert!(source.bytes.start < source.bytes.end && source.bytes.end <= text.len() as u64, "{source:?}");
        assert!(source.weight >= 0.0 && source.weight <= 1.0);
        assert!(i == 0 || answer.sources[i - 1].weight >= source.weight);
        sum += source.weight;
    }
    assert!(sum <= 1.0001, "weights sum to {sum}");

    // The ranges of all chunks tile the text.
    let all = short().max_tokens(64);
    let mut ranges: Vec<_> = (0..40)
        .flat_map(|i| session.answer(&format!("Question {i}?"), &all).unwrap().sources)
        .map(|s| (s.chunk, s.bytes))
        .collect();
    ranges.sort_by_key(|r| r.0);
    ranges.dedup();
    for pair in ranges.windows(2) {
        let adjacent = pair[1].0 == pair[0].0 + 1;
        assert!(pair[0].1.end <= pair[1].1.start && (!adjacent || pair[0].1.end == pair[1].1.start), "{pair:?}");
    }
    let few = short().min_source_weight(0.5);
    assert!(session.answer(QUESTION, &few).unwrap().sources.iter().all(|s| s.weight >= 0.5));
}

#[test]
fn an_answer_can_be_stopped_and_limited() {
    let world = world(Shape::default(), 1);
    let mut session = world.session();
    session.feed(&text(500)).unwrap();
    let full = session.answer(QUESTION, &rambling()).unwrap();
    assert_eq!((full.tokens.len(), full.stop), (12, StopReason::Length), "the random model is expected to ramble");

    let mut seen = Vec::new();
    let mut shown = String::new();
    let stopped = session.ask(QUESTION, &rambling(), &mut |id, piece| {
        seen.push(id);
        shown.push_str(piece);
        if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let stopped = stopped.unwrap();
    assert_eq!((stopped.stop, &stopped.tokens[..]), (StopReason::Callback, &full.tokens[..3]));
    assert_eq!(seen, stopped.tokens);
    assert!(stopped.text.starts_with(&shown));
    assert_eq!(session.answer(QUESTION, &rambling()).unwrap().tokens, full.tokens);

    // Question and answer share a segment of 64 tokens.
    let limit = rambling().max_tokens(1000);
    let long_one = session.answer(QUESTION, &limit).unwrap();
    let question = world.engine.tokenize(QUESTION).unwrap().len() + 2;
    assert!(long_one.tokens.len() <= 64 - question);
    let long = "why ".repeat(40);
    assert_eq!(session.answer(&long, &limit).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(session.answer("", &limit).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(session.answer(QUESTION, &rambling()).unwrap().tokens, full.tokens);
}

#[test]
fn what_is_generated_becomes_part_of_the_document() {
    for shape in shapes() {
        let world = world(shape, 2);
        let text = text(700);
        let options = short().max_tokens(100);
        let mut session = world.session();
        session.feed(&text).unwrap();
        let written = session.generate("Once upon", &options, &mut |_, _| ControlFlow::Continue(())).unwrap();
        assert!(!written.tokens.is_empty());
        let after = content(&session.answer(QUESTION, &short()).unwrap());

        let mut fed = world.session();
        fed.feed(&text).unwrap();
        fed.feed("Once upon").unwrap();
        fed.feed_tokens(&written.tokens).unwrap();
        assert_eq!((fed.tokens(), fed.bytes()), (session.tokens(), session.bytes()));
        assert_eq!(content(&fed.answer(QUESTION, &short()).unwrap()), after);

        // Writing in two steps is writing in one, if the first one stops where a token would follow.
        let mut stepwise = world.session();
        stepwise.feed(&text).unwrap();
        let half = options.clone().max_tokens(50);
        let first = stepwise.generate("Once upon", &half, &mut |_, _| ControlFlow::Continue(())).unwrap();
        assert_eq!(first.tokens, written.tokens[..first.tokens.len()]);
    }
    let world = world(Shape::default(), 1);
    let nothing = world.session().generate("", &short(), &mut |_, _| ControlFlow::Continue(()));
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn sampling_is_repeatable() {
    let world = world(Shape::default(), 1);
    let mut session = world.session();
    session.feed(&text(500)).unwrap();
    // All tokens are candidates, or so few that the device chooses them, or more of them.
    for top_k in [0, 20, 80] {
        let mut options = rambling();
        options.sampling.temperature = 1.0;
        options.sampling.top_k = top_k;
        let mut draw = |seed| {
            options.sampling.seed = seed;
            session.answer(QUESTION, &options).unwrap().tokens
        };
        let (one, two) = (draw(1), draw(2));
        assert_eq!(draw(1), one);
        assert_ne!(one, two);
    }
    // One candidate is the most probable token.
    let mut options = rambling();
    let greedy = session.answer(QUESTION, &options).unwrap().tokens;
    options.sampling.temperature = 1.0;
    options.sampling.top_k = 1;
    assert_eq!(session.answer(QUESTION, &options).unwrap().tokens, greedy);
}

#[test]
fn reading_reports_progress_and_can_be_stopped() {
    for shape in shapes() {
        let world = world(shape, 2);
        let text = text(60_000);
        let mut expected = world.session();
        expected.feed(&text).unwrap();
        let expected = content(&expected.answer(QUESTION, &short()).unwrap());

        let mut session = world.session();
        let mut calls = 0;
        session.on_progress(Some(Box::new(move |p| {
            assert!(p.tokens > 0 && p.chunks > 0 && p.bytes > 0);
            calls += 1;
            if calls == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })));
        let stopped = session.feed(&text).and_then(|()| session.prefill()).unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Cancelled);
        // Going on from where it stopped gives the same document.
        let taken = session.bytes() as usize;
        session.on_progress(None);
        session.feed_bytes(&text.as_bytes()[taken..]).unwrap();
        assert_eq!(content(&session.answer(QUESTION, &short()).unwrap()), expected);
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_at_its_place() {
    let world = world(Shape::default(), 1);
    let mut session = world.session();
    session.feed_bytes(b"fine \xe6\x97").unwrap();
    let inside = session.answer(QUESTION, &short()).unwrap_err();
    assert_eq!(inside.kind(), ErrorKind::Format, "the text ends inside a character");
    session
        .feed_bytes(b"\xa5 and then \xff")
        .map_err(|e| assert!(e.to_string().contains("byte 18"), "{e}"))
        .unwrap_err();

    let mut good = world.session();
    good.feed("fine 日 and then ").unwrap();
    let answers = [&mut session, &mut good].map(|s| content(&s.answer(QUESTION, &short()).unwrap()));
    assert_eq!(answers[0], answers[1], "what came before has been taken");
}

#[test]
fn tokens_are_checked() {
    let world = world(Shape::default(), 1);
    let mut session = world.session();
    assert_eq!(session.feed_tokens(&[1, 2, 260]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(session.tokens(), 0);
    session.feed_tokens(&[1, 2, 3]).unwrap();
    assert_eq!(session.tokens(), 3);
}

#[test]
fn a_budget_or_directory_that_will_not_do_is_refused() {
    let world = world(Shape::default(), 1);
    let small = options(world.dir.path()).budget(1000);
    let error = world.engine.session(&small).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Capacity, "{error}");
    let file = world.dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(world.engine.session(&options(&file)).unwrap_err().kind(), ErrorKind::Io);
}

/// Where the device has room for all chunks, it chooses what to read; where it has not, the host does.
#[test]
fn room_for_chunks_does_not_change_an_answer() {
    #[cfg(not(feature = "cuda"))]
    let devices = [Device::Cpu];
    #[cfg(feature = "cuda")]
    let devices = match ramba::cuda::Cuda::new(0) {
        Ok(_) => vec![Device::Cpu, Device::Cuda(0)],
        Err(e) => {
            test_support::require::no_cuda_device(e);
            vec![Device::Cpu]
        }
    };
    let dir = TempDir::new().unwrap();
    for (device, shape) in devices.iter().flat_map(|&device| shapes().map(|shape| (device, shape))) {
        let path = random::write(dir.path(), shape);
        let engine = Engine::open(path, &EngineOptions::default().device(device).threads(2)).unwrap();
        let ample = options(dir.path());
        let mut scarce = ample.clone().budget(1 << 12).device_budget(0);
        while engine.session(&scarce).is_err() {
            scarce.budget += 1 << 10;
        }
        let mut session = engine.session(&scarce).unwrap();
        session.feed(&text(600)).unwrap();
        if let Err(e) = session.answer(QUESTION, &short()) {
            // The least that a device needs.
            scarce.device_budget = e.to_string().rsplit(' ').next().unwrap().parse().unwrap();
        }
        // Answers, also while the document grows and is cut off, as it is after every question and every writing.
        let life = |options: &SessionOptions| {
            let mut session = engine.session(options).unwrap();
            let mut answers = Vec::new();
            for part in text(6000).as_bytes().chunks(1500) {
                session.feed_bytes(part).unwrap();
                if session.prefill().is_err() {
                    // It ends inside a character.
                    continue;
                }
                answers.push(session.answer(QUESTION, &short()).unwrap());
                answers.push(session.answer("And now?", &short()).unwrap());
                let limit = short().max_tokens(40);
                answers.push(session.generate(" ", &limit, &mut |_, _| ControlFlow::Continue(())).unwrap());
            }
            answers
        };
        let answers = [&ample, &scarce].map(life);
        assert!(!answers[0].is_empty());
        for (a, b) in answers[0].iter().zip(&answers[1]) {
            assert_eq!((&a.tokens, a.stop), (&b.tokens, b.stop), "{device}");
            // Weights may differ by rounding on a device, and with them the order.
            let sources = [a, b].map(|answer| {
                let mut sources = answer.sources.clone();
                sources.sort_by_key(|s| s.chunk);
                sources
            });
            let near = if device == Device::Cpu { 0.0 } else { 1e-3 };
            assert_eq!(sources[0].len(), sources[1].len(), "{device}");
            for (a, b) in sources[0].iter().zip(&sources[1]) {
                assert!(a.chunk == b.chunk && a.bytes == b.bytes && (a.weight - b.weight).abs() <= near, "{a:?} {b:?}");
            }
        }
    }
}

#[test]
fn sessions_of_one_engine_are_independent() {
    let world = world(Shape::default(), 2);
    let (a, b) = (text(4000), text(4000).to_uppercase());
    let alone = [&a, &b].map(|text| {
        let mut session = world.session();
        session.feed(text).unwrap();
        content(&session.answer(QUESTION, &short()).unwrap())
    });
    assert_ne!(alone[0], alone[1]);
    let together = std::thread::scope(|scope| {
        [&a, &b]
            .map(|text| {
                scope.spawn(|| {
                    let mut session = world.session();
                    session.feed(text).unwrap();
                    content(&session.answer(QUESTION, &short()).unwrap())
                })
            })
            .map(|handle| handle.join().unwrap())
    });
    assert_eq!(together, alone);
}

/// What the PyTorch reference writes and answers, given the same tokens.
#[test]
fn the_reference_agrees() {
    let dir = TempDir::new().unwrap();
    let options = options(dir.path()).precision(Precision::F32);
    let mut tell = |_: u32, _: &str| ControlFlow::Continue(());
    for fixture in Fixture::all() {
        let path = dir.path().join("fixture.gguf");
        std::fs::write(&path, fixture.bytes()).unwrap();
        let engine = Engine::open(&path, &EngineOptions::default()).unwrap();
        let tokens = fixture.tokens();

        let expected = ids(&fixture.json["greedy"]["tokens"]);
        let mut session = engine.session(&options).unwrap();
        session.feed_tokens(&tokens).unwrap();
        let limit = AskOptions::default().max_tokens(expected.len());
        assert_eq!(session.generate("", &limit, &mut tell).unwrap().tokens, expected, "{}: written on", fixture.name);
        assert_eq!(session.tokens(), (tokens.len() + expected.len()) as u64);

        let ask = &fixture.json["ask"];
        if !ask.is_null() {
            let mut session = engine.session(&options).unwrap();
            session.feed_tokens(&tokens[..ask["document"].as_u64().unwrap() as usize]).unwrap();
            let expected = ids(&ask["answer"]);
            let limit = AskOptions::default().max_tokens(expected.len());
            let answer = session.ask_tokens(&ids(&ask["question"]), &limit, &mut tell).unwrap();
            assert_eq!(answer.tokens, expected, "{}: answer", fixture.name);
        }
    }
}
