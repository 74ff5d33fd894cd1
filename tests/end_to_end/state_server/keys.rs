//! Which targets name the same session (assertion 11 of section 10.2), and applications that share theirs.

use std::sync::Arc;

use anyhow::Result;
use harness::{
    Host,
    state_server::{Connection, request},
};

use crate::{APPLICATION, Expect, ONE_ITEM, SHARED, new_id};

/// Stores under one target; whether another target finds it.
fn same(stored: &str, read: &str) -> Result<bool> {
    let host = SHARED.host()?;
    let mut connection = Connection::open(host.state_server())?;
    connection.exchange(request::put(stored, 0, &ONE_ITEM))?.expect(200);
    let answer = connection.exchange(request::get(read))?;
    connection.exchange(request::delete(stored, 0))?.expect(200);
    assert!([200, 404].contains(&answer.status), "{answer:?}");
    Ok(answer.status == 200)
}

#[test]
fn slashes_are_the_same_in_every_spelling() -> Result<()> {
    let host = SHARED.host()?;
    let id = new_id();
    let spellings = [
        format!("%2fLM%2fW3SVC%2f7%2fROOT%2f{id}"),
        format!("%2FLM%2FW3SVC%2F7%2FROOT%2F{id}"),
        format!("/LM/W3SVC/7/ROOT/{id}"),
        format!("//LM/W3SVC/7/ROOT/{id}"),
        format!("/LM%2fW3SVC/7%2FROOT/{id}"),
    ];
    for stored in &spellings {
        for read in &spellings {
            assert!(same(stored, read)?, "{stored} and {read}");
        }
    }
    drop(host);
    Ok(())
}

#[test]
fn case_makes_another_session() -> Result<()> {
    let id = new_id();
    assert!(!same(&format!("/LM/W3SVC/7/ROOT/{id}"), &format!("/lm/W3SVC/7/ROOT/{id}"))?);
    assert!(!same(&format!("/LM/W3SVC/7/ROOT/{id}"), &format!("/LM/W3SVC/7/ROOT/{}", id.to_uppercase()))?);
    Ok(())
}

#[test]
fn a_plus_is_a_space_unless_it_is_escaped() -> Result<()> {
    let id = new_id();
    assert!(same(&format!("/my+app/{id}"), &format!("/my%20app/{id}"))?);
    assert!(same(&format!("/my%2bapp/{id}"), &format!("/my%2Bapp/{id}"))?);
    assert!(!same(&format!("/my+app/{id}"), &format!("/my%2bapp/{id}"))?);
    Ok(())
}

#[test]
fn both_forms_of_escapes_are_the_same_character() -> Result<()> {
    let id = new_id();
    assert!(same(&format!("/%u00fcber/{id}"), &format!("/%c3%bcber/{id}"))?);
    Ok(())
}

#[test]
fn targets_without_both_parts_are_refused() -> Result<()> {
    let host = SHARED.host()?;
    let mut connection = Connection::open(host.state_server())?;
    for target in ["nothing", "/", "/application/", "%2f"] {
        connection.exchange(request::get(target))?.expect(400);
        connection.exchange(request::put(target, 0, &ONE_ITEM))?.expect(400);
    }
    let long = format!("/application/{}", "x".repeat(1100));
    connection.exchange(request::get(&long))?.expect(400);
    connection.exchange(request::get(&format!("{APPLICATION}%2f{}", new_id())))?.expect(404);
    Ok(())
}

#[test]
fn sites_can_share_their_sessions() -> Result<()> {
    let host = Arc::new(Host::start(
        "[state_server.applications]\n\"/LM/W3SVC/1/ROOT\" = \"shop\"\n\"/LM/W3SVC/2/ROOT\" = \"shop\"\n",
    )?);
    let mut connection = Connection::open(host.state_server())?;
    let id = new_id();
    let site = |number: u32, hash: &str| format!("%2fLM%2fW3SVC%2f{number}%2fROOT({hash}%3d)%2f{id}");
    connection.exchange(request::put(&site(1, "first"), 0, &ONE_ITEM))?.expect(200);
    connection.exchange(request::acquire(&site(2, "second")))?.expect(200).expect_body(&ONE_ITEM);
    connection.exchange(request::put(&site(1, "first"), 2, b"both"))?.expect(200);
    connection.exchange(request::get(&site(2, "second")))?.expect(200).expect_body(b"both");
    connection.exchange(request::get(&site(3, "third")))?.expect(404);
    Ok(())
}
