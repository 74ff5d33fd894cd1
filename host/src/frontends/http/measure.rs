//! Counts and times requests, by the template of their route: paths contain session IDs and are never looked at.

use std::time::{Duration, Instant};

use axum::{
    extract::Request,
    http::{Method, StatusCode},
};
use metrics::{Counter, Histogram, SharedString};
use parking_lot::RwLock;

/// What stands for the route of a request that matched none.
const UNMATCHED: &str = "none";
/// What stands for the status of a request whose client hung up before there was one.
const HUNG_UP: &str = "hung-up";

/// The instruments of all routes.
pub(super) struct Measures {
    routes: matchit::Router<Instruments>,
    unmatched: Instruments,
}

/// What has been made so far. So few that looking at them one by one takes the least.
type Known<K, I> = RwLock<Vec<(K, I)>>;

/// The instruments of one route. Made at its first requests, then only looked up.
struct Instruments {
    route: SharedString,
    /// By method, and by status (`None`: the client hung up).
    requests: Known<(&'static str, Option<StatusCode>), Counter>,
    /// By method.
    durations: Known<&'static str, Histogram>,
}

impl Measures {
    /// Instruments for the routes with these templates.
    pub(super) fn new<'a>(templates: impl Iterator<Item = &'a String>) -> Self {
        metrics::describe_counter!("cloakroom_http_requests_total", "HTTP requests by route, method and status");
        metrics::describe_histogram!(
            "cloakroom_http_request_duration_seconds",
            metrics::Unit::Seconds,
            "Time from the head of a request to its answer, with all waiting"
        );
        metrics::describe_gauge!("cloakroom_http_connections", "Open HTTP connections");
        let mut routes = matchit::Router::new();
        for route in templates {
            if let Err(error) = routes.insert(route, Instruments::new(route.clone().into())) {
                tracing::error!(%error, route, "requests of a route are counted among those of none");
            }
        }
        Self { routes, unmatched: Instruments::new(UNMATCHED.into()) }
    }

    /// A request comes in.
    pub(super) fn begin(&self, request: &Request) -> Measured<'_> {
        let instruments = self.routes.at(request.uri().path()).map_or(&self.unmatched, |route| route.value);
        Measured { instruments, method: label(request.method()), began: Instant::now(), status: None }
    }
}

impl Instruments {
    fn new(route: SharedString) -> Self {
        Self { route, requests: RwLock::default(), durations: RwLock::default() }
    }

    fn count(&self, method: &'static str, status: Option<StatusCode>) {
        let make = || {
            let label = status.map_or_else(|| HUNG_UP.into(), |status| SharedString::from(status.as_str().to_owned()));
            let route = self.route.clone();
            metrics::counter!("cloakroom_http_requests_total", "route" => route, "method" => method, "status" => label)
        };
        with(&self.requests, (method, status), make, |counter| counter.increment(1));
    }

    fn time(&self, method: &'static str, duration: Duration) {
        let make = || {
            let route = self.route.clone();
            metrics::histogram!("cloakroom_http_request_duration_seconds", "route" => route, "method" => method)
        };
        with(&self.durations, method, make, |histogram| histogram.record(duration));
    }
}

/// Uses the instrument of `key`, which is made if it is not known yet.
fn with<K: PartialEq, I>(known: &Known<K, I>, key: K, make: impl FnOnce() -> I, apply: impl FnOnce(&I)) {
    if let Some((_, instrument)) = known.read().iter().find(|(known, _)| *known == key) {
        return apply(instrument);
    }
    let instrument = make();
    apply(&instrument);
    let mut known = known.write();
    // Another thread may have been faster.
    if known.iter().all(|(known, _)| *known != key) {
        known.push((key, instrument));
    }
}

/// A request under way. Dropped without an answer, it was hung up.
pub(super) struct Measured<'m> {
    instruments: &'m Instruments,
    method: &'static str,
    began: Instant,
    status: Option<StatusCode>,
}

impl Measured<'_> {
    /// The template of its route; `none` if it matches none.
    pub(super) fn route(&self) -> &str {
        &self.instruments.route
    }

    /// It is answered.
    pub(super) fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        self.instruments.count(self.method, self.status);
        self.instruments.time(self.method, duration);
        let status = self.status.map(|status| status.as_u16());
        tracing::debug!(method = self.method, route = %self.instruments.route, status, ?duration, "HTTP request");
    }
}

/// A method as a label. Clients can send any word as a method, and each label costs memory for good.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn request(uri: &str) -> Request {
        Request::get(uri).body(Body::empty()).unwrap()
    }

    #[test]
    fn requests_are_counted_by_route_and_never_by_path() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let templates = ["/v1/{app}/sessions/{id}".to_owned(), "/never".to_owned()];
            let measures = Measures::new(templates.iter());
            for _ in 0..3 {
                measures.begin(&request("/v1/shop/sessions/secret")).answered(StatusCode::OK);
            }
            measures.begin(&request("/somewhere/secret")).answered(StatusCode::NOT_FOUND);
            drop(measures.begin(&request("/never")));
        });
        let rendered = handle.render();
        let counted = |route: &str, status: &str, count: u32| {
            let line = format!(
                "cloakroom_http_requests_total{{route=\"{route}\",method=\"GET\",status=\"{status}\"}} {count}"
            );
            assert!(rendered.contains(&line), "no {line} in\n{rendered}");
        };
        counted("/v1/{app}/sessions/{id}", "200", 3);
        counted("none", "404", 1);
        counted("/never", "hung-up", 1);
        assert!(rendered.contains("cloakroom_http_request_duration_seconds"));
        assert!(!rendered.contains("secret"), "{rendered}");
    }
}
