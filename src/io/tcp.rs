//! [`TcpStream`]: TCP for code that was written for std's `TcpStream`.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::{Shutdown, SocketAddr},
    time::Duration,
};

use socket2::SockRef;
use tokio::{io::ReadBuf, net::ToSocketAddrs};

use super::{
    FiberIo, TcpReadHalf, TcpWriteHalf,
    halves::{reads, writes},
    limit::TimeLimit,
    resolve::wait_on_runtime,
    wait::wait,
};

/// A TCP connection whose reads and writes wait in the fiber, for code that was written for `std::net::TcpStream`.
///
/// | of `std::net::TcpStream` | here |
/// |---|---|
/// | `connect`, `connect_timeout`, `peer_addr`, `local_addr`, `peek`, `shutdown`, `nodelay`, `ttl`, `take_error` and their setters | the same |
/// | `set_read_timeout`, `set_write_timeout` | the same, but they take `&mut self`; the error is always [`TimedOut`](ErrorKind::TimedOut) |
/// | `try_clone`, one for reading and one for writing | [`into_split`](Self::into_split) |
/// | `Read`, `Write` of `&TcpStream` | [`into_split`](Self::into_split) |
/// | `set_nonblocking` | none, because no call blocks |
///
/// `From` converts a tokio stream, such as one that an async listener has accepted. Reads and writes wait, time out and
/// fail like those of [`FiberIo`].
///
/// # Examples
///
/// ```
/// use std::{io::{self, Read as _, Write as _}, net, time::Duration};
/// use tokio::{io::{AsyncReadExt as _, AsyncWriteExt as _}, net::TcpListener};
/// use tower_fiber::{io::TcpStream, run_in_fiber};
///
/// fn ask(server: &str) -> io::Result<String> {
///     let mut stream = TcpStream::connect_timeout(server, Duration::from_secs(5))?;
///     stream.set_read_timeout(Some(Duration::from_secs(30)))?;
///     stream.write_all(b"time?")?;
///     stream.shutdown(net::Shutdown::Write)?;
///     let mut answer = String::new();
///     stream.read_to_string(&mut answer)?;
///     Ok(answer)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let server = listener.local_addr()?.to_string();
/// let asked = tokio::spawn(run_in_fiber(move || ask(&server)));
/// let (mut client, _) = listener.accept().await?;
/// let mut question = String::new();
/// client.read_to_string(&mut question).await?;
/// client.write_all(b"noon").await?;
/// drop(client);
/// assert_eq!(asked.await??, "noon");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TcpStream(FiberIo<tokio::net::TcpStream>);

impl TcpStream {
    /// Connects to a host, trying its addresses in turn.
    ///
    /// Names are resolved as [`lookup_host`](super::lookup_host) does.
    ///
    /// # Cancel safety
    ///
    /// In a cancelled fiber it returns an error, and a connection that was begun is closed.
    ///
    /// # Errors
    ///
    /// The errors of the resolver, of the connection and of the waits of [`FiberIo`], and
    /// [`Unsupported`](ErrorKind::Unsupported) outside a tokio runtime.
    ///
    /// # Panics
    ///
    /// On a runtime without I/O (`enable_io`), with tokio's message.
    #[track_caller]
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        wait_on_runtime(TimeLimit::none(), tokio::net::TcpStream::connect(address)).map(Self::from)
    }

    /// Connects to a host within a time-out that covers the name and all of its addresses. It does not apply to later
    /// reads and writes.
    ///
    /// # Cancel safety
    ///
    /// Same as [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect); also [`TimedOut`](ErrorKind::TimedOut) when the time has elapsed, and
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a time-out of zero.
    ///
    /// # Panics
    ///
    /// Same as [`connect`](Self::connect).
    #[track_caller]
    pub fn connect_timeout(address: impl ToSocketAddrs, timeout: Duration) -> io::Result<Self> {
        if timeout.is_zero() {
            let text =
                "connect_timeout was given a time-out of zero: use connect for no limit, or give more than zero [TF44]";
            return Err(io::Error::new(ErrorKind::InvalidInput, text));
        }
        wait_on_runtime(TimeLimit::connecting(Some(timeout)), tokio::net::TcpStream::connect(address)).map(Self::from)
    }

    /// Returns the address of the other side.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.inner.peer_addr()
    }

    /// Returns the address of this side.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.inner.local_addr()
    }

    /// Closes one direction or both, which ends the waits on them.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        SockRef::from(&self.0.inner).shutdown(how)
    }

    /// Waits for bytes and copies them, but leaves them for the next read.
    ///
    /// # Cancel safety
    ///
    /// As for [`FiberIo`].
    ///
    /// # Errors
    ///
    /// As for [`FiberIo`]; the read time-out applies.
    #[track_caller]
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        wait(self.0.read_limit(), |cx| self.0.inner.poll_peek(cx, &mut buffer))
    }

    /// Returns whether small packets are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.0.inner.nodelay()
    }

    /// Sets whether small packets are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.0.inner.set_nodelay(nodelay)
    }

    /// Returns how many hops a packet may take (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn ttl(&self) -> io::Result<u32> {
        self.0.inner.ttl()
    }

    /// Sets how many hops a packet may take (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.0.inner.set_ttl(ttl)
    }

    /// Takes the socket's pending error, if any (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.0.inner.take_error()
    }

    /// Splits the connection into a half for reading and one for writing, which keep the time-outs. Use them in two
    /// fibers, or in code that reads through a buffer and writes directly.
    #[must_use = "both halves are dropped otherwise"]
    pub fn into_split(self) -> (TcpReadHalf, TcpWriteHalf) {
        let (read, write) = self.0.split(tokio::net::TcpStream::into_split);
        (TcpReadHalf(read), TcpWriteHalf(write))
    }

    /// Returns the tokio stream.
    pub fn into_inner(self) -> tokio::net::TcpStream {
        self.0.into_inner()
    }
}

reads!(TcpStream);
writes!(TcpStream);

impl From<tokio::net::TcpStream> for TcpStream {
    /// Wraps `stream`, without time-outs.
    fn from(stream: tokio::net::TcpStream) -> Self {
        Self(FiberIo::new(stream))
    }
}

impl AsRef<tokio::net::TcpStream> for TcpStream {
    fn as_ref(&self) -> &tokio::net::TcpStream {
        self.0.get_ref()
    }
}
