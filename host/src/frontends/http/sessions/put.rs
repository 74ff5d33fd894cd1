//! `PUT /v1/{app}/sessions/{id}`: stores a session, and with a lock also releases it.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};

use super::{
    super::{
        answer, body,
        headers::{self, SESSION_LOCK},
        openapi::{Begins, Conditions, IdInHeader, LockInHeader, Octets, SessionInPath, Settings},
        preconditions::Preconditions,
        problem::{Kind, Problem, ProblemBody},
        query::{Query, Write},
        shared::Shared,
        target::Session,
    },
    refused,
};
use crate::{
    contract::{LockId, SessionKey, SetOutcome},
    sessions::{NewData, SessionService, WriteOptions},
};

/// How often a write is decided on anew when other writers come between. Each attempt that fails is another's that
/// succeeded, so this many in a row mean that something is wrong.
const ATTEMPTS: u32 = 16;

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
        (status = 409, description = "The lock is held under another lock id", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "A precondition is false", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 413, description = "More bytes than the store takes", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 423, description = "Somebody holds the lock", body = ProblemBody,
            content_type = "application/problem+json", headers(
            ("Session-Lock-Age" = u64, description = "For how many seconds"),
            ("Session-Lock" = u32, description = "Under which lock id"),
            ("Retry-After" = u64, description = "When to try again, in seconds"),
        )),
    ),
)]
pub(crate) async fn put(
    State(shared): State<Arc<Shared>>,
    Session(key): Session,
    Query(Write { keep_lock }): Query<Write>,
    request: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let lock_id = headers::session_lock(&request)?;
    let preconditions = Preconditions::parse(&request)?;
    let uninitialized = headers::session_new(&request)?;
    if keep_lock && lock_id.is_none() {
        let detail = "`keep-lock=true` keeps the lock that `Session-Lock` shows, which is missing";
        return Err(Problem::header("session-lock", detail));
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
            return Err(Problem::header("session-new", detail));
        }
        shared.service.create_uninitialized(&key, data).await.map_err(Problem::for_write)?;
        return Ok(answer::empty(StatusCode::NO_CONTENT, []));
    }
    let version = store(&shared.service, &key, data, lock_id, keep_lock, &preconditions).await?;
    let status = if version == 1 { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    let kept = lock_id.filter(|_| keep_lock).map(|lock_id| (SESSION_LOCK, HeaderValue::from(lock_id.get())));
    Ok(answer::empty(status, kept.into_iter().chain([(header::ETAG, headers::entity_tag(version))])))
}

/// Stores the data if the preconditions hold; the new version.
async fn store(
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
        let version = match outcome.map_err(Problem::for_write)? {
            SetOutcome::Done(version) => return Ok(version),
            SetOutcome::Locked(lock) => return Err(refused(lock, lock_id)),
            SetOutcome::Stale(0) | SetOutcome::Missing => None,
            SetOutcome::Stale(version) => Some(version),
        };
        preconditions.check(version)?;
        condition = preconditions.condition_at(version);
    }
    let detail = format!("other writers stored the session between each of {ATTEMPTS} attempts; nothing was stored");
    Err(Problem::new(Kind::Contended, detail).retry())
}
