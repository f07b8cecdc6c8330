//! The roll of each thread: its fibers that wait, how to wake them, and which lies inside which.
//!
//! It serves what reaches fibers from outside their tasks: cancelling all of a layer, and counting those that are
//! leaked because the fiber around them is. A fiber takes a seat when it first waits, and only if somebody can look for it
//! there (a layer or handle exists) or other fibers lie around or inside it: most calls do not pay.

use std::{
    cell::Cell,
    mem,
    num::NonZeroU64,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{RawWakerVTable, Waker},
};

use slab::Slab;

use super::{Home, Meta, biased::Biased, tally::Event};

/// Identifies a fiber; never reused.
pub(super) type FiberId = NonZeroU64;

thread_local! {
    // Both constant and without a destructor: usable at any time, also while the thread is ending.
    static MINE: Cell<Option<&'static Roll>> = const { Cell::new(None) };
    static IDS: Cell<u64> = const { Cell::new(0) };
}

/// All that there are. They are never freed, but used again by later threads.
static ROLLS: Mutex<Vec<&'static Roll>> = Mutex::new(Vec::new());

#[derive(Default)]
pub(super) struct Roll {
    is_taken: AtomicBool,
    entries: Biased<Slab<Entry>>,
}

struct Entry {
    fiber: FiberId,
    /// The fiber on whose stack this one was polled last.
    inside: Option<FiberId>,
    /// Whether it holds a stack; if not, it is a parked root inside another fiber.
    suspended: bool,
    /// The account's (invariant 14).
    meta: *const Meta,
    waker: Waker,
}

// SAFETY: invariant 14: the pointer is that of an `Arc`, which may be used on any thread.
unsafe impl Send for Entry {}

impl Entry {
    /// For whoever has the roll.
    fn meta(&self) -> Arc<Meta> {
        // SAFETY: invariant 14: the account's `Arc` exists while the entry is in the roll.
        unsafe { Arc::increment_strong_count(self.meta) };
        // SAFETY: invariant 14: the count was just raised for it.
        unsafe { Arc::from_raw(self.meta) }
    }
}

/// At home only.
#[inline]
pub(super) fn next_id(home: Home) -> FiberId {
    // Each thread has a range of its own, since rolls are used again by later threads.
    let id = home.first_id().max(IDS.get() + 1);
    IDS.set(id);
    NonZeroU64::new(id).expect("ids begin above zero")
}

/// Cancels all calls that have begun under `meta`.
pub(crate) fn cancel_all(meta: &Arc<Meta>) {
    meta.calls.cancel();
    let rolls = lock(&ROLLS).clone();
    for roll in rolls {
        let is_of_layer = |entry: &&mut Entry| ptr::eq(entry.meta, Arc::as_ptr(meta));
        // Moved out, since cloning one here could run any code. A fiber need not hear of a cancel twice.
        let wakers: Vec<_> = roll.with(|entries| {
            let entries = entries.iter_mut().map(|(_, entry)| entry).filter(is_of_layer);
            entries.map(|entry| mem::replace(&mut entry.waker, Waker::noop().clone())).collect()
        });
        // Woken when the roll is free: a waker may do anything.
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// For a thread that ends.
pub(super) fn leave() {
    if let Some(roll) = MINE.take() {
        roll.is_taken.store(false, Ordering::Release);
    }
}

impl Roll {
    #[inline]
    fn here() -> &'static Self {
        MINE.get().unwrap_or_else(Self::adopt)
    }

    #[cold]
    fn adopt() -> &'static Self {
        let mut rolls = lock(&ROLLS);
        // One that was left may still list fibers whose thread has ended; it does no harm to add to it.
        let left = rolls.iter().copied().find(|roll| !roll.is_taken.swap(true, Ordering::Acquire));
        let roll = left.unwrap_or_else(|| {
            let roll: &'static Self = Box::leak(Box::default());
            roll.is_taken.store(true, Ordering::Relaxed);
            rolls.push(roll);
            roll
        });
        MINE.set(Some(roll));
        roll
    }

    #[inline]
    fn with<R>(&'static self, f: impl FnOnce(&mut Slab<Entry>) -> R) -> R {
        if MINE.get().is_some_and(|mine| ptr::eq(mine, self)) { self.entries.own(f) } else { self.entries.look_in(f) }
    }

    /// Counts as leaked whatever lies inside a leaked fiber.
    fn write_off(&'static self, fiber: FiberId) {
        let inside: Vec<_> = self.with(|entries| {
            let keys: Vec<_> = entries.iter().filter(|(_, e)| e.inside == Some(fiber)).map(|(key, _)| key).collect();
            keys.into_iter().map(|key| entries.remove(key)).map(|entry| (entry.meta(), entry)).collect()
        });
        for (meta, entry) in inside {
            self.write_off(entry.fiber);
            meta.tally.count(Event::Leaked);
            if entry.suspended {
                meta.tally.count(Event::LeakedLive);
            }
            meta.end_call();
        }
    }
}

/// A fiber's place in the roll of its home thread.
pub(super) struct Seat {
    roll: &'static Roll,
    key: usize,
    fiber: FiberId,
    inside: Option<FiberId>,
    suspended: bool,
    /// What the waker in the roll consists of, for comparing without looking there.
    waker: (usize, &'static RawWakerVTable),
}

impl Seat {
    /// At home only.
    #[inline]
    pub(super) fn take(
        fiber: FiberId,
        inside: Option<FiberId>,
        suspended: bool,
        meta: &Arc<Meta>,
        waker: &Waker,
    ) -> Self {
        let roll = Roll::here();
        // Cloned before the roll is taken: a waker may do anything.
        let waker = waker.clone();
        let parts = (waker.data().addr(), waker.vtable());
        let entry = Entry { fiber, inside, suspended, meta: Arc::as_ptr(meta), waker };
        let key = roll.with(|entries| entries.insert(entry));
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
    #[inline]
    pub(super) fn vacate(self) -> bool {
        // The waker is dropped when the roll is free.
        let entry = self.roll.with(|entries| match entries.get(self.key) {
            Some(entry) if entry.fiber == self.fiber => entries.try_remove(self.key),
            _ => None,
        });
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
