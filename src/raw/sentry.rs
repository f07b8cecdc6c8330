//! What a layer with a watch has of it: how long its fibers may run without a wait, and when that was last complained about.

use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// At most one warning of a layer in this time.
const SILENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Sentry {
    pub(crate) threshold: Duration,
    /// Whether to find out where the thread is.
    pub(crate) backtrace: bool,
    /// Called on each thread before its first watched fiber: somebody has to look.
    prepare: fn(),
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    /// Stretches that were only counted since then.
    unsaid: u64,
}

impl Sentry {
    pub(crate) fn new(threshold: Duration, backtrace: bool, prepare: fn()) -> Self {
        Self { threshold, backtrace, prepare, said: Mutex::default() }
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
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.last.is_some_and(|last| now.saturating_duration_since(last) < SILENCE) {
            said.unsaid += 1;
            return None;
        }
        let former = mem::replace(&mut *said, Said { last: Some(now), unsaid: 0 });
        Some(former.unsaid)
    }
}
