//! The servers that are compared, each in a process of its own.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    addresses::free_address,
    aspnet_redis::microsoft::{READ, SET, TAKE, UPDATE},
    cpu_time::Account,
    redis::RedisServer,
};

use crate::{
    dialogues::{Dialogue, Http, Memcached, RedisScripts, RedisStrings, StateServer},
    plain_host,
};

/// A server, as one kind of client sees it.
#[derive(Clone, Copy)]
pub(crate) struct Served {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) process: u32,
    /// A client, by the size of its payloads and its number.
    pub(crate) dialogue: fn(usize, usize) -> Box<dyn Dialogue>,
}

impl Served {
    pub(crate) fn account(&self) -> Account {
        Account::of(self.process)
    }
}

pub(crate) const CLOAKROOM: &str = "Cloakroom, memory";
pub(crate) const PLAIN: &str = "the same without wasm";
pub(crate) const HTTP: &str = "Cloakroom, HTTP";
pub(crate) const SCRIPTS: &str = "Redis, Microsoft's scripts";
pub(crate) const STRINGS: &str = "Redis, GET and SET";
pub(crate) const MEMCACHED: &str = "memcached, get and set";

const IN_MEMORY: &str = "[stores.default]\nprovider = \"memory\"\n";

/// A host with the sessions in memory.
pub(crate) fn start_host() -> Result<Host> {
    Host::start(IN_MEMORY)
}

/// The same with so many threads that serve.
pub(crate) fn start_host_with_threads(threads: usize) -> Result<Host> {
    Host::start(&format!("threads = {threads}\n{IN_MEMORY}"))
}

/// The same without wasm.
pub(crate) fn start_plain_host() -> Result<Host> {
    plain_host::start(IN_MEMORY)
}

pub(crate) fn plain(host: &Host) -> Result<Served> {
    Ok(Served { name: PLAIN, ..state_server(host)? })
}

pub(crate) fn state_server(host: &Host) -> Result<Served> {
    served(CLOAKROOM, host.state_server(), host.process_id(), |size, _| Box::new(StateServer::new(size)))
}

pub(crate) fn http(host: &Host) -> Result<Served> {
    served(HTTP, host.http(), host.process_id(), |size, _| Box::new(Http::new(size)))
}

/// A Redis that writes nothing to its disk, which knows the scripts.
pub(crate) fn start_redis() -> Result<RedisServer> {
    let server = RedisServer::start_with(&["--appendonly", "no", "--maxclients", "20000"])?;
    let mut connection = redis::Client::open(server.url())?.get_connection()?;
    for script in [&TAKE, &READ, &SET, &UPDATE] {
        script.prepare_invoke().load(&mut connection)?;
    }
    Ok(server)
}

pub(crate) fn redis_scripts(redis: &RedisServer) -> Result<Served> {
    let dialogue = |size, client| -> Box<dyn Dialogue> { Box::new(RedisScripts::new(size, client)) };
    served(SCRIPTS, redis.address(), redis.process_id(), dialogue)
}

pub(crate) fn redis_strings(redis: &RedisServer) -> Result<Served> {
    served(STRINGS, redis.address(), redis.process_id(), |size, _| Box::new(RedisStrings::new(size)))
}

fn served(
    name: &'static str,
    address: SocketAddr,
    process: Option<u32>,
    dialogue: fn(usize, usize) -> Box<dyn Dialogue>,
) -> Result<Served> {
    Ok(Served { name, address, process: process.context("the server does not run")?, dialogue })
}

/// A memcached with as much memory as it wants. Dropping it kills the process.
pub(crate) struct MemcachedServer {
    process: Child,
    address: SocketAddr,
}

impl MemcachedServer {
    pub(crate) fn start() -> Result<Self> {
        let address = free_address()?;
        let process = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-U", "0", "-u", "nobody", "-m", "8192", "-c", "20000", "-p"])
            .arg(address.port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start memcached; `make bench` installs it")?;
        let server = Self { process, address };
        let begin = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            ensure!(begin.elapsed() < Duration::from_secs(10), "memcached does not serve on {address}");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    pub(crate) fn served(&self) -> Result<Served> {
        served(MEMCACHED, self.address, Some(self.process.id()), |size, _| Box::new(Memcached::new(size)))
    }
}

impl Drop for MemcachedServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
