//! A fiber's stack: how it gets one, and gives it back.

use std::{
    mem::ManuallyDrop,
    task::{Context, Poll, ready},
};

use corosensei::Coroutine;
use tokio::sync::OwnedSemaphorePermit;

use super::{Fiber, is_within};
use crate::raw::{
    Job,
    admission::{Applicant, Equipment},
    clock::Moment,
    entry::entry,
    frame::FramePtr,
    stack::FiberStack,
};

/// A stack in use.
pub(super) struct Live {
    pub(super) coroutine: Coroutine<FramePtr, (), (), FiberStack>,
    pub(super) permit: Option<OwnedSemaphorePermit>,
    pub(super) given_up: bool,
    /// Its stack was empty when it began, and how much is used is to be found out.
    pub(super) measured: bool,
}

impl<J: Job> Fiber<J> {
    /// Gets a stack, with a coroutine that has not yet begun.
    #[inline]
    pub(super) fn begin(&mut self, is_nested: bool, cx: &mut Context<'_>) -> Poll<()> {
        let equipment = match self.admission.take_warm(self.base.meta()) {
            Some(stack) => Equipment { stack, permit: None },
            None => ready!(self.apply(is_nested, cx)),
        };
        self.equip(equipment);
        Poll::Ready(())
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
    fn equip(&mut self, Equipment { mut stack, permit }: Equipment) {
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
        let coroutine = Coroutine::with_stack(stack, entry::<J>);
        // There was none.
        self.live = ManuallyDrop::new(Some(Live { coroutine, permit, given_up: false, measured }));
    }

    /// Takes the stack back after `entry` has returned.
    #[inline]
    pub(super) fn end(&mut self) {
        let Live { coroutine, permit, measured, .. } = self.live.take().expect("only a fiber with a stack ends");
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
