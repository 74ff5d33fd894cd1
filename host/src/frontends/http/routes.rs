//! The routes: which handler answers which request.

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::Request, handler::Handler as _, http::Method, response::Response};
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service as _;
use utoipa::{OpenApi, openapi::OpenApi as Document};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    admin, answer,
    delivery::Delivery,
    events,
    measure::Measures,
    migration, openapi,
    problem::{Kind, Problem},
    sessions::{create, get, lock, put, remove, rotate, subject, touch, unlock},
    shared::Shared,
};
use crate::sessions::SessionService;

/// The path of a session.
const SESSION: &str = "/v1/{app}/sessions/{id}";
/// The path of its lock.
const LOCK: &str = "/v1/{app}/sessions/{id}/lock";

/// All routes, with what they share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Routes {
    router: Router,
    measures: Arc<Measures>,
    shared: Arc<Shared>,
}

impl Routes {
    pub(super) fn new(
        service: SessionService,
        max_wait: Duration,
        metrics: PrometheusHandle,
        shutdown: CancellationToken,
        releases: TaskTracker,
    ) -> Self {
        let (router, document) = described();
        let measures = Arc::new(Measures::new(document.paths.paths.keys()));
        // Serializing a document that utoipa built cannot fail; if it did, the rest of the API would still serve.
        let openapi = Bytes::from(document.to_json().unwrap_or_else(|error| {
            tracing::error!(%error, "the OpenAPI document cannot be written");
            String::from("{}")
        }));
        let shared = Arc::new(Shared { service, max_wait, metrics, openapi, shutdown, releases });
        let router = router.fallback(no_such_route).method_not_allowed_fallback(no_such_method);
        Self { router: router.with_state(Arc::clone(&shared)), measures, shared }
    }

    /// Answers a request. What every answer has in common is done here and not in layers of the router, each of which
    /// would cost a request several allocations.
    pub(super) async fn answer(&self, request: Request, delivery: &Delivery) -> Response {
        let measured = self.measures.begin(&request);
        let mut response = self.handle(measured.route(), request, delivery).await;
        answer::never_stored(&mut response);
        measured.answered(response.status());
        response
    }

    /// Has a request handled. Nearly all are about a session or its lock, and their handlers are called from here: the
    /// way through the router takes two thirds of the instructions that the store takes.
    async fn handle(&self, route: &str, mut request: Request, delivery: &Delivery) -> Response {
        let shared = Arc::clone(&self.shared);
        let handled = match (route, request.method()) {
            (SESSION, &Method::GET) => get::get.call(request, shared),
            (SESSION, &Method::PUT) => put::put.call(request, shared),
            (SESSION, &Method::DELETE) => remove::remove.call(request, shared),
            (LOCK, &Method::DELETE) => unlock::unlock.call(request, shared),
            (LOCK, &Method::POST) => {
                request.extensions_mut().insert(delivery.clone());
                lock::lock.call(request, shared)
            }
            _ => {
                let Ok(response) = self.router.clone().call(request).await;
                return response;
            }
        };
        handled.await
    }
}

/// The routes and the document that describes them.
fn described() -> (Router<Arc<Shared>>, Document) {
    let (router, document) = OpenApiRouter::with_openapi(openapi::Base::openapi())
        .routes(routes!(create::create, subject::list, subject::remove_all))
        .routes(routes!(get::get, put::put, remove::remove))
        .routes(routes!(lock::lock, unlock::unlock))
        .routes(routes!(touch::touch))
        .routes(routes!(rotate::rotate))
        .routes(routes!(admin::plugins))
        .routes(routes!(admin::release))
        .routes(routes!(admin::stores))
        .routes(routes!(events::follow))
        .routes(routes!(migration::begin, migration::status, migration::stop))
        .routes(routes!(admin::healthz))
        .routes(routes!(admin::readyz))
        .routes(routes!(admin::metrics))
        .routes(routes!(admin::openapi))
        .split_for_parts();
    (router, openapi::complete(document))
}

async fn no_such_route() -> Problem {
    Problem::new(Kind::RouteNotFound, "no route has this path; `/openapi.json` lists them")
}

async fn no_such_method(method: Method) -> Problem {
    let detail = format!("the resource has no method `{method}`; the header `Allow` lists those it has");
    Problem::new(Kind::MethodNotAllowed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handlers_that_are_called_without_the_router_are_those_of_the_document() {
        let (_, document) = described();
        let operations = |path: &str| {
            let item = &document.paths.paths[path];
            let operations = [&item.get, &item.put, &item.post, &item.delete].into_iter().flatten();
            operations.map(|operation| operation.operation_id.clone().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(operations(SESSION), ["getSession", "putSession", "deleteSession"]);
        assert_eq!(operations(LOCK), ["lockSession", "unlockSession"]);
    }
}
