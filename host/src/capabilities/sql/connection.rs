//! The pool behind a name, as the interface uses it: time limits, and what is tried again.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use super::{
    driver::{Dialect, Target},
    error::{Failure, Meaning},
    pool::{Lease, Pool},
    statement::Statement,
    values::{Answer, Given},
};
use crate::{capabilities::bindings::types::Error, config::ConnectionConfig};

/// How often a statement by itself is run that another one keeps getting in the way of.
const ATTEMPTS: usize = 4;

/// A connection by its configured name. Cheap to clone; clones share it.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct SqlConnection {
    name: Arc<str>,
    pool: Arc<Pool>,
    timeout: std::time::Duration,
}

/// A transaction that a component holds.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct SqlTransaction {
    connection: SqlConnection,
    /// `None` once it is over, and while a statement runs.
    lease: Arc<Mutex<Option<Lease>>>,
}

/// A transaction that may still be open when the call ends in which it was begun.
pub(in crate::capabilities) struct OpenTransaction(Weak<Mutex<Option<Lease>>>);

impl OpenTransaction {
    /// Rolls it back if it is.
    pub(in crate::capabilities) fn end(self) {
        if let Some(lease) = self.0.upgrade() {
            drop(lease.lock().take());
        }
    }
}

impl SqlConnection {
    /// Of what is configured; `None` if it is no SQL server. Connects when it is first used.
    pub(in crate::capabilities) fn new(name: &str, config: &ConnectionConfig) -> Result<Option<Self>, String> {
        let Some(target) = Target::new(config).map_err(|_| "its URL cannot be understood".to_owned())? else {
            return Ok(None);
        };
        let pool = Pool::new(target, config.max_connections(), config.connect_timeout);
        Ok(Some(Self { name: name.into(), pool: Arc::new(pool), timeout: config.timeout }))
    }

    /// The name that the operator gave it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where it leads.
    pub(super) fn target(&self) -> &Target {
        self.pool.target()
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.target().dialect()
    }

    /// Runs one statement by itself. `most`: the bytes that its answer may have.
    pub(super) async fn execute(&self, text: &str, given: &[Given], most: usize) -> Result<Answer, Error> {
        let run = async {
            let statement = self.read(text, given)?;
            let mut attempts = ATTEMPTS;
            loop {
                attempts -= 1;
                let mut lease = self.pool.lease(self.timeout).await?;
                match lease.execute(&statement, given, most).await {
                    // The server undid it, so it can be run again.
                    Err(failure) if failure.meaning() == Meaning::Again && attempts > 0 => {}
                    outcome => return outcome,
                }
            }
        };
        self.in_time(run).await
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<SqlTransaction, Error> {
        let run = async {
            let mut lease = self.pool.lease(self.timeout).await?;
            lease.begin().await?;
            // Without a commit it is closed, and the server rolls back.
            lease.spoil();
            Ok(lease)
        };
        let lease = self.in_time(run).await?;
        Ok(SqlTransaction { connection: self.clone(), lease: Arc::new(Mutex::new(Some(lease))) })
    }

    fn read(&self, text: &str, given: &[Given]) -> Result<Statement, Failure> {
        let mut statement = Statement::read(self.dialect(), text, given.len()).map_err(Failure::Refused)?;
        if self.dialect() == Dialect::PostgreSql {
            statement.mark(given.iter().map(Given::kind));
        }
        Ok(statement)
    }

    /// Lets something take no longer than the connection's time limit.
    pub(super) async fn in_time<T>(&self, run: impl Future<Output = Result<T, Failure>>) -> Result<T, Error> {
        let limit = self.timeout;
        let outcome = timeout_at(Instant::now() + limit, run).await.unwrap_or(Err(Failure::Late { limit }));
        outcome.map_err(|failure| failure.told(&self.name))
    }
}

impl SqlTransaction {
    /// What has to be ended with the call.
    pub(super) fn open(&self) -> OpenTransaction {
        OpenTransaction(Arc::downgrade(&self.lease))
    }

    /// Runs one statement in the transaction. If it fails the transaction is over.
    pub(super) async fn execute(&self, text: &str, given: &[Given], most: usize) -> Result<Answer, Error> {
        let run = async {
            let statement = self.connection.read(text, given)?;
            let mut lease = self.lease.lock().take().ok_or(Failure::Over)?;
            let outcome = lease.execute(&statement, given, most).await;
            lease.spoil();
            if outcome.is_ok() {
                self.lease.lock().replace(lease);
            }
            outcome
        };
        self.connection.in_time(run).await
    }

    /// Makes its changes permanent.
    pub(super) async fn commit(self) -> Result<(), Error> {
        let run = async {
            let mut lease = self.lease.lock().take().ok_or(Failure::Over)?;
            let committed = lease.commit().await;
            if committed.is_err() {
                lease.spoil();
            }
            committed
        };
        self.connection.in_time(run).await
    }
}
