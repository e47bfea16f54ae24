//! `ramba convert` and `ramba quantize`: model files from checkpoints, and in other number formats.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ramba::convert::{ConvertOptions, Importance, Progress, Report, SegmentMode, TensorReport, Types};
use ramba::{Error, Result};
use serde_json::{Value, json};

use ramba_cli::show::{grouped, mib, one_line, print, print_json};
use ramba_cli::{interrupt, process};

const TYPE_HELP: &str = "\
Types are F32, F16, BF16, Q8_0, Q4_0, Q4_K and Q6_K. A list such as ssm_in=Q4_0,hsa=Q8_0,F16 gives each matrix the type of
the first entry that names a part of it (as the dots of its name separate them), and the others the type without a name.
With Q4_0 or Q4_K for the others, the embedding and the output matrix become Q8_0 or Q6_K unless they are named. A matrix
whose rows are not whole blocks of its type (32 values, 256 for Q4_K and Q6_K) becomes F16, and this is said.";

#[derive(Args)]
#[command(after_help = TYPE_HELP)]
pub struct ConvertArgs {
    /// Folder with config.json, model.safetensors (or shards and their index) and tokenizer.json (or vocab.json and merges.txt)
    checkpoint: PathBuf,
    /// The model file to write
    out: PathBuf,
    /// Type of the matrices, or a list of types by names
    #[arg(long = "type", value_name = "TYPES", default_value = "F16")]
    types: String,
    /// Name of the model in the file [default: that of the folder]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A field of config.json that is unknown here but known not to matter (may be given several times)
    #[arg(long = "ignore", value_name = "FIELD")]
    ignored_fields: Vec<String>,
    /// What becomes of the recurrence of a RAMba at its segments: `carry` lets it go on, as its authors evaluate; `reset` lets it start
    /// anew, as they train, which makes reading parallel
    #[arg(long, value_name = "MODE", default_value_t = SegmentMode::Carry)]
    segments: SegmentMode,
    /// Leave the tokenizer out: the model takes token ids alone
    #[arg(long)]
    no_tokenizer: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(after_help = TYPE_HELP)]
pub struct QuantizeArgs {
    /// The model file
    model: PathBuf,
    /// The model file to write; may be the same
    out: PathBuf,
    /// Type of the matrices, or a list of types by names; those that it does not name keep theirs
    #[arg(long = "type", value_name = "TYPES")]
    types: String,
    /// A text of the kind that the model is for (UTF-8): the model reads it first, and errors of Q4_0, Q4_K and Q6_K are weighed by
    /// how much they matter to what it computes
    #[arg(long, value_name = "TEXT")]
    importance: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn convert(args: &ConvertArgs) -> Result<()> {
    let options = ConvertOptions::default()
        .types(args.types.parse()?)
        .name(args.name.clone())
        .ignored_fields(args.ignored_fields.clone())
        .segments(args.segments)
        .no_tokenizer(args.no_tokenizer);
    run(args.json, |progress| ramba::convert::convert(&args.checkpoint, &args.out, &options, progress))
}

pub fn quantize(args: &QuantizeArgs) -> Result<()> {
    let types: Types = args.types.parse()?;
    let importance = match &args.importance {
        None => Importance::default(),
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|e| Error::io(format!("reading {}", path.display()), e))?;
            Importance::measure(&args.model, &text)?
        }
    };
    run(args.json, |progress| ramba::convert::quantize_with(&args.model, &args.out, &types, &importance, progress))
}

/// Does the work with a progress bar on standard error, if that is a terminal, and prints the report.
fn run(
    as_json: bool,
    work: impl FnOnce(&mut dyn FnMut(Progress<'_>) -> ControlFlow<()>) -> Result<Report>,
) -> Result<()> {
    let bar = if io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}");
    // The template is a constant; a mistake in it would show the default bar.
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let started = Instant::now();
    let report = work(&mut |p| {
        bar.set_length(p.total);
        bar.set_position(p.written);
        bar.set_message(one_line(p.tensor));
        interrupt::asked()
    });
    bar.finish_and_clear();
    let report = report?;
    let seconds = started.elapsed().as_secs_f64();
    if as_json { print_json(&to_json(&report, seconds)) } else { to_text(&report, seconds) }
}

fn to_text(report: &Report, seconds: f64) -> Result<()> {
    let changed: Vec<&TensorReport> = report.tensors.iter().filter(|t| t.error.is_some()).collect();
    if !changed.is_empty() {
        print("tensor                           from  to     relative RMS error   largest error")?;
        for t in changed {
            let error = t.error.map_or((0.0, 0.0), |e| (e.relative_rms, e.max));
            print(format!(
                "{:<32} {:<5} {:<5} {:>19.3e} {:>15.3e}",
                one_line(&t.name),
                t.from,
                t.to.name(),
                error.0,
                error.1
            ))?;
        }
        print("")?;
    }
    for note in &report.notes {
        print(format!("note: {}", one_line(note)))?;
    }
    let peak = process::peak_rss().map_or(String::new(), |b| format!(", peak memory {}", mib(b)));
    print(format!(
        "{}: {} tensors, {} parameters, {} in {seconds:.1} s{peak}",
        report.architecture,
        report.tensors.len(),
        grouped(report.parameters()),
        mib(report.bytes)
    ))
}

fn to_json(report: &Report, seconds: f64) -> Value {
    let tensors: Vec<_> = report
        .tensors
        .iter()
        .map(|t| {
            json!({
                "name": t.name,
                "dims": t.dims,
                "from": t.from,
                "type": t.to.name(),
                "relative_rms_error": t.error.map(|e| e.relative_rms),
                "max_error": t.error.map(|e| e.max),
            })
        })
        .collect();
    json!({
        "architecture": report.architecture,
        "bytes": report.bytes,
        "parameters": report.parameters(),
        "seconds": seconds,
        "peak_rss_bytes": process::peak_rss(),
        "notes": report.notes,
        "tensors": tensors,
    })
}
