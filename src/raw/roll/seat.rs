//! A fiber's place in the roll of its home thread.

use std::{
    mem,
    panic::Location,
    ptr,
    sync::{Arc, atomic::Ordering},
    task::{RawWakerVTable, Waker},
};

use super::{About, Entry, FiberId, Roll};
use crate::raw::Meta;

/// Taken when the fiber waits, and given up when it ends.
pub(in crate::raw) struct Seat {
    roll: &'static Roll,
    key: usize,
    fiber: FiberId,
    inside: Option<FiberId>,
    suspended: bool,
    /// What the waker in the roll consists of, for comparing without looking there.
    waker: (usize, &'static RawWakerVTable),
    /// How often wakers had been taken out of the roll.
    robbed: u64,
    waits_at: Option<&'static Location<'static>>,
}

impl Seat {
    /// At home only.
    #[inline]
    pub(in crate::raw) fn take(
        fiber: FiberId,
        inside: Option<FiberId>,
        suspended: bool,
        meta: &Arc<Meta>,
        about: About,
        waker: &Waker,
    ) -> Self {
        let roll = Roll::here();
        // Cloned before the roll is taken: a waker may do anything.
        let waker = waker.clone();
        let parts = (waker.data().addr(), waker.vtable());
        let entry = Entry { fiber, inside, suspended, meta: Arc::as_ptr(meta), about, waker };
        let robbed = roll.robbed.load(Ordering::Relaxed);
        let key = roll.with(|entries| entries.insert(entry));
        Self { roll, key, fiber, inside, suspended, waker: parts, robbed, waits_at: about.waits_at }
    }

    /// Whether the roll still says what is true.
    #[inline]
    pub(in crate::raw) fn is_current(&self, inside: Option<FiberId>, suspended: bool, waker: &Waker) -> bool {
        self.inside == inside
            && self.suspended == suspended
            && self.waker.0 == waker.data().addr()
            && ptr::eq(self.waker.1, waker.vtable())
            && self.robbed == self.roll.robbed.load(Ordering::Relaxed)
    }

    /// Writes down anew what has changed, in one step: whoever looks for the fiber meanwhile finds it. `false` if it has been written off
    /// with the one around it, and has no seat any more.
    pub(in crate::raw) fn renew(
        &mut self,
        inside: Option<FiberId>,
        suspended: bool,
        about: About,
        waker: &Waker,
    ) -> bool {
        // Cloned before the roll is taken, and what was there is dropped when it is free.
        let mut waker = waker.clone();
        let parts = (waker.data().addr(), waker.vtable());
        let robbed = self.roll.robbed.load(Ordering::Relaxed);
        let is_there = self.roll.with(|entries| {
            let Some(entry) = entries.get_mut(self.key).filter(|entry| entry.fiber == self.fiber) else { return false };
            (entry.inside, entry.suspended, entry.about) = (inside, suspended, about);
            mem::swap(&mut entry.waker, &mut waker);
            true
        });
        *self = Self { inside, suspended, waker: parts, robbed, waits_at: about.waits_at, ..*self };
        is_there
    }

    /// Notes where the fiber waits now.
    #[inline]
    pub(in crate::raw) fn note_wait(&mut self, waits_at: Option<&'static Location<'static>>) {
        if waits_at.map(ptr::from_ref) != self.waits_at.map(ptr::from_ref) {
            self.waits_at = waits_at;
            self.roll.with(|entries| {
                if let Some(entry) = entries.get_mut(self.key).filter(|entry| entry.fiber == self.fiber) {
                    entry.about.waits_at = waits_at;
                }
            });
        }
    }

    /// Notes that the fiber runs now. Returns which one did before.
    #[inline]
    pub(in crate::raw) fn run(&self) -> u64 {
        let former = self.roll.running.load(Ordering::Relaxed);
        self.roll.running.store(self.fiber.get(), Ordering::Relaxed);
        former
    }

    /// Notes that the fiber runs no more, and the `former` one does.
    #[inline]
    pub(in crate::raw) fn pause(&self, former: u64) {
        self.roll.running.store(former, Ordering::Relaxed);
    }

    /// Gives the seat up. `false` if the fiber has been written off with the one around it.
    #[inline]
    pub(in crate::raw) fn vacate(self) -> bool {
        // The waker is dropped when the roll is free.
        let entry = self.roll.with(|entries| match entries.get(self.key) {
            Some(entry) if entry.fiber == self.fiber => entries.try_remove(self.key),
            _ => None,
        });
        entry.is_some()
    }

    /// Counts as leaked whatever lies inside this fiber, which is leaked.
    pub(in crate::raw) fn write_off(&self) {
        self.roll.write_off(self.fiber);
    }
}
