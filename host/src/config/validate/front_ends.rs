//! What is allowed of the front ends, each by itself and together.

use std::{net::SocketAddr, time::Duration};

use super::{DAY, GIB, HOUR, KIB, MIB, MILLISECOND, MINUTE};
use crate::config::{
    file::{EventStreamSection, HttpSection, StateServerSection},
    findings::Findings,
    model::{Config, EventStreamConfig, HttpConfig, StateServerConfig},
    overrides::Overrides,
    problem::Problem,
    values::WrittenAddress,
};

/// `[state_server]`
pub(super) fn state_server(
    file: &StateServerSection,
    overrides: &Overrides,
    findings: &mut Findings<'_>,
) -> Option<StateServerConfig> {
    let at = |key| ["state_server", key];
    let default = StateServerConfig::default();
    let config = StateServerConfig {
        address: address(overrides.state_server, file.address, default.address),
        hold_locked: findings.duration(
            &at("hold_locked"),
            file.hold_locked,
            default.hold_locked,
            Duration::ZERO..=MINUTE,
        ),
        http_prefix: file.http_prefix.unwrap_or(default.http_prefix),
        max_line: findings.size(&at("max_line"), file.max_line, default.max_line, 64..=MIB),
        // A PUT carries five.
        max_headers: findings.count(&at("max_headers"), file.max_headers, default.max_headers, 5..=1_000),
        max_body: findings.size(&at("max_body"), file.max_body, default.max_body, 1..=GIB),
        idle_timeout: findings.duration(
            &at("idle_timeout"),
            file.idle_timeout,
            default.idle_timeout,
            MILLISECOND..=DAY,
        ),
        transfer_timeout: findings.duration(
            &at("transfer_timeout"),
            file.transfer_timeout,
            default.transfer_timeout,
            MILLISECOND..=HOUR,
        ),
        max_connections: findings.count(
            &at("max_connections"),
            file.max_connections,
            default.max_connections,
            1..=1_000_000,
        ),
        aspnet_version: file.aspnet_version.clone().unwrap_or(default.aspnet_version),
        applications: file.applications.clone(),
    };
    aspnet_version(&config.aspnet_version, findings);
    for (from, to) in &config.applications {
        if from.is_empty() || to.is_empty() {
            findings.report(&["state_server", "applications", from], "an application's name cannot be empty");
        }
    }
    (file.enabled.unwrap_or(true) || overrides.state_server.is_some()).then_some(config)
}

/// Clients refuse a server whose major version is below 2.
fn aspnet_version(version: &str, findings: &mut Findings<'_>) {
    let parts: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    let fine =
        parts.is_some_and(|parts| (2..=4).contains(&parts.len()) && parts.first().is_some_and(|major| *major >= 2));
    if !fine {
        let message =
            "write a version such as \"4.0.30319\" or \"2.0.50727\"; web servers refuse a major version under 2";
        findings.report(&["state_server", "aspnet_version"], message);
    }
}

/// `[http]`
pub(super) fn http(file: &HttpSection, overrides: &Overrides, findings: &mut Findings<'_>) -> Option<HttpConfig> {
    let default = HttpConfig::default();
    let config = HttpConfig {
        address: address(overrides.http, file.address, default.address),
        max_wait: findings.duration(
            &["http", "max_wait"],
            file.max_wait,
            default.max_wait,
            Duration::ZERO..=10 * MINUTE,
        ),
        events: event_stream(&file.events, findings),
    };
    (file.enabled.unwrap_or(true) || overrides.http.is_some()).then_some(config)
}

/// `[http.events]`
fn event_stream(file: &EventStreamSection, findings: &mut Findings<'_>) -> Option<EventStreamConfig> {
    let at = |key| ["http", "events", key];
    let default = EventStreamConfig::default();
    let config = EventStreamConfig {
        count: findings.count(&at("count"), file.count, default.count, 1..=10_000_000),
        size: findings.size(&at("size"), file.size, default.size, KIB..=64 * GIB),
        payload: file.payload.unwrap_or(default.payload),
        readers: findings.count(&at("readers"), file.readers, default.readers, 1..=10_000),
        heartbeat: findings.duration(
            &at("heartbeat"),
            file.heartbeat,
            default.heartbeat,
            100 * MILLISECOND..=10 * MINUTE,
        ),
    };
    file.enabled.unwrap_or(false).then_some(config)
}

fn address(option: Option<SocketAddr>, written: Option<WrittenAddress>, default: SocketAddr) -> SocketAddr {
    option.or(written.map(|written| written.0)).unwrap_or(default)
}

/// The rules about front ends together: there is one, each has its own address, and nobody else's network gets in by
/// accident.
pub(super) fn together(config: &Config, overrides: &Overrides, findings: &mut Findings<'_>) {
    let state_server = config.state_server.as_ref().map(|front_end| front_end.address);
    let http = config.http.as_ref().map(|front_end| front_end.address);
    match (state_server, http) {
        (None, None) => {
            findings.report(&["http", "enabled"], "both front ends are switched off; at least one must be on");
        }
        (Some(one), Some(other)) if overlap(one, other) => {
            let message = "both front ends would listen on this address; give each its own port";
            report_address(["http", "address"], "--http", overrides.http, findings, message.into());
        }
        _ => {}
    }
    if config.allow_remote {
        return;
    }
    if let Some(address) = state_server.filter(|address| !is_loopback(address)) {
        let message = not_loopback(
            address,
            "State Server",
            "can read and replace every session and, because payloads may hold BinaryFormatter objects, run code on \
             the web servers",
        );
        report_address(["state_server", "address"], "--state-server", overrides.state_server, findings, message);
    }
    if let Some(address) = http.filter(|address| !is_loopback(address)) {
        let message = not_loopback(address, "The HTTP front end", "can read, replace and delete every session");
        report_address(["http", "address"], "--http", overrides.http, findings, message);
    }
}

/// Whether both cannot be listened on at once. Port 0 is any free port.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let anywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (anywhere || one.ip() == other.ip())
}

fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Facts 1.1: the protocol has no protection of its own; the real service, too, takes local connections only unless
/// told otherwise.
fn not_loopback(address: SocketAddr, who: &str, danger: &str) -> String {
    format!(
        "{} is not a loopback address. {who} has neither TLS nor authentication: whoever reaches this port {danger}. \
         Listen on 127.0.0.1, or write `allow_remote = true` at the top of the file if only web servers that you trust \
         can reach it",
        address.ip()
    )
}

/// Reports an address where it was given: in the file or on the command line.
fn report_address(
    path: [&str; 2],
    option: &str,
    given: Option<SocketAddr>,
    findings: &mut Findings<'_>,
    message: String,
) {
    match given {
        None => findings.report(&path, message),
        Some(address) => findings.report_elsewhere(Problem {
            source: "command line".into(),
            line: None,
            key: option.into(),
            value: Some(address.to_string()),
            message,
        }),
    }
}
