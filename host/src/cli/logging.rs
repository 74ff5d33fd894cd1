//! Where the log goes: standard error, filtered by `RUST_LOG` or else by the configuration.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use cloakroom::config::{LogConfig, LogFormat};
use tracing_subscriber::EnvFilter;

/// Starts logging. Call once, before anything logs.
pub(super) fn start(config: &LogConfig) -> anyhow::Result<()> {
    let colours = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(config)?)
        .with_ansi(colours)
        .with_writer(io::stderr)
        // Where nobody reads standard error any more, a line is lost. To complain of that there would be a panic.
        .log_internal_errors(false);
    let started = match config.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}

fn filter(config: &LogConfig) -> anyhow::Result<EnvFilter> {
    match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(written) if !written.is_empty() => {
            EnvFilter::try_new(&written).with_context(|| format!("RUST_LOG=\"{written}\" is not a filter"))
        }
        // The client of a back end tells every attempt to connect; the host says once that a connection is lost.
        _ => EnvFilter::try_new(format!("redis=off,{}", config.filter))
            .with_context(|| format!("log.filter = \"{}\"", config.filter)),
    }
}
