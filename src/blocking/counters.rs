//! [`BlockingCounters`].

/// The counters of one [`BlockingLayer`](crate::BlockingLayer).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockingCounters {
    /// Calls that hold a thread now.
    pub live: u64,
    /// Calls that wait for a thread of the runtime now. Those that wait at the layer's own limit are not counted.
    pub queued: u64,
    /// Calls that ended after being cancelled, since the layer was made.
    pub cancelled: u64,
}
