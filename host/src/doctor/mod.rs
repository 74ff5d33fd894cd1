//! What a configuration leads to: plugins that are there and start, back ends that answer and are set up well.
//!
//! It asks over connections of its own, as a host would, and leaves everything as it was: a script on Redis that writes
//! keys deletes them in the same step, statements on SQL change no row, no table is made, no file. It needs no running
//! host and disturbs none.
//!
//! - `finding`: what was found, and the one place where passwords are kept out of it.
//! - `plugins`: the plugins that stores name.
//! - `redis`, `sql`: a back end each.
//! - `notices`: what hosts tell each other.
//! - `skew`: how far two clocks are apart.

mod finding;
mod notices;
mod plugins;
mod redis;
mod skew;
mod sql;

use std::time::Duration;

use tokio::time::timeout;

use self::finding::Notes;
pub use self::finding::{Finding, Level, Report};
use crate::{
    capabilities::Connections,
    config::{Config, ConfigError, ConnectionConfig, ConnectionKind, StoreConfig},
};

/// How long a back end may take for everything that is asked of it, beyond what a single answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name of the connection that the plugins `redis` and `sql` use if their settings name none.
const MAIN: &str = "main";

/// The stores whose sessions one of our own plugins keeps on a connection.
type Users<'c> = Vec<(&'c str, &'c StoreConfig)>;

/// What is wrong with a configuration that cannot be used.
#[must_use]
pub fn refuse(error: &ConfigError) -> Report {
    let mut notes = Notes::new("configuration");
    let problems = error.problems();
    if problems.is_empty() {
        notes.error("configuration", error, "give the file with --config");
    }
    for problem in problems {
        notes.error("configuration", problem, "see docs/operating.md");
    }
    Report::new(vec![notes])
}

/// Looks at everything that a configuration names.
pub async fn examine(config: &Config) -> Report {
    let mut general = Notes::new("configuration");
    general.ok("configuration", "it can be read, and every value is allowed");
    let mut all = vec![general];
    let connections = match Connections::new(&config.connections) {
        Ok(connections) => connections,
        Err(error) => {
            let mut notes = Notes::new("connections");
            notes.error("connection", error, "correct `connections.NAME.url`");
            all.push(notes);
            Connections::default()
        }
    };
    all.extend(plugins::examine(config, &connections).await);
    for (name, connection) in &config.connections {
        let mut notes = Notes::of_connection(name, connection);
        let looked =
            timeout(PATIENCE + connection.timeout, look_at(&mut notes, name, connection, config, &connections)).await;
        if looked.is_err() {
            notes.error("reachable", "it takes too long to answer", "see what keeps the server busy");
        }
        all.push(notes);
    }
    all.extend(notices::examine(config, &connections).await);
    Report::new(all)
}

async fn look_at(
    notes: &mut Notes,
    name: &str,
    connection: &ConnectionConfig,
    config: &Config,
    connections: &Connections,
) {
    match connection.kind() {
        Some(ConnectionKind::Redis) => {
            // One that cannot be is told of already.
            let Some(redis) = connections.redis(name) else { return };
            redis::examine(notes, connection, redis, &users(config, name, "redis")).await;
        }
        Some(ConnectionKind::Postgres) => sql::postgres::examine(notes, connection, &users(config, name, "sql")).await,
        Some(ConnectionKind::MySql) => sql::mysql::examine(notes, connection, &users(config, name, "sql")).await,
        Some(ConnectionKind::Sqlite) => sql::sqlite::examine(notes, connection, &users(config, name, "sql")).await,
        None => notes.error("reachable", "its URL is of no kind that this host knows", "correct `url`"),
    }
}

/// Those whose provider is this one, on this connection.
fn users<'c>(config: &'c Config, connection: &str, provider: &str) -> Users<'c> {
    let uses = |store: &StoreConfig| {
        store.provider == provider && store.settings.get("connection").map_or(MAIN, String::as_str) == connection
    };
    config.stores.iter().filter(|(_, store)| uses(store)).map(|(name, store)| (name.as_str(), store)).collect()
}
