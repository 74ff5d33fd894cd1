//! Clients of both front ends notice nothing.

use anyhow::{Result, ensure};
use harness::state_server::{Connection, request};

use crate::{K1, K2, Wrapped};

const STACKS: [&[&str]; 5] = [
    &["encrypt", "memory"],
    &["compress", "memory"],
    &["encrypt", "compress", "memory"],
    &["compress", "encrypt", "memory"],
    // It may wait, so the whole stack is called on fibers.
    &["compress", "encrypt", "failing-provider"],
];

#[test]
fn sessions_are_stored_locked_read_and_removed_as_without() -> Result<()> {
    for stack in STACKS {
        let wrapped = Wrapped::start(stack, "")?;
        let http = wrapped.host.http();
        let large = "coat ".repeat(10_000);
        let stored =
            wrapped.request("PUT", "a").header("Content-Type", "text/plain").body(large.as_str()).send(http)?;
        ensure!(stored.status == 201, "{stack:?}: {} {}", stored.status, stored.text());
        let locked = wrapped.request("POST", "a/lock").send(http)?;
        ensure!(locked.status == 200 && locked.text() == large, "{stack:?}: {}", locked.status);
        ensure!(locked.must("content-type")? == "text/plain");
        ensure!(wrapped.request("PUT", "a").body("theirs").send(http)?.status == 423);
        let lock = locked.must("session-lock")?;
        ensure!(wrapped.request("PUT", "a").header("Session-Lock", lock).body("hat").send(http)?.status == 204);
        ensure!(wrapped.get("a")? == "hat", "{stack:?}");

        let mut wire = Connection::open(wrapped.host.state_server())?;
        wire.exchange(request::create_uninitialized("shop/b"))?;
        let first = wire.exchange(request::acquire("shop/b"))?;
        ensure!(first.status == 200 && first.body == harness::state_server::EMPTY_BLOCK, "{stack:?}: {first:?}");
        ensure!(wire.exchange(request::put("shop/b", 2, large.as_bytes()))?.status == 200);
        ensure!(wire.exchange(request::get("shop/b"))?.body == large.as_bytes(), "{stack:?}");
        ensure!(wire.exchange(request::delete("shop/b", 0))?.status == 200);
        ensure!(wrapped.send("GET", "b")?.status == 404);
    }
    Ok(())
}

#[test]
fn the_end_of_an_expired_session_is_heard_with_what_the_application_stored() -> Result<()> {
    for stack in STACKS {
        let wrapped = Wrapped::start(stack, "events = [\"event-probe\"]")?;
        let coats = "coat ".repeat(500);
        for (id, body) in [("large", coats.as_str()), ("small", "hat")] {
            let short = wrapped.request("PUT", id).header("Session-Timeout", 20).body(body);
            ensure!(short.send(wrapped.host.http())?.status == 201);
        }
        wrapped.put("removed", &coats)?;
        ensure!(wrapped.send("DELETE", "removed")?.status == 204);
        wrapped.host.advance_30s()?;
        wrapped.host.wait_for_log(&format!("heard: end of large expired v1 [{coats}]"))?;
        wrapped.host.wait_for_log("heard: end of small expired v1 [hat]")?;
        wrapped.host.wait_for_log(&format!("heard: end of removed removed v1 [{coats}]"))?;
    }
    Ok(())
}

#[test]
fn a_failure_behind_is_told_as_what_it_is() -> Result<()> {
    let wrapped = Wrapped::start(&["compress", "failing-provider"], "")?;
    for (id, status, told) in [
        ("unavailable", 503, "db.example refuses connections"),
        ("timeout", 503, "db.example did not answer"),
        ("trap", 503, "plugin `failing-provider` trapped in `get`"),
    ] {
        let answer = wrapped.send("GET", id)?;
        ensure!(answer.status == status && answer.text().contains(told), "{id}: {} {}", answer.status, answer.text());
    }
    wrapped.put("a", "coat")?;
    ensure!(wrapped.get("a")? == "coat");
    Ok(())
}

#[test]
fn a_session_gets_a_new_id_where_nothing_is_bound_to_the_old_one() -> Result<()> {
    let rotate = |stack: &[&str]| {
        let wrapped = Wrapped::start(stack, "")?;
        wrapped.put("a", "coat")?;
        wrapped.send("POST", "a/rotate")
    };
    ensure!(rotate(&["compress", "memory"])?.status == 200);
    let refused = rotate(&["encrypt", "memory"])?;
    ensure!(refused.status == 501 && refused.text().contains("session-rename"), "{}", refused.text());
    // It exports the operation, and imports it from a provider that does not have it.
    ensure!(rotate(&["compress", "failing-provider"])?.status == 501);
    ensure!(rotate(&["compress", "encrypt", "memory"])?.status == 501);
    Ok(())
}

#[test]
fn keys_can_be_the_stores_own() -> Result<()> {
    let settings = format!("plugin_settings.encrypt.keys = \"{}\"", K1.replace("k1", "own"));
    let wrapped = Wrapped::start(&["encrypt", "memory"], &settings)?;
    wrapped.put("a", "coat")?;
    wrapped.change_keys(K2, " swapped ")?;
    ensure!(wrapped.get("a")? == "coat");
    Ok(())
}
