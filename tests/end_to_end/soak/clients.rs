//! The clients of the good store.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail, ensure};
use harness::{Host, http, state_server};

/// Clients, half of them of each front end.
const CLIENTS: usize = 64;
/// Sessions that they count in, each in all of them in turn.
const SESSIONS: usize = 96;
/// The time from one update of a client to its next: a load that leaves the machine some room, with and without
/// neighbours the same.
const PACE: Duration = Duration::from_millis(25);

/// What is going on besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stretch {
    /// Nothing.
    Quiet,
    /// The neighbours are called.
    Noisy,
}

/// The clients at work.
pub(crate) struct Clients {
    threads: Vec<JoinHandle<Result<Tally>>>,
    is_noisy: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

/// What one client did, or all of them.
struct Tally {
    /// Updates by session.
    updates: Vec<u64>,
    quiet: Times,
    noisy: Times,
}

/// How long updates took, from asking for the lock to having stored.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) updates: u64,
    pub(crate) quiet: Times,
    pub(crate) noisy: Times,
}

impl Times {
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted.get((sorted.len() * percent / 100).saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// One way to take a session under its lock and to store it.
trait Client {
    /// What is stored, and the lock id.
    fn acquire(&mut self, session: usize) -> Result<(u64, String)>;
    fn store(&mut self, session: usize, lock_id: &str, count: u64) -> Result<()>;
}

impl Clients {
    pub(crate) fn start(host: &Host) -> Result<Self> {
        for session in 0..SESSIONS {
            let answer = http::Request::new("PUT", path(session)).body("0").send(host.http())?;
            ensure!(answer.status == 201, "a session could not be made: {} {}", answer.status, answer.text());
        }
        let (is_noisy, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (http, state_server) = (host.http(), host.state_server());
        let threads = (0..CLIENTS)
            .map(|number| {
                let (is_noisy, stop) = (is_noisy.clone(), stop.clone());
                thread::spawn(move || {
                    let client: Box<dyn Client> = if number.is_multiple_of(2) {
                        Box::new(OverHttp(http::Connection::open(http)?))
                    } else {
                        Box::new(OverWire(state_server::Connection::open(state_server)?))
                    };
                    count(client, number, &is_noisy, &stop)
                })
            })
            .collect();
        Ok(Self { threads, is_noisy, stop })
    }

    /// From now on this is going on besides.
    pub(crate) fn enter(&self, stretch: Stretch) {
        self.is_noisy.store(stretch == Stretch::Noisy, Ordering::Relaxed);
    }

    /// Ends it; an error if a request failed or an update was lost.
    pub(crate) fn finish(self, address: SocketAddr) -> Result<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::new();
        for thread in self.threads {
            let tally = thread.join().map_err(|_| anyhow!("a client panicked"))??;
            all.updates.iter_mut().zip(&tally.updates).for_each(|(sum, count)| *sum += count);
            all.quiet.0.extend(tally.quiet.0);
            all.noisy.0.extend(tally.noisy.0);
        }
        for (session, updates) in all.updates.iter().enumerate() {
            let stored = http::Request::new("GET", path(session)).send(address)?;
            ensure!(stored.text() == updates.to_string(), "{updates} updates of session {session}: {}", stored.text());
        }
        Ok(Outcome { updates: all.updates.iter().sum(), quiet: all.quiet, noisy: all.noisy })
    }
}

impl Tally {
    fn new() -> Self {
        Self { updates: vec![0; SESSIONS], quiet: Times::default(), noisy: Times::default() }
    }
}

fn path(session: usize) -> String {
    format!("/v1/soak/sessions/session-{session}")
}

/// Adds one to one session after the other until it is to stop.
fn count(mut client: Box<dyn Client>, number: usize, is_noisy: &AtomicBool, stop: &AtomicBool) -> Result<Tally> {
    let mut tally = Tally::new();
    let mut next = Instant::now() + PACE * u32::try_from(number)? / u32::try_from(CLIENTS)?;
    for turn in 0.. {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        next = (next + PACE).max(Instant::now());
        if stop.load(Ordering::Relaxed) {
            return Ok(tally);
        }
        // Each client has another order, so that they meet.
        let session = (number + turn * (2 * number + 1)) % SESSIONS;
        let noisy_before = is_noisy.load(Ordering::Relaxed);
        let begun = Instant::now();
        let (count, lock_id) = client.acquire(session)?;
        client.store(session, &lock_id, count + 1)?;
        let took = begun.elapsed();
        if let Some(updates) = tally.updates.get_mut(session) {
            *updates += 1;
        }
        // One that began in one stretch and ended in the other belongs to neither.
        match (noisy_before, is_noisy.load(Ordering::Relaxed)) {
            (true, true) => tally.noisy.0.push(took),
            (false, false) => tally.quiet.0.push(took),
            _ => {}
        }
    }
    Ok(tally)
}

struct OverHttp(http::Connection);

impl Client for OverHttp {
    fn acquire(&mut self, session: usize) -> Result<(u64, String)> {
        let request = http::Request::new("POST", path(session) + "/lock").header("Prefer", "wait=30");
        let answer = self.0.exchange(&request)?;
        ensure!(answer.status == 200, "lock was answered {}: {}", answer.status, answer.text());
        Ok((answer.text().parse()?, answer.must("session-lock")?.to_owned()))
    }

    fn store(&mut self, session: usize, lock_id: &str, count: u64) -> Result<()> {
        let request = http::Request::new("PUT", path(session)).header("Session-Lock", lock_id).body(count.to_string());
        let answer = self.0.exchange(&request)?;
        ensure!(answer.status == 204, "PUT was answered {}: {}", answer.status, answer.text());
        Ok(())
    }
}

struct OverWire(state_server::Connection);

impl OverWire {
    fn target(session: usize) -> String {
        format!("soak%2fsession-{session}")
    }
}

impl Client for OverWire {
    fn acquire(&mut self, session: usize) -> Result<(u64, String)> {
        loop {
            let answer = self.0.exchange(state_server::request::acquire(&Self::target(session)))?;
            match answer.status {
                200 => {
                    return Ok((
                        String::from_utf8(answer.body.clone())?.parse()?,
                        answer.number("LockCookie")?.to_string(),
                    ));
                }
                // It was held for `hold_locked`; ASP.NET comes back, too.
                423 => {}
                status => bail!("acquire was answered {status}"),
            }
        }
    }

    fn store(&mut self, session: usize, lock_id: &str, count: u64) -> Result<()> {
        let body = count.to_string();
        let request = state_server::request::put(&Self::target(session), lock_id.parse()?, body.as_bytes());
        let answer = self.0.exchange(request)?;
        ensure!(answer.status == 200, "PUT was answered {}", answer.status);
        Ok(())
    }
}
