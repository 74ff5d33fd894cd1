//! Waiting in line for the lock of a session.
//!
//! Each locked session that somebody waits for has a line. Only the first in line tries to get the session; it tries
//! when it becomes the first, when somebody in this host releases the lock, and now and then besides, because a lock
//! can also end in another host or by expiry. Whoever leaves the line, for whatever reason, wakes the next, unless it
//! leaves with the lock. So the order is kept across front ends, nobody polls while it waits for its turn, and a client
//! that hangs up holds nobody up.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::notices::{Mark, Notices};
use crate::contract::SessionKey;

/// How often the first in line tries without having been woken; on the average, since those of several hosts that wait for
/// one session should not come all at the same moment.
const RETRY: Duration = Duration::from_millis(100);

/// When one who has let other hosts know that it waits tries again: by then the holder has heard it, and may have
/// released the lock before it did.
const HEARD: Duration = Duration::from_millis(5);

/// Up to a quarter more or less.
fn jittered(pause: Duration) -> Duration {
    // Without a random number it is as well as it was.
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause.mul_f64(0.75 + f64::from(random) / f64::from(u32::MAX) / 2.0)
}

/// The lines of one store.
pub(super) struct Lines {
    /// How often the first in line tries without having been woken.
    retry: Duration,
    /// To and from other hosts, if they share the store.
    notices: Option<Arc<Notices>>,
    lines: DashMap<SessionKey, VecDeque<Arc<Notify>>>,
    waiting: AtomicUsize,
}

/// How a try ended.
pub(super) enum Try<T> {
    /// With an outcome to give to the client.
    Done(T),
    /// With the lock in the client's hands: the next in line need not try.
    DoneWithLock(T),
    /// Somebody else holds the lock; what to answer if there is no more time to wait.
    Locked(T),
}

impl Default for Lines {
    fn default() -> Self {
        Self::with_retry(RETRY)
    }
}

impl Lines {
    fn with_retry(retry: Duration) -> Self {
        Self { retry, notices: None, lines: DashMap::new(), waiting: AtomicUsize::new(0) }
    }

    /// The lines of a store that other hosts have, too.
    pub(super) fn with_notices(notices: Arc<Notices>) -> Self {
        Self { notices: Some(notices), ..Self::default() }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether somebody waits for this session. Costs nothing while nobody waits for any.
    fn is_waited_for(&self, key: &SessionKey) -> bool {
        self.waiting() > 0 && self.lines.contains_key(key)
    }

    /// Wakes the first in line, after the lock of a session was released.
    pub(super) fn wake(&self, key: &SessionKey) {
        if let Some(notices) = &self.notices {
            notices.released(key);
        }
        if self.waiting() > 0
            && let Some(line) = self.lines.get(key)
            && let Some(first) = line.front()
        {
            first.notify_one();
        }
    }

    /// Wakes the first in line for a session of which only the mark is known, after another host released its lock.
    pub(super) fn wake_marked(&self, mark: Mark) {
        for line in self.lines.iter().filter(|line| Mark::of(line.key()) == mark) {
            if let Some(first) = line.front() {
                first.notify_one();
            }
        }
    }

    /// Runs `attempt` until it ends in something else than "locked", or until `wait` is over.
    ///
    /// A client that does not wait does not join the line; it may get the lock in the instant between a release and
    /// the next waiter's try.
    pub(super) async fn wait_for<T, E, F>(
        &self,
        key: &SessionKey,
        wait: Duration,
        attempt: impl Fn() -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<Try<T>, E>>,
    {
        if wait.is_zero() || !self.is_waited_for(key) {
            match attempt().await? {
                Try::Done(outcome) | Try::DoneWithLock(outcome) => return Ok(outcome),
                Try::Locked(outcome) if wait.is_zero() => return Ok(outcome),
                Try::Locked(_) => {}
            }
        }
        // Boxed, or an operation that meets no lock would be as large as one that waits.
        Box::pin(self.wait_in_line(key, wait, attempt)).await
    }

    async fn wait_in_line<T, E, F>(&self, key: &SessionKey, wait: Duration, attempt: impl Fn() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<Try<T>, E>>,
    {
        let deadline = Instant::now() + wait;
        let mut place = self.join(key);
        let mut is_known_elsewhere = false;
        loop {
            let mut pause = jittered(self.retry);
            let in_time = Instant::now() < deadline;
            // Out of time, one who was never first still needs to know what to answer.
            if place.is_first() || !in_time {
                match attempt().await? {
                    Try::Done(outcome) => return Ok(outcome),
                    Try::DoneWithLock(outcome) => {
                        place.leave_with_lock();
                        return Ok(outcome);
                    }
                    Try::Locked(outcome) if !in_time => return Ok(outcome),
                    Try::Locked(_) => {}
                }
                if let Some(notices) = &self.notices {
                    notices.waiting(key);
                    if !is_known_elsewhere {
                        pause = pause.min(HEARD);
                    }
                    is_known_elsewhere = true;
                }
            }
            place.woken(deadline.min(Instant::now() + pause)).await;
        }
    }

    /// Takes the last place in line.
    fn join(&self, key: &SessionKey) -> Place<'_> {
        let turn = Arc::new(Notify::new());
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.lines.entry(key.clone()).or_default().push_back(turn.clone());
        Place { lines: self, key: key.clone(), turn, with_lock: false }
    }
}

/// A place in a line; dropped, it is left.
struct Place<'a> {
    lines: &'a Lines,
    key: SessionKey,
    turn: Arc<Notify>,
    with_lock: bool,
}

impl Place<'_> {
    fn is_first(&self) -> bool {
        self.lines
            .lines
            .get(&self.key)
            .is_some_and(|line| line.front().is_some_and(|first| Arc::ptr_eq(first, &self.turn)))
    }

    /// Waits to be woken, until a moment.
    async fn woken(&self, until: Instant) {
        // That the time is over is not an error here: the caller looks at the clock itself.
        let _ = timeout_at(until, self.turn.notified()).await;
    }

    /// Marks the place as left with the lock.
    fn leave_with_lock(&mut self) {
        self.with_lock = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.lines.waiting.fetch_sub(1, Ordering::Relaxed);
        let emptied = match self.lines.lines.get_mut(&self.key) {
            None => false,
            Some(mut line) => {
                let was_first = line.front().is_some_and(|first| Arc::ptr_eq(first, &self.turn));
                line.retain(|turn| !Arc::ptr_eq(turn, &self.turn));
                if was_first
                    && !self.with_lock
                    && let Some(next) = line.front()
                {
                    next.notify_one();
                }
                line.is_empty()
            }
        };
        if emptied {
            self.lines.lines.remove_if(&self.key, |_, line| line.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    /// Longer than any test: who gets the lock was woken, and did not merely try again.
    const NEVER: Duration = Duration::from_secs(3600);

    /// A lock, and who tried and who got it, in order.
    struct Fixture {
        lines: Lines,
        key: SessionKey,
        locked: Mutex<bool>,
        tried: Mutex<Vec<u32>>,
        got: Mutex<Vec<u32>>,
    }

    impl Fixture {
        fn locked(retry: Duration) -> Arc<Self> {
            Arc::new(Self {
                lines: Lines::with_retry(retry),
                key: SessionKey::new("shop", "1").unwrap(),
                locked: Mutex::new(true),
                tried: Mutex::default(),
                got: Mutex::default(),
            })
        }

        async fn acquire(&self, who: u32, wait: Duration) -> bool {
            self.lines
                .wait_for(&self.key, wait, || async {
                    self.tried.lock().push(who);
                    let mut locked = self.locked.lock();
                    Ok::<_, ()>(if *locked {
                        Try::Locked(false)
                    } else {
                        *locked = true;
                        self.got.lock().push(who);
                        Try::DoneWithLock(true)
                    })
                })
                .await
                .unwrap()
        }

        fn release(&self) {
            *self.locked.lock() = false;
            self.lines.wake(&self.key);
        }

        /// Begins to wait, and is in line when this returns.
        async fn wait(self: &Arc<Self>, who: u32, wait: Duration) -> JoinHandle<bool> {
            let (fixture, before) = (self.clone(), self.lines.waiting());
            let waiter = tokio::spawn(async move { fixture.acquire(who, wait).await });
            while self.lines.waiting() == before {
                yield_now().await;
            }
            waiter
        }
    }

    #[tokio::test]
    async fn who_came_first_gets_the_lock_first() {
        let fixture = Fixture::locked(NEVER);
        let mut waiters = Vec::new();
        for who in 0..5 {
            waiters.push(fixture.wait(who, NEVER).await);
        }
        for waiter in waiters {
            fixture.release();
            assert!(waiter.await.unwrap());
        }
        assert_eq!(*fixture.got.lock(), [0, 1, 2, 3, 4]);
        assert!(fixture.lines.lines.is_empty());
    }

    #[tokio::test]
    async fn who_hangs_up_leaves_the_line_to_the_next() {
        let fixture = Fixture::locked(NEVER);
        let first = fixture.wait(1, NEVER).await;
        let second = fixture.wait(2, NEVER).await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        fixture.release();
        assert!(second.await.unwrap());
        assert_eq!(*fixture.got.lock(), [2]);
    }

    #[tokio::test]
    async fn who_was_woken_and_then_hangs_up_wakes_the_next() {
        let fixture = Fixture::locked(NEVER);
        let first = fixture.wait(1, NEVER).await;
        let second = fixture.wait(2, NEVER).await;
        // On this one thread the first cannot run between the two.
        fixture.release();
        first.abort();
        assert!(second.await.unwrap());
    }

    #[tokio::test]
    async fn who_runs_out_of_time_is_told_that_it_is_locked() {
        let fixture = Fixture::locked(NEVER);
        let first = fixture.wait(1, Duration::from_millis(40)).await;
        let second = fixture.wait(2, Duration::from_millis(10)).await;
        assert!(!second.await.unwrap());
        assert!(!first.await.unwrap());
        assert_eq!(fixture.lines.waiting(), 0);
    }

    #[tokio::test]
    async fn who_does_not_wait_tries_once() {
        let fixture = Fixture::locked(NEVER);
        assert!(!fixture.acquire(1, Duration::ZERO).await);
        assert_eq!(*fixture.tried.lock(), [1]);
    }

    #[tokio::test]
    async fn a_lock_that_ends_in_another_host_is_noticed() {
        let fixture = Fixture::locked(Duration::from_millis(1));
        let waiter = fixture.wait(1, NEVER).await;
        *fixture.locked.lock() = false;
        assert!(waiter.await.unwrap());
    }

    #[tokio::test]
    async fn only_the_first_in_line_tries_while_the_lock_is_held() {
        let fixture = Fixture::locked(Duration::from_millis(1));
        let mut waiters = Vec::new();
        for who in 0..5 {
            waiters.push(fixture.wait(who, NEVER).await);
        }
        fixture.tried.lock().clear();
        while fixture.tried.lock().len() < 10 {
            yield_now().await;
        }
        assert!(fixture.tried.lock().iter().all(|&who| who == 0));
    }
}
