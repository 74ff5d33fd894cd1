//! A certification authority of a test's own, with `openssl`, that vouches for this machine and for one client.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tempfile::TempDir;

/// Files with certificates and keys. They go with it.
pub struct Certificates(TempDir);

impl Certificates {
    /// Makes an authority, a server's certificate and a client's.
    pub fn make() -> Result<Self> {
        let made = Self(tempfile::tempdir()?);
        made.certify(&["-subj", "/CN=Authority", "-keyout", "ca.key", "-out", "ca.pem"])?;
        let of_authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"];
        for (name, more) in
            [("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")]
        {
            let (key, certificate, subject) = (format!("{name}.key"), format!("{name}.pem"), format!("/CN={name}"));
            let files = ["-subj", &subject, "-addext", more, "-keyout", &key, "-out", &certificate];
            made.certify(&[&of_authority[..], &files[..]].concat())?;
        }
        Ok(made)
    }

    /// What everything goes back to.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// The certificate for `localhost` and 127.0.0.1, and its key.
    #[must_use]
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.file("server.pem"), self.file("server.key"))
    }

    /// What a server of the test with that certificate speaks TLS with.
    pub fn tls_server(&self) -> Result<Arc<ServerConfig>> {
        let (certificate, key) = self.server();
        let (certificate, key) = (CertificateDer::from_pem_file(certificate)?, PrivateKeyDer::from_pem_file(key)?);
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
        Ok(Arc::new(builder.with_single_cert(vec![certificate], key)?))
    }

    /// The client's certificate and its key.
    #[must_use]
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.file("client.pem"), self.file("client.key"))
    }

    fn file(&self, name: &str) -> PathBuf {
        let directory: &Path = self.0.path();
        directory.join(name)
    }

    fn certify(&self, arguments: &[&str]) -> Result<()> {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .context("cannot run openssl; `make test` installs it")?;
        ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        Ok(())
    }
}
