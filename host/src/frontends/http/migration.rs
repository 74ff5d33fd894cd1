//! Copying or moving sessions from one store to another, for `cloakroom migrate`.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    answer,
    problem::{Kind, Problem, ProblemBody},
    query::{Migrate, Nothing, Query},
    shared::Shared,
};
use crate::sessions::{MigrationRefused, MigrationRequest, MigrationStatus};

/// Begin a migration
///
/// Copies the live sessions of a store to another, or moves them, while both serve. There is one migration at a time.
#[utoipa::path(
    post,
    path = "/v1/migration",
    operation_id = "beginMigration",
    tag = "operation",
    params(Migrate),
    responses(
        (status = 202, description = "It runs", body = MigrationStatus),
        (status = 404, description = "There is no such store", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Another one runs", body = ProblemBody, content_type = "application/problem+json"),
        (status = 501, description = "The source cannot list its sessions", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn begin(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Migrate>,
) -> Result<Response, Problem> {
    let Migrate { from, to, application, moves, dry_run, from_scratch, rate, wait } = query;
    let wait = Duration::from_secs(wait.into());
    let request = MigrationRequest { from, to, application, moves, dry_run, from_scratch, rate, wait };
    Ok(answer::json(StatusCode::ACCEPTED, shared.service.migrate(request, &shared.shutdown)?))
}

/// How is the migration?
#[utoipa::path(
    get,
    path = "/v1/migration",
    operation_id = "migrationStatus",
    tag = "operation",
    responses(
        (status = 200, description = "The one that runs, or the last one", body = MigrationStatus),
        (status = 404, description = "None has been begun since the start", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn status(
    State(shared): State<Arc<Shared>>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Response, Problem> {
    shared.service.migration().map(|status| answer::json(StatusCode::OK, status)).ok_or_else(none)
}

/// Stop the migration
///
/// It ends with the sessions that are under way. A later one goes on where it ended.
#[utoipa::path(
    delete,
    path = "/v1/migration",
    operation_id = "stopMigration",
    tag = "operation",
    responses(
        (status = 200, description = "It stops, or has ended", body = MigrationStatus),
        (status = 404, description = "None has been begun since the start", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn stop(
    State(shared): State<Arc<Shared>>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Response, Problem> {
    shared.service.stop_migration().map(|status| answer::json(StatusCode::OK, status)).ok_or_else(none)
}

fn none() -> Problem {
    Problem::new(Kind::MigrationNotFound, "no migration has been begun since the host started")
}

impl From<MigrationRefused> for Problem {
    fn from(refused: MigrationRefused) -> Self {
        let detail = refused.to_string();
        match refused {
            MigrationRefused::NoSuchStore { store, .. } => Self::new(Kind::StoreNotFound, detail).store(store),
            MigrationRefused::SameStore { .. } => Self::new(Kind::InvalidQuery, detail),
            MigrationRefused::CannotList(error) => error.into(),
            MigrationRefused::Running { .. } => Self::new(Kind::MigrationRunning, detail),
            MigrationRefused::Ledger { .. } => Self::new(Kind::StoreFailed, detail),
        }
    }
}
