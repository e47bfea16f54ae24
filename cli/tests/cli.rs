//! What the commands say and return when something is wrong: one clear line and an exit code, never a panic.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use test_support::random::{self, Shape};

/// A folder with a model and a document, and a way to run `ramba ask` there.
struct World {
    dir: TempDir,
    model: PathBuf,
    document: PathBuf,
}

fn world() -> World {
    let dir = TempDir::new().unwrap();
    let model = random::write(dir.path(), Shape::default());
    let document = dir.path().join("document.txt");
    std::fs::write(&document, "The pass key of QXRT is 482913. ".repeat(20)).unwrap();
    World { dir, model, document }
}

impl World {
    fn ask(&self, file: &Path, model: &Path, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ramba"));
        command.arg("ask").arg(file).args(["-q", "What is the pass key of QXRT?", "--model"]).arg(model);
        command.args(more).stdin(Stdio::null()).output().unwrap()
    }

    /// Expects exit code `code` and one line on standard error with all of `words` in it.
    fn fails(&self, file: &Path, model: &Path, more: &[&str], code: i32, words: &[&str]) {
        let output = self.ask(file, model, more);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{message}");
        assert!(!message.contains("panicked"), "{message}");
        for word in words {
            assert!(message.contains(word), "{word:?} is missing in: {message}");
        }
        if code == 1 {
            assert_eq!(message.trim_end().lines().count(), 1, "{message}");
            assert!(message.starts_with("error: "), "{message}");
        }
    }
}

#[test]
fn a_device_that_is_not_there_is_an_error_that_says_so() {
    let w = world();
    w.fails(&w.document, &w.model, &["--device", "abacus"], 2, &["abacus", "cpu", "cuda"]);
    // No machine has a hundred of them; one without the driver's library has none.
    let words: &[&str] = if cfg!(feature = "cuda") { &["no CUDA device"] } else { &["feature `cuda`"] };
    w.fails(&w.document, &w.model, &["--device", "cuda:100"], 1, words);
    let output = Command::new(env!("CARGO_BIN_EXE_ramba")).arg("version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("CUDA") == cfg!(feature = "cuda"), "{text}");
}

#[test]
fn a_question_is_answered() {
    let w = world();
    let output =
        w.ask(&w.document, &w.model, &["--sources", "--budget", "1MiB", "--threads", "1", "--max-tokens", "5"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() > 1 && text.contains("bytes ") && text.contains("QXRT"), "{text}");
    assert_eq!(output.stderr, b"", "no progress bar where there is no terminal");
}

#[test]
fn documents_that_cannot_be_read() {
    let w = world();
    let at = |name: &str| w.dir.path().join(name);
    w.fails(&at("missing.txt"), &w.model, &[], 1, &["missing.txt"]);
    std::fs::create_dir(at("folder")).unwrap();
    w.fails(&at("folder"), &w.model, &[], 1, &["folder", "directory"]);
    std::fs::write(at("empty.txt"), "").unwrap();
    w.fails(&at("empty.txt"), &w.model, &[], 1, &["empty.txt", "empty"]);
    // A pipe cannot be read twice to find out what it is.
    let long = [&b"plain ".repeat(1 << 18)[..], b"caf\xe9 au lait", &b" plain".repeat(1 << 16)].concat();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ramba"));
    command.args(["text", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let _ = std::io::Write::write_all(&mut stdin, &long);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("standard input") && message.contains("1572867") && message.contains("--encoding"),
        "{message}"
    );
}

#[test]
fn models_that_cannot_be_loaded() {
    let w = world();
    let at = |name: &str| w.dir.path().join(name);
    w.fails(&w.document, &at("missing.gguf"), &[], 1, &["missing.gguf"]);
    w.fails(&w.document, w.dir.path(), &[], 1, &["model"]);
    w.fails(&w.document, &w.document, &[], 1, &["document.txt", "magic"]);
    let whole = std::fs::read(&w.model).unwrap();
    for cut in [0, 3, 24, 1000, whole.len() / 2, whole.len() - 40] {
        std::fs::write(at("cut.gguf"), &whole[..cut]).unwrap();
        w.fails(&w.document, &at("cut.gguf"), &[], 1, &["cut.gguf"]);
    }
    let mut nan = whole;
    let end = nan.len() - 64;
    nan[end..].fill(0xff);
    std::fs::write(at("nan.gguf"), nan).unwrap();
    w.fails(&w.document, &at("nan.gguf"), &[], 1, &["nan.gguf", "NaN"]);
}

#[test]
fn memory_that_cannot_be_had() {
    let w = world();
    w.fails(&w.document, &w.model, &["--budget", "1k"], 1, &["budget"]);
    // A file where a folder is wanted; permissions would not stop the superuser.
    let file = w.document.to_str().unwrap();
    w.fails(&w.document, &w.model, &["--memory", file], 1, &["document.txt"]);
    w.fails(&w.document, &w.model, &["--memory", "/proc/nowhere"], 1, &["/proc/nowhere"]);
}

#[test]
fn usage_errors() {
    let w = world();
    w.fails(&w.document, &w.model, &["--budget", "lots"], 2, &["--budget", "lots"]);
    w.fails(&w.document, &w.model, &["--budget", "64XB"], 2, &["unknown unit"]);
    w.fails(&w.document, &w.model, &["--budget", "-1"], 2, &["-1"]);
    w.fails(&w.document, &w.model, &["--threads", "many"], 2, &["--threads"]);
    w.fails(&w.document, &w.model, &["--colour"], 2, &["--colour"]);
    let none = Command::new(env!("CARGO_BIN_EXE_ramba")).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn a_long_question_is_refused() {
    let w = world();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ramba"));
    command.arg("ask").arg(&w.document).args(["-q", &"why ".repeat(100), "--model"]).arg(&w.model);
    let output = command.output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{message}");
    assert!(message.contains("question") && message.contains("segment"), "{message}");
}

#[test]
fn info_and_version() {
    let w = world();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ramba")).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let model = w.model.to_str().unwrap();
    let text = run(&["info", model, "--tensors"]);
    for word in ["ramba.chunk.size = 16", "token_embd.weight", "weights", "on disk"] {
        assert!(text.contains(word), "{text}");
    }
    let info: serde_json::Value = serde_json::from_str(&run(&["info", model, "--json"])).unwrap();
    assert_eq!(info["metadata"]["general.architecture"], "ramba");
    assert!(info["memory"]["weights_bytes"].as_u64().unwrap() > 100_000);
    assert!(run(&["version"]).starts_with(concat!("ramba ", env!("CARGO_PKG_VERSION"))));
    let version: serde_json::Value = serde_json::from_str(&run(&["version", "--json"])).unwrap();
    assert_eq!((&version["version"], &version["encoders"][0]), (&env!("CARGO_PKG_VERSION").into(), &"native".into()));
}

#[test]
fn bench_says_what_it_measures_and_what_that_takes() {
    let dir = TempDir::new().unwrap();
    let model = random::write(dir.path(), Shape::default());
    let model = model.to_str().unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ramba"));
        command.args(["bench", "--model", model, "--tokens", "512", "--prompt", "32", "--decode", "8", "--runs", "1"]);
        let output = command.args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let bench: serde_json::Value = serde_json::from_str(&run(&["--threads", "1,2", "--json"])).unwrap();
    assert_eq!((&bench["architecture"], &bench["device"]), (&"ramba".into(), &"cpu".into()), "{bench}");
    assert!(bench["description"].as_str().unwrap().starts_with(bench["kernels"].as_str().unwrap()), "{bench}");
    assert_eq!(bench["types"]["F32"], bench["weights_bytes"], "{bench}");
    assert_eq!(bench["weights_bytes"].as_u64(), bench["parameters"].as_u64().map(|n| 4 * n), "{bench}");
    let rows = bench["rows"].as_array().unwrap();
    let fields: [(&str, &[&str]); 7] = [
        ("memory", &["gb_per_s"]),
        ("products", &["gop_per_s"]),
        ("reading", &["tokens_per_s", "multiply_adds_per_token", "gop_per_s", "share_of_products"]),
        ("prefill", &["tokens_per_s", "multiply_adds_per_token", "gop_per_s", "share_of_products"]),
        ("decode", &["tokens_per_s", "bytes_per_token", "gb_per_s", "share_of_memory"]),
        ("retrieval", &["ms", "bytes_per_token", "gb_per_s", "share_of_memory"]),
        ("first token", &["ms"]),
    ];
    assert_eq!(rows.len(), 2 * fields.len(), "{bench}");
    for (row, (i, (what, fields))) in rows.iter().zip([1, 2].iter().flat_map(|i| fields.iter().map(move |f| (i, f)))) {
        assert_eq!((&row["what"], &row["threads"]), (&(*what).into(), &(*i).into()), "{bench}");
        assert!(bench["timed"][what].is_string(), "{bench}");
        for field in *fields {
            assert!(row[field].as_f64().is_some_and(|v| v > 0.0 && v.is_finite()), "{field}: {row}");
        }
    }

    // 8 segments of 64 tokens, 7 of which overlap 24 before, through 2 blocks: products of 148 × 32, 80 × 4 and 32 × 64, a state of 64 × 8
    // twice. 32 chunks of 17 rows: 4 products of 32 × 32, 3 of 64 × 32, 2 of 16 × 32, and attention to 17 rows, 32 wide, twice. A
    // landmark of 32 × 32 for each.
    let block = 148 * 32 + 80 * 4 + 32 * 64 + 2 * 64 * 8;
    let row = 4 * 32 * 32 + 3 * 64 * 32 + 2 * 16 * 32 + 2 * 17 * 32;
    let reading = (512 + 7 * 24) * 2 * block + 32 * (17 * row + 32 * 32);
    assert_eq!(rows[2]["multiply_adds_per_token"].as_f64(), Some(f64::from(reading) / 512.0), "{bench}");
    // Once through 4 blocks, a query of 32 × 32, 32 landmarks of 32, and twice 2 products of 32 × 32 and 3 chunks of 16 keys and values;
    // logits of 260 tokens at the end.
    let token = 4 * block + 32 * 32 + 32 * 32 + 2 * (2 * 32 * 32 + 3 * 16 * 2 * 32);
    assert_eq!(
        rows[3]["multiply_adds_per_token"].as_f64(),
        Some(f64::from(token) + f64::from(260 * 32) / 32.0),
        "{bench}"
    );
    // The embedding is the output matrix too. Vectors of a block: two norms, the bias of 80, three of 4.
    let weights = 260 * 32 + 32 + 4 * (148 * 32 + 80 * 4 + 32 * 64 + 32 + 64 + 80 + 12) + 33 * 32 + 2 * (65 * 32);
    let decode = &rows[4];
    let bytes =
        ["weights_bytes", "states_bytes", "landmarks_bytes", "chunks_bytes"].map(|key| decode[key].as_u64().unwrap());
    assert_eq!(bytes[..2], [4 * weights, 2 * 4 * 4 * (64 * 8 + 3 * 80)], "{bench}");
    assert_eq!((bytes[2] % (2 * 32), bytes[3]), (0, 2 * 3 * 2 * 2 * 16 * 16), "{bench}");
    assert_eq!(decode["bytes_per_token"].as_u64(), Some(bytes.iter().sum()), "{bench}");
    assert_eq!(rows[5]["bytes_per_token"], decode["landmarks_bytes"], "{bench}");

    let text = run(&["--threads", "1"]);
    for word in [
        "kernels",
        "F32",
        "memory",
        "products",
        "reading 512 tokens",
        "prefill 32",
        "decode 8",
        "retrieval",
        "MB/token",
        "% of",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn checkpoints_are_converted_and_models_quantized() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let run = |args: &[&str], code: i32| {
        let output = Command::new(env!("CARGO_BIN_EXE_ramba")).args(args).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{error}");
        (String::from_utf8(output.stdout).unwrap(), error)
    };
    let checkpoint = test_support::fixture("convert/base");
    let checkpoint = checkpoint.to_str().unwrap();
    let (text, _) = run(&["convert", checkpoint, &at("a.gguf"), "--type", "F32", "--no-tokenizer"], 0);
    assert!(text.contains("note: the file has no tokenizer") && text.contains("ramba: "), "{text}");
    let (json, _) = run(&["quantize", &at("a.gguf"), &at("b.gguf"), "--type", "ssm_out=Q8_0", "--json"], 0);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let changed: Vec<_> = report["tensors"].as_array().unwrap().iter().filter(|t| t["type"] == "Q8_0").collect();
    assert_eq!(changed.len(), 2, "{json}");
    assert!(changed.iter().all(|t| t["relative_rms_error"].as_f64().unwrap() > 0.0), "{json}");
    let (text, _) = run(&["quantize", &at("b.gguf"), &at("b.gguf"), "--type", "Q4_0"], 0);
    assert!(text.contains("blk.0.ssm_out.weight") && text.contains("second time"), "{text}");
    let (text, _) = run(&["info", &at("b.gguf"), "--tensors"], 0);
    assert!(text.contains("Q4_0"), "{text}");

    let (_, error) = run(&["convert", checkpoint, &at("c.gguf"), "--type", "Q3"], 1);
    assert!(error.starts_with("error: ") && error.contains("\"Q3\""), "{error}");
    let (_, error) = run(&["convert", checkpoint, &at("c.gguf"), "--type", "Q4_K_M"], 1);
    assert!(error.contains("did you mean Q4_K?"), "{error}");
    let (_, error) = run(&["convert", checkpoint, &at("c.gguf")], 1);
    assert!(error.contains("--no-tokenizer"), "{error}");
    run(&["convert", checkpoint, &at("c.gguf"), "--segments", "sometimes"], 2);
    let (_, error) = run(&["convert", &at(""), &at("c.gguf")], 1);
    assert!(error.contains("config.json"), "{error}");
    run(&["quantize", &at("a.gguf"), &at("c.gguf")], 2);
}

#[test]
fn a_model_without_a_tokenizer_is_described_measured_and_quantized() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (model, out) = (at("model.gguf"), at("out.gguf"));
    let file = random::without("tokenizer.").str("tokenizer.ggml.model", "no_vocab");
    std::fs::write(&model, file.build()).unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ramba")).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["info", &model]).contains("tokenizer.ggml.model = no_vocab"));
    assert!(run(&["bench", "--model", &model, "--tokens", "256", "--decode", "4", "--runs", "1"]).contains("decode"));
    run(&["quantize", &model, &out, "--type", "Q8_0"]);
    assert!(run(&["info", &out]).contains("tokenizer.ggml.model = no_vocab"));
}

#[test]
fn questions_of_ones_own_are_scored() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("questions.json");
    let text = r#"[{"document": "The pass key of QXRT is 482913. The ferry leaves at noon.", "questions": [
        {"question": "What is the pass key of QXRT?", "answers": ["482913"]},
        {"question": "What is the pass key of ABCD?", "answers": []}]}]"#;
    std::fs::write(&path, text).unwrap();
    let (code, text) = printed(&ramba().arg("evaluate").arg(&path).arg("--support").output().unwrap());
    assert_eq!(code, Some(0), "{text}");
    let row = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line[name.len()..].split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("right "), ["1", "1", "0", "0"], "asked, quoted, found, none");
    assert_eq!(row("wrong "), ["0", "0", "0", "0"]);
    assert_eq!(row("not in the document "), ["1", "0", "0", "1"]);
    assert_eq!(row("right, weight ")[7], "0.000", "with less than 0.75");
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let w = world();
    let script = format!("\"$0\" info '{}' --tensors | head -c 1", w.model.display());
    let output = Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_ramba")]).output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

/// A document with a key in it, and how to ask about it.
struct Keys {
    dir: TempDir,
    document: PathBuf,
}

fn keys() -> Keys {
    let dir = TempDir::new().unwrap();
    let document = dir.path().join("keys.txt");
    let filler = "The ferryman bought the small letter near the northern road. ".repeat(20);
    let text = format!("{filler}The pass key of RENT is 1250. {filler}The pass key of WIFI is 90817263. {filler}");
    std::fs::write(&document, text).unwrap();
    Keys { dir, document }
}

const WIFI: [&str; 2] = ["-q", "What is the pass key of WIFI?"];

fn ramba() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ramba"));
    command.env("RAMBA_MODEL", test_support::shipped()).stdin(Stdio::null());
    command
}

fn printed(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stdout.clone()).unwrap())
}

#[test]
fn what_the_document_does_not_say_is_not_answered() {
    let k = keys();
    let ask = |more: &[&str]| printed(&ramba().arg("ask").arg(&k.document).args(more).output().unwrap());
    assert_eq!(ask(&WIFI), (Some(0), "90817263\n".into()));
    assert_eq!(ask(&["-q", "What is the pass key of RENT?"]), (Some(0), "1250\n".into()));
    let absent = ["-q", "What is the pass key of ABCD?", "--sources"];
    assert_eq!(ask(&absent), (Some(3), "not found in the document\n".into()));
    assert_eq!(ask(&[&absent[..], &["--free"]].concat()), (Some(3), "not found in the document\n".into()));
    assert_eq!(ask(&[&absent[..], &WIFI].concat()).0, Some(3), "one of the questions");

    let (status, json) = ask(&[&absent[..], &WIFI, &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let [guess, answer] = &json["answers"].as_array().unwrap()[..] else { panic!("{json}") };
    assert_eq!((status, &guess["support"], guess["answer"] != ""), (Some(3), &"none".into(), true), "{guess}");
    assert_eq!(
        (&answer["support"], &answer["answer"], &answer["stop"]),
        (&"quoted".into(), &"90817263".into(), &"end".into())
    );
    let quote = &answer["quotes"][0];
    let text = std::fs::read_to_string(&k.document).unwrap();
    assert_eq!(
        (quote["byte_start"].as_u64(), &quote["text"]),
        (text.find("90817263").map(|at| at as u64), &"90817263".into())
    );
    assert!(answer["weight"].as_f64().unwrap() > 0.9 && guess["weight"].as_f64().unwrap() < 0.1, "{json}");
}

#[test]
fn an_answer_that_is_cut_off_says_so() {
    let k = keys();
    let ask = |more: &[&str]| {
        let output =
            ramba().arg("ask").arg(&k.document).args(WIFI).args(["--max-tokens", "3"]).args(more).output().unwrap();
        printed(&output)
    };
    assert_eq!(ask(&[]), (Some(0), "908… [cut off]  [not in these words]\n".into()));
    let json: serde_json::Value = serde_json::from_str(&ask(&["--json"]).1).unwrap();
    assert_eq!((&json["answers"][0]["stop"], &json["answers"][0]["support"]), (&"length".into(), &"found".into()));
}

#[test]
fn a_question_is_one_however_it_is_written() {
    let k = keys();
    for question in
        ["What is the pass key of WIFI", "  What is the pass key of WIFI?\r\n", "What is\nthe pass key of WIFI？"]
    {
        let output = ramba().arg("ask").arg(&k.document).args(["-q", question]).output().unwrap();
        assert_eq!(printed(&output), (Some(0), "90817263\n".into()), "{question:?}");
    }
}

/// Sources are quoted from the memory, not from the file, which may be gone or changed by then, or a pipe.
#[cfg(unix)]
#[test]
fn every_document_is_quoted() {
    let k = keys();
    let run = |script: &str| {
        let mut command = Command::new("bash");
        command.args(["-c", script, env!("CARGO_BIN_EXE_ramba")]).arg(&k.document).args(WIFI).current_dir(k.dir.path());
        command.env("RAMBA_MODEL", test_support::shipped());
        printed(&command.output().unwrap())
    };
    let file = run("\"$0\" ask \"$@\" --sources");
    assert!(file.0 == Some(0) && file.1.contains("pass key of WIFI is 90817263. The ferryman"), "{}", file.1);
    for other in [
        "f=$1; shift; \"$0\" ask - \"$@\" --sources < $f",
        "f=$1; shift; cat $f | \"$0\" ask - \"$@\" --sources",
        "f=$1; shift; cat $f | \"$0\" ask /dev/stdin \"$@\" --sources",
        "f=$1; shift; \"$0\" ask <(cat $f) \"$@\" --sources",
        "f=$1; shift; mkfifo pipe; cat $f > pipe & \"$0\" ask pipe \"$@\" --sources",
    ] {
        assert_eq!(run(other), file, "{other}");
    }
    // Other digits are written over the first file once it has been read: the second one is opened then.
    let changed = run(
        "f=$1; shift; cp $f first; mkfifo second; (exec 3>second; tr 0-9 1 <$f >first; echo 'The ferry leaves.' >&3) & \
         \"$0\" ask first second \"$@\" --sources",
    );
    assert!(changed.0 == Some(0) && changed.1.contains("pass key of WIFI is 90817263. The ferryman"), "{}", changed.1);
}

/// The document is a pipe that never ends: who reads it before checking the rest never gets to an error.
#[test]
fn what_can_be_checked_is_checked_before_the_document_is_read() {
    let k = keys();
    let file = k.document.to_str().unwrap();
    let long = "well now, ".repeat(200);
    let cases: &[(&[&str], &str)] = &[
        (&["-q", ""], "the question is empty"),
        (&["-q", " \r\n\t"], "the question is empty"),
        (&["-q", "\u{1b}\u{7}"], "the question is empty"),
        (&["-q", "What?", "-q", &long], "segment"),
        (&["-q", "What?", "--max-tokens", "0"], "tokens"),
        (&["-q", "What?", "--budget", "1k"], "budget"),
        (&["-q", "What?", "--memory", file], "keys.txt"),
        (&["-q", "What?", "--memory", "/proc/nowhere"], "/proc/nowhere"),
        (&["-q", "What?", "--encoder-model", file], "--encoder-model"),
    ];
    for (args, word) in cases {
        let mut child =
            ramba().args(["ask", "-"]).args(*args).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Held open until the program has ended.
        let input = child.stdin.take();
        let started = std::time::Instant::now();
        while child.try_wait().unwrap().is_none() {
            if started.elapsed().as_secs() > 60 {
                child.kill().unwrap();
                panic!("{args:?}: it waits for the document");
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        drop(input);
        let output = child.wait_with_output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {message}");
        assert!(message.starts_with("error: ") && message.contains(word), "{args:?}: {message}");
    }
}

#[test]
fn several_answers_stand_under_their_questions() {
    let w = world();
    let output = w.ask(&w.document, &w.model, &["-q", "What is\nthe other key?", "--max-tokens", "3"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[2]), ("What is the pass key of QXRT?", "What is the other key?"), "{text}");
    assert!(lines[1].starts_with("  ") && lines[3].starts_with("  ") && lines.len() == 4, "{text}");
}

#[test]
fn shells_and_manuals_know_the_commands() {
    let dir = TempDir::new().unwrap();
    let run = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_ramba")).args(args).output().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completions", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("quantize") && script.contains("encoding"), "{shell}");
    }
    assert!(run(&["man", dir.path().to_str().unwrap()]).status.success());
    let page = std::fs::read_to_string(dir.path().join("ramba-ask.1")).unwrap();
    assert!(page.contains("question") && dir.path().join("ramba.1").is_file(), "{page}");
    assert_eq!(run(&["man", "/nowhere/at/all"]).status.code(), Some(1));
}

#[test]
fn what_is_mistyped_is_guessed() {
    let w = world();
    let output = Command::new(env!("CARGO_BIN_EXE_ramba")).args(["quantise", "x"]).output().unwrap();
    assert!(
        output.status.code() == Some(2) && String::from_utf8_lossy(&output.stderr).contains("'quantize'"),
        "{output:?}"
    );
    w.fails(&w.document, &w.model, &["--sorces"], 2, &["--sources"]);
    w.fails(&w.dir.path().join("docment.txt"), &w.model, &[], 1, &["did you mean", "document.txt"]);
}

#[test]
#[cfg(unix)]
fn output_that_nobody_reads_ends_the_command_without_a_word() {
    let w = world();
    let long = w.dir.path().join("long.txt");
    std::fs::write(&long, "The pass key of QXRT is 482913. ".repeat(1 << 16)).unwrap();
    let script = "\"$0\" text \"$1\" | head -c 10; exit \"${PIPESTATUS[0]}\"";
    let output = Command::new("bash").args(["-c", script, env!("CARGO_BIN_EXE_ramba")]).arg(&long).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(141), 10, 0), "{output:?}");
}

/// On a terminal, which `script` makes, help and errors have colours, unless they are not wanted.
#[test]
#[cfg(target_os = "linux")]
fn colours_are_for_terminals_and_not_for_no_color() {
    if Command::new("script").arg("--version").output().is_err() {
        return test_support::require::lacking("there is no `script` to make a terminal");
    }
    let shown = |variables: &str, args: &str| {
        let command = format!("{variables} '{}' {args}", env!("CARGO_BIN_EXE_ramba"));
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-c", &command, "/dev/null"]).stdin(Stdio::null()).env_remove("NO_COLOR");
        String::from_utf8(script.env("TERM", "xterm-256color").output().unwrap().stdout).unwrap()
    };
    for args in ["--help", "quantise x", "info /nowhere"] {
        let plain = shown("NO_COLOR=1", args);
        assert!(!plain.contains("\u{1b}[") && plain.len() > 20, "{args}: {plain:?}");
    }
    assert!(shown("", "--help").contains("\u{1b}["), "there are some otherwise");
    let piped = Command::new(env!("CARGO_BIN_EXE_ramba")).arg("--help").output().unwrap();
    assert!(!piped.stdout.contains(&0x1b));
}

/// How far reading is, and how long it takes, is shown of formats whose text is not as long as their files too; and nothing of it in a pipe.
#[test]
#[cfg(target_os = "linux")]
fn progress_is_for_terminals() {
    if Command::new("script").arg("--version").output().is_err() {
        return test_support::require::lacking("there is no `script` to make a terminal");
    }
    let dir = TempDir::new().unwrap();
    let page = dir.path().join("page.html");
    std::fs::write(&page, "<p>It was a bright cold day, and the ferryman had a letter in his pocket.".repeat(4000))
        .unwrap();
    let command = format!("'{}' ask page.html -q 'What is it?'", env!("CARGO_BIN_EXE_ramba"));
    let mut script = Command::new("script");
    script.args(["-q", "-c", &command, "/dev/null"]).current_dir(dir.path()).stdin(Stdio::null());
    let shown = script.env("RAMBA_MODEL", test_support::shipped()).env("TERM", "xterm").output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    for word in [" %, ", " left, ", " tokens, ", " a second", "page.html"] {
        assert!(shown.contains(word), "{word:?} is missing in {shown:?}");
    }
    assert!(!shown.contains("\u{1b}[1A"), "it is one line: {shown:?}");
    let mut piped = Command::new("sh");
    let piped = piped
        .current_dir(dir.path())
        .args(["-c", &command])
        .env("RAMBA_MODEL", test_support::shipped())
        .output()
        .unwrap();
    assert_eq!((piped.status.code(), piped.stderr.len()), (Some(3), 0), "{piped:?}");
}

#[test]
fn the_shipped_model_is_in_the_program() {
    let w = world();
    // A copy of it in a folder without models.
    let program = w.dir.path().join("ramba");
    std::fs::copy(env!("CARGO_BIN_EXE_ramba"), &program).unwrap();
    let mut command = Command::new(&program);
    let manual =
        "The pump holds two litres of oil. The oil is changed every 500 hours. The warranty ends after three years.";
    std::fs::write(w.dir.path().join("manual.txt"), manual).unwrap();
    command.current_dir(w.dir.path()).env_remove("RAMBA_MODEL").args(["ask", "manual.txt"]);
    let questions = ["-q", "How often is the oil changed?", "-q", "Who wrote Hamlet?", "--json"];
    let output = command.args(questions).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "one is not answered: {output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["answers"][0]["answer"].as_str().unwrap().contains("500 hours"), "{json}");
    assert_eq!((&json["answers"][0]["support"], &json["answers"][1]["support"]), (&"quoted".into(), &"none".into()));

    let mut command = Command::new(&program);
    let estimate = command.env_remove("RAMBA_MODEL").args(["estimate", "--tokens", "64k"]).output().unwrap();
    assert!(estimate.status.success(), "{estimate:?}");
}

/// A model file is named by an option, or by a variable if there is none, which the manual says.
#[test]
fn another_default_model_is_named_by_a_variable() {
    let w = world();
    let ask = |model: &Path, more: &[&str]| {
        let mut command = ramba();
        command.env("RAMBA_MODEL", model).arg("ask").arg(&w.document).args(["-q", "What is the pass key of QXRT?"]);
        command.args(more).output().unwrap()
    };
    let small = test_support::shipped();
    assert_eq!(printed(&ask(&small, &[])), (Some(0), "482913\n".into()));
    let missing = w.dir.path().join("missing.gguf");
    let message = String::from_utf8(ask(&missing, &[]).stderr).unwrap();
    assert!(message.contains("missing.gguf"), "{message}");
    assert_eq!(printed(&ask(&missing, &["--model", small.to_str().unwrap()])), (Some(0), "482913\n".into()));
    for command in ["ask", "add", "serve", "bench", "estimate", "evaluate"] {
        let (code, help) = printed(&ramba().args([command, "--help"]).output().unwrap());
        assert!(code == Some(0) && help.contains("RAMBA_MODEL") && help.contains("ramba-qa"), "{command}: {help}");
        assert!(!help.contains("ramba-small.gguf"), "help does not depend on the environment: {help}");
    }
}
