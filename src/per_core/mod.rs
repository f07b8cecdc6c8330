//! Runs a server once per core (feature `per-core`), the fast way to serve fibers.
//!
//! [`per_core`](fn@per_core) and [`PerCore`] run an async closure once per core, each on a thread with a tokio
//! [`LocalRuntime`](tokio::runtime::LocalRuntime) and a [`Listener`] of its own, all on one address. On such a runtime
//! a [`FiberLayer`](crate::FiberLayer) runs its fibers in place: a request is accepted, handled and answered on one
//! thread. The closure's future need not be `Send`.
//!
//! ```no_run
//! use std::time::Duration;
//! use axum::{Router, routing::get};
//! use tower_fiber::{WaitExt as _, axum::{fiber, serve}, per_core, per_core::PerCoreError, shutdown_signal};
//!
//! fn hello() -> &'static str {
//!     tokio::time::sleep(Duration::from_millis(10)).wait(); // suspends the fiber, not the core
//!     "hello\n"
//! }
//!
//! fn main() -> Result<(), PerCoreError> {
//!     let app: Router = Router::new().route("/", get(fiber(hello)));
//!     per_core("127.0.0.1:3000", shutdown_signal(), |core, listener| serve(listener, app.clone()).on_core(&core))?;
//!     Ok(())
//! }
//! ```
//!
//! tonic takes [`listener.into_incoming()`](Listener::into_incoming): call
//! `serve_with_incoming_shutdown(listener.into_incoming(), stop)` in the `run` of a `Shutdown` that is
//! `on_core(&core)`. With `axum::serve` of axum itself, `ConnectInfo<SocketAddr>` needs `listener.tap_io(|_| {})`
//! (`axum::serve::ListenerExt`), because only axum can implement it for another crate's listener.
//!
//! # How connections reach the cores
//!
//! On Linux and Android each core has its own socket with `SO_REUSEPORT`, and the kernel chooses one for each new
//! connection by a hash of the two addresses. Many connections spread evenly; a few may not. A busy core still gets its
//! share of new connections, and a connection never changes cores.
//!
//! On other systems `SO_REUSEPORT` does not balance, or is missing. There the thread that called [`run`](PerCore::run)
//! accepts every connection and hands it to the cores in turn, skipping those with a long queue.
//! [`single_acceptor`](PerCoreBuilder::single_acceptor) chooses this on Linux too. It costs a hand-off for each
//! connection (not for each request), and distributes few, long connections evenly, such as those of gRPC clients.
//!
//! On Linux, a socket that closes resets the connections in its queue. If only one core ends, the sysctl
//! `net.ipv4.tcp_migrate_req=1` (Linux 5.14) passes such connections to the other cores.
//!
//! Binding a second server to the same address is an error, as without `SO_REUSEPORT`. Once the first server listens,
//! another process of the same user can still join it by setting `SO_REUSEPORT` itself.
//!
//! # How it ends
//!
//! | event | consequence |
//! |---|---|
//! | the `shutdown` future is ready | every core's [`Core::shutdown`] is ready; `run` returns when all closures have returned |
//! | a closure returns `Err` or panics | the other cores' [`Core::shutdown`] is ready; `run` returns the error when their closures have returned |
//! | a closure returns `Ok` | this core ends, the other cores go on |
//! | `shutdown` itself panics | the cores shut down, then `run` panics with the same payload |
//! | a core does not end within [`shutdown_timeout`](PerCoreBuilder::shutdown_timeout) | its future is dropped, and `run` returns an error |
//!
//! A closure that ignores [`Core::shutdown`] runs until the time-out, or for ever without one. Tasks that a closure has
//! spawned end with it. tokio catches a panic in such a task, so it does not end the core.
//!
//! When a core's closure has ended, its runtime shuts down: fibers that still wait are leaked and counted, as the
//! [lifecycle chapter](crate::docs::lifecycle) explains, and functions under [`offload`](crate::offload) run to their
//! end first.

mod acceptor;
mod bind;
mod builder;
mod error;
mod handle;
mod listener;
mod pin;
mod run;
mod supervise;

use std::{
    error::Error,
    future::{Future, IntoFuture},
    net::ToSocketAddrs,
};

pub use self::{
    builder::{PerCore, PerCoreBuilder},
    error::PerCoreError,
    handle::Core,
    listener::{Incoming, Listener},
};

/// Binds `addr` and runs `f` once per core until all have returned: [`PerCore::bind`] and [`PerCore::run`] in one.
///
/// Use [`PerCore`] for other settings, or to find out which port the system chose for port 0.
///
/// # Errors
///
/// If the address cannot be bound, a thread or its runtime cannot be started, or `f` fails or panics on a core.
///
/// # Panics
///
/// If called from async code, which must not block. If `shutdown` panics, with its payload.
///
/// # Examples
///
/// ```
/// use tower_fiber::per_core;
///
/// let indices = per_core("127.0.0.1:0", std::future::pending(), |core, _listener| async move {
///     Ok::<_, std::io::Error>(core.index())
/// })?;
/// assert_eq!(indices, (0..indices.len()).collect::<Vec<_>>());
/// # Ok::<(), tower_fiber::per_core::PerCoreError>(())
/// ```
pub fn per_core<F, Fut, T, E>(
    addr: impl ToSocketAddrs,
    shutdown: impl Future<Output = ()>,
    f: F,
) -> Result<Vec<T>, PerCoreError>
where
    F: Fn(Core, Listener) -> Fut + Sync,
    Fut: IntoFuture<Output = Result<T, E>>,
    T: Send,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    PerCore::bind(addr)?.run(shutdown, f)
}
