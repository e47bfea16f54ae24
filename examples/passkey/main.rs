//! How many of the facts hidden in a long text does the model find again, at which length?
//!
//! ```text
//! cargo run --release --example passkey -- --lengths 4k,64k,1m --facts 100 --haystack BOOK.txt
//! ```
//!
//! Facts with different keys are put at even random places of the text, the text is read to its end, and only then is
//! each fact asked for, so that the numbers of questions and texts do not depend on each other.

mod facts;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use facts::Fact;
use ramba::{Engine, Error, Precision, Result, Session, SessionOptions, Support};
use ramba_cli::answers::AnswerArgs;
use ramba_cli::engine::EngineArgs;
use ramba_cli::interrupt;
use ramba_cli::process;
use ramba_cli::prose::{self, Rng};
use ramba_cli::show::{self, grouped, mib, parse_count, parse_size, print, print_json};
use serde_json::json;

const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/ramba-small.gguf");

/// Measure retrieval of facts hidden in long texts.
#[derive(Parser)]
struct Args {
    /// Lengths of the texts in tokens (k = 1024, m = 1048576)
    #[arg(long, value_delimiter = ',', default_value = "4k,64k", value_parser = parse_count)]
    lengths: Vec<u64>,
    /// Facts to hide and ask for at each length
    #[arg(long, default_value_t = 100)]
    facts: usize,
    /// Keys that are not in the text, to ask for at each length: they are to be answered by "not found"
    #[arg(long, default_value_t = 0)]
    absent: usize,
    /// Facts in one text; more facts than this take several texts
    #[arg(long, default_value_t = 10)]
    facts_per_document: usize,
    /// Text files to hide the facts in, one after the other, again from the start where they are too short
    /// [default: generated prose]
    #[arg(long, num_args = 1..)]
    haystack: Vec<PathBuf>,
    /// The model file [default: models/ramba-small.gguf of the checkout, which was trained on nothing but such facts]
    #[arg(long, value_name = "PATH", default_value = SMALL, hide_default_value = true)]
    model: PathBuf,
    /// Folder to keep the chunk memories in while the program runs [default: the system's temporary folder]
    #[arg(long)]
    memory: Option<PathBuf>,
    /// Bytes of memory that may hold chunk memories
    #[arg(long, default_value = "32MiB", value_parser = parse_size)]
    budget: u64,
    /// How chunk memories are stored: f32, f16 or int8
    #[arg(long, default_value = "f16", value_parser = parse_precision)]
    precision: Precision,
    #[command(flatten)]
    engine: EngineArgs,
    /// Bytes of its own memory that a device other than the CPU may use for chunk memories
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    device_budget: u64,
    #[command(flatten)]
    answers: AnswerArgs,
    /// Where the facts and their places are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the questions that were answered wrongly, to standard error
    #[arg(long)]
    misses: bool,
    /// Print a JSON array with one object per length
    #[arg(long)]
    json: bool,
}

fn parse_precision(text: &str) -> std::result::Result<Precision, String> {
    match text {
        "f32" => Ok(Precision::F32),
        "f16" => Ok(Precision::F16),
        "int8" => Ok(Precision::Int8),
        _ => Err("expected f32, f16 or int8".into()),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    interrupt::exit(interrupt::install().and_then(|()| run(&args)).map(|()| ExitCode::SUCCESS))
}

/// Sums over the texts of one length.
#[derive(Default)]
struct Score {
    documents: usize,
    tokens: u64,
    read: Duration,
    asked: usize,
    found: usize,
    chunk_found: usize,
    /// Facts that were said not to be there.
    denied: usize,
    absent: usize,
    /// Keys that are not there, and were said not to be.
    absent_denied: usize,
    asking: Duration,
}

fn run(args: &Args) -> Result<()> {
    let engine = Engine::open(&args.model, &args.engine.options()?)?;
    let haystack = haystack(args)?;
    // Lengths are counted in tokens, text is cut in bytes: a sample says how they relate.
    let sample = &haystack[..next_space(&haystack, haystack.len().min(200_000))];
    let bytes_per_token = sample.len() as f64 / engine.tokenize(sample)?.len().max(1) as f64;

    let mut rows = Vec::new();
    if !args.json {
        print(
            "    tokens   texts     found   chunk found    denied   absent denied   ingest tok/s   ms per answer   peak RSS",
        )?;
    }
    for &length in &args.lengths {
        process::reset_peak_rss();
        let mut score = Score::default();
        let mut rng = Rng::new(args.seed);
        let per_document = args.facts_per_document.max(1);
        while score.asked < args.facts {
            let facts = facts::facts(&mut rng, per_document.min(args.facts - score.asked));
            let mut session = engine.session(
                &SessionOptions::default()
                    .budget(args.budget)
                    .precision(args.precision)
                    .device_budget(args.device_budget)
                    .directory(args.memory.clone()),
            )?;
            session.on_progress(Some(Box::new(|_| interrupt::asked())));
            let started = Instant::now();
            let starts = feed(&mut session, &haystack, &facts, length as f64 * bytes_per_token, &mut rng)?;
            score.read += started.elapsed();
            score.documents += 1;
            score.tokens += session.tokens();
            let started = Instant::now();
            for (fact, start) in facts.iter().zip(starts) {
                ask(&mut session, fact, start, args, &mut score)?;
            }
            // As many in each text as there are facts in it, in proportion.
            let due = args.absent * score.asked / args.facts.max(1);
            ask_absent(&mut session, &facts, due.saturating_sub(score.absent), args, &mut score)?;
            score.asking += started.elapsed();
        }
        let rate = score.tokens as f64 / score.read.as_secs_f64();
        let per_answer = score.asking.as_secs_f64() * 1e3 / (score.asked + score.absent).max(1) as f64;
        if args.json {
            rows.push(json!({
                "length": length, "documents": score.documents, "tokens": score.tokens, "asked": score.asked,
                "found": score.found, "chunk_found": score.chunk_found, "denied": score.denied, "absent": score.absent,
                "absent_denied": score.absent_denied, "ingest_tokens_per_s": rate,
                "ms_per_answer": per_answer, "peak_rss_bytes": process::peak_rss(),
            }));
        } else {
            let found = format!("{}/{}", score.found, score.asked);
            let chunk = format!("{}/{}", score.chunk_found, score.asked);
            let absent = format!("{}/{}", score.absent_denied, score.absent);
            let denied = score.denied;
            let rss = process::peak_rss().map_or("unknown".into(), mib);
            let mean = score.tokens / score.documents.max(1) as u64;
            let (mean, rate) = (grouped(mean), grouped(rate as u64));
            let texts = score.documents;
            print(format!(
                "{mean:>10} {texts:>7} {found:>9} {chunk:>13} {denied:>9} {absent:>15} {rate:>14} {per_answer:>15.1} {rss:>10}"
            ))?;
        }
    }
    if args.json {
        print_json(&serde_json::Value::from(rows))?;
    }
    Ok(())
}

/// The filler text: the given files joined, or generated prose.
fn haystack(args: &Args) -> Result<String> {
    let mut text = String::new();
    for path in &args.haystack {
        let part = std::fs::read_to_string(path).map_err(|e| Error::io(format!("reading {}", path.display()), e))?;
        text.push_str(&part);
        text.push('\n');
    }
    if args.haystack.is_empty() {
        text = prose::prose(&mut Rng::new(args.seed), 4 << 20);
    }
    if text.trim().is_empty() { Err(Error::invalid("the haystack is empty")) } else { Ok(text) }
}

/// Feeds about `bytes` bytes of `haystack`, from a random place on and round its end, with `facts` between its words.
/// Returns the byte of the document at which each fact starts.
fn feed(session: &mut Session, haystack: &str, facts: &[Fact], bytes: f64, rng: &mut Rng) -> Result<Vec<u64>> {
    let needles: usize = facts.iter().map(|f| f.text.len() + 1).sum();
    let bytes = (bytes as u64).saturating_sub(needles as u64).max(1);
    let mut cuts: Vec<(u64, usize)> = (0..facts.len()).map(|i| (rng.bits() % bytes, i)).collect();
    cuts.sort_unstable();
    let mut at = next_space(haystack, rng.below(haystack.len()));
    let mut starts = vec![0; facts.len()];
    let mut fed = 0; // bytes of filler
    for &(cut, i) in &cuts {
        fed += filler(session, haystack, &mut at, cut.saturating_sub(fed))?;
        starts[i] = session.bytes() + 1;
        session.feed(" ")?;
        session.feed(&facts[i].text)?;
    }
    filler(session, haystack, &mut at, bytes.saturating_sub(fed))?;
    session.prefill()?;
    Ok(starts)
}

/// Feeds `haystack` from `at` on, at least `bytes` bytes and up to the next space; returns how many.
fn filler(session: &mut Session, haystack: &str, at: &mut usize, bytes: u64) -> Result<u64> {
    let mut fed = 0;
    while fed < bytes {
        let want = usize::try_from(bytes - fed).unwrap_or(usize::MAX);
        let end = next_space(haystack, at.saturating_add(want).min(haystack.len()));
        session.feed(&haystack[*at..end])?;
        fed += (end - *at) as u64;
        *at = if end == haystack.len() { 0 } else { end };
    }
    Ok(fed)
}

/// The first space at or after `from`, or the end.
fn next_space(text: &str, from: usize) -> usize {
    text.as_bytes()[from..].iter().position(|&b| b == b' ').map_or(text.len(), |n| from + n)
}

fn ask(session: &mut Session, fact: &Fact, start: u64, args: &Args, score: &mut Score) -> Result<()> {
    let options = args.answers.options().min_source_weight(0.0);
    let answer = interrupt::answer(session, &fact.question, &options)?;
    let number = fact.text.find(&fact.answer).unwrap_or(0) as u64 + start;
    let number = number..number + fact.answer.len() as u64;
    let read = answer.sources.iter().any(|s| s.bytes.start < number.end && number.start < s.bytes.end);
    let right = answer.text.trim() == fact.answer;
    score.asked += 1;
    score.chunk_found += usize::from(read);
    score.found += usize::from(right);
    score.denied += usize::from(answer.support == Support::None);
    if args.misses && !right {
        let answer = show::one_line(&answer.text);
        let read = if read { "read" } else { "not read" };
        eprintln!("{} -> {answer:?} (want {}; its chunk was {read})", fact.question, fact.answer);
    }
    Ok(())
}

/// Asks for `count` keys of the same kind that are not among `facts`.
fn ask_absent(session: &mut Session, facts: &[Fact], count: usize, args: &Args, score: &mut Score) -> Result<()> {
    let mut rng = Rng::new(!args.seed ^ score.documents as u64);
    // The first one may be the pass key without a name.
    let others = facts::facts(&mut rng, count + facts.len() + 1).into_iter().skip(1);
    let absent = others.filter(|other| facts.iter().all(|fact| fact.question != other.question));
    for fact in absent.take(count) {
        let answer = interrupt::answer(session, &fact.question, &args.answers.options())?;
        score.absent += 1;
        score.absent_denied += usize::from(answer.support == Support::None);
        if args.misses && answer.support != Support::None {
            let answer = show::one_line(&answer.text);
            eprintln!("{} -> {answer:?} (it is not in the text)", fact.question);
        }
    }
    Ok(())
}
