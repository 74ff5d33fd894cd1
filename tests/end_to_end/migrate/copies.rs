//! What a copy is, and who hears of it.

use anyhow::{Result, ensure};
use harness::http::Request;

use crate::{Place, get, holds, migrate, put, session};

/// More than a page of a listing.
const SESSIONS: u64 = 600;

#[test]
fn sessions_in_memory_are_copied_to_a_database_and_stay_where_they_are() -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    for number in 0..SESSIONS {
        put(&old, number, &format!("coat {number}"))?;
    }
    migrate(&old, &["--from", "default", "--to", "first"])?.is(&[("copied", SESSIONS)])?;
    for number in 0..SESSIONS {
        holds(&old, number, &format!("coat {number}"))?;
        holds(&new, number, &format!("coat {number}"))?;
    }
    migrate(&old, &["--from", "default", "--to", "first"])?.is(&[("unchanged", SESSIONS)])
}

#[test]
fn a_copy_has_all_that_belongs_to_its_session() -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let stored = Request::new("PUT", session("a"))
        .header("Content-Type", "image/x-coat; a=\"b\"")
        .header("Session-Subject", "ann%20%C3%A9")
        .header("Session-Timeout", 4321)
        .header("Session-Expires-Latest", "Sat, 06 Nov 2094 08:49:37 GMT")
        .body(bytes.clone())
        .send(old.http())?;
    ensure!(stored.status == 201, "{} {}", stored.status, stored.text());
    let unread = Request::new("PUT", session("b")).header("Session-New", 1).send(old.http())?;
    ensure!(unread.status < 300, "{} {}", unread.status, unread.text());

    migrate(&old, &["--from", "default", "--to", "first"])?.is(&[("copied", 2)])?;
    let copy = get(&new, "a")?;
    ensure!(copy.status == 200 && copy.body == bytes, "{}, {} bytes", copy.status, copy.body.len());
    for (name, value) in [
        ("content-type", "image/x-coat; a=\"b\""),
        ("session-subject", "ann%20%C3%A9"),
        ("session-timeout", "4321"),
        ("session-expires-latest", "Sat, 06 Nov 2094 08:49:37 GMT"),
        // The contract has no way to give it another one.
        ("etag", "\"v1\""),
    ] {
        ensure!(copy.must(name)? == value, "{name}: {:?}", copy.headers);
    }
    // Nobody has read it, neither here nor there.
    for host in [&new, &old] {
        ensure!(get(host, "b")?.must("session-new")? == "1");
    }
    Ok(())
}

#[test]
fn an_absolute_timeout_of_the_target_counts_from_when_the_session_began() -> Result<()> {
    let place = Place::new()?;
    let old = place.host("default", "[stores.third]\nabsolute_timeout = \"1h\"\n")?;
    put(&old, "a", "coat")?;
    for _ in 0..119 {
        old.advance_30s()?;
        if get(&old, "a")?.status != 200 {
            anyhow::bail!("it has expired");
        }
    }
    migrate(&old, &["--from", "default", "--to", "third"])?.is(&[("copied", 1)])?;
    let alive = |host| migrate(host, &["--from", "third", "--to", "first", "--dry-run"]);
    ensure!(alive(&old)?.count("seen") == 1);
    old.advance_30s()?;
    ensure!(alive(&old)?.count("seen") == 0, "it lives longer than an hour");
    Ok(())
}

#[test]
fn nobody_hears_of_a_beginning_or_an_end_of_a_session_that_moves() -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    for id in ["a", "b"] {
        put(&old, id, "coat")?;
    }
    let unread = Request::new("PUT", session("c")).header("Session-New", 1).send(old.http())?;
    ensure!(unread.status < 300, "{} {}", unread.status, unread.text());
    migrate(&old, &["--from", "default", "--to", "first", "--move"])?.is(&[("copied", 3), ("removed", 3)])?;
    for id in ["a", "b", "c"] {
        ensure!(get(&old, id)?.status == 404);
    }
    holds(&new, "a", "coat")?;
    // The one that was read there first begins there.
    ensure!(get(&new, "c")?.must("session-new")? == "1");
    ensure!(Request::new("DELETE", session("a")).send(new.http())?.status == 204);
    new.wait_for_log("Session_End")?;
    let told = |what: &str| [&old, &new].map(|host| host.log().matches(what).count());
    ensure!(told("Session_Start") == [2, 1], "{}{}", old.log(), new.log());
    ensure!(told("Session_End") == [0, 1], "{}{}", old.log(), new.log());
    Ok(())
}

#[test]
fn a_dry_run_counts_and_changes_nothing() -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    for id in ["a", "b", "c"] {
        put(&old, id, "coat")?;
    }
    for _ in 0..2 {
        migrate(&old, &["--from", "default", "--to", "first", "--move", "--dry-run"])?.is(&[("copied", 3)])?;
    }
    ensure!(get(&new, "a")?.status == 404);
    migrate(&old, &["--from", "default", "--to", "first"])?.is(&[("copied", 3)])?;
    put(&old, "a", "hat")?;
    migrate(&old, &["--from", "default", "--to", "first", "--dry-run"])?.is(&[("copied", 1), ("unchanged", 2)])?;
    holds(&new, "a", "coat")
}

#[test]
fn one_application_can_be_copied_after_the_other() -> Result<()> {
    let place = Place::new()?;
    let (old, new) = (place.host("default", "")?, place.host("first", "")?);
    put(&old, "a", "coat")?;
    let other = Request::new("PUT", "/v1/two%20words/sessions/a").body("hat").send(old.http())?;
    ensure!(other.status == 201);
    let arguments = ["--from", "default", "--to", "first", "--application"];
    migrate(&old, &[&arguments[..], &["two words"]].concat())?.is(&[("copied", 1)])?;
    ensure!(get(&new, "a")?.status == 404);
    migrate(&old, &[&arguments[..], &["shop"]].concat())?.is(&[("copied", 1)])?;
    holds(&new, "a", "coat")
}
