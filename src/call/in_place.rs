//! A fiber inside its caller's own task.

use std::task::{Context, Waker};

use super::{jobs::SendJob, successor::Successor};
use crate::{context::InContext, fiber::Phase, raw::Ending, util::seldom::Seldom};

pub(crate) struct InPlace<J: SendJob> {
    pub(super) fiber: InContext<J>,
    /// Set after the first poll that does not end the fiber.
    successor: Seldom<Successor>,
}

impl<J: SendJob> InPlace<J> {
    pub(crate) fn new(fiber: InContext<J>) -> Self {
        Self { fiber, successor: Seldom::new(None) }
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, ending: &mut Ending<J>) {
        self.fiber.poll(cx, None, ending);
        if ending.is_ready() {
            self.fiber.close();
        } else {
            self.wait(cx.waker());
        }
    }

    /// Notes the successor after a plain poll, with this waker, that did not end the fiber.
    #[inline]
    pub(super) fn wait_after_plain(&mut self, waker: &Waker) {
        self.successor.get_or_insert_with(|| Successor::known(waker));
    }

    /// Notes the successor after a poll, with this waker, that did not end the fiber.
    #[inline]
    fn wait(&mut self, waker: &Waker) {
        self.successor.get_or_insert_with(|| Successor::here(waker));
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.fiber.is_given_up()
    }

    /// Whether the fiber must go on when its caller goes.
    #[inline]
    pub(crate) fn goes_on(&self) -> bool {
        match self.fiber.phase() {
            Phase::Suspended => true,
            // At home the root is dropped right here, as without the layer.
            Phase::Parked => !self.fiber.is_home(),
            Phase::Fresh | Phase::GivenUp | Phase::Finished => false,
        }
    }

    /// Hands over a fiber that waits when its caller goes.
    #[cold]
    pub(crate) fn hand_over(mut self) {
        self.fiber.come_out();
        // A poll that panicked returned without noting the successor.
        let successor = self
            .successor
            .take()
            .unwrap_or_else(|| if self.fiber.is_home() { Successor::here(Waker::noop()) } else { Successor::Nobody });
        successor.take_over(self.fiber);
    }
}
