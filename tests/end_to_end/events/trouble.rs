//! Handlers that hang, compute without end, or never take what they are told.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::http::Request;

use crate::Audited;

/// The applications of two stores: only `shop`'s has a handler in trouble.
const STORES: &str = r#"
[stores.default]
events = ["bad"]
sweep_interval = "100ms"
event_retry = "10ms"
event_attempts = 1000

[stores.other]
events = ["good"]
sweep_interval = "100ms"

[applications]
club = "other"
"#;

#[test]
fn a_handler_that_hangs_or_loops_delays_no_request_no_other_handler_and_no_sweep() -> Result<()> {
    for how in ["hang", "loop"] {
        let audited = Audited::start(STORES, &[("bad", &format!("fails = 1000000\nhow = \"{how}\"")), ("good", "")])?;
        audited.put("stuck", "coat")?;
        audited.host.wait_for_log("attempt 1 at start of stuck ends badly")?;
        // While it is at it, which it always is: a second passes before an attempt is cut off, 0.2 s if it computes.
        let began = Instant::now();
        for number in 0..50 {
            audited.put(&format!("a{number}"), "coat")?;
            audited.delete(&format!("a{number}"))?;
        }
        let took = began.elapsed();
        ensure!(took < Duration::from_secs(5), "{how}: 100 requests took {took:?}");
        for path in ["club/member", "shop/short"] {
            let short = audited.request("PUT", path).header("Session-Timeout", 20).body("hat");
            ensure!(short.send(audited.host.http())?.status == 201);
        }
        audited.host.advance_30s()?;
        let heard = audited.wait_until_heard("good", 2)?;
        ensure!(heard == ["start of member in club", "end of member expired v1 [hat]"], "{how}: {heard:?}");
        audited.host.wait_until("both are swept", || {
            let stores = Request::new("GET", "/v1/stores").send(audited.host.http())?.json()?;
            Ok(stores["stores"].as_array().is_some_and(|all| all.iter().all(|store| store["expired"] == 1)))
        })?;
        ensure!(audited.heard("bad").is_empty());
        ensure!(audited.status("bad")?["queued"] == 103, "{}", audited.status("bad")?);
    }
    Ok(())
}

#[test]
fn while_a_handler_is_backed_off_no_attempt_at_an_event_is_used_up() -> Result<()> {
    // Five failures in a row and it is backed off; the seventh call, after two pauses, is the last one that the event has.
    let store = "[stores.default]\nevents = [\"probe\"]\nevent_retry = \"1ms\"\nevent_attempts = 7\n";
    let audited = Audited::start(store, &[("probe", "fails = 6\nhow = \"trap\"")])?;
    audited.put("a", "coat")?;
    ensure!(audited.wait_until_heard("probe", 1)? == ["start of a in shop"]);
    audited.host.wait_until("it is counted", || Ok(audited.status("probe")?["delivered"] == 1))?;
    let status = audited.status("probe")?;
    ensure!(status["retried"] == 6 && status["dead"] == 0, "{status}");
    Ok(())
}

#[test]
fn an_event_that_is_given_up_leaves_a_dead_letter_without_the_id_and_is_counted() -> Result<()> {
    let store = "[stores.default]\nevents = [\"probe\"]\nevent_retry = \"1ms\"\nevent_attempts = 3\n";
    let mut audited = Audited::start(store, &[("probe", "fails = 1000000\nonly = \"secret\"")])?;
    audited.put("secret", "two coats")?;
    audited.delete("secret")?;
    audited.put("after", "coat")?;
    audited.host.wait_until("two are given up", || Ok(audited.status("probe")?["dead"] == 2))?;
    audited.wait_until_heard("probe", 1)?;
    audited.host.wait_until("the metric shows it", || {
        let metrics = Request::new("GET", "/metrics").send(audited.host.http())?.text();
        Ok(metrics.contains("cloakroom_events_dead_total{store=\"default\",handler=\"probe\"} 2"))
    })?;
    audited.host.terminate()?;
    let log = audited.host.log();
    let letters: Vec<&str> = log.lines().filter(|line| line.contains("dead letter")).collect();
    ensure!(letters.len() == 2, "{letters:?}");
    for (letter, parts) in letters.iter().zip([["Session_Start", "attempts=3"], ["Session_End", "bytes=9"]]) {
        ensure!(parts.iter().all(|part| letter.contains(part)), "{letter}");
        ensure!(letter.contains("the audit has no room for") && !letter.contains("secret"), "{letter}");
    }
    Ok(())
}

#[test]
fn sessions_that_expire_while_the_backlog_is_full_are_reported_once_there_is_room() -> Result<()> {
    let store = "[stores.default]\nevents = [\"probe\"]\nsweep_interval = \"100ms\"\nevent_retry = \"10ms\"\n\
                 event_attempts = 1000\nevent_queue = \"4KiB\"\n";
    let audited = Audited::start(store, &[("probe", "fails = 1000000")])?;
    for number in 0..8 {
        let body = format!("{number}").repeat(1000);
        let short = audited.request("PUT", &format!("a{number}")).header("Session-Timeout", 20).body(body);
        ensure!(short.send(audited.host.http())?.status == 201);
    }
    audited.host.advance_30s()?;
    audited.host.wait_for_log("an expired session was not taken")?;
    let status = audited.status("probe")?;
    ensure!(status["queued"].as_u64() < Some(12) && status["dead"] == 0, "{status}");
    // Mended while the host serves. What was refused is offered again when the claim's lease is over.
    audited.change("probe", "fails = 0")?;
    audited.wait_until_heard("probe", status["queued"].as_u64().map_or(0, |queued| queued as usize))?;
    audited.host.wait_until("all ends are heard", || {
        audited.host.advance_30s()?;
        Ok(audited.heard("probe").len() >= 16)
    })?;
    for number in 0..8 {
        let body = format!("[{}]", format!("{number}").repeat(1000));
        let ends = audited.heard("probe").iter().filter(|line| line.contains(&body)).count();
        ensure!(ends == 1, "a{number} ended {ends} times");
    }
    Ok(())
}
