//! A good store among bad neighbours, while plugins change under it.
//!
//! 64 clients of both front ends count in sessions of stock `memory`; every two seconds `memory` is replaced by another
//! build. In every other stretch of time stores behind plugins that loop, trap, eat memory, recurse, answer nonsense,
//! flood the log and hang in a host call are called as well. No request to the good store may fail and no update may be
//! lost, and what its requests take with and without the neighbours is compared within the one run.
//!
//! `CLOAKROOM_SOAK_SECONDS` says how long it runs: 20 seconds in `make test`, 10 minutes in `make soak`, which also
//! insists on the latencies. (In a short run on a busy machine they say little.)

mod clients;
mod neighbours;

use std::{
    env, fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use harness::{Host, host::plugins_directory, http};

use crate::{
    clients::{Clients, Stretch},
    neighbours::Neighbours,
};

/// How long a stretch with or without neighbours lasts.
const STRETCH: Duration = Duration::from_secs(5);
/// Time between two builds of `memory`.
const BUILD: Duration = Duration::from_secs(2);
/// A short run, seconds.
const SHORT: u64 = 20;

#[test]
fn a_good_store_does_not_notice_its_neighbours_nor_that_its_plugin_changes() -> Result<()> {
    let seconds = env::var("CLOAKROOM_SOAK_SECONDS").ok();
    let is_long = seconds.is_some();
    let seconds: u64 = seconds.map_or(Ok(SHORT), |seconds| seconds.parse()).context("CLOAKROOM_SOAK_SECONDS")?;

    let directory = tempfile::tempdir()?;
    neighbours::install(directory.path())?;
    let plugins = format!("[plugins]\ndirectory = {:?}\n", directory.path().display().to_string());
    let host = Host::start(&format!("{plugins}{}", neighbours::stores()))?;

    let clients = Clients::start(&host)?;
    let neighbours = Neighbours::start(&host);
    let memory = fs::read(directory.path().join("memory.wasm"))?;
    let begun = Instant::now();
    let mut builds = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let stretches = begun.elapsed().as_secs() / STRETCH.as_secs();
        let stretch = if stretches.is_multiple_of(2) { Stretch::Quiet } else { Stretch::Noisy };
        clients.enter(stretch);
        neighbours.call(stretch == Stretch::Noisy);
        builds += 1;
        replace(&directory.path().join("memory.wasm"), &memory, builds)?;
        thread::sleep(BUILD);
    }
    neighbours.call(false);
    let calls = neighbours.finish()?;
    let outcome = clients.finish(host.http())?;
    let swaps = swaps_of_memory(&host)?;

    println!(
        "{seconds} s: {} updates by 64 clients, none failed, none lost; {swaps} changes of `memory`",
        outcome.updates
    );
    for (name, answers) in &calls {
        println!("  neighbour {name}: {answers}");
    }
    let [quiet, noisy] = [outcome.quiet, outcome.noisy].map(|stretch| stretch.percentile(99));
    let ratio = noisy.as_secs_f64() / quiet.as_secs_f64();
    println!(
        "  99 % of updates took at most {quiet:?} without and {noisy:?} with neighbours: {ratio:.2} times as long"
    );
    ensure!(outcome.updates > 1000, "only {} updates", outcome.updates);
    ensure!(swaps + 2 >= builds, "{swaps} of {builds} builds were taken on");
    for (name, answers) in &calls {
        // Whoever floods the log is cut short and otherwise served.
        let harm = if *name == "floods-the-log" { answers.total() } else { answers.failures() };
        ensure!(harm > 0, "the neighbour {name} did no harm: {answers}");
    }
    ensure!(!is_long || ratio <= 2.0, "the neighbours cost the good store too much: {ratio:.2}");
    Ok(())
}

/// Puts another build into place: the same code with another custom section.
fn replace(file: &Path, component: &[u8], number: u64) -> Result<()> {
    let content = format!("\x05build{number:06}");
    let mut bytes = component.to_vec();
    bytes.extend([0, u8::try_from(content.len())?]);
    bytes.extend_from_slice(content.as_bytes());
    let hidden = file.with_extension("new");
    fs::write(&hidden, bytes)?;
    Ok(fs::rename(hidden, file)?)
}

fn swaps_of_memory(host: &Host) -> Result<u64> {
    let plugins = http::Request::new("GET", "/v1/plugins").send(host.http())?.json()?;
    let memory = plugins["plugins"].as_array().into_iter().flatten().find(|plugin| plugin["name"] == "memory");
    memory.and_then(|memory| memory["swaps"].as_u64()).context("no swaps of `memory` in the status")
}

/// Where the components of the fixtures lie.
fn fixture(name: &str) -> Result<std::path::PathBuf> {
    let file = plugins_directory()?.join(format!("../fixtures/{name}.wasm"));
    ensure!(file.exists(), "{} is missing; run `scripts/build-plugins tests/fixtures/{name}`", file.display());
    Ok(file)
}
