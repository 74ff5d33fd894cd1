//! Whether a build of a plugin is called for a store. One that keeps failing is backed off for a moment that doubles,
//! then quarantined; meanwhile calls are answered at once, and when the moment is over one call is let through to try
//! it. If that succeeds the build is called again, and is on probation for as long as it was not, and until it has
//! answered some calls: one that can do some things and fails at others would use up everybody's patience again and again.
//!
//! Failures are those of the plugin: traps, limits, answers that the contract does not allow. An error that the contract
//! has is an answer of a plugin that works. Each store's use of a plugin has a health of its own, because it may be
//! the store's settings that the plugin fails at, and each build, because another one may be what mends it.

mod pause;

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;

use self::pause::Pause;
use super::{CallError, PluginError, PluginFailure, Suspension, counters::Counters};
use crate::clock::{Clock, UnixMillis};

/// What the two states are called.
pub(super) const BACKING_OFF: &str = "backing-off";
pub(super) const QUARANTINED: &str = "quarantined";

/// How many failures more than successes are taken for bad luck.
const PATIENCE: u32 = 5;

/// How many calls a build has to answer on probation. That nobody called it proves nothing.
const PROOFS: u32 = 5;

/// Whose health it is.
pub(super) struct Patient {
    pub(super) plugin: Arc<str>,
    pub(super) store: String,
    /// Whether failures are counted; the conformance kit has components fail as often as it likes.
    pub(super) is_supervised: bool,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Clock,
}

/// The health of a build in its use by a store.
pub(super) struct Health {
    patient: Patient,
    /// Whether it is anything but sound: all that a call into a sound build looks at.
    is_failing: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Since the build was sound, less those that a success made up for.
    failures: u32,
    /// The last of them.
    last: Arc<str>,
    standing: Standing,
}

#[derive(Default)]
enum Standing {
    #[default]
    Called,
    /// Called again since it worked. If it fails before this is over, its next pause is longer than the last.
    OnProbation(Probation),
    Suspended(Pause),
}

/// After a pause, at least for as long again.
struct Probation {
    time: Pause,
    /// Calls that it has answered.
    proofs: u32,
}

impl State {
    /// Makes it sound again if its probation is over.
    fn end_probation(&mut self, now: UnixMillis) {
        if let Standing::OnProbation(Probation { time, proofs }) = &self.standing
            && *proofs >= PROOFS
            && time.is_over(now)
        {
            *self = Self::default();
        }
    }
}

impl Health {
    /// Sound, as every build is at first.
    pub(super) fn sound(patient: Patient) -> Self {
        Self { patient, is_failing: AtomicBool::new(false), state: Mutex::default() }
    }

    /// Asks whether to make a call. What becomes of it is to be told to what this returns.
    #[inline]
    pub(super) fn admit(&self) -> Result<Admission<'_>, PluginError> {
        // A call that is just failing on another thread may be missed: it would not have stopped this one either.
        if self.is_failing.load(Ordering::Relaxed) {
            return self.admit_to_failing();
        }
        Ok(Admission { health: self, as_what: As::Sound })
    }

    #[cold]
    fn admit_to_failing(&self) -> Result<Admission<'_>, PluginError> {
        let admitted = |as_what| Ok(Admission { health: self, as_what });
        let mut state = self.state.lock();
        let State { failures, last, standing } = &mut *state;
        let Standing::Suspended(pause) = standing else { return admitted(As::Failing) };
        let now = self.patient.clock.now();
        if pause.is_over(now) && !pause.is_tried {
            pause.is_tried = true;
            return admitted(As::Attempt);
        }
        self.patient.counters.turned_away.fetch_add(1, Ordering::Relaxed);
        let retry_after = if pause.is_tried { pause::FIRST } else { pause.until.since(now) };
        let failure = PluginFailure::Unavailable { failures: *failures, last: last.clone(), retry_after };
        Err(PluginError::new(&self.patient.plugin, failure))
    }

    /// Whether it is not called, the pause is over, and nobody has tried it yet.
    pub(super) fn is_due(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
            && matches!(
                &self.state.lock().standing,
                Standing::Suspended(pause) if !pause.is_tried && pause.is_over(self.patient.clock.now())
            )
    }

    /// Has it called again at once. Whether it was not.
    pub(super) fn release(&self) -> bool {
        let mut state = self.state.lock();
        let was_suspended = matches!(state.standing, Standing::Suspended(_));
        *state = State::default();
        self.is_failing.store(false, Ordering::Relaxed);
        let Patient { plugin, store, .. } = &self.patient;
        if was_suspended {
            tracing::info!(%plugin, store, "released by hand: it is called again");
        }
        was_suspended
    }

    /// What an operator is told, if it is not called.
    pub(super) fn suspension(&self) -> Option<Suspension> {
        let state = self.state.lock();
        let Standing::Suspended(pause) = &state.standing else { return None };
        let until = i64::try_from(pause.until.0).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
        Some(Suspension {
            store: self.patient.store.clone(),
            state: if pause.is_quarantine() { QUARANTINED } else { BACKING_OFF }.to_owned(),
            failures: state.failures,
            last_failure: state.last.to_string(),
            retry_at: until.map(|until| until.to_string()).unwrap_or_default(),
        })
    }

    fn succeeded(&self, as_what: As) {
        let mut state = self.state.lock();
        let now = self.patient.clock.now();
        if let Standing::OnProbation(probation) = &mut state.standing {
            probation.proofs = probation.proofs.saturating_add(1);
        }
        state.end_probation(now);
        match &state.standing {
            Standing::Suspended(pause) if as_what == As::Attempt => {
                let Patient { plugin, store, .. } = &self.patient;
                tracing::info!(%plugin, store, failures = state.failures, "it works again");
                state.standing = Standing::OnProbation(Probation { time: Pause::begin(pause.number, now), proofs: 1 });
            }
            // What began before the pause says nothing of what comes after it.
            Standing::Suspended(_) | Standing::OnProbation(_) => {}
            Standing::Called if state.failures > 1 => state.failures -= 1,
            Standing::Called => {
                *state = State::default();
                self.is_failing.store(false, Ordering::Relaxed);
            }
        }
    }

    fn failed(&self, as_what: As, failure: &PluginFailure) {
        if !self.patient.is_supervised {
            return;
        }
        let mut state = self.state.lock();
        let now = self.patient.clock.now();
        state.end_probation(now);
        let State { failures, last, standing } = &mut *state;
        let earlier = match (&*standing, as_what) {
            (Standing::Suspended(pause), As::Attempt) => Some(pause.number),
            (Standing::OnProbation(probation), As::Failing) => Some(probation.time.number),
            (Standing::Called, _) => None,
            // It began before the pause.
            (Standing::Suspended(_) | Standing::OnProbation(_), _) => return,
        };
        *failures = failures.saturating_add(1);
        // It is shown on one line.
        *last = failure.to_string().lines().next().unwrap_or_default().into();
        self.is_failing.store(true, Ordering::Relaxed);
        let number = match earlier {
            None if *failures < PATIENCE => return,
            None => 0,
            Some(number) => number.saturating_add(1),
        };
        let pause = Pause::begin(number, now);
        let was_called = !matches!(standing, Standing::Suspended(_));
        self.patient.suspended(&pause, was_called, *failures, last);
        *standing = Standing::Suspended(pause);
    }

    fn given_up(&self) {
        if let Standing::Suspended(pause) = &mut self.state.lock().standing {
            pause.is_tried = false;
        }
    }
}

impl Patient {
    /// Tells the log. `was_called`: until now, if on probation.
    fn suspended(&self, pause: &Pause, was_called: bool, failures: u32, last: &str) {
        let Self { plugin, store, .. } = self;
        if pause.is_quarantine() && (was_called || pause.number == pause::SHORT_ONES) {
            let length = pause.length();
            tracing::error!(
                %plugin, store, failures, last,
                "quarantined: it is tried again after {length:?}, or after `cloakroom plugins release {plugin}`"
            );
        } else if was_called {
            tracing::warn!(
                %plugin, store, failures, last,
                "it keeps failing and is backed off: its calls are answered at once, but for one now and then"
            );
        } else {
            tracing::debug!(%plugin, store, failures, last, "it failed again");
        }
    }
}

/// A call that may be made. Dropped without a result it was given up, which says nothing of the build.
pub(super) struct Admission<'h> {
    health: &'h Health,
    as_what: As,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    /// A call into a sound build.
    Sound,
    /// A call into one that failed the last time.
    Failing,
    /// The call that tries one that is not called otherwise.
    Attempt,
}

impl Admission<'_> {
    /// Tells what became of the call.
    #[inline]
    pub(super) fn settle(self, error: Option<&CallError>) {
        if error.is_some() || self.as_what != As::Sound {
            self.settle_seldom(error);
        }
    }

    #[cold]
    fn settle_seldom(mut self, error: Option<&CallError>) {
        let as_what = mem::replace(&mut self.as_what, As::Sound);
        match error {
            Some(CallError::Plugin(error)) if error.failure.was_called() => self.health.failed(as_what, &error.failure),
            // It was saturated.
            Some(CallError::Plugin(_)) => self.as_what = as_what,
            Some(CallError::Store(_)) | None if as_what == As::Sound => {}
            Some(CallError::Store(_)) | None => self.health.succeeded(as_what),
        }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if self.as_what == As::Attempt {
            self.health.given_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        pause::{FIRST, QUARANTINE, SHORT_ONES},
        *,
    };
    use crate::contract::StoreError;

    fn health(is_supervised: bool) -> (Health, Clock) {
        let clock = Clock::system();
        let patient = Patient {
            plugin: "bad".into(),
            store: "carts".to_owned(),
            is_supervised,
            counters: Arc::default(),
            clock: clock.clone(),
        };
        (Health::sound(patient), clock)
    }

    fn trap() -> CallError {
        let failure = PluginFailure::Trap { operation: "get", reason: "unreachable\n 0: get".to_owned() };
        CallError::Plugin(PluginError::new("bad", failure))
    }

    /// Makes a call that ends like this; whether it was let through.
    fn call(health: &Health, error: Option<&CallError>) -> bool {
        health.admit().map(|admission| admission.settle(error)).is_ok()
    }

    fn failing(times: u32) -> (Health, Clock) {
        let (health, clock) = health(true);
        for _ in 0..times {
            assert!(call(&health, Some(&trap())));
        }
        (health, clock)
    }

    /// Milliseconds until one that is not called is tried.
    fn retry_after(health: &Health) -> u64 {
        match health.admit().err().map(|error| error.failure) {
            Some(PluginFailure::Unavailable { retry_after, .. }) => retry_after.as_millis().try_into().expect("short"),
            _ => panic!("it is called"),
        }
    }

    fn state(health: &Health) -> Option<String> {
        health.suspension().map(|suspension| suspension.state)
    }

    /// A build that was tried in vain until it was quarantined.
    fn quarantined() -> (Health, Clock) {
        let (health, clock) = failing(PATIENCE);
        for number in 0..SHORT_ONES {
            assert_eq!(state(&health).as_deref(), Some("backing-off"), "{number}");
            clock.advance(FIRST * 2_u32.pow(number));
            assert!(call(&health, Some(&trap())));
        }
        assert_eq!(state(&health).as_deref(), Some("quarantined"));
        (health, clock)
    }

    #[test]
    fn a_few_failures_are_bad_luck() {
        let (health, _) = failing(PATIENCE - 1);
        for _ in 1..PATIENCE {
            assert!(call(&health, None));
        }
        for _ in 1..PATIENCE {
            assert!(call(&health, Some(&trap())));
        }
        assert_eq!(state(&health), None);
    }

    #[test]
    fn one_that_keeps_failing_is_not_called_and_the_answer_says_why_and_until_when() {
        let (health, _) = failing(PATIENCE);
        let error = health.admit().err().expect("not called");
        let PluginFailure::Unavailable { failures: PATIENCE, last, retry_after } = error.failure else {
            panic!("{error}")
        };
        assert!(last.contains("trapped in `get`") && !last.contains('\n'), "{last}");
        assert!(retry_after <= FIRST);
        assert_eq!(health.patient.counters.turned_away.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn successes_make_up_for_as_many_failures() {
        let (health, _) = failing(PATIENCE - 1);
        for _ in 0..20 {
            assert!(call(&health, None));
            assert!(call(&health, Some(&trap())));
        }
        assert!(call(&health, Some(&trap())));
        assert_eq!(state(&health).as_deref(), Some("backing-off"));
    }

    #[test]
    fn exactly_one_call_tries_it_and_a_success_ends_it() {
        let (health, clock) = quarantined();
        clock.advance(QUARANTINE);
        assert!(health.is_due());
        let attempt = health.admit().expect("the attempt");
        assert!(!health.is_due() && health.admit().is_err() && health.admit().is_err());
        attempt.settle(None);
        assert_eq!(state(&health), None);
        assert!(call(&health, None) && call(&health, None));
    }

    #[test]
    fn one_that_works_as_long_as_it_was_not_called_has_all_patience_again() {
        let (health, clock) = quarantined();
        clock.advance(QUARANTINE);
        for _ in 0..PROOFS {
            assert!(call(&health, None));
        }
        clock.advance(QUARANTINE);
        for _ in 1..PATIENCE {
            assert!(call(&health, Some(&trap())));
        }
        assert_eq!(state(&health), None);
        assert!(call(&health, Some(&trap())));
        assert_eq!(state(&health).as_deref(), Some("backing-off"));
    }

    #[test]
    fn that_nobody_called_it_proves_nothing() {
        let (health, clock) = quarantined();
        clock.advance(QUARANTINE);
        for _ in 1..PROOFS {
            assert!(call(&health, None));
        }
        clock.advance(100 * QUARANTINE);
        assert!(call(&health, Some(&trap())));
        assert_eq!(state(&health).as_deref(), Some("quarantined"));
    }

    #[test]
    fn one_that_can_do_some_things_and_fails_at_others_is_called_ever_more_rarely() {
        let (health, clock) = failing(PATIENCE);
        for number in 0..SHORT_ONES + 3 {
            let pause = Duration::from_millis(retry_after(&health));
            clock.advance(pause);
            assert!(call(&health, None), "{number}");
            assert_eq!(state(&health), None, "{number}");
            clock.advance(pause / 2);
            assert!(call(&health, Some(&trap())), "{number}");
            assert!(Duration::from_millis(retry_after(&health)) > pause, "{number}");
        }
        assert_eq!(state(&health).as_deref(), Some("quarantined"));
    }

    #[test]
    fn in_quarantine_it_is_tried_at_distances_that_grow_to_eight_minutes() {
        let (health, clock) = quarantined();
        let distances = [30, 60, 120, 240, 480, 480, 480].map(Duration::from_secs);
        for distance in distances {
            clock.advance(distance - Duration::from_secs(1));
            assert!(health.admit().is_err(), "{distance:?}");
            clock.advance(Duration::from_secs(1));
            assert!(call(&health, Some(&trap())), "{distance:?}");
        }
    }

    #[test]
    fn an_attempt_that_was_given_up_or_met_a_full_line_leaves_it_to_the_next_call() {
        let (health, clock) = failing(PATIENCE);
        clock.advance(FIRST);
        drop(health.admit().expect("the attempt"));
        let saturated = PluginError::new("bad", PluginFailure::Saturated { limit: 1 });
        assert!(call(&health, Some(&CallError::Plugin(saturated))));
        assert!(health.is_due());
        assert!(call(&health, None));
        assert_eq!(state(&health), None);
    }

    #[test]
    fn errors_of_the_contract_are_answers_of_a_plugin_that_works() {
        let (health, clock) = failing(PATIENCE);
        clock.advance(FIRST);
        assert!(call(&health, Some(&CallError::Store(StoreError::Unavailable("the database is down".to_owned())))));
        assert_eq!(state(&health), None);
    }

    #[test]
    fn calls_that_began_before_the_pause_change_nothing() {
        let (health, _) = failing(PATIENCE - 1);
        let [late, later, last] = [(); 3].map(|()| health.admit().expect("admitted"));
        late.settle(Some(&trap()));
        later.settle(Some(&trap()));
        last.settle(None);
        let suspension = health.suspension().expect("suspended");
        assert_eq!((suspension.state.as_str(), suspension.failures), ("backing-off", PATIENCE));
    }

    #[test]
    fn releasing_it_has_it_called_at_once() {
        let (health, _) = quarantined();
        assert!(health.release());
        assert!(call(&health, None));
        assert!(!health.release());
    }

    #[test]
    fn without_supervision_nothing_is_counted() {
        let (health, _) = health(false);
        for _ in 0..3 * PATIENCE {
            assert!(call(&health, Some(&trap())));
        }
    }
}
