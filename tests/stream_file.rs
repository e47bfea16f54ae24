//! The example that shows what the crate is for: its result as JSON, and what it says and returns when something is wrong.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;
use test_support::build::cargo;
use test_support::random::{self, Shape};

static EXAMPLE: LazyLock<PathBuf> =
    LazyLock::new(|| cargo(&["build", "--example", "stream_file"]).join("examples/stream_file"));

fn stream_file(args: &[&str], model: &Path) -> Output {
    let mut command = Command::new(&*EXAMPLE);
    command.args(args).arg("--model").arg(model).stdin(Stdio::null()).output().unwrap()
}

fn world() -> (TempDir, PathBuf, String) {
    let dir = TempDir::new().unwrap();
    // Bytes for tokens make long questions.
    let model = random::write(dir.path(), Shape { segment: 256, ..Shape::default() });
    let document = dir.path().join("document.txt");
    std::fs::write(&document, "The pass key of QXRT is 482913. Näïve? ".repeat(30)).unwrap();
    let document = document.to_str().unwrap().to_owned();
    (dir, model, document)
}

#[test]
fn json_has_the_promised_fields() {
    let (dir, model, document) = world();
    let memory = dir.path().join("memory");
    std::fs::create_dir(&memory).unwrap();
    let output = stream_file(
        &[&document, "--ask", "What is it?", "--ask", "And now?", "--json", "--budget", "2MiB", "--memory"]
            .map(|s| s as &str)
            .into_iter()
            .chain([memory.to_str().unwrap()])
            .collect::<Vec<_>>(),
        &model,
    );
    // What the random model says may be found or not.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stderr, b"", "no progress bar where there is no terminal");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tokens = result["tokens"].as_u64().unwrap();
    assert!(tokens > 1000 && result["chunks"].as_u64() == Some(tokens.div_ceil(16)), "{result}");
    assert!(result["ingest_tokens_per_s"].as_f64().unwrap() > 0.0);
    assert!(result["memory_on_disk_bytes"].as_u64().unwrap() > 0);
    if cfg!(target_os = "linux") {
        assert!(result["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
    }
    let answers = result["answers"].as_array().unwrap();
    assert_eq!((answers.len(), &answers[0]["question"]), (2, &Value::from("What is it?")));
    for answer in answers {
        assert!(answer["answer"].is_string() && answer["first_token_ms"].as_f64().unwrap() > 0.0);
        assert!(["quoted", "found", "none", "unknown"].contains(&answer["support"].as_str().unwrap()), "{answer}");
        assert_eq!(answer["support"] == "quoted", !answer["quotes"].as_array().unwrap().is_empty(), "{answer}");
        assert!(["end", "length"].contains(&answer["stop"].as_str().unwrap()), "{answer}");
        for number in ["weight", "probability"] {
            assert!((0.0..=1.0001).contains(&answer[number].as_f64().unwrap()), "{answer}");
        }
        for source in answer["sources"].as_array().unwrap() {
            assert!(source["text"].is_string());
            let field = |name: &str| source[name].as_u64().unwrap();
            assert!(field("byte_start") < field("byte_end") && field("chunk") < tokens.div_ceil(16));
            assert!((0.0..=1.0).contains(&source["weight"].as_f64().unwrap()));
        }
    }
    assert_eq!(std::fs::read_dir(&memory).unwrap().count(), 0, "the memories are deleted at the end");
}

#[test]
fn without_a_file_it_reads_the_documentation_of_the_project() {
    let (_dir, model, _) = world();
    let output = stream_file(&[], &model);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("Q: ").count(), 15, "{text}");
    // Each question of its own is marked, and the last line counts the marks.
    let marks = |mark| text.matches(mark).count();
    assert_eq!(marks("  ✓   (") + marks("  ✗   ("), 15, "{text}");
    let counts: Vec<usize> = text.lines().last().unwrap().split(' ').filter_map(|word| word.parse().ok()).collect();
    let [right, 12, refused, 3] = counts[..] else { panic!("{text}") };
    assert_eq!(right + refused, marks("  ✓   ("), "{text}");
}

#[test]
fn standard_input_is_read_and_quoted() {
    let (_dir, _, document) = world();
    let ask = |question: &str| {
        let mut command = Command::new(&*EXAMPLE);
        command.args(["-", "--ask", question, "--model"]).arg(test_support::shipped());
        command.stdin(std::fs::File::open(&document).unwrap());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, text) = ask("What is the pass key of QXRT?");
    assert!(status == Some(0) && text.contains("A: 482913 ") && text.contains("“"), "the source is quoted: {text}");
    let (status, text) = ask("What is the pass key of ABCD?");
    assert!(status == Some(3) && text.contains("A: not found in the document "), "{text}");
}

#[test]
fn failures_are_one_line_and_an_exit_code() {
    let (dir, model, document) = world();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let folder = dir.path().to_str().unwrap();
    let empty = write("empty.txt", b"");
    let damaged = write("damaged.gguf", &std::fs::read(&model).unwrap()[..5000]);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["/nowhere/file.txt"], 1, "/nowhere/file.txt"),
        (&[folder], 1, "directory"),
        (&[&empty], 1, "empty"),
        (&[&document, "--memory", &document], 1, "document.txt"),
        (&[&document, "--budget", "1k"], 1, "budget"),
        (&[&document, "--budget", "lots"], 2, "lots"),
        (&[&document, "--no-such-option"], 2, "--no-such-option"),
    ];
    for (args, code, word) in cases {
        check(&stream_file(args, &model), *code, word);
    }
    for (path, word) in
        [("/nowhere/model.gguf", "/nowhere/model.gguf"), (&document, "magic"), (&damaged, "damaged.gguf")]
    {
        check(&stream_file(&[&document], Path::new(path)), 1, word);
    }
}

#[test]
fn what_cannot_be_read_as_it_stands_is_said() {
    let (dir, model, _) = world();
    let latin1 = dir.path().join("latin1.txt");
    std::fs::write(&latin1, b"caf\xe9").unwrap();
    let output = stream_file(&[latin1.to_str().unwrap(), "--ask", "What is the pass key of QXRT?"], &model);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(
        matches!(output.status.code(), Some(0 | 3)) && notes.contains("latin1.txt: byte 3 is not UTF-8"),
        "{notes}"
    );
}

fn check(output: &Output, code: i32, word: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(message.contains(word) && !message.contains("panicked"), "{word:?}: {message}");
    assert!(code == 2 || (message.starts_with("error: ") && message.trim_end().lines().count() == 1), "{message}");
    assert!(output.stdout.is_empty());
}
