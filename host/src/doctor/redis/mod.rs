//! A Redis or Valkey server, or a cluster of them.
//!
//! - `node`: one server, and what it says of itself.
//! - `settings`: what it is set to, and what that means for sessions.
//! - `scripts`: whether it runs what the plugin `redis` sends.
//! - `cluster`: the other nodes.

mod cluster;
mod node;
mod scripts;
mod settings;

use ::redis::{ErrorKind, RedisError, ServerErrorKind};

use self::node::Node;
use super::{Users, finding::Notes};
use crate::{capabilities::RedisConnection, config::ConnectionConfig};

/// The oldest major version that knows the commands and the flags of scripts that are used.
const OLDEST: u32 = 7;

/// Looks at a connection.
pub(super) async fn examine(
    notes: &mut Notes,
    config: &ConnectionConfig,
    connection: &RedisConnection,
    users: &Users<'_>,
) {
    let client = connection.client();
    let mut node = match Node::connect(client, config).await {
        Ok(node) => node,
        Err(error) => return refused(notes, config, &error),
    };
    if let Err(error) = node.introduce_itself().await {
        let remedy =
            "let its user run INFO, or look at the server's version and settings yourself (docs/redis-store.md)";
        notes.warning("version", format!("it does not tell what it is: {error}"), remedy);
    } else {
        version(notes, &node);
        mode(notes, config, &node);
    }
    if config.cluster {
        cluster::examine(notes, config, client, &mut node).await;
    } else {
        settings::examine(notes, &mut node).await;
    }
    scripts::examine(notes, connection, users).await;
}

/// Why there is no connection.
fn refused(notes: &mut Notes, config: &ConnectionConfig, error: &RedisError) {
    let at = config.shown_url();
    if is_about_credentials(error) {
        let remedy = "correct user and password in `url` (redis://USER:PASSWORD@HOST), or the user on the server";
        return notes.error("authenticated", format!("{at} does not let this host in: {error}"), remedy);
    }
    if error.code() == Some("LOADING") {
        return notes.error("reachable", format!("{at} is loading its data"), "wait until it is done");
    }
    notes.error(
        "reachable",
        format!("{at} cannot be reached: {error}"),
        "see that the server runs, that the address is right and that nothing is in between",
    );
}

fn is_about_credentials(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
}

/// Whether a user may not do something.
fn is_forbidden(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) || error.code() == Some("NOPERM")
}

fn version(notes: &mut Notes, node: &Node) {
    let (kind, version) = node.version();
    let mode = node.says("redis_mode").or_else(|| node.says("server_mode")).unwrap_or("standalone");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or_default();
    let what = format!("{kind} {version}, {mode}, at {}", node.address());
    if major >= OLDEST {
        notes.ok("version", what);
    } else {
        notes.error("version", what, format!("use Redis {OLDEST} or newer, or Valkey"));
    }
}

fn mode(notes: &mut Notes, config: &ConnectionConfig, node: &Node) {
    let is_cluster = node.says("cluster_enabled") == Some("1");
    if is_cluster && !config.cluster {
        notes.error("mode", "it is a node of a cluster, and most sessions are on others", "write `cluster = true`");
    }
    if !is_cluster && config.cluster {
        notes.error("mode", "it is a server by itself and no node of a cluster", "take out `cluster = true`");
    }
    if !is_cluster && node.says("role") == Some("slave") {
        let remedy = "name the master in `url`, or an address that follows it";
        notes.error("mode", "it is a replica, which takes no writes", remedy);
    }
}
