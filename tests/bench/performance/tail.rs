//! Latency at a load that both servers can bear: what visitors feel.

use anyhow::{Context, Result};

use crate::{
    contest::{Rounds, Work, contest},
    dialogues::Task,
    load::{Mix, Pace},
    report::Report,
    servers,
};

const CLIENTS: usize = 50;
/// Of a hundred requests of web applications, those that only read.
const READS: usize = 80;

/// Pairs in an open loop, at half of what Redis with the scripts can do at most.
pub(crate) fn half_of_saturation(report: &mut Report, rounds: Rounds) -> Result<()> {
    let (host, redis) = (servers::start_host()?, servers::start_redis()?);
    let servers = [servers::state_server(&host)?, servers::redis_scripts(&redis)?];
    let closed = Work::closed(Task::Pair, CLIENTS);
    let most = contest(&servers, closed, Rounds { count: 3, ..rounds })?;
    let rate = most.last().context("no outcome")?.per_second() / 2.0;
    let outcomes = contest(&servers, Work { pace: Pace::Open(rate), ..closed }, rounds)?;
    report.outcomes("open_loop", &format!("{rate:.0} pairs a second in an open loop, 1 KiB"), &outcomes);
    Ok(())
}

/// Mostly reads, as applications do that mark their pages `ReadOnly`.
pub(crate) fn mostly_reads(report: &mut Report, rounds: Rounds) -> Result<()> {
    let (host, redis) = (servers::start_host()?, servers::start_redis()?);
    let servers = [servers::state_server(&host)?, servers::redis_scripts(&redis)?];
    let work = Work { mix: Mix::with_reads(Task::Pair, READS), ..Work::closed(Task::Pair, CLIENTS) };
    let outcomes = contest(&servers, work, rounds)?;
    report.outcomes("mostly_reads", &format!("{READS} reads and {} pairs of a hundred, 1 KiB", 100 - READS), &outcomes);
    Ok(())
}
