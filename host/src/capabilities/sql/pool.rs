//! The connections by one name, and who has them.
//!
//! A pool of our own rather than sqlx's, because of what happens when a server is gone: sqlx's tries again until its time
//! is up and then says that it timed out, where a refused connection should be told at once and as what it is. And what
//! has lost one connection to a server does not trust the others.

use std::{collections::VecDeque, mem, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::{
    driver::{Driver, Target},
    error::{Failure, Meaning},
    statement::Statement,
    values::{Answer, Given},
};

/// A connection that nobody used for longer than this is asked for a sign of life first.
const TRUSTED: Duration = Duration::from_secs(1);

/// A connection that nobody used for so long is given up.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// A connection is not used for longer than this, so that a server that was failed over or rebalanced is found.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// How long taking leave of a server may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// The connections by one name.
pub(super) struct Pool {
    target: Target,
    connect_timeout: Duration,
    size: usize,
    permits: Arc<Semaphore>,
    /// Those that nobody has now, the one used last at the back.
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    driver: Driver,
    since: Instant,
    born: Instant,
}

/// A connection that somebody has. Dropped, it goes back if it is as it was, and out of use if not.
pub(super) struct Lease {
    driver: Option<Driver>,
    born: Instant,
    /// Whether it is as it was.
    is_fit: bool,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(target: Target, size: usize, connect_timeout: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(size));
        Self { target, connect_timeout, size, permits, idle: Mutex::default() }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// A connection, in the order of asking; waits for at most `wait` for one to be free.
    pub(super) async fn lease(self: &Arc<Self>, wait: Duration) -> Result<Lease, Failure> {
        let exhausted = || Failure::Exhausted { connections: self.size, waited: wait };
        let permit = timeout(wait, self.permits.clone().acquire_owned()).await.map_err(|_| exhausted())?;
        // The pool closes it never.
        let permit = permit.map_err(|_| exhausted())?;
        while let Some(mut idle) = self.next_idle() {
            if idle.since.elapsed() > TRUSTED
                && !matches!(timeout(self.connect_timeout, idle.driver.ping()).await, Ok(Ok(())))
            {
                continue;
            }
            return Ok(self.leased(idle.driver, idle.born, permit));
        }
        let limit = self.connect_timeout;
        let driver = timeout(limit, self.target.connect()).await.map_err(|_| Failure::NotConnected { limit })?;
        Ok(self.leased(driver.map_err(Failure::Server)?, Instant::now(), permit))
    }

    fn leased(self: &Arc<Self>, driver: Driver, born: Instant, permit: OwnedSemaphorePermit) -> Lease {
        Lease { driver: Some(driver), born, is_fit: true, pool: self.clone(), _permit: permit }
    }

    /// The connection that was used last, of those that are not too old.
    fn next_idle(&self) -> Option<Idle> {
        let mut idle = self.idle.lock();
        loop {
            let next = idle.pop_back()?;
            if next.since.elapsed() < IDLE && next.born.elapsed() < LIFETIME {
                return Some(next);
            }
            farewell(next.driver);
        }
    }

    fn put_back(&self, driver: Driver, born: Instant) {
        let mut idle = self.idle.lock();
        idle.push_back(Idle { driver, since: Instant::now(), born });
        if idle.front().is_some_and(|oldest| oldest.since.elapsed() >= IDLE)
            && let Some(oldest) = idle.pop_front()
        {
            farewell(oldest.driver);
        }
    }

    /// Gives up the connections that nobody has: where one was lost the others most likely are, too.
    fn distrust(&self) {
        drop(mem::take(&mut *self.idle.lock()));
    }
}

impl Lease {
    /// Runs a statement.
    pub(super) async fn execute(
        &mut self,
        statement: &Statement,
        given: &[Given],
        most: usize,
    ) -> Result<Answer, Failure> {
        let driver = self.take_up()?;
        let answer = driver.execute(statement, given, most).await;
        self.judge(answer)
    }

    /// Begins a transaction.
    pub(super) async fn begin(&mut self) -> Result<(), Failure> {
        let begun = self.take_up()?.begin().await.map_err(Failure::Server);
        self.judge(begun)
    }

    /// Makes a transaction permanent.
    pub(super) async fn commit(&mut self) -> Result<(), Failure> {
        let committed = self.take_up()?.commit().await.map_err(Failure::Server);
        self.judge(committed)
    }

    /// Says that it is not as it was, whatever comes.
    pub(super) fn spoil(&mut self) {
        self.is_fit = false;
    }

    /// The connection, which is unfit from now on until an answer says otherwise: a call that is given up leaves it so.
    fn take_up(&mut self) -> Result<&mut Driver, Failure> {
        self.is_fit = false;
        self.driver.as_mut().ok_or(Failure::Over)
    }

    fn judge<T>(&mut self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        match outcome.as_ref().map_err(Failure::meaning) {
            Ok(_) | Err(Meaning::Harmless | Meaning::Again) => self.is_fit = true,
            Err(Meaning::Spoiled) => {}
            Err(Meaning::Lost) => self.pool.distrust(),
        }
        outcome
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(driver) = self.driver.take() else { return };
        if self.is_fit {
            self.pool.put_back(driver, self.born);
        } else {
            farewell(driver);
        }
    }
}

/// Closes a connection in passing, so that the server hears of it and rolls back at once.
fn farewell(driver: Driver) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move { drop(timeout(FAREWELL, driver.close()).await) });
    }
}
