//! `POST /v1/{app}/sessions/{id}/lock`: reads a session and takes its lock, waiting in line if the client likes to.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::HeaderValue,
    response::{IntoResponse, Response},
};

use super::super::{
    answer, body,
    delivery::{Delivery, UndeliveredLock},
    headers::{Headers, SESSION_LOCK},
    openapi::{IdInHeader, Octets, Patience, SessionInPath},
    prefer::Wait,
    problem::{Problem, ProblemBody},
    query::{Nothing, Query},
    refusals::Missing,
    shared::Shared,
    target::Session,
};
use crate::contract::{GetExclusiveOutcome, SessionKey};

/// Take a session's lock
///
/// Answers with the payload and the lock id. While somebody else holds the lock the answer is 423, or the client waits
/// in line with `Prefer: wait=SECONDS` and gets the lock at the moment when it is its turn. Hanging up leaves the line.
#[utoipa::path(
    post,
    path = "/v1/{app}/sessions/{id}/lock",
    operation_id = "lockSession",
    tag = "locks",
    params(SessionInPath, IdInHeader, Patience),
    responses(
        (status = 200, description = "The payload; the lock is the client's", body = Octets, content_type = "*/*", headers(
            ("Session-Lock" = u32, description = "The lock id, to be shown when writing or releasing"),
            ("ETag" = String, description = "The version, as `\"v3\"`"),
            ("Session-Timeout" = u32, description = "Idle timeout in seconds; 0 is never"),
            ("Session-Expires" = String, description = "When it expires if nobody touches it; absent if never"),
            ("Session-Expires-Latest" = String, description = "When it expires however busy it is; absent if never"),
            ("Session-Subject" = String, description = "Whom it belongs to, percent-encoded; absent if nobody"),
            ("Session-New" = String, description = "`1` for the first who sees an uninitialized session"),
            ("Preference-Applied" = String, description = "The wait that was allowed"),
        )),
        Missing,
        (status = 423, description = "Somebody else holds the lock", body = ProblemBody,
            content_type = "application/problem+json", headers(
            ("Session-Lock-Age" = u64, description = "For how many seconds"),
            ("Session-Lock" = u32, description = "Under which lock id"),
            ("Retry-After" = u64, description = "When to try again, in seconds"),
        )),
    ),
)]
pub(crate) async fn lock(
    State(shared): State<Arc<Shared>>,
    Session(key): Session,
    Query(Nothing {}): Query<Nothing>,
    Extension(delivery): Extension<Delivery>,
    Headers(request): Headers,
    body: Body,
) -> Response {
    let wait = Wait::parse(&request, shared.max_wait);
    let mut response = match body::none(&request, body).await {
        Ok(()) => take(&shared, key, wait, &delivery).await.into_response(),
        Err(problem) => return problem.into_response(),
    };
    wait.confirm(response.headers_mut());
    response
}

async fn take(shared: &Shared, key: SessionKey, wait: Wait, delivery: &Delivery) -> Result<Response, Problem> {
    match shared.in_line(wait, shared.service.get_exclusive(&key, wait.duration())).await?? {
        GetExclusiveOutcome::Found(item, lock_id) => {
            let undelivered = UndeliveredLock::new(shared, key, lock_id);
            let mut response = answer::payload(item);
            response.headers_mut().insert(SESSION_LOCK, HeaderValue::from(lock_id.get()));
            delivery.carries(undelivered);
            Ok(response)
        }
        GetExclusiveOutcome::Missing => Err(Problem::missing()),
        GetExclusiveOutcome::Locked(lock) => Err(Problem::locked(lock)),
    }
}
