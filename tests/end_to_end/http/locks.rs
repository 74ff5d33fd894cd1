//! Taking, keeping, releasing, losing and breaking locks.

use anyhow::Result;

use crate::shop::{Shop, expect};

#[test]
fn a_lock_comes_with_the_payload_and_what_is_known_of_the_session() -> Result<()> {
    let shop = Shop::open()?;
    shop.send(shop.request("PUT", "sessions/a").header("Content-Type", "text/plain").body("hello"))?;
    let locked = shop.ask("POST", "sessions/a/lock")?;
    assert_eq!((locked.status, locked.text().as_str()), (200, "hello"));
    assert_eq!(locked.must("session-lock")?, "2", "the first lock id of a session");
    assert_eq!((locked.must("etag")?, locked.must("content-type")?), ("\"v1\"", "text/plain"));
    assert!(locked.header("session-timeout").is_some() && locked.header("session-expires").is_some());
    assert_eq!(locked.header("preference-applied"), None);
    Ok(())
}

#[test]
fn a_locked_session_is_423_for_everybody_without_the_lock_id() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    let holder = shop.lock("a")?.to_string();
    let requests = [
        shop.request("GET", "sessions/a"),
        shop.request("GET", "sessions/a?touch=false"),
        shop.request("PUT", "sessions/a").body("y"),
        shop.request("DELETE", "sessions/a"),
        shop.request("POST", "sessions/a/lock"),
        shop.request("POST", "sessions/a/rotate"),
    ];
    for request in requests {
        let refused = shop.send(request)?;
        expect(&refused, 423, "locked");
        assert_eq!(
            refused.must("session-lock-age")?.parse::<u64>()?,
            refused.json()?["lock_age"].as_u64().unwrap_or(99)
        );
        assert!(refused.must("retry-after")?.parse::<u32>()? > 0);
        assert_eq!(refused.must("session-lock")?, holder, "whoever has to break the lock breaks this one");
    }
    assert_eq!(shop.ask("HEAD", "sessions/a")?.status, 423);
    Ok(())
}

#[test]
fn the_age_of_a_lock_is_in_seconds() -> Result<()> {
    let shop = Shop::configured("")?;
    shop.insert("a", "x")?;
    shop.lock("a")?;
    shop.host().advance_30s()?;
    let refused = shop.ask("GET", "sessions/a")?;
    let age: u64 = refused.must("session-lock-age")?.parse()?;
    assert!((30..60).contains(&age), "{age}");
    Ok(())
}

#[test]
fn storing_with_the_lock_releases_it() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    let lock_id = shop.lock("a")?;
    let stored = shop.send(shop.request("PUT", "sessions/a").header("Session-Lock", lock_id).body("y"))?;
    assert_eq!((stored.status, stored.must("etag")?, stored.header("session-lock")), (204, "\"v2\"", None));
    assert_eq!(shop.ask("GET", "sessions/a")?.text(), "y");
    Ok(())
}

#[test]
fn storing_with_keep_lock_keeps_it() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    let lock_id = shop.lock("a")?;
    let kept = shop.send(shop.request("PUT", "sessions/a?keep-lock=true").header("Session-Lock", lock_id).body("y"))?;
    assert_eq!((kept.status, kept.must("session-lock")?), (204, lock_id.to_string().as_str()));
    expect(&shop.ask("GET", "sessions/a")?, 423, "locked");
    let released = shop.send(shop.request("DELETE", "sessions/a/lock").header("Session-Lock", lock_id))?;
    assert_eq!(released.status, 204);
    assert_eq!(shop.ask("GET", "sessions/a")?.text(), "y");
    Ok(())
}

#[test]
fn keep_lock_without_a_lock_is_refused() -> Result<()> {
    let shop = Shop::open()?;
    expect(&shop.send(shop.request("PUT", "sessions/a?keep-lock=true").body("y"))?, 400, "invalid-header");
    expect(&shop.ask("GET", "sessions/a")?, 404, "session-not-found");
    Ok(())
}

#[test]
fn another_lock_id_than_the_holders_is_a_conflict_and_changes_nothing() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    let wrong = shop.lock("a")? + 1;
    let requests = [
        shop.request("PUT", "sessions/a").body("y"),
        shop.request("DELETE", "sessions/a"),
        shop.request("DELETE", "sessions/a/lock"),
        shop.request("POST", "sessions/a/rotate"),
    ];
    for request in requests {
        let refused = shop.send(request.header("Session-Lock", wrong))?;
        expect(&refused, 409, "lock-lost");
        assert!(refused.header("session-lock-age").is_some() && refused.header("retry-after").is_none());
    }
    assert_eq!(shop.ask("DELETE", "sessions/a/lock?force=true")?.status, 204);
    assert_eq!(shop.ask("GET", "sessions/a")?.text(), "x");
    Ok(())
}

#[test]
fn the_holder_deletes_and_rotates_under_the_lock() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    let lock_id = shop.lock("a")?;
    let rotated = shop.send(shop.request("POST", "sessions/a/rotate").header("Session-Lock", lock_id))?;
    assert_eq!(rotated.status, 200);
    let id = rotated.json()?["id"].as_str().unwrap_or_default().to_owned();
    expect(&shop.ask("GET", &format!("sessions/{id}"))?, 423, "locked");
    let deleted = shop.send(shop.request("DELETE", &format!("sessions/{id}")).header("Session-Lock", lock_id))?;
    assert_eq!(deleted.status, 204);
    expect(&shop.ask("GET", &format!("sessions/{id}"))?, 404, "session-not-found");
    Ok(())
}

#[test]
fn a_release_changes_nothing_but_the_lock() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    let first = shop.lock("a")?;
    let release = |lock_id| shop.send(shop.request("DELETE", "sessions/a/lock").header("Session-Lock", lock_id));
    assert_eq!(release(first)?.status, 204);
    assert_eq!(release(first)?.status, 204, "a session that is not locked is released already");
    let read = shop.ask("GET", "sessions/a")?;
    assert_eq!((read.text().as_str(), read.must("etag")?), ("x", "\"v1\""));
    assert!(shop.lock("a")? > first, "lock ids grow");
    Ok(())
}

#[test]
fn a_release_needs_a_lock_id_or_force() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    shop.lock("a")?;
    expect(&shop.ask("DELETE", "sessions/a/lock")?, 400, "invalid-header");
    expect(&shop.ask("DELETE", "sessions/a/lock?force=false")?, 400, "invalid-header");
    assert_eq!(shop.ask("DELETE", "sessions/a/lock?force=true")?.status, 204);
    assert_eq!(shop.ask("GET", "sessions/a")?.status, 200);
    Ok(())
}

#[test]
fn a_lock_that_somebody_met_is_broken_by_its_id_and_a_younger_one_is_not() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    shop.lock("a")?;
    let met = shop.ask("GET", "sessions/a")?.must("session-lock")?.to_owned();
    let break_it = || shop.send(shop.request("DELETE", "sessions/a/lock").header("Session-Lock", &met));
    assert_eq!(break_it()?.status, 204);
    shop.lock("a")?;
    let refused = break_it()?;
    expect(&refused, 409, "lock-lost");
    assert_eq!(refused.header("session-lock"), None, "who lost a lock must not go on under the new one");
    expect(&shop.ask("GET", "sessions/a")?, 423, "locked");
    Ok(())
}

#[test]
fn the_lock_of_a_missing_session_is_404() -> Result<()> {
    let shop = Shop::open()?;
    expect(&shop.ask("POST", "sessions/a/lock")?, 404, "session-not-found");
    expect(&shop.ask("DELETE", "sessions/a/lock?force=true")?, 404, "session-not-found");
    let release = shop.request("DELETE", "sessions/a/lock").header("Session-Lock", 2);
    expect(&shop.send(release)?, 404, "session-not-found");
    Ok(())
}

#[test]
fn the_holder_of_a_broken_lock_stores_unless_somebody_else_has_locked_since() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    let store = |lock_id, payload: &str| {
        shop.send(shop.request("PUT", "sessions/a").header("Session-Lock", lock_id).body(payload))
    };
    let broken = shop.lock("a")?;
    shop.ask("DELETE", "sessions/a/lock?force=true")?;
    assert_eq!(store(broken, "y")?.status, 204);
    shop.lock("a")?;
    expect(&store(broken, "z")?, 409, "lock-lost");
    Ok(())
}

#[test]
fn taking_a_lock_takes_no_body() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    expect(&shop.send(shop.request("POST", "sessions/a/lock").body("y"))?, 400, "invalid-body");
    assert_eq!(shop.ask("GET", "sessions/a")?.status, 200, "it was not locked");
    assert_eq!(shop.send(shop.request("POST", "sessions/a/lock").body(""))?.status, 200);
    Ok(())
}
