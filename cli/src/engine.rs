//! The options that say where and how a model runs, and in how much memory.

use clap::Args;
use ramba::{Device, EngineOptions, Result, SessionOptions};

use crate::encoder::EncoderArgs;
use crate::show::parse_size;

/// `--threads`, `--device`, and what encodes chunks.
#[derive(Args)]
pub struct EngineArgs {
    /// Worker threads, at most 512 [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// Where the model runs: cpu, cuda or cuda:NUMBER
    #[arg(long, value_name = "DEVICE", default_value_t = Device::Cpu)]
    device: Device,
    #[command(flatten)]
    encoder: EncoderArgs,
}

impl EngineArgs {
    /// The options for an engine.
    ///
    /// # Errors
    /// Those of [`EncoderArgs::options`].
    pub fn options(&self) -> Result<EngineOptions> {
        Ok(EngineOptions::default().threads(self.threads).device(self.device).encoder(self.encoder.options()?))
    }
}

/// RAM for chunk memories.
#[derive(Args)]
pub struct BudgetArgs {
    /// Bytes of memory that may hold chunk memories; the rest stays on disk
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    budget: u64,
    /// Bytes of its own memory that a device other than the CPU may use for chunk memories
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    device_budget: u64,
}

impl BudgetArgs {
    /// The options for a session or a library.
    pub fn options(&self) -> SessionOptions {
        SessionOptions::default().budget(self.budget).device_budget(self.device_budget)
    }
}
