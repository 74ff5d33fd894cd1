//! Two hosts on one server.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::http::{Connection, Request};

use crate::Farm;

const UPDATES: usize = 50;
const CLIENTS: usize = 4;

fn session(path: &str) -> String {
    format!("/v1/shop/sessions/{path}")
}

#[test]
fn clients_of_two_hosts_that_count_in_one_session_lose_no_update() -> Result<()> {
    let farm = Farm::start()?;
    let hosts = [farm.host("")?, farm.host("")?];
    ensure!(Request::new("PUT", session("a")).body("0").send(hosts[0].http())?.status == 201);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..2 * CLIENTS)
            .map(|number| {
                scope.spawn({
                    let address = hosts[number % 2].http();
                    move || count(address)
                })
            })
            .collect();
        clients.into_iter().try_for_each(|client| client.join().expect("no panic"))
    })?;
    let counted = Request::new("GET", session("a")).send(hosts[1].http())?;
    ensure!(counted.text() == (2 * CLIENTS * UPDATES).to_string(), "{}", counted.text());
    Ok(())
}

/// Adds one to the counter, under its lock, so many times.
fn count(address: SocketAddr) -> Result<()> {
    let mut connection = Connection::open(address)?;
    for _ in 0..UPDATES {
        let locked = connection.exchange(&Request::new("POST", session("a/lock")).header("Prefer", "wait=30"))?;
        ensure!(locked.status == 200, "{} {}", locked.status, locked.text());
        let next = locked.text().parse::<usize>().context("a number")? + 1;
        let stored = Request::new("PUT", session("a")).header("Session-Lock", locked.must("session-lock")?);
        let stored = connection.exchange(&stored.body(next.to_string()))?;
        ensure!(stored.status == 204, "{} {}", stored.status, stored.text());
    }
    Ok(())
}

/// How long the client of one host takes to get a lock that one of another host releases, in the middle.
fn hand_over(farm: &Farm, more: &str) -> Result<Duration> {
    const TURNS: usize = 21;
    let hosts = [farm.host(more)?, farm.host(more)?];
    let [mut holder, mut waiter] = [Connection::open(hosts[0].http())?, Connection::open(hosts[1].http())?];
    ensure!(Request::new("PUT", session("b")).body("coat").send(hosts[0].http())?.status < 300);
    let mut times = Vec::new();
    for turn in 0..TURNS {
        let held = holder.exchange(&Request::new("POST", session("b/lock")))?;
        let lock = held.must("session-lock")?.to_owned();
        let (released, got) = thread::scope(|scope| -> Result<(Instant, Instant)> {
            let waiting = scope.spawn(|| -> Result<Instant> {
                let got = waiter.exchange(&Request::new("POST", session("b/lock")).header("Prefer", "wait=30"))?;
                let now = Instant::now();
                ensure!(got.status == 200, "{} {}", got.status, got.text());
                let lock = got.must("session-lock")?.to_owned();
                let back = waiter.exchange(&Request::new("DELETE", session("b/lock")).header("Session-Lock", lock))?;
                ensure!(back.status == 204, "{} {}", back.status, back.text());
                Ok(now)
            });
            // At another point of the waiter's pause each time.
            thread::sleep(Duration::from_millis(150 + 7 * u64::try_from(turn)?));
            let released = Instant::now();
            let done = holder.exchange(&Request::new("DELETE", session("b/lock")).header("Session-Lock", lock))?;
            ensure!(done.status == 204, "{} {}", done.status, done.text());
            Ok((released, waiting.join().expect("no panic")?))
        })?;
        times.push(got.saturating_duration_since(released));
    }
    times.sort();
    Ok(times[TURNS / 2])
}

#[test]
fn a_lock_that_another_host_releases_is_handed_over_sooner_with_notices_than_without() -> Result<()> {
    let farm = Farm::start()?;
    let without = hand_over(&farm, "")?;
    let with = hand_over(&farm, "lock_notices = \"main\"\n")?;
    println!("from the release in one host to the lock in another, median: {with:?} with notices, {without:?} without");
    ensure!(with < without, "{with:?} with notices, {without:?} without");
    Ok(())
}

#[test]
fn everything_of_a_session_comes_back_from_another_host() -> Result<()> {
    let farm = Farm::start()?;
    let hosts = [farm.host("")?, farm.host("")?];
    let bytes: Vec<u8> = (0..=255).collect();
    let stored = Request::new("PUT", session("a")).header("Content-Type", "image/x-coat; a=\"b\"").body(bytes.clone());
    ensure!(stored.header("Session-Subject", "ann%20{e}").send(hosts[0].http())?.status == 201);
    let read = Request::new("GET", session("a")).send(hosts[1].http())?;
    ensure!(read.status == 200 && read.body == bytes, "{read:?}");
    ensure!(read.must("content-type")? == "image/x-coat; a=\"b\"", "{read:?}");
    Ok(())
}

#[test]
fn the_end_of_each_session_is_told_once_whichever_host_sweeps() -> Result<()> {
    const SESSIONS: usize = 100;
    let farm = Farm::start()?;
    let hosts = [farm.host("[log]\nevents = true\n")?, farm.host("[log]\nevents = true\n")?];
    for number in 0..SESSIONS {
        let short = Request::new("PUT", session(&number.to_string())).header("Session-Timeout", 1).body("hat");
        ensure!(short.send(hosts[number % 2].http())?.status == 201);
    }
    let told = || hosts.iter().map(|host| host.log().matches("Session_End").count()).sum::<usize>();
    hosts[0].wait_until("all ends are told", || Ok(told() >= SESSIONS))?;
    ensure!(told() == SESSIONS, "{} were told", told());
    Ok(())
}
