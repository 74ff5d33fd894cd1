//! A receiver of webhooks: a small HTTP/1.1 server, with TLS if wanted, that remembers what was posted to it and answers
//! as the test says.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::addresses::free_address;

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request.
#[derive(Debug, Clone)]
pub struct Posted {
    /// When it was there whole.
    pub at: Instant,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    /// The bytes as they came.
    pub body: Vec<u8>,
    /// The status that it was answered with; 0 if it was not.
    pub status: u16,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status and a header line or none.
    Status(u16, Option<String>),
    /// The connection is closed without an answer.
    HangUp,
    /// There never is an answer.
    Silence,
}

type Decide = dyn Fn(&Posted, usize) -> Answer + Send + Sync;

/// A receiver that listens. Dropped, it closes its connections and listens no more.
pub struct WebhookReceiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<thread::JoinHandle<()>>,
}

struct Shared {
    posted: Mutex<Vec<Posted>>,
    connections: Mutex<Vec<TcpStream>>,
    decide: Box<Decide>,
    tls: Option<Arc<ServerConfig>>,
    is_over: AtomicBool,
}

impl WebhookReceiver {
    /// An address for a receiver that is yet to come.
    pub fn address_to_be() -> Result<SocketAddr> {
        free_address()
    }

    /// Listens somewhere and takes everything.
    pub fn start() -> Result<Self> {
        Self::answering(|_, _| Answer::Status(204, None))
    }

    /// Listens somewhere. `decide` is asked what becomes of a request, with how often its `webhook-id` came before.
    pub fn answering(decide: impl Fn(&Posted, usize) -> Answer + Send + Sync + 'static) -> Result<Self> {
        Self::at(free_address()?, None, decide)
    }

    /// Listens here, with TLS or without.
    pub fn at(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        decide: impl Fn(&Posted, usize) -> Answer + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = listen(address)?;
        let shared = Arc::new(Shared {
            posted: Mutex::default(),
            connections: Mutex::default(),
            decide: Box::new(decide),
            tls,
            is_over: AtomicBool::new(false),
        });
        let opening = shared.clone();
        let accepting = thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if opening.is_over.load(Ordering::SeqCst) {
                    return;
                }
                opening.open(socket);
            }
        });
        Ok(Self { address, shared, accepting: Some(accepting) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that was posted, in order.
    #[must_use]
    pub fn posted(&self) -> Vec<Posted> {
        lock(&self.shared.posted).clone()
    }

    /// What was answered with 2xx, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<Posted> {
        self.posted().into_iter().filter(|posted| (200..300).contains(&posted.status)).collect()
    }

    /// Waits until so many were answered with 2xx.
    pub fn wait_until_taken(&self, count: usize) -> Result<Vec<Posted>> {
        self.wait_until(|receiver| receiver.taken().len() >= count)
            .with_context(|| format!("{} of {count} were taken", self.taken().len()))?;
        Ok(self.taken())
    }

    /// Waits until so many came, however they were answered.
    pub fn wait_until_posted(&self, count: usize) -> Result<Vec<Posted>> {
        self.wait_until(|receiver| receiver.posted().len() >= count)
            .with_context(|| format!("{} of {count} came", self.posted().len()))?;
        Ok(self.posted())
    }

    fn wait_until(&self, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            ensure!(Instant::now() < deadline, "waited {PATIENCE:?} in vain");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for WebhookReceiver {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; it may have ended.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for connection in lock(&self.shared.connections).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn open(self: &Arc<Self>, socket: TcpStream) {
        let (Ok(copy), Ok(other)) = (socket.try_clone(), socket.try_clone()) else { return };
        lock(&self.connections).push(copy);
        let shared = self.clone();
        thread::spawn(move || {
            let served = match shared.tls.clone() {
                None => shared.serve(socket),
                Some(config) => ServerConnection::new(config)
                    .context("no TLS")
                    .and_then(|tls| shared.serve(StreamOwned::new(tls, socket))),
            };
            // That a connection ends is no news. The copies would keep it open.
            drop(served);
            let _ = other.shutdown(Shutdown::Both);
        });
    }

    fn serve(&self, stream: impl Read + Write) -> Result<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut posted = read(&mut stream)?;
            let answer = {
                // Under one lock, so that the order of the list is the order of the answers.
                let mut all = lock(&self.posted);
                let before = all.iter().filter(|other| other.id() == posted.id()).count();
                let answer = (self.decide)(&posted, before);
                posted.status = if let Answer::Status(status, _) = answer { status } else { 0 };
                all.push(posted);
                answer
            };
            match answer {
                Answer::Status(status, header) => {
                    let header = header.map(|header| format!("{header}\r\n")).unwrap_or_default();
                    let length = if status == 204 { "" } else { "Content-Length: 0\r\n" };
                    write!(stream.get_mut(), "HTTP/1.1 {status} Whatever\r\n{length}{header}\r\n")?;
                    stream.get_mut().flush()?;
                }
                Answer::HangUp => return Ok(()),
                Answer::Silence => {
                    while !self.is_over.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_millis(20));
                    }
                    return Ok(());
                }
            }
        }
    }
}

/// Listens, as soon as whoever happens to have the port for an outgoing connection is gone.
fn listen(address: SocketAddr) -> Result<TcpListener> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(20));
            }
            result => return result.with_context(|| format!("cannot listen on {address}")),
        }
    }
}

fn read(stream: &mut impl BufRead) -> Result<Posted> {
    let mut line = String::new();
    ensure!(stream.read_line(&mut line)? > 0, "closed");
    let target = line.strip_prefix("POST ").and_then(|rest| rest.split(' ').next()).context("no POST")?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").context("no length")?.parse()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Posted { at: Instant::now(), target, headers, body, status: 0 })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Posted {
    /// `webhook-id`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// A header; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// What happened to which session, and how it ended: `ended a removed`.
    #[must_use]
    pub fn what(&self) -> String {
        let json = self.json();
        let kind = json["type"].as_str().unwrap_or_default().trim_start_matches("session.");
        let id = json["data"]["session_id"].as_str().unwrap_or_default();
        match json["data"]["reason"].as_str() {
            Some(reason) => format!("{kind} {id} {reason}"),
            None => format!("{kind} {id}"),
        }
    }

    /// Whether it is signed with this secret (`whsec_...`), as the Standard Webhooks specification says.
    pub fn is_signed_with(&self, secret: &str) -> Result<bool> {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").context("no secret")?)?;
        let mut signed = format!("{}.{}.", self.id(), self.header("webhook-timestamp")).into_bytes();
        signed.extend_from_slice(&self.body);
        let signature = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed)));
        Ok(self.header("webhook-signature").split(' ').any(|one| one == signature))
    }
}

/// RFC 2104, for keys of up to 64 bytes; not the crate that the host uses.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let padded = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(to, from)| *to ^= from);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}
