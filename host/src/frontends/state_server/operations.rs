//! Operations of the protocol, carried out by the session service.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    contract::{
        GetExclusiveOutcome, GetOutcome, Item, Lock, LockId, ReleaseOutcome, RemoveOutcome, ResetOutcome, SessionKey,
        SetOutcome, StoreError,
    },
    sessions::{NewData, SessionError, SessionService, WriteOptions},
};

use super::{
    lock_date::LockDates,
    request::{LockCookie, MAX_TIMEOUT, Operation},
    response::{Answer, empty_block},
};

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is answered.
    Answer(Answer),
    /// It is answered, and the connection ends; why, for the log.
    LastAnswer(Answer, SessionError),
    /// It cannot be answered, because the protocol has no status for a store that failed and none of the four may be
    /// taken for one: the connection ends, which the client reports as an exception.
    Silence(SessionError),
}

/// Carries operations out.
pub(super) struct Operations {
    service: SessionService,
    /// How long a request that meets a lock waits for it.
    hold_locked: Duration,
    lock_dates: LockDates,
}

impl Operations {
    pub(super) fn new(service: SessionService, hold_locked: Duration, lock_dates: LockDates) -> Self {
        Self { service, hold_locked, lock_dates }
    }

    /// Whether this operation may wait in line for a lock.
    pub(super) fn may_wait(&self, operation: &Operation) -> bool {
        !self.hold_locked.is_zero() && matches!(operation, Operation::Get | Operation::Acquire)
    }

    /// Carries out one operation. Dropping the future of one that waits leaves the line.
    pub(super) async fn perform(&self, key: &SessionKey, operation: Operation) -> Verdict {
        let is_write = matches!(operation, Operation::Set { .. } | Operation::CreateUninitialized { .. });
        let result = match operation {
            Operation::Get => self.get(key).await,
            Operation::Acquire => self.acquire(key).await,
            Operation::Release(lock_cookie) => self.release(key, lock_cookie).await,
            Operation::Set { body, idle_timeout, lock_cookie } => self.set(key, body, idle_timeout, lock_cookie).await,
            Operation::CreateUninitialized { body, idle_timeout } => {
                self.create_uninitialized(key, body, idle_timeout).await
            }
            Operation::Remove(lock_cookie) => self.remove(key, lock_cookie).await,
            Operation::ResetTimeout => self.reset_timeout(key).await,
        };
        result.map_or_else(|error| verdict_on(error, is_write), Verdict::Answer)
    }

    /// Gives back a lock whose new holder went away before it heard of it.
    pub(super) async fn give_back(&self, key: &SessionKey, lock: LockId) -> Result<(), SessionError> {
        self.service.release_exclusive(key, lock).await.map(drop)
    }

    async fn get(&self, key: &SessionKey) -> Result<Answer, SessionError> {
        Ok(match self.service.get(key, self.hold_locked).await? {
            GetOutcome::Found(item) => found(item, None),
            GetOutcome::Missing => Answer::NotFound,
            GetOutcome::Locked(lock) => self.locked(key, lock),
        })
    }

    async fn acquire(&self, key: &SessionKey) -> Result<Answer, SessionError> {
        Ok(match self.service.get_exclusive(key, self.hold_locked).await? {
            GetExclusiveOutcome::Found(item, lock) => found(item, Some(lock)),
            GetExclusiveOutcome::Missing => Answer::NotFound,
            GetExclusiveOutcome::Locked(lock) => self.locked(key, lock),
        })
    }

    async fn release(&self, key: &SessionKey, lock_cookie: LockCookie) -> Result<Answer, SessionError> {
        let lock = match lock_cookie {
            LockCookie::Given(Some(lock)) => lock,
            LockCookie::Given(None) => return self.release_nothing(key).await,
            LockCookie::Absent | LockCookie::Invalid => return self.refuse_if_present(key).await,
        };
        Ok(match self.service.release_exclusive(key, lock).await? {
            ReleaseOutcome::Done { uninitialized } => Answer::Done { initialize: uninitialized },
            ReleaseOutcome::Missing => Answer::NotFound,
            ReleaseOutcome::Locked(lock) => self.locked(key, lock),
        })
    }

    /// Release with the cookie 0, which fits no lock: what that does is what a read does, but for the answer.
    async fn release_nothing(&self, key: &SessionKey) -> Result<Answer, SessionError> {
        Ok(match self.service.get(key, Duration::ZERO).await? {
            GetOutcome::Found(item) => Answer::Done { initialize: item.uninitialized },
            GetOutcome::Missing => Answer::NotFound,
            GetOutcome::Locked(lock) => self.locked(key, lock),
        })
    }

    async fn set(
        &self,
        key: &SessionKey,
        body: Bytes,
        idle_timeout: u32,
        lock_cookie: LockCookie,
    ) -> Result<Answer, SessionError> {
        let lock_id = match lock_cookie {
            LockCookie::Given(lock) => lock,
            LockCookie::Absent => None,
            // The real service looks at the cookie only if there is a session whose lock it could be.
            LockCookie::Invalid => match self.refuse_if_present(key).await? {
                Answer::NotFound => None,
                refusal => return Ok(refusal),
            },
        };
        let options = WriteOptions { lock_id, ..WriteOptions::default() };
        Ok(match self.service.set_and_release(key, new_data(body, idle_timeout), options).await? {
            SetOutcome::Done(_) => Answer::Done { initialize: false },
            SetOutcome::Locked(lock) => self.locked(key, lock),
            // Stale cannot be, for no condition was made; like a session that vanished, nothing was stored.
            SetOutcome::Missing | SetOutcome::Stale(_) => Answer::NotFound,
        })
    }

    async fn create_uninitialized(
        &self,
        key: &SessionKey,
        body: Bytes,
        idle_timeout: u32,
    ) -> Result<Answer, SessionError> {
        self.service.create_uninitialized(key, new_data(body, idle_timeout)).await?;
        Ok(Answer::Done { initialize: false })
    }

    async fn remove(&self, key: &SessionKey, lock_cookie: LockCookie) -> Result<Answer, SessionError> {
        let lock_id = match lock_cookie {
            LockCookie::Given(lock) => lock,
            LockCookie::Absent => None,
            LockCookie::Invalid => return self.refuse_if_present(key).await,
        };
        Ok(match self.service.remove(key, lock_id).await? {
            RemoveOutcome::Done(_) => Answer::Done { initialize: false },
            RemoveOutcome::Missing => Answer::NotFound,
            RemoveOutcome::Locked(lock) => self.locked(key, lock),
        })
    }

    async fn reset_timeout(&self, key: &SessionKey) -> Result<Answer, SessionError> {
        Ok(match self.service.reset_timeout(key).await? {
            ResetOutcome::Done => Answer::Done { initialize: false },
            ResetOutcome::Missing => Answer::NotFound,
        })
    }

    /// The answer to a request whose `LockCookie` is wrong in itself: the real service looks the session up first,
    /// which says 404 where there is none and otherwise slides its expiry.
    async fn refuse_if_present(&self, key: &SessionKey) -> Result<Answer, SessionError> {
        Ok(match self.service.reset_timeout(key).await? {
            ResetOutcome::Done => Answer::BadRequest,
            ResetOutcome::Missing => Answer::NotFound,
        })
    }

    fn locked(&self, key: &SessionKey, lock: Lock) -> Answer {
        Answer::Locked { lock: lock.id, date: self.lock_dates.ticks(key, lock), age: lock.age.as_secs() }
    }
}

fn new_data(body: Bytes, idle_timeout: u32) -> NewData {
    NewData { payload: body.into(), idle_timeout: Some(idle_timeout), ..NewData::default() }
}

fn found(item: Item, lock: Option<LockId>) -> Answer {
    let timeout = minutes(item.data.idle_timeout);
    let body = item.data.payload.bytes();
    let body = if body.is_empty() { empty_block(timeout) } else { body.clone() };
    Answer::Item { body, timeout, initialize: item.uninitialized, lock }
}

/// Minutes that are not shorter than so many seconds, within what the protocol can say and take back.
fn minutes(idle_timeout: u32) -> u32 {
    idle_timeout.div_ceil(60).min(MAX_TIMEOUT)
}

fn verdict_on(error: SessionError, is_write: bool) -> Verdict {
    match error {
        SessionError::Key(_) | SessionError::Store { error: StoreError::InvalidArgument(_), .. } => {
            Verdict::Answer(Answer::BadRequest)
        }
        // Nobody can have stored anything under such an ID, and nobody shall.
        SessionError::ForgedId { .. } if is_write => Verdict::Answer(Answer::BadRequest),
        SessionError::ForgedId { .. } => Verdict::Answer(Answer::NotFound),
        SessionError::PayloadTooLarge { .. } => Verdict::LastAnswer(Answer::BadRequest, error),
        SessionError::Unsupported { .. } | SessionError::Store { .. } | SessionError::Plugin { .. } => {
            Verdict::Silence(error)
        }
    }
}
