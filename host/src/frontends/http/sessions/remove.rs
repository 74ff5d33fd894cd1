//! `DELETE /v1/{app}/sessions/{id}`: deletes a session.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{
    super::{
        answer,
        delivery::UndeliveredLock,
        headers,
        openapi::{Conditions, IdInHeader, LockInHeader, SessionInPath},
        preconditions::Preconditions,
        problem::{Kind, Problem, ProblemBody},
        query::{Nothing, Query},
        shared::Shared,
        target::Session,
    },
    refused,
};
use crate::{
    contract::{GetExclusiveOutcome, GetOutcome, LockId, RemoveOutcome, SessionKey, SetOutcome},
    sessions::{NewData, WriteOptions},
};

/// Delete a session
#[utoipa::path(
    delete,
    path = "/v1/{app}/sessions/{id}",
    operation_id = "deleteSession",
    tag = "sessions",
    params(SessionInPath, IdInHeader, LockInHeader, Conditions),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "No such session", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The lock is held under another lock id", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "A precondition is false", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 423, description = "Somebody holds the lock", body = ProblemBody,
            content_type = "application/problem+json", headers(
            ("Session-Lock-Age" = u64, description = "For how many seconds"),
            ("Session-Lock" = u32, description = "Under which lock id"),
            ("Retry-After" = u64, description = "When to try again, in seconds"),
        )),
    ),
)]
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    Session(key): Session,
    Query(Nothing {}): Query<Nothing>,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let lock_id = headers::session_lock(&request)?;
    let preconditions = Preconditions::parse(&request)?;
    let outcome = if preconditions.is_empty() {
        shared.service.remove(&key, lock_id).await?
    } else {
        remove_if(&shared, &key, lock_id, &preconditions).await?
    };
    match outcome {
        RemoveOutcome::Done(_) => Ok(answer::empty(StatusCode::NO_CONTENT, [])),
        RemoveOutcome::Missing => Err(Problem::missing()),
        RemoveOutcome::Locked(lock) => Err(refused(lock, lock_id)),
    }
}

/// Deletes the session if the preconditions hold. The contract's remove has no condition, so the version is looked at
/// and the session deleted under one lock, so that no write comes between. A missing session is missing whatever the
/// preconditions say (RFC 9110, 13.2.1).
async fn remove_if(
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
    match shared.service.set_and_release(key, NewData::default(), options).await? {
        SetOutcome::Stale(0) | SetOutcome::Missing => Ok(RemoveOutcome::Missing),
        SetOutcome::Locked(lock) => Ok(RemoveOutcome::Locked(lock)),
        SetOutcome::Stale(version) => {
            preconditions.check(Some(version))?;
            Ok(shared.service.remove(key, Some(lock_id)).await?)
        }
        SetOutcome::Done(_) => {
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
