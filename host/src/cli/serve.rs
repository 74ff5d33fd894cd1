//! `cloakroom serve`: the server.

use std::{future::Future, io, net::SocketAddr, path::PathBuf, process::ExitCode};

use cloakroom::{
    config::{Config, Overrides},
    server::Server,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::logging;

/// Serve sessions until told to stop (SIGTERM or Ctrl-C), then write what is in memory to the data directory
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration; without one, sessions are kept in memory and the front ends listen on loopback
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of plugins, instead of `plugins.directory`
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Where the State Server front end listens, instead of `state_server.address`
    #[arg(long, value_name = "ADDR")]
    state_server: Option<SocketAddr>,
    /// Where the HTTP front end listens, instead of `http.address`
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// The directory for the snapshot and compiled plugins, instead of `data_dir`
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { config, plugins, state_server, http, data } = args;
    let overrides = Overrides { plugins, state_server, http, data_dir: data };
    let config = Config::load(config.as_deref(), &overrides)?;
    logging::start(&config.log)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "cloakroom");
    // Before the start, so that a signal during it is not lost.
    let stop = stop_signal()?;
    let server = Server::start(config).await?;
    let shutdown = CancellationToken::new();
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            let signal = stop.await;
            tracing::info!(signal, "stopping: requests in flight are finished, then the sessions are written");
            shutdown.cancel();
        }
    });
    server.run(shutdown).await?;
    Ok(())
}

/// The first of the signals that ask a server to stop.
fn stop_signal() -> io::Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
