//! What visitors see when a worker or the host goes away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use harness::mono::Site;
use reqwest::StatusCode;
use tokio::time::sleep;

use crate::{browser::Browser, count_in_parallel, peek, start, wait_until_locked};

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
