//! `DELETE /v1/{app}/sessions/{id}`: deletes a session.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    super::{
        answer,
        headers::{self, Headers},
        openapi::{Conditions, IdInHeader, LockInHeader, SessionInPath},
        preconditions::Preconditions,
        problem::Problem,
        query::{Nothing, Query},
        refusals::{LockLost, Locked, Missing, PreconditionFailed},
        shared::Shared,
        target::Session,
    },
    conditional, refused,
};
use crate::contract::RemoveOutcome;

/// Delete a session
#[utoipa::path(
    delete,
    path = "/v1/{app}/sessions/{id}",
    operation_id = "deleteSession",
    tag = "sessions",
    params(SessionInPath, IdInHeader, LockInHeader, Conditions),
    responses(
        (status = 204, description = "Deleted"),
        Missing,
        LockLost,
        PreconditionFailed,
        Locked,
    ),
)]
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    Session(key): Session,
    Query(Nothing {}): Query<Nothing>,
    Headers(request): Headers,
) -> Result<Response, Problem> {
    let lock_id = headers::session_lock(&request)?;
    let preconditions = Preconditions::parse(&request)?;
    let outcome = if preconditions.is_empty() {
        shared.service.remove(&key, lock_id).await?
    } else {
        conditional::remove(&shared, &key, lock_id, &preconditions).await?
    };
    match outcome {
        RemoveOutcome::Done(_) => Ok(answer::empty(StatusCode::NO_CONTENT, [])),
        RemoveOutcome::Missing => Err(Problem::missing()),
        RemoveOutcome::Locked(lock) => Err(refused(lock, lock_id)),
    }
}
