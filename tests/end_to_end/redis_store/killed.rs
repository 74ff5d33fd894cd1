//! Hosts that are killed while clients count in one session.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use harness::http::{Connection, Request};

use crate::Farm;

const CLIENTS: usize = 8;
const SESSION: &str = "/v1/shop/sessions/a";
/// Updates that are acknowledged before the next host is killed.
const BETWEEN: u64 = 20;
/// A lock that is held longer than this is taken for that of a host that died.
const TOO_LONG: Duration = Duration::from_secs(1);

/// What a client did.
#[derive(Default)]
struct Counted {
    acknowledged: u64,
    /// Stored or not: the host died before it answered.
    unknown: u64,
    broken_locks: u64,
}

#[test]
fn a_host_that_is_killed_loses_no_acknowledged_update_and_its_locks_can_be_broken() -> Result<()> {
    let farm = Farm::start()?;
    let mut hosts = [farm.host("")?, farm.host("")?];
    ensure!(Request::new("PUT", SESSION).body("0").send(hosts[0].http())?.status == 201);
    let addresses = [hosts[0].http(), hosts[1].http()];
    let (stop, updates) = (AtomicBool::new(false), AtomicU64::new(0));
    let counted = thread::scope(|scope| -> Result<Vec<Counted>> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (stop, updates) = (&stop, &updates);
                scope.spawn(move || Client { addresses, at: number % 2, connection: None }.count(stop, updates))
            })
            .collect();
        let mut killing = || -> Result<()> {
            for turn in 0..6_u64 {
                thread::sleep(Duration::from_millis(400 + 37 * turn));
                let host = &mut hosts[usize::try_from(turn % 2)?];
                let enough = (turn + 1) * BETWEEN;
                host.wait_until("enough was counted", || Ok(updates.load(Ordering::Relaxed) >= enough))?;
                host.kill()?;
                thread::sleep(Duration::from_millis(200));
                host.restart()?;
            }
            Ok(())
        };
        let killed = killing();
        stop.store(true, Ordering::Relaxed);
        let counted = clients.into_iter().map(|client| client.join().expect("no panic")).collect();
        killed.and(counted)
    })?;
    let sum = |of: fn(&Counted) -> u64| counted.iter().map(of).sum::<u64>();
    let (acknowledged, unknown) = (sum(|counted| counted.acknowledged), sum(|counted| counted.unknown));
    let found: u64 = Request::new("GET", SESSION).send(addresses[1])?.text().parse()?;
    println!(
        "{acknowledged} updates were acknowledged while hosts were killed 6 times, {unknown} not answered, {found} are \
         there; {} locks of dead hosts were broken",
        sum(|counted| counted.broken_locks)
    );
    ensure!((acknowledged..=acknowledged + unknown).contains(&found), "{acknowledged} + {unknown}, {found}");
    ensure!(acknowledged > 100, "{acknowledged}");
    Ok(())
}

/// A client that goes to the other host when one does not answer.
struct Client {
    addresses: [SocketAddr; 2],
    at: usize,
    connection: Option<Connection>,
}

impl Client {
    /// The answer; nothing if the host died on the way.
    fn ask(&mut self, request: &Request) -> Option<harness::http::Answer> {
        if self.connection.is_none() {
            self.connection = Connection::open(*self.addresses.get(self.at)?).ok();
        }
        let answer = self.connection.as_mut().and_then(|connection| connection.exchange(request).ok());
        if answer.is_none() {
            self.connection = None;
            self.at = 1 - self.at;
            thread::sleep(Duration::from_millis(5));
        }
        answer
    }

    fn count(mut self, stop: &AtomicBool, updates: &AtomicU64) -> Result<Counted> {
        let mut counted = Counted::default();
        while !stop.load(Ordering::Relaxed) {
            let Some(locked) = self.ask(&Request::new("POST", format!("{SESSION}/lock")).header("Prefer", "wait=2"))
            else {
                continue;
            };
            match locked.status {
                200 => {}
                423 => {
                    counted.broken_locks += u64::from(self.break_lock(&locked)?);
                    continue;
                }
                // It is just stopping or starting.
                503 => continue,
                status => bail!("a lock was answered {status}: {}", locked.text()),
            }
            let next = locked.text().parse::<u64>().context("a number")? + 1;
            let store = Request::new("PUT", SESSION).header("Session-Lock", locked.must("session-lock")?);
            match self.ask(&store.body(next.to_string())).map(|stored| stored.status) {
                Some(204) => {
                    counted.acknowledged += 1;
                    updates.fetch_add(1, Ordering::Relaxed);
                }
                None | Some(503) => counted.unknown += 1,
                Some(status) => bail!("a PUT was answered {status}"),
            }
        }
        Ok(counted)
    }

    /// Breaks the lock of a dead host, by the id that it was told; whether it was this client who did.
    fn break_lock(&mut self, locked: &harness::http::Answer) -> Result<bool> {
        let age: u64 = locked.must("session-lock-age")?.parse()?;
        if age < TOO_LONG.as_secs() {
            return Ok(false);
        }
        let release =
            Request::new("DELETE", format!("{SESSION}/lock")).header("Session-Lock", locked.must("session-lock")?);
        Ok(self.ask(&release).is_some_and(|released| released.status == 204))
    }
}
