//! The state of a running fiber, through which code on its stack acts, and the frames by which it is resumed.

mod around;
mod current;
mod signals;
mod waits;

#[cfg(debug_assertions)]
use std::any::TypeId;
use std::{cell::Cell, ptr::NonNull, task::Waker};

use corosensei::Yielder;

pub(crate) use self::current::{Outer, with_current, with_outer};
pub(super) use self::current::{Restore, address, make_current};
use super::{
    Owner,
    exchange::{Asks, Caller, PollerMarks, Reply, Signals},
};

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

/// What one poll passes to the fiber: see the chapter of [`raw`](super).
pub(super) struct Frame {
    pub(super) waker: NonNull<Waker>,
    /// A `Coroutine<J>` (invariant 6).
    pub(super) coroutine: NonNull<()>,
    /// The poller's `Ending<J>` (invariant 6).
    pub(super) ending: NonNull<()>,
    pub(super) owner: NonNull<dyn Owner>,
    /// The fiber on whose stack the poller runs, if any.
    pub(super) outer: Option<NonNull<State>>,
    pub(super) caller: Option<NonNull<dyn Caller>>,
    pub(super) signals: Signals,
    pub(super) poller: PollerMarks,
    pub(super) reply: Reply,
    /// The type of the job whose coroutine and ending these are.
    #[cfg(debug_assertions)]
    pub(super) job: TypeId,
}

pub(super) type FramePtr = NonNull<Frame>;

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

    /// Whether the poller's thread was panicking when it resumed the fiber. The fiber can then no longer detect a panic
    /// of its own. It assumes that it is not panicking: it had suspended, and a panic below it stays there.
    pub(crate) fn is_poller_panicking(&self) -> bool {
        self.frame().poller.is_panicking()
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
