//! What the commands print of files is bounded and cannot steer a terminal.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use test_support::gguf::File;
use test_support::random::{self, Shape};

fn ramba(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ramba"));
    command.env("RAMBA_MODEL", test_support::shipped()).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Unicode's Bidi_Control, and the control characters but for the ends of lines.
fn steers(c: char) -> bool {
    let bidi = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
    c.is_control() && c != '\n' || bidi.contains(c)
}

/// What a command printed, which must hold nothing of the kind and be short.
fn checked(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    assert!(text.len() < 8192, "{} bytes", text.len());
    let text = String::from_utf8(text).unwrap();
    assert!(!text.chars().any(steers), "{text:?}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

const HOSTILE: &str = "a\u{202e}b\u{2066}c\u{61c}d\u{200f}e\u{1b}[2Jf\u{9b}g";

#[test]
fn a_text_of_a_file_of_any_length_makes_a_short_message() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let megabytes = "x\u{202e}".repeat(15 << 20);
    // In the places where a text goes into a message: the architecture, names of keys that follow from it, the tokenizer.
    let architecture = File::new().str("general.architecture", &megabytes).build();
    let document = at("document.txt");
    std::fs::write(&document, "The pass key of QXRT is 482913. ").unwrap();
    let model = at("model.gguf");
    std::fs::write(&model, &architecture).unwrap();
    for args in [
        vec!["info", &model],
        vec!["info", &model, "--json"],
        vec!["ask", &document, "-q", "What?", "--model", &model],
        vec!["quantize", &model, &at("out.gguf"), "--type", "F16"],
        vec!["export-encoder", &model, &at("out.onnx")],
    ] {
        let output = ramba(&args);
        assert_eq!(output.status.code(), Some(1));
        let message = checked(&output);
        assert!(message.starts_with("error: ") && message.contains("architecture"), "{message}");
    }

    // The same for JSON of a checkpoint.
    let checkpoint = dir.path().join("checkpoint");
    std::fs::create_dir(&checkpoint).unwrap();
    for config in [
        format!("{{\"model_type\": \"{megabytes}\"}}"),
        format!("{{\"{megabytes}\": 1}}"),
        format!("{{\"hidden_size\": \"{megabytes}\"}}"),
    ] {
        std::fs::write(checkpoint.join("config.json"), config).unwrap();
        let output = ramba(&["convert", checkpoint.to_str().unwrap(), &at("out.gguf")]);
        assert_eq!(output.status.code(), Some(1));
        checked(&output);
    }
}

#[test]
fn what_steers_a_terminal_is_escaped_wherever_it_comes_from() {
    let dir = TempDir::new().unwrap();
    let sound = random::write(dir.path(), Shape::default());
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    // Keys, values and tensor names of a file that opens.
    let key = format!("general.{HOSTILE}");
    let hostile = random::file(Shape::default()).str(&key, HOSTILE).str("general.description", HOSTILE).build();
    let model = write("hostile.gguf", &hostile);
    let output = ramba(&["info", &model, "--tensors"]);
    let text = checked(&output);
    assert!(output.status.success() && text.contains("\\u{202e}"), "{text}");
    let output = ramba(&["info", &model, "--json"]);
    assert!(output.status.success());
    let json = String::from_utf8(output.stdout).unwrap();
    assert!(!json.chars().any(steers), "{json:?}");
    let info: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(info["metadata"].get(&key).is_some(), "the key is what it was");

    // A document that is quoted, and names of files.
    let model = sound.to_str().unwrap();
    let hostile = HOSTILE.repeat(30);
    let document = write("document.txt", format!("{hostile} The pass key of QXRT is 482913. {hostile}").as_bytes());
    let output = ramba(&["ask", &document, "-q", "What is the pass key of QXRT?", "--sources"]);
    let text = checked(&output);
    assert!(output.status.success() && text.contains("482913") && text.contains("\\u{202e}"), "{text}");
    let missing = dir.path().join(HOSTILE);
    let missing = missing.to_str().unwrap();
    for args in [
        vec!["ask", missing, "-q", "What?", "--model", model],
        vec!["ask", &document, "-q", "What?", "--model", missing],
        vec!["ask", &document, "-q", "What?", "--model", model, "--memory", missing],
        vec!["info", missing],
        vec!["convert", missing, missing],
        vec!["quantize", missing, missing, "--type", "F16"],
        vec!["export-encoder", model, &format!("{missing}/x")],
    ] {
        let output = ramba(&args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(checked(&output).contains("\\u{202e}"), "{args:?}");
    }
    assert!(!Path::new(missing).exists());
}
