//! The options that choose a chunk encoder.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ramba::{EncoderOptions, Error, OrtOptions, Provider, Result};

/// What encodes the chunks of a document.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Runtime {
    /// The model's own, on the model's device
    Native,
    /// An ONNX model by tract (builds with the feature `tract`)
    Tract,
    /// An ONNX model by ONNX Runtime (builds with the feature `ort`)
    Ort,
}

/// `--encoder` and what belongs to it.
#[derive(Args)]
pub struct EncoderArgs {
    /// What encodes chunks
    #[arg(long, value_enum, default_value_t = Runtime::Native)]
    encoder: Runtime,
    /// ONNX file of the encoder, for tract and ort [default: the model's own encoder]
    #[arg(long, value_name = "ONNX")]
    encoder_model: Option<PathBuf>,
    /// What ONNX Runtime computes on: cpu, cuda, tensorrt, openvino, qnn, … [default: cpu]
    #[arg(long, value_name = "PROVIDER")]
    encoder_provider: Option<Provider>,
    /// The library of ONNX Runtime [default: what ORT_DYLIB_PATH names, or the system's]
    #[arg(long, value_name = "PATH")]
    encoder_library: Option<PathBuf>,
    /// Let the CPU do what the provider cannot, instead of failing
    #[arg(long)]
    allow_cpu: bool,
}

impl EncoderArgs {
    /// The options for an engine.
    ///
    /// # Errors
    /// `InvalidArgument` for options of another runtime: they would be ignored.
    pub fn options(&self) -> Result<EncoderOptions> {
        let file = self.encoder_model.clone();
        let of_ort = self.encoder_provider.is_some() || self.encoder_library.is_some() || self.allow_cpu;
        if of_ort && self.encoder != Runtime::Ort {
            return Err(Error::invalid("--encoder-provider, --encoder-library and --allow-cpu are for --encoder ort"));
        }
        if file.is_some() && self.encoder == Runtime::Native {
            return Err(Error::invalid("--encoder-model is for --encoder tract or ort"));
        }
        Ok(match self.encoder {
            Runtime::Native => EncoderOptions::Native,
            Runtime::Tract => EncoderOptions::Tract { file },
            Runtime::Ort => EncoderOptions::Ort(
                OrtOptions::default()
                    .file(file)
                    .library(self.encoder_library.clone())
                    .provider(self.encoder_provider.unwrap_or_default())
                    .allow_cpu(self.allow_cpu),
            ),
        })
    }
}
