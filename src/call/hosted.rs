//! A fiber in a task of its own: on a pool worker, in a `LocalSet`, or handed over by a caller that has gone.

use std::{
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use super::departure::Departure;
use crate::{
    discard::discard,
    raw::{Caller, Event, Fiber, Job, Phase},
    settings::{Leave, OnDrop},
    sync::{Handle, oneshot},
};

type Reply<J> = oneshot::Sender<thread::Result<<J as Job>::Output>>;
type Outcome<J> = oneshot::Receiver<thread::Result<<J as Job>::Output>>;

impl<T: 'static> Caller for oneshot::Sender<T> {
    fn is_gone(&self) -> bool {
        self.is_closed()
    }
}

/// Owns the fiber, sends its outcome to the caller, and does what the drop policy says when the caller has gone.
pub(crate) struct Hosted<J: Job> {
    /// Gone when the task has ended.
    fiber: Option<Fiber<J>>,
    /// `None` without a caller.
    reply: Option<Reply<J>>,
    /// The caller's runtime, which the fiber sees as its own; `None` if it is that of this task.
    runtime: Option<Handle>,
    departure: Departure,
    leave: Leave,
    /// The fiber had another task before.
    is_hand_over: bool,
}

impl<J: Job> Unpin for Hosted<J> {}

impl<J: Job> Hosted<J> {
    pub(crate) fn new(fiber: Fiber<J>, leave: Leave, runtime: Option<Handle>) -> (Self, Outcome<J>) {
        let (reply, outcome) = oneshot::channel();
        (Self { reply: Some(reply), is_hand_over: false, ..Self::alone(fiber, leave, runtime) }, outcome)
    }

    /// For a fiber whose caller has gone.
    pub(crate) fn alone(fiber: Fiber<J>, leave: Leave, runtime: Option<Handle>) -> Self {
        let departure = Departure::NotSeen;
        Self { fiber: Some(fiber), reply: None, runtime, departure, leave, is_hand_over: true }
    }

    /// Ready when the fiber is to be dropped.
    fn poll_fiber(&mut self, runtime: Option<&Handle>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(fiber) = &mut self.fiber else { return Poll::Ready(()) };
        // Only a hand-over can meet this: its runtime is driven by another thread now.
        if !fiber.is_home() {
            return Poll::Ready(());
        }
        if mem::take(&mut self.is_hand_over) {
            fiber.meta().tally.count(Event::HandedOver);
        }
        let mut polled = false;
        loop {
            let is_alone = is_alone(&mut self.reply, cx);
            match fiber.phase() {
                Phase::GivenUp | Phase::Finished => return Poll::Ready(()),
                // As without the layer: a future that nobody awaits is dropped.
                Phase::Parked if is_alone => return Poll::Ready(()),
                Phase::Fresh if is_alone && self.leave.on_drop != OnDrop::Finish => return Poll::Ready(()),
                Phase::Fresh | Phase::Parked | Phase::Suspended => {}
            }
            let is_news = is_alone && self.departure.poll(fiber, self.leave, runtime, cx);
            if polled && !is_news {
                return Poll::Pending;
            }
            polled = true;
            let caller = self.reply.as_ref().map(|reply| reply as _);
            // A fiber that cannot begin (no stack) panics; that belongs to its caller as well.
            let poll =
                catch_unwind(AssertUnwindSafe(|| fiber.poll(cx, caller))).unwrap_or_else(|e| Poll::Ready(Err(e)));
            if let Poll::Ready(outcome) = poll {
                match self.reply.take() {
                    Some(reply) => discard(reply.send(outcome)),
                    None => discard(outcome),
                }
                return Poll::Ready(());
            }
        }
    }
}

impl<J: Job> Future for Hosted<J> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let runtime = self.runtime.take();
        let entered = runtime.as_ref().map(Handle::enter);
        if self.poll_fiber(runtime.as_ref(), cx).is_pending() {
            drop(entered);
            self.runtime = runtime;
            return Poll::Pending;
        }
        // A parked root is dropped with the caller's runtime entered, as it was polled.
        discard(self.fiber.take());
        Poll::Ready(())
    }
}

/// Whether the caller has gone; if not, the task is woken when it goes.
fn is_alone<T>(reply: &mut Option<oneshot::Sender<T>>, cx: &mut Context<'_>) -> bool {
    reply.as_mut().is_none_or(|reply| reply.poll_closed(cx).is_ready())
}
