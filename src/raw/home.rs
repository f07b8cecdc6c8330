//! The identity of an OS thread, cheap enough for the home checks.

use std::{
    cell::Cell,
    collections::HashMap,
    fmt,
    num::NonZeroU64,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use super::stack::prepare_thread;
use crate::util::lock::lock;

thread_local! {
    // Constant and without a destructor: readable at any time, even while the thread is ending. Without native
    // thread-locals they may begin anew then, and the thread is another home, which is safe.
    static HERE: Cell<u64> = const { Cell::new(0) };
    static SHARD: Cell<usize> = const { Cell::new(UNKNOWN) };
    static FAREWELL: Farewell = const { Farewell { home: Cell::new(0), shard: Cell::new(SHARDS) } };
}

/// How many threads can have their own index at the same time.
pub(crate) const SHARDS: usize = 256;

/// How many bits of a fiber's number count the fibers of one thread.
const ID_BITS: u32 = 40;

/// Stands for the index of a thread that has not asked for one.
const UNKNOWN: usize = usize::MAX;

/// Indices that no thread has.
static FREE: Mutex<Option<Vec<usize>>> = Mutex::new(None);

/// Names of the threads that are home to fibers, for messages only.
static NAMES: Mutex<Option<HashMap<u64, String>>> = Mutex::new(None);

/// Identifies a thread that has run fibers. Never reused, unlike the addresses and ids that the system gives to
/// threads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Home(NonZeroU64);

impl Home {
    /// The thread that this is called on.
    #[inline]
    pub(crate) fn here() -> Self {
        match NonZeroU64::new(HERE.get()) {
            Some(id) => Self(id),
            None => Self::register(),
        }
    }

    #[inline]
    pub(crate) fn is_here(self) -> bool {
        HERE.get() == self.0.get()
    }

    /// The thread's number, which is below those of all fibers.
    pub(crate) fn number(self) -> NonZeroU64 {
        self.0
    }

    /// The home of the fiber with this number.
    pub(crate) fn of_id(fiber: NonZeroU64) -> Self {
        Self(NonZeroU64::new(fiber.get() >> ID_BITS).expect("ids begin at their home's first"))
    }

    /// The number of the home of the fiber with this number, and that of the fiber there.
    pub(crate) fn parts_of_id(fiber: NonZeroU64) -> (u64, u64) {
        (fiber.get() >> ID_BITS, fiber.get() % (1 << ID_BITS))
    }

    /// The number of the fiber with these [`parts`](Self::parts_of_id).
    #[cfg(feature = "insight")]
    pub(crate) fn id_of_parts(home: u64, fiber: u64) -> Option<NonZeroU64> {
        let home = NonZeroU64::new(home).filter(|home| home.leading_zeros() >= ID_BITS)?;
        (fiber >> ID_BITS == 0).then_some(home.get() << ID_BITS | fiber).and_then(NonZeroU64::new)
    }

    /// The first number for this thread's fibers. Its numbers stay apart from another thread's for 2^`ID_BITS` fibers.
    #[inline]
    pub(crate) fn first_id(self) -> u64 {
        self.0.get() << ID_BITS
    }

    #[cold]
    fn register() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = NonZeroU64::new(id).expect("2^64 threads were started");
        HERE.set(id.get());
        _ = shard();
        // A thread that is already ending keeps its identity; its name then stays in the table.
        _ = FAREWELL.try_with(|farewell| farewell.home.set(id.get()));
        names(|names| names.insert(id.get(), describe(&thread::current())));
        prepare_thread();
        Self(id)
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match names(|names| names.get(&self.0.get()).cloned()) {
            Some(name) => f.write_str(&name),
            None => f.write_str("a thread that has ended"),
        }
    }
}

fn describe(thread: &thread::Thread) -> String {
    match thread.name() {
        Some(name) => format!("thread `{name}` ({:?})", thread.id()),
        None => format!("an unnamed thread ({:?})", thread.id()),
    }
}

fn names<R>(f: impl FnOnce(&mut HashMap<u64, String>) -> R) -> R {
    let mut names = lock(&NAMES);
    f(names.get_or_insert_default())
}

/// As [`shard`], but larger than `SHARDS` if the thread has not asked for an index yet.
#[inline]
pub(crate) fn known_shard() -> usize {
    SHARD.get()
}

/// This thread's own index below [`SHARDS`], or `SHARDS` for all threads that have none.
pub(crate) fn shard() -> usize {
    match SHARD.get() {
        UNKNOWN => take_shard(),
        shard => shard,
    }
}

#[cold]
fn take_shard() -> usize {
    // An ending thread could not give an index back, so it gets none.
    let take = |farewell: &Farewell| {
        let index = with_free(Vec::pop);
        farewell.shard.set(index.unwrap_or(SHARDS));
        index
    };
    let index = FAREWELL.try_with(take).ok().flatten().unwrap_or(SHARDS);
    SHARD.set(index);
    index
}

fn with_free<R>(f: impl FnOnce(&mut Vec<usize>) -> R) -> R {
    let mut free = lock(&FREE);
    f(free.get_or_insert_with(|| (0..SHARDS).rev().collect()))
}

/// Gives up the thread's name and index when it ends. It has them itself, since on some systems (Windows by `gnu`) the
/// other thread-locals may have gone by then.
struct Farewell {
    home: Cell<u64>,
    shard: Cell<usize>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        names(|names| names.remove(&self.home.get()));
        SHARD.set(SHARDS);
        let shard = self.shard.get();
        if shard < SHARDS {
            with_free(|free| free.push(shard));
        }
    }
}
