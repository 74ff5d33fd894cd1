//! What a request costs, in figures that do not depend on how busy the machine is: instructions, as callgrind counts them,
//! and allocations. Whoever makes the way of a request longer than the limits here has to say why.
//!
//! A whole host serves a client in one thread of the test's own process, over loopback: front end, session service, plugin
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

/// Instructions of a pair of get-exclusive and set-and-release, with those of the client: 55,867 were counted, and a tenth
/// is for other compilers and machines.
const MOST_INSTRUCTIONS: u64 = 61_500;
/// Allocations of a pair. Its payload is one of them.
const MOST_ALLOCATIONS: u64 = 16;

/// Pairs that are counted.
const PAIRS: u64 = 1000;
/// How many a process does that is counted.
const COUNTED: &str = "CLOAKROOM_COUNTED_PAIRS";

const SESSION: &str = "/bench(1)/the-session-of-this-test";
const PAYLOAD: [u8; 1024] = [b'x'; 1024];

/// A host and a client of it on this thread.
struct Bench {
    runtime: Runtime,
    client: Client,
    _directory: TempDir,
}

/// A client that allocates nothing.
struct Client {
    stream: TcpStream,
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
            Client::open(TcpStream::connect(state_server).await?).await
        })?;
        Ok(Self { runtime, client, _directory: directory })
    }

    fn pairs(&mut self, count: u64) -> Result<()> {
        let Self { runtime, client, .. } = self;
        runtime.block_on(async {
            for _ in 0..count {
                client.pair().await?;
            }
            Ok(())
        })
    }
}

impl Client {
    async fn open(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        let lock = format!("LockCookie:{FIRST_LOCK}");
        let store = request::put_with(SESSION, &["Timeout:20", "ExtraFlags:0", &lock], &PAYLOAD);
        let lock_at = find(&store, b"LockCookie:").context("no lock")? + b"LockCookie:".len();
        let mut client =
            Self { stream, acquire: request::acquire(SESSION), store, lock_at, answer: Vec::with_capacity(8192) };
        let first = request::put_with(SESSION, &["Timeout:20"], &PAYLOAD);
        client.stream.write_all(&first).await?;
        client.receive(0).await?;
        Ok(client)
    }

    async fn pair(&mut self) -> Result<()> {
        self.stream.write_all(&self.acquire).await?;
        self.receive(PAYLOAD.len()).await?;
        let at = find(&self.answer, b"LockCookie: ").context("no lock")? + b"LockCookie: ".len();
        let digits = self.answer[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let place = &mut self.store[self.lock_at..self.lock_at + FIRST_LOCK.len()];
        place.fill(b'0');
        let from = place.len().checked_sub(digits).context("a very large lock id")?;
        place[from..].copy_from_slice(&self.answer[at..at + digits]);
        self.stream.write_all(&self.store).await?;
        self.receive(0).await
    }

    /// Waits for an answer whose body is so long.
    async fn receive(&mut self, length: usize) -> Result<()> {
        self.answer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the host closed the connection");
            if find(&self.answer, b"\r\n\r\n").is_some_and(|end| self.answer.len() >= end + 4 + length) {
                ensure!(self.answer.starts_with(b"200 OK"), "{}", String::from_utf8_lossy(&self.answer));
                return Ok(());
            }
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[test]
fn a_pair_makes_no_more_allocations_than_it_did() -> Result<()> {
    let mut bench = Bench::start()?;
    // Buffers grow, instruments are made.
    bench.pairs(100)?;
    let mut done = Ok(());
    let counted = measure(|| done = bench.pairs(PAIRS));
    done?;
    // A thousand pairs have room for what happens now and then.
    let each = counted.count_total / PAIRS;
    println!("a pair: {each} allocations of {} bytes together", counted.bytes_total / PAIRS);
    ensure!(each <= MOST_ALLOCATIONS, "{each} allocations; at most {MOST_ALLOCATIONS} were enough");
    Ok(())
}

#[test]
fn a_pair_takes_no_more_instructions_than_it_did() -> Result<()> {
    let each = instructions(PAIRS)? / PAIRS;
    println!("a pair: {each} instructions, with those of the client");
    ensure!(each > 1000, "{each} instructions cannot be");
    ensure!(each <= MOST_INSTRUCTIONS, "{each} instructions; at most {MOST_INSTRUCTIONS} were enough");
    Ok(())
}

/// Instructions that so many pairs take, on the one thread that does them.
fn instructions(pairs: u64) -> Result<u64> {
    let directory = tempfile::tempdir()?;
    let counts = directory.path().join("counts");
    let mut counted = Command::new("valgrind");
    // What a process does once is not counted.
    counted.args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*counted_pairs*"]);
    counted.arg(format!("--callgrind-out-file={}", counts.display())).arg(env::current_exe()?);
    counted.args(["--exact", "under_callgrind", "--ignored", "--test-threads=1"]).env(COUNTED, pairs.to_string());
    let ended = counted.stdin(Stdio::null()).output().context("cannot run valgrind; `make test` installs it")?;
    let said = [ended.stdout, ended.stderr].concat();
    ensure!(ended.status.success(), "{}", String::from_utf8_lossy(&said));
    let counts = fs::read_to_string(counts)?;
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: ")).context("no totals")?;
    Ok(total.trim().parse()?)
}

#[test]
#[ignore = "what the test of instructions runs"]
fn under_callgrind() -> Result<()> {
    let mut bench = Bench::start()?;
    bench.pairs(100)?;
    counted_pairs(&mut bench, env::var(COUNTED).context("by itself it counts nothing")?.parse()?)
}

/// Named to callgrind, so it must be there.
#[inline(never)]
fn counted_pairs(bench: &mut Bench, pairs: u64) -> Result<()> {
    bench.pairs(pairs)
}
