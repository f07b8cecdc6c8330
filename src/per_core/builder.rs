//! [`PerCore`] and its builder.

use std::{
    error::Error,
    future::{Future, IntoFuture},
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    num::NonZeroUsize,
    thread,
    time::Duration,
};

use super::{Core, Listener, PerCoreError, bind, run};
use crate::error::ConfigError;

/// An address that is listened on for all cores, before they run.
///
/// # Examples
///
/// ```
/// use std::io::{Read as _, Write as _};
/// use tokio::io::AsyncWriteExt as _;
/// use tower_fiber::per_core::PerCore;
///
/// let server = PerCore::builder().cores(2).thread_name("greeter").bind("127.0.0.1:0")?;
/// let address = server.local_addr();
///
/// let client = std::thread::spawn(move || {
///     let mut greeting = String::new();
///     std::net::TcpStream::connect(address)?.read_to_string(&mut greeting)?;
///     Ok::<_, std::io::Error>(greeting)
/// });
///
/// // Greets the first client, on whichever core, and ends.
/// let (greeted, first_greeted) = tokio::sync::watch::channel(());
/// let mut seen = first_greeted.clone();
/// let shutdown = async move { seen.changed().await.unwrap() };
/// let served = server.run(shutdown, |core, mut listener| {
///     let greeted = &greeted;
///     async move {
///         let mut shutdown = std::pin::pin!(core.shutdown());
///         let (mut stream, _) = tokio::select! {
///             connection = listener.accept() => connection?,
///             () = &mut shutdown => return Ok(0),
///         };
///         stream.write_all(b"hello").await?;
///         greeted.send_replace(());
///         Ok::<_, std::io::Error>(1)
///     }
/// })?;
/// assert_eq!(served.iter().sum::<i32>(), 1);
/// assert_eq!(client.join().unwrap()?, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a server does nothing until `run` is called"]
pub struct PerCore {
    pub(super) cores: usize,
    pub(super) pin: bool,
    pub(super) thread_name: String,
    pub(super) nodelay: bool,
    pub(super) shutdown_timeout: Option<Duration>,
    pub(super) address: SocketAddr,
    /// One for each core, or one for all.
    pub(super) sockets: Vec<TcpListener>,
    pub(super) single_acceptor: bool,
}

impl PerCore {
    /// Listens on `addr` with all defaults: as many cores as there are, not pinned.
    ///
    /// # Errors
    ///
    /// If the address cannot be resolved or listened on, for example because it is in use.
    pub fn bind(addr: impl ToSocketAddrs) -> Result<Self, PerCoreError> {
        Self::builder().bind(addr)
    }

    /// Settings for a server.
    pub fn builder() -> PerCoreBuilder {
        PerCoreBuilder {
            cores: None,
            pin: false,
            thread_name: "per-core".to_owned(),
            nodelay: false,
            shutdown_timeout: None,
            single_acceptor: false,
        }
    }

    /// The address that is listened on. After `bind` to port 0 it has the chosen port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// How many cores the server runs on.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// Runs `f` once per core until all have returned, and gives what they have, in the order of the cores.
    ///
    /// It blocks the calling thread, which meanwhile waits for `shutdown` inside a tokio runtime of its own, so that
    /// `tokio::signal` works there. When `shutdown` is ready, each core's [`Core::shutdown`] is. `f` is called only
    /// after the threads and runtimes of all cores have started. From async code, call it inside
    /// `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    ///
    /// If a thread or its runtime cannot be started, if `f` fails or panics on a core, or if a core exceeds the
    /// [`shutdown_timeout`](PerCoreBuilder::shutdown_timeout). The other cores are shut down first.
    ///
    /// # Panics
    ///
    /// If it is called from async code; and with the payload of `shutdown`, should that panic, after the cores have
    /// ended.
    pub fn run<F, Fut, T, E>(self, shutdown: impl Future<Output = ()>, f: F) -> Result<Vec<T>, PerCoreError>
    where
        F: Fn(Core, Listener) -> Fut + Sync,
        Fut: IntoFuture<Output = Result<T, E>>,
        T: Send,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        run::run(self, shutdown, f)
    }
}

/// Settings of a [`PerCore`]. They are checked by [`bind`](Self::bind).
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `bind` is called"]
pub struct PerCoreBuilder {
    cores: Option<usize>,
    pin: bool,
    thread_name: String,
    nodelay: bool,
    shutdown_timeout: Option<Duration>,
    single_acceptor: bool,
}

impl PerCoreBuilder {
    /// How many threads, each with a runtime; [`available_parallelism`](thread::available_parallelism) by default,
    /// which minds CPU masks and quotas.
    pub fn cores(mut self, cores: usize) -> Self {
        self.cores = Some(cores);
        self
    }

    /// Whether each thread stays on one CPU; `false` by default.
    ///
    /// The threads take the CPUs that the calling thread of [`run`](PerCore::run) may use, in turn. Where the system
    /// refuses or cannot pin (it is done on Linux and Android), the server runs unpinned: [`Core::cpu`] tells, and with
    /// the feature `tracing` a warning.
    ///
    /// Pin only on CPUs that no other busy process uses: the scheduler can then no longer move a thread out of its way.
    /// Two servers pinned on one machine share its first CPUs. tokio's blocking threads, where
    /// [`offload`](crate::offload) runs, are not pinned; threads that `f` itself starts inherit the pin.
    pub fn pin(mut self, pin: bool) -> Self {
        self.pin = pin;
        self
    }

    /// What the threads are called, followed by a number: `per-core-0` by default.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self
    }

    /// Whether accepted connections have `TCP_NODELAY`: small writes are sent at once. `false` by default, as in axum;
    /// gRPC wants it.
    pub fn tcp_nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// How long a core may go on after the shutdown has begun, whether it was asked for or caused by another core's
    /// failure. Then its future is dropped, its connections are cut, and [`run`](PerCore::run) returns an error. No
    /// limit by default.
    ///
    /// It cannot end a core that blocks its thread.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = Some(timeout);
        self
    }

    /// Accepts all connections on the thread that calls [`run`](PerCore::run) and hands them to the cores in turn, also
    /// where the system could spread them itself. The [module](super) says when that is better.
    pub fn single_acceptor(mut self) -> Self {
        self.single_acceptor = true;
        self
    }

    /// Listens on `addr`; if that is several addresses, on the first that is possible. Port 0 takes a free port.
    ///
    /// # Errors
    ///
    /// With no cores, with a NUL byte in the thread name, and when the address cannot be resolved or listened on.
    pub fn bind(self, addr: impl ToSocketAddrs) -> Result<PerCore, PerCoreError> {
        let cores = self.cores.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZeroUsize::get));
        if cores == 0 {
            return Err(ConfigError::new("a server needs at least one core: `cores(0)` was set").into());
        }
        if self.thread_name.contains('\0') {
            return Err(ConfigError::new("a thread name cannot contain a NUL byte").into());
        }
        let addresses: Vec<SocketAddr> = addr.to_socket_addrs().map_err(PerCoreError::resolve)?.collect();
        if addresses.is_empty() {
            return Err(ConfigError::new("there is no address to listen on").into());
        }
        let single_acceptor = self.single_acceptor || !bind::BALANCES;
        let sockets = bind::listen(&addresses, if single_acceptor { 1 } else { cores })
            .map_err(|(address, error)| PerCoreError::listen(address, error))?;
        let address = sockets[0].local_addr().map_err(|error| PerCoreError::listen(addresses[0], error))?;
        Ok(PerCore {
            cores,
            pin: self.pin,
            thread_name: self.thread_name,
            nodelay: self.nodelay,
            shutdown_timeout: self.shutdown_timeout,
            address,
            sockets,
            single_acceptor,
        })
    }
}
