//! A fiber's place in the registry of its home thread.

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

/// Taken when the fiber waits, and given up when it ends.
pub(in crate::fiber) struct Registration {
    registry: &'static Registry,
    key: usize,
    fiber: FiberId,
    inside: Option<FiberId>,
    suspended: bool,
    /// What the waker in the registry consists of, for comparing without looking there.
    waker: (usize, &'static RawWakerVTable),
    /// How often wakers had been taken out of the registry.
    robbed: u64,
    waits_at: Option<&'static Location<'static>>,
    /// What the fibers around it know of it, while it waits inside them.
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
        // Cloned before the registry is taken: a waker may do anything. One that cannot be cloned is not woken from
        // here: the fiber has suspended, and what it waits for may wake it.
        let waker = clone_waker_or_none(waker);
        let parts = (waker.data().addr(), waker.vtable());
        let entry = Entry { fiber, inside, suspended, layer: shared.id, about, waker };
        let robbed = registry.robbed.load(Ordering::Relaxed);
        let key = registry.with(|entries| entries.insert(entry));
        Self { registry, key, fiber, inside, suspended, waker: parts, robbed, waits_at: about.waits_at, nesting }
    }

    /// Whether the registry still says what is true.
    #[inline]
    pub(in crate::fiber) fn is_current(&self, inside: Option<FiberId>, suspended: bool, waker: &Waker) -> bool {
        self.inside == inside
            && self.suspended == suspended
            && self.waker.0 == waker.data().addr()
            && ptr::eq(self.waker.1, waker.vtable())
            && self.robbed == self.registry.robbed.load(Ordering::Relaxed)
    }

    /// Writes down anew what has changed, in one step: a thread that looks for the fiber meanwhile finds it. `false` if
    /// it has been written off with the one around it, and has no registration any more.
    pub(in crate::fiber) fn renew(
        &mut self,
        inside: Option<FiberId>,
        suspended: bool,
        about: About,
        waker: &Waker,
    ) -> bool {
        // Cloned before the registry is taken, and what was there is dropped when it is free.
        let mut waker = clone_waker_or_none(waker);
        let parts = (waker.data().addr(), waker.vtable());
        let robbed = self.registry.robbed.load(Ordering::Relaxed);
        let is_there = self.registry.with(|entries| {
            let Some(entry) = entries.get_mut(self.key).filter(|entry| entry.fiber == self.fiber) else { return false };
            (entry.inside, entry.suspended, entry.about) = (inside, suspended, about);
            mem::swap(&mut entry.waker, &mut waker);
            true
        });
        let_go(waker);
        (self.inside, self.suspended, self.waker, self.robbed) = (inside, suspended, parts, robbed);
        self.waits_at = about.waits_at;
        is_there
    }

    /// Notes where the fiber waits now.
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

    /// Notes that the fiber runs now. Returns which one did before.
    #[inline]
    pub(in crate::fiber) fn run(&self) -> u64 {
        let former = self.registry.running.load(Ordering::Relaxed);
        self.registry.running.store(self.fiber.get(), Ordering::Relaxed);
        former
    }

    /// Notes that the fiber runs no more, and the `former` one does.
    #[inline]
    pub(in crate::fiber) fn pause(&self, former: u64) {
        self.registry.running.store(former, Ordering::Relaxed);
    }

    /// Takes the fiber out of the registry. `false` if the fiber has been written off with the one around it.
    #[inline]
    pub(in crate::fiber) fn leave(&self) -> bool {
        let waker = self.registry.with(|entries| match entries.get(self.key) {
            Some(entry) if entry.fiber == self.fiber => entries.try_remove(self.key).map(|entry| entry.waker),
            _ => None,
        });
        let is_there = waker.is_some();
        // Dropped when the registry is free.
        waker.into_iter().for_each(let_go);
        is_there
    }

    /// The fiber goes on outside of the one that it is in.
    pub(in crate::fiber) fn come_out(&mut self) {
        self.nesting = None;
        self.inside = None;
        self.registry.with(|entries| {
            if let Some(entry) = entries.get_mut(self.key).filter(|entry| entry.fiber == self.fiber) {
                entry.inside = None;
            }
        });
    }

    /// Counts as leaked whatever lies inside this fiber, which is leaked.
    pub(in crate::fiber) fn write_off(&self) {
        self.registry.write_off(self.fiber);
    }
}
