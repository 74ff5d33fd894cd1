//! Two hosts on one server.

use anyhow::{Result, ensure};
use harness::{
    farm::{count_together, hand_over},
    http::Request,
};

use crate::Farm;

fn session(path: &str) -> String {
    format!("/v1/shop/sessions/{path}")
}

#[test]
fn clients_of_two_hosts_that_count_in_one_session_lose_no_update() -> Result<()> {
    let farm = Farm::start()?;
    let hosts = [farm.host("")?, farm.host("")?];
    count_together([hosts[0].http(), hosts[1].http()], &session("a"))
}

#[test]
fn a_lock_that_another_host_releases_is_handed_over_sooner_with_notices_than_without() -> Result<()> {
    let farm = Farm::start()?;
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
