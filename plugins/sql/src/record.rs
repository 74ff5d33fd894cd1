//! A row as it is decided about, and as it is answered.

use cloakroom_plugin_sdk::{Error, Item, Lock, LockId, Payload, SessionData, expiry, sql::Column, sql::Parameter};

use crate::statements::NEVER;

/// The columns of a row, read one after the other.
pub(crate) struct Row(std::vec::IntoIter<Column>);

impl Row {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self(columns.into_iter())
    }

    pub(crate) fn number(&mut self) -> Result<i64, Error> {
        match self.0.next() {
            Some(Column::Number(number)) => Ok(number),
            _ => Err(unexpected("a number")),
        }
    }

    pub(crate) fn unsigned<T: TryFrom<i64>>(&mut self) -> Result<T, Error> {
        T::try_from(self.number()?).map_err(|_| unexpected("another number"))
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Error> {
        Ok(self.number()? != 0)
    }

    /// A moment that may be never.
    pub(crate) fn moment(&mut self) -> Result<Option<u64>, Error> {
        Ok(Some(self.unsigned()?).filter(|moment| *moment < NEVER))
    }

    pub(crate) fn text(&mut self) -> Result<Option<String>, Error> {
        match self.0.next() {
            Some(Column::Text(text)) => Ok(Some(text)),
            Some(Column::Null) => Ok(None),
            _ => Err(unexpected("text")),
        }
    }

    pub(crate) fn some_text(&mut self) -> Result<String, Error> {
        self.text()?.ok_or_else(|| unexpected("text"))
    }

    /// A payload; `None` where it was not asked for.
    pub(crate) fn payload(&mut self) -> Result<Option<Payload>, Error> {
        match self.0.next() {
            Some(Column::Payload(payload)) => Ok(Some(payload)),
            Some(Column::Null) => Ok(None),
            _ => Err(unexpected("bytes")),
        }
    }
}

/// A moment as it is stored.
pub(crate) fn stored(moment: Option<u64>) -> Parameter<'static> {
    number(moment.unwrap_or(NEVER).min(NEVER))
}

/// A number as it is stored; what is beyond the range is its end.
pub(crate) fn number(number: u64) -> Parameter<'static> {
    Parameter::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A text as it is stored: nothing where there is none.
pub(crate) fn optional(text: Option<String>) -> Parameter<'static> {
    text.map_or(Parameter::Null, Parameter::Text)
}

/// The tables are not what they should be.
pub(crate) fn unexpected(what: &str) -> Error {
    Error::Other(format!("the database answers something else than {what}; are the tables those of this store?"))
}

/// A session without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// The database's clock when this was read, Unix milliseconds.
    pub(crate) now: u64,
    /// What the row is called.
    pub(crate) number: i64,
    pub(crate) expires: Option<u64>,
    pub(crate) version: u64,
    /// The lock id that was issued last; the holder's while the session is locked.
    pub(crate) lock_id: LockId,
    pub(crate) locked: bool,
    pub(crate) locked_at: u64,
    /// Whether nobody has read the session since it was created uninitialized.
    pub(crate) uninitialized: bool,
    pub(crate) created: u64,
    /// Seconds; 0 is never.
    pub(crate) idle_timeout: u32,
    pub(crate) latest_expiry: Option<u64>,
}

impl Session {
    pub(crate) fn read(row: &mut Row) -> Result<Self, Error> {
        Ok(Self {
            now: row.unsigned()?,
            number: row.number()?,
            expires: row.moment()?,
            version: row.unsigned()?,
            lock_id: row.unsigned()?,
            locked: row.flag()?,
            locked_at: row.unsigned()?,
            uninitialized: row.flag()?,
            created: row.unsigned()?,
            idle_timeout: row.unsigned()?,
            latest_expiry: row.moment()?,
        })
    }

    pub(crate) fn has_expired(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= self.now)
    }

    /// Whether a caller who shows this lock id, or none, may write.
    pub(crate) fn admits(&self, lock_id: Option<LockId>) -> bool {
        !self.locked || lock_id == Some(self.lock_id)
    }

    /// The lock on it.
    pub(crate) fn held(&self) -> Lock {
        Lock { id: self.lock_id, age: self.now.saturating_sub(self.locked_at) }
    }

    /// When it expires if it is touched now. By less than a second nothing is moved.
    pub(crate) fn slid(&self) -> Option<u64> {
        let slid = expiry::slide(self.now, self.idle_timeout, self.latest_expiry);
        if expiry::worth_moving(self.expires, slid) { slid } else { self.expires }
    }

    /// What must still be so for a write on what was found.
    pub(crate) fn state(&self) -> [Parameter<'static>; 5] {
        [
            Parameter::Number(self.number),
            number(self.version),
            Parameter::Number(self.lock_id.into()),
            Parameter::Number(self.locked.into()),
            Parameter::Number(self.uninitialized.into()),
        ]
    }

    /// The session as the contract hands it out, expiring then, with the content that stands in the rest of the row.
    /// `None` if the row has no payload.
    pub(crate) fn item(&self, row: &mut Row, expires: Option<u64>) -> Result<Option<Item>, Error> {
        let (subject, content_type) = (row.text()?, row.text()?);
        let Some(payload) = row.payload()? else { return Ok(None) };
        let data = SessionData {
            payload: payload.with_content_type(content_type.as_deref()),
            idle_timeout: self.idle_timeout,
            latest_expiry: self.latest_expiry,
            subject,
        };
        let Self { version, created, uninitialized, .. } = *self;
        Ok(Some(Item { data, version, created, expires, uninitialized }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let columns = [10_000, 7, 30_000, 3, 5, 1, 4_000, 0, 1_000, 20, 253_402_300_799_999];
        let row = columns.into_iter().map(Column::Number).collect();
        Session::read(&mut Row::new(row)).expect("a session")
    }

    #[test]
    fn a_row_is_read_in_the_order_of_its_columns() {
        let session = session();
        assert_eq!((session.number, session.version, session.created), (7, 3, 1_000));
        assert_eq!((session.expires, session.latest_expiry), (Some(30_000), None));
        assert_eq!((session.held().id, session.held().age), (5, 6_000));
    }

    #[test]
    fn only_the_holder_may_write_to_a_locked_session() {
        let locked = session();
        assert!(locked.admits(Some(5)) && !locked.admits(Some(4)) && !locked.admits(None));
        let unlocked = Session { locked: false, ..locked };
        assert!(unlocked.admits(Some(4)) && unlocked.admits(None));
    }

    #[test]
    fn an_expiry_is_moved_by_a_second_or_more_and_not_beyond_the_latest() {
        assert_eq!(session().slid(), Some(30_000));
        assert_eq!(Session { now: 10_999, ..session() }.slid(), Some(30_000));
        assert_eq!(Session { now: 11_000, ..session() }.slid(), Some(31_000));
        assert_eq!(Session { now: 20_000, latest_expiry: Some(35_000), ..session() }.slid(), Some(35_000));
    }

    #[test]
    fn a_session_has_expired_at_the_moment_that_it_expires() {
        assert!(!Session { now: 29_999, ..session() }.has_expired());
        assert!(Session { now: 30_000, ..session() }.has_expired());
        assert!(!Session { expires: None, ..session() }.has_expired());
    }

    #[test]
    fn a_row_of_something_else_is_an_error() {
        assert!(Session::read(&mut Row::new(vec![Column::Text("1".to_owned())])).is_err());
        assert!(Session::read(&mut Row::new(vec![Column::Number(-1)])).is_err());
        assert!(Session::read(&mut Row::new(Vec::new())).is_err());
    }
}
