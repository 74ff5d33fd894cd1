//! The part of WASI that every component may have: clocks and random; and for components built for plain WASI the rest
//! of it with nothing behind it: no arguments, no environment, no directories, output to the log.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::AsyncWrite;
use wasmtime::component::Linker;
use wasmtime_wasi::{
    WasiCtx, WasiCtxBuilder,
    cli::{IsTerminal, StdoutStream},
    clocks::{HostWallClock, WasiClocks, WasiClocksView},
    p2::bindings::{clocks, random},
    random::WasiRandom,
};

use super::{GuestSetup, GuestView, LogBudget, bindings::log::Level};
use crate::clock::Clock;

/// The WASI state of one instance.
pub(super) fn context(setup: &GuestSetup) -> WasiCtx {
    let log = |level| GuestOutput { plugin: setup.plugin.clone(), level, budget: setup.log_budget.clone() };
    WasiCtxBuilder::new()
        .wall_clock(GuestClock(setup.clock.clone()))
        .stdout(log(Level::Info))
        .stderr(log(Level::Warn))
        .build()
}

/// Links what never waits: wall clock and random.
pub(super) fn link_clock_and_random<T: GuestView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    clocks::wall_clock::add_to_linker::<T, WasiClocks>(linker, T::clocks)?;
    random::random::add_to_linker::<T, WasiRandom>(linker, |data| data.ctx().ctx.random())?;
    random::insecure::add_to_linker::<T, WasiRandom>(linker, |data| data.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<T, WasiRandom>(linker, |data| data.ctx().ctx.random())
}

/// Links all of WASI 0.2; its streams wait, so its calls do.
pub(super) fn link_all<T: GuestView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

/// The host's clock as a guest sees it.
struct GuestClock(Clock);

impl HostWallClock for GuestClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now().0)
    }
}

/// Standard output or error of a guest: lines of the log.
#[derive(Clone)]
struct GuestOutput {
    plugin: Arc<str>,
    level: Level,
    budget: Arc<LogBudget>,
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for GuestOutput {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        for line in String::from_utf8_lossy(bytes).lines().filter(|line| !line.trim().is_empty()) {
            self.budget.log(&self.plugin, self.level, line);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
