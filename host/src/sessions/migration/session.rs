//! One session: what is to be done about it, and doing it.

use std::{io, sync::Arc, time::Duration};

use parking_lot::Mutex;
use thiserror::Error;
use tokio::time::sleep;

use super::ledger::{Ledger, Made};
use crate::{
    clock::UnixMillis,
    contract::{
        Condition, GetExclusiveOutcome, GetOutcome, Item, LockId, RemoveOutcome, ResetOutcome, SessionKey,
        SessionSummary, SetOutcome, StoreError,
    },
    sessions::{SessionError, store::Store},
};

/// By how much a session may outlive its copy before the copy is touched. Slides of under a second are not made, and the
/// clocks of two databases are not one.
const SLACK: Duration = Duration::from_secs(2);

/// How often the release of a lock is tried, and the pause after the first time; it doubles.
const RELEASES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What became of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// So many bytes were stored at the target.
    Copied(usize),
    /// The target has it.
    Unchanged,
    /// Both have changed; the target's was left.
    NewerAtTarget,
    /// It has ended at the target.
    EndedAtTarget,
    /// The target has another one, and nobody knows where from.
    OtherAtTarget,
    /// It has ended at the source.
    Gone,
    /// Somebody holds its lock, here or there.
    Locked,
}

impl Outcome {
    /// Whether the source need not keep it.
    fn is_settled(self) -> bool {
        match self {
            Self::Copied(_) | Self::Unchanged | Self::NewerAtTarget | Self::EndedAtTarget => true,
            Self::OtherAtTarget | Self::Gone | Self::Locked => false,
        }
    }
}

/// Why a session could not be dealt with.
#[derive(Debug, Error)]
pub(super) enum TransferError {
    /// One of the stores says so.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It was copied, and that could not be taken down.
    #[error("the data directory cannot be written to: {0}")]
    Ledger(#[from] io::Error),
}

impl TransferError {
    /// Whether the same may succeed in a moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Session(SessionError::Store { error, .. }) => !matches!(error, StoreError::InvalidArgument(_)),
            Self::Session(SessionError::Plugin { .. }) | Self::Ledger(_) => true,
            Self::Session(_) => false,
        }
    }
}

/// Two stores, and what is known of copies.
pub(super) struct Transfer {
    pub(super) source: Arc<Store>,
    pub(super) target: Arc<Store>,
    pub(super) ledger: Mutex<Ledger>,
    /// Whether sessions are deleted at the source once they are at the target.
    pub(super) moves: bool,
    /// Whether nothing is stored or deleted.
    pub(super) dry_run: bool,
}

/// What became of a session, and whether it was deleted at the source.
pub(super) type Transferred = Result<(Outcome, bool), TransferError>;

impl Transfer {
    /// Whether what is listed of a session shows that there is nothing to do.
    pub(super) fn is_settled(&self, listed: &SessionSummary) -> bool {
        let copy = self.ledger.lock().find(&listed.key);
        !self.moves
            && copy.is_some_and(|copy| copy.is_of(listed.created, listed.version) && outlives(&copy, listed.expires))
    }

    /// Deals with a session now, unless it is locked. Copying takes no lock and slides no expiry: what is read at once
    /// is whole, and a change right after it is the next run's.
    pub(super) async fn now(&self, listed: &SessionSummary) -> Transferred {
        let key = &listed.key;
        if self.moves && !self.dry_run {
            return self.under_lock(key, Some(listed), Duration::ZERO).await;
        }
        if listed.locked {
            return Ok((Outcome::Locked, false));
        }
        self.at_a_glance(key).await
    }

    /// Deals with a session again. For the lock of one that was locked it waits in line, like a client.
    pub(super) async fn later(&self, key: &SessionKey, was_locked: bool, wait: Duration) -> Transferred {
        if self.dry_run || !(self.moves || was_locked) {
            return self.at_a_glance(key).await;
        }
        self.under_lock(key, None, wait).await
    }

    async fn at_a_glance(&self, key: &SessionKey) -> Transferred {
        Ok(match self.source.peek(key).await? {
            GetOutcome::Missing => (Outcome::Gone, false),
            GetOutcome::Locked(_) => (Outcome::Locked, false),
            GetOutcome::Found(item) => (self.bring(key, &item).await?, false),
        })
    }

    async fn under_lock(&self, key: &SessionKey, listed: Option<&SessionSummary>, wait: Duration) -> Transferred {
        let (mut item, lock_id) = match self.source.hold(key, wait).await? {
            GetExclusiveOutcome::Missing => return Ok((Outcome::Gone, false)),
            GetExclusiveOutcome::Locked(_) => return Ok((Outcome::Locked, false)),
            GetExclusiveOutcome::Found(item, lock_id) => (item, lock_id),
        };
        if let Some(listed) = listed {
            // Taking the lock has moved the expiry, which is no use of the session that its copy would have to follow.
            item.expires = listed.expires;
        }
        let brought = self.bring(key, &item).await;
        if !self.moves || !brought.as_ref().is_ok_and(|outcome| outcome.is_settled()) {
            self.let_go(key, &item, lock_id).await;
            return brought.map(|outcome| (outcome, false));
        }
        match self.source.give_away(key, lock_id).await {
            Ok(RemoveOutcome::Done(_) | RemoveOutcome::Missing) => brought.map(|outcome| (outcome, true)),
            // Somebody broke the lock, and somebody else has it.
            Ok(RemoveOutcome::Locked(_)) => Ok((Outcome::Locked, false)),
            Err(error) => {
                self.let_go(key, &item, lock_id).await;
                Err(error.into())
            }
        }
    }

    /// Gives a lock back. Nobody else knows its lock id, so it is tried for a while.
    async fn let_go(&self, key: &SessionKey, item: &Item, lock_id: LockId) {
        self.source.begin_if_unread(key, item);
        let mut pause = FIRST_PAUSE;
        for _ in 0..RELEASES {
            match self.source.let_go(key, lock_id).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(
                        application = key.application(),
                        %error,
                        "the lock of a session that was to be migrated could not be released; if that stays so, somebody \
                         has to break it"
                    );
                    sleep(pause).await;
                    pause *= 2;
                }
            }
        }
    }

    /// Sees that the target has a session as the source has it.
    async fn bring(&self, key: &SessionKey, item: &Item) -> Result<Outcome, TransferError> {
        let copy = self.ledger.lock().find(key);
        let Some(copy) = copy else { return self.insert(key, item).await };
        if item.uninitialized || copy.version == 0 {
            return self.compare(key, item, Some(copy)).await;
        }
        if !copy.is_of(item.created, item.version) {
            return self.replace(key, item, copy).await;
        }
        if outlives(&copy, item.expires) {
            return Ok(Outcome::Unchanged);
        }
        self.touch(key, item, copy).await
    }

    /// Brings a session that, as far as is known, the target does not have.
    async fn insert(&self, key: &SessionKey, item: &Item) -> Result<Outcome, TransferError> {
        if self.dry_run || item.uninitialized {
            return self.compare(key, item, None).await;
        }
        match self.target.take_over(key, item, Condition::MustBeNew).await? {
            SetOutcome::Done(version) => self.copied(key, item, version),
            SetOutcome::Locked(_) => Ok(Outcome::Locked),
            SetOutcome::Stale(_) | SetOutcome::Missing => self.compare(key, item, None).await,
        }
    }

    /// Brings a session that was copied before and has changed since, if its copy has not.
    async fn replace(&self, key: &SessionKey, item: &Item, copy: Made) -> Result<Outcome, TransferError> {
        if self.dry_run {
            return Ok(match self.target.peek(key).await? {
                GetOutcome::Found(found) if found.version == copy.copy => would_copy(item),
                GetOutcome::Found(_) => Outcome::NewerAtTarget,
                GetOutcome::Locked(_) => Outcome::Locked,
                GetOutcome::Missing if self.has_ended(copy) => Outcome::EndedAtTarget,
                GetOutcome::Missing => would_copy(item),
            });
        }
        match self.target.take_over(key, item, Condition::IfVersion(copy.copy)).await? {
            SetOutcome::Done(version) => self.copied(key, item, version),
            SetOutcome::Locked(_) => Ok(Outcome::Locked),
            SetOutcome::Stale(0) | SetOutcome::Missing if self.has_ended(copy) => Ok(Outcome::EndedAtTarget),
            SetOutcome::Stale(0) | SetOutcome::Missing => self.insert(key, item).await,
            SetOutcome::Stale(_) => Ok(Outcome::NewerAtTarget),
        }
    }

    /// Has the copy of a session that was read since live on, which would expire before it.
    async fn touch(&self, key: &SessionKey, item: &Item, copy: Made) -> Result<Outcome, TransferError> {
        if self.dry_run {
            return Ok(Outcome::Unchanged);
        }
        match self.target.reset_timeout(key).await? {
            ResetOutcome::Done => {
                let expires = self.target.expiry_of(item).unwrap_or(Made::NEVER);
                self.ledger.lock().record(key, Made { expires, ..copy })?;
                Ok(Outcome::Unchanged)
            }
            ResetOutcome::Missing if self.has_ended(copy) => Ok(Outcome::EndedAtTarget),
            ResetOutcome::Missing => self.insert(key, item).await,
        }
    }

    /// Looks at what the target has. For the rare cases: what it has comes from nobody knows where, or nobody has read
    /// the session yet, which a store does not take under a condition.
    async fn compare(&self, key: &SessionKey, item: &Item, copy: Option<Made>) -> Result<Outcome, TransferError> {
        let found = match self.target.peek(key).await? {
            GetOutcome::Locked(_) => return Ok(Outcome::Locked),
            GetOutcome::Missing if copy.is_some_and(|copy| self.has_ended(copy)) => return Ok(Outcome::EndedAtTarget),
            GetOutcome::Missing => None,
            GetOutcome::Found(found) => Some(found),
        };
        let Some(found) = found else {
            if self.dry_run {
                return Ok(would_copy(item));
            }
            if item.uninitialized {
                self.target.take_over_unread(key, item).await?;
                return self.copied(key, item, 1);
            }
            return match self.target.take_over(key, item, Condition::MustBeNew).await? {
                SetOutcome::Done(version) => self.copied(key, item, version),
                SetOutcome::Locked(_) => Ok(Outcome::Locked),
                // Somebody was quicker this time.
                SetOutcome::Stale(_) | SetOutcome::Missing => Ok(Outcome::OtherAtTarget),
            };
        };
        if is_same(&found, item) && found.uninitialized == item.uninitialized {
            if !self.dry_run {
                let copy = Made::of(item, found.version, found.expires);
                self.ledger.lock().record(key, copy)?;
            }
            return Ok(Outcome::Unchanged);
        }
        let is_untouched = copy.is_some_and(|copy| copy.copy == found.version) || is_same(&found, item);
        if !is_untouched || item.uninitialized {
            return Ok(if copy.is_some() { Outcome::NewerAtTarget } else { Outcome::OtherAtTarget });
        }
        if self.dry_run {
            return Ok(would_copy(item));
        }
        match self.target.take_over(key, item, Condition::IfVersion(found.version)).await? {
            SetOutcome::Done(version) => self.copied(key, item, version),
            SetOutcome::Locked(_) => Ok(Outcome::Locked),
            SetOutcome::Stale(_) | SetOutcome::Missing => Ok(Outcome::NewerAtTarget),
        }
    }

    fn copied(&self, key: &SessionKey, item: &Item, version: u64) -> Result<Outcome, TransferError> {
        self.ledger.lock().record(key, Made::of(item, version, self.target.expiry_of(item)))?;
        Ok(would_copy(item))
    }

    /// Whether a copy that is not there any more was removed: it could not have expired yet. One that has expired was
    /// not used at the target, while the session lives on at the source.
    fn has_ended(&self, copy: Made) -> bool {
        self.target.now() < copy.expires
    }
}

fn would_copy(item: &Item) -> Outcome {
    Outcome::Copied(item.data.payload.len())
}

/// Whether a copy lives as long as its session does, which expires then unless it is touched again.
fn outlives(copy: &Made, expires: Option<UnixMillis>) -> bool {
    expires.unwrap_or(Made::NEVER) <= copy.expires + SLACK
}

/// Whether two sessions hold the same.
fn is_same(left: &Item, right: &Item) -> bool {
    let subject = |item: &Item| item.data.subject.clone().filter(|subject| !subject.is_empty());
    left.data.payload == right.data.payload
        && left.data.idle_timeout == right.data.idle_timeout
        && subject(left) == subject(right)
}
