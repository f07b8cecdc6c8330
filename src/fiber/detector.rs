//! A layer's settings for detecting fibers that block their thread: how long they may run without a wait, and when the
//! last warning was logged.

use std::time::{Duration, Instant};

use crate::util::rate_limit::RateLimit;

#[derive(Debug)]
pub(crate) struct DetectorSettings {
    pub(crate) threshold: Duration,
    /// Whether to take a backtrace of the blocked thread.
    pub(crate) backtrace: bool,
    /// Called on each thread before its first watched fiber; starts the watching thread.
    prepare: fn(),
    rate_limit: RateLimit,
}

impl DetectorSettings {
    pub(crate) fn new(threshold: Duration, backtrace: bool, prepare: fn()) -> Self {
        Self { threshold, backtrace, prepare, rate_limit: RateLimit::default() }
    }

    pub(super) fn prepare(&self) -> fn() {
        self.prepare
    }

    /// The threshold in nanoseconds.
    #[inline]
    pub(super) fn patience(&self) -> u64 {
        self.threshold.as_nanos() as u64
    }

    /// `Some` if a warning is due now, with the number of stretches since the last warning that were not reported.
    pub(crate) fn speak(&self, now: Instant) -> Option<u64> {
        self.rate_limit.speak(now)
    }
}
