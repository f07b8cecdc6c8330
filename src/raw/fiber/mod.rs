//! A fiber's owner: start, resume, park, end, leak.

mod live;

use std::{
    cell::Cell,
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
};

use corosensei::CoroutineResult;

use crate::discard::discard;

use self::live::Live;
use super::{
    Caller, Home, Job, Meta,
    account::Account,
    admission::{Admission, Ticket},
    current::{Restore, with_current},
    entry::Slot,
    frame::{Frame, Gone, Orders, Report, Surroundings},
    roll::{self, FiberId},
    state::State,
};

/// Where a fiber is between two polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Fresh,
    Suspended,
    /// Unwound too often: it will not end and must not be resumed.
    GivenUp,
    Parked,
    Finished,
}

/// Whether this code runs in a fiber of the layer with these data, however deep.
pub(crate) fn is_within(meta: &Meta) -> bool {
    with_current(|state| state.is_some_and(|state| state.is_within(meta)))
}

/// The owner of a fiber.
///
/// Dropping it never runs code on the fiber: a suspended one is leaked and counted, a parked root is dropped at home
/// and leaked and counted elsewhere. Policies that do better act before.
pub(crate) struct Fiber<J: Job> {
    slot: Slot<J>,
    live: Option<Live>,
    ticket: Ticket,
    admission: Admission,
    /// Since the first poll: the thread, and the name of the fiber among those of the thread.
    home: Option<(Home, FiberId)>,
    orders: Orders,
    /// How often its layer's calls had been cancelled when it began.
    cancels: u64,
    /// Another fiber has been in the roll inside this one.
    has_nested: bool,
    gone: Gone,
    label: &'static str,
    /// Last, so that the call is in the books until everything else has been dropped.
    account: Account,
}

// SAFETY: invariant 10.
unsafe impl<J: Job + Send> Send for Fiber<J> where J::Output: Send {}

// Nothing points into a fiber between two polls, and it never pins the job in place.
impl<J: Job> Unpin for Fiber<J> {}

impl<J: Job> Fiber<J> {
    /// `label` is the type name of the service or function, for messages.
    pub(crate) fn new(job: J, ticket: Ticket, meta: Arc<Meta>, label: &'static str) -> Self {
        Self {
            slot: Slot::Start(job),
            live: None,
            ticket,
            admission: Admission::default(),
            home: None,
            orders: Orders::NONE,
            cancels: 0,
            has_nested: false,
            gone: Gone::new(),
            label,
            account: Account::new(meta),
        }
    }

    /// Enters the call in the books of its layer, when it has found its place.
    #[inline]
    pub(crate) fn open(&mut self) {
        if self.account.open() {
            self.cancels = self.account.meta.calls.cancels();
        }
    }

    /// Takes the call out of the books, before the fiber is dropped: its outcome has been taken.
    #[inline]
    pub(crate) fn close(&mut self) {
        self.account.close();
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.account.meta
    }

    pub(crate) fn meta_arc(&self) -> Arc<Meta> {
        Arc::clone(&self.account.meta)
    }

    pub(crate) fn name(&self) -> &str {
        self.meta().name_or(self.label)
    }

    /// Whether this thread may poll the fiber.
    pub(crate) fn is_home(&self) -> bool {
        self.home.is_none_or(|(home, _)| home.is_here())
    }

    pub(crate) fn phase(&self) -> Phase {
        match (&self.live, &self.slot) {
            (Some(Live { given_up: true, .. }), _) => Phase::GivenUp,
            (Some(_), _) => Phase::Suspended,
            (None, Slot::Start(_)) => Phase::Fresh,
            (None, Slot::Parked(_)) => Phase::Parked,
            (None, Slot::Running | Slot::Done(_)) => Phase::Finished,
        }
    }

    /// Cancels the fiber as its layer says; it takes effect at the next poll.
    pub(crate) fn cancel(&mut self) {
        self.orders |= Orders::cancel(self.account.meta.conduct.unwinds);
    }

    /// Tells the code of the fiber that its caller has gone; it takes effect at the next poll.
    pub(crate) fn tell_caller_gone(&mut self) {
        self.orders |= Orders::CALLER_GONE;
    }

    /// Runs the fiber until it ends, parks or suspends. `caller` can be asked by the fiber while it runs. A fiber that has no
    /// stack waits for one first.
    ///
    /// # Panics
    ///
    /// On another thread than the fiber's home, and after the end.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        caller: Option<&(dyn Caller + 'static)>,
    ) -> Poll<thread::Result<J::Output>> {
        self.assert_home();
        let around = with_current(|outer| outer.map(State::as_surroundings));
        if self.live.is_none() {
            ready!(self.begin(around.is_some(), cx));
        }
        // Only now: before it has begun, a fiber can go anywhere.
        let (_, id) = *self.home.get_or_insert_with(|| {
            let home = Home::here();
            (home, roll::next_id(home))
        });
        let live = self.live.as_ref().expect("it has begun");
        let usable = live.usable.clone();
        self.take_orders(around.as_ref());
        // From here until control is back, `self.slot` belongs to the fiber (invariant 6).
        let frame = Frame {
            waker: NonNull::from(cx.waker()),
            slot: NonNull::from(&mut self.slot).cast(),
            meta: NonNull::from(&*self.account.meta),
            label: self.label,
            id,
            usable,
            outer: around.as_ref().map(|around| around.state),
            orders: self.orders,
            panicking: self.orders.is_unwinding() && thread::panicking(),
            caller: caller.map(NonNull::from).or(around.as_ref().and_then(|around| around.caller)),
            gone: NonNull::from(&self.gone),
            report: Cell::new(Report::Plain),
            nested: Cell::new(false),
        };
        let live = self.live.as_mut().expect("a stack was just taken");
        let result = {
            let _restore = Restore::new(frame.outer);
            live.coroutine.resume(NonNull::from(&frame))
        };
        self.has_nested |= frame.nested.get();
        let inside = around.map(|around| around.id);
        if let CoroutineResult::Yield(()) = result {
            live.given_up = frame.report.get() == Report::GivenUp;
            if inside.is_some() {
                with_current(|outer| outer.map(|outer| outer.note_nested(frame.report.get())));
            }
            self.wait(id, inside, cx);
            return Poll::Pending;
        }
        self.end();
        match mem::replace(&mut self.slot, Slot::Running) {
            Slot::Done(outcome) => {
                drop(self.gone.take());
                Poll::Ready(outcome)
            }
            parked @ Slot::Parked(_) => {
                self.slot = parked;
                // Fibers around and inside have to find it in the roll.
                if inside.is_some() || self.has_nested {
                    with_current(|outer| outer.map(State::note_seat));
                    self.wait(id, inside, cx);
                }
                Poll::Pending
            }
            Slot::Start(_) | Slot::Running => unreachable!("a fiber that returns has filled its slot"),
        }
    }

    /// Adds what the layer's handle and the fiber around this one say to the orders.
    #[inline]
    fn take_orders(&mut self, around: Option<&Surroundings>) {
        let Meta { conduct, calls, .. } = &*self.account.meta;
        if calls.cancels() != self.cancels {
            self.orders |= Orders::cancel(conduct.unwinds);
        }
        if let Some(around) = around {
            self.orders |= around.orders.for_nested(*conduct);
        }
    }

    /// Takes or corrects the fiber's place among those that wait.
    #[inline]
    fn wait(&mut self, id: FiberId, inside: Option<FiberId>, cx: &Context<'_>) {
        let account = &mut self.account;
        // Whoever cancels all calls wakes those that have a place; one that just took it looks itself.
        if account.wait(id, inside, cx.waker()) && account.meta.calls.cancels() != self.cancels {
            cx.waker().wake_by_ref();
        }
    }

    fn assert_home(&self) {
        if let Some((home, _)) = self.home.filter(|(home, _)| !home.is_here()) {
            panic!(
                "fiber of service `{}` lives on {home} and was polled on {}: a fiber never changes threads; drive \
                 its runtime from one thread only, or run the service on the pool (`FiberLayer::builder().pooled()`)",
                self.name(),
                Home::here()
            );
        }
    }

    /// Counts a fiber or root that is never touched again.
    #[cold]
    fn leak(&mut self, what: &str) {
        // Most often in a `Drop`, which must not panic because a subscriber does: in a thread that ends, its thread-locals may
        // be gone.
        discard(catch_unwind(AssertUnwindSafe(|| self.report_leak(what))));
        self.account.leak(self.has_nested);
    }

    fn report_leak(&self, what: &str) {
        #[cfg(feature = "tracing")]
        tracing::warn!(service = self.name(), "leaked {what}: it was dropped where it cannot be ended");
        #[cfg(not(feature = "tracing"))]
        let _ = what;
    }
}

impl<J: Job> Drop for Fiber<J> {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            // Invariant 7; by invariant 2 forgetting it is sound.
            let _leaked = ManuallyDrop::new(live);
            self.leak("a suspended fiber");
        } else if matches!(self.slot, Slot::Parked(_)) && !self.is_home() {
            let _leaked = ManuallyDrop::new(mem::replace(&mut self.slot, Slot::Running));
            self.leak("a parked future");
        }
    }
}
