//! The C interface: programs in C and C++ built against the committed headers read documents and ask about them, and do everything wrong
//! that can be; under valgrind and sanitizers, too.

#![cfg(feature = "capi")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use ramba::{AskOptions, Engine, EngineOptions, SessionOptions, Support};
use tempfile::TempDir;
use test_support::build::{libraries, run};
use test_support::random::{self, Shape};
use test_support::require::lacking;
use test_support::root;

const TEXT: &str = "The pass key of QXRT is 482913. Three of the months were naïve, the others not; such is the path.";
const QUESTION: &str = "What is the pass key of QXRT?";
const CXX: &str = "c++";

/// The library for C, built once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| libraries().join("libramba.a"))
}

/// Builds a program with the library.
fn build(dir: &Path, compiler: &str, source: &str, flags: &[&str]) -> PathBuf {
    let program = dir.join(Path::new(source).file_stem().unwrap());
    let mut cc = Command::new(compiler);
    cc.args(flags).args(["-g", "-Wall", "-Wextra", "-Werror", "-pedantic", "-o"]).arg(&program);
    cc.arg("-I").arg(root().join("include")).arg(root().join(source));
    cc.arg(library()).args(["-lpthread", "-ldl", "-lm"]);
    run(&mut cc);
    program
}

fn has(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// What `program` prints, which must succeed.
fn printed(program: impl AsRef<OsStr>, args: &[&OsStr]) -> String {
    String::from_utf8(run(Command::new(program).args(args)).stdout).unwrap()
}

#[test]
fn a_c_program_gets_the_answer_that_rust_gets() {
    let dir = TempDir::new().unwrap();
    let program = build(dir.path(), "cc", "examples/embed.c", &["-std=c99"]);
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

/// A library that is there is not read again; its marks come back.
fn library_twice(dir: &Path, program: &[&OsStr]) {
    let (document, folder) = (dir.join("manual.txt"), dir.join("manuals"));
    std::fs::write(&document, format!("First.\n{TEXT}\n")).unwrap();
    let place = format!("482913\n{}, line 2: bytes 31 to 37\n", document.display());
    for read in [true, false] {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg(test_support::shipped()).arg(&folder).arg(&document).arg(QUESTION);
        let output = run(&mut command);
        assert_eq!(String::from_utf8_lossy(&output.stdout), place);
        assert_eq!(String::from_utf8_lossy(&output.stderr).contains("tokens read"), read);
    }
}

#[test]
fn a_cpp_program_keeps_documents() {
    let dir = TempDir::new().unwrap();
    let program = build(dir.path(), CXX, "examples/library.cpp", &["-std=c++17"]);
    library_twice(dir.path(), &[program.as_os_str()]);
}

#[test]
fn whatever_a_program_does_wrong_is_a_status() {
    let dir = TempDir::new().unwrap();
    let program = build(dir.path(), CXX, "tests/misuse.cpp", &["-std=c++17"]);
    let model = test_support::shipped();
    assert_eq!(printed(program, &[model.as_os_str(), dir.path().as_os_str(), "limits".as_ref()]), "ok\n");
}

/// The programs as they are built with a sanitizer: undefined behaviour ends them, and so does a leak.
#[test]
fn sanitizers_find_nothing() {
    let dir = TempDir::new().unwrap();
    let flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
    let program = build(dir.path(), CXX, "tests/misuse.cpp", &[&["-std=c++17"], &flags[..]].concat());
    let model = test_support::shipped();
    assert_eq!(printed(program, &[model.as_os_str(), dir.path().as_os_str()]), "ok\n");
    let program = build(dir.path(), CXX, "examples/library.cpp", &[&["-std=c++17"], &flags[..]].concat());
    library_twice(dir.path(), &[program.as_os_str()]);
    let program = build(dir.path(), "cc", "examples/embed.c", &[&["-std=c99"], &flags[..]].concat());
    let document = dir.path().join("document.txt");
    std::fs::write(&document, TEXT).unwrap();
    let answer = printed(program, &[model.as_os_str(), document.as_os_str(), QUESTION.as_ref()]);
    assert!(answer.starts_with("482913\n"), "{answer}");
}

#[test]
fn valgrind_finds_nothing() {
    if !has("valgrind") {
        return lacking("valgrind is not installed: the C interface is not run under it");
    }
    let dir = TempDir::new().unwrap();
    let valgrind = ["-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect"];
    let valgrind = valgrind.map(OsStr::new);
    let program = build(dir.path(), CXX, "tests/misuse.cpp", &["-std=c++17"]);
    let model = test_support::shipped();
    let misuse = [program.as_os_str(), model.as_os_str(), dir.path().as_os_str()];
    assert_eq!(printed("valgrind", &[&valgrind, &misuse[..]].concat()), "ok\n");
    let program = build(dir.path(), CXX, "examples/library.cpp", &["-std=c++17"]);
    library_twice(dir.path(), &[&[OsStr::new("valgrind")], &valgrind[..], &[program.as_os_str()]].concat());
    let program = build(dir.path(), "cc", "examples/embed.c", &["-std=c99"]);
    let document = dir.path().join("document.txt");
    std::fs::write(&document, TEXT).unwrap();
    let embed = [program.as_os_str(), model.as_os_str(), document.as_os_str(), QUESTION.as_ref()];
    let answer = printed("valgrind", &[&valgrind, &embed[..]].concat());
    assert!(answer.starts_with("482913\n"), "{answer}");
}

/// What callbacks get, and what can be asked of an answer, called from here.
#[test]
fn an_answer_says_in_c_what_it_rests_on() {
    use ramba::capi::*;
    use std::ffi::{CStr, CString, c_char, c_int, c_void};
    use std::ptr::{null, null_mut};
    // SAFETY: what the library gives out is ended by a null byte, and is looked at before the next call.
    let text = |p| unsafe { CStr::from_ptr(p) }.to_str().unwrap();
    let model_path = test_support::shipped();
    let path = CString::new(model_path.to_str().unwrap()).unwrap();
    let (mut model, mut session) = (null_mut(), null_mut());
    unsafe extern "C" fn collect(_: u32, text: *const c_char, length: usize, user: *mut c_void) -> c_int {
        // SAFETY: the texts of tokens have this length, and the test gives a String.
        let (text, all) = unsafe { (std::slice::from_raw_parts(text.cast(), length), &mut *user.cast::<String>()) };
        all.push_str(std::str::from_utf8(text).expect("whole characters"));
        0
    }
    // SAFETY: all pointers are of this function, or null where that is allowed.
    unsafe {
        let ask = |session, question: &str, options: *const RambaAskOptions| {
            let mut told = String::new();
            let user = (&raw mut told).cast();
            let status = ramba_ask(session, question.as_ptr().cast(), question.len(), options, Some(collect), user);
            // A character that is broken off at the end is told of by nobody.
            assert!(status != RambaStatus::Ok || text(ramba_answer(session, null_mut())).starts_with(&told));
            status
        };
        assert_eq!(ramba_model_open(path.as_ptr(), null(), &mut model), RambaStatus::Ok);
        assert_eq!(ramba_session_open(model, null(), &mut session), RambaStatus::Ok);
        let none = (RambaStop::None, RambaSupport::Unknown);
        assert_eq!((ramba_stop_reason(session), ramba_answer_support(session)), none);
        assert_eq!(ramba_source_count(session), 0);
        // There is no document yet.
        assert_eq!(ask(session, QUESTION, null()), RambaStatus::InvalidArgument);
        assert!(text(ramba_last_error()).contains("document is empty"));

        assert_eq!(ramba_feed(session, TEXT.as_ptr().cast(), TEXT.len()), RambaStatus::Ok);
        assert_eq!(ask(session, QUESTION, null()), RambaStatus::Ok);
        assert_eq!((ramba_stop_reason(session), ramba_answer_support(session)), (RambaStop::End, RambaSupport::Quoted));
        let (mut quote, mut source) = (std::mem::zeroed::<RambaQuote>(), std::mem::zeroed::<RambaSource>());
        assert_eq!((ramba_quote_count(session), ramba_quote_at(session, 0, &mut quote)), (1, RambaStatus::Ok));
        assert_eq!(&TEXT[quote.byte_start as usize..quote.byte_end as usize], text(quote.text));
        assert_eq!((text(quote.text), text(quote.label), quote.origin_start), ("482913", "", RAMBA_NONE));
        assert_eq!(ramba_source_at(session, 0, &mut source), RambaStatus::Ok);
        assert!(text(source.text).contains("482913") && source.weight > 0.5);
        assert!(ramba_answer_weight(session) > 0.5 && ramba_answer_probability(session) > 0.5);
        let (mut part, mut length) = (null(), 0);
        assert_eq!(ramba_text(session, 24, 30, &mut part, &mut length), RambaStatus::Ok);
        assert_eq!((text(part), length), ("482913", 6));

        // Two tokens are no number.
        let mut options = std::mem::zeroed::<RambaAskOptions>();
        assert_eq!(ramba_ask_options_default(&mut options, size_of::<RambaAskOptions>()), RambaStatus::Ok);
        options.max_tokens = 2;
        assert_eq!(ask(session, QUESTION, &options), RambaStatus::Ok);
        let cut_off = (RambaStop::Length, RambaSupport::Found);
        assert_eq!((ramba_stop_reason(session), ramba_answer_support(session)), cut_off);
        assert_eq!(ramba_quote_count(session), 0);
        options.max_tokens = 100;
        options.decoding = RambaDecoding::Free as u32;
        assert_eq!(ask(session, "What is the pass key of ABCD?", &options), RambaStatus::Ok);
        assert_eq!(ramba_answer_support(session), RambaSupport::None);
        let mut written = String::new();
        let user = (&raw mut written).cast();
        assert_eq!(ramba_generate(session, c"So ".as_ptr(), 3, &options, Some(collect), user), RambaStatus::Ok);
        assert!(!written.is_empty());

        let long = "why ".repeat(1000);
        let check = |question: &str| ramba_check_question(model, question.as_ptr().cast(), question.len(), null());
        assert_eq!((check(&long), check(QUESTION)), (RambaStatus::InvalidArgument, RambaStatus::Ok));
        assert_eq!(ramba_session_close(session), RambaStatus::Ok);
        assert_eq!(ramba_model_close(model), RambaStatus::Ok);

        // A model of bytes that rambles in broken characters: a callback gets whole ones.
        let file = random::bytes(Shape::default());
        let data = file.as_ptr().cast();
        assert_eq!(ramba_model_open_buffer(data, file.len(), null(), &mut model), RambaStatus::Ok);
        assert_eq!(ramba_session_open(model, null(), &mut session), RambaStatus::Ok);
        assert_eq!(ramba_feed(session, TEXT.as_ptr().cast(), TEXT.len()), RambaStatus::Ok);
        options.temperature = 1.0;
        for seed in 0..20 {
            options.seed = seed;
            assert_eq!(ask(session, "w", &options), RambaStatus::Ok, "{}", text(ramba_last_error()));
        }
        assert_eq!(ramba_session_close(session), RambaStatus::Ok);
        assert_eq!(ramba_model_close(model), RambaStatus::Ok);
    }
}

#[cfg(unix)]
#[test]
fn after_a_fork_nothing_hangs() {
    let dir = TempDir::new().unwrap();
    let program = build(dir.path(), "cc", "tests/fork.c", &["-std=c99", "-D_POSIX_C_SOURCE=200809L"]);
    let shipped = test_support::shipped();
    let random = random::write(dir.path(), Shape::default());
    // Read in segments, and in order by the whole model.
    std::fs::create_dir(dir.path().join("in-order")).unwrap();
    let in_order = random::write(&dir.path().join("in-order"), Shape { segment: 0, overlap: 0, ..Shape::default() });
    for model in [shipped, random, in_order] {
        assert_eq!(printed(&program, &[model.as_os_str()]), "child: status 0\nparent: the same\n", "{model:?}");
    }
}

/// Where cbindgen is installed (0.29.2, as in cbindgen.toml), the committed header must be what it makes today.
#[test]
fn the_header_is_up_to_date() {
    let made =
        Command::new("cbindgen").args(["--config", "cbindgen.toml", "src/capi/mod.rs"]).current_dir(root()).output();
    let Ok(made) = made else { return lacking("cbindgen is not installed: the header is not checked") };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let committed = std::fs::read_to_string(root().join("include/ramba.h")).unwrap();
    assert!(String::from_utf8_lossy(&made.stdout) == committed, "include/ramba.h is stale: see cbindgen.toml");
}
