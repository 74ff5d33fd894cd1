//! One check of one rule on a provider: a store of its own, and every call written down.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    clock::UnixMillis,
    contract::{
        Condition, GetExclusiveOutcome, GetOutcome, LockId, Payload, ReleaseOutcome, RemoveOutcome, RenameOutcome,
        ResetOutcome, SessionData, SessionKey, SessionPage, SetOutcome,
    },
    plugins::{CallError, PluginError, Provider},
};

use super::{
    answer::Answer,
    finding::{Checked, Finding},
    rule::Needs,
    sink::Collector,
    subject::Subject,
    transcript::Transcript,
    wording::{describe_page, describe_set, lock_text, name},
};

/// Idle timeout of the sessions in a check, seconds, where time can be moved.
const IDLE: u32 = 1200;
/// The same where a check has to wait for it. A provider may skip slides of under a second, so not much shorter.
const IDLE_IN_REAL_TIME: u32 = 4;
/// The same in a check that waits for nothing to expire, and whose work may take long in a slow store.
const IDLE_WHILE_AT_WORK: u32 = 120;

/// The pause before a lock is tried again in a store outside the host.
const PAUSE: Duration = Duration::from_millis(2);

/// A provider in a store that no other check uses. Clones are the same trial.
#[derive(Clone)]
pub(super) struct Trial {
    provider: Provider,
    subject: Arc<Subject>,
    store: Arc<str>,
    transcript: Transcript,
    /// Whether single calls are written down. Off in races, where only the sum tells anything.
    writing: bool,
    /// The idle timeout that sessions of this check have, seconds.
    idle: u32,
}

impl Trial {
    /// A trial in a fresh store.
    pub(super) async fn begin(subject: &Arc<Subject>, transcript: &Transcript) -> Checked<Self> {
        Self::in_store(subject, transcript, subject.fresh_store().into()).await
    }

    async fn in_store(subject: &Arc<Subject>, transcript: &Transcript, store: Arc<str>) -> Checked<Self> {
        match subject.provider(&store).await {
            Ok(provider) => {
                let idle = if provider.waits() { IDLE_IN_REAL_TIME } else { IDLE };
                let (subject, transcript) = (subject.clone(), transcript.clone());
                Ok(Self { provider, subject, store, transcript, writing: true, idle })
            }
            Err(error) => {
                transcript.note(format!("initialize(store {store}) -> {error}"));
                Err(Finding::Unjudged { reason: format!("the component could not be initialized: {error}") })
            }
        }
    }

    /// Whether a rule that needs this applies.
    pub(super) fn has(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::Rename => self.provider.can_rename(),
            Needs::Index => self.provider.can_list(),
            Needs::Scan => self.provider.can_scan(),
            Needs::RenameAndIndex => self.provider.can_rename() && self.provider.can_list(),
            Needs::SharedSessions => !self.provider.keeps_sessions_in_memory(),
            Needs::ExpiryReports => self.provider.reports_expiry(),
            Needs::MovableClock => !self.provider.waits(),
            Needs::Verifiable | Needs::AspNetForm => false,
        }
    }

    /// The same component as the provider of another store.
    pub(super) async fn another_store(&self) -> Checked<Self> {
        self.note("in another store:");
        Self::begin(&self.subject, &self.transcript).await
    }

    /// The same store, served by a newly made pool of instances.
    pub(super) async fn same_store_anew(&self) -> Checked<Self> {
        self.note("through a new pool of instances for the same store:");
        Self::in_store(&self.subject, &self.transcript, self.store.clone()).await
    }

    /// The same trial with sessions that do not expire while it goes on, however slow the store is.
    pub(super) fn at_work(self) -> Self {
        Self { idle: self.idle.max(IDLE_WHILE_AT_WORK), ..self }
    }

    /// The idle timeout that sessions of this check have, seconds.
    pub(super) fn idle(&self) -> u32 {
        self.idle
    }

    /// Session data with some text as payload and the usual idle timeout.
    pub(super) fn data(&self, text: &str) -> SessionData {
        SessionData {
            payload: Payload::new(Bytes::copy_from_slice(text.as_bytes())),
            idle_timeout: self.idle(),
            latest_expiry: None,
            subject: None,
        }
    }

    /// The time on the host's clock.
    pub(super) fn now(&self) -> UnixMillis {
        self.subject.clock.now()
    }

    /// The time that is this many hundredths of the idle timeout from now.
    pub(super) fn in_percent_of_idle(&self, percent: u32) -> UnixMillis {
        self.now() + self.share_of_idle(percent)
    }

    /// This many hundredths of the idle timeout.
    pub(super) fn share_of_idle(&self, percent: u32) -> Duration {
        Duration::from_secs(u64::from(self.idle())) * percent / 100
    }

    /// Lets this many hundredths of the idle timeout pass.
    pub(super) async fn pass_percent_of_idle(&self, percent: u32) {
        self.pass(self.share_of_idle(percent)).await;
    }

    /// Lets time pass: moves the clock, or waits where the store is outside the host.
    pub(super) async fn pass(&self, time: Duration) {
        self.note(format!("-- {} s pass --", time.as_secs_f32()));
        if self.provider.waits() {
            tokio::time::sleep(time).await;
        } else {
            self.subject.clock.advance(time);
        }
    }

    /// Lets whoever has a lock get on with it. Where the store is outside the host, asking again at once would keep it
    /// busy with nothing else.
    pub(super) async fn let_others_get_on(&self) {
        if self.provider.waits() {
            tokio::time::sleep(PAUSE).await;
        } else {
            tokio::task::yield_now().await;
        }
    }

    /// Writes a line into the transcript.
    pub(super) fn note(&self, line: impl Into<String>) {
        self.transcript.note(line);
    }

    /// How the component failed in calls so far, whichever rule called.
    pub(super) fn failures(&self) -> Vec<PluginError> {
        self.subject.failures()
    }

    /// The transcript, for a listener that writes into it.
    pub(super) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// The same trial, without writing single calls down: for races, where only the sum tells anything.
    pub(super) fn quietly(&self) -> Self {
        Self { writing: false, ..self.clone() }
    }

    /// How often a check can afford a pair of get-exclusive and set-and-release: `most`, or as often as takes about
    /// a fifth of a second by the quickest of a few pairs, but `least` at any rate. The quickest, because a busy machine
    /// is no reason to look less closely.
    pub(super) async fn affordable(&self, least: usize, most: usize) -> Checked<usize> {
        const PAIRS: usize = 10;
        const BUDGET: Duration = Duration::from_millis(200);
        let (quiet, one) = (self.quietly(), key("pace")?);
        quiet.set(&one, self.data("pace")).await?.stored()?;
        let mut pair = BUDGET;
        for _ in 0..PAIRS {
            let begin = Instant::now();
            let (_, lock_id) = quiet.get_exclusive(&one).await?.taken()?;
            quiet.set_and_release(&one, self.data("pace"), lock_id).await?.stored()?;
            pair = pair.min(begin.elapsed()).max(Duration::from_nanos(1));
        }
        let pairs = BUDGET.as_nanos() / pair.as_nanos();
        Ok(usize::try_from(pairs).unwrap_or(most).clamp(least, most))
    }

    // The operations of the contract. Each writes itself down and turns a failed call into a finding.

    pub(super) async fn create_new_data(&self, idle_timeout: u32) -> Checked<SessionData> {
        let result = self.provider.create_new_data(idle_timeout).await;
        self.settle(
            result,
            || format!("create-new-data({idle_timeout} s)"),
            |data| format!("{} bytes, {} s", data.payload.len(), data.idle_timeout),
        )
    }

    pub(super) async fn create_uninitialized(&self, key: &SessionKey, data: SessionData) -> Checked {
        let bytes = data.payload.len();
        let result = self.provider.create_uninitialized(key, data).await;
        self.settle(result, || format!("create-uninitialized({}, {bytes} bytes)", name(key)), |()| "done".to_owned())
    }

    pub(super) async fn get(&self, key: &SessionKey) -> Checked<GetOutcome> {
        let result = self.provider.get(key).await;
        self.settle(result, || format!("get({})", name(key)), Answer::describe)
    }

    pub(super) async fn peek(&self, key: &SessionKey) -> Checked<GetOutcome> {
        let result = self.provider.peek(key).await;
        self.settle(result, || format!("peek({})", name(key)), Answer::describe)
    }

    pub(super) async fn get_exclusive(&self, key: &SessionKey) -> Checked<GetExclusiveOutcome> {
        let result = self.provider.get_exclusive(key).await;
        self.settle(result, || format!("get-exclusive({})", name(key)), Answer::describe)
    }

    /// Stores without a lock id and without a condition.
    pub(super) async fn set(&self, key: &SessionKey, data: SessionData) -> Checked<SetOutcome> {
        self.set_with(key, data, None, Condition::None, false).await
    }

    /// Stores with a lock id and without a condition.
    pub(super) async fn set_and_release(
        &self,
        key: &SessionKey,
        data: SessionData,
        lock_id: LockId,
    ) -> Checked<SetOutcome> {
        self.set_with(key, data, Some(lock_id.get()), Condition::None, false).await
    }

    /// Stores under a condition and without a lock id.
    pub(super) async fn set_if(
        &self,
        key: &SessionKey,
        data: SessionData,
        condition: Condition,
    ) -> Checked<SetOutcome> {
        self.set_with(key, data, None, condition, false).await
    }

    pub(super) async fn set_with(
        &self,
        key: &SessionKey,
        data: SessionData,
        lock_id: Option<u32>,
        condition: Condition,
        keep_lock: bool,
    ) -> Checked<SetOutcome> {
        let call = self.writing.then(|| describe_set(key, &data, lock_id, condition, keep_lock));
        let result = self.provider.set_and_release(key, data, lock_id, condition, keep_lock).await;
        self.settle(result, || call.unwrap_or_else(|| "set-and-release".to_owned()), Answer::describe)
    }

    pub(super) async fn release(&self, key: &SessionKey, lock_id: u32) -> Checked<ReleaseOutcome> {
        let result = self.provider.release_exclusive(key, lock_id).await;
        self.settle(result, || format!("release-exclusive({}, lock {lock_id})", name(key)), Answer::describe)
    }

    pub(super) async fn remove(&self, key: &SessionKey, lock_id: Option<u32>) -> Checked<RemoveOutcome> {
        self.remove_with(key, lock_id, false).await
    }

    pub(super) async fn remove_with(
        &self,
        key: &SessionKey,
        lock_id: Option<u32>,
        want_item: bool,
    ) -> Checked<RemoveOutcome> {
        let result = self.provider.remove(key, lock_id, want_item).await;
        let wanting = if want_item { ", want-item" } else { "" };
        self.settle(result, || format!("remove({}{}{wanting})", name(key), lock_text(lock_id)), Answer::describe)
    }

    pub(super) async fn reset_timeout(&self, key: &SessionKey) -> Checked<ResetOutcome> {
        let result = self.provider.reset_timeout(key).await;
        self.settle(result, || format!("reset-timeout({})", name(key)), Answer::describe)
    }

    /// Sweeps once.
    pub(super) async fn sweep(&self, limit: u32, sink: &Arc<Collector>) -> Checked<bool> {
        let result = self.provider.sweep(limit, sink.clone()).await;
        self.settle(
            result,
            || format!("sweep(limit {limit})"),
            |more| if *more { "there may be more" } else { "no more" }.to_owned(),
        )
    }

    /// Sweeps until there is no more; how many calls it took.
    pub(super) async fn sweep_all(&self, limit: u32, sink: &Arc<Collector>) -> Checked<u32> {
        /// More calls than any check has sessions.
        const PATIENCE: u32 = 200;
        for calls in 1..=PATIENCE {
            if !self.sweep(limit, sink).await? {
                return Ok(calls);
            }
        }
        Err(Finding::broken("sweep says `no more` at some time", format!("`there may be more` {PATIENCE} times")))
    }

    pub(super) async fn rename(&self, key: &SessionKey, new_id: &str, lock_id: Option<u32>) -> Checked<RenameOutcome> {
        let result = self.provider.rename(key, new_id, lock_id).await;
        self.settle(result, || format!("rename({} to {new_id}{})", name(key), lock_text(lock_id)), Answer::describe)
    }

    pub(super) async fn list(
        &self,
        application: &str,
        subject: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Checked<SessionPage> {
        let result = self.provider.list(application, subject, cursor, limit).await;
        let from = if cursor.is_some() { "next page" } else { "first page" };
        self.settle(result, || format!("list({application}, {subject}, {from}, limit {limit})"), describe_page)
    }

    pub(super) async fn scan(
        &self,
        application: Option<&str>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Checked<SessionPage> {
        let result = self.provider.scan(application, cursor, limit).await;
        let of = application.unwrap_or("all applications");
        let from = if cursor.is_some() { "next page" } else { "first page" };
        self.settle(result, || format!("scan({of}, {from}, limit {limit})"), describe_page)
    }

    /// The provider itself, for calls that must end in an error.
    pub(super) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Writes a call down as it ended, error or not, and remembers failures of the component.
    pub(super) fn settle_raw<T>(
        &self,
        result: Result<T, CallError>,
        call: impl FnOnce() -> String,
        describe: impl FnOnce(&T) -> String,
    ) -> Result<T, CallError> {
        if self.writing || result.is_err() {
            self.transcript.note_call(&result, call, describe);
        }
        self.subject.noticing(result)
    }

    fn settle<T>(
        &self,
        result: Result<T, CallError>,
        call: impl FnOnce() -> String,
        describe: impl FnOnce(&T) -> String,
    ) -> Checked<T> {
        Ok(self.settle_raw(result, call, describe)?)
    }
}

/// The application that the sessions of a check belong to, where it does not matter which.
pub(super) const APPLICATION: &str = "shop";

/// The key of a session in the usual application.
pub(super) fn key(id: &str) -> Checked<SessionKey> {
    Ok(SessionKey::new(APPLICATION, id)?)
}
