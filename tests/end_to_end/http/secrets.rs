//! Session IDs, payloads and subjects are in no log and no metric.

use anyhow::Result;
use harness::http::{Connection, Request};

use crate::shop::Shop;

#[test]
fn nothing_secret_is_logged_or_counted_however_much_is() -> Result<()> {
    let mut shop = Shop::configured("[log]\nfilter = \"trace\"")?;
    let (id, payload, subject) = ("id-3f9a77c1", "payload-81b2d4", "subject-5c6e90");
    let stored = shop.request("PUT", &format!("sessions/{id}")).header("Session-Subject", subject).body(payload);
    assert_eq!(shop.send(stored)?.status, 201);
    let mut made = vec![id.to_owned()];
    for (method, path) in [
        ("GET", format!("sessions/{id}")),
        ("POST", format!("sessions/{id}/lock")),
        ("POST", format!("sessions/{id}/lock")),
        ("DELETE", format!("sessions/{id}/lock")),
        ("DELETE", format!("sessions/{id}/lock?force=true")),
        ("GET", format!("sessions/{id}?misspelt=true")),
        ("PATCH", format!("sessions/{id}")),
        ("GET", format!("sessions/{id}/no/such/route")),
        ("GET", format!("sessions?subject={subject}")),
        ("DELETE", format!("sessions?subject={subject}&except={id}")),
        ("POST", format!("sessions/{id}/touch")),
    ] {
        shop.ask(method, &path)?;
    }
    shop.send(shop.request("GET", "sessions/-").header("Session-Id", id))?;
    for answer in [shop.ask("POST", "sessions")?, shop.ask("POST", &format!("sessions/{id}/rotate"))?] {
        made.push(answer.json()?["id"].as_str().unwrap_or_default().to_owned());
    }
    // One that breaks off in the middle.
    let mut connection = Connection::open(shop.address())?;
    connection.send(shop.request("PUT", &format!("sessions/{id}")).header("Content-Length", 99).bytes())?;
    connection.send(payload)?;
    connection.hang_up()?;

    let metrics = Request::new("GET", "/metrics").send(shop.address())?.text();
    shop.host_mut()?.terminate()?;
    let log = shop.host().log();
    assert!(log.contains("HTTP request"), "the log has what it should not contain secrets in:\n{log}");
    for secret in made.iter().map(String::as_str).chain([payload, subject]) {
        assert!(!secret.is_empty() && !metrics.contains(secret), "{secret} is in the metrics");
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
    Ok(())
}
