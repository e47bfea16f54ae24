//! Streams a document of any length through the model and answers questions about it, each with its source.
//!
//! ```text
//! cargo run --release --example stream_file -- FILE --ask "What is the pass key?"
//! cargo run --release --example stream_file            # writes a document of its own, reads it, prints the score
//! ```

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::facts::{self, Fact};
use ramba::{Answer, Device, EngineOptions, Result, Session, SessionOptions, Support};
use ramba_cli::answers::{self, AnswerArgs};
use ramba_cli::document::{Document, Reading};
use ramba_cli::encoder::EncoderArgs;
use ramba_cli::model;
use ramba_cli::prose::{self, Rng};
use ramba_cli::show::{grouped, mib, parse_size, print, print_json};
use ramba_cli::{interrupt, process};
use serde_json::json;

/// Stream a document through the model and ask about it.
#[derive(Parser)]
struct Args {
    /// The document; `-` for standard input. Without it, about 1 MB of prose with facts hidden in it is
    /// written, read, and asked about
    file: Option<PathBuf>,
    /// A question to answer from the document (may be given several times)
    #[arg(long, value_name = "QUESTION")]
    ask: Vec<String>,
    /// The model file [default: the model that comes with the program, ramba-small]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Folder to keep the chunk memories in while the program runs [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    memory: Option<PathBuf>,
    /// Bytes of memory that may hold chunk memories; the rest stays on disk
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    budget: u64,
    /// Worker threads, at most 512 [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// Where the model runs: cpu, cuda or cuda:NUMBER
    #[arg(long, value_name = "DEVICE", default_value_t = Device::Cpu)]
    device: Device,
    #[command(flatten)]
    encoder: EncoderArgs,
    /// Bytes of its own memory that a device other than the CPU may use for chunk memories
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    device_budget: u64,
    #[command(flatten)]
    answers: AnswerArgs,
    /// Print one JSON object to standard output
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    interrupt::exit(interrupt::install().and_then(|()| run(&args)))
}

/// The exit status is that of `ramba ask`: 3 if the document holds no answer to one of the questions.
fn run(args: &Args) -> Result<ExitCode> {
    let encoder = args.encoder.options()?;
    let options = EngineOptions::default().threads(args.threads).device(args.device).encoder(encoder);
    let engine = model::open(args.model.as_deref(), &options)?;

    // Facts that we hid ourselves are asked for, each, and the answers are counted.
    let mut hidden: Vec<Fact> = Vec::new();
    let mut text = String::new();
    if args.file.is_none() {
        (text, hidden) = generated();
    }
    let questions: Vec<&str> =
        hidden.iter().map(|f| f.question.as_str()).chain(args.ask.iter().map(String::as_str)).collect();

    // Everything that can be wrong without the document is found out before it is read.
    let options = args.answers.options();
    questions.iter().try_for_each(|question| engine.check_question(question, &options))?;
    let mut session = engine.session(
        &SessionOptions::default().budget(args.budget).device_budget(args.device_budget).directory(args.memory.clone()),
    )?;
    if !args.json && args.file.is_none() {
        print(format!("A document of generated prose with {} facts hidden in it.", hidden.len()))?;
    }
    let document = match &args.file {
        Some(file) => Document::open(file)?,
        None => Document::of(text),
    };
    let reading = document.read_into(&mut session)?;
    reading.tell();
    if !args.json {
        summary(&reading, &session)?;
    }

    let mut answers = Vec::new();
    let mut found = 0;
    for (i, question) in questions.iter().enumerate() {
        let answer = interrupt::answer(&mut session, question, &options)?;
        let right = hidden.get(i).map(|f| f.answer == answer.text.trim());
        found += usize::from(right == Some(true));
        if !args.json {
            show(question, &answer, right)?;
        }
        answers.push(answer);
    }
    if args.json {
        print_json(&report(&reading, &session, &questions, &answers))?;
    } else if !hidden.is_empty() {
        print(format!("\n{found} of {} hidden facts found.", hidden.len()))?;
    }
    // What became of our own facts is said by the score.
    Ok(answers::status(answers.get(hidden.len()..).unwrap_or_default()))
}

/// About 1 MB of prose with facts in it, and the facts. The same document every time, so that runs compare.
fn generated() -> (String, Vec<Fact>) {
    let mut rng = Rng::new(7);
    let facts = facts::facts(&mut rng, 12);
    let text = prose::prose(&mut rng, 1_000_000);
    (hide(&mut rng, &text, &facts), facts)
}

/// `text` with each fact put between two words, the places drawn evenly over the whole length.
fn hide(rng: &mut Rng, text: &str, facts: &[Fact]) -> String {
    let mut cuts: Vec<(usize, &Fact)> = facts
        .iter()
        .map(|fact| {
            let at = rng.below(text.len() + 1);
            (text.as_bytes()[at..].iter().position(|&b| b == b' ').map_or(text.len(), |n| at + n), fact)
        })
        .collect();
    cuts.sort_by_key(|(at, _)| *at);
    let mut out = String::with_capacity(text.len() + facts.iter().map(|fact| fact.text.len() + 1).sum::<usize>());
    let mut last = 0;
    for (at, fact) in cuts {
        out.push_str(&text[last..at]);
        out.push(' ');
        out.push_str(&fact.text);
        last = at;
    }
    out.push_str(&text[last..]);
    out
}

fn summary(reading: &Reading, session: &Session) -> Result<()> {
    print(format!(
        "Read {} bytes: {} tokens, {} chunks in {:.1} s ({} tokens/s).",
        grouped(reading.bytes),
        grouped(reading.tokens),
        grouped(reading.chunks),
        reading.elapsed.as_secs_f64(),
        grouped(reading.tokens_per_s() as u64),
    ))?;
    let rss = process::peak_rss().map_or("unknown".to_string(), mib);
    print(format!("Memories on disk: {}. Peak memory of the process: {rss}.", mib(session.disk_bytes())))
}

fn show(question: &str, answer: &Answer, right: Option<bool>) -> Result<()> {
    let mark = match right {
        Some(true) => "  ✓",
        Some(false) => "  ✗",
        None => "",
    };
    print(format!("\nQ: {question}"))?;
    print(format!("A: {}{mark}   ({:.0} ms)", answers::line(answer), answer.first_token.as_secs_f64() * 1e3))?;
    // The first sources say where the answer is from; the others are what else was looked at.
    let shown = if answer.support == Support::None { 0 } else { 2 };
    answer.sources.iter().take(shown).try_for_each(|source| print(format!("   {}", answers::source_line(source))))
}

fn report(reading: &Reading, session: &Session, questions: &[&str], answers: &[Answer]) -> serde_json::Value {
    let answers = questions.iter().zip(answers).map(|(question, answer)| answers::json(question, answer));
    json!({
        "tokens": reading.tokens,
        "chunks": reading.chunks,
        "ingest_tokens_per_s": reading.tokens_per_s(),
        "peak_rss_bytes": process::peak_rss(),
        "memory_on_disk_bytes": session.disk_bytes(),
        "answers": answers.collect::<Vec<_>>(),
    })
}
