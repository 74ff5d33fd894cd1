//! The optional operations: the sessions of a subject, all sessions, and a new ID for a session.

use cloakroom_plugin_sdk::{
    Error, LockId, RenameOutcome, SessionIndex, SessionKey, SessionPage, SessionRename, SessionScan, SessionSummary,
    kv::{Entry, KeyPage, PutError},
    lock,
};

use crate::{
    Memory,
    operations::held,
    record::Record,
    subject::{subject, tag},
};

impl SessionIndex for Memory {
    fn list(&self, application: &str, subject: &str, cursor: Option<String>, limit: u32) -> Result<SessionPage, Error> {
        let tag = tag(application, subject);
        let page = self.bucket.tagged(&tag, cursor.as_deref(), limit);
        // Between the look at the tags and the look at the entry somebody may have given it to another subject.
        Ok(self.summarize(page, |entry| entry.tag.as_deref() == Some(&tag)))
    }
}

impl SessionScan for Memory {
    fn scan(&self, application: Option<&str>, cursor: Option<String>, limit: u32) -> Result<SessionPage, Error> {
        let prefix = application.map(SessionKey::storage_prefix).unwrap_or_default();
        Ok(self.summarize(self.bucket.keys(&prefix, cursor.as_deref(), limit), |_| true))
    }
}

impl SessionRename for Memory {
    fn rename(
        &self,
        application: &str,
        old_id: &str,
        new_id: &str,
        lock_id: Option<LockId>,
    ) -> Result<RenameOutcome, Error> {
        let lock_id = lock_id.map(lock::check).transpose()?;
        let storage_key = |id: &str| SessionKey::storage_prefix(application) + id;
        let (old, new) = (storage_key(old_id), storage_key(new_id));
        loop {
            let Some(info) = self.bucket.stat(&old) else { return Ok(RenameOutcome::Missing) };
            let record = Record::from(info.words);
            // On any way out of here the session was found, so it stays alive. A touch leaves the version as it is.
            self.slide(&old, &info, &record);
            if !record.admits(lock_id) {
                return Ok(RenameOutcome::Locked(held(&record, &info)));
            }
            match self.bucket.rename(&old, &new, info.version) {
                Ok(_) => return Ok(RenameOutcome::Done),
                Err(PutError::Conflict) if self.bucket.stat(&new).is_some() => return Ok(RenameOutcome::Taken),
                // Somebody changed the session meanwhile.
                Err(PutError::Conflict) => continue,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Memory {
    /// The sessions of a page of keys, without those that went or changed meanwhile.
    fn summarize(&self, page: KeyPage, belongs: impl Fn(&Entry) -> bool) -> SessionPage {
        let sessions = page
            .keys
            .iter()
            .filter_map(|key| {
                let entry = self.bucket.get(key).filter(&belongs)?;
                Some(summary(SessionKey::from_storage_key(key)?, &entry))
            })
            .collect();
        SessionPage { sessions, next: page.next }
    }
}

/// What a listing says of a session.
fn summary(key: SessionKey, entry: &Entry) -> SessionSummary {
    let record = Record::from(entry.info.words);
    SessionSummary {
        key,
        created: record.created,
        expires: entry.info.expires,
        version: record.version,
        locked: record.locked,
        size: entry.payload.len(),
        subject: entry.tag.as_deref().and_then(subject),
    }
}
