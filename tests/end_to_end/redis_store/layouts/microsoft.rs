//! Hosts beside web servers with Microsoft.Web.RedisSessionStateProvider.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use harness::{
    Host,
    aspnet_redis::{
        Collection,
        microsoft::{Found, MicrosoftProvider},
    },
    http::Request,
    state_server::request,
};

use super::{ID, Ours, host, http, locked, ttl, wait_for_lock};
use crate::Farm;

const SETTINGS: &str = "layout = \"microsoft\"\napplication = \"/\"";

/// A farm with a host, a client of it, and a web server that has not moved yet.
struct Mixed {
    farm: Farm,
    host: Host,
    ours: Ours,
    theirs: MicrosoftProvider,
}

impl Mixed {
    fn start() -> Result<Self> {
        Self::with("")
    }

    fn with(settings: &str) -> Result<Self> {
        let farm = Farm::start()?;
        let host = host(&farm, &format!("{SETTINGS}\n{settings}"))?;
        let (ours, theirs) = (Ours::open(&host, ID)?, MicrosoftProvider::open(&farm.redis, ID)?);
        Ok(Self { farm, host, ours, theirs })
    }

    /// The same with a session that they stored.
    fn with_hits(settings: &str, hits: i32) -> Result<Self> {
        let mut mixed = Self::with(settings)?;
        mixed.theirs.set_and_release_item_exclusive(&Collection::hits(hits), None)?;
        Ok(mixed)
    }

    fn key(name: &str) -> String {
        format!("{{/_{ID}}}_{name}")
    }

    /// What keeps the host's own session of the same ID, over HTTP.
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
    ensure!(read.number("Timeout")? == 35, "{read:?}");
    mixed.theirs.set_and_release_item_exclusive(&Collection::default(), None)?;
    ensure!(mixed.ours.get()?.body == Collection::default().block(35), "a session without items");
    Ok(())
}

#[test]
fn a_session_that_we_stored_is_read_by_them_and_lasts_as_long() -> Result<()> {
    let mut mixed = Mixed::start()?;
    ensure!(mixed.ours.put(0, &Collection::five())? == 200);
    let Found::Session { items, minutes: 20, .. } = mixed.theirs.get_item()? else { anyhow::bail!("no session") };
    ensure!(items == Collection::five(), "{items:?}");
    ensure!(mixed.farm.redis.ask(&["GET", &Mixed::key("SessionTimeout")])? == "1200");
    for key in ["SessionStateItemCollection", "SessionTimeout"] {
        ensure!(ttl(&mixed.farm, &Mixed::key(key))? == 1200, "{key}");
    }
    ensure!(ttl(&mixed.farm, &Mixed::key("WriteLock"))? == -2, "a lock that nobody took");
    Ok(())
}

#[test]
fn a_lock_of_theirs_is_one_for_us() -> Result<()> {
    let mut mixed = Mixed::with_hits("", 1)?;
    let (items, token) = mixed.theirs.locked()?;
    for refused in [mixed.ours.get()?, mixed.ours.acquire()?] {
        ensure!(refused.status == 423 && refused.number("LockCookie")? == 2, "{refused:?}");
        // Whatever time zone their clock is in.
        ensure!((0..30).contains(&refused.number("LockAge")?), "{refused:?}");
    }
    ensure!(mixed.ours.put(0, &Collection::hits(9))? == 423, "stored under their lock");
    ensure!(mixed.ours.delete(0)? == 423, "removed under their lock");
    ensure!(items.count()? == 1);
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(2), Some(&token))?;
    let taken = mixed.ours.acquire()?;
    ensure!(taken.status == 200 && taken.body == Collection::hits(2).block(20), "{taken:?}");
    ensure!(taken.number("LockCookie")? == 3, "{taken:?}");
    Ok(())
}

#[test]
fn a_lock_of_ours_is_one_for_them_and_is_never_too_old_for_them() -> Result<()> {
    let mut mixed = Mixed::with_hits("", 1)?;
    let cookie = locked(&mut mixed.ours)?;
    for zone in [-12, 0, 14] {
        mixed.theirs.zone = zone;
        for found in [mixed.theirs.get_item()?, mixed.theirs.get_item_exclusive()?] {
            let Found::Locked { age, token } = found else { anyhow::bail!("{found:?}") };
            ensure!(age <= 1 && token.len() == 18, "{age} s in zone {zone}, {token}");
        }
    }
    ensure!(ttl(&mixed.farm, &Mixed::key("WriteLock"))? <= 110, "how long it lasts");
    // A save with another lock is nothing to them.
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(7), Some("637134336000000000"))?;
    ensure!(mixed.ours.put(cookie, &Collection::hits(2))? == 200);
    ensure!(mixed.theirs.locked()?.0.count()? == 2);
    Ok(())
}

#[test]
fn a_lock_that_its_holder_left_behind_ends_after_the_execution_timeout_on_either_side() -> Result<()> {
    let mut mixed = Mixed::with_hits("lock_timeout = \"1\"", 1)?;
    mixed.theirs.execution_timeout = 1;
    let (_, token) = mixed.theirs.locked()?;
    ensure!(mixed.ours.acquire()?.status == 423);
    mixed
        .host
        .wait_until("their lock ends", || Ok(mixed.farm.redis.ask(&["EXISTS", &Mixed::key("WriteLock")])? == "0"))?;
    let cookie = locked(&mut mixed.ours)?;
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(8), Some(&token))?;
    ensure!(matches!(mixed.theirs.get_item_exclusive()?, Found::Locked { .. }), "ours is still there");
    mixed
        .host
        .wait_until("our lock ends", || Ok(mixed.farm.redis.ask(&["EXISTS", &Mixed::key("WriteLock")])? == "0"))?;
    let (items, token) = mixed.theirs.locked()?;
    ensure!(items.count()? == 1, "what came too late was stored: {items:?}");
    // Ours came too late, too.
    ensure!(mixed.ours.put(cookie, &Collection::hits(9))? == 423);
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(2), Some(&token))?;
    ensure!(mixed.ours.get()?.body == Collection::hits(2).block(20));
    Ok(())
}

#[test]
fn locks_are_broken_by_the_other_side() -> Result<()> {
    let mut mixed = Mixed::with_hits("", 1)?;
    let (_, token) = mixed.theirs.locked()?;
    let cookie = mixed.ours.get()?.number("LockCookie")?;
    ensure!(mixed.ours.release(cookie + 1)? == 423, "released with another cookie");
    ensure!(mixed.ours.release(cookie)? == 200);
    let own = locked(&mut mixed.ours)?;
    ensure!(own > cookie, "{own} after {cookie}");
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(7), Some(&token))?;
    // They break ours with what they were told, and take it.
    let Found::Locked { token, .. } = mixed.theirs.get_item()? else { anyhow::bail!("not locked") };
    mixed.theirs.release_item_exclusive(&token)?;
    let (items, token) = mixed.theirs.locked()?;
    ensure!(items.count()? == 1, "{items:?}");
    ensure!(mixed.ours.put(own, &Collection::hits(8))? == 423, "stored under their lock");
    ensure!(mixed.ours.release(own)? == 423, "released their lock");
    mixed.theirs.release_item_exclusive(&token)?;
    ensure!(locked(&mut mixed.ours)? > own);
    Ok(())
}

#[test]
fn of_a_removed_session_nothing_is_left_on_either_side() -> Result<()> {
    let mut mixed = Mixed::start()?;
    let subject = Mixed::request("PUT").header("Session-Subject", "ann").header("Content-Type", "x/y");
    ensure!(http(&mixed.host, subject.body(Collection::hits(1).block(20)))?.status == 201);
    let (_, token) = mixed.theirs.locked()?;
    mixed.theirs.remove_item(&token)?;
    ensure!(mixed.ours.get()?.status == 404);
    // One that they make under the same ID is another one.
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(5), None)?;
    let read = http(&mixed.host, Mixed::request("GET"))?;
    ensure!(read.status == 200 && read.body == Collection::hits(5).block(20), "{read:?}");
    ensure!(read.header("session-subject").is_none(), "{read:?}");
    ensure!(read.must("content-type")? == "application/octet-stream", "{read:?}");
    let cookie = locked(&mut mixed.ours)?;
    ensure!(mixed.ours.delete(cookie)? == 200);
    ensure!(mixed.theirs.get_item_exclusive()? == Found::Missing);
    ensure!(mixed.farm.redis.ask(&["DBSIZE"])? == "0", "{}", mixed.farm.redis.ask(&["KEYS", "*"])?);
    Ok(())
}

#[test]
fn whoever_uses_a_session_keeps_it_alive_for_the_other() -> Result<()> {
    let mut mixed = Mixed::with_hits("", 1)?;
    let keys = ["SessionStateItemCollection", "SessionTimeout"].map(Mixed::key);
    let is_slid = |farm: &Farm, by: &str| -> Result<()> {
        for key in &keys {
            ensure!(ttl(farm, key)? == 1200, "{key} after {by}");
            farm.redis.ask(&["EXPIRE", key, "100"])?;
        }
        Ok(())
    };
    is_slid(&mixed.farm, "the beginning")?;
    ensure!(mixed.ours.head()? == 200);
    is_slid(&mixed.farm, "our HEAD")?;
    mixed.theirs.reset_item_timeout()?;
    is_slid(&mixed.farm, "their reset")?;
    ensure!(mixed.ours.acquire()?.status == 200);
    is_slid(&mixed.farm, "our GET")?;
    ensure!(mixed.ours.get()?.status == 423);
    is_slid(&mixed.farm, "our GET of a locked one")
}

#[test]
fn a_session_that_they_reserved_is_new_to_the_first_of_ours_that_reads_it() -> Result<()> {
    let mut mixed = Mixed::start()?;
    mixed.theirs.create_uninitialized_item()?;
    let first = mixed.ours.get()?;
    ensure!(first.status == 200 && first.header("ActionFlags") == Some("1"), "{first:?}");
    ensure!(first.body == Collection::default().block(20), "{first:?}");
    ensure!(mixed.ours.get()?.header("ActionFlags") != Some("1"), "new a second time");
    let (items, _) = mixed.theirs.locked()?;
    ensure!(items == Collection::default(), "{items:?}");
    Ok(())
}

#[test]
fn a_session_that_we_reserved_is_new_to_them() -> Result<()> {
    let mut mixed = Mixed::start()?;
    ensure!(mixed.ours.create_uninitialized()? == 200);
    let (items, token) = mixed.theirs.locked()?;
    ensure!(items.is_uninitialized() && items.0.len() == 1, "{items:?}");
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(1), Some(&token))?;
    let read = mixed.ours.get()?;
    ensure!(read.body == Collection::hits(1).block(20) && read.header("ActionFlags") != Some("1"), "{read:?}");
    ensure!(mixed.ours.create_uninitialized()? == 200, "one that exists");
    ensure!(mixed.ours.get()?.body == Collection::hits(1).block(20), "it was overwritten");
    Ok(())
}

#[test]
fn what_they_stored_since_is_not_stored_over_by_one_who_read_before() -> Result<()> {
    let mut mixed = Mixed::with_hits("", 1)?;
    let read = http(&mixed.host, Mixed::request("GET"))?;
    let (_, token) = mixed.theirs.locked()?;
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(1), Some(&token))?;
    let late = Mixed::request("PUT").header("If-Match", read.must("etag")?).body(Collection::hits(9).block(20));
    ensure!(http(&mixed.host, late)?.status == 412, "even if they stored the same");
    let again = http(&mixed.host, Mixed::request("GET"))?;
    let in_time = Mixed::request("PUT").header("If-Match", again.must("etag")?).body(Collection::hits(2).block(20));
    ensure!(http(&mixed.host, in_time)?.status == 204);
    ensure!(mixed.theirs.locked()?.0.count()? == 2);
    Ok(())
}

#[test]
fn what_they_could_not_read_is_refused_and_nothing_is_stored() -> Result<()> {
    let mut mixed = Mixed::start()?;
    // As `compressionEnabled` sends it.
    let deflated = [0x13, 0x61, 0x60, 0x60, 0xf8, 0x0f, 0x00, 0xff];
    let refused = http(&mixed.host, Mixed::request("PUT").body(deflated))?;
    ensure!(refused.status == 400 && refused.text().contains("compressionEnabled"), "{}", refused.text());
    let cookie = "LockCookie:0";
    let sent = request::put_with(&mixed.ours.target, &["Timeout:20", "ExtraFlags:0", cookie], &deflated);
    mixed.ours.connection.send(sent)?;
    ensure!(mixed.ours.connection.receive().map_or(true, |answer| answer.status != 200), "stored");
    ensure!(mixed.farm.redis.ask(&["DBSIZE"])? == "0");
    Ok(())
}

#[test]
fn payloads_that_are_none_of_aspnet_are_items_of_bytes_to_them_if_the_operator_allows_it() -> Result<()> {
    let mut mixed = Mixed::with("payloads = \"any\"")?;
    let bytes: Vec<u8> = (0..=255).collect();
    let stored = Mixed::request("PUT").header("Content-Type", "image/x-coat").body(bytes.clone());
    ensure!(http(&mixed.host, stored)?.status == 201);
    let (items, _) = mixed.theirs.locked()?;
    let [(name, value)] = items.0.as_slice() else { anyhow::bail!("{items:?}") };
    ensure!(name == "cloakroom" && value.first() == Some(&20), "{items:?}");
    ensure!(value.windows(256).any(|window| window == bytes), "{items:?}");
    let cookie = mixed.ours.get()?.number("LockCookie")?;
    ensure!(mixed.ours.release(cookie)? == 200);
    let read = http(&mixed.host, Mixed::request("GET"))?;
    ensure!(read.body == bytes && read.must("content-type")? == "image/x-coat", "{read:?}");
    Ok(())
}

#[test]
fn static_objects_stay_for_as_long_as_only_hosts_store() -> Result<()> {
    let mut mixed = Mixed::start()?;
    let mut block = Collection::hits(1).block(20);
    block[5] = 1;
    block.pop();
    // One object, which has not been made.
    block.extend(b"\x01\0\0\0\x04cart\0\x09Shop.Cart\x01\xff");
    let put = request::put_with(&mixed.ours.target, &["Timeout:20", "ExtraFlags:0", "LockCookie:0"], &block);
    ensure!(mixed.ours.connection.exchange(put)?.status == 200);
    ensure!(mixed.ours.get()?.body == block, "{:?}", mixed.ours.get()?);
    let (items, token) = mixed.theirs.locked()?;
    mixed.theirs.set_and_release_item_exclusive(&items, Some(&token))?;
    ensure!(mixed.ours.get()?.body == Collection::hits(1).block(20), "they keep none");
    Ok(())
}

#[test]
fn a_session_that_cannot_be_read_is_an_error_and_not_missing() -> Result<()> {
    let mixed = Mixed::start()?;
    let key = Mixed::key("SessionStateItemCollection");
    for command in [&["SET", &key, "x"][..], &["HSET", &key, "a", "b"]] {
        mixed.farm.redis.ask(&["DEL", &key])?;
        mixed.farm.redis.ask(command)?;
        let read = http(&mixed.host, Mixed::request("GET"))?;
        ensure!(read.status >= 500, "{command:?}: {} {}", read.status, read.text());
    }
    Ok(())
}

#[test]
fn a_lock_that_outlived_its_session_keeps_nobody_from_a_new_one() -> Result<()> {
    let mut mixed = Mixed::with_hits("", 1)?;
    let cookie = locked(&mut mixed.ours)?;
    for key in ["SessionStateItemCollection", "SessionTimeout"] {
        mixed.farm.redis.ask(&["DEL", &Mixed::key(key)])?;
    }
    ensure!(mixed.ours.release(cookie)? == 404);
    ensure!(mixed.theirs.get_item_exclusive()? == Found::Missing);
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(1), None)?;
    let (_, token) = mixed.theirs.locked()?;
    for key in ["SessionStateItemCollection", "SessionTimeout"] {
        mixed.farm.redis.ask(&["DEL", &Mixed::key(key)])?;
    }
    ensure!(mixed.ours.put(0, &Collection::hits(4))? == 200);
    mixed.theirs.set_and_release_item_exclusive(&Collection::hits(9), Some(&token))?;
    ensure!(mixed.ours.get()?.body == Collection::hits(4).block(20), "the holder of a lock on the old one stored");
    Ok(())
}

#[test]
fn half_of_the_farm_has_moved_and_no_update_is_lost() -> Result<()> {
    const CLIENTS: i32 = 4;
    const UPDATES: i32 = 50;
    let farm = Farm::start()?;
    let hosts = [host(&farm, SETTINGS)?, host(&farm, SETTINGS)?];
    MicrosoftProvider::open(&farm.redis, ID)?.set_and_release_item_exclusive(&Collection::hits(0), None)?;
    thread::scope(|scope| {
        let ours = hosts.iter().cycle().take(4).map(|host| {
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
                let mut provider = MicrosoftProvider::open(&farm.redis, ID)?;
                for _ in 0..UPDATES {
                    let (items, token) = loop {
                        match provider.get_item_exclusive()? {
                            Found::Session { items, token, .. } => break (items, token),
                            Found::Locked { .. } => thread::sleep(Duration::from_millis(1)),
                            Found::Missing => anyhow::bail!("the session is missing"),
                        }
                    };
                    provider.set_and_release_item_exclusive(&Collection::hits(items.count()? + 1), Some(&token))?;
                }
                Ok(())
            })
        });
        let all: Vec<_> = ours.chain(theirs).collect();
        all.into_iter().try_for_each(|client| client.join().expect("no panic"))
    })?;
    let (items, _) = MicrosoftProvider::open(&farm.redis, ID)?.locked()?;
    ensure!(items.count()? == 2 * CLIENTS * UPDATES, "{items:?}");
    Ok(())
}
