//! Looks for expired sessions, store by store.

use std::sync::Arc;

use tokio::{task::yield_now, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::store::Store;

/// How many sessions one call of the provider's `sweep` may claim: few enough not to hold up the thread.
const BATCH: u32 = 256;

/// Sweeps a store at its interval until shutdown.
pub(super) async fn sweep(store: Arc<Store>, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(store.sweep_interval());
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => sweep_all(&store, &shutdown).await,
        }
    }
}

/// Sweeps until nothing is left to sweep.
async fn sweep_all(store: &Store, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        match store.sweep(BATCH).await {
            Ok(true) => yield_now().await,
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "expired sessions could not be swept; trying again at the next interval");
                return;
            }
        }
    }
}
