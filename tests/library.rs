//! What a library promises: what is committed is there in the next process, bit for bit, without a token being read again;
//! documents come and go by name; nobody writes where another does, and no other model reads.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use ramba::{AskOptions, Engine, EngineOptions, ErrorKind, Library, Mark, Precision, Session, SessionOptions, Support};
use tempfile::TempDir;
use test_support::document::{content, text, unnamed};
use test_support::random::{self, Shape, shapes};

const QUESTION: &str = "What is the pass key of QXRT?";

struct World {
    dir: TempDir,
    engine: Engine,
}

fn world(shape: Shape) -> World {
    let dir = TempDir::new().unwrap();
    let path = random::write(dir.path(), shape);
    let engine = Engine::open(path, &EngineOptions::default().threads(2)).unwrap();
    World { dir, engine }
}

fn options() -> SessionOptions {
    SessionOptions::default().budget(1 << 20)
}

impl World {
    fn library(&self) -> Library {
        self.engine.library(self.path(), &options()).unwrap()
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("library")
    }

    fn temporary(&self) -> Session {
        self.engine.session(&options()).unwrap()
    }
}

fn ask(session: &mut Session) -> String {
    let options = AskOptions::default().max_tokens(8).min_source_weight(0.0);
    content(&unnamed(session.answer(QUESTION, &options).unwrap()))
}

/// At the boundaries of chunks, segments and steps, and one token before and after each.
#[test]
fn a_document_goes_on_as_if_it_had_never_been_closed() {
    for shape in shapes() {
        let world = world(shape);
        let tokens: Vec<u32> = (0..700).map(|i| i * 7919 % 250).collect();
        let step = if shape.segment == 0 { 256 } else { shape.segment };
        let cuts =
            [1, shape.chunk, 3 * shape.chunk, step, 2 * step].map(|at| [at as usize - 1, at as usize, at as usize + 1]);
        for (i, &cut) in cuts.as_flattened().iter().enumerate() {
            let mut whole = world.temporary();
            let name = format!("document {i}");
            let mut session = world.library().add(&name).unwrap();
            for s in [&mut whole, &mut session] {
                s.feed_tokens(&tokens[..cut]).unwrap();
            }
            session.commit().unwrap();
            drop(session);

            let mut session = world.library().open(&name).unwrap();
            assert_eq!((session.tokens(), session.bytes()), (cut as u64, whole.bytes()));
            if cut > 0 {
                assert_eq!(ask(&mut session), ask(&mut whole), "{cut} tokens");
            }
            assert_eq!(session.tokens_computed(), 0, "{cut} tokens");
            for s in [&mut whole, &mut session] {
                s.feed_tokens(&tokens[cut..]).unwrap();
            }
            assert_eq!(ask(&mut session), ask(&mut whole), "the rest after {cut} tokens");
            // What is read again is the end that was read before it was known what follows.
            let again = session.tokens_computed() + cut as u64;
            assert!(again <= whole.tokens_computed() + 2 * step as u64, "{again} {}", whole.tokens_computed());
        }
    }
}

#[test]
fn text_is_committed_wherever_it_is_cut() {
    for shape in shapes() {
        let world = world(shape);
        let text = text(900);
        let mut whole = world.temporary();
        whole.feed(&text).unwrap();
        let expected = ask(&mut whole);
        drop(world.library().add("text").unwrap());
        let mut session = world.library().add("text").unwrap();
        // Also inside of characters, and without anything new.
        for piece in text.as_bytes().chunks(97) {
            session.feed_bytes(piece).unwrap();
            session.commit().unwrap();
            session.commit().unwrap();
            let bytes = session.bytes();
            drop(session);
            session = world.library().open("text").unwrap();
            assert_eq!(session.bytes(), bytes);
        }
        assert_eq!(ask(&mut session), expected);
        assert_eq!(session.text(0..text.len() as u64).unwrap(), text);
        // What was written on is there as well.
        let options = AskOptions::default().max_tokens(30);
        let mut go = |_: u32, _: &str| ControlFlow::Continue(());
        let written = [&mut whole, &mut session].map(|s| s.generate("And", &options, &mut go).unwrap().tokens);
        assert_eq!(written[0], written[1]);
        session.commit().unwrap();
        drop(session);
        assert_eq!(ask(&mut world.library().open("text").unwrap()), ask(&mut whole));
    }
}

#[test]
fn what_was_not_committed_is_absent() {
    for shape in shapes() {
        let world = world(shape);
        let text = text(3000);
        let mut session = world.library().add("a").unwrap();
        session.feed(&text[..1000]).unwrap();
        session.commit().unwrap();
        let expected = ask(&mut session);
        session.feed(&text[1000..]).unwrap();
        session.prefill().unwrap();
        drop(session);
        let mut session = world.library().open("a").unwrap();
        assert_eq!((session.bytes(), ask(&mut session)), (1000, expected));
        drop(session);
        let mut never = world.library().add("b").unwrap();
        never.feed(&text).unwrap();
        drop(never);
        assert_eq!(world.library().documents(), ["a"]);
        assert_eq!(folders(&world.path()).len(), 1, "nothing is left of it");
    }
}

/// The folders of documents.
fn folders(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries.filter(|e| e.path().is_dir()).map(|e| e.file_name().into_string().unwrap()).collect()
}

#[test]
fn documents_come_and_go_by_name() {
    let world = world(Shape::default());
    let library = world.library();
    assert!(library.documents().is_empty());
    for name in ["b", "a", "ü/../🙂"] {
        let mut session = library.add(name).unwrap();
        session.feed(&format!("This is {name}. ")).unwrap();
        session.commit().unwrap();
    }
    assert_eq!(library.documents(), ["b", "a", "ü/../🙂"]);
    for error in
        [library.add("a"), library.add(""), library.add("a\nb"), library.open("c"), library.add(&"x".repeat(2000))]
    {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    // The old one stays until the new one is committed.
    let mut new = library.replace("a").unwrap();
    assert_eq!(library.open("a").unwrap().text(0..9).unwrap(), "This is a");
    new.feed("Another one.").unwrap();
    new.commit().unwrap();
    drop(new);
    assert_eq!(library.open("a").unwrap().text(0..7).unwrap(), "Another");
    assert_eq!((library.documents().len(), folders(&world.path()).len()), (3, 3));

    library.remove("b").unwrap();
    assert_eq!(library.remove("b").unwrap_err().kind(), ErrorKind::InvalidArgument);
    drop(library);
    let library = world.library();
    assert_eq!(library.documents(), ["a", "ü/../🙂"]);
    assert_eq!(folders(&world.path()).len(), 2, "its room is given back");
}

/// The bytes of a document's original; none if it has none.
fn original(library: &Library, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut original) = library.original(name).unwrap() {
        assert_eq!(Some(original.len()), library.info(name).unwrap().original);
        original.read_to_end(&mut bytes).unwrap();
        assert_eq!(original.len(), bytes.len() as u64);
    }
    bytes
}

#[test]
fn a_file_is_kept_beside_its_text() {
    let world = world(Shape::default());
    let library = world.library();
    let file: Vec<u8> = (0..200_000_u32).map(|i| (i * 31 + i / 251) as u8).collect();
    let mut session = library.add("a").unwrap();
    session.keep_original(&file).unwrap();
    session.feed(&text(300)).unwrap();
    session.commit().unwrap();
    let late = session.keep_original(&file).unwrap_err();
    assert!(late.kind() == ErrorKind::InvalidArgument && late.to_string().contains("first commit"), "{late}");
    drop(session);
    let mut session = library.add("b").unwrap();
    session.feed(&text(20)).unwrap();
    session.commit().unwrap();
    drop(session);
    assert!(original(&library, "a") == file && original(&library, "b").is_empty());
    assert_eq!(library.info("b").unwrap().original, None);

    // It goes on with the document, and where that is merged.
    let mut session = library.open("a").unwrap();
    session.feed(" And more.").unwrap();
    session.commit().unwrap();
    drop(session);
    assert!(original(&library, "a") == file);
    let other = world.dir.path().join("other");
    let merged = world.engine.library(&other, &options()).unwrap();
    merged.merge(&[world.path()]).unwrap();
    assert!(original(&merged, "a") == file && original(&merged, "b").is_empty());

    // Until it is given up.
    let mut session = library.open("a").unwrap();
    session.forget_original().unwrap();
    assert!(original(&library, "a") == file, "not before the commit");
    session.commit().unwrap();
    assert!(session.original().unwrap().is_none());
    drop(session);
    assert!(original(&library, "a").is_empty());
    assert!(original(&merged, "a") == file);

    // What has changed is not given out.
    assert_eq!(merged.verify().unwrap(), []);
    let path = other.join("0000000000000001/original");
    for damage in 0..3 {
        let mut bytes = file.clone();
        match damage {
            0 => bytes[150_000] ^= 1,
            1 => bytes.truncate(100_000),
            _ => bytes.clear(),
        }
        std::fs::write(&path, bytes).unwrap();
        let error = merged.original("a").err().unwrap();
        assert!(error.kind() == ErrorKind::Format && error.to_string().contains("has changed since"), "{error}");
        assert_eq!(merged.verify().unwrap().len(), 1);
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(merged.original("a").err().unwrap().kind(), ErrorKind::Io);
    let temporary = world.temporary().keep_original(&file).unwrap_err();
    assert_eq!(temporary.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn one_writes_and_others_read() {
    let world = world(Shape::default());
    assert_eq!(world.engine.read_library(world.path(), &options()).unwrap_err().kind(), ErrorKind::Io, "there is none");
    let library = world.library();
    let mut session = library.add("a").unwrap();
    session.feed(&text(1000)).unwrap();
    session.commit().unwrap();
    let expected = ask(&mut session);
    let busy = |result: ramba::Result<Session>| assert_eq!(result.unwrap_err().kind(), ErrorKind::Busy);
    busy(library.open("a"));
    assert_eq!(library.remove("a").unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(world.engine.library(world.path(), &options()).unwrap_err().kind(), ErrorKind::Busy);

    // A reader sees what was committed when it opened the document, and keeps seeing it.
    let readers = world.engine.read_library(world.path(), &options()).unwrap();
    let mut reader = readers.open("a").unwrap();
    session.feed(&text(3000)).unwrap();
    session.commit().unwrap();
    assert_eq!(ask(&mut reader), expected);
    for error in [reader.feed("more"), reader.commit(), readers.remove("a"), readers.add("b").map(drop)] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    assert_ne!(ask(&mut readers.open("a").unwrap()), expected);
    // The right to write ends with the last that has it.
    drop(library);
    assert_eq!(world.engine.library(world.path(), &options()).unwrap_err().kind(), ErrorKind::Busy);
    drop(session);
    world.library();
}

#[test]
fn no_other_model_tokenizer_or_precision_opens_it() {
    let world = world(Shape::default());
    drop(world.library());
    let refused = |engine: &Engine, options: &SessionOptions, what: &str| {
        let error = engine.library(world.path(), options).unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidArgument && error.to_string().contains(what), "{error}");
    };
    refused(&world.engine, &options().precision(Precision::Int8), "precision F16, not Int8");
    let other = TempDir::new().unwrap();
    let path = random::write(other.path(), Shape { overlap: 0, ..Shape::default() });
    refused(&Engine::open(path, &EngineOptions::default()).unwrap(), &options(), "another model");
    world.library();
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_look() {
    use std::os::unix::fs::PermissionsExt;

    fn check(path: &Path) {
        let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{path:?}");
        if path.is_dir() {
            std::fs::read_dir(path).unwrap().for_each(|entry| check(&entry.unwrap().path()));
        }
    }
    let world = world(Shape::default());
    let mut session = world.library().add("a").unwrap();
    session.feed("Some text.").unwrap();
    session.commit().unwrap();
    check(&world.path());
}

#[test]
fn a_stopped_reading_can_be_committed() {
    for shape in shapes() {
        let world = world(shape);
        let text = text(60_000);
        let mut whole = world.temporary();
        whole.feed(&text).unwrap();
        let mut session = world.library().add("a").unwrap();
        let mut calls = 0;
        session.on_progress(Some(Box::new(move |_| {
            calls += 1;
            if calls >= 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })));
        assert_eq!(session.feed(&text).unwrap_err().kind(), ErrorKind::Cancelled);
        session.commit().unwrap();
        let (bytes, tokens) = (session.bytes(), session.tokens_computed());
        drop(session);
        let mut session = world.library().open("a").unwrap();
        assert_eq!(session.bytes(), bytes);
        session.feed_bytes(&text.as_bytes()[bytes as usize..]).unwrap();
        assert_eq!(ask(&mut session), ask(&mut whole));
        assert!(tokens > 0 && session.tokens_computed() < whole.tokens_computed());
    }
}

#[test]
fn a_temporary_session_has_nothing_to_commit_to() {
    let world = world(Shape::default());
    assert_eq!(world.temporary().commit().unwrap_err().kind(), ErrorKind::InvalidArgument);
}

/// One byte of any file of a document is another one.
#[test]
fn damage_is_found_and_belongs_to_a_document() {
    let world = world(Shape::default());
    for name in ["good", "bad"] {
        let mut session = world.library().add(name).unwrap();
        let marks: Vec<Mark> = (0..400).map(|i| Mark::new(15 * i).origin(20 * i).label(format!("row {i}"))).collect();
        session.feed_marked(&text(6000), &marks).unwrap();
        session.commit().unwrap();
    }
    assert_eq!(world.library().verify().unwrap(), []);
    let folder = world.path().join(folders(&world.path()).into_iter().max().unwrap());
    let mut chunks = 0;
    for file in ["chunks", "landmarks", "text", "marks", "commit.1"] {
        let path = folder.join(file);
        let sound = std::fs::read(&path).unwrap();
        for at in [0, 20, 130, 4096 + 70, sound.len() / 2, sound.len() - 1] {
            let mut damaged = sound.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&path, &damaged).unwrap();
            let found = world.engine.read_library(world.path(), &options()).unwrap().verify().unwrap();
            assert!(found.iter().all(|d| d.document == "bad" && d.message.contains("0002")), "{file} {at}: {found:?}");
            chunks += found.iter().filter(|d| d.chunk.is_some()).count();
            // What is not found is not used: zeros behind a header, and records that no commit counts.
            if found.is_empty() {
                let [bad, good] = ["bad", "good"].map(|name| ask(&mut world.library().open(name).unwrap()));
                assert_eq!(bad, good, "{file} {at}");
            }
        }
        std::fs::write(&path, &sound).unwrap();
    }
    assert!(chunks >= 4, "{chunks}");
    assert_eq!(world.library().verify().unwrap(), []);
}

/// Labels and places in the original file come back with every source and quote, in the session that was told of them, in one that
/// opened the document, and where reading was stopped and went on.
#[test]
fn marks_come_back_with_sources_and_quotes() {
    let engine = Engine::open(test_support::shipped(), &EngineOptions::default().threads(2)).unwrap();
    let dir = TempDir::new().unwrap();
    let library = engine.library(dir.path(), &options()).unwrap();
    let filler = "Nothing of interest is written on this page of the book, which is long. ";
    let (mut text, mut marks) = (String::new(), Vec::new());
    for page in 0..300u64 {
        // A running header of 100 bytes before each page of the original is not in the text.
        marks.push(Mark::new(text.len() as u64).origin(text.len() as u64 + 100 * page).label(format!("page {page}")));
        text += &filler.repeat(12);
        if page == 141 {
            text += "The pass key of QXRT is 482913. ";
        }
    }
    let key = text.find("482913").unwrap() as u64;
    let check = |session: &mut Session| {
        let answer = session.answer(QUESTION, &AskOptions::default()).unwrap();
        let Support::Quoted(quotes) = &answer.support else { panic!("{answer:?}") };
        let quote = &quotes[0];
        assert_eq!((quote.bytes.clone(), &*quote.text), (key..key + 6, "482913"));
        assert_eq!((quote.label.as_deref(), quote.origin.clone()), (Some("page 141"), Some(key + 14100..key + 14106)));
        assert_eq!(quote.document.as_deref(), Some("book"));
        for source in &answer.sources {
            let at = source.bytes.start;
            let page = marks.iter().rposition(|mark| mark.at <= at).unwrap() as u64;
            assert_eq!(source.label, Some(format!("page {page}")));
            assert_eq!(source.origin.clone().map(|bytes| bytes.start), Some(at + 100 * page));
            assert_eq!(source.document.as_deref(), Some("book"));
        }
    };

    let mut session = library.add("book").unwrap();
    for wrong in [&[Mark::new(5), Mark::new(3)][..], &[Mark::new(7)], &[Mark::new(2).label("x".repeat(2000))]] {
        assert_eq!(session.feed_marked("A text", wrong).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(session.bytes(), 0);
    }
    let mut calls = 0;
    session.on_progress(Some(Box::new(move |_| {
        calls += 1;
        if calls >= 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })));
    assert_eq!(session.feed_marked(&text, &marks).unwrap_err().kind(), ErrorKind::Cancelled);
    session.commit().unwrap();
    drop(session);

    let mut session = library.open("book").unwrap();
    let taken = session.bytes();
    assert!(taken > 0 && taken < text.len() as u64, "{taken}");
    assert_eq!(session.mark(&Mark::new(taken + 1)).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let rest: Vec<Mark> = marks.iter().filter(|mark| mark.at >= taken).cloned().collect();
    session.feed_marked(&text[taken as usize..], &rest).unwrap();
    check(&mut session);
    session.commit().unwrap();
    drop(session);
    check(&mut library.open("book").unwrap());
    assert_eq!(library.verify().unwrap(), []);
}

/// A segment that begins anew knows nothing of what was before: documents of whole segments that are asked together are as one that
/// has them one after the other, bit for bit, whatever fits into RAM.
#[test]
fn documents_are_asked_together_as_if_they_were_one() {
    let world = world(Shape { overlap: 0, ..Shape::default() });
    let segment = Shape::default().segment as usize;
    let library = world.library();
    let tokens: Vec<u32> = (0..segment as u32 * 150).map(|i| (i * i / 7 + i * 7919) % 250).collect();
    // The last one ends anywhere.
    let lengths = [1, 3, 1, 40, 2].into_iter().cycle().map(|segments| segments * segment).take(40);
    let (mut from, mut names) = (0, Vec::new());
    for (i, len) in lengths.enumerate() {
        let name = format!("document {i}");
        let len = if i == 39 { 3 * segment + 5 } else { len };
        let Some(part) = tokens.get(from..from + len) else { break };
        let mut session = library.add(&name).unwrap();
        session.feed_tokens(part).unwrap();
        session.commit().unwrap();
        from += len;
        names.push((name, from));
    }
    assert!(names.len() > 10);
    let mut whole = world.temporary();
    whole.feed_tokens(&tokens[..from]).unwrap();
    let chosen: Vec<&str> = names.iter().rev().map(|(name, _)| name.as_str()).collect();
    for budget in [1 << 18, 1 << 20, 64 << 20] {
        let library = world.engine.read_library(world.path(), &options().budget(budget));
        let mut together =
            library.as_ref().unwrap_or_else(|_| panic!("a budget of {budget}")).open_many(&chosen).unwrap();
        assert_eq!((together.tokens(), together.bytes()), (whole.tokens(), whole.bytes()));
        let asked = AskOptions::default().max_tokens(8).min_source_weight(0.0);
        for question in [QUESTION, "b?", "And the other one?"] {
            let [mut expected, mut found] = [&mut whole, &mut together].map(|s| s.answer(question, &asked).unwrap());
            assert!(found.sources.len() > 1);
            // Chunks are counted in their documents.
            for source in &mut found.sources {
                let at = names.iter().position(|(name, _)| Some(name) == source.document.as_ref()).unwrap();
                let first = at.checked_sub(1).map_or(0, |before| names[before].1);
                source.chunk += first as u64 / Shape::default().chunk as u64;
            }
            for answer in [&mut expected, &mut found] {
                answer.sources.iter_mut().for_each(|source| (source.document, source.bytes) = (None, 0..0));
                if let Support::Quoted(quotes) = &mut answer.support {
                    quotes.iter_mut().for_each(|quote| (quote.document, quote.bytes) = (None, 0..0));
                }
            }
            assert_eq!(content(&found), content(&expected), "{question} with {budget} bytes");
        }
        assert_eq!(together.tokens_computed(), 0);
        for error in [together.feed("more"), together.commit(), together.text(0..1).map(drop)] {
            assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
    }
}

#[test]
fn one_of_many_is_that_one() {
    for shape in shapes() {
        let world = world(shape);
        let library = world.library();
        for (i, name) in ["a", "b", "c"].into_iter().enumerate() {
            let mut session = library.add(name).unwrap();
            session.feed(&text(1000 + 777 * i)).unwrap();
            session.commit().unwrap();
        }
        for name in ["a", "b", "c"] {
            let expected = ask(&mut library.open(name).unwrap());
            assert_eq!(ask(&mut library.open_many(&[name, name]).unwrap()), expected);
        }
        let mut all = library.open_many(&library.documents()).unwrap();
        ask(&mut all);
        assert_eq!(all.tokens_computed(), 0);
        for names in [&[][..], &["a", "d"]] {
            assert_eq!(library.open_many(names).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
        // What is asked is what was committed when it was chosen, or it is an error.
        let mut chosen = library.open_many(&["a", "b"]).unwrap();
        library.remove("a").unwrap();
        let asked = chosen.answer(QUESTION, &AskOptions::default());
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(library.verify().unwrap(), []);
    }
}

/// The answer names the document that it is from, and the place there.
#[test]
fn the_answer_names_its_document() {
    let engine = Engine::open(test_support::shipped(), &EngineOptions::default().threads(2)).unwrap();
    let dir = TempDir::new().unwrap();
    let library = engine.library(dir.path(), &options()).unwrap();
    let filler = "Nothing of interest is written here, on this page of the manual, which is long. ".repeat(100);
    let facts = [("pump", "RENT", "1250"), ("drill", "QXRT", "482913"), ("lathe", "DOOR", "417")];
    for (name, key, number) in facts {
        let mut session = library.add(name).unwrap();
        session.feed_marked(&filler, &[Mark::new(0).label("front matter")]).unwrap();
        let fact = format!("The pass key of {key} is {number}. ");
        session.feed_marked(&fact, &[Mark::new(filler.len() as u64).label(format!("keys of {name}"))]).unwrap();
        session.feed(&filler).unwrap();
        session.commit().unwrap();
    }
    let mut all = library.open_many(&library.documents()).unwrap();
    for (name, key, number) in facts {
        let answer = all.answer(&format!("What is the pass key of {key}?"), &AskOptions::default()).unwrap();
        assert_eq!(answer.text.trim(), number);
        let Support::Quoted(quotes) = &answer.support else { panic!("{answer:?}") };
        let (document, label) = (quotes[0].document.as_deref(), quotes[0].label.clone());
        assert_eq!((document, label), (Some(name), Some(format!("keys of {name}"))));
        assert_eq!(answer.sources[0].document.as_deref(), Some(name));
        let text = library.open(name).unwrap().text(quotes[0].bytes.clone()).unwrap();
        assert_eq!((&*text, &*quotes[0].text), (number, number));
        // Asked of the others, it is not there.
        let others: Vec<&str> = facts.iter().map(|fact| fact.0).filter(|other| *other != name).collect();
        let answer = library
            .open_many(&others)
            .unwrap()
            .answer(&format!("What is the pass key of {key}?"), &AskOptions::default());
        assert_ne!(answer.unwrap().text.trim(), number);
    }
}

/// What is damaged is an error, or left out by choice and said to be: then the answer is that of a document without it.
#[test]
fn damaged_chunks_are_an_error_or_left_out_by_choice() {
    let world = world(Shape { overlap: 0, ..Shape::default() });
    let asked = AskOptions::default().max_tokens(6).min_source_weight(0.0);
    for name in ["first", "second"] {
        let mut session = world.library().add(name).unwrap();
        session.feed(&text(4000)).unwrap();
        session.commit().unwrap();
    }
    let library = |options: SessionOptions| world.engine.read_library(world.path(), &options).unwrap();
    let sound = library(options()).open_many(&["first", "second"]).unwrap().answer(QUESTION, &asked).unwrap();
    // Not one of those at the end, whose records are in the commit.
    let damaged = |source: &&ramba::Source| source.document.as_deref() == Some("first") && source.chunk < 200;
    let best = sound.sources.iter().find(damaged).unwrap().chunk;
    for file in ["chunks", "landmarks"] {
        let path = world.path().join("0000000000000001").join(file);
        let bytes = std::fs::read(&path).unwrap();
        let stride = u32::from_le_bytes(bytes[56..60].try_into().unwrap()) as usize;
        let mut damaged = bytes.clone();
        damaged[4096 + best as usize * stride + 40] ^= 4;
        std::fs::write(&path, damaged).unwrap();
        let mut strict = library(options()).open_many(&["first", "second"]).unwrap();
        assert_eq!(strict.answer(QUESTION, &asked).unwrap_err().kind(), ErrorKind::Format);
        for budget in [1 << 18, 1 << 20] {
            let mut lenient =
                library(options().budget(budget).skip_damaged(true)).open_many(&["first", "second"]).unwrap();
            lenient.answer(QUESTION, &asked).unwrap();
            assert_eq!(lenient.skipped().unwrap(), [(Some("first".to_owned()), best)], "{file}");
            // Once it is known, it is not even looked for.
            let answer = lenient.answer(QUESTION, &asked).unwrap();
            let place = |source: &ramba::Source| (source.document.clone(), source.chunk);
            assert!(answer.sources.iter().all(|source| place(source) != (Some("first".into()), best)), "{file}");
            assert!(answer.sources.iter().all(|source| source.weight.is_finite()) && !answer.sources.is_empty());
        }
        std::fs::write(&path, bytes).unwrap();
    }
    let mut again = library(options().skip_damaged(true)).open_many(&["first", "second"]).unwrap();
    assert_eq!(content(&again.answer(QUESTION, &asked).unwrap()), content(&sound));
    assert_eq!(again.skipped().unwrap(), []);
}
