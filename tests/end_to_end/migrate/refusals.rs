//! What is not begun, and what it says.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use harness::{host::binary, http::Request};

use crate::{Place, command, copy_fixture, ended, migrate, put, status};

/// What the command complains of.
fn refused(host: &harness::Host, arguments: &[&str]) -> Result<String> {
    let output = command(host, arguments)?.output()?;
    ensure!(output.status.code() == Some(1) && output.stdout.is_empty(), "{output:?}");
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_store_that_is_not_there_is_named_with_those_that_are() -> Result<()> {
    let host = Place::new()?.host("default", "")?;
    for arguments in [["--from", "default", "--to", "nowhere"], ["--from", "nowhere", "--to", "default"]] {
        let said = refused(&host, &arguments)?;
        ensure!(said.contains("no store `nowhere`; there are: `default`, `first`, `second`"), "{said}");
    }
    let said = refused(&host, &["--from", "first", "--to", "first"])?;
    ensure!(said.contains("to itself"), "{said}");
    let said = refused(&host, &["--status"])?;
    ensure!(said.contains("no migration has been begun"), "{said}");
    Ok(())
}

#[test]
fn a_source_that_cannot_list_its_sessions_is_refused_by_the_name_of_its_plugin() -> Result<()> {
    let place = Place::new()?;
    copy_fixture(place.directory.path(), "failing-provider")?;
    let host = place.host("default", "[stores.silent]\nprovider = \"failing-provider\"\n")?;
    let said = refused(&host, &["--from", "silent", "--to", "first"])?;
    for words in ["store `silent` cannot list its sessions", "`failing-provider` does not export `session-scan`"] {
        ensure!(said.contains(words), "{said}");
    }
    let asked = Request::new("POST", "/v1/migration?from=silent&to=first").send(host.http())?;
    ensure!(asked.status == 501 && asked.json()?["interface"] == "session-scan", "{} {}", asked.status, asked.text());
    Ok(())
}

#[test]
fn there_is_one_at_a_time_and_who_asks_for_the_same_watches_it() -> Result<()> {
    let place = Place::new()?;
    let host = place.host("first", "")?;
    for number in 0..20 {
        put(&host, number, "coat")?;
    }
    // For as long as this takes.
    let began = Request::new("POST", "/v1/migration?from=first&to=second&rate=1").send(host.http())?;
    ensure!(began.status == 202 && began.json()?["state"] == "running", "{} {}", began.status, began.text());
    let said = refused(&host, &["--from", "default", "--to", "second"])?;
    ensure!(said.contains("from `first` to `second` is running"), "{said}");
    let mut watching = command(&host, &["--from", "first", "--to", "second"])?;
    let mut watching = watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut said = String::new();
    BufReader::new(watching.stderr.take().context("no standard error")?).read_line(&mut said)?;
    ensure!(said == "it is under way already\n", "{said}");
    command(&host, &["--stop"])?.output()?;
    ensure!(ended(watching)?.status["state"] == "stopped" && status(&host)?["state"] == "stopped");
    ensure!(host.log().matches("migration begins").count() == 1, "{}", host.log());
    migrate(&host, &["--from", "first", "--to", "second"])?;
    ensure!(status(&host)?["state"] == "done");
    Ok(())
}

#[test]
fn what_the_target_does_not_take_is_counted_with_the_reason() -> Result<()> {
    let place = Place::new()?;
    let host = place.host("default", "[stores.small]\nmax_payload = 3\n")?;
    put(&host, "a", "hat")?;
    put(&host, "b", "coat")?;
    let ended = migrate(&host, &["--from", "default", "--to", "small", "--wait", "1"])?;
    ended.has(&[("copied", 1), ("failed", 1)])?;
    ensure!(ended.code == Some(1));
    let reasons = ended.status["failures"].to_string();
    ensure!(reasons.contains("store `small` takes at most 3"), "{reasons}");
    Ok(())
}

#[test]
fn the_host_is_found_by_its_configuration() -> Result<()> {
    let place = Place::new()?;
    let host = place.host("default", "")?;
    put(&host, "a", "coat")?;
    let file = place.directory.path().join("cloakroom.toml");
    fs::write(&file, format!("[http]\naddress = \"{}\"\n", host.http()))?;
    let run = |file| -> Result<(bool, String)> {
        let mut command = Command::new(binary()?);
        let output = command.args(["migrate", "--from", "default", "--to", "first", "--config"]).arg(file).output()?;
        let printed = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&printed).into_owned()))
    };
    let (succeeded, printed) = run(&file)?;
    ensure!(succeeded && printed.starts_with("copy from `default` to `first`: done in "), "{printed}");
    ensure!(printed.contains("         1  copied           4 bytes"), "{printed}");
    fs::write(&file, "[http]\nenabled = false\n")?;
    let (succeeded, printed) = run(&file)?;
    ensure!(!succeeded && printed.contains("`http.enabled`"), "{printed}");
    Ok(())
}
