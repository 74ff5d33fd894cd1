//! WASI 0.2, interface by interface: a component is given those that it imports and no other.
//!
//! Components built for plain WASI import more of it than they use: the standard library of Rust's `wasm32-wasip2` asks
//! for arguments, environment, standard streams, terminals, exit, the file system, clocks and polling before `main`. So
//! what can do nothing without something behind it is linked to everybody, with nothing behind it:
//! - `cli/environment` has no arguments and the variables that were granted; `cli/stdin` is at its end, `cli/stdout` and
//!   `cli/stderr` are lines of the log, in the plugin's name and counted like its others; there are no terminals;
//! - `cli/exit` ends the instance, as a trap does;
//! - `filesystem` works on directories that one was handed, and `preopens` hands out those that were granted;
//! - `clocks` and `random` tell nothing of this host, and `io` works on what the others hand out.
//!
//! `sockets` begin with an address of one's own choice, so they are linked only where addresses were granted. A grant
//! that is not there is thus missed when the plugin is loaded and not when a visitor comes.

use std::{
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::{
    FsPerms, WasiCtx, WasiCtxBuilder,
    cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView},
    clocks::{HostWallClock, WasiClocks, WasiClocksView},
    filesystem::{WasiFilesystem, WasiFilesystemView},
    p2::bindings::{cli, clocks, filesystem, io as wasi_io, random, sockets},
    random::WasiRandom,
    sockets::{WasiSockets, WasiSocketsView},
};

use super::{
    GuestSetup, GuestView, LogBudget,
    bindings::log::Level,
    network::{NameLookups, Reach},
};
use crate::{clock::Clock, config::Access};

/// The most random bytes in one call, as in the contract's own `random`: they are made in the host's memory.
const MAX_RANDOM: u64 = 65_536;

/// The WASI state of one instance.
pub(super) fn context(setup: &GuestSetup, reach: &Reach) -> WasiCtx {
    let log = |level| GuestOutput::new(setup, level);
    let mut wasi = WasiCtxBuilder::new();
    wasi.wall_clock(GuestClock(setup.clock.clone()))
        .max_random_size(MAX_RANDOM)
        .stdout(log(Level::Info))
        .stderr(log(Level::Warn));
    for (name, value) in &setup.grants.env {
        wasi.env(name, value);
    }
    for (name, directory) in &setup.grants.directories {
        let access = match directory.access {
            Access::Read => FsPerms::ReadOnly,
            Access::Write => FsPerms::ReadWrite,
        };
        // It was there when the grants were read. An instance without it is better than none.
        if let Err(error) = wasi.preopened_dir(&directory.path, name, access) {
            tracing::error!(
                plugin = &*setup.plugin, directory = %directory.path.display(),
                "a directory that was granted cannot be opened, and the plugin does without: {error:#}"
            );
        }
    }
    reach.allow(&mut wasi);
    wasi.build()
}

/// What an interface is to a component that imports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interface {
    /// Never waits.
    Plain,
    /// May wait, so that calls of the component run on fibers.
    Waits,
    /// Needs `sockets` in the grant file. May wait, too.
    Sockets,
}

/// What this host has of WASI, by the name without the version.
const INTERFACES: [(&str, Interface); 27] = [
    ("wasi:cli/environment", Interface::Plain),
    ("wasi:cli/exit", Interface::Plain),
    ("wasi:cli/stderr", Interface::Plain),
    ("wasi:cli/stdin", Interface::Plain),
    ("wasi:cli/stdout", Interface::Plain),
    ("wasi:cli/terminal-input", Interface::Plain),
    ("wasi:cli/terminal-output", Interface::Plain),
    ("wasi:cli/terminal-stderr", Interface::Plain),
    ("wasi:cli/terminal-stdin", Interface::Plain),
    ("wasi:cli/terminal-stdout", Interface::Plain),
    ("wasi:clocks/monotonic-clock", Interface::Plain),
    ("wasi:clocks/wall-clock", Interface::Plain),
    ("wasi:filesystem/preopens", Interface::Plain),
    ("wasi:filesystem/types", Interface::Waits),
    ("wasi:io/error", Interface::Plain),
    ("wasi:io/poll", Interface::Waits),
    ("wasi:io/streams", Interface::Waits),
    ("wasi:random/insecure", Interface::Plain),
    ("wasi:random/insecure-seed", Interface::Plain),
    ("wasi:random/random", Interface::Plain),
    ("wasi:sockets/instance-network", Interface::Sockets),
    ("wasi:sockets/ip-name-lookup", Interface::Sockets),
    ("wasi:sockets/network", Interface::Sockets),
    ("wasi:sockets/tcp", Interface::Sockets),
    ("wasi:sockets/tcp-create-socket", Interface::Sockets),
    ("wasi:sockets/udp", Interface::Sockets),
    ("wasi:sockets/udp-create-socket", Interface::Sockets),
];

/// The interface of this name, if this host has it.
pub(super) fn interface(name: &str) -> Option<(&'static str, Interface)> {
    INTERFACES.into_iter().find(|(known, _)| *known == name)
}

/// Says what the streams and polls of WASI borrow of an instance.
struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// Links one interface; `name` is one of [`INTERFACES`].
pub(super) fn link<T: GuestView + 'static>(linker: &mut Linker<T>, name: &str) -> wasmtime::Result<()> {
    let l = linker;
    match name {
        "wasi:cli/environment" => cli::environment::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/exit" => cli::exit::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/stderr" => cli::stderr::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/stdin" => cli::stdin::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/stdout" => cli::stdout::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/terminal-input" => cli::terminal_input::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/terminal-output" => cli::terminal_output::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/terminal-stderr" => cli::terminal_stderr::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/terminal-stdin" => cli::terminal_stdin::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/terminal-stdout" => cli::terminal_stdout::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:clocks/monotonic-clock" => clocks::monotonic_clock::add_to_linker::<T, WasiClocks>(l, T::clocks),
        "wasi:clocks/wall-clock" => clocks::wall_clock::add_to_linker::<T, WasiClocks>(l, T::clocks),
        "wasi:filesystem/preopens" => filesystem::preopens::add_to_linker::<T, WasiFilesystem>(l, T::filesystem),
        "wasi:filesystem/types" => filesystem::types::add_to_linker::<T, WasiFilesystem>(l, T::filesystem),
        "wasi:io/error" => wasi_io::error::add_to_linker::<T, Io>(l, |data| data.ctx().table),
        "wasi:io/poll" => wasi_io::poll::add_to_linker::<T, Io>(l, |data| data.ctx().table),
        "wasi:io/streams" => wasi_io::streams::add_to_linker::<T, Io>(l, |data| data.ctx().table),
        "wasi:random/insecure" => random::insecure::add_to_linker::<T, WasiRandom>(l, |data| data.ctx().ctx.random()),
        "wasi:random/insecure-seed" => {
            random::insecure_seed::add_to_linker::<T, WasiRandom>(l, |data| data.ctx().ctx.random())
        }
        "wasi:random/random" => random::random::add_to_linker::<T, WasiRandom>(l, |data| data.ctx().ctx.random()),
        "wasi:sockets/instance-network" => sockets::instance_network::add_to_linker::<T, WasiSockets>(l, T::sockets),
        "wasi:sockets/ip-name-lookup" => {
            sockets::ip_name_lookup::add_to_linker::<T, NameLookups>(l, |data| data.guest().name_lookup())
        }
        "wasi:sockets/network" => {
            sockets::network::add_to_linker::<T, WasiSockets>(l, &sockets::network::LinkOptions::default(), T::sockets)
        }
        "wasi:sockets/tcp" => sockets::tcp::add_to_linker::<T, WasiSockets>(l, T::sockets),
        "wasi:sockets/tcp-create-socket" => sockets::tcp_create_socket::add_to_linker::<T, WasiSockets>(l, T::sockets),
        "wasi:sockets/udp" => sockets::udp::add_to_linker::<T, WasiSockets>(l, T::sockets),
        "wasi:sockets/udp-create-socket" => sockets::udp_create_socket::add_to_linker::<T, WasiSockets>(l, T::sockets),
        _ => Err(wasmtime::Error::msg(format!("`{name}` is not an interface of WASI that this host has"))),
    }
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
struct GuestOutput(Arc<GuestLines>);

struct GuestLines {
    plugin: Arc<str>,
    level: Level,
    budget: Arc<LogBudget>,
    /// The most of a line that is kept until its end comes, bytes.
    longest: usize,
    /// A line whose end is yet to come. Languages write a message in pieces, that of a panic among them.
    begun: Mutex<Vec<u8>>,
}

impl GuestOutput {
    fn new(setup: &GuestSetup, level: Level) -> Self {
        Self(Arc::new(GuestLines {
            plugin: setup.plugin.clone(),
            level,
            budget: setup.log_budget.clone(),
            longest: setup.limits.log_length,
            begun: Mutex::default(),
        }))
    }
}

impl GuestLines {
    fn write(&self, bytes: &[u8]) {
        let mut begun = self.begun.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || begun.len() > self.longest {
                self.log(&mem::take(&mut *begun));
            }
        }
    }

    fn log(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if !line.is_empty() {
            self.budget.log(&self.plugin, self.level, line);
        }
    }
}

/// What it wrote last, which may say what it died of.
impl Drop for GuestLines {
    fn drop(&mut self) {
        let rest = mem::take(self.begun.get_mut());
        self.log(&rest);
    }
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
        self.0.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::Engine;

    use super::*;
    use crate::{
        capabilities::{GuestContext, LimitHits},
        config::Limits,
    };

    #[test]
    fn what_a_guest_writes_in_pieces_is_one_line() {
        let hits = Arc::new(LimitHits::default());
        let limits = Limits { log_lines: 1, ..Limits::default() };
        let lines = GuestLines {
            plugin: "talkative".into(),
            level: Level::Warn,
            budget: Arc::new(LogBudget::new(&limits, hits.clone())),
            longest: 16,
            begun: Mutex::default(),
        };
        let dropped = || hits.hit().map(|(_, dropped)| dropped).sum::<u64>();
        for piece in ["panicked", " at", " lib.rs\n", "\n"] {
            lines.write(piece.as_bytes());
        }
        assert_eq!(dropped(), 0, "one line, and an empty one is none");
        lines.write(b"one\ntwo\nand");
        assert_eq!(dropped(), 2);
        lines.write(&[b'x'; 16]);
        assert_eq!(dropped(), 3, "more is not kept");
        lines.write(b"its last words");
        drop(lines);
        assert_eq!(dropped(), 4);
    }

    #[test]
    fn every_interface_that_is_listed_can_be_linked() {
        let engine = Engine::default();
        for (name, _) in INTERFACES {
            let mut linker = Linker::<GuestContext>::new(&engine);
            link(&mut linker, name).expect(name);
        }
        assert!(link(&mut Linker::<GuestContext>::new(&engine), "wasi:http/types").is_err());
    }
}
