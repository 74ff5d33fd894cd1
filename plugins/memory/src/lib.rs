//! The default session store: sessions in the host's built-in in-memory store.
//!
//! It is also the example to copy for a store of your own. What to look at:
//! - `record.rs`: what is kept of a session beside its payload, as plain numbers. No host involved, so it is tested with
//!   `cargo test`.
//! - `operations.rs`: the contract's operations. Each reads, decides, and writes on the condition that nobody wrote in
//!   between; if somebody did, it begins anew. Each makes as few calls into the host as it can, because they are what
//!   an operation costs.
//! - `subject.rs`: how the sessions of one person are found again.
//! - `sweep.rs`: reporting what expired, at least once.
//! - `listing.rs`: the optional operations, which a store need not have.
//!
//! The component itself holds nothing but an open bucket. It can trap, be replaced and run in any number of instances,
//! and no session is lost.

mod listing;
mod operations;
mod record;
mod subject;
mod sweep;

use cloakroom_plugin_sdk::{Error, export_provider, kv::Bucket};

/// An instance of the store.
struct Memory {
    /// The component's own bucket. A key in it is the session's storage key; an entry's tag is the storage key of the
    /// session's subject, by which the index finds it.
    bucket: Bucket,
}

impl Memory {
    /// Opens the bucket of the store that this instance serves.
    fn open() -> Result<Self, Error> {
        Ok(Self { bucket: Bucket::open(None).map_err(Error::Unavailable)? })
    }
}

export_provider!(Memory, SessionIndex, SessionScan, SessionRename);
