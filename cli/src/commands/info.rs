//! `ramba info`: what a model file holds, and how much memory it needs, without loading it.

use std::path::PathBuf;

use clap::Args;
use ramba::gguf::{Gguf, Value};
use ramba::weights::Weights;
use ramba::{MemoryNeeds, Precision, Result};
use serde_json::json;

use ramba_cli::show::{grouped, mib, one_line, one_short_line, print, print_json};

#[derive(Args)]
pub struct InfoArgs {
    /// The model file
    model: PathBuf,
    /// List the tensors
    #[arg(long)]
    tensors: bool,
    /// Worker threads to count memory for [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &InfoArgs) -> Result<()> {
    let weights = Weights::open(&args.model)?;
    let gguf = weights.gguf();
    let needs = MemoryNeeds::of(gguf, args.threads, Precision::default())?;
    if args.json { print_json(&as_json(gguf, &needs)) } else { as_text(gguf, &needs, args.tensors) }
}

fn as_text(gguf: &Gguf, needs: &MemoryNeeds, tensors: bool) -> Result<()> {
    print(format!("GGUF version {}, {} tensors", gguf.version(), gguf.tensors().len()))?;
    print("\nMetadata")?;
    for (key, value) in gguf.entries() {
        print(format!("  {} = {}", one_short_line(key), describe(value)))?;
    }
    if tensors {
        let split = gguf.tensors().iter().any(|t| t.part > 0);
        print("\nTensors (fastest dimension first)")?;
        for t in gguf.tensors() {
            let part = if split { format!(", part {}", t.part + 1) } else { String::new() };
            print(format!("  {:<32} {:<5} {:?}, {} bytes{part}", one_line(&t.name), t.dtype.name(), t.dims, t.bytes))?;
        }
    }
    print("\nMemory")?;
    print(format!("  weights (mapped from the file)  {:>12}", mib(needs.weights)))?;
    print(format!("  of these, in memory after load  {:>12}", mib(needs.repacked)))?;
    print(format!("  working memory of {} threads     {:>12}", needs.threads, mib(needs.working)))?;
    print(format!("  recurrent state of a session    {:>12}", mib(needs.state)))?;
    print(format!("  least budget of chunk memories  {:>12}", mib(needs.least_budget)))?;
    if needs.chunk_bytes > 0 {
        let million = (1 << 20) / needs.chunk_tokens * needs.chunk_bytes;
        print(format!("  on disk for a million tokens    {:>12}", mib(million)))?;
        print(format!("  ({} bytes for each chunk of {} tokens)", grouped(needs.chunk_bytes), needs.chunk_tokens))?;
    }
    Ok(())
}

fn as_json(gguf: &Gguf, needs: &MemoryNeeds) -> serde_json::Value {
    let metadata: serde_json::Map<_, _> =
        gguf.entries().map(|(key, value)| (key.to_owned(), json!(describe(value)))).collect();
    let tensors: Vec<_> = gguf
        .tensors()
        .iter()
        .map(|t| json!({"name": t.name, "type": t.dtype.name(), "dims": t.dims, "part": t.part + 1, "offset": t.offset, "bytes": t.bytes}))
        .collect();
    json!({
        "version": gguf.version(),
        "metadata": metadata,
        "tensors": tensors,
        "memory": {
            "weights_bytes": needs.weights,
            "repacked_bytes": needs.repacked,
            "threads": needs.threads,
            "working_bytes": needs.working,
            "state_bytes": needs.state,
            "least_budget_bytes": needs.least_budget,
            "chunk_tokens": needs.chunk_tokens,
            "chunk_bytes_on_disk": needs.chunk_bytes,
        },
    })
}

/// A value on one line. Texts may be of any length and hold anything, arrays too.
fn describe(value: &Value) -> String {
    match value {
        Value::U8(v) => v.to_string(),
        Value::I8(v) => v.to_string(),
        Value::U16(v) => v.to_string(),
        Value::I16(v) => v.to_string(),
        Value::U32(v) => v.to_string(),
        Value::I32(v) => v.to_string(),
        Value::U64(v) => v.to_string(),
        Value::I64(v) => v.to_string(),
        Value::F32(v) => v.to_string(),
        Value::F64(v) => v.to_string(),
        Value::Bool(v) => v.to_string(),
        Value::Str(text) => one_short_line(text),
        Value::Array(array) => format!("array of {} values", array.len()),
    }
}
