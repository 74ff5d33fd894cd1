//! `cloakroom config check`: what a configuration amounts to, or everything that is wrong with it.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use cloakroom::config::{Config, Overrides};

/// Check a configuration: prints "ok" and what is in effect, or every problem
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match Config::load(Some(&args.file), &Overrides::default()) {
        Ok(config) => {
            write!(io::stdout().lock(), "ok\n\n# What is in effect, defaults included:\n{config}")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{error}");
            let found = error.problems().len();
            if found > 1 {
                eprintln!("{found} problems");
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
