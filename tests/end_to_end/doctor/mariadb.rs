//! MariaDB with something wrong.

use anyhow::{Result, ensure};
use harness::{Host, http::Request, mariadb::MariaDbServer};

use crate::{Patient, SECRET};

const SMALL: &str = "max_payload = \"1MiB\"";

#[test]
fn a_server_is_well_before_and_after_its_tables_are_made_but_for_the_size_of_its_packets() -> Result<()> {
    let server = MariaDbServer::start()?;
    let patient = Patient::new()?;
    let report = patient.examine_store("sql", &server.url(), SMALL)?;
    report.is_well()?;
    report.found("ok", "version", &["MariaDB 1"])?;
    report.found("ok", "schema", &["the first host that needs them makes them"])?;
    report.found("ok", "persistence", &["innodb_flush_log_at_trx_commit = 1"])?;
    report.found("ok", "clock", &[])?;
    let host = Host::start(&format!(
        "[plugins]\ndirectory = {:?}\n[connections.main]\nurl = {:?}\n[stores.default]\nprovider = \"sql\"\n",
        patient.path(),
        server.url()
    ))?;
    ensure!(Request::new("PUT", "/v1/shop/sessions/a").body("coat").send(host.http())?.status == 201);
    let report = patient.examine_store("sql", &server.url(), SMALL)?;
    report.is_well()?;
    report.found("ok", "schema", &["version 1"])?;
    report.found("ok", "rights", &[])?;
    let report = patient.examine_store("sql", &server.url(), "")?;
    report.found(
        "warning",
        "payloads",
        &["`max_allowed_packet` is 16777216", "20971520", "stores.default.max_payload"],
    )?;
    report.has(0, 1)?;
    let kept = Request::new("GET", "/v1/shop/sessions/a").send(host.http())?;
    ensure!(kept.text() == "coat", "{}", kept.text());
    Ok(())
}

#[test]
fn a_wrong_password_and_a_database_that_is_not_there_are_errors() -> Result<()> {
    let server = MariaDbServer::start()?;
    let patient = Patient::new()?;
    let report = patient.examine_store("sql", &server.url().replace(":cloakroom@", &format!(":{SECRET}@")), "")?;
    report.found("error", "authenticated", &["Access denied", "correct user and password"])?;
    report.has(1, 0)?;
    let report = patient.examine_store("sql", &server.url().replace("/sessions", "/nowhere"), "")?;
    report.found("error", "reachable", &["nowhere", "make the database"])?;
    report.has(1, 0)
}

#[test]
fn a_server_that_is_gone_is_an_error() -> Result<()> {
    let mut server = MariaDbServer::start()?;
    server.kill()?;
    let report = Patient::new()?.examine_store("sql", &server.url(), "")?;
    report.found("error", "reachable", &["cannot be reached"])?;
    report.has(1, 0)
}
