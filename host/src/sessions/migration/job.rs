//! The migration of a host: one at a time, and what became of the last one.

use std::{path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    ledger::Ledger,
    request::{MigrationRefused, MigrationRequest},
    run::{Pace, Run},
    session::Transfer,
    status::{MigrationState, MigrationStatus},
};
use crate::sessions::{abandoned::Detached, store::Store};

/// Begins migrations and remembers the last.
pub(in crate::sessions) struct Migrations {
    /// Where ledgers are.
    directory: PathBuf,
    last: Mutex<Option<Job>>,
}

#[derive(Clone)]
struct Job {
    status: Arc<Mutex<MigrationStatus>>,
    stop: CancellationToken,
}

impl Migrations {
    /// Ledgers go into this directory, which is made when it is needed.
    pub(in crate::sessions) fn new(directory: PathBuf) -> Self {
        Self { directory, last: Mutex::default() }
    }

    /// Begins one, unless one runs. It ends before the host does.
    pub(in crate::sessions) fn begin(
        &self,
        source: Arc<Store>,
        target: Arc<Store>,
        request: MigrationRequest,
        detached: &Detached,
        shutdown: &CancellationToken,
    ) -> Result<MigrationStatus, MigrationRefused> {
        let mut last = self.last.lock();
        if let Some(running) = last.as_ref().map(Job::status).filter(|status| status.state == MigrationState::Running) {
            return Err(MigrationRefused::Running { from: running.from, to: running.to });
        }
        if source.name() == target.name() {
            return Err(MigrationRefused::SameStore { store: request.to });
        }
        source.must_list()?;
        let file = Ledger::path(&self.directory, source.name(), target.name());
        let ledger = Ledger::open(&file, !request.dry_run, request.from_scratch)
            .map_err(|error| MigrationRefused::Ledger { file, error })?;
        let status = MigrationStatus {
            from: request.from.clone(),
            to: request.to.clone(),
            application: request.application.clone(),
            moves: request.moves,
            dry_run: request.dry_run,
            ..MigrationStatus::default()
        };
        let job = Job { status: Arc::new(Mutex::new(status.clone())), stop: shutdown.child_token() };
        let MigrationRequest { from, to, application, moves, dry_run, .. } = &request;
        tracing::info!(from, to, application, moves, dry_run, "migration begins");
        let transfer =
            Transfer { source, target, ledger: Mutex::new(ledger), moves: request.moves, dry_run: request.dry_run };
        let pace = request.rate.map(Pace::new);
        let run = Run { transfer, request, status: job.status.clone(), stop: job.stop.clone(), pace };
        detached.begin(run.finish());
        *last = Some(job);
        Ok(status)
    }

    /// How the one that runs is, or how the last one ended.
    pub(in crate::sessions) fn status(&self) -> Option<MigrationStatus> {
        self.last.lock().as_ref().map(Job::status)
    }

    /// Stops the one that runs, after the sessions that are under way.
    pub(in crate::sessions) fn stop(&self) -> Option<MigrationStatus> {
        let job = self.last.lock().clone()?;
        job.stop.cancel();
        Some(job.status())
    }
}

impl Job {
    fn status(&self) -> MigrationStatus {
        self.status.lock().clone()
    }
}
