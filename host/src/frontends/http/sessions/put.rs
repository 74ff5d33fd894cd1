//! `PUT /v1/{app}/sessions/{id}`: stores a session, and with a lock also releases it.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

use super::{
    super::{
        answer, body,
        headers::{self, Headers, SESSION_LOCK, SESSION_NEW},
        openapi::{Begins, Conditions, IdInHeader, LockInHeader, Octets, SessionInPath, Settings},
        preconditions::Preconditions,
        problem::{Problem, ProblemBody},
        query::{Query, Write},
        refusals::{LockLost, Locked, PreconditionFailed},
        shared::Shared,
        target::Session,
    },
    conditional,
};
use crate::sessions::NewData;

/// Store a session
///
/// With `Session-Lock` the lock is released, unless `keep-lock=true`. Without, the session must not be locked. A session
/// that does not exist is inserted.
#[utoipa::path(
    put,
    path = "/v1/{app}/sessions/{id}",
    operation_id = "putSession",
    tag = "sessions",
    params(SessionInPath, IdInHeader, Write, LockInHeader, Settings, Conditions, Begins),
    request_body(content = Octets, content_type = "*/*", description = "The payload"),
    responses(
        (status = 201, description = "Inserted", headers(("ETag" = String, description = "The version, `\"v1\"`"))),
        (status = 204, description = "Stored", headers(
            ("ETag" = String, description = "The new version"),
            ("Session-Lock" = u32, description = "The lock id, if the lock was kept"),
        )),
        LockLost,
        PreconditionFailed,
        (status = 413, description = "More bytes than the store takes", body = ProblemBody,
            content_type = "application/problem+json"),
        Locked,
    ),
)]
pub(crate) async fn put(
    State(shared): State<Arc<Shared>>,
    Session(key): Session,
    Query(Write { keep_lock }): Query<Write>,
    Headers(request): Headers,
    body: Body,
) -> Result<Response, Problem> {
    let lock_id = headers::session_lock(&request)?;
    let preconditions = Preconditions::parse(&request)?;
    let uninitialized = headers::session_new(&request)?;
    if keep_lock && lock_id.is_none() {
        let detail = "`keep-lock=true` keeps the lock that `Session-Lock` shows, which is missing";
        return Err(Problem::header(SESSION_LOCK, detail));
    }
    let data = NewData {
        idle_timeout: headers::session_timeout(&request)?,
        latest_expiry: headers::session_expires_latest(&request)?,
        subject: headers::session_subject(&request)?,
        payload: body::payload(&request, body, shared.service.max_payload(key.application())).await?,
    };
    if uninitialized {
        if lock_id.is_some() || !preconditions.is_empty() {
            let detail = "`Session-New` inserts a session only if there is none: it goes with neither `Session-Lock` \
                          nor preconditions";
            return Err(Problem::header(SESSION_NEW, detail));
        }
        shared.service.create_uninitialized(&key, data).await.map_err(Problem::for_write)?;
        return Ok(answer::empty(StatusCode::NO_CONTENT, []));
    }
    let version = conditional::store(&shared.service, &key, data, lock_id, keep_lock, &preconditions).await?;
    let status = if version == 1 { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    let kept = lock_id.filter(|_| keep_lock).map(|lock_id| (SESSION_LOCK, HeaderValue::from(lock_id.get())));
    Ok(answer::empty(status, kept.into_iter().chain([(header::ETAG, headers::entity_tag(version))])))
}
