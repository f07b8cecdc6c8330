//! Calls whose caller has gone and that still run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{Event, FiberId, Registry, Shared};
use crate::raw::Moment;

/// A call that goes on without its caller, counted until its fiber has ended.
pub(super) struct Abandoned {
    fiber: FiberId,
    registry: &'static Registry,
    shared: Arc<Shared>,
    /// When the fiber learned that its caller has gone.
    since: Moment,
    has_ended: AtomicBool,
}

impl Abandoned {
    /// At the fiber's home.
    pub(super) fn new(fiber: FiberId, shared: &Arc<Shared>) -> Arc<Self> {
        shared.count(Event::Abandoned);
        let (registry, shared) = (Registry::here(), Arc::clone(shared));
        let this = Arc::new(Self { fiber, registry, shared, since: Moment::now(), has_ended: AtomicBool::new(false) });
        registry.add_abandoned(fiber, Arc::clone(&this));
        this
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Called when the fiber returns its stack, or is leaked with the one around it. Only the first time counts.
    pub(super) fn end(&self) {
        if !self.has_ended.swap(true, Ordering::Relaxed) {
            self.registry.remove_abandoned(self.fiber);
            self.shared.count(Event::AbandonedEnded);
        }
    }
}

/// The fiber's share. Dropped with a fiber that has not ended.
pub(super) struct Mark(pub(super) Arc<Abandoned>);

impl Drop for Mark {
    fn drop(&mut self) {
        self.0.end();
    }
}
