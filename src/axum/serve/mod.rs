//! [`serve`]: a server that ends in order.

mod body;
mod run;
mod service;
mod state;
mod stopping;

use std::{
    convert::Infallible,
    fmt,
    future::{Future, IntoFuture},
    io,
    pin::Pin,
    time::Duration,
};

use axum::{extract::Request, response::Response, serve::Listener};
use tower_service::Service;

use self::run::{Limits, run};
#[cfg(feature = "ws")]
pub(super) use self::state::OpenWebSocket;
pub use self::stopping::Stopping;
#[cfg(feature = "per-core")]
use crate::per_core::Core;
use crate::{
    blocking::BlockingLayer, drain::ShutdownReport, layer::FiberLayer, shutdown::Shutdown, util::never::NEVER,
};

/// Serves `app` on `listener` until SIGTERM or Ctrl-C, and then ends in order.
///
/// Use it instead of `axum::serve`, which does not end while an event stream is open or half a request has arrived, and
/// does not wait for websockets. When the shutdown begins:
///
/// 1. The listener is closed. Connections that the system has queued are still served.
/// 2. Idle connections are closed; requests in flight go on. A new connection has half a second for its first request.
/// 3. Event streams (`text/event-stream`, by [`sse`](super::sse) or axum's `Sse`) end between two events. Each
///    [`SyncWebSocket`](super::SyncWebSocket) is closed with the code 1001, after the answers to messages that have
///    arrived if these take no longer than five seconds; its function then receives `None`. Other handlers can learn of
///    the shutdown from [`Stopping`].
/// 4. When all connections and websockets have ended, the [layers](Serve::layer) are closed, and their calls are
///    awaited, since some may have no caller any more.
/// 5. What has not ended within the [`grace`](Serve::grace) period is cut: connections and websockets are dropped, so
///    that their calls lose their callers, then the layers' calls are cancelled. Each layer's
///    [`OnDrop`](crate::OnDrop) decides what that means. Calls get five more seconds. After a second signal everything
///    is cut at once.
/// 6. One event is logged (feature `tracing`), and a [`ShutdownReport`] is returned. Let the process end then, so that
///    it does not wait for calls that are left.
///
/// Websockets by axum's own `on_upgrade` are neither closed nor awaited: select on [`Stopping`] there. Calls without a
/// layer are not awaited once their caller has gone.
///
/// `app` is a [`Router`](axum::Router) or another service of requests. Its requests carry
/// [`ConnectInfo`](axum::extract::ConnectInfo) with the address of the client as the listener has it. HTTP/2 needs the
/// feature `http2`.
///
/// # Errors
///
/// The future never fails; its type is that of `axum::serve`.
///
/// # Cancel safety
///
/// If the future is dropped, all connections are cut, and the layers are left alone.
///
/// # Panics
///
/// As for [`shutdown_signal`](crate::shutdown_signal), unless [another future](Serve::with_graceful_shutdown) begins
/// the shutdown; and on a runtime without `enable_time`.
///
/// # Examples
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use tokio::net::TcpListener;
/// use tower_fiber::{FiberLayer, axum::{fiber_with, serve}};
///
/// fn hello() -> &'static str {
///     "hello"
/// }
///
/// #[tokio::main]
/// async fn main() -> std::io::Result<()> {
///     let layer = FiberLayer::new();
///     let app: Router = Router::new().route("/", get(fiber_with(&layer, hello)));
///     let listener = TcpListener::bind("127.0.0.1:3000").await?;
///     let report = serve(listener, app).layer(&layer).await?;
///     println!("{report}");
///     Ok(())
/// }
/// ```
pub fn serve<L, S>(listener: L, app: S) -> Serve<L, S>
where
    L: Listener<Addr: Clone + Send + Sync + 'static>,
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    Serve { listener, app, limits: Limits::default(), shutdown: Shutdown::new() }
}

/// The server of [`serve`], before it is awaited.
#[must_use = "servers do nothing unless awaited"]
pub struct Serve<L, S> {
    listener: L,
    app: S,
    limits: Limits,
    shutdown: Shutdown,
}

impl<L, S> Serve<L, S> {
    /// Adds a layer, whose calls are ended after the connections. Add each layer of the app.
    pub fn layer(self, layer: &FiberLayer) -> Self {
        Self { shutdown: self.shutdown.layer(layer), ..self }
    }

    /// Adds a layer of calls on the blocking pool.
    pub fn blocking_layer(self, layer: &BlockingLayer) -> Self {
        Self { shutdown: self.shutdown.blocking_layer(layer), ..self }
    }

    /// Sets how long connections, websockets and calls may take to end; 20 seconds by default.
    pub fn grace(self, grace: Duration) -> Self {
        Self { shutdown: self.shutdown.grace(grace), ..self }
    }

    /// Begins the shutdown when `begin` is ready, instead of at a signal. The process's signals are then left alone,
    /// unless `begin` awaits [`shutdown_signal`](crate::shutdown_signal).
    pub fn with_graceful_shutdown(self, begin: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { shutdown: self.shutdown.with_graceful_shutdown(begin), ..self }
    }

    /// For a server on one core of [`per_core`](fn@crate::per_core): begins when the core should end
    /// ([`Core::shutdown`]), and ends the layers, which the cores may share, only when no core serves any more.
    ///
    /// The numbers of the layers' calls are in the report of core 0.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use axum::{Router, routing::get};
    /// use tower_fiber::{FiberLayer, axum::{fiber_with, serve}, per_core, shutdown_signal};
    ///
    /// fn hello() -> &'static str {
    ///     "hello"
    /// }
    ///
    /// let layer = FiberLayer::new();
    /// let app: Router = Router::new().route("/", get(fiber_with(&layer, hello)));
    /// let reports = per_core("127.0.0.1:3000", shutdown_signal(), |core, listener| {
    ///     serve(listener, app.clone()).layer(&layer).on_core(&core)
    /// })?;
    /// # Ok::<(), tower_fiber::per_core::PerCoreError>(())
    /// ```
    #[cfg(feature = "per-core")]
    pub fn on_core(self, core: &Core) -> Self {
        Self { shutdown: self.shutdown.on_core(core), ..self }
    }

    /// Limits how long the head of a request may take to arrive; 30 seconds by default. HTTP/1 connections are closed
    /// then, also if they are idle.
    pub fn header_timeout(mut self, limit: Duration) -> Self {
        self.limits.header = limit.min(NEVER);
        self
    }

    /// Limits how long a handler waits for the next piece of a request's body; 60 seconds by default. Reading the body
    /// then fails, which axum's extractors answer with 400. The error of the request's
    /// [`Body`](axum::body::Body) has an [`Elapsed`](crate::error::Elapsed) among its sources.
    pub fn body_timeout(mut self, limit: Duration) -> Self {
        self.limits.body = limit.min(NEVER);
        self
    }
}

impl<L, S> IntoFuture for Serve<L, S>
where
    L: Listener<Addr: Clone + Send + Sync + 'static>,
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    type Output = io::Result<ShutdownReport>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { listener, app, limits, shutdown } = self;
        Box::pin(run(listener, app, limits, shutdown))
    }
}

impl<L: fmt::Debug, S> fmt::Debug for Serve<L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("shutdown", &self.shutdown)
            .finish_non_exhaustive()
    }
}
