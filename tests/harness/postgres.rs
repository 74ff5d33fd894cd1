//! A PostgreSQL server of a test's own, with Debian's `postgresql`. It keeps everything in a directory that goes with it.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{
    account::{run_as, signal_all},
    addresses::free_address,
    network::Side,
};

/// Where Debian puts the programs, a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The account that Debian's package makes.
const ACCOUNT: &str = "postgres";
/// How long it may take until it answers, after a crash as well.
const START_DEADLINE: Duration = Duration::from_secs(40);
/// Time between two looks whether it does.
const POLL: Duration = Duration::from_millis(50);

/// A server process. Dropping it kills the process and deletes its data.
pub struct PostgresServer {
    process: Option<Child>,
    side: Side,
    address: SocketAddr,
    directory: TempDir,
}

impl PostgresServer {
    /// Makes a database and starts a server for it. It has every commit on its disk before it answers.
    pub fn start() -> Result<Self> {
        Self::start_on(Side::NEAR)
    }

    /// The same on this side of a network.
    pub fn start_on(side: Side) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let made = run_as(ACCOUNT, side, &program("initdb")?, directory.path())?
            .args(["--username=cloakroom", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
            .arg(directory.path().join("data"))
            .status()
            .context("cannot run initdb")?;
        ensure!(made.success(), "initdb made no database");
        // Whoever comes from the other side is trusted as well.
        let rule = "host all all 0.0.0.0/0 trust\n";
        OpenOptions::new().append(true).open(directory.path().join("data/pg_hba.conf"))?.write_all(rule.as_bytes())?;
        let address = SocketAddr::new(side.address, free_address()?.port());
        let mut server = Self { process: None, side, address, directory };
        server.start_again()?;
        Ok(server)
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Where it listens, as a connection of the host is configured.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://cloakroom@{}/postgres", self.address)
    }

    /// Starts it after [`PostgresServer::kill`], with the data that it had.
    pub fn start_again(&mut self) -> Result<()> {
        let process = run_as(ACCOUNT, self.side, &program("postgres")?, self.directory.path())?
            .args(["-h", &self.address.ip().to_string(), "-p", &self.address.port().to_string()])
            .args(["-c", "unix_socket_directories=", "-c", "max_connections=200", "-D"])
            .arg(self.directory.path().join("data"))
            .spawn()
            .context("cannot start postgres; `make test` installs it")?;
        self.process = Some(process);
        let deadline = Instant::now() + START_DEADLINE;
        while !self.answers()? {
            ensure!(Instant::now() < deadline, "postgres does not answer on {}", self.address);
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn answers(&self) -> Result<bool> {
        let asked = self
            .side
            .command(program("pg_isready")?)
            .args(["-h", &self.address.ip().to_string(), "-p", &self.address.port().to_string()])
            .stdout(Stdio::null())
            .status()?;
        Ok(asked.success())
    }

    /// Ends it at once, without saving anything: it recovers from its log when it is started again.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            // It takes the processes that it started with it. To SIGKILL they would outlive it for a while.
            signal_all("CONT", process.id())?;
            let asked = Command::new("sh").args(["-c", &format!("kill -QUIT {}", process.id())]).status()?;
            ensure!(asked.success(), "postgres cannot be ended");
            process.wait()?;
        }
        Ok(())
    }

    /// Sends a signal to all of it, such as `STOP`.
    pub fn signal(&self, signal: &str) -> Result<()> {
        signal_all(signal, self.process.as_ref().context("it does not run")?.id())
    }

    /// Runs SQL as the database's owner and returns what it answers, a line for each row.
    pub fn query(&self, sql: &str) -> Result<String> {
        let asked = Command::new(program("psql")?)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-c", sql])
            .output()?;
        ensure!(asked.status.success(), "psql: {}", String::from_utf8_lossy(&asked.stderr));
        Ok(String::from_utf8(asked.stdout)?.trim_end().to_owned())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = self.kill();
    }
}

/// A program of the newest version that is there.
fn program(name: &str) -> Result<PathBuf> {
    let mut versions: Vec<_> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin").join(name)))
        .filter(|program| program.exists())
        .collect();
    versions.sort();
    Ok(versions.pop().unwrap_or_else(|| name.into()))
}
