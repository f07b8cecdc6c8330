//! Waits: polls on the fiber's stack, and suspending it.

use std::{
    future::Future,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::{
    BARRED, FOREIGN, GIVEN_UP, POLLING, READY_WAITS, SHIELDED, SUSPENDED, State, UNUSUAL, UNWINDS, make_current,
};
use crate::{
    raw::{
        exchange::{At, Reply, WaitsAt},
        foreign::foreign,
    },
    util::drop_quietly::drop_quietly,
};

impl State {
    /// Whether the code holds something that it must not hold while it is suspended.
    #[inline]
    pub(crate) fn is_barred(&self) -> bool {
        self.has(BARRED) && self.ask_bar()
    }

    fn ask_bar(&self) -> bool {
        foreign(|| self.owner().is_barred()).unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// Polls an awaited future once, on this stack, with the newest waker. A wait inside that poll is nested.
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

    /// Counts a wait that was ready at once. Returns whether it is time to yield.
    #[inline]
    pub(crate) fn is_yield_due(&self) -> bool {
        let waits = self.ready_waits.get().saturating_add(1);
        self.ready_waits.set(waits);
        waits >= READY_WAITS
    }

    /// Clones the waker. If the clone panics, so does the code here.
    #[inline]
    fn clone_waker(&self) -> Waker {
        let _refused = self.refuse_waits();
        self.waker().clone()
    }

    /// Suspends once, so that other tasks of the thread run, unless the enclosing task cannot be woken.
    #[cold]
    pub(crate) fn yield_now(&self, at: At) {
        let woken = foreign(|| self.waker().clone()).and_then(|waker| foreign(move || waker.wake()));
        match woken {
            Ok(()) => self.suspend(at),
            Err(payload) => {
                // The next yield is as far away as after a suspend.
                self.ready_waits.set(0);
                drop_quietly(payload);
            }
        }
    }

    /// Defers signals that can be deferred until the guard is dropped.
    pub(crate) fn shield(&self) -> impl Drop + '_ {
        struct Shield<'a>(&'a State);

        impl Drop for Shield<'_> {
            fn drop(&mut self) {
                let shields = self.0.shields.get() - 1;
                self.0.shields.set(shields);
                if shields == 0 {
                    self.0.clear(SHIELDED);
                    self.0.take_signals();
                }
            }
        }

        self.shields.set(self.shields.get() + 1);
        self.set(SHIELDED);
        Shield(self)
    }

    /// Refuses waits until the guard is dropped, because the code asks for it.
    pub(crate) fn no_wait(&self) -> impl Drop + '_ {
        struct NoWait<'a, T>(&'a State, bool, T);

        impl<T> Drop for NoWait<'_, T> {
            fn drop(&mut self) {
                self.0.waits_refused.set(self.1);
            }
        }

        NoWait(self, self.waits_refused.replace(true), self.refuse_waits())
    }

    /// Refuses waits until the guard is dropped.
    #[inline]
    pub(in crate::raw) fn refuse_waits(&self) -> impl Drop + '_ {
        struct Refused<'a>(&'a State, u8);

        impl Drop for Refused<'_> {
            #[inline]
            fn drop(&mut self) {
                self.0.flags.set(self.0.flags.get() & !FOREIGN | self.1);
            }
        }

        let former = self.flags.get() & FOREIGN;
        self.set(FOREIGN);
        Refused(self, former)
    }

    /// Counts one unwinding. After too many the fiber suspends for good; its owner leaks it.
    pub(crate) fn count_unwind(&self, at: At) {
        if self.unwinds.get() == UNWINDS {
            self.set(GIVEN_UP);
            loop {
                self.suspend(at);
            }
        }
        self.unwinds.set(self.unwinds.get() + 1);
    }

    /// Whether a cancel has unwound the code at least once.
    pub(crate) fn has_unwound(&self) -> bool {
        self.unwinds.get() > 0
    }

    /// Suspends until the next poll of the enclosing task. `at` is where the code waits.
    #[inline]
    pub(crate) fn suspend(&self, at: At) {
        // SAFETY: invariant 6: whatever the job is, a coroutine begins with this cell; by invariant 5 it outlives the
        // frame, and the poll that made the frame does not touch it.
        unsafe { self.frame().coroutine.cast::<WaitsAt>().as_ref() }.set(Some(at));
        if self.has(UNUSUAL) {
            self.note_suspend();
        }
        self.ready_waits.set(0);
        self.set(SUSPENDED);
        let frame = self.yielder().suspend(());
        self.frame.set(frame);
        make_current(self);
        self.take_signals();
    }

    #[cold]
    fn note_suspend(&self) {
        assert!(!self.is_misplaced(), "a fiber suspended inside a poll, or off its stack");
        self.frame().reply.mark(if self.has(GIVEN_UP) { Reply::GIVEN_UP } else { Reply::SHIELDED });
    }

    /// Polls the root until it is ready, or is pending without having suspended below. After a suspend it is polled
    /// again, since that wait may have consumed a wake meant for another part of the root.
    pub(crate) fn poll_root<F: Future + ?Sized>(&self, mut root: Pin<&mut F>) -> Poll<F::Output> {
        loop {
            self.clear(SUSPENDED);
            // A clone, since the frame that lends the waker is gone after a suspend.
            let waker = Owned(self, Some(self.clone_waker()));
            let poll = root.as_mut().poll(&mut Context::from_waker(waker.1.as_ref().unwrap_or(Waker::noop())));
            drop(waker);
            if poll.is_ready() || !self.has(SUSPENDED) {
                return poll;
            }
        }
    }
}

/// A waker that the fiber owns. Its destructor is foreign code.
struct Owned<'a>(&'a State, Option<Waker>);

impl Drop for Owned<'_> {
    #[inline]
    fn drop(&mut self) {
        let _refused = self.0.refuse_waits();
        drop_quietly(self.1.take());
    }
}
