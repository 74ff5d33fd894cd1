//! Many callers at once: as many tasks, or as threads that begin each round together.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::Barrier,
    task::{JoinError, JoinHandle},
};

use super::{
    finding::{Checked, Finding},
    trial::Trial,
};

/// The most threads in a race. More than the machine has cores only wait for each other.
const MOST_RACERS: usize = 4;

impl Trial {
    /// Runs `tasks` at the same time, each as a task of its own, and returns what they found in their order.
    ///
    /// For checks in which callers wait for each other. The first finding, if there is one, comes instead. Single
    /// calls are not written down.
    pub(super) async fn together<T, F, R>(&self, tasks: usize, task: F) -> Checked<Vec<T>>
    where
        T: Send + 'static,
        F: Fn(Self, usize) -> R,
        R: Future<Output = Checked<T>> + Send + 'static,
    {
        let start = Arc::new(Barrier::new(tasks));
        let running: Vec<_> = (0..tasks)
            .map(|index| {
                let start = start.clone();
                let body = task(self.quietly(), index);
                tokio::spawn(async move {
                    start.wait().await;
                    body.await
                })
            })
            .collect();
        all_of(running).await
    }

    /// Races a few threads through `rounds`, each round begun together to within less than a call, and returns for
    /// each round what the racers found.
    ///
    /// For checks that must hit the few hundred nanoseconds between a read and a write: a task is woken too slowly
    /// for that. The first finding, if there is one, comes instead. Single calls are not written down.
    pub(super) async fn lockstep<T, F, R>(&self, rounds: usize, task: F) -> Checked<Vec<Vec<T>>>
    where
        T: Send + 'static,
        F: Fn(Self, usize, usize) -> R + Send + Sync + 'static,
        R: Future<Output = Checked<T>> + Send + 'static,
    {
        let racers = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, MOST_RACERS);
        self.note(format!("{racers} callers at once, {rounds} times"));
        let start = Arc::new(StartingLine::new(racers));
        let task = Arc::new(task);
        let runtime = Handle::current();
        let running: Vec<_> = (0..racers)
            .map(|racer| {
                let (start, task, runtime, quiet) = (start.clone(), task.clone(), runtime.clone(), self.quietly());
                tokio::task::spawn_blocking(move || {
                    let mut results = Vec::with_capacity(rounds);
                    for round in 0..rounds {
                        if !start.wait(round) {
                            break;
                        }
                        match runtime.block_on(task(quiet.clone(), racer, round)) {
                            Ok(result) => results.push(result),
                            Err(finding) => {
                                start.abandon();
                                return Err(finding);
                            }
                        }
                    }
                    Ok(results)
                })
            })
            .collect();
        let mut by_racer: Vec<_> = all_of(running).await?.into_iter().map(Vec::into_iter).collect();
        Ok((0..rounds).map(|_| by_racer.iter_mut().filter_map(Iterator::next).collect()).collect())
    }
}

/// Waits for all, and returns the results or the first finding.
pub(super) async fn all_of<T>(running: Vec<JoinHandle<Checked<T>>>) -> Checked<Vec<T>> {
    let mut results = Vec::with_capacity(running.len());
    let mut first_finding = None;
    for handle in running {
        match handle.await.map_err(unfinished).and_then(|result| result) {
            Ok(result) => results.push(result),
            Err(finding) => first_finding = first_finding.or(Some(finding)),
        }
    }
    first_finding.map_or(Ok(results), Err)
}

fn unfinished(error: JoinError) -> Finding {
    Finding::Unjudged { reason: format!("a task of the check did not finish: {error}") }
}

/// How a thread waits for another that should be there within microseconds.
struct Patience {
    spins: u32,
    since: Instant,
}

impl Patience {
    /// On a busy machine the other may not be running, and needs this processor. But whoever gives it away comes too late
    /// for the round: so not before it is likely that the other is not running.
    const MOST: Duration = Duration::from_millis(1);

    fn new() -> Self {
        Self { spins: 0, since: Instant::now() }
    }

    fn spin(&mut self) {
        self.spins += 1;
        if self.spins.is_multiple_of(1000) && self.since.elapsed() > Self::MOST {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}

/// Where racing threads wait for each other before each round. Spins, because a thread that is woken comes too late.
struct StartingLine {
    racers: usize,
    /// How often somebody arrived, in all rounds.
    arrivals: AtomicUsize,
    abandoned: AtomicBool,
}

impl StartingLine {
    fn new(racers: usize) -> Self {
        Self { racers, arrivals: AtomicUsize::new(0), abandoned: AtomicBool::new(false) }
    }

    /// Waits until all are there for this round; false if somebody gave up.
    fn wait(&self, round: usize) -> bool {
        self.arrivals.fetch_add(1, Ordering::AcqRel);
        let all = self.racers * (round + 1);
        let mut patience = Patience::new();
        while self.arrivals.load(Ordering::Acquire) < all {
            if self.abandoned.load(Ordering::Acquire) {
                return false;
            }
            patience.spin();
        }
        true
    }

    fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }
}
