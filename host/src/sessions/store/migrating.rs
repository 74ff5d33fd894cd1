//! What a migration asks of a store. Nobody is told of it: a session that moves neither begins nor ends.

use std::time::Duration;

use super::Store;
use crate::{
    clock::UnixMillis,
    contract::{
        Condition, GetExclusiveOutcome, Item, LockId, ReleaseOutcome, RemoveOutcome, SessionData, SessionKey,
        SessionPage, SetOutcome,
    },
    plugins::SCAN,
    sessions::SessionError,
};

/// How many sessions a page of a listing has.
const PAGE: u32 = 256;

impl Store {
    pub(in crate::sessions) fn name(&self) -> &str {
        &self.name
    }

    /// An error that names the plugin if the store cannot list its sessions.
    pub(in crate::sessions) fn must_list(&self) -> Result<(), SessionError> {
        if self.provider.can_scan() { Ok(()) } else { Err(self.unsupported("list its sessions", SCAN)) }
    }

    /// A page of all sessions, or of those of one application.
    pub(in crate::sessions) async fn scan(
        &self,
        application: Option<&str>,
        cursor: Option<&str>,
    ) -> Result<SessionPage, SessionError> {
        self.must_list()?;
        self.settle(self.provider.scan(application, cursor, PAGE).await)
    }

    /// Takes the lock of a session that is to be copied or moved; waits in line for it.
    pub(in crate::sessions) async fn hold(
        &self,
        key: &SessionKey,
        wait: Duration,
    ) -> Result<GetExclusiveOutcome, SessionError> {
        self.lock(key, wait).await
    }

    /// Has a session begin that nobody had read before it was to be copied or moved, and that stays: the flag that says so
    /// is gone.
    pub(in crate::sessions) fn begin_if_unread(&self, key: &SessionKey, item: &Item) {
        self.note_first_read(key, item.uninitialized);
    }

    /// Releases the lock of a session that stays.
    pub(in crate::sessions) async fn let_go(&self, key: &SessionKey, lock_id: LockId) -> Result<(), SessionError> {
        let outcome = self.settle(self.provider.release_exclusive(key, lock_id.get()).await)?;
        if let ReleaseOutcome::Done { .. } = outcome {
            self.lines.wake(key);
        }
        Ok(())
    }

    /// Deletes a session that is in another store now.
    pub(in crate::sessions) async fn give_away(
        &self,
        key: &SessionKey,
        lock_id: LockId,
    ) -> Result<RemoveOutcome, SessionError> {
        let outcome = self.settle(self.provider.remove(key, Some(lock_id.get()), false).await)?;
        if let RemoveOutcome::Done(_) = &outcome {
            self.lines.wake(key);
        }
        Ok(outcome)
    }

    /// Stores a session of another store.
    pub(in crate::sessions) async fn take_over(
        &self,
        key: &SessionKey,
        item: &Item,
        condition: Condition,
    ) -> Result<SetOutcome, SessionError> {
        let data = self.data_of(item)?;
        self.refuse_forged(key).await?;
        let outcome = self.settle(self.provider.set_and_release(key, data, None, condition, false).await)?;
        if let SetOutcome::Done(_) = outcome {
            self.lines.wake(key);
        }
        Ok(outcome)
    }

    /// Inserts a session of another store that nobody has read yet; does nothing if it exists.
    pub(in crate::sessions) async fn take_over_unread(
        &self,
        key: &SessionKey,
        item: &Item,
    ) -> Result<(), SessionError> {
        let data = self.data_of(item)?;
        self.refuse_forged(key).await?;
        self.settle(self.provider.create_uninitialized(key, data).await)
    }

    /// When a session of another store would expire here if it were stored now and not touched; `None`: never.
    pub(in crate::sessions) fn expiry_of(&self, item: &Item) -> Option<UnixMillis> {
        let idle = match item.data.idle_timeout {
            0 => None,
            seconds => Some(self.clock.now() + Duration::from_secs(seconds.into())),
        };
        [idle, self.latest_expiry_of(item)].into_iter().flatten().min()
    }

    /// The time.
    pub(in crate::sessions) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    fn data_of(&self, item: &Item) -> Result<SessionData, SessionError> {
        self.refuse_too_large(item.data.payload.len())?;
        Ok(SessionData {
            payload: item.data.payload.clone(),
            idle_timeout: item.data.idle_timeout,
            latest_expiry: self.latest_expiry_of(item),
            // In a write, nothing would keep what is there.
            subject: Some(item.data.subject.clone().unwrap_or_default()),
        })
    }

    /// The session's own latest expiry, and this store's absolute timeout from when it began.
    fn latest_expiry_of(&self, item: &Item) -> Option<UnixMillis> {
        let absolute = self.config.absolute_timeout.map(|timeout| item.created + timeout);
        [item.data.latest_expiry, absolute].into_iter().flatten().min()
    }
}
