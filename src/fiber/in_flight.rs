//! The calls of a layer that have begun and not ended: closing the layer, cancelling its calls and waiting for the last
//! one.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use super::counters::EventCounters;
use crate::{
    raw::{fence, foreign},
    util::drop_quietly::drop_quietly,
};

/// Each side writes first and then reads: calls use the cheap side of the fence, while closing, cancelling and waiting
/// use the expensive side.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    closed: AtomicBool,
    /// Changes when all calls are signalled: see [`Epoch`].
    epoch: AtomicU64,
    /// How many tasks wait for the end of all calls.
    waiting: AtomicUsize,
    ended: Notify,
}

/// Counts in one half how often all calls were cancelled, in the other how often they were asked to report. A signal
/// addresses each call whose stored epoch differs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch(u64);

const CANCEL: u64 = 1;
const REPORT: u64 = 1 << 32;

impl Epoch {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn is_cancel(self, known: Self) -> bool {
        self.0 % REPORT != known.0 % REPORT
    }

    pub(super) fn is_report(self, known: Self) -> bool {
        self.0 / REPORT != known.0 / REPORT
    }
}

impl InFlight {
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        fence::heavy();
    }

    /// For a call that is already counted: either the call sees that the layer is closed, or the closing thread sees
    /// the call.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Called after a call was counted as ended. It may be the last one, so the waiting tasks are notified.
    #[inline]
    pub(super) fn tell_end(&self) {
        fence::light();
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.tell_waiters();
        }
    }

    #[cold]
    fn tell_waiters(&self) {
        drop_quietly(foreign(|| self.ended.notify_waiters()));
    }

    #[inline]
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// A thread that reads a registry after this finds each fiber that has not seen the new epoch.
    pub(super) fn cancel(&self) {
        self.epoch.fetch_add(CANCEL, Ordering::SeqCst);
    }

    /// As `cancel`, for a report.
    pub(super) fn ask_for_reports(&self) {
        self.epoch.fetch_add(REPORT, Ordering::SeqCst);
    }

    /// Waits until no call is in flight, as the layer's counters say.
    pub(super) async fn drained(&self, counters: &EventCounters) {
        struct Waiter<'a>(&'a InFlight);

        impl Drop for Waiter<'_> {
            fn drop(&mut self) {
                self.0.waiting.fetch_sub(1, Ordering::SeqCst);
            }
        }

        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiter = Waiter(self);
        fence::heavy();
        loop {
            let mut ended = pin!(self.ended.notified());
            ended.as_mut().enable();
            if counters.in_flight() == 0 {
                return;
            }
            ended.await;
        }
    }
}
