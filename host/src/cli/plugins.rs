//! `cloakroom plugins`: what an operator does with the plugins of a running host.

use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::running_host::RunningHost;

/// Do something with the plugins of a running host
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Release(Release),
}

/// Have a plugin called again at once that is backed off or quarantined because it kept failing
#[derive(Debug, clap::Args)]
struct Release {
    /// The plugin: its file name without `.wasm`
    #[arg(value_name = "NAME")]
    plugin: String,
    #[command(flatten)]
    host: RunningHost,
}

/// What the host says.
#[derive(Deserialize)]
struct Released {
    stores: Vec<String>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Command::Release(Release { plugin, host }) = args.command;
    let path = format!("/v1/plugins/{}/release", utf8_percent_encode(&plugin, NON_ALPHANUMERIC));
    let Released { stores } = host.ask(Method::POST, &path)?;
    if stores.is_empty() {
        println!("`{plugin}` was neither backed off nor quarantined; nothing was changed");
    } else {
        println!("`{plugin}` is called again for: {}", stores.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}
