//! What a question finds is read again with the question in sight, by models that were trained for it: the answer is the one that the
//! windows get when they are a document of their own.

use std::collections::{BTreeMap, BTreeSet};

use ramba::{Answer, AskOptions, Decoding, Engine, EngineOptions, ErrorKind, Result, Session, SessionOptions, Support};
use test_support::gguf::File;
use test_support::random::{ANSWER, EOS, PAD, QUESTION, Shape, file};

/// Tokens of a chunk, and windows: as many as a segment has chunks.
const SIZE: usize = 16;
const WINDOWS: u32 = 4;

fn shape() -> Shape {
    Shape { chunk: SIZE as u32, ..Shape::default() }
}

fn rereading(chunks: u32) -> File {
    file(shape()).u32("ramba.rereading.chunks", chunks).u32("ramba.rereading.windows", WINDOWS)
}

fn try_open(file: File, options: &EngineOptions) -> Result<Engine> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    std::fs::write(&path, file.build()).unwrap();
    // The file stays mapped when its name is gone.
    Engine::open(path, options)
}

fn open(file: File) -> Engine {
    try_open(file, &EngineOptions::default().threads(2)).unwrap()
}

fn session(engine: &Engine) -> Session {
    engine.session(&SessionOptions::default().budget(1 << 20)).unwrap()
}

/// Every byte is a token: the only merge of the tokenizer does not occur.
fn document() -> String {
    (0..400u32).map(|i| if i % 5 == 4 { ' ' } else { char::from(b'a' + ((i * i + i / 7) % 17) as u8) }).collect()
}

fn free(max_tokens: usize) -> AskOptions {
    AskOptions::default().decoding(Decoding::Free).max_tokens(max_tokens).min_source_weight(0.0)
}

fn ask(session: &mut Session, question: &str, options: &AskOptions) -> Answer {
    session.answer(question, options).unwrap()
}

/// With however little of the device's own memory a session is given: that of the windows is apart.
#[test]
#[cfg(feature = "cuda")]
fn a_device_reads_again_what_the_cpu_does() {
    let engine = match try_open(rereading(3), &EngineOptions::default().device(ramba::Device::Cuda(0))) {
        Ok(engine) => engine,
        Err(e) => return test_support::require::no_cuda_device(e),
    };
    let (mut on_cpu, mut on_device) = (session(&open(rereading(3))), session(&engine));
    let text = document();
    on_cpu.feed(&text).unwrap();
    on_device.feed(&text).unwrap();
    for question in ["b?", "q and c?", "where?"] {
        let (wanted, answer) = (ask(&mut on_cpu, question, &free(24)), ask(&mut on_device, question, &free(24)));
        assert_eq!(answer.tokens, wanted.tokens, "{question}");
        assert!((answer.probability - wanted.probability).abs() < 1e-3, "{question}");
    }
}

/// Chunks best first: by the logarithms of the weights that the model `found` them with, the least one of these for others, and by
/// `weight` times the rarity of the words that they share with the question, and half of it for those of their neighbours.
fn ranked(text: &str, question: &str, found: &[(u64, f32)], weight: f32) -> Vec<u64> {
    let words: Vec<(usize, String)> = text
        .split_inclusive(' ')
        .scan(0, |at, word| Some((std::mem::replace(at, *at + word.len()), word.trim_end().to_lowercase())))
        .collect();
    let asked: BTreeSet<String> =
        question.to_lowercase().split(|c: char| !c.is_alphanumeric()).map(str::to_string).collect();
    let stretches = text.len().div_ceil(256);
    let worth = |word: &str| {
        let held = (0..stretches).filter(|s| words.iter().any(|(at, w)| w == word && at / 256 == *s)).count() as f32;
        (1.0 + (stretches as f32 - held + 0.5) / (held + 0.5)).ln()
    };
    let holds = |chunk: usize| -> BTreeSet<&str> {
        let inside = |at: usize, word: &str| at < (chunk + 1) * SIZE && at + word.len() > chunk * SIZE;
        words.iter().filter(|(at, w)| asked.contains(w) && inside(*at, w)).map(|(_, w)| w.as_str()).collect()
    };
    let least = found.iter().map(|f| f.1).fold(f32::INFINITY, f32::min);
    let mut scored: Vec<(u64, f32)> = (0..text.len().div_ceil(SIZE))
        .map(|chunk| {
            let here = holds(chunk);
            let near: BTreeSet<&str> =
                chunk.checked_sub(1).map(holds).into_iter().chain([holds(chunk + 1)]).flatten().collect();
            let shared = here.iter().map(|w| worth(w)).sum::<f32>()
                + near.difference(&here).map(|w| worth(w)).sum::<f32>() / 2.0;
            let own = found.iter().find(|f| f.0 == chunk as u64).map_or(least, |f| f.1);
            (chunk as u64, own.ln() + weight * shared)
        })
        .collect();
    if !words.iter().any(|(_, w)| asked.contains(w)) {
        scored.retain(|(chunk, _)| found.iter().any(|f| f.0 == *chunk));
    }
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored.into_iter().map(|(chunk, _)| chunk).collect()
}

#[test]
fn the_answer_is_that_of_the_windows_as_a_document() {
    let (text, plain) = (document(), open(file(shape())));
    let word = |at: usize| format!("{}?", text[at..].split(' ').nth(1).unwrap());
    let lexical =
        [(word(97), 2, 0.4), (word(211).to_uppercase(), 2, 0.4), (word(342), 2, 9.0), ("b?".to_string(), 3, 0.4)];
    let questions =
        [("b?", 3), ("what is in it?", 0), ("q and c?", 1), ("where?", 2)].map(|(q, n)| (q.to_string(), n, 0.0));
    for (question, shown, weight) in questions.into_iter().chain(lexical) {
        let question = question.as_str();
        let prompt: Vec<u32> = [&[QUESTION][..], &plain.tokenize(question).unwrap(), &[ANSWER]].concat();
        let head = [&prompt[..prompt.len() - 1], &[EOS]].concat();
        // What the first look finds, best first: what the last token of the question reads.
        let mut first = session(&plain);
        first.feed(&text).unwrap();
        let sources = ask(&mut first, question, &free(1)).sources;
        let mut found: Vec<u64> = sources.iter().map(|s| s.chunk).collect();
        assert_eq!(found.len(), 3);
        if weight > 0.0 {
            let weights: Vec<(u64, f32)> = sources.iter().map(|s| (s.chunk, s.weight)).collect();
            found = ranked(&text, question, &weights, weight);
            found.truncate(3);
        }
        let room = SIZE.saturating_sub(head.len());
        assert_eq!((WINDOWS as usize * room / SIZE).min(3), shown, "{question}");
        found.truncate(shown);
        found.sort_unstable();
        let kept: Vec<u8> = found.iter().flat_map(|&c| text.bytes().skip(c as usize * SIZE).take(SIZE)).collect();

        let mut again = session(&open(rereading(3).f32("ramba.rereading.lexical_weight", weight)));
        again.feed(&text).unwrap();
        let answer = ask(&mut again, question, &free(24));
        if shown == 0 {
            assert_eq!(answer.tokens, ask(&mut first, question, &free(24)).tokens, "asked of the document itself");
            continue;
        }
        let windows: Vec<u32> = (0..WINDOWS as usize)
            .flat_map(|w| {
                let mut window = head.clone();
                window.extend(kept.iter().skip(w * room).take(room).map(|&byte| u32::from(byte)));
                window.resize(SIZE, PAD);
                window
            })
            .collect();
        // In the tokenizer the bytes that can be printed stand for themselves.
        let byte = |b: u8| plain.tokenize(&char::from(b).to_string()).unwrap()[0];
        let windows: Vec<u32> = windows.into_iter().map(|id| u8::try_from(id).map_or(id, byte)).collect();
        let mut document = session(&plain);
        document.feed_tokens(&windows).unwrap();
        let wanted = document.ask_tokens(&prompt, &free(24), &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
        assert_eq!(answer.tokens, wanted.tokens, "{question}");
        assert_eq!(answer.probability, wanted.probability);

        // Sources are chunks of the document: each has its share of the weight of the windows that show it.
        let mut shares = BTreeMap::<u64, f32>::new();
        for source in &wanted.sources {
            let first = source.chunk as usize * room;
            let inside = kept.len().saturating_sub(first).min(room);
            for at in first..first + inside {
                *shares.entry(found[at / SIZE]).or_default() += source.weight / inside as f32;
            }
        }
        assert_eq!(answer.sources.len(), shares.len());
        for source in &answer.sources {
            let wanted = shares[&source.chunk];
            assert!((source.weight - wanted).abs() < 1e-4, "{}: {} and {wanted}", source.chunk, source.weight);
            assert_eq!(source.text, text[source.chunk as usize * SIZE..][..SIZE]);
        }
    }
}

/// Wherever they stand in however many documents.
#[test]
fn chunks_that_share_rare_words_are_read_again() {
    let engine = open(rereading(1).f32("ramba.rereading.lexical_weight", 50.0));
    let dir = tempfile::tempdir().unwrap();
    let library = engine.library(dir.path().join("library"), &SessionOptions::default().budget(1 << 20)).unwrap();
    for name in ["a", "b", "c"] {
        let mut text = document().repeat(60);
        if name == "b" {
            text.insert_str(20_000, "zebra ");
        }
        let mut session = library.add(name).unwrap();
        session.feed(&text).unwrap();
        session.commit().unwrap();
    }
    let mut all = library.open_many(&["a", "b", "c"]).unwrap();
    let answer = ask(&mut all, "Zebra?", &free(4));
    assert_eq!(answer.sources.len(), 1);
    let source = &answer.sources[0];
    assert_eq!(source.document.as_deref(), Some("b"));
    assert!(source.text.contains("zebra"), "{source:?}");
    drop((all, library));

    // The landmark in the middle of the document, with which the search for a place in it begins.
    let path = dir.path().join("library/0000000000000002/landmarks");
    let mut bytes = std::fs::read(&path).unwrap();
    let stride = u32::from_le_bytes(bytes[56..60].try_into().unwrap()) as usize;
    let middle = (60 * document().len() + 6).div_ceil(SIZE) / 2;
    bytes[4096 + middle * stride + 40] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    for skip in [false, true] {
        let options = SessionOptions::default().budget(1 << 20).skip_damaged(skip);
        let library = engine.read_library(dir.path().join("library"), &options).unwrap();
        let answer = library.open_many(&["a", "b", "c"]).unwrap().answer("Zebra?", &free(4));
        match answer {
            Ok(answer) => assert!(skip && answer.sources.len() == 1),
            Err(e) => assert!(!skip && e.kind() == ErrorKind::Format, "{e}"),
        }
    }
}

/// A chunk may end inside of what answers a question: the rest of its sentence is in the chunk beside it.
#[test]
fn sentences_that_a_chunk_cuts_are_read_to_their_ends() {
    let engine = open(rereading(1).f32("ramba.rereading.lexical_weight", 50.0));
    for (told, read) in [
        ("Zebra is at numb|er 48213. Others", &[10, 11][..]),
        ("Zebra is at 482.| Others are not", &[10]),
        ("It is 48213 or a| zebra. It is so", &[10, 11]),
    ] {
        let mut session = session(&engine);
        session.feed(&format!("{}. {}{}", &document()[..10 * SIZE - 2], told.replace('|', ""), document())).unwrap();
        let mut chunks: Vec<u64> = ask(&mut session, "Zebra?", &free(4)).sources.iter().map(|s| s.chunk).collect();
        chunks.sort_unstable();
        assert_eq!(chunks, read, "{told}");
    }
}

#[test]
fn a_copied_answer_is_quoted_from_the_document_and_none_is_none() {
    let text = document();
    let limit = |value: f32| open(rereading(3).f32("ramba.ask.no_answer_probability", value));
    let session_with = |engine: &Engine| {
        let mut session = session(engine);
        session.feed(&text).unwrap();
        session
    };
    let mut never = session_with(&limit(1.0));
    for question in ["b?", "f g?"] {
        let answer = ask(&mut never, question, &AskOptions::default());
        let Support::Quoted(places) = &answer.support else { panic!("{:?}", answer.support) };
        let quoted: Vec<&str> =
            places.iter().map(|place| &text[place.bytes.start as usize..place.bytes.end as usize]).collect();
        // White space counts as one space.
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(quoted.join(","), answer.text.split(',').map(words).collect::<Vec<_>>().join(","));
    }
    let answer = ask(&mut session_with(&limit(0.0)), "b?", &AskOptions::default());
    assert_eq!((answer.text.as_str(), answer.support), ("", Support::None));
}

#[test]
fn questions_may_begin_with_a_space() {
    let engine = open(file(shape()).bool("ramba.ask.leading_space", true));
    let (mut spaced, mut plain) = (session(&engine), session(&open(file(shape()))));
    spaced.feed(&document()).unwrap();
    plain.feed(&document()).unwrap();
    let prompt = [&[QUESTION][..], &engine.tokenize(" why?").unwrap(), &[ANSWER]].concat();
    let wanted = plain.ask_tokens(&prompt, &free(16), &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!(ask(&mut spaced, "why?", &free(16)).tokens, wanted.tokens);
    assert_ne!(ask(&mut plain, "why?", &free(16)).probability, wanted.probability);
}

#[test]
fn what_cannot_be_read_again_is_refused() {
    let refused = |file: File, part: &str| {
        let error = try_open(file, &EngineOptions::default()).unwrap_err();
        assert!(error.kind() != ErrorKind::Io && error.to_string().contains(part), "{part}: {error}");
    };
    let key = |chunks: u32, windows: u32| {
        file(shape()).u32("ramba.rereading.chunks", chunks).u32("ramba.rereading.windows", windows)
    };
    refused(key(4, 4), "ramba.rereading.chunks is 4, but a token reads 3");
    refused(key(3, 5), "ramba.rereading.windows is 5, but a segment has 4 chunks");
    refused(key(3, 0), "go together");
    refused(key(0, 2), "go together");
    for odd in [-0.1, f32::INFINITY, f32::NAN] {
        refused(key(3, 4).f32("ramba.rereading.lexical_weight", odd), "ramba.rereading.lexical_weight");
    }
    refused(key(0, 0).f32("ramba.rereading.lexical_weight", 0.4), "ramba.rereading.lexical_weight");
    for odd in [-0.1, 1.5, f32::NAN] {
        refused(file(shape()).f32("ramba.ask.no_answer_probability", odd), "ramba.ask.no_answer_probability");
    }
    let endless = Shape { segment: 0, overlap: 0, ..shape() };
    refused(
        file(endless).u32("ramba.rereading.chunks", 1).u32("ramba.rereading.windows", 1),
        "ramba.rereading.chunks needs chunks",
    );
    let mut no_question = key(3, 4);
    no_question.entries.retain(|entry| !entry[8..].starts_with(b"ramba.ask"));
    refused(no_question, "ramba.ask.question_token_id");
}
