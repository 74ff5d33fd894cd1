//! Looks for expired sessions, store by store, and tries plugins that are not called because they kept failing.

use std::{sync::Arc, time::Duration};

use tokio::{task::yield_now, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{SessionError, store::Store};
use crate::plugins::PluginFailure;

/// How many sessions one call of the provider's `sweep` may claim: few enough not to hold up the thread.
const BATCH: u32 = 256;

/// Time between two looks whether a plugin of the store is due to be tried. Where there are requests, one of them is
/// the attempt.
const ATTEMPTS: Duration = Duration::from_secs(1);

/// Sweeps a store at its interval until shutdown.
pub(super) async fn sweep(store: Arc<Store>, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(store.sweep_interval());
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut attempts = tokio::time::interval(ATTEMPTS);
    attempts.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => sweep_all(&store, &shutdown).await,
            _ = attempts.tick() => store.attempt().await,
        }
    }
}

/// Sweeps until nothing is left to sweep.
async fn sweep_all(store: &Store, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        match store.sweep(BATCH).await {
            Ok(true) => yield_now().await,
            Ok(false) => return,
            // Told when that began.
            Err(SessionError::Plugin { error, .. }) if matches!(error.failure, PluginFailure::Unavailable { .. }) => {
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "expired sessions could not be swept; trying again at the next interval");
                return;
            }
        }
    }
}
