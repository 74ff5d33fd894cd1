//! A farm of two hosts of which one after the other is killed, while clients write.
//!
//! The clients keep a list in one session: under its lock each adds entries of its own, one at a time. A client whose host
//! dies goes on with the other one. It may not know whether its last entry was stored; then it looks, under the lock. An
//! entry that was acknowledged must be in the list at the end, once, and no entry may be there twice. A lock whose holder
//! never heard of it (the host died before it could answer) is broken by the rule of the contract: whoever waited in vain
//! releases it with the id that it was told.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    http::{Answer, Request},
};

use crate::database::{Farm, Kind, session};

const CLIENTS: usize = 6;
const KILLS: usize = 10;

/// How long a client waits for a lock before it takes its holder for dead. A live one holds it for milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a client tries before it gives up: longer than any host is away.
const DEADLINE: Duration = Duration::from_secs(60);

struct Client<'h> {
    hosts: [SocketAddr; 2],
    at: usize,
    broken: &'h AtomicUsize,
}

impl Client<'_> {
    /// Sends a request once; `None` if no answer came, or none that says what became of it.
    fn send(&mut self, request: &Request) -> Option<Answer> {
        let answer = request.send(self.hosts[self.at]).ok().filter(|answer| answer.status < 500);
        if answer.is_none() {
            self.at = 1 - self.at;
            thread::sleep(Duration::from_millis(5));
        }
        answer
    }

    /// The lock and the list.
    fn lock(&mut self) -> Result<(String, String)> {
        let begin = Instant::now();
        while begin.elapsed() < DEADLINE {
            let Some(answer) = self.send(&Request::new("POST", session("a/lock")).header("Prefer", "wait=1")) else {
                continue;
            };
            if answer.status == 200 {
                return Ok((answer.must("session-lock")?.to_owned(), answer.text()));
            }
            ensure!(answer.status == 423, "{} {}", answer.status, answer.text());
            let holder = answer.must("session-lock")?.to_owned();
            // A lock that is as old as that had one holder all the while.
            let age = answer.json()?["lock_age"].as_u64().context("no age")?;
            if Duration::from_secs(age) >= PATIENCE {
                let release = Request::new("DELETE", session("a/lock")).header("Session-Lock", holder);
                if self.send(&release).is_some_and(|answer| answer.status == 204) {
                    self.broken.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        anyhow::bail!("no lock within {DEADLINE:?}")
    }

    /// Adds an entry, whatever happens to hosts. Returns when it is acknowledged or found in the list.
    fn add(&mut self, entry: &str) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < DEADLINE {
            let (lock_id, list) = self.lock()?;
            if list.split(' ').any(|known| known == entry) {
                // Stored before, and not heard of.
                let release = Request::new("DELETE", session("a/lock")).header("Session-Lock", lock_id);
                self.send(&release);
                return Ok(());
            }
            let store = Request::new("PUT", session("a")).header("Session-Lock", lock_id);
            match self.send(&store.body(format!("{list} {entry}"))) {
                Some(answer) if answer.status == 204 => return Ok(()),
                // Somebody broke the lock, or nobody knows.
                Some(answer) => ensure!(answer.status == 409, "{} {}", answer.status, answer.text()),
                None => {}
            }
        }
        anyhow::bail!("{entry} was not stored within {DEADLINE:?}")
    }
}

fn survives_kills(kind: Kind) -> Result<()> {
    let farm = Farm::start(kind)?;
    let mut hosts = [farm.host("")?, farm.host("")?];
    let addresses = [hosts[0].http(), hosts[1].http()];
    ensure!(Request::new("PUT", session("a")).body("list").send(addresses[0])?.status == 201);
    let (is_over, broken) = (AtomicBool::new(false), AtomicUsize::new(0));
    let begin = Instant::now();
    let added = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let mut client = Client { hosts: addresses, at: number % 2, broken: &broken };
                let is_over = &is_over;
                scope.spawn(move || {
                    let mut entries = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        let entry = format!("{number}-{}", entries.len());
                        client.add(&entry)?;
                        entries.push(entry);
                    }
                    anyhow::Ok(entries)
                })
            })
            .collect();
        let killed = kill_one_after_the_other(&mut hosts);
        is_over.store(true, Ordering::Relaxed);
        let added = clients.into_iter().map(|client| client.join().expect("no panic")).collect::<Result<Vec<_>>>();
        killed.and(added)
    })?;
    let list = Request::new("GET", session("a")).send(addresses[0])?.text();
    let mut found: Vec<_> = list.split(' ').skip(1).map(str::to_owned).collect();
    let mut expected: Vec<_> = added.into_iter().flatten().collect();
    found.sort();
    expected.sort();
    println!(
        "{kind:?}: {} entries by {CLIENTS} clients over {KILLS} kills in {:.1?}, {} locks broken",
        found.len(),
        begin.elapsed(),
        broken.load(Ordering::Relaxed)
    );
    ensure!(found == expected, "added: {expected:?}\nfound: {found:?}");
    Ok(())
}

fn kill_one_after_the_other(hosts: &mut [Host; 2]) -> Result<()> {
    for number in 0..KILLS {
        // Long enough for clients to come back to this one, and never twice the same moment of what they do.
        thread::sleep(Duration::from_millis(700 + 37 * u64::try_from(number).context("a small number")?));
        let host = &mut hosts[number % 2];
        host.kill()?;
        host.restart()?;
    }
    Ok(())
}

#[test]
fn hosts_that_are_killed_lose_no_acknowledged_write_and_no_update_on_postgresql() -> Result<()> {
    survives_kills(Kind::Postgres)
}

#[test]
fn hosts_that_are_killed_lose_no_acknowledged_write_and_no_update_on_mariadb() -> Result<()> {
    survives_kills(Kind::MariaDb)
}
