//! Load: many connections, driven by one thread, in a closed loop or an open one.
//!
//! In a closed loop each client begins its next task when it has done one: the most that a server can do. In an open loop
//! tasks come at a fixed rate whether the server keeps up or not, as visitors do, and the latency of a task counts from the
//! moment at which it was due: a server that stops for a while answers for everybody who would have come meanwhile
//! (<https://www.scylladb.com/2021/04/22/on-coordinated-omission/>).

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::dialogues::{Dialogue, Step, Task};

/// How long a server may take until it answers anything at all.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that are read at a time.
const READ: usize = 128 * 1024;

/// When tasks begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As soon as there is a client for them.
    Closed,
    /// So many in a second, evenly.
    Open(f64),
}

/// What a share of the tasks is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    task: Task,
    /// So many of a hundred tasks are reads instead.
    reads: usize,
}

impl Mix {
    pub(crate) fn only(task: Task) -> Self {
        Self { task, reads: 0 }
    }

    /// So many of a hundred are reads without a lock.
    pub(crate) fn with_reads(task: Task, reads: usize) -> Self {
        Self { task, reads }
    }

    fn task(self, number: usize) -> Task {
        // A step that goes through all hundred without a pattern.
        if number * 37 % 100 < self.reads { Task::Read } else { self.task }
    }
}

/// Which session a client turns to.
#[derive(Clone, Copy)]
enum Whose {
    /// The next one of its own.
    Own,
    /// The next one of all, each once.
    Anybodys,
}

/// What was seen.
pub(crate) struct Seen {
    pub(crate) tasks: u64,
    pub(crate) elapsed: Duration,
    /// Nanoseconds from when a task began, or in an open loop was due, to its end.
    pub(crate) latencies: Histogram<u64>,
}

impl Seen {
    pub(crate) fn per_second(&self) -> f64 {
        self.tasks as f64 / self.elapsed.as_secs_f64()
    }
}

/// Clients of one server.
pub(crate) struct Load {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    /// Those that have nothing to do.
    idle: VecDeque<usize>,
    /// Sessions that each client has to itself.
    sessions: usize,
    buffer: Vec<u8>,
}

struct Client {
    stream: TcpStream,
    dialogue: Box<dyn Dialogue>,
    request: Vec<u8>,
    sent: usize,
    answer: Vec<u8>,
    /// When the task under way began or was due.
    since: Instant,
    /// Tasks that it has begun.
    begun: usize,
}

impl Load {
    /// Connects so many clients, each with so many sessions of its own: nobody waits for another's lock.
    pub(crate) fn connect(
        address: SocketAddr,
        clients: usize,
        sessions: usize,
        dialogue: impl Fn(usize) -> Box<dyn Dialogue>,
    ) -> Result<Self> {
        let poll = Poll::new()?;
        let mut connected = Vec::with_capacity(clients);
        for number in 0..clients {
            let stream = std::net::TcpStream::connect(address).with_context(|| format!("client {number}"))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)?;
            connected.push(Client {
                stream,
                dialogue: dialogue(number),
                request: Vec::new(),
                sent: 0,
                answer: Vec::new(),
                since: Instant::now(),
                begun: 0,
            });
        }
        let idle = (0..clients).collect();
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            clients: connected,
            idle,
            sessions,
            buffer: vec![0; READ],
        })
    }

    /// Stores every session once.
    pub(crate) fn store_all(&mut self) -> Result<Seen> {
        let tasks = self.clients.len() * self.sessions;
        self.work(Mix::only(Task::Write), Pace::Closed, Whose::Anybodys, |begun, _| begun < tasks)
    }

    /// Works for a while.
    pub(crate) fn run(&mut self, mix: Mix, pace: Pace, time: Duration) -> Result<Seen> {
        self.work(mix, pace, Whose::Own, |_, since| since < time)
    }

    /// Begins tasks as long as `goes_on` says so, of how many were begun and the time; returns when all are done.
    fn work(&mut self, mix: Mix, pace: Pace, whose: Whose, goes_on: impl Fn(usize, Duration) -> bool) -> Result<Seen> {
        let mut latencies = Histogram::new_with_bounds(100, 100_000_000_000, 3)?;
        let start = Instant::now();
        let (mut begun, mut done) = (0, 0);
        // When tasks were due that no client was free for.
        let mut overdue = VecDeque::new();
        let mut last_answer = start;
        loop {
            let now = Instant::now();
            match pace {
                Pace::Closed => {
                    while !self.idle.is_empty() && goes_on(begun, now - start) {
                        self.begin(mix, whose, begun, now)?;
                        begun += 1;
                    }
                }
                Pace::Open(per_second) => {
                    loop {
                        let due = start + Duration::from_secs_f64((begun + overdue.len()) as f64 / per_second);
                        if due > now || !goes_on(begun, due - start) {
                            break;
                        }
                        overdue.push_back(due);
                    }
                    while !self.idle.is_empty()
                        && let Some(due) = overdue.pop_front()
                    {
                        self.begin(mix, whose, begun, due)?;
                        begun += 1;
                    }
                }
            }
            let ends = overdue.is_empty() && !goes_on(begun, now - start);
            if ends && done == begun as u64 {
                break;
            }
            // In an open loop it may not oversleep: the system's timers are coarser than what is measured.
            let timeout = if matches!(pace, Pace::Open(_)) && !ends { Duration::ZERO } else { PATIENCE };
            self.poll.poll(&mut self.events, Some(timeout))?;
            if self.events.is_empty() {
                ensure!(last_answer.elapsed() < PATIENCE, "no answer for {PATIENCE:?}");
                thread::yield_now();
                continue;
            }
            last_answer = Instant::now();
            for event in &self.events {
                let Token(number) = event.token();
                let client = self.clients.get_mut(number).context("no such client")?;
                if event.is_writable() {
                    client.send()?;
                }
                if event.is_readable() && client.receive(&mut self.buffer)? {
                    let taken = u64::try_from(client.since.elapsed().as_nanos())?;
                    latencies.saturating_record(taken);
                    done += 1;
                    self.idle.push_back(number);
                }
            }
        }
        Ok(Seen { tasks: done, elapsed: start.elapsed(), latencies })
    }

    /// The client that has been idle longest begins the next task.
    fn begin(&mut self, mix: Mix, whose: Whose, task: usize, since: Instant) -> Result<()> {
        let number = self.idle.pop_front().context("nobody is idle")?;
        let client = self.clients.get_mut(number).context("no such client")?;
        let session = match whose {
            Whose::Own => number * self.sessions + client.begun % self.sessions,
            Whose::Anybodys => task,
        };
        client.begun += 1;
        client.since = since;
        client.request.clear();
        client.sent = 0;
        client.dialogue.begin(mix.task(task), session, &mut client.request);
        client.send()
    }
}

impl Client {
    /// Sends what the system takes of the request.
    fn send(&mut self) -> Result<()> {
        while let Some(rest) = self.request.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("cannot send"),
            }
        }
        Ok(())
    }

    /// Reads what there is; whether the task is done.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<bool> {
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => anyhow::bail!("the server closed a connection"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error).context("cannot read"),
            };
            let part = buffer.get(..count).unwrap_or_default();
            let step = if self.answer.is_empty() {
                // Mostly it comes at once and need not be put together.
                let step = self.proceed(part)?;
                if step == Step::Wait {
                    self.answer.extend_from_slice(part);
                }
                step
            } else {
                self.answer.extend_from_slice(part);
                let whole = std::mem::take(&mut self.answer);
                let step = self.proceed(&whole)?;
                self.answer = whole;
                if step != Step::Wait {
                    self.answer.clear();
                }
                step
            };
            match step {
                Step::Done => return Ok(true),
                Step::Send => self.send()?,
                Step::Wait => {}
            }
            // A short read has taken all there was.
            if count < buffer.len() {
                return Ok(false);
            }
        }
    }

    fn proceed(&mut self, answer: &[u8]) -> Result<Step> {
        let mut next = std::mem::take(&mut self.request);
        if self.sent >= next.len() {
            next.clear();
            self.sent = 0;
        }
        let step = self.dialogue.proceed(answer, &mut next)?;
        self.request = next;
        Ok(step)
    }
}
