//! Operations that nobody waits for any more.
//!
//! A client may hang up while its operation is under way. Around a provider that never waits that makes no difference: a
//! call is over before anybody notices. One that waits for a database could be cut off in the middle, with a lock taken
//! that nobody knows of, or a session deleted whose end nobody hears of. So its calls run in tasks of their own, to their
//! end.

use std::{future::Future, panic::resume_unwind, sync::Arc};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::lines::Lines;
use crate::{
    contract::{GetExclusiveOutcome, SessionKey, StoreError},
    plugins::{CallError, Provider},
};

/// Operations that are under way in tasks of their own.
#[derive(Clone, Default)]
pub(super) struct Detached {
    tasks: TaskTracker,
}

impl Detached {
    /// Runs an operation to its end, whatever becomes of whoever waits for it. Nothing if the host stops meanwhile.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        operation: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        match self.tasks.spawn(operation).await {
            Ok(outcome) => Some(outcome),
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }

    /// Runs something that nobody waits for but the host, before it ends.
    pub(super) fn begin(&self, operation: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(operation);
    }

    /// Waits for those that are under way.
    pub(super) async fn settle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Asks a provider that waits for a session and its lock. A lock that nobody waits for any more by the time that it
    /// is there is released again.
    pub(super) async fn get_exclusive(
        &self,
        provider: &Provider,
        key: &SessionKey,
        lines: &Arc<Lines>,
    ) -> Result<GetExclusiveOutcome, CallError> {
        let (provider, key, lines, detached) = (provider.clone(), key.clone(), lines.clone(), self.clone());
        let answer = self.run(async move {
            let outcome = provider.get_exclusive(&key).await;
            Answer { outcome: Some(outcome), provider, key, lines, detached }
        });
        let Some(mut answer) = answer.await else {
            return Err(StoreError::Unavailable("the host is stopping".to_owned()).into());
        };
        answer.outcome.take().unwrap_or(Ok(GetExclusiveOutcome::Missing))
    }
}

/// What a provider answered, on its way to whoever asked. Dropped on the way, it gives back the lock.
struct Answer {
    /// Taken out when it has arrived.
    outcome: Option<Result<GetExclusiveOutcome, CallError>>,
    provider: Provider,
    key: SessionKey,
    lines: Arc<Lines>,
    detached: Detached,
}

impl Drop for Answer {
    fn drop(&mut self) {
        let Some(Ok(GetExclusiveOutcome::Found(_, lock_id))) = self.outcome.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let (provider, key, lines) = (self.provider.clone(), self.key.clone(), self.lines.clone());
        let give_back = async move {
            match provider.release_exclusive(&key, lock_id.get()).await {
                Ok(_) => lines.wake(&key),
                Err(error) => {
                    tracing::warn!(
                        plugin = provider.plugin(),
                        %error,
                        "a client hung up while it got a lock, and the lock could not be released: it ends when another \
                         client breaks it, or with its session"
                    );
                }
            }
        };
        self.detached.tasks.spawn_on(give_back, &runtime);
    }
}
