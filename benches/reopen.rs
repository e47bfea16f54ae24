//! How soon a document that was read once answers again: after its pages have left the system's memory, after it was opened anew, and
//! while it stays open; with what is read from the files for it.
//!
//!     cargo bench --bench reopen -- LIBRARY QUESTION [BUDGET_MIB] [ROUNDS]
//!
//! LIBRARY is a folder that `ramba add --model models/ramba-small.gguf` has made. Medians, with the least and the most. Linux only.

use std::path::Path;
use std::time::{Duration, Instant};

use ramba::{AskOptions, Engine, EngineOptions, Result, Session, SessionOptions};
use ramba_cli::process;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/ramba-small.gguf");

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [library, question, rest @ ..] = &arguments[..] else {
        // As when all benches are run.
        println!("usage: cargo bench --bench reopen -- LIBRARY QUESTION [BUDGET_MIB] [ROUNDS]");
        return Ok(());
    };
    let number = |i: usize, otherwise: u64| rest.get(i).map_or(otherwise, |n| n.parse().expect("a number"));
    let (options, rounds) = (SessionOptions::default().budget(number(0, 64) << 20), number(1, 9));
    let folder = Path::new(library);

    let (mut cold, mut reopened, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = None;
    for _ in 0..rounds {
        drop(last.take());
        drop_pages(folder);
        cold.push(ask(None, folder, &options, question)?.0);
        let (row, session) = ask(None, folder, &options, question)?;
        reopened.push(row);
        let (row, session) = ask(Some(session), folder, &options, question)?;
        warm.push(row);
        last = Some(session);
    }
    let session = last.expect("at least one round");
    println!(
        "{} tokens, {} chunks, {} MB on disk",
        session.tokens(),
        session.chunks(),
        session.disk_bytes() / 1_000_000
    );
    println!("             tokens read   open, ms              first token, ms       read, MB   of them from the disk");
    for (name, rows) in [("cold", cold), ("reopened", reopened), ("warm", warm)] {
        let computed = rows.iter().map(|row| row.computed).max().unwrap_or(0);
        let column = |of: &dyn Fn(&Row) -> f64| {
            let mut all: Vec<f64> = rows.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            let [least, median, most] = [0, all.len() / 2, all.len() - 1].map(|i| all[i]);
            format!("{median:.1} ({least:.1} to {most:.1})")
        };
        println!(
            "{name:>10} {computed:>13}   {:<21} {:<21} {:<10.1} {:.1}",
            column(&|row| millis(row.opened)),
            column(&|row| millis(row.first)),
            rows.iter().map(|row| row.read[0]).max().unwrap_or(0) as f64 / 1e6,
            rows.iter().map(|row| row.read[1]).max().unwrap_or(0) as f64 / 1e6,
        );
    }
    println!("peak resident set: {} MB", process::peak_rss().unwrap_or(0) / 1_000_000);
    Ok(())
}

/// One question.
struct Row {
    /// Tokens of the document that were computed.
    computed: u64,
    /// Until the document was open: with the model.
    opened: Duration,
    /// Until the first token of the answer, from the beginning.
    first: Duration,
    /// Bytes that were read with calls of the system until the whole answer was there, and of them from the disk.
    read: [u64; 2],
}

/// Asks `session`, or the library in `folder`, whose documents are opened for it.
fn ask(session: Option<Session>, folder: &Path, options: &SessionOptions, question: &str) -> Result<(Row, Session)> {
    let before = bytes_read();
    let started = Instant::now();
    let mut session = match session {
        Some(session) => session,
        None => {
            let library = Engine::open(MODEL, &EngineOptions::default())?.read_library(folder, options)?;
            library.open_many(&library.documents())?
        }
    };
    let (opened, computed) = (started.elapsed(), session.tokens_computed());
    let answer = session.answer(question, &AskOptions::default())?;
    let after = bytes_read();
    let read = [0, 1].map(|i| after[i] - before[i]);
    let computed = session.tokens_computed() - computed;
    Ok((Row { computed, opened, first: opened + answer.first_token, read }, session))
}

/// Bytes that this process has read with calls of the system, and of them from the disk.
fn bytes_read() -> [u64; 2] {
    let all = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    ["rchar: ", "read_bytes: "].map(|name| {
        let line = all.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|n| n.parse().ok()).unwrap_or(0)
    })
}

/// Has the system forget what it keeps in memory of the files in `folder`.
fn drop_pages(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            drop_pages(&path);
            continue;
        }
        let file = std::fs::File::open(path).expect("a file");
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("advice is taken");
        drop(file);
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
