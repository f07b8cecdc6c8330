//! The state of a running fiber: what code on its stack can see and do.

mod around;

use std::{
    cell::Cell,
    future::Future,
    mem,
    panic::Location,
    pin::Pin,
    ptr::NonNull,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use corosensei::Yielder;

use super::{
    Bar, Meta,
    base::Base,
    current,
    frame::{Frame, FramePtr, Notes, Orders},
};

/// Waits in a row that may be ready at once before one of them yields.
const READY_WAITS: u8 = 128;

/// Times that one fiber is unwound before it is given up.
const UNWINDS: u8 = 64;

/// A future is being polled by a wait: a nested wait would suspend in the middle of that poll.
const POLLING: u8 = 1;
/// The fiber has suspended since the present poll of its root began.
const SUSPENDED: u8 = 2;
/// The fiber has been unwound too often and will not end.
const GIVEN_UP: u8 = 4;
/// A fiber was polled inside the latest poll of an awaited future, and waits.
const NESTED: u8 = 8;
/// That one is in a shield.
const NESTED_SHIELDED: u8 = 16;
/// Code of the fiber runs on its thread's own stack, on which nothing can suspend.
const ON_THREAD_STACK: u8 = 32;
/// The code is in a section that puts a cancel off.
const SHIELDED: u8 = 64;

/// What keeps a fiber from suspending, or has to be noted when it does.
const UNUSUAL: u8 = POLLING | GIVEN_UP | NESTED_SHIELDED | ON_THREAD_STACK | SHIELDED;

pub(crate) struct State {
    yielder: NonNull<Yielder<FramePtr, ()>>,
    frame: Cell<FramePtr>,
    flags: Cell<u8>,
    /// Those in force.
    orders: Cell<Orders>,
    ready_waits: Cell<u8>,
    unwinds: Cell<u8>,
    /// Sections that put a cancel off, one inside the other.
    shields: Cell<u32>,
}

impl State {
    /// For `entry` only: `yielder` is its own (invariant 4), `frame` that of the first resume (invariant 5).
    #[inline]
    pub(super) fn new(yielder: &Yielder<FramePtr, ()>, frame: FramePtr) -> Self {
        let state = Self {
            yielder: NonNull::from(yielder),
            frame: Cell::new(frame),
            flags: Cell::new(0),
            orders: Cell::new(Orders::NONE),
            ready_waits: Cell::new(0),
            unwinds: Cell::new(0),
            shields: Cell::new(0),
        };
        state.take_orders();
        state
    }

    /// The frame of the latest resume. Only for code that runs on the fiber.
    #[inline]
    pub(super) fn frame(&self) -> &Frame {
        // SAFETY: invariant 5: the latest frame lives until control returns to the poller. No caller in this file and
        // in `entry` keeps the reference over a suspend.
        unsafe { self.frame.get().as_ref() }
    }

    /// Only for code that runs on the fiber.
    #[inline]
    pub(super) fn yielder(&self) -> &Yielder<FramePtr, ()> {
        // SAFETY: invariant 4: the yielder belongs to the same `entry` as this state and lives as long.
        unsafe { self.yielder.as_ref() }
    }

    /// The newest waker of the enclosing task. The reference must not be kept over a suspend: clone it.
    #[inline]
    fn waker(&self) -> &Waker {
        // SAFETY: invariant 5: the waker belongs to the caller of the poll that made the frame, and outlives it.
        unsafe { self.frame().waker.as_ref() }
    }

    /// What the owner says about itself. Only for code that runs on the fiber, or was interrupted there.
    #[inline]
    pub(super) fn base(&self) -> &Base {
        // SAFETY: invariant 5: the owner is borrowed by the poll that made the frame, and does not touch this part until
        // control is back. No caller keeps the reference over a suspend.
        unsafe { self.frame().base.as_ref() }
    }

    /// Calls `f` with the layer's data and the label of what runs here.
    pub(crate) fn with_meta<R>(&self, f: impl FnOnce(&Meta, &'static str) -> R) -> R {
        let base = self.base();
        f(base.meta(), base.label)
    }

    pub(crate) fn meta_arc(&self) -> Arc<Meta> {
        Arc::clone(&self.base().account.meta)
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

    /// Whether the code is where nothing can suspend.
    #[inline]
    pub(crate) fn is_misplaced(&self) -> bool {
        self.has(POLLING | ON_THREAD_STACK)
    }

    pub(crate) fn is_on_thread_stack(&self) -> bool {
        self.has(ON_THREAD_STACK)
    }

    /// Those in force.
    pub(super) fn orders(&self) -> Orders {
        self.orders.get()
    }

    pub(crate) fn has_orders(&self) -> bool {
        self.orders.get() != Orders::NONE
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.orders.get().is_cancelled()
    }

    #[inline]
    pub(crate) fn is_unwinding(&self) -> bool {
        self.orders.get().is_unwinding()
    }

    /// Whether the fiber cannot tell its own panicking from its poller's.
    pub(crate) fn is_poller_panicking(&self) -> bool {
        self.frame().panicking
    }

    /// Puts orders that can be put off off until the guard is dropped.
    pub(crate) fn shield(&self) -> impl Drop + '_ {
        struct Shield<'a>(&'a State);

        impl Drop for Shield<'_> {
            fn drop(&mut self) {
                let shields = self.0.shields.get() - 1;
                self.0.shields.set(shields);
                if shields == 0 {
                    self.0.clear(SHIELDED);
                    self.0.take_orders();
                }
            }
        }

        self.shields.set(self.shields.get() + 1);
        self.set(SHIELDED);
        Shield(self)
    }

    /// Puts into force what the owner has said.
    #[inline]
    fn take_orders(&self) {
        let orders = self.frame().orders;
        if orders != self.orders.get() {
            self.obey(orders);
        }
    }

    #[cold]
    fn obey(&self, orders: Orders) {
        if orders.wants_report() {
            self.report();
        }
        let mut all = self.orders.get();
        all |= if self.has(SHIELDED) { orders.shielded() } else { orders.lasting() };
        self.orders.set(all);
        if let Some(gone) = self.base().gone.get().filter(|_| all.is_caller_gone()) {
            // Orders that a shield puts off come again at each resume; this is said once.
            gone.send_if_modified(|gone| !mem::replace(gone, true));
        }
    }

    /// Counts one unwinding. After too many the fiber suspends for good; its owner leaks it.
    pub(crate) fn count_unwind(&self, caller: &'static Location<'static>) {
        if self.unwinds.get() == UNWINDS {
            self.set(GIVEN_UP);
            loop {
                self.suspend(caller);
            }
        }
        self.unwinds.set(self.unwinds.get() + 1);
    }

    /// Whether the code holds what it must not hold while it is suspended.
    #[inline]
    pub(crate) fn is_barred(&self) -> bool {
        self.base().meta().bar.as_ref().is_some_and(Bar::is_held)
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

        self.flags.set(self.flags.get() & !(NESTED | NESTED_SHIELDED) | POLLING);
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
    pub(crate) fn yield_now(&self, caller: &'static Location<'static>) {
        self.waker().wake_by_ref();
        self.suspend(caller);
    }

    /// Leaves this stack for the enclosing task, until the next poll. `caller` is where the code waits.
    #[inline]
    pub(crate) fn suspend(&self, caller: &'static Location<'static>) {
        self.base().waits_at.set(Some(caller));
        if self.has(UNUSUAL) {
            self.note_suspend();
        }
        self.ready_waits.set(0);
        self.set(SUSPENDED);
        let frame = self.yielder().suspend(());
        self.frame.set(frame);
        current::enter(self);
        self.take_orders();
    }

    #[cold]
    fn note_suspend(&self) {
        assert!(!self.is_misplaced(), "a fiber suspended inside a poll, or off its stack");
        self.frame().notes.add(if self.has(GIVEN_UP) { Notes::GIVEN_UP } else { Notes::SHIELDED });
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
