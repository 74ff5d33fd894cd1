//! The operations of a session store.
//!
//! They share one shape: look at the session, decide, write where the row still is in the state that was seen. A write
//! that meets another state means that somebody else got on with the same session in between, so trying again always
//! ends. Where the database answers what a write did, the most frequent case is tried at once, without the look.

use cloakroom_plugin_sdk::{
    Condition, Error, GetExclusiveOutcome, GetOutcome, LockId, LockedItem, Provider, ReleaseOutcome, RemoveOutcome,
    ResetOutcome, SessionData, SessionKey, SetOutcome, Settings, lock, sql::Parameter,
};

use crate::{
    Sql,
    record::{Row, Session, number, optional, stored, unexpected},
};

/// The longest subject and media type, bytes: what their columns hold on MariaDB.
const LONGEST_TEXT: usize = 1024;

/// How often one who wants a lock looks again, before it waits for whoever is writing to the session all the while.
const LOOKS: u32 = 20;

impl Provider for Sql {
    const NAME: &'static str = concat!("sql ", env!("CARGO_PKG_VERSION"));

    fn initialize(store: &str, settings: &Settings) -> Result<Self, Error> {
        Self::open(store, settings)
    }

    fn create_uninitialized(&self, key: SessionKey, data: SessionData) -> Result<(), Error> {
        let data = New::of(data)?;
        loop {
            if self.insert(&key, &data, true)? {
                return Ok(());
            }
            match self.look(&key)? {
                Some(session) if session.has_expired() => self.set_aside(&key)?,
                Some(session) => return self.slide(&session),
                None => {}
            }
        }
    }

    fn get(&self, key: SessionKey) -> Result<GetOutcome, Error> {
        loop {
            let Some((session, mut row)) = self.find(&self.statements.read, &key)? else {
                return Ok(GetOutcome::Missing);
            };
            if session.locked {
                self.slide(&session)?;
                return Ok(GetOutcome::Locked(session.held()));
            }
            if session.uninitialized {
                // Of concurrent readers one sees the flag.
                if !self.change(&self.statements.see, &session.state())? {
                    continue;
                }
            } else {
                self.slide(&session)?;
            }
            let item = session.item(&mut row, session.slid())?;
            return item.map(GetOutcome::Found).ok_or_else(|| unexpected("a payload"));
        }
    }

    fn peek(&self, key: SessionKey) -> Result<GetOutcome, Error> {
        let Some((session, mut row)) = self.find(&self.statements.read, &key)? else { return Ok(GetOutcome::Missing) };
        if session.locked {
            return Ok(GetOutcome::Locked(session.held()));
        }
        let item = session.item(&mut row, session.expires)?;
        item.map(GetOutcome::Found).ok_or_else(|| unexpected("a payload"))
    }

    fn get_exclusive(&self, key: SessionKey) -> Result<GetExclusiveOutcome, Error> {
        if let Some(statement) = &self.statements.lock_at_once
            && let Some(columns) = self.row(statement, &self.key(&key))?
        {
            let mut row = Row::new(columns);
            let has_lock = row.flag()?;
            let session = Session::read(&mut row)?;
            if has_lock {
                return taken(&session, &mut row, session.expires, session.lock_id);
            }
            if session.locked && !session.has_expired() {
                self.slide(&session)?;
                return Ok(GetExclusiveOutcome::Locked(session.held()));
            }
        }
        let mut looks = 0;
        loop {
            let Some((session, mut row)) = self.find(&self.statements.read, &key)? else {
                return Ok(GetExclusiveOutcome::Missing);
            };
            if session.locked {
                self.slide(&session)?;
                return Ok(GetExclusiveOutcome::Locked(session.held()));
            }
            let lock_id = lock::next(session.lock_id);
            looks += 1;
            let unless_busy = self.statements.lock_unless_busy.as_ref().filter(|_| looks < LOOKS);
            let statement = unless_busy.unwrap_or(&self.statements.lock);
            if self.change(statement, &with(session.state(), [Parameter::Number(lock_id.into())]))? {
                return taken(&session, &mut row, session.slid(), lock_id);
            }
        }
    }

    fn set_and_release(
        &self,
        key: SessionKey,
        data: SessionData,
        lock_id: Option<LockId>,
        condition: Condition,
        keep_lock: bool,
    ) -> Result<SetOutcome, Error> {
        let lock_id = lock_id.map(lock::check).transpose()?;
        let data = New::of(data)?;
        if let Some(version) = self.store_at_once(&key, &data, lock_id, condition, keep_lock)? {
            return Ok(SetOutcome::Done(version));
        }
        loop {
            let Some(session) = self.look(&key)? else {
                if matches!(condition, Condition::IfVersion(_)) {
                    return Ok(SetOutcome::Stale(0));
                }
                if self.insert(&key, &data, false)? {
                    return Ok(SetOutcome::Done(1));
                }
                continue;
            };
            if session.has_expired() {
                if matches!(condition, Condition::IfVersion(_)) {
                    return Ok(SetOutcome::Stale(0));
                }
                self.set_aside(&key)?;
                continue;
            }
            // The lock comes before the condition: what would be refused anyway is not refused for its condition.
            if !session.admits(lock_id) {
                self.slide(&session)?;
                return Ok(SetOutcome::Locked(session.held()));
            }
            if !holds(condition, session.version) {
                self.slide(&session)?;
                return Ok(SetOutcome::Stale(session.version));
            }
            if self.change(&self.statements.store, &with(data.written(keep_lock), session.state()))? {
                return Ok(SetOutcome::Done(session.version + 1));
            }
        }
    }

    fn release_exclusive(&self, key: SessionKey, lock_id: LockId) -> Result<ReleaseOutcome, Error> {
        let lock_id = lock::check(lock_id)?;
        let shown = [Parameter::Number(lock_id.into())];
        if self.change(&self.statements.unlock_at_once, &with(self.key(&key), shown))? {
            return Ok(ReleaseOutcome::Done(false));
        }
        loop {
            let Some(session) = self.look_at_living(&key)? else { return Ok(ReleaseOutcome::Missing) };
            if !session.admits(Some(lock_id)) {
                self.slide(&session)?;
                return Ok(ReleaseOutcome::Locked(session.held()));
            }
            if !session.locked && !session.uninitialized {
                self.slide(&session)?;
                return Ok(ReleaseOutcome::Done(false));
            }
            if self.change(&self.statements.unlock, &session.state())? {
                return Ok(ReleaseOutcome::Done(session.uninitialized));
            }
        }
    }

    fn remove(&self, key: SessionKey, lock_id: Option<LockId>, want_item: bool) -> Result<RemoveOutcome, Error> {
        let lock_id = lock_id.map(lock::check).transpose()?;
        let shown = [Parameter::Number(lock_id.unwrap_or(0).into())];
        if !want_item && self.change(&self.statements.remove_at_once, &with(self.key(&key), shown))? {
            return Ok(RemoveOutcome::Done(None));
        }
        loop {
            let statement = if want_item { &self.statements.read_whole } else { &self.statements.look };
            let Some((session, mut row)) = self.find(statement, &key)? else { return Ok(RemoveOutcome::Missing) };
            if !session.admits(lock_id) {
                self.slide(&session)?;
                return Ok(RemoveOutcome::Locked(session.held()));
            }
            if self.change(&self.statements.remove, &session.state())? {
                let item = if want_item { session.item(&mut row, session.expires)? } else { None };
                return Ok(RemoveOutcome::Done(item));
            }
        }
    }

    fn reset_timeout(&self, key: SessionKey) -> Result<ResetOutcome, Error> {
        let Some(session) = self.look_at_living(&key)? else { return Ok(ResetOutcome::Missing) };
        self.slide(&session)?;
        Ok(ResetOutcome::Done)
    }

    fn sweep(&self, limit: u32) -> Result<bool, Error> {
        self.sweep_expired(limit)
    }
}

impl Sql {
    /// Reads a session that has not expired, with the rest of its row.
    fn find(&self, statement: &str, key: &SessionKey) -> Result<Option<(Session, Row)>, Error> {
        let Some(columns) = self.row(statement, &self.key(key))? else { return Ok(None) };
        let mut row = Row::new(columns);
        let session = Session::read(&mut row)?;
        Ok((!session.has_expired()).then_some((session, row)))
    }

    /// Reads a session without its content, also one that has expired and is still in the way.
    pub(crate) fn look(&self, key: &SessionKey) -> Result<Option<Session>, Error> {
        let columns = self.row(&self.statements.look, &self.key(key))?;
        columns.map(|columns| Session::read(&mut Row::new(columns))).transpose()
    }

    /// Reads a session without its content.
    pub(crate) fn look_at_living(&self, key: &SessionKey) -> Result<Option<Session>, Error> {
        Ok(self.look(key)?.filter(|session| !session.has_expired()))
    }

    /// Moves the expiry of a session that is otherwise left as it is.
    pub(crate) fn slide(&self, session: &Session) -> Result<(), Error> {
        if session.slid() != session.expires {
            self.run(&self.statements.slide, &[Parameter::Number(session.number)])?;
        }
        Ok(())
    }

    /// Makes room where a session has expired. It is swept under its number.
    pub(crate) fn set_aside(&self, key: &SessionKey) -> Result<(), Error> {
        self.run(&self.statements.set_aside, &self.key(key)).map(drop)
    }

    /// Inserts a session; whether there was none.
    fn insert(&self, key: &SessionKey, data: &New, uninitialized: bool) -> Result<bool, Error> {
        let [payload, content_type, subject, _, idle_timeout, latest_expiry, _] = data.written(false);
        let values = [payload, content_type, subject, idle_timeout, latest_expiry];
        let values = with(with(values, self.key(key)), [Parameter::Number(uninitialized.into())]);
        self.change(&self.statements.insert, &values)
    }

    /// Stores a session if there is one and it may be, and the database can tell its version. `None` says nothing.
    fn store_at_once(
        &self,
        key: &SessionKey,
        data: &New,
        lock_id: Option<LockId>,
        condition: Condition,
        keep_lock: bool,
    ) -> Result<Option<u64>, Error> {
        let version = match condition {
            Condition::None => 0,
            // No session has version 0, which stands for any.
            Condition::MustBeNew | Condition::IfVersion(0) => return Ok(None),
            Condition::IfVersion(version) => version,
        };
        let Some(statement) = &self.statements.store_at_once else { return Ok(None) };
        let conditions = [Parameter::Number(lock_id.unwrap_or(0).into()), number(version)];
        let parameters = with(with(data.written(keep_lock), self.key(key)), conditions);
        self.row(statement, &parameters)?.map(|columns| Row::new(columns).unsigned()).transpose()
    }
}

/// What a write writes.
struct New {
    data: SessionData,
    content_type: Option<String>,
}

impl New {
    fn of(data: SessionData) -> Result<Self, Error> {
        let content_type = data.payload.content_type();
        for (what, text) in [("subject", &data.subject), ("media type", &content_type)] {
            let Some(text) = text else { continue };
            if text.len() > LONGEST_TEXT {
                let what = format!("the {what} has {} bytes; a database holds {LONGEST_TEXT}", text.len());
                return Err(Error::LimitExceeded(what));
            }
            if text.contains('\0') {
                return Err(Error::InvalidArgument(format!("the {what} contains U+0000, which databases do not hold")));
            }
        }
        Ok(Self { data, content_type })
    }

    /// As the first parameters of a store.
    fn written(&self, keep_lock: bool) -> [Parameter<'_>; 7] {
        let subject = self.data.subject.clone().filter(|subject| !subject.is_empty());
        [
            Parameter::Payload(&self.data.payload),
            optional(self.content_type.clone()),
            optional(subject),
            Parameter::Number(self.data.subject.is_some().into()),
            Parameter::Number(self.data.idle_timeout.into()),
            stored(self.data.latest_expiry),
            Parameter::Number(keep_lock.into()),
        ]
    }
}

/// Parameters and some more.
pub(crate) fn with<'p>(
    parameters: impl IntoIterator<Item = Parameter<'p>>,
    more: impl IntoIterator<Item = Parameter<'p>>,
) -> Vec<Parameter<'p>> {
    parameters.into_iter().chain(more).collect()
}

fn taken(
    session: &Session,
    row: &mut Row,
    expires: Option<u64>,
    lock_id: LockId,
) -> Result<GetExclusiveOutcome, Error> {
    let item = session.item(row, expires)?.ok_or_else(|| unexpected("a payload"))?;
    Ok(GetExclusiveOutcome::Found(LockedItem { item, lock_id }))
}

/// Whether a condition holds for a session that exists and has this version.
fn holds(condition: Condition, version: u64) -> bool {
    match condition {
        Condition::None => true,
        Condition::MustBeNew => false,
        Condition::IfVersion(wanted) => wanted == version,
    }
}
