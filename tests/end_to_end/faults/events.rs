//! `log.events = true`: the log tells when each session begins and ends, and no session's ID.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    http::Request,
    state_server::{Connection, request},
};

const EVENTS: &str = "[log]\nevents = true\n[stores.default]\nsweep_interval = \"1s\"\n";

/// The values of a field in the lines of the log that tell of this event.
fn values<'l>(log: &'l str, event: &str, field: &str) -> Vec<&'l str> {
    let lines = log.lines().filter(|line| line.contains(event));
    lines.filter_map(|line| line.split_once(&format!("{field}="))?.1.split_whitespace().next()).collect()
}

#[test]
fn starts_and_ends_are_logged_alike_whoever_caused_them_and_without_ids() -> Result<()> {
    let mut host = Host::start(EVENTS)?;
    let http = |method: &str, path: &str| Request::new(method, format!("/v1/shop/{path}")).body("x");
    let mut ids = vec!["id-that-expires".to_owned(), "id-of-the-wire".to_owned(), "id-that-is-removed".to_owned()];

    let made = http("POST", "sessions").send(host.http())?.json()?;
    ids.push(made["id"].as_str().context("no ID")?.to_owned());
    let stored = http("PUT", "sessions/id-that-is-removed").send(host.http())?;
    ensure!(stored.status == 201, "{stored:?}");
    // A second write begins nothing.
    ensure!(http("PUT", "sessions/id-that-is-removed").send(host.http())?.status == 204);
    let removed = http("DELETE", "sessions/id-that-is-removed").send(host.http())?;
    ensure!(removed.status == 204, "{removed:?}");
    let short = http("PUT", "sessions/id-that-expires").header("Session-Timeout", 20).send(host.http())?;
    ensure!(short.status == 201, "{short:?}");
    // Over State Server a session begins when the reserved ID is first read.
    let mut wire = Connection::open(host.state_server())?;
    wire.exchange(request::create_uninitialized("shop/id-of-the-wire"))?;
    ensure!(!host.log().lines().any(|line| line.contains("Session_Start") && line.contains("wire")));
    wire.exchange(request::acquire("shop/id-of-the-wire"))?;
    wire.exchange(request::delete("shop/id-of-the-wire", 2))?;

    host.advance_30s()?;
    host.wait_for_log("reason=expired")?;
    host.terminate()?;
    let log = host.log();

    let started = values(&log, "Session_Start", " session");
    ensure!(started.len() == 4, "{started:?} in\n{log}");
    ensure!(started.iter().collect::<HashSet<_>>().len() == 4, "two sessions have one name: {started:?}");
    let ended: HashSet<_> = values(&log, "Session_End", " session").into_iter().collect();
    ensure!(ended.len() == 3 && ended.iter().all(|name| started.contains(name)), "{ended:?} of {started:?}");
    let reasons = values(&log, "Session_End", "reason");
    ensure!(reasons == ["removed", "removed", "expired"], "{reasons:?}");
    ensure!(values(&log, "Session_Start", "application").iter().all(|name| name.contains("shop")), "{log}");
    for id in ids {
        ensure!(!log.contains(&id), "{id} is in the log:\n{log}");
    }
    Ok(())
}

#[test]
fn without_the_setting_nothing_is_said_of_sessions() -> Result<()> {
    let mut host = Host::start_default()?;
    for (method, status) in [("PUT", 201), ("DELETE", 204)] {
        let answer = Request::new(method, "/v1/shop/sessions/visitor").body("").send(host.http())?;
        ensure!(answer.status == status, "{answer:?}");
    }
    host.terminate()?;
    ensure!(!host.log().contains("Session_"), "{}", host.log());
    Ok(())
}
