//! `GET` and `DELETE /v1/{app}/sessions?subject=S`: the sessions of one subject, where the provider has an index.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{
    answer,
    headers::{self, Headers},
    openapi::{ApplicationInPath, IdInHeader},
    problem::Problem,
    query::{List, Query, RemoveAll, named},
    refusals::NoIndex,
    shared::Shared,
    target::{self, Application},
};
use crate::{
    clock::UnixMillis,
    contract::{SessionPage, SessionSummary},
};

/// A page of the sessions of a subject.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionPage)]
pub(crate) struct Page {
    /// The sessions, in no particular order. May be empty although more pages follow.
    sessions: Vec<Summary>,
    /// Names the next page (`cursor`); null on the last one.
    next: Option<String>,
}

/// What is known of a session without its payload.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionSummary)]
pub(crate) struct Summary {
    /// Its ID.
    id: String,
    /// When it was inserted.
    #[schema(format = DateTime)]
    created: String,
    /// When it expires if nobody touches it; null if never.
    #[schema(format = DateTime)]
    expires: Option<String>,
    /// Its version.
    version: u64,
    /// Whether somebody holds its lock.
    locked: bool,
    /// Bytes of its payload.
    size: u64,
    /// Whom it belongs to.
    subject: Option<String>,
}

/// How many sessions were deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RemovedSessions)]
pub(crate) struct Removed {
    /// How many.
    removed: u64,
}

/// List the sessions of a subject
#[utoipa::path(
    get,
    path = "/v1/{app}/sessions",
    operation_id = "listSessions",
    tag = "subjects",
    params(ApplicationInPath, List),
    responses(
        (status = 200, description = "A page of sessions", body = Page),
        NoIndex,
    ),
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Application(application): Application,
    Query(list): Query<List>,
) -> Result<Response, Problem> {
    let limit = list.page_size()?;
    let subject = named(&list.subject)?;
    let page = shared.service.list_subject(&application, subject, list.cursor.clone(), limit).await?;
    Ok(answer::json(StatusCode::OK, Page::from(page)))
}

/// Delete the sessions of a subject
///
/// Logs somebody out everywhere, or with `except` everywhere else.
#[utoipa::path(
    delete,
    path = "/v1/{app}/sessions",
    operation_id = "deleteSessions",
    tag = "subjects",
    params(ApplicationInPath, IdInHeader, RemoveAll),
    responses(
        (status = 200, description = "How many sessions were deleted", body = Removed),
        NoIndex,
    ),
)]
pub(crate) async fn remove_all(
    State(shared): State<Arc<Shared>>,
    Application(application): Application,
    Query(RemoveAll { subject, except }): Query<RemoveAll>,
    Headers(request): Headers,
) -> Result<Response, Problem> {
    let subject = named(&subject)?;
    let except = match except {
        Some(id) => Some(target::id(id.into(), headers::session_id(&request)?)?),
        None => None,
    };
    let removed = shared.service.remove_subject(&application, subject, except.as_deref()).await?;
    Ok(answer::json(StatusCode::OK, Removed { removed }))
}

impl From<SessionPage> for Page {
    fn from(page: SessionPage) -> Self {
        Self { sessions: page.sessions.into_iter().map(Summary::from).collect(), next: page.next }
    }
}

impl From<SessionSummary> for Summary {
    fn from(session: SessionSummary) -> Self {
        Self {
            id: session.key.id().to_owned(),
            created: session.created.rfc3339(),
            expires: session.expires.map(UnixMillis::rfc3339),
            version: session.version,
            locked: session.locked,
            size: session.size,
            subject: session.subject,
        }
    }
}
