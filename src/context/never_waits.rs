//! Calls that take long and never wait: code that still blocks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::scope::Scope;
use crate::{
    fiber::{Event, Shared},
    util::{drop_quietly::FirstPanic, rate_limit::RateLimit},
};

/// What a layer says about such calls.
#[derive(Debug)]
pub(super) struct RequireAwait {
    /// From how long on.
    limit: Duration,
    rate_limit: RateLimit,
}

impl RequireAwait {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, rate_limit: RateLimit::default() }
    }

    pub(super) fn attend(self: Arc<Self>, shared: &Arc<Shared>, label: &'static str) -> Box<dyn Scope> {
        Box::new(Observed { rule: self, shared: Arc::clone(shared), label, stretches: 0, took: Duration::ZERO })
    }

    fn report(&self, shared: &Shared, label: &str, took: Duration) {
        shared.count(Event::NeverWaited);
        let Some(unsaid) = self.rate_limit.speak(Instant::now()) else { return };
        #[cfg(feature = "tracing")]
        tracing::warn!(
            service = shared.name_or(label),
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
    shared: Arc<Shared>,
    label: &'static str,
    stretches: u32,
    /// The first stretch.
    took: Duration,
}

impl Scope for Observed {
    fn begin(&mut self) {}

    fn around(&mut self, panics: &mut FirstPanic, run: &mut dyn FnMut(&mut FirstPanic)) {
        self.stretches = self.stretches.saturating_add(1);
        if self.stretches > 1 {
            return run(panics);
        }
        let begun = Instant::now();
        run(panics);
        self.took = begun.elapsed();
    }

    fn end(&mut self) {
        if self.stretches == 1 && self.took >= self.rule.limit {
            self.rule.report(&self.shared, self.label, self.took);
        }
    }
}
