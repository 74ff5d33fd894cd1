//! What a session takes in memory, and what becomes of requests while a million sessions are swept away.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::{Host, http::Request};
use serde_json::json;

use crate::{
    contest::{Rounds, Work, connect, measure},
    dialogues::{Dialogue, StateServer, Task},
    load::{Load, Pace},
    report::Report,
    servers::{self, MemcachedServer, Served},
};

const CLIENTS: usize = 50;
const SIZE: usize = 1024;
/// In quick runs a tenth.
const SESSIONS: usize = 1_000_000;
/// Pairs a second while sessions are swept.
const RATE: f64 = 4000.0;

/// Bytes of memory for each session of 1 KiB.
pub(crate) fn sessions(report: &mut Report, rounds: Rounds) -> Result<()> {
    let sessions = sessions_of(rounds);
    let host = servers::start_host()?;
    let (scripts, strings) = (servers::start_redis()?, servers::start_redis()?);
    let memcached = MemcachedServer::start()?;
    println!("\n{sessions} sessions of {SIZE} bytes\n{:<28} {:>16} {:>22}", "", "bytes a session", "above the payload");
    let mut figures = Vec::new();
    let servers = [
        servers::state_server(&host)?,
        servers::redis_strings(&strings)?,
        memcached.served()?,
        servers::redis_scripts(&scripts)?,
    ];
    for server in servers {
        let work = Work { sessions: sessions / CLIENTS, ..Work::closed(Task::Write, CLIENTS) };
        let mut load = connect(&server, Work { sessions: 1, ..work })?;
        load.store_all()?;
        let before = resident(&server)?;
        connect(&server, work)?.store_all()?;
        let each = resident(&server)?.saturating_sub(before) as f64 / sessions as f64;
        println!("{:<28} {each:>16.0} {:>22.0}", server.name, each - SIZE as f64);
        figures.push(json!({ "server": server.name, "bytes_per_session": each }));
    }
    report.add("memory", figures.into());
    Ok(())
}

/// Latency while a million sessions that have expired are deleted.
pub(crate) fn sweeping(report: &mut Report, rounds: Rounds) -> Result<()> {
    let sessions = sessions_of(rounds);
    let host = Host::start("[stores.default]\nprovider = \"memory\"\nsweep_interval = \"1s\"\n")?;
    let server = servers::state_server(&host)?;
    let work = Work { pace: Pace::Open(RATE), ..Work::closed(Task::Pair, CLIENTS) };
    let mut load = connect(&server, work)?;
    load.store_all()?;
    measure(&server, &mut load, work, rounds.time)?;
    let quiet = measure(&server, &mut load, work, rounds.time * 2)?;

    // Other names than those of the sessions in use.
    let expiring = |_| -> Box<dyn Dialogue> { Box::new(StateServer::expiring(SIZE)) };
    Load::connect(host.state_server(), CLIENTS, sessions / CLIENTS, expiring)?.store_all()?;
    for _ in 0..3 {
        host.advance_30s()?;
    }
    let begin = Instant::now();
    let (mut worst, mut middle) = (0.0_f64, Vec::new());
    while expired(&host)? < sessions {
        let figures = measure(&server, &mut load, work, rounds.time / 4)?;
        worst = worst.max(figures.p99);
        middle.push(figures.p99);
        ensure!(begin.elapsed() < Duration::from_secs(120), "sessions are not swept");
    }
    middle.sort_by(f64::total_cmp);
    let median = middle.get(middle.len() / 2).copied().context("nothing was measured")?;
    println!(
        "\n{sessions} expired sessions were swept in {:.1} s under {RATE} pairs a second: p99 {median:.0} us meanwhile, at worst \
         {worst:.0} us in a stretch of {:?}; {:.0} us before",
        begin.elapsed().as_secs_f64(),
        rounds.time / 4,
        quiet.p99,
    );
    report.add("sweeping", json!({ "p99_us": median, "worst_p99_us": worst, "quiet_p99_us": quiet.p99 }));
    Ok(())
}

fn sessions_of(rounds: Rounds) -> usize {
    if rounds.time < Duration::from_secs(1) { SESSIONS / 10 } else { SESSIONS }
}

/// Sessions that the host has swept so far.
fn expired(host: &Host) -> Result<usize> {
    let stores = Request::new("GET", "/v1/stores").send(host.http())?.json()?;
    let expired = stores["stores"][0]["expired"].as_u64().context("no count")?;
    Ok(usize::try_from(expired)?)
}

/// Bytes of memory that a server has.
fn resident(server: &Served) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
