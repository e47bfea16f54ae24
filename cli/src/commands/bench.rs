//! `ramba bench`: how fast a model reads and writes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use clap::Args;
use ramba::{AskOptions, Device, Engine, EngineOptions, Result};
use serde_json::{Value, json};

use ramba_cli::engine::BudgetArgs;
use ramba_cli::interrupt;
use ramba_cli::model::ModelFile;
use ramba_cli::prose::{self, Rng};
use ramba_cli::show::{parse_count, print, print_json};

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
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Tokens of a short question.
const QUESTION: usize = 8;

/// One line of the result: what was measured, and the numbers of it.
type Row = Value;

pub fn run(args: &BenchArgs) -> Result<()> {
    let mut counts = args.threads.clone();
    if counts.is_empty() {
        counts = vec![1, std::thread::available_parallelism().map_or(1, |n| n.get())];
        counts.dedup();
    }
    let mut rows = Vec::new();
    for &threads in &counts {
        let engine = args.model.open(&EngineOptions::default().threads(threads).device(args.device))?;
        rows.extend(end_to_end(args, &engine, threads)?);
    }
    let description = args.device.description()?;
    if args.json {
        return print_json(&json!({
            "model": args.model.name(), "device": args.device.to_string(), "description": description, "rows": rows,
        }));
    }
    print(format!("{}, {} ({description})", args.model.name(), args.device))?;
    print("what                              threads   tokens/s         ms     GB/s    share")?;
    for row in &rows {
        let number = |key: &str| row[key].as_f64().map_or(String::new(), |v| format!("{v:.1}"));
        print(format!(
            "{:<33} {:>7} {:>10} {:>10} {:>8} {:>8}",
            row["what"].as_str().unwrap_or_default(),
            row["threads"],
            number("tokens_per_s"),
            number("ms"),
            number("gb_per_s"),
            row["share_of_memory"].as_f64().map_or(String::new(), |v| format!("{:.0} %", 100.0 * v)),
        ))?;
    }
    print("\nWhat is timed:")?;
    for (what, timed) in TIMED {
        print(format!("  {what:<24} {timed}"))?;
    }
    Ok(())
}

/// What each row measures; every time is the median of the runs.
const TIMED: [(&str, &str); 5] = [
    ("memory", "reading memory that no cache holds, on all threads"),
    ("ingest", "a document of tokens, from the first to all being ready for questions"),
    ("prompt", "a question to its first token, once the document is ready: the whole model, and retrieval"),
    (
        "decode",
        "further tokens, one by one; GB/s and share of memory of the weights that each needs and the states that it changes",
    ),
    ("question to first token", "the same as prompt, for a short question"),
];

/// Bytes that a token moves when it is decoded, but for chunks that it reads: matrices once, recurrent states read and written. What
/// encodes chunks is needed once in a chunk.
fn bytes_per_token(engine: &Engine) -> u64 {
    let gguf = engine.gguf();
    // An embedding that is not the output matrix too is looked up for one row.
    let looked_up = gguf.tensor("output.weight").is_some().then_some("token_embd.weight");
    let needed = |name: &str| !name.starts_with("enc.") && !name.starts_with("chunk.") && Some(name) != looked_up;
    let weights: u64 = gguf.tensors().iter().filter(|t| needed(&t.name)).map(|t| t.bytes as u64).sum();
    let config = engine.config();
    weights + 2 * 4 * (config.blocks * config.ssm.inner * config.ssm.state) as u64
}

/// Bytes per second of reading memory with `threads` threads; `None` if there is too little of it to tell.
fn memory(args: &BenchArgs, threads: usize) -> Option<f64> {
    const BYTES: usize = 256 << 20;
    let mut memory = Vec::new();
    memory.try_reserve_exact(BYTES / 8).ok()?;
    memory.resize(BYTES / 8, 1u64);
    let mut times = Vec::new();
    for _ in 0..args.runs.max(3) {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for part in memory.chunks(memory.len().div_ceil(threads)) {
                scope.spawn(move || {
                    let sums = part.chunks_exact(16).fold([0u64; 16], |mut sums, values| {
                        sums.iter_mut().zip(values).for_each(|(sum, v)| *sum = sum.wrapping_add(*v));
                        sums
                    });
                    black_box(sums);
                });
            }
        });
        times.push(started.elapsed());
    }
    Some(BYTES as f64 / median(times).as_secs_f64())
}

/// Reading a document and writing after it.
fn end_to_end(args: &BenchArgs, engine: &Engine, threads: usize) -> Result<Vec<Row>> {
    // The time to read does not depend on what is read: a model without a tokenizer gets any ids.
    let mut tokens = match engine.tokenizer() {
        Ok(tokenizer) => tokenizer.encode(&prose::prose(&mut Rng::new(1), 64 * 1024))?,
        Err(_) => (0..16384u64).map(|i| (i * 7919 % engine.config().vocab as u64) as u32).collect(),
    };
    while (tokens.len() as u64) < args.tokens {
        tokens.extend_from_within(..);
    }
    tokens.truncate(usize::try_from(args.tokens).unwrap_or(usize::MAX));

    let (mut ingest, mut prompt, mut decode, mut question) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let segment = engine.config().segments.size().unwrap_or(u64::MAX);
    let asked = args.prompt.min(tokens.len() as u64).min(segment - 1).max(1) as usize;
    for _ in 0..args.runs.max(1) {
        let mut session = engine.session(&args.budget.options())?;
        session.on_progress(Some(Box::new(|_| interrupt::asked())));
        let started = Instant::now();
        session.feed_tokens(&tokens)?;
        session.prefill()?;
        ingest.push(started.elapsed());

        let options = AskOptions::default().max_tokens(1);
        let mut ask = |n: usize| {
            let answer = session.ask_tokens(&tokens[..n], &options, &mut |_, _| interrupt::asked());
            interrupt::check()?;
            answer.map(|answer| answer.first_token)
        };
        // Once before, for what is made when it is first needed.
        ask(asked)?;
        prompt.push(ask(asked)?);
        question.push(ask(asked.min(QUESTION))?);

        // From the first token on, so that the prompt does not count.
        let options = AskOptions::default().max_tokens(args.decode + 1).ignore_end(true);
        // To the last one, so that finding what the answer was read from does not count.
        let mut times: Option<(Instant, Instant)> = None;
        session.generate("", &options, &mut |_, _| {
            let now = Instant::now();
            times = Some((times.map_or(now, |times| times.0), now));
            interrupt::asked()
        })?;
        interrupt::check()?;
        decode.push(times.map_or(Duration::ZERO, |(first, last)| last - first));
    }
    let per_s = |n: usize, time: Duration| n as f64 / time.as_secs_f64().max(1e-9);
    let decode = per_s(args.decode, median(decode));
    let bytes = bytes_per_token(engine);
    let mut decoding = json!({"what": "decode", "threads": threads, "tokens_per_s": decode, "bytes_per_token": bytes});
    let mut rows = Vec::new();
    if args.device == Device::Cpu {
        decoding["gb_per_s"] = json!(decode * bytes as f64 / 1e9);
        if let Some(memory) = memory(args, threads) {
            rows.push(json!({"what": "memory", "threads": threads, "gb_per_s": memory / 1e9}));
            decoding["share_of_memory"] = json!(decode * bytes as f64 / memory);
        }
    }
    rows.extend([
        json!({"what": "ingest", "threads": threads, "tokens_per_s": per_s(tokens.len(), median(ingest))}),
        json!({"what": format!("prompt of {asked}"), "threads": threads, "tokens_per_s": per_s(asked, median(prompt))}),
        decoding,
        json!({"what": "question to first token", "threads": threads, "ms": median(question).as_secs_f64() * 1e3}),
    ]);
    Ok(rows)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
