//! `[connections.NAME]`

use std::collections::BTreeMap;

use super::{MILLISECOND, MINUTE};
use crate::config::{
    connection::{ConnectionConfig, ConnectionKind, Synchronous},
    file::ConnectionSection,
    findings::Findings,
};

/// What the URL of a file begins with.
const FILE: &str = "sqlite://";

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
    let config = ConnectionConfig {
        url: url(name, file, findings),
        cluster: file.cluster.unwrap_or(default.cluster),
        timeout: findings.duration(&at("timeout"), file.timeout, default.timeout, 10 * MILLISECOND..=10 * MINUTE),
        connect_timeout: findings.duration(
            &at("connect_timeout"),
            file.connect_timeout,
            default.connect_timeout,
            10 * MILLISECOND..=10 * MINUTE,
        ),
        max_connections: file
            .max_connections
            .map(|written| findings.count(&at("max_connections"), Some(written), 1, 1..=1000)),
        synchronous: synchronous(name, file, findings),
        wait_replicas: findings.count(&at("wait_replicas"), file.wait_replicas, default.wait_replicas, 0..=100),
        wait_timeout: findings.duration(
            &at("wait_timeout"),
            file.wait_timeout,
            default.wait_timeout,
            MILLISECOND..=MINUTE,
        ),
        tls_ca: file.tls_ca.as_ref().map(|written| findings.path(written)),
        tls_certificate: file.tls_certificate.as_ref().map(|written| findings.path(written)),
        tls_key: file.tls_key.as_ref().map(|written| findings.path(written)),
    };
    tls(name, &config, findings);
    // A key that does nothing would look as if it did.
    match config.kind() {
        None => {}
        Some(ConnectionKind::Redis) if file.max_connections.is_some() => {
            findings.report(&at("max_connections"), "it is for SQL databases; Redis is served over one connection");
        }
        Some(kind) if kind != ConnectionKind::Redis && config.cluster => {
            findings.report(&at("cluster"), "it is for Redis");
        }
        Some(kind) if kind != ConnectionKind::Redis && config.wait_replicas > 0 => {
            findings.report(&at("wait_replicas"), "it is for Redis; elsewhere the server's configuration says so");
        }
        Some(kind) if kind != ConnectionKind::Redis && config.wait_timeout != default.wait_timeout => {
            findings.report(&at("wait_timeout"), "it is for Redis, whose replicas `wait_replicas` waits for");
        }
        Some(_) if config.wait_replicas > 0 && config.wait_timeout >= config.timeout => {
            findings.report(&at("wait_timeout"), "it has to be shorter than `timeout`, which ends the waiting as well");
        }
        Some(_) => {}
    }
    if config.kind() != Some(ConnectionKind::Sqlite) && config.synchronous != default.synchronous {
        findings.report(&at("synchronous"), "it is for SQLite; elsewhere the server's configuration says so");
    }
    config
}

fn url(name: &str, file: &ConnectionSection, findings: &mut Findings<'_>) -> String {
    let path = ["connections", name, "url"];
    let Some(written) = &file.url else {
        let message = "write where it leads: url = \"redis://HOST:PORT\", \"postgres://USER@HOST/DATABASE\" or another, or \
                       url = { env = \"NAME\" } for a secret";
        findings.report(&["connections", name], message);
        return String::new();
    };
    let Some(url) = findings.setting(&path, written) else { return String::new() };
    if !ConnectionKind::SCHEMES.iter().any(|(scheme, _)| url.starts_with(scheme)) {
        let schemes: Vec<_> = ConnectionKind::SCHEMES.iter().map(|(scheme, _)| *scheme).collect();
        // It may have a password in it.
        findings.report_unseen(&path, format!("a URL begins with one of {}", schemes.join(", ")));
    }
    match url.strip_prefix(FILE) {
        Some("" | "/") => {
            findings.report(&path, "write the file's path: \"sqlite:///var/lib/cloakroom/sessions.db\"");
            url
        }
        Some(path) => format!("{FILE}{}", findings.path(path.as_ref()).display()),
        None => url,
    }
}

/// Files that nothing would be done with look as if they did something.
fn tls(name: &str, config: &ConnectionConfig, findings: &mut Findings<'_>) {
    let files =
        [("tls_ca", &config.tls_ca), ("tls_certificate", &config.tls_certificate), ("tls_key", &config.tls_key)];
    for (key, _) in files.iter().filter(|(_, file)| file.is_some()) {
        let at = ["connections", name, key];
        match config.kind() {
            Some(ConnectionKind::Redis) if !config.url.starts_with("rediss://") => {
                findings.report(&at, "TLS is spoken where the URL begins with rediss://");
            }
            Some(ConnectionKind::Redis) | None => {}
            Some(ConnectionKind::Postgres) => {
                findings.report(&at, "for PostgreSQL it is in the URL: sslmode, sslrootcert, sslcert, sslkey");
            }
            Some(ConnectionKind::MySql) => {
                findings.report(&at, "for MariaDB and MySQL it is in the URL: ssl-mode, ssl-ca, ssl-cert, ssl-key");
            }
            Some(ConnectionKind::Sqlite) => findings.report(&at, "there is no TLS to a file"),
        }
    }
    for (key, file, other) in [
        ("tls_certificate", &config.tls_certificate, &config.tls_key),
        ("tls_key", &config.tls_key, &config.tls_certificate),
    ] {
        if file.is_some() && other.is_none() {
            let at = ["connections", name, key];
            findings.report(&at, "tls_certificate and tls_key go together: name both files");
        }
    }
}

fn synchronous(name: &str, file: &ConnectionSection, findings: &mut Findings<'_>) -> Synchronous {
    let Some(written) = &file.synchronous else { return Synchronous::default() };
    let known = Synchronous::ALL.into_iter().find(|(name, _)| name == written);
    known.map(|(_, value)| value).unwrap_or_else(|| {
        let names = Synchronous::ALL.map(|(name, _)| format!("\"{name}\"")).join(", ");
        findings.report(&["connections", name, "synchronous"], format!("write one of {names}"));
        Synchronous::default()
    })
}
