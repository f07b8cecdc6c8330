//! The books: what a fiber adds to its layer's numbers, and that it is taken off them once.

use std::{mem, sync::Arc, task::Waker};

use super::{
    Meta,
    roll::{About, FiberId, Seat},
    tally::Event,
};

/// One call's place in the books, from its placement until its last destructor has run.
pub(super) struct Account {
    pub(super) meta: Arc<Meta>,
    seat: Option<Seat>,
    /// The call was placed, and is in the books.
    pub(super) open: bool,
    /// Holds a stack.
    pub(super) live: bool,
    /// Counted as cancelled.
    cancelled: bool,
    /// Counted as leaked with the fiber around it, although this one is still owned by somebody.
    written_off: bool,
}

impl Account {
    #[inline]
    pub(super) fn new(meta: Arc<Meta>) -> Self {
        Self { meta, seat: None, open: false, live: false, cancelled: false, written_off: false }
    }

    /// Whether somebody may look for it in the roll. If not, only fibers around and inside make a place there necessary.
    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        self.seat.is_some() || self.meta.is_watched()
    }

    /// `false` if it was open before.
    #[inline]
    pub(super) fn open(&mut self) -> bool {
        let is_new = !mem::replace(&mut self.open, true);
        if is_new {
            self.meta.begin_call();
        }
        is_new
    }

    #[inline]
    pub(super) fn begin(&mut self) {
        self.live = true;
        self.meta.count(Event::Started);
        if self.written_off {
            self.meta.count(Event::LeakedLive);
        }
    }

    /// Its place in the roll.
    #[inline]
    pub(super) fn seat(&self) -> Option<&Seat> {
        self.seat.as_ref()
    }

    /// Notes in the roll that the fiber waits. `true` if it was not there like this before.
    pub(super) fn wait(&mut self, fiber: FiberId, inside: Option<FiberId>, about: About, waker: &Waker) -> bool {
        if let Some(seat) = &mut self.seat {
            if seat.is_current(inside, self.live, waker) {
                seat.note_wait(about.waits_at);
                return false;
            }
            if seat.renew(inside, self.live, about, waker) {
                return true;
            }
            self.leave_seat();
        }
        self.seat = Some(Seat::take(fiber, inside, self.live, &self.meta, about, waker));
        true
    }

    /// After the fiber's stack was given back.
    #[inline]
    pub(super) fn end(&mut self, cancelled: bool) {
        if self.seat.is_some() {
            self.leave_seat();
        }
        let meta = &self.meta;
        if cancelled && !mem::replace(&mut self.cancelled, true) {
            meta.count(Event::Cancelled);
        }
        if mem::take(&mut self.live) && self.written_off {
            meta.count(Event::Revived);
        }
        // Last, so that whoever sees no live fiber sees its other numbers.
        meta.count(Event::Stopped);
    }

    /// The call has ended.
    #[inline]
    pub(super) fn close(&mut self) {
        if self.seat.is_some() {
            self.leave_seat();
        }
        if mem::take(&mut self.open) && !self.written_off {
            self.meta.end_call();
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
        if !self.written_off {
            self.meta.count(Event::Leaked);
            if mem::take(&mut self.live) {
                self.meta.count(Event::LeakedLive);
            }
        }
    }

    pub(super) fn leave_seat(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.written_off |= !seat.vacate();
        }
    }
}

impl Drop for Account {
    #[inline]
    fn drop(&mut self) {
        self.close();
    }
}
