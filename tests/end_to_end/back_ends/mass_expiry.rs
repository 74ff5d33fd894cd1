//! Many sessions expire at once, on three hosts of which one is killed in the midst of telling their ends.

use std::{
    collections::HashMap,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{
    Host,
    http::{Connection, Request},
    postgres::PostgresServer,
    redis::RedisServer,
};

use crate::host;

const HOSTS: usize = 3;
/// Clients of each host that store.
const CLIENTS: usize = 8;
/// What a host claims, tells and then deletes at a time: the most that are told again when it dies in between.
const BATCH: usize = 256;

/// How long until all are told: longer than a dead host's claim counts.
const DEADLINE: Duration = Duration::from_secs(180);
/// Time between two looks at three long logs.
const POLL: Duration = Duration::from_millis(300);

/// Stores sessions that live for seconds: every so manieth of them, beginning with the `first`.
fn store(host: SocketAddr, first: usize, sessions: usize) -> Result<()> {
    let mut connection = Connection::open(host)?;
    for number in (first..sessions).step_by(HOSTS * CLIENTS) {
        let store = Request::new("PUT", format!("/v1/shop/sessions/{number}")).header("Session-Timeout", 5).body("hat");
        let stored = connection.exchange(&store)?;
        ensure!(stored.status == 201, "{} {}", stored.status, stored.text());
    }
    Ok(())
}

/// How often each end was told, by the session's fingerprint.
fn told(hosts: &[Host]) -> HashMap<String, usize> {
    let mut told = HashMap::new();
    for host in hosts {
        for line in host.log().lines().filter(|line| line.contains("Session_End")) {
            if let Some((_, session)) = line.split_once("session=") {
                let fingerprint = session.split_whitespace().next().unwrap_or_default();
                *told.entry(fingerprint.to_owned()).or_default() += 1;
            }
        }
    }
    told
}

fn wait_until_told(hosts: &[Host], sessions: usize) -> Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while told(hosts).len() < sessions {
        ensure!(Instant::now() < deadline, "{} of {sessions} ends were told in {DEADLINE:?}", told(hosts).len());
        thread::sleep(POLL);
    }
    Ok(())
}

fn every_end_is_told(provider: &str, url: &str, sessions: usize) -> Result<()> {
    let more = "sweep_interval = \"100ms\"\n[log]\nevents = true\n";
    let mut hosts = (0..HOSTS).map(|_| host(provider, url, "", more)).collect::<Result<Vec<_>>>()?;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..HOSTS * CLIENTS)
            .map(|number| {
                let address = hosts[number % HOSTS].http();
                scope.spawn(move || store(address, number, sessions))
            })
            .collect();
        clients.into_iter().try_for_each(|client| client.join().expect("no panic"))
    })?;
    wait_until_told(&hosts, sessions / 4)?;
    hosts[1].kill()?;
    let before = told(&hosts).len();
    ensure!(before < sessions, "it was killed too late");
    wait_until_told(&hosts, sessions)?;
    let told = told(&hosts);
    let again = told.values().filter(|times| **times > 1).count();
    println!("{provider}: {sessions} sessions, {before} told when a host was killed, {again} told twice");
    ensure!(told.len() == sessions, "{} of {sessions} were told", told.len());
    ensure!(again <= BATCH && told.values().all(|times| *times <= 2), "{again} were told again");
    Ok(())
}

#[test]
fn on_redis_every_end_is_told_though_a_host_is_killed_while_it_sweeps() -> Result<()> {
    let redis = RedisServer::start_with(&["--appendfsync", "everysec"])?;
    every_end_is_told("redis", &redis.url(), 100_000)
}

#[test]
fn on_postgresql_every_end_is_told_though_a_host_is_killed_while_it_sweeps() -> Result<()> {
    let postgres = PostgresServer::start()?;
    every_end_is_told("sql", &postgres.url(), 20_000)
}
