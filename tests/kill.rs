//! A process that is killed with SIGKILL while it writes to a library: what was committed is there, and it goes on.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ramba::{AskOptions, Engine, EngineOptions, Session, SessionOptions};
use test_support::document::unnamed;
use test_support::numbers::Random;
use test_support::random::{self, Shape};

/// Names the folder to a process that is to be killed.
const FOLDER: &str = "RAMBA_TEST_KILLED_IN";

fn engine(dir: &Path, shape: Shape) -> Engine {
    let path = random::write(dir, shape);
    Engine::open(path, &EngineOptions::default().threads(2)).unwrap()
}

fn options() -> SessionOptions {
    SessionOptions::default().budget(1 << 18)
}

fn shape() -> Shape {
    Shape { segment: 64, ..Shape::default() }
}

/// Text of which any part tells where it is from.
fn text(from: u64, len: usize) -> String {
    let mut all = String::new();
    let mut line = from / 16;
    while all.len() < len + 32 {
        all += &format!("line {line:>10}\n");
        line += 1;
    }
    let skip = (from % 16) as usize;
    all[skip..skip + len].to_owned()
}

fn answer(session: &mut Session) -> String {
    let options = AskOptions::default().max_tokens(4).min_source_weight(0.0);
    let answer = unnamed(session.answer("Which line?", &options).unwrap());
    format!("{:?} {:?}", answer.tokens, answer.sources)
}

/// Not a test of its own: what the process does that is to be killed.
#[test]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let engine = engine(&folder, shape());
    let library = engine.library(folder.join("library"), &options()).unwrap();
    let mut session = match library.documents().is_empty() {
        true => library.add("lines").unwrap(),
        false => library.open("lines").unwrap(),
    };
    let mut out = std::io::stdout().lock();
    for n in 0u64.. {
        session.feed(&text(session.bytes(), 37 + (n * 7919 % 600) as usize)).unwrap();
        session.commit().unwrap();
        writeln!(out, "committed {}", session.bytes()).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn what_was_committed_survives_sigkill() {
    if std::env::var_os(FOLDER).is_some() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path(), shape());
    let mut random = Random(3);
    let mut committed = 0;
    for round in 0..25 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_it_is_killed", "--nocapture"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It is killed some time after some commits.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut wait = 1 + round % 4;
        while wait > 0 {
            let line = lines.next().expect("it writes on");
            if let Some(bytes) = line.rsplit_once("committed ").and_then(|(_, bytes)| bytes.parse().ok()) {
                committed = bytes;
                wait -= 1;
            }
        }
        std::thread::sleep(Duration::from_micros(random.below(34_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            committed = line.rsplit_once("committed ").and_then(|(_, bytes)| bytes.parse().ok()).unwrap_or(committed);
        }

        // The right to write is free again, and the document is as it was at a commit, the last or the one under way.
        let library = engine.library(dir.path().join("library"), &options()).unwrap();
        let mut session = library.open("lines").unwrap();
        let bytes = session.bytes();
        assert!((committed..=committed + 637).contains(&bytes), "{committed} bytes were committed, {bytes} are there");
        assert_eq!(session.text(0..bytes).unwrap(), text(0, bytes as usize));
        let found = answer(&mut session);
        assert_eq!(session.tokens_computed(), 0);
        if round % 8 == 0 {
            let mut whole = engine.session(&options()).unwrap();
            whole.feed(&text(0, bytes as usize)).unwrap();
            assert_eq!(answer(&mut whole), found);
        }
        committed = bytes;
    }
}
