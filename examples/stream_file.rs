//! Streams a document of any length through the model and answers questions about it, each with its source.
//!
//! ```text
//! cargo run --release --example stream_file -- FILE --ask "How often is the oil changed?"
//! cargo run --release --example stream_file            # reads this project's own documentation among prose, prints the score
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use ramba::{Answer, Result, Session, Support};
use ramba_cli::answers::{self, AnswerArgs};
use ramba_cli::document::{self, Document, Reading};
use ramba_cli::engine::{BudgetArgs, EngineArgs};
use ramba_cli::model::ModelFile;
use ramba_cli::prose::{self, Rng};
use ramba_cli::show::{grouped, mib, print, print_json};
use ramba_cli::{interrupt, process};
use serde_json::json;

/// Stream a document through the model and ask about it.
#[derive(Parser)]
struct Args {
    /// The document; `-` for standard input. Without it, this project's own documentation is read, among as
    /// much generated prose, and asked about
    file: Option<PathBuf>,
    /// A question to answer from the document (may be given several times)
    #[arg(long, value_name = "QUESTION")]
    ask: Vec<String>,
    #[command(flatten)]
    model: ModelFile,
    /// Folder to keep the chunk memories in while the program runs [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    memory: Option<PathBuf>,
    #[command(flatten)]
    budget: BudgetArgs,
    #[command(flatten)]
    engine: EngineArgs,
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
    let engine = args.model.open(&args.engine.options()?)?;

    // Of our own documentation we know the answers, and count them.
    let own: &[Own] = if args.file.is_none() { OWN } else { &[] };
    let questions: Vec<&str> = own.iter().map(|own| own.0).chain(args.ask.iter().map(String::as_str)).collect();

    // Everything that can be wrong without the document is found out before it is read.
    let options = args.answers.options();
    questions.iter().try_for_each(|question| engine.check_question(question, &options))?;
    let mut session = engine.session(&args.budget.options().directory(args.memory.clone()))?;
    let documents = match &args.file {
        Some(file) => vec![Document::open(file)?],
        None => documentation()?,
    };
    if !args.json && args.file.is_none() {
        print(format!("The {} documents of this project, each after a stretch of prose.", documents.len() / 2))?;
    }
    let started = Instant::now();
    let readings = document::read_all(documents, &mut session)?;
    let elapsed = started.elapsed();
    readings.iter().for_each(Reading::tell);
    if !args.json {
        summary(&session, elapsed)?;
    }

    let mut answers = Vec::new();
    let (mut right, mut refused) = (0, 0);
    for (i, question) in questions.iter().enumerate() {
        let answer = interrupt::answer(&mut session, question, &options)?;
        let good = own.get(i).map(|(_, accepted)| is_right(&answer, accepted));
        if good == Some(true) {
            *(if own[i].1.is_empty() { &mut refused } else { &mut right }) += 1;
        }
        if !args.json {
            show(question, &answer, good)?;
        }
        answers.push(answer);
    }
    if args.json {
        print_json(&report(&session, elapsed, &questions, &answers))?;
    } else if !own.is_empty() {
        let absent = own.iter().filter(|(_, accepted)| accepted.is_empty()).count();
        let present = own.len() - absent;
        print(format!(
            "\n{right} of {present} answers are right; {refused} of {absent} questions without one were refused."
        ))?;
    }
    // What became of our own questions is said by the score.
    Ok(answers::status(answers.get(own.len()..).unwrap_or_default()))
}

/// A question about our documentation, and the words one of which a right answer has in it; none where nothing there answers it.
type Own = (&'static str, &'static [&'static str]);

/// None was taken out for its answer.
const OWN: &[Own] = &[
    ("How many tokens does a chunk have?", &["64"]),
    ("What does a landmark serve for?", &["find it by", "found by", "retrieval"]),
    ("Who published RAMba?", &["Hu et al"]),
    ("Which exit status means that the document does not answer a question?", &["3"]),
    ("How much disk does a chunk take?", &["8.5 KB", "17 KB"]),
    ("On which GPU were the CUDA kernels run?", &["H100"]),
    ("Which version of Rust does the command need?", &["1.92"]),
    ("How many threads can be used at most?", &["512"]),
    ("What does ramba verify check?", &["every byte"]),
    ("Which environment variable keeps compiled kernels elsewhere?", &["RAMBA_CACHE"]),
    ("Which port does the server listen on?", &["8077"]),
    ("What happens when a chunk is damaged?", &["left out", "error", "refused"]),
    ("Who won the football World Cup in 1998?", &[]),
    ("What is the phone number of the support?", &[]),
    ("How deep is the Mariana Trench?", &[]),
];

/// Whether an answer has some of the accepted words in it, or is none where there is none.
fn is_right(answer: &Answer, accepted: &[&str]) -> bool {
    let words = |text: &str| format!(" {} ", text.replace(|c: char| !c.is_alphanumeric(), " ").trim().to_lowercase());
    match answer.support {
        Support::None => accepted.is_empty(),
        _ => accepted.iter().any(|part| words(&answer.text).contains(&words(part))),
    }
}

/// The documentation of this checkout, with generated prose before each document: the same every time, so that runs compare.
fn documentation() -> Result<Vec<Document>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut rng = Rng::new(7);
    let mut documents = Vec::new();
    for path in document::find(&[root.join("README.md"), root.join("docs/*.md")])? {
        documents.push(Document::of(prose::prose(&mut rng, PROSE)).named("prose"));
        documents.push(Document::open(&path)?);
    }
    Ok(documents)
}

/// Bytes of prose before each document: as much in all as there is documentation, or more.
const PROSE: usize = 16_000;

fn summary(session: &Session, elapsed: Duration) -> Result<()> {
    print(format!(
        "Read {} bytes: {} tokens, {} chunks in {:.1} s ({} tokens/s).",
        grouped(session.bytes()),
        grouped(session.tokens()),
        grouped(session.chunks()),
        elapsed.as_secs_f64(),
        grouped(speed(session, elapsed) as u64),
    ))?;
    let rss = process::peak_rss().map_or("unknown".to_string(), mib);
    print(format!("Memories on disk: {}. Peak memory of the process: {rss}.", mib(session.disk_bytes())))
}

/// Tokens a second.
fn speed(session: &Session, elapsed: Duration) -> f64 {
    session.tokens() as f64 / elapsed.as_secs_f64().max(1e-9)
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
    answer
        .sources
        .iter()
        .take(shown)
        .try_for_each(|source| print(format!("   {}", answers::source_line(source, answer))))
}

fn report(session: &Session, elapsed: Duration, questions: &[&str], answers: &[Answer]) -> serde_json::Value {
    let answers = questions.iter().zip(answers).map(|(question, answer)| answers::json(question, answer));
    json!({
        "tokens": session.tokens(),
        "chunks": session.chunks(),
        "ingest_tokens_per_s": speed(session, elapsed),
        "peak_rss_bytes": process::peak_rss(),
        "memory_on_disk_bytes": session.disk_bytes(),
        "answers": answers.collect::<Vec<_>>(),
    })
}
