//! [`Listener`]: where a core's connections come from.

use std::{
    future::{Future, poll_fn},
    io,
    net::{SocketAddr, TcpStream as StdStream},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Sleep, sleep},
};

use super::Incoming;

/// How long it is worth waiting when the process has too many open files.
const PAUSE: Duration = Duration::from_secs(1);

/// One core's share of the server's connections. With the feature `axum` it is a listener for `axum::serve`.
#[derive(Debug)]
pub struct Listener {
    source: Source,
    address: SocketAddr,
    nodelay: bool,
    /// Runs after an error that would come again at once.
    pause: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
pub(super) enum Source {
    /// The core's own socket.
    Socket(TcpListener),
    /// Connections that the acceptor hands out.
    Handed(mpsc::Receiver<Handed>),
}

/// A connection on its way to a core. It is registered with that core's runtime.
pub(super) type Handed = (StdStream, SocketAddr);

impl Listener {
    pub(super) fn new(source: Source, address: SocketAddr, nodelay: bool) -> Self {
        Self { source, address, nodelay, pause: None }
    }

    /// Waits for the next connection, and gives it with the client's address.
    ///
    /// It goes on during a shutdown: wait for [`Core::shutdown`](super::Core::shutdown) beside it.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::accept`]: if the client has gone again, or the process has too many open files.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost if the future is dropped.
    pub async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// [`accept`](Self::accept) in poll form. The last waker is woken.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let connection = match &mut self.source {
            Source::Socket(socket) => ready!(socket.poll_accept(cx)),
            Source::Handed(handed) => match ready!(handed.poll_recv(cx)) {
                Some((stream, client)) => TcpStream::from_std(stream).map(|stream| (stream, client)),
                None => Err(io::Error::other("the acceptor has ended")),
            },
        };
        if let (true, Ok((stream, _))) = (self.nodelay, &connection) {
            // It fails when the client has gone, which the first read will tell.
            let _ = stream.set_nodelay(true);
        }
        Poll::Ready(connection)
    }

    /// The address that all cores listen on.
    ///
    /// # Errors
    ///
    /// None; the type is that of other listeners.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    /// The connections as a `Stream`, as tonic's `serve_with_incoming` and `serve_with_incoming_shutdown` take it.
    pub fn into_incoming(self) -> Incoming {
        Incoming::new(self)
    }

    /// The next connection. Errors are no reason to end: those of one client are passed over, and others (too many open
    /// files) get a pause.
    pub(super) fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<(TcpStream, SocketAddr)> {
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

/// A pause, if the same error would come again at once.
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
