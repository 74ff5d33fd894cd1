//! The sessions of one subject.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shop::{Shop, expect};

fn store(shop: &Shop, id: &str, subject: &str) -> Result<()> {
    shop.send(shop.request("PUT", &format!("sessions/{id}")).header("Session-Subject", subject).body("four"))?;
    Ok(())
}

fn ids(page: &Value) -> Result<BTreeSet<String>> {
    let sessions = page["sessions"].as_array().context("no sessions")?;
    sessions.iter().map(|session| session["id"].as_str().map(str::to_owned).context("no id")).collect()
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn a_listing_has_the_sessions_of_the_subject_and_no_others() -> Result<()> {
    let (shop, other) = (Shop::open()?, Shop::open()?);
    for (id, subject) in [("a", "alice"), ("b", "alice"), ("c", "bob"), ("d", "Alice")] {
        store(&shop, id, subject)?;
    }
    store(&other, "e", "alice")?;
    let listed = shop.ask("GET", "sessions?subject=alice")?;
    assert_eq!((listed.status, listed.must("content-type")?), (200, "application/json"));
    let page = listed.json()?;
    assert_eq!(ids(&page)?, set(&["a", "b"]));
    assert!(page["next"].is_null());
    assert_eq!(ids(&shop.ask("GET", "sessions?subject=nobody")?.json()?)?, set(&[]));
    Ok(())
}

#[test]
fn a_listing_says_what_is_known_but_the_payload() -> Result<()> {
    let shop = Shop::open()?;
    let subject = "J%C3%BCrgen%20%26%20Co";
    store(&shop, "a", subject)?;
    store(&shop, "a", subject)?;
    shop.lock("a")?;
    let page = shop.ask("GET", &format!("sessions?subject={subject}"))?.json()?;
    let session = &page["sessions"][0];
    assert_eq!((&session["id"], &session["version"], &session["size"]), (&"a".into(), &2.into(), &4.into()));
    assert_eq!((&session["locked"], &session["subject"]), (&true.into(), &"Jürgen & Co".into()));
    for moment in ["created", "expires"] {
        let text = session[moment].as_str().with_context(|| format!("no {moment} in {session}"))?;
        assert!(text.len() == 24 && text.ends_with('Z') && text.as_bytes()[10] == b'T', "{text}");
    }
    Ok(())
}

#[test]
fn pages_together_have_every_session_once() -> Result<()> {
    let shop = Shop::open()?;
    let all: Vec<String> = (0..7).map(|number| format!("s{number}")).collect();
    for id in &all {
        store(&shop, id, "alice")?;
    }
    let mut seen = Vec::new();
    let mut path = "sessions?subject=alice&limit=3".to_owned();
    loop {
        let page = shop.ask("GET", &path)?.json()?;
        let found = ids(&page)?;
        assert!(found.len() <= 3);
        seen.extend(found);
        let Some(next) = page["next"].as_str() else { break };
        let cursor: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        path = format!("sessions?subject=alice&limit=3&cursor={cursor}");
    }
    seen.sort();
    assert_eq!(seen, all);
    Ok(())
}

#[test]
fn the_sessions_of_a_subject_are_deleted_together() -> Result<()> {
    let shop = Shop::open()?;
    for (id, subject) in [("a", "alice"), ("b", "alice"), ("c", "bob")] {
        store(&shop, id, subject)?;
    }
    let deleted = shop.ask("DELETE", "sessions?subject=alice")?;
    assert_eq!((deleted.status, &deleted.json()?["removed"]), (200, &2.into()));
    for (id, status) in [("a", 404), ("b", 404), ("c", 200)] {
        assert_eq!(shop.ask("GET", &format!("sessions/{id}"))?.status, status, "{id}");
    }
    assert_eq!(shop.ask("DELETE", "sessions?subject=alice")?.json()?["removed"], 0);
    Ok(())
}

#[test]
fn one_session_of_a_subject_can_be_spared() -> Result<()> {
    for in_header in [false, true] {
        let shop = Shop::open()?;
        for id in ["a", "b", "c"] {
            store(&shop, id, "alice")?;
        }
        let deleted = if in_header {
            shop.send(shop.request("DELETE", "sessions?subject=alice&except=-").header("Session-Id", "b"))?
        } else {
            shop.ask("DELETE", "sessions?subject=alice&except=b")?
        };
        assert_eq!((deleted.status, &deleted.json()?["removed"]), (200, &2.into()));
        assert_eq!(ids(&shop.ask("GET", "sessions?subject=alice")?.json()?)?, set(&["b"]));
    }
    Ok(())
}

#[test]
fn a_locked_session_of_a_subject_is_deleted_too() -> Result<()> {
    let shop = Shop::open()?;
    store(&shop, "a", "alice")?;
    shop.lock("a")?;
    assert_eq!(shop.ask("DELETE", "sessions?subject=alice")?.json()?["removed"], 1, "logging out cannot be held up");
    expect(&shop.ask("GET", "sessions/a")?, 404, "session-not-found");
    Ok(())
}

#[test]
fn listings_that_name_no_subject_or_a_wrong_page_are_refused() -> Result<()> {
    let shop = Shop::open()?;
    for query in ["", "?subject=", "?subject=a&limit=0", "?subject=a&limit=1001", "?subject=a&page=2"] {
        expect(&shop.ask("GET", &format!("sessions{query}"))?, 400, "invalid-query");
    }
    for query in ["", "?subject=", "?subject=a&all=true"] {
        expect(&shop.ask("DELETE", &format!("sessions{query}"))?, 400, "invalid-query");
    }
    expect(&shop.ask("DELETE", "sessions?subject=a&except=-")?, 400, "invalid-header");
    Ok(())
}
