//! Many clients that want one session.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{
    Host,
    state_server::{Connection, request},
};
use hdrhistogram::Histogram;
use serde_json::json;

use crate::{contest::Rounds, report::Report};

const CLIENTS: usize = 50;
const SESSION: &str = "/bench(1)/wanted-by-everybody";
/// How the client in System.Web waits for a lock: it asks again.
const POLL: Duration = Duration::from_millis(500);
const NANOSECONDS_OF_A_MINUTE: u64 = 60_000_000_000;
/// Releases that somebody waits for who polls.
const TURNS: u32 = 20;

/// How fast the lock goes from hand to hand, how evenly, and what a client that waits for it loses.
pub(crate) fn one_session(report: &mut Report, rounds: Rounds) -> Result<()> {
    let host = Host::start("[state_server]\nhold_locked = \"30s\"\n")?;
    let (handed_over, counts) = crowd(&host, rounds.time * 2)?;
    let seconds = (rounds.time * 2).as_secs_f64();
    let (least, most) = (counts.iter().min().copied().unwrap_or(0), counts.iter().max().copied().unwrap_or(0));
    let per_second = handed_over.len() as f64 / seconds;
    let us = |quantile| handed_over.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "\n{CLIENTS} clients that want one session: {per_second:.0} hand-overs a second, p50 {:.0} us, p99 {:.0} us; the \
         luckiest client had it {most} times, the unluckiest {least}",
        us(0.5),
        us(0.99),
    );
    let held = waiting(&host, Duration::ZERO)?;
    let impatient = Host::start("[state_server]\nhold_locked = \"0s\"\n")?;
    let polling = waiting(&impatient, POLL)?;
    println!("from a release until the one who waits has the session, median: {held:?} held back, {polling:?} polling");
    report.add(
        "contention",
        json!({
            "hand_overs_per_second": per_second, "p50_us": us(0.5), "p99_us": us(0.99), "least": least, "most": most,
            "waiting_ms": held.as_secs_f64() * 1e3, "polling_ms": polling.as_secs_f64() * 1e3,
        }),
    );
    Ok(())
}

/// All of them take and release the lock for a while: from each release to the next one's answer, in nanoseconds, and how
/// often each had it.
fn crowd(host: &Host, time: Duration) -> Result<(Histogram<u64>, Vec<u64>)> {
    let address = host.state_server();
    let stored = Connection::open(address)?.exchange(request::put_with(SESSION, &["Timeout:20"], &[b'x'; 1024]))?;
    ensure!(stored.status == 200, "{}", stored.status);
    let start = Instant::now();
    let (released, stop) = (AtomicU64::new(u64::MAX), AtomicBool::new(false));
    let since_start = || u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| -> Result<(Histogram<u64>, u64)> {
                    let mut connection = Connection::open(address)?;
                    let (mut handed_over, mut count) = (Histogram::new_with_max(NANOSECONDS_OF_A_MINUTE, 3)?, 0);
                    while !stop.load(Ordering::Relaxed) {
                        let taken = connection.exchange(request::acquire(SESSION))?;
                        let now = since_start();
                        ensure!(taken.status == 200, "{}", taken.status);
                        if let Some(waited) = now.checked_sub(released.load(Ordering::Relaxed)) {
                            handed_over.saturating_record(waited);
                        }
                        count += 1;
                        let store = request::put(SESSION, taken.number("LockCookie")?, &taken.body);
                        released.store(since_start(), Ordering::Relaxed);
                        ensure!(connection.exchange(store)?.status == 200, "not stored");
                    }
                    Ok((handed_over, count))
                })
            })
            .collect();
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let (mut all, mut counts) = (Histogram::new_with_max(NANOSECONDS_OF_A_MINUTE, 3)?, Vec::new());
        for client in clients {
            let (handed_over, count) = client.join().expect("no panic")?;
            all.add(handed_over)?;
            counts.push(count);
        }
        Ok((all, counts))
    })
}

/// One holds the session, one waits for it: from the release until the other has it, in the middle. With `pause` the other
/// asks again after so long each time.
fn waiting(host: &Host, pause: Duration) -> Result<Duration> {
    let address = host.state_server();
    let (mut holder, mut waiter) = (Connection::open(address)?, Connection::open(address)?);
    ensure!(holder.exchange(request::put_with(SESSION, &["Timeout:20"], b"coat"))?.status == 200);
    let mut times = Vec::new();
    for turn in 0..TURNS {
        let held = holder.exchange(request::acquire(SESSION))?;
        ensure!(held.status == 200, "{}", held.status);
        let (released, got) = thread::scope(|scope| -> Result<(Instant, Instant)> {
            let waiting = scope.spawn(|| -> Result<(Instant, i64)> {
                loop {
                    let taken = waiter.exchange(request::acquire(SESSION))?;
                    if taken.status == 200 {
                        return Ok((Instant::now(), taken.number("LockCookie")?));
                    }
                    ensure!(!pause.is_zero(), "{}", taken.status);
                    thread::sleep(pause);
                }
            });
            // Pages take differently long, so that the end meets the pauses of one who polls anywhere.
            thread::sleep(Duration::from_millis(50 + u64::from(turn * 137 % 500)));
            let released = Instant::now();
            let stored = holder.exchange(request::put(SESSION, held.number("LockCookie")?, b"coat"))?;
            ensure!(stored.status == 200, "{}", stored.status);
            let (got, cookie) = waiting.join().expect("no panic")?;
            ensure!(holder.exchange(request::release(SESSION, cookie))?.status == 200);
            Ok((released, got))
        })?;
        times.push(got.saturating_duration_since(released));
    }
    times.sort();
    Ok(times[times.len() / 2])
}
