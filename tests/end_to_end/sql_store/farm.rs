//! Two hosts on one database.

use anyhow::{Result, ensure};
use harness::{
    farm::{count_together, hand_over},
    http::Request,
};

use crate::database::{Farm, KINDS, Kind, session};

fn loses_no_update(kind: Kind) -> Result<()> {
    let farm = Farm::start(kind)?;
    let hosts = [farm.host("")?, farm.host("")?];
    count_together([hosts[0].http(), hosts[1].http()], &session("a"))
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
fn on_postgresql_a_lock_that_another_host_releases_is_handed_over_sooner_with_notices_than_without() -> Result<()> {
    let farm = Farm::start(Kind::Postgres)?;
    let measured = |more| {
        let hosts = [farm.host(more)?, farm.host(more)?];
        hand_over([hosts[0].http(), hosts[1].http()], &session("b"))
    };
    let (without, with) = (measured("")?, measured("lock_notices = \"main\"\n")?);
    println!("from the release in one host to the lock in another, median: {with:?} with notices, {without:?} without");
    ensure!(with < without, "{with:?} with notices, {without:?} without");
    Ok(())
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
