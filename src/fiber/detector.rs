//! What a layer that detects blocking has of it: how long its fibers may run without a wait, and when that was last
//! complained about.

use std::time::{Duration, Instant};

use crate::util::rate_limit::RateLimit;

#[derive(Debug)]
pub(crate) struct DetectorSettings {
    pub(crate) threshold: Duration,
    /// Whether to find out where the thread is.
    pub(crate) backtrace: bool,
    /// Called on each thread before its first watched fiber: it starts the thread that looks.
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

    /// In nanoseconds.
    #[inline]
    pub(super) fn patience(&self) -> u64 {
        self.threshold.as_nanos() as u64
    }

    /// Whether to warn now: then, of how many stretches since the last warning nothing was said.
    pub(crate) fn speak(&self, now: Instant) -> Option<u64> {
        self.rate_limit.speak(now)
    }
}
