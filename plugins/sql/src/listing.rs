//! The optional operations: the sessions of a subject, all sessions, and a new ID for a session.

use cloakroom_plugin_sdk::{
    Error, LockId, RenameOutcome, SessionIndex, SessionKey, SessionPage, SessionRename, SessionScan, SessionSummary,
    lock,
    sql::{Parameter, Rows},
};

use crate::{Sql, operations::with, record::Row};

impl SessionIndex for Sql {
    fn list(&self, application: &str, subject: &str, cursor: Option<String>, limit: u32) -> Result<SessionPage, Error> {
        let names = [&self.store, application, subject].map(|name| Parameter::Text(name.to_owned()));
        page(self.run(&self.statements.list, &with(names, bounds(cursor, limit)?))?, limit)
    }
}

impl SessionScan for Sql {
    fn scan(&self, application: Option<&str>, cursor: Option<String>, limit: u32) -> Result<SessionPage, Error> {
        let bounds = bounds(cursor, limit)?;
        let store = [Parameter::Text(self.store.clone())];
        let rows = match application {
            None => self.run(&self.statements.scan, &with(store, bounds))?,
            Some(application) => {
                let names = with(store, [Parameter::Text(application.to_owned())]);
                self.run(&self.statements.scan_application, &with(names, bounds))?
            }
        };
        page(rows, limit)
    }
}

impl SessionRename for Sql {
    fn rename(
        &self,
        application: &str,
        old_id: &str,
        new_id: &str,
        lock_id: Option<LockId>,
    ) -> Result<RenameOutcome, Error> {
        let lock_id = lock_id.map(lock::check).transpose()?;
        let key = |id: &str| SessionKey { application: application.to_owned(), id: id.to_owned() };
        let (old, new) = (key(old_id), key(new_id));
        loop {
            let Some(session) = self.look_at_living(&old)? else { return Ok(RenameOutcome::Missing) };
            if !session.admits(lock_id) {
                self.slide(&session)?;
                return Ok(RenameOutcome::Locked(session.held()));
            }
            let parameters = with(session.state(), [Parameter::Text(new_id.to_owned())]);
            let renamed = self.change(&self.statements.rename, &parameters);
            if let Ok(true) = renamed {
                return Ok(RenameOutcome::Done);
            }
            // The ID may be taken, which some databases call an error; or somebody changed the session meanwhile.
            match self.look(&new)? {
                Some(taken) if taken.has_expired() => self.set_aside(&new)?,
                Some(_) => {
                    self.slide(&session)?;
                    return Ok(RenameOutcome::Taken);
                }
                None => drop(renamed?),
            }
        }
    }
}

/// After which number, and how many.
fn bounds(cursor: Option<String>, limit: u32) -> Result<[Parameter<'static>; 2], Error> {
    let after = match cursor {
        None => 0,
        Some(cursor) => cursor.parse().map_err(|_| {
            Error::InvalidArgument("the cursor is none that this store made; begin without one".to_owned())
        })?,
    };
    Ok([Parameter::Number(after), Parameter::Number(limit.into())])
}

/// A page of what was asked for; a full one may have another after it.
fn page(rows: Rows, limit: u32) -> Result<SessionPage, Error> {
    let mut sessions = Vec::with_capacity(rows.rows.len());
    let mut last = None;
    for columns in rows.rows {
        let mut row = Row::new(columns);
        last = Some(row.number()?);
        sessions.push(SessionSummary {
            key: SessionKey { application: row.some_text()?, id: row.some_text()? },
            created: row.unsigned()?,
            expires: row.moment()?,
            version: row.unsigned()?,
            locked: row.flag()?,
            size: row.unsigned()?,
            subject: row.text()?,
        });
    }
    let is_full = u32::try_from(sessions.len()).is_ok_and(|count| count >= limit);
    Ok(SessionPage { sessions, next: last.filter(|_| is_full).map(|last| last.to_string()) })
}
