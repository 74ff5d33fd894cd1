//! Runs the rules on a component.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    capabilities::{ConnectionError, Connections, kv::Kv},
    clock::Clock,
    config::{ConfigError, ConnectionConfig, Grants, Limits},
    plugins::{CallError, LoadError, Plugin, PluginFailure, Runtime},
};

use super::{
    all,
    event_trial::EventTrial,
    finding::{Checked, Finding},
    id_trial::{IdTrial, Sample},
    report::{Judgement, Report, Verdict},
    rule::{Check, Needs, Rule},
    subject::{Subject, is_event_handler},
    transcript::Transcript,
    trial::Trial,
};

/// How often a component may run into a time limit before the rest of the rules is not tried any more.
const MOST_OVERRUNS: usize = 8;

/// How many checks run at a time where time cannot be moved and checks mostly wait.
const CHECKS_AT_A_TIME: usize = 16;

/// What to judge, and how.
#[derive(Debug, Clone, Default)]
pub struct Judging {
    /// The component.
    pub component: PathBuf,
    /// The components that it wraps, outermost first; each is granted what `NAME.toml` beside it says.
    pub on: Vec<PathBuf>,
    /// Settings for it.
    pub settings: BTreeMap<String, String>,
    /// The file that says what it is granted; `None`: `NAME.toml` beside it, if there is one.
    pub grants: Option<PathBuf>,
    /// The back ends that it may be granted, by name.
    pub connections: BTreeMap<String, ConnectionConfig>,
    /// The ids of the rules to run; none means all.
    pub only: Vec<String>,
}

/// Why a component was not judged.
#[derive(Debug, Error)]
pub enum NotJudged {
    /// The file is not a plugin that this host can run.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A back end cannot be what it is said to be.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The grant file cannot be read or is wrong.
    #[error(transparent)]
    Grants(#[from] ConfigError),
    /// It is a plugin for which there are no rules.
    #[error("{}: it is no provider, ID generator or event handler (it is: {kinds}); there are rules for these only", file.display())]
    NoRules {
        /// The file.
        file: PathBuf,
        /// What it is.
        kinds: String,
    },
    /// It wraps another provider, and there is none.
    #[error("{}: it wraps another provider; name one to judge it on with --on FILE.wasm", file.display())]
    WrapsNothing {
        /// The file.
        file: PathBuf,
    },
    /// It refused its settings.
    #[error("{}: it refused to start: {reason}; give it what it needs with --setting NAME=VALUE", file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// What it said.
        reason: String,
    },
    /// A rule that does not exist was asked for.
    #[error("there is no rule `{rule}` for this kind of component; `cloakroom check --list` lists all")]
    UnknownRule {
        /// The id that was given.
        rule: String,
    },
    /// The kit's host could not be set up.
    #[error("the kit could not set up a host: {0:#}")]
    Host(anyhow::Error),
}

/// Judges a component in a fresh host. Must be called in a tokio runtime with several threads.
pub async fn judge(judging: &Judging) -> Result<Report, NotJudged> {
    let clock = Clock::system();
    let connections = Connections::new(&judging.connections)?;
    let runtime = Runtime::new(clock.clone(), Kv::new(clock.clone()), None).map_err(NotJudged::Host)?;
    let runtime = runtime.with_connections(connections);
    let limits = Limits::default();
    let plugin = runtime.load(&judging.component, grants(judging, limits)?, limits)?;
    if !plugin.is_provider() && !plugin.is_id_manager() && !is_event_handler(&plugin) {
        let kinds = plugin.description().kinds_text();
        return Err(NotJudged::NoRules { file: judging.component.clone(), kinds });
    }
    let rules = selected(&plugin, &judging.only)?;
    if plugin.wraps() && judging.on.is_empty() {
        return Err(NotJudged::WrapsNothing { file: judging.component.clone() });
    }
    let mut on = Vec::new();
    for file in &judging.on {
        on.push(runtime.load(file, Grants::beside(file, limits)?, limits)?);
    }
    let subject = Arc::new(Subject::new(plugin, on, clock, judging.settings.clone()));
    let waits = starts(&subject, &judging.component).await?;

    let run = Run { subject: subject.clone(), sample: Sample::default() };
    let judgements = if waits { run.side_by_side(rules).await } else { run.in_turn(rules).await };
    Ok(Report::new(&subject.plugin, judgements))
}

fn grants(judging: &Judging, limits: Limits) -> Result<Grants, NotJudged> {
    let Some(file) = &judging.grants else { return Ok(Grants::beside(&judging.component, limits)?) };
    let text =
        fs::read_to_string(file).map_err(|reason: io::Error| ConfigError::Unreadable { file: file.clone(), reason })?;
    let directory = file.parent().unwrap_or(Path::new(""));
    Ok(Grants::from_toml(&file.display().to_string(), directory, &text, limits)?)
}

/// The rules for this kind of component, or those of them that were asked for.
fn selected(plugin: &Plugin, only: &[String]) -> Result<Vec<&'static Rule>, NotJudged> {
    let for_its_kind: Vec<_> = all()
        .filter(|rule| match rule.check {
            Check::Provider(_) => plugin.is_provider(),
            Check::IdManager(_) => plugin.is_id_manager(),
            Check::Events(_) => is_event_handler(plugin),
        })
        .collect();
    if let Some(unknown) = only.iter().find(|id| !for_its_kind.iter().any(|rule| rule.id == id.as_str())) {
        return Err(NotJudged::UnknownRule { rule: unknown.clone() });
    }
    Ok(for_its_kind.into_iter().filter(|rule| only.is_empty() || only.iter().any(|id| id == rule.id)).collect())
}

/// Starts the component once. One that refuses cannot be judged; one that fails will fail its rules. Returns whether
/// its store is outside the host, where the kit cannot move time.
async fn starts(subject: &Subject, file: &Path) -> Result<bool, NotJudged> {
    let refused = |error: CallError| match error {
        CallError::Store(error) => Err(NotJudged::Refused { file: file.to_owned(), reason: error.to_string() }),
        CallError::Plugin(_) => Ok(false),
    };
    let store = subject.fresh_store();
    if subject.plugin.is_id_manager() {
        subject.id_manager(&store).await.map(|_| false).or_else(refused)?;
    }
    if is_event_handler(&subject.plugin) {
        subject.event_handler(&store).await.map(|_| false).or_else(refused)?;
    }
    if subject.plugin.is_provider() {
        return subject.provider(&store).await.map(|provider| provider.waits()).or_else(refused);
    }
    Ok(false)
}

/// One run of the kit.
#[derive(Clone)]
struct Run {
    subject: Arc<Subject>,
    sample: Sample,
}

impl Run {
    /// One rule after the other: each may move the clock.
    async fn in_turn(&self, rules: Vec<&'static Rule>) -> Vec<Judgement> {
        let mut judgements = Vec::with_capacity(rules.len());
        for rule in rules {
            judgements.push(self.check(rule).await);
        }
        judgements
    }

    /// Many rules at a time, because most of them wait for real time to pass. Those that measure or judge the whole
    /// run come after them, one by one.
    async fn side_by_side(&self, rules: Vec<&'static Rule>) -> Vec<Judgement> {
        let alone = |rule: &Rule| rule.id.starts_with("concurrent.") || rule.id.starts_with("robust.");
        let permits = Arc::new(Semaphore::new(CHECKS_AT_A_TIME));
        let mut running = JoinSet::new();
        for (place, rule) in rules.iter().copied().enumerate().filter(|(_, rule)| !alone(rule)) {
            let (run, permits) = (self.clone(), permits.clone());
            running.spawn(async move {
                let _permit = permits.acquire().await;
                (place, run.check(rule).await)
            });
        }
        let mut judgements = BTreeMap::new();
        while let Some(finished) = running.join_next().await {
            // A check that panicked is missing here, and judged below.
            if let Ok((place, judgement)) = finished {
                judgements.insert(place, judgement);
            }
        }
        for (place, rule) in rules.into_iter().enumerate() {
            if let Entry::Vacant(vacant) = judgements.entry(place) {
                vacant.insert(self.check(rule).await);
            }
        }
        judgements.into_values().collect()
    }

    /// Runs one rule.
    async fn check(&self, rule: &'static Rule) -> Judgement {
        let transcript = Transcript::default();
        let verdict = match self.run(rule, &transcript).await {
            Ok(()) => Verdict::Passed,
            Err(Finding::Broken { expected, seen }) => Verdict::Broken { expected, seen },
            Err(Finding::Unjudged { reason }) => Verdict::Unjudged { reason },
            Err(Finding::Skipped { reason }) => Verdict::Skipped { reason },
        };
        Judgement { rule, verdict, calls: transcript.lines() }
    }

    async fn run(&self, rule: &'static Rule, transcript: &Transcript) -> Checked {
        self.not_too_slow(rule)?;
        match rule.check {
            Check::Provider(check) => {
                let trial = Trial::begin(&self.subject, transcript).await?;
                applies(trial.has(rule.needs), rule.needs)?;
                check(trial).await
            }
            Check::IdManager(check) => {
                let trial = IdTrial::begin(&self.subject, transcript, self.sample.clone()).await?;
                applies(trial.has(rule.needs), rule.needs)?;
                check(trial).await
            }
            Check::Events(check) => check(EventTrial::begin(&self.subject, transcript).await?).await,
        }
    }

    /// Gives up on a component that runs into time limits again and again: each time costs a second or more.
    fn not_too_slow(&self, rule: &Rule) -> Checked {
        let overruns = self
            .subject
            .failures()
            .iter()
            .filter(|error| matches!(error.failure, PluginFailure::Cpu { .. } | PluginFailure::Deadline { .. }))
            .count();
        if overruns < MOST_OVERRUNS || rule.id.starts_with("robust.") {
            return Ok(());
        }
        Err(Finding::Unjudged { reason: format!("not tried, because {overruns} calls before ran into a time limit") })
    }
}

fn applies(has: bool, needs: Needs) -> Checked {
    if has { Ok(()) } else { Err(Finding::Skipped { reason: needs.missing().to_owned() }) }
}
