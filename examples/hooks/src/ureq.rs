//! ureq in fibers: [`agent`] makes a `ureq::Agent` whose calls suspend their fiber where they would block a thread.
//!
//! | of ureq | here |
//! |---|---|
//! | `http`, `https` by rustls, redirects, gzip, bodies both ways | as ever |
//! | time-outs: resolve, connect, send, receive, per read, per write, per call, global | kept; they end a call with `Error::Timeout(..)` |
//! | several addresses of a name | tried in turn; each has half of the time that is left for connecting, the last has all of it |
//! | pool of connections | kept; the next call, of whatever fiber, takes an idle connection if the server has not closed it |
//! | HTTP proxies (`CONNECT`), also those of the environment | as ever |
//! | SOCKS proxies | refused with an error, since ureq's connector for them blocks the thread |
//! | `Agent::shutdown` | as ever, also from other threads |
//! | `native-tls` | none: `Error::TlsRequired` |
//!
//! A connection belongs to the runtime in which it was made. The pool gives it to that runtime's fibers alone and
//! closes it for others, so give each runtime an agent of its own, as under `per_core`.
//!
//! # Outside of fibers
//!
//! A call is refused there, with an error of kind [`Unsupported`](io::ErrorKind::Unsupported) that says what to do.
//! Under [`block_on_waits`](tower_fiber::block_on_waits) it blocks the thread, as ureq's own agent does. Here and there
//! the runtime needs sockets and timers (`enable_all`).
//!
//! # Calls that are cancelled
//!
//! The wait of a cancelled fiber is an `Error::Io`, and its connection is closed: one whose response is read in part
//! never gets into the pool. Its kind is `Other`, where the rest of `tower_fiber` says `ConnectionAborted`: ureq takes
//! that for the regular end of a body that has no length.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use tokio::{io::AsyncWriteExt as _, net::TcpListener};
//! use tower_fiber::run_in_fiber;
//! use ureq::{Agent, config::Config};
//!
//! // Plain ureq: it knows nothing of fibers.
//! fn greeting(agent: &Agent, server: &str) -> Result<String, ureq::Error> {
//!     agent.get(format!("http://{server}/greeting")).call()?.body_mut().read_to_string()
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::builder().proxy(None).timeout_global(Some(Duration::from_secs(30))).build();
//! let agent = hooks::ureq::agent(config);
//!
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let server = listener.local_addr()?.to_string();
//! let called = tokio::spawn(run_in_fiber(move || greeting(&agent, &server)));
//! let (mut client, _) = listener.accept().await?;
//! client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await?;
//! assert_eq!(called.await??, "hello");
//! # Ok(())
//! # }
//! ```

use std::{
    fmt,
    future::Future,
    io::{self, ErrorKind},
    mem::MaybeUninit,
    net::Shutdown,
    sync::{Arc, Weak},
    time::Instant,
};

use socket2::SockRef;
use tokio::{
    net::{TcpStream, lookup_host},
    runtime::{Handle, Id},
    time::timeout,
};
use tower_fiber::{error::TryAwaitError, try_await_in_fiber};
use ureq::{
    Agent, Error, Proxy, ProxyProtocol,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{
            Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout,
            RustlsConnector, ShutdownHandle, Transport, time,
        },
    },
};

/// An agent whose calls wait in fibers. Clones share its connections.
#[must_use]
pub fn agent(config: Config) -> Agent {
    Agent::with_parts(config, connector(), FiberResolver::default())
}

/// ureq's connectors with [`FiberConnector`] for its own one of sockets, for `Agent::with_parts`.
pub fn connector() -> impl Connector {
    ().chain(ConnectProxyConnector::default()).chain(FiberConnector::default()).chain(RustlsConnector::default())
}

/// Finds the addresses of a host while the fiber waits.
#[derive(Debug, Default)]
pub struct FiberResolver(());

impl Resolver for FiberResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.scheme().zip(uri.authority());
        let host = host.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let host = host.ok_or_else(|| Error::BadUri(format!("{uri} has no scheme, host and port")))?;
        let found = wait(timeout, lookup_host(host))?;
        let mut addresses = self.empty();
        // There is room for sixteen.
        _ = config.ip_family().keep_wanted(found).try_for_each(|address| addresses.try_push(address));
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// Opens a connection, unless a connector before it has done so.
#[derive(Debug, Default)]
pub struct FiberConnector(());

impl<In: Transport> Connector<In> for FiberConnector {
    type Out = Either<In, FiberTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        // `ConnectProxyConnector` has made a tunnel through one of these two kinds.
        let is_other = |proxy: &&Proxy| !matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https);
        if let Some(proxy) = details.config.proxy().filter(is_other).filter(|proxy| !proxy.is_no_proxy(details.uri)) {
            let text = format!(
                "the agent for fibers reaches no proxies of kind {:?}: configure an HTTP proxy, or none by `.proxy(None)`",
                proxy.protocol()
            );
            return Err(Error::Io(io::Error::new(ErrorKind::Unsupported, text)));
        }
        let stream = connect(details)?;
        stream.set_nodelay(details.config.no_delay())?;
        let socket = Arc::new(Socket(stream));
        let handle = Arc::downgrade(&socket);
        (details.register_shutdown)(handle as Weak<dyn ShutdownHandle>)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(FiberTransport { socket, buffers, runtime: Handle::current().id() })))
    }
}

/// Connects to one of the addresses, in turn.
fn connect(details: &ConnectionDetails<'_>) -> Result<TcpStream, Error> {
    let begun = match details.now {
        time::Instant::Exact(begun) => begun,
        time::Instant::AlreadyHappened | time::Instant::NotHappening => Instant::now(),
    };
    let mut addresses = details.addrs.iter();
    let mut connected = Err(Error::ConnectionFailed);
    while let Some(address) = addresses.next() {
        let mut limit = left(details.timeout, begun);
        if addresses.len() > 0 {
            limit.after = limit.after / 2;
        }
        connected = wait(limit, TcpStream::connect(address));
        if !connected.as_ref().is_err_and(is_of_this_address) {
            break;
        }
    }
    connected
}

/// Whether another address of the same host may do better.
fn is_of_this_address(error: &Error) -> bool {
    match error {
        Error::Timeout(_) => true,
        Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::AddrNotAvailable
                | ErrorKind::ConnectionRefused
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkDown
                | ErrorKind::NetworkUnreachable
                | ErrorKind::TimedOut
        ),
        _ => false,
    }
}

/// A connection whose reads and writes wait in the fiber.
pub struct FiberTransport {
    socket: Arc<Socket>,
    buffers: LazyBuffers,
    /// Which tells when there is something to read.
    runtime: Id,
}

impl Transport for FiberTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let begun = Instant::now();
        let mut output = &self.buffers.output()[..amount];
        while !output.is_empty() {
            // The limit of a write begins anew with each.
            let limit = left(timeout, begun).for_write();
            let written = wait(limit, async {
                loop {
                    self.socket.0.writable().await?;
                    match self.socket.0.try_write(output) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        done => return done,
                    }
                }
            })?;
            output = &output[written..];
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let input = self.buffers.input_append_buf();
        let read = wait(timeout.for_read(), async {
            loop {
                self.socket.0.readable().await?;
                match self.socket.0.try_read(input) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    done => return done,
                }
            }
        })?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    // Without a wait: the pool is locked meanwhile.
    fn is_open(&mut self) -> bool {
        // Another runtime may not run, or run when it likes.
        if !Handle::try_current().is_ok_and(|runtime| runtime.id() == self.runtime) {
            return false;
        }
        // tokio learns only between polls of tasks that the server has closed it. The system knows.
        let peeked = SockRef::from(&self.socket.0).peek(&mut [MaybeUninit::uninit()]);
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

impl fmt::Debug for FiberTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberTransport").field("socket", &self.socket.0).finish_non_exhaustive()
    }
}

/// Shared with the agent for `Agent::shutdown`, which no `&mut` of [`FiberIo`](tower_fiber::io::FiberIo) would allow.
struct Socket(TcpStream);

impl ShutdownHandle for Socket {
    fn shutdown(&self) {
        // An error says that it is shut down already.
        _ = SockRef::from(&self.0).shutdown(Shutdown::Both);
    }
}

/// What is left of a time-out.
fn left(timeout: NextTimeout, begun: Instant) -> NextTimeout {
    let after = match timeout.after {
        time::Duration::Exact(after) => after.saturating_sub(begun.elapsed()).into(),
        time::Duration::NotHappening => time::Duration::NotHappening,
    };
    NextTimeout { after, ..timeout }
}

/// Waits for a tokio future, as long as ureq allows.
fn wait<R>(limit: NextTimeout, future: impl Future<Output = io::Result<R>>) -> Result<R, Error> {
    let limited = async {
        if Handle::try_current().is_err() {
            return Err(Error::Io(io::Error::new(
                ErrorKind::Unsupported,
                "ureq in a fiber needs a tokio runtime, and there is none here: enter one, or use block_on_waits, which brings one",
            )));
        }
        match limit.after {
            time::Duration::Exact(after) if after.is_zero() => Err(Error::Timeout(limit.reason)),
            time::Duration::Exact(after) => match timeout(after, future).await {
                Ok(done) => Ok(done?),
                Err(_) => Err(Error::Timeout(limit.reason)),
            },
            time::Duration::NotHappening => Ok(future.await?),
        }
    };
    try_await_in_fiber(limited).unwrap_or_else(|refused| {
        // `ConnectionAborted` would end a body without an error.
        let kind = match refused {
            TryAwaitError::Cancelled(_) | TryAwaitError::Unwinding => ErrorKind::Other,
            _ => ErrorKind::Unsupported,
        };
        Err(Error::Io(io::Error::new(kind, refused.to_string())))
    })
}
