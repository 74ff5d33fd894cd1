//! The bad neighbours: stores behind plugins that do harm, and somebody who calls them.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Result, anyhow};
use harness::{Host, host::plugins_directory, http};

use crate::fixture;

/// How long each caller rests between two calls.
const PAUSE: Duration = Duration::from_millis(10);

/// A store behind a bad plugin.
struct Neighbour {
    name: &'static str,
    plugin: &'static str,
    /// The setting `fault` of the plugin.
    fault: Option<&'static str>,
    /// The request that does harm: its method and what follows `sessions/`.
    request: (&'static str, &'static str),
}

const fn faulty(name: &'static str, request: (&'static str, &'static str)) -> Neighbour {
    Neighbour { name, plugin: "wrong-provider", fault: Some(name), request }
}

const fn failing(name: &'static str, request: &'static str) -> Neighbour {
    Neighbour { name, plugin: "failing-provider", fault: None, request: ("POST", request) }
}

const fn greedy(name: &'static str, request: &'static str) -> Neighbour {
    Neighbour { name, plugin: "greedy-provider", fault: None, request: ("GET", request) }
}

const NEIGHBOURS: [Neighbour; 7] = [
    faulty("loops", ("POST", "any/touch")),
    faulty("traps", ("POST", "any/touch")),
    faulty("eats-memory", ("POST", "any/touch")),
    faulty("answers-version-zero", ("GET", "any")),
    failing("hangs", "wait/lock"),
    greedy("recurses", "stack"),
    greedy("floods-the-log", "log-lines"),
];

/// Puts the good plugins and the bad ones into a directory. Each bad store has a plugin of its own, as strangers' have.
pub(crate) fn install(directory: &Path) -> Result<()> {
    for name in ["memory", "aspnet-id"] {
        let file = format!("{name}.wasm");
        fs::copy(plugins_directory()?.join(&file), directory.join(&file))?;
    }
    for Neighbour { name, plugin, .. } in &NEIGHBOURS {
        fs::copy(fixture(plugin)?, directory.join(format!("{name}.wasm")))?;
        // What an operator writes for plugins that nobody knows.
        let grants =
            "payload = true\nkv = [\"shared\"]\n[limits]\ncpu = \"100ms\"\ndeadline = \"500ms\"\ninstances = 4\n";
        fs::write(directory.join(format!("{name}.toml")), grants)?;
    }
    Ok(())
}

/// The part of the configuration that is about them.
pub(crate) fn stores() -> String {
    let mut config = String::new();
    for Neighbour { name, fault, .. } in &NEIGHBOURS {
        let fault = fault.map(|fault| format!("settings = {{ fault = \"{fault}\" }}\n")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(config, "[stores.{name}]\nprovider = \"{name}\"\n{fault}");
    }
    config.push_str("[applications]\n");
    for Neighbour { name, .. } in &NEIGHBOURS {
        let _ = writeln!(config, "\"app-{name}\" = \"{name}\"");
    }
    config
}

/// Those who call the bad stores.
pub(crate) struct Neighbours {
    callers: Vec<JoinHandle<(&'static str, Result<Answers>)>>,
    is_calling: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

/// How often each status was answered.
#[derive(Debug, Default)]
pub(crate) struct Answers(BTreeMap<u16, u64>);

impl Answers {
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    pub(crate) fn failures(&self) -> u64 {
        self.0.range(500..).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self.0.iter().map(|(status, count)| format!("{count} times {status}")).collect();
        formatter.write_str(&counts.join(", "))
    }
}

impl Neighbours {
    pub(crate) fn start(host: &Host) -> Self {
        let (is_calling, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let address = host.http();
        let callers = NEIGHBOURS
            .iter()
            .map(|neighbour| {
                let (is_calling, stop) = (is_calling.clone(), stop.clone());
                thread::spawn(move || (neighbour.name, call(address, neighbour, &is_calling, &stop)))
            })
            .collect();
        Self { callers, is_calling, stop }
    }

    /// Calls them from now on, or leaves them alone.
    pub(crate) fn call(&self, is_calling: bool) {
        self.is_calling.store(is_calling, Ordering::Relaxed);
    }

    /// What they answered.
    pub(crate) fn finish(self) -> Result<BTreeMap<&'static str, Answers>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = BTreeMap::new();
        for caller in self.callers {
            let (name, answers) = caller.join().map_err(|_| anyhow!("a caller panicked"))?;
            all.insert(name, answers?);
        }
        Ok(all)
    }
}

fn call(address: SocketAddr, neighbour: &Neighbour, is_calling: &AtomicBool, stop: &AtomicBool) -> Result<Answers> {
    let Neighbour { name, request: (method, target), .. } = neighbour;
    let mut connection = http::Connection::open(address)?;
    // The faults show on a session that is there.
    connection.exchange(&http::Request::new("PUT", format!("/v1/app-{name}/sessions/any")).body("x"))?;
    let mut answers = Answers::default();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(PAUSE);
        if is_calling.load(Ordering::Relaxed) {
            let request = http::Request::new(method, format!("/v1/app-{name}/sessions/{target}"));
            *answers.0.entry(connection.exchange(&request)?.status).or_default() += 1;
        }
    }
    Ok(answers)
}
