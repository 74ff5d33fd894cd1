//! The one wasmtime engine of a host, and the thread that ticks its epochs.

use std::{num::NonZeroUsize, thread, time::Duration};

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use super::backtrace;

/// The time between two epochs: the grain of the CPU limit.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// The most instances of all plugins together. Each reserves address space (not memory) for a linear memory of 4 GiB.
const MAX_INSTANCES: u32 = 1000;

/// Makes the engine. Every host, and every command that looks at a component, uses this configuration and no other, so
/// that compiled code can be shared through the cache.
pub(super) fn engine() -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(MAX_INSTANCES)
        // A component made from a core module with adapters has several core instances and tables, but one memory.
        .total_core_instances(MAX_INSTANCES * 8)
        .total_memories(MAX_INSTANCES * 2)
        .total_tables(MAX_INSTANCES * 4)
        .total_stacks(MAX_INSTANCES)
        .max_core_instances_per_component(64)
        .max_memories_per_component(4)
        .max_tables_per_component(16)
        // How much of a freed instance stays mapped: the pages that a small Rust component dirties, so that replacing
        // it costs a memset and no system call.
        .linear_memory_keep_resident(64 * 1024)
        .table_keep_resident(16 * 1024);

    let mut config = Config::new();
    config
        // Ends a component that computes for too long; within noise on calls of this kind.
        .epoch_interruption(true)
        // Component-model concurrency would double the cost of every call, and the contract has none.
        .concurrency_support(false)
        // A guest's own recursion ends in a trap well before the host's stack does.
        .max_wasm_stack(512 * 1024)
        .async_stack_size(1024 * 1024)
        // Read at a trap only. Said here, because by itself wasmtime asks an environment variable, and the answer is
        // part of what compiled code is cached under.
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(backtrace::WALKED));
    let pooling = InstanceAllocationStrategy::Pooling(pool);
    let engine = Engine::new(config.clone().allocation_strategy(pooling)).or_else(|error| {
        tracing::warn!(
            error = format!("{error:#}"),
            "this process may not reserve address space for a pool of instances: a new instance of a plugin costs more; \
             is there a limit on its address space (`ulimit -v`)?"
        );
        Engine::new(config.allocation_strategy(InstanceAllocationStrategy::OnDemand))
    })?;
    tick(&engine);
    Ok(engine)
}

/// Increments the epoch for as long as the engine lives.
fn tick(engine: &Engine) {
    let engine = engine.weak();
    let ticker = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    if let Err(error) = thread::Builder::new().name("epochs".to_owned()).spawn(ticker) {
        tracing::error!(%error, "the epoch thread could not be started: the CPU limit of plugins is not enforced");
    }
}
