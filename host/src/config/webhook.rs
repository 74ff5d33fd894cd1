//! `[webhooks.NAME]`: an address that events are posted to.

use std::{fmt, time::Duration};

use hyper::Uri;

/// Where events are posted to, and how patiently.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// The address; `http` or `https`, with a host and without a user.
    pub url: Uri,
    /// What requests are signed with: a signature by each.
    pub secrets: Vec<Vec<u8>>,
    /// Whether what sessions held is sent along.
    pub payload: bool,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How many requests are under way at once, at the most.
    pub connections: usize,
    /// How often the delivery of an event is tried.
    pub attempts: usize,
    /// The pause before the second attempt; it doubles from one attempt to the next.
    pub retry: Duration,
    /// The longest pause between two attempts, unless `retry` is longer.
    pub longest_retry: Duration,
    /// The most that may wait, bytes.
    pub queue: usize,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            url: Uri::default(),
            secrets: Vec::new(),
            payload: false,
            timeout: Duration::from_secs(15),
            connections: 4,
            attempts: 30,
            retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(10 * 60),
            queue: 64 << 20,
        }
    }
}

impl WebhookConfig {
    /// The URL as far as it is no secret: paths and queries may hold tokens.
    #[must_use]
    pub fn shown_url(&self) -> String {
        let (scheme, authority) = (self.url.scheme_str(), self.url.authority());
        match scheme.zip(authority) {
            Some((scheme, authority)) => format!("{scheme}://{authority}"),
            None => "(not shown)".to_owned(),
        }
    }

    /// Whether what it sends can be read on the way.
    #[must_use]
    pub fn is_readable_on_the_way(&self) -> bool {
        let host = self.url.host().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        self.url.scheme_str() != Some("https") && !is_here
    }
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart by name, so that a new field cannot be forgotten here.
        let Self { url: _, secrets, payload, timeout, connections, attempts, retry, longest_retry, queue } = self;
        formatter
            .debug_struct("WebhookConfig")
            .field("url", &self.shown_url())
            .field("secrets", &secrets.len())
            .field("payload", payload)
            .field("timeout", timeout)
            .field("connections", connections)
            .field("attempts", attempts)
            .field("retry", retry)
            .field("longest_retry", longest_retry)
            .field("queue", queue)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(url: &str) -> WebhookConfig {
        WebhookConfig { url: url.parse().expect("a URL"), secrets: vec![vec![115; 24]], ..WebhookConfig::default() }
    }

    #[test]
    fn neither_path_nor_secret_is_shown() {
        let config = to("https://hooks.example.com:8443/T0KEN?key=T0KEN");
        assert_eq!(config.shown_url(), "https://hooks.example.com:8443");
        let debug = format!("{config:?}");
        assert!(!debug.contains("T0KEN") && !debug.contains("115"), "{debug}");
    }

    #[test]
    fn only_plain_http_to_another_machine_can_be_read_on_the_way() {
        for (url, readable) in [
            ("https://example.com/", false),
            ("http://example.com/", true),
            ("http://10.0.0.7:8080/", true),
            ("http://127.0.0.1:8080/", false),
            ("http://[::1]:8080/", false),
            ("http://localhost/", false),
        ] {
            assert_eq!(to(url).is_readable_on_the_way(), readable, "{url}");
        }
    }
}
