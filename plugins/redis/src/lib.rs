//! A session store on Redis, Valkey or a cluster of them.
//!
//! - `scripts/`: the operations. Each is one script that the server runs as one step, by its own clock: one round trip, no
//!   half-done work, and hosts whose clocks differ agree. Those in `scripts/foreign/` work on what other providers keep.
//! - `scripts.rs`: the scripts, loaded once for each instance, and how they are run.
//! - `buckets.rs`: where the keys of a session are in the plugin's own layout; `foreign.rs`: in those of other providers.
//! - `operations.rs`: the contract's operations, each one script.
//! - `answer.rs`: what scripts answer.
//! - `text.rs`: text on its way through keys and answers.
//! - `sweep.rs`: reporting what expired, at least once.
//!
//! Settings: `connection` names the connection (`main` if there is none), `layout` says how sessions are kept
//! (`cloakroom`). In the plugin's own layout `prefix` begins every key (`cloakroom`), and `buckets` is the number of hash
//! tags over which sessions are spread (64): a bucket lies on one node of a cluster. All hosts of a store need the same.
//! The others are in `docs/redis-store.md`.

mod answer;
mod buckets;
mod foreign;
mod operations;
mod scripts;
mod sweep;
mod text;

use std::cell::Cell;

use cloakroom_plugin_sdk::{Error, SessionKey, Settings, export_provider, redis::Connection};

use crate::{
    buckets::Buckets,
    foreign::{Foreign, Origin},
    scripts::{Place, Scripts, SweepScripts},
};

/// An instance of the store.
struct Redis {
    connection: Connection,
    scripts: Scripts,
    layout: Layout,
    /// The bucket that the next sweep begins with.
    next_swept: Cell<u32>,
}

/// How sessions are kept.
enum Layout {
    Buckets(Buckets, SweepScripts),
    Foreign(Foreign),
}

impl Redis {
    fn open(store: &str, settings: &Settings) -> Result<Self, Error> {
        let foreign = |origin| Foreign::open(origin, store, settings).map(Layout::Foreign);
        let (layout, scripts) = match settings.get("layout").unwrap_or("cloakroom") {
            "cloakroom" => {
                (Layout::Buckets(Buckets::open(store, settings)?, SweepScripts::new()), Scripts::of_buckets())
            }
            "microsoft" => (foreign(Origin::Microsoft)?, Scripts::of_microsoft()),
            "harbour" => (foreign(Origin::Harbour)?, Scripts::of_harbour()),
            other => {
                let what = format!("`layout` is `{other}`; there are `cloakroom`, `microsoft` and `harbour`");
                return Err(Error::InvalidArgument(what));
            }
        };
        let connection = Connection::open(settings.get("connection").unwrap_or("main"))?;
        Ok(Self { connection, scripts, layout, next_swept: Cell::new(0) })
    }

    /// Where a session is.
    fn place(&self, key: SessionKey) -> Place {
        match &self.layout {
            Layout::Buckets(buckets, _) => buckets.place(key),
            Layout::Foreign(foreign) => foreign.place(&key),
        }
    }
}

export_provider!(Redis);
