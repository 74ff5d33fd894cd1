//! What the hosts of a farm tell each other about the locks of a store that they share.
//!
//! A host whose client waits for a lock says so when the client comes and at each of its tries; a host that releases a
//! lock that is waited for elsewhere says that. Where nobody waits, nobody says anything. A notice that is lost costs a
//! waiter the time to its next try: who has a lock is decided by the store and by nothing else.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use crate::{capabilities::NoticeBoard, contract::SessionKey};

/// For how long a host is taken to wait after it said so.
const MEMORY: Duration = Duration::from_secs(1);

/// The most sessions that are remembered as waited for elsewhere.
const MOST_REMEMBERED: usize = 10_000;

/// The most notices that wait to be sent. Those that find no room are not sent.
const OUTBOX: usize = 1024;

/// The pause before listening is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// A connection over which nothing was heard for so long is made again. One that a network has lost on the way looks as
/// if nobody said anything.
const QUIET: Duration = Duration::from_secs(60);

/// Where the hosts of a store tell each other.
#[must_use]
pub fn notice_channel(store: &str) -> String {
    format!("cloakroom:locks:{store}")
}

/// A session without its name: nobody learns an ID from a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mark(u64);

impl Mark {
    pub(super) fn of(key: &SessionKey) -> Self {
        let digest = Sha256::new().chain_update(key.application()).chain_update([0]).chain_update(key.id()).finalize();
        Self(digest.iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte)))
    }
}

/// What a host says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    /// A client of it waits for the lock.
    Waiting(Mark),
    /// It has released the lock.
    Released(Mark),
}

/// A notice with who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Said {
    host: u64,
    notice: Notice,
}

impl fmt::Display for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, Mark(mark)) = match self.notice {
            Notice::Waiting(mark) => ("waiting", mark),
            Notice::Released(mark) => ("released", mark),
        };
        write!(formatter, "{:016x} {word} {mark:016x}", self.host)
    }
}

impl Said {
    /// What was said; nothing if it is in a language of another version.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let number = |words: &mut std::str::Split<'_, char>| u64::from_str_radix(words.next()?, 16).ok();
        let host = number(&mut words)?;
        let word = words.next()?;
        let mark = Mark(number(&mut words)?);
        let notice = match word {
            "waiting" => Notice::Waiting(mark),
            "released" => Notice::Released(mark),
            _ => return None,
        };
        Some(Self { host, notice })
    }
}

/// The notices of one store.
pub(super) struct Notices {
    /// Who this host is among the others: a number that it drew.
    host: u64,
    outbox: mpsc::Sender<Notice>,
    elsewhere: Elsewhere,
}

/// The sessions that clients of other hosts wait for.
#[derive(Default)]
struct Elsewhere {
    /// Until when.
    sessions: Mutex<HashMap<Mark, Instant>>,
    /// How many, so that a release costs nothing while there are none.
    count: AtomicUsize,
}

impl Elsewhere {
    fn remember(&self, mark: Mark, now: Instant) {
        let mut sessions = self.sessions.lock();
        sessions.retain(|_, until| *until > now);
        if sessions.len() < MOST_REMEMBERED {
            sessions.insert(mark, now + MEMORY);
        }
        self.count.store(sessions.len(), Ordering::Relaxed);
    }

    fn is_waited_for(&self, mark: impl FnOnce() -> Mark, now: Instant) -> Option<Mark> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mark = mark();
        let mut sessions = self.sessions.lock();
        sessions.retain(|_, until| *until > now);
        self.count.store(sessions.len(), Ordering::Relaxed);
        sessions.contains_key(&mark).then_some(mark)
    }
}

impl Notices {
    /// Those of a host with this number, and where what it says comes out.
    fn new(host: u64) -> (Arc<Self>, mpsc::Receiver<Notice>) {
        let (outbox, said) = mpsc::channel(OUTBOX);
        (Arc::new(Self { host, outbox, elsewhere: Elsewhere::default() }), said)
    }

    /// A client of this host waits for a lock that somebody holds.
    pub(super) fn waiting(&self, key: &SessionKey) {
        // No room is no harm: the waiter tries now and then.
        let _ = self.outbox.try_send(Notice::Waiting(Mark::of(key)));
    }

    /// This host has released a lock.
    pub(super) fn released(&self, key: &SessionKey) {
        if let Some(mark) = self.elsewhere.is_waited_for(|| Mark::of(key), Instant::now()) {
            let _ = self.outbox.try_send(Notice::Released(mark));
        }
    }

    fn hear(&self, text: &str, lines: &Lines) {
        match Said::parse(text) {
            Some(said) if said.host == self.host => {}
            Some(Said { notice: Notice::Waiting(mark), .. }) => self.elsewhere.remember(mark, Instant::now()),
            Some(Said { notice: Notice::Released(mark), .. }) => lines.wake_marked(mark),
            None => tracing::debug!("heard a notice that this version does not understand"),
        }
    }
}

/// The other end of [`Notices`]: what sends them and hears those of others.
pub(super) struct Exchange {
    store: String,
    channel: String,
    board: NoticeBoard,
    notices: Arc<Notices>,
    outbox: mpsc::Receiver<Notice>,
}

impl Exchange {
    /// The notices of a store, and what is to run while it is open.
    pub(super) fn new(store: &str, board: NoticeBoard) -> (Arc<Notices>, Self) {
        let (notices, outbox) = Notices::new(RandomState::new().build_hasher().finish());
        let channel = notice_channel(store);
        let exchange = Self { store: store.to_owned(), channel, board, notices: notices.clone(), outbox };
        (notices, exchange)
    }

    /// Sends and hears notices until shutdown.
    pub(super) async fn run(self, lines: Arc<Lines>, shutdown: CancellationToken) {
        let Self { store, channel, board, notices, outbox } = self;
        let hearing = hear(&store, &channel, &board, &notices, &lines);
        let sending = send(&store, &channel, &board, notices.host, outbox);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = async { tokio::join!(hearing, sending); } => {}
        }
    }
}

async fn send(store: &str, channel: &str, board: &NoticeBoard, host: u64, mut outbox: mpsc::Receiver<Notice>) {
    while let Some(notice) = outbox.recv().await {
        if let Err(error) = board.put_up(channel, &Said { host, notice }.to_string()).await {
            tracing::debug!(store, %error, "a notice of a lock could not be sent");
        }
    }
}

async fn hear(store: &str, channel: &str, board: &NoticeBoard, notices: &Notices, lines: &Lines) {
    let mut was_heard = true;
    'listening: loop {
        match board.watch(channel).await {
            Ok(mut heard) => {
                if !was_heard {
                    tracing::info!(store, "notices of locks are exchanged with other hosts again");
                }
                was_heard = true;
                loop {
                    match timeout(QUIET, heard.next()).await {
                        Ok(Some(text)) => notices.hear(&text, lines),
                        Ok(None) => break,
                        Err(_) => continue 'listening,
                    }
                }
            }
            Err(error) if was_heard => {
                was_heard = false;
                tracing::warn!(
                    store, %error,
                    "no notices of locks are exchanged with other hosts: a client that waits for the lock of another \
                     host gets it a little later; tried again every {PAUSE:?}"
                );
            }
            Err(_) => {}
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> SessionKey {
        SessionKey::new("shop", id).unwrap()
    }

    #[test]
    fn what_a_host_says_another_understands() {
        for notice in [Notice::Waiting(Mark(7)), Notice::Released(Mark(u64::MAX))] {
            let said = Said { host: 42, notice };
            assert_eq!(Said::parse(&said.to_string()), Some(said));
        }
        for text in ["", "7", "7 waiting", "x waiting 7", "7 sings 7"] {
            assert_eq!(Said::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_mark_is_the_same_in_every_version_and_no_two_sessions_have_one() {
        assert_eq!(Mark::of(&key("1")), Mark(0xc0b7_a68f_fdeb_a506));
        assert_ne!(Mark::of(&key("1")), Mark::of(&key("2")));
        let other = SessionKey::new("sho", "p1").unwrap();
        assert_ne!(Mark::of(&SessionKey::new("shop", "1").unwrap()), Mark::of(&other));
    }

    #[test]
    fn a_release_is_told_only_where_another_host_has_said_that_it_waits() {
        let (notices, mut outbox) = Notices::new(1);
        let lines = Lines::default();
        notices.released(&key("a"));
        assert!(outbox.try_recv().is_err());

        let waiting = |host| Said { host, notice: Notice::Waiting(Mark::of(&key("a"))) }.to_string();
        notices.hear(&waiting(1), &lines);
        notices.released(&key("a"));
        assert!(outbox.try_recv().is_err(), "its own words");

        notices.hear(&waiting(2), &lines);
        notices.released(&key("b"));
        assert!(outbox.try_recv().is_err());
        notices.released(&key("a"));
        assert_eq!(outbox.try_recv().ok(), Some(Notice::Released(Mark::of(&key("a")))));
    }

    #[test]
    fn that_another_host_waits_is_forgotten_when_it_says_so_no_more() {
        let (elsewhere, now) = (Elsewhere::default(), Instant::now());
        elsewhere.remember(Mark(7), now);
        assert_eq!(elsewhere.is_waited_for(|| Mark(7), now), Some(Mark(7)));
        assert_eq!(elsewhere.is_waited_for(|| Mark(8), now), None);
        assert_eq!(elsewhere.is_waited_for(|| Mark(7), now + MEMORY), None);
        assert_eq!(elsewhere.count.load(Ordering::Relaxed), 0);
    }
}
