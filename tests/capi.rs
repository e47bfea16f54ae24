//! The C interface: a C program built against the committed header reads a document and asks about it.

#![cfg(feature = "capi")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::build::{cargo, run};
use common::random::{self, Shape};
use ramba::{AskOptions, Engine, EngineOptions, SessionOptions};
use tempfile::TempDir;

const TEXT: &str = "The pass key of QXRT is 482913. Three of the months were naïve, the others not; such is the path.";
const QUESTION: &str = "What is the pass key of QXRT?";

/// Builds the library for C, and examples/embed.c with it.
fn build(dir: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = cargo(&["rustc", "--lib", "--features", "capi", "--crate-type", "staticlib"]);
    let program = dir.join("embed");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-o"]).arg(&program);
    cc.arg("-I").arg(root.join("include")).arg(root.join("examples/embed.c"));
    cc.arg(built.join("libramba.a")).args(["-lpthread", "-ldl", "-lm"]);
    run(&mut cc);
    program
}

#[test]
fn a_c_program_gets_the_answer_that_rust_gets() {
    let dir = TempDir::new().unwrap();
    let program = build(dir.path());
    let model = random::write(dir.path(), Shape::default());
    let document = dir.path().join("document.txt");
    std::fs::write(&document, TEXT).unwrap();

    let engine = Engine::open(&model, &EngineOptions::default()).unwrap();
    let mut session = engine.session(&SessionOptions { budget: 32 << 20, ..SessionOptions::default() }).unwrap();
    session.feed(TEXT).unwrap();
    let answer = session.answer(QUESTION, &AskOptions::default()).unwrap();
    let mut expected = format!("{}\n", answer.text);
    for s in &answer.sources {
        let (weight, bytes) = (s.weight, &s.bytes);
        expected += &format!("chunk {}, weight {weight:.2}, bytes {} to {}\n", s.chunk, bytes.start, bytes.end);
    }
    assert!(!answer.sources.is_empty());
    let output = run(Command::new(&program).arg(&model).arg(&document).arg(QUESTION));
    // The random model may write half characters, which the callback shows once and the answer as U+FFFD.
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);

    let output = Command::new(&program).arg(dir.path().join("none")).arg(&document).arg(QUESTION).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("error 1: ") && message.contains("none"), "{message}");

    std::fs::write(&document, b"not \xff text").unwrap();
    let output = Command::new(&program).arg(&model).arg(&document).arg(QUESTION).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("UTF-8"));
}

/// Where cbindgen is installed (0.29.2, as in cbindgen.toml), the committed header must be what it makes today.
#[test]
fn the_header_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new("cbindgen").args(["--config", "cbindgen.toml", "src/capi.rs"]).current_dir(root).output();
    let Ok(made) = made else {
        return common::require::lacking("cbindgen is not installed: the header is not checked");
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let committed = std::fs::read_to_string(root.join("include/ramba.h")).unwrap();
    assert!(String::from_utf8_lossy(&made.stdout) == committed, "include/ramba.h is stale: see cbindgen.toml");
}
