//! What a fiber is told and has told in a poll, and its place among those that wait.

use std::task::Context;

use super::Fiber;
use crate::{
    fiber::Shared,
    raw::{Job, Outer, Reply, Signals, foreign, with_current},
    util::drop_quietly::drop_quietly,
};

impl<J: Job> Fiber<J> {
    /// What the fiber is told by the resume that comes. The signals of a fiber around it are added to its own.
    #[inline]
    pub(super) fn signals_for_resume(&mut self, outer: &Outer<'_>) -> Signals {
        let is_told = self.shared().in_flight.epoch() != self.epoch;
        let once = if is_told { self.hear() } else { Signals::NONE };
        if let Some(outer) = outer.state() {
            let policy = &self.header.shared().drop_policy;
            self.signals |= outer.signals().for_nested(policy.follows, policy.unwinds);
        }
        self.signals | once
    }

    /// After the fiber has suspended.
    #[inline]
    pub(super) fn note_suspend(&mut self, reply: &Reply, is_nested: bool, cx: &Context<'_>) {
        if !reply.is_empty() || is_nested || self.header.is_looked_for() || self.is_shielded() {
            self.note_seen(reply, cx);
        }
    }

    /// For a fiber that has suspended and tells something, or that others may look for.
    #[inline(never)]
    pub(super) fn note_seen(&mut self, reply: &Reply, cx: &Context<'_>) {
        self.given_up = reply.has(Reply::GIVEN_UP);
        self.shielded = reply.has(Reply::SHIELDED);
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
        let (id, about) = (self.header.id(), self.header.about(self.coroutine.waits_at()));
        let call_guard = &mut self.header.call_guard;
        with_current(|outer| call_guard.wait(id, outer, is_shielded, about, cx.waker()))
    }
}
