//! What each store does in a second, and what it costs: get-exclusive + set-and-release pairs over the State Server
//! protocol with the sessions in memory, on Redis, PostgreSQL, MariaDB and SQLite; beside them the providers of ASP.NET
//! for Redis, doing the same on the same Redis.
//!
//! All take turns in one run. CPU time is that of the servers, from their own accounts: the host and what is behind it,
//! for the providers of ASP.NET the Redis server alone, since they run in the web server. Medians over the rounds.

mod originals;
mod through_host;

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{
    cpu_time::{self, Account},
    mariadb::MariaDbServer,
    postgres::PostgresServer,
    redis::RedisServer,
};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 16;
/// Sessions of each connection: nobody waits for a lock.
const SESSIONS: usize = 64;
const SIZES: [usize; 2] = [1024, 64 * 1024];

/// Does a pair on the session of this number.
type Pair = Box<dyn FnMut(usize) -> Result<()> + Send>;

/// Somewhere that sessions can be kept.
struct Candidate {
    name: &'static str,
    /// A connection for each client.
    connections: Vec<Pair>,
    /// The servers that work for it.
    accounts: Vec<Account>,
    rounds: Vec<Round>,
}

/// What was measured in a round.
#[derive(Clone, Copy)]
struct Round {
    pairs_per_second: f64,
    microseconds_per_pair: f64,
    middle: Duration,
    slow: Duration,
}

impl Candidate {
    fn new(name: &'static str, accounts: Vec<Account>, connections: Vec<Pair>) -> Self {
        Self { name, connections, accounts, rounds: Vec::new() }
    }

    /// All connections do pairs for the time of a round.
    fn work(&mut self) -> Result<Round> {
        let before = cpu_time::sum(&self.accounts)?;
        let begin = Instant::now();
        let mut times = thread::scope(|scope| {
            let clients: Vec<_> = self.connections.iter_mut().map(|pair| scope.spawn(|| times(pair, begin))).collect();
            let times = clients.into_iter().map(|client| client.join().expect("no panic"));
            Ok::<_, anyhow::Error>(times.collect::<Result<Vec<_>>>()?.concat())
        })?;
        let (elapsed, cpu) = (begin.elapsed(), cpu_time::sum(&self.accounts)?.saturating_sub(before));
        ensure!(!times.is_empty(), "{} did nothing", self.name);
        times.sort_unstable();
        let pairs = times.len() as f64;
        Ok(Round {
            pairs_per_second: pairs / elapsed.as_secs_f64(),
            microseconds_per_pair: cpu.as_secs_f64() * 1e6 / pairs,
            middle: times[times.len() / 2],
            slow: times[times.len() * 99 / 100],
        })
    }

    fn median<T: Copy + PartialOrd>(&self, figure: impl Fn(&Round) -> T) -> T {
        let mut figures: Vec<_> = self.rounds.iter().map(figure).collect();
        figures.sort_by(|one, other| one.partial_cmp(other).expect("no NaN"));
        figures[figures.len() / 2]
    }
}

/// How long each pair took.
fn times(pair: &mut Pair, begin: Instant) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for number in 0.. {
        let start = Instant::now();
        if start - begin >= ROUND {
            break;
        }
        pair(number % SESSIONS)?;
        times.push(start.elapsed());
    }
    Ok(times)
}

fn main() -> Result<()> {
    let redis = RedisServer::start_with(&["--appendfsync", "everysec"])?;
    let (postgres, mariadb) = (PostgresServer::start()?, MariaDbServer::start()?);
    let directory = tempfile::tempdir()?;
    let at = |url: String| format!("url = \"{url}\"\n");
    let file = |name: &str, more: &str| at(format!("sqlite://{}", directory.path().join(name).display())) + more;
    println!(
        "get-exclusive + set-and-release, {CONNECTIONS} connections, medians of {ROUNDS} rounds of {ROUND:?}; Redis writes to \
         its disk every second, SQL databases before they answer, but SQLite with synchronous = \"normal\" now and then"
    );
    for size in SIZES {
        let server = |process: Option<u32>| process.map(Account::of).into_iter().collect::<Vec<_>>();
        let mut candidates = vec![
            through_host::candidate("memory", "memory", "", Vec::new(), size)?,
            through_host::candidate("redis", "redis", &at(redis.url()), server(redis.process_id()), size)?,
            originals::microsoft(&redis, size)?,
            originals::harbour(&redis, size)?,
            through_host::candidate(
                "sql, PostgreSQL",
                "sql",
                &at(postgres.url()),
                server(postgres.process_id()),
                size,
            )?,
            through_host::candidate("sql, MariaDB", "sql", &at(mariadb.url()), server(mariadb.process_id()), size)?,
            through_host::candidate("sql, SQLite", "sql", &file("full.db", ""), Vec::new(), size)?,
            through_host::candidate(
                "sql, SQLite, \"normal\"",
                "sql",
                &file("normal.db", "synchronous = \"normal\"\n"),
                Vec::new(),
                size,
            )?,
        ];
        for round in 0..=ROUNDS {
            for candidate in &mut candidates {
                let measured = candidate.work()?;
                // The first warms up.
                if round > 0 {
                    candidate.rounds.push(measured);
                }
            }
        }
        println!("\n{:>6} B {:>26} {:>12} {:>10} {:>10}", size, "pairs/s", "CPU us/pair", "p50 us", "p99 us");
        for candidate in &candidates {
            println!(
                "{:<24} {:>10.0} {:>12.1} {:>10} {:>10}",
                candidate.name,
                candidate.median(|round| round.pairs_per_second),
                candidate.median(|round| round.microseconds_per_pair),
                candidate.median(|round| round.middle).as_micros(),
                candidate.median(|round| round.slow).as_micros(),
            );
        }
    }
    Ok(())
}
