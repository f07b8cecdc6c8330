//! [`TcpStream`]: what code that was written for std's expects.

use std::{
    io::{self, ErrorKind},
    net::{Shutdown, SocketAddr},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::ReadBuf,
    net::{
        ToSocketAddrs,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{FiberIo, limit::Limit, resolve::wait_on_runtime, wait::wait};

/// A TCP connection whose reads and writes wait in the fiber, for code that was written for `std::net::TcpStream`.
///
/// | of `std::net::TcpStream` | here |
/// |---|---|
/// | `connect`, `connect_timeout`, `peer_addr`, `local_addr`, `peek`, `shutdown`, `nodelay`, `ttl`, `take_error` and their setters | the same |
/// | `set_read_timeout`, `set_write_timeout` | the same, but for `&mut self`; an elapsed one is always [`TimedOut`](ErrorKind::TimedOut) |
/// | `try_clone`, one for reading and one for writing | [`into_split`](TcpStream::into_split) |
/// | `Read`, `Write` of `&TcpStream` | [`into_split`](TcpStream::into_split) |
/// | `set_nonblocking` | none: nothing blocks |
///
/// One that an async listener has accepted is wrapped by [`FiberIo::new`].
///
/// # Examples
///
/// ```
/// use std::{io::{self, Read as _, Write as _}, net::Shutdown, time::Duration};
/// use tokio::{io::{AsyncReadExt as _, AsyncWriteExt as _}, net::TcpListener};
/// use tower_fiber::{io::TcpStream, run_in_fiber};
///
/// fn ask(server: &str) -> io::Result<String> {
///     let mut stream = TcpStream::connect_timeout(server, Duration::from_secs(5))?;
///     stream.set_read_timeout(Some(Duration::from_secs(30)))?;
///     stream.write_all(b"time?")?;
///     stream.shutdown(Shutdown::Write)?;
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
pub type TcpStream = FiberIo<tokio::net::TcpStream>;

impl TcpStream {
    /// Connects to a host; its addresses are tried in turn.
    ///
    /// Names are resolved as by [`lookup_host`](super::lookup_host).
    ///
    /// # Cancel safety
    ///
    /// A cancelled fiber gets an error; a connection that was begun is given up.
    ///
    /// # Errors
    ///
    /// Those of the resolver and of the connection, and those of the waits of [`FiberIo`]. Of kind
    /// [`Unsupported`](ErrorKind::Unsupported) also where there is no tokio runtime.
    ///
    /// # Panics
    ///
    /// On a runtime without sockets (`enable_io`), with tokio's text.
    #[track_caller]
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        wait_on_runtime(Limit::none(), tokio::net::TcpStream::connect(address)).map(Self::new)
    }

    /// Connects to a host, with a time-out for all: for the name, and for all of its addresses. Later reads and writes
    /// have none.
    ///
    /// # Cancel safety
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect); of kind [`TimedOut`](ErrorKind::TimedOut) if the time has elapsed,
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a time of zero.
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    #[track_caller]
    pub fn connect_timeout(address: impl ToSocketAddrs, timeout: Duration) -> io::Result<Self> {
        if timeout.is_zero() {
            let text = "connect_timeout was given a time-out of zero: use connect for no limit, or give more than zero";
            return Err(io::Error::new(ErrorKind::InvalidInput, text));
        }
        wait_on_runtime(Limit::connecting(Some(timeout)), tokio::net::TcpStream::connect(address)).map(Self::new)
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Closes one direction or both, at once. Waits on that direction end.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        SockRef::from(&self.inner).shutdown(how)
    }

    /// Waits for bytes, and leaves them there for the next read.
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
        wait(self.read_limit(), |cx| self.inner.poll_peek(cx, &mut buffer))
    }

    /// Whether small packets are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.inner.nodelay()
    }

    /// Sets whether small packets are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.inner.set_nodelay(nodelay)
    }

    /// Over how many hops packets may go (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.ttl()
    }

    /// Sets over how many hops packets may go (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_ttl(ttl)
    }

    /// The error that the socket has kept, if any, which is gone then (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    /// One half for reading and one for writing, for two fibers or for code that reads through a buffer and writes
    /// beside it. Both have the time-outs that are set. The connection ends with the second of them; dropping the one
    /// for writing closes that direction.
    #[must_use = "both halves are dropped otherwise"]
    pub fn into_split(self) -> (FiberIo<OwnedReadHalf>, FiberIo<OwnedWriteHalf>) {
        let timeouts = FiberIo::with_settings_of(&self, ());
        let (read, write) = self.inner.into_split();
        (FiberIo::with_settings_of(&timeouts, read), FiberIo::with_settings_of(&timeouts, write))
    }
}
