//! `cloakroom bench`: what a component costs.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use cloakroom::benchmark::{self, Candidate, Effort};

use super::setting::setting;

/// The store that ships, which others are compared with.
const MEMORY: &str = "memory.wasm";

/// Measure what a component costs: compiling, starting, and pairs of get-exclusive and set-and-release (or new IDs)
///
/// One thread, no network, nothing else in the way. Compare figures of one run only: machines have good and bad days.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    component: PathBuf,
    /// A setting for the component; can be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// A component to compare it with, measured in turns with it; without it, the memory.wasm beside a provider
    #[arg(long, value_name = "FILE.wasm")]
    beside: Option<PathBuf>,
    /// Sizes of payloads in bytes
    #[arg(long, value_name = "BYTES", value_delimiter = ',', default_values_t = [256, 4 * 1024, 256 * 1024])]
    sizes: Vec<usize>,
    /// How many seconds each component works on each size
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    seconds: f64,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { component, settings, beside, sizes, seconds, json } = args;
    let Ok(time) = Duration::try_from_secs_f64(seconds) else {
        bail!("--seconds {seconds}: a number of seconds is needed, such as 0.5");
    };
    let (other, only_if_alike) = match beside {
        Some(other) => (Some(other), false),
        None => (Some(component.with_file_name(MEMORY)).filter(|memory| memory.exists() && *memory != component), true),
    };
    let mut candidates = vec![Candidate { component, settings: settings.into_iter().collect(), only_if_alike: false }];
    candidates.extend(other.map(|component| Candidate { component, settings: [].into(), only_if_alike }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the thread for the measurements could not be set up")?;
    let report = runtime.block_on(benchmark::measure(&candidates, &Effort { sizes, time }))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}
