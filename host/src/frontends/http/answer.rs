//! Successful answers about sessions.

use axum::{
    Json,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{headers, preconditions::Preconditions, problem::Problem};
use crate::contract::Item;

/// The ID of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionId)]
pub(super) struct Id {
    /// The ID, as it is: to be percent-encoded where it goes into a URL or a header.
    pub(super) id: String,
}

/// 200 with the payload and all that is known of the session.
pub(super) fn payload(item: Item) -> Response {
    let mut answer = headers::of_item(&item);
    let content_type = item.data.payload.content_type().and_then(|text| HeaderValue::from_str(text).ok());
    // RFC 9110, 8.3: what a payload without a type is taken for anyway.
    let content_type = content_type.unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"));
    answer.insert(header::CONTENT_TYPE, content_type);
    with_headers(answer, Body::from(item.data.payload.bytes().clone()))
}

/// 200 with these headers as they are, which a tuple of axum's would put into another map one by one.
fn with_headers(headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

/// 200 with the payload, or 304 or 412 if the preconditions of a read say so (RFC 9110, 13.2.2).
pub(super) fn conditional_payload(item: Item, preconditions: &Preconditions) -> Result<Response, Problem> {
    match preconditions.failed(Some(item.version)) {
        None => Ok(payload(item)),
        Some("if-none-match") => {
            let mut response = with_headers(headers::of_item(&item), Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            Ok(response)
        }
        Some(header) => Err(Problem::precondition_failed(header, Some(item.version))),
    }
}

/// 204 or another status without a body, with these headers.
pub(super) fn empty(status: StatusCode, given: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Response {
    let mut response = with_headers(given.into_iter().collect(), Body::empty());
    *response.status_mut() = status;
    response
}

/// JSON with a status.
pub(super) fn json(status: StatusCode, value: impl Serialize) -> Response {
    (status, Json(value)).into_response()
}

/// What every answer of this front end says: sessions are nobody's to keep, and a payload is not to be taken for
/// anything but what its type says.
pub(super) fn never_stored(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
