//! Who makes the tables.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use harness::{host::binary, http::Request};

use crate::database::{Farm, Kind, session};

const BY_OTHERS: &str = "[stores.default.settings]\nmigrate = false\n";

/// What `cloakroom sql schema` prints.
fn printed(dialect: &str) -> Result<String> {
    let printed = Command::new(binary()?).args(["sql", "schema", "--dialect", dialect]).output()?;
    ensure!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    Ok(String::from_utf8(printed.stdout)?)
}

#[test]
fn tables_that_an_administrator_made_of_what_is_printed_are_served_from() -> Result<()> {
    let farm = Farm::start(Kind::Sqlite)?;
    let host = farm.host(BY_OTHERS)?;
    let put = || Request::new("PUT", session("a")).body("coat").send(host.http());
    let refused = put()?;
    ensure!(refused.status == 503, "{} {}", refused.status, refused.text());
    ensure!(refused.text().contains("cloakroom sql schema --dialect sqlite"), "{}", refused.text());
    let mut sqlite = Command::new("sqlite3")
        .arg(farm.directory.path().join("sessions.db"))
        .stdin(Stdio::piped())
        .spawn()
        .context("no sqlite3")?;
    sqlite.stdin.take().context("no standard input")?.write_all(printed("sqlite")?.as_bytes())?;
    ensure!(sqlite.wait()?.success());
    ensure!(put()?.status == 201);
    Ok(())
}

#[test]
fn what_is_printed_for_postgresql_can_be_run_again_and_again() -> Result<()> {
    let farm = Farm::start(Kind::Postgres)?;
    let server = farm.postgres()?;
    for _ in 0..2 {
        server.query(&printed("postgresql")?)?;
    }
    ensure!(server.query("SELECT version FROM cloakroom_schema")? == "1");
    let host = farm.host(BY_OTHERS)?;
    ensure!(Request::new("PUT", session("a")).body("coat").send(host.http())?.status == 201);
    ensure!(
        server.query("SELECT store, application, id, version, locked FROM cloakroom_sessions")? == "default|shop|a|1|0"
    );
    Ok(())
}
