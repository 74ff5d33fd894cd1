//! The change of a store to another build of its plugin, while it serves.

use std::{future::Future, pin::Pin, sync::Arc};

use super::{
    CallError, Plugin, Suspension,
    build::{Build, Judged},
    exports::Exports,
    serving::Serving,
};

/// What [`Use::prepare`] comes to.
pub(super) type Prepared<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Successor + 'a>, CallError>> + Send + 'a>>;

/// A store's use of a plugin of whatever kind, as the directory sees it when the plugin changes.
pub(super) trait Use: Send + Sync {
    /// The store.
    fn store(&self) -> &str;

    /// Has another build of the plugin ready to serve: one instance is initialized with the store's settings, and one
    /// that keeps sessions has taken them over. Dropping what this returns leaves everything as it was.
    fn prepare<'a>(&'a self, plugin: &'a Plugin) -> Prepared<'a>;

    /// What an operator is told, if the build that serves is not called for now.
    fn suspension(&self) -> Option<Suspension>;

    /// Has it called again at once. Whether it was not.
    fn release(&self) -> bool;
}

/// A build that is ready to serve.
pub(super) trait Successor: Send {
    /// Serves with it from now on. What the build before it has begun it finishes.
    fn succeed(self: Box<Self>);
}

impl<E: Judged> Use for Serving<E> {
    fn store(&self) -> &str {
        &self.store
    }

    fn prepare<'a>(&'a self, plugin: &'a Plugin) -> Prepared<'a> {
        Box::pin(async move {
            let build = Build::open(plugin, &self.store, &self.settings, self.inner.clone()).await?;
            E::accept(&build).await?;
            let handover = Handover::between(self.now(), &build, &self.store).await?;
            let successor: Box<dyn Successor> = Box::new(Ready { serving: self, build, handover });
            Ok(successor)
        })
    }

    fn suspension(&self) -> Option<Suspension> {
        self.now.load().health.suspension()
    }

    fn release(&self) -> bool {
        self.now.load().health.release()
    }
}

/// See [`Successor`].
struct Ready<'a, E: Exports> {
    serving: &'a Serving<E>,
    build: Build<E>,
    handover: Handover<E>,
}

impl<E: Exports> Successor for Ready<'_, E> {
    fn succeed(self: Box<Self>) {
        let Self { serving, build, handover } = *self;
        serving.now.store(Arc::new(build));
        handover.done();
    }
}

/// Sessions on their way from the memory of one build into that of the next. Meanwhile calls wait in line. Dropped, the
/// old build goes on.
struct Handover<E: Exports> {
    from: Arc<Build<E>>,
    /// How many of its pools are stopped.
    stopped: usize,
    done: bool,
}

impl<E: Exports> Handover<E> {
    /// Stops the old build and carries its state over, if both keep sessions in memory and can.
    async fn between(from: Arc<Build<E>>, to: &Build<E>, store: &str) -> Result<Self, CallError> {
        let mut handover = Self { from, stopped: 0, done: false };
        if !handover.from.keeps_sessions_in_memory() {
            return Ok(handover);
        }
        if !to.keeps_sessions_in_memory() || to.shards() != handover.from.shards() {
            tracing::warn!(store, "the new build keeps sessions elsewhere: those in the old one's memory are lost");
            return Ok(handover);
        }
        let from = handover.from.clone();
        for (from, to) in from.pools.iter().zip(&to.pools) {
            let state = from.stop().await?;
            handover.stopped += 1;
            match state {
                Some(state) => to.import(state).await?,
                None => tracing::warn!(
                    store,
                    plugin = from.code().name(),
                    "it keeps sessions in its memory and does not export `state-transfer`: they are lost in the change"
                ),
            }
        }
        Ok(handover)
    }

    fn done(mut self) {
        self.done = true;
    }
}

impl<E: Exports> Drop for Handover<E> {
    fn drop(&mut self) {
        for pool in self.from.pools.iter().take(self.stopped) {
            if self.done { pool.retire() } else { pool.resume() }
        }
    }
}
