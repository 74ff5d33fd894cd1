//! A running host: the real binary with real plugins, on free ports and in a data directory of its own.
//!
//! The binary is `cloakroom` beside the test executable's directory, or what `CLOAKROOM_BIN` names; the plugins are in
//! `plugins` of the same target directory, or in what `CLOAKROOM_PLUGINS` names.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use toml::{Table, Value};

use crate::addresses::free_addresses;

/// How long the host may take until its ports accept connections.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long it may take to end after SIGTERM.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// How long it may take to react to any other signal.
const SIGNAL_DEADLINE: Duration = Duration::from_secs(10);
/// Time between two looks at something that has no event to wait for.
const POLL: Duration = Duration::from_millis(10);

/// A host process. Dropping it kills the process and deletes its data.
pub struct Host {
    /// The process, while it runs.
    process: Option<Child>,
    state_server: SocketAddr,
    http: SocketAddr,
    /// The addresses of the front ends that are not switched off.
    expected: Vec<SocketAddr>,
    /// What runs instead of the binary that was built.
    program: Option<PathBuf>,
    /// Environment variables besides those of the test.
    environment: Vec<(String, String)>,
    /// What the host printed, over all its starts.
    log: Arc<Mutex<String>>,
    /// Whether nobody reads what it prints any more.
    is_deaf: Arc<AtomicBool>,
    /// Configuration file and data directory.
    directory: TempDir,
}

impl Host {
    /// Starts a host with the built-in settings.
    pub fn start_default() -> Result<Self> {
        Self::start("")
    }

    /// Starts a host with this configuration (TOML). Data directory and addresses are filled in, and the plugin
    /// directory unless `config` names one.
    pub fn start(config: &str) -> Result<Self> {
        Self::start_with_environment(config, &[])
    }

    /// Starts a host with this configuration and these environment variables.
    pub fn start_with_environment(config: &str, environment: &[(&str, &str)]) -> Result<Self> {
        Self::start_program(None, config, environment)
    }

    /// Starts another program that serves as the host does.
    pub fn start_program(program: Option<PathBuf>, config: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let config: Table = config.parse().context("the test's configuration is not TOML")?;
        // A port that was free a moment ago may have been taken by an outgoing connection: then other ports are tried.
        let mut attempts = 5;
        loop {
            attempts -= 1;
            let mut host = Self::prepare(&config)?;
            host.program.clone_from(&program);
            host.environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            match host.spawn() {
                Err(_) if attempts > 0 && host.log().contains("Address already in use") => {}
                result => return result.map(|()| host),
            }
        }
    }

    /// Where the State Server front end listens.
    #[must_use]
    pub fn state_server(&self) -> SocketAddr {
        self.state_server
    }

    /// Where the HTTP front end listens.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The process id, while the host runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Where the host keeps its snapshot and its compiled plugins.
    #[must_use]
    pub fn data_directory(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Everything the host has printed, on both streams and over all starts.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads one line more of what the host prints, and then closes its standard output and error.
    pub fn stop_reading(&self) {
        self.is_deaf.store(true, Ordering::Relaxed);
    }

    /// Waits until the log contains this text.
    pub fn wait_for_log(&self, text: &str) -> Result<()> {
        self.wait_for_log_count(text, 1)
    }

    /// How many requests wait in line for a lock now, over all stores.
    pub fn waiting(&self) -> Result<u64> {
        let mut stream = TcpStream::connect(self.http)?;
        stream.write_all(b"GET /v1/stores HTTP/1.1\r\nHost: host\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no body in `{answer}`"))?;
        let stores = serde_json::from_str(body).with_context(|| format!("`{body}` is not JSON"))?;
        sum_of("waiting", &stores).with_context(|| format!("no `waiting` in `{body}`"))
    }

    /// Waits until so many requests wait in line for a lock.
    pub fn wait_for_waiting(&self, count: u64) -> Result<()> {
        let deadline = Instant::now() + SIGNAL_DEADLINE;
        loop {
            let waiting = self.waiting()?;
            if waiting == count {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{waiting} requests wait after {SIGNAL_DEADLINE:?}, not {count}");
            thread::sleep(POLL);
        }
    }

    /// Stops the host as an operator does (SIGTERM) and checks that it ends well.
    pub fn terminate(&mut self) -> Result<()> {
        self.signal("TERM")?;
        let status = self.wait_for_exit()?;
        ensure!(status.success(), "the host ended with {status} after SIGTERM; its log:\n{}", self.log());
        Ok(())
    }

    /// Ends the host without giving it a chance to save anything (SIGKILL).
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the host does not run")?;
        process.kill().context("cannot kill the host")?;
        process.wait().context("cannot wait for the host")?;
        Ok(())
    }

    /// Starts the host again with the same configuration, ports and data; terminates it first if it still runs.
    pub fn restart(&mut self) -> Result<()> {
        if self.process.is_some() {
            self.terminate()?;
        }
        self.spawn()
    }

    /// Moves the host's clock forward by 30 seconds and returns when it has moved.
    pub fn advance_30s(&self) -> Result<()> {
        const MOVED: &str = "clock moved";
        let before = self.log().matches(MOVED).count();
        self.signal("USR1")?;
        self.wait_for_log_count(MOVED, before + 1)
    }

    /// Chooses ports and writes the configuration file.
    fn prepare(config: &Table) -> Result<Self> {
        let directory = tempfile::tempdir().context("cannot make a directory for the host")?;
        let [state_server, http] = free_addresses()?;
        let mut config = config.clone();
        config.insert("data_dir".into(), path_value(&directory.path().join("data"))?);
        let mut expected = Vec::new();
        for (name, address) in [("state_server", state_server), ("http", http)] {
            let front_end = section(&mut config, name)?;
            front_end.insert("address".into(), Value::String(address.to_string()));
            if front_end.get("enabled") != Some(&Value::Boolean(false)) {
                expected.push(address);
            }
        }
        let plugins = section(&mut config, "plugins")?;
        if !plugins.contains_key("directory") {
            plugins.insert("directory".into(), path_value(&plugins_directory()?)?);
        }
        fs::write(directory.path().join("cloakroom.toml"), toml::to_string(&config)?)?;
        Ok(Self {
            process: None,
            state_server,
            http,
            expected,
            program: None,
            environment: Vec::new(),
            log: Arc::default(),
            is_deaf: Arc::default(),
            directory,
        })
    }

    /// Starts the process and waits until both ports accept connections.
    fn spawn(&mut self) -> Result<()> {
        let binary = self.program.clone().map_or_else(binary, Ok)?;
        self.is_deaf.store(false, Ordering::Relaxed);
        // The process inherits it.
        rlimit::increase_nofile_limit(u64::MAX).context("cannot raise the limit on open files")?;
        let mut process = Command::new(&binary)
            .arg("serve")
            .arg("--config")
            .arg(self.directory.path().join("cloakroom.toml"))
            .env("CLOAKROOM_TEST_CLOCK", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}; build it first (`make build`)", binary.display()))?;
        let stdout = process.stdout.take().context("no standard output")?;
        let stderr = process.stderr.take().context("no standard error")?;
        let readers = [collect(stdout, &self.log, &self.is_deaf), collect(stderr, &self.log, &self.is_deaf)];
        self.process = Some(process);

        let deadline = Instant::now() + START_DEADLINE;
        for address in self.expected.clone() {
            while TcpStream::connect_timeout(&address, POLL * 100).is_err() {
                if let Some(status) = self.try_wait()? {
                    self.process = None;
                    // The rest of what it said is the reason.
                    readers.into_iter().for_each(|reader| drop(reader.join()));
                    bail!("the host ended with {status} instead of starting; its log:\n{}", self.log());
                }
                ensure!(
                    Instant::now() < deadline,
                    "the host does not listen on {address} after {START_DEADLINE:?}; its log:\n{}",
                    self.log()
                );
                thread::sleep(POLL);
            }
        }
        Ok(())
    }

    fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.process.as_mut().context("the host does not run")?.try_wait().context("cannot look after the host")
    }

    fn wait_for_exit(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + STOP_DEADLINE;
        loop {
            if let Some(status) = self.try_wait()? {
                self.process = None;
                return Ok(status);
            }
            ensure!(
                Instant::now() < deadline,
                "the host still runs {STOP_DEADLINE:?} after SIGTERM; its log:\n{}",
                self.log()
            );
            thread::sleep(POLL);
        }
    }

    /// Waits until the log contains this text so many times.
    pub fn wait_for_log_count(&self, text: &str, count: usize) -> Result<()> {
        self.wait_until(&format!("the log says `{text}` {count} times"), || {
            Ok(self.log().matches(text).count() >= count)
        })
    }

    /// Waits until something is so. An error with the log if it takes longer than anything should.
    pub fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + SIGNAL_DEADLINE;
        while !is_so()? {
            ensure!(
                Instant::now() < deadline,
                "waited {SIGNAL_DEADLINE:?} in vain until {what}; the log says:\n{}",
                self.log()
            );
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Sends a signal by the shell's built-in `kill`, which needs neither unsafe code nor a crate.
    fn signal(&self, name: &str) -> Result<()> {
        let id = self.process_id().context("the host does not run")?;
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status()?;
        ensure!(status.success(), "cannot send SIG{name} to the host: {status}");
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself, and there is nobody to tell.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A host that the tests of one program share: the first that needs it starts it, and it ends with the last.
///
/// Give it a configuration that is the same in all of them.
pub struct Shared {
    config: &'static str,
    host: Mutex<Weak<Host>>,
}

impl Shared {
    /// Nothing is started yet.
    #[must_use]
    pub const fn new(config: &'static str) -> Self {
        Self { config, host: Mutex::new(Weak::new()) }
    }

    /// The host, started if it does not run.
    pub fn host(&self) -> Result<Arc<Host>> {
        let mut running = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = running.upgrade() {
            return Ok(host);
        }
        let host = Arc::new(Host::start(self.config)?);
        *running = Arc::downgrade(&host);
        Ok(host)
    }
}

/// The table `name` of the configuration, made if it is not there.
fn section<'a>(config: &'a mut Table, name: &str) -> Result<&'a mut Table> {
    config
        .entry(name)
        .or_insert_with(|| Value::Table(Table::new()))
        .as_table_mut()
        .with_context(|| format!("`{name}` in the test's configuration is not a table"))
}

/// The sum of the numbers with this name anywhere in a JSON value; `None` if there are none.
fn sum_of(name: &str, value: &serde_json::Value) -> Option<u64> {
    let own = value.get(name).and_then(serde_json::Value::as_u64);
    let parts: Vec<_> = match value {
        serde_json::Value::Array(values) => values.iter().filter_map(|value| sum_of(name, value)).collect(),
        serde_json::Value::Object(fields) => fields.values().filter_map(|value| sum_of(name, value)).collect(),
        _ => Vec::new(),
    };
    own.into_iter().chain(parts).reduce(|left, right| left + right)
}

fn path_value(path: &std::path::Path) -> Result<Value> {
    Ok(Value::String(path.to_str().context("a path that is not UTF-8")?.to_owned()))
}

/// `target/release` (or another profile's directory): where Cargo put the test executable, without `deps`.
fn build_directory() -> Result<PathBuf> {
    let executable = env::current_exe().context("where is the test executable?")?;
    let directory = executable.parent().context("the test executable has no directory")?;
    let directory = if directory.ends_with("deps") { directory.parent().unwrap_or(directory) } else { directory };
    Ok(directory.to_owned())
}

/// The host's binary.
pub fn binary() -> Result<PathBuf> {
    match env::var_os("CLOAKROOM_BIN") {
        Some(path) => Ok(path.into()),
        None => Ok(build_directory()?.join("cloakroom")),
    }
}

/// The directory with the plugins that ship.
pub fn plugins_directory() -> Result<PathBuf> {
    match env::var_os("CLOAKROOM_PLUGINS") {
        Some(path) => Ok(path.into()),
        None => {
            let build = build_directory()?;
            Ok(build.parent().context("the build directory has no parent")?.join("plugins"))
        }
    }
}

/// The directory with the components that exist for tests, the folders of `tests/fixtures` built.
pub fn fixtures_directory() -> Result<PathBuf> {
    Ok(plugins_directory()?.join("../fixtures"))
}

/// Copies a stream of the process into the log, line by line, until it ends.
pub(crate) fn collect(
    stream: impl Read + Send + 'static,
    log: &Arc<Mutex<String>>,
    is_deaf: &Arc<AtomicBool>,
) -> thread::JoinHandle<()> {
    let (log, is_deaf) = (Arc::clone(log), Arc::clone(is_deaf));
    thread::spawn(move || {
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
            line.clear();
            if is_deaf.load(Ordering::Relaxed) {
                break;
            }
        }
    })
}
