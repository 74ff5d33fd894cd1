//! Waiting in line for a lock.

use anyhow::{Context, Result};
use harness::http::Connection;

use crate::shop::{Shop, expect};

fn release(shop: &Shop, lock_id: u32) -> Result<()> {
    let answer = shop.send(shop.request("DELETE", "sessions/a/lock").header("Session-Lock", lock_id))?;
    anyhow::ensure!(answer.status == 204, "{answer:?}");
    Ok(())
}

/// The lock id in the answer to a request for a lock.
fn granted(connection: &mut Connection) -> Result<u32> {
    let answer = connection.receive("POST")?;
    anyhow::ensure!(answer.status == 200, "{answer:?} {}", answer.text());
    answer.must("session-lock")?.parse().context("not a lock id")
}

#[test]
fn who_waits_gets_the_lock_when_it_is_released() -> Result<()> {
    let shop = Shop::configured("")?;
    shop.insert("a", "x")?;
    let first = shop.lock("a")?;
    let mut waiting = shop.wait_for_lock("a", 30)?;
    assert!(!waiting.has_answer()?);
    shop.send(shop.request("PUT", "sessions/a").header("Session-Lock", first).body("y"))?;
    let answer = waiting.receive("POST")?;
    assert_eq!((answer.status, answer.text().as_str(), answer.must("etag")?), (200, "y", "\"v2\""));
    assert_eq!(answer.must("preference-applied")?, "wait=30");
    assert!(answer.must("session-lock")?.parse::<u32>()? > first);
    Ok(())
}

#[test]
fn locks_are_handed_over_in_the_order_of_arrival() -> Result<()> {
    let shop = Shop::configured("")?;
    shop.insert("a", "x")?;
    let first = shop.lock("a")?;
    let (mut second, mut third) = (shop.wait_for_lock("a", 30)?, shop.wait_for_lock("a", 30)?);
    release(&shop, first)?;
    let lock_id = granted(&mut second)?;
    assert!(!third.has_answer()?, "the third waits for the second");
    release(&shop, lock_id)?;
    granted(&mut third)?;
    Ok(())
}

#[test]
fn who_hangs_up_leaves_the_line() -> Result<()> {
    let shop = Shop::configured("")?;
    shop.insert("a", "x")?;
    let first = shop.lock("a")?;
    let (second, mut third) = (shop.wait_for_lock("a", 30)?, shop.wait_for_lock("a", 30)?);
    second.hang_up()?;
    shop.until_waiting(1)?;
    release(&shop, first)?;
    granted(&mut third)?;
    Ok(())
}

#[test]
fn the_lock_is_free_again_after_all_who_waited_have_hung_up() -> Result<()> {
    let shop = Shop::configured("")?;
    shop.insert("a", "x")?;
    let first = shop.lock("a")?;
    shop.wait_for_lock("a", 30)?.hang_up()?;
    shop.until_waiting(0)?;
    release(&shop, first)?;
    shop.lock("a")?;
    Ok(())
}

#[test]
fn who_has_waited_long_enough_is_told_so() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    shop.lock("a")?;
    for path in ["sessions/a/lock", "sessions/a"] {
        let method = if path.ends_with("lock") { "POST" } else { "GET" };
        let refused = shop.send(shop.request(method, path).header("Prefer", "wait=1"))?;
        expect(&refused, 423, "locked");
        assert_eq!(refused.must("preference-applied")?, "wait=1");
    }
    Ok(())
}

#[test]
fn a_wait_is_cut_to_what_the_host_allows() -> Result<()> {
    let shop = Shop::configured("[http]\nmax_wait = \"1s\"")?;
    shop.insert("a", "x")?;
    shop.lock("a")?;
    let refused = shop.send(shop.request("POST", "sessions/a/lock").header("Prefer", "respond-async, wait=20"))?;
    expect(&refused, 423, "locked");
    assert_eq!(refused.must("preference-applied")?, "wait=1");
    Ok(())
}

#[test]
fn a_wait_that_was_not_needed_is_confirmed_too() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    let read = shop.send(shop.request("GET", "sessions/a").header("Prefer", "wait=5"))?;
    assert_eq!((read.status, read.must("preference-applied")?), (200, "wait=5"));
    let missing = shop.send(shop.request("POST", "sessions/none/lock").header("Prefer", "wait=5"))?;
    expect(&missing, 404, "session-not-found");
    assert_eq!(missing.must("preference-applied")?, "wait=5");
    Ok(())
}

#[test]
fn a_read_waits_until_the_lock_is_free() -> Result<()> {
    let shop = Shop::configured("")?;
    shop.insert("a", "x")?;
    let lock_id = shop.lock("a")?;
    let mut reader = Connection::open(shop.address())?;
    reader.send(shop.request("GET", "sessions/a").header("Prefer", "wait=30").bytes())?;
    shop.until_waiting(1)?;
    shop.send(shop.request("PUT", "sessions/a").header("Session-Lock", lock_id).body("y"))?;
    let read = reader.receive("GET")?;
    assert_eq!((read.status, read.text().as_str()), (200, "y"));
    Ok(())
}

#[test]
fn who_waits_for_a_session_that_is_deleted_is_told_that_it_is_missing() -> Result<()> {
    let shop = Shop::configured("")?;
    shop.insert("a", "x")?;
    let lock_id = shop.lock("a")?;
    let mut waiting = shop.wait_for_lock("a", 30)?;
    shop.send(shop.request("DELETE", "sessions/a").header("Session-Lock", lock_id))?;
    expect(&waiting.receive("POST")?, 404, "session-not-found");
    Ok(())
}

#[test]
fn who_waits_when_the_host_stops_is_sent_away_at_once() -> Result<()> {
    let mut shop = Shop::configured("")?;
    shop.insert("a", "x")?;
    shop.lock("a")?;
    let mut waiting = shop.wait_for_lock("a", 30)?;
    shop.host_mut()?.terminate()?;
    let answer = waiting.receive("POST")?;
    expect(&answer, 503, "shutting-down");
    assert!(answer.header("retry-after").is_some());
    Ok(())
}

#[test]
fn a_lock_whose_answer_was_cut_off_is_released() -> Result<()> {
    let shop = Shop::configured("[stores.default]\nmax_payload = \"32768KiB\"")?;
    // More than the buffers of a socket hold, so that the host cannot be rid of the answer.
    let large = vec![b'x'; 16 * 1024 * 1024];
    assert_eq!(shop.send(shop.request("PUT", "sessions/a").body(large))?.status, 201);
    let mut connection = Connection::open(shop.address())?;
    connection.send(shop.request("POST", "sessions/a/lock").bytes())?;
    while !connection.has_answer()? {
        std::thread::yield_now();
    }
    expect(&shop.ask("GET", "sessions/a")?, 423, "locked");
    connection.hang_up()?;
    let read = shop.send(shop.request("GET", "sessions/a").header("Prefer", "wait=30"))?;
    assert_eq!((read.status, read.must("etag")?), (200, "\"v1\""));
    Ok(())
}
