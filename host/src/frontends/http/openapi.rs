//! The OpenAPI 3.1 document: what the handlers' annotations share, and what they leave out.
//!
//! The types here describe; nothing makes values of them.
#![expect(dead_code, reason = "the fields are read by the derive macros only")]

use utoipa::{
    IntoParams, OpenApi, ToSchema,
    openapi::{Content, OpenApi as Document, Ref, RefOr, Response, path::Operation},
};

use super::problem::ProblemBody;

/// The document without its routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cloakroom",
        description = "Sessions of web applications, with locks, versions and waiting. Payloads are opaque octets; \
                       errors are problem details (RFC 9457) with a stable `type`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "sessions", description = "One session"),
        (name = "locks", description = "The lock of a session"),
        (name = "subjects", description = "All sessions of somebody, where the provider has an index"),
        (name = "operation", description = "For those who run the host"),
    ),
)]
pub(super) struct Base;

/// A payload: any bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(super) struct Octets(Vec<u8>);

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ApplicationInPath {
    /// The application, percent-encoded.
    app: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct SessionInPath {
    /// The application, percent-encoded.
    app: String,
    /// The session's ID, percent-encoded; `-`: it is in the header `Session-Id`.
    id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct IdInHeader {
    /// The session's ID, percent-encoded, where the URL has `-` in its place: URLs end up in the logs of proxies.
    #[param(rename = "Session-Id")]
    session_id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct LockInHeader {
    /// The lock id of the lock that the client holds.
    #[param(rename = "Session-Lock", minimum = 1, maximum = 2_147_483_647)]
    session_lock: Option<u32>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct Settings {
    /// Idle timeout in seconds; 0 is never. Absent: the store's.
    #[param(rename = "Session-Timeout", minimum = 0, maximum = 31_536_000)]
    session_timeout: Option<u32>,
    /// The moment when the session ends however busy it is, as an HTTP date. Never postpones one that was given before.
    #[param(rename = "Session-Expires-Latest", example = "Sun, 06 Nov 1994 08:49:37 GMT")]
    session_expires_latest: Option<String>,
    /// Whom the session belongs to, percent-encoded. Absent: as before; empty: nobody.
    #[param(rename = "Session-Subject")]
    session_subject: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct Begins {
    /// `1`: insert the session flagged uninitialized, if there is none; otherwise change nothing.
    #[param(rename = "Session-New")]
    session_new: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct Conditions {
    /// Only if the session has one of these versions; `*`: only if it exists.
    #[param(rename = "If-Match", example = "\"v3\"")]
    if_match: Option<String>,
    /// Only if the session has none of these versions; `*`: only if it does not exist.
    #[param(rename = "If-None-Match", example = "\"v3\"")]
    if_none_match: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct LastSeen {
    /// `id` of the last event that was seen, as browsers send it when they connect again. Goes before `cursor`.
    #[param(rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct Patience {
    /// `wait=5`: wait in line for up to 5 seconds while somebody holds the lock (RFC 7240).
    #[param(rename = "Prefer", example = "wait=5")]
    prefer: Option<String>,
}

/// Adds to every operation what any of them may answer: a problem.
pub(super) fn complete(mut document: Document) -> Document {
    for path in document.paths.paths.values_mut() {
        let methods = [&mut path.get, &mut path.head, &mut path.put, &mut path.post, &mut path.delete];
        methods.into_iter().flatten().for_each(add_problem);
        // The IDs of operations are unique, and one handler serves both methods.
        if let Some(head) = &mut path.head {
            head.operation_id = head.operation_id.as_deref().map(|id| format!("{id}Head"));
        }
    }
    document
}

fn add_problem(operation: &mut Operation) {
    let mut response = Response::new("Any other problem");
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    response.content.insert("application/problem+json".into(), Content::new(Some(schema)));
    operation.responses.responses.insert("default".into(), RefOr::T(response));
}
