//! A build is replaced by another while the host serves.

use std::fs;

use anyhow::{Result, ensure};

use crate::{Live, build, load::Load, session, shipped};
use harness::http;

#[test]
fn new_builds_of_provider_and_generator_fail_no_request_and_lose_no_update_under_load() -> Result<()> {
    const BUILDS: usize = 12;
    let live = Live::start("", |_| Ok(()))?;
    let (memory, ids) = (fs::read(shipped("memory")?)?, fs::read(shipped("aspnet-id")?)?);
    let load = Load::start(&live.host)?;
    for number in 1..=BUILDS {
        live.replace("memory.wasm", build(&memory, number))?;
        live.replace("aspnet-id.wasm", build(&ids, number))?;
        live.host.wait_for_log_count(" swapped ", 2 * number)?;
    }
    let added = load.finish()?;
    ensure!(added > 100, "only {added} updates during {BUILDS} changes");
    ensure!(live.status("memory")?["swaps"] == BUILDS, "{}", live.status("memory")?);
    println!("{added} updates during {} changes, none lost and no request failed", 2 * BUILDS);
    Ok(())
}

#[test]
fn new_builds_of_any_plugin_of_a_stack_fail_no_request_and_lose_no_update_under_load() -> Result<()> {
    const STACK: [&str; 3] = ["compress", "encrypt", "memory"];
    const ROUNDS: usize = 4;
    let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let live = Live::start(&format!("[stores.default]\nprovider = {STACK:?}\n"), |directory| {
        for name in ["compress", "encrypt"] {
            fs::copy(shipped(name)?, directory.path().join(format!("{name}.wasm")))?;
        }
        fs::write(directory.path().join("compress.toml"), "payload = true\n")?;
        let encrypt = format!("payload = true\n[settings]\nkeys = \"k1:{key}\"\n");
        Ok(fs::write(directory.path().join("encrypt.toml"), encrypt)?)
    })?;
    let load = Load::start(&live.host)?;
    for round in 0..ROUNDS {
        for (number, name) in STACK.into_iter().enumerate() {
            live.replace(&format!("{name}.wasm"), build(&fs::read(shipped(name)?)?, round))?;
            live.host.wait_for_log_count(" swapped ", round * STACK.len() + number + 1)?;
        }
    }
    let added = load.finish()?;
    ensure!(added > 100, "only {added} updates during {} changes", ROUNDS * STACK.len());
    println!("{added} updates during {} changes in a stack, none lost and no request failed", ROUNDS * STACK.len());
    Ok(())
}

#[test]
fn a_lock_outlives_the_build_that_gave_it_out() -> Result<()> {
    let live = Live::start("", |_| Ok(()))?;
    live.put("a", "before")?;
    let locked = http::Request::new("POST", session("a") + "/lock").send(live.host.http())?;
    live.replace("memory.wasm", build(&fs::read(shipped("memory")?)?, 1))?;
    live.host.wait_for_log(" swapped ")?;
    let other = http::Request::new("PUT", session("a")).body("theirs").send(live.host.http())?;
    ensure!(other.status == 423, "without the lock: {}", other.status);
    let store = http::Request::new("PUT", session("a")).header("Session-Lock", locked.must("session-lock")?);
    ensure!(store.body("after").send(live.host.http())?.status == 204);
    ensure!(live.get("a")? == "after");
    Ok(())
}

#[test]
fn limits_in_the_grant_file_change_with_it() -> Result<()> {
    let live = Live::start("", |_| Ok(()))?;
    ensure!(live.status("memory")?["limits"]["instances"] == 64);
    live.replace("memory.toml", "[limits]\ninstances = 3\n")?;
    live.host.wait_for_log(" swapped ")?;
    ensure!(live.status("memory")?["limits"]["instances"] == 3);
    fs::remove_file(live.file("memory.toml"))?;
    live.host.wait_for_log_count(" swapped ", 2)?;
    ensure!(live.status("memory")?["limits"]["instances"] == 64);
    Ok(())
}

#[test]
fn settings_in_the_grant_file_are_the_next_builds() -> Result<()> {
    let config = "[stores.default]\nid_generator = \"signed-id\"\n";
    let key = |letter: &str| format!("[settings]\nkeys = \"k1:{}\"\n", letter.repeat(64));
    let live = Live::start(config, |directory| {
        fs::copy(shipped("signed-id")?, directory.path().join("signed-id.wasm"))?;
        Ok(fs::write(directory.path().join("signed-id.toml"), key("a"))?)
    })?;
    let create = || http::Request::new("POST", "/v1/live/sessions").body("x").send(live.host.http());
    let location = create()?.must("location")?.to_owned();
    let read = || http::Request::new("GET", &location).send(live.host.http());
    ensure!(read()?.status == 200);
    live.replace("signed-id.toml", key("b"))?;
    live.host.wait_for_log(" swapped ")?;
    ensure!(read()?.status == 404, "an ID that was signed with a key that is not in use any more");
    ensure!(create()?.status == 201);
    Ok(())
}
