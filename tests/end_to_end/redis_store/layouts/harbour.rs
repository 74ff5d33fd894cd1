//! Hosts beside web servers with Harbour.RedisSessionStateStore.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use harness::{
    Host,
    aspnet_redis::{
        Collection,
        harbour::{Found, HarbourProvider},
    },
    http::Request,
};

use super::{ID, Ours, host, http, locked, ttl, wait_for_lock};
use crate::Farm;

const SETTINGS: &str = "layout = \"harbour\"\napplication = \"RedisSessions\"";

/// A farm with a host, a client of it, and a web server that has not moved yet.
struct Mixed {
    farm: Farm,
    host: Host,
    ours: Ours,
    theirs: HarbourProvider,
}

impl Mixed {
    fn start() -> Result<Self> {
        let farm = Farm::start()?;
        let host = host(&farm, SETTINGS)?;
        let (ours, theirs) = (Ours::open(&host, ID)?, HarbourProvider::open(&farm.redis, ID)?);
        Ok(Self { farm, host, ours, theirs })
    }

    /// The same with a session that they stored.
    fn with_hits(hits: i32) -> Result<Self> {
        let mut mixed = Self::start()?;
        mixed.theirs.set_and_release_item_exclusive(&Collection::hits(hits), None)?;
        Ok(mixed)
    }

    fn key() -> String {
        format!("RedisSessions/{ID}")
    }

    fn request(method: &str) -> Request {
        Request::new(method, format!("/v1/any/sessions/{ID}"))
    }
}

#[test]
fn a_session_that_they_stored_is_read_to_the_byte() -> Result<()> {
    let mut mixed = Mixed::start()?;
    mixed.theirs.timeout = 35;
    mixed.theirs.set_and_release_item_exclusive(&Collection::five(), None)?;
    let read = mixed.ours.get()?;
    ensure!(read.status == 200 && read.body == Collection::five().block(35), "{read:?}");
    mixed.theirs.set_and_release_item_exclusive(&Collection::default(), None)?;
    ensure!(mixed.ours.get()?.body == Collection::default().block(35), "a session without items");
    Ok(())
}

#[test]
fn a_session_that_we_stored_is_read_by_them_and_lasts_as_long() -> Result<()> {
    let mut mixed = Mixed::start()?;
    ensure!(mixed.ours.put(0, &Collection::five())? == 200);
    ensure!(mixed.farm.redis.ask(&["HLEN", &Mixed::key()])? == "7");
    ensure!(ttl(&mixed.farm, &Mixed::key())? == 1200);
    let Found::Session { items, minutes: 20, is_uninitialized: false, .. } = mixed.theirs.get_item()? else {
        anyhow::bail!("no session")
    };
    ensure!(items == Collection::five(), "{items:?}");
    // They have written it back.
    ensure!(mixed.ours.get()?.body == Collection::five().block(20));
    Ok(())
}

#[test]
fn a_lock_of_theirs_is_one_for_us() -> Result<()> {
    let mut mixed = Mixed::with_hits(1)?;
    let (_, lock_id) = mixed.theirs.locked()?;
    for refused in [mixed.ours.get()?, mixed.ours.acquire()?] {
        ensure!(refused.status == 423 && refused.number("LockCookie")? == 2, "{refused:?}");
        ensure!((0..30).contains(&refused.number("LockAge")?), "{refused:?}");
    }
    ensure!(mixed.ours.put(0, &Collection::hits(9))? == 423, "stored under their lock");
    ensure!(mixed.ours.delete(0)? == 423, "removed under their lock");
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(2), Some(lock_id))?;
    let taken = mixed.ours.acquire()?;
    ensure!(taken.status == 200 && taken.body == Collection::hits(2).block(20), "{taken:?}");
    ensure!(taken.number("LockCookie")? == 3, "{taken:?}");
    Ok(())
}

#[test]
fn a_lock_of_ours_is_one_for_them_and_has_the_age_that_it_has() -> Result<()> {
    let mut mixed = Mixed::with_hits(1)?;
    let cookie = locked(&mut mixed.ours)?;
    for found in [mixed.theirs.get_item()?, mixed.theirs.get_item_exclusive()?] {
        let Found::Locked { age, lock_id } = found else { anyhow::bail!("{found:?}") };
        ensure!((0..30).contains(&age) && i64::from(lock_id) == cookie, "{found:?}");
    }
    // Theirs are all called 1.
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(7), Some(1))?;
    mixed.theirs.remove_item(1)?;
    ensure!(mixed.ours.put(cookie, &Collection::hits(2))? == 200);
    ensure!(mixed.theirs.locked()?.0.count()? == 2);
    Ok(())
}

#[test]
fn a_lock_of_theirs_that_is_broken_late_breaks_no_later_one() -> Result<()> {
    let mut mixed = Mixed::with_hits(1)?;
    let (_, first) = mixed.theirs.locked()?;
    let seen = mixed.ours.get()?.number("LockCookie")?;
    mixed.theirs.release_item_exclusive(first)?;
    let (_, second) = mixed.theirs.locked()?;
    ensure!(first == second, "which is why they cannot tell them apart");
    ensure!(mixed.ours.release(seen)? == 423, "the later one was broken");
    let cookie = mixed.ours.get()?.number("LockCookie")?;
    ensure!(cookie > seen && mixed.ours.release(cookie)? == 200, "{cookie} after {seen}");
    let own = locked(&mut mixed.ours)?;
    mixed.theirs.release_item_exclusive(second)?;
    ensure!(mixed.ours.get()?.status == 423, "they released ours with what they had");
    ensure!(mixed.ours.put(own, &Collection::hits(2))? == 200);
    Ok(())
}

#[test]
fn they_break_a_lock_of_ours() -> Result<()> {
    let mut mixed = Mixed::with_hits(1)?;
    let own = locked(&mut mixed.ours)?;
    let Found::Locked { lock_id, .. } = mixed.theirs.get_item()? else { anyhow::bail!("not locked") };
    mixed.theirs.release_item_exclusive(lock_id)?;
    let (_, lock_id) = mixed.theirs.locked()?;
    ensure!(mixed.ours.put(own, &Collection::hits(8))? == 423, "stored under their lock");
    mixed.theirs.release_item_exclusive(lock_id)?;
    ensure!(locked(&mut mixed.ours)? > own);
    Ok(())
}

#[test]
fn of_a_removed_session_nothing_is_left_on_either_side() -> Result<()> {
    let mut mixed = Mixed::start()?;
    let subject = Mixed::request("PUT").header("Session-Subject", "ann");
    ensure!(http(&mixed.host, subject.body(Collection::hits(1).block(20)))?.status == 201);
    // What they write back is the same session.
    let (items, lock_id) = mixed.theirs.locked()?;
    mixed.theirs.set_and_release_item_exclusive(&items, Some(lock_id))?;
    let read = http(&mixed.host, Mixed::request("GET"))?;
    ensure!(read.header("session-subject") == Some("ann"), "{read:?}");
    let (_, lock_id) = mixed.theirs.locked()?;
    mixed.theirs.remove_item(lock_id)?;
    ensure!(mixed.ours.get()?.status == 404);
    // One that they make under the same ID is another one.
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(5), None)?;
    let read = http(&mixed.host, Mixed::request("GET"))?;
    ensure!(read.status == 200 && read.header("session-subject").is_none(), "{read:?}");
    let cookie = locked(&mut mixed.ours)?;
    ensure!(mixed.ours.delete(cookie)? == 200);
    ensure!(mixed.theirs.get_item_exclusive()? == Found::Missing);
    ensure!(mixed.farm.redis.ask(&["DBSIZE"])? == "0", "{}", mixed.farm.redis.ask(&["KEYS", "*"])?);
    Ok(())
}

#[test]
fn whoever_uses_a_session_keeps_it_alive_for_the_other() -> Result<()> {
    let mut mixed = Mixed::with_hits(1)?;
    mixed.farm.redis.ask(&["EXPIRE", &Mixed::key(), "100"])?;
    ensure!(mixed.ours.head()? == 200 && ttl(&mixed.farm, &Mixed::key())? == 1200, "our HEAD");
    mixed.farm.redis.ask(&["EXPIRE", &Mixed::key(), "100"])?;
    mixed.theirs.reset_item_timeout()?;
    ensure!(ttl(&mixed.farm, &Mixed::key())? == 1200, "their reset");
    mixed.farm.redis.ask(&["EXPIRE", &Mixed::key(), "100"])?;
    ensure!(mixed.ours.get()?.status == 200 && ttl(&mixed.farm, &Mixed::key())? == 1200, "our GET");
    Ok(())
}

#[test]
fn reserved_sessions_are_new_to_the_first_who_reads_them_on_either_side() -> Result<()> {
    let mut mixed = Mixed::start()?;
    mixed.theirs.create_uninitialized_item()?;
    let first = mixed.ours.get()?;
    ensure!(first.status == 200 && first.header("ActionFlags") == Some("1"), "{first:?}");
    let Found::Session { is_uninitialized: false, .. } = mixed.theirs.get_item()? else { anyhow::bail!("new again") };
    ensure!(mixed.ours.get()?.header("ActionFlags") != Some("1"), "new a second time");
    let cookie = locked(&mut mixed.ours)?;
    ensure!(mixed.ours.delete(cookie)? == 200 && mixed.ours.create_uninitialized()? == 200);
    let Found::Session { is_uninitialized: true, .. } = mixed.theirs.get_item()? else { anyhow::bail!("not new") };
    ensure!(mixed.ours.get()?.header("ActionFlags") != Some("1"), "new a second time");
    Ok(())
}

#[test]
fn what_they_stored_since_is_not_stored_over_by_one_who_read_before() -> Result<()> {
    let mut mixed = Mixed::with_hits(1)?;
    let read = http(&mixed.host, Mixed::request("GET"))?;
    let (_, lock_id) = mixed.theirs.locked()?;
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(2), Some(lock_id))?;
    let late = Mixed::request("PUT").header("If-Match", read.must("etag")?).body(Collection::hits(9).block(20));
    ensure!(http(&mixed.host, late)?.status == 412);
    ensure!(mixed.theirs.locked()?.0.count()? == 2);
    Ok(())
}

#[test]
fn a_write_of_ours_is_not_lost_in_the_middle_of_theirs() -> Result<()> {
    let mut mixed = Mixed::with_hits(1)?;
    let own = locked(&mut mixed.ours)?;
    let ends = mixed.theirs.begin()?.context("the short lock")?;
    let state = mixed.theirs.read()?.context("a session")?;
    let stored = thread::scope(|scope| -> Result<u16> {
        let storing = scope.spawn(|| mixed.ours.put(own, &Collection::hits(2)));
        thread::sleep(Duration::from_millis(200));
        ensure!(!storing.is_finished(), "it was stored where it would be undone");
        mixed.theirs.write(&state)?;
        mixed.theirs.end(ends)?;
        storing.join().expect("no panic")
    })?;
    ensure!(stored == 200, "{stored}");
    ensure!(mixed.theirs.locked()?.0.count()? == 2);
    Ok(())
}

#[test]
fn a_web_server_that_died_in_the_middle_is_waited_for_no_longer_than_it_may_take() -> Result<()> {
    let mut mixed = Mixed::with_hits(1)?;
    mixed.theirs.begin()?.context("the short lock")?;
    let begin = Instant::now();
    ensure!(mixed.ours.get()?.status == 200);
    println!("got the session after {:?}", begin.elapsed());
    Ok(())
}

#[test]
fn a_short_lock_that_does_not_end_is_an_error_and_no_missing_session() -> Result<()> {
    let mixed = Mixed::with_hits(1)?;
    // Not of the eight bytes that theirs has.
    mixed.farm.redis.ask(&["SET", &format!("{}/lock", Mixed::key()), "99999999999"])?;
    let read = http(&mixed.host, Mixed::request("GET"))?;
    ensure!(read.status == 503 && read.text().contains("store-timeout"), "{} {}", read.status, read.text());
    Ok(())
}

#[test]
fn a_session_that_is_not_theirs_is_an_error_and_not_missing() -> Result<()> {
    let mixed = Mixed::start()?;
    for command in [&["SET", &Mixed::key(), "x"][..], &["HSET", &Mixed::key(), "a", "b"]] {
        mixed.farm.redis.ask(&["DEL", &Mixed::key()])?;
        mixed.farm.redis.ask(command)?;
        let read = http(&mixed.host, Mixed::request("GET"))?;
        ensure!(read.status >= 500, "{command:?}: {} {}", read.status, read.text());
    }
    Ok(())
}

#[test]
fn half_of_the_farm_has_moved_and_no_update_is_lost() -> Result<()> {
    const CLIENTS: i32 = 2;
    const UPDATES: i32 = 40;
    let farm = Farm::start()?;
    let hosts = [host(&farm, SETTINGS)?, host(&farm, SETTINGS)?];
    HarbourProvider::open(&farm.redis, ID)?.set_and_release_item_exclusive(&Collection::hits(0), None)?;
    thread::scope(|scope| {
        let ours = hosts.iter().map(|host| {
            scope.spawn(|| -> Result<()> {
                let mut client = Ours::open(host, ID)?;
                for _ in 0..UPDATES {
                    let (cookie, items) = wait_for_lock(&mut client)?;
                    ensure!(client.put(cookie, &Collection::hits(items.count()? + 1))? == 200);
                }
                Ok(())
            })
        });
        let theirs = (0..CLIENTS).map(|_| {
            scope.spawn(|| -> Result<()> {
                let mut provider = HarbourProvider::open(&farm.redis, ID)?;
                for _ in 0..UPDATES {
                    let (items, lock_id) = loop {
                        match provider.get_item_exclusive()? {
                            Found::Session { items, lock_id, .. } => break (items, lock_id),
                            // Their short lock was not to be had, or the session is locked.
                            _ => thread::sleep(Duration::from_millis(5)),
                        }
                    };
                    let next = Collection::hits(items.count()? + 1);
                    provider.set_and_release_item_exclusive(&next, Some(lock_id))?;
                }
                Ok(())
            })
        });
        let all: Vec<_> = ours.chain(theirs).collect();
        all.into_iter().try_for_each(|client| client.join().expect("no panic"))
    })?;
    let (items, _) = HarbourProvider::open(&farm.redis, ID)?.locked()?;
    ensure!(items.count()? == 2 * CLIENTS * UPDATES, "{items:?}");
    Ok(())
}
