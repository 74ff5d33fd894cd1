//! The stream of events over HTTP: followed, left and taken up again.

use std::{collections::HashSet, thread};

use anyhow::{Result, bail, ensure};
use harness::{Host, http::Request, server_sent_events::EventReader};

use crate::webhook::{delete, put};

const STREAM: &str = "[http.events]\nenabled = true\nheartbeat = \"100ms\"\n";

fn status(host: &Host, target: &str, header: Option<&str>) -> Result<(u16, String)> {
    let mut request = Request::new("GET", target);
    if let Some(seen) = header {
        request = request.header("Last-Event-ID", seen);
    }
    let answer = request.send(host.http())?;
    Ok((answer.status, answer.json()?["type"].as_str().unwrap_or_default().to_owned()))
}

fn problem(word: &str) -> String {
    format!("urn:cloakroom:problem:{word}")
}

#[test]
fn a_reader_is_told_what_happens_from_now_on_and_that_the_stream_lives() -> Result<()> {
    let mut host = Host::start(&format!("{STREAM}[stores.default]\nsweep_interval = \"100ms\"\n"))?;
    put(&host, "before", "coat")?;
    let mut reader = EventReader::open(host.http(), "/v1/events", "")?;
    let beginning = reader.last_id.clone();
    let heartbeat = reader.block()?.filter(|block| block.has_comment && block.event.is_empty());
    ensure!(heartbeat.is_some_and(|heartbeat| heartbeat.id == beginning), "no heartbeat");

    put(&host, "a", "two coats")?;
    delete(&host, "a")?;
    let short = Request::new("PUT", "/v1/shop/sessions/short").header("Session-Timeout", 20).body("hat");
    ensure!(short.send(host.http())?.status == 201);
    host.advance_30s()?;
    let mut events = Vec::new();
    for _ in 0..4 {
        events.extend(reader.event()?);
    }
    let what: Vec<_> = events.iter().map(|event| event.what()).collect();
    ensure!(what == ["started a", "ended a", "started short", "ended short"], "{what:?}");
    let ended = &events[1].data;
    ensure!(ended["data"]["reason"] == "removed" && ended["data"]["size"] == 9 && ended["type"] == "session.ended");
    ensure!(ended["data"].get("payload").is_none() && ended["id"].as_str().is_some_and(|id| id.starts_with("evt_")));
    ensure!(events[3].data["data"]["reason"] == "expired");
    // The host does not wait for readers when it stops.
    host.terminate()?;
    ensure!(reader.event()?.is_none() && !host.log().contains("still busy"), "{}", host.log());
    Ok(())
}

#[test]
fn a_reader_that_leaves_and_comes_back_again_and_again_misses_nothing_and_sees_nothing_twice() -> Result<()> {
    const SESSIONS: usize = 400;
    let host = Host::start(STREAM)?;
    let mut reader = EventReader::open(host.http(), "/v1/events", "")?;
    let seen = thread::scope(|scope| -> Result<Vec<String>> {
        let writer = scope.spawn(|| -> Result<()> {
            for number in 0..SESSIONS {
                put(&host, &format!("s{number}"), "coat")?;
                delete(&host, &format!("s{number}"))?;
            }
            Ok(())
        });
        let mut seen = Vec::new();
        while seen.len() < 2 * SESSIONS {
            let Some(event) = reader.event()? else { bail!("the stream ended after {}", seen.len()) };
            seen.push(event.what());
            if seen.len() % 37 == 0 {
                // Whatever the connection holds by now is lost with it.
                let last = reader.last_id.clone();
                reader = match seen.len() % 2 {
                    0 => EventReader::open(host.http(), "/v1/events", &format!("Last-Event-ID: {last}\r\n"))?,
                    _ => EventReader::open(host.http(), &format!("/v1/events?cursor={last}"), "")?,
                };
            }
        }
        writer.join().map_err(|_| anyhow::anyhow!("the writer failed"))??;
        Ok(seen)
    })?;
    let expected: Vec<_> =
        (0..SESSIONS).flat_map(|number| [format!("started s{number}"), format!("ended s{number}")]).collect();
    ensure!(seen == expected, "{seen:?}");
    // All of them again, for one who wants them.
    let mut again = EventReader::open(host.http(), "/v1/events?cursor=oldest", "")?;
    for expected in &expected {
        ensure!(again.event()?.map(|event| event.what()).as_ref() == Some(expected));
    }
    Ok(())
}

#[test]
fn a_cursor_whose_events_are_gone_is_answered_410() -> Result<()> {
    let mut host = Host::start(&format!("{STREAM}count = 10\n"))?;
    let old = EventReader::open(host.http(), "/v1/events", "")?.last_id;
    for number in 0..11 {
        put(&host, &format!("a{number}"), "coat")?;
    }
    let gone = (410, problem("events-gone"));
    ensure!(status(&host, "/v1/events", Some(&old))? == gone);
    ensure!(status(&host, &format!("/v1/events?cursor={old}"), None)? == gone);
    // What a browser remembers goes before what stood in the address at first.
    let present = EventReader::open(host.http(), &format!("/v1/events?cursor={old}"), "Last-Event-ID: \r\n");
    ensure!(present.is_err(), "an empty header is none");
    let now = EventReader::open(host.http(), "/v1/events", "")?.last_id;
    let header = format!("Last-Event-ID: {now}\r\n");
    ensure!(EventReader::open(host.http(), &format!("/v1/events?cursor={old}"), &header)?.last_id == now);
    host.restart()?;
    ensure!(status(&host, "/v1/events", Some(&now))? == gone, "the cursor of an earlier run");
    for wrong in ["x", "7", "0-0"] {
        ensure!(status(&host, "/v1/events", Some(wrong))? == (400, problem("invalid-query")), "{wrong}");
    }
    Ok(())
}

#[test]
fn a_reader_that_is_too_slow_is_told_that_it_missed_something() -> Result<()> {
    // Far more than the buffers of a connection hold, and little of it is kept.
    let host = Host::start(&format!("{STREAM}payload = true\nsize = \"2MiB\"\n"))?;
    let mut reader = EventReader::open(host.http(), "/v1/events?payload=true", "")?;
    for number in 0..40 {
        put(&host, &format!("a{number}"), vec![7; 1 << 20])?;
        delete(&host, &format!("a{number}"))?;
    }
    let mut ids = HashSet::new();
    let gap = loop {
        let Some(event) = reader.event()? else { bail!("it ended without a word") };
        if event.event == "gap" {
            break event;
        }
        ensure!(ids.insert(event.id.clone()), "{} twice", event.id);
    };
    let lost = gap.data["lost"].as_u64().unwrap_or_default();
    ensure!(lost > 0 && ids.len() < 80, "{} were read, {lost} were lost", ids.len());
    ensure!(reader.event()?.is_none(), "that was the end of it");
    ensure!(status(&host, "/v1/events", Some(&reader.last_id))?.0 == 410);
    host.wait_until("the metric shows it", || {
        let metrics = Request::new("GET", "/metrics").send(host.http())?.text();
        let fallen = metrics.lines().find(|line| line.starts_with("cloakroom_event_stream_fallen_behind_total "));
        let bytes = metrics.lines().find_map(|line| line.strip_prefix("cloakroom_event_stream_bytes "));
        let bytes = bytes.and_then(|bytes| bytes.parse::<f64>().ok());
        Ok(fallen.is_some_and(|line| !line.ends_with(" 0")) && bytes.is_some_and(|bytes| bytes <= 2_097_152.0))
    })?;
    Ok(())
}

#[test]
fn a_reader_gets_what_it_asked_for_and_may_have() -> Result<()> {
    let stores = "[stores.carts]\n[applications]\nshop = \"carts\"\n";
    let host = Host::start(&format!("{STREAM}readers = 2\npayload = true\n{stores}"))?;
    let mut carts = EventReader::open(host.http(), "/v1/events?store=carts&payload=true", "")?;
    let mut club = EventReader::open(host.http(), "/v1/events?application=club", "")?;
    ensure!(status(&host, "/v1/events", None)? == (503, problem("too-many-readers")));
    for (path, id) in [("club", "member"), ("shop", "buyer")] {
        let target = format!("/v1/{path}/sessions/{id}");
        ensure!(Request::new("PUT", &target).body("coat").send(host.http())?.status == 201);
        ensure!(Request::new("DELETE", &target).send(host.http())?.status == 204);
    }
    let [first, second] = [carts.event()?, carts.event()?].map(Option::unwrap_or_default);
    ensure!([first.what(), second.what()] == ["started buyer", "ended buyer"]);
    ensure!(second.data["data"]["payload"] == "Y29hdA==" && second.data["data"]["store"] == "carts", "{second:?}");
    let [first, second] = [club.event()?, club.event()?].map(Option::unwrap_or_default);
    ensure!([first.what(), second.what()] == ["started member", "ended member"]);
    ensure!(second.data["data"].get("payload").is_none() && second.data["data"]["size"] == 4, "{second:?}");
    // Heartbeats take a reader past what it does not want.
    let end = loop {
        let block = club.block()?.unwrap_or_default();
        if block.has_comment && block.id != second.id {
            break block.id;
        }
    };
    ensure!(end.ends_with("-4"), "{end}");
    drop((carts, club));
    host.wait_until("there is room again", || Ok(EventReader::open(host.http(), "/v1/events", "").is_ok()))?;
    ensure!(status(&host, "/v1/events?store=hats", None)? == (404, problem("store-not-found")));
    ensure!(status(&host, "/v1/events?stroe=carts", None)? == (400, problem("invalid-query")));

    let host = Host::start(STREAM)?;
    ensure!(status(&host, "/v1/events?payload=true", None)? == (403, problem("payloads-hidden")));
    let host = Host::start_default()?;
    ensure!(status(&host, "/v1/events", None)? == (404, problem("events-off")));
    Ok(())
}
