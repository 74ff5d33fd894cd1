//! A bounded number of places, the things that rest in them, and the line of those who wait for a place.
//!
//! The way of a call that finds a resting instance is two short locks: one to take it, one to put it back.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The places. `T` rests in them while nobody uses it.
pub(super) struct Places<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    /// What a thread put back last it takes first: the instance whose memory is still in the caches of its core.
    resting: Vec<Resting<T>>,
    /// Places in which nothing rests and that nobody has.
    empty: usize,
    /// Who waits for a place, first come first served, and some who have left. Only while there is no place.
    line: VecDeque<oneshot::Sender<Option<T>>>,
    /// How many wait.
    waiting: usize,
}

/// A thing that rests, and who put it there.
struct Resting<T> {
    thing: T,
    put_by: ThreadMark,
}

/// A thread. One that begins when another has ended may be taken for that.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ThreadMark(usize);

impl ThreadMark {
    fn current() -> Self {
        thread_local!(static MARK: u8 = const { 0 });
        // No two threads that live have it at the same address.
        MARK.with(|mark| Self(std::ptr::from_ref(mark).addr()))
    }
}

/// All places are taken, and so many as may wait for one do.
#[derive(Debug)]
pub(super) struct Full;

impl<T> Places<T> {
    /// So many empty places.
    pub(super) fn new(count: usize) -> Self {
        Self { state: Mutex::new(State { resting: Vec::new(), empty: count, line: VecDeque::new(), waiting: 0 }) }
    }

    /// Leaves at most this many of the places that are empty or have something resting in them.
    pub(super) fn restrict_to(&self, count: usize) {
        let mut state = self.state.lock();
        state.empty = state.empty.min(count.saturating_sub(state.resting.len()));
    }

    /// A place, if one is free: rather one with something in it.
    pub(super) fn try_take(&self) -> Result<Place<'_, T>, Full> {
        let mut state = self.state.lock();
        self.free(&mut state).ok_or(Full)
    }

    /// A place; waits in line for it, if fewer than `line` do already. Dropping the future leaves the line.
    pub(super) async fn take(&self, line: usize) -> Result<Place<'_, T>, Full> {
        let turn = {
            let mut state = self.state.lock();
            if let Some(place) = self.free(&mut state) {
                return Ok(place);
            }
            if state.waiting >= line {
                return Err(Full);
            }
            // Seldom enough that it costs little, often enough that those who have left do not pile up.
            if state.line.len() > 2 * state.waiting + 16 {
                state.line.retain(|waiting| !waiting.is_closed());
            }
            state.waiting += 1;
            let (sender, turn) = oneshot::channel();
            state.line.push_back(sender);
            turn
        };
        let mut waiting = Waiting { places: self, turn };
        // A sender leaves the line only to be used.
        let resting = (&mut waiting.turn).await.unwrap_or_default();
        Ok(Place { places: self, resting, is_given_back: false })
    }

    fn free(&self, state: &mut State<T>) -> Option<Place<'_, T>> {
        let here = ThreadMark::current();
        let own = state.resting.iter().rposition(|resting| resting.put_by == here);
        let resting = match own.map(|at| state.resting.remove(at)).or_else(|| state.resting.pop()) {
            Some(resting) => Some(resting.thing),
            None => {
                state.empty = state.empty.checked_sub(1)?;
                None
            }
        };
        Some(Place { places: self, resting, is_given_back: false })
    }

    /// Frees a place, for the first in line if there is one.
    pub(super) fn give_back(&self, mut resting: Option<T>) {
        let mut state = self.state.lock();
        while let Some(first) = state.line.pop_front() {
            // One that has left the line meanwhile gives it back.
            match first.send(resting) {
                Ok(()) => return,
                Err(refused) => resting = refused,
            }
        }
        match resting {
            Some(thing) => state.resting.push(Resting { thing, put_by: ThreadMark::current() }),
            None => state.empty += 1,
        }
    }
}

/// A place in the line. Dropped when its turn has come and was not noticed any more, it passes the turn on.
struct Waiting<'a, T> {
    places: &'a Places<T>,
    turn: oneshot::Receiver<Option<T>>,
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        self.turn.close();
        if let Ok(resting) = self.turn.try_recv() {
            self.places.give_back(resting);
        }
        let mut state = self.places.state.lock();
        state.waiting = state.waiting.saturating_sub(1);
    }
}

/// A place that was taken. Dropping it gives it back empty.
pub(super) struct Place<'a, T> {
    places: &'a Places<T>,
    resting: Option<T>,
    is_given_back: bool,
}

impl<T> Place<'_, T> {
    /// Takes out what rests there.
    pub(super) fn take_resting(&mut self) -> Option<T> {
        self.resting.take()
    }

    /// Keeps the place; [`Places::give_back`] is called for it later.
    pub(super) fn keep(mut self) {
        self.is_given_back = true;
    }

    /// Gives the place back with something in it.
    pub(super) fn put_back(mut self, thing: T) {
        self.is_given_back = true;
        self.places.give_back(Some(thing));
    }
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        if !self.is_given_back {
            self.places.give_back(self.resting.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
        thread,
    };

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn taken<'a, T>(places: &'a Places<T>) -> Place<'a, T> {
        places.try_take().unwrap_or_else(|Full| panic!("no place is free"))
    }

    fn is_full<T>(places: &Places<T>) -> bool {
        places.try_take().is_err()
    }

    #[test]
    fn what_was_put_back_last_is_taken_first() {
        let places = Places::new(3);
        let [first, second] = [taken(&places), taken(&places)];
        first.put_back("first");
        second.put_back("second");
        let mut again = taken(&places);
        assert_eq!(again.take_resting(), Some("second"));
        assert_eq!(taken(&places).take_resting(), Some("first"));
    }

    #[test]
    fn a_thread_takes_what_it_put_back_itself_before_what_another_did() {
        let places = Places::new(3);
        let (first, second) = (taken(&places), taken(&places));
        first.put_back("ours");
        thread::scope(|scope| drop(scope.spawn(|| second.put_back("theirs"))));
        let mut ours = taken(&places);
        assert_eq!(ours.take_resting(), Some("ours"));
        assert_eq!(taken(&places).take_resting(), Some("theirs"), "and that before an empty place");
    }

    #[test]
    fn there_are_never_more_places_than_allowed() {
        let places = Places::new(2);
        let held = [taken(&places), taken(&places)];
        assert!(is_full(&places));
        drop(held);
        let mut place = taken(&places);
        assert_eq!(place.take_resting(), None::<()>);
        place.put_back(());
        places.restrict_to(1);
        let _only = taken(&places);
        assert!(is_full(&places));
    }

    #[test]
    fn a_place_goes_to_who_has_waited_longest() {
        let places = Places::new(1);
        let held = taken(&places);
        let (mut first, mut second) = (pin!(places.take(9)), pin!(places.take(9)));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        held.put_back("an instance");
        assert!(is_full(&places), "a newcomer does not overtake the line");
        assert!(poll(second.as_mut()).is_pending());
        let Poll::Ready(Ok(mut place)) = poll(first.as_mut()) else { panic!("its turn has come") };
        assert_eq!(place.take_resting(), Some("an instance"));
        // Given back empty.
        drop(place);
        let Poll::Ready(Ok(mut place)) = poll(second.as_mut()) else { panic!("its turn has come") };
        assert_eq!(place.take_resting(), None);
    }

    #[test]
    fn who_leaves_the_line_is_passed_over_and_loses_nothing() {
        let places = Places::new(1);
        let held = taken(&places);
        let mut last = pin!(places.take(9));
        {
            let (mut before, mut at_its_turn) = (pin!(places.take(9)), Box::pin(places.take(9)));
            assert!(poll(before.as_mut()).is_pending() && poll(at_its_turn.as_mut()).is_pending());
            assert!(poll(last.as_mut()).is_pending());
        }
        let mut at_its_turn = Box::pin(places.take(9));
        assert!(poll(at_its_turn.as_mut()).is_pending());
        held.put_back("an instance");
        let Poll::Ready(Ok(mut place)) = poll(last.as_mut()) else { panic!("its turn has come") };
        let thing = place.take_resting().expect("it rested there");
        place.put_back(thing);
        // It has its turn, and leaves without having looked.
        drop(at_its_turn);
        assert_eq!(taken(&places).take_resting(), Some("an instance"));
    }

    #[test]
    fn a_line_that_is_full_is_told_at_once_and_who_has_left_it_does_not_count() {
        let places = Places::<()>::new(1);
        let held = taken(&places);
        let mut first = pin!(places.take(2));
        let mut leaves = Box::pin(places.take(2));
        assert!(poll(first.as_mut()).is_pending() && poll(leaves.as_mut()).is_pending());
        assert!(matches!(poll(pin!(places.take(2))), Poll::Ready(Err(Full))));
        drop(leaves);
        assert!(poll(pin!(places.take(2))).is_pending());
        drop(held);
        assert!(matches!(poll(first.as_mut()), Poll::Ready(Ok(_))));
        assert!(matches!(poll(pin!(places.take(0))), Poll::Ready(Ok(_))), "a free place needs no line");
    }

    #[test]
    fn those_who_have_left_do_not_pile_up() {
        let places = Places::<()>::new(1);
        let _held = taken(&places);
        for _ in 0..1000 {
            assert!(poll(pin!(places.take(9))).is_pending());
        }
        assert!(places.state.lock().line.len() < 20);
    }
}
