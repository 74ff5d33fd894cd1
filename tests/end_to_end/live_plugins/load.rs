//! Clients that count in sessions while something happens to the host.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use harness::{Host, http, state_server};

/// Sessions that are counted in.
const SESSIONS: usize = 8;
/// Clients of each front end.
const CLIENTS: usize = 4;

/// Clients of both front ends that add one to counters in sessions, under the lock, for as long as they are let.
pub(crate) struct Load {
    clients: Vec<JoinHandle<Result<Vec<u64>>>>,
    stop: Arc<AtomicBool>,
    http: SocketAddr,
}

impl Load {
    pub(crate) fn start(host: &Host) -> Result<Self> {
        let (http, state_server) = (host.http(), host.state_server());
        for number in 0..SESSIONS {
            let answer = http::Request::new("PUT", path(number)).body("0").send(http)?;
            ensure!(answer.status == 201, "a session could not be made: {} {}", answer.status, answer.text());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..2 * CLIENTS)
            .map(|number| {
                let stop = stop.clone();
                thread::spawn(move || {
                    if number % 2 == 0 {
                        over_http(http, number, &stop)
                    } else {
                        over_wire(state_server, number, &stop)
                    }
                })
            })
            .collect();
        Ok(Self { clients, stop, http })
    }

    /// Ends it. How often was added; an error if a request failed or an update was lost.
    pub(crate) fn finish(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut added = [0; SESSIONS];
        for client in self.clients {
            let counts = client.join().map_err(|_| anyhow!("a client panicked"))??;
            added.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        for (number, added) in added.iter().enumerate() {
            let stored = http::Request::new("GET", path(number)).send(self.http)?;
            ensure!(stored.text() == added.to_string(), "{added} were added to {} in session {number}", stored.text());
        }
        Ok(added.iter().sum())
    }
}

fn path(session: usize) -> String {
    format!("/v1/load/sessions/counter-{session}")
}

fn over_http(address: SocketAddr, first: usize, stop: &AtomicBool) -> Result<Vec<u64>> {
    let mut connection = http::Connection::open(address)?;
    let mut added = vec![0; SESSIONS];
    for number in (0..SESSIONS).cycle().skip(first) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let lock = http::Request::new("POST", path(number) + "/lock").header("Prefer", "wait=30");
        let locked = connection.exchange(&lock)?;
        ensure!(locked.status == 200, "lock was answered {}: {}", locked.status, locked.text());
        let count: u64 = locked.text().parse()?;
        let store = http::Request::new("PUT", path(number)).header("Session-Lock", locked.must("session-lock")?);
        let stored = connection.exchange(&store.body((count + 1).to_string()))?;
        ensure!(stored.status == 204, "PUT was answered {}: {}", stored.status, stored.text());
        *added.get_mut(number).context("a session")? += 1;
    }
    Ok(added)
}

fn over_wire(address: SocketAddr, first: usize, stop: &AtomicBool) -> Result<Vec<u64>> {
    let mut connection = state_server::Connection::open(address)?;
    let mut added = vec![0; SESSIONS];
    for number in (0..SESSIONS).cycle().skip(first) {
        let target = format!("load%2fcounter-{number}");
        let locked = loop {
            if stop.load(Ordering::Relaxed) {
                return Ok(added);
            }
            let answer = connection.exchange(state_server::request::acquire(&target))?;
            match answer.status {
                200 => break answer,
                // It was held for `hold_locked`; ASP.NET comes back, too.
                423 => {}
                status => ensure!(false, "acquire was answered {status}"),
            }
        };
        let count: u64 = String::from_utf8(locked.body.clone())?.parse()?;
        let body = (count + 1).to_string();
        let store = state_server::request::put(&target, locked.number("LockCookie")?, body.as_bytes());
        let stored = connection.exchange(store)?;
        ensure!(stored.status == 200, "PUT was answered {}", stored.status);
        *added.get_mut(number).context("a session")? += 1;
    }
    Ok(added)
}
