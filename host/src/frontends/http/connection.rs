//! One connection: a socket that gives up on a client that does not read, and that knows when an answer has gone out.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::delivery::Delivery;

/// How long a client may take to make room for more of an answer.
const STALL: Duration = Duration::from_secs(30);
/// An answer up to this size is put together before it is sent: that takes less than having the system gather its pieces.
const PUT_TOGETHER: usize = 4096;

thread_local! {
    /// Where that is done. One for all connections of a thread, which has it in its cache.
    static TOGETHER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A socket with those two properties. Generic so that tests can run it over a pipe.
pub(super) struct Connection<S = TcpStream> {
    socket: S,
    /// Runs while a write waits for the client.
    stall: Option<Pin<Box<Sleep>>>,
    /// How long it may.
    patience: Duration,
    delivery: Delivery,
}

impl<S> Connection<S> {
    /// Wraps a socket. `delivery` hears of each flush.
    pub(super) fn new(socket: S, delivery: Delivery) -> Self {
        Self { socket, stall: None, patience: STALL, delivery }
    }

    /// Passes on the result of a write, or an error if writes have been waiting for too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stall = None;
            return result;
        }
        let patience = self.patience;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(patience)));
        match stall.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.watch(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = Pin::new(&mut self.socket);
        let result = if pieces.iter().map(|piece| piece.len()).sum::<usize>() <= PUT_TOGETHER {
            TOGETHER.with_borrow_mut(|together| {
                together.clear();
                pieces.iter().for_each(|piece| together.extend_from_slice(piece));
                socket.poll_write(context, together)
            })
        } else {
            socket.poll_write_vectored(context, pieces)
        };
        self.watch(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// hyper calls this when its own buffer is empty: all answers so far are with the operating system.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.socket).poll_flush(context);
        if let Poll::Ready(Ok(())) = result {
            self.delivery.flushed();
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn connection(socket: DuplexStream, patience: Duration) -> Connection<DuplexStream> {
        Connection { patience, ..Connection::new(socket, Delivery::default()) }
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_given_up() {
        let (server, _client) = duplex(4);
        let error = connection(server, Duration::ZERO).write_all(b"more than fits").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn pieces_arrive_in_their_order_however_many_bytes_they_have_and_however_few_fit() {
        for (sizes, room) in [([0, 3], 64), ([300, 1024], 8192), ([300, 1024], 100), ([300, PUT_TOGETHER], 8192)] {
            let (server, mut client) = duplex(room);
            let sent: Vec<u8> = (0..=u8::MAX).cycle().take(sizes.iter().sum()).collect();
            let (head, body) = sent.split_at(sizes[0]);
            let write = async {
                let mut connection = connection(server, Duration::from_secs(3600));
                let (mut head, mut body) = (head, body);
                while !(head.is_empty() && body.is_empty()) {
                    let count = connection.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]).await.unwrap();
                    let of_head = count.min(head.len());
                    head = &head[of_head..];
                    body = &body[count - of_head..];
                }
            };
            let mut read = Vec::new();
            let (_, result) = tokio::join!(write, client.read_to_end(&mut read));
            result.unwrap();
            assert!(read == sent, "pieces of {sizes:?} bytes with room for {room}");
        }
    }

    #[tokio::test]
    async fn a_client_that_reads_gets_all_the_time_anew() {
        let (server, mut client) = duplex(4);
        let mut connection = connection(server, Duration::from_secs(3600));
        let mut read = [0; 8];
        let (written, _) = tokio::join!(connection.write_all(b"abcdefgh"), client.read_exact(&mut read));
        written.unwrap();
        assert_eq!(&read, b"abcdefgh");
        assert!(connection.stall.is_none());
    }
}
