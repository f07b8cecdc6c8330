//! How long each call runs and waits, for metrics.

use std::time::Instant;

use crate::fiber::CallTimes;

/// Measures one call.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) times: CallTimes,
    /// When the last stretch ended.
    left: Option<Instant>,
}

impl Measured {
    /// Called when a stretch begins. The result is for `pause`.
    pub(super) fn resume(&mut self) -> Instant {
        let resumed = Instant::now();
        if let Some(left) = self.left {
            self.times.suspended += resumed - left;
            self.times.waits += 1;
        }
        resumed
    }

    pub(super) fn pause(&mut self, resumed: Instant) {
        let left = Instant::now();
        self.times.running += left - resumed;
        self.left = Some(left);
    }
}
