//! `DELETE /v1/{app}/sessions/{id}/lock`: releases the lock, or breaks it.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode},
    response::Response,
};

use super::super::{
    answer,
    headers::{self, Headers, SESSION_LOCK, SESSION_NEW},
    openapi::{IdInHeader, LockInHeader, SessionInPath},
    problem::Problem,
    query::{Query, Release},
    refusals::{LockLost, Missing},
    shared::Shared,
    target::Session,
};
use crate::contract::ReleaseOutcome;

/// Release a session's lock
///
/// `Session-Lock` is required; nothing is stored. `force=true` needs none and breaks the lock, whoever holds it: for
/// operators, and for clients that know that the holder is dead. A session that is not locked is released already.
#[utoipa::path(
    delete,
    path = "/v1/{app}/sessions/{id}/lock",
    operation_id = "unlockSession",
    tag = "locks",
    params(SessionInPath, IdInHeader, Release, LockInHeader),
    responses(
        (status = 204, description = "The session is not locked", headers(
            ("Session-New" = String, description = "`1` for the first who meets an uninitialized session"),
        )),
        Missing,
        LockLost,
    ),
)]
pub(crate) async fn unlock(
    State(shared): State<Arc<Shared>>,
    Session(key): Session,
    Query(Release { force }): Query<Release>,
    Headers(request): Headers,
) -> Result<Response, Problem> {
    let outcome = match (force, headers::session_lock(&request)?) {
        (true, _) => shared.service.break_lock(&key).await?,
        (false, Some(lock_id)) => shared.service.release_exclusive(&key, lock_id).await?,
        (false, None) => {
            let detail = "give the lock id in `Session-Lock`, or break the lock with `?force=true`";
            return Err(Problem::header(SESSION_LOCK, detail));
        }
    };
    match outcome {
        ReleaseOutcome::Done { uninitialized } => {
            let new = uninitialized.then(|| (SESSION_NEW, HeaderValue::from_static("1")));
            Ok(answer::empty(StatusCode::NO_CONTENT, new))
        }
        ReleaseOutcome::Missing => Err(Problem::missing()),
        ReleaseOutcome::Locked(lock) => Err(Problem::lock_lost(lock)),
    }
}
