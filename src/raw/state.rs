//! The state of a running fiber: what code on its stack can see and do.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    ptr::NonNull,
    task::{Context, Poll, Waker},
};

use corosensei::Yielder;

use super::{Meta, current};

/// Waits in a row that may be ready at once before one of them yields.
const READY_WAITS: u8 = 128;

/// Times that one fiber is unwound before it is given up.
const UNWINDS: u8 = 64;

/// A future is being polled by a wait: a nested wait would suspend in the middle of that poll.
const POLLING: u8 = 1;
/// Fallible waits fail.
const CANCELLED: u8 = 2;
/// Infallible waits unwind.
const UNWINDING: u8 = 4;
/// The fiber has suspended since the present poll of its root began.
const SUSPENDED: u8 = 8;
/// The fiber has been unwound too often and will not end.
const GIVEN_UP: u8 = 16;

/// What one poll passes to the fiber: see the module's chapter.
pub(crate) struct Frame {
    pub(super) waker: NonNull<Waker>,
    /// The owner's `Slot<J>` (invariant 6).
    pub(super) slot: NonNull<()>,
    pub(super) meta: NonNull<Meta>,
    pub(super) label: &'static str,
    /// Where the fiber tells its owner on the first resume where its state is.
    pub(super) state: Cell<Option<NonNull<State>>>,
}

pub(super) type FramePtr = NonNull<Frame>;

pub(crate) struct State {
    yielder: NonNull<Yielder<FramePtr, ()>>,
    frame: Cell<FramePtr>,
    flags: Cell<u8>,
    ready_waits: Cell<u8>,
    unwinds: Cell<u8>,
}

impl State {
    /// For `entry` only: `yielder` is its own (invariant 4), `frame` that of the first resume (invariant 5).
    pub(super) fn new(yielder: &Yielder<FramePtr, ()>, frame: FramePtr) -> Self {
        Self {
            yielder: NonNull::from(yielder),
            frame: Cell::new(frame),
            flags: Cell::new(0),
            ready_waits: Cell::new(0),
            unwinds: Cell::new(0),
        }
    }

    /// The frame of the latest resume. Only for code that runs on the fiber.
    #[inline]
    pub(super) fn frame(&self) -> &Frame {
        // SAFETY: invariant 5: the latest frame lives until control returns to the poller. No caller in this file and
        // in `fiber` keeps the reference over a suspend.
        unsafe { self.frame.get().as_ref() }
    }

    /// The newest waker of the enclosing task. The reference must not be kept over a suspend: clone it.
    #[inline]
    fn waker(&self) -> &Waker {
        // SAFETY: invariant 5: the waker belongs to the caller of the poll that made the frame, and outlives it.
        unsafe { self.frame().waker.as_ref() }
    }

    /// Calls `f` with the layer's data and the label of what runs here.
    pub(crate) fn with_meta<R>(&self, f: impl FnOnce(&Meta, &'static str) -> R) -> R {
        let frame = self.frame();
        // SAFETY: invariant 5: the owner, which holds the `Arc`, is borrowed by the poll that made the frame.
        let meta = unsafe { frame.meta.as_ref() };
        f(meta, frame.label)
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

    /// Whether a wait needs a closer look before it polls.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        !self.has(POLLING | CANCELLED | UNWINDING)
    }

    pub(crate) fn is_polling(&self) -> bool {
        self.has(POLLING)
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.has(CANCELLED)
    }

    pub(crate) fn is_unwinding(&self) -> bool {
        self.has(UNWINDING)
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.has(GIVEN_UP)
    }

    /// From now on fallible waits fail, and with `unwind` the infallible ones unwind.
    pub(super) fn cancel(&self, unwind: bool) {
        self.set(if unwind { CANCELLED | UNWINDING } else { CANCELLED });
    }

    /// Counts one unwinding. After too many the fiber suspends for good; its owner leaks it.
    pub(crate) fn count_unwind(&self) {
        if self.unwinds.get() == UNWINDS {
            self.set(GIVEN_UP);
            loop {
                self.suspend();
            }
        }
        self.unwinds.set(self.unwinds.get() + 1);
    }

    /// Polls an awaited future once, on this stack, with the newest waker; a wait inside that poll is nested.
    #[inline]
    pub(crate) fn poll_awaited<F: Future + ?Sized>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        struct Polling<'a>(&'a State);

        impl Drop for Polling<'_> {
            #[inline]
            fn drop(&mut self) {
                self.0.clear(POLLING);
            }
        }

        self.set(POLLING);
        let _polling = Polling(self);
        future.poll(&mut Context::from_waker(self.waker()))
    }

    /// Counts a wait that was ready at once; whether it is time to yield.
    #[inline]
    pub(crate) fn is_yield_due(&self) -> bool {
        let waits = self.ready_waits.get().saturating_add(1);
        self.ready_waits.set(waits);
        waits >= READY_WAITS
    }

    /// Suspends once, so that other tasks of the thread run.
    #[cold]
    pub(crate) fn yield_now(&self) {
        self.waker().wake_by_ref();
        self.suspend();
    }

    /// Leaves this stack for the enclosing task, until the next poll.
    #[inline]
    pub(crate) fn suspend(&self) {
        assert!(!self.has(POLLING), "a fiber suspended inside a poll");
        self.ready_waits.set(0);
        self.set(SUSPENDED);
        // SAFETY: invariant 4: the yielder belongs to the same `entry` as this state and lives as long.
        let yielder = unsafe { self.yielder.as_ref() };
        let frame = yielder.suspend(());
        self.frame.set(frame);
        current::enter(self);
    }

    /// Polls the root until it is ready or is pending without having suspended below: a wake that belongs to one
    /// part of the root may have been consumed by the wait of another.
    pub(crate) fn poll_root<F: Future + ?Sized>(&self, mut root: Pin<&mut F>) -> Poll<F::Output> {
        loop {
            self.clear(SUSPENDED);
            // A clone, since the frame that lends the waker is gone after a suspend.
            let waker = self.waker().clone();
            let poll = root.as_mut().poll(&mut Context::from_waker(&waker));
            if poll.is_ready() || !self.has(SUSPENDED) {
                return poll;
            }
        }
    }
}
