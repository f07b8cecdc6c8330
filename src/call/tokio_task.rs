//! A fiber in a tokio task: one of a `LocalSet`, or one that took the fiber over when its caller went.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::fiber_task::{Ended, FiberTask};
use crate::{
    raw::{Caller, Job},
    util::{drop_quietly::drop_quietly, loom::oneshot},
};

/// Sends the outcome to the caller, if it has not gone.
pub(crate) struct TokioTask<J: Job> {
    fiber: FiberTask<J>,
    reply: Option<oneshot::Sender<Ended<J>>>,
}

impl<J: Job> TokioTask<J> {
    pub(crate) fn new(fiber: FiberTask<J>) -> (Self, oneshot::Receiver<Ended<J>>) {
        let (reply, outcome) = oneshot::channel();
        (Self { fiber, reply: Some(reply) }, outcome)
    }

    /// For a fiber whose caller has gone.
    pub(crate) fn alone(fiber: FiberTask<J>) -> Self {
        Self { fiber, reply: None }
    }
}

impl<J: Job> Unpin for TokioTask<J> {}

impl<J: Job> Future for TokioTask<J> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { fiber, reply } = &mut *self;
        let Some(sender) = reply else { return fiber.poll(cx, &Gone).map(drop_quietly) };
        // Registers the task, so that it is woken when the caller goes.
        _ = sender.poll_closed(cx);
        let outcome = ready!(fiber.poll(cx, sender));
        if let Some(sender) = reply.take() {
            drop_quietly(sender.send(outcome));
        }
        Poll::Ready(())
    }
}

impl<T: 'static> Caller for oneshot::Sender<T> {
    fn is_gone(&self) -> bool {
        self.is_closed()
    }
}

/// A caller that has gone.
struct Gone;

impl Caller for Gone {
    fn is_gone(&self) -> bool {
        true
    }
}
