//! Farms that move over from other providers one server at a time.
//!
//! The originals run on the .NET Framework only; what they do is done again by [`harness::aspnet_redis`], on the same server.

mod contract;
mod harbour;
mod microsoft;

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use harness::{
    Host,
    aspnet_redis::Collection,
    http::{Answer, Request},
    state_server::{Connection, Response, request},
};

use crate::Farm;

/// A client of the State Server protocol on a host.
struct Ours {
    connection: Connection,
    target: String,
}

impl Ours {
    fn open(host: &Host, id: &str) -> Result<Self> {
        let target = format!("%2fLM%2fW3SVC%2f1%2fROOT(hash)%2f{id}");
        Ok(Self { connection: Connection::open(host.state_server())?, target })
    }

    fn get(&mut self) -> Result<Response> {
        self.connection.exchange(request::get(&self.target))
    }

    fn acquire(&mut self) -> Result<Response> {
        self.connection.exchange(request::acquire(&self.target))
    }

    fn release(&mut self, cookie: i64) -> Result<u16> {
        Ok(self.connection.exchange(request::release(&self.target, cookie))?.status)
    }

    /// Stores with a timeout of 20 minutes.
    fn put(&mut self, cookie: i64, items: &Collection) -> Result<u16> {
        Ok(self.connection.exchange(request::put(&self.target, cookie, &items.block(20)))?.status)
    }

    fn create_uninitialized(&mut self) -> Result<u16> {
        Ok(self.connection.exchange(request::create_uninitialized(&self.target))?.status)
    }

    fn delete(&mut self, cookie: i64) -> Result<u16> {
        Ok(self.connection.exchange(request::delete(&self.target, cookie))?.status)
    }

    fn head(&mut self) -> Result<u16> {
        Ok(self.connection.exchange(request::head(&self.target))?.status)
    }
}

/// Takes the lock and demands it; its cookie.
fn locked(ours: &mut Ours) -> Result<i64> {
    let answer = ours.acquire()?;
    ensure!(answer.status == 200, "{answer:?}");
    answer.number("LockCookie")
}

/// Asks for the lock until it is there; its cookie and the items.
fn wait_for_lock(client: &mut Ours) -> Result<(i64, Collection)> {
    loop {
        let answer = client.acquire()?;
        match answer.status {
            200 => {
                let items = answer.body.get(6..answer.body.len() - 1).context("a block")?;
                return Ok((answer.number("LockCookie")?, Collection::read(items)?));
            }
            423 => thread::sleep(Duration::from_millis(1)),
            _ => anyhow::bail!("{answer:?}"),
        }
    }
}

/// A host whose default store has this layout. Locked sessions are answered at once.
fn host(farm: &Farm, settings: &str) -> Result<Host> {
    farm.host(&format!("[stores.default.settings]\n{settings}\n[state_server]\nhold_locked = \"0s\"\n"))
}

/// A request over HTTP. The store's setting `application` decides which sessions these are, and not the path.
fn http(host: &Host, request: Request) -> Result<Answer> {
    request.send(host.http())
}

/// The TTL of a key in seconds, rounded up; -1 if it has none, -2 if there is no such key.
fn ttl(farm: &Farm, key: &str) -> Result<i64> {
    let milliseconds: i64 = farm.redis.ask(&["PTTL", key])?.parse()?;
    Ok(if milliseconds < 0 { milliseconds } else { (milliseconds + 999) / 1000 })
}

/// An ID as ASP.NET makes them.
const ID: &str = "aiaeqbqafqboaeebkycyqgyb";
