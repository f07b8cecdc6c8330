//! A fiber's entry in the registry of its home thread.

use std::{
    mem,
    panic::Location,
    ptr,
    sync::{Arc, atomic::Ordering},
    task::{RawWakerVTable, Waker},
};

use super::{About, Entry, Registry};
use crate::{
    fiber::{FiberId, Shared, nest::Inside},
    raw::{clone_waker_or_none, let_go},
};

/// Taken when the fiber first waits, given up when it ends.
pub(in crate::fiber) struct Registration {
    registry: &'static Registry,
    key: usize,
    fiber: FiberId,
    inside: Option<FiberId>,
    suspended: bool,
    /// The parts of the waker in the registry, for comparison without locking it.
    waker: (usize, &'static RawWakerVTable),
    /// The registry's `robbed` count when the waker was stored.
    robbed: u64,
    waits_at: Option<&'static Location<'static>>,
    /// The fiber's share in the nests around it, while it waits inside other fibers.
    pub(in crate::fiber) nesting: Option<Inside>,
}

impl Registration {
    /// At home only.
    #[inline]
    pub(in crate::fiber) fn take(
        fiber: FiberId,
        inside: Option<FiberId>,
        suspended: bool,
        shared: &Arc<Shared>,
        about: About,
        waker: &Waker,
        nesting: Option<Inside>,
    ) -> Self {
        let registry = Registry::here();
        // Cloned before the registry is locked, since a waker may do anything. If cloning panics, the registry cannot
        // wake the fiber; it has suspended, and the future that it awaits may still wake it.
        let waker = clone_waker_or_none(waker);
        let parts = (waker.data().addr(), waker.vtable());
        let entry = Entry { fiber, inside, suspended, layer: shared.id, about, waker };
        let robbed = registry.robbed.load(Ordering::Relaxed);
        let key = registry.with(|entries| entries.insert(entry));
        Self { registry, key, fiber, inside, suspended, waker: parts, robbed, waits_at: about.waits_at, nesting }
    }

    /// Whether the registry's entry is still correct.
    #[inline]
    pub(in crate::fiber) fn is_current(&self, inside: Option<FiberId>, suspended: bool, waker: &Waker) -> bool {
        self.inside == inside && self.suspended == suspended && self.has_waker(waker)
    }

    /// Whether the registry has this waker.
    #[inline]
    fn has_waker(&self, waker: &Waker) -> bool {
        self.waker.0 == waker.data().addr()
            && ptr::eq(self.waker.1, waker.vtable())
            && self.robbed == self.registry.robbed.load(Ordering::Relaxed)
    }

    /// Updates the entry in one step, so that a thread looking for the fiber meanwhile finds it. `false` if the fiber
    /// has been written off with the one around it and is no longer registered.
    pub(in crate::fiber) fn renew(
        &mut self,
        inside: Option<FiberId>,
        suspended: bool,
        about: About,
        waker: &Waker,
    ) -> bool {
        // Cloned before the registry is locked; the former waker is dropped after it is unlocked.
        let mut new_waker = (!self.has_waker(waker)).then(|| clone_waker_or_none(waker));
        if let Some(waker) = &new_waker {
            self.waker = (waker.data().addr(), waker.vtable());
            self.robbed = self.registry.robbed.load(Ordering::Relaxed);
        }
        let is_there = self.registry.with(|entries| {
            let Some(entry) = entries.get_mut(self.key).filter(|entry| entry.fiber == self.fiber) else { return false };
            (entry.inside, entry.suspended, entry.about) = (inside, suspended, about);
            if let Some(waker) = &mut new_waker {
                mem::swap(&mut entry.waker, waker);
            }
            true
        });
        new_waker.into_iter().for_each(let_go);
        (self.inside, self.suspended) = (inside, suspended);
        self.waits_at = about.waits_at;
        is_there
    }

    /// Records where the fiber waits now.
    #[inline]
    pub(in crate::fiber) fn note_wait(&mut self, waits_at: Option<&'static Location<'static>>) {
        if waits_at.map(ptr::from_ref) != self.waits_at.map(ptr::from_ref) {
            self.waits_at = waits_at;
            self.registry.with(|entries| {
                if let Some(entry) = entries.get_mut(self.key).filter(|entry| entry.fiber == self.fiber) {
                    entry.about.waits_at = waits_at;
                }
            });
        }
    }

    /// Records that the fiber runs now. Returns the fiber that ran before.
    #[inline]
    pub(in crate::fiber) fn run(&self) -> u64 {
        let former = self.registry.running.load(Ordering::Relaxed);
        self.registry.running.store(self.fiber.number().get(), Ordering::Relaxed);
        former
    }

    /// Records that the fiber no longer runs, and that `former` does.
    #[inline]
    pub(in crate::fiber) fn pause(&self, former: u64) {
        self.registry.running.store(former, Ordering::Relaxed);
    }

    /// Takes the fiber out of the registry. `false` if it has been written off with the one around it.
    #[inline]
    pub(in crate::fiber) fn leave(&self) -> bool {
        let waker = self.registry.with(|entries| match entries.get(self.key) {
            Some(entry) if entry.fiber == self.fiber => entries.try_remove(self.key).map(|entry| entry.waker),
            _ => None,
        });
        let is_there = waker.is_some();
        // Dropped after the registry is unlocked.
        waker.into_iter().for_each(let_go);
        is_there
    }

    /// Records that the fiber goes on outside the one that it was in.
    pub(in crate::fiber) fn come_out(&mut self) {
        self.nesting = None;
        self.inside = None;
        self.registry.with(|entries| {
            if let Some(entry) = entries.get_mut(self.key).filter(|entry| entry.fiber == self.fiber) {
                entry.inside = None;
            }
        });
    }

    /// Counts everything inside this leaked fiber as leaked.
    pub(in crate::fiber) fn write_off(&self) {
        self.registry.write_off(self.fiber);
    }
}
