//! Locks: cookies, ages, dates, wrong cookies, stealing (assertions 2, 3, 4 and 15 of section 10.2).

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use harness::Host;

use crate::{Expect, ONE_ITEM, Session};

/// 1970-01-01 in .NET ticks.
const UNIX_EPOCH_TICKS: i64 = 621_355_968_000_000_000;

fn utc_ticks() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    UNIX_EPOCH_TICKS + i64::try_from(now.as_millis()).expect("a clock before the year 292 million") * 10_000
}

#[test]
fn cookies_begin_with_two_after_any_insert_and_go_up_by_one() -> Result<()> {
    let inserts: [fn(&mut Session) -> Result<_>; 2] =
        [|session| session.put(9, &ONE_ITEM), |session| session.create_uninitialized()];
    for insert in inserts {
        let mut session = Session::missing()?;
        insert(&mut session)?.expect(200);
        for cookie in 2..6 {
            assert_eq!(session.acquire()?.expect(200).cookie(), cookie);
            session.release(cookie)?.expect(200);
        }
        assert_eq!(session.acquire()?.cookie(), 6);
        session.put(6, &ONE_ITEM)?.expect(200);
        assert_eq!(session.acquire()?.cookie(), 7);
    }
    Ok(())
}

#[test]
fn meeting_a_lock_tells_its_cookie_and_does_not_change_it() -> Result<()> {
    let mut session = Session::stored()?;
    session.acquire()?.expect(200);
    for _ in 0..3 {
        assert_eq!(session.acquire()?.expect(423).cookie(), 2);
        assert_eq!(session.get()?.expect(423).cookie(), 2);
        assert_eq!(session.release(77)?.expect(423).cookie(), 2);
        assert_eq!(session.put(77, b"x")?.expect(423).cookie(), 2);
        assert_eq!(session.delete(77)?.expect(423).cookie(), 2);
        // Even its owner is not recognised by a read.
        session.head()?.expect(200);
    }
    session.release(2)?.expect(200);
    assert_eq!(session.acquire()?.expect(200).cookie(), 3);
    Ok(())
}

#[test]
fn the_age_of_a_lock_is_in_whole_seconds_rounded_down() -> Result<()> {
    let mut session = Session::stored()?;
    let before = Instant::now();
    session.acquire()?.expect(200);
    let after = Instant::now();
    // Far enough that rounding to the nearest second would show.
    thread::sleep(Duration::from_millis(700));
    let at_least = after.elapsed().as_secs();
    let age = session.get()?.expect(423).number("LockAge")?;
    let at_most = before.elapsed().as_secs();
    assert!((at_least..=at_most).contains(&u64::try_from(age)?), "{age} is not in {at_least}..={at_most}");
    Ok(())
}

#[test]
fn a_lock_ages_with_the_clock() -> Result<()> {
    let host = Arc::new(Host::start("[state_server]\nhold_locked = \"0s\"")?);
    let mut session = Session::on(&host)?;
    session.put(0, &ONE_ITEM)?.expect(200);
    let before = Instant::now();
    session.acquire()?.expect(200);
    host.advance_30s()?;
    host.advance_30s()?;
    let age = session.get()?.expect(423).number("LockAge")?;
    let at_most = 60 + i64::try_from(before.elapsed().as_secs())?;
    assert!((60..=at_most).contains(&age), "{age} is not in 60..={at_most}");
    Ok(())
}

#[test]
fn the_date_of_a_lock_is_the_same_in_every_answer() -> Result<()> {
    let mut session = Session::stored()?;
    session.acquire()?.expect(200);
    let first = session.get()?.expect(423).number("LockDate")?;
    for _ in 0..60 {
        thread::sleep(Duration::from_millis(17));
        assert_eq!(session.acquire()?.expect(423).number("LockDate")?, first);
        assert_eq!(session.other_client()?.delete(9)?.expect(423).number("LockDate")?, first);
    }
    Ok(())
}

#[test]
fn the_date_of_a_lock_is_in_local_time() -> Result<()> {
    // Five hours ahead of UTC, all year.
    let config = "[state_server]\nhold_locked = \"0s\"";
    let host = Arc::new(Host::start_with_environment(config, &[("TZ", "Asia/Karachi")])?);
    let mut session = Session::on(&host)?;
    session.put(0, &ONE_ITEM)?.expect(200);
    let before = utc_ticks();
    session.acquire()?.expect(200);
    let date = session.get()?.expect(423).number("LockDate")? - 5 * 3600 * 10_000_000;
    let after = utc_ticks();
    assert!((before..=after).contains(&date), "{date} is not in {before}..={after}");
    Ok(())
}

#[test]
fn the_date_of_a_lock_goes_by_the_clock_that_its_age_goes_by() -> Result<()> {
    let config = "[state_server]\nhold_locked = \"0s\"";
    let host = Arc::new(Host::start_with_environment(config, &[("TZ", "UTC")])?);
    let mut session = Session::on(&host)?;
    session.put(0, &ONE_ITEM)?.expect(200);
    host.advance_30s()?;
    let before = utc_ticks();
    session.acquire()?.expect(200);
    let date = session.get()?.expect(423).number("LockDate")? - 30 * 10_000_000;
    let after = utc_ticks();
    assert!((before..=after).contains(&date), "{date} is not in {before}..={after}");
    // Half a minute later it is half a minute old, and as old as it was.
    host.advance_30s()?;
    assert_eq!(session.get()?.expect(423).number("LockDate")? - 30 * 10_000_000, date);
    Ok(())
}

#[test]
fn a_wrong_cookie_changes_nothing_and_the_right_one_stores() -> Result<()> {
    let mut session = Session::stored()?;
    let cookie = session.acquire()?.cookie();
    for wrong in [0, 1, cookie - 1, cookie + 1, 2_147_483_647] {
        session.put(wrong, b"stolen")?.expect(423);
    }
    session.put(cookie, b"stored")?.expect(200);
    session.get()?.expect(200).expect_body(b"stored");
    Ok(())
}

#[test]
fn a_wrong_cookie_does_not_release_and_the_right_one_does() -> Result<()> {
    let mut session = Session::stored()?;
    let cookie = session.acquire()?.cookie();
    for wrong in [0, 1, cookie - 1, cookie + 1, 2_147_483_647] {
        session.release(wrong)?.expect(423);
        session.get()?.expect(423);
    }
    session.release(cookie)?.expect(200);
    session.get()?.expect(200).expect_body(&ONE_ITEM);
    Ok(())
}

#[test]
fn a_wrong_cookie_does_not_remove_and_the_right_one_does() -> Result<()> {
    let mut session = Session::stored()?;
    let cookie = session.acquire()?.cookie();
    for wrong in [0, 1, cookie - 1, cookie + 1, 2_147_483_647] {
        session.delete(wrong)?.expect(423);
    }
    session.request("DELETE", &[])?.expect(423);
    session.head()?.expect(200);
    session.delete(cookie)?.expect(200);
    session.head()?.expect(404);
    Ok(())
}

#[test]
fn a_release_keeps_what_was_stored() -> Result<()> {
    let mut session = Session::stored()?;
    let cookie = session.acquire()?.cookie();
    session.release(cookie)?.expect(200);
    let acquired = session.acquire()?;
    acquired.expect(200).expect_body(&ONE_ITEM);
    assert_eq!(acquired.header("Timeout"), Some("20"));
    Ok(())
}

#[test]
fn a_robbed_owner_cannot_store_once_somebody_else_has_the_lock() -> Result<()> {
    let mut owner = Session::stored()?;
    let mut thief = owner.other_client()?;
    let owned = owner.acquire()?.cookie();
    // The thief knows the cookie from the 423.
    let seen = thief.acquire()?.expect(423).cookie();
    thief.release(seen)?.expect(200);
    let stolen = thief.acquire()?.expect(200).cookie();
    assert!(stolen > owned);
    owner.put(owned, b"late")?.expect(423);
    thief.put(stolen, b"thief")?.expect(200);
    owner.get()?.expect_body(b"thief");
    Ok(())
}

#[test]
fn a_robbed_owner_can_store_while_nobody_else_has_the_lock() -> Result<()> {
    let mut owner = Session::stored()?;
    let mut thief = owner.other_client()?;
    let owned = owner.acquire()?.cookie();
    thief.release(owned)?.expect(200);
    owner.put(owned, b"in time")?.expect(200);
    thief.get()?.expect_body(b"in time");
    Ok(())
}
