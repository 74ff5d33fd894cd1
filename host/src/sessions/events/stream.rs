//! The last events, in memory, for whoever comes to read them in order.
//!
//! Each event gets a number. A reader has a cursor, the number of the last event that it has seen, and asks for what came
//! after that. Nothing is kept for a reader: what does not fit any more falls off at the old end, and a reader whose cursor
//! is older than that is told so. Numbers begin anew with each run of the host, so a cursor also names the run.

use std::{
    collections::VecDeque,
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{EventSink, event::Event};
use crate::config::EventStreamConfig;

/// See the module.
pub struct EventStream {
    config: EventStreamConfig,
    run: u32,
    kept: Mutex<Kept>,
    /// The number of the newest event.
    newest: watch::Sender<u64>,
    readers: Arc<Semaphore>,
    fallen_behind: AtomicU64,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<Arc<Event>>,
    /// What they take.
    bytes: usize,
    /// The number of the newest; 0 before there was one.
    newest: u64,
}

impl Kept {
    /// The number of the oldest event that is kept, or of the next one if there is none.
    fn oldest(&self) -> u64 {
        let kept = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        self.newest.saturating_sub(kept).saturating_add(1)
    }
}

/// A place in the stream: behind the event with this number, in this run of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    run: u32,
    seen: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}-{}", self.run, self.seen)
    }
}

impl FromStr for Cursor {
    type Err = ResumeError;

    fn from_str(text: &str) -> Result<Self, ResumeError> {
        let (run, seen) = text.split_once('-').ok_or(ResumeError::Unreadable)?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if run.len() != 8 || !digits(run) || !digits(seen) {
            return Err(ResumeError::Unreadable);
        }
        let run = u32::from_str_radix(run, 16).map_err(|_| ResumeError::Unreadable)?;
        Ok(Self { run, seen: seen.parse().map_err(|_| ResumeError::Unreadable)? })
    }
}

/// Events that follow each other.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    /// Each with the cursor behind it.
    pub events: Vec<(Cursor, Arc<Event>)>,
    /// The cursor behind all of them.
    pub cursor: Cursor,
}

/// The events behind a cursor have fallen off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{lost} events that came after the cursor are not kept any more")]
pub struct Gone {
    /// How many.
    pub lost: u64,
}

/// Why the stream cannot go on at a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ResumeError {
    /// It is none.
    #[error("that is not a cursor; give the `id` of an event, as it was sent")]
    Unreadable,
    /// The host was started anew since.
    #[error(
        "the cursor belongs to an earlier run of the host, whose events are not kept; begin without one, and compare \
         what you keep with the sessions that exist"
    )]
    OtherRun,
    /// What came after it has fallen off.
    #[error(
        "{}; begin without a cursor, and compare what you keep with the sessions that exist. `http.events.count` and \
         `http.events.size` say how much is kept", .0
    )]
    Gone(#[from] Gone),
}

/// What is known of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamStatus {
    /// Events that are kept.
    pub events: usize,
    /// What they take, bytes.
    pub bytes: usize,
    /// Readers that are connected.
    pub readers: usize,
    /// Readers since the start that lost events because they were too slow or came too late.
    pub fallen_behind: u64,
}

impl EventStream {
    /// An empty stream.
    #[must_use]
    pub fn new(config: EventStreamConfig) -> Self {
        // One in four thousand million cursors of an earlier run would be taken for one of this.
        let run = getrandom::u32().unwrap_or_else(|_| std::process::id());
        Self {
            run,
            kept: Mutex::new(Kept::default()),
            newest: watch::Sender::new(0),
            readers: Arc::new(Semaphore::new(config.readers)),
            fallen_behind: AtomicU64::new(0),
            config,
        }
    }

    /// How it is configured.
    #[must_use]
    pub fn config(&self) -> &EventStreamConfig {
        &self.config
    }

    /// Lets a reader in for as long as it keeps what it is given; `None` if there are as many as may be.
    #[must_use]
    pub fn admit(&self) -> Option<OwnedSemaphorePermit> {
        self.readers.clone().try_acquire_owned().ok()
    }

    /// Behind the newest event.
    #[must_use]
    pub fn end(&self) -> Cursor {
        Cursor { run: self.run, seen: self.kept.lock().newest }
    }

    /// Before the oldest event that is kept.
    #[must_use]
    pub fn beginning(&self) -> Cursor {
        Cursor { run: self.run, seen: self.kept.lock().oldest() - 1 }
    }

    /// Where a reader goes on that comes with a cursor.
    pub fn resume(&self, cursor: Cursor) -> Result<Cursor, ResumeError> {
        if cursor.run != self.run {
            self.fallen_behind.fetch_add(1, Ordering::Relaxed);
            return Err(ResumeError::OtherRun);
        }
        let kept = self.kept.lock();
        if cursor.seen > kept.newest {
            return Err(ResumeError::Unreadable);
        }
        self.look(&kept, cursor)?;
        Ok(cursor)
    }

    /// The events behind a cursor, up to so many bytes but at least one if there is one.
    pub fn after(&self, cursor: Cursor, bytes: usize) -> Result<Batch, Gone> {
        let kept = self.kept.lock();
        let skip = self.look(&kept, cursor)?;
        let (mut events, mut size, mut cursor) = (Vec::new(), 0, cursor);
        for event in kept.events.iter().skip(skip) {
            size += event.size();
            if size > bytes && !events.is_empty() {
                break;
            }
            cursor.seen += 1;
            events.push((cursor, event.clone()));
        }
        Ok(Batch { events, cursor })
    }

    /// Tells when there is something new.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// What is known of it.
    #[must_use]
    pub fn status(&self) -> StreamStatus {
        let kept = self.kept.lock();
        StreamStatus {
            events: kept.events.len(),
            bytes: kept.bytes,
            readers: self.config.readers.saturating_sub(self.readers.available_permits()),
            fallen_behind: self.fallen_behind.load(Ordering::Relaxed),
        }
    }

    /// How many of the events that are kept a reader with this cursor has seen.
    fn look(&self, kept: &Kept, cursor: Cursor) -> Result<usize, Gone> {
        let oldest = kept.oldest();
        match (cursor.seen + 1).checked_sub(oldest) {
            Some(seen) => Ok(usize::try_from(seen).unwrap_or(usize::MAX)),
            None => {
                self.fallen_behind.fetch_add(1, Ordering::Relaxed);
                Err(Gone { lost: oldest - cursor.seen - 1 })
            }
        }
    }
}

impl EventSink for EventStream {
    fn happened(&self, event: &Arc<Event>) {
        let event = if self.config.payload { event.clone() } else { event.without_payload() };
        let mut kept = self.kept.lock();
        kept.bytes += event.size();
        kept.newest += 1;
        kept.events.push_back(event);
        // The newest is kept however large it is: otherwise nobody would ever be told of it.
        while kept.events.len() > 1 && (kept.events.len() > self.config.count || kept.bytes > self.config.size) {
            if let Some(oldest) = kept.events.pop_front() {
                kept.bytes -= oldest.size();
            }
        }
        let newest = kept.newest;
        drop(kept);
        self.newest.send_if_modified(|known| {
            let is_news = newest > *known;
            *known = newest.max(*known);
            is_news
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::event::tests::{end, start},
        *,
    };

    fn stream(count: usize, size: usize) -> EventStream {
        EventStream::new(EventStreamConfig { count, size, ..EventStreamConfig::default() })
    }

    fn ids(stream: &EventStream, cursor: Cursor) -> Vec<String> {
        let batch = stream.after(cursor, usize::MAX).unwrap();
        batch.events.iter().map(|(_, event)| event.key.id().to_owned()).collect()
    }

    #[test]
    fn a_reader_goes_on_where_it_was_and_misses_nothing() {
        let stream = stream(100, 1 << 20);
        let before = stream.end();
        ["a", "b", "c"].into_iter().for_each(|id| stream.happened(&start(id)));
        assert_eq!(ids(&stream, before), ["a", "b", "c"]);
        // As few bytes as it likes, it gets one.
        let Batch { events, cursor } = stream.after(before, 1).unwrap();
        assert_eq!((events.len(), events[0].0), (1, cursor));
        let resumed = stream.resume(cursor.to_string().parse().unwrap()).unwrap();
        assert_eq!(ids(&stream, resumed), ["b", "c"]);
        assert!(ids(&stream, stream.end()).is_empty());
        assert_eq!(ids(&stream, stream.beginning()), ["a", "b", "c"]);
    }

    #[test]
    fn what_falls_off_is_told_to_those_who_had_not_seen_it() {
        let stream = stream(2, 1 << 20);
        let before = stream.end();
        stream.happened(&start("a"));
        let after_a = stream.end();
        ["b", "c"].into_iter().for_each(|id| stream.happened(&start(id)));
        assert_eq!(stream.after(before, 1), Err(Gone { lost: 1 }));
        assert_eq!(stream.resume(before), Err(ResumeError::Gone(Gone { lost: 1 })));
        assert_eq!(ids(&stream, after_a), ["b", "c"], "all that it had not seen is there");
        assert_eq!(stream.status().fallen_behind, 2);
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_and_the_newest_is_always_there() {
        let config = EventStreamConfig { size: 4000, payload: true, ..EventStreamConfig::default() };
        let stream = EventStream::new(config);
        (0..10).for_each(|_| stream.happened(&end("a", &[0; 1000])));
        assert!(stream.status().bytes <= 4000 && stream.status().events == 3, "{:?}", stream.status());
        stream.happened(&end("large", &[0; 9000]));
        assert_eq!(ids(&stream, stream.beginning()), ["large"]);
    }

    #[test]
    fn payloads_are_not_even_kept_unless_that_is_configured() {
        let stream = stream(10, 1 << 20);
        stream.happened(&end("a", &[0; 5000]));
        assert!(stream.status().bytes < 1000);
    }

    #[test]
    fn cursors_of_other_runs_and_of_the_future_are_told_apart() {
        let (one, other) = (stream(10, 1 << 20), stream(10, 1 << 20));
        if one.run != other.run {
            assert_eq!(one.resume(other.end()), Err(ResumeError::OtherRun));
        }
        let future = Cursor { seen: 7, ..one.end() };
        assert_eq!(one.resume(future), Err(ResumeError::Unreadable));
        for text in ["", "7", "0000000g-1", "00000001-", "00000001-x", "+0000001-1", "00000001-+1"] {
            assert_eq!(text.parse::<Cursor>(), Err(ResumeError::Unreadable), "{text}");
        }
    }

    #[test]
    fn there_are_only_so_many_readers() {
        let stream = EventStream::new(EventStreamConfig { readers: 1, ..EventStreamConfig::default() });
        let reader = stream.admit();
        assert!(reader.is_some() && stream.admit().is_none());
        drop(reader);
        assert!(stream.admit().is_some());
    }
}
