//! Libraries that are made apart become one: byte for byte that of one machine, also where reading was stopped on the way.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use ramba::{AskOptions, Engine, EngineOptions, ErrorKind, Mark, Session, SessionOptions};
use tempfile::TempDir;
use test_support::document::{content, text};
use test_support::random::{self, Shape, shapes};

fn engine(dir: &Path, shape: Shape, threads: usize) -> Engine {
    Engine::open(random::write(dir, shape), &EngineOptions::default().threads(threads)).unwrap()
}

fn options() -> SessionOptions {
    SessionOptions::default().budget(1 << 20)
}

/// The documents of a list: some of them short, one empty of chunks, with marks.
fn documents() -> Vec<(String, String)> {
    let lengths = [3000, 5, 40_000, 900, 64, 12_345, 70_000, 1, 2048];
    lengths
        .iter()
        .enumerate()
        .map(|(i, &len)| (format!("document {i}"), text(len + 17 * i)[17 * i..].to_owned()))
        .collect()
}

/// Feeds what a session does not have yet of a text, with its marks.
fn feed(session: &mut Session, text: &str) -> ramba::Result<()> {
    let done = session.bytes() as usize;
    let places = (done.div_ceil(500)..=text.len() / 500).map(|i| 500 * i as u64);
    let marks: Vec<Mark> = places.map(|at| Mark::new(at).origin(2 * at).label(format!("at {at}"))).collect();
    session.feed_marked(&text[done..], &marks)
}

/// The bytes of all files of a library but the lock.
fn bytes(library: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(library).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            all.extend(bytes(&entry.path()).into_iter().map(|(file, bytes)| (format!("{name}/{file}"), bytes)));
        } else if name != "lock" {
            all.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
    all
}

fn assert_same(one: &Path, other: &Path) {
    let [one, other] = [bytes(one), bytes(other)];
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (name, bytes) in &one {
        assert!(*bytes == other[name], "{name}: {} and {} bytes", bytes.len(), other[name].len());
    }
}

#[test]
fn libraries_made_apart_are_that_of_one_machine() {
    for shape in shapes() {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        let one = engine(dir.path(), shape, 2).library(at("one"), &options()).unwrap();
        for (name, text) in documents() {
            let mut session = one.add(&name).unwrap();
            feed(&mut session, &text).unwrap();
            session.commit().unwrap();
        }

        // Machines of other sizes, each with its part of the list.
        let shards = ["a", "b", "c"];
        for (shard, folder) in shards.into_iter().enumerate() {
            let engine = engine(dir.path(), shape, shard + 1);
            for (i, (name, text)) in documents().into_iter().enumerate().filter(|(i, _)| i % shards.len() == shard) {
                let mut library = engine.library(at(folder), &options()).unwrap();
                library.number_from(i as u64 + 1);
                let mut session = library.add(&name).unwrap();
                if i == 6 {
                    // Reading is stopped, and goes on in another process.
                    let mut calls = 0;
                    session.on_progress(Some(Box::new(move |_| {
                        calls += 1;
                        if calls >= 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                    })));
                    assert_eq!(feed(&mut session, &text).unwrap_err().kind(), ErrorKind::Cancelled);
                    session.commit().unwrap();
                    assert!(session.bytes() < text.len() as u64);
                    drop((session, library));
                    library = engine.library(at(folder), &options()).unwrap();
                    session = library.open(&name).unwrap();
                }
                feed(&mut session, &text).unwrap();
                session.commit().unwrap();
            }
        }
        let merged = one.engine().library(at("merged"), &options()).unwrap();
        merged.merge(&shards.map(at)).unwrap();
        assert_eq!(merged.documents(), one.documents());
        assert_same(&at("one"), &at("merged"));
        assert_eq!(merged.verify().unwrap(), []);
        // Done again, it changes nothing.
        merged.merge(&shards.map(at)).unwrap();
        assert_same(&at("one"), &at("merged"));
        // Into a library that has others, the documents come behind them.
        let mut other = engine(dir.path(), shape, 1).library(at("other"), &options()).unwrap().add("first").unwrap();
        feed(&mut other, "Something else.").unwrap();
        other.commit().unwrap();
        drop(other);
        let other = one.engine().library(at("other"), &options()).unwrap();
        other.merge(&[at("merged")]).unwrap();
        assert_eq!(other.documents(), [&["first".to_owned()][..], &one.documents()].concat());
        for name in one.documents() {
            let [a, b] = [&one, &other].map(|library| {
                let mut session = library.open(&name).unwrap();
                let answer = content(&session.answer("What is the key?", &AskOptions::default()).unwrap());
                assert_eq!(session.tokens_computed(), 0);
                // It goes on as any other.
                session.feed(" And more.").unwrap();
                (answer, content(&session.answer("What is the key?", &AskOptions::default()).unwrap()))
            });
            assert_eq!(a, b);
        }
    }
}

#[test]
fn what_does_not_belong_together_is_not_merged() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let engine = engine(dir.path(), Shape::default(), 1);
    for (folder, text) in [("a", "One text."), ("b", "Another.")] {
        let mut session = engine.library(at(folder), &options()).unwrap().add("name").unwrap();
        feed(&mut session, text).unwrap();
        session.commit().unwrap();
    }
    let library = engine.library(at("merged"), &options()).unwrap();
    let refused = |from: &[&str], kind: ErrorKind| {
        let from: Vec<_> = from.iter().map(|name| at(name)).collect();
        assert_eq!(library.merge(&from).unwrap_err().kind(), kind);
        assert!(library.documents().is_empty());
    };
    refused(&["a", "b"], ErrorKind::InvalidArgument);
    refused(&["a", "none"], ErrorKind::Io);
    let precise = options().precision(ramba::Precision::F32);
    drop(engine.library(at("precise"), &precise).unwrap());
    refused(&["a", "precise"], ErrorKind::InvalidArgument);
    let readers = engine.read_library(at("a"), &options()).unwrap();
    assert_eq!(readers.merge(&[at("b")]).unwrap_err().kind(), ErrorKind::InvalidArgument);

    // A damaged document is not taken in, and leaves nothing.
    let chunks = at("a/0000000000000001/chunks");
    let mut bytes = std::fs::read(&chunks).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&chunks, &bytes).unwrap();
    let commit = at("a/0000000000000001/commit.1");
    let mut bytes = std::fs::read(&commit).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&commit, &bytes).unwrap();
    refused(&["a"], ErrorKind::Format);
    assert!(!at("merged/0000000000000001").exists());
    library.merge(&[at("b")]).unwrap();
    assert_eq!(library.documents(), ["name"]);
}
