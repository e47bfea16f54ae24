//! `ramba serve`: a library on a local page, and over HTTP.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::Args;
use ramba::{AskOptions, Result};

use ramba_cli::engine::BudgetArgs;
use ramba_cli::model::of_library;
use ramba_cli::serve::{self, Listen, Served};

use super::library::{OriginalArgs, check_folder};
use crate::ModelArgs;

#[derive(Args)]
pub struct ServeArgs {
    /// The folder of the library; it is made if it is not there
    library: PathBuf,
    /// The address to listen on; others than this machine's own ask for a token
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The port to listen on; 0 for any
    #[arg(long, default_value_t = 8077)]
    port: u16,
    /// What browsers and programs have to show [default: none on this machine, and made up for others]
    #[arg(long, value_name = "TOKEN", env = "RAMBA_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(flatten)]
    originals: OriginalArgs,
    #[command(flatten)]
    model: ModelArgs,
    // For the documents that are asked, and again for one that is read.
    #[command(flatten)]
    budget: BudgetArgs,
}

pub fn run(args: &ServeArgs) -> Result<()> {
    check_folder(&args.library)?;
    let engine = args.model.open()?;
    let library = engine.library(&args.library, &args.budget.options()).map_err(of_library)?;
    let listen = Listen { host: args.host, port: args.port, token: args.token.clone() };
    let served = Served {
        library,
        model: args.model.model.name(),
        options: AskOptions::default(),
        originals: args.originals.keep(),
    };
    serve::run(served, listen)
}
