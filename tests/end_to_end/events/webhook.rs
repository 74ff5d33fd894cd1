//! What webhooks are told, how it is signed, and in which order it comes.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use harness::{
    Host,
    certificates::Certificates,
    http::Request,
    webhook_receiver::{Answer, Posted, WebhookReceiver},
};

pub(crate) const SECRET: &str = "whsec_c2l4dGVlbiBjb2F0cyBpbiB0aGUgY2xvYWtyb29t";
const OLD_SECRET: &str = "whsec_dHdlbHZlIGhhdHMgb24gdGhlIHVwcGVyIHNoZWxmLi4=";

/// A configuration with one webhook for the default store.
pub(crate) fn to(url: &str, more: &str) -> String {
    format!(
        "[webhooks.audit]\nurl = \"{url}\"\nsecret = {{ env = \"WEBHOOK_SECRET\" }}\nretry = \"10ms\"\n\
         {more}\n[stores.default]\nwebhooks = [\"audit\"]\nsweep_interval = \"100ms\"\n"
    )
}

/// A host with that configuration.
pub(crate) fn host(receiver: &WebhookReceiver, more: &str) -> Result<Host> {
    let url = format!("http://{}/hooks/T0KEN?from=test", receiver.address());
    Host::start_with_environment(&to(&url, more), &[("WEBHOOK_SECRET", SECRET)])
}

pub(crate) fn put(host: &Host, id: &str, body: impl Into<Vec<u8>>) -> Result<()> {
    let stored = Request::new("PUT", format!("/v1/shop/sessions/{id}")).body(body).send(host.http())?;
    ensure!(matches!(stored.status, 201 | 204), "PUT {id}: {} {}", stored.status, stored.text());
    Ok(())
}

pub(crate) fn delete(host: &Host, id: &str) -> Result<()> {
    let removed = Request::new("DELETE", format!("/v1/shop/sessions/{id}")).send(host.http())?;
    ensure!(removed.status == 204, "DELETE {id}: {} {}", removed.status, removed.text());
    Ok(())
}

/// What the host says of the webhook.
pub(crate) fn status(host: &Host) -> Result<serde_json::Value> {
    let stores = Request::new("GET", "/v1/stores").send(host.http())?.json()?;
    let webhook = stores["stores"][0]["events"][0].clone();
    ensure!(webhook["handler"] == "audit" && webhook["kind"] == "webhook", "{stores}");
    Ok(webhook)
}

/// What was told of a session, in order.
pub(crate) fn of(posted: &[Posted], id: &str) -> Vec<String> {
    posted.iter().map(Posted::what).filter(|what| what.split(' ').nth(1) == Some(id)).collect()
}

#[test]
fn starts_new_ids_and_ends_are_posted_with_the_data_and_signed_by_each_secret() -> Result<()> {
    let receiver = WebhookReceiver::start()?;
    let url = format!("http://{}/hooks/T0KEN?from=test", receiver.address());
    let secrets = format!("{SECRET}, {OLD_SECRET}");
    let mut host = Host::start_with_environment(&to(&url, "payload = true"), &[("WEBHOOK_SECRET", secrets.as_str())])?;

    let text = Request::new("PUT", "/v1/shop/sessions/first").header("Content-Type", "text/plain");
    ensure!(text.header("Session-Subject", "ada").body("two coats").send(host.http())?.status == 201);
    let rotated = Request::new("POST", "/v1/shop/sessions/first/rotate").send(host.http())?.json()?;
    let second = rotated["id"].as_str().context("no ID")?;
    delete(&host, second)?;
    let short = Request::new("PUT", "/v1/shop/sessions/short").header("Session-Timeout", 20).body("a hat");
    ensure!(short.send(host.http())?.status == 201);
    host.advance_30s()?;

    let taken = receiver.wait_until_taken(5)?;
    ensure!(of(&taken, "first") == ["started first"]);
    ensure!(of(&taken, second) == [format!("renamed {second}"), format!("ended {second} removed")], "{taken:?}");
    ensure!(of(&taken, "short") == ["started short", "ended short expired"]);
    for posted in &taken {
        ensure!(posted.is_signed_with(SECRET)? && posted.is_signed_with(OLD_SECRET)?, "{posted:?}");
        ensure!(!posted.is_signed_with("whsec_bm90IHRoZSBzZWNyZXQgb2YgdGhpcyB3ZWJob29r")?);
        ensure!(posted.target == "/hooks/T0KEN?from=test" && posted.header("content-type") == "application/json");
        ensure!(posted.header("user-agent").starts_with("cloakroom/"));
        ensure!(posted.json()["id"] == posted.id() && posted.id().starts_with("evt_"));
    }
    ensure!(taken.iter().map(Posted::id).collect::<HashSet<_>>().len() == 5, "each event has an ID of its own");
    let renamed = taken.iter().find(|posted| posted.what().starts_with("renamed")).context("not renamed")?.json();
    ensure!(renamed["data"]["previous_session_id"] == "first", "{renamed}");
    let ended = taken.iter().find(|posted| posted.what().ends_with("removed")).context("not ended")?.json();
    let data = &ended["data"];
    ensure!(data["payload"] == "dHdvIGNvYXRz" && data["content_type"] == "text/plain" && data["size"] == 9, "{data}");
    ensure!(data["subject"] == "ada" && data["version"] == 1 && data["store"] == "default", "{data}");
    ensure!(data["application"] == "shop" && data["created"].is_string() && data["expires"].is_string(), "{data}");

    host.terminate()?;
    let log = host.log();
    for secret in ["first", second, "two coats", "dHdvIGNvYXRz", SECRET, OLD_SECRET, "T0KEN"] {
        ensure!(!log.contains(secret), "`{secret}` is in the log:\n{log}");
    }
    Ok(())
}

#[test]
fn a_large_session_is_posted_whole() -> Result<()> {
    let receiver = WebhookReceiver::start()?;
    let host = host(&receiver, "payload = true")?;
    let body: Vec<u8> = (0..5_000_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    put(&host, "large", body.clone())?;
    delete(&host, "large")?;
    let ended = receiver.wait_until_taken(2)?.pop().context("nothing")?;
    ensure!(ended.is_signed_with(SECRET)?);
    let payload = STANDARD.decode(ended.json()["data"]["payload"].as_str().context("no payload")?)?;
    ensure!(payload == body, "{} bytes came of {}", payload.len(), body.len());
    Ok(())
}

#[test]
fn what_sessions_held_stays_here_unless_the_configuration_sends_it() -> Result<()> {
    let receiver = WebhookReceiver::start()?;
    let host = host(&receiver, "")?;
    put(&host, "a", "two coats")?;
    delete(&host, "a")?;
    let ended = receiver.wait_until_taken(2)?.pop().context("nothing")?.json();
    ensure!(ended["data"]["size"] == 9 && ended["data"].get("payload").is_none(), "{ended}");
    Ok(())
}

#[test]
fn a_session_stays_in_order_while_its_events_fail_and_others_do_not_wait_for_it() -> Result<()> {
    // Each event of one session fails three times in three ways before it is taken.
    let receiver = WebhookReceiver::answering(|posted, before| match (posted.what().contains("unlucky"), before) {
        (true, 0) => Answer::Status(500, None),
        (true, 1) => Answer::HangUp,
        (true, 2) => Answer::Status(408, None),
        _ => Answer::Status(200, None),
    })?;
    let host = host(&receiver, "connections = 8")?;
    for id in ["unlucky", "lucky", "happy"] {
        put(&host, id, "coat")?;
        delete(&host, id)?;
    }
    let taken = receiver.wait_until_taken(6)?;
    for id in ["unlucky", "lucky", "happy"] {
        ensure!(of(&taken, id) == [format!("started {id}"), format!("ended {id} removed")], "{taken:?}");
    }
    let attempts = receiver.posted();
    let (start, end) = (["started unlucky"; 4], ["ended unlucky removed"; 4]);
    ensure!(of(&attempts, "unlucky") == [start, end].concat(), "{:?}", of(&attempts, "unlucky"));
    for event in ["started unlucky", "ended unlucky removed"] {
        let ids: HashSet<_> = attempts.iter().filter(|posted| posted.what() == event).map(Posted::id).collect();
        ensure!(ids.len() == 1, "each attempt at an event has its ID: {ids:?}");
    }
    host.wait_until("all is counted", || Ok(status(&host)?["delivered"] == 6))?;
    let status = status(&host)?;
    // A connection that breaks off while it is used again is no attempt: the event goes over another one at once.
    ensure!((4..=6).contains(&status["retried"].as_u64().unwrap_or_default()), "{status}");
    ensure!(status["dead"] == 0 && status["queued_bytes"] == 0, "{status}");
    Ok(())
}

#[test]
fn many_sessions_are_told_over_few_connections_each_in_its_order() -> Result<()> {
    const SESSIONS: usize = 300;
    // Every seventh request fails, whichever event it is for.
    let count = std::sync::atomic::AtomicUsize::new(0);
    let receiver = WebhookReceiver::answering(move |_, _| {
        let is_bad = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 7 == 6;
        Answer::Status(if is_bad { 503 } else { 200 }, None)
    })?;
    let host = host(&receiver, "connections = 4")?;
    for number in 0..SESSIONS {
        put(&host, &format!("s{number}"), "coat")?;
        delete(&host, &format!("s{number}"))?;
    }
    let taken = receiver.wait_until_taken(2 * SESSIONS)?;
    ensure!(taken.len() == 2 * SESSIONS, "{} were taken", taken.len());
    for number in 0..SESSIONS {
        let id = format!("s{number}");
        ensure!(of(&taken, &id) == [format!("started {id}"), format!("ended {id} removed")], "{id}");
    }
    Ok(())
}

#[test]
fn a_receiver_with_a_certificate_that_the_system_trusts_is_told_over_tls() -> Result<()> {
    let (known, stranger) = (Certificates::make()?, Certificates::make()?);
    let address = WebhookReceiver::address_to_be()?;
    let taking = |_: &Posted, _: usize| Answer::Status(204, None);
    let receiver = WebhookReceiver::at(address, Some(known.tls_server()?), taking)?;
    let config = to(&format!("https://localhost:{}/hook", address.port()), "payload = true");
    let start = |trusted: &Certificates| {
        let file = trusted.authority();
        let file = file.to_str().context("a path that is not UTF-8")?;
        Host::start_with_environment(
            &config,
            &[("WEBHOOK_SECRET", SECRET), ("SSL_CERT_FILE", file), ("SSL_CERT_DIR", "")],
        )
    };

    let host = start(&known)?;
    put(&host, "a", "two coats")?;
    delete(&host, "a")?;
    let taken = receiver.wait_until_taken(2)?;
    ensure!(of(&taken, "a") == ["started a", "ended a removed"] && taken[1].is_signed_with(SECRET)?);
    ensure!(taken[1].header("host") == format!("localhost:{}", address.port()));

    // Nobody who is somebody else is told anything.
    let other = start(&stranger)?;
    for id in ["b", "c", "d", "e", "f"] {
        put(&other, id, "coat")?;
    }
    other.wait_for_log("the webhook takes no events")?;
    let status = status(&other)?;
    let why = status["last_failure"].as_str().unwrap_or_default();
    ensure!(why.contains("no TLS with the webhook: invalid peer certificate"), "{status}");
    ensure!(status["queued"] == 5 && status["dead"] == 0 && status["delivered"] == 0, "{status}");
    ensure!(receiver.posted().len() == 2);
    Ok(())
}
