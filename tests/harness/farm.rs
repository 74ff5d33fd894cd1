//! What clients of two hosts do with one session that both hosts keep in the same place.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::http::{Connection, Request};

/// Clients of each host that count, and what each adds.
const CLIENTS: usize = 4;
const UPDATES: usize = 50;

/// Locks that are handed over to be measured; odd, so that one is in the middle.
const TURNS: u32 = 21;

/// Clients of both hosts add to a counter in the session, each under its lock. Fails if an update is lost.
pub fn count_together(hosts: [SocketAddr; 2], session: &str) -> Result<()> {
    let new = Request::new("PUT", session).body("0").send(hosts[0])?;
    ensure!(new.status == 201, "{} {}", new.status, new.text());
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..2 * CLIENTS).map(|number| scope.spawn(move || count(hosts[number % 2], session))).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("no panic"))
    })?;
    let counted = Request::new("GET", session).send(hosts[1])?;
    ensure!(counted.text() == (2 * CLIENTS * UPDATES).to_string(), "{}", counted.text());
    Ok(())
}

/// Adds one to the counter, under its lock, so many times.
fn count(host: SocketAddr, session: &str) -> Result<()> {
    let mut connection = Connection::open(host)?;
    for _ in 0..UPDATES {
        let (lock, counter) = lock(&mut connection, session)?;
        let next = counter.parse::<usize>().context("a number")? + 1;
        let store = Request::new("PUT", session).header("Session-Lock", lock).body(next.to_string());
        let stored = connection.exchange(&store)?;
        ensure!(stored.status == 204, "{} {}", stored.status, stored.text());
    }
    Ok(())
}

/// How long the client of one host takes to get a lock that one of another host releases, in the middle.
pub fn hand_over(hosts: [SocketAddr; 2], session: &str) -> Result<Duration> {
    let [mut holder, mut waiter] = [Connection::open(hosts[0])?, Connection::open(hosts[1])?];
    let stored = Request::new("PUT", session).body("coat").send(hosts[0])?;
    ensure!(stored.status < 300, "{} {}", stored.status, stored.text());
    let mut times = Vec::new();
    for turn in 0..TURNS {
        let (held, _) = lock(&mut holder, session)?;
        let (released, got) = thread::scope(|scope| -> Result<(Instant, Instant)> {
            let waiting = scope.spawn(|| -> Result<Instant> {
                let (lock, _) = lock(&mut waiter, session)?;
                let now = Instant::now();
                release(&mut waiter, session, lock)?;
                Ok(now)
            });
            // At another point of the waiter's pause each time.
            thread::sleep(Duration::from_millis(150) + Duration::from_millis(7) * turn);
            let released = Instant::now();
            release(&mut holder, session, held)?;
            Ok((released, waiting.join().expect("no panic")?))
        })?;
        times.push(got.saturating_duration_since(released));
    }
    times.sort();
    times.get(times.len() / 2).copied().context("nothing was measured")
}

/// The lock, however long it takes, and what the session holds.
fn lock(connection: &mut Connection, session: &str) -> Result<(String, String)> {
    let lock = Request::new("POST", format!("{session}/lock")).header("Prefer", "wait=30");
    let locked = connection.exchange(&lock)?;
    ensure!(locked.status == 200, "{} {}", locked.status, locked.text());
    Ok((locked.must("session-lock")?.to_owned(), locked.text()))
}

fn release(connection: &mut Connection, session: &str, lock: String) -> Result<()> {
    let release = Request::new("DELETE", format!("{session}/lock")).header("Session-Lock", lock);
    let released = connection.exchange(&release)?;
    ensure!(released.status == 204, "{} {}", released.status, released.text());
    Ok(())
}
