//! Many clients at once (assertions 7 and 14 of section 10.2).

use std::{
    collections::HashSet,
    sync::{Arc, Barrier},
    thread,
};

use anyhow::{Result, ensure};
use harness::{
    Host,
    state_server::{Connection, Response, request},
};

use crate::{Expect, SHARED, Session, new_target};

#[test]
fn of_two_first_readers_exactly_one_is_told() -> Result<()> {
    let host = SHARED.host()?;
    let address = host.state_server();
    for _ in 0..100 {
        let mut session = Session::missing()?;
        session.create_uninitialized()?.expect(200);
        let start = Arc::new(Barrier::new(2));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (target, start) = (session.target.clone(), Arc::clone(&start));
                let mut connection = Connection::open(address)?;
                Ok(thread::spawn(move || -> Result<Response> {
                    start.wait();
                    connection.exchange(request::get(&target))
                }))
            })
            .collect::<Result<_>>()?;
        let mut told = 0;
        for reader in readers {
            let answer = reader.join().expect("a reader that does not panic")?;
            told += usize::from(answer.expect(200).header("ActionFlags") == Some("1"));
        }
        assert_eq!(told, 1);
    }
    Ok(())
}

/// Takes the lock as ASP.NET does, by asking again after a 423.
fn acquire(connection: &mut Connection, target: &str) -> Result<Response> {
    loop {
        let answer = connection.exchange(request::acquire(target))?;
        if answer.status != 423 {
            return Ok(answer);
        }
    }
}

/// Adds 1 to the number in the session so many times, and tells the cookies it was given.
fn count(address: std::net::SocketAddr, target: &str, times: usize) -> Result<Vec<i64>> {
    let mut connection = Connection::open(address)?;
    let mut cookies = Vec::new();
    for _ in 0..times {
        let answer = acquire(&mut connection, target)?;
        ensure!(answer.status == 200, "{answer:?}");
        let cookie = answer.number("LockCookie")?;
        cookies.push(cookie);
        let number: u64 = std::str::from_utf8(&answer.body)?.parse()?;
        let answer = connection.exchange(request::put(target, cookie, (number + 1).to_string().as_bytes()))?;
        ensure!(answer.status == 200, "{answer:?}");
    }
    Ok(cookies)
}

fn expect_every_increment_to_count(host: &Host, workers: usize, times: usize) -> Result<()> {
    let address = host.state_server();
    let target = new_target();
    let mut connection = Connection::open(address)?;
    connection.exchange(request::put(&target, 0, b"0"))?.expect(200);
    let workers_running: Vec<_> = (0..workers)
        .map(|_| {
            let target = target.clone();
            thread::spawn(move || count(address, &target, times))
        })
        .collect();
    let mut cookies = HashSet::new();
    for worker in workers_running {
        for cookie in worker.join().expect("a worker that does not panic")? {
            assert!(cookies.insert(cookie), "cookie {cookie} was issued twice");
        }
    }
    let expected = (workers * times).to_string();
    connection.exchange(request::get(&target))?.expect(200).expect_body(expected.as_bytes());
    assert_eq!(cookies.len(), workers * times);
    Ok(())
}

#[test]
fn no_increment_is_lost_when_clients_poll() -> Result<()> {
    expect_every_increment_to_count(&*SHARED.host()?, 8, 50)
}

#[test]
fn no_increment_is_lost_when_the_host_holds_clients() -> Result<()> {
    expect_every_increment_to_count(&Host::start("[state_server]\nhold_locked = \"20s\"")?, 32, 50)
}
