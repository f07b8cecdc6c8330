//! How a fiber gets a stack and gives it back.

use std::{
    mem::ManuallyDrop,
    task::{Context, Poll},
};

use super::Fiber;
use crate::{
    fiber::{
        admission::{Resources, StackRequest},
        counters::Own,
    },
    raw::{Asks, Caller, Ending, FiberStack, Home, Job, Lent, Moment, Outer, Ran, Signals, Slot, with_outer},
};

/// Marks the unusual path for the compiler, which would otherwise take the usual one for the rarest and not inline the
/// switch.
#[cold]
#[inline(never)]
fn not_plain() -> Option<Poll<()>> {
    None
}

impl<J: Job> Fiber<J> {
    /// The fast path of most calls, which begin where they were made and need only a stack. Counts and polls a fresh
    /// fiber, and ends its call if the fiber ends. `None` if the call needs more: the fiber has then not been polled,
    /// but may have been counted. `ending` must be `Pending`; the result says whether it is ready.
    #[inline]
    pub(crate) fn poll_plain(&mut self, cx: &Context<'_>, ending: &mut Ending<J>) -> Option<Poll<()>> {
        with_outer(|outer| self.poll_plain_inside(outer, cx, ending))
    }

    #[inline(always)]
    fn poll_plain_inside(&mut self, outer: &Outer<'_>, cx: &Context<'_>, ending: &mut Ending<J>) -> Option<Poll<()>> {
        if outer.state().is_some() {
            return not_plain();
        }
        // After a first poll that unwound, the slot holds no job. A fiber that has begun takes the general path, which
        // reports that.
        if !matches!(self.coroutine.slot(), Slot::Start(_)) {
            return not_plain();
        }
        let own = self.shared().counters.own_or_first();
        let stack = own.filter(|_| self.admission.is_plain()).and_then(|_| self.shared().take_plain());
        let Some(stack) = stack.or_else(|| own.and_then(|_| self.take_plain_limited())) else { return not_plain() };
        self.open_in(own);
        // Checked after the call was counted: a closed layer either waits for this call or refuses it.
        if self.shared().in_flight.is_closed() {
            return not_plain();
        }
        let poll = self.start_on_stack(stack, outer, cx, None, ending, own);
        if poll.is_ready() {
            self.header.call_guard.close(own);
        }
        Some(poll)
    }

    /// Gets a stack for a fiber that has none, and runs it.
    #[inline(always)]
    pub(super) fn begin(
        &mut self,
        outer: &Outer<'_>,
        cx: &mut Context<'_>,
        caller: Option<&(dyn Caller + 'static)>,
        ending: &mut Ending<J>,
    ) {
        if matches!(self.coroutine.slot(), Slot::Taken) {
            self.refuse_ended();
        }
        let is_nested = outer.state().is_some();
        if self.header.call_guard.registration().is_some() && !self.detects_blocking() {
            self.leave_line();
        }
        let is_admitted = self.shared().limit.is_none() || self.has_permit(is_nested);
        let warm = if is_admitted { self.admission.take_warm(self.header.shared()) } else { None };
        let mut stack = match warm {
            Some(stack) => stack,
            None => match self.apply(is_nested, cx) {
                Poll::Ready(Resources { stack, permit }) => {
                    if permit.is_some() {
                        self.header.call_guard.permit = ManuallyDrop::new(permit);
                    }
                    stack
                }
                Poll::Pending if is_nested => return self.stand_in_line(cx),
                Poll::Pending => return,
            },
        };
        self.measured = self.shared().usage.is_wanted();
        if self.measured {
            stack.wipe();
        }
        self.open();
        _ = self.start_on_stack(stack, outer, cx, caller, ending, None);
    }

    /// As [`Shared::take_plain`], for a call of a limited layer, which gets its permit first.
    #[inline(never)]
    fn take_plain_limited(&mut self) -> Option<FiberStack> {
        let is_admitted = self.shared().is_plain_within_limit && self.has_permit(false);
        if is_admitted { self.shared().take_plain_admitted() } else { None }
    }

    /// Whether a fiber of a limited layer has a permit. A call that begins takes one if it need not wait for it.
    #[inline(never)]
    fn has_permit(&mut self, is_nested: bool) -> bool {
        let call_guard = &mut self.header.call_guard;
        if call_guard.permit.is_none() && !is_nested && matches!(self.coroutine.slot(), Slot::Start(_)) {
            let permit = self.admission.permit_at_once(&call_guard.shared, self.header.label);
            call_guard.permit = ManuallyDrop::new(permit);
        }
        call_guard.permit.is_some()
    }

    /// Takes the stack and permit that the fiber needs, or waits in line for them.
    #[inline(never)]
    fn apply(&mut self, is_nested: bool, cx: &mut Context<'_>) -> Poll<Resources> {
        let is_under_way = matches!(self.coroutine.slot(), Slot::Parked(_));
        let shared = &self.header.call_guard.shared;
        let has_permit = self.header.call_guard.permit.is_some();
        let request = StackRequest { shared, label: self.header.label, is_nested, is_under_way, has_permit };
        self.admission.poll(request, cx)
    }

    /// The only path on which a fiber takes a stack, and on which its first stretch there ends. The parts that a plain
    /// call lacks are compiled out. Returns whether `ending` is ready.
    #[inline(always)]
    fn start_on_stack(
        &mut self,
        stack: FiberStack,
        outer: &Outer<'_>,
        cx: &Context<'_>,
        caller: Option<&(dyn Caller + 'static)>,
        ending: &mut Ending<J>,
        own: Option<Own>,
    ) -> Poll<()> {
        let is_plain = own.is_some();
        let header = &mut self.header;
        let may_be_looked_up =
            if is_plain { header.shared().is_observed() } else { header.call_guard.may_be_looked_up() };
        if may_be_looked_up && header.begun.is_none() {
            header.begun = Some(Moment::now());
        }
        header.usable = stack.usable();
        header.call_guard.begin(own);
        // Only now: a fiber that has not begun may still move to another thread.
        header.home = Some(Home::here());
        // A plain call has no fiber around it and no bar or locals to ask about, and has just been counted.
        let signals = if is_plain { Signals::NONE } else { self.signals_for_resume(outer) };
        let asks = if is_plain {
            Asks::NOTHING
        } else {
            Asks::new(self.shared().bar.is_some(), self.header.known_rare().is_some())
        };
        let lent = Lent { waker: cx.waker(), owner: &self.header, caller, signals };
        let ran = self.coroutine.start(stack, asks, outer, lent, ending);
        let is_nested = outer.state().is_some();
        match ran {
            Ran::Returned(stack) => {
                self.end(stack, own);
                let has_ended = ending.is_ready();
                let has_rest = self.header.known_rare().is_some() || self.header.call_guard.permit.is_some();
                if !is_plain || !has_ended || has_rest {
                    self.settle(is_nested, cx, has_ended);
                }
                if has_ended { Poll::Ready(()) } else { Poll::Pending }
            }
            Ran::Suspended(reply) => {
                self.note_suspend(&reply, is_nested, cx);
                Poll::Pending
            }
        }
    }

    /// Returns the stack after the fiber's code has returned.
    #[inline(always)]
    pub(super) fn end(&mut self, mut stack: FiberStack, own: Option<Own>) {
        if own.is_none() && (self.measured || self.shared().hygiene) {
            self.look_at(&mut stack);
        }
        stack.give_back();
        if own.is_none() && self.signals != Signals::NONE {
            self.note_told();
        }
        self.header.call_guard.end(own);
    }

    /// Counts the end of a fiber that has been told something.
    #[cold]
    fn note_told(&mut self) {
        self.header.end_abandoned();
        if self.signals.is_cancelled() {
            self.header.call_guard.note_cancelled();
        }
    }

    #[cold]
    fn look_at(&self, stack: &mut FiberStack) {
        let shared = self.shared();
        if self.measured {
            shared.usage.note(stack.touched());
        }
        if shared.hygiene {
            stack.wipe();
        }
    }
}
