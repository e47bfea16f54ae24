//! The memory of a process does not grow with the document that it reads.

#![cfg(target_os = "linux")]

use std::process::Command;

use ramba::{AskOptions, Engine, EngineOptions, SessionOptions};
use tempfile::TempDir;
use test_support::random::{self, Shape};

const BUDGET: u64 = 1 << 20;

/// Not a test of its own: reads a document of RAMBA_TOKENS tokens, and prints the peak of its memory and the size of the
/// chunk memories on disk. A process of its own, because the peak of one counts all of its past.
#[test]
#[ignore = "run by the test below"]
fn child() {
    let Ok(tokens) = std::env::var("RAMBA_TOKENS") else { return };
    let tokens: usize = tokens.parse().unwrap();
    let dir = TempDir::new().unwrap();
    let path = random::write(dir.path(), Shape::default());
    let engine = Engine::open(path, &EngineOptions::default().threads(2)).unwrap();
    let options = SessionOptions::default().budget(BUDGET).directory(dir.path().to_owned());
    let mut session = engine.session(&options).unwrap();
    let block = "The pass key is 71432. Remember it. ".repeat(100);
    let mut fed = 0;
    while fed < tokens {
        session.feed(&block).unwrap();
        fed += block.len();
    }
    let answer = session.answer("What is the pass key?", &AskOptions::default()).unwrap();
    assert!(!answer.tokens.is_empty());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    println!("peak {} disk {}", peak.trim().trim_end_matches("kB").trim(), session.disk_bytes());
}

/// Peak resident set in KiB, and bytes on disk, of reading so many tokens.
fn measure(tokens: usize) -> (u64, u64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--ignored", "--nocapture"]).env("RAMBA_TOKENS", tokens.to_string());
    // Arenas of the system's allocator are one for each thread, and which of them grow is chance.
    command.env("MALLOC_ARENA_MAX", "1");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let numbers = text.split_once("peak ").unwrap().1;
    let mut words = numbers.split_whitespace();
    let peak = words.next().unwrap().parse().unwrap();
    let disk = words.nth(1).unwrap().parse().unwrap();
    (peak, disk)
}

#[test]
fn eight_times_the_document_takes_the_same_memory() {
    // The budget is taken as it is used: the short one fills it too.
    let (short, short_disk) = measure(1 << 20);
    let (long, long_disk) = measure(8 << 20);
    assert!(long_disk > 7 * short_disk, "{short_disk} and {long_disk} bytes on disk");
    assert!(long_disk > 4 * BUDGET, "the memories are to be much more than the budget: {long_disk}");
    assert!(long as f64 <= 1.05 * short as f64, "peak of {short} KiB, then of {long} KiB");
}
