//! The owner of a fiber: starts, resumes, parks, ends and leaks it.

mod leak;
mod run_slot;
mod signals;
mod start;

use std::{mem::ManuallyDrop, sync::Arc, task::Context};

use super::{
    Admission, Shared, call_guard::CallGuard, counters::Own, header::Header, in_flight::Epoch, registry::Registration,
};
use crate::raw::{Caller, Coroutine, Ending, Home, Job, Lent, Outer, Ran, Signals, Slot, let_go, with_outer};

/// The state of a fiber between two polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Fresh,
    Suspended,
    /// Unwound too often: the fiber will not end and must not be resumed.
    GivenUp,
    Parked,
    Finished,
}

/// The owner of a fiber.
///
/// Dropping it never runs code on the fiber. A suspended fiber is leaked and counted. A parked root is dropped at home,
/// and leaked and counted elsewhere. Policies that do better act before the drop.
///
/// It may be sent to another thread if its job may: everything bound to the home thread is behind
/// [`AtHome`](crate::raw::AtHome).
pub(crate) struct Fiber<J: Job> {
    coroutine: Coroutine<J>,
    /// The fiber has been unwound too often and must not be resumed.
    given_up: bool,
    /// The fiber has suspended in a shield.
    shielded: bool,
    /// The stack was wiped before the fiber began, and its use is to be measured.
    measured: bool,
    /// Dropped by `drop_rest`, as the header's rare state is: drop glue that checks it would cost each call a function.
    admission: ManuallyDrop<Admission>,
    signals: Signals,
    /// The layer's epoch when the fiber began or last checked it.
    epoch: Epoch,
    /// Last, since its call guard must be dropped last.
    header: Header,
}

// Nothing points into a fiber between two polls, and the fiber never pins its job in place.
impl<J: Job> Unpin for Fiber<J> {}

impl<J: Job> Fiber<J> {
    /// `label` is the type name of the service or function, for messages.
    #[inline]
    pub(crate) fn new(job: J, admission: Admission, shared: Arc<Shared>, label: &'static str) -> Self {
        Self {
            coroutine: Coroutine::new(job),
            given_up: false,
            shielded: false,
            measured: false,
            admission: ManuallyDrop::new(admission),
            signals: Signals::NONE,
            epoch: Epoch::NONE,
            header: Header::new(CallGuard::new(shared), label),
        }
    }

    /// Counts the call in its layer, once it has been placed.
    #[inline]
    pub(crate) fn open(&mut self) {
        self.open_in(None);
    }

    #[inline]
    fn open_in(&mut self, own: Option<Own>) {
        if self.header.call_guard.open(own) {
            self.epoch = self.shared().in_flight.epoch();
        }
    }

    /// Ends the call before the fiber is dropped, once its outcome has been taken.
    #[inline]
    pub(crate) fn close(&mut self) {
        self.header.call_guard.close(None);
    }

    /// Moves the fiber out of the one that it waited inside, after its caller has gone.
    pub(crate) fn come_out(&mut self) {
        self.header.call_guard.come_out(!self.is_in_advance());
    }

    /// Whether the call was admitted when it was made.
    pub(crate) fn is_in_advance(&self) -> bool {
        self.admission.is_in_advance()
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        self.header.shared()
    }

    pub(crate) fn shared_arc(&self) -> Arc<Shared> {
        Arc::clone(&self.header.call_guard.shared)
    }

    pub(crate) fn name(&self) -> &str {
        self.header.name()
    }

    /// Where its code waits or last waited.
    #[cfg(any(debug_assertions, feature = "lint"))]
    pub(crate) fn waits_at(&self) -> Option<&'static std::panic::Location<'static>> {
        self.coroutine.waits_at()
    }

    /// Whether this thread may poll the fiber.
    #[inline]
    pub(crate) fn is_home(&self) -> bool {
        self.header.home.is_none_or(Home::is_here)
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        match self.coroutine.slot() {
            _ if self.coroutine.is_suspended() && self.given_up => Phase::GivenUp,
            _ if self.coroutine.is_suspended() => Phase::Suspended,
            Slot::Start(_) => Phase::Fresh,
            Slot::Parked(_) => Phase::Parked,
            Slot::Taken => Phase::Finished,
        }
    }

    #[inline]
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Whether this fiber, or one inside it, has suspended in a shield.
    #[inline]
    pub(crate) fn is_shielded(&self) -> bool {
        self.shielded || self.header.nest().is_some_and(|nest| nest.is_shielded())
    }

    /// Cancels the fiber as its layer's policy says, with effect at the next poll.
    pub(crate) fn cancel(&mut self) {
        self.signals |= Signals::cancel(self.shared().drop_policy.unwinds);
    }

    /// Cancels a local fiber that is dropped: it unwinds, whatever its layer's policy says.
    pub(crate) fn unwind(&mut self) {
        self.signals |= Signals::cancel(cfg!(panic = "unwind"));
    }

    /// Signals to the fiber's code that its caller has gone, with effect at the next poll.
    pub(crate) fn tell_caller_gone(&mut self) {
        self.signals |= Signals::CALLER_GONE;
    }

    /// Runs the fiber until it ends, parks or suspends. A fiber without a stack first waits for one. The fiber may ask
    /// `caller` while it runs. `ending` must be `Pending`.
    ///
    /// # Panics
    ///
    /// On a thread other than the fiber's home, and after the fiber has ended.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        caller: Option<&(dyn Caller + 'static)>,
        ending: &mut Ending<J>,
    ) {
        self.assert_home();
        with_outer(|outer| {
            if self.coroutine.is_suspended() {
                self.resume_fiber(outer, cx, caller, ending);
            } else {
                self.begin(outer, cx, caller, ending);
            }
        });
        debug_assert!(
            !self.coroutine.is_suspended() || ending.is_pending(),
            "a job leaves its stack as the last thing that it does"
        );
    }

    /// Resumes a fiber that has suspended.
    #[inline(always)]
    fn resume_fiber(
        &mut self,
        outer: &Outer<'_>,
        cx: &mut Context<'_>,
        caller: Option<&(dyn Caller + 'static)>,
        ending: &mut Ending<J>,
    ) {
        let is_nested = outer.state().is_some();
        // The registered fiber that ran before, if this one is registered too.
        let former = self.header.call_guard.registration().map(Registration::run);
        let signals = self.signals_for_resume(outer);
        let lent = Lent { waker: cx.waker(), owner: &self.header, caller, signals };
        let ran = self.coroutine.resume(outer, lent, ending);
        if let Some(former) = former {
            self.header.call_guard.registration().into_iter().for_each(|registration| registration.pause(former));
        }
        match ran {
            Ran::Returned(stack) => {
                self.shielded = false;
                self.end(stack, None);
                self.settle(is_nested, cx, ending.is_ready());
            }
            Ran::Suspended(reply) => self.note_suspend(&reply, is_nested, cx),
        }
    }

    /// Called after the fiber has returned its stack: it has ended or is parked.
    #[inline(always)]
    fn settle(&mut self, is_nested: bool, cx: &Context<'_>, has_ended: bool) {
        // A parked root keeps its permit while fibers without permits wait inside it. Otherwise the permit is released
        // after the stack, so that the next fiber finds the counts in order.
        let is_needed_inside = || !has_ended && self.header.nest().is_some_and(|nest| nest.waiting() > 0);
        if self.header.call_guard.permit.is_some() && !is_needed_inside() {
            drop(self.header.call_guard.permit.take());
        }
        if has_ended {
            if let Some(rare) = self.header.take_rare() {
                // Closing a channel wakes tasks.
                let_go(rare);
            }
        } else if is_nested || self.header.nest().is_some() {
            // The fibers around and inside must find it in the registry.
            self.wait(false, cx);
        }
    }

    #[inline]
    fn assert_home(&self) {
        if !self.is_home() {
            self.refuse_poll();
        }
    }

    #[cold]
    fn refuse_ended(&self) -> ! {
        panic!("fiber of service `{}` was polled after it had ended [TF14]", self.name())
    }

    #[cold]
    fn refuse_poll(&self) -> ! {
        let here = Home::here();
        let home = self.header.home.expect("it has another home");
        panic!(
            "fiber of service `{}` lives on {home} and was polled on {here}: a fiber never changes threads; drive \
             its runtime from one thread only, or run the service on the pool (`Placement::SharedPool`) [TF13]",
            self.name(),
        )
    }
}

impl<J: Job> Drop for Fiber<J> {
    #[inline(always)]
    fn drop(&mut self) {
        let is_bare = !self.coroutine.is_suspended()
            && self.admission.is_plain()
            && self.header.known_rare().is_none()
            && !matches!(self.coroutine.slot(), Slot::Parked(_));
        if !is_bare {
            self.drop_rest();
        }
    }
}
