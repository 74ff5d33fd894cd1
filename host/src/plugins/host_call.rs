//! The limit on one call of a component into the host.
//!
//! Epochs end a component that computes. They cannot end one that waits in the host, because none of its code runs
//! meanwhile, and wasmtime does not tell when such a call begins. But every call into the host first asks for the data
//! of its instance, and a component that computes meets an epoch every few milliseconds. Both are progress; a call
//! that stays pending without any waits in one and the same call into the host, whatever that waits for.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// How far the present call of an instance has got. Nothing is counted for components that never wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Option<Arc<AtomicU64>>);

impl Progress {
    /// Progress of an instance; `waits`: whether it may wait in the host.
    pub(super) fn new(waits: bool) -> Self {
        Self(waits.then(Arc::default))
    }

    /// It has got further.
    pub(super) fn advance(&self) {
        if let Some(steps) = &self.0 {
            // One instance runs on one thread at a time.
            steps.store(steps.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }

    fn steps(&self) -> u64 {
        self.0.as_ref().map_or(0, |steps| steps.load(Ordering::Relaxed))
    }
}

/// One call into the host took longer than it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overdue;

/// Runs a call of a component, but lets none of its calls into the host wait for longer than `limit`.
pub(super) async fn limited<T>(
    call: impl Future<Output = T>,
    progress: Progress,
    limit: Duration,
) -> Result<T, Overdue> {
    let mut call = pin!(call);
    let mut waiting = None;
    poll_fn(|context| {
        if let Poll::Ready(answer) = call.as_mut().poll(context) {
            return Poll::Ready(Ok(answer));
        }
        let now = progress.steps();
        let (since, overdue) = waiting.get_or_insert_with(|| (now, Box::pin(sleep(limit))));
        if *since != now {
            *since = now;
            overdue.as_mut().reset(Instant::now() + limit);
        }
        overdue.as_mut().poll(context).map(|()| Err(Overdue))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);

    /// Waits several times, each for so long.
    async fn waits(progress: Progress, times: u32, millis: u64) {
        for _ in 0..times {
            progress.advance();
            sleep(Duration::from_millis(millis)).await;
        }
    }

    fn run<T>(call: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(call)
    }

    #[test]
    fn one_long_wait_is_ended() {
        let progress = Progress::new(true);
        assert_eq!(run(limited(waits(progress.clone(), 1, 60_000), progress, LIMIT)), Err(Overdue));
    }

    #[test]
    fn many_short_waits_are_not_added_up() {
        let progress = Progress::new(true);
        assert_eq!(run(limited(waits(progress.clone(), 20, 10), progress, LIMIT)), Ok(()));
    }
}
