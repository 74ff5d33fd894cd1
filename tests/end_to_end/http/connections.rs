//! Bodies, hang-ups and ends of connections.

use anyhow::Result;
use harness::http::Connection;

use crate::shop::{Shop, expect};

/// A host whose store takes 64 KiB.
fn small() -> Result<Shop> {
    Shop::configured("[stores.default]\nmax_payload = \"64KiB\"")
}

#[test]
fn the_largest_payload_fits_and_a_byte_more_does_not() -> Result<()> {
    let shop = small()?;
    assert_eq!(shop.send(shop.request("PUT", "sessions/a").body(vec![0; 65_536]))?.status, 201);
    for request in [shop.request("PUT", "sessions/b"), shop.request("POST", "sessions")] {
        let refused = shop.send(request.body(vec![0; 65_537]))?;
        expect(&refused, 413, "payload-too-large");
        let body = refused.json()?;
        assert_eq!((&body["limit"], &body["limit_value"]), (&"max_payload".into(), &65_536.into()));
    }
    expect(&shop.ask("GET", "sessions/b")?, 404, "session-not-found");
    Ok(())
}

#[test]
fn a_length_that_is_too_large_is_refused_before_the_body_is_sent() -> Result<()> {
    let shop = small()?;
    let mut connection = Connection::open(shop.address())?;
    let request = shop.request("PUT", "sessions/a").header("Content-Length", 1_u64 << 40);
    connection.send(request.bytes())?;
    expect(&connection.receive("PUT")?, 413, "payload-too-large");
    Ok(())
}

#[test]
fn a_client_that_expects_a_refusal_gets_it_instead_of_100() -> Result<()> {
    let shop = small()?;
    let mut connection = Connection::open(shop.address())?;
    let request = |length: usize| {
        shop.request("PUT", "sessions/a").header("Expect", "100-continue").header("Content-Length", length)
    };
    connection.send(request(65_537).bytes())?;
    expect(&connection.receive("PUT")?, 413, "payload-too-large");

    let mut connection = Connection::open(shop.address())?;
    connection.send(request(3).bytes())?;
    while !connection.has_answer()? {
        std::thread::yield_now();
    }
    connection.send("abc")?;
    assert_eq!(connection.receive("PUT")?.status, 201);
    Ok(())
}

#[test]
fn a_chunked_payload_is_stored_whole() -> Result<()> {
    let shop = small()?;
    let mut connection = Connection::open(shop.address())?;
    connection.send(shop.request("PUT", "sessions/a").header("Transfer-Encoding", "chunked").bytes())?;
    connection.send("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")?;
    assert_eq!(connection.receive("PUT")?.status, 201);
    assert_eq!(shop.ask("GET", "sessions/a")?.text(), "abcde");
    Ok(())
}

#[test]
fn a_chunked_payload_of_64_mib_is_refused_without_being_read() -> Result<()> {
    let shop = small()?;
    let mut connection = Connection::open(shop.address())?;
    connection.send(shop.request("PUT", "sessions/a").header("Transfer-Encoding", "chunked").bytes())?;
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend(std::iter::repeat_n(b'x', 65_536));
    chunk.extend_from_slice(b"\r\n");
    // Until the host closes the connection, which it can only do because it has not waited for all of it.
    let sent = (0..1024).take_while(|_| connection.send(&chunk).is_ok()).count();
    assert!(sent < 1024, "the host has taken 64 MiB");
    expect(&connection.receive("PUT")?, 413, "payload-too-large");
    Ok(())
}

#[test]
fn a_body_that_breaks_off_stores_nothing() -> Result<()> {
    let shop = small()?;
    shop.insert("a", "x")?;
    let mut connection = Connection::open(shop.address())?;
    connection.send(shop.request("PUT", "sessions/a").header("Content-Length", 10).bytes())?;
    connection.send("half")?;
    connection.hang_up()?;
    let read = shop.ask("GET", "sessions/a")?;
    assert_eq!((read.text().as_str(), read.must("etag")?), ("x", "\"v1\""));

    let mut connection = Connection::open(shop.address())?;
    connection.send(shop.request("PUT", "sessions/a").header("Transfer-Encoding", "chunked").bytes())?;
    connection.send("not a length\r\n")?;
    expect(&connection.receive("PUT")?, 400, "invalid-body");
    Ok(())
}

#[test]
fn a_connection_serves_many_requests_and_refusals_do_not_end_it() -> Result<()> {
    let shop = Shop::open()?;
    let mut connection = Connection::open(shop.address())?;
    for round in 0..20 {
        let put = shop.request("PUT", "sessions/a").body(format!("{round}"));
        assert!(matches!(connection.exchange(&put)?.status, 201 | 204));
        assert_eq!(connection.exchange(&shop.request("GET", "sessions/a"))?.text(), round.to_string());
        assert_eq!(connection.exchange(&shop.request("GET", "sessions/none"))?.status, 404);
    }
    Ok(())
}

#[test]
fn a_head_that_is_not_http_or_far_too_long_ends_the_connection() -> Result<()> {
    let shop = Shop::open()?;
    let mut connection = Connection::open(shop.address())?;
    connection.send("nonsense\r\n\r\n")?;
    assert_eq!(connection.receive("GET")?.status, 400);
    connection.expect_close()?;

    let mut connection = Connection::open(shop.address())?;
    let long = shop.request("GET", "sessions/a").header("X-Long", "x".repeat(80_000));
    connection.send(long.bytes())?;
    assert_eq!(connection.receive("GET")?.status, 431);
    Ok(())
}

#[test]
fn an_idle_connection_ends_when_the_host_stops() -> Result<()> {
    let mut shop = small()?;
    let mut connection = Connection::open(shop.address())?;
    assert_eq!(connection.exchange(&shop.request("GET", "sessions/none"))?.status, 404);
    shop.host_mut()?.terminate()?;
    connection.expect_close()
}
