//! Migrations that do not get to their end, and slow ones.

use std::process::Stdio;

use anyhow::{Result, ensure};

use crate::{Place, command, ended, migrate, put, status};

const SESSIONS: u64 = 60;
const COPY: [&str; 4] = ["--from", "first", "--to", "second"];
/// So that it is met in the middle.
const SLOW: [&str; 6] = ["--from", "first", "--to", "second", "--rate", "5"];

fn copied(host: &harness::Host) -> Result<u64> {
    Ok(status(host)?["copied"].as_u64().unwrap_or_default())
}

#[test]
fn one_that_was_stopped_goes_on_where_it_ended() -> Result<()> {
    let place = Place::new()?;
    let host = place.host("first", "")?;
    for number in 0..SESSIONS {
        put(&host, number, "coat")?;
    }
    let running = command(&host, &SLOW)?.stdout(Stdio::piped()).spawn()?;
    host.wait_until("some are copied", || Ok(copied(&host)? > 2))?;
    let stop = command(&host, &["--stop"])?.stdout(Stdio::piped()).spawn()?;
    let stopped = [ended(running)?, ended(stop)?];
    ensure!(stopped.iter().all(|ended| ended.status["state"] == "stopped" && ended.code == Some(1)));
    let done = stopped[0].count("copied");
    ensure!((3..SESSIONS).contains(&done), "{done}");
    ensure!(stopped[1].count("copied") == done);
    migrate(&host, &COPY)?.is(&[("copied", SESSIONS - done), ("unchanged", done)])
}

#[test]
fn one_whose_host_was_killed_goes_on_where_it_ended() -> Result<()> {
    let place = Place::new()?;
    let mut host = place.host("first", "")?;
    for number in 0..SESSIONS {
        put(&host, number, "coat")?;
    }
    let running = command(&host, &SLOW)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    host.wait_until("some are copied", || Ok(copied(&host)? > 2))?;
    let done = copied(&host)?;
    host.kill()?;
    let watched = running.wait_with_output()?;
    let said = String::from_utf8_lossy(&watched.stderr).into_owned();
    ensure!(watched.status.code() == Some(1) && said.contains("run it again"), "{said}");
    host.restart()?;
    let again = migrate(&host, &COPY)?;
    ensure!(again.code == Some(0), "{}", again.status);
    ensure!(again.count("copied") + again.count("unchanged") == SESSIONS, "{}", again.status);
    ensure!(again.count("unchanged") >= done, "{done} and {}", again.status);
    Ok(())
}

#[test]
fn a_host_that_is_told_to_stop_stops_its_migration() -> Result<()> {
    let place = Place::new()?;
    let mut host = place.host("first", "")?;
    for number in 0..SESSIONS {
        put(&host, number, "coat")?;
    }
    let running = command(&host, &SLOW)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    host.wait_until("some are copied", || Ok(copied(&host)? > 2))?;
    host.terminate()?;
    running.wait_with_output()?;
    ensure!(host.log().contains("migration ended"), "{}", host.log());
    Ok(())
}

#[test]
fn no_more_sessions_are_copied_in_a_second_than_allowed() -> Result<()> {
    let place = Place::new()?;
    let host = place.host("first", "")?;
    for number in 0..21 {
        put(&host, number, "coat")?;
    }
    let ended = migrate(&host, &[&COPY[..], &["--rate", "20"]].concat())?;
    ended.is(&[("copied", 21)])?;
    ensure!(ended.count("elapsed_ms") >= 1000, "{}", ended.status);
    // What is there already takes no time.
    migrate(&host, &[&COPY[..], &["--rate", "1", "--wait", "0"]].concat())?.is(&[("unchanged", 21)])
}
