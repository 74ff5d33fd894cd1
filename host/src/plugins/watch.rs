//! Notices that the directory of plugins has changed.

use std::{sync::Arc, time::Duration};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{PluginDirectory, slot::SETTLED};

impl PluginDirectory {
    /// Takes on changes of the files until shutdown: at once where the system reports them, and every `poll` where it
    /// does not, as on network volumes.
    pub async fn watch(self, poll: Duration, shutdown: CancellationToken) {
        let changed = Arc::new(Notify::new());
        let _watcher = self
            .watcher(changed.clone())
            .inspect_err(|error| {
                tracing::warn!(
                    directory = %self.path().display(), %error,
                    "changes of plugins are not reported by the system; looking every {poll:?}"
                );
            })
            .ok();
        let mut next = poll;
        while shutdown.run_until_cancelled(timeout(next, changed.notified())).await.is_some() {
            // Of files that are being written there will be more to see soon.
            next = if self.look().await { SETTLED } else { poll };
        }
    }

    fn watcher(&self, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Reading the files is an event, too, and no reason to read them.
            if event.map_or(true, |event| is_change(event.kind)) {
                changed.notify_one();
            }
        })?;
        watcher.watch(self.path(), RecursiveMode::NonRecursive)?;
        Ok(watcher)
    }
}

fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}
