//! `cloakroom sql`: commands about the databases of the store `sql`.

use std::process::ExitCode;

use clap::Subcommand;

use super::sql_schema;

/// Print what the tables of the store `sql` are made with
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Schema(sql_schema::Args),
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Schema(args) => sql_schema::run(&args),
    }
}
