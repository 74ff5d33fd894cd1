//! What all handlers share.

use std::time::Duration;

use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    prefer::Wait,
    problem::{Kind, Problem},
};
use crate::sessions::SessionService;

/// The state of the router.
pub(super) struct Shared {
    /// Where the sessions are.
    pub(super) service: SessionService,
    /// The longest wait that a client may ask for.
    pub(super) max_wait: Duration,
    /// Renders `/metrics`.
    pub(super) metrics: PrometheusHandle,
    /// The OpenAPI document.
    pub(super) openapi: Bytes,
    /// Cancelled when the host stops: who waits in line then, waits in vain.
    pub(super) shutdown: CancellationToken,
    /// Releases of locks that could not be delivered; the host stops after them.
    pub(super) releases: TaskTracker,
}

impl Shared {
    /// Runs an operation that waits in line for up to `wait`, and gives it up when the host stops.
    pub(super) async fn in_line<T>(&self, wait: Wait, operation: impl Future<Output = T>) -> Result<T, Problem> {
        if wait.duration().is_zero() {
            return Ok(operation.await);
        }
        tokio::select! {
            // What is done by then counts.
            biased;
            outcome = operation => Ok(outcome),
            () = self.shutdown.cancelled() => {
                Err(Problem::new(Kind::ShuttingDown, "the host stops; try again in a moment").retry())
            }
        }
    }
}
