//! A fiber in a task of its own, which runs on a pool worker or in tokio.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
    thread,
};

use super::grace::Grace;
use crate::{
    context::InContext,
    fiber::Phase,
    raw::{Caller, Job},
    util::{drop_quietly::drop_quietly, loom::Handle},
};

/// How a fiber ended: with an outcome, or with `None`.
pub(crate) type Ended<J> = Option<thread::Result<<J as Job>::Output>>;

/// Owns the fiber, and applies the drop policy when the caller has gone.
pub(crate) struct FiberTask<J: Job> {
    /// `None` once the fiber has ended.
    fiber: Option<InContext<J>>,
    /// The caller's runtime, which the fiber sees as its own; `None` if it is the runtime of this task.
    runtime: Option<Handle>,
    grace: Grace,
}

impl<J: Job> FiberTask<J> {
    pub(crate) fn new(fiber: InContext<J>, runtime: Option<Handle>) -> Self {
        Self { fiber: Some(fiber), runtime, grace: Grace::NotSeen }
    }

    /// Ready when the fiber has ended. The fiber is counted until first the outcome has been taken or dropped, and then
    /// `self` has been dropped. The task must be woken when `caller` goes.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, caller: &(dyn Caller + 'static)) -> Poll<Ended<J>> {
        let runtime = self.runtime.take();
        let entered = runtime.as_ref().map(Handle::enter);
        let Poll::Ready(outcome) = self.poll_fiber(runtime.as_ref(), cx, caller) else {
            drop(entered);
            self.runtime = runtime;
            return Poll::Pending;
        };
        if outcome.is_none() {
            // A parked root is dropped as it was polled: with the caller's runtime entered.
            drop_quietly(self.fiber.take());
        }
        Poll::Ready(outcome)
    }

    /// Ready when the fiber is to be dropped.
    fn poll_fiber(
        &mut self,
        runtime: Option<&Handle>,
        cx: &mut Context<'_>,
        caller: &(dyn Caller + 'static),
    ) -> Poll<Ended<J>> {
        let Some(fiber) = &mut self.fiber else { return Poll::Ready(None) };
        // Only a fiber that was handed over can be away from home: another thread drives its runtime now.
        if !fiber.is_home() {
            return Poll::Ready(None);
        }
        let mut polled = false;
        loop {
            let is_alone = caller.is_gone();
            match fiber.phase() {
                Phase::GivenUp | Phase::Finished => return Poll::Ready(None),
                // As without the layer, a future that no caller awaits is dropped.
                Phase::Parked if is_alone => return Poll::Ready(None),
                Phase::Fresh if is_alone && fiber.shared().drop_policy.follows => return Poll::Ready(None),
                Phase::Fresh | Phase::Parked | Phase::Suspended => {}
            }
            let is_news = is_alone && self.grace.poll(fiber, runtime, cx);
            if polled && !is_news {
                return Poll::Pending;
            }
            polled = true;
            // A fiber that cannot begin because it gets no stack panics; that panic belongs to its caller as well.
            let mut ending = Poll::Pending;
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| fiber.poll(cx, Some(caller), &mut ending))) {
                // The fiber may have ended before the code around it panicked.
                drop_quietly(ending);
                return Poll::Ready(Some(Err(payload)));
            }
            if let Poll::Ready(outcome) = ending {
                return Poll::Ready(Some(outcome));
            }
        }
    }
}
