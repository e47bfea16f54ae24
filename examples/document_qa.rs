//! Reads a document once, then answers questions about it from standard input, one a line.
//!
//! ```text
//! cargo run --release --example document_qa -- FILE
//! ```

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ramba::{EngineOptions, Error, ErrorKind, Result, SessionOptions, Support};
use ramba_cli::answers::{self, AnswerArgs};
use ramba_cli::document::Document;
use ramba_cli::interrupt;
use ramba_cli::model::ModelFile;
use ramba_cli::show::{grouped, parse_size, print};

/// Read a document, then answer questions about it, one a line, until the end of the input.
#[derive(Parser)]
struct Args {
    /// The document
    file: PathBuf,
    #[command(flatten)]
    model: ModelFile,
    /// Folder to keep the chunk memories in while the program runs [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    memory: Option<PathBuf>,
    /// Bytes of memory that may hold chunk memories
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    budget: u64,
    #[command(flatten)]
    answers: AnswerArgs,
}

fn main() -> ExitCode {
    let args = Args::parse();
    interrupt::exit(interrupt::install().and_then(|()| run(&args)))
}

/// The exit status is that of `ramba ask`: 3 if the document holds no answer to one of the questions.
fn run(args: &Args) -> Result<ExitCode> {
    if args.file.as_os_str() == "-" {
        return Err(Error::invalid("the questions come from standard input, so the document must be a file"));
    }
    let engine = args.model.open(&EngineOptions::default())?;
    let options = args.answers.options();
    // The questions are not known yet, but what is wrong with the options shows with any.
    engine.check_question("What?", &options)?;
    let mut session = engine.session(&SessionOptions::default().budget(args.budget).directory(args.memory.clone()))?;
    let reading = Document::open(&args.file)?.read_into(&mut session)?;
    reading.tell();
    eprintln!("{} tokens read in {:.1} s.", grouped(reading.tokens), reading.elapsed.as_secs_f64());

    let prompt = io::stdin().is_terminal();
    let mut status = ExitCode::SUCCESS;
    let mut lines = io::stdin().lock().lines();
    loop {
        if prompt {
            eprint!("? ");
        }
        let Some(line) = interrupt::wait(|| lines.next())? else { return Ok(status) };
        let question = line.map_err(|e| Error::io("reading the question", e))?;
        if question.trim().is_empty() {
            continue;
        }
        // A document that seems not to hold an answer gets none, which shows at its end only.
        let answer = match interrupt::answer(&mut session, &question, &options) {
            // A question that is too long is no reason to forget the document.
            Err(e) if e.kind() == ErrorKind::InvalidArgument => {
                eprintln!("{e}");
                continue;
            }
            answer => answer?,
        };
        print(answers::line(&answer))?;
        match answer.sources.first() {
            _ if answer.support == Support::None => status = answers::status([&answer]),
            Some(source) => print(format!("  {}", answers::source_line(source, &answer)))?,
            None => {}
        }
    }
}
