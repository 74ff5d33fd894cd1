//! Settings that change what is answered, and sessions that another front end made.

use std::sync::Arc;

use anyhow::{Context, Result};
use harness::{
    Host,
    state_server::{Connection, request},
};

use crate::{Expect, ONE_ITEM, Session};

#[test]
fn status_lines_can_begin_with_the_http_version() -> Result<()> {
    let host = Arc::new(Host::start("[state_server]\nhttp_prefix = true\n")?);
    let mut session = Session::on(&host)?;
    let answers = [session.get()?, session.put(0, &ONE_ITEM)?, session.get()?, session.request("POST", &[])?];
    assert!(answers.iter().all(|answer| answer.prefixed), "{answers:?}");
    assert!(answers[1].raw.starts_with(b"HTTP/1.1 200 OK\r\nX-AspNet-Version: "));
    Ok(())
}

#[test]
fn an_ordinary_http_client_can_talk_to_it_then() -> Result<()> {
    let host = Host::start("[state_server]\nhttp_prefix = true\n")?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let client = reqwest::Client::new();
        let url = format!("http://{}/shop/some-session", host.state_server());
        assert_eq!(client.put(&url).header("Timeout", "5").body("by HTTP").send().await?.status(), 200);
        let answer = client.get(&url).send().await?;
        assert_eq!(answer.headers()["Timeout"], "5");
        assert_eq!(answer.text().await?, "by HTTP");
        Ok(())
    })
}

#[test]
fn the_version_that_clients_see_can_be_chosen() -> Result<()> {
    let host = Arc::new(Host::start("[state_server]\naspnet_version = \"2.0.50727\"\n")?);
    assert_eq!(Session::on(&host)?.get()?.header("X-AspNet-Version"), Some("2.0.50727"));
    Ok(())
}

#[test]
fn ids_that_the_store_did_not_issue_are_not_found_and_not_stored() -> Result<()> {
    let host = Arc::new(Host::start(
        "[stores.default]\nid_generator = \"signed-id\"\n\
         [stores.default.id_settings]\nkeys = \"k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n",
    )?);
    let mut session = Session::on(&host)?;
    session.get()?.expect(404);
    session.acquire()?.expect(404);
    session.head()?.expect(404);
    session.put(0, &ONE_ITEM)?.expect(400);
    session.create_uninitialized()?.expect(400);
    session.get()?.expect(404);
    Ok(())
}

#[test]
fn a_session_made_over_http_without_content_is_an_empty_block_here() -> Result<()> {
    let host = Host::start_default()?;
    let id = tokio::runtime::Runtime::new()?.block_on(async {
        let request = reqwest::Client::new()
            .post(format!("http://{}/v1/shop/sessions", host.http()))
            .header("Session-Timeout", "90");
        let answer: serde_json::Value = request.send().await?.error_for_status()?.json().await?;
        answer["id"].as_str().map(ToOwned::to_owned).context("no id")
    })?;
    let mut connection = Connection::open(host.state_server())?;
    let read = connection.exchange(request::get(&format!("shop%2f{id}")))?;
    // A minute and a half is rounded up.
    assert_eq!(read.expect(200).expect_body(&[2, 0, 0, 0, 0, 0, 0xff]).header("Timeout"), Some("2"));
    Ok(())
}
