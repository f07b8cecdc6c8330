//! A fiber inside its caller's own task.

use std::{
    task::{Context, Poll},
    thread,
};

use super::{SendJob, host::Host};
use crate::{context::InContext, raw::Phase};

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
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<thread::Result<J::Output>> {
        let poll = self.fiber.poll(cx, None);
        if poll.is_ready() {
            self.fiber.close();
        } else if self.host.is_none() {
            self.host = Some(Host::here());
        }
        poll
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
