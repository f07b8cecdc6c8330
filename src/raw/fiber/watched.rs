//! What a poll of a fiber has around it if its layer has a watch.

use std::task::Context;

use super::Fiber;
use crate::raw::{Job, roll::Roll};

impl<J: Job> Fiber<J> {
    /// Whether its layer has a watch.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.meta().sentry.is_some()
    }

    /// Says on this thread's post that the fiber runs, until the guard is dropped, and puts it into the roll, where whoever finds that
    /// looks for it. Before its poll.
    #[inline(never)]
    pub(crate) fn man_post(&mut self, cx: &Context<'_>) -> Option<impl Drop + use<J>> {
        // The poll says so.
        if !self.is_home() {
            return None;
        }
        self.base.reserve_id();
        if self.base.account.seat().is_none() {
            self.wait(cx);
        }
        let sentry = self.meta().sentry.as_ref()?;
        Some(Roll::here().post.man(self.base.id(), sentry.patience(), sentry.prepare()))
    }

    /// After its poll, and after the guard.
    pub(crate) fn leave_post(&mut self) {
        if self.base.home.is_none() {
            self.base.account.leave_seat();
            self.base.forget_id();
        }
    }
}
