//! `If-Match` and `If-None-Match`.

use anyhow::Result;
use harness::http::Answer;

use crate::shop::{Shop, expect};

/// A session with version 2.
fn second_version(shop: &Shop) -> Result<()> {
    shop.insert("a", "1")?;
    shop.send(shop.request("PUT", "sessions/a").body("2"))?;
    Ok(())
}

#[track_caller]
fn expect_stale(answer: &Answer) {
    expect(answer, 412, "precondition-failed");
    assert_eq!(answer.header("etag"), Some("\"v2\""));
    assert_eq!(answer.json().unwrap()["version"], 2);
}

#[test]
fn a_read_of_a_version_that_the_client_has_is_304() -> Result<()> {
    let shop = Shop::open()?;
    second_version(&shop)?;
    for (value, status) in
        [("\"v2\"", 304), ("W/\"v2\"", 304), ("\"v1\", \"v2\"", 304), ("*", 304), ("\"v1\"", 200), ("\"other\"", 200)]
    {
        for method in ["GET", "HEAD"] {
            let answer = shop.send(shop.request(method, "sessions/a").header("If-None-Match", value))?;
            assert_eq!(answer.status, status, "{method} {value}");
            assert_eq!(answer.must("etag")?, "\"v2\"");
        }
    }
    let answer = shop.send(shop.request("GET", "sessions/a?touch=false").header("If-None-Match", "\"v2\""))?;
    assert_eq!((answer.status, answer.body.len()), (304, 0));
    Ok(())
}

#[test]
fn a_read_of_another_version_than_wanted_is_412() -> Result<()> {
    let shop = Shop::open()?;
    second_version(&shop)?;
    for (value, status) in [("\"v2\"", 200), ("*", 200), ("\"v1\", \"v2\"", 200), ("\"v1\"", 412), ("W/\"v2\"", 412)] {
        let answer = shop.send(shop.request("GET", "sessions/a").header("If-Match", value))?;
        assert_eq!(answer.status, status, "{value}");
    }
    expect_stale(&shop.send(shop.request("GET", "sessions/a").header("If-Match", "\"v3\""))?);
    Ok(())
}

#[test]
fn a_missing_session_is_404_to_reads_whatever_the_preconditions_say() -> Result<()> {
    let shop = Shop::open()?;
    for (name, value) in [("If-Match", "\"v1\""), ("If-Match", "*"), ("If-None-Match", "*")] {
        expect(&shop.send(shop.request("GET", "sessions/a").header(name, value))?, 404, "session-not-found");
        expect(&shop.send(shop.request("DELETE", "sessions/a").header(name, value))?, 404, "session-not-found");
    }
    Ok(())
}

#[test]
fn a_write_is_done_for_a_version_that_matches_and_for_no_other() -> Result<()> {
    for (name, value, done) in [
        ("If-Match", "\"v2\"", true),
        ("If-Match", "\"v9\", \"v2\"", true),
        ("If-Match", "*", true),
        ("If-Match", "\"v1\"", false),
        ("If-Match", "\"v3\"", false),
        ("If-Match", "W/\"v2\"", false),
        ("If-Match", "\"other\"", false),
        ("If-None-Match", "\"v1\"", true),
        ("If-None-Match", "\"v2\"", false),
        ("If-None-Match", "W/\"v2\"", false),
        ("If-None-Match", "*", false),
    ] {
        let shop = Shop::open()?;
        second_version(&shop)?;
        let answer = shop.send(shop.request("PUT", "sessions/a").header(name, value).body("3"))?;
        let read = shop.ask("GET", "sessions/a")?;
        if done {
            assert_eq!((answer.status, answer.must("etag")?), (204, "\"v3\""), "{name}: {value}");
            assert_eq!(read.text(), "3");
        } else {
            expect_stale(&answer);
            assert_eq!((read.text().as_str(), read.must("etag")?), ("2", "\"v2\""), "{name}: {value}");
        }
    }
    Ok(())
}

#[test]
fn a_write_of_a_missing_session_inserts_unless_it_must_exist() -> Result<()> {
    let shop = Shop::open()?;
    for value in ["\"v1\"", "*", "\"v0\""] {
        let answer = shop.send(shop.request("PUT", "sessions/a").header("If-Match", value).body("x"))?;
        expect(&answer, 412, "precondition-failed");
        assert_eq!(answer.header("etag"), None);
        expect(&shop.ask("GET", "sessions/a")?, 404, "session-not-found");
    }
    for (id, value) in [("b", "*"), ("c", "\"v1\"")] {
        let answer =
            shop.send(shop.request("PUT", &format!("sessions/{id}")).header("If-None-Match", value).body("x"))?;
        assert_eq!((answer.status, answer.must("etag")?), (201, "\"v1\""), "{value}");
    }
    Ok(())
}

#[test]
fn of_many_who_insert_only_if_there_is_none_exactly_one_does() -> Result<()> {
    let shop = Shop::open()?;
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let insert = || shop.send(shop.request("PUT", "sessions/a").header("If-None-Match", "*").body("x"));
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(insert)).collect();
        threads.into_iter().map(|thread| Ok(thread.join().unwrap()?.status)).collect::<Result<_>>()
    })?;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 7, "{statuses:?}");
    Ok(())
}

#[test]
fn no_update_is_lost_when_many_count_with_if_match() -> Result<()> {
    const CLIENTS: u64 = 4;
    const STEPS: u64 = 25;
    let shop = Shop::open()?;
    shop.insert("a", "0")?;
    let count = || -> Result<()> {
        let mut done = 0;
        while done < STEPS {
            let read = shop.ask("GET", "sessions/a")?;
            let next = read.text().parse::<u64>()? + 1;
            let write = shop.request("PUT", "sessions/a").header("If-Match", read.must("etag")?).body(next.to_string());
            match shop.send(write)?.status {
                204 => done += 1,
                status => assert_eq!(status, 412),
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(count)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap())
    })?;
    assert_eq!(shop.ask("GET", "sessions/a")?.text(), (CLIENTS * STEPS).to_string());
    Ok(())
}

#[test]
fn writes_that_only_ask_whether_there_is_a_session_all_succeed() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "0")?;
    let write = || shop.send(shop.request("PUT", "sessions/a").header("If-Match", "*").body("x"));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(write)).collect();
        threads.into_iter().map(|thread| Ok(thread.join().unwrap()?.status)).collect::<Result<_>>()
    })?;
    assert!(statuses.iter().all(|status| *status == 204), "{statuses:?}");
    assert_eq!(shop.ask("GET", "sessions/a")?.must("etag")?, "\"v7\"");
    Ok(())
}

#[test]
fn a_deletion_is_bound_to_a_version() -> Result<()> {
    let shop = Shop::open()?;
    second_version(&shop)?;
    expect_stale(&shop.send(shop.request("DELETE", "sessions/a").header("If-Match", "\"v1\""))?);
    expect_stale(&shop.send(shop.request("DELETE", "sessions/a").header("If-None-Match", "\"v2\""))?);
    assert_eq!(shop.ask("GET", "sessions/a")?.status, 200, "neither deleted nor left locked");
    assert_eq!(shop.send(shop.request("DELETE", "sessions/a").header("If-Match", "\"v2\""))?.status, 204);
    expect(&shop.ask("GET", "sessions/a")?, 404, "session-not-found");
    Ok(())
}

#[test]
fn a_deletion_by_the_holder_of_the_lock_is_bound_to_a_version() -> Result<()> {
    let shop = Shop::open()?;
    second_version(&shop)?;
    let lock_id = shop.lock("a")?;
    let delete = |lock_id: u32, version: &str| {
        shop.send(shop.request("DELETE", "sessions/a").header("Session-Lock", lock_id).header("If-Match", version))
    };
    expect_stale(&delete(lock_id, "\"v1\"")?);
    expect(&delete(lock_id + 1, "\"v2\"")?, 409, "lock-lost");
    expect(&shop.send(shop.request("DELETE", "sessions/a").header("If-Match", "\"v2\""))?, 423, "locked");
    expect(&shop.ask("GET", "sessions/a")?, 423, "locked");
    assert_eq!(delete(lock_id, "\"v2\"")?.status, 204);
    Ok(())
}

#[test]
fn a_false_precondition_leaves_the_lock_held_and_a_lock_is_looked_at_first() -> Result<()> {
    let shop = Shop::open()?;
    second_version(&shop)?;
    let lock_id = shop.lock("a")?;
    let write = |lock_id: u32| {
        shop.request("PUT", "sessions/a").header("Session-Lock", lock_id).header("If-Match", "\"v1\"").body("3")
    };
    expect_stale(&shop.send(write(lock_id))?);
    expect(&shop.send(write(lock_id + 1))?, 409, "lock-lost");
    expect(&shop.send(shop.request("PUT", "sessions/a").header("If-Match", "\"v1\"").body("3"))?, 423, "locked");
    let done = shop.request("PUT", "sessions/a").header("Session-Lock", lock_id).header("If-Match", "\"v2\"").body("3");
    assert_eq!(shop.send(done)?.status, 204);
    Ok(())
}

#[test]
fn preconditions_that_cannot_be_read_are_refused() -> Result<()> {
    let shop = Shop::open()?;
    second_version(&shop)?;
    for name in ["If-Match", "If-None-Match"] {
        for value in ["v2", "\"v2", "", "*, \"v2\""] {
            let answer = shop.send(shop.request("PUT", "sessions/a").header(name, value).body("3"))?;
            expect(&answer, 400, "invalid-header");
            assert_eq!(answer.json()?["header"], name.to_ascii_lowercase());
        }
    }
    Ok(())
}
