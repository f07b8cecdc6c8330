//! Fibers that are dropped where they cannot be ended.

use std::{
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::Fiber;
use crate::{
    discard::discard,
    raw::{Job, entry::Slot},
};

impl<J: Job> Fiber<J> {
    /// Drops what most fibers do not have when they are dropped.
    #[cold]
    pub(super) fn drop_rest(&mut self) {
        let locals = self.base.locals.take();
        if self.live.is_some() {
            // By invariant 2 forgetting its stack is sound.
            let _leaked = ManuallyDrop::new(locals);
            self.leak("a suspended fiber");
        } else if !self.is_home() {
            let _leaked = ManuallyDrop::new(locals);
            if matches!(self.slot, Slot::Parked(_)) {
                let _leaked = ManuallyDrop::new(mem::replace(&mut self.slot, Slot::Running));
                self.leak("a parked future");
            }
        } else {
            // Before the locals, as frames are.
            drop(mem::replace(&mut self.slot, Slot::Running));
        }
        // After it was counted: both wake tasks, whose wakers are anybody's code.
        drop(self.base.gone.take());
        drop(mem::take(&mut *self.admission));
    }

    /// Counts a fiber or root that is never touched again.
    #[cold]
    fn leak(&mut self, what: &str) {
        // Most often in a `Drop`, which must not panic because a subscriber does: in a thread that ends, its thread-locals may
        // be gone.
        discard(catch_unwind(AssertUnwindSafe(|| self.report_leak(what))));
        self.base.account.leak(self.has_nested);
    }

    fn report_leak(&self, what: &str) {
        #[cfg(feature = "tracing")]
        tracing::warn!(service = self.name(), "leaked {what}: it was dropped where it cannot be ended");
        #[cfg(not(feature = "tracing"))]
        let _ = what;
    }
}
