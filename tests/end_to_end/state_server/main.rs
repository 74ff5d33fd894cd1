//! The State Server front end as its clients see it: bytes over real sockets, to a real host with a real provider.
//!
//! Covers sections 1.7 (byte-level examples) and 10.2 (assertions 1 to 16) of the facts about the protocol.

mod concurrency;
mod configured;
mod connections;
mod examples;
mod expiry;
mod framing;
mod keys;
mod limits;
mod locks;
mod open_files;
mod operations;
mod shutdown;
mod waiting;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::Result;
use harness::{
    host::{Host, Shared},
    state_server::{Connection, Response, request},
};

/// Most tests use one host, which answers a locked session at once, so that nobody waits for an expected 423.
static SHARED: Shared = Shared::new("[state_server]\nhold_locked = \"0s\"\n");

/// The application of most targets, as a client of today encodes it.
const APPLICATION: &str = "%2fLM%2fW3SVC%2f1%2fROOT(cAHkmVhipCLv%2fQnONQmPsKL%2bq%2fAjnK%2fnYS9aV3Zlad8%3d)";

/// The block of the facts (7.4) with one item, `key` = `value`, and a timeout of 20 minutes.
const ONE_ITEM: [u8; 30] = [
    0x14, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 3, 0x6b, 0x65, 0x79, 7, 0, 0, 0, 1, 5, 0x76, 0x61, 0x6c,
    0x75, 0x65, 0xff,
];

/// A session that no other test knows.
fn new_target() -> String {
    format!("{APPLICATION}%2f{}", new_id())
}

/// An ID in the form that ASP.NET gives them.
fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut rest = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut id = String::new();
    while id.len() < 24 {
        id.push(char::from(b"abcdefghijklmnopqrstuvwxyz012345"[usize::try_from(rest % 32).expect("below 32")]));
        rest /= 32;
    }
    id
}

/// A session on the shared host, and a connection to talk about it.
struct Session {
    target: String,
    connection: Connection,
    host: Arc<Host>,
}

impl Session {
    /// A session that does not exist yet.
    fn missing() -> Result<Self> {
        Self::on(&SHARED.host()?)
    }

    /// A session that holds [`ONE_ITEM`].
    fn stored() -> Result<Self> {
        let mut session = Self::missing()?;
        session.put(0, &ONE_ITEM)?.expect(200);
        Ok(session)
    }

    /// A session that does not exist yet, on another host.
    fn on(host: &Arc<Host>) -> Result<Self> {
        Ok(Self { target: new_target(), connection: Connection::open(host.state_server())?, host: Arc::clone(host) })
    }

    /// The same session over another connection.
    fn other_client(&self) -> Result<Self> {
        let connection = Connection::open(self.host.state_server())?;
        Ok(Self { target: self.target.clone(), connection, host: Arc::clone(&self.host) })
    }

    fn get(&mut self) -> Result<Response> {
        self.connection.exchange(request::get(&self.target))
    }

    fn acquire(&mut self) -> Result<Response> {
        self.connection.exchange(request::acquire(&self.target))
    }

    fn release(&mut self, cookie: i64) -> Result<Response> {
        self.connection.exchange(request::release(&self.target, cookie))
    }

    fn put(&mut self, cookie: i64, body: &[u8]) -> Result<Response> {
        self.connection.exchange(request::put(&self.target, cookie, body))
    }

    /// A PUT with exactly these headers besides `Host` and `Content-Length`.
    fn put_with(&mut self, headers: &[&str], body: &[u8]) -> Result<Response> {
        self.connection.exchange(request::put_with(&self.target, headers, body))
    }

    fn create_uninitialized(&mut self) -> Result<Response> {
        self.connection.exchange(request::create_uninitialized(&self.target))
    }

    fn delete(&mut self, cookie: i64) -> Result<Response> {
        self.connection.exchange(request::delete(&self.target, cookie))
    }

    fn head(&mut self) -> Result<Response> {
        self.connection.exchange(request::head(&self.target))
    }

    /// A request line of this verb with exactly these headers.
    fn request(&mut self, verb: &str, headers: &[&str]) -> Result<Response> {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        self.connection.exchange(format!("{verb} {} HTTP/1.1\r\n{headers}\r\n", self.target))
    }
}

/// Expectations on answers that say what came instead.
trait Expect {
    fn expect(&self, status: u16) -> &Self;
    fn expect_body(&self, body: &[u8]) -> &Self;
    fn cookie(&self) -> i64;
}

impl Expect for Response {
    #[track_caller]
    fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    #[track_caller]
    fn expect_body(&self, body: &[u8]) -> &Self {
        assert!(self.body == body, "the body has {} bytes that are not the {} expected", self.body.len(), body.len());
        self
    }

    #[track_caller]
    fn cookie(&self) -> i64 {
        self.number("LockCookie").expect("a lock cookie")
    }
}
