//! Reads a document once, then answers questions about it from standard input, one a line.
//!
//! ```text
//! cargo run --release --example document_qa -- FILE
//! ```

mod common;

use std::io::{self, BufRead, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::files::{self, Document};
use common::interrupt;
use common::show::{grouped, parse_size};
use ramba::{AskOptions, Engine, EngineOptions, Error, ErrorKind, Result, SessionOptions, printable};

/// Read a document, then answer questions about it, one a line, until the end of the input.
#[derive(Parser)]
struct Args {
    /// The document, UTF-8 text
    file: PathBuf,
    /// The model file [default: the shipped models/ramba-small.gguf]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Folder to keep the chunk memories in while the program runs [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    memory: Option<PathBuf>,
    /// Bytes of memory that may hold chunk memories
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    budget: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    interrupt::exit(interrupt::install().and_then(|()| run(&args)))
}

fn run(args: &Args) -> Result<()> {
    if args.file.as_os_str() == "-" {
        return Err(Error::invalid("the questions come from standard input, so the document must be a file"));
    }
    let engine = Engine::open(&files::model_path(args.model.as_deref())?, &EngineOptions::default())?;
    let mut document = Document::open(&args.file, args.memory.as_deref())?;
    let mut session = engine.session(&SessionOptions {
        budget: args.budget,
        directory: args.memory.clone(),
        ..SessionOptions::default()
    })?;
    let reading = document.read_into(&mut session)?;
    eprintln!("{} tokens read in {:.1} s.", grouped(reading.tokens), reading.elapsed.as_secs_f64());

    let prompt = io::stdin().is_terminal();
    let mut lines = io::stdin().lock().lines();
    loop {
        if prompt {
            eprint!("? ");
        }
        let Some(line) = interrupt::wait(|| lines.next())? else { return Ok(()) };
        let question = line.map_err(|e| Error::io("reading the question", e))?;
        if question.trim().is_empty() {
            continue;
        }
        let mut out = io::stdout().lock();
        let answer = session.ask(question.trim(), &AskOptions::default(), &mut |_, piece| {
            // Shown as it comes, without what could steer a terminal. A closed pipe stops the answer, and the next line written reports it.
            let piece = printable(piece);
            match out.write_all(piece.as_bytes()).and_then(|()| out.flush()) {
                Ok(()) => interrupt::asked(),
                Err(_) => ControlFlow::Break(()),
            }
        });
        interrupt::check()?;
        let answer = match answer {
            // A question that is too long is no reason to forget the document.
            Err(e) if e.kind() == ErrorKind::InvalidArgument => {
                eprintln!("{e}");
                continue;
            }
            answer => answer?,
        };
        let source = answer.sources.first().and_then(|s| document.quote(&s.bytes).map(|quote| (s, quote)));
        let source = source.map_or(String::new(), |(s, quote)| format!("\n  [byte {}] “{quote}”", s.bytes.start));
        writeln!(out, "{source}").map_err(|e| Error::io("writing the answer", e))?;
    }
}
