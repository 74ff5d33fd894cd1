//! The threads that serve connections: as many as there are cores but one, and a connection stays with the thread that it
//! was given to.
//!
//! What a connection uses stays in the caches of one core, and a request wakes nobody but the thread that answers it. The
//! runtime in which the rest of the host runs moves tasks to whichever thread is idle, and pays for that with signals
//! between threads and with cold caches. The core that is left over has enough to do: the kernel's part of all those
//! connections, the rest of the host, and whoever else is on the machine. Threads that take turns on too few cores answer
//! late, and each turn costs.
//!
//! Only where no store waits for a back end. The connections to back ends are tasks of that runtime, and a request that has
//! to do with one is served best by whichever thread hears of its answer.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::available_parallelism,
};

use tokio::{
    net::TcpStream,
    runtime::{Builder, Handle, Runtime, RuntimeFlavor},
};

/// The workers. Dropping them ends what they still do.
pub struct Workers {
    workers: Vec<Worker>,
}

struct Worker {
    handle: Handle,
    /// None where connections are served in the runtime that the host was started in.
    runtime: Option<Runtime>,
    connections: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts so many (`threads`), or one less than the process may use cores. Where stores wait for back ends (`waits`), and
    /// where the host was started in a runtime of one thread, connections are served in the present runtime.
    pub fn start(waits: bool, threads: Option<usize>) -> io::Result<Self> {
        let here = Handle::current();
        if waits && threads.is_some() {
            tracing::warn!("`threads` changes nothing: a store is on a back end, and the threads that have it serve");
        }
        let workers = if waits || here.runtime_flavor() == RuntimeFlavor::CurrentThread {
            vec![Worker { handle: here, runtime: None, connections: Arc::default() }]
        } else {
            (0..threads.unwrap_or_else(all_cores_but_one)).map(Worker::start).collect::<io::Result<_>>()?
        };
        Ok(Self { workers })
    }

    /// Gives a connection to the worker that has the fewest: the task that serves it, and where to spawn that.
    pub(super) fn assign<S, F>(
        &self,
        socket: TcpStream,
        serve: S,
    ) -> io::Result<(&Handle, impl Future<Output = ()> + Send + 'static + use<S, F>)>
    where
        S: FnOnce(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let fewest = self.workers.iter().min_by_key(|worker| worker.connections.load(Relaxed));
        let worker = fewest.ok_or_else(|| io::Error::other("there is no worker"))?;
        // Here it was accepted, there it will be watched.
        let socket = socket.into_std()?;
        let counted = Counted::new(&worker.connections);
        let task = async move {
            let _counted = counted;
            match TcpStream::from_std(socket) {
                Ok(socket) => serve(socket).await,
                Err(error) => tracing::warn!(%error, "a connection that was accepted cannot be served"),
            }
        };
        Ok((&worker.handle, task))
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        // With one thread of its own, and not on the present one: such a runtime can hand its tasks to another thread while
        // a plugin computes.
        let name = format!("worker-{number}");
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name)
            .enable_all()
            // What finds no room in the thread's own queue (256 tasks) goes to another, which tokio looks at now and then: with
            // more connections than that, some would be served again and again before the others. So both in turn; the other
            // one first would starve the own.
            .global_queue_interval(2)
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime), connections: Arc::default() })
    }
}

fn all_cores_but_one() -> usize {
    available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for it is not allowed in a task.
            runtime.shutdown_background();
        }
    }
}

/// A connection among those of a worker, as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Relaxed);
        Self(connections.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, thread};

    use tokio::{
        net::TcpListener,
        sync::{Barrier, mpsc},
    };

    use super::*;

    /// Two ends of a connection.
    async fn connection(listener: &TcpListener) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, client)
    }

    /// How many of so many connections that stay open each thread serves.
    async fn spread(workers: &Workers, connections: usize) -> HashMap<Option<String>, usize> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut clients = Vec::new();
        for _ in 0..connections {
            let (socket, client) = connection(&listener).await;
            clients.push(client);
            let tell = tell.clone();
            let serve = async move |socket: TcpStream| {
                let _ = tell.send(thread::current().name().map(str::to_owned));
                let _ = socket.readable().await;
            };
            let (worker, task) = workers.assign(socket, serve).unwrap();
            worker.spawn(task);
        }
        let mut served = HashMap::new();
        for _ in 0..connections {
            *served.entry(told.recv().await.unwrap()).or_default() += 1;
        }
        served
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn connections_are_spread_evenly_over_the_threads() {
        let workers = Workers::start(false, Some(3)).unwrap();
        let served = spread(&workers, 9).await;
        assert_eq!(served.len(), 3, "{served:?}");
        for (thread, count) in served {
            assert!(thread.unwrap().starts_with("worker-"));
            assert_eq!(count, 3);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn one_core_is_left_over_where_there_is_more_than_one() {
        let workers = Workers::start(false, None).unwrap();
        let cores = available_parallelism().unwrap().get();
        assert_eq!(workers.workers.len(), if cores == 1 { 1 } else { cores - 1 });
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_worker_whose_connections_ended_gets_the_next() {
        let workers = Workers::start(false, Some(2)).unwrap();
        for _ in 0..3 {
            let served = spread(&workers, 1).await;
            assert_eq!(served.len(), 1);
            // The client is gone by now, and the connection with it.
            while workers.workers.iter().any(|worker| worker.connections.load(Relaxed) > 0) {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn of_more_tasks_than_the_queue_of_a_thread_holds_none_is_forgotten() {
        const TASKS: usize = 1000;
        const TURNS: usize = 100 * TASKS;
        let workers = Workers::start(false, Some(1)).unwrap();
        let all = Arc::new(AtomicUsize::new(0));
        let begin = Arc::new(Barrier::new(TASKS));
        let mut tasks = Vec::new();
        for _ in 0..TASKS {
            let (all, begin) = (all.clone(), begin.clone());
            tasks.push(workers.workers[0].handle.spawn(async move {
                begin.wait().await;
                let mut turns = 0;
                while all.fetch_add(1, Relaxed) < TURNS {
                    turns += 1;
                    tokio::task::yield_now().await;
                }
                turns
            }));
        }
        let mut fewest = TURNS;
        for task in tasks {
            fewest = fewest.min(task.await.unwrap());
        }
        assert!(fewest >= 20, "one task had {fewest} turns while the others had 100");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn where_stores_wait_the_present_runtime_serves() {
        let workers = Workers::start(true, Some(2)).unwrap();
        let served = spread(&workers, 3).await;
        assert!(served.into_keys().flatten().all(|thread| !thread.starts_with("worker-")));
    }

    #[tokio::test]
    async fn in_a_runtime_of_one_thread_that_serves() {
        let workers = Workers::start(false, Some(2)).unwrap();
        let here = thread::current().name().map(str::to_owned);
        assert_eq!(spread(&workers, 3).await, HashMap::from([(here, 3)]));
    }
}
