//! What is stored for a session.

use super::{Payload, SessionKey};
use crate::clock::UnixMillis;

/// What an application stores. \[ASP.NET: SessionStateStoreData\]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionData {
    /// The opaque bytes.
    pub payload: Payload,
    /// Idle timeout in seconds; 0 means that idleness never ends the session.
    pub idle_timeout: u32,
    /// The moment the session ends however busy it is. In a write, `None` keeps what the item has, and a value never
    /// postpones it.
    pub latest_expiry: Option<UnixMillis>,
    /// Whom the session belongs to. In a write, `None` keeps what the item has and an empty string clears it.
    pub subject: Option<String>,
}

/// A stored session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What the application stored.
    pub data: SessionData,
    /// 1 when the item is inserted, plus one at each store after that.
    pub version: u64,
    /// When the item was inserted.
    pub created: UnixMillis,
    /// When the item expires if nothing touches it; `None` if it never does.
    pub expires: Option<UnixMillis>,
    /// Set on the first read after it was created uninitialized. \[ASP.NET: SessionStateActions.InitializeItem\]
    pub uninitialized: bool,
}

/// What a listing says of a session: everything but its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// The session's key.
    pub key: SessionKey,
    /// When it was inserted.
    pub created: UnixMillis,
    /// When it expires; `None` if never.
    pub expires: Option<UnixMillis>,
    /// Its version.
    pub version: u64,
    /// Whether somebody holds its lock.
    pub locked: bool,
    /// Payload size in bytes.
    pub size: u64,
    /// Whom it belongs to.
    pub subject: Option<String>,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionPage {
    /// The sessions of this page, in no particular order.
    pub sessions: Vec<SessionSummary>,
    /// Names the next page; `None` on the last one.
    pub next: Option<String>,
}
