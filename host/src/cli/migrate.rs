//! `cloakroom migrate`: has a running host copy the sessions of one store to another, and watches it.

use std::{
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    num::NonZeroU32,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use cloakroom::{
    config::{Config, HttpConfig, Overrides},
    sessions::{MigrationState, MigrationStatus},
};
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::{signal, time::sleep};

use super::running_host::{AskError, RunningHost};

/// Where the host tells of it.
const ROUTE: &str = "/v1/migration";

/// Time between two looks at how it is.
const LOOK: Duration = Duration::from_millis(200);

/// How many looks there are between two lines where nobody sees a line change.
const SELDOM: u32 = 50;

/// Copy the live sessions of one store to another, or move them, while a host serves both
///
/// A running host does the work, and this command starts it and watches; interrupted, it stops it. It can be run again and
/// again: each run brings what has changed since. Exits with 0 if the target has all sessions of the source now, and
/// with 1 if it does not.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The store whose sessions are copied
    #[arg(long, value_name = "STORE", required_unless_present_any = ["stop", "status"])]
    from: Option<String>,
    /// The store that gets them
    #[arg(long, value_name = "STORE", required_unless_present_any = ["stop", "status"])]
    to: Option<String>,
    /// Only the sessions of this application
    #[arg(long, value_name = "NAME")]
    application: Option<String>,
    /// Delete each session at the source once it is at the target; nobody is told of an end of it
    #[arg(long = "move")]
    moves: bool,
    /// Store and delete nothing, and count what would be
    #[arg(long)]
    dry_run: bool,
    /// Forget what earlier runs did: for a target that was emptied since
    #[arg(long)]
    from_scratch: bool,
    /// The most sessions in a second
    #[arg(long, value_name = "NUMBER")]
    rate: Option<NonZeroU32>,
    /// How many seconds locked sessions are waited for, after all others are done
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u32,
    /// Stop the migration that runs
    #[arg(long, conflicts_with_all = ["from", "to", "status"])]
    stop: bool,
    /// Tell how the migration is that runs, or how the last one ended
    #[arg(long, conflicts_with_all = ["from", "to"])]
    status: bool,
    /// Print how it ended as JSON
    #[arg(long)]
    json: bool,
    /// The configuration of the running host, which says where its HTTP front end listens
    #[arg(long, value_name = "FILE", conflicts_with = "http")]
    config: Option<PathBuf>,
    /// Where the HTTP front end of the running host listens
    #[arg(long, value_name = "ADDR", default_value_t = HttpConfig::default().address)]
    http: SocketAddr,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let host = host(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the request could not be started")?;
    let status = runtime.block_on(async {
        if args.stop {
            let _: MigrationStatus = host.exchange(Method::DELETE, ROUTE).await?;
            return watch(host).await;
        }
        if args.status {
            return Ok(host.exchange(Method::GET, ROUTE).await?);
        }
        begin(args, host).await?;
        watch(host).await
    })?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print(&status);
    }
    let is_well = match status.state {
        // Nobody said that it should be over.
        MigrationState::Running => args.status,
        _ => status.is_complete(),
    };
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn host(args: &Args) -> anyhow::Result<RunningHost> {
    let Some(file) = &args.config else { return Ok(RunningHost::at(args.http)) };
    let Some(http) = Config::load(Some(file), &Overrides::default())?.http else {
        bail!(
            "the HTTP front end of the host is switched off in `{}`, and a migration is started over it; switch it on \
             (`http.enabled`), on loopback at least",
            file.display()
        );
    };
    Ok(RunningHost::at(http.address))
}

/// Has the host begin, unless it has begun the same already.
async fn begin(args: &Args, host: RunningHost) -> anyhow::Result<()> {
    let error = match host.exchange::<MigrationStatus>(Method::POST, &request(args)).await {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    if error.is("migration-running") {
        let MigrationStatus { from, to, application, moves, dry_run, .. } = host.exchange(Method::GET, ROUTE).await?;
        let running = (Some(&from), Some(&to), &application, moves, dry_run);
        if running == (args.from.as_ref(), args.to.as_ref(), &args.application, args.moves, args.dry_run) {
            eprintln!("it is under way already");
            return Ok(());
        }
    }
    Err(error.into())
}

fn request(args: &Args) -> String {
    let Args { from, to, application, moves, dry_run, from_scratch, rate, wait, .. } = args;
    let named = |name: &str, value: &Option<String>| {
        let encoded = |value: &String| format!("{name}={}&", utf8_percent_encode(value, NON_ALPHANUMERIC));
        value.as_ref().map(encoded).unwrap_or_default()
    };
    let rate = rate.map(|rate| format!("&rate={rate}")).unwrap_or_default();
    format!(
        "{ROUTE}?{}{}{}move={moves}&dry-run={dry_run}&from-scratch={from_scratch}&wait={wait}{rate}",
        named("from", from),
        named("to", to),
        named("application", application),
    )
}

/// Waits until it has ended, and says meanwhile how it is.
async fn watch(host: RunningHost) -> anyhow::Result<MigrationStatus> {
    let (shows_every, line_end) = if io::stderr().is_terminal() { (1, "\r") } else { (SELDOM, "\n") };
    let mut looks: u32 = 0;
    let mut interrupted = false;
    loop {
        let status: MigrationStatus = host.exchange(Method::GET, ROUTE).await.map_err(lost)?;
        if status.state != MigrationState::Running {
            return Ok(status);
        }
        looks += 1;
        if looks.is_multiple_of(shows_every) {
            let MigrationStatus { seen, copied, unchanged, waiting, .. } = &status;
            // What nobody can read is no reason to stop.
            let _ = write!(
                io::stderr(),
                "{seen} seen, {copied} copied, {unchanged} unchanged, {waiting} waited for   {line_end}"
            );
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            _ = signal::ctrl_c(), if !interrupted => {
                interrupted = true;
                let _: MigrationStatus = host.exchange(Method::DELETE, ROUTE).await.map_err(lost)?;
            }
        }
    }
}

/// What it means that there is no answer in the midst of it.
fn lost(error: AskError) -> anyhow::Error {
    anyhow::Error::from(error).context(
        "the migration is not watched any more; if the host has ended, run it again when it is back: it goes on where it \
         ended",
    )
}

/// The summary.
fn print(status: &MigrationStatus) {
    let MigrationStatus { from, to, application, moves, dry_run, state, reason, elapsed_ms, seen, .. } = status;
    let what = match (dry_run, moves) {
        (true, _) => "dry run of a migration",
        (false, true) => "move",
        (false, false) => "copy",
    };
    let of = application.as_ref().map(|name| format!(", application `{name}`")).unwrap_or_default();
    let state = match state {
        MigrationState::Running => "running for",
        MigrationState::Done => "done in",
        MigrationState::Stopped => "stopped after",
        MigrationState::Failed => "failed after",
    };
    let [seconds, tenths] = [elapsed_ms / 1000, elapsed_ms % 1000 / 100];
    println!("{what} from `{from}` to `{to}`{of}: {state} {seconds}.{tenths} s, {seen} sessions seen");
    let copied = format!("{} bytes", status.copied_bytes);
    for (number, always, name, note) in [
        (status.copied, true, "copied", copied.as_str()),
        (status.unchanged, true, "unchanged", "the target has them already"),
        (status.removed, *moves, "removed", "at the source, of those here"),
        (status.newer_at_target, false, "newer at target", "changed there as well since they were copied; left alone"),
        (status.ended_at_target, false, "ended at target", "since they were copied; not brought back"),
        (status.gone, false, "gone", "ended at the source meanwhile"),
        (status.waiting, false, "waiting", "locked, or failed once; tried again"),
        (status.other_at_target, false, "other at target", "of unknown origin under the same ID; left alone"),
        (status.locked, false, "locked", "all the while; run it again, or break locks that nobody gives back"),
        (status.failed, false, "failed", "for these reasons:"),
    ] {
        if always || number > 0 {
            println!("{number:>10}  {name:<15}  {note}");
        }
    }
    for (reason, count) in &status.failures {
        println!("{count:>10}  {reason}");
    }
    if let Some(reason) = reason {
        println!("it could not go on: {reason}");
    }
}
