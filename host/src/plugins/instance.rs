//! One instance of a component in a wasmtime store of its own, with its limits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use wasmtime::{
    ResourceLimiter, Store, UpdateDeadline,
    component::{InstancePre, ResourceTableError},
};
use wasmtime_wasi::{WasiCtxView, WasiView};

use super::{PluginFailure, engine::TICK, host_call::Progress, trust::Trust};
use crate::{
    capabilities::{GuestContext, GuestSetup, GuestView, PayloadOverLimit},
    config::Limits,
};

/// The most elements that an instance's tables may have together.
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// The data of one wasmtime store.
pub(super) struct InstanceState {
    pub(super) guest: GuestContext,
    pub(super) limiter: Limiter,
    /// Every call into the host asks for one of the two views below first, and so makes progress.
    pub(super) progress: Progress,
}

impl WasiView for InstanceState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.progress.advance();
        self.guest.ctx()
    }
}

impl GuestView for InstanceState {
    fn guest(&mut self) -> &mut GuestContext {
        self.progress.advance();
        &mut self.guest
    }

    fn guest_ref(&self) -> &GuestContext {
        self.progress.advance();
        &self.guest
    }
}

/// A call that is still running at the end of so many epochs takes long: two at least were wholly its own.
const LONG: u64 = 3;

/// What an element of a table takes, bytes: a reference to a function.
const TABLE_ELEMENT: usize = 8;

/// The bytes of an instance's linear memories and tables, as part of a sum over all of its plugin.
struct Held {
    bytes: u64,
    /// What the last growth added, which is taken back if it fails.
    grown: u64,
    all: Arc<AtomicU64>,
}

impl Held {
    fn grow(&mut self, current: usize, desired: usize, unit: usize) {
        let more = desired.saturating_sub(current).saturating_mul(unit);
        self.grown = u64::try_from(more).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(self.grown);
        self.all.fetch_add(self.grown, Ordering::Relaxed);
    }

    fn take_back(&mut self) {
        self.bytes = self.bytes.saturating_sub(self.grown);
        self.all.fetch_sub(self.grown, Ordering::Relaxed);
        self.grown = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Counts what an instance uses and remembers which limit it hit.
pub(super) struct Limiter {
    limits: Limits,
    held: Held,
    /// Epochs during which the present call may still run code. An epoch that passes while the guest waits in the host
    /// is counted once at most, so that waiting is not billed as computing.
    ticks_left: u64,
    /// Those that have passed during the present call.
    ticks: u64,
    /// What a call loses that runs for long.
    trust: Arc<Trust>,
    hit: Option<Hit>,
}

/// A limit that was hit.
#[derive(Debug, Clone, Copy)]
enum Hit {
    Cpu,
    Memory,
}

impl Limiter {
    /// An epoch has passed; whether the call may go on.
    fn tick(&mut self) -> bool {
        self.ticks += 1;
        if self.ticks == LONG {
            self.trust.is_lost();
        }
        self.ticks_left = self.ticks_left.saturating_sub(1);
        if self.ticks_left == 0 {
            self.trust.is_lost();
            self.hit = Some(Hit::Cpu);
        }
        self.ticks_left > 0
    }

    fn ticks(cpu: Duration) -> u64 {
        let ticks = cpu.as_millis().div_ceil(TICK.as_millis());
        // One more, because the first epoch may end right after the call began.
        u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired <= self.limits.memory {
            self.held.grow(current, desired, 1);
            return Ok(true);
        }
        self.trust.is_lost();
        self.hit = Some(Hit::Memory);
        Err(wasmtime::Error::msg("memory limit reached"))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.held.take_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let may = desired <= MAX_TABLE_ELEMENTS;
        if may {
            self.held.grow(current, desired, TABLE_ELEMENT);
        }
        Ok(may)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.held.take_back();
        Ok(())
    }
}

/// Makes a store with limits for one instance. `memory`: where its bytes are added while it lives; `trust`: that in its
/// plugin.
pub(super) fn new_store(
    pre: &InstancePre<InstanceState>,
    setup: GuestSetup,
    waits: bool,
    memory: Arc<AtomicU64>,
    trust: Arc<Trust>,
) -> Store<InstanceState> {
    let held = Held { bytes: 0, grown: 0, all: memory };
    let limiter = Limiter { limits: setup.limits, held, ticks_left: 0, ticks: 0, trust, hit: None };
    let state = InstanceState { guest: GuestContext::new(setup), limiter, progress: Progress::new(waits) };
    let mut store = Store::new(pre.engine(), state);
    store.limiter(|state| &mut state.limiter);
    store.epoch_deadline_callback(move |mut context| {
        let InstanceState { limiter, progress, .. } = context.data_mut();
        progress.advance();
        if !limiter.tick() {
            return Ok(UpdateDeadline::Interrupt);
        }
        // On a fiber the other tasks of the thread get a turn at each epoch.
        Ok(if waits { UpdateDeadline::Yield(1) } else { UpdateDeadline::Continue(1) })
    });
    store
}

/// Gives the next call its CPU time.
pub(super) fn arm(store: &mut Store<InstanceState>) {
    let limiter = &mut store.data_mut().limiter;
    limiter.ticks_left = Limiter::ticks(limiter.limits.cpu);
    limiter.ticks = 0;
    limiter.hit = None;
    store.set_epoch_deadline(1);
}

/// Whether the last call did not take long.
pub(super) fn was_short(store: &Store<InstanceState>) -> bool {
    let Limiter { ticks, hit, .. } = &store.data().limiter;
    *ticks < LONG && hit.is_none()
}

/// What the making of an instance died of. A component that begins with more memory than it may have is told the limit.
pub(super) fn not_made(store: &Store<InstanceState>, error: &wasmtime::Error) -> PluginFailure {
    match store.data().limiter.hit {
        Some(_) => failure(store, "instantiate", error),
        None => PluginFailure::Instantiate { reason: format!("{error:#}") },
    }
}

/// What a failed call died of.
pub(super) fn failure(store: &Store<InstanceState>, operation: &'static str, error: &wasmtime::Error) -> PluginFailure {
    let Limiter { limits, hit, .. } = &store.data().limiter;
    let cause = error.root_cause();
    match hit {
        Some(Hit::Cpu) => return PluginFailure::Cpu { operation, limit: limits.cpu },
        Some(Hit::Memory) => return PluginFailure::Memory { operation, limit: limits.memory },
        None => {}
    }
    if let Some(PayloadOverLimit { size }) = cause.downcast_ref() {
        return PluginFailure::Payload { operation, size: *size, limit: limits.payload };
    }
    match cause.downcast_ref() {
        Some(ResourceTableError::Full) => PluginFailure::Handles { operation, limit: limits.handles },
        _ => PluginFailure::Trap { operation, reason: cause.to_string() },
    }
}
