//! A whole host: from a configuration to serving, and back to a snapshot on disk.
//!
//! The order matters. Sessions are read back before anything listens, and the snapshot is retired only once everything
//! does, so that a start that fails loses nothing. At the end the front ends finish what they have begun before the
//! snapshot is written, so that it misses nothing that was acknowledged.

mod data_dir;
mod error;
mod moved_clock;
mod open_files;

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use error::ServerError;

use self::data_dir::DataDir;
use crate::{
    capabilities::{
        Connections,
        kv::{Kv, Loaded, Snapshot, SnapshotError},
    },
    clock::Clock,
    config::{Config, HttpConfig, StateServerConfig},
    frontends::{Workers, http, state_server},
    plugins::{PluginDirectory, Runtime},
    sessions::{EventSink, LogSink, SessionService},
    telemetry,
};

/// A host that listens and has yet to be run.
pub struct Server {
    config: Config,
    data_dir: DataDir,
    clock: Clock,
    kv: Kv,
    loaded: Option<Loaded>,
    plugins: PluginDirectory,
    service: SessionService,
    state_server: Option<(TcpListener, StateServerConfig)>,
    http: Option<(TcpListener, HttpConfig)>,
    metrics: PrometheusHandle,
}

impl Server {
    /// Reads the snapshot and the plugins, opens the stores, and binds the addresses.
    pub async fn start(config: Config) -> Result<Self, ServerError> {
        Self::start_prepared(config, |_, _| {}).await
    }

    /// The same, with a look at the plugins and the built-in store before any store is opened.
    pub async fn start_prepared(
        config: Config,
        prepare: impl FnOnce(&PluginDirectory, &Kv),
    ) -> Result<Self, ServerError> {
        let metrics = telemetry::install()?;
        open_files::raise_limit(&config);
        let data_dir = DataDir::open(&config.data_dir)?;
        let clock = Clock::system();
        let loaded = read_snapshot(&data_dir, &clock)?;
        let kv = loaded.as_ref().map_or_else(|| Kv::new(clock.clone()), Loaded::kv);

        let connections = Connections::new(&config.connections)?;
        let runtime = Runtime::new(clock.clone(), kv.clone(), Some(data_dir.code_cache()))
            .map_err(|error| ServerError::Runtime(format!("{error:#}")))?
            .with_connections(connections.clone());
        let directory = &config.plugins.directory;
        let plugins = PluginDirectory::read(runtime, &config.plugins)
            .map_err(|source| ServerError::PluginDirectory { directory: directory.clone(), source })?;
        for plugin in plugins.status().iter().filter(|plugin| plugin.refused.is_none()) {
            tracing::info!(plugin = plugin.name, kind = plugin.kind, digest = plugin.digest, "loaded");
        }
        prepare(&plugins, &kv);
        let sinks: Vec<Arc<dyn EventSink>> = if config.log.events { vec![Arc::new(LogSink)] } else { Vec::new() };
        let service = SessionService::open(&config, plugins.clone(), &clock, kv.clone(), &connections, &sinks).await?;
        for store in service.stores() {
            tracing::info!(store = store.name, provider = store.provider, id_generator = store.id_generator, "open");
        }

        let state_server = match &config.state_server {
            Some(config) => Some((bind("State Server", config.address).await?, config.clone())),
            None => None,
        };
        let http = match &config.http {
            Some(config) => Some((bind("HTTP", config.address).await?, config.clone())),
            None => None,
        };
        Ok(Self { config, data_dir, clock, kv, loaded, plugins, service, state_server, http, metrics })
    }

    /// Serves until `shutdown`, then finishes what was begun and writes the snapshot.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), ServerError> {
        let Self { config, data_dir, clock, kv, loaded, plugins, service, state_server, http, metrics } = self;
        if let Some(loaded) = loaded {
            loaded.retire()?;
        }
        moved_clock::listen(&clock)?;

        let workers = Arc::new(Workers::start(service.waits(), config.threads).map_err(ServerError::Workers)?);
        let mut front_ends = JoinSet::new();
        if let Some((listener, config)) = state_server {
            let (workers, service, clock, shutdown) =
                (workers.clone(), service.clone(), clock.clone(), shutdown.clone());
            front_ends.spawn(state_server::serve(listener, workers, service, config, clock, shutdown));
        }
        if let Some((listener, config)) = http {
            let (workers, service, metrics) = (workers.clone(), service.clone(), metrics.clone());
            let shutdown = shutdown.clone();
            front_ends.spawn(async move {
                if let Err(error) = http::serve(listener, workers, service, config, metrics, shutdown).await {
                    tracing::error!(%error, "the HTTP front end ended");
                }
            });
        }
        let mut background = JoinSet::new();
        let sweeping = service.clone();
        let stop_sweeping = shutdown.clone();
        background.spawn(async move { sweeping.sweep(stop_sweeping).await });
        let (exchanging, stop_exchanging) = (service.clone(), shutdown.clone());
        background.spawn(async move { exchanging.exchange_notices(stop_exchanging).await });
        let (delivering, stop_delivering) = (service.clone(), shutdown.clone());
        background.spawn(async move { delivering.deliver_events(stop_delivering).await });
        background.spawn(plugins.watch(config.plugins.poll_interval, shutdown.clone()));
        background.spawn(telemetry::publish(service.clone(), kv.clone(), metrics, shutdown.clone()));
        tracing::info!(data = %config.data_dir.display(), "ready");

        front_ends.join_all().await;
        service.settle().await;
        shutdown.cancel();
        background.join_all().await;
        service.keep_events();
        write_snapshot(&data_dir, kv).await
    }
}

/// Binds a listener.
async fn bind(front_end: &'static str, address: std::net::SocketAddr) -> Result<TcpListener, ServerError> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        Ok((listener.local_addr()?, listener))
    };
    let (address, listener) = bound.await.map_err(|source| ServerError::Bind { front_end, address, source })?;
    tracing::info!(%address, "{front_end} listens");
    Ok(listener)
}

/// The sessions of the last run. A damaged snapshot has been set aside and is no reason not to serve.
fn read_snapshot(data_dir: &DataDir, clock: &Clock) -> Result<Option<Loaded>, ServerError> {
    match Snapshot::read(data_dir.path(), clock.clone()) {
        Ok(None) => Ok(None),
        Ok(Some(loaded)) => {
            tracing::info!(entries = loaded.summary().entries, "sessions of the last run were read back");
            Ok(Some(loaded))
        }
        Err(error @ SnapshotError::SetAside { .. }) => {
            tracing::error!("{error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn write_snapshot(data_dir: &DataDir, kv: Kv) -> Result<(), ServerError> {
    let directory = data_dir.path().to_owned();
    let written = tokio::task::spawn_blocking(move || Snapshot::write(&kv, &directory)).await;
    let summary = written.map_err(|error| ServerError::Runtime(error.to_string()))??;
    tracing::info!(entries = summary.entries, "sessions were written to disk");
    Ok(())
}
