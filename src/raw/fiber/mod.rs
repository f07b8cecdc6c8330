//! A fiber's owner: start, resume, park, end, leak.

mod bare;
mod leak;
mod live;
mod notes;
mod watched;

use std::{mem::ManuallyDrop, ptr::NonNull, sync::Arc, task::Context, thread};

use corosensei::CoroutineResult;

use self::live::{Live, resume};
use super::{
    Caller, Home, Job, Meta,
    account::Account,
    admission::{Admission, Ticket},
    base::Base,
    calls::News,
    current::with_current,
    entry::{Ending, Slot},
    frame::{Frame, Notes, Orders},
    roll::Seat,
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
    /// Never dropped as it is: it is taken, and ended or forgotten (invariant 7).
    live: ManuallyDrop<Option<Live>>,
    /// Dropped by `drop_rest`, as what is rare: glue that looks for it would cost each call a function.
    admission: ManuallyDrop<Admission>,
    orders: Orders,
    /// Another fiber has been in the roll inside this one.
    has_nested: bool,
    /// What its layer's calls had been told when it began, or when it last looked.
    news: News,
    /// Last, since the account in it is to be dropped last.
    base: Base,
}

// SAFETY: invariant 10.
unsafe impl<J: Job + Send> Send for Fiber<J> where J::Output: Send {}

// Nothing points into a fiber between two polls, and it never pins the job in place.
impl<J: Job> Unpin for Fiber<J> {}

impl<J: Job> Fiber<J> {
    /// `label` is the type name of the service or function, for messages.
    #[inline]
    pub(crate) fn new(job: J, ticket: Ticket, meta: Arc<Meta>, label: &'static str) -> Self {
        Self {
            slot: Slot::Start(job),
            live: ManuallyDrop::new(None),
            admission: ManuallyDrop::new(Admission::Admitted(ticket)),
            orders: Orders::NONE,
            has_nested: false,
            news: News::NONE,
            base: Base::new(Account::new(meta), label),
        }
    }

    /// Enters the call in the books of its layer, when it has found its place.
    #[inline]
    pub(crate) fn open(&mut self) {
        if self.base.account.open() {
            self.news = self.meta().calls.news();
        }
    }

    /// Takes the call out of the books, before the fiber is dropped: its outcome has been taken.
    #[inline]
    pub(crate) fn close(&mut self) {
        self.base.account.close();
    }

    #[inline]
    pub(crate) fn meta(&self) -> &Meta {
        self.base.meta()
    }

    pub(crate) fn meta_arc(&self) -> Arc<Meta> {
        Arc::clone(&self.base.account.meta)
    }

    pub(crate) fn name(&self) -> &str {
        self.base.name()
    }

    /// Where its code waits, or waited last.
    #[cfg(any(debug_assertions, feature = "lint"))]
    pub(crate) fn waits_at(&self) -> Option<&'static std::panic::Location<'static>> {
        self.base.waits_at.get()
    }

    /// Whether this thread may poll the fiber.
    #[inline]
    pub(crate) fn is_home(&self) -> bool {
        self.base.home.is_none_or(Home::is_here)
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        match (&*self.live, &self.slot) {
            (Some(Live { given_up: true, .. }), _) => Phase::GivenUp,
            (Some(_), _) => Phase::Suspended,
            (None, Slot::Start(_)) => Phase::Fresh,
            (None, Slot::Parked(_)) => Phase::Parked,
            (None, Slot::Running) => Phase::Finished,
        }
    }

    #[inline]
    pub(crate) fn is_given_up(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.given_up)
    }

    /// Cancels the fiber as its layer says; it takes effect at the next poll.
    pub(crate) fn cancel(&mut self) {
        self.orders |= Orders::cancel(self.meta().conduct.unwinds);
    }

    /// Tells the code of the fiber that its caller has gone; it takes effect at the next poll.
    pub(crate) fn tell_caller_gone(&mut self) {
        self.orders |= Orders::CALLER_GONE;
    }

    /// Runs the fiber until it ends, parks or suspends. `caller` can be asked by the fiber while it runs. A fiber that has no
    /// stack waits for one first. `ending` is `Pending`.
    ///
    /// # Panics
    ///
    /// On another thread than the fiber's home, and after the end.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        caller: Option<&(dyn Caller + 'static)>,
        ending: &mut Ending<J>,
    ) {
        self.assert_home();
        if self.live.is_some() {
            self.go_on(cx, caller, ending)
        } else {
            self.begin(cx, caller, ending)
        }
        debug_assert!(
            self.live.is_none() || ending.is_pending(),
            "a job leaves its stack as the last thing that it does"
        );
    }

    /// Resumes a fiber that has suspended.
    #[inline]
    fn go_on(&mut self, cx: &mut Context<'_>, caller: Option<&(dyn Caller + 'static)>, ending: &mut Ending<J>) {
        let outer = with_current(|outer| outer.map(NonNull::from));
        // Which fiber with a seat ran before, if this one has a seat too.
        let former = self.base.account.seat().map(Seat::run);
        let frame = self.frame(cx, caller, outer, ending);
        let result = resume(&mut self.live.as_mut().expect("it has begun").coroutine, &frame);
        if let Some(former) = former {
            self.base.account.seat().into_iter().for_each(|seat| seat.pause(former));
        }
        if let CoroutineResult::Return(()) = result {
            let live = self.live.take().expect("it has ended just now");
            self.end(live);
            self.settle(&frame, cx, ending);
        } else {
            self.note_suspend(&frame, cx);
        }
    }

    /// What a poll passes to the fiber. From here until control is back, `slot`, `base` and `ending` belong to that (invariants 5
    /// and 6).
    #[inline]
    fn frame(
        &mut self,
        cx: &Context<'_>,
        caller: Option<&(dyn Caller + 'static)>,
        outer: Option<NonNull<State>>,
        ending: &mut Ending<J>,
    ) -> Frame {
        let once = if self.meta().calls.news() == self.news { Orders::NONE } else { self.hear() };
        let caller = self.listen(caller.map(NonNull::from), outer.is_some());
        let panicking = self.orders.is_unwinding() && thread::panicking();
        Frame {
            waker: NonNull::from(cx.waker()),
            slot: NonNull::from(&mut self.slot).cast(),
            ending: NonNull::from(ending).cast(),
            base: NonNull::from(&self.base),
            outer,
            caller,
            orders: self.orders | once,
            panicking,
            notes: Notes::default(),
        }
    }

    /// After the fiber has returned its stack: it has ended, or is parked.
    #[inline]
    fn settle(&mut self, frame: &Frame, cx: &Context<'_>, ending: &Ending<J>) {
        if !frame.notes.is_empty() {
            self.read(&frame.notes);
        }
        if ending.is_ready() {
            drop(self.base.gone.take());
        } else if frame.outer.is_some() || self.has_nested {
            // Fibers around and inside have to find it in the roll.
            with_current(|outer| outer.map(State::note_seat));
            self.wait(cx);
        }
    }

    /// After the fiber has suspended.
    #[inline]
    fn note_suspend(&mut self, frame: &Frame, cx: &Context<'_>) {
        let is_nested = frame.outer.is_some();
        if !frame.notes.is_empty() || is_nested || self.has_nested || self.base.account.is_watched() {
            self.note_seen(&frame.notes, is_nested, cx);
        }
    }

    /// Adds what the fiber around this one says to the orders, and finds whom to ask for the caller.
    #[inline]
    fn listen(&mut self, mut caller: Option<NonNull<dyn Caller>>, is_nested: bool) -> Option<NonNull<dyn Caller>> {
        if is_nested {
            with_current(|outer| {
                let outer = outer.expect("there is a fiber around");
                self.orders |= outer.orders().for_nested(self.base.meta().conduct);
                caller = caller.or(outer.frame().caller);
            });
        }
        caller
    }

    #[inline]
    fn assert_home(&self) {
        if !self.is_home() {
            self.refuse_poll();
        }
    }

    #[cold]
    fn refuse_ended(&self) -> ! {
        panic!("fiber of service `{}` was polled after it had ended", self.name())
    }

    #[cold]
    fn refuse_poll(&self) -> ! {
        let here = Home::here();
        let home = self.base.home.expect("it has another home");
        panic!(
            "fiber of service `{}` lives on {home} and was polled on {here}: a fiber never changes threads; drive \
             its runtime from one thread only, or run the service on the pool (`FiberLayer::builder().pooled()`)",
            self.name(),
        )
    }
}

impl<J: Job> Drop for Fiber<J> {
    #[inline(always)]
    fn drop(&mut self) {
        let is_plain = self.live.is_none() && self.admission.is_plain() && !self.base.has_remains();
        if !is_plain || matches!(self.slot, Slot::Parked(_)) {
            self.drop_rest();
        }
    }
}
