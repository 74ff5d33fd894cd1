//! Clients that hang up while a provider that waits is at work for them.

use anyhow::{Result, ensure};
use harness::{
    http::{self, Request},
    state_server::{self, request},
};

use crate::Troubled;

/// The fixture has its lock, or has deleted it, a second before it answers.
const SESSION: &str = "sessions/naps-with-lock";
const CONFIG: &str = "[log]\nevents = true\n[stores.default]\nprovider = \"failing-provider\"\n";

/// A host with the session.
fn start() -> Result<Troubled> {
    let troubled = Troubled::with(CONFIG)?;
    troubled.serves("shop", "naps-with-lock")?;
    Ok(troubled)
}

fn wait_for_status(troubled: &Troubled, status: u16) -> Result<()> {
    troubled.host.wait_until(&format!("the session answers {status}"), || {
        Ok(troubled.send("GET", "shop", SESSION, "")?.status == status)
    })
}

#[test]
fn a_lock_whose_client_hung_up_while_it_was_taken_is_released() -> Result<()> {
    let troubled = start()?;
    let mut by_http = http::Connection::open(troubled.host.http())?;
    by_http.send(Request::new("POST", format!("/v1/shop/{SESSION}/lock")).bytes())?;
    wait_for_status(&troubled, 423)?;
    by_http.hang_up()?;
    wait_for_status(&troubled, 200)?;

    let mut by_wire = state_server::Connection::open(troubled.host.state_server())?;
    by_wire.send(request::acquire("shop/naps-with-lock"))?;
    wait_for_status(&troubled, 423)?;
    drop(by_wire);
    wait_for_status(&troubled, 200)?;
    ensure!(troubled.replaced("failing-provider")? == 0, "a call was cut off");
    Ok(())
}

#[test]
fn the_end_of_a_session_is_told_although_whoever_deleted_it_hung_up() -> Result<()> {
    let troubled = start()?;
    let mut connection = http::Connection::open(troubled.host.http())?;
    connection.send(Request::new("DELETE", format!("/v1/shop/{SESSION}")).bytes())?;
    wait_for_status(&troubled, 404)?;
    connection.hang_up()?;
    troubled.host.wait_for_log("Session_End")
}

#[test]
fn a_stop_waits_for_what_nobody_waits_for_any_more() -> Result<()> {
    let mut troubled = start()?;
    let mut connection = http::Connection::open(troubled.host.http())?;
    connection.send(Request::new("DELETE", format!("/v1/shop/{SESSION}")).bytes())?;
    wait_for_status(&troubled, 404)?;
    connection.hang_up()?;
    troubled.host.terminate()?;
    ensure!(troubled.host.log().contains("Session_End"), "{}", troubled.host.log());
    Ok(())
}
