//! A job, and the stack that it runs on.

#[cfg(debug_assertions)]
use std::any::TypeId;
use std::{mem, ptr::NonNull, task::Waker, thread};

use corosensei::CoroutineResult;

use super::{
    Job, Owner,
    at_home::AtHome,
    entry::{Ending, Slot, entry},
    frame::{Caller, Frame, FramePtr, Reply, Signals},
    stack::FiberStack,
    state::{Restore, with_current},
};

type OnStack = corosensei::Coroutine<FramePtr, (), (), FiberStack>;

/// What a fiber runs, and where. Dropping it forgets a stack in use: whoever owns it looks before.
pub(crate) struct Coroutine<J: Job> {
    slot: Slot<J>,
    /// While it is suspended. Never dropped as it is (invariant 7): it is taken, and ended or forgotten.
    on_stack: Option<AtHome<OnStack>>,
}

/// What a poll lends to the fiber.
pub(crate) struct Lent<'a> {
    pub(crate) waker: &'a Waker,
    pub(crate) owner: &'a dyn Owner,
    /// Who may say that the caller has gone; without one, whoever the fiber around asks.
    pub(crate) caller: Option<&'a (dyn Caller + 'static)>,
    pub(crate) signals: Signals,
    /// Whether the owner is to be asked before each suspend.
    pub(crate) has_bar: bool,
}

/// What a fiber has done in a poll.
pub(crate) struct Ran {
    /// Its stack, if its code has returned: it has ended or is parked.
    pub(crate) stack: Option<FiberStack>,
    pub(crate) reply: Reply,
    /// It was polled inside another fiber.
    pub(crate) is_nested: bool,
}

impl<J: Job> Coroutine<J> {
    #[inline]
    pub(crate) fn new(job: J) -> Self {
        Self { slot: Slot::Start(job), on_stack: None }
    }

    #[inline]
    pub(crate) fn is_suspended(&self) -> bool {
        self.on_stack.is_some()
    }

    #[inline]
    pub(crate) fn slot(&self) -> &Slot<J> {
        &self.slot
    }

    /// Takes what would run next, of one that is not suspended.
    pub(crate) fn take_slot(&mut self) -> Slot<J> {
        mem::replace(&mut self.slot, Slot::Taken)
    }

    /// Leaks the stack of a suspended one, and all that is on it. By invariant 2 that is sound.
    pub(crate) fn forget(&mut self) {
        self.on_stack = None;
    }

    /// Begins a fresh or parked one on this stack. `ending` is `Pending`.
    #[inline(always)]
    pub(crate) fn start(&mut self, stack: FiberStack, lent: &Lent<'_>, ending: &mut Ending<J>) -> Ran {
        // Nothing unwinds between the resume and the moves below, since `entry` does not (invariant 9), so a coroutine
        // that has been resumed is not dropped here (invariant 7).
        let mut coroutine = OnStack::with_stack(stack, entry::<J>);
        let frame = self.frame(lent, ending);
        let stack = match resume(&mut coroutine, &frame) {
            CoroutineResult::Return(()) => Some(coroutine.into_stack()),
            CoroutineResult::Yield(()) => {
                self.on_stack = Some(AtHome::new(coroutine));
                None
            }
        };
        Ran { stack, reply: frame.reply, is_nested: frame.outer.is_some() }
    }

    /// Resumes a suspended one, at home. `ending` is `Pending`.
    #[inline]
    pub(crate) fn resume(&mut self, lent: &Lent<'_>, ending: &mut Ending<J>) -> Ran {
        let frame = self.frame(lent, ending);
        let on_stack = self.on_stack.as_mut().expect("it is suspended");
        let stack = match resume(on_stack.get_mut(), &frame) {
            CoroutineResult::Return(()) => {
                let on_stack = self.on_stack.take().expect("it has returned just now");
                Some(on_stack.take().into_stack())
            }
            CoroutineResult::Yield(()) => None,
        };
        Ran { stack, reply: frame.reply, is_nested: frame.outer.is_some() }
    }

    /// From here until control is back, the slot, the owner and the ending are lent to the fiber (invariants 5 and 6).
    #[inline]
    fn frame(&mut self, lent: &Lent<'_>, ending: &mut Ending<J>) -> Frame {
        let outer = with_current(|outer| outer.map(NonNull::from));
        let of_outer = || with_current(|outer| outer.and_then(|outer| outer.frame().caller));
        let caller = match lent.caller {
            Some(caller) => Some(NonNull::from(caller)),
            None if outer.is_some() => of_outer(),
            None => None,
        };
        Frame {
            waker: NonNull::from(lent.waker),
            slot: NonNull::from(&mut self.slot).cast(),
            ending: NonNull::from(ending).cast(),
            owner: NonNull::from(lent.owner),
            outer,
            caller,
            signals: lent.signals,
            has_bar: lent.has_bar,
            panicking: thread::panicking(),
            reply: Reply::default(),
            #[cfg(debug_assertions)]
            job: TypeId::of::<J>(),
        }
    }
}

/// Runs the code of a fiber until that suspends or has returned.
#[inline]
fn resume(coroutine: &mut OnStack, frame: &Frame) -> CoroutineResult<(), ()> {
    let _restore = Restore::new(frame.outer);
    coroutine.resume(NonNull::from(frame))
}
