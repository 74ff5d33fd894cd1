//! One check of one rule on a generator of session IDs.

use std::{future::Future, sync::Arc};

use tokio::sync::OnceCell;

use crate::plugins::{CallError, IdManager, IdManagerInfo, PluginError};

use super::{
    finding::{Checked, Finding},
    race::all_of,
    rule::Needs,
    subject::Subject,
    transcript::Transcript,
    trial::APPLICATION,
};

/// How many IDs the statistical rules look at.
pub(super) const SAMPLE: usize = 10_000;

/// The IDs that the statistical rules share, made by the first that asks.
pub(super) type Sample = Arc<OnceCell<Vec<String>>>;

/// A generator, and every call written down. Clones are the same trial.
#[derive(Clone)]
pub(super) struct IdTrial {
    manager: IdManager,
    subject: Arc<Subject>,
    transcript: Transcript,
    sample: Sample,
    writing: bool,
}

impl IdTrial {
    pub(super) async fn begin(subject: &Arc<Subject>, transcript: &Transcript, sample: Sample) -> Checked<Self> {
        let store = subject.fresh_store();
        match subject.id_manager(&store).await {
            Ok(manager) => {
                Ok(Self { manager, subject: subject.clone(), transcript: transcript.clone(), sample, writing: true })
            }
            Err(error) => {
                transcript.note(format!("initialize(store {store}) -> {error}"));
                Err(Finding::Unjudged { reason: format!("the component could not be initialized: {error}") })
            }
        }
    }

    /// Whether a rule that needs this applies.
    pub(super) fn has(&self, needs: Needs) -> bool {
        match needs {
            Needs::Verifiable => self.info().verifiable,
            Needs::AspNetForm => self.info().aspnet_form,
            _ => true,
        }
    }

    /// What the generator says of itself.
    pub(super) fn info(&self) -> IdManagerInfo {
        self.manager.info()
    }

    /// The same component as the generator of another store, with the same settings.
    pub(super) async fn anew(&self) -> Checked<Self> {
        self.note("with a new instance:");
        Self::begin(&self.subject, &self.transcript, self.sample.clone()).await
    }

    /// Writes a line into the transcript.
    pub(super) fn note(&self, line: impl Into<String>) {
        self.transcript.note(line);
    }

    /// How the component failed in calls so far, whichever rule called.
    pub(super) fn failures(&self) -> Vec<PluginError> {
        self.subject.failures()
    }

    /// Many IDs, the same for every rule of a run.
    pub(super) async fn sample(&self) -> Checked<&[String]> {
        self.note(format!("create, {SAMPLE} times"));
        let quiet = Self { writing: false, ..self.clone() };
        let sample = self
            .sample
            .get_or_try_init(|| async {
                let mut ids = Vec::with_capacity(SAMPLE);
                for _ in 0..SAMPLE {
                    ids.push(quiet.create(None).await?);
                }
                Ok::<_, Finding>(ids)
            })
            .await?;
        Ok(sample)
    }

    /// Creates IDs in tasks that run at the same time.
    pub(super) async fn create_together(&self, tasks: usize, each: usize) -> Checked<Vec<String>> {
        self.note(format!("{tasks} tasks: create, {each} times each"));
        let make = |quiet: Self| -> std::pin::Pin<Box<dyn Future<Output = Checked<Vec<String>>> + Send>> {
            Box::pin(async move {
                let mut ids = Vec::with_capacity(each);
                for _ in 0..each {
                    ids.push(quiet.create(None).await?);
                }
                Ok(ids)
            })
        };
        let running: Vec<_> = (0..tasks).map(|_| tokio::spawn(make(Self { writing: false, ..self.clone() }))).collect();
        Ok(all_of(running).await?.concat())
    }

    pub(super) async fn create(&self, previous: Option<&str>) -> Checked<String> {
        let result = self.manager.create(APPLICATION, previous).await;
        let instead_of = previous.map(|id| format!(", instead of {id}")).unwrap_or_default();
        self.settle(result, || format!("create({APPLICATION}{instead_of})"), String::clone)
    }

    pub(super) async fn validate(&self, id: &str) -> Checked<bool> {
        let result = self.manager.validate(id).await;
        self.settle(
            result,
            || {
                let beginning: String = id.chars().take(90).collect();
                format!("validate({:?}{})", beginning, if beginning.len() < id.len() { "…" } else { "" })
            },
            |valid| valid.to_string(),
        )
    }

    fn settle<T>(
        &self,
        result: Result<T, CallError>,
        call: impl FnOnce() -> String,
        describe: impl FnOnce(&T) -> String,
    ) -> Checked<T> {
        if self.writing || result.is_err() {
            self.transcript.note_call(&result, call, describe);
        }
        Ok(self.subject.noticing(result)?)
    }
}
