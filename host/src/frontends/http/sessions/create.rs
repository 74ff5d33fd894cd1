//! `POST /v1/{app}/sessions`: a new session under an ID that the store's generator makes.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

use super::super::{
    answer::{self, Id},
    body,
    headers::{self, Headers},
    openapi::{ApplicationInPath, Begins, Octets, Settings},
    problem::{Kind, Problem},
    query::{Nothing, Query},
    shared::Shared,
    target::{Application, path_of},
};
use crate::sessions::NewData;

/// Make a session
///
/// The body, which may be empty, becomes its payload. The ID is made by the store's generator. With `Session-New: 1` the
/// session is flagged uninitialized: the ID is reserved, and whoever reads it first is told so.
#[utoipa::path(
    post,
    path = "/v1/{app}/sessions",
    operation_id = "createSession",
    tag = "sessions",
    params(ApplicationInPath, Settings, Begins),
    request_body(content = Octets, content_type = "*/*", description = "The payload"),
    responses((status = 201, description = "The session's ID", body = Id, headers(
        ("Location" = String, description = "The session's URL"),
        ("ETag" = String, description = "Its version, `\"v1\"`"),
    ))),
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Application(application): Application,
    Query(Nothing {}): Query<Nothing>,
    Headers(request): Headers,
    body: Body,
) -> Result<Response, Problem> {
    let uninitialized = headers::session_new(&request)?;
    let data = NewData {
        idle_timeout: headers::session_timeout(&request)?,
        latest_expiry: headers::session_expires_latest(&request)?,
        subject: headers::session_subject(&request)?,
        payload: body::payload(&request, body, shared.service.max_payload(&application)).await?,
    };
    let created = if uninitialized {
        shared.service.reserve(&application, data).await
    } else {
        shared.service.create(&application, data).await
    };
    let created = created.map_err(Problem::for_write)?;
    let location = HeaderValue::try_from(path_of(&created.key))
        .map_err(|_| Problem::new(Kind::StoreFailed, "the new session's URL cannot be written as a header"))?;
    let mut response = answer::json(StatusCode::CREATED, Id { id: created.key.id().to_owned() });
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::ETAG, headers::entity_tag(created.version));
    Ok(response)
}
