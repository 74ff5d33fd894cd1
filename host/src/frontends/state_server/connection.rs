//! One connection: read a request, carry it out, write the answer, again.

mod ending;
mod patience;

use std::{
    io::{self, ErrorKind, IoSlice},
    mem::MaybeUninit,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
};

use bytes::{Buf, BytesMut};
use socket2::SockRef;
use tokio::{io::AsyncReadExt, net::TcpStream, task::yield_now, time::Instant};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::{debug, info, warn};

use crate::contract::{LockId, SessionKey};

use self::{ending::Ending, patience::Patience};
use super::{
    FrontEnd,
    operations::Verdict,
    parser::Parser,
    request::{Operation, Request, Verb},
    response::Answer,
    target::session_key,
};

/// Room for what is read at a time. A request without its body fits.
const READ_SIZE: usize = 4096;
/// A buffer that grew beyond this for one request is not kept for the next.
const KEEP_BUFFER: usize = 16 * 1024;
/// A body up to this size is copied behind its head: that takes less than having the system gather the two.
const COPIED_BODY: usize = 2048;
/// How much a client may have sent ahead while its request waits for a lock and its connection is still watched.
const WATCH_LIMIT: usize = 16 * 1024;

/// How a connection is told that the host stops.
pub(super) struct Stop {
    /// Finish what is in flight, begin nothing new.
    pub(super) drain: CancellationToken,
    /// Leave whatever it is.
    pub(super) cut: CancellationToken,
}

/// One connection and the memory that it uses again and again.
pub(super) struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    front_end: Arc<FrontEnd>,
    parser: Parser,
    /// What has arrived and is not parsed yet.
    buffer: BytesMut,
    /// The answer up to its body, and with it if that is small.
    head: Vec<u8>,
    /// A decoded target.
    scratch: Vec<u8>,
    /// The one timer, for each wait.
    patience: Patience,
    stop: Stop,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, front_end: Arc<FrontEnd>, stop: Stop) -> Self {
        Self {
            parser: Parser::new(front_end.limits),
            stream,
            peer,
            buffer: BytesMut::with_capacity(READ_SIZE),
            head: Vec::with_capacity(256),
            scratch: Vec::new(),
            patience: Patience::default(),
            draining: Box::pin(stop.drain.clone().cancelled_owned()),
            front_end,
            stop,
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self) {
        if let Err(error) = self.stream.set_nodelay(true) {
            debug!(peer = %self.peer, %error, "cannot set TCP_NODELAY");
        }
        let ending = loop {
            if let Err(ending) = self.serve_one().await {
                break ending;
            }
        };
        self.end(ending).await;
    }

    async fn serve_one(&mut self) -> Result<(), Ending> {
        let request = self.receive().await?;
        let verb = request.verb;
        let key = session_key(self.parser.target(), &self.front_end.applications, &mut self.scratch);
        let (key, operation) = match (key, Operation::try_from(request)) {
            (Ok(key), Ok(operation)) => (key, operation),
            (Err(error), _) => return self.refuse(verb, &error).await,
            (_, Err(error)) => return self.refuse(verb, &error).await,
        };
        let verdict = self.perform(&key, operation).await?;
        let (answer, then) = match verdict {
            Verdict::Answer(answer) => (answer, None),
            Verdict::LastAnswer(answer, error) => (answer, Some(Ending::LastAnswer(error))),
            Verdict::Silence(error) => {
                self.front_end.meters.count(verb, None);
                return Err(Ending::Store(error));
            }
        };
        // The other requests that have come are carried out first, and then their answers go out one after the other: a
        // client machine is woken for many of them and not for each.
        yield_now().await;
        if let Err(ending) = self.send(&answer).await {
            if let Some(lock) = answer.granted_lock() {
                self.front_end.meters.abandoned.increment(1);
                self.give_back(&key, lock).await;
            }
            return Err(ending);
        }
        self.front_end.meters.count(verb, Some(&answer));
        match then {
            Some(ending) => Err(ending),
            None if self.stop.drain.is_cancelled() => Err(Ending::Stopping),
            None => Ok(()),
        }
    }

    /// Answers a request that is well formed and wrong.
    async fn refuse(&mut self, verb: Verb, error: &(dyn std::error::Error + Send + Sync)) -> Result<(), Ending> {
        debug!(peer = %self.peer, %error, "answering 400");
        self.send(&Answer::BadRequest).await?;
        self.front_end.meters.count(verb, Some(&Answer::BadRequest));
        Ok(())
    }

    /// Reads until a request is complete.
    async fn receive(&mut self) -> Result<Request, Ending> {
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP_BUFFER {
            self.buffer = BytesMut::with_capacity(READ_SIZE);
        }
        let mut deadline = None;
        let mut within = false;
        loop {
            if let Some(request) = self.parser.advance(&mut self.buffer)? {
                return Ok(request);
            }
            if !within && self.parser.is_within_request(&self.buffer) {
                within = true;
                deadline = None;
            }
            let allowed = if within { self.front_end.transfer_timeout } else { self.front_end.idle_timeout };
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + allowed);
            self.read(deadline, within).await?;
        }
    }

    /// Reads what there is, at least a byte.
    async fn read(&mut self, deadline: Instant, within: bool) -> Result<(), Ending> {
        let stopping = async {
            if within {
                self.stop.cut.cancelled().await;
            } else {
                self.draining.as_mut().await;
            }
        };
        let reading = async {
            match self.parser.body_space() {
                Some(mut space) => self.stream.read_buf(&mut space).await,
                None => {
                    self.buffer.reserve(READ_SIZE);
                    self.stream.read_buf(&mut self.buffer).await
                }
            }
        };
        tokio::select! {
            biased;
            count = reading => match count {
                Ok(0) => Err(if within { Ending::ClosedWithin } else { Ending::Closed }),
                Ok(_) => Ok(()),
                Err(error) => Err(Ending::Io(error)),
            },
            () = self.patience.until(deadline) => Err(if within { Ending::SlowRequest } else { Ending::Idle }),
            () = stopping => Err(Ending::Stopping),
        }
    }

    /// Has the operation carried out. While it waits for a lock, the connection is watched, so that a client that
    /// hangs up leaves the line.
    async fn perform(&mut self, key: &SessionKey, operation: Operation) -> Result<Verdict, Ending> {
        let operations = &self.front_end.operations;
        if !operations.may_wait(&operation) {
            return Ok(operations.perform(key, operation).await);
        }
        let mut waited = false;
        let verdict = {
            let mut performing = pin!(operations.perform(key, operation));
            tokio::select! {
                biased;
                verdict = &mut performing => verdict,
                () = hung_up(&self.stream, &mut self.buffer, &mut waited) => {
                    self.front_end.meters.abandoned.increment(1);
                    return Err(Ending::Abandoned);
                }
                () = self.stop.cut.cancelled() => return Err(Ending::Stopping),
            }
        };
        // The lock may have come just when the client gave up.
        if waited
            && let Verdict::Answer(answer) = &verdict
            && let Some(lock) = answer.granted_lock()
            && is_closed_by_client(&self.stream)
        {
            self.front_end.meters.abandoned.increment(1);
            self.give_back(key, lock).await;
            return Err(Ending::Abandoned);
        }
        Ok(verdict)
    }

    /// Releases a lock whose holder will never know that it has it. Nobody else would.
    async fn give_back(&self, key: &SessionKey, lock: LockId) {
        let peer = self.peer;
        let application = key.application();
        match self.front_end.operations.give_back(key, lock).await {
            Ok(()) => info!(%peer, application, "a client went away before it got its lock; the lock was released"),
            Err(error) => {
                warn!(%peer, application, %error, "a client went away before it got its lock, and the lock could not \
                    be released; the application breaks it after its execution timeout");
            }
        }
    }

    /// Writes an answer, head and body in one go.
    async fn send(&mut self, answer: &Answer) -> Result<(), Ending> {
        self.front_end.wording.write_head(answer, &mut self.head);
        let mut body = answer.body();
        if body.len() <= COPIED_BODY {
            self.head.extend_from_slice(body);
            body = &[];
        }
        let mut head = self.head.as_slice();
        let mut deadline = None;
        while !(head.is_empty() && body.is_empty()) {
            let written = if body.is_empty() {
                self.stream.try_write(head)
            } else {
                self.stream.try_write_vectored(&[IoSlice::new(head), IoSlice::new(body)])
            };
            match written {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(count) => {
                    let of_head = count.min(head.len());
                    head.advance(of_head);
                    body.advance(count - of_head);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let allowed = self.front_end.transfer_timeout;
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + allowed);
                    tokio::select! {
                        biased;
                        ready = self.stream.writable() => ready?,
                        () = self.patience.until(deadline) => return Err(Ending::SlowAnswer),
                        () = self.stop.cut.cancelled() => return Err(Ending::Stopping),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Returns when the client has closed the connection (or its half of it, which cannot be told apart). What it sends
/// ahead is kept. `polled` becomes true when there is anything to wait for.
async fn hung_up(stream: &TcpStream, buffer: &mut BytesMut, polled: &mut bool) {
    *polled = true;
    while buffer.len() < WATCH_LIMIT {
        if stream.readable().await.is_err() {
            return;
        }
        buffer.reserve(READ_SIZE);
        match stream.try_read_buf(buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
    std::future::pending().await
}

/// Whether the client has closed the connection by now. Asks the system, because the runtime may not have heard of it
/// yet.
fn is_closed_by_client(stream: &TcpStream) -> bool {
    match SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}
