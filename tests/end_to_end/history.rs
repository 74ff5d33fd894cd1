//! Records what many clients of both front ends see of one session, and checks the whole history for mutual exclusion
//! and lost updates.
//!
//! Every lock that is issued for a session has a higher number than the one before, so that the numbers put the
//! history in order, whichever front end a client speaks to. In that order each holder must have read what the holder
//! before it left. Only a holder whose lock was broken may come late: while somebody else holds the lock its write is
//! refused, and while nobody does it is stored, as the contract says (rules 2 and 7).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Result, bail, ensure};
use harness::{Host, http, state_server};

const CLIENTS: usize = 12;
const TURNS: usize = 60;
const APPLICATION: &str = "history";
const ID: &str = "one-session-for-all";

/// What one holder of the lock saw and did.
#[derive(Debug)]
struct Hold {
    read: String,
    deed: Deed,
}

#[derive(Debug)]
enum Deed {
    /// Stored this, and was told that it was stored.
    Wrote(String),
    /// Tried to store, and was told that the lock is not its any more.
    WriteRefused,
    /// Released without writing.
    Released,
    /// Did nothing; somebody else has to break the lock.
    Vanished,
}

/// What all clients did.
#[derive(Debug, Default)]
struct History {
    /// The holds by lock id.
    holds: BTreeMap<i64, Hold>,
    /// The locks that somebody else than their holder released, or tried to just when the holder did.
    broken: BTreeSet<i64>,
}

/// A client of one of the front ends.
trait Client {
    /// Takes the lock; the lock id and what is stored, or the holder's lock id if somebody has it.
    fn acquire(&mut self) -> Result<std::result::Result<(i64, String), i64>>;
    /// Stores and releases; false if the lock was lost.
    fn write(&mut self, lock_id: i64, value: &str) -> Result<bool>;
    /// Releases the lock of this id; whether it was still held by that id or by nobody.
    fn release(&mut self, lock_id: i64) -> Result<bool>;
}

struct StateServerClient {
    connection: state_server::Connection,
    target: String,
}

impl Client for StateServerClient {
    fn acquire(&mut self) -> Result<std::result::Result<(i64, String), i64>> {
        let answer = self.connection.exchange(state_server::request::acquire(&self.target))?;
        let lock_id = answer.number("LockCookie")?;
        match answer.status {
            200 => Ok(Ok((lock_id, String::from_utf8(answer.body.to_vec())?))),
            423 => Ok(Err(lock_id)),
            status => bail!("acquire was answered {status}"),
        }
    }

    fn write(&mut self, lock_id: i64, value: &str) -> Result<bool> {
        let request = state_server::request::put(&self.target, lock_id, value.as_bytes());
        match self.connection.exchange(request)?.status {
            200 => Ok(true),
            423 => Ok(false),
            status => bail!("PUT was answered {status}"),
        }
    }

    fn release(&mut self, lock_id: i64) -> Result<bool> {
        match self.connection.exchange(state_server::request::release(&self.target, lock_id))?.status {
            200 => Ok(true),
            423 => Ok(false),
            status => bail!("release was answered {status}"),
        }
    }
}

struct HttpClient {
    connection: http::Connection,
}

impl HttpClient {
    fn request(method: &str, tail: &str) -> http::Request {
        http::Request::new(method, format!("/v1/{APPLICATION}/sessions/{ID}{tail}"))
    }
}

impl Client for HttpClient {
    fn acquire(&mut self) -> Result<std::result::Result<(i64, String), i64>> {
        let answer = self.connection.exchange(&Self::request("POST", "/lock").header("Prefer", "wait=1"))?;
        let lock_id = answer.must("session-lock")?.parse()?;
        match answer.status {
            200 => Ok(Ok((lock_id, answer.text()))),
            423 => Ok(Err(lock_id)),
            status => bail!("lock was answered {status}"),
        }
    }

    fn write(&mut self, lock_id: i64, value: &str) -> Result<bool> {
        let request = Self::request("PUT", "").header("Session-Lock", lock_id).body(value.as_bytes());
        match self.connection.exchange(&request)?.status {
            204 => Ok(true),
            409 => Ok(false),
            status => bail!("PUT was answered {status}"),
        }
    }

    fn release(&mut self, lock_id: i64) -> Result<bool> {
        let request = Self::request("DELETE", "/lock").header("Session-Lock", lock_id);
        match self.connection.exchange(&request)?.status {
            204 => Ok(true),
            409 => Ok(false),
            status => bail!("release was answered {status}"),
        }
    }
}

#[test]
fn no_update_is_lost_and_no_two_clients_hold_the_lock() -> Result<()> {
    // Short, so that clients meet locks whose holder has vanished often and soon.
    let host = Host::start("[state_server]\nhold_locked = \"50ms\"\n")?;
    let first =
        http::Request::new("PUT", format!("/v1/{APPLICATION}/sessions/{ID}")).body("start").send(host.http())?;
    ensure!(first.status == 201, "the session could not be made: {}", first.status);

    let history = Arc::new(Mutex::new(History::default()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (history, state_server, http) = (history.clone(), host.state_server(), host.http());
            thread::spawn(move || play(number, state_server, http, &history))
        })
        .collect();
    for client in clients {
        client.join().expect("a client that does not panic")?;
    }
    let history = history.lock().expect("no client panicked");
    judge(&history)
}

/// One client's turns: takes the lock, and mostly writes, sometimes releases, sometimes vanishes.
fn play(number: usize, state_server: SocketAddr, http: SocketAddr, history: &Mutex<History>) -> Result<()> {
    let mut client: Box<dyn Client> = if number.is_multiple_of(2) {
        let target = format!("{APPLICATION}%2f{ID}");
        Box::new(StateServerClient { connection: state_server::Connection::open(state_server)?, target })
    } else {
        Box::new(HttpClient { connection: http::Connection::open(http)? })
    };
    for turn in 0..TURNS {
        let mut seen = None;
        let (lock_id, read) = loop {
            match client.acquire()? {
                Ok(held) => break held,
                // As ASP.NET does when a lock has been held for too long; here soon, so that it sometimes breaks the
                // lock of somebody who is about to write.
                Err(holder) if seen == Some(holder) => {
                    history.lock().expect("no client panicked").broken.insert(holder);
                    client.release(holder)?;
                }
                Err(holder) => seen = Some(holder),
            }
        };
        let value = format!("{number}/{turn}");
        // One that takes so long that its lock is broken before it writes. Not near the end, when nobody may be left to
        // break it.
        if turn < TURNS / 2 && (number + turn) % 10 == 9 {
            while !history.lock().expect("no client panicked").broken.contains(&lock_id) {
                thread::yield_now();
            }
        }
        let deed = match (number * 7 + turn * 3) % 10 {
            0 => Deed::Vanished,
            1 | 2 if client.release(lock_id)? => Deed::Released,
            1 | 2 => Deed::WriteRefused,
            _ if client.write(lock_id, &value)? => Deed::Wrote(value),
            _ => Deed::WriteRefused,
        };
        let before = history.lock().expect("no client panicked").holds.insert(lock_id, Hold { read, deed });
        ensure!(before.is_none(), "lock id {lock_id} was issued twice");
    }
    Ok(())
}

/// Goes through the history in the order of the locks.
fn judge(history: &History) -> Result<()> {
    ensure!(history.holds.len() == CLIENTS * TURNS, "{} holds", history.holds.len());
    let mut stored = "start".to_owned();
    // What was written under locks that were broken, and may have come late.
    let mut late = BTreeSet::new();
    let mut counts = [0; 5];
    for (lock_id, hold) in &history.holds {
        if hold.read != stored {
            ensure!(
                late.remove(hold.read.as_str()),
                "lock {lock_id} read {:?}, and {stored:?} was stored before it: an update was lost",
                hold.read
            );
            stored.clone_from(&hold.read);
            counts[4] += 1;
        }
        match &hold.deed {
            Deed::Wrote(value) if history.broken.contains(lock_id) => {
                late.insert(value.as_str());
                counts[1] += 1;
            }
            Deed::Wrote(value) => {
                stored.clone_from(value);
                counts[0] += 1;
            }
            Deed::WriteRefused => {
                ensure!(history.broken.contains(lock_id), "lock {lock_id} was lost and nobody broke it");
                counts[2] += 1;
            }
            Deed::Released => {}
            Deed::Vanished => counts[3] += 1,
        }
    }
    let [wrote, broken, refused, vanished, came_late] = counts;
    println!(
        "{wrote} writes, {vanished} vanished holders; of the broken locks {broken} writes were stored ({came_late} of \
         them read by the next holder) and {refused} refused"
    );
    let met = wrote > CLIENTS * TURNS / 2 && vanished > 0 && broken + refused > 0;
    ensure!(met, "the history has not met what it is to be checked for");
    Ok(())
}
