//! Observing a layer from outside: its handle and its counters.

use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use super::Counters;
use crate::{
    diagnostics::{Dump, dump, dump_with_backtraces},
    drain::{Drain, ShutdownReport, end_one},
    fiber::{Observer, Relayed, Shared, cancel_all},
};

/// A view of one [`FiberLayer`](crate::FiberLayer) and of all fibers that run under it.
///
/// # Examples
///
/// ```
/// use tower_fiber::FiberLayer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = FiberLayer::new();
/// let handle = layer.handle();
/// assert_eq!(layer.run(move || handle.live()).await, 1);
/// assert_eq!(layer.handle().live(), 0);
/// # }
/// ```
#[derive(Clone)]
pub struct FiberHandle {
    // Not the settings, which would keep the threads of the layer's pool alive.
    shared: Observer,
}

impl FiberHandle {
    pub(crate) fn new(shared: Observer) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns the number of fibers that exist now, running or suspended.
    ///
    /// This is not the number of requests in flight: an async service that is pending with no synchronous code below it
    /// has no fiber.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.shared.counters.live()
    }

    /// Refuses new calls.
    ///
    /// Calls that have begun go on, and so do the calls that they make to this layer's services. A call that begins
    /// later fails with [`Closed`](crate::error::Closed) if the service's error type is `Box<dyn Error + Send + Sync>`
    /// (tower's `BoxError`). No other error type can hold `Closed`: there the call panics with its text. To have no
    /// such calls, stop the server first (axum's `with_graceful_shutdown`), or put tower's `map_err` directly inside
    /// the layer; see the [lifecycle chapter](crate::docs::lifecycle#shutting-down).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower::{BoxError, ServiceBuilder, ServiceExt as _};
    /// use tower_fiber::{FiberLayer, error::{Closed, Elapsed}, sync_fn};
    ///
    /// fn handler(n: u32) -> Result<u32, Elapsed> {
    ///     Ok(n)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let layer = FiberLayer::new().name("orders");
    /// let handle = layer.handle();
    /// let service = ServiceBuilder::new().layer(layer).map_err(BoxError::from).service(sync_fn(handler));
    /// assert_eq!(service.clone().oneshot(7).await.unwrap(), 7);
    /// handle.close();
    /// assert!(service.oneshot(7).await.unwrap_err().is::<Closed>());
    /// # }
    /// ```
    pub fn close(&self) {
        self.shared.in_flight.close();
    }

    /// Cancels all calls that have begun, at once.
    ///
    /// Fallible waits fail. Under [`OnDrop::Unwind`](crate::OnDrop::Unwind) infallible waits unwind, and a caller that
    /// still waits gets the payload [`Cancelled`](crate::Cancelled) as it would get any panic. Under the other policies
    /// infallible waits go on. [`shield`](crate::shield)ed sections end first. Calls that begin later are not
    /// cancelled.
    ///
    /// An async service that is pending with no synchronous code below it is not affected.
    pub fn cancel_all(&self) {
        cancel_all(&self.shared);
    }

    /// Waits until no call is in flight: each call that has begun has ended, been dropped, or been leaked and counted.
    /// Streams, bodies and websockets that the calls have made count like calls.
    ///
    /// New calls may begin meanwhile unless the layer is [closed](Self::close). A fiber may wait for ever, so put a
    /// time-out around this.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_fiber::{FiberLayer, WaitExt as _};
    ///
    /// # #[tokio::main]
    /// # async fn main() {
    /// let layer = FiberLayer::new();
    /// let call = tokio::spawn(layer.run(|| tokio::time::sleep(Duration::from_millis(1)).wait()));
    /// # while layer.handle().live() == 0 { tokio::task::yield_now().await }
    /// let handle = layer.handle();
    /// handle.close();
    /// if tokio::time::timeout(Duration::from_secs(10), handle.drained()).await.is_err() {
    ///     handle.cancel_all();
    ///     handle.drained().await;
    /// }
    /// assert_eq!(handle.counters().leaked, 0);
    /// # call.await.unwrap();
    /// # }
    /// ```
    pub async fn drained(&self) {
        Relayed::new(pin!(self.shared.drained())).await;
    }

    /// Ends the layer's calls: [closes](Self::close) the layer, waits until its calls have [ended](Self::drained), but
    /// at most for `limit`, [cancels](Self::cancel_all) the rest, and waits up to five seconds more for those.
    ///
    /// Stop the server first: `Shutdown` (feature `shutdown`) does both. One event is logged (feature `tracing`).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the layer stays closed, and calls may have been cancelled.
    ///
    /// # Panics
    ///
    /// On a tokio runtime without `enable_time`.
    pub async fn shutdown(&self, limit: Duration) -> ShutdownReport {
        end_one(Box::new(self.clone()), limit).await
    }

    /// Measures how much of its stack each of the next `fibers` fibers uses, to help you choose a
    /// [`stack_size`](crate::FiberLayerBuilder::stack_size).
    ///
    /// The results are [`Counters::stacks_measured`] and [`Counters::deepest_stack`]. Zero `fibers` ends the
    /// measurement. A measured fiber costs some system calls, since it begins on an untouched stack, which is examined
    /// at its end. Linux only: elsewhere the result is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_fiber::FiberLayer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let layer = FiberLayer::new();
    /// layer.handle().measure_stacks(100);
    /// layer.run(|| std::hint::black_box([1_u8; 100_000])).await;
    /// let counters = layer.handle().counters();
    /// assert_eq!(counters.stacks_measured, 1);
    /// # if cfg!(target_os = "linux") {
    /// assert!(counters.deepest_stack > 100_000);
    /// # }
    /// # }
    /// ```
    pub fn measure_stacks(&self, fibers: u64) {
        self.shared.usage.want(fibers);
    }

    /// Returns the layer's counters. `live` is read first: when it is zero, the others are final.
    ///
    /// If the layer has metrics, all layers pass on to the recorder what they have counted, which they otherwise do
    /// every 100 ms.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters::of(&self.shared)
    }

    /// Lists the fibers that have waited and not ended.
    ///
    /// It can be called anywhere, even while a thread is stuck. Fibers go on meanwhile, so the list is a snapshot of
    /// each thread, not of one moment. Fibers that have not waited yet are only counted, in [`Dump::unlisted`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_fiber::{FiberLayer, WaitExt as _};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let layer = FiberLayer::new().name("orders");
    /// let call = tokio::spawn(layer.run(|| std::future::pending::<()>().wait()));
    /// tokio::task::yield_now().await;
    /// let dump = layer.handle().dump();
    /// assert_eq!(dump.fibers.len(), 1);
    /// assert_eq!(dump.fibers[0].waits_at.unwrap().file(), file!());
    /// println!("{dump}");
    /// # }
    /// ```
    #[must_use]
    pub fn dump(&self) -> Dump {
        dump(self.shared())
    }

    /// Lists the same fibers, each with a backtrace of the code that waits. It shows which code called an adapter
    /// (diesel's `BlockOn`, `io::FiberIo`) that waits.
    ///
    /// Each waiting fiber is woken, takes the backtrace on its own stack, and waits on: its future is polled once more.
    /// A fiber is listed without a backtrace if its thread does not resume it within a second (the thread is stuck, or
    /// its runtime is not driven), or if less than 24 KiB of its stack are left. Without symbols, a backtrace has only
    /// addresses.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_fiber::{FiberLayer, WaitExt as _};
    ///
    /// fn ask_supplier() {
    ///     std::future::pending::<()>().wait()
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let layer = FiberLayer::new();
    /// let call = tokio::spawn(layer.run(ask_supplier));
    /// # tokio::task::yield_now().await;
    /// let dump = layer.handle().dump_with_backtraces().await;
    /// assert!(dump.fibers[0].backtrace.as_ref().unwrap().contains("ask_supplier"));
    /// # }
    /// ```
    pub async fn dump_with_backtraces(&self) -> Dump {
        dump_with_backtraces(self.shared()).await
    }
}

impl Drain for FiberHandle {
    fn close(&self) {
        self.close();
    }

    fn cancel_all(&self) {
        self.cancel_all();
    }

    fn drained(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.drained())
    }

    fn in_flight(&self) -> u64 {
        self.shared.counters.in_flight()
    }
}

impl fmt::Debug for FiberHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiberHandle").field("name", &self.shared.name).field("counters", &self.counters()).finish()
    }
}
