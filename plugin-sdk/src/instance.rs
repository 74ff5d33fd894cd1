//! The one object that an instance of a component is, and the way from the component's exports to its trait.

use std::cell::RefCell;

use crate::{
    Condition, Error, ExpiryFilter, GetExclusiveOutcome, GetOutcome, IdContext, IdManager, IdManagerInfo, Item, LockId,
    PartitionResolver, Provider, ReleaseOutcome, RemoveOutcome, RenameOutcome, ResetOutcome, SessionData,
    SessionEvents, SessionIndex, SessionKey, SessionPage, SessionRename, SessionScan, SetOutcome, Settings,
    StateTransfer,
    bindings::{
        expiry_filter::exports::cloakroom::session::expiry_filter, id_manager::exports::cloakroom::session::id_manager,
        partition_resolver::exports::cloakroom::session::partition_resolver,
        provider::exports::cloakroom::session::provider, session_events::exports::cloakroom::session::session_events,
        session_index::exports::cloakroom::session::session_index,
        session_rename::exports::cloakroom::session::session_rename,
        session_scan::exports::cloakroom::session::session_scan,
        state_transfer::exports::cloakroom::session::state_transfer,
    },
};

/// Where an instance keeps its plugin object; empty before it was initialized.
pub type Slot<P> = RefCell<Option<P>>;

/// What an `export_…!` macro makes: a type without content that stands for the component's instance.
pub trait Instance {
    /// The author's type.
    type Plugin: 'static;

    /// Gives access to the slot of this instance.
    fn with_slot<R>(use_slot: impl FnOnce(&Slot<Self::Plugin>) -> R) -> R;

    /// Puts a plugin object into the slot.
    fn start(plugin: Self::Plugin) {
        Self::with_slot(|slot| slot.replace(Some(plugin)));
    }

    /// Calls the plugin object.
    fn call<R>(operation: impl FnOnce(&Self::Plugin) -> Result<R, Error>) -> Result<R, Error> {
        Self::with_slot(|slot| match &*slot.borrow() {
            Some(plugin) => operation(plugin),
            None => Err(Error::Other("the host called an operation before `initialize`".to_owned())),
        })
    }
}

impl<I: Instance<Plugin: Provider>> provider::Guest for I {
    fn initialize(name: String, settings: Vec<(String, String)>) -> Result<provider::ProviderInfo, Error> {
        let provider = I::Plugin::initialize(&name, &Settings::new(settings))?;
        let info = provider::ProviderInfo {
            name: I::Plugin::NAME.to_owned(),
            instancing: provider.instancing(),
            reports_expiry: provider.reports_expiry(),
        };
        I::start(provider);
        Ok(info)
    }

    fn create_new_data(idle_timeout: u32) -> Result<SessionData, Error> {
        I::call(|provider| provider.create_new_data(idle_timeout))
    }

    fn create_uninitialized(key: SessionKey, data: SessionData) -> Result<(), Error> {
        I::call(|provider| provider.create_uninitialized(key, data))
    }

    fn get(key: SessionKey) -> Result<GetOutcome, Error> {
        I::call(|provider| provider.get(key))
    }

    fn peek(key: SessionKey) -> Result<GetOutcome, Error> {
        I::call(|provider| provider.peek(key))
    }

    fn get_exclusive(key: SessionKey) -> Result<GetExclusiveOutcome, Error> {
        I::call(|provider| provider.get_exclusive(key))
    }

    fn set_and_release(
        key: SessionKey,
        data: SessionData,
        lock_id: Option<LockId>,
        condition: Condition,
        keep_lock: bool,
    ) -> Result<SetOutcome, Error> {
        I::call(|provider| provider.set_and_release(key, data, lock_id, condition, keep_lock))
    }

    fn release_exclusive(key: SessionKey, lock_id: LockId) -> Result<ReleaseOutcome, Error> {
        I::call(|provider| provider.release_exclusive(key, lock_id))
    }

    fn remove(key: SessionKey, lock_id: Option<LockId>, want_item: bool) -> Result<RemoveOutcome, Error> {
        I::call(|provider| provider.remove(key, lock_id, want_item))
    }

    fn reset_timeout(key: SessionKey) -> Result<ResetOutcome, Error> {
        I::call(|provider| provider.reset_timeout(key))
    }

    fn sweep(limit: u32) -> Result<bool, Error> {
        I::call(|provider| provider.sweep(limit))
    }
}

impl<I: Instance<Plugin: ExpiryFilter>> expiry_filter::Guest for I {
    fn restore(key: SessionKey, item: Item) -> Result<Item, Error> {
        I::call(|provider| provider.restore(&key, item))
    }
}

impl<I: Instance<Plugin: SessionIndex>> session_index::Guest for I {
    fn list(application: String, subject: String, cursor: Option<String>, limit: u32) -> Result<SessionPage, Error> {
        I::call(|provider| provider.list(&application, &subject, cursor, limit))
    }
}

impl<I: Instance<Plugin: SessionScan>> session_scan::Guest for I {
    fn scan(application: Option<String>, cursor: Option<String>, limit: u32) -> Result<SessionPage, Error> {
        I::call(|provider| provider.scan(application.as_deref(), cursor, limit))
    }
}

impl<I: Instance<Plugin: SessionRename>> session_rename::Guest for I {
    fn rename(
        application: String,
        old_id: String,
        new_id: String,
        lock_id: Option<LockId>,
    ) -> Result<RenameOutcome, Error> {
        I::call(|provider| provider.rename(&application, &old_id, &new_id, lock_id))
    }
}

impl<I: Instance<Plugin: StateTransfer>> state_transfer::Guest for I {
    fn export_state() -> Result<Vec<u8>, Error> {
        I::call(StateTransfer::export_state)
    }

    fn import_state(state: Vec<u8>) -> Result<(), Error> {
        I::call(|provider| provider.import_state(state))
    }
}

impl<I: Instance<Plugin: IdManager>> id_manager::Guest for I {
    fn initialize(name: String, settings: Vec<(String, String)>) -> Result<IdManagerInfo, Error> {
        let manager = I::Plugin::initialize(&name, &Settings::new(settings))?;
        let info = manager.info();
        I::start(manager);
        Ok(info)
    }

    fn create(context: IdContext) -> Result<String, Error> {
        I::call(|manager| manager.create(context))
    }

    fn validate(id: String) -> bool {
        I::call(|manager| Ok(manager.validate(&id))).unwrap_or(false)
    }
}

impl<I: Instance<Plugin: SessionEvents>> session_events::Guest for I {
    fn initialize(name: String, settings: Vec<(String, String)>) -> Result<(), Error> {
        I::start(I::Plugin::initialize(&name, &Settings::new(settings))?);
        Ok(())
    }

    fn on_start(key: SessionKey) -> Result<(), Error> {
        I::call(|handler| handler.on_start(key))
    }

    fn on_end(key: SessionKey, item: Item, reason: session_events::EndReason) -> Result<(), Error> {
        I::call(|handler| handler.on_end(key, item, reason))
    }
}

impl<I: Instance<Plugin: PartitionResolver>> partition_resolver::Guest for I {
    fn initialize(name: String, settings: Vec<(String, String)>) -> Result<(), Error> {
        I::start(I::Plugin::initialize(&name, &Settings::new(settings))?);
        Ok(())
    }

    fn resolve(id: String) -> Result<String, Error> {
        I::call(|resolver| resolver.resolve(&id))
    }
}
