//! The calls of a layer that have begun and not ended: closing the layer, cancelling them, waiting for the last.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::Notify;

/// Every access is sequentially consistent: who ends a call and who waits for that each write first and then look.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    in_flight: AtomicU64,
    closed: AtomicBool,
    /// How often all calls were cancelled. A call that began under a lower number is cancelled.
    cancels: AtomicU64,
    /// Whether somebody has waited for the end of all calls.
    watched: AtomicBool,
    ended: Notify,
}

impl Calls {
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn end(&self) {
        if self.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 && self.watched.load(Ordering::SeqCst) {
            self.ended.notify_waiters();
        }
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// For a call that is counted already: either it sees that the layer is closed, or who closed it sees the call.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(super) fn cancels(&self) -> u64 {
        self.cancels.load(Ordering::SeqCst)
    }

    pub(super) fn cancel(&self) {
        self.cancels.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until no call is in flight.
    pub(crate) async fn drained(&self) {
        self.watched.store(true, Ordering::SeqCst);
        loop {
            let mut ended = pin!(self.ended.notified());
            ended.as_mut().enable();
            if self.in_flight.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.await;
        }
    }
}
