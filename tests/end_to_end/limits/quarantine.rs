//! A plugin that keeps failing: backed off, quarantined, tried, released, replaced.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use harness::{
    http::Request,
    state_server::{Connection, request},
};

use crate::{Troubled, cloakroom, problem};

const BAD: &str = "failing-provider";

/// What the log says when the state changes.
const BACKED_OFF: &str = "it keeps failing and is backed off";
const QUARANTINED: &str = "quarantined: it is tried again after 30s";
const SOUND: &str = "it works again";

/// A host whose application `bad` has a plugin of which so many calls trap.
pub(crate) fn trapping(times: u64) -> Result<Troubled> {
    let config = format!(
        "[stores.bad]\nprovider = \"{BAD}\"\nsweep_interval = \"1h\"\n[stores.other]\nprovider = \"{BAD}\"\n\
         [stores.other.settings]\ntraps = 0\n[applications]\nbad = \"bad\"\nother = \"other\"\n"
    );
    Troubled::start(&config, &[(BAD, &format!("[settings]\ntraps = {times}\n"))])
}

/// Reads sessions until the plugin is not called any more; the answer that says so.
fn until_turned_away(troubled: &Troubled) -> Result<harness::http::Answer> {
    for _ in 0..20 {
        let answer = troubled.get("bad", "visitor")?;
        let body = answer.json()?;
        if body["type"] == "urn:cloakroom:problem:plugin-unavailable" {
            return Ok(answer);
        }
        problem(&answer, 503, "plugin-failed", &["trapped in `get`"])?;
    }
    anyhow::bail!("it is called however often it fails")
}

/// Has it fail until it is quarantined.
pub(crate) fn quarantined(times: u64) -> Result<Troubled> {
    let troubled = trapping(times)?;
    until_turned_away(&troubled)?;
    troubled.host.wait_until("it is quarantined", || {
        troubled.host.advance_30s()?;
        troubled.get("bad", "visitor")?;
        Ok(troubled.plugin(BAD)?["state"] == "quarantined")
    })?;
    Ok(troubled)
}

#[test]
fn one_that_traps_a_few_times_is_backed_off_tried_without_traffic_and_serves_again() -> Result<()> {
    let troubled = trapping(8)?;
    let answer = until_turned_away(&troubled)?;
    let words = &["is not called for now, because it keeps failing", "times", "trapped in `get`", "plugins release"];
    let body = problem(&answer, 503, "plugin-unavailable", words)?;
    ensure!(body["store"] == "bad" && body["plugin"] == BAD, "{body}");
    ensure!(answer.must("retry-after")? == "1", "{answer:?}");
    troubled.good_store_serves()?;
    // Nobody asks for a session meanwhile.
    troubled.host.wait_for_log(SOUND)?;
    let stored = Request::new("PUT", "/v1/bad/sessions/visitor").body("a hat").send(troubled.host.http())?;
    ensure!(stored.status == 201, "{}", stored.text());
    let plugin = troubled.plugin(BAD)?;
    ensure!(plugin["state"] == "serving" && plugin["failures"] == 8, "{plugin}");
    let log = troubled.host.log();
    ensure!(log.matches(BACKED_OFF).count() == 1 && log.matches(SOUND).count() == 1, "{log}");
    ensure!(!log.contains(QUARANTINED), "{log}");
    Ok(())
}

#[test]
fn one_that_keeps_failing_is_quarantined_and_only_its_store_notices() -> Result<()> {
    let troubled = quarantined(1_000_000)?;
    let plugin = troubled.plugin(BAD)?;
    let suspended = &plugin["suspended"];
    ensure!(suspended.as_array().map(Vec::len) == Some(1), "{plugin}");
    let suspended = &suspended[0];
    ensure!(suspended["store"] == "bad" && suspended["state"] == "quarantined", "{plugin}");
    ensure!(suspended["failures"].as_u64() >= Some(11), "{plugin}");
    ensure!(suspended["last_failure"].as_str().context("text")?.contains("trapped in"), "{plugin}");
    ensure!(suspended["retry_at"].as_str().context("text")?.ends_with('Z'), "{plugin}");

    // Calls are answered at once, and the plugin is not called.
    let before = troubled.plugin(BAD)?;
    let mut latest = 30;
    for _ in 0..10 {
        let answer = troubled.get("bad", "visitor")?;
        problem(&answer, 503, "plugin-unavailable", &["tried again by itself in"])?;
        latest = answer.must("retry-after")?.parse()?;
    }
    ensure!((20..=30).contains(&latest), "{latest}");
    let after = troubled.plugin(BAD)?;
    ensure!(after["failures"] == before["failures"], "{after}");
    ensure!(after["turned_away"].as_u64() >= before["turned_away"].as_u64().map(|count| count + 10), "{after}");
    // State Server has no word for it.
    let mut connection = Connection::open(troubled.host.state_server())?;
    connection.send(request::get("bad/visitor"))?;
    connection.expect_close()?;

    // The good store does not notice, nor does another store of the same plugin, which its settings make work.
    troubled.good_store_serves()?;
    ensure!(troubled.get("other", "visitor")?.status == 404);
    let readiness = Request::new("GET", "/readyz").send(troubled.host.http())?;
    ensure!(readiness.status == 503 && readiness.text().contains("store `bad`"), "{}", readiness.text());
    troubled.wait_for_metric(&format!(r#"cloakroom_plugin_suspended{{plugin="{BAD}",state="quarantined"}} 1"#))?;
    troubled.wait_for_metric(&format!(r#"cloakroom_plugin_suspended{{plugin="{BAD}",state="backing-off"}} 0"#))?;
    let log = troubled.host.log();
    ensure!(log.matches(BACKED_OFF).count() == 1 && log.matches(QUARANTINED).count() == 1, "{log}");
    Ok(())
}

#[test]
fn in_quarantine_it_is_tried_with_one_call_and_serves_again_when_that_succeeds() -> Result<()> {
    // Five, six in vain, and one in quarantine in vain.
    let troubled = quarantined(12)?;
    troubled.host.wait_until("it works again", || {
        troubled.host.advance_30s()?;
        Ok(troubled.host.log().contains(SOUND))
    })?;
    ensure!(troubled.get("bad", "visitor")?.status == 404);
    let plugin = troubled.plugin(BAD)?;
    ensure!(plugin["state"] == "serving" && plugin["failures"] == 12, "{plugin}");
    Ok(())
}

#[test]
fn released_by_hand_it_is_called_again_at_once() -> Result<()> {
    let troubled = quarantined(11)?;
    problem(&troubled.get("bad", "visitor")?, 503, "plugin-unavailable", &[])?;
    let address = troubled.host.http().to_string();
    let release = || cloakroom(&["plugins", "release", BAD, "--http", &address]);
    let (succeeded, printed, complaints) = release()?;
    ensure!(succeeded && printed.contains("is called again for: bad"), "{printed}{complaints}");
    ensure!(troubled.get("bad", "visitor")?.status == 404);
    ensure!(troubled.plugin(BAD)?["state"] == "serving");
    troubled.host.wait_for_log("released by hand")?;

    let (succeeded, printed, _) = release()?;
    ensure!(succeeded && printed.contains("nothing was changed"), "{printed}");
    Ok(())
}

#[test]
fn another_build_starts_sound() -> Result<()> {
    let troubled = quarantined(1_000_000)?;
    fs::write(troubled.file(&format!("{BAD}.toml")), "[settings]\ntraps = 0\n")?;
    troubled.host.wait_for_log(" swapped ")?;
    ensure!(troubled.get("bad", "visitor")?.status == 404);
    let plugin = troubled.plugin(BAD)?;
    ensure!(plugin["state"] == "serving" && plugin["suspended"].as_array().is_some_and(Vec::is_empty), "{plugin}");
    Ok(())
}
