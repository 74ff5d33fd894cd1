//! The HTTP client of a webhook: connections to one address, kept open between requests, over TLS where it says so.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

/// How much of an answer is read. What it says is not used; it is read so that the connection can be used again.
const ANSWER: usize = 64 << 10;

/// How long the rest of an answer may take whose status is known.
const REST: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Client {
    host: String,
    port: u16,
    /// As it stands in `Host`.
    authority: String,
    /// Path and query.
    target: Uri,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// How long an attempt may take.
    timeout: Duration,
    idle: Mutex<Vec<Sender>>,
    /// How many of them are kept.
    most: usize,
}

type Sender = SendRequest<Full<Bytes>>;

/// Why a webhook cannot be opened.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// The system has no certificates of authorities to tell by whether a receiver is who it should be.
    #[error(
        "there are no certificates of authorities on this system: {0}; install its package (`ca-certificates`), or name \
         a file of them in the environment variable SSL_CERT_FILE"
    )]
    NoRoots(String),
    /// The TLS library refuses its settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The URL names no host that could be asked.
    #[error("its URL names no host that can be connected to; write https://HOST/PATH")]
    Host,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// There was no connection to send the event over.
    Unreachable(String),
    /// The event was sent, or part of it, and nobody answered.
    Unanswered(String),
}

impl Client {
    pub(super) fn new(url: &Uri, timeout: Duration, most: usize) -> Result<Self, WebhookError> {
        let authority = url.authority().ok_or(WebhookError::Host)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_tls = url.scheme_str() == Some("https");
        let tls = match is_tls {
            true => {
                let name = ServerName::try_from(host.clone()).map_err(|_| WebhookError::Host)?;
                Some((TlsConnector::from(Arc::new(tls_config()?)), name))
            }
            false => None,
        };
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            authority: authority.to_string(),
            target: target.parse().map_err(|_| WebhookError::Host)?,
            host,
            tls,
            timeout,
            idle: Mutex::default(),
            most,
        })
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Posts a body; what was answered.
    pub(super) async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<(StatusCode, HeaderMap), Failed> {
        let deadline = Instant::now() + self.timeout;
        // A connection that was kept may have been closed by the receiver a moment ago, which shows when it is used. Then
        // the request is sent again over a new one; if it did arrive after all, the event's ID tells.
        if let Some(sender) = self.take_idle() {
            let outcome = self.exchange(sender, headers.clone(), body.clone(), deadline).await;
            if outcome.is_ok() || Instant::now() >= deadline {
                return outcome;
            }
        }
        let sender = match timeout_at(deadline, self.connect()).await {
            Ok(connected) => connected.map_err(Failed::Unreachable)?,
            Err(_) => return Err(Failed::Unreachable(format!("no connection within {:?}", self.timeout))),
        };
        self.exchange(sender, headers, body, deadline).await
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.idle.lock();
        while let Some(sender) = idle.pop() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    async fn connect(&self) -> Result<Sender, String> {
        let unreachable = |error: std::io::Error| format!("the webhook cannot be reached: {error}");
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(unreachable)?;
        // Requests are written in one piece; waiting for more would only delay them.
        socket.set_nodelay(true).map_err(unreachable)?;
        match &self.tls {
            None => handshake(socket).await,
            Some((connector, name)) => {
                let secured = connector.connect(name.clone(), socket).await;
                handshake(secured.map_err(|error| format!("no TLS with the webhook: {error}"))?).await
            }
        }
    }

    async fn exchange(
        &self,
        mut sender: Sender,
        headers: HeaderMap,
        body: Bytes,
        deadline: Instant,
    ) -> Result<(StatusCode, HeaderMap), Failed> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = headers;
        let sent = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        let response = match timeout_at(deadline, sent).await {
            Ok(answered) => {
                answered.map_err(|error| Failed::Unanswered(format!("the connection was lost: {error}")))?
            }
            Err(_) => return Err(Failed::Unanswered(format!("no answer within {:?}", self.timeout))),
        };
        let (answer, rest) = response_parts(response);
        if is_read_whole(rest).await {
            self.keep(sender);
        }
        Ok(answer)
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock();
        if idle.len() < self.most {
            idle.push(sender);
        }
    }
}

fn response_parts(response: Response<Incoming>) -> ((StatusCode, HeaderMap), Incoming) {
    let (head, body) = response.into_parts();
    ((head.status, head.headers), body)
}

/// Reads the rest of an answer, if it is short and soon there.
async fn is_read_whole(body: Incoming) -> bool {
    matches!(timeout(REST, Limited::new(body, ANSWER).collect()).await, Ok(Ok(_)))
}

async fn handshake<S>(stream: S) -> Result<Sender, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| format!("no HTTP with the webhook: {error}"))?;
    // Ends when the sender is dropped or the receiver closes it. Errors show in the request under way.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

/// With the authorities that the system trusts, or those that SSL_CERT_FILE and SSL_CERT_DIR name.
fn tls_config() -> Result<ClientConfig, WebhookError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        let why = if reasons.is_empty() { "none were found".to_owned() } else { reasons.join("; ") };
        return Err(WebhookError::NoRoots(why));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut config = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
