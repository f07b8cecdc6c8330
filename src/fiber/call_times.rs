//! What a call has taken.

/// How long a call has run and been suspended, in nanoseconds, and how often it has waited.
#[derive(Default)]
pub(crate) struct CallTimes {
    pub(crate) running: u64,
    pub(crate) suspended: u64,
    pub(crate) waits: u64,
}
