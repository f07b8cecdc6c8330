//! [`BlockingHandle`]: observes and ends the calls of a layer on the blocking pool.

use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use super::{counters::BlockingCounters, in_flight::InFlight};
use crate::{
    drain::{Drain, ShutdownReport, end_one},
    fiber::Relayed,
};

/// A view of one [`BlockingLayer`](crate::BlockingLayer) and of all calls that run under it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_fiber::BlockingLayer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = BlockingLayer::new();
/// let handle = layer.handle();
/// assert_eq!(layer.run(move || handle.live()).await, 1);
/// assert!(!layer.handle().shutdown(Duration::from_secs(10)).await.is_cut);
/// # }
/// ```
#[derive(Clone)]
pub struct BlockingHandle {
    in_flight: Arc<InFlight>,
}

impl BlockingHandle {
    pub(super) fn new(in_flight: &Arc<InFlight>) -> Self {
        Self { in_flight: Arc::clone(in_flight) }
    }

    /// Returns the number of calls that hold a thread now.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.counters().live
    }

    /// Returns the layer's counters.
    #[must_use]
    pub fn counters(&self) -> BlockingCounters {
        self.in_flight.counters()
    }

    /// Refuses new calls, as [`FiberHandle::close`](crate::FiberHandle::close) does.
    ///
    /// Calls that have a thread or wait for one of the runtime go on, and so do the calls that they make to this layer.
    /// A call that waits for one of the layer's own [`max_threads`](crate::BlockingLayerBuilder::max_threads) is
    /// refused when its turn comes.
    pub fn close(&self) {
        self.in_flight.close();
    }

    /// Cancels all calls that have a thread or wait for one of the runtime: their present and later fallible waits fail
    /// with [`Cancelled`](crate::error::TryAwaitError::Cancelled).
    ///
    /// Infallible waits go on, and so does code that really blocks, since a thread cannot be stopped. Nothing unwinds.
    /// Calls that begin later are not cancelled.
    pub fn cancel_all(&self) {
        self.in_flight.cancel_all();
    }

    /// Waits until no call of the layer has a thread or waits for one of the runtime.
    ///
    /// New calls may begin meanwhile unless the layer is [closed](Self::close). A call may block for ever, so put a
    /// time-out around this.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again at any time.
    pub async fn drained(&self) {
        Relayed::new(pin!(self.in_flight.drained())).await;
    }

    /// Ends the layer's calls: [closes](Self::close) the layer, waits until its calls have [ended](Self::drained) but
    /// at most for `limit`, [cancels](Self::cancel_all) the rest, and waits up to five seconds more for those.
    ///
    /// One event is logged (feature `tracing`). A runtime waits for the threads that are left when it is dropped:
    /// tokio's `shutdown_timeout` limits that.
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
}

impl Drain for BlockingHandle {
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
        let counters = self.counters();
        counters.live + counters.queued
    }
}

impl fmt::Debug for BlockingHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingHandle").field("counters", &self.counters()).finish()
    }
}
