//! Two workers, each with a host of its own, and one database behind both hosts. Hosts die at any moment.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{
    Host,
    mono::{Site, WebFarm},
    postgres::PostgresServer,
    redis::RedisServer,
};
use reqwest::StatusCode;
use tokio::{task::JoinSet, time::sleep};

use crate::{POLL, browser::Browser};

const BROWSERS: usize = 8;
const KILLS: usize = 8;

/// Visits between two kills: more than there are at a time, so that each comes in the midst of the site's work.
const BETWEEN: usize = 20;

/// How long they may take, with a lock to be broken.
const DEADLINE: Duration = Duration::from_secs(60);

/// What ASP.NET says to a request that took longer than `executionTimeout`.
const TIMED_OUT: &str = "The request timed out.";

fn host(provider: &str, url: &str) -> Result<Host> {
    Host::start(&format!(
        "[connections.main]\nurl = \"{url}\"\n[stores.default]\nprovider = \"{provider}\"\nlock_notices = \"main\"\n"
    ))
}

/// What the visitors have seen.
#[derive(Default)]
struct Visits {
    successful: AtomicUsize,
    timed_out: AtomicUsize,
    is_over: AtomicBool,
}

/// Visits the counter until it is over; the counts that the pages showed.
async fn visit(mut browser: Browser, url: String, visits: Arc<Visits>) -> Result<Vec<i64>> {
    let mut seen = Vec::new();
    while !visits.is_over.load(Ordering::Relaxed) {
        let page = browser.visit(&url).await?;
        if page.status == StatusCode::OK {
            seen.push(page.number("count")?);
            visits.successful.fetch_add(1, Ordering::Relaxed);
        } else {
            ensure!(page.error().trim() == TIMED_OUT, "{}: {}", page.status, page.error());
            visits.timed_out.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(seen)
}

async fn kill(hosts: &mut [Host; 2], visits: &Visits) -> Result<()> {
    for number in 0..=KILLS {
        let (enough, deadline) = (visits.successful.load(Ordering::Relaxed) + BETWEEN, Instant::now() + DEADLINE);
        while visits.successful.load(Ordering::Relaxed) < enough {
            ensure!(Instant::now() < deadline, "the site does not get on after {number} kills");
            sleep(POLL).await;
        }
        if number < KILLS {
            let host = &mut hosts[number % 2];
            tokio::task::block_in_place(|| host.kill().and_then(|()| host.restart()))?;
        }
    }
    Ok(())
}

/// A lock that a host took and died before it could say so stays until it is older than a request may be, and then the
/// next request breaks it. Requests that came soon after it was taken are as old by then, and ASP.NET ends them.
async fn survives_kills(provider: &str, url: &str) -> Result<()> {
    let mut hosts = [host(provider, url)?, host(provider, url)?];
    let site = Site { execution_timeout: 5, attributes: "retryTimeout=\"60\"".into(), ..Site::default() };
    let farm = WebFarm::start_on([hosts[0].http(), hosts[1].http()], &site)?;
    let mut browser = Browser::new()?;
    browser.get(&format!("{}/Counter.aspx", farm.url())).await?;

    let visits = Arc::new(Visits::default());
    let mut browsers = JoinSet::new();
    for _ in 0..BROWSERS {
        browsers.spawn(visit(browser.clone(), format!("{}/Counter.aspx?pause=3", farm.url()), visits.clone()));
    }
    let killed = kill(&mut hosts, &visits).await;
    visits.is_over.store(true, Ordering::Relaxed);
    let mut seen = Vec::new();
    while let Some(browser) = browsers.join_next().await {
        seen.extend(browser??);
    }
    killed?;

    let distinct: BTreeSet<i64> = seen.iter().copied().collect();
    ensure!(distinct.len() == seen.len(), "an update was lost: two visits saw the same count of {seen:?}");
    let timed_out = visits.timed_out.load(Ordering::Relaxed);
    println!(
        "{provider}: {} visits to two workers while their hosts were killed {KILLS} times, {timed_out} more timed out",
        seen.len()
    );
    for worker in [0, 1] {
        let page = browser.get(&format!("{}/ReadOnly.aspx", farm.worker_url(worker))).await?;
        let count = usize::try_from(page.number("count")?)?;
        // One that timed out may have counted before it did.
        ensure!((seen.len() + 1..=seen.len() + 1 + timed_out).contains(&count), "{count} after {} visits", seen.len());
        ensure!(!page.is_new()?, "the session was lost");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_are_killed_lose_no_update_of_a_farm_on_redis() -> Result<()> {
    let redis = RedisServer::start()?;
    survives_kills("redis", &redis.url()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_are_killed_lose_no_update_of_a_farm_on_postgresql() -> Result<()> {
    let postgres = PostgresServer::start()?;
    survives_kills("sql", &postgres.url()).await
}
