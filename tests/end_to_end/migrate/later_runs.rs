//! What a run does after others.

use anyhow::{Result, ensure};
use harness::http::Request;

use crate::{Place, get, holds, migrate, put, session};

const COPY: [&str; 4] = ["--from", "default", "--to", "first"];

#[test]
fn a_session_that_changed_at_the_source_is_brought_up_to_date() -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    for id in ["a", "b"] {
        put(&old, id, "coat")?;
    }
    migrate(&old, &COPY)?.is(&[("copied", 2)])?;
    put(&old, "a", "hat")?;
    migrate(&old, &COPY)?.is(&[("copied", 1), ("unchanged", 1)])?;
    holds(&new, "a", "hat")?;
    ensure!(get(&new, "a")?.must("etag")? == "\"v2\"");
    migrate(&old, &COPY)?.is(&[("unchanged", 2)])
}

#[test]
fn a_session_that_changed_at_the_target_is_not_set_back() -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    for id in ["a", "b"] {
        put(&old, id, "coat")?;
    }
    migrate(&old, &COPY)?.is(&[("copied", 2)])?;
    put(&new, "a", "hat")?;
    put(&new, "b", "scarf")?;
    migrate(&old, &COPY)?.is(&[("unchanged", 2)])?;
    put(&old, "b", "umbrella")?;
    migrate(&old, &COPY)?.is(&[("unchanged", 1), ("newer_at_target", 1)])?;
    holds(&new, "a", "hat")?;
    holds(&new, "b", "scarf")?;
    // What the target has is what counts, so the source gives up its own.
    let moved = migrate(&old, &[&COPY[..], &["--move"]].concat())?;
    moved.is(&[("unchanged", 1), ("newer_at_target", 1), ("removed", 2)])?;
    holds(&new, "b", "scarf")?;
    ensure!(get(&old, "a")?.status == 404);
    Ok(())
}

#[test]
fn a_session_that_ended_at_the_target_is_not_brought_back() -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    for id in ["a", "b"] {
        put(&old, id, "coat")?;
    }
    migrate(&old, &COPY)?.is(&[("copied", 2)])?;
    for id in ["a", "b"] {
        ensure!(Request::new("DELETE", session(id)).send(new.http())?.status == 204);
    }
    migrate(&old, &COPY)?.is(&[("unchanged", 2)])?;
    put(&old, "a", "hat")?;
    migrate(&old, &COPY)?.is(&[("unchanged", 1), ("ended_at_target", 1)])?;
    ensure!(get(&new, "a")?.status == 404);
    // Unless it is told to forget.
    migrate(&old, &[&COPY[..], &["--from-scratch"]].concat())?.is(&[("copied", 2)])?;
    holds(&new, "a", "hat")
}

#[test]
fn a_session_that_the_target_has_from_elsewhere_is_left_alone() -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    put(&old, "a", "coat")?;
    put(&new, "a", "hat")?;
    put(&old, "b", "scarf")?;
    put(&new, "b", "scarf")?;
    for arguments in [&COPY[..], &[&COPY[..], &["--dry-run"]].concat()] {
        let ended = migrate(&old, arguments)?;
        ended.has(&[("other_at_target", 1), ("unchanged", 1)])?;
        ensure!(ended.code == Some(1), "{:?}", ended.code);
    }
    holds(&new, "a", "hat")?;
    let moved = migrate(&old, &[&COPY[..], &["--move"]].concat())?;
    moved.has(&[("other_at_target", 1), ("unchanged", 1), ("removed", 1)])?;
    holds(&old, "a", "coat")
}

#[test]
fn a_copy_lives_on_while_its_session_is_read_at_the_source() -> Result<()> {
    let place = Place::new()?;
    // Both in one memory, so that one clock moves.
    let host = place.host("default", "idle_timeout = \"45s\"\n[stores.third]\n")?;
    let copy = ["--from", "default", "--to", "third"];
    put(&host, "read", "coat")?;
    put(&host, "not-read", "coat")?;
    migrate(&host, &copy)?.is(&[("copied", 2)])?;
    host.advance_30s()?;
    ensure!(get(&host, "read")?.status == 200);
    migrate(&host, &copy)?.is(&[("unchanged", 2)])?;
    host.advance_30s()?;
    let alive = || migrate(&host, &["--from", "third", "--to", "first", "--dry-run"]);
    ensure!(alive()?.count("seen") == 1, "{}", alive()?.status);
    // Without the run in between it is gone, and is brought anew.
    ensure!(get(&host, "read")?.status == 200);
    host.advance_30s()?;
    ensure!(alive()?.count("seen") == 0, "{}", alive()?.status);
    migrate(&host, &copy)?.is(&[("copied", 1)])?;
    ensure!(alive()?.count("seen") == 1, "{}", alive()?.status);
    Ok(())
}

#[test]
fn a_session_that_nobody_had_read_begins_once() -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    let unread = Request::new("PUT", session("a")).header("Session-New", 1).send(old.http())?;
    ensure!(unread.status < 300, "{} {}", unread.status, unread.text());
    migrate(&old, &COPY)?.is(&[("copied", 1)])?;
    migrate(&old, &COPY)?.is(&[("unchanged", 1)])?;
    ensure!(get(&old, "a")?.must("session-new")? == "1");
    migrate(&old, &COPY)?.is(&[("copied", 1)])?;
    ensure!(get(&new, "a")?.header("session-new").is_none());
    migrate(&old, &COPY)?.is(&[("unchanged", 1)])
}
