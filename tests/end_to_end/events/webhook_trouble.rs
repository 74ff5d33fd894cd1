//! Webhooks that are down, silent, in a hurry or gone elsewhere.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    host::binary,
    http::Request,
    webhook_receiver::{Answer, Posted, WebhookReceiver},
};

use crate::webhook::{SECRET, delete, host, of, put, status, to};

#[test]
fn what_happens_while_the_receiver_is_down_waits_until_it_is_back_and_costs_no_attempt() -> Result<()> {
    let address = WebhookReceiver::address_to_be()?;
    // Two attempts: each counts, and none is used up where nobody listens.
    let config = to(&format!("http://{address}/"), "attempts = 2");
    let host = Host::start_with_environment(&config, &[("WEBHOOK_SECRET", SECRET)])?;
    for number in 0..20 {
        put(&host, &format!("a{number}"), "coat")?;
        delete(&host, &format!("a{number}"))?;
    }
    host.wait_for_log("the webhook takes no events")?;
    let waiting = status(&host)?;
    ensure!(waiting["queued"] == 40 && waiting["dead"] == 0 && waiting["failing_since"].is_string(), "{waiting}");
    let why = waiting["last_failure"].as_str().unwrap_or_default();
    ensure!(why.contains("cannot be reached"), "{waiting}");
    host.wait_until("the metric shows it", || {
        let metrics = Request::new("GET", "/metrics").send(host.http())?.text();
        Ok(metrics.contains("cloakroom_webhook_failing{store=\"default\",handler=\"audit\"} 1"))
    })?;

    let told = Command::new(binary()?).args(["status", "--http", &host.http().to_string()]).output()?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    ensure!(told.contains("webhook `audit` has taken no events since") && told.contains("40 wait"), "{told}");

    let receiver = WebhookReceiver::at(address, None, |_, _| Answer::Status(200, None))?;
    let taken = receiver.wait_until_taken(40)?;
    for number in 0..20 {
        let id = format!("a{number}");
        ensure!(of(&taken, &id) == [format!("started {id}"), format!("ended {id} removed")], "{id}");
    }
    ensure!(receiver.posted().len() == 40, "each came once");
    host.wait_for_log("the webhook takes events again")?;
    host.wait_until("all is counted", || Ok(status(&host)?["delivered"] == 40))?;
    let after = status(&host)?;
    ensure!(after["dead"] == 0 && after["failing_since"].is_null() && after["last_failure"].is_null(), "{after}");
    ensure!(host.log().matches("the webhook takes no events").count() == 1, "it is said once");

    // And down again, in the middle: connections that were kept are dead.
    drop(receiver);
    put(&host, "later", "coat")?;
    let receiver = WebhookReceiver::at(address, None, |_, _| Answer::Status(200, None))?;
    ensure!(of(&receiver.wait_until_taken(1)?, "later") == ["started later"]);
    Ok(())
}

#[test]
fn events_that_wait_when_the_host_stops_are_posted_after_the_next_start_under_their_ids() -> Result<()> {
    let address = WebhookReceiver::address_to_be()?;
    let failing = WebhookReceiver::at(address, None, |_, _| Answer::Status(503, None))?;
    let mut host = host(&failing, "payload = true\nattempts = 1000")?;
    put(&host, "a", "two coats")?;
    let rotated = Request::new("POST", "/v1/shop/sessions/a/rotate").send(host.http())?.json()?;
    let b = rotated["id"].as_str().context("no ID")?.to_owned();
    delete(&host, &b)?;
    put(&host, "c", "coat")?;
    let tried = failing.wait_until_posted(2)?;
    host.terminate()?;
    host.wait_for_log("events are kept for the next start store=\"default\" handler=\"audit\" events=4")?;
    drop(failing);

    let receiver = WebhookReceiver::at(address, None, |_, _| Answer::Status(200, None))?;
    host.restart()?;
    let taken = receiver.wait_until_taken(4)?;
    let line: Vec<_> = taken.iter().map(Posted::what).filter(|what| !what.ends_with(" c")).collect();
    ensure!(line == ["started a".to_owned(), format!("renamed {b}"), format!("ended {b} removed")], "{line:?}");
    let ended = taken.iter().find(|posted| posted.what().starts_with("ended")).context("no end")?.json();
    ensure!(ended["data"]["payload"] == "dHdvIGNvYXRz" && ended["data"]["size"] == 9, "{ended}");
    for before in &tried {
        let same = taken.iter().find(|posted| posted.id() == before.id()).context("another ID")?;
        ensure!(same.body == before.body, "an attempt is the same after the restart");
    }
    // Once, as far as the host has heard that they were taken.
    host.wait_until("all is counted", || Ok(status(&host)?["delivered"] == 4))?;
    host.restart()?;
    put(&host, "d", "coat")?;
    ensure!(of(&receiver.wait_until_taken(5)?, "d") == ["started d"]);
    ensure!(receiver.posted().len() == 5);
    Ok(())
}

#[test]
fn a_receiver_that_never_answers_holds_up_no_request_and_its_events_are_given_up_in_the_end() -> Result<()> {
    let receiver = WebhookReceiver::answering(|posted, _| match posted.what().contains("stuck") {
        true => Answer::Silence,
        false => Answer::Status(200, None),
    })?;
    let host = host(&receiver, "timeout = \"200ms\"\nattempts = 2\nconnections = 2")?;
    put(&host, "stuck", "coat")?;
    delete(&host, "stuck")?;
    receiver.wait_until_posted(1)?;
    let began = Instant::now();
    for number in 0..20 {
        put(&host, &format!("a{number}"), "coat")?;
    }
    ensure!(began.elapsed() < Duration::from_secs(5), "20 requests took {:?}", began.elapsed());
    receiver.wait_until_taken(20)?;
    host.wait_until("both are given up", || Ok(status(&host)?["dead"] == 2))?;
    let log = host.log();
    let letters: Vec<&str> = log.lines().filter(|line| line.contains("dead letter")).collect();
    ensure!(
        letters.len() == 2 && letters.iter().all(|letter| letter.contains("no answer within 200ms")),
        "{letters:?}"
    );
    ensure!(letters[0].contains("Session_Start") && letters[1].contains("Session_End"), "{letters:?}");
    ensure!(letters.iter().all(|letter| letter.contains("attempts=2") && !letter.contains("stuck")), "{letters:?}");
    ensure!(of(&receiver.posted(), "stuck").len() == 4);
    Ok(())
}

#[test]
fn redirects_are_not_followed_and_what_is_refused_is_not_asked_again() -> Result<()> {
    let elsewhere = WebhookReceiver::start()?;
    let location = format!("Location: http://{}/", elsewhere.address());
    let receiver = WebhookReceiver::answering(move |posted, _| {
        let id = posted.json()["data"]["session_id"].as_str().unwrap_or_default().to_owned();
        match id.parse::<u16>() {
            Ok(status) => Answer::Status(status, Some(location.clone())),
            Err(_) => Answer::Status(200, None),
        }
    })?;
    let host = host(&receiver, "")?;
    for id in ["301", "307", "308", "400", "401", "410"] {
        put(&host, id, "coat")?;
    }
    put(&host, "fine", "coat")?;
    receiver.wait_until_taken(1)?;
    host.wait_until("six are given up", || Ok(status(&host)?["dead"] == 6))?;
    ensure!(receiver.posted().len() == 7 && elsewhere.posted().is_empty());
    ensure!(host.log().contains("the webhook answered 307"), "{}", host.log());
    let status = status(&host)?;
    ensure!(status["delivered"] == 1 && status["failing_since"].is_null(), "a receiver that refuses works: {status}");
    Ok(())
}

#[test]
fn a_receiver_that_asks_for_a_pause_gets_it_and_the_event_keeps_its_attempts() -> Result<()> {
    let second = || Some("Retry-After: 1".to_owned());
    let receiver = WebhookReceiver::answering(move |_, before| match before {
        0 | 1 => Answer::Status(429, second()),
        _ => Answer::Status(200, None),
    })?;
    let host = host(&receiver, "attempts = 1\nconnections = 1")?;
    put(&host, "a", "coat")?;
    receiver.wait_until_taken(1)?;
    let times: Vec<_> = receiver.posted().iter().map(|posted| posted.at).collect();
    ensure!(times.len() == 3, "{times:?}");
    for pair in times.windows(2) {
        let pause = pair[1].duration_since(pair[0]);
        ensure!(pause >= Duration::from_millis(950), "it was asked again after {pause:?}");
    }
    host.wait_until("it is counted", || Ok(status(&host)?["delivered"] == 1))?;
    ensure!(status(&host)?["dead"] == 0);
    Ok(())
}

#[test]
fn sessions_that_expire_while_as_much_waits_as_may_are_reported_once_there_is_room() -> Result<()> {
    let address = WebhookReceiver::address_to_be()?;
    let config = to(&format!("http://{address}/"), "payload = true\nqueue = \"4KiB\"");
    let host = Host::start_with_environment(&config, &[("WEBHOOK_SECRET", SECRET)])?;
    for number in 0..8 {
        let body = format!("{number}").repeat(1000);
        let short = Request::new("PUT", format!("/v1/shop/sessions/a{number}")).header("Session-Timeout", 20);
        ensure!(short.body(body).send(host.http())?.status == 201);
    }
    host.advance_30s()?;
    host.wait_for_log("an expired session was not taken")?;
    let waiting = status(&host)?;
    ensure!(waiting["queued"].as_u64() < Some(16) && waiting["dead"] == 0, "{waiting}");
    let receiver = WebhookReceiver::at(address, None, |_, _| Answer::Status(200, None))?;
    // What was refused is offered again when the claim's lease is over.
    host.wait_until("all ends are told", || {
        host.advance_30s()?;
        Ok(receiver.taken().len() >= 16)
    })?;
    for number in 0..8 {
        let id = format!("a{number}");
        ensure!(of(&receiver.taken(), &id) == [format!("started {id}"), format!("ended {id} expired")], "{id}");
    }
    Ok(())
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_the_reason_and_without_the_secret() -> Result<()> {
    let refused = |config: &str| match Host::start_with_environment(config, &[("WEBHOOK_SECRET", SECRET)]) {
        Ok(_) => anyhow::bail!("it started"),
        Err(error) => Ok(format!("{error:#}")),
    };
    let fine = to("https://example.com/T0KEN", "");
    for (from, into, says) in [
        ("https://", "ftp://", "that is no URL of a webhook"),
        ("example.com", "user:T0KEN@example.com", "a webhook does not log in"),
        ("{ env = \"WEBHOOK_SECRET\" }", "\"T0KEN\"", "a secret is `whsec_` and 24 to 64 bytes in base64"),
        ("{ env = \"WEBHOOK_SECRET\" }", "[\"T0KEN\"]", "a setting is text"),
        ("{ env = \"WEBHOOK_SECRET\" }", "{ env = \"NO_SUCH_VARIABLE\" }", "`NO_SUCH_VARIABLE` is not set"),
        ("webhooks = [\"audit\"]", "webhooks = [\"other\"]", "there is no `[webhooks.other]`"),
        ("webhooks = [\"audit\"]", "webhooks = [\"audit\", \"audit\"]", "named twice"),
    ] {
        let why = refused(&fine.replace(from, into))?;
        ensure!(why.contains(says) && !why.contains("T0KEN"), "{into}: {why}");
    }
    let none = tempfile::NamedTempFile::new()?;
    let file = none.path().to_str().context("a path that is not UTF-8")?;
    let environment = [("WEBHOOK_SECRET", SECRET), ("SSL_CERT_FILE", file), ("SSL_CERT_DIR", "")];
    match Host::start_with_environment(&fine, &environment) {
        Ok(_) => anyhow::bail!("it started without any authority"),
        Err(error) => ensure!(format!("{error:#}").contains("no certificates of authorities"), "{error:#}"),
    }
    Ok(())
}
