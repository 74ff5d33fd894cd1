//! `provider` and its optional companions as imports: the provider that a component wraps.
//!
//! Each call is carried over into the wrapped provider's own instances. A payload goes from one instance's handles to the
//! other's, and its bytes go nowhere. Where the wrapped provider never waits it is called inline, like the wrapping one;
//! where it may, both are on fibers.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::{runtime::Handle, task::block_in_place};
use wasmtime::{
    Result, StoreContextMut,
    component::{ComponentType, Lift, Linker, Lower},
};

use super::{
    GuestContext, GuestView, Nonsense, bindings::types, convert, expiry_callback::ExpirySink, link::interface,
};
use crate::contract::{
    Condition, GetExclusiveOutcome, GetOutcome, ReleaseOutcome, RemoveOutcome, RenameOutcome, ResetOutcome,
    SessionData, SessionKey, SessionPage, SetOutcome, StoreError,
};

/// A call on its way.
pub type InnerCall<'a, T> = Pin<Box<dyn Future<Output = std::result::Result<T, StoreError>> + Send + 'a>>;

/// A provider that a component wraps: the operations of the contract.
pub trait InnerProvider: Send + Sync {
    /// What it calls itself.
    fn name(&self) -> String;

    /// Whether it reports what expired.
    fn reports_expiry(&self) -> bool;

    /// Whether a call may wait for something outside the host.
    fn waits(&self) -> bool;

    /// `create-new-data`
    fn create_new_data(&self, idle_timeout: u32) -> InnerCall<'_, SessionData>;

    /// `create-uninitialized`
    fn create_uninitialized<'a>(&'a self, key: &'a SessionKey, data: SessionData) -> InnerCall<'a, ()>;

    /// `get`
    fn get<'a>(&'a self, key: &'a SessionKey) -> InnerCall<'a, GetOutcome>;

    /// `peek`
    fn peek<'a>(&'a self, key: &'a SessionKey) -> InnerCall<'a, GetOutcome>;

    /// `get-exclusive`
    fn get_exclusive<'a>(&'a self, key: &'a SessionKey) -> InnerCall<'a, GetExclusiveOutcome>;

    /// `set-and-release`
    fn set_and_release<'a>(
        &'a self,
        key: &'a SessionKey,
        data: SessionData,
        lock_id: Option<u32>,
        condition: Condition,
        keep_lock: bool,
    ) -> InnerCall<'a, SetOutcome>;

    /// `release-exclusive`
    fn release_exclusive<'a>(&'a self, key: &'a SessionKey, lock_id: u32) -> InnerCall<'a, ReleaseOutcome>;

    /// `remove`
    fn remove<'a>(&'a self, key: &'a SessionKey, lock_id: Option<u32>, want_item: bool)
    -> InnerCall<'a, RemoveOutcome>;

    /// `reset-timeout`
    fn reset_timeout<'a>(&'a self, key: &'a SessionKey) -> InnerCall<'a, ResetOutcome>;

    /// `sweep`
    fn sweep(&self, limit: u32, sink: Arc<dyn ExpirySink>) -> InnerCall<'_, bool>;

    /// `session-rename`
    fn rename<'a>(&'a self, key: &'a SessionKey, new_id: String, lock_id: Option<u32>) -> InnerCall<'a, RenameOutcome>;

    /// `session-index`
    fn list(
        &self,
        application: String,
        subject: String,
        cursor: Option<String>,
        limit: u32,
    ) -> InnerCall<'_, SessionPage>;

    /// `session-scan`
    fn scan(&self, application: Option<String>, cursor: Option<String>, limit: u32) -> InnerCall<'_, SessionPage>;
}

/// Completes a call that does not wait. It does after all where all instances are busy, or are being replaced; then
/// this thread waits, and its other tasks go to another one.
pub fn run_inline<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => block_in_place(|| Handle::current().block_on(future)),
    }
}

/// How many instances may serve: what a wrapped provider is told to be.
#[derive(ComponentType, Lift, Lower, Debug, Clone, Copy)]
#[component(variant)]
enum Instancing {
    #[component(name = "any")]
    Any,
    #[component(name = "single")]
    Single,
    #[component(name = "sharded")]
    Sharded(u32),
}

/// What a provider says of itself.
#[derive(ComponentType, Lift, Lower, Debug, Clone)]
#[component(record)]
struct Info {
    name: String,
    instancing: Instancing,
    #[component(name = "reports-expiry")]
    reports_expiry: bool,
}

/// Links a function of the wrapped provider: inline, or on a fiber where it `$waits`.
///
/// `$prepare` makes what the call takes of the arguments, with the calling instance's handles; `$finish` makes the
/// answer of the outcome.
macro_rules! carry {
    (
        $to:expr, $waits:expr, $name:literal, ($($param:ident: $ty:ty),*) -> $answer:ty,
        |$guest:ident| $prepare:expr, |$inner:ident, $prepared:pat_param| $call:expr,
        |$back:ident, $outcome:ident| $finish:expr
    ) => {{
        let prepare = |$guest: &mut GuestContext, ($($param,)*): ($($ty,)*)| $prepare.map_err(wrong);
        let finish = |$back: &mut GuestContext, $outcome| -> Result<$answer> { Ok($finish) };
        if $waits {
            $to.func_wrap_async($name, move |mut store: StoreContextMut<'_, T>, params: ($($ty,)*)| {
                Box::new(async move {
                    let guest = store.data_mut().guest();
                    let $inner = guest.inner()?;
                    let $prepared = match prepare(guest, params) {
                        Ok(prepared) => prepared,
                        Err(error) => return Ok((Err(error),)),
                    };
                    let outcome = $call.await;
                    answer(store.data_mut().guest(), outcome, finish)
                })
            })?;
        } else {
            $to.func_wrap($name, move |mut store: StoreContextMut<'_, T>, params: ($($ty,)*)| {
                let guest = store.data_mut().guest();
                let $inner = guest.inner()?;
                let $prepared = match prepare(guest, params) {
                    Ok(prepared) => prepared,
                    Err(error) => return Ok((Err(error),)),
                };
                let outcome = run_inline($call);
                answer(guest, outcome, finish)
            })?;
        }
    }};
}

type Answer<A> = (std::result::Result<A, types::Error>,);

fn answer<O, A>(
    guest: &mut GuestContext,
    outcome: std::result::Result<O, StoreError>,
    finish: impl FnOnce(&mut GuestContext, O) -> Result<A>,
) -> Result<Answer<A>> {
    Ok((match outcome {
        Ok(outcome) => Ok(finish(guest, outcome)?),
        Err(error) => Err(error.into()),
    },))
}

fn wrong(nonsense: Nonsense) -> types::Error {
    types::Error::InvalidArgument(nonsense.0)
}

/// Links everything that a wrapped provider can have. `waits`: whether it may wait.
pub(super) fn link_inner<T: GuestView + 'static>(linker: &mut Linker<T>, waits: bool) -> Result<()> {
    let mut provider = interface(linker, "provider")?;
    let to = &mut provider;
    to.func_wrap("initialize", |mut store: StoreContextMut<'_, T>, (_, _): (String, Vec<(String, String)>)| {
        // The host has initialized each of its instances, with settings of its own.
        let inner = store.data_mut().guest().inner()?;
        let reports_expiry = inner.reports_expiry();
        let info = Info { name: inner.name(), instancing: Instancing::Any, reports_expiry };
        Ok((Ok::<_, types::Error>(info),))
    })?;
    carry!(to, waits, "create-new-data", (idle_timeout: u32) -> types::SessionData,
        |_guest| Ok(idle_timeout),
        |inner, idle_timeout| inner.create_new_data(idle_timeout),
        |guest, data| convert::guest_data(guest.payloads(), data)?);
    carry!(to, waits, "create-uninitialized", (key: types::SessionKey, data: types::SessionData) -> (),
        |guest| convert::data(guest.payloads(), data).and_then(|data| Ok((convert::key(&key)?, data))),
        |inner, (key, data)| inner.create_uninitialized(&key, data),
        |_guest, outcome| outcome);
    carry!(to, waits, "get", (key: types::SessionKey) -> types::GetOutcome,
        |_guest| convert::key(&key),
        |inner, key| inner.get(&key),
        |guest, outcome| convert::guest_get_outcome(guest.payloads(), outcome)?);
    carry!(to, waits, "peek", (key: types::SessionKey) -> types::GetOutcome,
        |_guest| convert::key(&key),
        |inner, key| inner.peek(&key),
        |guest, outcome| convert::guest_get_outcome(guest.payloads(), outcome)?);
    carry!(to, waits, "get-exclusive", (key: types::SessionKey) -> types::GetExclusiveOutcome,
        |_guest| convert::key(&key),
        |inner, key| inner.get_exclusive(&key),
        |guest, outcome| convert::guest_get_exclusive_outcome(guest.payloads(), outcome)?);
    carry!(to, waits, "set-and-release",
        (key: types::SessionKey, data: types::SessionData, lock_id: Option<u32>, condition: types::Condition,
            keep_lock: bool) -> types::SetOutcome,
        |guest| convert::data(guest.payloads(), data)
            .and_then(|data| Ok((convert::key(&key)?, data, lock_id, condition, keep_lock))),
        |inner, (key, data, lock_id, condition, keep_lock)|
            inner.set_and_release(&key, data, lock_id, condition.into(), keep_lock),
        |_guest, outcome| convert::guest_set_outcome(outcome));
    carry!(to, waits, "release-exclusive", (key: types::SessionKey, lock_id: u32) -> types::ReleaseOutcome,
        |_guest| convert::key(&key).map(|key| (key, lock_id)),
        |inner, (key, lock_id)| inner.release_exclusive(&key, lock_id),
        |_guest, outcome| convert::guest_release_outcome(outcome));
    carry!(to, waits, "remove",
        (key: types::SessionKey, lock_id: Option<u32>, want_item: bool) -> types::RemoveOutcome,
        |_guest| convert::key(&key).map(|key| (key, lock_id, want_item)),
        |inner, (key, lock_id, want_item)| inner.remove(&key, lock_id, want_item),
        |guest, outcome| convert::guest_remove_outcome(guest.payloads(), outcome)?);
    carry!(to, waits, "reset-timeout", (key: types::SessionKey) -> types::ResetOutcome,
        |_guest| convert::key(&key),
        |inner, key| inner.reset_timeout(&key),
        |_guest, outcome| convert::guest_reset_outcome(outcome));
    carry!(to, waits, "sweep", (limit: u32) -> bool,
        |guest| guest.inner_expiry().map(|sink| (limit, sink)),
        |inner, (limit, sink)| inner.sweep(limit, sink),
        |_guest, more| more);
    link_optional(linker, waits)
}

fn link_optional<T: GuestView + 'static>(linker: &mut Linker<T>, waits: bool) -> Result<()> {
    let mut rename = interface(linker, "session-rename")?;
    carry!(rename, waits, "rename",
        (application: String, old_id: String, new_id: String, lock_id: Option<u32>) -> types::RenameOutcome,
        |_guest| convert::key(&types::SessionKey { application, id: old_id }).map(|key| (key, new_id, lock_id)),
        |inner, (key, new_id, lock_id)| inner.rename(&key, new_id, lock_id),
        |_guest, outcome| convert::guest_rename_outcome(outcome));
    let mut index = interface(linker, "session-index")?;
    carry!(index, waits, "list",
        (application: String, subject: String, cursor: Option<String>, limit: u32) -> types::SessionPage,
        |_guest| Ok((application, subject, cursor, limit)),
        |inner, (application, subject, cursor, limit)| inner.list(application, subject, cursor, limit),
        |_guest, page| convert::guest_page(page));
    let mut scan = interface(linker, "session-scan")?;
    carry!(scan, waits, "scan",
        (application: Option<String>, cursor: Option<String>, limit: u32) -> types::SessionPage,
        |_guest| Ok((application, cursor, limit)),
        |inner, (application, cursor, limit)| inner.scan(application, cursor, limit),
        |_guest, page| convert::guest_page(page));
    Ok(())
}

impl GuestContext {
    /// The provider behind this one.
    fn inner(&self) -> Result<Arc<dyn InnerProvider>> {
        self.setup.inner.clone().ok_or_else(|| wasmtime::Error::msg("there is no provider behind this one"))
    }

    /// Who hears of what expires behind this one, during `sweep`.
    fn inner_expiry(&self) -> std::result::Result<Arc<dyn ExpirySink>, Nonsense> {
        let sink = self.inner_expiry.clone();
        sink.ok_or_else(|| Nonsense("the provider behind this one is swept during `sweep` only".to_owned()))
    }
}
