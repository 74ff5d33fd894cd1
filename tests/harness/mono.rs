//! A real ASP.NET site: Mono's FastCGI workers with `tests/fixtures/aspnet-site`, and nginx in front of them.
//!
//! Each worker is a process of its own with its own copy of the site, as on two machines of a web farm; all that they
//! share is the host. The provider in `clients/aspnet` is compiled into the site, with warnings as errors. Needs the
//! Debian packages `mono-mcs libmono-system-web4.0-cil mono-fastcgi-server4 nginx-light`.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::{addresses::free_addresses, host::collect};

/// How long a worker may take until it answers; the first requests compile the site.
const START_DEADLINE: Duration = Duration::from_secs(120);
/// Time between two looks at a worker that is not up yet.
const POLL: Duration = Duration::from_millis(20);
const PACKAGES: &str = "mono-mcs libmono-system-web4.0-cil mono-fastcgi-server4 nginx-light";
/// The assembly that the provider is compiled into.
const PROVIDER: &str = "Cloakroom.AspNet.dll";

/// How the site is configured: what differs between tests in its `web.config`.
#[derive(Debug, Clone)]
pub struct Site {
    /// `httpRuntime executionTimeout`, seconds: a lock older than this is broken.
    pub execution_timeout: u32,
    /// `sessionState cookieless`.
    pub cookieless: bool,
    /// Whether session IDs come from the host's generator.
    pub host_ids: bool,
    /// More attributes of the provider.
    pub attributes: String,
}

impl Default for Site {
    fn default() -> Self {
        Self { execution_timeout: 110, cookieless: false, host_ids: false, attributes: String::new() }
    }
}

/// Two workers and a web server. Dropping it ends all three processes.
pub struct WebFarm {
    workers: Vec<Process>,
    worker_addresses: [SocketAddr; 2],
    web_server: Option<Process>,
    address: SocketAddr,
    /// What the processes printed.
    log: Arc<Mutex<String>>,
    /// Copies of the site, configuration and temporary files.
    directory: TempDir,
}

impl WebFarm {
    /// The name under which the site stores its sessions: its virtual path.
    pub const APPLICATION: &str = "/";

    /// Starts a farm whose sessions are on the host that listens at `host`.
    pub fn start(host: SocketAddr, site: &Site) -> Result<Self> {
        Self::start_on([host, host], site)
    }

    /// Starts a farm of which each worker has its sessions on a host of its own.
    pub fn start_on(hosts: [SocketAddr; 2], site: &Site) -> Result<Self> {
        let directory = tempfile::tempdir().context("cannot make a directory for the site")?;
        compile(directory.path())?;
        let [address, first, second, first_socket, second_socket] = free_addresses()?;
        let mut farm = Self {
            workers: Vec::new(),
            worker_addresses: [first, second],
            web_server: None,
            address,
            log: Arc::default(),
            directory,
        };
        for (number, (socket, host)) in [first_socket, second_socket].into_iter().zip(hosts).enumerate() {
            let copy = farm.directory.path().join(format!("worker-{number}"));
            copy_site(farm.directory.path(), &copy, host, site)?;
            let mut command = Command::new("fastcgi-mono-server4");
            command
                .arg(format!("--socket=tcp:{socket}"))
                .arg(format!("--applications={}:{}", Self::APPLICATION, copy.display()))
                .args(["--printlog", "--loglevels=Standard"])
                // Compiled pages and shadow copies stay with the site.
                .env("TMPDIR", &copy);
            farm.workers.push(Process::start(command, &farm.log)?);
        }
        let configuration = farm.directory.path().join("nginx.conf");
        fs::write(&configuration, nginx_configuration(&farm, [first_socket, second_socket]))?;
        let mut command = Command::new("nginx");
        command.arg("-e").arg("stderr").arg("-c").arg(&configuration).arg("-p").arg(farm.directory.path());
        farm.web_server = Some(Process::start(command, &farm.log)?);
        for worker in farm.worker_addresses {
            farm.wait_until_ready(worker)?;
        }
        Ok(farm)
    }

    /// The site, served by both workers in turn. No slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The site, served by one worker.
    #[must_use]
    pub fn worker_url(&self, worker: usize) -> String {
        format!("http://{}", self.worker_addresses[worker])
    }

    /// Ends a worker in the middle of whatever it does (SIGKILL).
    pub fn kill_worker(&mut self, worker: usize) -> Result<()> {
        self.workers[worker].kill()
    }

    /// Everything that workers and web server have printed.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wait_until_ready(&mut self, worker: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if matches!(get(worker, "/Ready.ashx"), Ok(answer) if answer.starts_with("HTTP/1.1 200")) {
                return Ok(());
            }
            for process in self.workers.iter_mut().chain(&mut self.web_server) {
                if let Some(status) = process.0.try_wait()? {
                    bail!("a process of the web farm ended with {status}; they said:\n{}", self.log());
                }
            }
            ensure!(
                Instant::now() < deadline,
                "the worker behind {worker} does not answer after {START_DEADLINE:?}; they said:\n{}",
                self.log()
            );
            thread::sleep(POLL);
        }
    }
}

/// A process that is killed when it is dropped.
struct Process(Child);

impl Process {
    fn start(mut command: Command, log: &Arc<Mutex<String>>) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {:?}; install {PACKAGES}", command.get_program()))?;
        collect(process.stdout.take().context("no standard output")?, log, &Arc::default());
        collect(process.stderr.take().context("no standard error")?, log, &Arc::default());
        Ok(Self(process))
    }

    fn kill(&mut self) -> Result<()> {
        self.0.kill().context("cannot kill a process of the web farm")?;
        self.0.wait().context("cannot wait for a process of the web farm")?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, and there is nobody to tell.
        let _ = self.kill();
    }
}

/// Compiles the provider, and the class that the site puts into sessions, as an operator does.
fn compile(directory: &Path) -> Result<()> {
    let provider = repository().join("clients/aspnet/CloakroomSessionState.cs");
    compile_provider(&provider, &directory.join(PROVIDER))?;
    let basket = repository().join("tests/fixtures/aspnet-site/Basket.cs");
    mcs(Command::new("mcs").arg("-target:library").arg(out(&directory.join("Basket.dll"))).arg(basket))
}

/// Compiles the provider at the language level of old compilers; a warning is an error.
pub fn compile_provider(source: &Path, assembly: &Path) -> Result<()> {
    mcs(Command::new("mcs")
        .args(["-langversion:5", "-warn:4", "-warnaserror", "-target:library"])
        .args(["-r:System.Web", "-r:System.Configuration"])
        .arg(out(assembly))
        .arg(source))
}

fn out(assembly: &Path) -> String {
    format!("-out:{}", assembly.display())
}

fn mcs(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start mcs; install {PACKAGES}"))?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "mcs refuses the source:\n{}", String::from_utf8_lossy(&said));
    Ok(())
}

/// The repository's root.
#[must_use]
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// Copies the site with its assemblies and fills in its configuration.
fn copy_site(assemblies: &Path, copy: &Path, host: SocketAddr, site: &Site) -> Result<()> {
    fs::create_dir_all(copy.join("bin"))?;
    for assembly in [PROVIDER, "Basket.dll"] {
        fs::copy(assemblies.join(assembly), copy.join("bin").join(assembly))?;
    }
    for file in fs::read_dir(repository().join("tests/fixtures/aspnet-site"))? {
        let file = file?;
        if file.path().extension().is_some_and(|extension| extension != "cs") {
            fs::copy(file.path(), copy.join(file.file_name()))?;
        }
    }
    let ids = "sessionIDManagerType=\"Cloakroom.SessionIdManager, Cloakroom.AspNet\"";
    let configuration = fs::read_to_string(copy.join("web.config"))?
        .replace("@executionTimeout@", &site.execution_timeout.to_string())
        .replace("@cookieless@", if site.cookieless { "true" } else { "false" })
        .replace("@idManager@", if site.host_ids { ids } else { "" })
        .replace("@host@", &format!("http://{host}"))
        .replace("@attributes@", &site.attributes);
    fs::write(copy.join("web.config"), configuration).context("cannot write the site's web.config")
}

/// One port for the farm, and one for each worker, where nginx does not try another worker when one fails.
fn nginx_configuration(farm: &WebFarm, sockets: [SocketAddr; 2]) -> String {
    let directory = farm.directory.path().display();
    let server = |address: SocketAddr, to: &str| {
        format!(
            "server {{ listen {address}; location / {{ include /etc/nginx/fastcgi_params; \
             fastcgi_param PATH_INFO \"\"; fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; \
             fastcgi_read_timeout 300s; fastcgi_pass {to}; }} }}"
        )
    };
    let temporary: String = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {directory}/nginx-{name};\n"))
        .concat();
    let [first, second] = sockets;
    format!(
        "daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr error;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; {temporary} upstream farm {{ server {first}; server {second}; }}\n{}\n{}\n{}\n}}\n",
        server(farm.address, "farm"),
        server(farm.worker_addresses[0], &first.to_string()),
        server(farm.worker_addresses[1], &second.to_string()),
    )
}

/// A bare GET; the whole answer as text.
fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(START_DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
