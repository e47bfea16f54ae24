//! `ramba export-encoder`: a model's chunk encoder as an ONNX file.

use std::path::PathBuf;

use clap::Args;
use ramba::weights::Weights;
use ramba::{Result, onnx};

use ramba_cli::show::{mib, print, print_json};
use serde_json::json;

#[derive(Args)]
pub struct ExportArgs {
    /// The model file
    model: PathBuf,
    /// The ONNX file to write
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ExportArgs) -> Result<()> {
    let bytes = onnx::export(&Weights::open(&args.model)?, &args.out)?;
    if args.json {
        return print_json(&json!({"file": args.out.display().to_string(), "bytes": bytes, "opset": onnx::OPSET}));
    }
    print(format!("{}: {}, opset {}", args.out.display(), mib(bytes), onnx::OPSET))
}
