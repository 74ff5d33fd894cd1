//! `[connections.NAME]`: a back end that plugins can be granted by its name.

use std::{fmt, path::PathBuf, time::Duration};

/// How many connections there are to a server unless it is written. SQLite has one writer at a time; with one connection
/// they take turns in order, where several would try again and again.
const MAX_CONNECTIONS: usize = 16;
const MAX_CONNECTIONS_OF_SQLITE: usize = 1;

/// What kind of back end a connection leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionKind {
    /// Redis, Valkey.
    Redis,
    /// PostgreSQL.
    Postgres,
    /// MariaDB, MySQL.
    MySql,
    /// A file of SQLite.
    Sqlite,
}

impl ConnectionKind {
    /// What the URLs of each kind begin with.
    pub const SCHEMES: [(&str, Self); 9] = [
        ("redis://", Self::Redis),
        ("rediss://", Self::Redis),
        ("redis+unix://", Self::Redis),
        ("unix://", Self::Redis),
        ("postgres://", Self::Postgres),
        ("postgresql://", Self::Postgres),
        ("mysql://", Self::MySql),
        ("mariadb://", Self::MySql),
        ("sqlite://", Self::Sqlite),
    ];
}

/// When SQLite's data is on the disk; `PRAGMA synchronous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Now and then: what was written last is lost when the machine loses its power, and nothing when the host ends.
    Normal,
    /// When a write is acknowledged.
    #[default]
    Full,
    /// The same, and the directory as well.
    Extra,
}

impl Synchronous {
    /// All of them, as they are written.
    pub const ALL: [(&str, Self); 3] = [("normal", Self::Normal), ("full", Self::Full), ("extra", Self::Extra)];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, value)| *value == self).map_or("full", |(name, _)| name)
    }
}

/// Where a connection leads, and how long it may take.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// Address, user and password.
    pub url: String,
    /// Whether the address is that of a node of a cluster.
    pub cluster: bool,
    /// How long one command or statement may take, with the waiting for a connection.
    pub timeout: Duration,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// How many connections there are at the most, to an SQL database; `None`: what fits its kind.
    pub max_connections: Option<usize>,
    /// When data is on the disk, on SQLite.
    pub synchronous: Synchronous,
    /// How many replicas of a Redis server have to have what was written before that is acknowledged.
    pub wait_replicas: usize,
    /// How long they may take.
    pub wait_timeout: Duration,
    /// The file with the roots that a Redis server's certificate may go back to; `None`: those of the system.
    pub tls_ca: Option<PathBuf>,
    /// The file with the certificate that the host shows to a Redis server.
    pub tls_certificate: Option<PathBuf>,
    /// The file with its key.
    pub tls_key: Option<PathBuf>,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            cluster: false,
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            max_connections: None,
            synchronous: Synchronous::default(),
            wait_replicas: 0,
            wait_timeout: Duration::from_millis(200),
            tls_ca: None,
            tls_certificate: None,
            tls_key: None,
        }
    }
}

impl ConnectionConfig {
    /// The kind of back end, by the URL; `None` if it is none that this host knows.
    #[must_use]
    pub fn kind(&self) -> Option<ConnectionKind> {
        let scheme = |(scheme, kind): &(&str, ConnectionKind)| self.url.starts_with(scheme).then_some(*kind);
        ConnectionKind::SCHEMES.iter().find_map(scheme)
    }

    /// How many connections there are at the most.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        let fitting = match self.kind() {
            Some(ConnectionKind::Sqlite) => MAX_CONNECTIONS_OF_SQLITE,
            _ => MAX_CONNECTIONS,
        };
        self.max_connections.unwrap_or(fitting)
    }

    /// The URL without user, password and parameters.
    #[must_use]
    pub fn shown_url(&self) -> String {
        let url = self.url.split('?').next().unwrap_or_default();
        match url.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host)),
            None => "(not shown)".to_owned(),
        }
    }
}

impl fmt::Debug for ConnectionConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart by name, so that a new field cannot be forgotten here.
        let Self {
            url: _,
            cluster,
            timeout,
            connect_timeout,
            max_connections,
            synchronous,
            wait_replicas,
            wait_timeout,
            tls_ca,
            tls_certificate,
            tls_key,
        } = self;
        formatter
            .debug_struct("ConnectionConfig")
            .field("url", &self.shown_url())
            .field("cluster", cluster)
            .field("timeout", timeout)
            .field("connect_timeout", connect_timeout)
            .field("max_connections", max_connections)
            .field("synchronous", synchronous)
            .field("wait_replicas", wait_replicas)
            .field("wait_timeout", wait_timeout)
            .field("tls_ca", tls_ca)
            .field("tls_certificate", tls_certificate)
            .field("tls_key", tls_key)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_user_nor_password_is_shown() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379/1", "redis://127.0.0.1:6379/1"),
            ("rediss://anna:s3cr@t@cache.example:6380", "rediss://cache.example:6380"),
            ("postgres://db.example/sessions?user=anna&password=s3cret", "postgres://db.example/sessions"),
            ("sqlite:///var/lib/cloakroom/sessions.db", "sqlite:///var/lib/cloakroom/sessions.db"),
            ("s3cret", "(not shown)"),
        ] {
            let config = ConnectionConfig { url: url.to_owned(), ..ConnectionConfig::default() };
            assert_eq!(config.shown_url(), shown);
            let debug = format!("{config:?}");
            assert!(debug.contains(shown) && !debug.contains("s3cr"), "{debug}");
        }
    }
}
