//! `POST /v1/{app}/sessions/{id}/rotate`: the same session under a new ID.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    super::{
        answer::{self, Id},
        headers::{self, Headers},
        openapi::{IdInHeader, LockInHeader, SessionInPath},
        problem::{Problem, ProblemBody},
        query::{Nothing, Query},
        refusals::{LockLost, Locked, Missing},
        shared::Shared,
        target::Session,
    },
    refused,
};
use crate::sessions::RotateOutcome;

/// Give a session a new ID
///
/// As after a login, so that an ID that was known before is worth nothing after. The old ID is gone at once; payload,
/// version and lock stay.
#[utoipa::path(
    post,
    path = "/v1/{app}/sessions/{id}/rotate",
    operation_id = "rotateSession",
    tag = "sessions",
    params(SessionInPath, IdInHeader, LockInHeader),
    responses(
        (status = 200, description = "The new ID", body = Id),
        Missing,
        LockLost,
        Locked,
        (status = 501, description = "The provider cannot rename", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn rotate(
    State(shared): State<Arc<Shared>>,
    Session(key): Session,
    Query(Nothing {}): Query<Nothing>,
    Headers(request): Headers,
) -> Result<Response, Problem> {
    let lock_id = headers::session_lock(&request)?;
    match shared.service.rotate(&key, lock_id).await? {
        RotateOutcome::Done(key) => Ok(answer::json(StatusCode::OK, Id { id: key.id().to_owned() })),
        RotateOutcome::Missing => Err(Problem::missing()),
        RotateOutcome::Locked(lock) => Err(refused(lock, lock_id)),
    }
}
