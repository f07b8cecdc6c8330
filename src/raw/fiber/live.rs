//! A fiber's stack: how it gets one, and gives it back.

use std::{
    ops::Range,
    task::{Context, Poll, ready},
};

use corosensei::Coroutine;
use tokio::sync::OwnedSemaphorePermit;

use super::{Fiber, is_within};
use crate::raw::{
    Job,
    admission::{Applicant, Equipment},
    entry::{Slot, entry},
    frame::FramePtr,
    stack::FiberStack,
};

/// A stack in use.
pub(super) struct Live {
    pub(super) coroutine: Coroutine<FramePtr, (), (), FiberStack>,
    pub(super) usable: Range<usize>,
    pub(super) permit: Option<OwnedSemaphorePermit>,
    pub(super) given_up: bool,
    /// Its stack was empty when it began, and how much is used is to be found out.
    pub(super) measured: bool,
}

impl<J: Job> Fiber<J> {
    /// Gets a stack, with a coroutine that has not yet begun.
    #[inline]
    pub(super) fn begin(&mut self, is_nested: bool, cx: &mut Context<'_>) -> Poll<()> {
        assert!(
            !matches!(self.slot, Slot::Running | Slot::Done(_)),
            "fiber of service `{}` was polled after it had ended",
            self.name()
        );
        let meta = &self.account.meta;
        let is_inside = is_nested && meta.limit.is_some() && is_within(meta);
        let applicant = Applicant { meta, label: self.label, is_inside, is_nested };
        let Equipment { mut stack, permit } = ready!(self.admission.poll(applicant, &mut self.ticket, cx));
        let measured = meta.usage.is_wanted();
        if measured {
            stack.wipe();
        }
        let usable = stack.usable();
        self.open();
        self.account.begin();
        let coroutine = Coroutine::with_stack(stack, entry::<J>);
        self.live = Some(Live { coroutine, usable, permit, given_up: false, measured });
        Poll::Ready(())
    }

    /// Takes the stack back after `entry` has returned.
    #[inline]
    pub(super) fn end(&mut self) {
        let Live { coroutine, permit, measured, .. } = self.live.take().expect("only a fiber with a stack ends");
        let mut stack = coroutine.into_stack();
        let meta = &self.account.meta;
        if measured {
            meta.usage.note(stack.touched());
        }
        if meta.hygiene {
            stack.wipe();
        }
        drop(stack);
        self.account.end(self.orders.is_cancelled());
        // Last: whoever gets it finds the stack and the numbers in order.
        drop(permit);
    }
}
