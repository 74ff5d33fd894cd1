//! `kv`: the built-in store as components see it. Carries each call of `wit/kv.wit` over to [`super::kv`].

use wasmtime::{Result, component::Resource};

use super::{
    GuestContext,
    bindings::kv as wit,
    kv::{Bucket, Entry, EntryInfo, ExpiredEntry, KeyPage, PutCondition, PutError, TagChange, Words},
};
use crate::{clock::UnixMillis, contract::Payload};

impl wit::Host for GuestContext {}

impl wit::HostBucket for GuestContext {
    fn open(&mut self, name: Option<String>) -> Result<std::result::Result<Resource<Bucket>, String>> {
        let name = match name {
            None => self.setup.own_bucket.to_string(),
            Some(name) if self.setup.grants.kv.contains(&name) => format!("shared:{name}"),
            Some(name) => {
                return Ok(Err(format!(
                    "plugin `{}` has not been granted the bucket `{name}`; write `kv = [\"{name}\"]` into its grant \
                     file if it shall have it",
                    self.setup.plugin
                )));
            }
        };
        let bucket = self.setup.kv.bucket(&name);
        Ok(Ok(self.table.push(bucket)?))
    }

    fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<wit::Entry>> {
        let entry = self.table.get(&bucket)?.get(&key);
        entry.map(|entry| self.entry(entry)).transpose()
    }

    fn stat(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<wit::EntryInfo>> {
        Ok(self.table.get(&bucket)?.stat(&key).map(wit::EntryInfo::from))
    }

    fn put(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        payload: Option<Resource<Payload>>,
        words: wit::Words,
        expires: Option<u64>,
        tag: wit::TagChange,
        condition: wit::PutCondition,
    ) -> Result<std::result::Result<u64, wit::PutError>> {
        let payload = payload.map(|payload| self.table.get(&payload).cloned()).transpose()?;
        let tag = match &tag {
            wit::TagChange::Keep => TagChange::Keep,
            wit::TagChange::Clear => TagChange::Clear,
            wit::TagChange::Set(tag) => TagChange::Set(tag),
        };
        let bucket = self.table.get(&bucket)?;
        let put = bucket.put(&key, payload, words.into(), expires.map(UnixMillis), tag, condition.into());
        Ok(put.map_err(wit::PutError::from))
    }

    fn touch(&mut self, bucket: Resource<Bucket>, key: String, expires: Option<u64>, version: u64) -> Result<bool> {
        Ok(self.table.get(&bucket)?.touch(&key, expires.map(UnixMillis), version))
    }

    fn delete(&mut self, bucket: Resource<Bucket>, key: String, version: u64) -> Result<bool> {
        Ok(self.table.get(&bucket)?.delete(&key, version))
    }

    fn rename(
        &mut self,
        bucket: Resource<Bucket>,
        old: String,
        new: String,
        version: u64,
    ) -> Result<std::result::Result<u64, wit::PutError>> {
        Ok(self.table.get(&bucket)?.rename(&old, &new, version).map_err(wit::PutError::from))
    }

    fn claim_expired(&mut self, bucket: Resource<Bucket>, limit: u32, lease: u64) -> Result<Vec<wit::ExpiredEntry>> {
        let claimed = self.table.get(&bucket)?.claim_expired(limit, lease);
        claimed.into_iter().map(|expired| self.expired(expired)).collect()
    }

    fn settle(&mut self, bucket: Resource<Bucket>, ticket: u64) -> Result<bool> {
        Ok(self.table.get(&bucket)?.settle(ticket))
    }

    fn drop_expired(&mut self, bucket: Resource<Bucket>, limit: u32) -> Result<u32> {
        Ok(self.table.get(&bucket)?.drop_expired(limit))
    }

    fn keys(
        &mut self,
        bucket: Resource<Bucket>,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<wit::KeyPage> {
        Ok(self.table.get(&bucket)?.keys(&prefix, cursor.as_deref(), limit).into())
    }

    fn tagged(
        &mut self,
        bucket: Resource<Bucket>,
        tag: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<wit::KeyPage> {
        Ok(self.table.get(&bucket)?.tagged(&tag, cursor.as_deref(), limit).into())
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl GuestContext {
    fn entry(&mut self, entry: Entry) -> Result<wit::Entry> {
        Ok(wit::Entry {
            info: entry.info.into(),
            payload: self.table.push(entry.payload)?,
            tag: entry.tag.map(|tag| tag.as_ref().to_owned()),
        })
    }

    fn expired(&mut self, expired: ExpiredEntry) -> Result<wit::ExpiredEntry> {
        Ok(wit::ExpiredEntry {
            ticket: expired.ticket,
            key: expired.key.as_ref().to_owned(),
            entry: self.entry(expired.entry)?,
        })
    }
}

impl From<wit::Words> for Words {
    fn from(wit::Words { a, b, c, d, e, f }: wit::Words) -> Self {
        Self { a, b, c, d, e, f }
    }
}

impl From<Words> for wit::Words {
    fn from(Words { a, b, c, d, e, f }: Words) -> Self {
        Self { a, b, c, d, e, f }
    }
}

impl From<EntryInfo> for wit::EntryInfo {
    fn from(info: EntryInfo) -> Self {
        Self {
            words: info.words.into(),
            version: info.version,
            expires: info.expires.map(|moment| moment.0),
            now: info.now.0,
        }
    }
}

impl From<wit::PutCondition> for PutCondition {
    fn from(condition: wit::PutCondition) -> Self {
        match condition {
            wit::PutCondition::Always => Self::Always,
            wit::PutCondition::IfAbsent => Self::IfAbsent,
            wit::PutCondition::IfVersion(version) => Self::IfVersion(version),
        }
    }
}

impl From<PutError> for wit::PutError {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Conflict => Self::Conflict,
            PutError::Invalid(why) => Self::Invalid(why),
            PutError::Full(why) => Self::Full(why),
        }
    }
}

impl From<KeyPage> for wit::KeyPage {
    fn from(page: KeyPage) -> Self {
        Self { keys: page.keys.iter().map(|key| key.as_ref().to_owned()).collect(), next: page.next }
    }
}
