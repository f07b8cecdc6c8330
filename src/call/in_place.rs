//! A fiber inside its caller's own task.

use std::{
    task::{Context, Poll},
    thread,
};

use super::{SendJob, host::Host};
use crate::{
    raw::{Fiber, Phase},
    settings::OnDrop,
};

/// Hands the fiber over when it is dropped while it waits.
pub(crate) struct InPlace<J: SendJob> {
    /// Gone only after `drop`.
    fiber: Option<Fiber<J>>,
    /// Known since the first poll that did not end the fiber.
    host: Option<Host>,
    on_drop: OnDrop,
}

impl<J: SendJob> InPlace<J> {
    pub(crate) fn new(fiber: Fiber<J>, on_drop: OnDrop) -> Self {
        Self { fiber: Some(fiber), host: None, on_drop }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<thread::Result<J::Output>> {
        let fiber = self.fiber.as_mut().expect("only `drop` takes the fiber");
        let poll = fiber.poll(cx);
        if poll.is_pending() && self.host.is_none() {
            self.host = Some(Host::here());
        }
        poll
    }
}

impl<J: SendJob> Drop for InPlace<J> {
    fn drop(&mut self) {
        let Some(fiber) = self.fiber.take() else { return };
        let goes_on = match fiber.phase() {
            Phase::Suspended => true,
            // At home it is dropped here and now, as without the layer.
            Phase::Parked => !fiber.is_home(),
            Phase::Fresh | Phase::GivenUp | Phase::Finished => false,
        };
        if goes_on {
            self.host.take().unwrap_or(Host::Nobody).take_over(fiber, self.on_drop);
        }
    }
}
