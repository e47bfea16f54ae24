//! `ramba evaluate`: how well a model answers the questions of a benchmark.

mod cases;
mod haystack;
mod heatmap;
mod scores;
mod support;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use ramba::{Answer, AskOptions, Decoding, Engine, Error, Precision, Result, SessionOptions, Support};
use serde_json::{Value, json};

use crate::ModelArgs;
use cases::{Benchmark, Case, Document, Suite};
use haystack::Haystack;
use heatmap::Heatmap;
use ramba_cli::interrupt;
use ramba_cli::show::{grouped, one_line, parse_size, print, print_json};
use support::Kinds;

/// Parts that depths are counted in.
const DEPTHS: usize = 10;

#[derive(Args)]
pub struct EvaluateArgs {
    /// Questions: SQuAD's JSON, JSON lines of BABILong (input, question, target) or RULER (input, outputs), or
    /// [{"document", "questions": [{"question", "answers": []}]}]
    file: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Text to hide the document in, spread evenly over it (may be given several times)
    #[arg(long, value_name = "FILE")]
    haystack: Vec<PathBuf>,
    /// Bytes of document and haystack together, for each of which everything is asked once [default: no haystack]
    #[arg(long, value_name = "SIZE", value_delimiter = ',', value_parser = parse_size, requires = "haystack")]
    bytes: Vec<u64>,
    /// Ask so many questions at most, evenly chosen
    #[arg(long, value_name = "N")]
    questions: Option<usize>,
    /// Ask once more without the document: what the model knows or guesses by itself
    #[arg(long)]
    baseline: bool,
    /// Bytes of memory that may hold chunk memories; the rest stays on disk
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    budget: u64,
    /// How keys and values of chunks are kept
    #[arg(long, value_enum, default_value = "f16")]
    precision: Kept,
    /// Let the model write what it likes, instead of copying answers from what it reads
    #[arg(long)]
    free: bool,
    /// Show what right and wrong answers say that they rest on, and with which weights and probabilities
    #[arg(long, conflicts_with = "json")]
    support: bool,
    /// Draw the score by length and depth: an SVG file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print one JSON object, with every answer
    #[arg(long)]
    json: bool,
}

/// Precisions of chunk memories.
#[derive(Clone, Copy, ValueEnum)]
enum Kept {
    F32,
    F16,
    Int8,
}

impl From<Kept> for Precision {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::F32 => Self::F32,
            Kept::F16 => Self::F16,
            Kept::Int8 => Self::Int8,
        }
    }
}

/// What was found for one length.
#[derive(Default)]
struct Row {
    name: String,
    bytes: u64,
    tokens: u64,
    reading: Duration,
    asking: Duration,
    asked: Tally,
    depths: [(usize, f64); DEPTHS],
    kinds: Kinds,
    answers: Vec<Value>,
}

/// Sums over questions.
#[derive(Default)]
struct Tally {
    present: usize,
    score: f64,
    exact: f64,
    f1: f64,
    contained: f64,
    /// Of those whose place is known: how many, with the right chunk as the heaviest, and among all that were read.
    placed: usize,
    first: usize,
    read: usize,
    refused: usize,
    absent: usize,
    absent_refused: usize,
}

pub fn run(args: &EvaluateArgs) -> Result<()> {
    let mut suite = Suite::open(&args.file)?;
    if let Some(most) = args.questions {
        thin(&mut suite.documents, most);
    }
    let haystack = Haystack::open(&args.haystack)?;
    let engine = args.model.open()?;
    let mut rows = Vec::new();
    if args.baseline {
        rows.push(evaluate(args, &engine, &suite, None, "without the document")?);
    }
    match &args.bytes[..] {
        [] => rows.push(evaluate(args, &engine, &suite, Some((&haystack, 0)), "the document")?),
        lengths => {
            for &bytes in lengths {
                let name = format!("in {} MB", bytes as f64 / 1e6);
                rows.push(evaluate(args, &engine, &suite, Some((&haystack, bytes)), &name)?);
            }
        }
    }
    if let Some(path) = &args.svg {
        draw(path, suite.benchmark, &rows)?;
    }
    if args.json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        let model = args.model.model.name();
        return print_json(&json!({
            "benchmark": format!("{:?}", suite.benchmark).to_lowercase(),
            "score": score_name(suite.benchmark),
            "model": model,
            "rows": rows,
        }));
    }
    print(format!(
        "{:<22} {:>11} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>8} {:>8} {:>9} {:>6}",
        "",
        "tokens",
        "asked",
        score_name(suite.benchmark),
        "exact",
        "F1",
        "has it",
        "first",
        "read",
        "none",
        "absent",
        "none",
        "tokens/s",
        "ms"
    ))?;
    rows.iter().try_for_each(|row| print(row.line()))?;
    for row in rows.iter().filter(|_| args.support) {
        print(format!("\n{}", row.name))?;
        row.kinds.lines().iter().try_for_each(print)?;
    }
    Ok(())
}

/// Keeps `most` questions, evenly spread.
fn thin(documents: &mut Vec<Document>, most: usize) {
    let total: usize = documents.iter().map(|document| document.cases.len()).sum();
    let mut number = 0;
    for document in &mut *documents {
        document.cases.retain(|_| {
            number += 1;
            // One for each time that the share taken reaches a whole number.
            total <= most || number * most / total > (number - 1) * most / total
        });
    }
    documents.retain(|document| !document.cases.is_empty());
}

/// What the headline figure of a benchmark is called.
fn score_name(benchmark: Benchmark) -> &'static str {
    match benchmark {
        Benchmark::Squad | Benchmark::Own => "F1",
        Benchmark::Babilong => "right",
        Benchmark::Ruler => "found",
    }
}

/// Reads each document, as long as `within` says (None: none of it), and asks its questions.
fn evaluate(
    args: &EvaluateArgs,
    engine: &Engine,
    suite: &Suite,
    within: Option<(&Haystack, u64)>,
    name: &str,
) -> Result<Row> {
    let decoding = if args.free { Decoding::Free } else { Decoding::Copied };
    let options = AskOptions::default().decoding(decoding).min_source_weight(0.0);
    let mut row = Row { name: name.into(), ..Row::default() };
    for document in &suite.documents {
        let kept = SessionOptions::default().budget(args.budget).precision(args.precision.into());
        let mut session = engine.session(&kept)?;
        let hidden = within.map(|(haystack, bytes)| haystack.hide(&document.text, bytes));
        // A model can only be asked about something.
        let text = hidden.as_ref().map_or(".", |hidden| &hidden.text);
        let reading = ramba_cli::document::Document::of(text.into()).read_into(&mut session)?;
        row.bytes += reading.bytes;
        row.tokens += reading.tokens;
        row.reading += reading.elapsed;
        for case in &document.cases {
            let places: Vec<Range<u64>> = match &hidden {
                Some(hidden) => case.places.iter().map(|place| hidden.place(place)).collect(),
                None => Vec::new(),
            };
            let started = Instant::now();
            let answer = match interrupt::answer(&mut session, &case.question, &options) {
                // A question that is too long for the model is one that it does not answer.
                Err(e) if e.kind() == ramba::ErrorKind::InvalidArgument => {
                    log::warn!("{}: {e}", one_line(&case.question));
                    row.asked.present += usize::from(!case.wanted.is_empty());
                    row.asked.absent += usize::from(case.wanted.is_empty());
                    continue;
                }
                answer => answer?,
            };
            row.asking += started.elapsed();
            let present = !case.wanted.is_empty();
            row.kinds.add(&answer, present.then(|| scores::f1(&answer.text, &case.wanted)));
            let score = row.asked.add(suite, case, &answer, &places);
            if let (Some(score), Some(place)) = (score, places.first()) {
                let depth = place.start as f64 / reading.bytes.max(1) as f64;
                let (count, sum) = &mut row.depths[((depth * DEPTHS as f64) as usize).min(DEPTHS - 1)];
                *count += 1;
                *sum += score;
            }
            if args.json {
                row.answers.push(json!({
                    "question": case.question, "wanted": case.wanted, "answer": answer.text, "score": score,
                    "support": support_name(&answer.support), "probability": answer.probability, "weight": answer.weight,
                    "places": places.iter().map(|p| [p.start, p.end]).collect::<Vec<_>>(),
                    "sources": answer.sources.iter().map(|s| json!([s.bytes.start, s.bytes.end, s.weight])).collect::<Vec<_>>(),
                }));
            }
        }
    }
    Ok(row)
}

fn support_name(support: &Support) -> &'static str {
    match support {
        Support::Quoted(_) => "quoted",
        Support::Found => "found",
        Support::None => "none",
        _ => "unknown",
    }
}

impl Tally {
    /// Counts an answer. Returns its score, unless the document holds none.
    fn add(&mut self, suite: &Suite, case: &Case, answer: &Answer, places: &[Range<u64>]) -> Option<f64> {
        let refused = answer.support == Support::None;
        if case.wanted.is_empty() {
            self.absent += 1;
            self.absent_refused += usize::from(refused);
            return None;
        }
        let text = &answer.text;
        let (exact, f1) = (scores::exact(text, &case.wanted), scores::f1(text, &case.wanted));
        let labels: &BTreeSet<String> = &suite.labels;
        let score = match suite.benchmark {
            Benchmark::Squad | Benchmark::Own => f1,
            Benchmark::Babilong => scores::labelled(text, &case.question, case.wanted.first()?, labels),
            Benchmark::Ruler => scores::contained(text, &case.wanted),
        };
        self.present += 1;
        self.score += score;
        self.exact += exact;
        self.f1 += f1;
        self.contained += scores::contained_any(text, &case.wanted);
        self.refused += usize::from(refused);
        if !places.is_empty() {
            let right = |bytes: &Range<u64>| places.iter().any(|p| p.start < bytes.end && bytes.start < p.end);
            self.placed += 1;
            self.first += usize::from(answer.sources.first().is_some_and(|source| right(&source.bytes)));
            self.read += usize::from(answer.sources.iter().any(|source| right(&source.bytes)));
        }
        Some(score)
    }
}

impl Row {
    fn asked(&self) -> usize {
        self.asked.present + self.asked.absent
    }

    fn tokens_per_s(&self) -> f64 {
        self.tokens as f64 / self.reading.as_secs_f64().max(1e-9)
    }

    fn ms(&self) -> f64 {
        self.asking.as_secs_f64() * 1e3 / self.asked().max(1) as f64
    }

    fn line(&self) -> String {
        let t = &self.asked;
        let share = |sum: f64, of: usize| match of {
            0 => "–".into(),
            _ => format!("{:.1}", 100.0 * sum / of as f64),
        };
        format!(
            "{:<22} {:>11} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>8} {:>8} {:>9.0} {:>6.1}",
            self.name,
            grouped(self.tokens),
            self.asked(),
            share(t.score, t.present),
            share(t.exact, t.present),
            share(t.f1, t.present),
            share(t.contained, t.present),
            share(t.first as f64, t.placed),
            share(t.read as f64, t.placed),
            share(t.refused as f64, t.present),
            t.absent,
            share(t.absent_refused as f64, t.absent),
            self.tokens_per_s(),
            self.ms(),
        )
    }

    fn json(&self) -> Value {
        let t = &self.asked;
        let share = |sum: f64, of: usize| (of > 0).then(|| sum / of as f64);
        let depths = self.depths.iter().enumerate().filter(|(_, (count, _))| *count > 0);
        json!({
            "name": self.name, "bytes": self.bytes, "tokens": self.tokens,
            "read_s": self.reading.as_secs_f64(), "tokens_per_s": self.tokens_per_s(), "ms_per_question": self.ms(),
            "present": t.present, "score": share(t.score, t.present), "exact": share(t.exact, t.present),
            "f1": share(t.f1, t.present), "contained": share(t.contained, t.present),
            "placed": t.placed, "source_first": share(t.first as f64, t.placed), "source_read": share(t.read as f64, t.placed),
            "present_refused": share(t.refused as f64, t.present),
            "absent": t.absent, "absent_refused": share(t.absent_refused as f64, t.absent),
            "by_depth": depths.map(|(i, (count, sum))| json!({
                "depth": i as f64 / DEPTHS as f64, "questions": count, "score": sum / *count as f64,
            })).collect::<Vec<_>>(),
            "answers": self.answers,
        })
    }
}

fn draw(path: &Path, benchmark: Benchmark, rows: &[Row]) -> Result<()> {
    let columns: Vec<String> = rows.iter().map(|row| format!("{:.1}M", row.tokens as f64 / 1e6)).collect();
    let labels: Vec<String> =
        (0..DEPTHS).map(|i| format!("{}–{} %", i * 100 / DEPTHS, (i + 1) * 100 / DEPTHS)).collect();
    let cell = |i: usize, j: usize| {
        let (count, sum) = rows.get(i)?.depths[j];
        (count > 0).then(|| (sum / count as f64, count))
    };
    let title = format!("{} in %, by tokens and by depth of the answer", score_name(benchmark));
    let svg = Heatmap { title: &title, columns: &columns, rows: &labels, cell: &cell }.svg();
    std::fs::write(path, svg).map_err(|e| Error::io(format!("writing {}", path.display()), e))
}
