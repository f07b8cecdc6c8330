//! The calls of a layer on the blocking pool, from their start to their end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

use super::counters::BlockingCounters;

#[derive(Debug, Default)]
pub(super) struct InFlight {
    is_closed: AtomicBool,
    counters: watch::Sender<BlockingCounters>,
    /// How often all calls were cancelled.
    cancels: watch::Sender<u64>,
}

impl InFlight {
    pub(super) fn counters(&self) -> BlockingCounters {
        *self.counters.borrow()
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }

    pub(super) fn cancel_all(&self) {
        self.cancels.send_modify(|cancels| *cancels += 1);
    }

    pub(super) async fn drained(&self) {
        let mut counters = self.counters.subscribe();
        // The sender is borrowed meanwhile, so the wait cannot fail.
        _ = counters.wait_for(|counters| counters.live + counters.queued == 0).await;
    }

    /// Counts a call, or returns `None` if the layer is closed, unless the call is made by one of this layer. The call
    /// is counted before it looks, so that it either sees the close or is awaited.
    pub(super) fn begin(self: &Arc<Self>, is_within: impl FnOnce() -> bool) -> Option<CallGuard> {
        self.counters.send_modify(|counters| counters.queued += 1);
        let call = CallGuard { in_flight: Arc::clone(self), cancel: self.cancels.subscribe(), is_live: false };
        (!self.is_closed.load(Ordering::SeqCst) || is_within()).then_some(call)
    }
}

/// A call that is counted until this is dropped.
pub(super) struct CallGuard {
    in_flight: Arc<InFlight>,
    cancel: watch::Receiver<u64>,
    is_live: bool,
}

impl CallGuard {
    /// Notes that the call has its thread.
    pub(super) fn run(&mut self) {
        self.is_live = true;
        self.in_flight.counters.send_modify(|counters| {
            counters.queued -= 1;
            counters.live += 1;
        });
    }

    pub(super) fn cancel(&self) -> Cancel {
        Cancel { in_flight: Arc::clone(&self.in_flight), told: self.cancel.clone() }
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let is_cancelled = self.cancel.has_changed().unwrap_or(false);
        self.in_flight.counters.send_modify(|counters| {
            if self.is_live {
                counters.live -= 1;
                counters.cancelled += u64::from(is_cancelled);
            } else {
                counters.queued -= 1;
            }
        });
    }
}

/// Tells the waits of one call that it is cancelled.
#[derive(Clone)]
pub(super) struct Cancel {
    in_flight: Arc<InFlight>,
    told: watch::Receiver<u64>,
}

impl Cancel {
    pub(super) fn is_of(&self, in_flight: &Arc<InFlight>) -> bool {
        Arc::ptr_eq(&self.in_flight, in_flight)
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.has_changed().unwrap_or(false)
    }

    pub(super) async fn told(mut self) {
        // `InFlight` holds the sender, so the wait cannot fail.
        _ = self.told.changed().await;
    }
}
