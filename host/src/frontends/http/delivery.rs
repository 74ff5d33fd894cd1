//! Locks on their way to the client.
//!
//! A client that is cut off between taking a lock and reading the answer does not know its lock id, and the session
//! would stay locked until somebody breaks the lock. So a lock that was taken is released again unless its answer was
//! handed to the operating system whole. What happens behind that (the client's machine dies, a proxy drops the
//! answer) cannot be seen from here: then the lock stays, its age is shown to whoever meets it, and
//! `DELETE .../lock?force=true` breaks it.

use std::{mem, sync::Arc};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::shared::Shared;
use crate::{
    contract::{LockId, SessionKey},
    sessions::SessionService,
};

/// A lock that was taken for a client that has not heard of it yet. Dropped, it is released.
pub(super) struct UndeliveredLock {
    /// `None` once delivered.
    held: Option<Held>,
}

struct Held {
    service: SessionService,
    key: SessionKey,
    lock_id: LockId,
    releases: TaskTracker,
}

impl UndeliveredLock {
    /// Watches over a lock that was just taken.
    pub(super) fn new(shared: &Shared, key: SessionKey, lock_id: LockId) -> Self {
        let (service, releases) = (shared.service.clone(), shared.releases.clone());
        Self { held: Some(Held { service, key, lock_id, releases }) }
    }

    /// The client has heard of it, or it is not locked any more.
    pub(super) fn delivered(mut self) {
        self.held = None;
    }
}

impl Drop for UndeliveredLock {
    fn drop(&mut self) {
        let Some(Held { service, key, lock_id, releases }) = self.held.take() else { return };
        // Without a runtime the process is about to end, and with it whatever could release the lock.
        let Ok(runtime) = Handle::try_current() else { return };
        let release = async move {
            match service.release_exclusive(&key, lock_id).await {
                Ok(_) => tracing::debug!(?key, "released a lock whose client was gone before it heard of it"),
                Err(error) => tracing::warn!(
                    ?key,
                    %error,
                    "could not release a lock whose client was gone before it heard of it; it stays until it is broken"
                ),
            }
        };
        drop(releases.spawn_on(release, &runtime));
    }
}

/// The locks in the answers of one connection that are not sent yet. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Delivery {
    locks: Arc<Mutex<Locks>>,
}

#[derive(Default)]
struct Locks {
    /// In the answer that is being made. hyper has not seen it, so no flush is about it.
    carried: Vec<UndeliveredLock>,
    /// In answers that hyper is sending.
    returned: Vec<UndeliveredLock>,
}

impl Delivery {
    /// The answer that is being made carries this lock.
    pub(super) fn carries(&self, lock: UndeliveredLock) {
        self.locks.lock().carried.push(lock);
    }

    /// The answer is returned to hyper.
    pub(super) fn returned(&self) {
        let Locks { carried, returned } = &mut *self.locks.lock();
        returned.append(carried);
    }

    /// The operating system has taken everything that was to be sent.
    pub(super) fn flushed(&self) {
        let returned = mem::take(&mut self.locks.lock().returned);
        returned.into_iter().for_each(UndeliveredLock::delivered);
    }
}
