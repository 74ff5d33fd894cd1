//! What handlers hear.

use anyhow::{Result, ensure};
use harness::{
    Host,
    http::Request,
    state_server::{Connection, request},
};

use crate::Audited;

const STORE: &str = "[stores.default]\nevents = [\"probe\"]\nsweep_interval = \"100ms\"\nevent_retry = \"10ms\"\n";

#[test]
fn starts_and_ends_are_heard_with_the_data_whichever_front_end_they_come_from() -> Result<()> {
    let audited = Audited::start(STORE, &[("probe", "")])?;
    let host = &audited.host;

    let text = audited.request("PUT", "by-http").header("Content-Type", "text/plain").body("one coat");
    ensure!(text.header("Session-Subject", "ada").send(host.http())?.status == 201);
    audited.put("by-http", "two coats")?;
    audited.delete("by-http")?;

    let mut wire = Connection::open(host.state_server())?;
    wire.exchange(request::put("shop/by-wire", 0, b"a hat"))?;
    wire.exchange(request::delete("shop/by-wire", 0))?;
    // Reserved and never read: it did not begin, and it does not end.
    wire.exchange(request::create_uninitialized("shop/never-read"))?;
    wire.exchange(request::delete("shop/never-read", 0))?;

    let short =
        audited.request("PUT", "expires").header("Session-Timeout", 20).body("an umbrella").send(host.http())?;
    ensure!(short.status == 201);
    host.advance_30s()?;

    let heard = audited.wait_until_heard("probe", 6)?;
    let of = |id: &str| heard.iter().filter(|line| line.contains(id)).cloned().collect::<Vec<_>>();
    ensure!(of("by-http") == ["start of by-http in shop", "end of by-http removed v2 [two coats]  ada"], "{heard:?}");
    ensure!(of("by-wire") == ["start of by-wire in shop", "end of by-wire removed v1 [a hat]"], "{heard:?}");
    ensure!(of("expires") == ["start of expires in shop", "end of expires expired v1 [an umbrella]"], "{heard:?}");
    ensure!(of("never-read").is_empty(), "{heard:?}");
    Ok(())
}

#[test]
fn an_event_that_fails_is_tried_again_until_it_is_taken_and_its_session_stays_in_order() -> Result<()> {
    // Long enough that what is asked of the host meanwhile does not take as long as four attempts.
    let store = STORE.replace("event_retry = \"10ms\"", "event_retry = \"100ms\"");
    for how in ["error", "trap"] {
        let trouble = format!("fails = 4\nhow = \"{how}\"\nonly = \"unlucky\"");
        let audited = Audited::start(&store, &[("probe", &trouble)])?;
        for id in ["unlucky", "lucky"] {
            audited.put(id, id)?;
            audited.delete(id)?;
        }
        let heard = audited.wait_until_heard("probe", 4)?;
        let of = |word: &str| heard.iter().filter(|line| line.contains(word)).cloned().collect::<Vec<_>>();
        let expected = ["start of unlucky in shop", "end of unlucky removed v1 [unlucky]"];
        ensure!(of(" unlucky") == expected, "{how}: {heard:?}");
        ensure!(heard[0].contains(" lucky") && heard[1].contains(" lucky"), "others do not wait for it: {heard:?}");
        // The handler has heard before the host knows that it did.
        audited.host.wait_until("four are delivered", || Ok(audited.status("probe")?["delivered"] == 4))?;
        let status = audited.status("probe")?;
        ensure!(status["retried"] == 8 && status["dead"] == 0, "{how}: {status}");
    }
    Ok(())
}

#[test]
fn all_handlers_of_a_store_hear_and_one_that_fails_keeps_nothing_from_another() -> Result<()> {
    let store = STORE.replace("[\"probe\"]", "[\"bad\", \"session-log\", \"good\"]");
    let audited = Audited::start(&store, &[("bad", "fails = 1000000"), ("good", "")])?;
    for number in 0..5 {
        audited.put(&format!("a{number}"), "coat")?;
        audited.delete(&format!("a{number}"))?;
    }
    ensure!(audited.wait_until_heard("good", 10)?.len() == 10);
    audited.host.wait_for_log("session 5 of shop in default was removed with 4 bytes")?;
    ensure!(audited.heard("bad").is_empty());
    Ok(())
}

#[test]
fn a_handler_has_the_settings_that_its_store_gives_it() -> Result<()> {
    let store = format!("{STORE}[stores.default.plugin_settings.probe]\nfails = 2\nonly = \"a\"\n");
    let audited = Audited::start(&store, &[("probe", "fails = 1000000\nonly = \"b\"")])?;
    audited.put("a", "coat")?;
    audited.put("b", "coat")?;
    audited.wait_until_heard("probe", 2)?;
    ensure!(audited.status("probe")?["retried"] == 2, "{}", audited.status("probe")?);
    Ok(())
}

#[test]
fn the_start_of_a_session_is_heard_before_its_end_although_it_got_another_id_between() -> Result<()> {
    let audited = Audited::start(STORE, &[("probe", "fails = 3\nonly = \"before\"")])?;
    audited.put("before", "coat")?;
    let rotated = Request::new("POST", "/v1/shop/sessions/before/rotate").send(audited.host.http())?;
    ensure!(rotated.status == 200, "{} {}", rotated.status, rotated.text());
    let id = rotated.json()?["id"].as_str().unwrap_or_default().to_owned();
    audited.delete(&id)?;
    let heard = audited.wait_until_heard("probe", 2)?;
    ensure!(heard == ["start of before in shop".to_owned(), format!("end of {id} removed v1 [coat]")], "{heard:?}");
    Ok(())
}

#[test]
fn what_is_no_event_handler_or_refuses_its_settings_stops_the_start_with_the_reason() -> Result<()> {
    let failed = |store: &str| match Host::start(store) {
        Ok(_) => anyhow::bail!("it started"),
        Err(error) => Ok(format!("{error:#}")),
    };
    let other = failed("[stores.default]\nevents = [\"memory\"]\n")?;
    ensure!(other.contains("plugin `memory` is a provider, and a session-events is needed here"), "{other}");
    let wrong = "[stores.default]\nevents = [\"session-log\"]\nplugin_settings.session-log.colour = \"red\"\n";
    let wrong = failed(wrong)?;
    ensure!(wrong.contains("there is no setting `colour`; this plugin has none"), "{wrong}");
    Ok(())
}
