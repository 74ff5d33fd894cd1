//! What visitors see as long as everything runs: locks, values, ends, expiry.

use std::collections::BTreeSet;

use anyhow::Result;
use harness::mono::Site;
use reqwest::StatusCode;

use crate::{browser::Browser, count_in_parallel, peek, start};

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
