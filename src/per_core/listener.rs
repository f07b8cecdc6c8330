//! [`Listener`] and [`Incoming`]: a core's connections, one by one or as a stream.

use std::{
    future::{Future, poll_fn},
    io,
    net::{SocketAddr, TcpStream as StdStream},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Sleep, sleep},
};

/// How long to pause when the process has too many open files.
const PAUSE: Duration = Duration::from_secs(1);

/// One core's share of the server's connections. With the feature `axum` it is a listener for `axum::serve`.
#[derive(Debug)]
pub struct Listener {
    source: Source,
    address: SocketAddr,
    nodelay: bool,
    /// A pause after an error that would recur at once.
    pause: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
pub(super) enum Source {
    /// The core's own socket.
    Socket(TcpListener),
    /// Connections that the acceptor hands out.
    Handed(mpsc::Receiver<Handed>),
}

/// A connection on its way to a core, which registers it with its own runtime.
pub(super) type Handed = (StdStream, SocketAddr);

impl Listener {
    pub(super) fn new(source: Source, address: SocketAddr, nodelay: bool) -> Self {
        Self { source, address, nodelay, pause: None }
    }

    /// Accepts the next connection, and returns it with the client's address.
    ///
    /// A shutdown does not end this wait; wait for [`Core::shutdown`](super::Core::shutdown) at the same time.
    ///
    /// # Errors
    ///
    /// As for [`TcpListener::accept`]: if the client has already disconnected, or the process has too many open files.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost if the future is dropped.
    pub async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Polls for the next connection. Only the last waker is woken.
    ///
    /// # Errors
    ///
    /// Same as [`accept`](Self::accept).
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let connection = match &mut self.source {
            Source::Socket(socket) => ready!(socket.poll_accept(cx)),
            Source::Handed(handed) => match ready!(handed.poll_recv(cx)) {
                Some((stream, client)) => TcpStream::from_std(stream).map(|stream| (stream, client)),
                None => Err(io::Error::other("the acceptor has ended")),
            },
        };
        if let (true, Ok((stream, _))) = (self.nodelay, &connection) {
            // This fails if the client has disconnected, which the first read will report.
            let _ = stream.set_nodelay(true);
        }
        Poll::Ready(connection)
    }

    /// Returns the address that all cores listen on.
    ///
    /// # Errors
    ///
    /// Never; the return type matches that of other listeners.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    /// Turns the listener into a `Stream`, which tonic's `serve_with_incoming_shutdown` takes.
    pub fn into_incoming(self) -> Incoming {
        Incoming(self)
    }

    /// Polls for the next connection. It skips errors that concern one client, and pauses after other errors (too many
    /// open files).
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<(TcpStream, SocketAddr)> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(self.poll_accept(cx)) {
                Ok(connection) => return Poll::Ready(connection),
                Err(error) => self.pause = pause_after(&error).map(Box::pin),
            }
        }
    }
}

/// The connections of a [`Listener`], made by [`Listener::into_incoming`].
///
/// The stream has no end and no errors. It skips clients that disconnect at once. When the process has too many open
/// files, it tries again after a second.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Incoming(Listener);

impl Stream for Incoming {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_connection(cx).map(|(stream, _)| Some(Ok(stream)))
    }
}

/// Returns a pause if the same error would recur at once.
pub(super) fn pause_after(error: &io::Error) -> Option<Sleep> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        return None;
    }
    #[cfg(feature = "tracing")]
    tracing::error!(%error, "could not accept a connection, trying again in {PAUSE:?}");
    Some(sleep(PAUSE))
}

#[cfg(feature = "axum")]
impl ::axum::serve::Listener for Listener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        poll_fn(|cx| self.poll_connection(cx)).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
