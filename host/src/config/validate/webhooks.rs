//! `[webhooks.NAME]`

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::Uri;

use super::{DAY, GIB, HOUR, KIB, MILLISECOND, MINUTE};
use crate::config::{file::WebhookSection, findings::Findings, webhook::WebhookConfig};

/// What a secret begins with, by the Standard Webhooks specification.
const PREFIX: &str = "whsec_";
/// How long one may be, by the same.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The webhooks that are written.
pub(super) fn webhooks(
    file: &BTreeMap<String, WebhookSection>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, WebhookConfig> {
    file.iter().map(|(name, section)| (name.clone(), webhook(name, section, findings))).collect()
}

fn webhook(name: &str, file: &WebhookSection, findings: &mut Findings<'_>) -> WebhookConfig {
    let default = WebhookConfig::default();
    let at = |key| ["webhooks", name, key];
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(letters) {
        findings.report(&["webhooks", name], "a webhook's name has 1 to 64 characters of a-z, 0-9 and `-`");
    }
    WebhookConfig {
        url: url(name, file, findings).unwrap_or_default(),
        secrets: secrets(name, file, findings),
        payload: file.payload.unwrap_or(default.payload),
        timeout: findings.duration(&at("timeout"), file.timeout, default.timeout, 10 * MILLISECOND..=10 * MINUTE),
        connections: findings.count(&at("connections"), file.connections, default.connections, 1..=64),
        attempts: findings.count(&at("attempts"), file.attempts, default.attempts, 1..=1000),
        retry: findings.duration(&at("retry"), file.retry, default.retry, MILLISECOND..=HOUR),
        longest_retry: findings.duration(
            &at("longest_retry"),
            file.longest_retry,
            default.longest_retry,
            MILLISECOND..=DAY,
        ),
        queue: findings.size(&at("queue"), file.queue, default.queue, KIB..=64 * GIB),
    }
}

fn url(name: &str, file: &WebhookSection, findings: &mut Findings<'_>) -> Option<Uri> {
    let path = ["webhooks", name, "url"];
    let Some(written) = &file.url else {
        findings.report(&["webhooks", name], "write where it leads: url = \"https://HOST/PATH\"");
        return None;
    };
    let text = findings.setting(&path, written)?;
    let url = text.parse::<Uri>().ok().filter(|url| matches!(url.scheme_str(), Some("http" | "https")));
    let Some(url) = url.filter(|url| url.host().is_some_and(|host| !host.is_empty())) else {
        // It may have a token in it.
        findings.report_unseen(&path, "that is no URL of a webhook; write \"https://HOST/PATH\"");
        return None;
    };
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        let message = "a webhook does not log in; requests are signed, and what else the receiver wants can stand in the \
                       path";
        findings.report_unseen(&path, message);
    }
    Some(url)
}

fn secrets(name: &str, file: &WebhookSection, findings: &mut Findings<'_>) -> Vec<Vec<u8>> {
    let path = ["webhooks", name, "secret"];
    let Some(written) = &file.secret else {
        let message = "write what requests are signed with: secret = { file = \"PATH\" } or { env = \"NAME\" }";
        findings.report(&["webhooks", name], message);
        return Vec::new();
    };
    let Some(text) = findings.setting(&path, written) else { return Vec::new() };
    let secret = |text: &str| {
        let bytes = STANDARD.decode(text.trim().strip_prefix(PREFIX)?).ok()?;
        SECRET_BYTES.contains(&bytes.len()).then_some(bytes)
    };
    let secrets: Option<Vec<_>> = text.split(',').map(secret).collect();
    secrets.unwrap_or_else(|| {
        let message = "a secret is `whsec_` and 24 to 64 bytes in base64, as `echo whsec_$(openssl rand -base64 32)` \
                       prints it; several are separated by commas";
        findings.report_unseen(&path, message);
        Vec::new()
    })
}
