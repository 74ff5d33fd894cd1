//! What clients of two hosts do with one session that both hosts keep in the same place.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    Host,
    http::{Connection, Request},
};

/// Clients of each host that count, and what each adds.
const CLIENTS: usize = 4;
const UPDATES: usize = 50;

/// Sessions whose ends are counted.
const SESSIONS: usize = 100;

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

/// What one host stores comes back whole from the other: a payload of megabytes, its media type, whom it belongs to.
pub fn comes_back_whole(hosts: [SocketAddr; 2], session: &str) -> Result<()> {
    let bytes: Vec<u8> = (0..=255).cycle().take(3 << 20).collect();
    let store = Request::new("PUT", session).header("Content-Type", "image/x-coat; a=\"b\"");
    let stored = store.header("Session-Subject", "ann%20%C3%A9").body(bytes.clone()).send(hosts[0])?;
    ensure!(stored.status == 201, "{} {}", stored.status, stored.text());
    let read = Request::new("GET", session).send(hosts[1])?;
    ensure!(read.status == 200 && read.body == bytes, "{}, {} bytes", read.status, read.body.len());
    ensure!(read.must("content-type")? == "image/x-coat; a=\"b\"", "{:?}", read.headers);
    ensure!(read.must("session-subject")? == "ann%20%C3%A9", "{:?}", read.headers);
    Ok(())
}

/// The end of each session is in the log of one of the hosts, once. Both must have `[log] events = true`.
pub fn each_end_is_told_once(hosts: [&Host; 2]) -> Result<()> {
    for number in 0..SESSIONS {
        let store = Request::new("PUT", format!("/v1/shop/sessions/{number}")).header("Session-Timeout", 1).body("hat");
        let stored = store.send(hosts[number % 2].http())?;
        ensure!(stored.status == 201, "{} {}", stored.status, stored.text());
    }
    let told = || hosts.iter().map(|host| host.log().matches("Session_End").count()).sum::<usize>();
    hosts[0].wait_until("all ends are told", || Ok(told() >= SESSIONS))?;
    ensure!(told() == SESSIONS, "{} were told", told());
    Ok(())
}

/// A lock that one host releases gets to a client of the other sooner with notices than without.
pub fn notices_make_waiting_shorter(host: impl Fn(&str) -> Result<Host>, session: &str) -> Result<()> {
    let measured = |more| {
        let hosts = [host(more)?, host(more)?];
        hand_over([hosts[0].http(), hosts[1].http()], session)
    };
    let (without, with) = (measured("")?, measured("lock_notices = \"main\"\n")?);
    println!("from the release in one host to the lock in another, median: {with:?} with notices, {without:?} without");
    ensure!(with < without, "{with:?} with notices, {without:?} without");
    Ok(())
}

/// How long the client of one host takes to get a lock that one of another host releases, in the middle.
fn hand_over(hosts: [SocketAddr; 2], session: &str) -> Result<Duration> {
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
