//! A session store: one trait with the operations that every provider has, and one for each that it may have.

pub use crate::bindings::provider::exports::cloakroom::session::provider::Instancing;
use crate::{
    Condition, Error, GetExclusiveOutcome, GetOutcome, Item, LockId, Payload, ReleaseOutcome, RemoveOutcome,
    RenameOutcome, ResetOutcome, SessionData, SessionKey, SessionPage, SetOutcome, Settings,
};

/// A session store. \[ASP.NET: SessionStateStoreProviderBase\]
///
/// The host makes as many instances as it has concurrent calls, on any number of machines, and replaces one that
/// traps. So a provider keeps sessions in a capability ([`kv`](crate::kv) or another) and in `self` only what it can
/// make anew from its settings. Operations on one session come concurrently: whatever reads and then writes must
/// notice that somebody else wrote in between ([`PutCondition::IfVersion`](crate::kv::PutCondition::IfVersion)) and
/// decide anew.
///
/// Every operation that finds the item slides its expiry, whatever the outcome; only [`peek`](Provider::peek) does
/// not. An expired item is `Missing` from that moment on. [`expiry`](crate::expiry) and [`lock`](crate::lock) have the
/// arithmetic. An `Err` says that the operation could not be carried out; it never stands for a session that does not
/// exist. Do not panic: that costs the host the instance, and the web application a failed request.
///
/// All rules are in `docs/contract.md`, and `cloakroom check` tests them.
pub trait Provider: Sized + 'static {
    /// Name and version for logs, such as `concat!("memory ", env!("CARGO_PKG_VERSION"))`.
    const NAME: &'static str;

    /// Prepares an instance for the store `name`. Called once for each instance, before anything else; cheap and
    /// repeatable. An error refuses the plugin: the place to say which setting is wrong. \[Initialize\]
    fn initialize(name: &str, settings: &Settings) -> Result<Self, Error>;

    /// How many instances may serve a store. Any number, unless sessions live in `self`.
    fn instancing(&self) -> Instancing {
        Instancing::Any
    }

    /// Whether [`sweep`](Provider::sweep) reports what expired. False only where the back end deletes sessions by itself,
    /// with these settings: nobody hears of their end then.
    fn reports_expiry(&self) -> bool {
        true
    }

    /// Fresh, empty data with this idle timeout in seconds. Touches no storage. \[CreateNewStoreData\]
    fn create_new_data(&self, idle_timeout: u32) -> Result<SessionData, Error> {
        Ok(SessionData { payload: Payload::empty(), idle_timeout, latest_expiry: None, subject: None })
    }

    /// Inserts an item flagged uninitialized. On an existing item nothing changes but its expiry, and it is no error
    /// either. \[CreateUninitializedItem\]
    fn create_uninitialized(&self, key: SessionKey, data: SessionData) -> Result<(), Error>;

    /// Reads an item that nobody has locked. The first read of an uninitialized item reports the flag and clears it.
    /// \[GetItem\]
    fn get(&self, key: SessionKey) -> Result<GetOutcome, Error>;

    /// Reads an item and changes nothing at all: no slide, no flag cleared.
    fn peek(&self, key: SessionKey) -> Result<GetOutcome, Error>;

    /// Reads an item and takes its lock, atomically. \[GetItemExclusive\]
    fn get_exclusive(&self, key: SessionKey) -> Result<GetExclusiveOutcome, Error>;

    /// Stores an item, inserting it if it is missing, and unlocks it, or with `keep_lock` leaves a held lock in place.
    /// On a locked item the lock id must be the holder's; on an unlocked one it is not compared.
    /// \[SetAndReleaseItemExclusive\]
    fn set_and_release(
        &self,
        key: SessionKey,
        data: SessionData,
        lock_id: Option<LockId>,
        condition: Condition,
        keep_lock: bool,
    ) -> Result<SetOutcome, Error>;

    /// Unlocks an item. On an unlocked item any lock id is accepted. \[ReleaseItemExclusive\]
    fn release_exclusive(&self, key: SessionKey, lock_id: LockId) -> Result<ReleaseOutcome, Error>;

    /// Deletes an item; on a locked one the lock id must be the holder's. With `want_item` the outcome carries what
    /// was deleted. \[RemoveItem\]
    fn remove(&self, key: SessionKey, lock_id: Option<LockId>, want_item: bool) -> Result<RemoveOutcome, Error>;

    /// Slides the expiry. Works on locked items. \[ResetItemTimeout\]
    fn reset_timeout(&self, key: SessionKey) -> Result<ResetOutcome, Error>;

    /// Claims up to `limit` expired sessions and hands each to [`expiry_callback`](crate::expiry_callback), then
    /// deletes it. Sessions that are still uninitialized are deleted unreported. True if there may be more.
    fn sweep(&self, limit: u32) -> Result<bool, Error>;
}

/// Optional: the sessions of one subject, for "log out everywhere".
pub trait SessionIndex: Provider {
    /// The live sessions of a subject within an application, a page at a time.
    fn list(&self, application: &str, subject: &str, cursor: Option<String>, limit: u32) -> Result<SessionPage, Error>;
}

/// Optional: all sessions, for the operator.
pub trait SessionScan: Provider {
    /// The live sessions of an application, or of all, a page at a time.
    fn scan(&self, application: Option<&str>, cursor: Option<String>, limit: u32) -> Result<SessionPage, Error>;
}

/// Optional: a new ID for a session, as after a login.
pub trait SessionRename: Provider {
    /// Gives a session another ID within its application, atomically; payload, version, lock and lock counter stay.
    /// On a locked item the lock id must be the holder's.
    fn rename(
        &self,
        application: &str,
        old_id: &str,
        new_id: &str,
        lock_id: Option<LockId>,
    ) -> Result<RenameOutcome, Error>;
}

/// Optional, for a provider that wraps another: what expires behind it, on its way to whoever listens.
pub trait ExpiryFilter: Provider {
    /// The session that expired in the wrapped provider as this one would have handed it out. On an error it is not
    /// reported, and offered again later.
    fn restore(&self, key: &SessionKey, item: Item) -> Result<Item, Error>;
}

/// Optional, for sessions that live in the component's memory: handing them to its successor.
pub trait StateTransfer: Provider {
    /// Everything that the instance keeps, in a form of its own.
    fn export_state(&self) -> Result<Vec<u8>, Error>;

    /// Takes over what a predecessor exported.
    fn import_state(&self, state: Vec<u8>) -> Result<(), Error>;
}
