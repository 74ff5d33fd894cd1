//! `cloakroom check`: the conformance kit.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use anyhow::Context;
use cloakroom::{
    config::ConnectionConfig,
    conformance::{self, Judging, NotJudged},
};
use serde_json::json;

use super::setting::setting;

/// Exit code where the file is not a plugin that can be judged, as opposed to one that breaks a rule.
const NOT_JUDGED: u8 = 2;

/// Checks make callers race; fewer threads than this would let them queue.
const LEAST_THREADS: usize = 4;

/// Test a component against every rule of the contract in a fresh host; fails if any rule is broken
///
/// Exits with 0 if no rule failed, 1 if one did, 2 if the file is not a plugin that can be judged.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The component
    #[arg(value_name = "FILE.wasm", required_unless_present = "list")]
    component: Option<PathBuf>,
    /// A provider that the component wraps; can be given several times, outermost first
    #[arg(long, value_name = "FILE.wasm")]
    on: Vec<PathBuf>,
    /// Print the table of rules as JSON
    #[arg(long)]
    json: bool,
    /// A setting for the component; can be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// What the component is granted; without it, NAME.toml beside it if there is one
    #[arg(long, value_name = "FILE")]
    grants: Option<PathBuf>,
    /// A back end that the component is granted by this name; can be given several times
    #[arg(long = "connection", value_name = "NAME=URL", value_parser = setting)]
    connections: Vec<(String, String)>,
    /// The connections lead to nodes of clusters
    #[arg(long, requires = "connections")]
    cluster: bool,
    /// Run this rule only; can be given several times
    #[arg(long = "rule", value_name = "ID")]
    rules: Vec<String>,
    /// List the rules instead of running them
    #[arg(long)]
    list: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let component = match args.component {
        Some(component) if !args.list => component,
        _ => {
            list(args.json);
            return Ok(ExitCode::SUCCESS);
        }
    };
    let judging = Judging {
        component,
        on: args.on,
        settings: args.settings.into_iter().collect::<BTreeMap<_, _>>(),
        grants: args.grants,
        connections: args.connections.into_iter().map(|(name, url)| (name, connection(url, args.cluster))).collect(),
        only: args.rules,
    };
    match threads()?.block_on(conformance::judge(&judging)) {
        Ok(report) => {
            if args.json {
                print_json(&report.to_json())?
            } else {
                println!("{report}")
            }
            Ok(if report.conforms() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => not_judged(&error, args.json),
    }
}

fn connection(url: String, cluster: bool) -> ConnectionConfig {
    ConnectionConfig { url, cluster, ..ConnectionConfig::default() }
}

/// The threads that checks run on.
pub(super) fn threads() -> anyhow::Result<tokio::runtime::Runtime> {
    let threads = std::thread::available_parallelism().map_or(LEAST_THREADS, usize::from).max(LEAST_THREADS);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("the threads for the checks could not be started")
}

fn not_judged(error: &NotJudged, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print_json(&json!({"schema": conformance::SCHEMA, "error": error.to_string()}))?;
    } else {
        eprintln!("cloakroom: {error}");
    }
    Ok(ExitCode::from(NOT_JUDGED))
}

fn list(json: bool) {
    if json {
        let rules: Vec<_> = conformance::all()
            .map(|rule| json!({"id": rule.id, "title": rule.title, "reference": rule.reference}))
            .collect();
        println!("{}", json!({"schema": conformance::SCHEMA, "rules": rules}));
        return;
    }
    let width = conformance::all().map(|rule| rule.id.len()).max().unwrap_or(0);
    for rule in conformance::all() {
        println!("{:width$}  {} ({})", rule.id, rule.title, rule.reference);
    }
}

fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
