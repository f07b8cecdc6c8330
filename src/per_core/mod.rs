//! A server once per core (feature `per-core`): the fast way to serve fibers.
//!
//! [`per_core`](fn@per_core) and [`PerCore`] run an async closure once per core, each on a thread of its own with a
//! tokio [`LocalRuntime`](tokio::runtime::LocalRuntime) of its own and a [`Listener`] of its own, all on one address.
//! On such a runtime a [`FiberLayer`](crate::FiberLayer) runs its fibers in place: a request is accepted, handled and
//! answered on one thread, without a hand-off. The closure's future need not be `Send`.
//!
//! ```no_run
//! use std::time::Duration;
//! use axum::{Router, routing::get};
//! use tower_fiber::{WaitExt as _, axum::fiber, per_core, per_core::PerCoreError};
//!
//! fn hello() -> &'static str {
//!     tokio::time::sleep(Duration::from_millis(10)).wait(); // suspends the fiber, not the core
//!     "hello\n"
//! }
//!
//! # async fn interrupted() {}
//! fn main() -> Result<(), PerCoreError> {
//!     let app: Router = Router::new().route("/", get(fiber(hello)));
//!     per_core("127.0.0.1:3000", interrupted(), |core, listener| {
//!         axum::serve(listener, app.clone()).with_graceful_shutdown(core.shutdown())
//!     })?;
//!     Ok(())
//! }
//! ```
//!
//! A tonic server takes the listener by [`into_incoming`](Listener::into_incoming):
//! `serve_with_incoming_shutdown(listener.into_incoming(), core.shutdown())`. The client's address in axum
//! (`ConnectInfo<SocketAddr>`) needs `listener.tap_io(|_| {})` (`axum::serve::ListenerExt`), since only axum can
//! implement it for a foreign listener itself.
//!
//! # How connections reach the cores
//!
//! On Linux and Android each core has a socket of its own with `SO_REUSEPORT`, and the kernel chooses one for each new
//! connection by a hash of the two addresses. Many connections spread evenly; a few may not. A core that is busy gets
//! its share all the same, since a connection never changes cores.
//!
//! On other systems `SO_REUSEPORT` does not balance, or is missing. There one acceptor, on the thread that called
//! [`run`](PerCore::run), accepts every connection and hands them to the cores in turn, passing over those with a long
//! queue. [`single_acceptor`](PerCoreBuilder::single_acceptor) chooses that on Linux too: it costs a hop for each
//! connection (not for each request) and spreads few, long connections evenly, such as those of gRPC clients.
//!
//! On Linux, connections that wait in a socket's queue when it closes are reset. When the whole server ends this is so
//! for every listener. When one core ends early, it concerns those that wait for that core; the sysctl
//! `net.ipv4.tcp_migrate_req=1` (Linux 5.14) gives them to the other cores.
//!
//! A second server on the same address is an error, as without `SO_REUSEPORT`: the first socket is bound without it,
//! and others may join only when it listens. From then on a process of the same user that sets `SO_REUSEPORT` on
//! purpose can join, as the kernel allows.
//!
//! # How it ends
//!
//! | what happens | what follows |
//! |---|---|
//! | the `shutdown` future is ready | every core's [`Core::shutdown`] is ready; `run` returns when all closures have |
//! | a closure returns `Err`, or panics | the others' [`Core::shutdown`] is ready; `run` returns the error when they have returned |
//! | a closure returns `Ok` | this core has ended, the others go on |
//! | `shutdown` itself panics | the cores shut down, then `run` panics with the same payload |
//! | a core does not end within [`shutdown_timeout`](PerCoreBuilder::shutdown_timeout) | its future is dropped, and `run` returns an error |
//!
//! A closure has to take notice of [`Core::shutdown`]: one that does not goes on until the time-out. Without a time-out
//! it goes on for ever. Tasks that a closure has spawned end with it; a panic in one of them is caught by tokio and
//! ends no core.
//!
//! When a core's closure has ended, its runtime shuts down: fibers that still wait are leaked and counted, as the
//! [lifecycle chapter](crate::docs::lifecycle) says, and functions under [`offload`](crate::offload) are waited for.

mod acceptor;
mod bind;
mod builder;
mod error;
mod handle;
mod incoming;
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
    incoming::Incoming,
    listener::Listener,
};

/// Listens on `addr` and runs `f` once per core until all have returned: [`PerCore::bind`] and [`PerCore::run`] in one.
///
/// [`PerCore`] has settings, and says which port was chosen for port 0.
///
/// # Errors
///
/// If the address cannot be listened on, a thread or its runtime not be started, or `f` fails or panics on a core.
///
/// # Panics
///
/// If it is called from async code, which must not block; and with the payload of `shutdown`, should that panic.
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
