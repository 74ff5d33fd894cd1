//! What the tests share: a host, and an application of their own on it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    http::{Answer, Connection, Request},
};

/// An application that no other test uses.
pub struct Shop {
    host: Arc<Host>,
    /// Its name, which needs no encoding.
    pub name: String,
}

impl Shop {
    /// An application on a host with the built-in settings that tests running at the same time share.
    pub fn open() -> Result<Self> {
        static SHARED: Mutex<Weak<Host>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let host = match shared.upgrade() {
            Some(host) => host,
            None => {
                let host = Arc::new(Host::start_default()?);
                *shared = Arc::downgrade(&host);
                host
            }
        };
        Ok(Self::on(host))
    }

    /// An application on a host of its own with this configuration.
    pub fn configured(config: &str) -> Result<Self> {
        Ok(Self::on(Arc::new(Host::start(config)?)))
    }

    fn on(host: Arc<Host>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("shop-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self { host, name }
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The host, if no other test uses it.
    pub fn host_mut(&mut self) -> Result<&mut Host> {
        Arc::get_mut(&mut self.host).context("other tests use this host")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.host.http()
    }

    /// A request for a path of the application, such as `sessions/abc/lock`.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, format!("/v1/{}/{path}", self.name))
    }

    /// Sends a request.
    pub fn send(&self, request: Request) -> Result<Answer> {
        request.send(self.address())
    }

    /// Sends a request that has nothing but a method and a path.
    pub fn ask(&self, method: &str, path: &str) -> Result<Answer> {
        self.send(self.request(method, path))
    }

    /// Stores a session and checks that it was new.
    pub fn insert(&self, id: &str, payload: &str) -> Result<()> {
        let answer = self.send(self.request("PUT", &format!("sessions/{id}")).body(payload))?;
        ensure!(answer.status == 201, "{answer:?}");
        Ok(())
    }

    /// Takes a lock that must be free; its lock id.
    pub fn lock(&self, id: &str) -> Result<u32> {
        let answer = self.ask("POST", &format!("sessions/{id}/lock"))?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(answer.must("session-lock")?.parse()?)
    }

    /// Sends a request to wait for a lock and returns when the host has it in line.
    pub fn wait_for_lock(&self, id: &str, seconds: u32) -> Result<Connection> {
        let waiting = self.waiting()?;
        let mut connection = Connection::open(self.address())?;
        let request = self.request("POST", &format!("sessions/{id}/lock")).header("Prefer", format!("wait={seconds}"));
        connection.send(request.bytes())?;
        self.until_waiting(waiting + 1)?;
        Ok(connection)
    }

    /// Returns when this many requests wait in line for locks of the host.
    pub fn until_waiting(&self, count: u64) -> Result<()> {
        for _ in 0..2000 {
            if self.waiting()? == count {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        anyhow::bail!("there are {} requests in line, not {count}", self.waiting()?)
    }

    /// How many requests wait in line for locks of the host.
    pub fn waiting(&self) -> Result<u64> {
        let stores = Request::new("GET", "/v1/stores").send(self.address())?.json()?;
        let stores = stores["stores"].as_array().context("no stores")?;
        stores.iter().map(|store| store["waiting"].as_u64().context("no `waiting`")).sum()
    }
}

/// Checks an answer's status and, for a problem, its type.
#[track_caller]
pub fn expect(answer: &Answer, status: u16, problem: &str) {
    assert_eq!(answer.status, status, "{answer:?} {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let body = answer.json().unwrap();
    assert_eq!(body["type"], format!("urn:cloakroom:problem:{problem}"), "{body}");
    assert_eq!(body["status"], status, "{body}");
    assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
}
