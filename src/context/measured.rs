//! How long each call runs and waits, for metrics.

use crate::{fiber::CallTimes, raw::nanos};

/// Measures one call.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) times: CallTimes,
    /// When the last stretch ended.
    left: Option<u64>,
}

impl Measured {
    /// Called when a stretch begins. The result is for `pause`.
    #[inline]
    pub(super) fn resume(&mut self) -> u64 {
        let resumed = nanos();
        if let Some(left) = self.left {
            self.times.suspended += resumed.saturating_sub(left);
            self.times.waits += 1;
        }
        resumed
    }

    #[inline]
    pub(super) fn pause(&mut self, resumed: u64) {
        let left = nanos();
        self.times.running += left.saturating_sub(resumed);
        self.left = Some(left);
    }
}
