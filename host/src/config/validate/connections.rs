//! `[connections.NAME]`

use std::collections::BTreeMap;

use super::{MILLISECOND, MINUTE};
use crate::config::{connection::ConnectionConfig, file::ConnectionSection, findings::Findings};

/// What a URL can begin with.
const SCHEMES: [&str; 3] = ["redis://", "redis+unix://", "unix://"];

/// The connections that are written.
pub(super) fn connections(
    file: &BTreeMap<String, ConnectionSection>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, ConnectionConfig> {
    file.iter().map(|(name, section)| (name.clone(), connection(name, section, findings))).collect()
}

fn connection(name: &str, file: &ConnectionSection, findings: &mut Findings<'_>) -> ConnectionConfig {
    let default = ConnectionConfig::default();
    let at = |key| ["connections", name, key];
    let url = match &file.url {
        Some(written) => findings.setting(&at("url"), written),
        None => {
            let message = "write where it leads: url = \"redis://HOST:PORT\", or url = { env = \"NAME\" } for a secret";
            findings.report(&["connections", name], message);
            None
        }
    };
    if url.as_ref().is_some_and(|url| url.starts_with("rediss://")) {
        let message = "this version connects without TLS; write redis:// and keep the network closed, or put a tunnel \
                       such as stunnel in between";
        findings.report_unseen(&at("url"), message);
    } else if let Some(url) = &url
        && !SCHEMES.iter().any(|scheme| url.starts_with(scheme))
    {
        // It may have a password in it.
        findings.report_unseen(&at("url"), format!("a URL begins with {}", SCHEMES.join(", ")));
    }
    ConnectionConfig {
        url: url.unwrap_or(default.url),
        cluster: file.cluster.unwrap_or(default.cluster),
        timeout: findings.duration(&at("timeout"), file.timeout, default.timeout, 10 * MILLISECOND..=10 * MINUTE),
        connect_timeout: findings.duration(
            &at("connect_timeout"),
            file.connect_timeout,
            default.connect_timeout,
            10 * MILLISECOND..=10 * MINUTE,
        ),
    }
}
