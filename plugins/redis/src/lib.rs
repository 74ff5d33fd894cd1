//! A session store on Redis, Valkey or a cluster of them.
//!
//! - `scripts/`: the operations. Each is one script that the server runs as one step, by its own clock: one round trip, no
//!   half-done work, and hosts whose clocks differ agree.
//! - `scripts.rs`: the scripts, loaded once for each instance, and where the keys of a session are.
//! - `operations.rs`: the contract's operations, each one script.
//! - `answer.rs`: what scripts answer.
//! - `text.rs`: text on its way through keys and answers.
//! - `sweep.rs`: reporting what expired, at least once.
//!
//! Settings: `connection` names the connection (`main` if there is none), `prefix` begins every key (`cloakroom`), and
//! `buckets` is the number of hash tags over which sessions are spread (64): a bucket lies on one node of a cluster. All
//! hosts of a store need the same `prefix` and `buckets`.

mod answer;
mod operations;
mod scripts;
mod sweep;
mod text;

use std::cell::Cell;

use cloakroom_plugin_sdk::{Error, Settings, export_provider, redis::Connection};

use crate::scripts::Scripts;

/// An instance of the store.
struct Redis {
    connection: Connection,
    scripts: Scripts,
    /// What every key begins with.
    prefix: String,
    buckets: u32,
    /// The bucket that the next sweep begins with.
    next_swept: Cell<u32>,
}

impl Redis {
    fn open(store: &str, settings: &Settings) -> Result<Self, Error> {
        settings.allow_only(&["connection", "prefix", "buckets"])?;
        let buckets = settings.parse("buckets")?.unwrap_or(64);
        if !(1..=16_384).contains(&buckets) {
            let what = format!("`buckets` is {buckets}; 1 to 16384 are allowed, and all hosts need the same");
            return Err(Error::InvalidArgument(what));
        }
        let prefix = settings.get("prefix").unwrap_or("cloakroom");
        Ok(Self {
            connection: Connection::open(settings.get("connection").unwrap_or("main"))?,
            scripts: Scripts::new(),
            prefix: format!("{}:{{{}:", text::encoded(prefix), text::encoded(store)),
            buckets,
            next_swept: Cell::new(0),
        })
    }
}

export_provider!(Redis);
