//! What the commands take of memory and threads is bounded, and what cannot be had is an error of theirs.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_support::build::cargo;
use test_support::random::{self, Shape};

const RAMBA: &str = env!("CARGO_BIN_EXE_ramba");

static STREAM_FILE: LazyLock<PathBuf> =
    LazyLock::new(|| cargo(&["build", "--example", "stream_file"]).join("examples/stream_file"));

/// A folder with a document of 120 bytes and a longer one.
fn world() -> (TempDir, String, String) {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let short = write("short.txt", &"The pass key of QXRT is 482913. ".repeat(4)[..120]);
    let long = write("long.txt", &"The pass key of QXRT is 482913. And no one could say who. ".repeat(300));
    (dir, short, long)
}

fn run(program: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.env("RAMBA_MODEL", test_support::shipped()).args(args).stdin(Stdio::null()).output().unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn threads_have_an_upper_bound() {
    let (dir, short, _) = world();
    let model = random::write(dir.path(), Shape::default());
    let model = model.to_str().unwrap();
    let ask =
        |threads: &str| run(Path::new(RAMBA), &["ask", &short, "-q", "What?", "--model", model, "--threads", threads]);
    // A random model finds no answer, which has a status of its own.
    let done = |output: &Output| matches!(output.status.code(), Some(0 | 3));
    let one = ask("1");
    assert!(done(&one), "{}", error(&one));
    let started = Instant::now();
    for threads in ["512", "100"] {
        let output = ask(threads);
        assert!(done(&output), "{}", error(&output));
        assert_eq!(output.stdout, one.stdout);
    }
    for threads in ["513", "16000", "4294967296", "18446744073709551615"] {
        for args in [
            vec!["ask", &short, "-q", "What?", "--model", model, "--threads", threads],
            vec!["info", model, "--threads", threads],
            vec!["bench", "--model", model, "--threads", threads],
        ] {
            let output = run(Path::new(RAMBA), &args);
            assert_eq!(output.status.code(), Some(1), "{args:?}: {}", error(&output));
            assert!(error(&output).contains("at most 512"), "{}", error(&output));
        }
    }
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn a_budget_is_taken_as_it_is_used() {
    let (_dir, short, _) = world();
    let peak = |budget: &str| {
        let output =
            run(&STREAM_FILE, &[&short, "--ask", "What is the pass key of QXRT?", "--budget", budget, "--json"]);
        assert!(output.status.success(), "{budget}: {}", error(&output));
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (result["peak_rss_bytes"].as_u64().unwrap(), result["answers"][0]["answer"].clone())
    };
    let (least, answer) = peak("2MiB");
    for budget in ["64MiB", "1GiB", "1000GiB", "8000000GiB"] {
        let (most, same) = peak(budget);
        assert!(most < least + (12 << 20), "{most} bytes with a budget of {budget}, {least} with 2 MiB");
        assert_eq!(same, answer);
    }
}

/// Memory that the system refuses is an error of the program, wherever it is: never an abort, never a wrong answer.
#[test]
fn an_allocation_that_fails_is_an_error() {
    let (dir, short, long) = world();
    let random = random::write(dir.path(), Shape::default());
    let random = random.to_str().unwrap();
    let shipped = test_support::shipped();
    let shipped = shipped.to_str().unwrap();
    let checkpoint = test_support::fixture("convert/base");
    let checkpoint = checkpoint.to_str().unwrap();
    let out = dir.path().join("out");
    let out = out.to_str().unwrap();
    let question = "What is the pass key of QXRT?";
    let commands: [(&[&str], bool); 6] = [
        (&["ask", &short, "-q", question, "--model", shipped], true),
        (&["ask", &long, "-q", question, "--model", shipped, "--threads", "4"], true),
        (&["ask", &short, "-q", question, "--model", random, "--threads", "1"], false),
        (&["quantize", shipped, out, "--type", "F32"], false),
        (&["convert", checkpoint, out, "--type", "Q8_0", "--no-tokenizer"], false),
        (&["export-encoder", shipped, out], false),
    ];
    for (args, known) in commands {
        let (mut failed, mut done) = (0, 0);
        // Finer where the program just starts, in steps that are no multiples of a page. With less than itself, the system cannot start it.
        let program = fs::metadata(RAMBA).unwrap().len() / 1024;
        let limits = (program + 4_000..program + 80_000).step_by(4001).chain((120_000..400_000).step_by(30_011));
        for kib in limits {
            let script = format!("ulimit -v {kib}; exec \"$0\" \"$@\"");
            let mut command = Command::new("sh");
            command.args(["-c", &script, RAMBA]).args(args).stdin(Stdio::null()).env("RUST_BACKTRACE", "0");
            let output = command.output().unwrap();
            let message = error(&output);
            // Too little for the system to start the program at all.
            if message.contains("error while loading shared libraries") {
                continue;
            }
            match output.status.code() {
                // 3: done, and the random model finds no answer.
                Some(0) | Some(3) if !known || output.status.success() => {
                    done += 1;
                    assert!(!known || output.stdout.starts_with(b"482913"), "{args:?} with {kib} KiB");
                }
                Some(1) => {
                    failed += 1;
                    let line = message.trim_end();
                    assert!(line.lines().last().unwrap().starts_with("error: "), "{args:?} with {kib} KiB: {message}");
                    assert!(
                        message.contains("memory") || message.contains("thread"),
                        "{args:?} with {kib} KiB: {message}"
                    );
                }
                code => panic!("{args:?} with {kib} KiB: {code:?}, signal {:?}: {message}", output.status.signal()),
            }
        }
        assert!(done > 3, "{args:?}: {done} of {} succeeded", done + failed);
        println!("{args:?}: {failed} errors, {done} successes");
    }
}
