//! A fiber's stack: how it gets one, and gives it back.

use std::{
    mem::ManuallyDrop,
    ptr::NonNull,
    task::{Context, Poll},
};

use corosensei::{Coroutine, CoroutineResult};
use tokio::sync::OwnedSemaphorePermit;

use super::{Fiber, is_within};
use crate::raw::{
    Caller, Home, Job,
    admission::{Applicant, Equipment},
    clock::Moment,
    current::{Restore, with_current},
    entry::{Ending, Slot, entry},
    frame::{Frame, FramePtr},
    stack::FiberStack,
};

type FiberCoroutine = Coroutine<FramePtr, (), (), FiberStack>;

/// A stack in use.
pub(super) struct Live {
    pub(super) coroutine: FiberCoroutine,
    pub(super) permit: Option<OwnedSemaphorePermit>,
    pub(super) given_up: bool,
    /// Its stack was empty when it began, and how much is used is to be found out.
    pub(super) measured: bool,
}

/// Runs the code of a fiber until that suspends or has returned.
#[inline]
pub(super) fn resume(coroutine: &mut FiberCoroutine, frame: &Frame) -> CoroutineResult<(), ()> {
    let _restore = Restore::new(frame.outer);
    coroutine.resume(NonNull::from(frame))
}

impl<J: Job> Fiber<J> {
    /// Runs a fiber that has no stack: it gets one first.
    #[inline]
    pub(super) fn begin(
        &mut self,
        cx: &mut Context<'_>,
        caller: Option<&(dyn Caller + 'static)>,
        ending: &mut Ending<J>,
    ) {
        if matches!(self.slot, Slot::Running) {
            self.refuse_ended();
        }
        let outer = with_current(|outer| outer.map(NonNull::from));
        let equipment = match self.admission.take_warm(self.base.meta()) {
            Some(stack) => Equipment { stack, permit: None },
            None => match self.apply(outer.is_some(), cx) {
                Poll::Ready(equipment) => equipment,
                Poll::Pending => return,
            },
        };
        let mut live = ManuallyDrop::new(self.equip(equipment));
        let frame = self.frame(cx, caller, outer, ending);
        let result = resume(&mut live.coroutine, &frame);
        let live = ManuallyDrop::into_inner(live);
        if let CoroutineResult::Return(()) = result {
            self.end(live);
            self.settle(&frame, cx, ending);
        } else {
            self.live = ManuallyDrop::new(Some(live));
            self.note_suspend(&frame, cx);
        }
    }

    /// Stands in line for what there is not at once.
    #[inline(never)]
    fn apply(&mut self, is_nested: bool, cx: &mut Context<'_>) -> Poll<Equipment> {
        let meta = &self.base.account.meta;
        let is_inside = is_nested && meta.limit.is_some() && is_within(meta);
        let applicant = Applicant { meta, label: self.base.label, is_inside, is_nested };
        self.admission.poll(applicant, cx)
    }

    #[inline]
    fn equip(&mut self, Equipment { mut stack, permit }: Equipment) -> Live {
        let measured = self.meta().usage.is_wanted();
        if measured {
            stack.wipe();
        }
        self.base.usable = stack.usable();
        self.open();
        if self.base.account.is_watched() && self.base.begun.is_none() {
            self.base.begun = Some(Moment::now());
        }
        self.base.account.begin();
        // Only now: before it has begun, a fiber can go anywhere.
        self.base.home = Some(Home::here());
        Live { coroutine: Coroutine::with_stack(stack, entry::<J>), permit, given_up: false, measured }
    }

    /// Takes the stack back after `entry` has returned.
    #[inline]
    pub(super) fn end(&mut self, Live { coroutine, permit, measured, .. }: Live) {
        let mut stack = coroutine.into_stack();
        if measured || self.meta().hygiene {
            self.look_at(&mut stack, measured);
        }
        drop(stack);
        self.base.account.end(self.orders.is_cancelled());
        // Last: whoever gets it finds the stack and the numbers in order.
        drop(permit);
    }

    #[cold]
    fn look_at(&self, stack: &mut FiberStack, measured: bool) {
        let meta = self.meta();
        if measured {
            meta.usage.note(stack.touched());
        }
        if meta.hygiene {
            stack.wipe();
        }
    }
}
