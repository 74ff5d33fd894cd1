//! Accepts connections, bounds what they may cost, and ends them when the host stops.
//!
//! Made of the parts that `axum::serve` is made of, because that sets no time limits.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::{TcpListener, TcpStream},
    task::yield_now,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{connection::Connection, delivery::Delivery, routes::Routes};
use crate::{config::HttpConfig, frontends::Workers, sessions::SessionService};

/// How long a connection may take from one answer (or from its start) to the whole head of its next request. Covers
/// both a client that is idle and one that sends its headers drop by drop; a minute is the usual keep-alive of web
/// servers.
const NEXT_REQUEST: Duration = Duration::from_secs(60);
/// The most bytes of a request's head. Keys have at most 1024 bytes; the rest is for headers of proxies.
const MAX_HEAD: usize = 64 * 1024;
/// How long requests may take to end once the host stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long releases of undelivered locks may take after that.
const RELEASE: Duration = Duration::from_secs(2);
/// The pause after a failed accept: most often the process has no file descriptor left, and needs time to close some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Has `workers` serve what connects to `listener` until `shutdown` is cancelled, then lets requests end for up to ten seconds.
///
/// Metrics go to the recorder that is installed at this moment; `metrics` renders them at `/metrics`.
pub async fn serve(
    listener: TcpListener,
    workers: Arc<Workers>,
    service: SessionService,
    config: HttpConfig,
    metrics: PrometheusHandle,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let releases = TaskTracker::new();
    let routes = Routes::new(service, config.max_wait, metrics, shutdown.clone(), releases.clone());
    let connections = TaskTracker::new();
    let abort = CancellationToken::new();
    let open = metrics::gauge!("cloakroom_http_connections");

    while let Some(socket) = accept(&listener, &shutdown).await {
        // A token of its own for each connection, because watching one takes a lock on it at every request.
        let (shutdown, abort) = (shutdown.child_token(), abort.clone());
        let (routes, open) = (routes.clone(), open.clone());
        let serve = async move |socket| {
            open.increment(1);
            run(socket, routes, shutdown, abort).await;
            open.decrement(1);
        };
        match workers.assign(socket, serve) {
            Ok((worker, task)) => _ = connections.spawn_on(task, worker),
            Err(error) => tracing::debug!(%error, "an HTTP connection ended as it was accepted"),
        }
    }
    // New clients shall be refused at once, not left in the backlog.
    drop(listener);

    connections.close();
    if timeout(DRAIN, connections.wait()).await.is_err() {
        let count = connections.len();
        tracing::warn!(count, "HTTP connections were still busy {} s after the stop; they are cut", DRAIN.as_secs());
        abort.cancel();
        connections.wait().await;
    }
    releases.close();
    if timeout(RELEASE, releases.wait()).await.is_err() {
        tracing::warn!("locks whose clients are gone could not all be released before the stop");
    }
    Ok(())
}

/// The next connection; `None` when the host stops.
async fn accept(listener: &TcpListener, shutdown: &CancellationToken) -> Option<TcpStream> {
    let accepted = async {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => return socket,
                Err(error) if is_about_the_client(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "the HTTP front end cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    shutdown.run_until_cancelled(accepted).await
}

/// Whether a client left before it was accepted.
fn is_about_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers the requests of one connection, on this task: when the client hangs up, hyper drops the handler's future,
/// and with it the place in line for a lock.
async fn run(socket: TcpStream, routes: Routes, shutdown: CancellationToken, abort: CancellationToken) {
    // Answers are written in one piece; waiting for more would only delay them.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let delivery = Delivery::default();
    let stream = TokioIo::new(Connection::new(socket, delivery.clone()));
    let answer = service_fn(move |request| answer(routes.clone(), delivery.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_REQUEST)
        // The first is exact, the second bounds what is read before anybody can tell.
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(stream, answer);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match abort.run_until_cancelled(connection).await {
                Some(ended) => ended,
                None => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

async fn answer(routes: Routes, delivery: Delivery, request: Request<Incoming>) -> Result<Response, Infallible> {
    let answer = routes.answer(request.map(Body::new), &delivery).await;
    // As State Server does: what has come is carried out first, then the answers go out one after the other.
    yield_now().await;
    delivery.returned();
    Ok(answer)
}
