//! [`PerCore`] and its builder.

use std::{
    error::Error,
    future::{Future, IntoFuture},
    net::{SocketAddr, ToSocketAddrs},
    num::NonZeroUsize,
    thread,
    time::Duration,
};

use super::{
    Core, Listener, PerCoreError, bind,
    error::Kind,
    run::{Server, Settings, run},
};
use crate::error::ConfigError;

/// A server whose address is bound, before its cores run.
///
/// # Examples
///
/// ```
/// use std::{io, net::TcpStream, thread};
/// use tokio::{io::AsyncWriteExt as _, sync::oneshot};
/// use tower_fiber::per_core::PerCore;
///
/// let server = PerCore::builder().cores(2).thread_name("greeter").bind("127.0.0.1:0")?;
/// let address = server.local_addr();
/// let (greeted, shutdown) = oneshot::channel();
/// let client = thread::spawn(move || {
///     let greeting = TcpStream::connect(address).and_then(io::read_to_string);
///     greeted.send(()).expect("the server still runs");
///     greeting
/// });
///
/// let shutdown = async { shutdown.await.unwrap() };
/// server.run(shutdown, |core, mut listener| async move {
///     let mut shutdown = core.shutdown();
///     loop {
///         tokio::select! {
///             connection = listener.accept() => connection?.0.write_all(b"hello").await?,
///             () = &mut shutdown => return Ok::<_, io::Error>(()),
///         }
///     }
/// })?;
/// assert_eq!(client.join().unwrap()?, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a server does nothing until `run` is called"]
pub struct PerCore {
    server: Server,
}

impl PerCore {
    /// Binds `addr` with all defaults: one thread for each available core, not pinned.
    ///
    /// # Errors
    ///
    /// If the address cannot be resolved or bound, for example because it is in use.
    pub fn bind(addr: impl ToSocketAddrs) -> Result<Self, PerCoreError> {
        Self::builder().bind(addr)
    }

    /// Returns a builder for a server's settings.
    pub fn builder() -> PerCoreBuilder {
        PerCoreBuilder {
            cores: None,
            settings: Settings {
                pin: false,
                thread_name: "per-core".to_owned(),
                nodelay: false,
                shutdown_timeout: None,
                single_acceptor: false,
            },
        }
    }

    /// Returns the bound address. If `addr` had port 0, this has the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.server.address
    }

    /// Returns the number of cores that the server runs on.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.server.cores
    }

    /// Runs `f` once per core until all have returned, and returns their values in the order of the cores.
    ///
    /// This blocks the calling thread, which waits for `shutdown` inside a tokio runtime of its own, so that
    /// `tokio::signal` works, and then makes each core's [`Core::shutdown`] ready. `f` is called when the threads and
    /// runtimes of all cores have started. From async code, call `run` inside `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    ///
    /// If a thread or its runtime cannot be started, if `f` fails or panics on a core, or if a core exceeds the
    /// [`shutdown_timeout`](PerCoreBuilder::shutdown_timeout). The other cores are shut down first.
    ///
    /// # Panics
    ///
    /// If called from async code. If `shutdown` panics, with its payload, after the cores have ended.
    pub fn run<F, Fut, T, E>(self, shutdown: impl Future<Output = ()>, f: F) -> Result<Vec<T>, PerCoreError>
    where
        F: Fn(Core, Listener) -> Fut + Sync,
        Fut: IntoFuture<Output = Result<T, E>>,
        T: Send,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        run(self.server, shutdown, f)
    }
}

/// Settings of a [`PerCore`]. [`bind`](Self::bind) checks them.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `bind` is called"]
pub struct PerCoreBuilder {
    cores: Option<usize>,
    settings: Settings,
}

impl PerCoreBuilder {
    /// Sets the number of threads, each with a runtime. The default is
    /// [`available_parallelism`](thread::available_parallelism), which respects CPU masks and quotas.
    pub fn cores(mut self, cores: usize) -> Self {
        self.cores = Some(cores);
        self
    }

    /// Sets whether each thread is pinned to one CPU; `false` by default.
    ///
    /// The threads are assigned in turn to the CPUs that the thread that calls [`run`](PerCore::run) may use. Where the
    /// system cannot pin (only Linux and Android can) or refuses to, the server runs unpinned: [`Core::cpu`] is `None`,
    /// and the feature `tracing` logs a warning.
    ///
    /// Pin only to CPUs that no other busy process uses, because the scheduler cannot move a pinned thread out of the
    /// way of that process. Two pinned servers on one machine share its first CPUs. tokio's blocking threads, on which
    /// [`offload`](crate::offload) runs, are not pinned. Threads that `f` starts inherit the pin.
    pub fn pin(mut self, pin: bool) -> Self {
        self.settings.pin = pin;
        self
    }

    /// Sets the prefix of the threads' names, which is followed by a number: `per-core-0` by default.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.settings.thread_name = name.into();
        self
    }

    /// Sets `TCP_NODELAY` for accepted connections, so that small writes are sent at once. `false` by default, as in
    /// axum; gRPC needs it.
    pub fn tcp_nodelay(mut self, nodelay: bool) -> Self {
        self.settings.nodelay = nodelay;
        self
    }

    /// Limits how long a core may run after the shutdown has begun, even if another core's failure caused the shutdown.
    /// After the limit the core's future is dropped, which cuts its connections, and [`run`](PerCore::run) returns an
    /// error. No limit by default. The limit cannot end a core that blocks its thread.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = Some(timeout);
        self
    }

    /// Accepts all connections on the thread that calls [`run`](PerCore::run) and hands them to the cores in turn, even
    /// where the system could distribute them. The [module](super) explains when this is better.
    pub fn single_acceptor(mut self) -> Self {
        self.settings.single_acceptor = true;
        self
    }

    /// Binds `addr`, or the first of several addresses that works. For port 0 the system chooses a free port.
    ///
    /// # Errors
    ///
    /// If the number of cores is zero, the thread name has a NUL byte, or the address cannot be resolved or bound.
    pub fn bind(mut self, addr: impl ToSocketAddrs) -> Result<PerCore, PerCoreError> {
        let cores = self.cores.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZeroUsize::get));
        if cores == 0 {
            return Err(ConfigError::new("a server needs at least one core: `cores(0)` was set").into());
        }
        if self.settings.thread_name.contains('\0') {
            return Err(ConfigError::new("a thread name cannot contain a NUL byte").into());
        }
        let addresses: Vec<SocketAddr> =
            addr.to_socket_addrs().map_err(|error| PerCoreError::new(None, Kind::Resolve(error)))?.collect();
        if addresses.is_empty() {
            return Err(ConfigError::new("there is no address to listen on").into());
        }
        self.settings.single_acceptor |= !bind::BALANCES;
        let failed = |(address, error)| PerCoreError::new(None, Kind::Listen(address, error));
        let sockets =
            bind::listen(&addresses, if self.settings.single_acceptor { 1 } else { cores }).map_err(failed)?;
        let address = sockets[0].local_addr().map_err(|error| failed((addresses[0], error)))?;
        Ok(PerCore { server: Server { settings: self.settings, cores, address, sockets } })
    }
}
