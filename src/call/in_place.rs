//! A fiber inside its caller's own task.

use std::task::Context;

use super::{SendJob, host::Host};
use crate::{
    context::InContext,
    raw::{Ending, Phase},
};

pub(crate) struct InPlace<J: SendJob> {
    pub(super) fiber: InContext<J>,
    /// Known since the first poll that did not end the fiber.
    host: Option<Host>,
}

impl<J: SendJob> InPlace<J> {
    pub(crate) fn new(fiber: InContext<J>) -> Self {
        Self { fiber, host: None }
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, ending: &mut Ending<J>) {
        self.fiber.poll(cx, None, ending);
        if ending.is_ready() {
            self.fiber.close();
        } else {
            self.wait();
        }
    }

    /// The first poll of one that is not yet in the books; see [`Fiber::poll_bare`](crate::raw::Fiber::poll_bare).
    #[inline]
    pub(crate) fn poll_bare(&mut self, cx: &Context<'_>, ending: &mut Ending<J>) -> bool {
        let has_begun = self.fiber.poll_bare(cx, ending);
        if has_begun && ending.is_pending() {
            self.wait();
        }
        has_begun
    }

    /// After a poll that did not end the fiber.
    #[inline]
    pub(super) fn wait(&mut self) {
        if self.host.is_none() {
            self.host = Some(Host::here());
        }
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.fiber.is_given_up()
    }

    /// Whether the fiber has to go on when its caller goes.
    #[inline]
    pub(crate) fn goes_on(&self) -> bool {
        match self.fiber.phase() {
            Phase::Suspended => true,
            // At home it is dropped here and now, as without the layer.
            Phase::Parked => !self.fiber.is_home(),
            Phase::Fresh | Phase::GivenUp | Phase::Finished => false,
        }
    }

    /// Hands the fiber over when its caller goes while it waits.
    #[cold]
    pub(crate) fn hand_over(self) {
        self.host.unwrap_or(Host::Nobody).take_over(self.fiber);
    }
}
