//! Redis servers of a test's own, with Debian's `redis-server`. Each keeps everything in a directory that goes with it.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::{addresses::free_address, certificates::Certificates, host::plugins_directory, network::Side};

/// The servers' programs.
const REDIS: &str = "redis-server";
const VALKEY: &str = "valkey-server";
/// How long it may take until it answers.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// Time between two looks whether it does.
const POLL: Duration = Duration::from_millis(10);

/// A server process. Dropping it kills the process and deletes its data.
pub struct RedisServer {
    process: Option<Child>,
    /// What runs.
    program: PathBuf,
    side: Side,
    address: SocketAddr,
    /// More of its configuration.
    arguments: Vec<String>,
    /// What it speaks TLS with, if it does.
    certificates: Option<Certificates>,
    directory: TempDir,
}

impl RedisServer {
    /// Starts one that writes every command to its disk before it answers.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// The same with more configuration, as its command line has it.
    pub fn start_with(arguments: &[&str]) -> Result<Self> {
        Self::start_as(Side::NEAR, REDIS.into(), arguments, None)
    }

    /// One that speaks TLS only, and with clients that show a certificate.
    pub fn start_with_tls(certificates: Certificates) -> Result<Self> {
        Self::start_as(Side::NEAR, REDIS.into(), &[], Some(certificates))
    }

    /// One that is Valkey: the machine's, or the one that was fetched for the tests.
    pub fn start_valkey() -> Result<Self> {
        let fetched = plugins_directory()?.join("../tools/valkey/usr/bin").join(VALKEY);
        Self::start_as(Side::NEAR, if fetched.exists() { fetched } else { VALKEY.into() }, &[], None)
    }

    /// One on this side of a network.
    pub fn start_on(side: Side) -> Result<Self> {
        // It believes that whoever comes from elsewhere must have a password.
        Self::start_as(side, REDIS.into(), &["--protected-mode", "no"], None)
    }

    fn start_as(side: Side, program: PathBuf, arguments: &[&str], certificates: Option<Certificates>) -> Result<Self> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let directory = tempfile::tempdir()?;
        let address = SocketAddr::new(side.address, free_address()?.port());
        let mut server = Self { process: None, program, side, address, arguments, certificates, directory };
        server.start_again()?;
        Ok(server)
    }

    /// Sends a command and returns what is answered, as `redis-cli` prints it to a pipe.
    pub fn ask(&self, command: &[&str]) -> Result<String> {
        let (host, port) = (self.address.ip().to_string(), self.address.port().to_string());
        let mut asking = self.side.command("redis-cli");
        asking.args(["-h", &host, "-p", &port]);
        if let Some(certificates) = &self.certificates {
            let (certificate, key) = certificates.client();
            asking.args(["--tls", "--cacert"]).arg(certificates.authority());
            asking.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        let asked = asking.args(command).output().context("cannot run redis-cli; `make test` installs it")?;
        Ok(String::from_utf8_lossy(&asked.stdout).trim_end().to_owned())
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a connection of the host is configured.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{}", self.address)
    }

    /// Starts it after [`RedisServer::kill`], with the data that it had.
    pub fn start_again(&mut self) -> Result<()> {
        let mut server = self.side.command(&self.program);
        let port = self.address.port().to_string();
        match &self.certificates {
            None => server.args(["--port", &port]),
            Some(certificates) => {
                let (certificate, key) = certificates.server();
                server.args(["--port", "0", "--tls-port", &port, "--tls-ca-cert-file"]).arg(certificates.authority());
                server.arg("--tls-cert-file").arg(certificate).arg("--tls-key-file").arg(key)
            }
        };
        let process = server
            .args(["--bind", &self.address.ip().to_string()])
            .args(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir"])
            .arg(self.directory.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}; `make test` installs it", self.program.display()))?;
        self.process = Some(process);
        let deadline = Instant::now() + START_DEADLINE;
        while self.ask(&["PING"])? != "PONG" {
            ensure!(Instant::now() < deadline, "{} does not serve on {}", self.program.display(), self.address);
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
        let process = self.process.as_ref().context("it does not run")?;
        let sent = Command::new("kill").args([&format!("-{signal}"), &process.id().to_string()]).status()?;
        ensure!(sent.success(), "no {signal} could be sent");
        Ok(())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = self.kill();
    }
}

/// Three masters, each with a replica.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts one whose masters are replaced soon after they are gone.
    pub fn start() -> Result<Self> {
        let nodes = (0..6).map(|_| {
            // Otherwise it is the port and 10000, which may be taken, or none.
            let bus = free_address()?.port().to_string();
            RedisServer::start_with(&[
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "1000",
                "--cluster-port",
                &bus,
                // Replicas are to be worth electing at once.
                "--repl-diskless-sync-delay",
                "0",
            ])
        });
        let nodes = nodes.collect::<Result<Vec<_>>>()?;
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(nodes.iter().map(|node| node.address.to_string()))
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output()?;
        ensure!(created.status.success(), "no cluster: {}", String::from_utf8_lossy(&created.stdout));
        let cluster = Self { nodes };
        cluster.wait_until_it_serves()?;
        Ok(cluster)
    }

    /// Where one of its nodes listens.
    #[must_use]
    pub fn url(&self) -> String {
        self.nodes.first().map(RedisServer::url).unwrap_or_default()
    }

    /// Kills a node that is a master; its number.
    pub fn kill_a_master(&mut self) -> Result<usize> {
        // Not the first, which hosts are told of.
        for (number, node) in self.nodes.iter_mut().enumerate().skip(1) {
            if node.process.is_some() && node.ask(&["ROLE"])?.starts_with("master") {
                node.kill()?;
                return Ok(number);
            }
        }
        bail!("there is no master")
    }

    /// Starts a node again that was killed.
    pub fn start_again(&mut self, number: usize) -> Result<()> {
        self.nodes.get_mut(number).context("such a node")?.start_again()
    }

    /// How many masters run that have slots.
    pub fn masters(&self) -> Result<usize> {
        let mut masters = 0;
        for node in self.nodes.iter().filter(|node| node.process.is_some()) {
            masters += usize::from(node.ask(&["ROLE"])?.starts_with("master"));
        }
        Ok(masters)
    }

    fn wait_until_it_serves(&self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        for node in &self.nodes {
            let serves = || -> Result<bool> {
                let is_ok = node.ask(&["CLUSTER", "INFO"])?.contains("cluster_state:ok");
                let role = node.ask(&["ROLE"])?;
                Ok(is_ok && (role.starts_with("master") || role.contains("\nconnected\n")))
            };
            while !serves()? {
                ensure!(Instant::now() < deadline, "the cluster does not serve");
                thread::sleep(POLL);
            }
        }
        Ok(())
    }
}
