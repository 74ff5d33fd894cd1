//! A server that speaks TLS only, and with clients that show a certificate.

use anyhow::{Result, ensure};
use harness::{Host, certificates::Certificates, farm::count_together, http::Request, redis::RedisServer};

use tempfile::TempDir;

use crate::{host, plugins};

const SESSION: &str = "/v1/shop/sessions/a";

/// A host whose connection has these lines more.
fn connected(plugins: &TempDir, redis: &RedisServer, more: &str) -> Result<Host> {
    let connection = format!("[connections.main]\nurl = \"{}\"\n{more}", redis.url());
    host(plugins, &connection)
}

#[test]
fn sessions_are_kept_over_tls_and_nobody_is_trusted_without_a_certificate() -> Result<()> {
    let certificates = Certificates::make()?;
    let ca = format!("tls_ca = {:?}\n", certificates.authority());
    let (certificate, key) = certificates.client();
    let client = format!("tls_certificate = {certificate:?}\ntls_key = {key:?}\n");
    let plugins = plugins()?;
    let mut redis = RedisServer::start_with_tls(certificates)?;

    let hosts = [
        connected(&plugins, &redis, &format!("{ca}{client}"))?,
        connected(&plugins, &redis, &format!("{ca}{client}"))?,
    ];
    count_together([hosts[0].http(), hosts[1].http()], SESSION)?;

    // After the connection was lost, too.
    redis.kill()?;
    ensure!(Request::new("GET", SESSION).send(hosts[0].http())?.status == 503);
    redis.start_again()?;
    hosts[0].wait_until("it is connected again", || {
        Ok(Request::new("GET", SESSION).send(hosts[0].http())?.status == 200)
    })?;

    // A server that nobody known vouches for, and a client that shows nothing.
    for lines in [client, ca] {
        let host = connected(&plugins, &redis, &lines)?;
        let answer = Request::new("GET", SESSION).send(host.http())?;
        ensure!(answer.status == 503, "{lines}: {} {}", answer.status, answer.text());
    }
    Ok(())
}
