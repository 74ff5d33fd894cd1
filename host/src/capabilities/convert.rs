//! The contract's words on their way over the boundary: between the types made from the WIT and the host's own.
//!
//! What comes out of a component is checked here, once: a lock id of 0 or a version of 0 is [`Nonsense`], however
//! friendly the component is.

use thiserror::Error;

use super::{PayloadTable, bindings::types};
use crate::{
    clock::UnixMillis,
    contract::{
        Condition, GetExclusiveOutcome, GetOutcome, Item, Lock, LockId, ReleaseOutcome, RemoveOutcome, RenameOutcome,
        ResetOutcome, SessionData, SessionKey, SessionPage, SessionSummary, SetOutcome, StoreError,
    },
};

/// A component answered something that the contract does not allow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Nonsense(pub String);

impl From<wasmtime::component::ResourceTableError> for Nonsense {
    fn from(error: wasmtime::component::ResourceTableError) -> Self {
        Self(format!("it answered with a payload handle that it does not own ({error})"))
    }
}

/// A session key that a component named.
pub(crate) fn key(key: &types::SessionKey) -> Result<SessionKey, Nonsense> {
    SessionKey::new(key.application.as_str(), key.id.as_str())
        .map_err(|error| Nonsense(format!("it named a wrong key: {error}")))
}

/// A lock id that a component issued.
pub(crate) fn lock_id(number: u32) -> Result<LockId, Nonsense> {
    LockId::new(number)
        .ok_or_else(|| Nonsense(format!("it issued the lock id {number}; lock ids are 1 to {}", LockId::MAX)))
}

/// A lock that a component reported.
pub(crate) fn lock(lock: types::Lock) -> Result<Lock, Nonsense> {
    Ok(Lock { id: lock_id(lock.id)?, age: std::time::Duration::from_millis(lock.age) })
}

/// Session data on its way out of a component; its payload handle is consumed.
pub(crate) fn data(payloads: &mut PayloadTable, data: types::SessionData) -> Result<SessionData, Nonsense> {
    Ok(SessionData {
        payload: payloads.delete(data.payload)?,
        idle_timeout: data.idle_timeout,
        latest_expiry: data.latest_expiry.map(UnixMillis),
        subject: data.subject,
    })
}

/// Session data on its way into a component, which will own the payload handle.
pub(crate) fn guest_data(
    payloads: &mut PayloadTable,
    data: SessionData,
) -> Result<types::SessionData, wasmtime::component::ResourceTableError> {
    Ok(types::SessionData {
        payload: payloads.push(data.payload)?,
        idle_timeout: data.idle_timeout,
        latest_expiry: data.latest_expiry.map(|moment| moment.0),
        subject: data.subject,
    })
}

/// An item on its way out of a component.
pub(crate) fn item(payloads: &mut PayloadTable, item: types::Item) -> Result<Item, Nonsense> {
    if item.version == 0 {
        return Err(Nonsense("it answered with an item of version 0; versions begin at 1".to_owned()));
    }
    Ok(Item {
        data: data(payloads, item.data)?,
        version: item.version,
        created: UnixMillis(item.created),
        expires: item.expires.map(UnixMillis),
        uninitialized: item.uninitialized,
    })
}

/// An item on its way into a component, which will own the payload handle.
pub(crate) fn guest_item(
    payloads: &mut PayloadTable,
    item: Item,
) -> Result<types::Item, wasmtime::component::ResourceTableError> {
    Ok(types::Item {
        data: guest_data(payloads, item.data)?,
        version: item.version,
        created: item.created.0,
        expires: item.expires.map(|moment| moment.0),
        uninitialized: item.uninitialized,
    })
}

/// The outcome of get and peek on its way into a component.
pub(crate) fn guest_get_outcome(
    payloads: &mut PayloadTable,
    outcome: GetOutcome,
) -> Result<types::GetOutcome, wasmtime::component::ResourceTableError> {
    Ok(match outcome {
        GetOutcome::Found(item) => types::GetOutcome::Found(guest_item(payloads, item)?),
        GetOutcome::Missing => types::GetOutcome::Missing,
        GetOutcome::Locked(lock) => types::GetOutcome::Locked(guest_lock(lock)),
    })
}

/// The outcome of get-exclusive on its way into a component.
pub(crate) fn guest_get_exclusive_outcome(
    payloads: &mut PayloadTable,
    outcome: GetExclusiveOutcome,
) -> Result<types::GetExclusiveOutcome, wasmtime::component::ResourceTableError> {
    Ok(match outcome {
        GetExclusiveOutcome::Found(item, lock_id) => types::GetExclusiveOutcome::Found(types::LockedItem {
            item: guest_item(payloads, item)?,
            lock_id: lock_id.get(),
        }),
        GetExclusiveOutcome::Missing => types::GetExclusiveOutcome::Missing,
        GetExclusiveOutcome::Locked(lock) => types::GetExclusiveOutcome::Locked(guest_lock(lock)),
    })
}

/// The outcome of set-and-release on its way into a component.
pub(crate) fn guest_set_outcome(outcome: SetOutcome) -> types::SetOutcome {
    match outcome {
        SetOutcome::Done(version) => types::SetOutcome::Done(version),
        SetOutcome::Locked(lock) => types::SetOutcome::Locked(guest_lock(lock)),
        SetOutcome::Missing => types::SetOutcome::Missing,
        SetOutcome::Stale(version) => types::SetOutcome::Stale(version),
    }
}

/// The outcome of release-exclusive on its way into a component.
pub(crate) fn guest_release_outcome(outcome: ReleaseOutcome) -> types::ReleaseOutcome {
    match outcome {
        ReleaseOutcome::Done { uninitialized } => types::ReleaseOutcome::Done(uninitialized),
        ReleaseOutcome::Missing => types::ReleaseOutcome::Missing,
        ReleaseOutcome::Locked(lock) => types::ReleaseOutcome::Locked(guest_lock(lock)),
    }
}

/// The outcome of remove on its way into a component.
pub(crate) fn guest_remove_outcome(
    payloads: &mut PayloadTable,
    outcome: RemoveOutcome,
) -> Result<types::RemoveOutcome, wasmtime::component::ResourceTableError> {
    Ok(match outcome {
        RemoveOutcome::Done(item) => {
            types::RemoveOutcome::Done(item.map(|item| guest_item(payloads, item)).transpose()?)
        }
        RemoveOutcome::Missing => types::RemoveOutcome::Missing,
        RemoveOutcome::Locked(lock) => types::RemoveOutcome::Locked(guest_lock(lock)),
    })
}

/// The outcome of reset-timeout on its way into a component.
pub(crate) fn guest_reset_outcome(outcome: ResetOutcome) -> types::ResetOutcome {
    match outcome {
        ResetOutcome::Done => types::ResetOutcome::Done,
        ResetOutcome::Missing => types::ResetOutcome::Missing,
    }
}

/// The outcome of rename on its way into a component.
pub(crate) fn guest_rename_outcome(outcome: RenameOutcome) -> types::RenameOutcome {
    match outcome {
        RenameOutcome::Done => types::RenameOutcome::Done,
        RenameOutcome::Missing => types::RenameOutcome::Missing,
        RenameOutcome::Locked(lock) => types::RenameOutcome::Locked(guest_lock(lock)),
        RenameOutcome::Taken => types::RenameOutcome::Taken,
    }
}

/// A page of a listing on its way into a component.
pub(crate) fn guest_page(page: SessionPage) -> types::SessionPage {
    let sessions = page.sessions.into_iter().map(|summary| {
        let (application, id) = summary.key.parts();
        types::SessionSummary {
            key: types::SessionKey { application: application.to_string(), id: id.to_string() },
            created: summary.created.0,
            expires: summary.expires.map(|moment| moment.0),
            version: summary.version,
            locked: summary.locked,
            size: summary.size,
            subject: summary.subject,
        }
    });
    types::SessionPage { sessions: sessions.collect(), next: page.next }
}

fn guest_lock(lock: Lock) -> types::Lock {
    types::Lock { id: lock.id.get(), age: u64::try_from(lock.age.as_millis()).unwrap_or(u64::MAX) }
}

/// A page of a listing on its way out of a component.
pub(crate) fn page(page: types::SessionPage) -> Result<SessionPage, Nonsense> {
    let sessions = page.sessions.into_iter().map(summary).collect::<Result<_, _>>()?;
    Ok(SessionPage { sessions, next: page.next })
}

fn summary(summary: types::SessionSummary) -> Result<SessionSummary, Nonsense> {
    Ok(SessionSummary {
        key: key(&summary.key)?,
        created: UnixMillis(summary.created),
        expires: summary.expires.map(UnixMillis),
        version: summary.version,
        locked: summary.locked,
        size: summary.size,
        subject: summary.subject,
    })
}

/// The outcome of get and peek.
pub(crate) fn get_outcome(payloads: &mut PayloadTable, outcome: types::GetOutcome) -> Result<GetOutcome, Nonsense> {
    Ok(match outcome {
        types::GetOutcome::Found(found) => GetOutcome::Found(item(payloads, found)?),
        types::GetOutcome::Missing => GetOutcome::Missing,
        types::GetOutcome::Locked(held) => GetOutcome::Locked(lock(held)?),
    })
}

/// The outcome of get-exclusive.
pub(crate) fn get_exclusive_outcome(
    payloads: &mut PayloadTable,
    outcome: types::GetExclusiveOutcome,
) -> Result<GetExclusiveOutcome, Nonsense> {
    Ok(match outcome {
        types::GetExclusiveOutcome::Found(found) => {
            GetExclusiveOutcome::Found(item(payloads, found.item)?, lock_id(found.lock_id)?)
        }
        types::GetExclusiveOutcome::Missing => GetExclusiveOutcome::Missing,
        types::GetExclusiveOutcome::Locked(held) => GetExclusiveOutcome::Locked(lock(held)?),
    })
}

/// The outcome of set-and-release.
pub(crate) fn set_outcome(outcome: types::SetOutcome) -> Result<SetOutcome, Nonsense> {
    Ok(match outcome {
        types::SetOutcome::Done(0) => return Err(Nonsense("it stored version 0; versions begin at 1".to_owned())),
        types::SetOutcome::Done(version) => SetOutcome::Done(version),
        types::SetOutcome::Locked(held) => SetOutcome::Locked(lock(held)?),
        types::SetOutcome::Missing => SetOutcome::Missing,
        types::SetOutcome::Stale(version) => SetOutcome::Stale(version),
    })
}

/// The outcome of release-exclusive.
pub(crate) fn release_outcome(outcome: types::ReleaseOutcome) -> Result<ReleaseOutcome, Nonsense> {
    Ok(match outcome {
        types::ReleaseOutcome::Done(uninitialized) => ReleaseOutcome::Done { uninitialized },
        types::ReleaseOutcome::Missing => ReleaseOutcome::Missing,
        types::ReleaseOutcome::Locked(held) => ReleaseOutcome::Locked(lock(held)?),
    })
}

/// The outcome of remove.
pub(crate) fn remove_outcome(
    payloads: &mut PayloadTable,
    outcome: types::RemoveOutcome,
) -> Result<RemoveOutcome, Nonsense> {
    Ok(match outcome {
        types::RemoveOutcome::Done(removed) => {
            RemoveOutcome::Done(removed.map(|removed| item(payloads, removed)).transpose()?)
        }
        types::RemoveOutcome::Missing => RemoveOutcome::Missing,
        types::RemoveOutcome::Locked(held) => RemoveOutcome::Locked(lock(held)?),
    })
}

/// The outcome of rename.
pub(crate) fn rename_outcome(outcome: types::RenameOutcome) -> Result<RenameOutcome, Nonsense> {
    Ok(match outcome {
        types::RenameOutcome::Done => RenameOutcome::Done,
        types::RenameOutcome::Missing => RenameOutcome::Missing,
        types::RenameOutcome::Locked(held) => RenameOutcome::Locked(lock(held)?),
        types::RenameOutcome::Taken => RenameOutcome::Taken,
    })
}

impl From<types::ResetOutcome> for ResetOutcome {
    fn from(outcome: types::ResetOutcome) -> Self {
        match outcome {
            types::ResetOutcome::Done => Self::Done,
            types::ResetOutcome::Missing => Self::Missing,
        }
    }
}

impl From<Condition> for types::Condition {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::None => Self::None,
            Condition::MustBeNew => Self::MustBeNew,
            Condition::IfVersion(version) => Self::IfVersion(version),
        }
    }
}

impl From<types::Condition> for Condition {
    fn from(condition: types::Condition) -> Self {
        match condition {
            types::Condition::None => Self::None,
            types::Condition::MustBeNew => Self::MustBeNew,
            types::Condition::IfVersion(version) => Self::IfVersion(version),
        }
    }
}

impl From<types::Error> for StoreError {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::InvalidArgument(why) => Self::InvalidArgument(why),
            types::Error::Unavailable(why) => Self::Unavailable(why),
            types::Error::Timeout(why) => Self::Timeout(why),
            types::Error::LimitExceeded(why) => Self::LimitExceeded(why),
            types::Error::Other(why) => Self::Other(why),
        }
    }
}

impl From<StoreError> for types::Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InvalidArgument(why) => Self::InvalidArgument(why),
            StoreError::Unavailable(why) => Self::Unavailable(why),
            StoreError::Timeout(why) => Self::Timeout(why),
            StoreError::LimitExceeded(why) => Self::LimitExceeded(why),
            StoreError::Other(why) => Self::Other(why),
        }
    }
}
