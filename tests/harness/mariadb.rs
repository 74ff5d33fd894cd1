//! A MariaDB server of a test's own, with Debian's `mariadb-server`. It keeps everything in a directory that goes with it.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Stdio},
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

/// Where Debian puts it, which is not in everybody's path.
const SERVER: &str = "/usr/sbin/mariadbd";
/// The account that Debian's package makes.
const ACCOUNT: &str = "mysql";
/// How long it may take until it answers, after a crash as well.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// Time between two looks whether it does.
const POLL: Duration = Duration::from_millis(50);

/// What it runs at each start: a line is a statement.
const AT_START: &str = "CREATE DATABASE IF NOT EXISTS sessions;\n\
                        CREATE USER IF NOT EXISTS 'cloakroom'@'127.0.0.1' IDENTIFIED BY 'cloakroom';\n\
                        GRANT ALL ON sessions.* TO 'cloakroom'@'127.0.0.1';\n";

/// A server process. Dropping it kills the process and deletes its data.
pub struct MariaDbServer {
    process: Option<Child>,
    address: SocketAddr,
    directory: TempDir,
}

impl MariaDbServer {
    /// Makes a database and starts a server for it. It has every commit on its disk before it answers.
    pub fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        fs::write(directory.path().join("at-start.sql"), AT_START)?;
        let made = run_as(ACCOUNT, Side::NEAR, Path::new("mariadb-install-db"), directory.path())?
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", directory.path().join("data").display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .context("cannot run mariadb-install-db; `make test` installs it")?;
        let said = [made.stdout, made.stderr].concat();
        ensure!(made.status.success(), "mariadb-install-db made no database: {}", String::from_utf8_lossy(&said));
        let mut server = Self { process: None, address: free_address()?, directory };
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
        format!("mariadb://cloakroom:cloakroom@{}/sessions", self.address)
    }

    /// Starts it after [`MariaDbServer::kill`], with the data that it had.
    pub fn start_again(&mut self) -> Result<()> {
        let directory = self.directory.path();
        let path = |name: &str| directory.join(name).display().to_string();
        let process = run_as(ACCOUNT, Side::NEAR, Path::new(SERVER), directory)?
            .args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--max-connections=300"])
            .arg(format!("--port={}", self.address.port()))
            .arg(format!("--datadir={}", path("data")))
            .arg(format!("--socket={}", path("socket")))
            .arg(format!("--pid-file={}", path("pid")))
            .arg(format!("--init-file={}", path("at-start.sql")))
            .spawn()
            .context("cannot start mariadbd; `make test` installs it")?;
        self.process = Some(process);
        let deadline = Instant::now() + START_DEADLINE;
        // It runs its statements before it listens.
        while TcpStream::connect(self.address).is_err() {
            ensure!(Instant::now() < deadline, "mariadbd does not listen on {}", self.address);
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Kills it, as a machine that loses its power.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// Sends a signal to it, such as `STOP`.
    pub fn signal(&self, signal: &str) -> Result<()> {
        signal_all(signal, self.process.as_ref().context("it does not run")?.id())
    }
}

impl Drop for MariaDbServer {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = self.kill();
    }
}
