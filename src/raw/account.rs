//! The books: what a fiber adds to its layer's numbers, and that it is taken off them once.

use std::{mem, sync::Arc, task::Waker};

use super::{
    Meta,
    roll::{FiberId, Seat},
};

/// One call's place in the books, from its placement until its last destructor has run.
pub(super) struct Account {
    pub(super) meta: Arc<Meta>,
    seat: Option<Seat>,
    /// Holds a stack.
    live: bool,
    /// Counted as cancelled.
    cancelled: bool,
    /// Counted as leaked with the fiber around it, although this one is still owned by somebody.
    written_off: bool,
}

impl Account {
    pub(super) fn open(meta: Arc<Meta>) -> Self {
        meta.calls.begin();
        Self { meta, seat: None, live: false, cancelled: false, written_off: false }
    }

    pub(super) fn begin(&mut self) {
        self.live = true;
        if !self.written_off {
            self.meta.counts.live.up();
        }
        self.meta.counts.stacks_in_use.up();
    }

    /// Notes in the roll that the fiber waits. `true` if it was not there like this before.
    #[inline]
    pub(super) fn wait(&mut self, fiber: FiberId, inside: Option<FiberId>, waker: &Waker) -> bool {
        if self.seat.as_ref().is_some_and(|seat| seat.is_current(inside, self.live, waker)) {
            return false;
        }
        self.leave_seat();
        self.seat = Some(Seat::take(fiber, inside, self.live, &self.meta, waker));
        true
    }

    /// After the fiber's stack was given back.
    pub(super) fn end(&mut self, cancelled: bool) {
        self.leave_seat();
        let counts = &self.meta.counts;
        if cancelled && !mem::replace(&mut self.cancelled, true) {
            counts.cancelled.up();
        }
        counts.stacks_in_use.down();
        // Last, so that whoever sees no live fiber sees its other numbers.
        if mem::take(&mut self.live) && !self.written_off {
            counts.live.down();
        }
    }

    /// A fiber or root that is never touched again. `has_nested` saves a look through the whole roll for each of the many
    /// fibers that a runtime may leave behind.
    #[cold]
    pub(super) fn leak(&mut self, has_nested: bool) {
        if let Some(seat) = self.seat.as_ref().filter(|_| has_nested) {
            seat.write_off();
        }
        self.leave_seat();
        let counts = &self.meta.counts;
        if !self.written_off {
            counts.leaked.up();
            if mem::take(&mut self.live) {
                counts.live.down();
            }
        }
    }

    fn leave_seat(&mut self) {
        self.written_off |= self.seat.take().is_some_and(|seat| !seat.vacate());
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.leave_seat();
        if !self.written_off {
            self.meta.calls.end();
        }
    }
}
