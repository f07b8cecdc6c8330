//! Calls that take long and never wait: code that still blocks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::attendant::Attendant;
use crate::{
    pace::Pace,
    raw::{Event, Meta},
};

/// What a layer says about such calls.
#[derive(Debug)]
pub(super) struct RequireAwait {
    /// From how long on.
    limit: Duration,
    pace: Pace,
}

impl RequireAwait {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, pace: Pace::default() }
    }

    pub(super) fn attend(self: Arc<Self>, meta: &Arc<Meta>, label: &'static str) -> Box<dyn Attendant> {
        Box::new(Observed { rule: self, meta: Arc::clone(meta), label, stretches: 0, took: Duration::ZERO })
    }

    fn report(&self, meta: &Meta, label: &str, took: Duration) {
        meta.count(Event::NeverWaited);
        let Some(unsaid) = self.pace.speak(Instant::now()) else { return };
        #[cfg(feature = "tracing")]
        tracing::warn!(
            service = meta.name_or(label),
            unsaid,
            "a call took {} ms and never waited, so that nothing else ran on its thread: let it wait by await_in_fiber, or move what \
             computes or blocks into `offload`",
            took.as_millis()
        );
        #[cfg(not(feature = "tracing"))]
        let _ = (label, took, unsaid);
    }
}

struct Observed {
    rule: Arc<RequireAwait>,
    meta: Arc<Meta>,
    label: &'static str,
    stretches: u32,
    /// The first stretch.
    took: Duration,
}

impl Attendant for Observed {
    fn begin(&mut self) {}

    fn around(&mut self, run: &mut dyn FnMut()) {
        self.stretches = self.stretches.saturating_add(1);
        if self.stretches > 1 {
            return run();
        }
        let begun = Instant::now();
        run();
        self.took = begun.elapsed();
    }

    fn end(&mut self) {
        if self.stretches == 1 && self.took >= self.rule.limit {
            self.rule.report(&self.meta, self.label, self.took);
        }
    }
}
