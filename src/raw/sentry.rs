//! What a layer with a watch has of it: how long its fibers may run without a wait, and when that was last complained about.

use std::time::{Duration, Instant};

use crate::pace::Pace;

#[derive(Debug)]
pub(crate) struct Sentry {
    pub(crate) threshold: Duration,
    /// Whether to find out where the thread is.
    pub(crate) backtrace: bool,
    /// Called on each thread before its first watched fiber: somebody has to look.
    prepare: fn(),
    pace: Pace,
}

impl Sentry {
    pub(crate) fn new(threshold: Duration, backtrace: bool, prepare: fn()) -> Self {
        Self { threshold, backtrace, prepare, pace: Pace::default() }
    }

    pub(super) fn prepare(&self) -> fn() {
        self.prepare
    }

    /// In nanoseconds.
    #[inline]
    pub(super) fn patience(&self) -> u64 {
        self.threshold.as_nanos() as u64
    }

    /// Whether to warn now: then, of how many stretches since the last warning nothing was said.
    pub(crate) fn speak(&self, now: Instant) -> Option<u64> {
        self.pace.speak(now)
    }
}
