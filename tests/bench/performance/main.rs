//! What Cloakroom costs and how fast it is, beside what people use today, on this machine and in one run.
//!
//! `make bench` runs it. It prints tables, and writes `target/bench/performance.json` and the plots of
//! docs/performance.md, which explains what is measured and how. `CLOAKROOM_BENCH=quick` makes rounds short; a word
//! behind it runs only what begins with that (`cargo bench --bench performance -- pair`).

mod contention;
mod contest;
mod dialogues;
mod load;
mod memory;
mod plain_host;
mod plots;
mod report;
mod requests;
mod servers;
mod start;
mod tail;

use std::{env, time::Duration};

use anyhow::Result;

use self::{contest::Rounds, report::Report};

/// As the host has, which this program is now and then.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Something that is measured.
type Measure = fn(&mut Report, Rounds) -> Result<()>;

/// What runs, in this order.
const MEASURES: [(&str, Measure); 11] = [
    ("pairs", requests::pairs),
    ("requests", requests::requests),
    ("sizes", requests::sizes),
    ("connections", requests::connections),
    ("threads", requests::threads),
    ("tail", tail::half_of_saturation),
    ("mix", tail::mostly_reads),
    ("contention", contention::one_session),
    ("start", start::start),
    ("memory", memory::sessions),
    ("sweeping", memory::sweeping),
];

fn main() -> Result<()> {
    if plain_host::is_wanted() {
        return plain_host::run();
    }
    rlimit::increase_nofile_limit(u64::MAX)?;
    let wanted: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_quick = env::var_os("CLOAKROOM_BENCH").is_some_and(|how| how == "quick");
    let rounds = if is_quick {
        Rounds { count: 3, time: Duration::from_millis(500) }
    } else {
        Rounds { count: 5, time: Duration::from_millis(1500) }
    };
    let mut report = Report::default();
    for (name, measure) in MEASURES {
        if wanted.is_empty() || wanted.iter().any(|word| name.starts_with(word)) {
            measure(&mut report, rounds)?;
        }
    }
    report.write()
}
