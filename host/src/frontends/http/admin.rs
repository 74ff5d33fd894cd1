//! What operators and their tools ask: plugins, stores, health, metrics, and the API's own description.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer,
    problem::{Kind, Problem, ProblemBody},
    shared::Shared,
};
use crate::{plugins::PluginStatus, sessions::StoreStatus};

/// The plugins of the host.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Plugins {
    /// One for each file in the plugin directory, those that were refused included.
    plugins: Vec<PluginStatus>,
}

/// The stores of the host.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stores {
    /// One for each store of the configuration.
    stores: Vec<StoreStatus>,
}

/// What releasing a plugin did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Released {
    /// The stores for which it was not called and is now.
    stores: Vec<String>,
}

/// The state of the host in a word.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

/// List the plugins
#[utoipa::path(
    get,
    path = "/v1/plugins",
    operation_id = "listPlugins",
    tag = "operation",
    responses((status = 200, description = "What is loaded, from which file, under which limits", body = Plugins)),
)]
pub(crate) async fn plugins(State(shared): State<Arc<Shared>>) -> Response {
    answer::json(StatusCode::OK, Plugins { plugins: shared.service.plugins() })
}

/// Release a plugin
///
/// Has a plugin called again at once that is backed off or quarantined because it kept failing.
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/release",
    operation_id = "releasePlugin",
    tag = "operation",
    params(("name" = String, Path, description = "The plugin")),
    responses(
        (status = 200, description = "It is called again", body = Released),
        (status = 404, description = "There is no such plugin", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn release(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Response, Problem> {
    match shared.service.release_plugin(&name) {
        Some(stores) => Ok(answer::json(StatusCode::OK, Released { stores })),
        None => Err(Problem::new(Kind::PluginNotFound, format!("there is no plugin `{name}`; see `/v1/plugins`"))),
    }
}

/// List the stores
#[utoipa::path(
    get,
    path = "/v1/stores",
    operation_id = "listStores",
    tag = "operation",
    responses((status = 200, description = "The stores with their settings and counters", body = Stores)),
)]
pub(crate) async fn stores(State(shared): State<Arc<Shared>>) -> Response {
    answer::json(StatusCode::OK, Stores { stores: shared.service.stores() })
}

/// Is the process alive?
///
/// Answers as long as it can answer at all: for a supervisor that restarts what does not.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "health",
    tag = "operation",
    responses((status = 200, description = "It is", body = Health)),
)]
pub(crate) async fn healthz() -> Response {
    answer::json(StatusCode::OK, Health { status: "ok" })
}

/// Can the host serve?
///
/// For a load balancer: 503 while a store cannot serve, with the reason for each, and from the moment the host stops.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readiness",
    tag = "operation",
    responses(
        (status = 200, description = "Every store can serve", body = Health),
        (status = 503, description = "Some cannot", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    if shared.shutdown.is_cancelled() {
        return Err(Problem::new(Kind::ShuttingDown, "the host stops"));
    }
    match shared.service.readiness().await {
        Ok(()) => Ok(answer::json(StatusCode::OK, Health { status: "ok" })),
        Err(reasons) => Err(Problem::new(Kind::NotReady, reasons.join("; ")).reasons(reasons)),
    }
}

/// Metrics
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operation",
    responses((status = 200, description = "In the Prometheus text format", body = String)),
)]
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let version = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (version, shared.metrics.render()).into_response()
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")),
)]
pub(crate) async fn openapi(State(shared): State<Arc<Shared>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], shared.openapi.clone()).into_response()
}
