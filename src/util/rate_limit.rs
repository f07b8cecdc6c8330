//! How often the same thing is said.

use std::{
    mem,
    sync::Mutex,
    time::{Duration, Instant},
};

use super::lock::lock;

/// Warnings of one kind about one layer: one in a while, the others are counted.
#[derive(Debug, Default)]
pub(crate) struct RateLimit(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    /// How many were only counted since then.
    unsaid: u64,
}

/// At most one warning in this time.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

impl RateLimit {
    /// Whether to warn now: then, of how many since the last warning nothing was said.
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
