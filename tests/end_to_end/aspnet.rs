//! A real ASP.NET site on a web farm of two Mono workers, whose sessions are on a real host.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use harness::{
    Host,
    mono::{Site, WebFarm, compile_provider, repository},
    state_server::Connection,
};
use reqwest::{
    Client, StatusCode,
    header::{COOKIE, LOCATION, SET_COOKIE},
    redirect::Policy,
};
use tokio::{task::JoinSet, time::sleep};

/// How often something is looked at that has no event to wait for.
const POLL: Duration = Duration::from_millis(20);

/// A visitor with a session cookie. Clones share the cookie as it is when they are cloned.
#[derive(Clone)]
struct Browser {
    client: Client,
    cookie: Option<String>,
}

impl Browser {
    fn new() -> Result<Self> {
        Ok(Self { client: Client::builder().redirect(Policy::none()).no_proxy().build()?, cookie: None })
    }

    /// Gets a page, whatever its status.
    async fn visit(&mut self, url: &str) -> Result<Page> {
        let mut request = self.client.get(url);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let answer = request.send().await.with_context(|| format!("no answer to {url}"))?;
        if let Some(cookie) = answer.headers().get(SET_COOKIE) {
            self.cookie = cookie.to_str()?.split(';').next().map(str::to_owned);
        }
        let location =
            answer.headers().get(LOCATION).map(|location| location.to_str().map(str::to_owned)).transpose()?;
        Ok(Page { status: answer.status(), location, text: answer.text().await? })
    }

    /// Gets a page that must succeed.
    async fn get(&mut self, url: &str) -> Result<Page> {
        let page = self.visit(url).await?;
        ensure!(page.status == StatusCode::OK, "{url} answered {}:\n{}", page.status, page.error());
        Ok(page)
    }

    fn session_id(&self) -> Result<&str> {
        let cookie = self.cookie.as_deref().context("no cookie yet")?;
        Ok(cookie.split_once('=').context("not a cookie")?.1)
    }
}

/// An answer of the site: lines of `name=value`.
#[derive(Debug)]
struct Page {
    status: StatusCode,
    location: Option<String>,
    text: String,
}

impl Page {
    fn value(&self, name: &str) -> Result<&str> {
        let mut lines = self.text.lines().filter_map(|line| line.split_once('='));
        lines.find_map(|(key, value)| (key == name).then_some(value)).with_context(|| format!("no {name} in {self:?}"))
    }

    fn number(&self, name: &str) -> Result<i64> {
        let value = self.value(name)?;
        value.parse().with_context(|| format!("{name}={value} is not a number"))
    }

    fn is_new(&self) -> Result<bool> {
        Ok(self.value("new")? == "True")
    }

    /// The part of Mono's error page that says what went wrong.
    fn error(&self) -> &str {
        let text = self.text.split("<h2 class=\"exceptionMessage\">").nth(1).unwrap_or(&self.text);
        text.split("</h2>").next().unwrap_or(text)
    }
}

/// A host and a farm with its sessions on it.
fn start(site: &Site) -> Result<(Host, WebFarm)> {
    start_with("", site)
}

fn start_with(config: &str, site: &Site) -> Result<(Host, WebFarm)> {
    let host = Host::start(config)?;
    let farm = WebFarm::start(host.http(), site)?;
    Ok((host, farm))
}

/// Visits the counter page from parallel browsers that share a session, each for as long as `go_on` says so of the
/// number of its visits; the counts that the pages showed.
async fn count_in_parallel(
    browser: &Browser,
    farm: &WebFarm,
    browsers: usize,
    go_on: impl Fn(usize) -> bool + Clone + Send + 'static,
) -> Result<Vec<i64>> {
    let mut tasks = JoinSet::new();
    for _ in 0..browsers {
        let mut browser = browser.clone();
        let url = format!("{}/Counter.aspx?pause=3", farm.url());
        let go_on = go_on.clone();
        tasks.spawn(async move {
            let mut seen = Vec::new();
            while go_on(seen.len()) {
                seen.push(browser.get(&url).await?.number("count")?);
            }
            anyhow::Ok(seen)
        });
    }
    let mut seen = Vec::new();
    while let Some(task) = tasks.join_next().await {
        seen.extend(task??);
    }
    Ok(seen)
}

/// What the host says of a session, without touching it: 200, 404 or 423.
async fn peek(browser: &Browser, host: &Host) -> Result<StatusCode> {
    let url = format!("http://{}/v1/%2F/sessions/-?touch=false", host.http());
    Ok(browser.client.get(url).header("Session-Id", browser.session_id()?).send().await?.status())
}

async fn wait_until_locked(browser: &Browser, host: &Host) -> Result<()> {
    for _ in 0..1500 {
        match peek(browser, host).await? {
            StatusCode::LOCKED => return Ok(()),
            StatusCode::OK => sleep(POLL).await,
            status => bail!("the host says {status} of the session"),
        }
    }
    bail!("nobody locks the session")
}

#[test]
fn the_provider_compiles_without_warnings_as_c_sharp_5() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let source = repository().join("clients/aspnet/CloakroomSessionState.cs");
    compile_provider(&source, &directory.path().join("Cloakroom.AspNet.dll"))
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_visits_to_both_workers_lose_no_update() -> Result<()> {
    let (_host, farm) = start(&Site::default())?;
    let mut browser = Browser::new()?;
    let first = browser.get(&format!("{}/Counter.aspx", farm.url())).await?;
    assert!(first.is_new()?);

    let seen = count_in_parallel(&browser, &farm, 12, |visits| visits < 25).await?;

    assert_eq!(seen.len(), 300);
    let distinct: BTreeSet<i64> = seen.into_iter().collect();
    assert_eq!(distinct, (2..=301).collect(), "each visit must see the count that the one before it left");
    for worker in [0, 1] {
        let page = browser.get(&format!("{}/ReadOnly.aspx", farm.worker_url(worker))).await?;
        assert_eq!(page.number("count")?, 301);
        assert!(!page.is_new()?);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_pages_run_at_the_same_time_and_see_one_state() -> Result<()> {
    let (_host, farm) = start(&Site::default())?;
    let mut browser = Browser::new()?;
    browser.get(&format!("{}/Counter.aspx", farm.url())).await?;

    // Two pages that end only when both run, on one worker and across workers.
    for (one, other) in [(0, 0), (0, 1)] {
        let meeting = tempfile::tempdir()?;
        let page = |worker, me, you| {
            let directory = meeting.path().display();
            let url = format!("{}/ReadOnly.aspx?meet={directory}&me={me}&other={you}", farm.worker_url(worker));
            let mut browser = browser.clone();
            async move { browser.get(&url).await }
        };
        let (one, other) = tokio::try_join!(page(one, "a", "b"), page(other, "b", "a"))?;
        assert_eq!((one.value("met")?, other.value("met")?), ("True", "True"));
        assert_eq!(one.value("read-only")?, "True");
    }

    // While others write.
    let mut reader = browser.clone();
    let url = format!("{}/ReadOnly.aspx?pause=10", farm.url());
    let reading = async {
        let mut last = 0;
        for _ in 0..30 {
            let page = reader.get(&url).await?;
            let count = page.number("count")?;
            assert_eq!(page.number("again")?, count, "the session changed while a page looked at it");
            assert!(count >= last, "{count} was read after {last}");
            last = count;
        }
        anyhow::Ok(())
    };
    let (seen, ()) = tokio::try_join!(count_in_parallel(&browser, &farm, 4, |visits| visits < 20), reading)?;
    assert_eq!(seen.into_iter().max(), Some(81));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_type_come_back_on_the_other_worker() -> Result<()> {
    for attributes in ["", "compression=\"true\""] {
        let (_host, farm) = start(&Site { attributes: attributes.into(), ..Site::default() })?;
        let mut browser = Browser::new()?;
        let (one, other) = (farm.worker_url(0), farm.worker_url(1));

        browser.get(&format!("{one}/Session.ashx?do=types-store")).await?;
        let page = browser.get(&format!("{other}/Session.ashx?do=types-check")).await?;
        assert!(page.value("different").is_err(), "{}", page.text);
        assert_eq!(page.number("checked")?, 29);

        // Once more, after the other worker has stored what it did not look at.
        browser.get(&format!("{other}/Session.ashx?do=big&size=3000000")).await?;
        assert_eq!(browser.get(&format!("{one}/Session.ashx?do=big-size")).await?.number("size")?, 3_000_000);
        let page = browser.get(&format!("{one}/Session.ashx?do=types-check")).await?;
        assert!(page.value("different").is_err(), "{}", page.text);

        // An object that is changed in place, without being assigned again.
        browser.get(&format!("{one}/Session.ashx?do=append-first")).await?;
        for worker in [&other, &one, &other] {
            browser.get(&format!("{worker}/Session.ashx?do=append")).await?;
        }
        assert_eq!(browser.get(&format!("{one}/Session.ashx?do=list-length")).await?.number("length")?, 3);

        browser.get(&format!("{one}/Session.ashx?do=remove&key=big")).await?;
        assert_eq!(browser.get(&format!("{other}/Session.ashx?do=echo")).await?.number("keys")?, 30);
        browser.get(&format!("{one}/Session.ashx?do=clear")).await?;
        assert_eq!(browser.get(&format!("{other}/Session.ashx?do=echo")).await?.number("keys")?, 0);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_request_or_a_session_early_does_just_that() -> Result<()> {
    let (host, farm) = start(&Site { attributes: "allowObjects=\"false\"".into(), ..Site::default() })?;
    let mut browser = Browser::new()?;
    let (one, other) = (farm.worker_url(0), farm.worker_url(1));
    browser.get(&format!("{one}/Counter.aspx")).await?;

    // A page that fails after it changed the session: nothing is stored, and the lock is free.
    let failed = browser.visit(&format!("{one}/Session.ashx?do=fail")).await?;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(failed.error(), "this page always fails");
    assert_eq!(peek(&browser, &host).await?, StatusCode::OK);
    assert_eq!(browser.get(&format!("{other}/Counter.aspx")).await?.number("count")?, 2);

    // A session that cannot be serialized.
    let failed = browser.visit(&format!("{one}/Session.ashx?do=unserializable")).await?;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(failed.error().contains("allowObjects"), "{}", failed.error());
    assert_eq!(peek(&browser, &host).await?, StatusCode::OK);
    assert_eq!(browser.get(&format!("{other}/Counter.aspx")).await?.number("count")?, 3);

    // A page without session state does not take part.
    let page = browser.get(&format!("{one}/None.aspx")).await?;
    assert_eq!(page.value("session")?, "False");

    // Abandon.
    let id = browser.session_id()?.to_owned();
    let page = browser.get(&format!("{one}/Session.ashx?do=abandon")).await?;
    assert_eq!(page.value("id")?, id);
    assert_eq!(peek(&browser, &host).await?, StatusCode::NOT_FOUND);
    let page = browser.get(&format!("{other}/Counter.aspx")).await?;
    assert!(page.is_new()?);
    assert_eq!(page.number("count")?, 1);
    assert_ne!(page.value("id")?, id, "an abandoned session must not be revived under its ID");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_expires_when_nobody_visits_it_and_slides_when_somebody_does() -> Result<()> {
    // The site's timeout is a minute.
    let (host, farm) = start(&Site::default())?;
    let mut browser = Browser::new()?;
    browser.get(&format!("{}/Counter.aspx", farm.url())).await?;

    for page in ["Counter.aspx", "ReadOnly.aspx", "Session.ashx?do=echo", "ReadOnly.aspx"] {
        host.advance_30s()?;
        let page = browser.get(&format!("{}/{page}", farm.url())).await?;
        assert!(!page.is_new()?, "visited every 30 s, and yet it expired");
    }

    // A longer timeout, set by a page.
    browser.get(&format!("{}/Session.ashx?do=timeout&minutes=2", farm.url())).await?;
    for _ in 0..3 {
        host.advance_30s()?;
    }
    let page = browser.get(&format!("{}/Session.ashx?do=echo", farm.url())).await?;
    assert_eq!((page.is_new()?, page.number("timeout")?), (false, 2));

    for _ in 0..4 {
        host.advance_30s()?;
    }
    let page = browser.get(&format!("{}/Counter.aspx", farm.url())).await?;
    assert!(page.is_new()?);
    assert_eq!(page.number("count")?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_while_it_holds_the_lock_loses_its_update_and_nothing_else() -> Result<()> {
    let (host, mut farm) = start(&Site { execution_timeout: 20, ..Site::default() })?;
    let mut browser = Browser::new()?;
    browser.get(&format!("{}/Session.ashx?do=set&key=basket&value=shoes", farm.url())).await?;
    browser.get(&format!("{}/Counter.aspx", farm.url())).await?;

    let mut holder = browser.clone();
    let url = format!("{}/Session.ashx?do=hold&pause=60000", farm.worker_url(0));
    let holding = tokio::spawn(async move { holder.visit(&url).await });
    wait_until_locked(&browser, &host).await?;
    farm.kill_worker(0)?;
    assert_ne!(holding.await??.status, StatusCode::OK);
    assert_eq!(peek(&browser, &host).await?, StatusCode::LOCKED, "nobody is left to release the lock");

    // The lock is now older than a request may be.
    host.advance_30s()?;
    let page = browser.get(&format!("{}/Counter.aspx", farm.worker_url(1))).await?;
    assert_eq!((page.is_new()?, page.number("count")?), (false, 2));
    let page = browser.get(&format!("{}/Session.ashx?do=get&key=basket", farm.worker_url(1))).await?;
    assert_eq!(page.value("value")?, "shoes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_host_loses_no_session_and_no_update() -> Result<()> {
    let (mut host, farm) = start(&Site { attributes: "retryTimeout=\"30\"".into(), ..Site::default() })?;
    let mut browser = Browser::new()?;
    browser.get(&format!("{}/Counter.aspx", farm.url())).await?;

    // Between requests.
    host.restart()?;
    let page = browser.get(&format!("{}/Counter.aspx", farm.url())).await?;
    assert_eq!((page.is_new()?, page.number("count")?), (false, 2));

    // In the middle of load that goes on until after the last restart.
    let restarted = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&restarted);
    let load = count_in_parallel(&browser, &farm, 8, move |_| !done.load(Ordering::Relaxed));
    let restarts = async {
        for _ in 0..3 {
            sleep(Duration::from_millis(400)).await;
            tokio::task::block_in_place(|| host.restart())?;
        }
        sleep(Duration::from_millis(400)).await;
        restarted.store(true, Ordering::Relaxed);
        anyhow::Ok(())
    };
    let (mut seen, ()) = tokio::try_join!(load, restarts)?;
    seen.sort_unstable();
    let last = 2 + i64::try_from(seen.len())?;
    assert!(last > 50, "hardly any load: {last}");
    assert_eq!(seen, (3..=last).collect::<Vec<_>>(), "each successful visit must have counted once");
    assert_eq!(browser.get(&format!("{}/ReadOnly.aspx", farm.url())).await?.number("count")?, last);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_be_reached_is_an_error_and_not_a_new_session() -> Result<()> {
    let (mut host, farm) = start(&Site { attributes: "retryTimeout=\"0\"".into(), ..Site::default() })?;
    let mut browser = Browser::new()?;
    browser.get(&format!("{}/Counter.aspx", farm.url())).await?;
    let cookie = browser.cookie.clone();

    host.terminate()?;
    for page in ["Counter.aspx", "ReadOnly.aspx"] {
        let failed = browser.visit(&format!("{}/{page}", farm.url())).await?;
        assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(failed.error().contains(&host.http().to_string()), "{}", failed.error());
        assert!(failed.error().contains("cannot be reached"), "{}", failed.error());
    }
    assert_eq!(browser.cookie, cookie);

    host.restart()?;
    let page = browser.get(&format!("{}/Counter.aspx", farm.url())).await?;
    assert_eq!((page.is_new()?, page.number("count")?), (false, 2));
    Ok(())
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
