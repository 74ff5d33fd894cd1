//! How operations end. One enum for each, because each can end in its own ways.

use super::{Item, Lock, LockId};

/// What must be true for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    None,
    /// No item with this key exists.
    MustBeNew,
    /// The item exists with exactly this version.
    IfVersion(u64),
}

/// The outcome of get and peek.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GetOutcome {
    /// The item.
    Found(Item),
    /// No such session, or it has expired.
    Missing,
    /// Somebody holds the lock.
    Locked(Lock),
}

/// The outcome of get-exclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GetExclusiveOutcome {
    /// The item and the lock that the caller now holds.
    Found(Item, LockId),
    /// No such session, or it has expired.
    Missing,
    /// Somebody else holds the lock.
    Locked(Lock),
}

/// The outcome of set-and-release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOutcome {
    /// Stored; the item's new version, 1 if it was inserted.
    Done(u64),
    /// The item is locked and the lock id given is not the holder's. Nothing was stored.
    Locked(Lock),
    /// The item vanished while the write was being settled. Nothing was stored.
    Missing,
    /// The condition did not hold; the item's present version, 0 if there is none. Nothing was stored.
    Stale(u64),
}

/// The outcome of release-exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// The item is unlocked.
    Done {
        /// Whether this was the first to see an uninitialized item.
        uninitialized: bool,
    },
    /// No such session.
    Missing,
    /// The item is locked under another lock id.
    Locked(Lock),
}

/// The outcome of remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoveOutcome {
    /// Removed; the item as it was, if the caller asked for it.
    Done(Option<Item>),
    /// No such session.
    Missing,
    /// The item is locked under another lock id.
    Locked(Lock),
}

/// The outcome of reset-timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetOutcome {
    /// The expiry was moved.
    Done,
    /// No such session.
    Missing,
}

/// The outcome of rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenameOutcome {
    /// The session has the new ID.
    Done,
    /// No session with the old ID.
    Missing,
    /// The session is locked under another lock id.
    Locked(Lock),
    /// A session with the new ID exists already.
    Taken,
}
