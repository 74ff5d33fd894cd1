//! `cloakroom doctor`: looks at everything that a configuration names.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::ValueEnum;
use cloakroom::{
    config::{Config, Overrides},
    doctor::{self, Level, Report},
};
use serde_json::json;

/// Names the form of the JSON.
const SCHEMA: &str = "cloakroom-doctor-1";

/// Look at the configuration, at the plugins that it names and at every connection, and say what is wrong
///
/// Asks the back ends over connections of its own, and changes nothing. A line for each finding: `ok`, `warning` (it works,
/// and something can be lost that need not be) or `error`. Exits with 0 if there is no error, and with 1 if there is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration; without one, the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of plugins, instead of `plugins.directory`
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// How to print what was found
    #[arg(long, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A line for each finding
    Text,
    /// One object
    Json,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { config, plugins, format } = args;
    let overrides = Overrides { plugins, ..Overrides::default() };
    let report = match Config::load(config.as_deref(), &overrides) {
        Err(error) => doctor::refuse(&error),
        Ok(config) => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("the look could not be started")?
            .block_on(doctor::examine(&config)),
    };
    print(&report, format)?;
    Ok(if report.count(Level::Error) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report, format: Format) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let [errors, warnings] = [Level::Error, Level::Warning].map(|level| report.count(level));
    match format {
        Format::Json => {
            let all = json!({
                "schema": SCHEMA, "errors": errors, "warnings": warnings, "findings": report.findings,
            });
            writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        }
        Format::Text => {
            report.findings.iter().try_for_each(|finding| writeln!(out, "{finding}"))?;
            writeln!(out, "{} findings, {errors} errors, {warnings} warnings", report.findings.len())?;
        }
    }
    Ok(())
}
