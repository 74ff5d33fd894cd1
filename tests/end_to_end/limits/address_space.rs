//! A host whose own process is limited: it may not reserve address space for a pool of instances.

use std::{fs, os::unix::fs::PermissionsExt};

use anyhow::{Result, ensure};
use harness::{Host, host::binary, http::Request};

/// KiB. Room for the host and some instances, each of which reserves 4 GiB; a pool reserves some TiB.
const ADDRESS_SPACE: u32 = 32_000_000;

const SESSION: &str = "/v1/shop/sessions/a";

#[test]
fn a_host_that_may_not_reserve_a_pool_of_instances_says_so_and_serves() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let limited = directory.path().join("limited");
    let script = format!("#!/bin/sh\nulimit -v {ADDRESS_SPACE}\nexec '{}' \"$@\"\n", binary()?.display());
    fs::write(&limited, script)?;
    fs::set_permissions(&limited, fs::Permissions::from_mode(0o755))?;
    let mut host = Host::start_program(Some(limited), "", &[])?;
    ensure!(host.log().contains("is there a limit on its address space (`ulimit -v`)?"), "{}", host.log());
    let stored = Request::new("PUT", SESSION).body("coat").send(host.http())?;
    ensure!(stored.status == 201, "{stored:?}");
    // Once more, with the plugins compiled and the session read back.
    host.restart()?;
    let read = Request::new("GET", SESSION).send(host.http())?;
    ensure!(read.status == 200 && read.text() == "coat", "{read:?}");
    Ok(())
}
