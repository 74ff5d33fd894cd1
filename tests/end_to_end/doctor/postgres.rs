//! PostgreSQL with something wrong.

use anyhow::{Result, ensure};
use harness::{Host, http::Request, postgres::PostgresServer};

use crate::{PLAIN_SECRET, Patient, Report, SECRET};

/// A server with a user who has a password.
fn start() -> Result<PostgresServer> {
    let server = PostgresServer::start()?;
    server.query(&format!("CREATE ROLE host LOGIN PASSWORD '{PLAIN_SECRET}'"))?;
    server.query("GRANT CREATE ON SCHEMA public TO host")?;
    let rules = server.query("SELECT current_setting('hba_file')")?;
    server.query(&format!(
        "COPY (VALUES ('host all host 127.0.0.1/32 scram-sha-256'), ('host all all 127.0.0.1/32 trust')) TO '{rules}'"
    ))?;
    server.query("SELECT pg_reload_conf()")?;
    Ok(server)
}

fn url(server: &PostgresServer, password: &str) -> String {
    server.url().replace("cloakroom@", &format!("host:{password}@"))
}

fn examine(server: &PostgresServer, more: &str) -> Result<Report> {
    Patient::new()?.examine_store("sql", &url(server, SECRET), more)
}

/// Has a host make the tables.
fn make_tables(server: &PostgresServer) -> Result<()> {
    let patient = Patient::new()?;
    let host = Host::start(&format!(
        "[plugins]\ndirectory = {:?}\n[connections.main]\nurl = {:?}\n[stores.default]\nprovider = \"sql\"\n",
        patient.path(),
        url(server, SECRET)
    ))?;
    let stored = Request::new("PUT", "/v1/shop/sessions/a").body("coat").send(host.http())?;
    ensure!(stored.status == 201, "{} {}", stored.status, stored.text());
    Ok(())
}

const BY_OTHERS: &str = "[stores.default.settings]\nmigrate = false\n";

#[test]
fn a_server_is_well_before_and_after_its_tables_are_made() -> Result<()> {
    let server = start()?;
    let report = examine(&server, "")?;
    report.is_well()?;
    report.found("ok", "version", &["PostgreSQL 1"])?;
    report.found("ok", "schema", &["the first host that needs them makes them"])?;
    report.found("ok", "persistence", &["synchronous_commit = on"])?;
    report.found("ok", "clock", &[])?;
    ensure!(server.query("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'cloakroom%'")? == "0");
    make_tables(&server)?;
    let report = examine(&server, "")?;
    report.is_well()?;
    report.found("ok", "schema", &["version 1"])?;
    report.found("ok", "rights", &[])?;
    report.found("ok", "connections", &["each host makes up to 16"])?;
    ensure!(server.query("SELECT count(*), max(version) FROM cloakroom_sessions")? == "1|1");
    Ok(())
}

#[test]
fn a_wrong_password_and_a_database_that_is_not_there_are_errors() -> Result<()> {
    let server = start()?;
    let patient = Patient::new()?;
    let report = patient.examine_store("sql", &url(&server, "s3cr-wrong"), "")?;
    report.found("error", "authenticated", &["password authentication failed", "correct user and password"])?;
    report.has(1, 0)?;
    let report = patient.examine_store("sql", &url(&server, SECRET).replace("/postgres", "/nowhere"), "")?;
    report.found("error", "reachable", &["\"nowhere\" does not exist", "make the database"])?;
    report.has(1, 0)
}

#[test]
fn a_server_that_is_gone_or_frozen_is_an_error() -> Result<()> {
    let mut server = start()?;
    server.signal("STOP")?;
    let report = examine(&server, "")?;
    server.signal("CONT")?;
    report.found("error", "reachable", &["did not answer within 2s"])?;
    server.kill()?;
    let report = examine(&server, "")?;
    report.found("error", "reachable", &["cannot be reached"])?;
    report.has(1, 0)
}

#[test]
fn missing_tables_that_nobody_here_makes_are_an_error_with_the_command_to_run() -> Result<()> {
    let server = start()?;
    let report = examine(&server, BY_OTHERS)?;
    report.found("error", "schema", &["`migrate` is false", "cloakroom sql schema --dialect postgresql"])?;
    report.has(1, 0)?;
    server.query("REVOKE CREATE ON SCHEMA public FROM host")?;
    let report = examine(&server, "")?;
    report.found("error", "schema", &["its user may not make any", "grant it the right"])?;
    report.has(1, 0)
}

#[test]
fn tables_of_another_version_are_told() -> Result<()> {
    let server = start()?;
    make_tables(&server)?;
    server.query("UPDATE cloakroom_schema SET version = 0")?;
    let report = examine(&server, "")?;
    report.found("warning", "schema", &["have version 0", "change them"])?;
    report.has(0, 1)?;
    let report = examine(&server, BY_OTHERS)?;
    report.found("error", "schema", &["have version 0", "cloakroom sql schema"])?;
    server.query("UPDATE cloakroom_schema SET version = 99")?;
    let report = examine(&server, "")?;
    report.found("error", "schema", &["have version 99", "use a newer Cloakroom"])?;
    report.has(1, 0)
}

#[test]
fn rights_that_are_missing_are_named() -> Result<()> {
    let server = start()?;
    make_tables(&server)?;
    server
        .query("ALTER TABLE cloakroom_sessions OWNER TO cloakroom; ALTER TABLE cloakroom_schema OWNER TO cloakroom")?;
    server.query("GRANT SELECT, UPDATE ON cloakroom_sessions TO host; GRANT SELECT ON cloakroom_schema TO host")?;
    let report = examine(&server, "")?;
    report.found("error", "rights", &["INSERT: permission denied", "DELETE: permission denied", "grant it SELECT"])?;
    ensure!(!report.findings("rights")[0].words.contains("UPDATE: permission"), "{}", report.text);
    report.has(1, 0)
}

#[test]
fn settings_that_lose_writes_or_refuse_them_are_told() -> Result<()> {
    let server = start()?;
    make_tables(&server)?;
    server.query("ALTER ROLE host SET synchronous_commit = off; ALTER ROLE host CONNECTION LIMIT 3")?;
    let report = examine(&server, "")?;
    report.found("warning", "persistence", &["`synchronous_commit` is off", "synchronous_commit = on"])?;
    report.found("warning", "connections", &["it takes 3 connections", "max_connections"])?;
    report.has(0, 2)?;
    server.query("ALTER ROLE host SET default_transaction_read_only = on")?;
    let report = examine(&server, "")?;
    report.found("error", "mode", &["it takes no writes"])?;
    report.found("error", "rights", &["read-only"])
}
