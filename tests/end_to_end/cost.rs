//! What a request costs, in figures that do not depend on how busy the machine is: instructions, as callgrind counts them,
//! and allocations. Whoever makes the way of a request longer than the limits here has to say why.
//!
//! A whole host serves clients in one thread of the test's own process, over loopback: front end, session service, plugin
//! and built-in store are all on the way, and so is the client, which allocates nothing.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use allocation_counter::measure;
use anyhow::{Context, Result, ensure};
use cloakroom::{
    config::{Config, Overrides},
    server::Server,
};
use harness::{addresses::free_addresses, host::plugins_directory, state_server::request};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
};
use tokio_util::sync::CancellationToken;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Get-exclusive and set-and-release over State Server.
    Pair,
    /// A read over HTTP.
    HttpRead,
}

const TASKS: [Task; 2] = [Task::Pair, Task::HttpRead];

impl Task {
    /// Instructions, with those of the client: a tenth more than were counted, for other compilers and machines.
    const fn most_instructions(self) -> u64 {
        match self {
            // 54,576 and 42,267.
            Self::Pair => 60_000,
            Self::HttpRead => 46_500,
        }
    }

    /// Allocations. The payload of a pair is one of them.
    const fn most_allocations(self) -> u64 {
        match self {
            Self::Pair => 7,
            Self::HttpRead => 17,
        }
    }
}

/// Tasks that are counted.
const COUNT: u64 = 1000;
/// Which task a process does that is counted.
const COUNTED: &str = "CLOAKROOM_COUNTED_TASK";

const SESSION: &str = "/bench(1)/the-session-of-this-test";
const HTTP_READ: &[u8] = b"GET /v1/%2Fbench(1)/sessions/the-session-of-this-test HTTP/1.1\r\nHost: a\r\n\r\n";
const PAYLOAD: [u8; 1024] = [b'x'; 1024];

/// A host and a client of it on this thread.
struct Bench {
    runtime: Runtime,
    client: Client,
    _directory: TempDir,
}

/// A client of both front ends that allocates nothing.
struct Client {
    stream: TcpStream,
    http: TcpStream,
    acquire: Vec<u8>,
    /// A write, and where its lock id stands.
    store: Vec<u8>,
    lock_at: usize,
    answer: Vec<u8>,
}

/// Lock ids have as many digits as this one, so that a request is only overwritten.
const FIRST_LOCK: &str = "000000002";

impl Bench {
    fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let directory = tempfile::tempdir()?;
        // No more plugins than it takes: they are compiled first.
        let plugins = directory.path().join("plugins");
        fs::create_dir(&plugins)?;
        for file in ["memory.wasm", "aspnet-id.wasm"] {
            fs::copy(plugins_directory()?.join(file), plugins.join(file))
                .with_context(|| format!("{file} is missing"))?;
        }
        let [state_server, http] = free_addresses()?;
        let overrides = Overrides {
            plugins: Some(plugins),
            state_server: Some(state_server),
            http: Some(http),
            data_dir: Some(directory.path().join("data")),
        };
        let config =
            Config::from_toml("the test", Path::new(""), "[stores.default]\nsweep_interval = \"1h\"\n", &overrides)?;
        let client = runtime.block_on(async {
            let server = Server::start(config).await?;
            tokio::spawn(server.run(CancellationToken::new()));
            Client::open(TcpStream::connect(state_server).await?, TcpStream::connect(http).await?).await
        })?;
        Ok(Self { runtime, client, _directory: directory })
    }

    fn run(&mut self, task: Task, count: u64) -> Result<()> {
        let Self { runtime, client, .. } = self;
        runtime.block_on(async {
            for _ in 0..count {
                match task {
                    Task::Pair => client.pair().await?,
                    Task::HttpRead => client.http_read().await?,
                }
            }
            Ok(())
        })
    }
}

impl Client {
    async fn open(stream: TcpStream, http: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        http.set_nodelay(true)?;
        let lock = format!("LockCookie:{FIRST_LOCK}");
        let store = request::put_with(SESSION, &["Timeout:20", "ExtraFlags:0", &lock], &PAYLOAD);
        let lock_at = find(&store, b"LockCookie:").context("no lock")? + b"LockCookie:".len();
        let acquire = request::acquire(SESSION);
        let mut client = Self { stream, http, acquire, store, lock_at, answer: Vec::with_capacity(8192) };
        let first = request::put_with(SESSION, &["Timeout:20"], &PAYLOAD);
        client.stream.write_all(&first).await?;
        receive(&mut client.stream, &mut client.answer, 0).await?;
        Ok(client)
    }

    async fn pair(&mut self) -> Result<()> {
        self.stream.write_all(&self.acquire).await?;
        receive(&mut self.stream, &mut self.answer, PAYLOAD.len()).await?;
        let at = find(&self.answer, b"LockCookie: ").context("no lock")? + b"LockCookie: ".len();
        let digits = self.answer[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let place = &mut self.store[self.lock_at..self.lock_at + FIRST_LOCK.len()];
        place.fill(b'0');
        let from = place.len().checked_sub(digits).context("a very large lock id")?;
        place[from..].copy_from_slice(&self.answer[at..at + digits]);
        self.stream.write_all(&self.store).await?;
        receive(&mut self.stream, &mut self.answer, 0).await
    }

    async fn http_read(&mut self) -> Result<()> {
        self.http.write_all(HTTP_READ).await?;
        receive(&mut self.http, &mut self.answer, PAYLOAD.len()).await
    }
}

/// Waits for an answer whose body is so long.
async fn receive(stream: &mut TcpStream, answer: &mut Vec<u8>, length: usize) -> Result<()> {
    answer.clear();
    loop {
        ensure!(stream.read_buf(answer).await? > 0, "the host closed the connection");
        if find(answer, b"\r\n\r\n").is_some_and(|end| answer.len() >= end + 4 + length) {
            let status = answer.strip_prefix(b"HTTP/1.1 ").unwrap_or(answer);
            ensure!(status.starts_with(b"200 OK"), "{}", String::from_utf8_lossy(answer));
            return Ok(());
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Counts its instructions, on the one thread that does it.
fn instructions(task: Task) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let counts = directory.path().join("counts");
    let mut counted = Command::new("valgrind");
    // What a process does once is not counted.
    counted.args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*counted_tasks*"]);
    counted.arg(format!("--callgrind-out-file={}", counts.display())).arg(env::current_exe()?);
    counted.args(["--exact", "under_callgrind", "--ignored", "--test-threads=1"]).env(COUNTED, format!("{task:?}"));
    let ended = counted.stdin(Stdio::null()).output().context("cannot run valgrind; `make test` installs it")?;
    let said = [ended.stdout, ended.stderr].concat();
    ensure!(ended.status.success(), "{}", String::from_utf8_lossy(&said));
    let counts = fs::read_to_string(counts)?;
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: ")).context("no totals")?;
    let (each, most) = (total.trim().parse::<u64>()? / COUNT, task.most_instructions());
    println!("{task:?}: {each} instructions, with those of the client");
    ensure!(each > 1000, "{each} instructions cannot be");
    ensure!(each <= most, "{each} instructions; at most {most} were enough");
    Ok(())
}

#[test]
fn nothing_makes_more_allocations_than_it_did() -> Result<()> {
    let mut bench = Bench::start()?;
    for task in TASKS {
        // Buffers grow, instruments are made.
        bench.run(task, 100)?;
        let mut done = Ok(());
        let counted = measure(|| done = bench.run(task, COUNT));
        done?;
        // A thousand have room for what happens now and then.
        let (each, most) = (counted.count_total / COUNT, task.most_allocations());
        println!("{task:?}: {each} allocations of {} bytes together", counted.bytes_total / COUNT);
        ensure!(each <= most, "{task:?}: {each} allocations; at most {most} were enough");
    }
    Ok(())
}

#[test]
fn a_pair_takes_no_more_instructions_than_it_did() -> Result<()> {
    instructions(Task::Pair)
}

#[test]
fn a_read_over_http_takes_no_more_instructions_than_it_did() -> Result<()> {
    instructions(Task::HttpRead)
}

#[test]
#[ignore = "what the tests of instructions run"]
fn under_callgrind() -> Result<()> {
    let named = env::var(COUNTED).context("by itself it counts nothing")?;
    let task = TASKS.into_iter().find(|task| format!("{task:?}") == named);
    let task = task.with_context(|| format!("there is no task {named}"))?;
    let mut bench = Bench::start()?;
    bench.run(task, 100)?;
    counted_tasks(&mut bench, task)
}

/// Named to callgrind, so it must be there.
#[inline(never)]
fn counted_tasks(bench: &mut Bench, task: Task) -> Result<()> {
    bench.run(task, COUNT)
}
