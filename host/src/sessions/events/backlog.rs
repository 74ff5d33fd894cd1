//! The events that wait for one handler, in a line for each session.
//!
//! The events of a session are delivered one after the other: while the first one is being tried again, those behind it
//! wait, and other sessions do not.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use super::event::{Event, size_of_end};
use crate::contract::{Item, SessionKey};

/// See the module.
pub(super) struct Backlog {
    /// The most that may wait, bytes.
    capacity: usize,
    bytes: usize,
    events: usize,
    /// Sessions with events that wait, by a number of their own, oldest first.
    lines: BTreeMap<u64, Line>,
    by_key: HashMap<SessionKey, u64>,
    last_number: u64,
    /// Lines whose first event can be delivered now.
    ready: VecDeque<u64>,
    /// Lines whose first event is tried again at a time.
    delayed: BTreeSet<(Instant, u64)>,
}

/// The events of one session; the first one may be on its way.
struct Line {
    key: SessionKey,
    events: VecDeque<Arc<Event>>,
    /// How often the first one was tried.
    attempts: usize,
}

/// What there is to do.
pub(super) enum Next {
    /// Deliver this event; then say how that ended, with the number of its line.
    Deliver(u64, Arc<Event>),
    /// Nothing before this moment.
    Later(Instant),
    /// Nothing.
    Nothing,
}

impl Backlog {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            bytes: 0,
            events: 0,
            lines: BTreeMap::new(),
            by_key: HashMap::new(),
            last_number: 0,
            ready: VecDeque::new(),
            delayed: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.events
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether an event can be added. One always can: a session larger than the whole would never be reported.
    pub(super) fn has_room_for(&self, event: &Event) -> bool {
        self.has_room(event.size())
    }

    /// The same for the end of a session that holds this.
    pub(super) fn has_room_for_end_of(&self, item: &Item, with_payload: bool) -> bool {
        self.has_room(size_of_end(item, with_payload))
    }

    fn has_room(&self, size: usize) -> bool {
        self.events == 0 || self.bytes.saturating_add(size) <= self.capacity
    }

    /// Adds an event behind the others of its session, whether there is room or not.
    pub(super) fn push(&mut self, event: Arc<Event>) {
        let line = event.key.clone();
        self.push_into(line, event);
    }

    /// The same for an event of a session that has this key by now.
    pub(super) fn push_into(&mut self, line: SessionKey, event: Arc<Event>) {
        self.bytes = self.bytes.saturating_add(event.size());
        self.events += 1;
        let known = self.by_key.get(&line).and_then(|number| self.lines.get_mut(number));
        if let Some(line) = known {
            line.events.push_back(event);
            return;
        }
        self.last_number += 1;
        let number = self.last_number;
        self.by_key.insert(line.clone(), number);
        self.lines.insert(number, Line { key: line, events: VecDeque::from([event]), attempts: 0 });
        self.ready.push_back(number);
    }

    /// A session has another ID from now on: its events stay in one line.
    pub(super) fn renamed(&mut self, old: &SessionKey, new: &SessionKey) {
        if self.by_key.contains_key(new) {
            return;
        }
        let Some(number) = self.by_key.remove(old) else { return };
        if let Some(line) = self.lines.get_mut(&number) {
            line.key = new.clone();
            self.by_key.insert(new.clone(), number);
        }
    }

    /// What to do now. The line of an event that is to be delivered is left alone until it is said how that ended.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        while let Some(&(at, number)) = self.delayed.first().filter(|(at, _)| *at <= now) {
            self.delayed.remove(&(at, number));
            self.ready.push_back(number);
        }
        if let Some(number) = self.ready.pop_front()
            && let Some(event) = self.lines.get(&number).and_then(|line| line.events.front())
        {
            return Next::Deliver(number, event.clone());
        }
        self.delayed.first().map_or(Next::Nothing, |(at, _)| Next::Later(*at))
    }

    /// The first event of a line is done with, delivered or given up.
    pub(super) fn done(&mut self, number: u64) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        if let Some(event) = line.events.pop_front() {
            self.bytes = self.bytes.saturating_sub(event.size());
            self.events -= 1;
        }
        line.attempts = 0;
        if line.events.is_empty() {
            self.by_key.remove(&line.key);
            self.lines.remove(&number);
        } else {
            self.ready.push_back(number);
        }
    }

    /// The first event of a line could not be delivered; how often that was tried by now. Say next what becomes of it:
    /// [`Backlog::done`] or [`Backlog::again`].
    pub(super) fn failed(&mut self, number: u64) -> usize {
        let Some(line) = self.lines.get_mut(&number) else { return 0 };
        line.attempts += 1;
        line.attempts
    }

    /// The first event of a line is tried again at this moment.
    pub(super) fn again(&mut self, number: u64, at: Instant) {
        self.delayed.insert((at, number));
    }

    /// Takes everything out, the events of each session in their order and with the key that it has by now.
    pub(super) fn drain(&mut self) -> Vec<(SessionKey, Arc<Event>)> {
        let empty = Self { last_number: self.last_number, ..Self::new(self.capacity) };
        let full = std::mem::replace(self, empty);
        let lines = full.lines.into_values();
        lines.flat_map(|line| line.events.into_iter().map(move |event| (line.key.clone(), event))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::event::tests::{end, key, rename, start},
        *,
    };

    fn due(backlog: &mut Backlog, now: Instant) -> Option<(u64, String)> {
        match backlog.next(now) {
            Next::Deliver(number, event) => Some((number, format!("{} {}", event.name(), event.key.id()))),
            Next::Later(_) | Next::Nothing => None,
        }
    }

    #[test]
    fn a_session_whose_event_fails_holds_up_its_own_events_and_no_others() {
        let (mut backlog, now) = (Backlog::new(1 << 20), Instant::now());
        [start("a"), end("a", b"coat"), start("b")].into_iter().for_each(|event| backlog.push(event));
        let (a, first) = due(&mut backlog, now).unwrap();
        assert_eq!(first, "Session_Start a");
        assert_eq!(backlog.failed(a), 1);
        backlog.again(a, now + Duration::from_secs(1));
        let (b, other) = due(&mut backlog, now).unwrap();
        assert_eq!(other, "Session_Start b");
        backlog.done(b);
        assert_eq!(due(&mut backlog, now), None);
        let later = now + Duration::from_secs(1);
        assert_eq!(due(&mut backlog, later), Some((a, "Session_Start a".to_owned())));
        backlog.done(a);
        assert_eq!(due(&mut backlog, later), Some((a, "Session_End a".to_owned())));
        assert_eq!(backlog.failed(a), 1, "each event has its own attempts");
        backlog.done(a);
        assert_eq!((backlog.len(), backlog.bytes()), (0, 0));
    }

    #[test]
    fn what_waits_is_bounded_and_the_first_event_always_fits() {
        let mut backlog = Backlog::new(2000);
        assert!(backlog.has_room_for(&end("large", &[0; 5000])));
        backlog.push(end("large", &[0; 5000]));
        assert!(!backlog.has_room_for(&start("b")));
        let (number, _) = due(&mut backlog, Instant::now()).unwrap();
        backlog.done(number);
        backlog.push(end("a", &[0; 1000]));
        assert!(backlog.has_room_for(&start("b")) && !backlog.has_room_for(&end("b", &[0; 1000])));
    }

    #[test]
    fn a_session_with_a_new_id_stays_in_its_line() {
        let (mut backlog, now) = (Backlog::new(1 << 20), Instant::now());
        backlog.push(start("old"));
        backlog.renamed(&key("old"), &key("new"));
        backlog.push(rename("old", "new"));
        backlog.push(end("new", b"1"));
        let (number, first) = due(&mut backlog, now).unwrap();
        assert_eq!(first, "Session_Start old");
        assert_eq!(due(&mut backlog, now), None, "the end waits behind the start");
        backlog.done(number);
        assert_eq!(due(&mut backlog, now), Some((number, "Session_Rename new".to_owned())));
        backlog.done(number);
        assert_eq!(due(&mut backlog, now), Some((number, "Session_End new".to_owned())));
    }

    #[test]
    fn what_was_on_its_way_is_taken_out_with_the_rest() {
        let mut backlog = Backlog::new(1 << 20);
        [start("a"), start("b"), end("a", b"1")].into_iter().for_each(|event| backlog.push(event));
        let _on_its_way = due(&mut backlog, Instant::now());
        let names: Vec<_> =
            backlog.drain().iter().map(|(_, event)| format!("{} {}", event.name(), event.key.id())).collect();
        assert_eq!(names, ["Session_Start a", "Session_End a", "Session_Start b"]);
        assert_eq!((backlog.len(), backlog.bytes()), (0, 0));
    }

    #[test]
    fn what_is_taken_out_and_put_back_stays_in_its_line_whatever_the_session_was_called() {
        let (mut backlog, now) = (Backlog::new(1 << 20), Instant::now());
        backlog.push(start("old"));
        backlog.renamed(&key("old"), &key("new"));
        backlog.push(end("new", b"1"));
        let mut again = Backlog::new(1 << 20);
        backlog.drain().into_iter().for_each(|(line, event)| again.push_into(line, event));
        let (number, first) = due(&mut again, now).unwrap();
        assert_eq!((first.as_str(), due(&mut again, now)), ("Session_Start old", None));
        again.done(number);
        assert_eq!(due(&mut again, now), Some((number, "Session_End new".to_owned())));
    }
}
