//! Documents that last, from the command line: added, asked, listed, checked, removed, merged; stopped and gone on with.

#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use test_support::random::{self, Shape};

const QUESTION: &str = "What is the pass key of QXRT?";

struct World {
    dir: TempDir,
    model: PathBuf,
}

fn world() -> World {
    let dir = TempDir::new().unwrap();
    let model = random::write(dir.path(), Shape { segment: 256, ..Shape::default() });
    World { dir, model }
}

impl World {
    fn shipped() -> Self {
        World { dir: TempDir::new().unwrap(), model: test_support::shipped() }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ramba"));
        command.current_dir(self.dir.path()).args(args).stdin(Stdio::null());
        // These need no model.
        if !["docs", "verify", "remove"].contains(&args[0]) {
            command.arg("--model").arg(&self.model);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a command prints that succeeds.
    fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[args, &["--json"]].concat())).unwrap()
    }

    /// The message of a command that fails with `status`.
    fn failed(&self, args: &[&str], status: i32) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap()
    }

    fn what(&self, args: &[&str]) -> Vec<String> {
        let added = self.json(args);
        let documents = added["documents"].as_array().unwrap().iter();
        documents.map(|d| format!("{} {}", d["document"].as_str().unwrap(), d["what"].as_str().unwrap())).collect()
    }
}

#[test]
fn a_library_is_asked_and_the_answer_names_its_document() {
    let world = World::shipped();
    let filler = "Nothing of interest is written here, on this page of the manual. ".repeat(100);
    for (name, key) in [("pump", "QXRT is 482913"), ("drill", "RENT is 1250"), ("lathe", "DOOR is 417")] {
        world.write(name, &format!("{filler}The pass key of {key}. {filler}"));
    }
    let added = world.done(&["add", "lib", "pump", "drill"]);
    assert_eq!(added.lines().count(), 2, "{added}");
    assert!(added.starts_with("pump: added, "), "{added}");
    // What is there is not read again.
    assert_eq!(
        world.what(&["add", "lib", "pump", "drill", "lathe"]),
        ["pump unchanged", "drill unchanged", "lathe added"]
    );

    let alone = world.done(&["ask", "pump", "-q", QUESTION]);
    assert_eq!(world.done(&["ask", "lib", "-q", QUESTION]).trim(), format!("{}  (pump)", alone.trim()));
    let asked = world.json(&["ask", "lib", "-q", QUESTION, "-q", "What is the pass key of DOOR?"]);
    for (answer, document, text) in [(0, "pump", "482913"), (1, "lathe", "417")] {
        let answer = &asked["answers"][answer];
        assert_eq!((answer["answer"].as_str().map(str::trim), &answer["support"]), (Some(text), &"quoted".into()));
        assert_eq!(
            (&answer["quotes"][0]["document"], &answer["sources"][0]["document"]),
            (&document.into(), &document.into())
        );
    }
    let sources = world.done(&["ask", "lib", "-q", QUESTION, "--sources"]);
    assert!(sources.contains("pump"), "{sources}");
    world.done(&["ask", "lib", "--document", "pump", "-q", QUESTION]);
    let output = world.run(&["ask", "lib", "--document", "drill", "--document", "lathe", "-q", QUESTION]);
    assert_eq!((output.status.code(), output.stdout.trim_ascii()), (Some(3), &b"not found in the document"[..]));
    let message = world.failed(&["ask", "lib", "--document", "none", "-q", QUESTION], 1);
    assert!(message.contains("no document \"none\""), "{message}");
    let message = world.failed(&["ask", "pump", "--document", "pump", "-q", QUESTION], 1);
    assert!(message.contains("pump is none"), "{message}");
}

/// The library of another model is neither asked nor written to, and the message says what to do.
#[test]
fn a_library_of_another_model_is_refused_with_what_to_do() {
    let world = World::shipped();
    world.write("pump", "The pass key of QXRT is 482913.");
    world.done(&["add", "lib", "pump"]);
    for args in [&["ask", "lib", "-q", QUESTION][..], &["add", "lib", "pump"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ramba"));
        command.current_dir(world.dir.path()).env_remove("RAMBA_MODEL").args(args);
        let output = command.output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &b""[..]), "{message}");
        assert!(message.contains("lib") && message.contains("another") && message.contains("--model"), "{message}");
    }
    world.done(&["ask", "lib", "-q", QUESTION]);
}

#[test]
fn documents_are_listed_checked_and_removed() {
    let world = world();
    for name in ["a", "b", "c"] {
        world.write(name, &format!("The text of {name}. ").repeat(300));
    }
    world.done(&["add", "lib", "a", "b", "c"]);
    let docs = world.json(&["docs", "lib"]);
    let names: Vec<_> = docs["documents"].as_array().unwrap().iter().map(|d| d["document"].as_str().unwrap()).collect();
    assert_eq!((names, &docs["documents"][0]["bytes"]), (vec!["a", "b", "c"], &(300 * 15).into()));
    assert!(world.done(&["docs", "lib"]).lines().nth(1).unwrap().starts_with("b: 4,500 tokens"));
    assert!(world.done(&["verify", "lib"]).contains("3 documents"));

    let message = world.failed(&["remove", "lib", "a", "x"], 1);
    assert!(message.contains("no document \"x\""), "{message}");
    assert_eq!(world.json(&["docs", "lib"])["documents"].as_array().unwrap().len(), 3, "all or none");
    world.done(&["remove", "lib", "a", "c"]);
    assert_eq!(world.json(&["docs", "lib"])["documents"][0]["document"], "b");

    let chunks = world.dir.path().join("lib/0000000000000002/chunks");
    let mut bytes = fs::read(&chunks).unwrap();
    bytes[4096 + 5000] ^= 1;
    fs::write(&chunks, bytes).unwrap();
    let output = world.run(&["verify", "lib"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("b, chunk "));
    let message = world.failed(&["add", ".", "a"], 1);
    assert!(message.contains("with other files"), "{message}");
    for args in [&["docs", "none"][..], &["verify", "."], &["remove", "none", "a"]] {
        let message = world.failed(args, 1);
        assert!(message.contains("is no library"), "{message}");
    }
    world.failed(&["merge", "new", "none"], 1);
    let message = world.failed(&["serve", "."], 1);
    assert!(message.contains("with other files"), "{message}");
    let message = world.failed(&["remove", "lib", "bb"], 1);
    assert!(message.contains("no document \"bb\""), "{message}");
    assert!(!world.dir.path().join("none").exists());
}

#[test]
fn what_has_grown_goes_on_and_what_has_changed_is_refused() {
    let world = world();
    world.write("log", "One line.\n");
    world.write("more", "Three lines.\n");
    world.done(&["add", "lib", "log"]);
    world.write("log", "One line.\nTwo lines.\n");
    assert_eq!(world.what(&["add", "lib", "log"]), ["log continued"]);
    world.write("log", "Other lines.\nTwo lines.\n");
    let message = world.failed(&["add", "lib", "log"], 1);
    assert!(message.contains("--replace"), "{message}");
    assert_eq!(world.what(&["add", "lib", "log", "--replace"]), ["log replaced"]);
    world.write("log", "Other");
    world.failed(&["add", "lib", "log"], 1);
    assert_eq!(world.what(&["add", "lib", "more", "--append", "log"]), ["log appended"]);
    let docs = world.json(&["docs", "lib"]);
    assert_eq!(docs["documents"][0]["bytes"], "Other lines.\nTwo lines.\nThree lines.\n".len());
    assert_eq!(world.what(&["add", "lib", "more", "--name", "another"]), ["another added"]);
    for args in
        [&["add", "lib", "-"][..], &["add", "lib", "a", "b", "--name", "c"], &["add", "lib", "more", "--append", "x"]]
    {
        world.failed(args, 1);
    }
    for args in [&["add", "lib", "more", "--shard", "0/2"][..], &["add", "lib", "more", "--shard", "3/2"]] {
        world.failed(args, 2);
    }
    world.write("empty", "");
    world.failed(&["add", "lib", "empty"], 1);
    assert_eq!(world.json(&["docs", "lib"])["documents"].as_array().unwrap().len(), 2);
}

/// Ctrl-C leaves what was read, and the same command goes on from there, also when it is stopped again and again.
#[test]
fn a_stopped_add_goes_on() {
    let world = world();
    world.write("long", &"The pass key of QXRT is 482913. ".repeat(1 << 15));
    let mut tokens = 0;
    let mut stopped = 0;
    loop {
        let mut child =
            world.command(&["add", "lib", "long"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(400));
        // SIGINT
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        if status.success() {
            break;
        }
        assert!(killed.success() && status.code() == Some(130), "{status}");
        if Path::new(&world.dir.path().join("lib/manifest.1")).exists() {
            let info = world.json(&["docs", "lib"]);
            if let Some(document) = info["documents"].as_array().unwrap().first() {
                assert!(document["chunks"].as_u64().unwrap() >= tokens, "what was read stays");
                tokens = document["chunks"].as_u64().unwrap();
                stopped += usize::from(tokens > 0);
            }
        }
    }
    assert!(stopped > 0);
    world.done(&["add", "whole", "long"]);
    let whole = world.json(&["docs", "whole"]);
    assert_eq!(world.json(&["docs", "lib"]), whole);
    let ask = |lib: &str| world.json(&["ask", lib, "-q", QUESTION])["answers"][0]["sources"].clone();
    assert_eq!(ask("lib"), ask("whole"));
}

/// Parts of a list are read by processes of their own, and one of them twice.
#[test]
fn shards_are_merged_into_the_library_of_one_process() {
    let world = world();
    let files: Vec<String> = (0..7).map(|i| format!("file {i}")).collect();
    for (i, name) in files.iter().enumerate() {
        world.write(name, &format!("This is {name}. ").repeat(50 + 400 * i));
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    world.done(&[&["add", "one"], &files[..]].concat());
    for i in [3, 1, 2] {
        let (library, shard) = (format!("part{i}"), format!("{i}/3"));
        world.done(&[&["add", &library, "--shard", &shard], &files[..]].concat());
        world.done(&[&["add", &library, "--shard", &shard], &files[..]].concat());
    }
    assert_eq!(world.done(&["merge", "merged", "part1", "part2", "part3"]), "7 documents\n");
    let compared =
        Command::new("diff").args(["-r", "-x", "lock", "one", "merged"]).current_dir(world.dir.path()).output();
    let compared = compared.unwrap();
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stdout));
}

#[test]
fn what_is_taken_is_said_before_anything_is_loaded() {
    let world = world();
    let [short, long] = ["64k", "16m"].map(|tokens| world.json(&["estimate", "--tokens", tokens, "--budget", "8MiB"]));
    assert_eq!((&short["tokens"], &short["bytes"]), (&65536.into(), &275_251.into()));
    assert!(long["disk_bytes"].as_u64().unwrap() > 200 * short["disk_bytes"].as_u64().unwrap());
    let anonymous = |usage: &Value| usage["anonymous_bytes"].as_u64().unwrap();
    assert!(anonymous(&long) <= anonymous(&short) + (8 << 20) && long["cache_bytes"].as_u64().unwrap() <= 8 << 20);
    assert!(world.done(&["estimate", "--bytes", "1MB"]).contains("on disk"));
    world.failed(&["estimate"], 2);
}
