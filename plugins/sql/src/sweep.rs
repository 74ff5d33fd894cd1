//! Finding what expired.
//!
//! A sweep claims sessions: it writes until when they are its own. Other sweeps pass over what is being claimed and what
//! is claimed, so no session is reported twice while all hosts live; what a host had claimed that died is found again
//! when the claim has run out.

use cloakroom_plugin_sdk::{
    Error, Item, Payload, SessionData, SessionKey, expiry_callback, log,
    sql::{Column, Parameter, Rows, Transaction},
};

use crate::{Sql, record::Row, statements::BATCH};

/// A session that this sweep has claimed.
struct Claimed {
    number: i64,
    key: SessionKey,
    uninitialized: bool,
    version: u64,
    created: u64,
    idle_timeout: u32,
    latest_expiry: Option<u64>,
    expires: Option<u64>,
    subject: Option<String>,
}

impl Sql {
    /// Reports and deletes up to `limit` expired sessions; whether there may be more.
    pub(crate) fn sweep_expired(&self, limit: u32) -> Result<bool, Error> {
        let due = [Parameter::Text(self.store.clone()), Parameter::Number(limit.into())];
        if !expiry_callback::listening() {
            return Ok(self.run(&self.statements.discard, &due)?.affected >= u64::from(limit));
        }
        let claimed = self.claim(&due)?;
        let may_be_more = u32::try_from(claimed.len()).is_ok_and(|claimed| claimed >= limit);
        for batch in claimed.chunks(BATCH) {
            let mut told = Vec::with_capacity(BATCH);
            let reported = batch.iter().try_for_each(|session| -> Result<(), Error> {
                if self.report(session)? {
                    told.push(session.number);
                }
                Ok(())
            });
            // Only then are they forgotten: reported twice at worst, never not at all.
            self.run(&self.statements.forget, &numbers(&told))?;
            reported?;
        }
        Ok(may_be_more)
    }

    fn claim(&self, due: &[Parameter<'_>]) -> Result<Vec<Claimed>, Error> {
        let Some(mark) = &self.statements.mark else { return claimed(self.run(&self.statements.claim, due)?) };
        // A look at the tables comes with the first statement, which is none in the transaction.
        self.make_ready()?;
        let transaction = self.connection.begin()?;
        let claimed = claimed(transaction.execute(&self.statements.claim, due)?)?;
        for batch in claimed.chunks(BATCH) {
            let batch: Vec<_> = batch.iter().map(|session| session.number).collect();
            transaction.execute(mark, &numbers(&batch))?;
        }
        Transaction::commit(transaction)?;
        Ok(claimed)
    }

    /// Reports a session; whether it may be forgotten.
    fn report(&self, session: &Claimed) -> Result<bool, Error> {
        // Nobody ever had it in hand, so nobody misses it.
        if session.uninitialized {
            return Ok(true);
        }
        let Some(columns) = self.row(&self.statements.content, &[Parameter::Number(session.number)])? else {
            // The claim has run out; whoever has it now reports it.
            return Ok(false);
        };
        match expiry_callback::item_expired(&session.key, session.item(columns)?) {
            Ok(()) => Ok(true),
            Err(error) => {
                log::warn(format!("an expired session was not taken: {}; will offer it again", error.message()));
                Ok(false)
            }
        }
    }
}

impl Claimed {
    fn read(columns: Vec<Column>) -> Result<Self, Error> {
        let mut row = Row::new(columns);
        Ok(Self {
            number: row.number()?,
            key: SessionKey { application: row.some_text()?, id: row.some_text()? },
            uninitialized: row.flag()?,
            version: row.unsigned()?,
            created: row.unsigned()?,
            idle_timeout: row.unsigned()?,
            latest_expiry: row.moment()?,
            expires: row.moment()?,
            subject: row.text()?,
        })
    }

    /// The session with its content.
    fn item(&self, content: Vec<Column>) -> Result<Item, Error> {
        let mut row = Row::new(content);
        let content_type = row.text()?;
        let payload = row.payload()?.unwrap_or_else(Payload::empty).with_content_type(content_type.as_deref());
        let Self { version, created, expires, idle_timeout, latest_expiry, .. } = *self;
        let data = SessionData { payload, idle_timeout, latest_expiry, subject: self.subject.clone() };
        Ok(Item { data, version, created, expires, uninitialized: false })
    }
}

fn claimed(rows: Rows) -> Result<Vec<Claimed>, Error> {
    rows.rows.into_iter().map(Claimed::read).collect()
}

/// Numbers of sessions as parameters, as many as a statement has. No session has the number 0.
fn numbers(numbers: &[i64]) -> Vec<Parameter<'static>> {
    let none = std::iter::repeat_n(0, BATCH.saturating_sub(numbers.len()));
    numbers.iter().copied().chain(none).map(Parameter::Number).collect()
}
