//! `ramba export-encoder`: a model's chunk encoder as an ONNX file.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use ramba::weights::Weights;
use ramba::{Error, Result, onnx};

use super::common::show::{mib, print};

#[derive(Args)]
pub struct ExportArgs {
    /// The model file
    model: PathBuf,
    /// The ONNX file to write
    out: PathBuf,
}

pub fn run(args: &ExportArgs) -> Result<()> {
    let bytes = onnx::encoder(&Weights::open(&args.model)?)?;
    // It gets its name when it is complete.
    let mut part = args.out.clone().into_os_string();
    part.push(".part");
    let written = fs::write(&part, &bytes).and_then(|()| fs::rename(&part, &args.out));
    if let Err(e) = written {
        let _ = fs::remove_file(&part);
        return Err(Error::io(format!("writing {:?}", args.out), e));
    }
    print(format!("{}: {}, opset {}", args.out.display(), mib(bytes.len() as u64), onnx::OPSET))
}
