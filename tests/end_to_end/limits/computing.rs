//! A call that computes has a thread to itself: the connections that are served by the same one go on.

use anyhow::{Result, ensure};
use harness::http::{Connection, Request};

use crate::{Troubled, problem};

/// More connections than a machine has threads that serve them, as a rule several for each.
const CONNECTIONS: usize = 64;
/// Rounds over all of them that at least go by while one call computes for three seconds.
const ROUNDS: usize = 20;

const STORES: &str = r#"
[stores.loops]
provider = "wrong-provider"
settings = { fault = "loops" }
[applications]
loops = "loops"
"#;

#[test]
fn while_a_call_computes_every_other_connection_is_served() -> Result<()> {
    let troubled = Troubled::start(STORES, &[("wrong-provider", "payload = true\n[limits]\ncpu = \"3s\"\n")])?;
    troubled.good_store_serves()?;
    let mut good = Vec::new();
    for _ in 0..CONNECTIONS {
        good.push(Connection::open(troubled.host.http())?);
    }
    let mut computing = Connection::open(troubled.host.http())?;
    computing.send(Request::new("POST", "/v1/loops/sessions/any/touch").bytes())?;
    let read = Request::new("GET", "/v1/good/sessions/visitor");
    let mut rounds = 0;
    while !computing.has_answer()? {
        for connection in &mut good {
            let answer = connection.exchange(&read)?;
            ensure!(answer.status == 200 && answer.text() == "a coat", "{answer:?}");
        }
        rounds += 1;
    }
    problem(&computing.receive("POST")?, 503, "plugin-limit", &["3s of CPU time"])?;
    ensure!(rounds >= ROUNDS, "only {rounds} rounds: somebody waited for the call that computed");
    Ok(())
}
