//! A log that nobody reads any more.

use anyhow::{Result, ensure};
use harness::{Host, http::Request};

#[test]
fn a_host_whose_log_cannot_be_written_serves_and_stops_when_told_and_loses_nothing() -> Result<()> {
    // Every session that begins is a line of the log.
    let mut host = Host::start("[log]\nevents = true\n")?;
    host.stop_reading();
    let request = |method: &str, number: usize| Request::new(method, format!("/v1/shop/sessions/{number}"));
    for number in 0..5 {
        let stored = request("PUT", number).body("coat").send(host.http())?;
        ensure!(stored.status == 201, "PUT {number}: {} {}", stored.status, stored.text());
    }
    host.terminate()?;
    host.restart()?;
    for number in 0..5 {
        let read = request("GET", number).send(host.http())?;
        ensure!(read.status == 200 && read.text() == "coat", "GET {number}: {} {}", read.status, read.text());
    }
    Ok(())
}
