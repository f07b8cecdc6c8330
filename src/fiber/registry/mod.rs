//! Each thread's registry of its waiting fibers: how to wake them, and which lies inside which.
//!
//! It serves operations from outside the fibers' tasks: cancelling all fibers of a layer, and counting fibers that are
//! leaked because the fiber around them is. A fiber registers when it first waits, and only if a layer or handle exists
//! that could look it up, or if other fibers lie around or inside it. Most calls do not pay for this.

mod mark;
mod registration;
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nobody is told"))]
mod survey;

use std::{
    cell::Cell,
    collections::HashMap,
    mem,
    panic::Location,
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use slab::Slab;

#[cfg(feature = "tracing")]
pub(crate) use self::survey::Survey;
pub(super) use self::{mark::Mark, registration::Registration};
use super::{
    Event, Shared,
    abandoned::Abandoned,
    id::{FiberId, LayerId},
};
use crate::{
    raw::{Biased, Home, Moment, RunSlot, let_go, wake},
    util::lock::lock,
};

thread_local! {
    // Constant and without a destructor: usable at any time, even while the thread is ending.
    static MINE: Cell<Option<&'static Registry>> = const { Cell::new(None) };
    static LEAVING: Leaving = const { Leaving };
}

/// All registries. They are reused by later threads and never freed.
static REGISTRIES: Mutex<Vec<&'static Registry>> = Mutex::new(Vec::new());

#[derive(Default)]
pub(crate) struct Registry {
    is_taken: AtomicBool,
    /// The fiber that the thread is running if that fiber is registered; otherwise 0.
    running: AtomicU64,
    /// How often wakers have been taken out of entries in order to wake fibers.
    robbed: AtomicU64,
    pub(crate) run_slot: RunSlot,
    entries: Biased<Slab<Entry>>,
    /// The fibers whose callers have gone. Apart, since most fibers that wait have theirs.
    abandoned: Mutex<HashMap<FiberId, Abandoned>>,
}

/// A fiber's description for reports to people.
#[derive(Clone, Copy)]
pub(super) struct About {
    pub(super) label: &'static str,
    pub(super) begun: Option<Moment>,
    pub(super) waits_at: Option<&'static Location<'static>>,
}

pub(super) struct Entry {
    pub(super) fiber: FiberId,
    /// The fiber on whose stack this one was polled last.
    pub(super) inside: Option<FiberId>,
    /// Whether the fiber holds a stack; if not, it is parked or has not begun.
    pub(super) suspended: bool,
    pub(super) layer: LayerId,
    pub(super) about: About,
    waker: Waker,
}

/// Cancels all calls that have begun under `shared`.
pub(crate) fn cancel_all(shared: &Arc<Shared>) {
    shared.in_flight.cancel();
    wake_all(shared);
}

/// Wakes all waiting fibers of `shared`.
pub(crate) fn wake_all(shared: &Arc<Shared>) {
    registries().into_iter().for_each(|registry| registry.wake(|entry| entry.layer == shared.id));
}

/// Wakes all fibers that wait inside this fiber of the current thread.
pub(super) fn wake_inside(fiber: FiberId) {
    Registry::here().wake(|entry| entry.inside == Some(fiber));
}

/// Wakes a fiber of any thread, if it waits.
#[cold]
pub(crate) fn wake_fiber(fiber: FiberId) {
    registries().into_iter().for_each(|registry| registry.wake(|entry| entry.fiber == fiber));
}

/// A fiber's entry in a listing for people.
pub(crate) struct Listed {
    pub(crate) fiber: FiberId,
    pub(crate) label: &'static str,
    /// Its home thread, which `Display` names.
    pub(crate) thread: Home,
    pub(crate) age: Option<Duration>,
    /// How long ago its caller went.
    pub(crate) abandoned: Option<Duration>,
    pub(crate) is_running: bool,
    pub(crate) waits_at: Option<&'static Location<'static>>,
}

/// The fibers of `shared` that have waited, the oldest of each thread first.
pub(crate) fn list(shared: &Arc<Shared>) -> Vec<Listed> {
    let mut listed = Vec::new();
    for registry in registries() {
        let is_of_layer = |entry: &&Entry| entry.suspended && entry.layer == shared.id;
        let (running, mut found) = registry.with(|entries| {
            let entries = entries.iter().map(|(_, entry)| entry).filter(is_of_layer);
            let found: Vec<_> = entries.map(|entry| (entry.fiber, entry.about)).collect();
            (registry.running.load(Ordering::Relaxed), found)
        });
        found.sort_by_key(|(fiber, _)| *fiber);
        listed.extend(found.into_iter().map(|(fiber, about)| Listed {
            fiber,
            label: about.label,
            thread: Home::of_id(fiber.number()),
            age: about.begun.map(Moment::elapsed),
            abandoned: lock(&registry.abandoned).get(&fiber).map(Abandoned::elapsed),
            is_running: fiber.number().get() == running,
            waits_at: about.waits_at,
        }));
    }
    listed
}

/// All registries, always in the same order.
pub(crate) fn registries() -> Vec<&'static Registry> {
    lock(&REGISTRIES).clone()
}

/// Frees the registry of an ending thread for reuse.
struct Leaving;

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(registry) = MINE.take() {
            registry.run_slot.close();
            registry.is_taken.store(false, Ordering::Release);
        }
    }
}

impl Registry {
    #[inline]
    pub(super) fn here() -> &'static Self {
        MINE.get().unwrap_or_else(Self::adopt)
    }

    #[cold]
    fn adopt() -> &'static Self {
        let mut registries = lock(&REGISTRIES);
        // A registry for reuse may still list fibers whose thread has ended; adding to it does no harm.
        let left = registries.iter().copied().find(|registry| !registry.is_taken.swap(true, Ordering::Acquire));
        let registry = left.unwrap_or_else(|| {
            let registry: &'static Self = Box::leak(Box::default());
            registry.is_taken.store(true, Ordering::Relaxed);
            registries.push(registry);
            registry
        });
        MINE.set(Some(registry));
        // A thread that is already ending keeps its registry.
        _ = LEAVING.try_with(|_| ());
        registry
    }

    #[inline]
    pub(super) fn with<R>(&'static self, f: impl FnOnce(&mut Slab<Entry>) -> R) -> R {
        if MINE.get().is_some_and(|mine| ptr::eq(mine, self)) { self.entries.own(f) } else { self.entries.look_in(f) }
    }

    fn add_abandoned(&self, fiber: FiberId, abandoned: Abandoned) {
        lock(&self.abandoned).insert(fiber, abandoned);
    }

    /// Called when the fiber returns its stack, or is leaked with the one around it. Only the first time counts.
    fn end_abandoned(&self, fiber: FiberId) {
        // Dropped after the unlocking, since it counts, and may be the last that holds its layer's data.
        let _abandoned = lock(&self.abandoned).remove(&fiber);
    }

    /// Wakes the fibers whose entries match.
    fn wake(&'static self, is_meant: impl Fn(&Entry) -> bool) {
        // The wakers are moved out, since cloning one under the lock could run arbitrary code. A woken fiber stores a
        // new waker when it waits again.
        let wakers: Vec<_> = self.with(|entries| {
            self.robbed.fetch_add(1, Ordering::Relaxed);
            let entries = entries.iter_mut().map(|(_, entry)| entry).filter(|entry| is_meant(entry));
            entries.map(|entry| mem::replace(&mut entry.waker, Waker::noop().clone())).collect()
        });
        // Woken after the registry is unlocked: a waker may do anything.
        wakers.into_iter().for_each(wake);
    }

    /// Counts everything inside a leaked fiber as leaked.
    fn write_off(&'static self, fiber: FiberId) {
        let inside: Vec<_> = self.with(|entries| {
            let keys: Vec<_> = entries.iter().filter(|(_, e)| e.inside == Some(fiber)).map(|(key, _)| key).collect();
            // Looked up here, while the entry's call guard keeps its layer alive.
            keys.into_iter().map(|key| entries.remove(key)).map(|entry| (Shared::of(entry.layer), entry)).collect()
        });
        for (shared, entry) in inside {
            self.write_off(entry.fiber);
            if let Some(shared) = shared {
                shared.count(Event::Leaked);
                if entry.suspended {
                    shared.count(Event::LeakedLive);
                }
                self.end_abandoned(entry.fiber);
                shared.end_call(None);
            }
            let_go(entry);
        }
    }
}
