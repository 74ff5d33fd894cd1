//! Connections: many requests on one, many at once, silent ones, slow ones (assertion 13 of section 10.2).

use std::{net::Shutdown, sync::Arc};

use anyhow::Result;
use harness::{
    Host,
    state_server::{Connection, request},
};

use crate::{Expect, ONE_ITEM, SHARED, Session, new_target};

#[test]
fn a_connection_serves_a_hundred_requests() -> Result<()> {
    let mut session = Session::stored()?;
    for cookie in 2..52 {
        assert_eq!(session.acquire()?.expect(200).cookie(), cookie);
        session.put(cookie, cookie.to_string().as_bytes())?.expect(200);
    }
    Ok(())
}

#[test]
fn a_thousand_connections_are_served_at_once() -> Result<()> {
    let host = SHARED.host()?;
    let mut connections =
        (0..1000).map(|_| Ok((Connection::open(host.state_server())?, new_target()))).collect::<Result<Vec<_>>>()?;
    for round in 0..2 {
        for (connection, target) in &mut connections {
            connection.send(request::put(target, round, target.as_bytes()))?;
        }
        for (connection, _) in &mut connections {
            connection.receive()?.expect(200);
        }
        for (connection, target) in &mut connections {
            connection.send(request::acquire(target))?;
        }
        for (connection, target) in &mut connections {
            connection.receive()?.expect(200).expect_body(target.as_bytes());
        }
        for (connection, target) in &mut connections {
            connection.exchange(request::release(target, 2 + round))?.expect(200);
        }
    }
    Ok(())
}

#[test]
fn connections_that_say_nothing_are_no_matter() -> Result<()> {
    let host = Host::start_default()?;
    for _ in 0..100 {
        drop(Connection::open(host.state_server())?);
    }
    let mut polite = Connection::open(host.state_server())?;
    polite.finish_sending()?;
    polite.expect_close()?;
    Connection::open(host.state_server())?.exchange(request::get(&new_target()))?.expect(404);
    // That its clock can be moved, the host rightly warns of.
    let log = host.log();
    let complaint = log
        .lines()
        .find(|line| (line.contains("WARN") || line.contains("ERROR")) && !line.contains("CLOAKROOM_TEST_CLOCK"));
    assert_eq!(complaint, None, "{log}");
    Ok(())
}

#[test]
fn a_client_may_close_its_half_after_a_request() -> Result<()> {
    let mut session = Session::stored()?;
    session.connection.send(request::get(&session.target))?;
    session.connection.finish_sending()?;
    session.connection.receive()?.expect(200).expect_body(&ONE_ITEM);
    session.connection.expect_close()
}

#[test]
fn a_request_that_breaks_off_changes_nothing() -> Result<()> {
    let mut session = Session::stored()?;
    let cookie = session.acquire()?.cookie();
    let request = request::put(&session.target, cookie, b"never complete");
    for length in [5, 60, request.len() - 1] {
        let mut other = session.other_client()?;
        other.connection.send(&request[..length])?;
        other.connection.stream().shutdown(Shutdown::Write)?;
        other.connection.expect_close()?;
    }
    session.get()?.expect(423);
    session.release(cookie)?.expect(200);
    session.get()?.expect(200).expect_body(&ONE_ITEM);
    Ok(())
}

#[test]
fn a_silent_connection_is_closed_after_the_idle_timeout() -> Result<()> {
    let host = Arc::new(Host::start("[state_server]\nidle_timeout = \"300ms\"")?);
    let mut silent = Connection::open(host.state_server())?;
    let mut session = Session::on(&host)?;
    session.get()?.expect(404);
    silent.expect_close()?;
    session.connection.expect_close()
}

#[test]
fn empty_lines_do_not_keep_a_connection() -> Result<()> {
    let host = Host::start("[state_server]\nidle_timeout = \"500ms\"")?;
    let mut connection = Connection::open(host.state_server())?;
    for _ in 0..1000 {
        if connection.send("\r\n").is_err() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the connection is open after 10 s of empty lines");
}

#[test]
fn slow_requests_hold_nobody_up_and_are_cut_off() -> Result<()> {
    let host = Arc::new(Host::start("[state_server]\ntransfer_timeout = \"1s\"")?);
    let whole = request::put(&new_target(), 0, &ONE_ITEM);
    let mut slow = Vec::new();
    for length in [1, 20, whole.len() - ONE_ITEM.len(), whole.len() - 1] {
        for _ in 0..25 {
            let mut connection = Connection::open(host.state_server())?;
            connection.send(&whole[..length])?;
            slow.push(connection);
        }
    }
    let mut session = Session::on(&host)?;
    for _ in 0..100 {
        session.put(0, &ONE_ITEM)?.expect(200);
    }
    for connection in &mut slow {
        connection.expect_close()?;
    }
    Ok(())
}
