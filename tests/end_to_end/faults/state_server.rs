//! The State Server protocol has no status for a store that failed, and none of its four may be taken for one: the
//! connection is closed, which ASP.NET reports as an exception, and the next connection is served.

use anyhow::{Result, ensure};
use harness::state_server::{Connection, request};

use crate::Troubled;

/// Sends a request whose store fails, and then one that is served, over another connection.
fn closed_without_an_answer(troubled: &Troubled, request: Vec<u8>) -> Result<()> {
    let mut connection = Connection::open(troubled.host.state_server())?;
    connection.send(request)?;
    connection.expect_close()?;
    let mut next = Connection::open(troubled.host.state_server())?;
    let stored = next.exchange(request::put("shop/visitor", 0, b"two tickets"))?;
    ensure!(stored.status == 200, "{stored:?}");
    let read = next.exchange(request::get("shop/visitor"))?;
    ensure!(read.status == 200 && read.body == b"two tickets", "{read:?}");
    Ok(())
}

#[test]
fn a_request_that_the_store_fails_at_closes_its_connection_and_the_next_is_served() -> Result<()> {
    let troubled = Troubled::start()?;
    for id in ["unavailable", "timeout", "limit-exceeded", "other", "trap", "wait"] {
        let target = format!("shop/{id}");
        closed_without_an_answer(&troubled, request::get(&target))?;
    }
    for request in [request::acquire, request::create_uninitialized, request::head] {
        closed_without_an_answer(&troubled, request("shop/unavailable"))?;
    }
    for request in [request::release, request::delete] {
        closed_without_an_answer(&troubled, request("shop/unavailable", 2))?;
    }
    closed_without_an_answer(&troubled, request::put("shop/unavailable", 0, b"lost"))?;
    ensure!(troubled.replaced("failing-provider")? == 2, "{}", troubled.plugin("failing-provider")?);
    Ok(())
}

#[test]
fn the_log_tells_why_a_connection_was_closed_and_names_the_plugin() -> Result<()> {
    let troubled = Troubled::start()?;
    closed_without_an_answer(&troubled, request::get("shop/other"))?;
    troubled.host.wait_for_log("plugin `failing-provider` answered: the table `sessions` has no column `payload`")?;
    troubled.host.wait_for_log("its connection is closed")?;
    ensure!(!troubled.host.log().contains("visitor"), "an ID is in the log");
    Ok(())
}

#[test]
fn a_value_that_the_store_refuses_is_400_and_the_connection_stays() -> Result<()> {
    let troubled = Troubled::start()?;
    let mut connection = Connection::open(troubled.host.state_server())?;
    let refused = connection.exchange(request::get("shop/invalid-argument"))?;
    ensure!(refused.status == 400, "{refused:?}");
    let missing = connection.exchange(request::get("shop/visitor"))?;
    ensure!(missing.status == 404, "{missing:?}");
    Ok(())
}

#[test]
fn requests_sent_ahead_of_one_that_fails_are_answered() -> Result<()> {
    let troubled = Troubled::start()?;
    let mut connection = Connection::open(troubled.host.state_server())?;
    let mut ahead = request::put("shop/visitor", 0, b"two tickets");
    ahead.extend(request::get("shop/other"));
    ahead.extend(request::get("shop/visitor"));
    connection.send(ahead)?;
    let stored = connection.receive()?;
    ensure!(stored.status == 200, "{stored:?}");
    connection.expect_close()
}
