//! Sliding expiry (assertions 9 and 10 of section 10.2). The host's clock is moved; nobody waits.

use std::sync::Arc;

use anyhow::Result;
use harness::{Host, state_server::Response};

use crate::{Expect, ONE_ITEM, Session};

/// Sessions on a host whose clock the tests move, with a timeout of one minute.
fn short_lived() -> Result<(Arc<Host>, Session)> {
    let host = Arc::new(Host::start("[state_server]\nhold_locked = \"0s\"")?);
    let session = stored_for_a_minute(&host)?;
    Ok((host, session))
}

fn stored_for_a_minute(host: &Arc<Host>) -> Result<Session> {
    let mut session = Session::on(host)?;
    session.put_with(&["Timeout: 1"], &ONE_ITEM)?.expect(200);
    Ok(session)
}

fn advance_a_minute(host: &Host) -> Result<()> {
    host.advance_30s()?;
    host.advance_30s()
}

#[test]
fn a_session_that_nobody_touches_is_gone_after_its_timeout() -> Result<()> {
    let (host, mut session) = short_lived()?;
    let mut others = (stored_for_a_minute(&host)?, stored_for_a_minute(&host)?, stored_for_a_minute(&host)?);
    advance_a_minute(&host)?;
    session.get()?.expect(404);
    others.0.acquire()?.expect(404);
    others.1.head()?.expect(404);
    others.2.delete(0)?.expect(404);
    // Its ID can be used anew at once, by a session with cookies of its own.
    session.put(0, b"anew")?.expect(200);
    assert_eq!(session.acquire()?.expect(200).expect_body(b"anew").cookie(), 2);
    Ok(())
}

#[test]
fn every_access_that_finds_a_session_keeps_it() -> Result<()> {
    let (host, _) = short_lived()?;
    type Access = fn(&mut Session) -> Result<Response>;
    let unlocked: [(Access, u16); 5] = [
        (Session::get, 200),
        (Session::head, 200),
        (|session| session.release(5), 200),
        (|session| session.create_uninitialized(), 200),
        (|session| session.request("GET", &["Exclusive: release"]), 400),
    ];
    let locked: [(Access, u16); 5] = [
        (Session::get, 423),
        (Session::acquire, 423),
        (|session| session.release(9), 423),
        (|session| session.put(9, b"x"), 423),
        (|session| session.delete(9), 423),
    ];
    let mut sessions = Vec::new();
    for (access, status) in unlocked {
        sessions.push((stored_for_a_minute(&host)?, access, status));
    }
    for (access, status) in locked {
        let mut session = stored_for_a_minute(&host)?;
        session.acquire()?.expect(200);
        sessions.push((session, access, status));
    }
    // Four half minutes, at each of which the session has another half minute to live.
    for _ in 0..4 {
        host.advance_30s()?;
        for (session, access, status) in &mut sessions {
            access(session)?.expect(*status);
        }
    }
    advance_a_minute(&host)?;
    for (session, ..) in &mut sessions {
        session.get()?.expect(404);
    }
    Ok(())
}

#[test]
fn a_lock_does_not_keep_a_session() -> Result<()> {
    let (host, mut session) = short_lived()?;
    let cookie = session.acquire()?.expect(200).cookie();
    advance_a_minute(&host)?;
    session.other_client()?.acquire()?.expect(404);
    session.release(cookie)?.expect(404);
    // The owner's write makes a new one, as it does with the real service.
    session.put(cookie, b"written late")?.expect(200);
    session.get()?.expect(200).expect_body(b"written late");
    Ok(())
}

#[test]
fn a_reserved_session_expires_as_well() -> Result<()> {
    let (host, _) = short_lived()?;
    let mut session = Session::on(&host)?;
    session.put_with(&["Timeout: 1", "ExtraFlags: 1"], &ONE_ITEM)?.expect(200);
    advance_a_minute(&host)?;
    session.get()?.expect(404);
    Ok(())
}

#[test]
fn a_longer_timeout_counts_from_the_write_that_brings_it() -> Result<()> {
    let (host, mut session) = short_lived()?;
    session.put_with(&["Timeout: 3"], &ONE_ITEM)?.expect(200);
    advance_a_minute(&host)?;
    advance_a_minute(&host)?;
    assert_eq!(session.get()?.expect(200).header("Timeout"), Some("3"));
    Ok(())
}

#[test]
fn a_shorter_timeout_counts_from_the_write_that_brings_it() -> Result<()> {
    let (host, _) = short_lived()?;
    let mut session = Session::on(&host)?;
    session.put_with(&["Timeout: 20"], &ONE_ITEM)?.expect(200);
    let cookie = session.acquire()?.cookie();
    session.put_with(&["Timeout: 1", &format!("LockCookie: {cookie}")], &ONE_ITEM)?.expect(200);
    advance_a_minute(&host)?;
    session.get()?.expect(404);
    Ok(())
}

#[test]
fn a_timeout_of_zero_is_never() -> Result<()> {
    let (host, _) = short_lived()?;
    let mut session = Session::on(&host)?;
    session.put_with(&["Timeout: 0"], &ONE_ITEM)?.expect(200);
    for _ in 0..30 {
        advance_a_minute(&host)?;
    }
    assert_eq!(session.get()?.expect(200).header("Timeout"), Some("0"));
    Ok(())
}
