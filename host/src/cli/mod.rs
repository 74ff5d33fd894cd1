//! The commands, one file each with its arguments and a `run`. They print; everything else is the library's.

mod bench;
mod check;
mod config;
mod config_check;
mod config_from_web_config;
mod dev;
mod doctor;
mod inspect;
mod logging;
mod migrate;
mod new;
mod plugins;
mod project;
mod running_host;
mod serve;
mod setting;
mod sign;
mod sql;
mod sql_schema;
mod status;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A session-state server whose storage is a plugin.
#[derive(Debug, Parser)]
#[command(name = "cloakroom", version, about)]
struct Cloakroom {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Inspect(inspect::Args),
    Check(check::Args),
    Bench(bench::Args),
    New(new::Args),
    Dev(dev::Args),
    Sign(sign::Args),
    Config(config::Args),
    Sql(sql::Args),
    Migrate(migrate::Args),
    Doctor(doctor::Args),
    Status(status::Args),
    Plugins(plugins::Args),
}

/// Runs what the command line says. An error is printed by the caller; a command that found something wrong with what
/// it was given prints that itself and returns a failure.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    match Cloakroom::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Check(args) => check::run(args),
        Command::Bench(args) => bench::run(args),
        Command::New(args) => new::run(args),
        Command::Dev(args) => dev::run(args),
        Command::Sign(args) => sign::run(args),
        Command::Config(args) => config::run(args),
        Command::Sql(args) => sql::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Status(args) => status::run(args),
        Command::Plugins(args) => plugins::run(args),
    }
}
