//! The store on Redis, with a real server.

mod cluster;
mod farm;
mod killed;
mod layouts;
mod outages;
mod tls;
mod valkey;

use std::fs;

use anyhow::{Context, Result};
use harness::{Host, host::plugins_directory, redis::RedisServer, rules::are_kept_by_two_hosts};
use tempfile::TempDir;

/// The plugins that a host needs, with what they are granted.
fn plugins() -> Result<TempDir> {
    let plugins = tempfile::tempdir()?;
    for name in ["redis", "aspnet-id"] {
        let file = format!("{name}.wasm");
        let shipped = plugins_directory()?.join(&file);
        fs::copy(&shipped, plugins.path().join(file)).with_context(|| format!("{} is missing", shipped.display()))?;
    }
    fs::write(plugins.path().join("redis.toml"), "redis = [\"main\"]\n")?;
    Ok(plugins)
}

/// A host whose sessions are on the connection `main`. `more` is more of its store's configuration, and then the
/// connection's.
fn host(plugins: &TempDir, more: &str) -> Result<Host> {
    let directory = plugins.path().display().to_string();
    Host::start(&format!(
        "[plugins]\ndirectory = {directory:?}\n[stores.default]\nprovider = \"redis\"\nsweep_interval = \"100ms\"\n{more}"
    ))
}

/// Runs `cloakroom check` on the store, as two hosts.
fn check(plugins: &TempDir, connection: &[&str]) -> Result<()> {
    are_kept_by_two_hosts(&plugins.path().join("redis.wasm"), connection)
}

/// A server and hosts whose sessions are on it.
struct Farm {
    redis: RedisServer,
    plugins: TempDir,
}

impl Farm {
    fn start() -> Result<Self> {
        Ok(Self { redis: RedisServer::start()?, plugins: plugins()? })
    }

    /// One more host of the farm. `more` is more of its store's configuration.
    fn host(&self, more: &str) -> Result<Host> {
        let url = self.redis.url();
        let connection = format!("[connections.main]\nurl = \"{url}\"\ntimeout = \"1s\"\nconnect_timeout = \"1s\"\n");
        host(&self.plugins, &format!("{more}{connection}"))
    }
}

#[test]
fn it_keeps_every_rule_of_the_contract() -> Result<()> {
    let farm = Farm::start()?;
    check(&farm.plugins, &["--connection", &format!("main={}", farm.redis.url())])
}
