//! What each verb does to missing, unlocked and reserved sessions (assertions 1, 5, 6, 7, 8 and 9 of section 10.2).

use anyhow::Result;
use harness::state_server::EMPTY_BLOCK;

use crate::{Expect, ONE_ITEM, Session};

#[test]
fn everything_but_a_put_finds_a_missing_session_missing() -> Result<()> {
    let mut session = Session::missing()?;
    session.get()?.expect(404);
    session.acquire()?.expect(404);
    session.release(2)?.expect(404);
    session.delete(2)?.expect(404);
    session.head()?.expect(404);
    // None of them made it.
    session.get()?.expect(404);
    session.put(0, &ONE_ITEM)?.expect(200);
    session.get()?.expect(200).expect_body(&ONE_ITEM);
    Ok(())
}

#[test]
fn a_put_on_a_missing_session_ignores_its_lock_cookie() -> Result<()> {
    for cookie in [0, 1, 77] {
        let mut session = Session::missing()?;
        session.put(cookie, &ONE_ITEM)?.expect(200);
        assert_eq!(session.acquire()?.expect(200).cookie(), 2);
    }
    Ok(())
}

#[test]
fn an_unlocked_session_can_be_released_with_any_cookie() -> Result<()> {
    let mut session = Session::stored()?;
    for cookie in [0, 1, 2, 99, 2_147_483_647] {
        session.release(cookie)?.expect(200);
    }
    session.get()?.expect(200).expect_body(&ONE_ITEM);
    Ok(())
}

#[test]
fn an_unlocked_session_can_be_removed_with_any_cookie_or_none() -> Result<()> {
    for cookie in [0, 1, 2, 99, 2_147_483_647] {
        let mut session = Session::stored()?;
        session.delete(cookie)?.expect(200);
        session.get()?.expect(404);
    }
    let mut session = Session::stored()?;
    session.request("DELETE", &[])?.expect(200);
    session.get()?.expect(404);
    Ok(())
}

#[test]
fn an_unlocked_session_can_be_stored_with_any_cookie_or_none() -> Result<()> {
    let mut session = Session::stored()?;
    for cookie in [0, 1, 2, 99] {
        session.put(cookie, format!("with {cookie}").as_bytes())?.expect(200);
        session.get()?.expect_body(format!("with {cookie}").as_bytes());
    }
    session.put_with(&[], b"with none")?.expect(200);
    session.get()?.expect_body(b"with none");
    Ok(())
}

#[test]
fn reserving_an_unlocked_session_changes_nothing() -> Result<()> {
    let mut session = Session::missing()?;
    session.put_with(&["Timeout: 7"], &ONE_ITEM)?.expect(200);
    session.create_uninitialized()?.expect(200);
    let read = session.get()?;
    read.expect(200).expect_body(&ONE_ITEM);
    assert_eq!((read.header("Timeout"), read.header("ActionFlags")), (Some("7"), None));
    assert_eq!(session.acquire()?.cookie(), 2);
    Ok(())
}

#[test]
fn reserving_a_locked_session_changes_nothing() -> Result<()> {
    let mut session = Session::stored()?;
    let cookie = session.acquire()?.expect(200).cookie();
    session.create_uninitialized()?.expect(200);
    assert_eq!(session.get()?.expect(423).cookie(), cookie);
    session.release(cookie)?.expect(200);
    session.get()?.expect(200).expect_body(&ONE_ITEM);
    assert_eq!(session.acquire()?.cookie(), cookie + 1);
    Ok(())
}

#[test]
fn the_first_reader_of_a_reserved_session_is_told_whatever_way_it_reads() -> Result<()> {
    let ways: [fn(&mut Session) -> Result<harness::state_server::Response>; 3] =
        [Session::get, Session::acquire, |session| session.release(1)];
    for read in ways {
        let mut session = Session::missing()?;
        session.create_uninitialized()?.expect(200);
        // Keeping it alive is no reading.
        assert_eq!(session.head()?.expect(200).header("ActionFlags"), None);
        assert_eq!(read(&mut session)?.expect(200).header("ActionFlags"), Some("1"));
        session.release(2)?.expect(200);
        let second = session.get()?;
        second.expect(200).expect_body(&EMPTY_BLOCK);
        assert_eq!(second.header("ActionFlags"), None);
    }
    Ok(())
}

#[test]
fn a_stored_session_has_no_first_reader() -> Result<()> {
    let mut session = Session::stored()?;
    assert_eq!(session.get()?.expect(200).header("ActionFlags"), None);
    Ok(())
}

#[test]
fn a_put_without_cookie_passes_an_unlocked_session_and_not_a_locked_one() -> Result<()> {
    let mut session = Session::missing()?;
    session.put_with(&[], b"first")?.expect(200);
    session.put_with(&[], b"second")?.expect(200);
    session.acquire()?.expect(200).expect_body(b"second");
    session.put_with(&[], b"third")?.expect(423);
    session.release(2)?.expect(200);
    session.get()?.expect_body(b"second");
    Ok(())
}

#[test]
fn a_release_without_a_good_cookie_is_refused_where_there_is_a_session() -> Result<()> {
    let mut session = Session::missing()?;
    let wrong: [&[&str]; 4] = [
        &["Exclusive: release"],
        &["Exclusive: release", "LockCookie: -1"],
        &["Exclusive: release", "LockCookie: abc"],
        &["Exclusive: release", "LockCookie: 2147483648"],
    ];
    for headers in wrong {
        session.request("GET", headers)?.expect(404);
    }
    session.put(0, &ONE_ITEM)?.expect(200);
    for headers in wrong {
        session.request("GET", headers)?.expect(400);
    }
    session.acquire()?.expect(200);
    for headers in wrong {
        session.request("GET", headers)?.expect(400);
    }
    session.get()?.expect(423);
    Ok(())
}

#[test]
fn a_bad_cookie_on_put_and_delete_is_refused_where_there_is_a_session() -> Result<()> {
    for cookie in ["LockCookie: -1", "LockCookie: abc"] {
        let mut session = Session::missing()?;
        session.request("DELETE", &[cookie])?.expect(404);
        session.put_with(&[cookie], b"first")?.expect(200);
        session.put_with(&[cookie], b"second")?.expect(400);
        session.request("DELETE", &[cookie])?.expect(400);
        session.get()?.expect(200).expect_body(b"first");
        // Reserving looks at no cookie.
        session.put_with(&["ExtraFlags: 1", cookie], b"third")?.expect(200);
    }
    Ok(())
}

#[test]
fn a_session_without_timeout_has_twenty_minutes() -> Result<()> {
    let mut session = Session::missing()?;
    session.put_with(&[], &ONE_ITEM)?.expect(200);
    assert_eq!(session.get()?.header("Timeout"), Some("20"));
    session.put_with(&["Timeout: -1"], &ONE_ITEM)?.expect(200);
    assert_eq!(session.acquire()?.header("Timeout"), Some("20"));
    Ok(())
}

#[test]
fn a_timeout_is_given_back_in_minutes_up_to_a_year() -> Result<()> {
    let mut session = Session::missing()?;
    for minutes in ["1", "90", "525600"] {
        session.put_with(&[&format!("Timeout:{minutes}")], &ONE_ITEM)?.expect(200);
        assert_eq!(session.get()?.header("Timeout"), Some(minutes));
    }
    Ok(())
}

#[test]
fn a_wrong_timeout_is_refused_and_nothing_stored() -> Result<()> {
    let mut session = Session::missing()?;
    for wrong in ["525601", "-2", "abc", "", "20.5", "99999999999"] {
        session.put_with(&[&format!("Timeout: {wrong}")], &ONE_ITEM)?.expect(400);
        session.put_with(&[&format!("Timeout: {wrong}"), "ExtraFlags: 1"], &ONE_ITEM)?.expect(400);
        session.get()?.expect(404);
    }
    session.put_with(&["ExtraFlags: abc"], &ONE_ITEM)?.expect(400);
    session.get()?.expect(404);
    Ok(())
}

#[test]
fn an_unknown_verb_is_refused_and_the_connection_goes_on() -> Result<()> {
    let mut session = Session::stored()?;
    for verb in ["POST", "OPTIONS", "get", "PROPFIND"] {
        session.request(verb, &["Content-Length: 0"])?.expect(400);
    }
    session.connection.send(format!("POST {} HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", session.target))?;
    session.connection.receive()?.expect(400);
    session.get()?.expect(200).expect_body(&ONE_ITEM);
    Ok(())
}
