//! `hold_locked`: a request that meets a lock waits for it instead of being answered 423.

use std::{
    net::Shutdown,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use harness::{Host, state_server::request};

use crate::{Expect, ONE_ITEM, Session};

/// A session that is locked with cookie 2, on a host that holds requests for longer than a client waits for an answer:
/// a test that gets a 200 was served by a hand-over.
fn locked() -> Result<Session> {
    let host = Arc::new(Host::start("[state_server]\nhold_locked = \"1m\"\ntransfer_timeout = \"2s\"\n")?);
    let mut session = Session::on(&host)?;
    session.put(0, &ONE_ITEM)?.expect(200);
    session.acquire()?.expect(200);
    Ok(session)
}

#[test]
fn a_waiting_client_gets_the_lock_when_it_is_released() -> Result<()> {
    let mut owner = locked()?;
    let mut waiting = owner.other_client()?;
    waiting.connection.send(request::acquire(&waiting.target))?;
    owner.host.wait_for_waiting(1)?;
    owner.put(2, b"from the owner")?.expect(200);
    let answer = waiting.connection.receive()?;
    assert_eq!(answer.expect(200).expect_body(b"from the owner").cookie(), 3);
    Ok(())
}

#[test]
fn a_waiting_reader_gets_the_session_when_it_is_released() -> Result<()> {
    let mut owner = locked()?;
    let mut waiting = owner.other_client()?;
    waiting.connection.send(request::get(&waiting.target))?;
    owner.host.wait_for_waiting(1)?;
    owner.release(2)?.expect(200);
    waiting.connection.receive()?.expect(200).expect_body(&ONE_ITEM);
    Ok(())
}

#[test]
fn a_waiting_client_learns_that_the_session_was_removed() -> Result<()> {
    let mut owner = locked()?;
    let mut waiting = owner.other_client()?;
    waiting.connection.send(request::acquire(&waiting.target))?;
    owner.host.wait_for_waiting(1)?;
    owner.delete(2)?.expect(200);
    waiting.connection.receive()?.expect(404);
    Ok(())
}

#[test]
fn a_client_that_waits_in_vain_is_told_of_the_lock() -> Result<()> {
    let host = Arc::new(Host::start("[state_server]\nhold_locked = \"300ms\"\n")?);
    let mut owner = Session::on(&host)?;
    owner.put(0, &ONE_ITEM)?.expect(200);
    owner.acquire()?.expect(200);
    let start = Instant::now();
    assert_eq!(owner.other_client()?.acquire()?.expect(423).cookie(), 2);
    assert!(start.elapsed() >= Duration::from_millis(300), "it was answered after {:?}", start.elapsed());
    Ok(())
}

#[test]
fn only_reads_wait() -> Result<()> {
    let mut owner = locked()?;
    let mut other = owner.other_client()?;
    // None of these comes back within a client's patience if it is held.
    other.put(9, b"x")?.expect(423);
    other.release(9)?.expect(423);
    other.delete(9)?.expect(423);
    other.head()?.expect(200);
    owner.release(2)?.expect(200);
    Ok(())
}

#[test]
fn many_waiting_clients_each_get_the_lock_once() -> Result<()> {
    let mut owner = locked()?;
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut session = owner.other_client()?;
            Ok(thread::spawn(move || -> Result<i64> {
                let cookie = session.acquire()?.expect(200).cookie();
                session.release(cookie)?.expect(200);
                Ok(cookie)
            }))
        })
        .collect::<Result<_>>()?;
    owner.host.wait_for_waiting(20)?;
    owner.release(2)?.expect(200);
    let mut cookies: Vec<_> = waiting
        .into_iter()
        .map(|waiting| waiting.join().expect("a client that does not panic"))
        .collect::<Result<_>>()?;
    cookies.sort_unstable();
    assert_eq!(cookies, (3..23).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn clients_that_hang_up_leave_the_line() -> Result<()> {
    let mut owner = locked()?;
    let mut leaving = Vec::new();
    for _ in 0..5 {
        let mut other = owner.other_client()?;
        other.connection.send(request::acquire(&other.target))?;
        leaving.push(other);
    }
    owner.host.wait_for_waiting(5)?;
    drop(leaving);
    owner.host.wait_for_waiting(0)?;
    owner.release(2)?.expect(200);
    assert_eq!(owner.acquire()?.expect(200).cookie(), 3);
    Ok(())
}

#[test]
fn a_lock_that_comes_just_when_its_client_hangs_up_goes_to_the_next() -> Result<()> {
    let mut owner = locked()?;
    let mut cookie = 2;
    for _ in 0..20 {
        let mut leaving = owner.other_client()?;
        leaving.connection.send(request::acquire(&leaving.target))?;
        owner.host.wait_for_waiting(1)?;
        let mut waiting = owner.other_client()?;
        waiting.connection.send(request::acquire(&waiting.target))?;
        owner.host.wait_for_waiting(2)?;
        drop(leaving);
        owner.release(cookie)?.expect(200);
        // Whoever left would have kept the lock.
        cookie = waiting.connection.receive()?.expect(200).cookie();
    }
    Ok(())
}

#[test]
fn a_client_that_closes_its_half_while_it_waits_has_hung_up() -> Result<()> {
    let mut owner = locked()?;
    let mut leaving = owner.other_client()?;
    leaving.connection.send(request::acquire(&leaving.target))?;
    leaving.connection.finish_sending()?;
    leaving.connection.expect_close()?;
    owner.release(2)?.expect(200);
    owner.acquire()?.expect(200);
    Ok(())
}

#[test]
fn requests_sent_ahead_while_waiting_are_answered_after_it() -> Result<()> {
    let mut owner = locked()?;
    let mut waiting = owner.other_client()?;
    waiting.connection.send(request::acquire(&waiting.target))?;
    waiting.connection.send(request::head(&waiting.target))?;
    waiting.connection.send(request::release(&waiting.target, 3))?;
    owner.host.wait_for_waiting(1)?;
    owner.release(2)?.expect(200);
    assert_eq!(waiting.connection.receive()?.expect(200).cookie(), 3);
    waiting.connection.receive()?.expect(200);
    waiting.connection.receive()?.expect(200);
    Ok(())
}

/// A session so large that its answer does not fit into the buffers between server and client, on a connection that
/// has asked for it with its lock and takes nothing.
fn unread() -> Result<(Session, Session)> {
    let mut session = locked()?;
    session.put(2, &vec![b'x'; 15_000_000])?.expect(200);
    let mut deaf = session.other_client()?;
    deaf.connection.send(request::acquire(&deaf.target))?;
    // A read of the first bytes shows that the lock is taken.
    let mut first = [0];
    deaf.connection.stream().peek(&mut first)?;
    Ok((session, deaf))
}

#[test]
fn the_lock_of_a_client_that_dies_before_it_has_its_answer_is_released() -> Result<()> {
    let (mut session, deaf) = unread()?;
    session.connection.send(request::acquire(&session.target))?;
    session.host.wait_for_waiting(1)?;
    deaf.connection.stream().shutdown(Shutdown::Both)?;
    drop(deaf);
    assert_eq!(session.connection.receive()?.expect(200).cookie(), 4);
    session.host.wait_for_log("the lock was released")
}

#[test]
fn the_lock_of_a_client_that_does_not_take_its_answer_is_released() -> Result<()> {
    let (mut session, deaf) = unread()?;
    assert_eq!(session.acquire()?.expect(200).cookie(), 4);
    session.host.wait_for_log("the lock was released")?;
    drop(deaf);
    Ok(())
}
