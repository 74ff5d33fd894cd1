//! SQLite as the store of one machine that must lose nothing: the host is killed under load, again and again.

use std::{
    net::SocketAddr,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::http::{Connection, Request};

use crate::database::{Farm, Kind, session};

const KILLS: usize = 50;
const CLIENTS: usize = 4;

/// What a client knows of its session: the number that was acknowledged last, and the one that it sent after it.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    acknowledged: usize,
    sent: usize,
}

/// Writes one number after the other into a session, until the host is gone.
fn write(address: SocketAddr, client: usize, mut known: Known, is_over: &AtomicBool) -> Known {
    let Ok(mut connection) = Connection::open(address) else { return known };
    while !is_over.load(Ordering::Relaxed) {
        known.sent = known.acknowledged + 1;
        // Sessions of more than a page.
        let body = format!("{} {}", known.sent, "x".repeat(8 << 10));
        match connection.exchange(&Request::new("PUT", session(&client.to_string())).body(body)) {
            Ok(answer) if matches!(answer.status, 201 | 204) => known.acknowledged = known.sent,
            _ => break,
        }
    }
    known
}

/// What is in a session: the last number that was acknowledged, or the one after it whose answer did not arrive.
fn read(address: SocketAddr, client: usize, known: Known) -> Result<Known> {
    let found = Request::new("GET", session(&client.to_string())).send(address)?;
    let number = match found.status {
        404 => 0,
        200 => found.text().split(' ').next().unwrap_or_default().parse().context("a number")?,
        status => anyhow::bail!("{status} {}", found.text()),
    };
    ensure!(
        (known.acknowledged..=known.sent).contains(&number),
        "client {client} was told of {} and sent {}; stored is {number}",
        known.acknowledged,
        known.sent
    );
    Ok(Known { acknowledged: number, sent: number })
}

#[test]
fn a_host_that_is_killed_fifty_times_under_load_loses_no_acknowledged_write_on_sqlite() -> Result<()> {
    let farm = Farm::start(Kind::Sqlite)?;
    let mut host = farm.host("")?;
    let address = host.http();
    let mut known = [Known::default(); CLIENTS];
    let (mut writes, mut writing) = (0, Duration::ZERO);
    for number in 0..KILLS {
        let before: usize = known.iter().map(|known| known.acknowledged).sum();
        let begin = Instant::now();
        let is_over = AtomicBool::new(false);
        known = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let (known, is_over) = (known[client], &is_over);
                    scope.spawn(move || write(address, client, known, is_over))
                })
                .collect();
            // Another moment each time.
            thread::sleep(Duration::from_millis(60 + 7 * u64::try_from(number)?));
            host.kill()?;
            is_over.store(true, Ordering::Relaxed);
            let known = clients.into_iter().map(|client| client.join().expect("no panic"));
            known.collect::<Vec<_>>().try_into().ok().context("a client for each session")
        })?;
        writing += begin.elapsed();
        writes += known.iter().map(|known| known.acknowledged).sum::<usize>() - before;
        host.restart()?;
        for (client, known) in known.iter_mut().enumerate() {
            *known = read(address, client, *known)?;
        }
    }
    host.terminate()?;
    let file = farm.directory.path().join("sessions.db");
    let checked = Command::new("sqlite3").arg(&file).arg("PRAGMA integrity_check").output().context("no sqlite3")?;
    ensure!(checked.stdout.trim_ascii() == b"ok", "{}", String::from_utf8_lossy(&checked.stdout));
    println!(
        "{KILLS} kills, {writes} writes of 8 KiB acknowledged by {CLIENTS} clients, {:.0} a second; none lost, file intact",
        f64::from(u32::try_from(writes)?) / writing.as_secs_f64()
    );
    Ok(())
}
