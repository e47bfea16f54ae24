//! `ramba export-encoder`: a model's chunk encoder as an ONNX file.

use std::path::PathBuf;

use clap::Args;
use ramba::weights::Weights;
use ramba::{Result, onnx};

use ramba_cli::show::{mib, print};

#[derive(Args)]
pub struct ExportArgs {
    /// The model file
    model: PathBuf,
    /// The ONNX file to write
    out: PathBuf,
}

pub fn run(args: &ExportArgs) -> Result<()> {
    let bytes = onnx::export(&Weights::open(&args.model)?, &args.out)?;
    print(format!("{}: {}, opset {}", args.out.display(), mib(bytes), onnx::OPSET))
}
