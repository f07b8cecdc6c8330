//! A fiber and its owner: start, resume, park, end, leak.

use std::{
    cell::Cell,
    io,
    marker::PhantomData,
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
    sync::Arc,
    task::{Context, Poll},
    thread,
};

use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::discard::discard;

use super::{
    Frame, Home, Meta, State,
    current::{self, Restore},
    stack::FiberStack,
    state::FramePtr,
};

/// What a fiber runs.
pub(crate) trait Job: Sized + 'static {
    /// What is kept between two polls when no synchronous frame waits: a pinned future.
    type Root: 'static;
    type Output: 'static;

    /// Runs on a fiber, first.
    fn start(self, exit: Exit<'_, Self>);

    /// Runs on a fiber, whenever a parked root is polled again.
    fn resume(root: Self::Root, exit: Exit<'_, Self>);
}

/// How a job leaves its stack: by one of the two calls, as the last thing that it does.
///
/// A call and not a return value, so that an output of any size is moved as seldom as possible on the fiber's stack.
pub(crate) struct Exit<'a, J: Job> {
    pub(crate) state: &'a State,
    job: PhantomData<J>,
}

impl<J: Job> Exit<'_, J> {
    pub(crate) fn done(self, output: J::Output) {
        *slot::<J>(self.state) = Slot::Done(Ok(output));
    }

    pub(crate) fn park(self, root: J::Root) {
        *slot::<J>(self.state) = Slot::Parked(root);
    }
}

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

enum Slot<J: Job> {
    Start(J),
    Running,
    Parked(J::Root),
    Done(thread::Result<J::Output>),
}

/// A stack in use.
struct Live {
    coroutine: Coroutine<FramePtr, (), (), FiberStack>,
    /// Known from the first suspend on.
    state: Option<NonNull<State>>,
}

/// The owner of a fiber.
///
/// Dropping it never runs code on the fiber: a suspended one is leaked and counted, a parked root is dropped at home
/// and leaked and counted elsewhere. Policies that do better act before.
pub(crate) struct Fiber<J: Job> {
    slot: Slot<J>,
    live: Option<Live>,
    home: Option<Home>,
    cancelled: bool,
    meta: Arc<Meta>,
    label: &'static str,
}

// SAFETY: invariant 10.
unsafe impl<J: Job + Send> Send for Fiber<J> where J::Output: Send {}

// Nothing points into a fiber between two polls, and it never pins the job in place.
impl<J: Job> Unpin for Fiber<J> {}

impl<J: Job> Fiber<J> {
    /// `label` is the type name of the service or function, for messages.
    pub(crate) fn new(job: J, meta: Arc<Meta>, label: &'static str) -> Self {
        Self { slot: Slot::Start(job), live: None, home: None, cancelled: false, meta, label }
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    pub(crate) fn name(&self) -> &str {
        self.meta.name_or(self.label)
    }

    /// Whether this thread may poll the fiber.
    pub(crate) fn is_home(&self) -> bool {
        self.home.is_none_or(Home::is_here)
    }

    pub(crate) fn phase(&self) -> Phase {
        match (&self.live, &self.slot) {
            (Some(live), _) if self.is_home() && live.state().is_given_up() => Phase::GivenUp,
            (Some(_), _) => Phase::Suspended,
            (None, Slot::Start(_)) => Phase::Fresh,
            (None, Slot::Parked(_)) => Phase::Parked,
            (None, Slot::Running | Slot::Done(_)) => Phase::Finished,
        }
    }

    /// Makes the present and all later fallible waits fail, and with `unwind` the infallible ones unwind; it takes
    /// effect at the next poll. Without a stack in use it does nothing.
    pub(crate) fn cancel(&mut self, unwind: bool) {
        self.assert_home("cancelled");
        if let Some(live) = &self.live {
            live.state().cancel(unwind);
            self.cancelled = true;
        }
    }

    /// Whether the present run of the fiber was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Runs the fiber until it ends, parks or suspends.
    ///
    /// # Panics
    ///
    /// On another thread than the fiber's home, after the end, and when no stack can be had.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<thread::Result<J::Output>> {
        match self.home {
            Some(_) => self.assert_home("polled"),
            None => self.home = Some(Home::here()),
        }
        if self.live.is_none() {
            self.live = Some(Live { coroutine: self.coroutine(), state: None });
        }
        // From here until control is back, `self.slot` belongs to the fiber (invariant 6).
        let frame = Frame {
            waker: NonNull::from(cx.waker()),
            slot: NonNull::from(&mut self.slot).cast(),
            meta: NonNull::from(&*self.meta),
            label: self.label,
            state: Cell::new(None),
        };
        let live = self.live.as_mut().expect("a stack was just taken");
        let result = {
            let _restore = Restore::new();
            live.coroutine.resume(NonNull::from(&frame))
        };
        if let CoroutineResult::Yield(()) = result {
            live.state = frame.state.get().or(live.state);
            return Poll::Pending;
        }
        self.end();
        match mem::replace(&mut self.slot, Slot::Running) {
            Slot::Done(outcome) => Poll::Ready(outcome),
            parked @ Slot::Parked(_) => {
                self.slot = parked;
                Poll::Pending
            }
            Slot::Start(_) | Slot::Running => unreachable!("a fiber that returns has filled its slot"),
        }
    }

    /// A coroutine on a stack of the thread's cache, not yet begun.
    fn coroutine(&self) -> Coroutine<FramePtr, (), (), FiberStack> {
        assert!(
            !matches!(self.slot, Slot::Running | Slot::Done(_)),
            "fiber of service `{}` was polled after it had ended",
            self.name()
        );
        let stack = FiberStack::take(self.meta.stack_size).unwrap_or_else(|error| self.no_stack(&error));
        self.meta.counts.live.up();
        self.meta.counts.stacks_in_use.up();
        Coroutine::with_stack(stack, entry::<J>)
    }

    #[cold]
    fn no_stack(&self, error: &io::Error) -> ! {
        panic!(
            "no stack of {} KiB for a fiber of service `{}`: {error}; run fewer fibers at once, choose a smaller \
             `stack_size`, or raise the sysctl vm.max_map_count (each stack needs two mappings)",
            self.meta.stack_size / 1024,
            self.name()
        )
    }

    /// Takes the stack back after `entry` has returned.
    fn end(&mut self) {
        let live = self.live.take().expect("only a fiber with a stack ends");
        live.coroutine.into_stack().give_back();
        let counts = &self.meta.counts;
        if mem::take(&mut self.cancelled) {
            counts.cancelled.up();
        }
        counts.stacks_in_use.down();
        // Last, so that whoever sees no live fiber sees its other numbers.
        counts.live.down();
    }

    fn assert_home(&self, what: &str) {
        if let Some(home) = self.home.filter(|home| !home.is_here()) {
            panic!(
                "fiber of service `{}` lives on {home} and was {what} on {}: a fiber never changes threads; drive \
                 its runtime from one thread only, or run the service on the pool (`FiberLayer::builder().pooled()`)",
                self.name(),
                Home::here()
            );
        }
    }

    /// Counts a fiber or root that is never touched again.
    #[cold]
    fn count_leak(&self, what: &str) {
        self.meta.counts.leaked.up();
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
            self.count_leak("a suspended fiber");
            self.meta.counts.live.down();
        } else if matches!(self.slot, Slot::Parked(_)) && !self.is_home() {
            let _leaked = ManuallyDrop::new(mem::replace(&mut self.slot, Slot::Running));
            self.count_leak("a parked future");
        }
    }
}

impl Live {
    /// Only at home.
    fn state(&self) -> &State {
        let state = self.state.expect("a suspended fiber has told its state");
        // SAFETY: invariant 4: this coroutine is not done, so its state lives; invariant 1: the callers have compared homes.
        unsafe { state.as_ref() }
    }
}

/// The first function on a fiber's stack.
fn entry<J: Job>(yielder: &Yielder<FramePtr, ()>, frame: FramePtr) {
    let state = State::new(yielder, frame);
    state.frame().state.set(Some(NonNull::from(&state)));
    current::enter(&state);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let exit = Exit { state: &state, job: PhantomData };
        match mem::replace(slot::<J>(&state), Slot::Running) {
            Slot::Start(job) => job.start(exit),
            Slot::Parked(root) => J::resume(root, exit),
            Slot::Running | Slot::Done(_) => unreachable!("only a fresh or parked fiber begins"),
        }
    }));
    if let Err(payload) = outcome {
        // In two steps: dropping what was there may run code of the job, which must not find the slot borrowed, nor
        // unwind from here (invariant 9).
        let former = mem::replace(slot::<J>(&state), Slot::Done(Err(payload)));
        discard(former);
    }
}

/// The owner's slot, through the latest frame. Only for `entry::<J>`; not to be kept over a suspend.
#[expect(clippy::mut_from_ref, reason = "the slot is the owner's, not the state's; see the safety comment")]
fn slot<J: Job>(state: &State) -> &mut Slot<J> {
    let mut slot = state.frame().slot.cast::<Slot<J>>();
    // SAFETY: invariant 6 gives the type; invariant 5: the owner is borrowed by the poll that made the frame, and does
    // not touch its slot before control returns; each caller uses the reference at once, for an exchange or for replacing
    // `Slot::Running`, which run no other code, so it is unique.
    unsafe { slot.as_mut() }
}
