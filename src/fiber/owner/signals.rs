//! The signals into a fiber and its reply in one poll, and its entry in the registry.

use std::task::Context;

use super::Fiber;
use crate::{
    fiber::Shared,
    raw::{Job, Outer, Reply, Signals, foreign, with_current},
    util::drop_quietly::drop_quietly,
};

impl<J: Job> Fiber<J> {
    /// The signals for the coming resume. Those of a fiber around it are added to its own.
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

    /// Called after the fiber has suspended.
    #[inline]
    pub(super) fn note_suspend(&mut self, reply: &Reply, is_nested: bool, cx: &Context<'_>) {
        if !reply.is_empty() || is_nested || self.header.is_looked_for() || self.is_shielded() {
            self.note_seen(reply, cx);
        }
    }

    /// For a suspended fiber that has replied or may be looked up.
    #[inline(never)]
    pub(super) fn note_seen(&mut self, reply: &Reply, cx: &Context<'_>) {
        self.given_up = reply.has(Reply::GIVEN_UP);
        self.shielded = reply.has(Reply::SHIELDED);
        self.wait(reply.has(Reply::SHIELDED), cx);
    }

    /// Takes in what all calls of the layer have been told. Returns the signals that hold for one resume only.
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

    /// For a call that cannot begin yet inside another fiber. If that fiber is leaked, the registry shows that this
    /// call was inside.
    #[cold]
    pub(super) fn stand_in_line(&mut self, cx: &Context<'_>) {
        self.header.reserve_id();
        // The call takes in the layer's signals when it begins. Checking them earlier would make it wake itself in each
        // poll until then.
        self.take_place(false, cx);
    }

    /// A fiber that has not begun may do so on another thread.
    #[cold]
    pub(super) fn leave_line(&mut self) {
        if self.header.home.is_none() {
            self.header.call_guard.leave_registry();
            self.header.forget_id();
        }
    }

    /// Called after a poll that leaves the fiber waiting.
    #[inline]
    pub(super) fn wait(&mut self, is_shielded: bool, cx: &Context<'_>) {
        let is_new = self.take_place(is_shielded, cx);
        // Signals to all calls reach registered fibers by a wake; a fiber that registered just now checks for itself.
        if is_new && self.shared().in_flight.epoch() != self.epoch {
            drop_quietly(foreign(|| cx.waker().wake_by_ref()));
        }
    }

    /// Adds or corrects the fiber's entry in the registry. Returns whether it is new or has changed.
    #[inline]
    fn take_place(&mut self, is_shielded: bool, cx: &Context<'_>) -> bool {
        let (id, about) = (self.header.id(), self.header.about(self.coroutine.waits_at()));
        let call_guard = &mut self.header.call_guard;
        with_current(|outer| call_guard.wait(id, outer, is_shielded, about, cx.waker()))
    }
}
