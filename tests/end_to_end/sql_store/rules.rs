//! `cloakroom check` finds every rule of the contract kept, by two hosts that begin at the same time on a database without
//! tables.

use anyhow::Result;
use harness::rules::are_kept_by_two_hosts;

use crate::database::{Farm, Kind};

fn keeps_every_rule(kind: Kind) -> Result<()> {
    let farm = Farm::start(kind)?;
    let component = farm.directory.path().join("sql.wasm");
    are_kept_by_two_hosts(&component, &["--connection", &format!("main={}", farm.url())])
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
