//! The operations that find an item, with the state they find it in, for rules that hold for all of them.

use crate::contract::{Condition, LockId, SessionKey, SetOutcome};

use super::{
    answer::Answer,
    finding::Checked,
    trial::{Trial, key},
};

/// An operation on an item that exists, and how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// Get, `found`.
    Get,
    /// Get, `locked`.
    LockedGet,
    /// Get-exclusive, `found`.
    GetExclusive,
    /// Get-exclusive, `locked`.
    LockedGetExclusive,
    /// Set-and-release, `done`.
    Set,
    /// Set-and-release without the holder's lock id, `locked`.
    LockedSet,
    /// Set-and-release under a condition that fails, `stale`.
    StaleSet,
    /// Release by the holder, `done`.
    Release,
    /// Release when nothing is locked, `done`.
    IdleRelease,
    /// Release with a wrong lock id, `locked`.
    LockedRelease,
    /// Remove without the holder's lock id, `locked`.
    LockedRemove,
    /// Reset-timeout, `done`.
    ResetTimeout,
    /// Reset-timeout while somebody holds the lock, `done`.
    LockedResetTimeout,
    /// Create-uninitialized on the existing item, `done`.
    CreateUninitialized,
}

impl Operation {
    /// Inserts an item and brings it into the state that the operation is to find.
    pub(super) async fn prepare(self, t: &Trial, id: &str) -> Checked<Prepared> {
        let key = key(id)?;
        t.set(&key, t.data("content")).await?.stored()?;
        let holder = match self {
            Self::LockedGet
            | Self::LockedGetExclusive
            | Self::LockedSet
            | Self::Release
            | Self::LockedRelease
            | Self::LockedRemove
            | Self::LockedResetTimeout => Some(t.get_exclusive(&key).await?.taken()?.1),
            _ => None,
        };
        Ok(Prepared { key, holder })
    }

    /// Carries the operation out on an item that lives, and demands that it ends as it should.
    pub(super) async fn run(self, t: &Trial, prepared: &Prepared) -> Checked {
        let Prepared { key, holder } = prepared;
        match (self, *holder) {
            (Self::Get, _) => drop(t.get(key).await?.found()?),
            (Self::GetExclusive, _) => drop(t.get_exclusive(key).await?.taken()?),
            (Self::Set, _) => {
                t.set(key, t.data("other")).await?.stored()?;
            }
            (Self::StaleSet, _) => {
                let outcome = t.set_if(key, t.data("other"), Condition::IfVersion(99)).await?;
                if !matches!(outcome, SetOutcome::Stale(_)) {
                    return Err(outcome.instead_of("stale"));
                }
            }
            (Self::IdleRelease, _) => {
                t.release(key, 7).await?.released()?;
            }
            (Self::ResetTimeout | Self::LockedResetTimeout, _) => t.reset_timeout(key).await?.alive()?,
            (Self::CreateUninitialized, _) => t.create_uninitialized(key, t.data("other")).await?,
            (Self::LockedGet, Some(holder)) => {
                t.get(key).await?.locked_by(holder)?;
            }
            (Self::LockedGetExclusive, Some(holder)) => {
                t.get_exclusive(key).await?.locked_by(holder)?;
            }
            (Self::LockedSet, Some(holder)) => {
                t.set(key, t.data("other")).await?.locked_by(holder)?;
            }
            (Self::Release, Some(holder)) => {
                t.release(key, holder.get()).await?.released()?;
            }
            (Self::LockedRelease, Some(holder)) => {
                t.release(key, holder.get() + 1).await?.locked_by(holder)?;
            }
            (Self::LockedRemove, Some(holder)) => {
                t.remove(key, None).await?.locked_by(holder)?;
            }
            (
                Self::LockedGet
                | Self::LockedGetExclusive
                | Self::LockedSet
                | Self::Release
                | Self::LockedRelease
                | Self::LockedRemove,
                None,
            ) => {}
        }
        Ok(())
    }
}

/// An item in the state that an operation is to find.
pub(super) struct Prepared {
    pub(super) key: SessionKey,
    pub(super) holder: Option<LockId>,
}
