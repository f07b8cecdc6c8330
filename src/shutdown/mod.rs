//! How a server of any kind ends: what begins the end, how long it may take, and the calls that end with it.

mod signal;

use std::{fmt, future::Future, mem, pin::Pin, time::Duration};

use tokio::{sync::oneshot, time::sleep};

use self::signal::another_signal;
pub use self::signal::shutdown_signal;
#[cfg(feature = "per-core")]
use crate::per_core::Core;
use crate::{
    blocking::BlockingLayer,
    drain::{AFTER_CANCEL, Drain, ShutdownReport, end},
    layer::FiberLayer,
    util::first::first,
};

/// Below the 30 seconds after which Kubernetes kills a container.
const GRACE: Duration = Duration::from_secs(20);

/// How long calls may take to end after a second signal, so that they can unwind.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Shuts a server down in order, and says what was cut: for tonic and any other server that takes a shutdown future.
///
/// For axum, [`serve`](crate::axum::serve) does this and more. The steps are:
///
/// 1. A signal ([`shutdown_signal`]) or the future of [`with_graceful_shutdown`](Self::with_graceful_shutdown) begins
///    the shutdown. The server is told, so that it stops accepting and its connections end.
/// 2. When the server has ended, the [layers](Self::layer) are closed, and their calls are awaited. Some may have no
///    caller any more.
/// 3. What has not ended within the [`grace`](Self::grace) period is cut: the server's future is dropped, and the
///    layers' calls are cancelled, which each layer's [`OnDrop`](crate::OnDrop) decides. They get five more seconds.
///    After another signal they are cut at once.
/// 4. One event is logged (feature `tracing`), and a [`ShutdownReport`] is returned.
///
/// # Examples
///
/// ```
/// use std::{future::ready, io};
/// use tower_fiber::{FiberLayer, Shutdown};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let layer = FiberLayer::new();
/// // For tonic: |stop| Server::builder().add_service(greeter).serve_with_incoming_shutdown(incoming, stop)
/// let server = |stop| async { Ok::<_, io::Error>(stop.await) };
/// // Without this line a signal begins the shutdown.
/// let shutdown = Shutdown::new().layer(&layer).with_graceful_shutdown(ready(()));
/// let report = shutdown.run(server).await?;
/// assert!(!report.is_cut);
/// # Ok(())
/// # }
/// ```
#[must_use = "it does nothing until `run` is called"]
pub struct Shutdown {
    begin: Begin,
    grace: Duration,
    layers: Vec<Box<dyn Drain>>,
    #[cfg(feature = "per-core")]
    core: Option<Core>,
}

type Begin = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Makes a shutdown that a signal begins and that has a grace period of 20 seconds and no layers.
    pub fn new() -> Self {
        Self {
            begin: Box::pin(shutdown_signal()),
            grace: GRACE,
            layers: Vec::new(),
            #[cfg(feature = "per-core")]
            core: None,
        }
    }

    /// Adds a layer, whose calls are ended after the server's connections.
    pub fn layer(mut self, layer: &FiberLayer) -> Self {
        self.layers.push(Box::new(layer.handle()));
        self
    }

    /// Adds a layer of calls on the blocking pool.
    pub fn blocking_layer(mut self, layer: &BlockingLayer) -> Self {
        self.layers.push(Box::new(layer.handle()));
        self
    }

    /// Sets how long connections and calls may take to end; 20 seconds by default.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Begins the shutdown when `begin` is ready, instead of at a signal. The process's signals are then left alone,
    /// unless `begin` awaits [`shutdown_signal`].
    pub fn with_graceful_shutdown(mut self, begin: impl Future<Output = ()> + Send + 'static) -> Self {
        self.begin = Box::pin(begin);
        self
    }

    /// For a server on one core of [`per_core`](fn@crate::per_core): begins when the core should end
    /// ([`Core::shutdown`]), and ends the layers, which the cores may share, only when no core serves any more.
    ///
    /// The numbers of the layers' calls are in the report of core 0.
    #[cfg(feature = "per-core")]
    pub fn on_core(mut self, core: &Core) -> Self {
        self.begin = Box::pin(core.shutdown());
        self.core = Some(core.clone());
        self
    }

    /// Runs the server that `serve` makes from a future that is ready when the server should end.
    ///
    /// # Errors
    ///
    /// If the server fails. The layers are then not closed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the server's future is dropped, and the layers are left alone.
    ///
    /// # Panics
    ///
    /// As for [`shutdown_signal`], unless another future begins the shutdown.
    pub async fn run<S, T, E>(self, serve: impl FnOnce(Stopped) -> S) -> Result<ShutdownReport, E>
    where
        S: Future<Output = Result<T, E>>,
    {
        let mut ending = self.begin();
        let (stop, stopped) = oneshot::channel();
        let mut server = Box::pin(serve(Stopped(stopped)));
        if let Ok(ended) = first(server.as_mut(), ending.begun()).await {
            ended?;
        } else {
            drop(stop);
            if let Some(ended) = ending.within_grace(server).await {
                ended?;
            }
        }
        Ok(ending.end(ShutdownReport::default()).await)
    }

    /// Takes the settings apart, for the server that goes through the steps.
    pub(crate) fn begin(self) -> Ending {
        let Self { begin, grace, layers, .. } = self;
        Ending {
            begin,
            grace,
            layers,
            #[cfg(feature = "per-core")]
            core: self.core,
            limit: None,
            is_over: None,
        }
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown")
            .field("grace", &self.grace)
            .field("layers", &self.layers.len())
            .finish_non_exhaustive()
    }
}

/// A future that is ready when the server should end; see [`Shutdown::run`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Stopped(oneshot::Receiver<()>);

impl Future for Stopped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

/// A shutdown that goes through its steps.
pub(crate) struct Ending {
    begin: Begin,
    grace: Duration,
    layers: Vec<Box<dyn Drain>>,
    #[cfg(feature = "per-core")]
    core: Option<Core>,
    /// The end of the grace period, from the beginning of the shutdown on.
    limit: Option<GraceFuture>,
    /// Set when the grace period is over: how long calls may take to end.
    is_over: Option<Duration>,
}

type GraceFuture = Pin<Box<dyn Future<Output = Duration> + Send>>;

impl Ending {
    /// Waits until the shutdown begins.
    pub(crate) async fn begun(&mut self) {
        self.begin.as_mut().await;
    }

    /// Waits for `work`, for as long as the grace period lasts, which begins at the first call. Returns `None` when
    /// the period is over.
    pub(crate) async fn within_grace<W: Future>(&mut self, work: W) -> Option<W::Output> {
        if self.is_over.is_some() {
            return None;
        }
        match first(work, self.limit()).await {
            Ok(output) => Some(output),
            Err(after) => {
                self.is_over = Some(after);
                None
            }
        }
    }

    fn limit(&mut self) -> Pin<&mut (dyn Future<Output = Duration> + Send)> {
        let grace = self.grace;
        let limit = async move { first(sleep(grace), another_signal()).await.map_or(AT_ONCE, |()| AFTER_CANCEL) };
        self.limit.get_or_insert_with(|| Box::pin(limit)).as_mut()
    }

    /// Ends the layers when the server has ended, and adds that to the report.
    pub(crate) async fn end(mut self, server: ShutdownReport) -> ShutdownReport {
        #[cfg(feature = "per-core")]
        let is_first = match self.core.take() {
            None => true,
            Some(core) => {
                // The other cores have the same limit.
                if self.within_grace(core.all_served()).await.is_none() {
                    _ = first(core.all_served(), sleep(AT_ONCE)).await;
                }
                core.index() == 0
            }
        };
        #[cfg(not(feature = "per-core"))]
        let is_first = true;
        let layers = mem::take(&mut self.layers);
        let is_late = self.is_over.is_some();
        let limit = async {
            match self.is_over {
                Some(after) => after,
                None => self.limit().await,
            }
        };
        let calls = end(&layers, limit).await;
        let report = ShutdownReport {
            is_cut: is_late || calls.is_cut,
            cancelled: if is_first { calls.cancelled } else { 0 },
            left: if is_first { calls.left } else { 0 },
            ..server
        };
        report.log();
        report
    }
}
