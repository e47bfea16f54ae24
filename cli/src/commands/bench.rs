//! `ramba bench`: how fast a model reads and writes, beside what the machine can do.

mod ceilings;
mod work;

use std::time::{Duration, Instant};

use clap::Args;
use ramba::gguf::Gguf;
use ramba::{AskOptions, DType, Device, Engine, EngineOptions, Result};
use serde_json::{Map, Value, json};

use ramba_cli::engine::BudgetArgs;
use ramba_cli::interrupt;
use ramba_cli::model::ModelFile;
use ramba_cli::prose::{self, Rng};
use ramba_cli::show::{grouped, mib, one_short_line, parse_count, print, print_json};

use ceilings::Ceilings;
use work::{Moved, Work};

#[derive(Args)]
pub struct BenchArgs {
    #[command(flatten)]
    model: ModelFile,
    /// Tokens to read in each run
    #[arg(long, value_name = "N", default_value = "32k", value_parser = parse_count)]
    tokens: u64,
    /// Tokens of a question, which go through the whole model at once; at most what fits into a segment with an answer
    #[arg(long, value_name = "N", default_value = "256", value_parser = parse_count)]
    prompt: u64,
    /// Tokens to write in each run
    #[arg(long, value_name = "N", default_value_t = 64)]
    decode: usize,
    /// Numbers of worker threads to measure with [default: 1 and one per core]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    threads: Vec<usize>,
    /// Where the model runs: cpu, cuda or cuda:NUMBER
    #[arg(long, value_name = "DEVICE", default_value_t = Device::Cpu)]
    device: Device,
    #[command(flatten)]
    budget: BudgetArgs,
    /// Runs of each measurement; the median is shown
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    /// Print one JSON object, whose fields docs/performance.md explains
    #[arg(long)]
    json: bool,
}

/// Tokens of a short question.
const QUESTION: usize = 8;

/// Searches in a row.
const SEARCHES: u32 = 16;

/// What each row measures.
const TIMED: [(&str, &str); 7] = [
    ("memory", "a ceiling: reading 256 MiB, or twice the largest cache up to 1 GiB, on all threads; the best of 5"),
    (
        "products",
        "a ceiling: the model's own kernels, products of 256 rows that stay in caches, by type of the weights; the best in 30 ms",
    ),
    ("reading", "a document, from the first token to all being ready for questions"),
    (
        "prefill",
        "a question to its first token, once the document is ready: the whole model and retrieval; twice, with models that read \
         again what it finds",
    ),
    ("decode", "further tokens, one by one, at the end of the document"),
    ("retrieval", "of decode, the search of one token: its queries, all landmarks, the best chunks brought into RAM"),
    ("first token", "the same as prefill, for a short question"),
];

pub fn run(args: &BenchArgs) -> Result<()> {
    let mut counts = args.threads.clone();
    if counts.is_empty() {
        counts = vec![1, std::thread::available_parallelism().map_or(1, |n| n.get())];
        counts.dedup();
    }
    let (mut rows, mut model) = (Vec::new(), Map::new());
    for &threads in &counts {
        let engine = args.model.open(&EngineOptions::default().threads(threads).device(args.device))?;
        model = described(engine.gguf());
        rows.extend(end_to_end(args, &engine, threads)?);
    }
    let description = args.device.description()?;
    // The best one is first, and used.
    let kernels = match args.device {
        Device::Cpu => description.split(", ").next().unwrap_or_default(),
        _ => "cuda",
    };
    if args.json {
        let timed: Map<_, _> = TIMED.iter().map(|&(what, timed)| (what.to_owned(), timed.into())).collect();
        let mut all = json!({
            "model": args.model.name(), "device": args.device.to_string(), "description": description, "kernels": kernels,
            "rows": rows, "timed": timed,
        });
        all.as_object_mut().into_iter().for_each(|all| all.append(&mut model));
        return print_json(&all);
    }
    let types: Vec<String> =
        model["types"].as_object().into_iter().flatten().map(|(t, n)| format!("{t} {}", mib(number(n)))).collect();
    print(format!(
        "model    {}: {}, {} parameters, {} ({})",
        args.model.name(),
        model["architecture"].as_str().unwrap_or_default(),
        grouped(number(&model["parameters"])),
        mib(number(&model["weights_bytes"])),
        types.join(", "),
    ))?;
    print(format!("device   {}: {description}", args.device))?;
    print(format!("kernels  {kernels}\n"))?;
    as_table(&rows)?;
    print("\nTimes are medians of the runs.")?;
    for (what, timed) in TIMED {
        if rows.iter().any(|row| row["what"] == what) {
            print(format!("  {what:<12} {timed}"))?;
        }
    }
    match args.device {
        Device::Cpu => print(
            "Of the ceiling: reading and prefill, the least time of their multiply-adds at the rates of products by the time they took; decode \
             and retrieval, the bytes that a token moves by those that memory yields (above 100 % where they stay in a cache).",
        ),
        _ => print("What the device could do at most, and retrieval by itself, are not measured."),
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn as_table(rows: &[Value]) -> Result<()> {
    print(format!(
        "{:<30} {:>7} {:>10} {:>10} {:>7} {:>8} {:>10}  of the ceiling",
        "what", "threads", "tokens/s", "ms", "GB/s", "GOP/s", "MB/token"
    ))?;
    for row in rows {
        let cell = |key: &str, scale: f64, digits: usize| {
            row[key].as_f64().map_or(String::new(), |value| format!("{:.digits$}", scale * value))
        };
        let share = |key: &str, of: &str| row[key].as_f64().map(|v| format!("{:.0} % of {of}", 100.0 * v));
        let share = share("share_of_memory", "memory").or_else(|| share("share_of_products", "products"));
        let what = [&row["what"], &row["of"]].map(|text| text.as_str().unwrap_or_default());
        let line = format!(
            "{:<30} {:>7} {:>10} {:>10} {:>7} {:>8} {:>10}  {}",
            what.join(" "),
            row["threads"],
            cell("tokens_per_s", 1.0, 1),
            cell("ms", 1.0, 3),
            cell("gb_per_s", 1.0, 1),
            cell("gop_per_s", 1.0, 1),
            cell("bytes_per_token", 1e-6, 3),
            share.unwrap_or_default(),
        );
        print(line.trim_end())?;
    }
    Ok(())
}

/// What kind of model it is: architecture, parameters, bytes by type.
fn described(gguf: &Gguf) -> Map<String, Value> {
    let tensors = || gguf.tensors().iter();
    let bytes = |dtype: DType| tensors().filter(|t| t.dtype == dtype).map(|t| t.bytes as u64).sum::<u64>();
    let types = DType::ALL.into_iter().map(|dtype| (dtype.name().to_owned(), json!(bytes(dtype))));
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| _ = all.insert(key.into(), value);
    put("architecture", one_short_line(gguf.str("general.architecture").unwrap_or_default()).into());
    put("parameters", tensors().map(|t| t.dims.iter().product::<u64>()).sum::<u64>().into());
    put("weights_bytes", tensors().map(|t| t.bytes as u64).sum::<u64>().into());
    put("types", types.filter(|(_, bytes)| number(bytes) > 0).collect::<Map<_, _>>().into());
    all
}

/// The rows of one number of threads.
fn end_to_end(args: &BenchArgs, engine: &Engine, threads: usize) -> Result<Vec<Value>> {
    // The time to read does not depend on what is read: a model without a tokenizer gets any ids.
    let mut tokens = match engine.tokenizer() {
        Ok(tokenizer) => tokenizer.encode(&prose::prose(&mut Rng::new(1), 64 * 1024))?,
        Err(_) => (0..16384u64).map(|i| (i * 7919 % engine.config().vocab as u64) as u32).collect(),
    };
    while (tokens.len() as u64) < args.tokens {
        tokens.extend_from_within(..);
    }
    tokens.truncate(usize::try_from(args.tokens).unwrap_or(usize::MAX));

    let segment = engine.config().segments.size().unwrap_or(u64::MAX);
    let asked = args.prompt.min(tokens.len() as u64).min(segment - 1).max(1) as usize;
    let short = asked.min(QUESTION);
    let (mut times, mut chunks) = (Times::default(), [0; 2]);
    for _ in 0..args.runs.max(1) {
        chunks = once(args, engine, &tokens, [asked, short], &mut times)?;
    }

    let ceilings = Ceilings::measure(engine)?;
    let row = |what: &str, of: String| json!({"what": what, "of": of, "threads": threads});
    let mut rows = Vec::new();
    if let Some(bytes) = ceilings.memory {
        let mut memory = row("memory", String::new());
        memory["gb_per_s"] = json!(bytes / 1e9);
        rows.push(memory);
    }
    for (dtype, rate) in &ceilings.products {
        let mut products = row("products", dtype.to_string());
        products["gop_per_s"] = json!(2.0 * rate / 1e9);
        rows.push(products);
    }
    // Computing `work` for `tokens` tokens.
    let computing = |what: &str, tokens: usize, time: Duration, work: Work| {
        let (mut row, seconds) = (row(what, format!("{} tokens", grouped(tokens as u64))), seconds(time));
        row["tokens_per_s"] = json!(tokens as f64 / seconds);
        row["multiply_adds_per_token"] = json!(work.total() / tokens as f64);
        row["gop_per_s"] = json!(2.0 * work.total() / seconds / 1e9);
        if !ceilings.products.is_empty() {
            row["share_of_products"] = json!(work.seconds(&ceilings.products) / seconds);
        }
        row
    };
    // Moving `bytes` for each token.
    let moving = |mut row: Value, bytes: u64, per_s: f64| {
        row["bytes_per_token"] = json!(bytes);
        row["gb_per_s"] = json!(per_s * bytes as f64 / 1e9);
        if let Some(memory) = ceilings.memory {
            row["share_of_memory"] = json!(per_s * bytes as f64 / memory);
        }
        row
    };

    let Times { reading, prefill, decode, retrieval, first_token } = times;
    rows.push(computing("reading", tokens.len(), median(reading), work::reading(engine, tokens.len() as u64)));
    rows.push(computing("prefill", asked, median(prefill), work::question(engine, asked, chunks[0])));
    let (moved, per_s) = (Moved::of(engine, chunks[1]), args.decode as f64 / seconds(median(decode)));
    let mut row_of_decode = moving(row("decode", format!("{} tokens", args.decode)), moved.total(), per_s);
    row_of_decode["tokens_per_s"] = json!(per_s);
    for (key, bytes) in [
        ("weights_bytes", moved.weights),
        ("states_bytes", moved.states),
        ("landmarks_bytes", moved.landmarks),
        ("chunks_bytes", moved.chunks),
    ] {
        row_of_decode[key] = json!(bytes);
    }
    rows.push(row_of_decode);
    if !retrieval.is_empty() {
        let time = median(retrieval);
        let row = row("retrieval", format!("{} chunks", grouped(chunks[1])));
        let mut row = moving(row, moved.landmarks, 1.0 / seconds(time));
        row["ms"] = json!(1e3 * time.as_secs_f64());
        rows.push(row);
    }
    let mut first = row("first token", format!("{short} tokens"));
    first["ms"] = json!(1e3 * median(first_token).as_secs_f64());
    rows.push(first);
    Ok(rows)
}

/// What the runs took.
#[derive(Default)]
struct Times {
    reading: Vec<Duration>,
    prefill: Vec<Duration>,
    /// Of all tokens together.
    decode: Vec<Duration>,
    /// Of one token; empty where there are no searches to time.
    retrieval: Vec<Duration>,
    first_token: Vec<Duration>,
}

/// Reads a document, asks questions of so many tokens and writes after it. Returns the chunks that questions may read, and
/// those that there are in the end: the last of the document are unfinished while it goes on.
fn once(
    args: &BenchArgs,
    engine: &Engine,
    tokens: &[u32],
    [asked, short]: [usize; 2],
    times: &mut Times,
) -> Result<[u64; 2]> {
    let mut session = engine.session(&args.budget.options())?;
    session.on_progress(Some(Box::new(|_| interrupt::asked())));
    let started = Instant::now();
    session.feed_tokens(tokens)?;
    session.prefill()?;
    times.reading.push(started.elapsed());

    let chunks = session.chunks();

    let options = AskOptions::default().max_tokens(1);
    let mut ask = |n: usize| {
        let answer = session.ask_tokens(&tokens[..n], &options, &mut |_, _| interrupt::asked());
        interrupt::check()?;
        answer.map(|answer| answer.first_token)
    };
    // Once before, for what is made when it is first needed.
    ask(asked)?;
    times.prefill.push(ask(asked)?);
    times.first_token.push(ask(short)?);

    // From the first token on, so that the prompt does not count.
    let options = AskOptions::default().max_tokens(args.decode + 1).ignore_end(true);
    // To the last one, so that finding what the answer was read from does not count.
    let mut span: Option<(Instant, Instant)> = None;
    session.generate("", &options, &mut |_, _| {
        let now = Instant::now();
        span = Some((span.map_or(now, |span| span.0), now));
        interrupt::asked()
    })?;
    interrupt::check()?;
    times.decode.push(span.map_or(Duration::ZERO, |(first, last)| last - first));
    times.retrieval.extend(session.search_time(SEARCHES)?);
    Ok([chunks, session.chunks()])
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Not 0, to divide by.
fn seconds(time: Duration) -> f64 {
    time.as_secs_f64().max(1e-9)
}
