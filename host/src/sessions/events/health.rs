//! Whether a receiver takes events at all.
//!
//! One that is down would be asked anew for each event that waits for it. After a few failures in a row it is left alone
//! for a while that doubles, and then asked with one event at a time until it takes one. So a long outage costs few
//! attempts, and none of the events that are not tried loses one of theirs.

use std::time::Instant;

use super::retry::Retry;
use crate::clock::UnixMillis;

/// How many failures in a row mean that it is the receiver that fails and not the event.
const THRESHOLD: usize = 5;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// In a row.
    failures: usize,
    /// When the first of them was.
    since: UnixMillis,
    /// What the last one was.
    last: String,
    /// The line whose event failed last with an answer: one event that is answered with an error again and again says
    /// nothing about the receiver.
    last_line: Option<u64>,
    /// It is left alone until then.
    until: Option<Instant>,
    /// An event is on its way to see whether it is back.
    trying: bool,
}

/// Whether an event may be sent now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// It may.
    Open,
    /// Not before then.
    Closed(Instant),
    /// Not before it is known what becomes of the one that is on its way.
    Trying,
}

/// A failed attempt.
pub(super) struct Failure<'f> {
    /// The line of its event.
    pub(super) line: u64,
    /// Whether the receiver answered.
    pub(super) answered: bool,
    /// What failed. Without IDs.
    pub(super) why: &'f str,
}

impl Health {
    pub(super) fn gate(&self, now: Instant) -> Gate {
        match self.until {
            Some(until) if now < until => Gate::Closed(until),
            _ if self.trying => Gate::Trying,
            _ => Gate::Open,
        }
    }

    /// An event goes out.
    pub(super) fn sent(&mut self) {
        self.trying = self.is_failing();
    }

    /// An event was taken, or refused by a receiver in its senses. Whether the receiver had been failing before.
    pub(super) fn succeeded(&mut self) -> bool {
        std::mem::take(self).is_failing()
    }

    /// An attempt failed. Whether the receiver is failing from now on.
    pub(super) fn failed(&mut self, failure: &Failure<'_>, at: UnixMillis, now: Instant, retry: &Retry) -> bool {
        self.trying = false;
        if self.failures == 0 {
            self.since = at;
        }
        self.last = failure.why.to_owned();
        let again = failure.answered && self.last_line == Some(failure.line) && !self.is_failing();
        self.last_line = failure.answered.then_some(failure.line);
        if again {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        if self.is_failing() {
            self.leave_alone(now + retry.pause(self.failures - THRESHOLD + 1));
        }
        self.failures == THRESHOLD
    }

    /// Nothing is sent before then.
    pub(super) fn leave_alone(&mut self, until: Instant) {
        self.until = self.until.max(Some(until));
    }

    fn is_failing(&self) -> bool {
        self.failures >= THRESHOLD
    }

    /// Since when it has been failing and what happened last, if it is.
    pub(super) fn trouble(&self) -> Option<(UnixMillis, &str)> {
        self.is_failing().then_some((self.since, self.last.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RETRY: Retry =
        Retry { attempts: 10, first: Duration::from_secs(1), longest: Duration::from_secs(60), jitter: false };

    fn fail(health: &mut Health, line: u64, answered: bool, now: Instant) -> bool {
        let failure = Failure { line, answered, why: "it is down" };
        health.failed(&failure, UnixMillis(7), now, &RETRY)
    }

    #[test]
    fn a_receiver_that_keeps_failing_is_left_alone_and_then_tried_with_one_event_at_a_time() {
        let (mut health, now) = (Health::default(), Instant::now());
        for line in 0..4 {
            assert!(!fail(&mut health, line, true, now));
            assert_eq!(health.gate(now), Gate::Open);
        }
        assert!(fail(&mut health, 4, true, now), "this is when it is said");
        assert_eq!(health.trouble(), Some((UnixMillis(7), "it is down")));
        let later = now + Duration::from_secs(1);
        assert_eq!(health.gate(now), Gate::Closed(later));
        assert_eq!(health.gate(later), Gate::Open);
        health.sent();
        assert_eq!(health.gate(later), Gate::Trying);
        assert!(!fail(&mut health, 5, true, later), "it is said once");
        assert_eq!(health.gate(later), Gate::Closed(later + Duration::from_secs(2)));
        assert!(health.succeeded());
        assert_eq!((health.gate(later), health.trouble()), (Gate::Open, None));
        assert!(!health.succeeded());
    }

    #[test]
    fn one_event_that_is_answered_with_an_error_again_and_again_says_nothing_about_the_receiver() {
        let (mut health, now) = (Health::default(), Instant::now());
        assert!((0..100).all(|_| !fail(&mut health, 1, true, now)));
        assert_eq!(health.gate(now), Gate::Open);
        // That nobody answers does, whichever event it was.
        assert!((0..4).any(|_| fail(&mut health, 1, false, now)));
    }

    #[test]
    fn a_receiver_that_asks_for_a_pause_gets_it() {
        let (mut health, now) = (Health::default(), Instant::now());
        let until = now + Duration::from_secs(30);
        health.leave_alone(until);
        health.leave_alone(now + Duration::from_secs(1));
        assert_eq!(health.gate(now), Gate::Closed(until));
        assert_eq!(health.gate(until), Gate::Open);
    }
}
