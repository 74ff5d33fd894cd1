//! Sessions that somebody holds.

use std::process::Stdio;

use anyhow::{Result, ensure};
use harness::{Host, http::Request};

use crate::{Place, command, ended, get, holds, migrate, put, session, status};

fn lock(host: &Host, id: &str) -> Result<String> {
    let locked = Request::new("POST", session(format!("{id}/lock"))).send(host.http())?;
    ensure!(locked.status == 200, "{} {}", locked.status, locked.text());
    Ok(locked.must("session-lock")?.to_owned())
}

fn store(host: &Host, id: &str, lock: &str, body: &str) -> Result<()> {
    let stored = Request::new("PUT", session(id)).header("Session-Lock", lock).body(body).send(host.http())?;
    ensure!(stored.status == 204, "{} {}", stored.status, stored.text());
    Ok(())
}

fn is_waited_for_and_comes_with_what_its_holder_stored(options: &[&str], is_left: bool) -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    for id in ["a", "b"] {
        put(&old, id, "coat")?;
    }
    let held = lock(&old, "a")?;
    let arguments = [&["--from", "default", "--to", "first"][..], options].concat();
    let running = command(&old, &arguments)?.stdout(Stdio::piped()).spawn()?;
    // It waits in line, as clients do.
    old.wait_for_waiting(1)?;
    ensure!(status(&old)?["waiting"] == 1, "{}", status(&old)?);
    holds(&new, "b", "coat")?;
    ensure!(get(&new, "a")?.status == 404, "it was copied from under its holder");
    store(&old, "a", &held, "hat")?;
    let ended = ended(running)?;
    ensure!(ended.code == Some(0) && ended.count("copied") == 2, "{}", ended.status);
    holds(&new, "a", "hat")?;
    ensure!((get(&old, "a")?.status == 200) == is_left);
    Ok(())
}

#[test]
fn a_locked_session_is_waited_for_and_copied_with_what_its_holder_stored() -> Result<()> {
    is_waited_for_and_comes_with_what_its_holder_stored(&[], true)
}

#[test]
fn a_locked_session_is_waited_for_and_moved_with_what_its_holder_stored() -> Result<()> {
    is_waited_for_and_comes_with_what_its_holder_stored(&["--move"], false)
}

#[test]
fn a_session_whose_lock_nobody_gives_back_is_counted_and_left_to_the_next_run() -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    put(&old, "a", "coat")?;
    let held = lock(&old, "a")?;
    for options in [&["--wait", "1"][..], &["--wait", "1", "--move"], &["--wait", "1", "--dry-run"]] {
        let left = migrate(&old, &[&["--from", "default", "--to", "first"][..], options].concat())?;
        left.has(&[("locked", 1)])?;
        ensure!(left.code == Some(1), "{:?}", left.code);
    }
    store(&old, "a", &held, "hat")?;
    migrate(&old, &["--from", "default", "--to", "first"])?.is(&[("copied", 1)])?;
    holds(&new, "a", "hat")
}

#[test]
fn a_copy_that_somebody_holds_is_waited_for() -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    put(&old, "a", "coat")?;
    let copy = ["--from", "default", "--to", "first", "--wait", "1"];
    migrate(&old, &copy)?.is(&[("copied", 1)])?;
    let held = lock(&new, "a")?;
    put(&old, "a", "hat")?;
    migrate(&old, &copy)?.has(&[("locked", 1)])?;
    let given_back = Request::new("DELETE", session("a/lock")).header("Session-Lock", held).send(new.http())?;
    ensure!(given_back.status == 204);
    migrate(&old, &copy)?.is(&[("copied", 1)])?;
    holds(&new, "a", "hat")
}
