//! A cluster.

use anyhow::{Result, ensure};
use harness::redis::RedisCluster;

use crate::Patient;

fn config(cluster: &RedisCluster, is_cluster: bool) -> String {
    format!(
        "[stores.default]\nprovider = \"redis\"\nlock_notices = \"main\"\n[connections.main]\nurl = \"{}\"\n\
         cluster = {is_cluster}\n",
        cluster.url()
    )
}

#[test]
fn every_node_of_a_cluster_is_looked_at() -> Result<()> {
    let mut cluster = RedisCluster::start()?;
    let patient = Patient::new()?;
    let report = patient.examine(&config(&cluster, true))?;
    report.found("ok", "cluster", &["3 masters, 3 replicas, 16384 slots"])?;
    report.found("ok", "scripts", &[])?;
    report.found("ok", "notices", &[])?;
    ensure!(report.findings("clock").iter().filter(|found| found.about.contains("node 127.0.0.1:")).count() == 6);
    ensure!(report.findings("eviction").len() == 3, "{}", report.text);
    // Each master can be cut off from its replica.
    report.has(0, 3)?;
    report.found("warning", "replicas", &["`min-replicas-to-write` is 0", "min-replicas-to-write 1"])?;

    let report = patient.examine(&config(&cluster, false))?;
    report.found("error", "mode", &["write `cluster = true`"])?;

    cluster.kill_a_master()?;
    // It is missed after a second, and replaced.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while cluster.masters()? < 3 {
        ensure!(std::time::Instant::now() < deadline, "no replica was elected");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let report = patient.examine(&config(&cluster, true))?;
    report.found("error", "cluster", &["node 127.0.0.1:", "the others do not reach it"])?;
    report.found("warning", "cluster", &["has no replica that could take over"])
}

#[test]
fn a_server_by_itself_is_no_cluster() -> Result<()> {
    let server = harness::redis::RedisServer::start()?;
    let config = format!(
        "[stores.default]\nprovider = \"redis\"\n[connections.main]\nurl = \"{}\"\ncluster = true\n",
        server.url()
    );
    let report = Patient::new()?.examine(&config)?;
    report.found("error", "mode", &["no node of a cluster", "take out `cluster = true`"])?;
    report.found("error", "cluster", &[])
}
