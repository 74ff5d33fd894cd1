//! `cloakroom status`: the stores and plugins of a running host.

use std::process::ExitCode;

use cloakroom::{
    plugins::PluginStatus,
    sessions::{HandlerStatus, StoreStatus},
};
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::running_host::RunningHost;

/// How much of a digest tells builds apart.
const DIGEST: usize = "sha256:".len() + 12;

/// Tell how the stores and plugins of a running host are
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    host: RunningHost,
    /// Print all that the host tells, as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Stores {
    stores: Vec<StoreStatus>,
}

#[derive(Deserialize)]
struct Plugins {
    plugins: Vec<PluginStatus>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { host, json } = args;
    if json {
        let stores: Value = host.ask(Method::GET, "/v1/stores")?;
        let plugins: Value = host.ask(Method::GET, "/v1/plugins")?;
        let both = json!({"stores": stores.get("stores"), "plugins": plugins.get("plugins")});
        println!("{}", serde_json::to_string_pretty(&both)?);
        return Ok(ExitCode::SUCCESS);
    }
    let Stores { stores } = host.ask(Method::GET, "/v1/stores")?;
    let Plugins { plugins } = host.ask(Method::GET, "/v1/plugins")?;
    print("STORE", &["PROVIDER", "ID GENERATOR", "OPERATIONS", "FAILURES", "WAITING"], stores.iter().map(store));
    println!();
    print("PLUGIN", &["STATE", "BUILD", "CALLS", "FAILURES", "TURNED AWAY", "INSTANCES"], plugins.iter().map(plugin));
    Ok(ExitCode::SUCCESS)
}

/// A line of a table and what is to be said besides.
struct Row {
    cells: Vec<String>,
    notes: Vec<String>,
}

fn store(status: &StoreStatus) -> Row {
    let StoreStatus { name, provider, id_generator, operations, failures, waiting, .. } = status;
    let counts = [operations.to_string(), failures.to_string(), waiting.to_string()];
    let cells = [name, provider, id_generator].into_iter().cloned().chain(counts).collect();
    let mut notes = Vec::new();
    for events in &status.events {
        if let Some(since) = &events.failing_since {
            let last = events.last_failure.as_deref().unwrap_or("nobody knows why");
            let HandlerStatus { kind, handler, queued, .. } = events;
            notes.push(format!("{kind} `{handler}` has taken no events since {since}, {queued} wait: {last}"));
        }
        if events.dead > 0 {
            notes.push(format!(
                "{} `{}`: {} events were given up, see the log",
                events.kind, events.handler, events.dead
            ));
        }
    }
    Row { cells, notes }
}

fn plugin(status: &PluginStatus) -> Row {
    let build = status.digest.get(..DIGEST).unwrap_or("none");
    let counts = [status.calls, status.failures, status.turned_away].map(|count| count.to_string());
    let cells = [&status.name, &status.state, build].into_iter().map(str::to_owned);
    let cells = cells.chain(counts).chain([status.instances.to_string()]).collect();
    let mut notes = Vec::new();
    for suspension in &status.suspended {
        notes.push(format!(
            "{} for store `{}` after {} failures, tried again at {}: {}",
            suspension.state, suspension.store, suspension.failures, suspension.retry_at, suspension.last_failure
        ));
    }
    if let Some(why) = &status.refused {
        notes.push(format!("what is in its files now is refused: {why}"));
    }
    if !status.limit_hits.is_empty() {
        let hits: Vec<_> = status.limit_hits.iter().map(|(limit, hits)| format!("{limit} {hits}")).collect();
        notes.push(format!("limits hit: {}", hits.join(", ")));
    }
    Row { cells, notes }
}

/// Prints a table in columns, each as wide as it has to be.
fn print(first: &str, more: &[&str], rows: impl Iterator<Item = Row>) {
    let header = [first].iter().chain(more).map(|&title| title.to_owned()).collect();
    let table: Vec<Row> = [Row { cells: header, notes: Vec::new() }].into_iter().chain(rows).collect();
    let width =
        |column: usize| table.iter().filter_map(|row| row.cells.get(column)).map(|cell| cell.chars().count()).max();
    for Row { cells, notes } in &table {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let width = width(column).unwrap_or_default();
            format!("{cell:width$}")
        });
        println!("{}", padded.collect::<Vec<_>>().join("  ").trim_end());
        notes.iter().for_each(|note| println!("    {note}"));
    }
}
