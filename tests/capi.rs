//! The C interface: a C program built against the committed header reads a document and asks about it.

#![cfg(feature = "capi")]

use std::path::{Path, PathBuf};
use std::process::Command;

use ramba::{AskOptions, Engine, EngineOptions, SessionOptions, Support};
use tempfile::TempDir;
use test_support::build::{cargo, run};
use test_support::random::{self, Shape};

const TEXT: &str = "The pass key of QXRT is 482913. Three of the months were naïve, the others not; such is the path.";
const QUESTION: &str = "What is the pass key of QXRT?";

/// Builds the library for C, and a program with it.
fn build(dir: &Path, source: &str, standard: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = cargo(&["rustc", "-p", "ramba", "--lib", "--features", "capi", "--crate-type", "staticlib"]);
    let program = dir.join("program");
    let mut cc = Command::new("cc");
    cc.args(standard).args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-o"]).arg(&program);
    cc.arg("-I").arg(root.join("include")).arg(root.join(source));
    cc.arg(built.join("libramba.a")).args(["-lpthread", "-ldl", "-lm"]);
    run(&mut cc);
    program
}

#[test]
fn a_c_program_gets_the_answer_that_rust_gets() {
    let dir = TempDir::new().unwrap();
    let program = build(dir.path(), "examples/embed.c", &["-std=c99"]);
    let model = test_support::shipped();
    let document = dir.path().join("document.txt");
    std::fs::write(&document, TEXT).unwrap();

    let engine = Engine::open(&model, &EngineOptions::default()).unwrap();
    let mut session = engine.session(&SessionOptions::default().budget(32 << 20)).unwrap();
    session.feed(TEXT).unwrap();
    let answer = session.answer(QUESTION, &AskOptions::default()).unwrap();
    let Support::Quoted(quotes) = &answer.support else { panic!("{answer:?}") };
    let mut expected = format!("{}\n", answer.text);
    for quote in quotes {
        expected += &format!("stands at bytes {} to {}\n", quote.bytes.start, quote.bytes.end);
    }
    for s in &answer.sources {
        let (weight, bytes) = (s.weight, &s.bytes);
        let (start, end, text) = (bytes.start, bytes.end, &s.text);
        expected += &format!("chunk {}, weight {weight:.2}, bytes {start} to {end}: {text}\n", s.chunk);
    }
    assert!(expected.contains("482913\nstands at bytes 24 to 30\n") && expected.contains("naïve"), "{expected}");
    let output = run(Command::new(&program).arg(&model).arg(&document).arg(QUESTION));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);

    // What is not there, with a status of its own.
    let output =
        Command::new(&program).arg(&model).arg(&document).arg("What is the pass key of ABCD?").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "not found in the document\n");
    assert_eq!(output.status.code(), Some(3));
    // A question that is none, before anything is read.
    let output = Command::new(&program).arg(&model).arg(&document).arg(" \r\n").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error 4: the question is empty"));

    let output = Command::new(&program).arg(dir.path().join("none")).arg(&document).arg(QUESTION).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("error 1: ") && message.contains("none"), "{message}");

    std::fs::write(&document, b"not \xff text").unwrap();
    let output = Command::new(&program).arg(&model).arg(&document).arg(QUESTION).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("UTF-8"));
}

/// What a program in C can ask of an answer, called from here.
#[test]
fn an_answer_says_in_c_what_it_rests_on() {
    use ramba::capi::*;
    use std::ffi::{CStr, CString};
    // SAFETY: what the library gives out is ended by a null byte, and is looked at before the next call.
    let text = |p| unsafe { CStr::from_ptr(p) }.to_str().unwrap();
    let model_path = test_support::shipped();
    let path = CString::new(model_path.to_str().unwrap()).unwrap();
    let ask = CString::new(QUESTION).unwrap();
    let (mut model, mut session) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: all pointers are of this function, or null where that is allowed.
    unsafe {
        assert_eq!(ramba_model_open(path.as_ptr(), 1, &mut model), RambaStatus::Ok);
        assert_eq!(ramba_session_open(model, std::ptr::null(), 8 << 20, &mut session), RambaStatus::Ok);
        assert_eq!(
            (ramba_stop_reason(session), ramba_answer_support(session)),
            (RambaStop::None, RambaSupport::Unknown)
        );
        assert_eq!((ramba_stop_reason(std::ptr::null()), ramba_quote_count(std::ptr::null())), (RambaStop::None, 0));
        assert_eq!((text(ramba_source_text(session, 0)), ramba_source_count(session)), ("", 0));
        // There is no document yet.
        let status = ramba_ask(session, ask.as_ptr(), 0, None, std::ptr::null_mut());
        assert_eq!(status, RambaStatus::InvalidArgument);
        assert!(text(ramba_last_error()).contains("document is empty"));

        assert_eq!(ramba_feed(session, TEXT.as_ptr().cast(), TEXT.len()), RambaStatus::Ok);
        assert_eq!(ramba_ask(session, ask.as_ptr(), 0, None, std::ptr::null_mut()), RambaStatus::Ok);
        assert_eq!((ramba_stop_reason(session), ramba_answer_support(session)), (RambaStop::End, RambaSupport::Quoted));
        let mut range = RambaRange::default();
        assert_eq!((ramba_quote_count(session), ramba_quote_at(session, 0, &mut range)), (1, RambaStatus::Ok));
        assert_eq!(&TEXT[range.byte_start as usize..range.byte_end as usize], "482913");
        assert_eq!(ramba_quote_at(session, 1, &mut range), RambaStatus::InvalidArgument);
        assert!(text(ramba_source_text(session, 0)).contains("482913"));

        // Two tokens are no number.
        assert_eq!(ramba_ask(session, ask.as_ptr(), 2, None, std::ptr::null_mut()), RambaStatus::Ok);
        assert_eq!(
            (ramba_stop_reason(session), ramba_answer_support(session)),
            (RambaStop::Length, RambaSupport::Found)
        );
        assert_eq!(ramba_quote_count(session), 0);
        assert_eq!(ramba_set_free_writing(session, 1), RambaStatus::Ok);
        let absent = CString::new("What is the pass key of ABCD?").unwrap();
        assert_eq!(ramba_ask(session, absent.as_ptr(), 0, None, std::ptr::null_mut()), RambaStatus::Ok);
        assert_eq!(ramba_answer_support(session), RambaSupport::None);

        let long = CString::new("why ".repeat(1000)).unwrap();
        assert_eq!(ramba_check_question(model, long.as_ptr(), 0), RambaStatus::InvalidArgument);
        assert_eq!(ramba_check_question(model, ask.as_ptr(), 0), RambaStatus::Ok);
        ramba_session_close(session);
        ramba_model_close(model);
    }
}

#[cfg(unix)]
#[test]
fn after_a_fork_nothing_hangs() {
    let dir = TempDir::new().unwrap();
    let program = build(dir.path(), "tests/fork.c", &["-std=c99", "-D_POSIX_C_SOURCE=200809L"]);
    let shipped = test_support::shipped();
    let random = random::write(dir.path(), Shape::default());
    // Read in segments, and in order by the whole model.
    std::fs::create_dir(dir.path().join("in-order")).unwrap();
    let in_order = random::write(&dir.path().join("in-order"), Shape { segment: 0, overlap: 0, ..Shape::default() });
    for model in [shipped, random, in_order] {
        let output = run(Command::new(&program).arg(&model));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "child: status 0\nparent: the same\n", "{model:?}");
    }
}

/// Where cbindgen is installed (0.29.2, as in cbindgen.toml), the committed header must be what it makes today.
#[test]
fn the_header_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new("cbindgen").args(["--config", "cbindgen.toml", "src/capi.rs"]).current_dir(root).output();
    let Ok(made) = made else {
        return test_support::require::lacking("cbindgen is not installed: the header is not checked");
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let committed = std::fs::read_to_string(root.join("include/ramba.h")).unwrap();
    assert!(String::from_utf8_lossy(&made.stdout) == committed, "include/ramba.h is stale: see cbindgen.toml");
}
