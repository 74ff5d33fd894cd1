//! What a component costs, for `cloakroom bench`: how long it takes to compile and to start, how long its calls take, and
//! the memory of an instance.
//!
//! A provider is measured by pairs of get-exclusive and set-and-release on a few sessions, called as the session
//! service calls it, on one thread and without a network; a generator by the IDs that it makes. Several components are
//! measured in one run, taking turns, because figures from two runs on a busy machine cannot be compared.

mod latencies;
mod memory;
mod report;
mod work;

use std::{
    any::Any,
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use thiserror::Error;

pub use latencies::Summary;
pub use memory::Footprint;
pub use report::{Figures, Measured, Report};

use self::{memory::Crowd, work::Worker};
use crate::{
    capabilities::kv::Kv,
    clock::Clock,
    config::{ConfigError, Grants, Limits},
    plugins::{CallError, LoadError, Plugin, Runtime},
};

/// How often an instance is started to measure that.
const STARTS: usize = 20;

/// How long one component works before it is the next one's turn.
const TURN: Duration = Duration::from_millis(100);

/// A component to be measured.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The file.
    pub component: PathBuf,
    /// Its settings.
    pub settings: BTreeMap<String, String>,
    /// Whether it is left out if it does other work than the first.
    pub only_if_alike: bool,
}

/// How it is measured.
#[derive(Debug, Clone)]
pub struct Effort {
    /// Sizes of payloads in bytes.
    pub sizes: Vec<usize>,
    /// How long each component works on each size.
    pub time: Duration,
}

/// Why a component cannot be measured.
#[derive(Debug, Error)]
pub enum BenchmarkError {
    /// The file is no plugin, or is not granted what it imports.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The grant file is wrong.
    #[error(transparent)]
    Grants(#[from] ConfigError),
    /// It is something else.
    #[error("{}: it is neither a provider nor an ID generator (it is: {kinds}); only these have work to measure", file.display())]
    NoWork {
        /// The file.
        file: PathBuf,
        /// What it is.
        kinds: String,
    },
    /// Two components that do different work were to be compared.
    #[error("{} and {} are not of the same kind and cannot be compared", first.display(), other.display())]
    NotAlike {
        /// The first file.
        first: PathBuf,
        /// The other file.
        other: PathBuf,
    },
    /// It failed at work.
    #[error("{}: {error}", file.display())]
    Call {
        /// The file.
        file: PathBuf,
        /// How.
        error: CallError,
    },
    /// It answered wrongly.
    #[error("{}: {what}; run `cloakroom check` on it", file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The host for the measurements could not be set up.
    #[error("a host could not be set up: {0:#}")]
    Host(anyhow::Error),
}

/// A component that is ready to work.
struct Contestant {
    candidate: Candidate,
    plugin: Plugin,
    compile: Duration,
    start: Duration,
    footprint: Footprint,
}

/// Measures components side by side: the first and what it is compared with.
pub async fn measure(candidates: &[Candidate], effort: &Effort) -> Result<Report, BenchmarkError> {
    let clock = Clock::system();
    // Without a cache, or the time to compile would be that of a look-up.
    let runtime = Runtime::new(clock.clone(), Kv::new(clock), None).map_err(BenchmarkError::Host)?;
    let mut contestants = Vec::new();
    let mut crowds = Vec::new();
    for candidate in candidates {
        contestants.push(enter(&runtime, candidate, &mut crowds).await?);
    }
    drop(crowds);
    let does_pairs = contestants.first().is_some_and(|first| first.plugin.is_provider());
    contestants.retain(|other| other.plugin.is_provider() == does_pairs || !other.candidate.only_if_alike);
    if let Some((first, others)) = contestants.split_first()
        && let Some(other) = others.iter().find(|other| other.plugin.is_provider() != does_pairs)
    {
        return Err(BenchmarkError::NotAlike {
            first: first.candidate.component.clone(),
            other: other.candidate.component.clone(),
        });
    }
    let sizes = if does_pairs { effort.sizes.iter().copied().map(Some).collect() } else { vec![None] };
    let mut measured: Vec<Vec<Measured>> = contestants.iter().map(|_| Vec::new()).collect();
    for size in sizes {
        for (measured, figure) in measured.iter_mut().zip(compete(&contestants, size, effort.time).await?) {
            measured.push(figure);
        }
    }
    let figures = contestants.into_iter().zip(measured).map(|(contestant, measured)| contestant.figures(measured));
    Ok(Report { figures: figures.collect() })
}

/// A component that is ready to work for a store: a [`Provider`](crate::plugins::Provider) or another of the sort.
type Started = Box<dyn Any>;

/// Makes an instance and initializes it.
async fn start(plugin: &Plugin, store: &str, settings: &BTreeMap<String, String>) -> Result<Started, CallError> {
    if plugin.is_provider() {
        Ok(Box::new(plugin.provider(store, settings).await?))
    } else {
        Ok(Box::new(plugin.id_manager(store, settings).await?))
    }
}

/// Compiles a component and starts instances of it. Those whose memory was measured go into `crowds`.
async fn enter(
    runtime: &Runtime,
    candidate: &Candidate,
    crowds: &mut Vec<Crowd>,
) -> Result<Contestant, BenchmarkError> {
    let limits = Limits::default();
    let grants = Grants::beside(&candidate.component, limits)?;
    let begun = Instant::now();
    let plugin = runtime.load(&candidate.component, grants, limits)?;
    let compile = begun.elapsed();
    if !plugin.is_provider() && !plugin.is_id_manager() {
        let kinds = plugin.description().kinds_text();
        return Err(BenchmarkError::NoWork { file: candidate.component.clone(), kinds });
    }
    let failed = |error| BenchmarkError::Call { file: candidate.component.clone(), error };
    let (footprint, crowd) = memory::measure(&plugin, &candidate.settings).await.map_err(failed)?;
    crowds.push(crowd);
    let mut starts = Vec::new();
    for number in 0..STARTS {
        let begun = Instant::now();
        let store = format!("start-{number}");
        drop(start(&plugin, &store, &candidate.settings).await.map_err(failed)?);
        starts.push(begun.elapsed());
    }
    starts.sort();
    let start = starts.get(STARTS / 2).copied().unwrap_or_default();
    Ok(Contestant { candidate: candidate.clone(), plugin, compile, start, footprint })
}

/// Has all components do the same work in turns, each for this long.
async fn compete(
    contestants: &[Contestant],
    payload: Option<usize>,
    time: Duration,
) -> Result<Vec<Measured>, BenchmarkError> {
    let mut workers = Vec::new();
    for contestant in contestants {
        workers.push(Worker::begin(&contestant.plugin, &contestant.candidate, payload).await?);
    }
    // One turn to warm up.
    for worker in &mut workers {
        worker.work(TURN).await?;
        worker.forget();
    }
    let turns = time.as_millis().div_ceil(TURN.as_millis()).max(1);
    for _ in 0..turns {
        for worker in &mut workers {
            worker.work(TURN).await?;
        }
    }
    let measured = workers.into_iter().zip(contestants).map(|(worker, contestant)| {
        let memory = memory::of_an_instance(&contestant.plugin);
        Measured { payload, latencies: worker.finish(), memory }
    });
    Ok(measured.collect())
}

impl Contestant {
    fn figures(self, measured: Vec<Measured>) -> Figures {
        let what = self.plugin.description();
        Figures {
            file: self.candidate.component,
            digest: what.digest.clone(),
            size: what.size,
            kind: what.kinds_text(),
            compile: self.compile,
            start: self.start,
            memory: self.footprint,
            measured,
        }
    }
}
