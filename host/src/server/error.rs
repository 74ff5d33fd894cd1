//! Why a host does not start or stop.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

use crate::{
    capabilities::{ConnectionError, kv::SnapshotError},
    sessions::OpenError,
};

/// Why a host cannot start, or did not stop as it should.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The data directory cannot be used.
    #[error("the data directory `{}` cannot be used: {source}; give another one with `data_dir` or `--data`", directory.display())]
    DataDir {
        /// The directory.
        directory: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another host uses the data directory.
    #[error("another host is using the data directory `{}`; stop it, or give this one a directory of its own", directory.display())]
    DataDirInUse {
        /// The directory.
        directory: PathBuf,
    },
    /// The plugin directory cannot be read.
    #[error("the plugin directory `{}` cannot be read: {source}; give another one with `plugins.directory` or `--plugins`", directory.display())]
    PluginDirectory {
        /// The directory.
        directory: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An address cannot be listened on.
    #[error("the {front_end} front end cannot listen on {address}: {source}")]
    Bind {
        /// The front end.
        front_end: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A connection is configured wrongly.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The snapshot cannot be read or written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Metrics cannot be set up.
    #[error("metrics cannot be set up: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// A signal handler cannot be set up.
    #[error("signals cannot be handled: {0}")]
    Signals(io::Error),
    /// The threads that serve connections cannot be started.
    #[error("the threads that serve connections cannot be started: {0}; is there a limit on threads or open files?")]
    Workers(io::Error),
    /// The plugin runtime cannot be set up.
    #[error("the plugin runtime failed: {0}")]
    Runtime(String),
}
