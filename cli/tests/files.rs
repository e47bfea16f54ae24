//! What the commands do to the files of others, and what they leave behind: nothing, however they end.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_support::build::cargo;
use test_support::random::{self, Shape};

const RAMBA: &str = env!("CARGO_BIN_EXE_ramba");

static STREAM_FILE: LazyLock<PathBuf> =
    LazyLock::new(|| cargo(&["build", "--example", "stream_file"]).join("examples/stream_file"));

/// A model, a long document, an empty folder for temporary files and one for chunk memories.
struct World {
    _dir: TempDir,
    model: PathBuf,
    document: PathBuf,
    tmp: PathBuf,
    memory: PathBuf,
}

fn world() -> World {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let model = random::write(dir.path(), Shape { segment: 256, ..Shape::default() });
    // Far more than is read before a signal comes.
    fs::write(at("document.txt"), "The pass key of QXRT is 482913. ".repeat(1 << 18)).unwrap();
    fs::create_dir(at("tmp")).unwrap();
    fs::create_dir(at("memory")).unwrap();
    World { model, document: at("document.txt"), tmp: at("tmp"), memory: at("memory"), _dir: dir }
}

impl World {
    /// `program` run by a shell after `before`, with the folder for temporary files. The process has the id of the shell.
    fn shell(&self, before: &str, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{before}\nexec \"$0\" \"$@\"")]).arg(program).args(args);
        command.env("TMPDIR", &self.tmp).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn ask<'a>(&'a self, document: &'a str) -> Vec<&'a str> {
        vec!["ask", document, "-q", "What is the pass key of QXRT?", "--model", self.model.to_str().unwrap()]
    }

    /// The names in the two folders.
    fn left(&self) -> Vec<String> {
        [&self.tmp, &self.memory].into_iter().flat_map(|dir| names(dir)).collect()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits until the process has made the files of a chunk memory: it keeps five files open under `dir`.
fn wait_for_memory(child: &mut Child, dir: &Path) {
    let started = Instant::now();
    loop {
        let open = fs::read_dir(format!("/proc/{}/fd", child.id())).into_iter().flatten().flatten();
        let there = open.filter(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.starts_with(dir))).count();
        if there >= 5 {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        assert!(started.elapsed() < Duration::from_secs(60), "no chunk memory after a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// How the process ends, which must be soon.
fn end(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What each signal comes to.
const SIGNALS: [(&str, Option<i32>); 4] = [("INT", Some(130)), ("TERM", Some(143)), ("HUP", Some(129)), ("KILL", None)];

#[test]
fn a_signal_while_reading_stops_it_in_order_and_nothing_is_left() {
    let w = world();
    for (signal, code) in SIGNALS {
        for named in [true, false] {
            let mut args = w.ask(w.document.to_str().unwrap());
            if named {
                args.extend(["--memory", w.memory.to_str().unwrap()]);
            }
            let mut child = w.shell("", Path::new(RAMBA), &args).spawn().unwrap();
            wait_for_memory(&mut child, if named { &w.memory } else { &w.tmp });
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(w.left(), Vec::<String>::new(), "nothing has a name while it runs");
            send(signal, &child);
            let status = end(&mut child);
            assert_eq!((status.code(), status.signal()), (code, code.is_none().then_some(9)), "{signal}");
            if code.is_some() {
                let mut message = String::new();
                child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
                assert!(message.contains(&format!("stopped by SIG{signal}")), "{message}");
            }
            assert_eq!(w.left(), Vec::<String>::new(), "after SIG{signal}");
        }
    }
}

#[test]
fn a_signal_while_waiting_for_input_ends_it_and_nothing_is_left() {
    let w = world();
    for (signal, code) in SIGNALS {
        let mut args = w.ask("-");
        args.extend(["--memory", w.memory.to_str().unwrap()]);
        let mut child = w.shell("umask 0", Path::new(RAMBA), &args).stdin(Stdio::piped()).spawn().unwrap();
        // The pipe stays open: there could always be more.
        let mut input = child.stdin.take().unwrap();
        input.write_all(&[b'a'; 1 << 16]).unwrap();
        wait_for_memory(&mut child, &w.memory);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(w.left(), Vec::<String>::new(), "no copy of the input has a name");
        send(signal, &child);
        let status = end(&mut child);
        assert_eq!((status.code(), status.signal()), (code, code.is_none().then_some(9)), "{signal}");
        assert_eq!(w.left(), Vec::<String>::new(), "after SIG{signal}");
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let w = world();
    let args = w.ask(w.document.to_str().unwrap());
    let mut child = w.shell("trap '' HUP", Path::new(RAMBA), &args).spawn().unwrap();
    wait_for_memory(&mut child, &w.tmp);
    send("HUP", &child);
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "as under nohup");
    send("TERM", &child);
    assert_eq!(end(&mut child).code(), Some(143));
}

#[test]
fn a_file_that_may_not_grow_is_an_error_and_nothing_is_left() {
    let w = world();
    // 64 blocks of 512 bytes, as POSIX counts them, or of 1024.
    let limit = "ulimit -f 64";
    for document in [w.document.to_str().unwrap(), "-"] {
        let mut command = w.shell(limit, Path::new(RAMBA), &w.ask(document));
        let output = command.stdin(File::open(&w.document).unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{:?} {}", output.status, error(&output));
        assert!(error(&output).contains("too large"), "{}", error(&output));
        assert_eq!(w.left(), Vec::<String>::new());
    }

    let (model, out) = (w.model.to_str().unwrap(), w.tmp.join("out"));
    let out = out.to_str().unwrap();
    let checkpoint = test_support::fixture("convert/base");
    let checkpoint = checkpoint.to_str().unwrap();
    let commands: [&[&str]; 4] = [
        &["quantize", model, out, "--type", "F32"],
        &["convert", checkpoint, out, "--type", "F32", "--no-tokenizer"],
        &["export-encoder", model, out],
        &["export-encoder", model, "out"],
    ];
    for args in commands {
        let output = w.shell("ulimit -f 8", Path::new(RAMBA), args).current_dir(&w.memory).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {:?} {}", output.status, error(&output));
        assert!(error(&output).contains("too large"), "{}", error(&output));
        assert_eq!(w.left(), Vec::<String>::new(), "{args:?}");
    }
}

#[test]
fn a_full_disk_is_an_error_and_nothing_is_left() {
    let w = world();
    // A file system of its own for this process alone, where the system allows it.
    let small = "mount -t tmpfs -o size=64k none \"$TMPDIR\" && touch \"$TMPDIR/mounted\" && ls \"$TMPDIR\" && \
                 { \"$0\" \"$@\"; status=$?; ls -A \"$TMPDIR\"; exit $status; }";
    let model = w.model.to_str().unwrap();
    let quantized = w.tmp.join("out.gguf");
    let cases =
        [w.ask(w.document.to_str().unwrap()), vec!["quantize", model, quantized.to_str().unwrap(), "--type", "F32"]];
    for args in cases {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", small, RAMBA]).args(args);
        let output = command.env("TMPDIR", &w.tmp).stdin(Stdio::null()).output();
        let Some(output) = output.ok().filter(|output| output.stdout.starts_with(b"mounted")) else {
            return test_support::require::no_mounts();
        };
        assert_eq!(output.status.code(), Some(1), "{:?} {}", output.status, error(&output));
        assert!(error(&output).to_lowercase().contains("no space"), "{}", error(&output));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "mounted\nmounted\n");
    }
}

#[test]
fn folders_and_files_that_others_made_are_left_alone() {
    let w = world();
    let short = w.tmp.join("short.txt");
    fs::write(&short, "The pass key of QXRT is 482913. ".repeat(20)).unwrap();
    let precious = w.memory.join("precious.txt");
    fs::write(&precious, "precious").unwrap();
    // Names that can be guessed: a folder, files in it, links that lead elsewhere.
    let trap = format!(
        "mkdir \"$TMPDIR/ramba-$$\" && echo mine > \"$TMPDIR/ramba-$$/mine\" && \
         ln -s '{precious}' \"$TMPDIR/ramba-$$/document.txt\" && ln -s '{precious}' \"$TMPDIR/ramba-$$/ramba-input-$$.txt\"",
        precious = precious.display()
    );
    let model = w.model.to_str().unwrap();
    for (program, args) in [
        (Path::new(RAMBA), w.ask(short.to_str().unwrap())),
        (Path::new(RAMBA), w.ask("-")),
        (
            Path::new(RAMBA),
            vec!["bench", "--model", model, "--tokens", "300", "--decode", "2", "--threads", "1", "--runs", "1"],
        ),
        (&*STREAM_FILE, vec!["--model", model]),
    ] {
        let output = w.shell(&trap, program, &args).stdin(File::open(&short).unwrap()).output().unwrap();
        // What the random model says may be found or not.
        assert!(matches!(output.status.code(), Some(0 | 3)), "{args:?}: {}", error(&output));
        let folder = names(&w.tmp).into_iter().find(|name| name.starts_with("ramba-")).expect("the folder of the trap");
        let folder = w.tmp.join(folder);
        assert_eq!(names(&folder).len(), 3, "{args:?} left {:?}", names(&folder));
        assert_eq!(fs::read_to_string(folder.join("mine")).unwrap(), "mine\n");
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious", "{args:?}");
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_document_of_the_users_beside_the_memories_is_left_alone() {
    let w = world();
    let own = w.memory.join("document.txt");
    fs::write(&own, "the user's own").unwrap();
    let args = ["--model", w.model.to_str().unwrap(), "--memory", w.memory.to_str().unwrap()];
    let output = w.shell("", &STREAM_FILE, &args).output().unwrap();
    assert!(output.status.success(), "{}", error(&output));
    assert_eq!(fs::read_to_string(&own).unwrap(), "the user's own");
    assert_eq!(w.left(), ["document.txt"]);
}

#[test]
fn a_folder_for_memories_that_is_not_there_is_not_made() {
    let w = world();
    let document = w.document.to_str().unwrap();
    let mistyped = w.memory.join("memroy/deeper");
    let mistyped = mistyped.to_str().unwrap();
    let model = w.model.to_str().unwrap();
    let mut ask = w.ask(document);
    ask.extend(["--memory", mistyped]);
    for (program, args) in [
        (Path::new(RAMBA), ask),
        (&*STREAM_FILE, vec![document, "--model", model, "--memory", mistyped]),
        (&*STREAM_FILE, vec!["--model", model, "--memory", mistyped]),
    ] {
        let output = w.shell("", program, &args).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", error(&output));
        assert!(error(&output).contains("memroy") && error(&output).lines().count() == 1, "{}", error(&output));
        assert_eq!(w.left(), Vec::<String>::new());
    }
}
