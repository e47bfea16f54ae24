//! Chunk encoders on the command line.

use std::process::Command;

use ramba::onnx;
use ramba::weights::Weights;
use test_support::model::Fixture;

/// Runs `ramba` and returns its exit code and standard error.
fn ramba(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ramba")).args(args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// In a process of its own, since a process loads one library only.
#[cfg(feature = "ort")]
#[test]
fn a_missing_library_is_one_clear_line() {
    let dir = tempfile::tempdir().unwrap();
    let document = dir.path().join("document.txt");
    std::fs::write(&document, "The pass key is 12345.").unwrap();
    let text = dir.path().join("libonnxruntime.so");
    std::fs::write(&text, "not a library").unwrap();
    for library in ["/nowhere/libonnxruntime.so", text.to_str().unwrap(), "libc.so.6"] {
        let ask = ["ask", document.to_str().unwrap(), "-q", "?", "--encoder", "ort", "--encoder-library", library];
        let (code, message) = ramba(&ask);
        assert_eq!(code, Some(1), "{message}");
        assert!(message.starts_with("error: ") && message.trim_end().lines().count() == 1, "{message}");
        assert!(message.contains("ORT_DYLIB_PATH") && message.contains(library), "{message}");
    }
}

#[test]
fn options_that_would_be_ignored_are_refused() {
    let cases: &[(&[&str], &str)] = &[
        (&["--encoder-model", "x.onnx"], "--encoder tract or ort"),
        (&["--encoder", "tract", "--allow-cpu"], "--encoder ort"),
        (&["--encoder-provider", "cuda"], "--encoder ort"),
        (&["--encoder-provider", "gpu", "--encoder", "ort"], "tensorrt"),
    ];
    for (options, words) in cases {
        let (code, message) = ramba(&[&["ask", "-", "-q", "?"], *options].concat());
        assert!(code != Some(0) && message.contains(words), "{message}");
    }
}

#[test]
fn the_command_line_exports_encoders() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("encoder.onnx");
    let shipped = test_support::shipped();
    let (model, to) = (shipped.to_str().unwrap(), out.to_str().unwrap());
    let (code, message) = ramba(&["export-encoder", model, to]);
    assert_eq!((code, message.as_str()), (Some(0), ""));
    assert_eq!(std::fs::read(&out).unwrap(), onnx::encoder(&Weights::open(&shipped).unwrap()).unwrap());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");

    let plain = dir.path().join("plain.gguf");
    std::fs::write(&plain, Fixture::open("mamba2").bytes()).unwrap();
    let (code, message) = ramba(&["export-encoder", plain.to_str().unwrap(), to]);
    assert_eq!(code, Some(1));
    assert!(message.contains("no encoder"), "{message}");
}
