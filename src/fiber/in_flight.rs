//! The calls of a layer that have begun and not ended: closing the layer, cancelling them, waiting for the last.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use super::{Event, Shared, counters::Own};
use crate::{
    raw::{fence, foreign},
    util::drop_quietly::drop_quietly,
};

/// Calls write first and then look, by the cheap side of the fence; closing, cancelling and waiting do so by the
/// expensive one.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    closed: AtomicBool,
    /// Changes when all calls are told something: see [`Epoch`].
    epoch: AtomicU64,
    /// How many wait for the end of all calls.
    watchers: AtomicUsize,
    ended: Notify,
}

/// How often all calls were cancelled, in one half, and asked to report, in the other. A call that began under other
/// numbers is meant.
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

    /// For a call that is counted already: either it sees that the layer is closed, or who closed it sees the call.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// After a call was counted as ended: it may be the last one, and those that wait for that find out.
    #[inline]
    pub(super) fn tell_end(&self) {
        fence::light();
        if self.watchers.load(Ordering::Acquire) > 0 {
            self.tell_watchers();
        }
    }

    #[cold]
    fn tell_watchers(&self) {
        drop_quietly(foreign(|| self.ended.notify_waiters()));
    }

    #[inline]
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// A thread that looks at a registry after this sees each fiber that does not see this.
    pub(super) fn cancel(&self) {
        self.epoch.fetch_add(CANCEL, Ordering::SeqCst);
    }

    /// The same for a report.
    pub(super) fn ask_for_reports(&self) {
        self.epoch.fetch_add(REPORT, Ordering::SeqCst);
    }
}

impl Shared {
    #[inline]
    pub(super) fn begin_call(&self, own: Option<Own>) {
        self.count_in(Event::Begun, own);
        fence::light();
    }

    #[inline]
    pub(super) fn end_call(&self, own: Option<Own>) {
        self.count_in(Event::Ended, own);
        self.in_flight.tell_end();
    }

    /// Waits until no call is in flight.
    pub(crate) async fn drained(&self) {
        struct Watcher<'a>(&'a InFlight);

        impl Drop for Watcher<'_> {
            fn drop(&mut self) {
                self.0.watchers.fetch_sub(1, Ordering::SeqCst);
            }
        }

        self.in_flight.watchers.fetch_add(1, Ordering::SeqCst);
        let _watcher = Watcher(&self.in_flight);
        fence::heavy();
        loop {
            let mut ended = pin!(self.in_flight.ended.notified());
            ended.as_mut().enable();
            if self.counters.in_flight() == 0 {
                return;
            }
            ended.await;
        }
    }
}
