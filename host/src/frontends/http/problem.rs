//! Errors as `application/problem+json` (RFC 9457).
//!
//! Clients branch on `type`: a URN that keeps its meaning for as long as `/v1` does. What people read is `detail`.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::headers::{SESSION_LOCK, SESSION_LOCK_AGE, entity_tag};
use crate::contract::Lock;

/// When a client may simply try again, in seconds (`Retry-After`).
const RETRY_AFTER: u64 = 1;

/// Declares the kinds of problems: name, status, last part of the URN, title.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $urn:literal, $title:literal;)*) => {
        /// The kinds of problems. Each has one URN, one status and one title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// All of them.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The value of `type`.
            pub(super) fn urn(self) -> &'static str {
                match self { $(Self::$name => concat!("urn:cloakroom:problem:", $urn),)* }
            }

            /// The status it is sent with.
            pub(super) fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// The same sentence for each problem of the kind.
            pub(super) fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

kinds! {
    /// Application or ID do not make a key.
    InvalidKey = BAD_REQUEST, "invalid-key", "Application and ID do not name a session";
    /// A write under an ID that the store's generator did not make.
    IdNotIssued = BAD_REQUEST, "id-not-issued", "The session ID was not issued by this store";
    /// A header that cannot be read, or that is missing.
    InvalidHeader = BAD_REQUEST, "invalid-header", "A request header is missing or cannot be read";
    /// A query that cannot be read.
    InvalidQuery = BAD_REQUEST, "invalid-query", "The query of the URL cannot be read";
    /// A path that is not percent-encoded UTF-8.
    InvalidPath = BAD_REQUEST, "invalid-path", "The path of the URL cannot be read";
    /// A body that broke off, or that does not belong there.
    InvalidBody = BAD_REQUEST, "invalid-body", "The request body cannot be used";
    /// The provider says that the call is wrong.
    InvalidArgument = BAD_REQUEST, "invalid-argument", "The store refuses the request";
    /// No such session.
    SessionNotFound = NOT_FOUND, "session-not-found", "No such session";
    /// No such route.
    RouteNotFound = NOT_FOUND, "route-not-found", "No such resource";
    /// No such plugin.
    PluginNotFound = NOT_FOUND, "plugin-not-found", "No such plugin";
    /// No such store.
    StoreNotFound = NOT_FOUND, "store-not-found", "No such store";
    /// The host keeps no stream of events.
    EventsOff = NOT_FOUND, "events-off", "The host keeps no events";
    /// What sessions held is not shown.
    PayloadsHidden = FORBIDDEN, "payloads-hidden", "The content of sessions is not shown";
    /// The events behind a cursor are not kept any more.
    EventsGone = GONE, "events-gone", "The events after this cursor are gone";
    /// No migration since the start.
    MigrationNotFound = NOT_FOUND, "migration-not-found", "No migration has been begun";
    /// The route has no such method.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "The resource has no such method";
    /// The body did not arrive in time.
    BodyTimeout = REQUEST_TIMEOUT, "body-timeout", "The request body took too long to arrive";
    /// The client shows a lock id that is not the holder's.
    LockLost = CONFLICT, "lock-lost", "The lock is held under another lock id";
    /// One at a time.
    MigrationRunning = CONFLICT, "migration-running", "A migration is running";
    /// A precondition is false.
    PreconditionFailed = PRECONDITION_FAILED, "precondition-failed", "A precondition of the request is false";
    /// More bytes than the store takes.
    PayloadTooLarge = PAYLOAD_TOO_LARGE, "payload-too-large", "The payload is larger than the store allows";
    /// A content coding that would not be given back.
    UnsupportedEncoding = UNSUPPORTED_MEDIA_TYPE, "unsupported-encoding", "The content coding is not supported";
    /// Somebody holds the lock.
    Locked = LOCKED, "locked", "The session is locked";
    /// The provider failed in a way that has no name.
    StoreFailed = INTERNAL_SERVER_ERROR, "store-failed", "The store failed";
    /// The provider does not have the optional operation.
    Unsupported = NOT_IMPLEMENTED, "unsupported", "The store does not have this operation";
    /// The back end cannot be reached.
    StoreUnavailable = SERVICE_UNAVAILABLE, "store-unavailable", "The store is unavailable";
    /// The back end took too long.
    StoreTimeout = SERVICE_UNAVAILABLE, "store-timeout", "The store did not answer in time";
    /// The plugin trapped, broke the contract or cannot be instantiated.
    PluginFailed = SERVICE_UNAVAILABLE, "plugin-failed", "The plugin behind the store failed";
    /// The plugin used more than it may.
    PluginLimit = SERVICE_UNAVAILABLE, "plugin-limit", "The plugin behind the store reached a limit";
    /// All instances of the plugin are busy.
    PluginBusy = SERVICE_UNAVAILABLE, "plugin-busy", "The plugin behind the store is busy";
    /// The plugin failed too often and is not called for now.
    PluginUnavailable = SERVICE_UNAVAILABLE, "plugin-unavailable", "The plugin behind the store keeps failing";
    /// Other writers were quicker, again and again.
    Contended = SERVICE_UNAVAILABLE, "contended", "The session changed too often during the request";
    /// As many read the events as may.
    TooManyReaders = SERVICE_UNAVAILABLE, "too-many-readers", "Too many clients read the events";
    /// A store cannot serve.
    NotReady = SERVICE_UNAVAILABLE, "not-ready", "The host cannot serve all of its stores";
    /// The host stops.
    ShuttingDown = SERVICE_UNAVAILABLE, "shutting-down", "The host is shutting down";
    /// The plugin did not answer within its deadline.
    PluginDeadline = GATEWAY_TIMEOUT, "plugin-deadline", "The plugin behind the store did not answer in time";
    /// A quota of the store is used up.
    StoreFull = INSUFFICIENT_STORAGE, "store-full", "A limit of the store was reached";
}

/// An error on its way to the client. Boxed, because it travels as the `Err` of everything.
#[derive(Debug)]
pub(super) struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: Kind,
    body: ProblemBody,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A problem (RFC 9457). The members behind `detail` are there where they apply.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// Names the kind of problem: `urn:cloakroom:problem:` and a word that does not change.
    #[serde(rename = "type")]
    #[schema(example = "urn:cloakroom:problem:locked")]
    kind: &'static str,
    /// The kind in words.
    #[schema(example = "The session is locked")]
    title: &'static str,
    /// The status of the answer.
    #[schema(example = 423)]
    status: u16,
    /// What happened and what to do about it.
    detail: String,
    /// The store that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// The plugin that failed, or that answered with an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    /// The limit that was reached: `max_payload`, or one of a plugin's: `cpu`, `memory`, `deadline`, `host_call`,
    /// `instances`, `queue`, `payload` or `handles`.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    /// What the limit is set to: bytes, milliseconds or a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_value: Option<u64>,
    /// How long the lock has been held, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    lock_age: Option<u64>,
    /// The session's present version.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// The header that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    /// The optional interface of the contract that the plugin lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<&'static str>,
    /// Each reason, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

impl Problem {
    /// A problem of this kind.
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let body = ProblemBody {
            kind: kind.urn(),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            ..ProblemBody::default()
        };
        Self(Box::new(Parts { kind, body, headers: Vec::new() }))
    }

    /// A header that is missing or wrong.
    pub(super) fn header(name: impl AsRef<str>, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(Kind::InvalidHeader, detail);
        problem.0.body.header = Some(name.as_ref().to_owned());
        problem
    }

    /// No session has this key.
    pub(super) fn missing() -> Self {
        Self::new(Kind::SessionNotFound, "no session has this application and ID, or it has expired")
    }

    /// Somebody else holds the lock, and the client showed no lock id. The holder's is named, as the State Server
    /// does: a client that finds the lock too old releases with it, and so breaks the lock it saw and no younger one.
    pub(super) fn locked(lock: Lock) -> Self {
        let detail = "somebody holds the session's lock; try again, or wait in line with `Prefer: wait=SECONDS`";
        let holder = HeaderValue::from(lock.id.get());
        Self::new(Kind::Locked, detail).lock_age(lock.age).with_header(SESSION_LOCK, holder).retry()
    }

    /// The client showed a lock id, and the lock is held under another one.
    pub(super) fn lock_lost(lock: Lock) -> Self {
        let detail = "the lock id in `Session-Lock` is not the holder's: the lock was broken or has passed to somebody \
                      else since; nothing was changed";
        Self::new(Kind::LockLost, detail).lock_age(lock.age)
    }

    /// `If-Match` or `If-None-Match` is false. `version`: the item's, if it exists.
    pub(super) fn precondition_failed(header: &'static str, version: Option<u64>) -> Self {
        let detail = match version {
            Some(version) => format!("`{header}` is false: the session has version {version}"),
            None => format!("`{header}` is false: the session does not exist"),
        };
        let mut problem = Self::new(Kind::PreconditionFailed, detail);
        problem.0.body.header = Some(header.to_owned());
        if let Some(version) = version {
            problem.0.body.version = Some(version);
            problem = problem.with_header(header::ETAG, entity_tag(version));
        }
        problem
    }

    /// Names the store.
    pub(super) fn store(mut self, store: impl Into<String>) -> Self {
        self.0.body.store = Some(store.into());
        self
    }

    /// Names the plugin.
    pub(super) fn plugin(mut self, plugin: impl Into<String>) -> Self {
        self.0.body.plugin = Some(plugin.into());
        self
    }

    /// Names the limit and what it is set to.
    pub(super) fn limit(mut self, name: &'static str, value: Option<u64>) -> Self {
        self.0.body.limit = Some(name);
        self.0.body.limit_value = value;
        self
    }

    /// Names the interface that the plugin lacks.
    pub(super) fn interface(mut self, interface: &'static str) -> Self {
        self.0.body.interface = Some(interface);
        self
    }

    /// Lists the reasons.
    pub(super) fn reasons(mut self, reasons: Vec<String>) -> Self {
        self.0.body.reasons = reasons;
        self
    }

    /// Says that the same request may well succeed in a moment.
    pub(super) fn retry(self) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER))
    }

    /// Says when the same request may succeed.
    pub(super) fn retry_after(self, time: Duration) -> Self {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(RETRY_AFTER)))
    }

    /// Adds a header to the answer.
    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The kind.
    pub(super) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The body, for tests.
    #[cfg(test)]
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::to_value(&self.0.body).unwrap()
    }

    fn lock_age(mut self, age: Duration) -> Self {
        self.0.body.lock_age = Some(age.as_secs());
        self.with_header(SESSION_LOCK_AGE, HeaderValue::from(age.as_secs()))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Parts { kind, body, headers } = *self.0;
        let mut response = (kind.status(), Json(body)).into_response();
        response.headers_mut().extend(headers);
        let content_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::contract::LockId;

    fn lock(seconds: u64) -> Lock {
        Lock { id: LockId::new(7).unwrap(), age: Duration::from_secs(seconds) }
    }

    #[test]
    fn every_kind_has_a_urn_of_its_own() {
        let urns: HashSet<_> = Kind::ALL.iter().map(|kind| kind.urn()).collect();
        assert_eq!(urns.len(), Kind::ALL.len());
    }

    #[test]
    fn the_reference_lists_every_kind_with_its_status() {
        let reference = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/http-api.md"));
        for kind in Kind::ALL {
            let row = format!("| `{}` | {} |", kind.urn(), kind.status().as_u16());
            assert!(reference.contains(&row), "docs/http-api.md has no row that begins {row}");
        }
    }

    #[test]
    fn a_locked_session_tells_the_age_and_the_id_of_the_lock() {
        let response = Problem::locked(lock(3)).into_response();
        assert_eq!(response.status(), StatusCode::LOCKED);
        assert_eq!(response.headers()["session-lock-age"], "3");
        assert_eq!(response.headers()["session-lock"], "7");
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = Problem::locked(lock(3)).json();
        assert_eq!(body["lock_age"], 3);
    }

    #[test]
    fn a_lost_lock_is_a_conflict_that_no_retry_mends() {
        let response = Problem::lock_lost(lock(0)).into_response();
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert!(!response.headers().contains_key("retry-after"));
        assert!(!response.headers().contains_key("session-lock"), "a writer that lost must not go on under it");
    }

    #[test]
    fn a_false_precondition_tells_the_present_version() {
        let problem = Problem::precondition_failed("if-match", Some(4));
        assert_eq!(problem.json()["version"], 4);
        assert_eq!(problem.into_response().headers()["etag"], "\"v4\"");
        let problem = Problem::precondition_failed("if-match", None);
        assert!(problem.json().get("version").is_none());
    }

    #[test]
    fn a_body_has_the_members_of_rfc_9457_and_no_empty_ones() {
        let body = Problem::missing().json();
        let members: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["detail", "status", "title", "type"]);
    }
}
