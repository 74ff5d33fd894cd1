//! A real ASP.NET site on a web farm of two Mono workers, whose sessions are on a real host, or on two.

mod browser;
mod farm;
mod outages;
mod provider;
mod visits;

use std::time::Duration;

use anyhow::{Result, bail};
use harness::{
    Host,
    mono::{Site, WebFarm},
};
use reqwest::StatusCode;
use tokio::{task::JoinSet, time::sleep};

use self::browser::Browser;

/// How often something is looked at that has no event to wait for.
const POLL: Duration = Duration::from_millis(20);

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
