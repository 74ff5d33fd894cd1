//! Storing and deleting under `If-Match` and `If-None-Match`, with what the contract offers for it: a write that names
//! one version, and a removal that names none.

use std::time::Duration;

use super::{
    super::{
        delivery::UndeliveredLock,
        preconditions::Preconditions,
        problem::{Kind, Problem},
        shared::Shared,
    },
    refused,
};
use crate::{
    contract::{GetExclusiveOutcome, GetOutcome, Lock, LockId, RemoveOutcome, SessionKey, SetOutcome},
    sessions::{NewData, SessionService, WriteOptions},
};

/// How often a write is decided on anew when other writers come between. Each attempt that fails is another's that
/// succeeded, so this many in a row mean that something is wrong.
const ATTEMPTS: u32 = 16;

/// What became of a write under a condition.
enum Write {
    /// Stored; the new version.
    Done(u64),
    /// Refused for its condition; the session's version, if there is a session.
    Refused(Option<u64>),
    /// Somebody else holds the lock.
    Locked(Lock),
}

impl From<SetOutcome> for Write {
    fn from(outcome: SetOutcome) -> Self {
        match outcome {
            SetOutcome::Done(version) => Self::Done(version),
            SetOutcome::Stale(0) | SetOutcome::Missing => Self::Refused(None),
            SetOutcome::Stale(version) => Self::Refused(Some(version)),
            SetOutcome::Locked(lock) => Self::Locked(lock),
        }
    }
}

/// Stores the data if the preconditions hold; the new version.
pub(super) async fn store(
    service: &SessionService,
    key: &SessionKey,
    data: NewData,
    lock_id: Option<LockId>,
    keep_lock: bool,
    preconditions: &Preconditions,
) -> Result<u64, Problem> {
    let mut condition = preconditions.first_condition();
    for _ in 0..ATTEMPTS {
        let options = WriteOptions { lock_id, condition, keep_lock };
        let outcome = service.set_and_release(key, data.clone(), options).await;
        match Write::from(outcome.map_err(Problem::for_write)?) {
            Write::Done(version) => return Ok(version),
            Write::Locked(lock) => return Err(refused(lock, lock_id)),
            Write::Refused(version) => {
                preconditions.check(version)?;
                condition = preconditions.condition_at(version);
            }
        }
    }
    let detail = format!("other writers stored the session between each of {ATTEMPTS} attempts; nothing was stored");
    Err(Problem::new(Kind::Contended, detail).retry())
}

/// Deletes the session if the preconditions hold. The contract's remove has no condition, so the version is looked at
/// and the session deleted under one lock, so that no write comes between. A missing session is missing whatever the
/// preconditions say (RFC 9110, 13.2.1).
pub(super) async fn remove(
    shared: &Shared,
    key: &SessionKey,
    lock_id: Option<LockId>,
    preconditions: &Preconditions,
) -> Result<RemoveOutcome, Problem> {
    // A first look that changes nothing: taking the lock would clear *uninitialized* even if nothing is deleted then.
    match shared.service.peek(key).await? {
        GetOutcome::Missing => Ok(RemoveOutcome::Missing),
        GetOutcome::Locked(lock) if Some(lock.id) == lock_id => {
            remove_under_lock(shared, key, lock.id, preconditions).await
        }
        GetOutcome::Locked(lock) => Ok(RemoveOutcome::Locked(lock)),
        GetOutcome::Found(item) => {
            preconditions.check(Some(item.version))?;
            remove_unlocked(shared, key, preconditions).await
        }
    }
}

/// The client holds the lock.
async fn remove_under_lock(
    shared: &Shared,
    key: &SessionKey,
    lock_id: LockId,
    preconditions: &Preconditions,
) -> Result<RemoveOutcome, Problem> {
    // Nobody can read a locked item, but a write that is refused for its condition tells the version.
    let options = WriteOptions { lock_id: Some(lock_id), condition: Preconditions::NEVER_HOLDS, keep_lock: true };
    match Write::from(shared.service.set_and_release(key, NewData::default(), options).await?) {
        Write::Refused(None) => Ok(RemoveOutcome::Missing),
        Write::Locked(lock) => Ok(RemoveOutcome::Locked(lock)),
        Write::Refused(Some(version)) => {
            preconditions.check(Some(version))?;
            Ok(shared.service.remove(key, Some(lock_id)).await?)
        }
        Write::Done(_) => {
            Err(Problem::new(Kind::StoreFailed, "the store carried out a write whose condition cannot hold"))
        }
    }
}

/// Nobody holds the lock: it is taken for the moment.
async fn remove_unlocked(
    shared: &Shared,
    key: &SessionKey,
    preconditions: &Preconditions,
) -> Result<RemoveOutcome, Problem> {
    match shared.service.get_exclusive(key, Duration::ZERO).await? {
        GetExclusiveOutcome::Missing => Ok(RemoveOutcome::Missing),
        GetExclusiveOutcome::Locked(lock) => Ok(RemoveOutcome::Locked(lock)),
        GetExclusiveOutcome::Found(item, lock_id) => {
            // Released if this future is dropped, or if what follows fails.
            let held = UndeliveredLock::new(shared, key.clone(), lock_id);
            let outcome = match preconditions.check(Some(item.version)) {
                Ok(()) => Ok(shared.service.remove(key, Some(lock_id)).await?),
                Err(problem) => {
                    shared.service.release_exclusive(key, lock_id).await?;
                    Err(problem)
                }
            };
            held.delivered();
            outcome
        }
    }
}
