//! `POST /v1/{app}/sessions/{id}/touch`: slides the expiry and does nothing else.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};

use super::super::{
    answer,
    openapi::{IdInHeader, SessionInPath},
    problem::Problem,
    query::{Nothing, Query},
    refusals::Missing,
    shared::Shared,
    target::Session,
};
use crate::contract::ResetOutcome;

/// Slide a session's expiry
///
/// Works on a locked session too.
#[utoipa::path(
    post,
    path = "/v1/{app}/sessions/{id}/touch",
    operation_id = "touchSession",
    tag = "sessions",
    params(SessionInPath, IdInHeader),
    responses(
        (status = 204, description = "It expires later now"),
        Missing,
    ),
)]
pub(crate) async fn touch(
    State(shared): State<Arc<Shared>>,
    Session(key): Session,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Response, Problem> {
    match shared.service.reset_timeout(&key).await? {
        ResetOutcome::Done => Ok(answer::empty(StatusCode::NO_CONTENT, [])),
        ResetOutcome::Missing => Err(Problem::missing()),
    }
}
