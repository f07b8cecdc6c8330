//! The registry of each thread: its fibers that wait, how to wake them, and which lies inside which.
//!
//! It serves what reaches fibers from outside their tasks: cancelling all of a layer, and counting those that are
//! leaked because the fiber around them is. A fiber registers when it first waits, and only if a layer or handle exists
//! that could look it up, or if other fibers lie around or inside it. Most calls do not pay for this.

mod registration;

use std::{
    cell::Cell,
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

pub(super) use self::registration::Registration;
use super::{Event, Shared, id::FiberId, shared::LayerId};
use crate::{
    raw::{Biased, Home, Moment, RunSlot, let_go, wake},
    util::lock::lock,
};

thread_local! {
    // Constant and without a destructor: usable at any time, also while the thread is ending.
    static MINE: Cell<Option<&'static Registry>> = const { Cell::new(None) };
    static LEAVING: Leaving = const { Leaving };
}

/// All that there are. They are never freed, but used again by later threads.
static REGISTRIES: Mutex<Vec<&'static Registry>> = Mutex::new(Vec::new());

#[derive(Default)]
pub(crate) struct Registry {
    is_taken: AtomicBool,
    /// The fiber that its thread runs now, if that has a registration; else 0.
    running: AtomicU64,
    /// How often others have taken wakers out of entries.
    robbed: AtomicU64,
    pub(crate) run_slot: RunSlot,
    entries: Biased<Slab<Entry>>,
}

/// What people want to know of a fiber.
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
    /// Whether it holds a stack; if not, it is a parked root inside another fiber.
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

/// Wakes all fibers of `shared` that wait.
pub(crate) fn wake_all(shared: &Arc<Shared>) {
    registries().into_iter().for_each(|registry| registry.wake(|entry| entry.layer == shared.id));
}

/// Wakes all fibers that wait inside this one of the thread.
pub(super) fn wake_inside(fiber: FiberId) {
    Registry::here().wake(|entry| entry.inside == Some(fiber));
}

/// Wakes a fiber of any thread, if it waits.
#[cold]
pub(super) fn wake_fiber(fiber: FiberId) {
    registries().into_iter().for_each(|registry| registry.wake(|entry| entry.fiber == fiber));
}

/// A fiber as people look at it.
pub(crate) struct Listed {
    pub(crate) fiber: FiberId,
    pub(crate) label: &'static str,
    /// The name of its home thread.
    pub(crate) thread: String,
    pub(crate) age: Option<Duration>,
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
            thread: Home::of_id(fiber).to_string(),
            age: about.begun.map(Moment::elapsed),
            is_running: fiber.get() == running,
            waits_at: about.waits_at,
        }));
    }
    listed
}

/// All that there are, always in the same order.
pub(crate) fn registries() -> Vec<&'static Registry> {
    lock(&REGISTRIES).clone()
}

/// Gives the registry of a thread that ends to later ones.
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
        // One that was left may still list fibers whose thread has ended; it does no harm to add to it.
        let left = registries.iter().copied().find(|registry| !registry.is_taken.swap(true, Ordering::Acquire));
        let registry = left.unwrap_or_else(|| {
            let registry: &'static Self = Box::leak(Box::default());
            registry.is_taken.store(true, Ordering::Relaxed);
            registries.push(registry);
            registry
        });
        MINE.set(Some(registry));
        // A thread that is already ending keeps it.
        _ = LEAVING.try_with(|_| ());
        registry
    }

    #[inline]
    pub(super) fn with<R>(&'static self, f: impl FnOnce(&mut Slab<Entry>) -> R) -> R {
        if MINE.get().is_some_and(|mine| ptr::eq(mine, self)) { self.entries.own(f) } else { self.entries.look_in(f) }
    }

    /// Wakes those that are meant.
    fn wake(&'static self, is_meant: impl Fn(&Entry) -> bool) {
        // Moved out, since cloning one here could run any code. A fiber that is woken puts a new one there when it
        // waits again.
        let wakers: Vec<_> = self.with(|entries| {
            self.robbed.fetch_add(1, Ordering::Relaxed);
            let entries = entries.iter_mut().map(|(_, entry)| entry).filter(|entry| is_meant(entry));
            entries.map(|entry| mem::replace(&mut entry.waker, Waker::noop().clone())).collect()
        });
        // Woken when the registry is free: a waker may do anything.
        wakers.into_iter().for_each(wake);
    }

    /// Counts as leaked whatever lies inside a leaked fiber.
    fn write_off(&'static self, fiber: FiberId) {
        let inside: Vec<_> = self.with(|entries| {
            let keys: Vec<_> = entries.iter().filter(|(_, e)| e.inside == Some(fiber)).map(|(key, _)| key).collect();
            // Looked up here, while the call guard that the entry belongs to holds its layer.
            keys.into_iter().map(|key| entries.remove(key)).map(|entry| (Shared::of(entry.layer), entry)).collect()
        });
        for (shared, entry) in inside {
            self.write_off(entry.fiber);
            if let Some(shared) = shared {
                shared.count(Event::Leaked);
                if entry.suspended {
                    shared.count(Event::LeakedLive);
                }
                shared.end_call(None);
            }
            let_go(entry);
        }
    }
}
