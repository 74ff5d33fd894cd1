//! What a server is set to, and what that means for sessions.

use super::node::Node;
use crate::doctor::{finding::Notes, skew::Asked};

/// From how much of its memory on a server is nearly full, percent.
const NEARLY_FULL: u64 = 90;

/// Looks at a server that takes writes.
pub(super) async fn examine(notes: &mut Notes, node: &mut Node) {
    eviction(notes, node).await;
    persistence(notes, node).await;
    replicas(notes, node).await;
    clock(notes, node).await;
}

async fn eviction(notes: &mut Notes, node: &mut Node) {
    let policy = match node.says("maxmemory_policy").map(str::to_owned) {
        Some(policy) => policy,
        None => match node.setting("maxmemory-policy").await {
            Some(policy) => policy,
            None => {
                let remedy = "see yourself that `maxmemory-policy` is `noeviction`, or let its user run INFO";
                return notes.warning("eviction", "what it does when it is full is not known", remedy);
            }
        },
    };
    let limit = node.says_number("maxmemory").unwrap_or_default();
    if policy != "noeviction" {
        let when = if limit == 0 { " once `maxmemory` is set" } else { "" };
        return notes.warning(
            "eviction",
            format!("`maxmemory-policy` is `{policy}`: when it is full it throws sessions and locks away{when}"),
            "set `maxmemory-policy noeviction`",
        );
    }
    let used = node.says_number("used_memory").unwrap_or_default();
    if limit > 0 && used.saturating_mul(100) >= limit.saturating_mul(NEARLY_FULL) {
        let what = format!("it uses {used} of {limit} bytes, and stores no session when it is full");
        return notes.warning("eviction", what, "raise `maxmemory`");
    }
    notes.ok("eviction", "when it is full it refuses to store, and throws nothing away (noeviction)");
}

async fn persistence(notes: &mut Notes, node: &mut Node) {
    let Some(appends) = node.says("aof_enabled") else { return };
    let appends = appends == "1";
    for (name, what) in [("aof_last_write_status", "appendonly file"), ("rdb_last_bgsave_status", "snapshot")] {
        if node.says(name).is_some_and(|status| status != "ok") {
            let what = format!("the last write of its {what} failed");
            notes.error("persistence", what, "look into the server's log and at its disk");
        }
    }
    if appends {
        let when = match node.setting("appendfsync").await.as_deref() {
            Some("always") => ", before a write is acknowledged",
            Some("everysec") => ", every second: a crash of its machine can lose the last one",
            Some("no") => ", when the system likes: a crash of its machine can lose the last 30 s",
            _ => "",
        };
        return notes.ok("persistence", format!("what is stored goes to its disk (appendonly){when}"));
    }
    let saves = node.setting("save").await;
    let what = match saves.as_deref() {
        Some("") => "nothing goes to its disk: when the server ends, all sessions are lost",
        Some(_) => "its disk has snapshots only: when the server ends, what came after the last one is lost",
        None => "at most snapshots go to its disk: when the server ends, sessions are lost",
    };
    notes.warning("persistence", what, "set `appendonly yes`");
}

async fn replicas(notes: &mut Notes, node: &mut Node) {
    let Some(connected) = node.says_number("connected_slaves") else { return };
    let wanted = node.setting("min-replicas-to-write").await.and_then(|number| number.parse::<u64>().ok());
    let online = (0..connected)
        .filter(|number| node.says(&format!("slave{number}")).is_some_and(|replica| replica.contains("state=online")))
        .count();
    let good = node.says_number("min_slaves_good_slaves");
    if let (Some(wanted), Some(good)) = (wanted.filter(|wanted| *wanted > 0), good)
        && good < wanted
    {
        let what = format!("it stores nothing: it has {good} good replicas, and `min-replicas-to-write` is {wanted}");
        return notes.error("replicas", what, "bring replicas back, or lower the number");
    }
    match (connected, wanted) {
        (0, _) => notes.ok("replicas", "it has none; what is lost with it is lost"),
        (_, Some(0)) => notes.warning(
            "replicas",
            format!(
                "it has {connected}, {online} online, and `min-replicas-to-write` is 0: cut off from them it goes on \
                 acknowledging writes that a fail-over loses"
            ),
            "set `min-replicas-to-write 1`, if refusing to store is better than that",
        ),
        (_, Some(wanted)) => {
            notes.ok("replicas", format!("it has {connected}, {online} online; `min-replicas-to-write` is {wanted}"));
        }
        (_, None) => notes.ok("replicas", format!("it has {connected}, {online} online")),
    }
}

/// How far its clock is from ours.
pub(super) async fn clock(notes: &mut Notes, node: &mut Node) {
    let asked = Asked::now();
    match node.ask::<(u64, u64)>(&redis::cmd("TIME")).await {
        Ok((seconds, micros)) => asked.judge(notes, seconds.saturating_mul(1000).saturating_add(micros / 1000)),
        Err(error) => notes.warning("clock", format!("it does not tell the time: {error}"), "let its user run TIME"),
    }
}
