//! A session store behind a component: the operations of the contract as calls.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    CallError, PlainOperations, Plugin,
    build::Shard,
    inner::Restoring,
    provider_exports::{EXPIRY_FILTER, Functions, INDEX, Key, RENAME, SCAN},
    serving::Serving,
    shard_cursor,
    succession::Use,
};
use crate::{
    capabilities::{ExpirySink, InnerProvider, convert},
    contract::{
        Condition, GetExclusiveOutcome, GetOutcome, Item, ReleaseOutcome, RemoveOutcome, RenameOutcome, ResetOutcome,
        SessionData, SessionKey, SessionPage, SetOutcome,
    },
};

/// A provider for one store, over a pool of instances of its component. Cheap to clone.
///
/// Lock ids go in as plain numbers, so that the conformance kit can pass wrong ones.
#[derive(Clone)]
pub struct Provider {
    serving: Arc<Serving<Functions>>,
    /// The plugin's name, which no change of its build changes.
    plugin: Arc<str>,
    /// The provider that it wraps.
    inner: Option<Arc<Provider>>,
    /// What is called instead of the component.
    plain: Option<Arc<dyn PlainOperations>>,
}

impl Provider {
    pub(super) async fn open(
        plugin: &Plugin,
        store: &str,
        settings: &BTreeMap<String, String>,
        inner: Option<Self>,
    ) -> Result<Self, CallError> {
        let inner = inner.map(Arc::new);
        let behind = inner.clone().map(|inner| -> Arc<dyn InnerProvider> { inner });
        let serving = Serving::open_around(plugin, store, settings, behind).await?;
        Ok(Self { serving: Arc::new(serving), plugin: plugin.name().into(), inner, plain: None })
    }

    /// The same with these operations in the place of the component's.
    pub(super) fn replaced_by(self, plain: Arc<dyn PlainOperations>) -> Self {
        Self { plain: Some(plain), ..self }
    }

    /// Whether a call is wanted that tries a plugin which is not called otherwise, because it kept failing.
    #[must_use]
    pub fn is_due_for_attempt(&self) -> bool {
        self.serving.is_due_for_attempt()
    }

    /// Its use of the plugin.
    pub(super) fn usage(&self) -> Arc<dyn Use> {
        self.serving.clone()
    }

    /// What the provider calls itself.
    #[must_use]
    pub fn name(&self) -> String {
        self.serving.now().info.name.clone()
    }

    /// The plugin's name: its file name without the extension.
    #[must_use]
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Fresh, empty data.
    pub async fn create_new_data(&self, idle_timeout: u32) -> Result<SessionData, CallError> {
        self.serving
            .call(
                Shard::Number(0),
                "create-new-data",
                |functions| Some(functions.create_new_data),
                |_| Ok((idle_timeout,)),
                |guest, data| convert::data(guest.payloads(), data),
            )
            .await
    }

    /// Inserts an item flagged uninitialized, unless there is one.
    pub async fn create_uninitialized(&self, key: &SessionKey, data: SessionData) -> Result<(), CallError> {
        self.serving
            .call(
                Shard::Of(key),
                "create-uninitialized",
                |functions| Some(functions.create_uninitialized),
                |guest| Ok((Key::from(key), convert::guest_data(guest.payloads(), data)?)),
                |_, ()| Ok(()),
            )
            .await
    }

    /// Reads an item.
    pub async fn get(&self, key: &SessionKey) -> Result<GetOutcome, CallError> {
        if let Some(plain) = &self.plain {
            return Ok(plain.get(key)?);
        }
        self.serving
            .call(
                Shard::Of(key),
                "get",
                |functions| Some(functions.get),
                |_| Ok((Key::from(key),)),
                |guest, outcome| convert::get_outcome(guest.payloads(), outcome),
            )
            .await
    }

    /// Reads an item and changes nothing.
    pub async fn peek(&self, key: &SessionKey) -> Result<GetOutcome, CallError> {
        self.serving
            .call(
                Shard::Of(key),
                "peek",
                |functions| Some(functions.peek),
                |_| Ok((Key::from(key),)),
                |guest, outcome| convert::get_outcome(guest.payloads(), outcome),
            )
            .await
    }

    /// Reads an item and takes its lock.
    pub async fn get_exclusive(&self, key: &SessionKey) -> Result<GetExclusiveOutcome, CallError> {
        if let Some(plain) = &self.plain {
            return Ok(plain.get_exclusive(key)?);
        }
        self.serving
            .call(
                Shard::Of(key),
                "get-exclusive",
                |functions| Some(functions.get_exclusive),
                |_| Ok((Key::from(key),)),
                |guest, outcome| convert::get_exclusive_outcome(guest.payloads(), outcome),
            )
            .await
    }

    /// Stores an item and unlocks it, or with `keep_lock` leaves a held lock in place.
    pub async fn set_and_release(
        &self,
        key: &SessionKey,
        data: SessionData,
        lock_id: Option<u32>,
        condition: Condition,
        keep_lock: bool,
    ) -> Result<SetOutcome, CallError> {
        if let Some(plain) = &self.plain
            && condition == Condition::None
            && !keep_lock
        {
            return Ok(plain.set_and_release(key, data, lock_id)?);
        }
        self.serving
            .call(
                Shard::Of(key),
                "set-and-release",
                |functions| Some(functions.set_and_release),
                |guest| {
                    let data = convert::guest_data(guest.payloads(), data)?;
                    Ok((Key::from(key), data, lock_id, condition.into(), keep_lock))
                },
                |_, outcome| convert::set_outcome(outcome),
            )
            .await
    }

    /// Unlocks an item.
    pub async fn release_exclusive(&self, key: &SessionKey, lock_id: u32) -> Result<ReleaseOutcome, CallError> {
        self.serving
            .call(
                Shard::Of(key),
                "release-exclusive",
                |functions| Some(functions.release_exclusive),
                |_| Ok((Key::from(key), lock_id)),
                |_, outcome| convert::release_outcome(outcome),
            )
            .await
    }

    /// Deletes an item; with `want_item` the outcome carries what it was.
    pub async fn remove(
        &self,
        key: &SessionKey,
        lock_id: Option<u32>,
        want_item: bool,
    ) -> Result<RemoveOutcome, CallError> {
        self.serving
            .call(
                Shard::Of(key),
                "remove",
                |functions| Some(functions.remove),
                |_| Ok((Key::from(key), lock_id, want_item)),
                |guest, outcome| convert::remove_outcome(guest.payloads(), outcome),
            )
            .await
    }

    /// Slides the expiry.
    pub async fn reset_timeout(&self, key: &SessionKey) -> Result<ResetOutcome, CallError> {
        self.serving
            .call(
                Shard::Of(key),
                "reset-timeout",
                |functions| Some(functions.reset_timeout),
                |_| Ok((Key::from(key),)),
                |_, outcome| Ok(outcome.into()),
            )
            .await
    }

    /// Has up to `limit` expired sessions reported to `sink` and deleted; whether there may be more.
    pub async fn sweep(&self, limit: u32, sink: Arc<dyn ExpirySink>) -> Result<bool, CallError> {
        let mut more = false;
        for shard in 0..self.serving.now().shards() {
            let (sink, behind) = (sink.clone(), self.restoring(sink.clone()));
            more |= self
                .serving
                .call(
                    Shard::Number(shard),
                    "sweep",
                    |functions| Some(functions.sweep),
                    |guest| {
                        guest.report_expired_to(sink, behind);
                        Ok((limit,))
                    },
                    |_, more| Ok(more),
                )
                .await?;
        }
        Ok(more)
    }

    /// The optional `expiry-filter`: an expired session as this provider would have handed it out, of what the one that
    /// it wraps did.
    pub(super) async fn restore(&self, key: &SessionKey, item: Item) -> Result<Item, CallError> {
        self.serving
            .call(
                Shard::Number(0),
                "restore",
                |functions| functions.restore,
                |guest| Ok((Key::from(key), convert::guest_item(guest.payloads(), item)?)),
                |guest, item| convert::item(guest.payloads(), item),
            )
            .await
    }

    /// Who hears of the sessions that expire in what it wraps.
    fn restoring(&self, sink: Arc<dyn ExpirySink>) -> Arc<dyn ExpirySink> {
        if self.inner.is_some() && self.serving.now().code().exports(EXPIRY_FILTER) {
            Arc::new(Restoring { provider: self.clone(), sink })
        } else {
            sink
        }
    }

    /// The optional `session-rename`. Ask [`Provider::can_rename`] first.
    pub async fn rename(
        &self,
        key: &SessionKey,
        new_id: &str,
        lock_id: Option<u32>,
    ) -> Result<RenameOutcome, CallError> {
        let (application, id) = key.parts();
        self.serving
            .call(
                Shard::Of(key),
                "rename",
                |functions| functions.rename,
                |_| Ok((application, id, new_id.to_owned(), lock_id)),
                |_, outcome| convert::rename_outcome(outcome),
            )
            .await
    }

    /// The optional `session-index`. Ask [`Provider::can_list`] first.
    pub async fn list(
        &self,
        application: &str,
        subject: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<SessionPage, CallError> {
        let shards = self.serving.now().shards();
        let (shard, cursor) = shard_cursor::split(cursor, shards)?;
        let page = self
            .serving
            .call(
                Shard::Number(shard),
                "list",
                |functions| functions.list,
                |_| Ok((application.to_owned(), subject.to_owned(), cursor.map(str::to_owned), limit)),
                |_, page| convert::page(page),
            )
            .await?;
        Ok(shard_cursor::joined(page, shard, shards))
    }

    /// The optional `session-scan`. Ask [`Provider::can_scan`] first.
    pub async fn scan(
        &self,
        application: Option<&str>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<SessionPage, CallError> {
        let shards = self.serving.now().shards();
        let (shard, cursor) = shard_cursor::split(cursor, shards)?;
        let page = self
            .serving
            .call(
                Shard::Number(shard),
                "scan",
                |functions| functions.scan,
                |_| Ok((application.map(str::to_owned), cursor.map(str::to_owned), limit)),
                |_, page| convert::page(page),
            )
            .await?;
        Ok(shard_cursor::joined(page, shard, shards))
    }

    /// Whether it exports `session-rename`, and a session's new ID cannot lead to another instance's memory.
    #[must_use]
    pub fn can_rename(&self) -> bool {
        self.serving.now().shards() == 1 && self.has(RENAME, Self::can_rename)
    }

    /// Whether it exports `session-index`.
    #[must_use]
    pub fn can_list(&self) -> bool {
        self.has(INDEX, Self::can_list)
    }

    /// Whether it exports `session-scan`.
    #[must_use]
    pub fn can_scan(&self) -> bool {
        self.has(SCAN, Self::can_scan)
    }

    /// Whether it keeps sessions in its own memory.
    #[must_use]
    pub fn keeps_sessions_in_memory(&self) -> bool {
        let behind = self.inner.as_ref().is_some_and(|inner| inner.keeps_sessions_in_memory());
        behind || self.serving.now().keeps_sessions_in_memory()
    }

    /// Whether what expires is reported, and not deleted by the back end.
    #[must_use]
    pub fn reports_expiry(&self) -> bool {
        self.serving.now().info.reports_expiry && self.inner.as_ref().is_none_or(|inner| inner.reports_expiry())
    }

    /// Whether a call may wait for something outside the host, by its imports.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.serving.waits() || self.inner.as_ref().is_some_and(|inner| inner.waits())
    }

    /// Whether it exports an optional interface, and has it from the one that it wraps if it imports it.
    fn has(&self, interface: &str, inner_has: impl FnOnce(&Self) -> bool) -> bool {
        let build = self.serving.now();
        let from_behind = || self.inner.as_ref().is_some_and(|inner| inner_has(inner));
        build.code().exports(interface) && (!build.code().imports(interface) || from_behind())
    }
}
