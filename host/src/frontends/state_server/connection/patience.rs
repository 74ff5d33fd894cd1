//! A deadline that every request moves and that nearly never comes.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// One timer of the runtime for all waits of a connection. It is not touched while it rings no later than it must: when it
/// does, it is set to wherever the deadline is by then. So a busy connection touches it once a timeout and not at every
/// request.
///
/// All waits must be polled by one task, which the timer wakes.
#[derive(Default)]
pub(super) struct Patience {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Waits until then.
    pub(super) fn until(&mut self, deadline: Instant) -> impl Future<Output = ()> {
        poll_fn(move |context| self.poll(deadline, context))
    }

    fn poll(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Some(timer) if !timer.is_elapsed() && timer.deadline() <= deadline => return Poll::Pending,
            Some(timer) if Instant::now() < deadline => timer.as_mut().reset(deadline),
            Some(_) => return Poll::Ready(()),
            none => *none = Some(Box::pin(sleep_until(deadline))),
        }
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(context))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(3600);

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
    }

    #[test]
    fn it_ends_at_the_deadline_and_not_before() {
        run(async {
            let (mut patience, begin) = (Patience::default(), Instant::now());
            patience.until(begin + SHORT).await;
            assert!(begin.elapsed() >= SHORT);
        });
    }

    #[test]
    fn a_deadline_that_was_moved_later_is_waited_for() {
        run(async {
            let (mut patience, begin) = (Patience::default(), Instant::now());
            // Given up before it comes, as when something arrives.
            assert!(timeout(SHORT / 4, patience.until(begin + SHORT)).await.is_err());
            patience.until(begin + 3 * SHORT).await;
            assert!(begin.elapsed() >= 3 * SHORT);
        });
    }

    #[test]
    fn a_deadline_that_was_moved_earlier_is_not_slept_through() {
        run(async {
            let (mut patience, begin) = (Patience::default(), Instant::now());
            assert!(timeout(SHORT / 4, patience.until(begin + LONG)).await.is_err());
            patience.until(begin + SHORT).await;
            assert!(begin.elapsed() < LONG);
        });
    }

    #[test]
    fn it_can_be_waited_for_again_after_it_has_ended() {
        run(async {
            let mut patience = Patience::default();
            patience.until(Instant::now() + SHORT).await;
            let again = Instant::now();
            patience.until(again + SHORT).await;
            assert!(again.elapsed() >= SHORT);
        });
    }
}
