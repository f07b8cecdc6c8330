//! The roll of each thread: its fibers that wait, how to wake them, and which lies inside which.
//!
//! It serves what reaches fibers from outside their tasks: cancelling all of a layer, and counting those that are
//! leaked because the fiber around them is. A fiber takes a seat when it first waits, and only if somebody can look for it
//! there (a layer or handle exists) or other fibers lie around or inside it: most calls do not pay.

mod seat;

use std::{
    cell::Cell,
    mem,
    num::NonZeroU64,
    panic::Location,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use slab::Slab;

pub(super) use self::seat::Seat;
use super::{Home, Meta, biased::Biased, clock::Moment, post::Post, tally::Event};

/// Identifies a fiber; never reused.
pub(crate) type FiberId = NonZeroU64;

thread_local! {
    // Both constant and without a destructor: usable at any time, also while the thread is ending.
    static MINE: Cell<Option<&'static Roll>> = const { Cell::new(None) };
    static IDS: Cell<u64> = const { Cell::new(0) };
}

/// All that there are. They are never freed, but used again by later threads.
static ROLLS: Mutex<Vec<&'static Roll>> = Mutex::new(Vec::new());

#[derive(Default)]
pub(crate) struct Roll {
    is_taken: AtomicBool,
    /// The fiber that its thread runs now, if that has a seat; else 0.
    running: AtomicU64,
    /// How often others have taken wakers out of entries.
    robbed: AtomicU64,
    pub(crate) post: Post,
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
    /// The account's (invariant 14).
    meta: *const Meta,
    pub(super) about: About,
    waker: Waker,
}

// SAFETY: invariant 14: the pointer is that of an `Arc`, which may be used on any thread.
unsafe impl Send for Entry {}

impl Entry {
    pub(super) fn meta_ptr(&self) -> *const Meta {
        self.meta
    }

    /// For whoever has the roll.
    pub(super) fn meta(&self) -> Arc<Meta> {
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
    wake_all(meta);
}

/// Wakes all fibers of `meta` that wait.
pub(crate) fn wake_all(meta: &Arc<Meta>) {
    for roll in rolls() {
        let is_of_layer = |entry: &&mut Entry| ptr::eq(entry.meta, Arc::as_ptr(meta));
        // Moved out, since cloning one here could run any code. A fiber that is woken puts a new one there when it waits again.
        let wakers: Vec<_> = roll.with(|entries| {
            roll.robbed.fetch_add(1, Ordering::Relaxed);
            let entries = entries.iter_mut().map(|(_, entry)| entry).filter(is_of_layer);
            entries.map(|entry| mem::replace(&mut entry.waker, Waker::noop().clone())).collect()
        });
        // Woken when the roll is free: a waker may do anything.
        wakers.into_iter().for_each(Waker::wake);
    }
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

/// The fibers of `meta` that have waited, the oldest of each thread first.
pub(crate) fn list(meta: &Arc<Meta>) -> Vec<Listed> {
    let mut listed = Vec::new();
    for roll in rolls() {
        let is_of_layer = |entry: &&Entry| entry.suspended && ptr::eq(entry.meta, Arc::as_ptr(meta));
        let (running, mut found) = roll.with(|entries| {
            let entries = entries.iter().map(|(_, entry)| entry).filter(is_of_layer);
            let found: Vec<_> = entries.map(|entry| (entry.fiber, entry.about)).collect();
            (roll.running.load(Ordering::Relaxed), found)
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
pub(crate) fn rolls() -> Vec<&'static Roll> {
    lock(&ROLLS).clone()
}

/// What [`Post::stretch`] says on this thread. May be called in a signal handler.
#[cfg_attr(not(all(feature = "backtrace", target_os = "linux")), allow(dead_code, reason = "nobody asks"))]
pub(super) fn stretch_here() -> (u64, usize) {
    MINE.get().map_or((0, 0), |roll| roll.post.stretch())
}

/// For a thread that ends.
pub(super) fn leave() {
    if let Some(roll) = MINE.take() {
        roll.post.close();
        roll.is_taken.store(false, Ordering::Release);
    }
}

impl Roll {
    #[inline]
    pub(super) fn here() -> &'static Self {
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
    pub(super) fn with<R>(&'static self, f: impl FnOnce(&mut Slab<Entry>) -> R) -> R {
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
            meta.count(Event::Leaked);
            if entry.suspended {
                meta.count(Event::LeakedLive);
            }
            meta.end_call();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
