//! The roll of each thread: its fibers that wait, how to wake them, and which lies inside which.
//!
//! It serves what reaches fibers from outside their tasks: cancelling all of a layer, and counting those that are
//! leaked because the fiber around them is. A fiber takes a seat when it first waits, so calls that do not wait do not pay.

use std::{
    cell::{Cell, OnceCell},
    num::NonZeroU64,
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{RawWakerVTable, Waker},
};

use slab::Slab;

use super::Meta;

/// Identifies a fiber among those of its thread; never reused.
pub(super) type FiberId = NonZeroU64;

thread_local! {
    static MINE: OnceCell<Arc<Roll>> = const { OnceCell::new() };
    static IDS: Cell<u64> = const { Cell::new(0) };
}

static ROLLS: Mutex<Vec<Weak<Roll>>> = Mutex::new(Vec::new());

#[derive(Default)]
pub(super) struct Roll {
    entries: Mutex<Slab<Entry>>,
}

struct Entry {
    fiber: FiberId,
    /// The fiber on whose stack this one was polled last.
    inside: Option<FiberId>,
    /// Whether it holds a stack; if not, it is a parked root inside another fiber.
    suspended: bool,
    meta: Arc<Meta>,
    waker: Waker,
}

pub(super) fn next_id() -> FiberId {
    let id = NonZeroU64::MIN.saturating_add(IDS.get());
    IDS.set(id.get());
    id
}

/// Cancels all calls that have begun under `meta`.
pub(crate) fn cancel_all(meta: &Arc<Meta>) {
    meta.calls.cancel();
    let rolls: Vec<_> = lock(&ROLLS).iter().filter_map(Weak::upgrade).collect();
    for roll in rolls {
        // Woken after the lock is free: a waker may do anything.
        let wakers: Vec<_> = {
            let entries = lock(&roll.entries);
            entries.iter().filter(|(_, e)| Arc::ptr_eq(&e.meta, meta)).map(|(_, e)| e.waker.clone()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Roll {
    fn here() -> Arc<Self> {
        MINE.try_with(|mine| Arc::clone(mine.get_or_init(Self::new)))
            // The thread is ending.
            .unwrap_or_else(|_| Self::new())
    }

    #[cold]
    fn new() -> Arc<Self> {
        let roll = Arc::default();
        let mut rolls = lock(&ROLLS);
        rolls.retain(|roll| roll.strong_count() > 0);
        rolls.push(Arc::downgrade(&roll));
        roll
    }

    /// Counts as leaked whatever lies inside a leaked fiber.
    fn write_off(&self, fiber: FiberId) {
        let inside: Vec<_> = {
            let mut entries = lock(&self.entries);
            let keys: Vec<_> = entries.iter().filter(|(_, e)| e.inside == Some(fiber)).map(|(key, _)| key).collect();
            keys.into_iter().map(|key| entries.remove(key)).collect()
        };
        for entry in inside {
            self.write_off(entry.fiber);
            entry.meta.counts.leaked.up();
            if entry.suspended {
                entry.meta.counts.live.down();
            }
            entry.meta.calls.end();
        }
    }
}

/// A fiber's place in the roll of its home thread.
pub(super) struct Seat {
    roll: Arc<Roll>,
    key: usize,
    fiber: FiberId,
    inside: Option<FiberId>,
    suspended: bool,
    /// What the waker in the roll consists of, for comparing without the lock.
    waker: (usize, &'static RawWakerVTable),
}

impl Seat {
    /// At home only.
    pub(super) fn take(
        fiber: FiberId,
        inside: Option<FiberId>,
        suspended: bool,
        meta: &Arc<Meta>,
        waker: &Waker,
    ) -> Self {
        let roll = Roll::here();
        let entry = Entry { fiber, inside, suspended, meta: Arc::clone(meta), waker: waker.clone() };
        let parts = (entry.waker.data().addr(), entry.waker.vtable());
        let key = lock(&roll.entries).insert(entry);
        Self { roll, key, fiber, inside, suspended, waker: parts }
    }

    /// Whether the roll still says what is true.
    #[inline]
    pub(super) fn is_current(&self, inside: Option<FiberId>, suspended: bool, waker: &Waker) -> bool {
        self.inside == inside
            && self.suspended == suspended
            && self.waker.0 == waker.data().addr()
            && ptr::eq(self.waker.1, waker.vtable())
    }

    /// Gives the seat up. `false` if the fiber has been written off with the one around it.
    pub(super) fn vacate(self) -> bool {
        let entry = {
            let mut entries = lock(&self.roll.entries);
            match entries.get(self.key) {
                Some(entry) if entry.fiber == self.fiber => entries.try_remove(self.key),
                _ => None,
            }
        };
        entry.is_some()
    }

    /// Counts as leaked whatever lies inside this fiber, which is leaked.
    pub(super) fn write_off(&self) {
        self.roll.write_off(self.fiber);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
