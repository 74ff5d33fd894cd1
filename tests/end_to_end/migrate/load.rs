//! Clients that count in sessions, under their locks, while the sessions move. Each update that was acknowledged is
//! counted exactly once in the end.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use harness::{
    Host,
    http::{Connection, Request},
    postgres::PostgresServer,
};

use crate::{Place, get, migrate, put, session};

const SESSIONS: usize = 40;
const CLIENTS: usize = 6;
/// How long clients are at it before and after.
const CALM: Duration = Duration::from_millis(500);

/// Adds one to a session's counter, under its lock; whether there is such a session.
fn count(connection: &mut Connection, number: usize) -> Result<bool> {
    let lock = Request::new("POST", session(format!("{number}/lock"))).header("Prefer", "wait=30");
    let locked = connection.exchange(&lock)?;
    match locked.status {
        200 => {}
        404 => return Ok(false),
        status => bail!("a lock was answered {status}: {}", locked.text()),
    }
    let next = locked.text().parse::<u64>().context("a number")? + 1;
    let stored = Request::new("PUT", session(number)).header("Session-Lock", locked.must("session-lock")?);
    let stored = connection.exchange(&stored.body(next.to_string()))?;
    ensure!(stored.status == 204, "{} {}", stored.status, stored.text());
    Ok(true)
}

/// Counts until told to stop, at the first of the hosts that has the session.
fn client(addresses: [SocketAddr; 2], client: usize, counted: &[AtomicU64], stop: &AtomicBool) -> Result<()> {
    let mut connections = [Connection::open(addresses[0])?, Connection::open(addresses[1])?];
    for turn in client.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let number = turn * 7 % SESSIONS;
        let [old, new] = &mut connections;
        // Between the look at the old store and that at the new one it can only have moved.
        ensure!(count(old, number)? || count(new, number)?, "session {number} is in neither store");
        counted[number].fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Has clients count while `work` goes on; how often each session was counted in.
fn under_load(hosts: [&Host; 2], work: impl FnOnce() -> Result<()>) -> Result<Vec<u64>> {
    let counted: Vec<_> = (0..SESSIONS).map(|_| AtomicU64::new(0)).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (counted, stop) = (&counted, &stop);
                scope.spawn(move || client(hosts.map(Host::http), number, counted, stop))
            })
            .collect();
        thread::sleep(CALM);
        let worked = work();
        thread::sleep(CALM);
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().try_for_each(|client| client.join().expect("no panic"))?;
        worked
    })?;
    Ok(counted.into_iter().map(AtomicU64::into_inner).collect())
}

fn holds_what_was_counted(host: &Host, counted: &[u64]) -> Result<()> {
    for (number, counted) in counted.iter().enumerate() {
        let found = get(host, number)?;
        ensure!(found.text() == counted.to_string(), "session {number}: {} and not {counted}", found.text());
    }
    Ok(())
}

fn moved(place: &Place, from: &str, to: &str) -> Result<()> {
    let (old, new) = (place.host(from, "")?, place.host(to, "")?);
    for number in 0..SESSIONS {
        put(&old, number, "0")?;
    }
    let counted = under_load([&old, &new], || {
        let moved = migrate(&old, &["--from", from, "--to", to, "--move", "--rate", "40"])?;
        moved.is(&[("copied", SESSIONS as u64), ("removed", SESSIONS as u64)])
    })?;
    println!("{} updates by {CLIENTS} clients over a move of {SESSIONS} sessions", counted.iter().sum::<u64>());
    holds_what_was_counted(&new, &counted)?;
    for number in 0..SESSIONS {
        ensure!(get(&old, number)?.status == 404);
    }
    migrate(&old, &["--from", from, "--to", to, "--move"])?.is(&[])?;
    let ends = [&old, &new].map(|host| host.log().matches("Session_End").count());
    ensure!(ends == [0, 0], "{ends:?}");
    Ok(())
}

#[test]
fn sessions_that_move_under_load_lose_no_update_from_memory_to_a_database() -> Result<()> {
    moved(&Place::new()?, "default", "first")
}

#[test]
fn sessions_that_move_under_load_lose_no_update_from_store_to_store_on_postgresql() -> Result<()> {
    let server = PostgresServer::start()?;
    moved(&Place::on(server.url())?, "first", "second")
}

#[test]
fn sessions_that_are_copied_under_load_are_there_with_every_update_after_a_last_run() -> Result<()> {
    let server = PostgresServer::start()?;
    let place = Place::on(server.url())?;
    let (old, new) = (place.host("first", "")?, place.host("second", "")?);
    for number in 0..SESSIONS {
        put(&old, number, "0")?;
    }
    let mut copies = 0;
    let counted = under_load([&old, &old], || {
        for _ in 0..3 {
            let copied = migrate(&old, &["--from", "first", "--to", "second"])?;
            ensure!(copied.code == Some(0) && copied.count("seen") == SESSIONS as u64, "{}", copied.status);
            copies += copied.count("copied");
        }
        Ok(())
    })?;
    let last = migrate(&old, &["--from", "first", "--to", "second"])?;
    ensure!(last.code == Some(0), "{}", last.status);
    println!(
        "{} updates by {CLIENTS} clients during {copies} copies of {SESSIONS} sessions; the last run brought {}",
        counted.iter().sum::<u64>(),
        last.count("copied"),
    );
    holds_what_was_counted(&old, &counted)?;
    holds_what_was_counted(&new, &counted)?;
    migrate(&old, &["--from", "first", "--to", "second"])?.is(&[("unchanged", SESSIONS as u64)])
}
