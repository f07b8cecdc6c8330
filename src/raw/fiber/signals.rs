//! What a fiber is told and has told in a poll, and its place among those that wait.

use std::{ptr::NonNull, task::Context};

use super::Fiber;
use crate::{
    raw::{
        Caller, Job, Shared,
        foreign::foreign,
        frame::{Frame, Reply, Signals},
        with_current,
    },
    util::drop_quietly::drop_quietly,
};

impl<J: Job> Fiber<J> {
    /// Adds the signals of the fiber around this one, and finds whom to ask for the caller.
    #[inline]
    pub(super) fn listen(
        &mut self,
        mut caller: Option<NonNull<dyn Caller>>,
        is_nested: bool,
    ) -> Option<NonNull<dyn Caller>> {
        if is_nested {
            with_current(|outer| {
                let outer = outer.expect("there is a fiber around");
                self.signals |= outer.signals().for_nested(self.header.shared().drop_policy);
                caller = caller.or(outer.frame().caller);
            });
        }
        caller
    }

    /// After the fiber has suspended.
    #[inline]
    pub(super) fn note_suspend(&mut self, frame: &Frame, cx: &Context<'_>) {
        if !frame.reply.is_empty() || frame.outer.is_some() || self.header.is_looked_for() || self.is_shielded() {
            self.note_seen(&frame.reply, cx);
        }
    }

    /// For a fiber that has suspended and tells something, or that others may look for.
    #[inline(never)]
    pub(super) fn note_seen(&mut self, reply: &Reply, cx: &Context<'_>) {
        if let Some(live) = &mut self.live {
            live.given_up = reply.has(Reply::GIVEN_UP);
            live.shielded = reply.has(Reply::SHIELDED);
        }
        self.wait(reply.has(Reply::SHIELDED), cx);
    }

    /// Finds out what all calls of the layer have been told. Returns what goes for one resume.
    #[cold]
    pub(super) fn hear(&mut self) -> Signals {
        let Shared { drop_policy, in_flight, .. } = self.header.shared();
        let epoch = in_flight.epoch();
        if epoch.is_cancel(self.epoch) {
            self.signals |= Signals::cancel(drop_policy.unwinds);
        }
        let once = if epoch.is_report(self.epoch) { Signals::REPORT } else { Signals::NONE };
        self.epoch = epoch;
        once
    }

    /// For a call that does not begin yet inside another fiber: if that is leaked, it is found with it.
    #[cold]
    pub(super) fn stand_in_line(&mut self, cx: &Context<'_>) {
        self.header.reserve_id();
        // What the calls of its layer are told meanwhile it hears when it begins. Until then it would wake itself for
        // that in each poll.
        self.take_place(false, cx);
    }

    /// One that has not begun may do so on another thread.
    #[cold]
    pub(super) fn leave_line(&mut self) {
        if self.header.home.is_none() {
            self.header.call_guard.leave_registry();
            self.header.forget_id();
        }
    }

    /// After a poll that leaves it to wait.
    #[inline]
    pub(super) fn wait(&mut self, is_shielded: bool, cx: &Context<'_>) {
        let is_new = self.take_place(is_shielded, cx);
        // All calls are told something by waking those that have a place; one that just took it looks itself.
        if is_new && self.shared().in_flight.epoch() != self.epoch {
            drop_quietly(foreign(|| cx.waker().wake_by_ref()));
        }
    }

    /// Takes or corrects the fiber's place among those that wait. Whether it had none.
    #[inline]
    fn take_place(&mut self, is_shielded: bool, cx: &Context<'_>) -> bool {
        let (id, about) = (self.header.id(), self.header.about());
        let call_guard = &mut self.header.call_guard;
        with_current(|outer| call_guard.wait(id, outer, is_shielded, about, cx.waker()))
    }
}
