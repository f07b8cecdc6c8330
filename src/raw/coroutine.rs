//! A job and the stack that it runs on.

#[cfg(debug_assertions)]
use std::any::TypeId;
use std::{cell::Cell, mem, ptr::NonNull, task::Waker, thread};

use corosensei::CoroutineResult;

use super::{
    Job, Owner,
    at_home::AtHome,
    entry::{Ending, Slot, entry},
    exchange::{Asks, At, Caller, PollerMarks, Reply, Signals, WaitsAt},
    stack::FiberStack,
    state::{Frame, FramePtr, Outer, Restore},
};

type OnStack = corosensei::Coroutine<FramePtr, (), (), FiberStack>;

/// A fiber's job and stack. Dropping it forgets a stack in use, so the owner checks first.
// A frame has one pointer to it, behind which a `WaitsAt` lies first, whatever the job is.
#[repr(C)]
pub(crate) struct Coroutine<J: Job> {
    /// Where its code waits or last waited. A wait that was ready at once does not count.
    waits_at: WaitsAt,
    /// Set while it is suspended. Never dropped in place (invariant 7): it is taken, and run to its end or forgotten.
    on_stack: Option<AtHome<OnStack>>,
    pub(super) slot: Slot<J>,
}

/// What a poll lends to the fiber.
pub(crate) struct Lent<'a> {
    pub(crate) waker: &'a Waker,
    pub(crate) owner: &'a dyn Owner,
    /// Tells whether the caller has gone; if not set, the caller of the fiber around this one is asked.
    pub(crate) caller: Option<&'a (dyn Caller + 'static)>,
    pub(crate) signals: Signals,
}

/// The result of running a fiber in a poll.
pub(crate) enum Ran {
    /// Its code has returned and so has its stack: the fiber has ended or is parked.
    Returned(FiberStack),
    Suspended(Reply),
}

impl<J: Job> Coroutine<J> {
    #[inline]
    pub(crate) fn new(job: J) -> Self {
        Self { waits_at: Cell::new(None), slot: Slot::Start(job), on_stack: None }
    }

    #[inline]
    pub(crate) fn is_suspended(&self) -> bool {
        self.on_stack.is_some()
    }

    #[inline]
    pub(crate) fn slot(&self) -> &Slot<J> {
        &self.slot
    }

    pub(crate) fn waits_at(&self) -> Option<At> {
        self.waits_at.get()
    }

    /// Takes what would run next. The coroutine must not be suspended.
    pub(crate) fn take_slot(&mut self) -> Slot<J> {
        mem::replace(&mut self.slot, Slot::Taken)
    }

    /// Leaks the stack of a suspended coroutine and everything on it. By invariant 2 that is sound.
    pub(crate) fn forget(&mut self) {
        self.on_stack = None;
    }

    /// Begins a fresh or parked coroutine on this stack; `asks` says when the owner must be asked. `ending` must be
    /// `Pending`.
    #[inline(always)]
    pub(crate) fn start(
        &mut self,
        stack: FiberStack,
        asks: Asks,
        outer: &Outer<'_>,
        lent: Lent<'_>,
        ending: &mut Ending<J>,
    ) -> Ran {
        // Nothing unwinds between the resume and the moves below, since `entry` does not (invariant 9), so a coroutine
        // that has been resumed is not dropped here (invariant 7).
        let mut coroutine = OnStack::with_stack(stack, entry::<J>);
        let frame = self.frame(asks, outer, lent, ending);
        match switch_stacks(&mut coroutine, &frame, outer) {
            CoroutineResult::Return(()) => Ran::Returned(coroutine.into_stack()),
            CoroutineResult::Yield(()) => {
                self.on_stack = Some(AtHome::new(coroutine));
                Ran::Suspended(frame.reply)
            }
        }
    }

    /// Resumes a suspended coroutine, at home. `ending` must be `Pending`.
    #[inline(always)]
    pub(crate) fn resume(&mut self, outer: &Outer<'_>, lent: Lent<'_>, ending: &mut Ending<J>) -> Ran {
        let frame = self.frame(Asks::NOTHING, outer, lent, ending);
        let on_stack = self.on_stack.as_mut().expect("it is suspended");
        match switch_stacks(on_stack.get_mut(), &frame, outer) {
            CoroutineResult::Return(()) => {
                let on_stack = self.on_stack.take().expect("it has returned just now");
                Ran::Returned(on_stack.take().into_stack())
            }
            CoroutineResult::Yield(()) => Ran::Suspended(frame.reply),
        }
    }

    /// From here until control returns, slot, owner and ending are lent to the fiber (invariants 5 and 6).
    #[inline(always)]
    fn frame(&mut self, asks: Asks, outer: &Outer<'_>, lent: Lent<'_>, ending: &mut Ending<J>) -> Frame {
        let of_outer = || outer.state().and_then(|outer| outer.frame().caller);
        Frame {
            waker: NonNull::from(lent.waker),
            coroutine: NonNull::from(&mut *self).cast(),
            ending: NonNull::from(ending).cast(),
            owner: NonNull::from(lent.owner),
            outer: outer.state().map(NonNull::from),
            caller: lent.caller.map(NonNull::from).or_else(of_outer),
            signals: lent.signals,
            poller: PollerMarks::new(thread::panicking(), asks),
            reply: Reply::default(),
            #[cfg(debug_assertions)]
            job: TypeId::of::<J>(),
        }
    }
}

/// Runs the fiber's code until it suspends or returns.
#[inline(always)]
fn switch_stacks(coroutine: &mut OnStack, frame: &Frame, outer: &Outer<'_>) -> CoroutineResult<(), ()> {
    let _restore = Restore::new(outer);
    coroutine.resume(NonNull::from(frame))
}
