//! A provider around another one, such as one that encrypts: what becomes of a payload on its way in and on its way out.
//!
//! Everything else is passed on as it is. The operator writes the stack, outermost first:
//! `provider = ["my-wrapper", "memory"]`.

use crate::{
    Condition, Error, ExpiryFilter, GetExclusiveOutcome, GetOutcome, Item, LockId, Payload, Provider, ReleaseOutcome,
    RemoveOutcome, RenameOutcome, ResetOutcome, SessionData, SessionIndex, SessionKey, SessionPage, SessionRename,
    SessionScan, SetOutcome, Settings, log,
};

/// The provider that this component wraps: the operations of the contract, for one who does more than [`Middleware`].
pub mod inner {
    pub use crate::bindings::host::cloakroom::session::{
        provider::{
            create_new_data, create_uninitialized, get, get_exclusive, peek, release_exclusive, remove, reset_timeout,
            set_and_release, sweep,
        },
        session_index::list,
        session_rename::rename,
        session_scan::scan,
    };
}

/// What a wrapping provider makes of payloads.
///
/// ```
/// use cloakroom_plugin_sdk::{Error, Middleware, Payload, SessionKey, Settings, export_middleware};
///
/// /// Keeps every session's bytes upside down.
/// struct Reverse;
///
/// impl Middleware for Reverse {
///     const NAME: &'static str = "reverse 1.0";
///
///     fn initialize(_store: &str, settings: &Settings) -> Result<Self, Error> {
///         settings.allow_only(&[])?;
///         Ok(Reverse)
///     }
///
///     fn store(&self, _key: &SessionKey, payload: Payload) -> Result<Payload, Error> {
///         let bytes: Vec<u8> = payload.read().into_iter().rev().collect();
///         Ok(Payload::from_bytes(&bytes, payload.content_type().as_deref()))
///     }
///
///     fn load(&self, key: &SessionKey, payload: Payload) -> Result<Payload, Error> {
///         self.store(key, payload)
///     }
/// }
///
/// export_middleware!(Reverse, SessionIndex, SessionScan, SessionRename);
/// ```
pub trait Middleware: Sized + 'static {
    /// Name and version for logs.
    const NAME: &'static str;

    /// Prepares an instance for the store `name`. An error refuses the plugin: the place to say which setting is wrong.
    fn initialize(name: &str, settings: &Settings) -> Result<Self, Error>;

    /// What is stored for a payload.
    fn store(&self, key: &SessionKey, payload: Payload) -> Result<Payload, Error>;

    /// The payload, of what was stored.
    fn load(&self, key: &SessionKey, payload: Payload) -> Result<Payload, Error>;

    /// The size of a payload in a listing, of the size of what was stored. The same, where that is all one can say.
    fn loaded_size(&self, stored: u64) -> u64 {
        stored
    }
}

/// A [`Middleware`] as a provider.
pub struct Wrapping<M>(M);

impl<M: Middleware> Wrapping<M> {
    fn store(&self, key: &SessionKey, data: SessionData) -> Result<SessionData, Error> {
        Ok(SessionData { payload: self.0.store(key, data.payload)?, ..data })
    }

    fn load(&self, key: &SessionKey, item: Item) -> Result<Item, Error> {
        let payload = self.0.load(key, item.data.payload)?;
        Ok(Item { data: SessionData { payload, ..item.data }, ..item })
    }

    fn loaded(&self, key: &SessionKey, outcome: GetOutcome) -> Result<GetOutcome, Error> {
        Ok(match outcome {
            GetOutcome::Found(item) => GetOutcome::Found(self.load(key, item)?),
            other => other,
        })
    }

    fn listed(&self, mut page: SessionPage) -> SessionPage {
        page.sessions.iter_mut().for_each(|session| session.size = self.0.loaded_size(session.size));
        page
    }
}

impl<M: Middleware> Provider for Wrapping<M> {
    const NAME: &'static str = M::NAME;

    fn initialize(name: &str, settings: &Settings) -> Result<Self, Error> {
        M::initialize(name, settings).map(Self)
    }

    fn create_new_data(&self, idle_timeout: u32) -> Result<SessionData, Error> {
        inner::create_new_data(idle_timeout)
    }

    fn create_uninitialized(&self, key: SessionKey, data: SessionData) -> Result<(), Error> {
        inner::create_uninitialized(&key, self.store(&key, data)?)
    }

    fn get(&self, key: SessionKey) -> Result<GetOutcome, Error> {
        self.loaded(&key, inner::get(&key)?)
    }

    fn peek(&self, key: SessionKey) -> Result<GetOutcome, Error> {
        self.loaded(&key, inner::peek(&key)?)
    }

    fn get_exclusive(&self, key: SessionKey) -> Result<GetExclusiveOutcome, Error> {
        let mut found = match inner::get_exclusive(&key)? {
            GetExclusiveOutcome::Found(found) => found,
            other => return Ok(other),
        };
        match self.load(&key, found.item) {
            Ok(item) => {
                found.item = item;
                Ok(GetExclusiveOutcome::Found(found))
            }
            Err(error) => {
                // Nobody would hear of the lock, so nobody could release it.
                inner::release_exclusive(&key, found.lock_id)?;
                Err(error)
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
        inner::set_and_release(&key, self.store(&key, data)?, lock_id, condition, keep_lock)
    }

    fn release_exclusive(&self, key: SessionKey, lock_id: LockId) -> Result<ReleaseOutcome, Error> {
        inner::release_exclusive(&key, lock_id)
    }

    fn remove(&self, key: SessionKey, lock_id: Option<LockId>, want_item: bool) -> Result<RemoveOutcome, Error> {
        Ok(match inner::remove(&key, lock_id, want_item)? {
            // It is gone, whatever is said here; what cannot be loaded is told of without.
            RemoveOutcome::Done(Some(item)) => RemoveOutcome::Done(match self.load(&key, item) {
                Ok(item) => Some(item),
                Err(error) => {
                    log::warn(format!("a session was removed whose payload cannot be loaded: {}", error.message()));
                    None
                }
            }),
            other => other,
        })
    }

    fn reset_timeout(&self, key: SessionKey) -> Result<ResetOutcome, Error> {
        inner::reset_timeout(&key)
    }

    fn sweep(&self, limit: u32) -> Result<bool, Error> {
        inner::sweep(limit)
    }
}

impl<M: Middleware> ExpiryFilter for Wrapping<M> {
    fn restore(&self, key: &SessionKey, item: Item) -> Result<Item, Error> {
        self.load(key, item)
    }
}

impl<M: Middleware> SessionIndex for Wrapping<M> {
    fn list(&self, application: &str, subject: &str, cursor: Option<String>, limit: u32) -> Result<SessionPage, Error> {
        Ok(self.listed(inner::list(application, subject, cursor.as_deref(), limit)?))
    }
}

impl<M: Middleware> SessionScan for Wrapping<M> {
    fn scan(&self, application: Option<&str>, cursor: Option<String>, limit: u32) -> Result<SessionPage, Error> {
        Ok(self.listed(inner::scan(application, cursor.as_deref(), limit)?))
    }
}

/// What is stored goes along as it is: not for a middleware that binds it to the session's ID.
impl<M: Middleware> SessionRename for Wrapping<M> {
    fn rename(
        &self,
        application: &str,
        old_id: &str,
        new_id: &str,
        lock_id: Option<LockId>,
    ) -> Result<RenameOutcome, Error> {
        inner::rename(application, old_id, new_id, lock_id)
    }
}
