//! Making, reading, storing, touching, rotating and deleting sessions.

use anyhow::Result;
use harness::state_server;

use crate::shop::{Shop, expect};

#[test]
fn a_new_session_gets_an_id_a_location_and_version_1() -> Result<()> {
    let shop = Shop::open()?;
    let made = shop.send(shop.request("POST", "sessions").header("Content-Type", "text/plain").body("hello"))?;
    assert_eq!(made.status, 201);
    assert_eq!(made.must("etag")?, "\"v1\"");
    let id = made.json()?["id"].as_str().unwrap_or_default().to_owned();
    assert_eq!(made.must("location")?, format!("/v1/{}/sessions/{id}", shop.name));

    let read = shop.ask("GET", &format!("sessions/{id}"))?;
    assert_eq!((read.status, read.text().as_str(), read.must("content-type")?), (200, "hello", "text/plain"));
    Ok(())
}

#[test]
fn a_new_session_may_be_empty_and_ids_differ() -> Result<()> {
    let shop = Shop::open()?;
    let (one, other) = (shop.ask("POST", "sessions")?, shop.ask("POST", "sessions")?);
    assert_eq!((one.status, other.status), (201, 201));
    assert_ne!(one.json()?["id"], other.json()?["id"]);
    let read = shop.ask("GET", &format!("sessions/{}", one.json()?["id"].as_str().unwrap_or_default()))?;
    assert_eq!((read.status, read.body.len()), (200, 0));
    Ok(())
}

#[test]
fn a_location_encodes_the_application_and_leads_to_the_session() -> Result<()> {
    let shop = Shop::open()?;
    let application = format!("%2FLM%2FW3SVC%2F1%2F{}", shop.name);
    let made = harness::http::Request::new("POST", format!("/v1/{application}/sessions")).send(shop.address())?;
    let location = made.must("location")?.to_owned();
    assert!(location.starts_with(&format!("/v1/{application}/sessions/")), "{location}");
    assert_eq!(harness::http::Request::new("GET", location).send(shop.address())?.status, 200);
    Ok(())
}

#[test]
fn a_put_inserts_and_then_stores_with_growing_versions() -> Result<()> {
    let shop = Shop::open()?;
    let put = |payload: &str| shop.send(shop.request("PUT", "sessions/a").body(payload));
    let (first, second) = (put("1")?, put("2")?);
    assert_eq!((first.status, first.must("etag")?), (201, "\"v1\""));
    assert_eq!((second.status, second.must("etag")?), (204, "\"v2\""));
    let read = shop.ask("GET", "sessions/a")?;
    assert_eq!((read.text().as_str(), read.must("etag")?), ("2", "\"v2\""));
    Ok(())
}

#[test]
fn payloads_are_any_bytes_and_keep_their_type() -> Result<()> {
    let shop = Shop::open()?;
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let stored =
        shop.request("PUT", "sessions/a").header("Content-Type", "application/x-thing; v=1").body(bytes.clone());
    assert_eq!(shop.send(stored)?.status, 201);
    let read = shop.ask("GET", "sessions/a")?;
    assert_eq!(read.must("content-type")?, "application/x-thing; v=1");
    assert!(read.body == bytes);
    Ok(())
}

#[test]
fn a_payload_without_a_type_is_octets_and_no_cache_may_keep_any() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    let read = shop.ask("GET", "sessions/a")?;
    assert_eq!(read.must("content-type")?, "application/octet-stream");
    assert_eq!(read.must("cache-control")?, "no-store");
    assert_eq!(read.must("x-content-type-options")?, "nosniff");
    Ok(())
}

#[test]
fn head_says_what_get_says_without_the_payload() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "four")?;
    let (get, head) = (shop.ask("GET", "sessions/a")?, shop.ask("HEAD", "sessions/a")?);
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["etag", "session-timeout", "content-type", "content-length"] {
        assert_eq!(head.must(name)?, get.must(name)?, "{name}");
    }
    assert_eq!(shop.ask("HEAD", "sessions/none")?.status, 404);
    Ok(())
}

#[test]
fn sessions_of_two_applications_have_nothing_in_common() -> Result<()> {
    let (one, other) = (Shop::open()?, Shop::open()?);
    one.insert("a", "x")?;
    expect(&other.ask("GET", "sessions/a")?, 404, "session-not-found");
    Ok(())
}

#[test]
fn timeouts_and_subject_come_back_as_they_were_given() -> Result<()> {
    let shop = Shop::open()?;
    let stored = shop
        .request("PUT", "sessions/a")
        .header("Session-Timeout", 1800)
        .header("Session-Expires-Latest", "Sat, 31 Dec 2095 23:59:59 GMT")
        .header("Session-Subject", "J%C3%BCrgen")
        .body("x");
    assert_eq!(shop.send(stored)?.status, 201);
    let read = shop.ask("GET", "sessions/a")?;
    assert_eq!(read.must("session-timeout")?, "1800");
    assert_eq!(read.must("session-expires-latest")?, "Sat, 31 Dec 2095 23:59:59 GMT");
    assert_eq!(read.must("session-subject")?, "J%C3%BCrgen");
    assert!(read.must("session-expires")?.ends_with(" GMT"));
    Ok(())
}

#[test]
fn a_write_without_subject_keeps_it_and_an_empty_one_clears_it() -> Result<()> {
    let shop = Shop::open()?;
    shop.send(shop.request("PUT", "sessions/a").header("Session-Subject", "alice").body("1"))?;
    shop.send(shop.request("PUT", "sessions/a").body("2"))?;
    assert_eq!(shop.ask("GET", "sessions/a")?.must("session-subject")?, "alice");
    shop.send(shop.request("PUT", "sessions/a").header("Session-Subject", "").body("3"))?;
    assert_eq!(shop.ask("GET", "sessions/a")?.header("session-subject"), None);
    Ok(())
}

#[test]
fn the_latest_expiry_is_never_postponed() -> Result<()> {
    let shop = Shop::open()?;
    let (early, late) = ("Sat, 31 Dec 2095 23:59:59 GMT", "Sat, 31 Dec 2096 23:59:59 GMT");
    shop.send(shop.request("PUT", "sessions/a").header("Session-Expires-Latest", early).body("1"))?;
    shop.send(shop.request("PUT", "sessions/a").header("Session-Expires-Latest", late).body("2"))?;
    assert_eq!(shop.ask("GET", "sessions/a")?.must("session-expires-latest")?, early);
    Ok(())
}

#[test]
fn a_session_whose_timeout_is_0_never_expires() -> Result<()> {
    let shop = Shop::open()?;
    shop.send(shop.request("PUT", "sessions/a").header("Session-Timeout", 0).body("x"))?;
    let read = shop.ask("GET", "sessions/a")?;
    assert_eq!((read.must("session-timeout")?, read.header("session-expires")), ("0", None));
    Ok(())
}

#[test]
fn a_latest_expiry_in_the_past_ends_the_session_at_once() -> Result<()> {
    let shop = Shop::open()?;
    let ended = shop.request("PUT", "sessions/a").header("Session-Expires-Latest", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(shop.send(ended.body("x"))?.status, 201);
    expect(&shop.ask("GET", "sessions/a")?, 404, "session-not-found");
    Ok(())
}

#[test]
fn an_idle_session_expires_and_a_touched_one_lives_on() -> Result<()> {
    let shop = Shop::configured("")?;
    for id in ["idle", "looked-at", "touched", "read"] {
        shop.send(shop.request("PUT", &format!("sessions/{id}")).header("Session-Timeout", 50).body("x"))?;
    }
    shop.host().advance_30s()?;
    assert_eq!(shop.ask("GET", "sessions/looked-at?touch=false")?.status, 200);
    assert_eq!(shop.ask("POST", "sessions/touched/touch")?.status, 204);
    assert_eq!(shop.ask("GET", "sessions/read")?.status, 200);
    shop.host().advance_30s()?;
    for (id, status) in [("idle", 404), ("looked-at", 404), ("touched", 200), ("read", 200)] {
        assert_eq!(shop.ask("GET", &format!("sessions/{id}"))?.status, status, "{id}");
    }
    Ok(())
}

#[test]
fn touching_works_on_a_locked_session_and_not_on_a_missing_one() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    shop.lock("a")?;
    assert_eq!(shop.ask("POST", "sessions/a/touch")?.status, 204);
    expect(&shop.ask("POST", "sessions/none/touch")?, 404, "session-not-found");
    Ok(())
}

#[test]
fn a_deleted_session_is_gone() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    assert_eq!(shop.ask("DELETE", "sessions/a")?.status, 204);
    expect(&shop.ask("GET", "sessions/a")?, 404, "session-not-found");
    expect(&shop.ask("DELETE", "sessions/a")?, 404, "session-not-found");
    Ok(())
}

#[test]
fn a_rotated_session_has_a_new_id_and_everything_else_as_before() -> Result<()> {
    let shop = Shop::open()?;
    shop.send(shop.request("PUT", "sessions/old").header("Content-Type", "text/plain").body("1"))?;
    shop.send(shop.request("PUT", "sessions/old").header("Content-Type", "text/plain").body("2"))?;
    let rotated = shop.ask("POST", "sessions/old/rotate")?;
    assert_eq!(rotated.status, 200);
    let id = rotated.json()?["id"].as_str().unwrap_or_default().to_owned();
    assert_ne!(id, "old");
    expect(&shop.ask("GET", "sessions/old")?, 404, "session-not-found");
    let read = shop.ask("GET", &format!("sessions/{id}"))?;
    assert_eq!((read.text().as_str(), read.must("etag")?, read.must("content-type")?), ("2", "\"v2\"", "text/plain"));
    expect(&shop.ask("POST", "sessions/old/rotate")?, 404, "session-not-found");
    Ok(())
}

#[test]
fn an_uninitialized_session_is_new_to_the_first_who_reads_it() -> Result<()> {
    let shop = Shop::open()?;
    let begin = || shop.send(shop.request("PUT", "sessions/a").header("Session-New", 1).body("empty"));
    assert_eq!(begin()?.status, 204);
    assert_eq!(shop.ask("GET", "sessions/a?touch=false")?.header("session-new"), Some("1"), "a look clears nothing");
    assert_eq!(shop.ask("GET", "sessions/a")?.header("session-new"), Some("1"));
    assert_eq!(shop.ask("GET", "sessions/a")?.header("session-new"), None);
    assert_eq!(begin()?.status, 204, "an existing session is left alone");
    assert_eq!(shop.ask("GET", "sessions/a")?.header("session-new"), None);
    Ok(())
}

#[test]
fn an_uninitialized_session_is_new_to_the_first_who_locks_or_releases_it() -> Result<()> {
    let shop = Shop::open()?;
    for id in ["a", "b"] {
        shop.send(shop.request("PUT", &format!("sessions/{id}")).header("Session-New", 1).body("empty"))?;
    }
    let locked = shop.ask("POST", "sessions/a/lock")?;
    assert_eq!(locked.header("session-new"), Some("1"));
    let released = shop.send(shop.request("DELETE", "sessions/b/lock").header("Session-Lock", 1))?;
    assert_eq!((released.status, released.header("session-new")), (204, Some("1")));
    Ok(())
}

#[test]
fn an_id_can_be_reserved_and_stored_under_later() -> Result<()> {
    let shop = Shop::open()?;
    let reserved = shop.send(shop.request("POST", "sessions").header("Session-New", 1))?;
    assert_eq!((reserved.status, reserved.must("etag")?), (201, "\"v1\""));
    let session = format!("sessions/{}", reserved.json()?["id"].as_str().unwrap_or_default());
    assert_eq!(shop.ask("GET", &format!("{session}?touch=false"))?.header("session-new"), Some("1"));
    let stored = shop.send(shop.request("PUT", &session).header("If-Match", "\"v1\"").body("x"))?;
    assert_eq!((stored.status, stored.must("etag")?), (204, "\"v2\""));
    let read = shop.ask("GET", &session)?;
    assert_eq!((read.text().as_str(), read.header("session-new")), ("x", None));
    Ok(())
}

#[test]
fn a_session_that_begins_uninitialized_takes_no_lock_and_no_precondition() -> Result<()> {
    let shop = Shop::open()?;
    for (name, value) in [("Session-Lock", "2"), ("If-None-Match", "*")] {
        let answer =
            shop.send(shop.request("PUT", "sessions/a").header("Session-New", 1).header(name, value).body("x"))?;
        expect(&answer, 400, "invalid-header");
    }
    Ok(())
}

#[test]
fn a_session_is_the_same_on_the_state_server_front_end() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "from http")?;
    let mut connection = state_server::Connection::open(shop.host().state_server())?;
    let read = connection.exchange(format!("GET {}%2Fa HTTP/1.1\r\nHost: x\r\n\r\n", shop.name))?;
    assert_eq!((read.status, read.body.as_slice()), (200, &b"from http"[..]));

    // An exclusive read there is a lock here.
    let locked =
        connection.exchange(format!("GET {}%2Fa HTTP/1.1\r\nHost: x\r\nExclusive: acquire\r\n\r\n", shop.name))?;
    assert_eq!(locked.status, 200);
    expect(&shop.ask("GET", "sessions/a")?, 423, "locked");
    Ok(())
}

#[test]
fn a_session_survives_a_restart_with_its_type_version_and_subject() -> Result<()> {
    let mut shop = Shop::configured("")?;
    let stored = |payload: &str| {
        shop.request("PUT", "sessions/a")
            .header("Content-Type", "text/plain")
            .header("Session-Subject", "alice")
            .body(payload)
    };
    shop.send(stored("1"))?;
    shop.send(stored("2"))?;
    shop.host_mut()?.restart()?;
    let read = shop.ask("GET", "sessions/a")?;
    assert_eq!((read.status, read.text().as_str()), (200, "2"));
    assert_eq!((read.must("etag")?, read.must("content-type")?), ("\"v2\"", "text/plain"));
    assert_eq!(read.must("session-subject")?, "alice");
    Ok(())
}
