//! The contract on layouts that are not the plugin's own.

use anyhow::{Result, ensure};
use harness::redis::RedisCluster;

use crate::{Farm, check, plugins};

/// Every rule has a store of its own, and most store what no ASP.NET application would.
const SETTINGS: [&str; 4] = ["--setting", "payloads=any", "--setting", "application={store}/{application}"];

#[test]
fn microsofts_layout_keeps_every_rule_but_those_on_reports_of_expiry() -> Result<()> {
    let farm = Farm::start()?;
    let connection = format!("main={}", farm.redis.url());
    check(&farm.plugins, &[&["--connection", &connection, "--setting", "layout=microsoft"][..], &SETTINGS].concat())
}

#[test]
fn harbours_layout_keeps_every_rule_but_those_on_reports_of_expiry() -> Result<()> {
    let farm = Farm::start()?;
    let connection = format!("main={}", farm.redis.url());
    check(&farm.plugins, &[&["--connection", &connection, "--setting", "layout=harbour"][..], &SETTINGS].concat())
}

#[test]
fn microsofts_layout_keeps_them_on_a_cluster() -> Result<()> {
    let cluster = RedisCluster::start()?;
    let connection = format!("main={}", cluster.url());
    let arguments = ["--connection", &connection, "--cluster", "--setting", "layout=microsoft"];
    check(&plugins()?, &[&arguments[..], &SETTINGS].concat())
}

#[test]
fn a_host_that_is_to_tell_the_end_of_sessions_says_that_it_cannot_tell_all() -> Result<()> {
    let farm = Farm::start()?;
    let host = farm.host("[stores.default.settings]\nlayout = \"microsoft\"\n[log]\nevents = true\n")?;
    ensure!(host.log().contains("deletes expired sessions by itself"), "{}", host.log());
    Ok(())
}
