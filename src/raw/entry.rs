//! The first function on a fiber's stack, and the job that it runs.

#[cfg(debug_assertions)]
use std::any::TypeId;
use std::{
    any::Any,
    marker::PhantomData,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
    task::Poll,
    thread,
};

use corosensei::Yielder;

use crate::util::drop_quietly::drop_quietly;

use super::{
    AtHome, Coroutine, State,
    state::{self, FramePtr},
};

/// The work of a fiber.
pub(crate) trait Job: Sized + 'static {
    /// What the job keeps between two polls while no synchronous frame waits: a pinned future.
    type Root: 'static;
    type Output: 'static;

    /// Runs on a fiber at its first poll.
    fn start(self, exit: Exit<'_, Self>);

    /// Runs on a fiber each time that a parked root is polled again.
    fn resume(root: Self::Root, exit: Exit<'_, Self>);
}

/// How a job leaves its stack: it makes one of the two calls as its last action.
///
/// It is a call rather than a return value, so that an output of any size is moved as seldom as possible on the fiber's
/// stack.
pub(crate) struct Exit<'a, J: Job> {
    pub(crate) state: &'a State,
    job: PhantomData<J>,
}

impl<J: Job> Exit<'_, J> {
    pub(crate) fn done(self, output: J::Output) {
        self.state.end_locals();
        leave::<J>(self.state, Ok(output));
    }

    pub(crate) fn park(self, root: J::Root) {
        *slot::<J>(self.state) = Slot::Parked(AtHome::new(root));
    }
}

/// The coroutine's field through which the job and the root pass.
pub(crate) enum Slot<J: Job> {
    Start(J),
    Taken,
    Parked(AtHome<J::Root>),
}

/// The result of polling a fiber: `Pending` while it waits, its outcome once it has ended.
pub(crate) type Ending<J> = Poll<thread::Result<<J as Job>::Output>>;

/// The first function on a fiber's stack.
pub(super) fn entry<J: Job>(yielder: &Yielder<FramePtr, ()>, frame: FramePtr) {
    // SAFETY: invariant 5: the frame of this first resume lives until control returns to the poller.
    let flags = unsafe { frame.as_ref() }.poller.flags();
    let state = State::new(yielder, frame, flags);
    state::make_current(&state);
    let outcome = catch_unwind(AssertUnwindSafe(|| __rust_begin_short_backtrace::<J>(&state)));
    if let Err(payload) = outcome {
        end_by_panic::<J>(&state, payload);
    }
}

#[cold]
#[inline(never)]
fn end_by_panic<J: Job>(state: &State, payload: Box<dyn Any + Send>) {
    #[cfg(feature = "tracing")]
    state.with_owner(|owner| owner.note_panic(&*payload));
    state.end_locals();
    // The job may have left a root before it panicked. Dropping that may run the job's code, which must find
    // nothing borrowed and must not unwind from here (invariant 9).
    if let Slot::Parked(root) = mem::replace(slot::<J>(state), Slot::Taken) {
        drop_quietly(root.take());
    }
    // SAFETY: by invariant 6 the frame's ending is an `Ending<J>`, and by invariant 5 it outlives this resume and
    // only this code uses it meanwhile: the poll that lent it is waiting for control.
    drop_quietly(unsafe { ending::<J>(state).replace(Poll::Pending) });
    leave::<J>(state, Err(payload));
}

/// Runs the job. By this name, std ends the backtraces that it prints for panics here, as it ends those of threads at
/// their first function: what follows, down to the runtime, is the same for all fibers.
#[inline]
fn __rust_begin_short_backtrace<J: Job>(state: &State) {
    state.take_signals();
    let exit = Exit { state, job: PhantomData };
    match mem::replace(slot::<J>(state), Slot::Taken) {
        Slot::Start(job) => job.start(exit),
        Slot::Parked(root) => J::resume(root.take(), exit),
        Slot::Taken => unreachable!("only a fresh or parked fiber begins"),
    }
}

/// Where the outcome goes, through the latest frame. Not to be kept across a suspend.
#[inline]
fn ending<J: Job>(state: &State) -> NonNull<Ending<J>> {
    assert_job::<J>(state);
    state.frame().ending.cast()
}

/// Stores the outcome where the latest poll finds it.
#[inline]
fn leave<J: Job>(state: &State, outcome: thread::Result<J::Output>) {
    // SAFETY: by invariant 6 the frame's ending is an `Ending<J>`, and by invariant 5 it outlives this resume and only
    // the fiber uses it meanwhile. What is overwritten is `Pending`, which need not be dropped.
    unsafe { ending::<J>(state).write(Poll::Ready(outcome)) };
}

/// The coroutine's slot, through the latest frame. Only for `entry::<J>`; not to be kept across a suspend.
#[expect(clippy::mut_from_ref, reason = "the slot is the coroutine's, not the state's; see the safety comment")]
fn slot<J: Job>(state: &State) -> &mut Slot<J> {
    assert_job::<J>(state);
    let coroutine = state.frame().coroutine.cast::<Coroutine<J>>();
    // SAFETY: by invariant 6 it is the frame's `Coroutine<J>`. By invariant 5 the coroutine is borrowed by the poll
    // that made the frame, which does not touch the slot before control returns. Each caller uses the reference at
    // once, for an exchange or for replacing `Slot::Taken`, which run no other code, so it is unique.
    unsafe { &mut (*coroutine.as_ptr()).slot }
}

/// Checks invariant 6 in debug builds.
#[inline]
fn assert_job<J: Job>(state: &State) {
    #[cfg(debug_assertions)]
    assert_eq!(state.frame().job, TypeId::of::<J>(), "the frame is of another job");
    let _ = state;
}
