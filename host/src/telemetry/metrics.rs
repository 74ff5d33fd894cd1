//! What `/metrics` shows of stores, plugins and the built-in store.
//!
//! The path of a request counts in atomics of its own layer; this carries them over to the exporter every few
//! seconds, so that counting costs a request next to nothing.

use std::time::Duration;

use metrics::{counter, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    capabilities::kv::Kv,
    plugins::PluginStatus,
    sessions::{HandlerStatus, SessionService, StoreStatus, StreamStatus},
};

/// Time between two transfers.
const INTERVAL: Duration = Duration::from_secs(2);

/// Makes the process's metrics go to a Prometheus exporter. Once per process.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new().install_recorder()
}

/// Carries the counters over until shutdown.
pub async fn publish(service: SessionService, kv: Kv, exporter: PrometheusHandle, shutdown: CancellationToken) {
    let mut interval = interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => {}
        }
        let totals = kv.totals();
        gauge!("cloakroom_kv_entries").set(approximate(totals.entries));
        gauge!("cloakroom_kv_bytes").set(approximate(totals.bytes));
        service.stores().into_iter().for_each(store);
        service.plugins().into_iter().for_each(plugin);
        if let Some(stream) = service.event_stream() {
            event_stream(stream.status());
        }
        exporter.run_upkeep();
    }
}

fn store(status: StoreStatus) {
    status.events.into_iter().for_each(|events| handler(&status.name, events));
    let labels = [("store", status.name)];
    counter!("cloakroom_store_operations_total", &labels).absolute(status.operations);
    counter!("cloakroom_store_failures_total", &labels).absolute(status.failures);
    // The performance counters of the State Server: Sessions Total, Timed Out and Abandoned.
    counter!("cloakroom_sessions_started_total", &labels).absolute(status.started);
    counter!("cloakroom_sessions_expired_total", &labels).absolute(status.expired);
    counter!("cloakroom_sessions_removed_total", &labels).absolute(status.removed);
    gauge!("cloakroom_lock_waiters", &labels).set(approximate(status.waiting as u64));
}

fn handler(store: &str, status: HandlerStatus) {
    let labels = [("store", store.to_owned()), ("handler", status.handler)];
    counter!("cloakroom_events_delivered_total", &labels).absolute(status.delivered);
    counter!("cloakroom_events_retried_total", &labels).absolute(status.retried);
    counter!("cloakroom_events_dead_total", &labels).absolute(status.dead);
    gauge!("cloakroom_events_queued", &labels).set(approximate(status.queued as u64));
    gauge!("cloakroom_events_queued_bytes", &labels).set(approximate(status.queued_bytes as u64));
    if status.kind == "webhook" {
        gauge!("cloakroom_webhook_failing", &labels).set(if status.failing_since.is_some() { 1.0 } else { 0.0 });
    }
}

fn event_stream(status: StreamStatus) {
    gauge!("cloakroom_event_stream_events").set(approximate(status.events as u64));
    gauge!("cloakroom_event_stream_bytes").set(approximate(status.bytes as u64));
    gauge!("cloakroom_event_stream_readers").set(approximate(status.readers as u64));
    counter!("cloakroom_event_stream_fallen_behind_total").absolute(status.fallen_behind);
}

fn plugin(status: PluginStatus) {
    let labels = [("plugin", status.name)];
    counter!("cloakroom_plugin_calls_total", &labels).absolute(status.calls);
    counter!("cloakroom_plugin_failures_total", &labels).absolute(status.failures);
    counter!("cloakroom_plugin_instances_replaced_total", &labels).absolute(status.replaced);
    counter!("cloakroom_plugin_swaps_total", &labels).absolute(status.swaps);
    counter!("cloakroom_plugin_turned_away_total", &labels).absolute(status.turned_away);
    for state in ["backing-off", "quarantined"] {
        let stores = status.suspended.iter().filter(|suspension| suspension.state == state).count();
        let [plugin] = labels.clone();
        gauge!("cloakroom_plugin_suspended", &[plugin, ("state", state.to_owned())]).set(approximate(stores as u64));
    }
    for (limit, hits) in status.limit_hits {
        let [plugin] = labels.clone();
        counter!("cloakroom_plugin_limit_hits_total", &[plugin, ("limit", limit)]).absolute(hits);
    }
    gauge!("cloakroom_plugin_refused", &labels).set(if status.refused.is_some() { 1.0 } else { 0.0 });
    gauge!("cloakroom_plugin_instances", &labels).set(approximate(status.instances as u64));
}

/// Gauges are floating-point numbers: exact up to 2^53, and above that nobody counts.
#[expect(clippy::cast_precision_loss, reason = "a gauge need not be exact above 2^53")]
fn approximate(number: u64) -> f64 {
    number as f64
}
