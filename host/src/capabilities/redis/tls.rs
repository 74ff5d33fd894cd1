//! What a connection over TLS is made with: the roots that are trusted, and who this host is.

use std::{fs, path::Path};

use redis::{ClientTlsConfig, TlsCertificates};

use crate::config::ConnectionConfig;

/// What the files of a connection say; `None` if it names none, so that the system's roots are trusted.
pub(super) fn certificates(config: &ConnectionConfig) -> Result<Option<TlsCertificates>, String> {
    let root_cert = config.tls_ca.as_deref().map(|path| read("tls_ca", path)).transpose()?;
    let client_tls = match (&config.tls_certificate, &config.tls_key) {
        (Some(certificate), Some(key)) => Some(ClientTlsConfig {
            client_cert: read("tls_certificate", certificate)?,
            client_key: read("tls_key", key)?,
        }),
        _ => None,
    };
    let is_named = root_cert.is_some() || client_tls.is_some();
    Ok(is_named.then_some(TlsCertificates { client_tls, root_cert }))
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{key}: cannot read {}: {error}", path.display()))
}
