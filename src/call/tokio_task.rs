//! A fiber in a tokio task: one of a `LocalSet`, or one that took the fiber over when its caller went.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::hosted::{Ended, Hosted};
use crate::{
    raw::{Caller, Job},
    util::{drop_quietly::drop_quietly, loom::oneshot},
};

/// Sends the outcome to the caller, if it has not gone.
pub(crate) struct TokioTask<J: Job> {
    hosted: Hosted<J>,
    reply: Option<oneshot::Sender<Ended<J>>>,
}

impl<J: Job> TokioTask<J> {
    pub(crate) fn new(hosted: Hosted<J>) -> (Self, oneshot::Receiver<Ended<J>>) {
        let (reply, outcome) = oneshot::channel();
        (Self { hosted, reply: Some(reply) }, outcome)
    }

    /// For a fiber whose caller has gone.
    pub(crate) fn alone(hosted: Hosted<J>) -> Self {
        Self { hosted, reply: None }
    }
}

impl<J: Job> Unpin for TokioTask<J> {}

impl<J: Job> Future for TokioTask<J> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { hosted, reply } = &mut *self;
        let Some(sender) = reply else { return hosted.poll(cx, &Gone).map(drop_quietly) };
        // Has the task woken when the caller goes.
        _ = sender.poll_closed(cx);
        let outcome = ready!(hosted.poll(cx, sender));
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
