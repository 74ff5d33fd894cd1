//! When the host stops: idle connections end, requests in flight are finished, nothing is lost.

use std::thread;

use anyhow::{Context, Result};
use harness::{
    Host,
    state_server::{Connection, request},
};

use crate::{Expect, ONE_ITEM, new_target};

#[test]
fn idle_connections_do_not_keep_a_host_from_stopping() -> Result<()> {
    let mut host = Host::start_default()?;
    let mut idle = Connection::open(host.state_server())?;
    idle.exchange(request::get(&new_target()))?.expect(404);
    host.terminate()?;
    idle.expect_close()
}

#[test]
fn a_request_that_has_begun_is_served_before_the_host_stops() -> Result<()> {
    let mut host = Host::start_default()?;
    let target = new_target();
    let mut connection = Connection::open(host.state_server())?;
    let (begun, rest) = {
        let put = request::put(&target, 0, &ONE_ITEM);
        let (begun, rest) = put.split_at(put.len() / 2);
        // Sent in one piece with a whole request, whose answer shows that both have arrived.
        ([request::get(&target).as_slice(), begun].concat(), rest.to_vec())
    };
    connection.exchange(begun)?.expect(404);

    let address = host.state_server();
    let stopping = thread::spawn(move || host.terminate().map(|()| host));
    // It stops to accept first.
    while Connection::open(address).is_ok_and(|mut other| other.exchange(request::get(&target)).is_ok()) {}
    connection.exchange(rest)?.expect(200);
    connection.expect_close()?;
    drop(stopping.join().ok().context("the stopping thread panicked")??);
    Ok(())
}

#[test]
fn sessions_and_locks_outlive_a_planned_stop() -> Result<()> {
    let mut host = Host::start("[state_server]\nhold_locked = \"0s\"\n")?;
    let (stored, locked, reserved) = (new_target(), new_target(), new_target());
    let mut connection = Connection::open(host.state_server())?;
    for target in [&stored, &locked] {
        connection.exchange(request::put_with(target, &["Timeout: 7"], &ONE_ITEM))?.expect(200);
    }
    connection.exchange(request::create_uninitialized(&reserved))?.expect(200);
    connection.exchange(request::acquire(&locked))?.expect(200);

    host.restart()?;
    let mut connection = Connection::open(host.state_server())?;
    let read = connection.exchange(request::get(&stored))?;
    assert_eq!(read.expect(200).expect_body(&ONE_ITEM).header("Timeout"), Some("7"));
    assert_eq!(connection.exchange(request::acquire(&locked))?.expect(423).cookie(), 2);
    connection.exchange(request::put(&locked, 2, b"after"))?.expect(200);
    assert_eq!(connection.exchange(request::acquire(&locked))?.expect(200).expect_body(b"after").cookie(), 3);
    assert_eq!(connection.exchange(request::get(&reserved))?.expect(200).header("ActionFlags"), Some("1"));
    Ok(())
}

#[test]
fn a_client_that_waits_for_a_lock_does_not_keep_a_host_from_stopping() -> Result<()> {
    let mut host = Host::start("[state_server]\nhold_locked = \"1m\"\n")?;
    let target = new_target();
    let mut owner = Connection::open(host.state_server())?;
    owner.exchange(request::put(&target, 0, &ONE_ITEM))?.expect(200);
    owner.exchange(request::acquire(&target))?.expect(200);
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let mut connection = Connection::open(host.state_server())?;
            connection.send(request::acquire(&target))?;
            Ok(connection)
        })
        .collect::<Result<_>>()?;
    host.wait_for_waiting(3)?;
    host.terminate()?;
    for mut connection in waiting {
        connection.expect_close()?;
    }
    Ok(())
}
