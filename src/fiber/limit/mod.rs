//! Limits how many fibers of one layer exist at once, and orders the calls that wait for permits.
//!
//! A permit belongs to a fiber that has a stack. A *reservation* is the claim to a permit that readiness gives: it
//! holds back new calls, but never a call under way, for which other calls may be waiting. So only fibers hold permits,
//! and fibers end.

mod at_once;
mod line;
mod permit;
mod place;

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

use self::line::Line;
pub(super) use self::{line::Rank, permit::Permit, place::Place};
use crate::util::lock::lock;

#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) max: usize,
    line: Mutex<Line>,
    /// Whether a call has had to wait since a call last found room.
    is_reached: AtomicBool,
    /// Whether it was said that calls without callers take up most of it.
    is_abandoned: AtomicBool,
}

impl Limit {
    pub(crate) fn new(max: usize) -> Self {
        let [is_reached, is_abandoned] = [false; 2].map(AtomicBool::new);
        Self { max, line: Mutex::default(), is_reached, is_abandoned }
    }

    #[inline]
    fn line(&self) -> MutexGuard<'_, Line> {
        lock(&self.line)
    }

    /// Changes the line so that calls may go on, and wakes those.
    #[inline]
    fn change<R>(&self, f: impl FnOnce(&mut Line) -> R) -> R {
        let mut line = self.line();
        let result = f(&mut line);
        if !line.asleep.is_empty() {
            let wakers = line.wakers(self.max, true);
            drop(line);
            wakers.wake();
        }
        result
    }

    /// Records whether a new call found room.
    fn note(&self, has_room: bool, name: &str) {
        if self.is_reached.load(Ordering::Relaxed) != has_room {
            return;
        }
        self.is_reached.store(!has_room, Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        if !has_room {
            tracing::warn!(
                service = name,
                max_fibers = self.max,
                "the limit is reached, and calls wait until a fiber has ended: raise `max_fibers`, or refuse calls by LoadShed \
                 directly outside of the layer [TF28]"
            );
        }
        #[cfg(not(feature = "tracing"))]
        let _ = name;
    }
}

impl Limit {
    /// Warns once an episode if more than half of the fibers that may exist have no caller any more. The episode ends
    /// when a quarter has none.
    pub(in crate::fiber) fn note_abandoned(&self, abandoned: u64, name: &str) {
        let max = self.max as u64;
        if abandoned.saturating_mul(4) <= max {
            self.is_abandoned.store(false, Ordering::Relaxed);
        }
        if abandoned.saturating_mul(2) <= max || self.is_abandoned.swap(true, Ordering::Relaxed) {
            return;
        }
        #[cfg(feature = "tracing")]
        tracing::warn!(
            service = name,
            max_fibers = self.max,
            abandoned,
            "more than half of the limit is taken by calls whose callers have gone, and new calls will wait for \
             those: give their waits time-outs, or let them end by `OnDrop::Cancel` [TF47]"
        );
        #[cfg(not(feature = "tracing"))]
        let _ = name;
    }
}
