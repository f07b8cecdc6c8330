//! Rate limit for repeated warnings.

use std::{
    mem,
    sync::Mutex,
    time::{Duration, Instant},
};

use super::lock::lock;

/// Limits warnings of one kind about one layer to one per [`SILENCE`], and counts the rest.
#[derive(Debug, Default)]
pub(crate) struct RateLimit(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    /// How many warnings were suppressed since then.
    unsaid: u64,
}

/// The minimum time between two warnings.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

impl RateLimit {
    /// `Some` if a warning is due now, with the number of warnings suppressed since the last one.
    pub(crate) fn speak(&self, now: Instant) -> Option<u64> {
        let mut said = lock(&self.0);
        if said.last.is_some_and(|last| now.saturating_duration_since(last) < SILENCE) {
            said.unsaid += 1;
            return None;
        }
        let former = mem::replace(&mut *said, Said { last: Some(now), unsaid: 0 });
        Some(former.unsaid)
    }
}
