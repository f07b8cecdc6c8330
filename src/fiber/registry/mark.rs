//! A fiber's mark that its caller has gone.

use std::sync::Arc;

use super::Registry;
use crate::fiber::{FiberId, Shared, abandoned::Abandoned};

/// The fiber's share. Dropped with a fiber that has not ended.
pub(in crate::fiber) struct Mark {
    fiber: FiberId,
    registry: &'static Registry,
}

impl Mark {
    /// At the fiber's home.
    pub(in crate::fiber) fn new(fiber: FiberId, shared: &Arc<Shared>) -> Self {
        let abandoned = Abandoned::new(shared);
        let registry = Registry::here();
        registry.add_abandoned(fiber, abandoned);
        Self { fiber, registry }
    }

    /// Called when the fiber returns its stack. Only the first time counts.
    pub(in crate::fiber) fn end(&self) {
        self.registry.end_abandoned(self.fiber);
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.end();
    }
}
