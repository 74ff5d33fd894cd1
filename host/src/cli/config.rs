//! `cloakroom config`: commands about configuration files.

use std::process::ExitCode;

use clap::Subcommand;

use super::{config_check, config_from_web_config};

/// Check a configuration, or make one from an ASP.NET web.config
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(config_check::Args),
    FromWebConfig(config_from_web_config::Args),
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Check(args) => config_check::run(args),
        Command::FromWebConfig(args) => config_from_web_config::run(args),
    }
}
