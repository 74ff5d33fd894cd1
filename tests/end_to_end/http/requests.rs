//! Requests that cannot be carried out, and IDs in headers.

use anyhow::Result;
use harness::http::Request;

use crate::shop::{Shop, expect};

#[test]
fn every_route_takes_the_id_in_a_header() -> Result<()> {
    let shop = Shop::open()?;
    let send = |method: &str, path: &str, id: &str, lock_id: Option<u32>| {
        let request = shop.request(method, path).header("Session-Id", id);
        shop.send(match lock_id {
            Some(lock_id) => request.header("Session-Lock", lock_id),
            None => request,
        })
    };
    assert_eq!(shop.send(shop.request("PUT", "sessions/-").header("Session-Id", "a").body("x"))?.status, 201);
    assert_eq!(send("GET", "sessions/-", "a", None)?.text(), "x");
    assert_eq!(send("HEAD", "sessions/-", "a", None)?.status, 200);
    assert_eq!(send("POST", "sessions/-/touch", "a", None)?.status, 204);
    let locked = send("POST", "sessions/-/lock", "a", None)?;
    assert_eq!(locked.status, 200);
    assert_eq!(send("DELETE", "sessions/-/lock", "a", Some(locked.must("session-lock")?.parse()?))?.status, 204);
    let rotated = send("POST", "sessions/-/rotate", "a", None)?.json()?;
    let id = rotated["id"].as_str().unwrap_or_default();
    assert_eq!(send("DELETE", "sessions/-", id, None)?.status, 204);
    Ok(())
}

#[test]
fn an_id_is_the_same_in_path_and_header_however_it_is_encoded() -> Result<()> {
    let shop = Shop::open()?;
    // "ä/b%" in the path, encoded and half encoded in the header.
    shop.insert("%C3%A4%2Fb%25", "x")?;
    for id in ["%C3%A4%2Fb%25", "%c3%a4/b%25"] {
        let read = shop.send(shop.request("GET", "sessions/-").header("Session-Id", id))?;
        assert_eq!(read.status, 200, "{id}");
    }
    shop.send(shop.request("PUT", "sessions/-").header("Session-Id", "-").body("dash"))?;
    assert_eq!(shop.send(shop.request("GET", "sessions/-").header("Session-Id", "-"))?.text(), "dash");
    Ok(())
}

#[test]
fn an_id_in_neither_place_or_in_both_is_refused() -> Result<()> {
    let shop = Shop::open()?;
    expect(&shop.ask("GET", "sessions/-")?, 400, "invalid-header");
    let both = shop.request("GET", "sessions/a").header("Session-Id", "a");
    expect(&shop.send(both)?, 400, "invalid-header");
    let twice = shop.request("GET", "sessions/-").header("Session-Id", "a").header("Session-Id", "b");
    expect(&shop.send(twice)?, 400, "invalid-header");
    Ok(())
}

#[test]
fn application_and_id_make_a_key_of_at_most_1024_bytes() -> Result<()> {
    let shop = Shop::open()?;
    let longest = "i".repeat(1024 - shop.name.len());
    shop.insert(&longest, "x")?;
    assert_eq!(shop.ask("GET", &format!("sessions/{longest}"))?.status, 200);
    expect(&shop.ask("GET", &format!("sessions/{longest}i"))?, 400, "invalid-key");
    expect(&shop.ask("GET", "sessions/a%00b")?, 400, "invalid-key");
    expect(&Request::new("POST", "/v1/a%00b/sessions").send(shop.address())?, 400, "invalid-key");
    Ok(())
}

#[test]
fn a_path_that_is_not_utf_8_is_refused() -> Result<()> {
    let shop = Shop::open()?;
    expect(&shop.ask("GET", "sessions/%FF")?, 400, "invalid-path");
    expect(&Request::new("GET", "/v1/%FF/sessions/a").send(shop.address())?, 400, "invalid-path");
    Ok(())
}

#[test]
fn an_unknown_route_is_404_and_an_unknown_method_405_with_those_allowed() -> Result<()> {
    let shop = Shop::open()?;
    for path in ["/", "/v1", "/v2/a/sessions", "/v1/a/sessions/b/c", "/v1/a/sessions/"] {
        expect(&Request::new("GET", path).send(shop.address())?, 404, "route-not-found");
    }
    for (method, path, allowed) in [
        ("PATCH", "sessions/a", "DELETE,GET,HEAD,PUT"),
        ("GET", "sessions/a/lock", "DELETE,POST"),
        ("GET", "sessions/a/touch", "POST"),
        ("PUT", "sessions/a/rotate", "POST"),
        ("PUT", "sessions", "DELETE,GET,HEAD,POST"),
    ] {
        let answer = shop.ask(method, path)?;
        expect(&answer, 405, "method-not-allowed");
        let mut methods: Vec<_> = answer.must("allow")?.split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allowed, "{method} {path}");
    }
    Ok(())
}

#[test]
fn headers_that_cannot_be_read_are_refused_and_named() -> Result<()> {
    let shop = Shop::open()?;
    for (name, value) in [
        ("Session-Timeout", "31536001"),
        ("Session-Timeout", "-1"),
        ("Session-Timeout", "20m"),
        ("Session-Expires-Latest", "2030-01-01T00:00:00Z"),
        ("Session-Subject", "%FF"),
        ("Session-Lock", "0"),
        ("Session-Lock", "2147483648"),
        ("Session-Lock", "seven"),
        ("Session-New", "yes"),
        ("Content-Range", "bytes 0-0/1"),
    ] {
        let answer = shop.send(shop.request("PUT", "sessions/a").header(name, value).body("x"))?;
        expect(&answer, 400, "invalid-header");
        assert_eq!(answer.json()?["header"], name.to_ascii_lowercase(), "{name}: {value}");
    }
    expect(&shop.ask("GET", "sessions/a")?, 404, "session-not-found");
    Ok(())
}

#[test]
fn the_longest_idle_timeout_is_a_year() -> Result<()> {
    let shop = Shop::open()?;
    let answer = shop.send(shop.request("PUT", "sessions/a").header("Session-Timeout", 31_536_000).body("x"))?;
    assert_eq!(answer.status, 201);
    assert_eq!(shop.ask("GET", "sessions/a")?.must("session-timeout")?, "31536000");
    Ok(())
}

#[test]
fn queries_that_a_route_does_not_know_are_refused() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    for (method, path) in [
        ("GET", "sessions/a?tuoch=false"),
        ("GET", "sessions/a?touch=0"),
        ("PUT", "sessions/a?keep_lock=true"),
        ("DELETE", "sessions/a?force=true"),
        ("POST", "sessions/a/lock?wait=5"),
        ("DELETE", "sessions/a/lock?forced=true"),
        ("POST", "sessions/a/touch?x"),
        ("POST", "sessions/a/rotate?x"),
        ("POST", "sessions?id=a"),
    ] {
        expect(&shop.ask(method, path)?, 400, "invalid-query");
    }
    Ok(())
}

#[test]
fn a_content_coding_is_refused() -> Result<()> {
    let shop = Shop::open()?;
    let answer = shop.send(shop.request("PUT", "sessions/a").header("Content-Encoding", "gzip").body("x"))?;
    expect(&answer, 415, "unsupported-encoding");
    assert_eq!(answer.must("accept-encoding")?, "identity");
    let answer = shop.send(shop.request("PUT", "sessions/a").header("Content-Encoding", "identity").body("x"))?;
    assert_eq!(answer.status, 201);
    Ok(())
}

#[test]
fn a_forged_id_is_missing_to_reads_and_wrong_in_writes() -> Result<()> {
    // `k1` and 32 bytes in Base64.
    let key = format!("k1:{}", "A".repeat(43));
    let shop = Shop::configured(&format!(
        "[stores.default]\nid_generator = \"signed-id\"\n[stores.default.id_settings]\nkeys = \"{key}\""
    ))?;
    let made = shop.send(shop.request("POST", "sessions").body("x"))?.json()?;
    let id = made["id"].as_str().unwrap_or_default();
    assert_eq!(shop.ask("GET", &format!("sessions/{id}"))?.status, 200);
    for (method, path) in [
        ("GET", "sessions/forged"),
        ("DELETE", "sessions/forged"),
        ("POST", "sessions/forged/lock"),
        ("POST", "sessions/forged/touch"),
        ("POST", "sessions/forged/rotate"),
    ] {
        expect(&shop.ask(method, path)?, 404, "session-not-found");
    }
    let refused = shop.send(shop.request("PUT", "sessions/forged").body("x"))?;
    expect(&refused, 400, "id-not-issued");
    assert_eq!(refused.json()?["store"], "default");
    Ok(())
}
