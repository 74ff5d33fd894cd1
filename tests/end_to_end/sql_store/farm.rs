//! Two hosts on one database.

use std::{net::SocketAddr, thread};

use anyhow::{Context, Result, ensure};
use harness::http::{Connection, Request};

use crate::database::{Farm, KINDS, Kind, session};

const UPDATES: usize = 50;
const CLIENTS: usize = 4;

fn loses_no_update(kind: Kind) -> Result<()> {
    let farm = Farm::start(kind)?;
    let hosts = [farm.host("")?, farm.host("")?];
    ensure!(Request::new("PUT", session("a")).body("0").send(hosts[0].http())?.status == 201);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..2 * CLIENTS)
            .map(|number| {
                let address = hosts[number % 2].http();
                scope.spawn(move || count(address))
            })
            .collect();
        clients.into_iter().try_for_each(|client| client.join().expect("no panic"))
    })?;
    let counted = Request::new("GET", session("a")).send(hosts[1].http())?;
    ensure!(counted.text() == (2 * CLIENTS * UPDATES).to_string(), "{kind:?}: {}", counted.text());
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

#[test]
fn clients_of_two_hosts_that_count_in_one_session_lose_no_update_on_postgresql() -> Result<()> {
    loses_no_update(Kind::Postgres)
}

#[test]
fn clients_of_two_hosts_that_count_in_one_session_lose_no_update_on_mariadb() -> Result<()> {
    loses_no_update(Kind::MariaDb)
}

#[test]
fn clients_of_two_hosts_that_count_in_one_session_lose_no_update_on_sqlite() -> Result<()> {
    loses_no_update(Kind::Sqlite)
}

#[test]
fn everything_of_a_session_comes_back_from_another_host() -> Result<()> {
    for kind in KINDS {
        let farm = Farm::start(kind)?;
        let hosts = [farm.host("")?, farm.host("")?];
        let bytes: Vec<u8> = (0..=255).cycle().take(3 << 20).collect();
        let stored = Request::new("PUT", session("a")).header("Content-Type", "image/x-coat; a=\"b\"");
        let stored = stored.header("Session-Subject", "ann%20%C3%A9").body(bytes.clone()).send(hosts[0].http())?;
        ensure!(stored.status == 201, "{kind:?}: {} {}", stored.status, stored.text());
        let read = Request::new("GET", session("a")).send(hosts[1].http())?;
        ensure!(read.status == 200 && read.body == bytes, "{kind:?}: {}, {} bytes", read.status, read.body.len());
        ensure!(read.must("content-type")? == "image/x-coat; a=\"b\"", "{kind:?}: {:?}", read.headers);
        ensure!(read.must("session-subject")? == "ann%20%C3%A9", "{kind:?}: {:?}", read.headers);
    }
    Ok(())
}

#[test]
fn the_end_of_each_session_is_told_once_whichever_host_sweeps() -> Result<()> {
    const SESSIONS: usize = 100;
    for kind in KINDS {
        let farm = Farm::start(kind)?;
        let hosts = [farm.host("[log]\nevents = true\n")?, farm.host("[log]\nevents = true\n")?];
        for number in 0..SESSIONS {
            let short = Request::new("PUT", session(&number.to_string())).header("Session-Timeout", 1).body("hat");
            ensure!(short.send(hosts[number % 2].http())?.status == 201);
        }
        let told = || hosts.iter().map(|host| host.log().matches("Session_End").count()).sum::<usize>();
        hosts[0].wait_until("all ends are told", || Ok(told() >= SESSIONS))?;
        ensure!(told() == SESSIONS, "{kind:?}: {} were told", told());
    }
    Ok(())
}
