//! Providers that keep sessions in their own memory, on one instance or on one for each shard.

use std::fs;

use anyhow::{Result, ensure};
use harness::http;

use crate::{Live, build, fixture, load::Load, session};

fn start(shards: &str) -> Result<Live> {
    let config = format!("[stores.default]\nprovider = \"own-memory\"\n{shards}\n");
    Live::start(&config, |directory| {
        fs::copy(fixture("own-memory")?, directory.path().join("own-memory.wasm"))?;
        Ok(fs::write(directory.path().join("own-memory.toml"), "payload = true\n")?)
    })
}

fn hands_over(shards: &str) -> Result<()> {
    const BUILDS: usize = 5;
    let live = start(shards)?;
    for number in 0..50 {
        live.put(&format!("s{number}"), &format!("value {number}"))?;
    }
    let locked = http::Request::new("POST", session("s7") + "/lock").send(live.host.http())?;
    let load = Load::start(&live.host)?;
    let component = fs::read(fixture("own-memory")?)?;
    for number in 1..=BUILDS {
        live.replace("own-memory.wasm", build(&component, number))?;
        live.host.wait_for_log_count(" swapped ", number)?;
    }
    let added = load.finish()?;
    ensure!(added > 20, "only {added} updates during {BUILDS} changes");
    for number in (0..50).filter(|number| *number != 7) {
        ensure!(live.get(&format!("s{number}"))? == format!("value {number}"));
    }
    let store = http::Request::new("PUT", session("s7")).header("Session-Lock", locked.must("session-lock")?);
    ensure!(store.body("mine").send(live.host.http())?.status == 204, "the lock was lost");
    Ok(())
}

#[test]
fn a_single_instance_hands_its_sessions_over_to_the_next_build_under_load() -> Result<()> {
    hands_over("")
}

#[test]
fn shards_hand_their_sessions_over_to_the_next_build_under_load() -> Result<()> {
    hands_over("settings = { shards = 4 }")
}

#[test]
fn every_shard_is_swept() -> Result<()> {
    let live = start("settings = { shards = 4 }\nsweep_interval = \"100ms\"")?;
    for number in 0..20 {
        let request = http::Request::new("PUT", session(&format!("s{number}"))).header("Session-Timeout", 20);
        ensure!(request.body("x").send(live.host.http())?.status == 201);
    }
    live.host.advance_30s()?;
    live.host.wait_until("every session has expired", || {
        Ok(http::Request::new("GET", "/v1/stores").send(live.host.http())?.text().contains("\"expired\":20"))
    })
}

#[test]
fn more_shards_than_instances_are_refused() -> Result<()> {
    let error = start("settings = { shards = 65 }").err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(error.contains("wants 65 shards, and may have 1 to 64 (limit `instances`)"), "{error}");
    Ok(())
}
