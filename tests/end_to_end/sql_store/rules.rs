//! `cloakroom check` finds every rule of the contract kept.

use std::process::{Child, Command, Stdio};

use anyhow::{Result, ensure};
use harness::host::binary;

use crate::database::{Farm, Kind};

fn check(farm: &Farm) -> Result<Child> {
    Ok(Command::new(binary()?)
        .arg("check")
        .arg(farm.directory.path().join("sql.wasm"))
        .args(["--connection", &format!("main={}", farm.url())])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?)
}

/// Two hosts that begin at the same time on a database without tables.
fn keeps_every_rule(kind: Kind) -> Result<()> {
    let farm = Farm::start(kind)?;
    for running in [check(&farm)?, check(&farm)?] {
        let checked = running.wait_with_output()?;
        let report = String::from_utf8_lossy(&checked.stdout);
        ensure!(checked.status.success(), "{kind:?}: {report}{}", String::from_utf8_lossy(&checked.stderr));
        println!("{kind:?}: {}", report.lines().last().unwrap_or_default());
    }
    Ok(())
}

#[test]
fn on_postgresql_every_rule_is_kept_by_two_hosts_at_once() -> Result<()> {
    keeps_every_rule(Kind::Postgres)
}

#[test]
fn on_mariadb_every_rule_is_kept_by_two_hosts_at_once() -> Result<()> {
    keeps_every_rule(Kind::MariaDb)
}

#[test]
fn on_sqlite_every_rule_is_kept_by_two_hosts_at_once() -> Result<()> {
    keeps_every_rule(Kind::Sqlite)
}
