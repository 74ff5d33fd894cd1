//! Throughput, latency and CPU time of requests in a closed loop.

use std::thread::available_parallelism;

use anyhow::Result;

use crate::{
    contest::{Rounds, Work, contest},
    dialogues::Task,
    plots,
    report::{Report, directory},
    servers::{self, MemcachedServer},
};

/// Web servers of a farm, and what each keeps open.
const CLIENTS: usize = 50;
/// More than so many connections to each of two servers may be more than a process can have open: then one server comes after
/// the other.
const AT_ONCE: usize = 5000;

/// Get-exclusive and set-and-release.
pub(crate) fn pairs(report: &mut Report, rounds: Rounds) -> Result<()> {
    let (host, redis, memcached) = (servers::start_host()?, servers::start_redis()?, MemcachedServer::start()?);
    let plain = servers::start_plain_host()?;
    let servers = [
        servers::state_server(&host)?,
        servers::plain(&plain)?,
        servers::http(&host)?,
        servers::redis_strings(&redis)?,
        memcached.served()?,
        servers::redis_scripts(&redis)?,
    ];
    let outcomes = contest(&servers, Work::closed(Task::Pair, CLIENTS), rounds)?;
    report.outcomes("pairs", "get-exclusive + set-and-release, 1 KiB, 50 connections", &outcomes);
    let cpu: Vec<_> = outcomes.iter().map(|outcome| (outcome.name, outcome.cpu())).collect();
    plots::bars(&directory()?.join("pairs.svg"), "CPU time of the server for a pair, 1 KiB", "us", &cpu)
}

/// Reads and writes without a lock.
pub(crate) fn requests(report: &mut Report, rounds: Rounds) -> Result<()> {
    let (host, redis, memcached) = (servers::start_host()?, servers::start_redis()?, MemcachedServer::start()?);
    let servers =
        [servers::state_server(&host)?, servers::http(&host)?, memcached.served()?, servers::redis_strings(&redis)?];
    for (task, name) in [(Task::Read, "reads"), (Task::Write, "writes")] {
        let outcomes = contest(&servers, Work::closed(task, CLIENTS), rounds)?;
        report.outcomes(name, &format!("{name} without a lock, 1 KiB, 50 connections"), &outcomes);
    }
    Ok(())
}

/// Pairs with payloads of other sizes.
pub(crate) fn sizes(report: &mut Report, rounds: Rounds) -> Result<()> {
    let (host, redis) = (servers::start_host()?, servers::start_redis()?);
    let servers = [servers::state_server(&host)?, servers::redis_scripts(&redis)?];
    let mut cpu = servers.map(|server| (server.name, Vec::new()));
    for size in [256, 4 << 10, 16 << 10, 64 << 10, 256 << 10] {
        let work = Work { size, ..Work::closed(Task::Pair, CLIENTS) };
        let outcomes = contest(&servers, work, rounds)?;
        report.outcomes(&format!("pairs_{size}"), &format!("pairs with {size} bytes"), &outcomes);
        for ((_, points), outcome) in cpu.iter_mut().zip(&outcomes) {
            points.push((size as f64, outcome.cpu()));
        }
    }
    plots::curves(
        &directory()?.join("sizes.svg"),
        "CPU time of the server for a pair, by the size of the session",
        ["bytes", "microseconds"],
        &cpu,
    )
}

/// Pairs by fewer and by more clients.
pub(crate) fn connections(report: &mut Report, rounds: Rounds) -> Result<()> {
    let (host, redis) = (servers::start_host()?, servers::start_redis()?);
    let servers = [servers::state_server(&host)?, servers::redis_scripts(&redis)?];
    let mut throughput = servers.map(|server| (server.name, Vec::new()));
    for clients in [1, 8, 200, 1000, 10_000] {
        let work = Work::closed(Task::Pair, clients);
        let outcomes = if clients <= AT_ONCE {
            contest(&servers, work, rounds)?
        } else {
            let alone = servers.iter().map(|server| contest(std::slice::from_ref(server), work, rounds));
            alone.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect()
        };
        report.outcomes(&format!("clients_{clients}"), &format!("pairs by {clients} connections"), &outcomes);
        for ((_, points), outcome) in throughput.iter_mut().zip(&outcomes) {
            points.push((clients as f64, outcome.per_second()));
        }
    }
    plots::curves(
        &directory()?.join("connections.svg"),
        "pairs a second, by the number of connections",
        ["connections", "pairs a second"],
        &throughput,
    )
}

/// Pairs by a host with one thread, two, and so on to one for each core of the machine.
pub(crate) fn threads(report: &mut Report, rounds: Rounds) -> Result<()> {
    const THREADS: [(usize, &str); 6] =
        [(1, "1 thread"), (2, "2 threads"), (4, "4 threads"), (8, "8 threads"), (16, "16 threads"), (32, "32 threads")];
    let cores = available_parallelism()?.get();
    let (mut hosts, mut servers) = (Vec::new(), Vec::new());
    for (threads, name) in THREADS.into_iter().filter(|(threads, _)| *threads <= cores) {
        let host = servers::start_host_with_threads(threads)?;
        servers.push(servers::Served { name, ..servers::state_server(&host)? });
        hosts.push(host);
    }
    let outcomes = contest(&servers, Work::closed(Task::Pair, CLIENTS), rounds)?;
    report.outcomes("threads", "pairs by a host with so many threads", &outcomes);
    Ok(())
}
