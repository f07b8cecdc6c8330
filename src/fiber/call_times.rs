//! What a call has taken.

use std::time::Duration;

/// How long a call has run and been suspended, and how often it has waited.
#[derive(Default)]
pub(crate) struct CallTimes {
    pub(crate) running: Duration,
    pub(crate) suspended: Duration,
    pub(crate) waits: u64,
}
