//! Events that wait when the host stops, and handlers that change while it serves.

use anyhow::{Result, ensure};
use harness::http::Request;

use crate::Audited;

const STORE: &str = "[stores.default]\nevents = [\"probe\"]\nsweep_interval = \"100ms\"\nevent_retry = \"10ms\"\n\
                     event_attempts = 1000\n";

#[test]
fn events_that_wait_when_the_host_stops_are_delivered_after_the_next_start() -> Result<()> {
    for how in ["error", "hang"] {
        let mut audited = Audited::start(STORE, &[("probe", &format!("fails = 1000000\nhow = \"{how}\""))])?;
        let text = audited.request("PUT", "a").header("Content-Type", "text/plain").header("Session-Subject", "ada");
        ensure!(text.body("two coats").send(audited.host.http())?.status == 201);
        audited.delete("a")?;
        audited.put("b", "coat")?;
        audited.host.wait_for_log("attempt 1 at start of a ends badly")?;
        audited.host.terminate()?;
        ensure!(audited.host.log().contains("events are kept for the next start"), "{}", audited.host.log());
        audited.change("probe", "fails = 0")?;
        audited.host.restart()?;
        let heard = audited.wait_until_heard("probe", 3)?;
        let of = |id: &str| heard.iter().filter(|line| line.contains(id)).cloned().collect::<Vec<_>>();
        ensure!(of("of a ") == ["start of a in shop", "end of a removed v1 [two coats] text/plain ada"], "{heard:?}");
        ensure!(of("of b ") == ["start of b in shop"], "{heard:?}");
        audited.host.wait_until("nothing is queued", || Ok(audited.status("probe")?["queued"] == 0))?;
        // Once.
        audited.host.restart()?;
        audited.put("c", "coat")?;
        ensure!(audited.wait_until_heard("probe", 4)?.len() == 4);
    }
    Ok(())
}

#[test]
fn a_session_that_got_another_id_is_heard_in_order_after_a_restart_too() -> Result<()> {
    let mut audited = Audited::start(STORE, &[("probe", "fails = 1000000")])?;
    audited.put("before", "coat")?;
    let rotated = Request::new("POST", "/v1/shop/sessions/before/rotate").send(audited.host.http())?;
    let id = rotated.json()?["id"].as_str().unwrap_or_default().to_owned();
    audited.delete(&id)?;
    audited.host.terminate()?;
    audited.change("probe", "fails = 0")?;
    audited.host.restart()?;
    let heard = audited.wait_until_heard("probe", 2)?;
    ensure!(heard == ["start of before in shop".to_owned(), format!("end of {id} removed v1 [coat]")], "{heard:?}");
    Ok(())
}

#[test]
fn a_handler_that_is_mended_while_the_host_serves_hears_what_it_missed() -> Result<()> {
    let audited = Audited::start(STORE, &[("probe", "fails = 1000000\nhow = \"trap\"")])?;
    for number in 0..5 {
        audited.put(&format!("a{number}"), "coat")?;
        audited.delete(&format!("a{number}"))?;
    }
    audited.host.wait_for_log("attempt 1 at start of a4 ends badly")?;
    ensure!(audited.heard("probe").is_empty());
    audited.change("probe", "fails = 0")?;
    let heard = audited.wait_until_heard("probe", 10)?;
    for number in 0..5 {
        let of_session: Vec<_> = heard.iter().filter(|line| line.contains(&format!("a{number}"))).collect();
        ensure!(of_session.len() == 2 && of_session[0].starts_with("start"), "{heard:?}");
    }
    Ok(())
}
