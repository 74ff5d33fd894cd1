//! Three masters with a replica each, and what a fail-over costs.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use harness::{
    http::{Connection, Request},
    redis::RedisCluster,
};

use crate::{check, host, plugins};

/// Clients, each with a session of its own.
const CLIENTS: usize = 16;
/// How long they are at it before and after.
const CALM: Duration = Duration::from_secs(2);
/// The pause of a client whose request failed.
const PAUSE: Duration = Duration::from_millis(20);

fn connections(cluster: &RedisCluster) -> String {
    format!(
        "[connections.main]\nurl = \"{}\"\ncluster = true\ntimeout = \"1s\"\nconnect_timeout = \"1s\"\n",
        cluster.url()
    )
}

fn session(number: usize) -> String {
    format!("/v1/shop/sessions/session-{number}")
}

/// What a client saw.
#[derive(Debug, Default)]
struct Seen {
    /// The last number whose storing was acknowledged, at every moment it happened.
    acknowledged: u64,
    updates: u64,
    failures: u64,
    /// How often a session was older than what had been acknowledged.
    set_back: u64,
}

#[test]
fn it_keeps_every_rule_of_the_contract_on_a_cluster() -> Result<()> {
    let cluster = RedisCluster::start()?;
    check(&plugins()?, &["--connection", &format!("main={}", cluster.url()), "--cluster"])
}

#[test]
fn a_master_that_dies_is_replaced_and_clients_hear_errors_and_nothing_wrong_meanwhile() -> Result<()> {
    // Each can be set back once, by what the dead master had not passed on.
    is_survived("", 1)
}

#[test]
fn a_fail_over_loses_nothing_that_a_replica_was_waited_for_with() -> Result<()> {
    is_survived("wait_replicas = 1\n", 0)
}

/// Kills a master while clients count. `more` is more of the connection's configuration; `set_back`: how often a session
/// may be older than what was acknowledged.
fn is_survived(more: &str, set_back: u64) -> Result<()> {
    let mut cluster = RedisCluster::start()?;
    let (plugins, connections) = (plugins()?, connections(&cluster) + more);
    let hosts = [host(&plugins, &connections)?, host(&plugins, &connections)?];
    for number in 0..CLIENTS {
        let stored = Request::new("PUT", session(number)).body("0").send(hosts[0].http())?;
        ensure!(stored.status == 201, "{} {}", stored.status, stored.text());
    }
    let stop = AtomicBool::new(false);
    let seen = thread::scope(|scope| -> Result<Vec<Seen>> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (address, stop) = (hosts[number % 2].http(), &stop);
                scope.spawn(move || count(address, number, stop))
            })
            .collect();
        thread::sleep(CALM);
        let killed = cluster.kill_a_master()?;
        let elected = hosts[0].wait_until("a replica is elected", || Ok(cluster.masters()? == 3));
        thread::sleep(CALM);
        let back = cluster.start_again(killed);
        thread::sleep(CALM);
        stop.store(true, Ordering::Relaxed);
        let seen = clients.into_iter().map(|client| client.join().expect("no panic")).collect();
        elected.and(back).and(seen)
    })?;
    let sum = |of: fn(&Seen) -> u64| seen.iter().map(of).sum::<u64>();
    println!(
        "{more}{} updates by {CLIENTS} clients of two hosts over a fail-over: {} requests failed with an error, {} sessions \
         were set back behind what had been acknowledged",
        sum(|seen| seen.updates),
        sum(|seen| seen.failures),
        sum(|seen| seen.set_back),
    );
    ensure!(seen.iter().all(|seen| seen.updates > 0), "{seen:?}");
    ensure!(seen.iter().all(|seen| seen.set_back <= set_back), "{seen:?}");
    for (number, seen) in seen.iter().enumerate() {
        let stored = Request::new("GET", session(number)).send(hosts[0].http())?;
        ensure!(stored.text() == seen.acknowledged.to_string(), "{} and not {seen:?}", stored.text());
    }
    Ok(())
}

/// Counts in a session until told to stop. Nobody else does, so what it finds is what it stored.
fn count(address: SocketAddr, number: usize, stop: &AtomicBool) -> Result<Seen> {
    let mut connection = Connection::open(address)?;
    let mut seen = Seen::default();
    // Whether it is known what the last request did.
    let mut is_certain = true;
    // When it ends, the last storing was acknowledged.
    while !stop.load(Ordering::Relaxed) || !is_certain {
        let locked = connection.exchange(&Request::new("POST", session(number) + "/lock"))?;
        match locked.status {
            200 => {}
            // Its own lock, of which it did not hear.
            423 if !is_certain => {
                connection.exchange(&Request::new("DELETE", session(number) + "/lock?force=true"))?;
                continue;
            }
            503 | 504 => {
                seen.failures += 1;
                is_certain = false;
                thread::sleep(PAUSE);
                continue;
            }
            status => anyhow::bail!("a lock was answered {status}: {}", locked.text()),
        }
        let found = locked.text().parse::<u64>().context("a number")?;
        ensure!(found == seen.acknowledged || !is_certain || found < seen.acknowledged, "{found} and {seen:?}");
        seen.set_back += u64::from(found < seen.acknowledged);
        let request = Request::new("PUT", session(number)).header("Session-Lock", locked.must("session-lock")?);
        let stored = connection.exchange(&request.body((found + 1).to_string()))?;
        match stored.status {
            204 => {
                seen.acknowledged = found + 1;
                seen.updates += 1;
                is_certain = true;
            }
            503 | 504 => {
                seen.failures += 1;
                is_certain = false;
                thread::sleep(PAUSE);
            }
            // The new master does not know of the lock, and of nothing else that was stored since.
            409 | 412 => is_certain = false,
            status => anyhow::bail!("a PUT was answered {status}: {}", stored.text()),
        }
    }
    Ok(seen)
}
