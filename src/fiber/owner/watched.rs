//! What a poll of a fiber has around it if its layer detects blocking.

use std::task::Context;

use super::Fiber;
use crate::{
    fiber::Registry,
    raw::{Job, with_current},
};

impl<J: Job> Fiber<J> {
    /// Whether its layer detects blocking.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.shared().detector.is_some()
    }

    /// Says in this thread's run slot that the fiber runs, until the guard is dropped, and registers the fiber, so that
    /// the detector can look it up. Called before its poll.
    #[inline(never)]
    pub(crate) fn enter_run_slot(&mut self, cx: &Context<'_>) -> Option<impl Drop + use<J>> {
        // The poll says so.
        if !self.is_home() {
            return None;
        }
        self.leave_line();
        self.header.reserve_id();
        if self.header.call_guard.registration().is_none() {
            self.wait(false, cx);
        }
        let detector = self.shared().detector.as_ref()?;
        Some(Registry::here().run_slot.enter(self.header.id(), detector.patience(), detector.prepare()))
    }

    /// After its poll, and after the guard.
    pub(crate) fn leave_run_slot(&mut self) {
        // In line inside a fiber it keeps its registration.
        if with_current(|outer| outer.is_none()) {
            self.leave_line();
        }
    }
}
