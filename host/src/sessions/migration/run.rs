//! All sessions of a store: page by page, then those that were locked.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::{
    task::yield_now,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    request::MigrationRequest,
    session::{Outcome, Transfer, TransferError, Transferred},
    status::{MigrationState, MigrationStatus},
};
use crate::contract::{SessionKey, SessionPage};

/// How many sessions are under way at a time.
const AT_A_TIME: usize = 8;

/// How often a page that could not be read is asked for.
const PAGE_ATTEMPTS: u32 = 5;

/// The pause before it is asked for again, and before sessions are tried again that were locked or failed.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a session is waited for in line before others have their turn.
const TURN: Duration = Duration::from_secs(1);

/// A migration that runs.
pub(super) struct Run {
    pub(super) transfer: Transfer,
    pub(super) request: MigrationRequest,
    pub(super) status: Arc<Mutex<MigrationStatus>>,
    pub(super) stop: CancellationToken,
    pub(super) pace: Option<Pace>,
}

/// How fast sessions are dealt with at the most.
pub(super) struct Pace {
    gap: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// So many in a second.
    pub(super) fn new(rate: NonZeroU32) -> Self {
        Self { gap: Duration::from_secs(1) / rate.get(), next: Mutex::new(Instant::now()) }
    }

    async fn turn(&self) {
        let turn = {
            let mut next = self.next.lock();
            let turn = (*next).max(Instant::now());
            *next = turn + self.gap;
            turn
        };
        sleep_until(turn).await;
    }
}

/// A session that is to be tried again.
struct Later {
    key: SessionKey,
    /// Why it failed; nothing if it was locked.
    error: Option<TransferError>,
}

impl Run {
    /// Deals with all sessions.
    pub(super) async fn finish(self) {
        let began = Instant::now();
        let ended = {
            let work = self.work();
            tokio::pin!(work);
            loop {
                match timeout(PAUSE, &mut work).await {
                    Ok(ended) => break ended,
                    Err(_) => self.status.lock().elapsed_ms = millis(began.elapsed()),
                }
            }
        };
        let mut status = self.status.lock();
        status.elapsed_ms = millis(began.elapsed());
        status.state = match ended {
            Ok(()) if self.stop.is_cancelled() => MigrationState::Stopped,
            Ok(()) => MigrationState::Done,
            Err(error) => {
                status.reason = Some(error.to_string());
                MigrationState::Failed
            }
        };
        let MigrationStatus { from, to, seen, copied, unchanged, removed, locked, failed, .. } = &*status;
        let (state, took) = (status.state, began.elapsed());
        tracing::info!(from, to, ?state, seen, copied, unchanged, removed, locked, failed, ?took, "migration ended");
    }

    async fn work(&self) -> Result<(), TransferError> {
        let mut later = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.page(cursor.as_deref()).await?;
            cursor = page.next;
            self.status.lock().seen += u64::try_from(page.sessions.len()).unwrap_or(u64::MAX);
            let mut under_way = stream::iter(page.sessions)
                .map(|listed| async move {
                    if self.stop.is_cancelled() {
                        return None;
                    }
                    if self.transfer.is_settled(&listed) {
                        return Some((listed.key, Ok((Outcome::Unchanged, false))));
                    }
                    if let Some(pace) = &self.pace {
                        pace.turn().await;
                    }
                    // A provider that never waits would keep the thread for itself.
                    yield_now().await;
                    let transferred = self.transfer.now(&listed).await;
                    Some((listed.key, transferred))
                })
                .buffer_unordered(AT_A_TIME);
            while let Some(done) = under_way.next().await {
                later.extend(done.and_then(|(key, transferred)| self.count(key, transferred)));
                self.show_waiting(later.len());
            }
            if cursor.is_none() || self.stop.is_cancelled() {
                break;
            }
        }
        self.wait_for(later).await;
        if !self.stop.is_cancelled() && self.request.application.is_none() {
            self.transfer.ledger.lock().forget_unseen()?;
        }
        Ok(())
    }

    /// Tries those again that were locked or failed, until none is left or the time for that is over.
    async fn wait_for(&self, mut later: Vec<Later>) {
        let deadline = Instant::now() + self.request.wait;
        while !later.is_empty() && !self.stop.is_cancelled() && Instant::now() < deadline {
            let turn = TURN.min(deadline.saturating_duration_since(Instant::now()));
            let began = Instant::now();
            let mut under_way = stream::iter(later)
                .map(|Later { key, error }| async move {
                    if self.stop.is_cancelled() {
                        return Some(Later { key, error });
                    }
                    if let Some(pace) = &self.pace {
                        pace.turn().await;
                    }
                    let transferred = self.transfer.later(&key, error.is_none(), turn).await;
                    self.count(key, transferred)
                })
                .buffer_unordered(AT_A_TIME);
            let mut left = Vec::new();
            while let Some(still) = under_way.next().await {
                left.extend(still);
            }
            drop(under_way);
            later = left;
            self.show_waiting(later.len());
            if !later.is_empty() && began.elapsed() < PAUSE {
                sleep(PAUSE).await;
            }
        }
        let mut status = self.status.lock();
        status.waiting = 0;
        for Later { error, .. } in later {
            match error {
                None => status.locked += 1,
                Some(error) => status.has_failed(&error),
            }
        }
    }

    /// A page of the source's sessions.
    async fn page(&self, cursor: Option<&str>) -> Result<SessionPage, TransferError> {
        let mut attempts = PAGE_ATTEMPTS;
        loop {
            attempts -= 1;
            match self.transfer.source.scan(self.request.application.as_deref(), cursor).await {
                Err(error) if attempts > 0 && !self.stop.is_cancelled() => {
                    tracing::warn!(%error, "the sessions to migrate could not be listed; trying again");
                    sleep(PAUSE).await;
                }
                page => return Ok(page?),
            }
        }
    }

    /// Counts what became of a session; it comes back if it is to be tried again.
    fn count(&self, key: SessionKey, transferred: Transferred) -> Option<Later> {
        let (outcome, removed) = match transferred {
            Ok((Outcome::Locked, _)) => return Some(Later { key, error: None }),
            Err(error) if error.may_pass() => return Some(Later { key, error: Some(error) }),
            Err(error) => {
                self.status.lock().has_failed(&error);
                return None;
            }
            Ok(done) => done,
        };
        let mut status = self.status.lock();
        status.removed += u64::from(removed);
        match outcome {
            Outcome::Copied(bytes) => {
                status.copied += 1;
                status.copied_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
            }
            Outcome::Unchanged => status.unchanged += 1,
            Outcome::NewerAtTarget => status.newer_at_target += 1,
            Outcome::EndedAtTarget => status.ended_at_target += 1,
            Outcome::OtherAtTarget => status.other_at_target += 1,
            Outcome::Gone | Outcome::Locked => status.gone += 1,
        }
        None
    }

    fn show_waiting(&self, count: usize) {
        self.status.lock().waiting = u64::try_from(count).unwrap_or(u64::MAX);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
