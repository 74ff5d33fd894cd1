//! The back ends that the operator configured, by name. A component is granted names, and never sees what is behind them.

use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;

use super::{NoticeBoard, redis::RedisConnection, sql::SqlConnection};
use crate::config::ConnectionConfig;

/// The configured connections. Cheap to clone; clones share them.
#[derive(Clone, Default)]
pub struct Connections {
    redis: Arc<BTreeMap<String, RedisConnection>>,
    sql: Arc<BTreeMap<String, SqlConnection>>,
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
        let (mut redis, mut sql) = (BTreeMap::new(), BTreeMap::new());
        for (name, config) in configured {
            let unusable = |reason| ConnectionError { name: name.clone(), reason };
            if let Some(connection) = SqlConnection::new(name, config).map_err(unusable)? {
                sql.insert(name.clone(), connection);
            } else {
                let connection = RedisConnection::new(name, config).map_err(unusable)?;
                redis.insert(name.clone(), connection);
            }
        }
        Ok(Self { redis: Arc::new(redis), sql: Arc::new(sql) })
    }

    /// A connection to Redis.
    pub(crate) fn redis(&self, name: &str) -> Option<&RedisConnection> {
        self.redis.get(name)
    }

    /// A board for messages between hosts, where the back end passes them on.
    pub fn notice_board(&self, name: &str) -> Option<NoticeBoard> {
        let on_redis = self.redis(name).map(NoticeBoard::on_redis);
        on_redis.or_else(|| self.sql(name).and_then(NoticeBoard::on_sql))
    }

    /// A connection to an SQL database.
    pub(super) fn sql(&self, name: &str) -> Option<&SqlConnection> {
        self.sql.get(name)
    }

    /// What connections there are, for messages.
    pub(super) fn names(&self) -> String {
        let redis = self.redis.keys().map(|name| format!("`{name}` (Redis)"));
        let sql = self.sql.keys().map(|name| format!("`{name}` (SQL)"));
        let names: Vec<_> = redis.chain(sql).collect();
        if names.is_empty() { "there are none".to_owned() } else { format!("there are {}", names.join(", ")) }
    }
}
