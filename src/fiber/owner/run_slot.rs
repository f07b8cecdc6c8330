//! Additional steps of a poll if the fiber's layer detects blocking.

use std::task::Context;

use super::Fiber;
use crate::{
    fiber::Registry,
    raw::{Job, with_current},
};

impl<J: Job> Fiber<J> {
    /// Whether its layer detects blocking.
    #[inline]
    pub(crate) fn detects_blocking(&self) -> bool {
        self.shared().detector.is_some()
    }

    /// Polls the fiber in its thread's run slot, if its layer detects blocking.
    #[inline]
    pub(crate) fn in_run_slot<R>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Self, &mut Context<'_>) -> R,
    ) -> R {
        let guard = self.detects_blocking().then(|| self.enter_run_slot(cx));
        let result = poll(self, cx);
        if guard.is_some() {
            drop(guard);
            self.leave_run_slot();
        }
        result
    }

    /// Marks the fiber as running in this thread's run slot until the guard is dropped, and registers it so that the
    /// detector can look it up. Called before the poll.
    #[inline(never)]
    fn enter_run_slot(&mut self, cx: &Context<'_>) -> Option<impl Drop + use<J>> {
        // The poll reports that.
        if !self.is_home() {
            return None;
        }
        self.leave_line();
        self.header.reserve_id();
        if self.header.call_guard.registration().is_none() {
            self.wait(false, cx);
        }
        let detector = self.shared().detector.as_ref()?;
        Some(Registry::here().run_slot.enter(self.header.id().number(), detector.patience(), detector.prepare()))
    }

    /// Called after the poll and after the guard was dropped.
    fn leave_run_slot(&mut self) {
        // A call in line inside another fiber keeps its registration.
        if with_current(|outer| outer.is_none()) {
            self.leave_line();
        }
    }
}
