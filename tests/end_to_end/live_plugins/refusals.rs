//! Builds that do not pass leave the one before them serving.

use std::fs;

use anyhow::{Result, ensure};

use crate::{Live, build, fixture, load::Load, shipped};

const REFUSED: &str = "the new build is not used, the one before it serves on";

/// Puts files into place of which the host has to say this, and sees that the old build goes on under load, is told of
/// in the status, and is followed by the next good build.
fn is_refused(name: &str, content: &[u8], because: &str) -> Result<()> {
    let live = Live::start("", |_| Ok(()))?;
    let load = Load::start(&live.host)?;
    live.replace(name, content)?;
    live.host.wait_for_log(REFUSED)?;
    let status = live.status("memory")?;
    ensure!(status["state"] == "serving", "{status}");
    ensure!(status["refused"].as_str().is_some_and(|why| why.contains(because)), "`{because}` is not in {status}");
    // Until the operator has mended it.
    if name == "memory.toml" {
        fs::remove_file(live.file(name))?;
    } else {
        live.replace(name, build(&fs::read(shipped("memory")?)?, 1))?;
    }
    live.host.wait_for_log(" swapped ")?;
    ensure!(live.status("memory")?["refused"].is_null(), "{}", live.status("memory")?);
    load.finish()?;
    Ok(())
}

#[test]
fn a_file_that_is_no_component() -> Result<()> {
    is_refused("memory.wasm", b"not wasm at all", "not a WebAssembly file")
}

#[test]
fn a_file_that_is_cut_off() -> Result<()> {
    let memory = fs::read(shipped("memory")?)?;
    is_refused("memory.wasm", memory.get(..memory.len() / 2).unwrap_or_default(), "cut off")
}

#[test]
fn a_component_of_another_kind() -> Result<()> {
    is_refused("memory.wasm", &fs::read(shipped("aspnet-id")?)?, "it does not export `provider.initialize`")
}

#[test]
fn a_component_that_asks_for_more_than_it_is_granted() -> Result<()> {
    is_refused("memory.wasm", &fs::read(fixture("own-memory")?)?, "write `payload = true`")
}

#[test]
fn a_grant_file_with_a_mistake() -> Result<()> {
    is_refused("memory.toml", b"payloads = true\n", "did you mean `payload`?")
}

#[test]
fn a_setting_that_the_component_does_not_know() -> Result<()> {
    is_refused("memory.toml", b"[settings]\ntabel = \"x\"\n", "tabel")
}
