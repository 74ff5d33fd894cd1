//! Each limit by itself: what its error says, that it is counted, and that the good store does not notice. The limits
//! `cpu`, `memory`, `deadline` and `instances` are in the tests of `faults`.

use std::thread;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::{Troubled, problem};

/// A store whose provider is this fixture, under these limits. It sweeps once: its sweeps are calls, too.
fn start(fixture: &str, limits: &str, grants: &str) -> Result<Troubled> {
    let config =
        format!("[stores.bad]\nprovider = \"{fixture}\"\nsweep_interval = \"1h\"\n[applications]\nbad = \"bad\"\n");
    let troubled = Troubled::start(&config, &[(fixture, &format!("{grants}\n[limits]\n{limits}\n"))])?;
    troubled.host.wait_until("it has swept", || Ok(troubled.plugin(fixture)?["calls"] != 0))?;
    Ok(troubled)
}

/// Reads the session that makes the plugin hit a limit, and sees what comes of it.
fn hits(fixture: &str, limits: &str, id: &str, told: (u16, &str, &[&str]), limit: (&str, u64)) -> Result<()> {
    let troubled = start(fixture, limits, "payload = true")?;
    let (status, kind, words) = told;
    let body = problem(&troubled.get("bad", id)?, status, kind, words)?;
    ensure!((&body["limit"], &body["limit_value"]) == (&json!(limit.0), &json!(limit.1)), "{body}");
    ensure!(body["plugin"] == fixture, "{body}");
    let plugin = troubled.plugin(fixture)?;
    ensure!(plugin["limit_hits"] == json!({ limit.0: 1 }), "{plugin}");
    ensure!(plugin["replaced"] == 1, "{plugin}");
    let limit = limit.0;
    troubled
        .wait_for_metric(&format!(r#"cloakroom_plugin_limit_hits_total{{plugin="{fixture}",limit="{limit}"}} 1"#))?;
    ensure!(troubled.get("bad", "visitor")?.status == 404, "it has no new instance");
    troubled.good_store_serves()
}

#[test]
fn one_call_into_the_host_that_waits_too_long() -> Result<()> {
    let words = &["`failing-provider` waited for longer than 200ms in one call into the host during `get`"];
    let told = (504, "plugin-deadline", &words[..]);
    hits("failing-provider", "host_call = \"200ms\"", "wait", told, ("host_call", 200))
}

#[test]
fn many_calls_into_the_host_may_together_take_longer_than_one_may() -> Result<()> {
    let troubled = start("failing-provider", "host_call = \"500ms\"", "")?;
    let answer = troubled.get("bad", "naps")?;
    ensure!(answer.status == 404, "{} {}", answer.status, answer.text());
    ensure!(troubled.plugin("failing-provider")?["limit_hits"] == json!({}));
    Ok(())
}

#[test]
fn a_payload_that_is_too_large() -> Result<()> {
    let words = &["made a payload of 100000 bytes in `get`, and may make 65536"];
    hits("greedy-provider", "payload = \"64KiB\"", "payload", (503, "plugin-limit", words), ("payload", 65_536))
}

#[test]
fn handles_that_are_never_dropped() -> Result<()> {
    let words = &["held 100 handles and wanted more in `get`", "limit `handles`"];
    hits("greedy-provider", "handles = 100", "handles", (503, "plugin-limit", words), ("handles", 100))
}

#[test]
fn a_flood_of_log_lines_is_dropped_said_and_counted_and_the_call_succeeds() -> Result<()> {
    let troubled = start("greedy-provider", "log_lines = 20", "payload = true")?;
    let answer = troubled.get("bad", "log-lines")?;
    ensure!(answer.status == 404, "{}", answer.text());
    troubled.host.wait_for_log("it logs more than 20 lines a second (limit `log_lines`)")?;
    let dropped = troubled.plugin("greedy-provider")?["limit_hits"]["log_lines"].as_u64().context("no hits")?;
    // The flood may fall into two seconds, or three on a machine that is busy.
    ensure!((900..=980).contains(&dropped), "{dropped}");
    let logged = troubled.host.log().lines().filter(|line| line.contains(" line ")).count();
    ensure!(u64::try_from(logged)? + dropped == 1000, "{logged} logged, {dropped} dropped");
    troubled.good_store_serves()
}

#[test]
fn a_line_that_is_too_long_is_cut_and_counted() -> Result<()> {
    let troubled = start("greedy-provider", "log_length = \"100B\"", "payload = true")?;
    troubled.get("bad", "log-length")?;
    troubled.host.wait_for_log("long … (4900 bytes more than the 100 of limit `log_length`)")?;
    ensure!(troubled.plugin("greedy-provider")?["limit_hits"] == json!({"log_length": 1}));
    Ok(())
}

#[test]
fn a_line_that_is_full_is_told_at_once() -> Result<()> {
    let troubled = start("failing-provider", "instances = 1\nqueue = 2\nhost_call = \"2s\"", "")?;
    let answers = thread::scope(|scope| {
        let requests: Vec<_> = (0..8).map(|_| scope.spawn(|| troubled.get("bad", "wait"))).collect();
        troubled.good_store_serves()?;
        requests.into_iter().map(|request| request.join().expect("no panic")).collect::<Result<Vec<_>>>()
    })?;
    // One is in the only instance, two are in line, five find the line full.
    let (late, turned_away): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 504);
    ensure!((late.len(), turned_away.len()) == (3, 5), "{answers:?}");
    for answer in turned_away {
        let words = &["`failing-provider` is saturated", "2 calls wait for one (limit `queue`)", "try again"];
        let body = problem(answer, 503, "plugin-busy", words)?;
        ensure!((&body["limit"], &body["limit_value"]) == (&json!("queue"), &json!(2)), "{body}");
        ensure!(answer.must("retry-after")? == "1");
    }
    // It was not the plugin that failed at those.
    let plugin = troubled.plugin("failing-provider")?;
    ensure!(plugin["limit_hits"] == json!({"host_call": 3, "queue": 5}), "{plugin}");
    ensure!(plugin["suspended"] == json!([]), "{plugin}");
    ensure!(troubled.get("bad", "visitor")?.status == 404);
    Ok(())
}
