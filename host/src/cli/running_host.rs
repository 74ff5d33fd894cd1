//! A running host, asked over its HTTP API.

use std::{io, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Method, Request, StatusCode, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use tokio::{net::TcpStream, time::timeout};

/// How long a host may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the host is.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct RunningHost {
    /// Where the HTTP front end of the running host listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8642")]
    http: SocketAddr,
}

/// Why there is no answer to use.
#[derive(Debug, Error)]
pub(super) enum AskError {
    #[error(
        "no host answers on {address} ({error}); see that it runs and that its HTTP front end is on, and say with \
         --http where it listens"
    )]
    NoHost { address: SocketAddr, error: io::Error },
    #[error("the host on {address} took the request and did not answer within {PATIENCE:?}; look into its log")]
    Silent { address: SocketAddr },
    #[error("what listens on {address} is no Cloakroom: {why}; say with --http where the host listens")]
    NotCloakroom { address: SocketAddr, why: String },
    #[error("the host on {address} says: {detail}")]
    Refused { address: SocketAddr, kind: String, detail: String },
}

impl AskError {
    /// Whether it is this problem of the host's, by the last part of its name.
    pub(super) fn is(&self, problem: &str) -> bool {
        matches!(self, Self::Refused { kind, .. } if kind.rsplit(':').next() == Some(problem))
    }
}

impl RunningHost {
    /// The host that listens there.
    pub(super) fn at(http: SocketAddr) -> Self {
        Self { http }
    }

    /// Sends a request without a body; the JSON of the answer as a `T`.
    pub(super) fn ask<T: DeserializeOwned>(self, method: Method, path: &str) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the request could not be started")?;
        Ok(runtime.block_on(self.exchange(method, path))?)
    }

    /// The same, for those who have a runtime.
    pub(super) async fn exchange<T: DeserializeOwned>(self, method: Method, path: &str) -> Result<T, AskError> {
        let address = self.http;
        let stranger = |why: String| AskError::NotCloakroom { address, why };
        let connected = match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(connected) => connected,
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        };
        let stream = connected.map_err(|error| AskError::NoHost { address, error })?;
        let answered = timeout(PATIENCE, answer(stream, address, method, path)).await;
        let (status, body) =
            answered.map_err(|_| AskError::Silent { address })?.map_err(|error| stranger(error.to_string()))?;
        let json: Value = serde_json::from_slice(&body).map_err(|error| stranger(error.to_string()))?;
        if !status.is_success() {
            // A problem (RFC 9457), if it is one of ours.
            return Err(match json.get("detail").and_then(Value::as_str) {
                Some(detail) => {
                    let kind = json.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
                    AskError::Refused { address, kind, detail: detail.to_owned() }
                }
                None => stranger(format!("it answers {status}")),
            });
        }
        serde_json::from_value(json).map_err(|error| stranger(error.to_string()))
    }
}

async fn answer(
    stream: TcpStream,
    address: SocketAddr,
    method: Method,
    path: &str,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error>> {
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What goes wrong with the connection is what the request fails with.
    tokio::spawn(connection);
    let request =
        Request::builder().method(method).uri(path).header(HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    let answer = requests.send_request(request).await?;
    let status = answer.status();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}
