//! The provider itself: it compiles, and does what its settings and the contract say.

use anyhow::{Context, Result, ensure};
use harness::{
    mono::{Site, compile_provider, repository},
    state_server::Connection,
};
use reqwest::StatusCode;

use crate::{browser::Browser, peek, start, start_with};

#[test]
fn the_provider_compiles_without_warnings_as_c_sharp_5() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let source = repository().join("clients/aspnet/CloakroomSessionState.cs");
    compile_provider(&source, &directory.path().join("Cloakroom.AspNet.dll"))
}

#[tokio::test(flavor = "multi_thread")]
async fn cookieless_sessions_live_in_the_url() -> Result<()> {
    for host_ids in [false, true] {
        let (host, farm) = start(&Site { cookieless: true, host_ids, ..Site::default() })?;
        let mut browser = Browser::new()?;
        let redirect = browser.visit(&format!("{}/Counter.aspx", farm.url())).await?;
        let path = redirect.location.with_context(|| format!("not redirected: {}", redirect.text))?;
        for count in 1..=4 {
            let page = browser.get(&format!("{}{path}", farm.url())).await?;
            assert_eq!(page.number("count")?, count);
            assert!(path.contains(page.value("id")?), "{path}");
        }
        assert_eq!(browser.cookie, None);

        // Mono alone sends the browser in circles when the ID in a URL has expired; the host's ID manager does not.
        if host_ids {
            for _ in 0..3 {
                host.advance_30s()?;
            }
            let redirect = browser.visit(&format!("{}{path}", farm.url())).await?;
            let new_path = redirect.location.with_context(|| format!("not redirected: {}", redirect.text))?;
            assert_ne!(new_path, path);
            assert_eq!(browser.get(&format!("{}{new_path}", farm.url())).await?.number("count")?, 1);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_come_from_the_generator_of_the_host() -> Result<()> {
    let config = r#"
        [stores.default]
        id_generator = "signed-id"
        [stores.default.id_settings]
        keys = "2026:bm90LWEtc2VjcmV0LWJ1dC1lbm91Z2gtYnl0ZXMtaGVyZQ"
    "#;
    let (_host, farm) = start_with(config, &Site { host_ids: true, ..Site::default() })?;
    let mut browser = Browser::new()?;
    let page = browser.get(&format!("{}/Counter.aspx", farm.url())).await?;
    assert!(page.is_new()?);
    let id = page.value("id")?.to_owned();
    let page = browser.get(&format!("{}/Counter.aspx", farm.url())).await?;
    assert_eq!((page.value("id")?, page.number("count")?), (id.as_str(), 2));

    // What no generator made is no session, and no error either.
    let long = "a".repeat(100);
    for forged in ["z3n2ka1p5qwe0rty4uio1xcv", "a%0d%0aSession-Lock:%203", "../../v1", long.as_str()] {
        let mut forger = Browser { cookie: Some(format!("ASP.NET_SessionId={forged}")), ..browser.clone() };
        let page = forger.get(&format!("{}/Counter.aspx", farm.url())).await?;
        assert_eq!((page.is_new()?, page.number("count")?), (true, 1));
        assert_ne!(page.value("id")?, forged);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_keeps_the_rules_that_monos_session_module_does_not_try() -> Result<()> {
    // The two stores of the page break locks that they only just saw.
    let (_host, farm) = start(&Site { host_ids: true, ..Site::default() })?;
    let page = Browser::new()?.get(&format!("{}/Contract.ashx", farm.url())).await?;
    let failed: Vec<&str> = page.text.lines().filter(|line| !line.starts_with("ok ")).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(page.text.lines().count(), 42, "{}", page.text);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asp_net_did_not_store_is_refused_or_replaced_as_configured() -> Result<()> {
    let foreign = (&br#"{"cart": 1}"#[..], "application/json");
    let too_many_items = (&b"\x01\0\0\0\x01\0\xff\xff\xff\x7f\0\0\0\0\xff"[..], "application/octet-stream");
    let too_long_a_value = (&b"\x01\0\0\0\x01\0\x01\0\0\0\xff\xff\xff\xff\x03key\x07\0\0\x07\x01\x05value\xff"[..], "");
    for (unreadable, payloads) in
        [("throw", &[foreign, too_many_items, too_long_a_value][..]), ("discard", &[foreign, too_long_a_value])]
    {
        let (host, farm) = start(&Site { attributes: format!("unreadableData=\"{unreadable}\""), ..Site::default() })?;
        for (payload, content_type) in payloads {
            let mut browser = Browser::new()?;
            browser.get(&format!("{}/Counter.aspx", farm.url())).await?;
            let url = format!("http://{}/v1/%2F/sessions/-", host.http());
            let put = browser.client.put(&url).header("Session-Id", browser.session_id()?).body(*payload);
            let put = if content_type.is_empty() { put } else { put.header("Content-Type", *content_type) };
            ensure!(put.send().await?.status().is_success());

            let page = browser.visit(&format!("{}/Counter.aspx", farm.url())).await?;
            if unreadable == "discard" {
                assert_eq!((page.status, page.number("count")?), (StatusCode::OK, 1));
            } else {
                assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
                assert!(page.error().contains("cannot decode"), "{}", page.error());
                assert_eq!(peek(&browser, &host).await?, StatusCode::OK, "the lock must be free again");
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_shared_with_applications_that_use_the_state_server_protocol() -> Result<()> {
    let config = "[state_server.applications]\n\"/LM/W3SVC/1/ROOT\" = \"/\"";
    let (host, farm) = start_with(config, &Site::default())?;
    let mut browser = Browser::new()?;
    let page = browser.get(&format!("{}/Session.ashx?do=set&key=key&value=value", farm.url())).await?;
    let target = format!("%2fLM%2fW3SVC%2f1%2fROOT%2f{}", page.value("id")?);
    let mut state_server = Connection::open(host.state_server())?;

    // What the stock client would have stored, to the byte.
    let get = format!("GET {target} HTTP/1.1\r\nHost: farm\r\n\r\n");
    let stored = state_server.exchange(get.as_bytes())?;
    assert_eq!(stored.status, 200);
    let expected = b"\x01\0\0\0\x01\0\x01\0\0\0\xff\xff\xff\xff\x03key\x07\0\0\0\x01\x05value\xff";
    assert_eq!(stored.body, expected);

    // And the other way.
    let body = b"\x01\0\0\0\x01\0\x01\0\0\0\xff\xff\xff\xff\x03KEY\x07\0\0\0\x01\x05other\xff";
    let head = format!("PUT {target} HTTP/1.1\r\nHost: farm\r\nTimeout:1\r\nContent-Length:{}\r\n\r\n", body.len());
    assert_eq!(state_server.exchange([head.as_bytes(), body].concat())?.status, 200);
    let page = browser.get(&format!("{}/Session.ashx?do=get&key=key", farm.url())).await?;
    assert_eq!((page.is_new()?, page.value("value")?), (false, "other"));
    Ok(())
}
