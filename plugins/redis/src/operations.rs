//! The operations of a session store, each of them one script.

use cloakroom_plugin_sdk::{
    Condition, Error, GetExclusiveOutcome, GetOutcome, LockId, LockedItem, Provider, ReleaseOutcome, RemoveOutcome,
    ResetOutcome, SessionData, SessionKey, SetOutcome, Settings, lock, redis::Argument,
};

use crate::{
    Redis,
    answer::{Answer, DONE, LOCKED, MISSING, STALE, unexpected},
    text::encoded,
};

impl Provider for Redis {
    const NAME: &'static str = concat!("redis ", env!("CARGO_PKG_VERSION"));

    fn initialize(store: &str, settings: &Settings) -> Result<Self, Error> {
        Self::open(store, settings)
    }

    fn reports_expiry(&self) -> bool {
        self.can_report_expiry()
    }

    fn create_uninitialized(&self, key: SessionKey, data: SessionData) -> Result<(), Error> {
        let content_type = content_type(&data);
        let arguments = [
            Argument::Payload(&data.payload),
            Argument::Text(content_type),
            Argument::Text(encoded(data.subject.as_deref().unwrap_or_default())),
            Argument::Number(data.idle_timeout.into()),
            moment(data.latest_expiry),
        ];
        self.run(&self.scripts.create, self.place(key), arguments).map(drop)
    }

    fn get(&self, key: SessionKey) -> Result<GetOutcome, Error> {
        get_outcome(self.run(&self.scripts.get, self.place(key), [])?)
    }

    fn peek(&self, key: SessionKey) -> Result<GetOutcome, Error> {
        get_outcome(self.run(&self.scripts.peek, self.place(key), [])?)
    }

    fn get_exclusive(&self, key: SessionKey) -> Result<GetExclusiveOutcome, Error> {
        let mut answer = self.run(&self.scripts.get_exclusive, self.place(key), [])?;
        Ok(match answer.number()? {
            MISSING => GetExclusiveOutcome::Missing,
            LOCKED => GetExclusiveOutcome::Locked(answer.lock()?),
            DONE => GetExclusiveOutcome::Found(LockedItem { item: answer.item()?, lock_id: answer.lock_id()? }),
            _ => return Err(unexpected("outcome")),
        })
    }

    fn set_and_release(
        &self,
        key: SessionKey,
        data: SessionData,
        lock_id: Option<LockId>,
        condition: Condition,
        keep_lock: bool,
    ) -> Result<SetOutcome, Error> {
        let lock_id = shown(lock_id)?;
        let condition = match condition {
            Condition::None => String::new(),
            Condition::MustBeNew => "new".to_owned(),
            Condition::IfVersion(version) => version.to_string(),
        };
        let content_type = content_type(&data);
        let arguments = [
            Argument::Payload(&data.payload),
            Argument::Text(content_type),
            // An encoded subject never is this: it would have something before or after it.
            Argument::Text(data.subject.as_deref().map_or("-".to_owned(), subject)),
            Argument::Number(data.idle_timeout.into()),
            moment(data.latest_expiry),
            lock_id,
            Argument::Text(condition),
            Argument::Number(keep_lock.into()),
        ];
        let mut answer = self.run(&self.scripts.set_and_release, self.place(key), arguments)?;
        Ok(match answer.number()? {
            DONE => SetOutcome::Done(answer.version()?),
            LOCKED => SetOutcome::Locked(answer.lock()?),
            STALE => SetOutcome::Stale(answer.version()?),
            _ => return Err(unexpected("outcome")),
        })
    }

    fn release_exclusive(&self, key: SessionKey, lock_id: LockId) -> Result<ReleaseOutcome, Error> {
        let lock_id = shown(Some(lock_id))?;
        let mut answer = self.run(&self.scripts.release_exclusive, self.place(key), [lock_id])?;
        Ok(match answer.number()? {
            MISSING => ReleaseOutcome::Missing,
            LOCKED => ReleaseOutcome::Locked(answer.lock()?),
            DONE => ReleaseOutcome::Done(answer.number()? == 1),
            _ => return Err(unexpected("outcome")),
        })
    }

    fn remove(&self, key: SessionKey, lock_id: Option<LockId>, want_item: bool) -> Result<RemoveOutcome, Error> {
        let arguments = [shown(lock_id)?, Argument::Number(want_item.into())];
        let mut answer = self.run(&self.scripts.remove, self.place(key), arguments)?;
        Ok(match answer.number()? {
            MISSING => RemoveOutcome::Missing,
            LOCKED => RemoveOutcome::Locked(answer.lock()?),
            DONE if want_item => RemoveOutcome::Done(Some(answer.item()?)),
            DONE => RemoveOutcome::Done(None),
            _ => return Err(unexpected("outcome")),
        })
    }

    fn reset_timeout(&self, key: SessionKey) -> Result<ResetOutcome, Error> {
        let mut answer = self.run(&self.scripts.reset_timeout, self.place(key), [])?;
        Ok(if answer.number()? == DONE { ResetOutcome::Done } else { ResetOutcome::Missing })
    }

    fn sweep(&self, limit: u32) -> Result<bool, Error> {
        self.sweep_buckets(limit)
    }
}

fn get_outcome(mut answer: Answer) -> Result<GetOutcome, Error> {
    Ok(match answer.number()? {
        MISSING => GetOutcome::Missing,
        LOCKED => GetOutcome::Locked(answer.lock()?),
        DONE => GetOutcome::Found(answer.item()?),
        _ => return Err(unexpected("outcome")),
    })
}

/// A lock id that a caller shows, or nothing.
fn shown(lock_id: Option<LockId>) -> Result<Argument<'static>, Error> {
    Ok(Argument::Text(lock_id.map(lock::check).transpose()?.map(|id| id.to_string()).unwrap_or_default()))
}

fn moment(moment: Option<u64>) -> Argument<'static> {
    Argument::Text(moment.map(|moment| moment.to_string()).unwrap_or_default())
}

fn content_type(data: &SessionData) -> String {
    encoded(&data.payload.content_type().unwrap_or_default())
}

/// A subject, which may be `-`, what the script takes for none.
fn subject(subject: &str) -> String {
    if subject == "-" { "%2D".to_owned() } else { encoded(subject) }
}
