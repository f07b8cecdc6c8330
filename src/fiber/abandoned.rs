//! Calls whose caller has gone and that still run.

use std::{sync::Arc, time::Duration};

use super::{Event, Shared};
use crate::raw::Moment;

/// A call that goes on without its caller, counted until this is dropped.
pub(super) struct Abandoned {
    shared: Arc<Shared>,
    /// When the fiber learned that its caller has gone.
    since: Moment,
}

impl Abandoned {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.count(Event::Abandoned);
        Self { shared: Arc::clone(shared), since: Moment::now() }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.shared.count(Event::AbandonedEnded);
    }
}
