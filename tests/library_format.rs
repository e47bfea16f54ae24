//! Libraries that were written by the first build of their format version are read and gone on with by this one.
//!
//! `tests/fixtures/library` has one folder for each version and kind of model, and the model in it. `cargo test --test library_format
//! -- --ignored` writes those of the present version anew; it is for a new version alone: what is there must not change.

use std::path::{Path, PathBuf};

use ramba::{AskOptions, Engine, EngineOptions, Library, Mark, SessionOptions, Support};
use tempfile::TempDir;
use test_support::document::{text, unnamed};
use test_support::fixture;
use test_support::random::{self, Shape};

/// Of commits, the number that changed last.
const VERSION: u32 = 2;

fn options() -> SessionOptions {
    SessionOptions::default().budget(1 << 20)
}

fn shapes() -> [(&'static str, Shape); 2] {
    [("segments", Shape::default()), ("carried", Shape { segment: 0, overlap: 0, ..Shape::default() })]
}

fn folders() -> Vec<PathBuf> {
    let all = std::fs::read_dir(fixture("library")).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.is_dir()).collect()
}

fn engine(folder: &Path) -> Engine {
    Engine::open(folder.join("model.gguf"), &EngineOptions::default().threads(1)).unwrap()
}

fn documents() -> [(&'static str, String); 2] {
    [("a", text(400)), ("an/other", "Short: 482913.".to_owned())]
}

fn marks(len: u64) -> Vec<Mark> {
    (0..len / 50 + 1).map(|i| Mark::new(50 * i).origin(60 * i).label(format!("row {i}"))).collect()
}

#[test]
#[ignore = "writes fixtures"]
fn writes_the_fixtures() {
    for (name, shape) in shapes() {
        let folder = fixture("library").join(format!("{VERSION}-{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("model.gguf"), random::bytes(shape)).unwrap();
        let library = engine(&folder).library(folder.join("library"), &options()).unwrap();
        for (name, text) in documents() {
            let mut session = library.replace(name).unwrap();
            session.feed_marked(&text, &marks(text.len() as u64)).unwrap();
            session.commit().unwrap();
        }
    }
}

/// What must be in a library.
fn check(library: &Library) {
    assert_eq!(library.documents(), documents().map(|(name, _)| name));
    assert_eq!(library.verify().unwrap(), []);
    for (name, text) in documents() {
        let info = library.info(name).unwrap();
        assert_eq!(info.bytes, text.len() as u64);
        let mut session = library.open(name).unwrap();
        assert_eq!(session.text(0..text.len() as u64).unwrap(), text);
        let asked = AskOptions::default().max_tokens(8).min_source_weight(0.0);
        let found = session.answer("Which one?", &asked).unwrap();
        assert_eq!(session.tokens_computed(), 0);
        for source in &found.sources {
            let row = source.bytes.start / 50;
            assert_eq!(source.label, Some(format!("row {row}")));
            assert_eq!(source.origin.clone().map(|bytes| bytes.start), Some(source.bytes.start + 10 * row));
        }
        // As if it had been read now; on another processor than that of the fixture, but for rounding.
        let mut new = library.engine().session(&options()).unwrap();
        new.feed(&text).unwrap();
        new.prefill().unwrap();
        assert_eq!(info.tokens, Some(new.tokens()));
        let (expected, found) = (new.answer("Which one?", &asked).unwrap(), unnamed(found));
        assert_eq!(found.text, expected.text);
        assert!(!matches!(found.support, Support::Unknown) || matches!(expected.support, Support::Unknown));
        for (a, b) in expected.sources.iter().zip(&found.sources) {
            assert_eq!((a.chunk, &a.text), (b.chunk, &b.text));
            assert!((a.weight - b.weight).abs() < 1e-3, "{} {}", a.weight, b.weight);
        }
    }
}

#[test]
fn libraries_of_every_version_are_read() {
    let folders = folders();
    for (name, _) in shapes() {
        assert!(folders.contains(&fixture("library").join(format!("{VERSION}-{name}"))), "no fixture of this version");
    }
    for folder in folders {
        check(&engine(&folder).read_library(folder.join("library"), &options()).unwrap());
    }
}

#[test]
fn libraries_of_every_version_go_on() {
    for folder in folders() {
        let engine = engine(&folder);
        let dir = TempDir::new().unwrap();
        copy(&folder.join("library"), dir.path());
        let library = engine.library(dir.path(), &options()).unwrap();
        check(&library);
        let mut session = library.open("a").unwrap();
        let before = session.bytes();
        session.feed_marked(" And more.", &[Mark::new(before).label("new")]).unwrap();
        session.commit().unwrap();
        assert!(session.tokens_computed() > 0);
        drop(session);
        assert_eq!(library.open("a").unwrap().bytes(), before + 10);
        library.remove("an/other").unwrap();
        assert_eq!(library.verify().unwrap(), []);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
