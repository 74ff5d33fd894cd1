//! A cluster: its state, and each of its nodes.

use redis::{Client, RedisResult};

use super::{node::Node, settings};
use crate::{config::ConnectionConfig, doctor::finding::Notes};

/// A node as the others see it.
#[derive(Debug, PartialEq, Eq)]
struct Member {
    id: String,
    host: String,
    port: u16,
    /// Whose replica it is.
    replica_of: Option<String>,
    is_failing: bool,
    has_slots: bool,
}

/// Looks at all of it. `node` is the one that is configured.
pub(super) async fn examine(notes: &mut Notes, config: &ConnectionConfig, client: &Client, node: &mut Node) {
    let known: RedisResult<(String, String)> = async {
        let state = node.ask(redis::cmd("CLUSTER").arg("INFO")).await?;
        Ok((state, node.ask(redis::cmd("CLUSTER").arg("NODES")).await?))
    }
    .await;
    let (state, nodes) = match known {
        Ok(known) => known,
        Err(error) => {
            let remedy = "let its user run CLUSTER, without which no host can use it";
            return notes.error("cluster", format!("it does not tell of its cluster: {error}"), remedy);
        }
    };
    let said = |name: &str| {
        let lines = state.lines().filter_map(|line| line.trim_end().split_once(':'));
        lines.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next().unwrap_or_default()
    };
    let members: Vec<Member> = nodes.lines().filter_map(|line| member(line, node)).collect();
    let masters: Vec<&Member> = members.iter().filter(|member| member.has_slots).collect();
    let replicas = members.iter().filter(|member| member.replica_of.is_some()).count();
    let slots = said("cluster_slots_ok");
    if said("cluster_state") == "ok" {
        let what = format!("it serves: {} masters, {replicas} replicas, {slots} slots of 16384", masters.len());
        notes.ok("cluster", what);
    } else {
        let what = format!("it does not serve: {slots} slots of 16384 are served");
        notes.error("cluster", what, "see `redis-cli --cluster check`, and bring nodes back");
    }
    for master in &masters {
        let is_its = |member: &&Member| member.replica_of.as_ref() == Some(&master.id) && !member.is_failing;
        if !members.iter().any(|member| is_its(&member)) {
            let what = format!("the master {}:{} has no replica that could take over", master.host, master.port);
            notes.warning("cluster", what, "add one (`redis-cli --cluster add-node --cluster-slave`)");
        }
    }
    for member in &members {
        let about = format!("{}, node {}:{}", notes.about(), member.host, member.port);
        let whole = notes.turn_to(about);
        look_at(notes, config, client, member).await;
        notes.turn_to(whole);
    }
}

async fn look_at(notes: &mut Notes, config: &ConnectionConfig, client: &Client, member: &Member) {
    if member.is_failing {
        return notes.error("cluster", "the others do not reach it", "bring it back, or take it out of the cluster");
    }
    let mut node = match Node::connect_to(client, config, &member.host, member.port).await {
        Ok(node) => node,
        Err(error) => return super::refused(notes, config, &error),
    };
    if member.replica_of.is_some() {
        let is_linked = node.introduce_itself().await.is_ok() && node.says("master_link_status") != Some("down");
        if !is_linked {
            notes.warning("replicas", "it is a replica that has lost its master", "look into its log");
        }
        return settings::clock(notes, &mut node).await;
    }
    if node.introduce_itself().await.is_ok() {
        settings::examine(notes, &mut node).await;
    }
}

/// A line of CLUSTER NODES: id, address, flags, master and more, then slots.
fn member(line: &str, asked: &Node) -> Option<Member> {
    let host_of_asked = asked.address().rsplit_once(':').map_or("", |(host, _)| host);
    parse(line, host_of_asked)
}

fn parse(line: &str, host_of_asked: &str) -> Option<Member> {
    let mut words = line.split(' ');
    let (id, address, flags, master) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (host, port) = address.split('@').next()?.rsplit_once(':')?;
    let has = |wanted: &str| flags.split(',').any(|flag| flag == wanted);
    if has("noaddr") || has("handshake") {
        return None;
    }
    Some(Member {
        id: id.to_owned(),
        // A node that has not heard its own address yet says none.
        host: if host.is_empty() { host_of_asked.to_owned() } else { host.to_owned() },
        port: port.parse().ok()?,
        replica_of: Some(master).filter(|master| *master != "-").map(str::to_owned),
        is_failing: has("fail"),
        // Ping, pong, epoch and the state of the link come in between.
        has_slots: words.nth(4).is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_are_read_from_what_a_node_says() {
        let master = parse("07c3 127.0.0.1:30004@31004,host myself,master - 0 1426238317239 4 connected 0-5460", "");
        let master = master.expect("a member");
        assert_eq!((master.host.as_str(), master.port, master.replica_of.as_deref()), ("127.0.0.1", 30004, None));
        assert!(master.has_slots && !master.is_failing);
        let replica = parse("67ed :30002@31002 slave,fail 07c3 0 1426238316232 2 connected", "10.0.0.1");
        let replica = replica.expect("a member");
        assert_eq!((replica.host.as_str(), replica.replica_of.as_deref()), ("10.0.0.1", Some("07c3")));
        assert!(!replica.has_slots && replica.is_failing);
        assert_eq!(parse("67ed :0@0 master,noaddr - 0 0 2 disconnected", ""), None);
        assert_eq!(parse("", ""), None);
    }
}
