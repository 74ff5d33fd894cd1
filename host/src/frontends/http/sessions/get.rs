//! `GET` and `HEAD /v1/{app}/sessions/{id}`: reads a session that nobody has locked.

use std::sync::Arc;

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use super::super::{
    answer,
    headers::Headers,
    openapi::{Conditions, IdInHeader, Octets, Patience, SessionInPath},
    preconditions::Preconditions,
    prefer::Wait,
    problem::{Problem, ProblemBody},
    query::{Query, Read},
    refusals::{Locked, Missing},
    shared::Shared,
    target::Session,
};
use crate::contract::{GetOutcome, SessionKey};

/// Read a session
///
/// Slides its expiry; with `touch=false` nothing changes. While somebody holds the lock the answer is 423, or the
/// client waits in line with `Prefer: wait=SECONDS` (not with `touch=false`).
#[utoipa::path(
    method(get, head),
    path = "/v1/{app}/sessions/{id}",
    operation_id = "getSession",
    tag = "sessions",
    params(SessionInPath, IdInHeader, Read, Conditions, Patience),
    responses(
        (status = 200, description = "The payload", body = Octets, content_type = "*/*", headers(
            ("ETag" = String, description = "The version, as `\"v3\"`"),
            ("Session-Timeout" = u32, description = "Idle timeout in seconds; 0 is never"),
            ("Session-Expires" = String, description = "When it expires if nobody touches it; absent if never"),
            ("Session-Expires-Latest" = String, description = "When it expires however busy it is; absent if never"),
            ("Session-Subject" = String, description = "Whom it belongs to, percent-encoded; absent if nobody"),
            ("Session-New" = String, description = "`1` for the first who sees an uninitialized session"),
            ("Preference-Applied" = String, description = "The wait that was allowed"),
        )),
        (status = 304, description = "The client has this version (`If-None-Match`)"),
        Missing,
        (status = 412, description = "`If-Match` is false", body = ProblemBody,
            content_type = "application/problem+json"),
        Locked,
    ),
)]
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Session(key): Session,
    Query(Read { touch }): Query<Read>,
    Headers(request): Headers,
) -> Response {
    if !touch {
        return peek(&shared, &key, &request).await.into_response();
    }
    let wait = Wait::parse(&request, shared.max_wait);
    let mut response = read(&shared, &key, wait, &request).await.into_response();
    wait.confirm(response.headers_mut());
    response
}

async fn peek(shared: &Shared, key: &SessionKey, request: &HeaderMap) -> Result<Response, Problem> {
    let preconditions = Preconditions::parse(request)?;
    write(shared.service.peek(key).await?, &preconditions)
}

async fn read(shared: &Shared, key: &SessionKey, wait: Wait, request: &HeaderMap) -> Result<Response, Problem> {
    let preconditions = Preconditions::parse(request)?;
    write(shared.in_line(wait, shared.service.get(key, wait.duration())).await??, &preconditions)
}

fn write(outcome: GetOutcome, preconditions: &Preconditions) -> Result<Response, Problem> {
    match outcome {
        GetOutcome::Found(item) => answer::conditional_payload(item, preconditions),
        GetOutcome::Missing => Err(Problem::missing()),
        GetOutcome::Locked(lock) => Err(Problem::locked(lock)),
    }
}
