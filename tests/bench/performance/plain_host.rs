//! The same host whose store `memory` is called in plain Rust: front ends, session service and built-in store are those of
//! Cloakroom, and no request goes through wasm. It is this program, started once more.

use std::{env, path::Path, sync::Arc};

use anyhow::{Context, Result};
use cloakroom::{
    config::{Config, Overrides},
    server::Server,
};
use harness::{Host, plain_memory::PlainMemory};
use tokio_util::sync::CancellationToken;

/// Set in the environment of a process that is to be the host.
const IS_HOST: &str = "CLOAKROOM_PLAIN_HOST";

/// Whether this process is to be the host.
pub(crate) fn is_wanted() -> bool {
    env::var_os(IS_HOST).is_some()
}

/// Starts it in a process of its own.
pub(crate) fn start(config: &str) -> Result<Host> {
    Host::start_program(Some(env::current_exe()?), config, &[(IS_HOST, "1")])
}

/// Is the host, until it is killed.
pub(crate) fn run() -> Result<()> {
    let file = env::args().skip_while(|argument| argument != "--config").nth(1).context("no --config")?;
    let config = Config::load(Some(Path::new(&file)), &Overrides::default())?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let server = Server::start_prepared(config, |plugins, kv| {
            let bucket = kv.bucket("store:default/memory");
            plugins.call_instead("memory", Arc::new(PlainMemory::new(bucket)));
        });
        server.await?.run(CancellationToken::new()).await?;
        Ok(())
    })
}
