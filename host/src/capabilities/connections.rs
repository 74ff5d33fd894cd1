//! The back ends that the operator configured, by name. A component is granted names, and never sees what is behind them.

use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;

use super::{NoticeBoard, redis::RedisConnection};
use crate::config::ConnectionConfig;

/// The configured connections. Cheap to clone; clones share them.
#[derive(Clone, Default)]
pub struct Connections {
    redis: Arc<BTreeMap<String, RedisConnection>>,
}

/// A connection that cannot be what it is configured to be.
#[derive(Debug, Error)]
#[error("connection `{name}` cannot be used: {reason}; see `[connections.{name}]`")]
pub struct ConnectionError {
    name: String,
    reason: String,
}

impl Connections {
    /// The connections of a configuration. Nothing is connected yet: each is when it is first used, and again when it
    /// was lost. To be called in a runtime.
    pub fn new(configured: &BTreeMap<String, ConnectionConfig>) -> Result<Self, ConnectionError> {
        let open = |(name, config): (&String, &ConnectionConfig)| {
            let connection = RedisConnection::new(name, config)
                .map_err(|error| ConnectionError { name: name.clone(), reason: error.to_string() })?;
            Ok((name.clone(), connection))
        };
        Ok(Self { redis: Arc::new(configured.iter().map(open).collect::<Result<_, _>>()?) })
    }

    /// A connection to Redis.
    pub(super) fn redis(&self, name: &str) -> Option<&RedisConnection> {
        self.redis.get(name)
    }

    /// A board for messages between hosts.
    pub fn notice_board(&self, name: &str) -> Option<NoticeBoard> {
        self.redis(name).map(NoticeBoard::on)
    }

    /// What connections there are, for messages.
    pub(super) fn names(&self) -> String {
        if self.redis.is_empty() {
            return "there are none".to_owned();
        }
        let names: Vec<_> = self.redis.keys().map(|name| format!("`{name}`")).collect();
        format!("there are {}", names.join(", "))
    }
}
