//! Outcomes as a check sees them: how they read in a transcript, and what a check demands of them.

use crate::contract::{
    GetExclusiveOutcome, GetOutcome, Item, Lock, LockId, ReleaseOutcome, RemoveOutcome, RenameOutcome, ResetOutcome,
    SetOutcome,
};

use super::finding::{Checked, Finding};

/// What an outcome says: one of the two that all operations share, or something of its own, in words.
pub(super) enum Says {
    Missing,
    Locked(Lock),
    Else(String),
}

/// What every outcome has in common.
pub(super) trait Answer {
    /// What the outcome says.
    fn says(&self) -> Says;

    /// How the outcome reads in a transcript.
    fn describe(&self) -> String {
        match self.says() {
            Says::Missing => "missing".to_owned(),
            Says::Locked(lock) => format!("locked by {} for {} ms", lock.id, lock.age.as_millis()),
            Says::Else(words) => words,
        }
    }

    /// Whether the outcome is `missing`.
    fn is_missing(&self) -> bool {
        matches!(self.says(), Says::Missing)
    }

    /// The lock, if the outcome is `locked`.
    fn lock(&self) -> Option<Lock> {
        if let Says::Locked(lock) = self.says() { Some(lock) } else { None }
    }

    /// Demands `missing`.
    fn missing(&self) -> Checked {
        if self.is_missing() { Ok(()) } else { Err(self.instead_of("missing")) }
    }

    /// Demands anything but `missing`.
    fn alive(&self) -> Checked {
        if self.is_missing() { Err(self.instead_of("the session, since it has not expired")) } else { Ok(()) }
    }

    /// Demands `locked` by this lock id.
    fn locked_by(&self, holder: LockId) -> Checked<Lock> {
        self.lock().filter(|lock| lock.id == holder).ok_or_else(|| self.instead_of(&format!("locked by {holder}")))
    }

    /// The finding that this outcome came and another was due.
    fn instead_of(&self, expected: &str) -> Finding {
        Finding::broken(expected, self.describe())
    }
}

/// An item in a few words.
pub(super) fn describe_item(item: &Item) -> String {
    let mut text = format!("version {}, {} bytes", item.version, item.data.payload.len());
    if let Some(subject) = &item.data.subject {
        text.push_str(&format!(", subject {subject:?}"));
    }
    if item.uninitialized {
        text.push_str(", uninitialized");
    }
    text
}

impl Answer for GetOutcome {
    fn says(&self) -> Says {
        match self {
            Self::Found(item) => Says::Else(format!("found ({})", describe_item(item))),
            Self::Missing => Says::Missing,
            Self::Locked(lock) => Says::Locked(*lock),
        }
    }
}

impl GetOutcome {
    /// Demands `found`.
    pub(super) fn found(self) -> Checked<Item> {
        match self {
            Self::Found(item) => Ok(item),
            other => Err(other.instead_of("found")),
        }
    }
}

impl Answer for GetExclusiveOutcome {
    fn says(&self) -> Says {
        match self {
            Self::Found(item, lock_id) => Says::Else(format!("found with lock {lock_id} ({})", describe_item(item))),
            Self::Missing => Says::Missing,
            Self::Locked(lock) => Says::Locked(*lock),
        }
    }
}

impl GetExclusiveOutcome {
    /// Demands `found`, with the lock.
    pub(super) fn taken(self) -> Checked<(Item, LockId)> {
        match self {
            Self::Found(item, lock_id) => Ok((item, lock_id)),
            other => Err(other.instead_of("found, with the lock")),
        }
    }
}

impl Answer for SetOutcome {
    fn says(&self) -> Says {
        match self {
            Self::Done(version) => Says::Else(format!("done (version {version})")),
            Self::Missing => Says::Missing,
            Self::Locked(lock) => Says::Locked(*lock),
            Self::Stale(version) => Says::Else(format!("stale (version {version})")),
        }
    }
}

impl SetOutcome {
    /// Demands `done`; the new version.
    pub(super) fn stored(self) -> Checked<u64> {
        match self {
            Self::Done(version) => Ok(version),
            other => Err(other.instead_of("done")),
        }
    }

    /// Demands `stale` with this version.
    pub(super) fn stale_at(self, version: u64) -> Checked {
        if self == Self::Stale(version) { Ok(()) } else { Err(self.instead_of(&format!("stale (version {version})"))) }
    }
}

impl Answer for ReleaseOutcome {
    fn says(&self) -> Says {
        match self {
            Self::Done { uninitialized: true } => Says::Else("done (first to see it uninitialized)".to_owned()),
            Self::Done { uninitialized: false } => Says::Else("done".to_owned()),
            Self::Missing => Says::Missing,
            Self::Locked(lock) => Says::Locked(*lock),
        }
    }
}

impl ReleaseOutcome {
    /// Demands `done`; whether it was the first to see an uninitialized item.
    pub(super) fn released(self) -> Checked<bool> {
        match self {
            Self::Done { uninitialized } => Ok(uninitialized),
            other => Err(other.instead_of("done")),
        }
    }
}

impl Answer for RemoveOutcome {
    fn says(&self) -> Says {
        match self {
            Self::Done(Some(item)) => Says::Else(format!("done ({})", describe_item(item))),
            Self::Done(None) => Says::Else("done".to_owned()),
            Self::Missing => Says::Missing,
            Self::Locked(lock) => Says::Locked(*lock),
        }
    }
}

impl RemoveOutcome {
    /// Demands `done`; the item that was removed, if it came along.
    pub(super) fn removed(self) -> Checked<Option<Item>> {
        match self {
            Self::Done(item) => Ok(item),
            other => Err(other.instead_of("done")),
        }
    }
}

impl Answer for ResetOutcome {
    fn says(&self) -> Says {
        match self {
            Self::Done => Says::Else("done".to_owned()),
            Self::Missing => Says::Missing,
        }
    }
}

impl Answer for RenameOutcome {
    fn says(&self) -> Says {
        match self {
            Self::Done => Says::Else("done".to_owned()),
            Self::Missing => Says::Missing,
            Self::Locked(lock) => Says::Locked(*lock),
            Self::Taken => Says::Else("taken".to_owned()),
        }
    }
}

impl RenameOutcome {
    /// Demands `done`.
    pub(super) fn renamed(self) -> Checked {
        if self == Self::Done { Ok(()) } else { Err(self.instead_of("done")) }
    }

    /// Demands `taken`.
    pub(super) fn target_taken(self) -> Checked {
        if self == Self::Taken { Ok(()) } else { Err(self.instead_of("taken")) }
    }
}
