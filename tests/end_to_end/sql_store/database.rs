//! A database, and hosts whose sessions are in it.

use std::fs;

use anyhow::{Context, Result, bail};
use harness::{Host, host::plugins_directory, mariadb::MariaDbServer, postgres::PostgresServer};
use tempfile::TempDir;

/// The kinds of databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    MariaDb,
    Sqlite,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Postgres, Kind::MariaDb, Kind::Sqlite];

enum Server {
    Postgres(PostgresServer),
    MariaDb(MariaDbServer),
    Sqlite,
}

/// A database and hosts whose sessions are in it.
pub(crate) struct Farm {
    server: Server,
    /// The plugins, their grants, and the file of SQLite.
    pub(crate) directory: TempDir,
}

impl Farm {
    pub(crate) fn start(kind: Kind) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        for name in ["sql", "aspnet-id"] {
            let file = format!("{name}.wasm");
            let shipped = plugins_directory()?.join(&file);
            fs::copy(&shipped, directory.path().join(file))
                .with_context(|| format!("{} is missing", shipped.display()))?;
        }
        fs::write(directory.path().join("sql.toml"), "sql = [\"main\"]\n")?;
        let server = match kind {
            Kind::Postgres => Server::Postgres(PostgresServer::start()?),
            Kind::MariaDb => Server::MariaDb(MariaDbServer::start()?),
            Kind::Sqlite => Server::Sqlite,
        };
        Ok(Self { server, directory })
    }

    /// As a connection of the host is configured.
    pub(crate) fn url(&self) -> String {
        match &self.server {
            Server::Postgres(server) => server.url(),
            Server::MariaDb(server) => server.url(),
            Server::Sqlite => format!("sqlite://{}", self.directory.path().join("sessions.db").display()),
        }
    }

    /// One more host. `more` is more of its configuration, beginning in `[stores.default]`.
    pub(crate) fn host(&self, more: &str) -> Result<Host> {
        let directory = self.directory.path().display().to_string();
        Host::start(&format!(
            "[plugins]\ndirectory = {directory:?}\n[connections.main]\nurl = {:?}\ntimeout = \"2s\"\n\
             connect_timeout = \"1s\"\n[stores.default]\nprovider = \"sql\"\nsweep_interval = \"100ms\"\n{more}",
            self.url()
        ))
    }

    /// Ends the server, without giving it a chance to save anything.
    pub(crate) fn kill(&mut self) -> Result<()> {
        match &mut self.server {
            Server::Postgres(server) => server.kill(),
            Server::MariaDb(server) => server.kill(),
            Server::Sqlite => bail!("there is no server"),
        }
    }

    pub(crate) fn start_again(&mut self) -> Result<()> {
        match &mut self.server {
            Server::Postgres(server) => server.start_again(),
            Server::MariaDb(server) => server.start_again(),
            Server::Sqlite => bail!("there is no server"),
        }
    }

    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        match &self.server {
            Server::Postgres(server) => server.signal(signal),
            Server::MariaDb(server) => server.signal(signal),
            Server::Sqlite => bail!("there is no server"),
        }
    }

    pub(crate) fn postgres(&self) -> Result<&PostgresServer> {
        match &self.server {
            Server::Postgres(server) => Ok(server),
            _ => bail!("it is no PostgreSQL"),
        }
    }
}

/// The path of a session.
pub(crate) fn session(path: &str) -> String {
    format!("/v1/shop/sessions/{path}")
}
