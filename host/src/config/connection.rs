//! `[connections.NAME]`: a back end that plugins can be granted by its name.

use std::{fmt, time::Duration};

/// Where a connection leads, and how long it may take.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// Address, user and password.
    pub url: String,
    /// Whether the address is that of a node of a cluster.
    pub cluster: bool,
    /// How long one command may take.
    pub timeout: Duration,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            cluster: false,
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
        }
    }
}

impl ConnectionConfig {
    /// The URL without user and password.
    #[must_use]
    pub fn shown_url(&self) -> String {
        match self.url.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host)),
            None => "(not shown)".to_owned(),
        }
    }
}

impl fmt::Debug for ConnectionConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart by name, so that a new field cannot be forgotten here.
        let Self { url: _, cluster, timeout, connect_timeout } = self;
        formatter
            .debug_struct("ConnectionConfig")
            .field("url", &self.shown_url())
            .field("cluster", cluster)
            .field("timeout", timeout)
            .field("connect_timeout", connect_timeout)
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
            ("s3cret", "(not shown)"),
        ] {
            let config = ConnectionConfig { url: url.to_owned(), ..ConnectionConfig::default() };
            assert_eq!(config.shown_url(), shown);
            let debug = format!("{config:?}");
            assert!(debug.contains(shown) && !debug.contains("s3cr"), "{debug}");
        }
    }
}
