//! A network that loses whatever is sent between a host and its back end: a cable that is cut, not a server that is gone.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    http::{Connection, Request},
    network::Network,
    postgres::PostgresServer,
    redis::RedisServer,
    state_server::{self, request},
};

use crate::host;

const CLIENTS: usize = 6;
const CUTS: usize = 3;

/// How long the cable is cut each time: longer than a host waits for a back end.
const CUT: Duration = Duration::from_secs(3);

/// Longer than any answer may take while nothing comes through: connecting, and then a command, a second each, several
/// times as much for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(15);

fn session(number: usize) -> String {
    format!("/v1/shop/sessions/session-{number}")
}

/// A host that waits for its back end for a second.
fn impatient(provider: &str, url: &str) -> Result<Host> {
    host(provider, url, "timeout = \"1s\"\nconnect_timeout = \"1s\"\n", "lock_notices = \"main\"\n")
}

/// What a client saw.
struct Seen {
    /// The last number that was acknowledged, and the last that was sent.
    acknowledged: u64,
    sent: u64,
    slowest: Duration,
}

/// Stores one number after the other until it is over. Every answer is an acknowledgement or an error.
fn store(host: SocketAddr, number: usize, is_over: &AtomicBool, failed: &AtomicUsize) -> Result<Seen> {
    let mut connection = Connection::open(host)?;
    let mut seen = Seen { acknowledged: 0, sent: 0, slowest: Duration::ZERO };
    while !is_over.load(Ordering::Relaxed) {
        seen.sent += 1;
        let begin = Instant::now();
        let stored = connection.exchange(&Request::new("PUT", session(number)).body(seen.sent.to_string()))?;
        seen.slowest = seen.slowest.max(begin.elapsed());
        match stored.status {
            201 | 204 => seen.acknowledged = seen.sent,
            503 => {
                failed.fetch_add(1, Ordering::Relaxed);
                let read = connection.exchange(&Request::new("GET", session(number)))?;
                ensure!(read.status == 503 || read.status == 200, "{} {}", read.status, read.text());
            }
            status => anyhow::bail!("{status} {}", stored.text()),
        }
    }
    Ok(seen)
}

fn is_survived(network: &Network, host: &Host) -> Result<()> {
    let (is_over, failed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let address = host.http();
    let seen = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                scope.spawn({
                    let (is_over, failed) = (&is_over, &failed);
                    move || store(address, number, is_over, failed)
                })
            })
            .collect();
        let cuts = || -> Result<()> {
            for _ in 0..CUTS {
                thread::sleep(Duration::from_millis(500));
                let before = failed.load(Ordering::Relaxed);
                network.cut()?;
                thread::sleep(CUT);
                // Over the State Server protocol an error is a connection that is closed.
                let mut client = state_server::Connection::open(host.state_server())?;
                client.send(request::acquire("/shop/session-0"))?;
                client.expect_close()?;
                ensure!(failed.load(Ordering::Relaxed) > before, "nobody was told that nothing comes through");
                network.mend()?;
                let get = Request::new("GET", session(0));
                host.wait_until("it serves again", || Ok(get.send(address)?.status == 200))?;
            }
            Ok(())
        };
        let outcome = cuts();
        is_over.store(true, Ordering::Relaxed);
        let seen = clients.into_iter().map(|client| client.join().expect("no panic")).collect::<Result<Vec<_>>>();
        outcome.and(seen)
    })?;
    for (number, seen) in seen.iter().enumerate() {
        let read = Request::new("GET", session(number)).send(address)?;
        let found: u64 = read.text().parse().with_context(|| format!("{} {}", read.status, read.text()))?;
        // One whose answer was lost may have been stored.
        ensure!((seen.acknowledged..=seen.sent).contains(&found), "{found}, {} was acknowledged", seen.acknowledged);
        ensure!(seen.slowest < PATIENCE, "an answer took {:?}", seen.slowest);
    }
    println!(
        "{} writes acknowledged, {} answered with errors during {CUTS} cuts, the slowest answer after {:?}",
        seen.iter().map(|seen| seen.acknowledged).sum::<u64>(),
        failed.into_inner(),
        seen.iter().map(|seen| seen.slowest).max().unwrap_or_default()
    );
    Ok(())
}

#[test]
fn on_redis_a_partition_is_told_in_time_and_loses_nothing() -> Result<()> {
    Network::with("partition::on_redis_a_partition_is_told_in_time_and_loses_nothing", |network| {
        let server = RedisServer::start_on(network.far_side())?;
        is_survived(network, &impatient("redis", &server.url())?)
    })
}

#[test]
fn on_postgresql_a_partition_is_told_in_time_and_loses_nothing() -> Result<()> {
    Network::with("partition::on_postgresql_a_partition_is_told_in_time_and_loses_nothing", |network| {
        let server = PostgresServer::start_on(network.far_side())?;
        is_survived(network, &impatient("sql", &server.url())?)
    })
}
