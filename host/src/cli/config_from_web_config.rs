//! `cloakroom config from-web-config`: an ASP.NET application's session settings as a `cloakroom.toml`.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use cloakroom::config::web_config;

/// Make a cloakroom.toml from a web.config; what could not be carried over is told on standard error
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The application's web.config, or the file that its `configSource` names
    #[arg(value_name = "web.config")]
    file: PathBuf,
    /// Where to write, instead of standard output; an existing file is left alone
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let bytes = fs::read(&args.file).with_context(|| format!("cannot read `{}`", args.file.display()))?;
    let source = args.file.display().to_string();
    let translation = match web_config::translate(&source, &bytes) {
        Ok(translation) => translation,
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    match &args.output {
        None => io::stdout().lock().write_all(translation.toml.as_bytes())?,
        Some(output) => write_new(output, &translation.toml)?,
    }
    eprint!("{}", translation.report());
    Ok(ExitCode::SUCCESS)
}

fn write_new(output: &Path, toml: &str) -> anyhow::Result<()> {
    let mut file = File::create_new(output).with_context(|| {
        format!("cannot create `{}`; if it exists already, remove it or choose another --output", output.display())
    })?;
    file.write_all(toml.as_bytes()).with_context(|| format!("cannot write `{}`", output.display()))
}
