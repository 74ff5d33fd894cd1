//! `kv`: the built-in store as components see it. Carries each call of `wit/kv.wit` over to [`super::kv`].
//!
//! Linked by hand: the generated code would copy every key out of the component before anybody looks at it.

use wasmtime::{
    Result, StoreContextMut,
    component::{Linker, Resource, WasmStr},
};

use super::{
    GuestContext, GuestView,
    bindings::kv as wit,
    kv::{Bucket, Entry, EntryInfo, ExpiredEntry, KeyPage, PutCondition, PutError, TagChange, Words},
    link::interface,
};
use crate::{clock::UnixMillis, contract::Payload};

/// What `put` takes.
type Put = (u32, WasmStr, Option<Resource<Payload>>, wit::Words, Option<u64>, wit::TagChange, wit::PutCondition);

/// Links the interface.
pub(super) fn link_kv<T: GuestView + 'static>(linker: &mut Linker<T>) -> Result<()> {
    let mut kv = interface(linker, "kv")?;
    kv.func_wrap("open", |mut store: StoreContextMut<'_, T>, (name,): (Option<String>,)| {
        Ok((store.data_mut().guest().open(name),))
    })?;
    kv.func_wrap("get", |mut store: StoreContextMut<'_, T>, (bucket, key): (u32, WasmStr)| {
        let entry = store.data().guest_ref().bucket(bucket)?.get(&key.to_str(&store)?);
        let entry = entry.map(|entry| store.data_mut().guest().entry(entry)).transpose()?;
        Ok((entry,))
    })?;
    kv.func_wrap("stat", |store: StoreContextMut<'_, T>, (bucket, key): (u32, WasmStr)| {
        let info = store.data().guest_ref().bucket(bucket)?.stat(&key.to_str(&store)?);
        Ok((info.map(wit::EntryInfo::from),))
    })?;
    kv.func_wrap("put", |store: StoreContextMut<'_, T>, params: Put| {
        let (bucket, key, payload, words, expires, tag, condition) = params;
        let guest = store.data().guest_ref();
        let payload = payload.map(|payload| guest.payloads.get(&payload).cloned()).transpose()?;
        let tag = match &tag {
            wit::TagChange::Keep => TagChange::Keep,
            wit::TagChange::Clear => TagChange::Clear,
            wit::TagChange::Set(tag) => TagChange::Set(tag),
        };
        let (key, expires) = (key.to_str(&store)?, expires.map(UnixMillis));
        let put = guest.bucket(bucket)?.put(&key, payload, words.into(), expires, tag, condition.into());
        Ok((put.map_err(wit::PutError::from),))
    })?;
    kv.func_wrap(
        "touch",
        |store: StoreContextMut<'_, T>, (bucket, key, expires, version): (u32, WasmStr, Option<u64>, u64)| {
            let bucket = store.data().guest_ref().bucket(bucket)?;
            Ok((bucket.touch(&key.to_str(&store)?, expires.map(UnixMillis), version),))
        },
    )?;
    kv.func_wrap("delete", |store: StoreContextMut<'_, T>, (bucket, key, version): (u32, WasmStr, u64)| {
        Ok((store.data().guest_ref().bucket(bucket)?.delete(&key.to_str(&store)?, version),))
    })?;
    kv.func_wrap(
        "rename",
        |store: StoreContextMut<'_, T>, (bucket, old, new, version): (u32, WasmStr, WasmStr, u64)| {
            let bucket = store.data().guest_ref().bucket(bucket)?;
            let renamed = bucket.rename(&old.to_str(&store)?, &new.to_str(&store)?, version);
            Ok((renamed.map_err(wit::PutError::from),))
        },
    )?;
    link_expiry_and_listing(linker)
}

/// Links the functions for what has expired, and those that list keys.
fn link_expiry_and_listing<T: GuestView + 'static>(linker: &mut Linker<T>) -> Result<()> {
    let mut kv = interface(linker, "kv")?;
    kv.func_wrap("claim-expired", |mut store: StoreContextMut<'_, T>, (bucket, limit, lease): (u32, u32, u64)| {
        let guest = store.data_mut().guest();
        let claimed = guest.bucket(bucket)?.claim_expired(limit, lease);
        let claimed = claimed.into_iter().map(|expired| guest.expired(expired)).collect::<Result<Vec<_>>>()?;
        Ok((claimed,))
    })?;
    kv.func_wrap("settle", |store: StoreContextMut<'_, T>, (bucket, ticket): (u32, u64)| {
        Ok((store.data().guest_ref().bucket(bucket)?.settle(ticket),))
    })?;
    kv.func_wrap("drop-expired", |store: StoreContextMut<'_, T>, (bucket, limit): (u32, u32)| {
        Ok((store.data().guest_ref().bucket(bucket)?.drop_expired(limit),))
    })?;
    kv.func_wrap(
        "keys",
        |store: StoreContextMut<'_, T>, (bucket, prefix, cursor, limit): (u32, WasmStr, Option<String>, u32)| {
            let bucket = store.data().guest_ref().bucket(bucket)?;
            Ok((wit::KeyPage::from(bucket.keys(&prefix.to_str(&store)?, cursor.as_deref(), limit)),))
        },
    )?;
    kv.func_wrap(
        "tagged",
        |store: StoreContextMut<'_, T>, (bucket, tag, cursor, limit): (u32, WasmStr, Option<String>, u32)| {
            let bucket = store.data().guest_ref().bucket(bucket)?;
            Ok((wit::KeyPage::from(bucket.tagged(&tag.to_str(&store)?, cursor.as_deref(), limit)),))
        },
    )?;
    Ok(())
}

impl GuestContext {
    /// Opens a bucket, or finds it among those that are open.
    fn open(&mut self, name: Option<String>) -> std::result::Result<u32, String> {
        let name = match name {
            None => self.setup.own_bucket.to_string(),
            Some(name) if self.setup.grants.kv.contains(&name) => format!("shared:{name}"),
            Some(name) => {
                return Err(format!(
                    "plugin `{}` has not been granted the bucket `{name}`; write `kv = [\"{name}\"]` into its grant \
                     file if it shall have it",
                    self.setup.plugin
                ));
            }
        };
        let open = self.buckets.iter().position(|(open, _)| *open == name);
        let place = open.unwrap_or_else(|| {
            let bucket = self.setup.kv.bucket(&name);
            self.buckets.push((name, bucket));
            self.buckets.len() - 1
        });
        u32::try_from(place).map_err(|_| "it has opened too many buckets".to_owned())
    }

    /// A bucket by the number that the component has for it.
    fn bucket(&self, number: u32) -> Result<&Bucket> {
        let open = usize::try_from(number).ok().and_then(|place| self.buckets.get(place));
        let Some((_, bucket)) = open else {
            wasmtime::bail!("it called `kv` with the bucket {number}, which is none that it has opened");
        };
        Ok(bucket)
    }

    fn entry(&mut self, entry: Entry) -> Result<wit::Entry> {
        Ok(wit::Entry {
            info: entry.info.into(),
            payload: self.payloads.push(entry.payload)?,
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
