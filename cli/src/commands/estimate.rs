//! `ramba estimate`: what a model takes for a document of some length, before anything is loaded.

use clap::Args;
use ramba::{EngineOptions, Error, Result, Usage};
use ramba_cli::engine::BudgetArgs;
use ramba_cli::model::ModelFile;
use ramba_cli::show::{grouped, mib, parse_count, parse_size, print, print_json};
use serde_json::json;

/// Bytes of English that a token of the shipped model stands for, ten times.
const TEN_TOKENS: u64 = 42;

#[derive(Args)]
pub struct EstimateArgs {
    #[command(flatten)]
    model: ModelFile,
    /// Length of the document in tokens, such as 64k or 16m
    #[arg(long, value_name = "N", value_parser = parse_count, required_unless_present = "bytes")]
    tokens: Option<u64>,
    /// Length of its text [default: 4.2 bytes for each token, as English has; and tokens by that]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    bytes: Option<u64>,
    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// Leave weights in pages of the file
    #[arg(long)]
    no_repack: bool,
    #[command(flatten)]
    budget: BudgetArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &EstimateArgs) -> Result<()> {
    let tokens = args.tokens.or(args.bytes.map(|bytes| (bytes.saturating_mul(10) / TEN_TOKENS).max(1)));
    let tokens = tokens.ok_or_else(|| Error::invalid("a length in tokens or bytes is needed"))?;
    let bytes = args.bytes.unwrap_or(tokens.saturating_mul(TEN_TOKENS) / 10);
    let weights = args.model.weights()?;
    let engine = EngineOptions::default().threads(args.threads).no_repack(args.no_repack);
    let usage = Usage::estimate(weights.gguf(), &engine, &args.budget.options(), tokens, bytes)?;
    if args.json {
        return print_json(&json!({
            "tokens": tokens, "bytes": bytes, "weights_bytes": usage.weights, "repacked_bytes": usage.repacked,
            "scratch_bytes": usage.scratch, "state_bytes": usage.state, "cache_bytes": usage.cache,
            "anonymous_bytes": usage.anonymous(), "disk_bytes": usage.disk,
        }));
    }
    print(format!("A document of {} tokens, {} of text", grouped(tokens), mib(bytes)))?;
    for (what, bytes) in [
        ("weights (mapped from the file)", usage.weights),
        ("weights repacked in memory", usage.repacked),
        ("working memory of threads", usage.scratch),
        ("recurrent states", usage.state),
        ("chunk memories in RAM", usage.cache),
        ("memory of the process in all", usage.anonymous()),
        ("chunk memories on disk", usage.disk),
    ] {
        print(format!("  {what:<31} {:>13}", mib(bytes)))?;
    }
    Ok(())
}
