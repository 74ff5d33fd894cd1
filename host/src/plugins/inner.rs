//! A provider behind another one: what the wrapping component imports.

use std::sync::Arc;

use super::{CallError, PluginFailure, Provider};
use crate::{
    capabilities::{ExpirySink, InnerCall, InnerProvider, run_inline},
    contract::{
        Condition, GetExclusiveOutcome, GetOutcome, Item, ReleaseOutcome, RemoveOutcome, RenameOutcome, ResetOutcome,
        SessionData, SessionKey, SessionPage, SetOutcome, StoreError,
    },
};

/// How a failure of the wrapped provider looks to the one around it.
fn behind(error: CallError) -> StoreError {
    match error {
        CallError::Store(error) => error,
        CallError::Plugin(error) => {
            let text = error.to_string();
            match error.failure {
                PluginFailure::Deadline { .. } | PluginFailure::Cpu { .. } => StoreError::Timeout(text),
                _ => StoreError::Unavailable(text),
            }
        }
    }
}

impl InnerProvider for Provider {
    fn name(&self) -> String {
        Self::name(self)
    }

    fn reports_expiry(&self) -> bool {
        Self::reports_expiry(self)
    }

    fn waits(&self) -> bool {
        Self::waits(self)
    }

    fn create_new_data(&self, idle_timeout: u32) -> InnerCall<'_, SessionData> {
        Box::pin(async move { Self::create_new_data(self, idle_timeout).await.map_err(behind) })
    }

    fn create_uninitialized<'a>(&'a self, key: &'a SessionKey, data: SessionData) -> InnerCall<'a, ()> {
        Box::pin(async move { Self::create_uninitialized(self, key, data).await.map_err(behind) })
    }

    fn get<'a>(&'a self, key: &'a SessionKey) -> InnerCall<'a, GetOutcome> {
        Box::pin(async move { Self::get(self, key).await.map_err(behind) })
    }

    fn peek<'a>(&'a self, key: &'a SessionKey) -> InnerCall<'a, GetOutcome> {
        Box::pin(async move { Self::peek(self, key).await.map_err(behind) })
    }

    fn get_exclusive<'a>(&'a self, key: &'a SessionKey) -> InnerCall<'a, GetExclusiveOutcome> {
        Box::pin(async move { Self::get_exclusive(self, key).await.map_err(behind) })
    }

    fn set_and_release<'a>(
        &'a self,
        key: &'a SessionKey,
        data: SessionData,
        lock_id: Option<u32>,
        condition: Condition,
        keep_lock: bool,
    ) -> InnerCall<'a, SetOutcome> {
        Box::pin(
            async move { Self::set_and_release(self, key, data, lock_id, condition, keep_lock).await.map_err(behind) },
        )
    }

    fn release_exclusive<'a>(&'a self, key: &'a SessionKey, lock_id: u32) -> InnerCall<'a, ReleaseOutcome> {
        Box::pin(async move { Self::release_exclusive(self, key, lock_id).await.map_err(behind) })
    }

    fn remove<'a>(
        &'a self,
        key: &'a SessionKey,
        lock_id: Option<u32>,
        want_item: bool,
    ) -> InnerCall<'a, RemoveOutcome> {
        Box::pin(async move { Self::remove(self, key, lock_id, want_item).await.map_err(behind) })
    }

    fn reset_timeout<'a>(&'a self, key: &'a SessionKey) -> InnerCall<'a, ResetOutcome> {
        Box::pin(async move { Self::reset_timeout(self, key).await.map_err(behind) })
    }

    fn sweep(&self, limit: u32, sink: Arc<dyn ExpirySink>) -> InnerCall<'_, bool> {
        Box::pin(async move { Self::sweep(self, limit, sink).await.map_err(behind) })
    }

    fn rename<'a>(&'a self, key: &'a SessionKey, new_id: String, lock_id: Option<u32>) -> InnerCall<'a, RenameOutcome> {
        Box::pin(async move { Self::rename(self, key, &new_id, lock_id).await.map_err(behind) })
    }

    fn list(
        &self,
        application: String,
        subject: String,
        cursor: Option<String>,
        limit: u32,
    ) -> InnerCall<'_, SessionPage> {
        Box::pin(
            async move { Self::list(self, &application, &subject, cursor.as_deref(), limit).await.map_err(behind) },
        )
    }

    fn scan(&self, application: Option<String>, cursor: Option<String>, limit: u32) -> InnerCall<'_, SessionPage> {
        Box::pin(
            async move { Self::scan(self, application.as_deref(), cursor.as_deref(), limit).await.map_err(behind) },
        )
    }
}

/// Takes the sessions that expired in a wrapped provider through the one around it, in another instance than the one
/// that is sweeping. Whoever listens takes them on only then, so that what cannot be restored is offered again.
pub(super) struct Restoring {
    pub(super) provider: Provider,
    pub(super) sink: Arc<dyn ExpirySink>,
}

impl ExpirySink for Restoring {
    fn listening(&self) -> bool {
        self.sink.listening()
    }

    fn item_expired(&self, key: SessionKey, item: Item) -> Result<(), StoreError> {
        let item = run_inline(self.provider.restore(&key, item)).map_err(behind)?;
        self.sink.item_expired(key, item)
    }
}
