//! The state of a running fiber, through which code on its stack acts, and each thread's current fiber.

mod around;
mod waits;

use std::{cell::Cell, ptr::NonNull, task::Waker};

use corosensei::Yielder;

use super::{
    Owner,
    foreign::foreign,
    frame::{Asks, Frame, FramePtr, Signals},
};
use crate::util::drop_quietly::drop_quietly;

/// How many consecutive waits may be ready at once before one of them yields.
const READY_WAITS: u8 = 128;

/// How often one fiber is unwound before it is given up.
const UNWINDS: u8 = 64;

/// A wait is polling a future: a nested wait would suspend in the middle of that poll.
const POLLING: u8 = 1;
/// The fiber has suspended since the current poll of its root began.
const SUSPENDED: u8 = 2;
/// The fiber has been unwound too often and will not end.
const GIVEN_UP: u8 = 4;
/// Foreign code runs between two steps of the crate.
const FOREIGN: u8 = 8;
/// The owner has something to run at the end.
const LOCALS: u8 = Asks::AT_END;
/// Code of the fiber runs on its thread's own stack, on which nothing can suspend.
const ON_THREAD_STACK: u8 = 32;
/// The code is in a shield, which puts off a cancel.
const SHIELDED: u8 = 64;
/// The owner must be asked before a suspend.
const BARRED: u8 = Asks::BEFORE_SUSPEND;

/// Code under these flags cannot suspend.
const MISPLACED: u8 = POLLING | FOREIGN | ON_THREAD_STACK;

/// Flags that keep a fiber from suspending or must be noted when it does.
const UNUSUAL: u8 = MISPLACED | GIVEN_UP | SHIELDED;

pub(crate) struct State {
    yielder: NonNull<Yielder<FramePtr, ()>>,
    frame: Cell<FramePtr>,
    flags: Cell<u8>,
    /// The signals in force.
    signals: Cell<Signals>,
    ready_waits: Cell<u8>,
    unwinds: Cell<u8>,
    /// How many shields are nested around the code.
    shields: Cell<u32>,
    /// The code must not wait, and says so.
    waits_refused: Cell<bool>,
}

impl State {
    /// For `entry` only: `yielder` is its own (invariant 4), `frame` is that of the first resume (invariant 5).
    #[inline]
    pub(super) fn new(yielder: &Yielder<FramePtr, ()>, frame: FramePtr, flags: u8) -> Self {
        Self {
            yielder: NonNull::from(yielder),
            frame: Cell::new(frame),
            flags: Cell::new(flags),
            signals: Cell::new(Signals::NONE),
            ready_waits: Cell::new(0),
            unwinds: Cell::new(0),
            shields: Cell::new(0),
            waits_refused: Cell::new(false),
        }
    }

    /// The frame of the latest resume. Only for code that runs on the fiber.
    #[inline]
    pub(super) fn frame(&self) -> &Frame {
        // SAFETY: invariant 5: the latest frame lives until control returns to the poller. No caller in this folder,
        // in `entry` and in `coroutine` keeps the reference across a suspend.
        unsafe { self.frame.get().as_ref() }
    }

    /// Only for code that runs on the fiber.
    #[inline]
    pub(super) fn yielder(&self) -> &Yielder<FramePtr, ()> {
        // SAFETY: invariant 4: the yielder belongs to the same `entry` as this state and lives as long.
        unsafe { self.yielder.as_ref() }
    }

    /// The newest waker of the enclosing task. The reference must not be kept across a suspend: clone it.
    #[inline]
    fn waker(&self) -> &Waker {
        // SAFETY: invariant 5: the waker belongs to the caller of the poll that made the frame, and outlives it.
        unsafe { self.frame().waker.as_ref() }
    }

    /// Only for code that runs on the fiber or was interrupted there. Code that may run foreign code uses `with_owner`.
    #[inline]
    pub(super) fn owner(&self) -> &dyn Owner {
        // SAFETY: invariant 5: the owner is borrowed by the poll that made the frame. No caller keeps the reference
        // across a suspend: `with_owner` and `foreign` refuse waits, and the other callers only read.
        unsafe { self.frame().owner.as_ref() }
    }

    #[inline]
    fn has(&self, flags: u8) -> bool {
        self.flags.get() & flags != 0
    }

    #[inline]
    fn set(&self, flags: u8) {
        self.flags.set(self.flags.get() | flags);
    }

    #[inline]
    fn clear(&self, flags: u8) {
        self.flags.set(self.flags.get() & !flags);
    }

    /// Whether a wait can poll without a closer look.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        !self.is_misplaced() && !self.is_cancelled()
    }

    /// Whether the code runs where it cannot suspend.
    #[inline]
    pub(crate) fn is_misplaced(&self) -> bool {
        self.has(MISPLACED)
    }

    /// Whether that is because foreign code runs.
    pub(crate) fn is_foreign(&self) -> bool {
        self.has(FOREIGN)
    }

    /// Whether that is because the code asked for it.
    pub(crate) fn is_in_no_wait(&self) -> bool {
        self.waits_refused.get()
    }

    /// Whether the code is in a shield.
    #[cfg(feature = "axum")]
    pub(crate) fn is_shielded(&self) -> bool {
        self.has(SHIELDED)
    }

    pub(crate) fn is_on_thread_stack(&self) -> bool {
        self.has(ON_THREAD_STACK)
    }

    /// The signals in force.
    pub(crate) fn signals(&self) -> Signals {
        self.signals.get()
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.signals.get().is_cancelled()
    }

    #[inline]
    pub(crate) fn is_unwinding(&self) -> bool {
        self.signals.get().is_unwinding()
    }

    /// Whether the poller's thread was panicking when it resumed the fiber. The fiber can then no longer detect a panic
    /// of its own. It assumes that it is not panicking: it had suspended, and a panic below it stays there.
    pub(crate) fn is_poller_panicking(&self) -> bool {
        self.frame().poller.is_panicking()
    }

    /// Puts the owner's signals into force.
    #[inline]
    pub(super) fn take_signals(&self) {
        let signals = self.frame().signals;
        if signals != self.signals.get() {
            self.obey(signals);
        }
    }

    #[cold]
    fn obey(&self, signals: Signals) {
        if signals.wants_report() {
            drop_quietly(foreign(|| self.owner().report()));
        }
        let former = self.signals.get();
        let all = former | if self.has(SHIELDED) { signals.shielded() } else { signals.lasting() };
        if all == former {
            // Signals that a shield puts off come again at each resume.
            return;
        }
        self.signals.set(all);
        if all.is_caller_gone() && !former.is_caller_gone() {
            self.with_owner(|owner| owner.tell_caller_gone());
        }
        self.with_owner(|owner| owner.tell_inside());
    }

    /// Notes that the owner has something to run before the stack is returned.
    pub(crate) fn note_locals(&self) {
        self.set(LOCALS);
    }

    /// Runs what the owner has for the end, if anything was noted.
    #[inline]
    pub(super) fn end_locals(&self) {
        if self.has(LOCALS) {
            self.run_at_end();
        }
    }

    #[cold]
    fn run_at_end(&self) {
        if let Some(f) = self.with_owner(|owner| owner.at_end()) {
            f();
        }
    }
}

thread_local! {
    static CURRENT: Cell<Option<NonNull<State>>> = const { Cell::new(None) };
}

/// The fiber around one that is resumed, if any.
pub(crate) struct Outer<'a>(Option<&'a State>);

impl<'a> Outer<'a> {
    #[inline]
    pub(crate) fn state(&self) -> Option<&'a State> {
        self.0
    }
}

/// Calls `f` with the fiber that this code runs on, as the one around any fiber that `f` resumes.
#[inline(always)]
pub(crate) fn with_outer<R>(f: impl FnOnce(&Outer<'_>) -> R) -> R {
    with_current(|state| f(&Outer(state)))
}

/// Calls `f` with the state of the fiber that this code runs on, or `None` on a thread's own stack.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(Option<&State>) -> R) -> R {
    let current = CURRENT.get();
    // SAFETY: invariant 3: a state in the slot is that of the fiber whose stack is executing, so by invariant 4 it
    // lives until frames below this one return; the reference cannot outlive this call. Only shared references to a
    // `State` are ever made.
    let state = current.map(|state| unsafe { state.as_ref() });
    f(state)
}

/// The address of the current fiber's state, or zero. May be called in a signal handler.
#[inline]
pub(in crate::raw) fn address() -> usize {
    CURRENT.get().map_or(0, |state| state.addr().get())
}

// `LocalKey::set` is not used here: it would add a function for the case of a first use, which does not occur.

/// Makes `state` the current fiber. Only for the fiber itself, while it executes (invariant 3).
#[inline]
pub(in crate::raw) fn make_current(state: &State) {
    CURRENT.with(|current| current.set(Some(NonNull::from(state))));
}

/// Restores the former current fiber when control has returned from a resumed one.
pub(in crate::raw) struct Restore(Option<NonNull<State>>);

impl Restore {
    #[inline]
    pub(in crate::raw) fn new(outer: &Outer<'_>) -> Self {
        let former = outer.state().map(NonNull::from);
        debug_assert_eq!(former, CURRENT.get());
        Self(former)
    }
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}
