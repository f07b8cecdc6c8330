//! Which watched fiber runs on a thread now, and since which stretch: said by the thread itself, read by others.
//!
//! A *stretch* is what a fiber does between a resume and the next suspend. Its thread only numbers it: a reader that
//! finds the same number again after a while has measured the time without a clock on the fiber's way.

use std::{
    cell::Cell,
    num::NonZeroU64,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread::Thread,
};

use super::{fence, stack, state, trace};
use crate::util::lock::lock;

/// The lower bits of a stretch's number say how many watched fibers are nested on the thread, the last of them the one
/// that runs. None means that no watched fiber runs.
const DEPTH: u64 = 0xff;
const DEPTH_BITS: u32 = DEPTH.count_ones();

thread_local! {
    // Constant and without a destructor: readable at any time, also in a signal handler.
    static MINE: Cell<Option<&'static RunSlot>> = const { Cell::new(None) };
}

/// Whether the thread that looks at the run slots rests. The first fiber to run wakes it.
static RESTING: AtomicBool = AtomicBool::new(false);
static LOOKOUT: Mutex<Option<Thread>> = Mutex::new(None);

/// Belongs to a thread. Only that thread writes.
#[derive(Debug, Default)]
pub(crate) struct RunSlot {
    /// The number of the running stretch.
    stretch: AtomicU64,
    /// The fiber that runs, and how long it may; written while `stretch` says that none does.
    fiber: AtomicU64,
    patience: AtomicU64,
    /// Where the state of the fiber around it lies: before the fiber itself is the current one, that is.
    outside: AtomicUsize,
    /// How many stretches there have been.
    count: AtomicU64,
    /// What signals find the thread by; zero before its first watched fiber and after its end.
    thread: AtomicI32,
}

/// What a run slot says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    /// Its stretch. No other has the same number.
    pub(crate) stretch: u64,
    fiber: u64,
    /// How long its layer lets it go on without a word, in nanoseconds.
    pub(crate) patience: u64,
    outside: usize,
}

impl Running {
    /// Watched fibers on the thread, each inside the one before, down to this one.
    pub(crate) fn depth(&self) -> usize {
        (self.stretch & DEPTH) as usize
    }

    pub(crate) fn fiber(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.fiber)
    }
}

impl RunSlot {
    /// Says that a fiber runs, until the guard is dropped. For the owner.
    #[inline]
    pub(crate) fn enter(&'static self, fiber: NonZeroU64, patience: u64, prepare: fn()) -> impl Drop {
        struct Entered {
            run_slot: &'static RunSlot,
            former: Running,
        }

        impl Drop for Entered {
            #[inline]
            fn drop(&mut self) {
                if self.former.depth() == 0 {
                    // Says that it has ended, not only that nothing runs.
                    self.run_slot
                        .stretch
                        .store(self.run_slot.count.load(Ordering::Relaxed) << DEPTH_BITS, Ordering::Release);
                } else {
                    self.run_slot.say(self.former);
                }
            }
        }

        if self.thread.load(Ordering::Relaxed) == 0 {
            self.open(prepare);
        }
        let stretch = self.stretch.load(Ordering::Relaxed);
        let former = Running {
            stretch,
            fiber: self.fiber.load(Ordering::Relaxed),
            patience: self.patience.load(Ordering::Relaxed),
            outside: self.outside.load(Ordering::Relaxed),
        };
        let count = self.count.load(Ordering::Relaxed) + 1;
        self.count.store(count, Ordering::Relaxed);
        let depth = DEPTH.min((stretch & DEPTH) + 1);
        self.say(Running {
            stretch: count << DEPTH_BITS | depth,
            fiber: fiber.get(),
            patience,
            outside: state::address(),
        });
        fence::light();
        if RESTING.load(Ordering::Relaxed) {
            wake();
        }
        Entered { run_slot: self, former }
    }

    /// For the owner: ordered so that a reader which sees the same number before and after has read what belongs to it.
    #[inline]
    fn say(&self, running: Running) {
        self.stretch.store(self.count.load(Ordering::Relaxed) << DEPTH_BITS, Ordering::Relaxed);
        fence(Ordering::Release);
        self.fiber.store(running.fiber, Ordering::Relaxed);
        self.patience.store(running.patience, Ordering::Relaxed);
        self.outside.store(running.outside, Ordering::Relaxed);
        self.stretch.store(running.stretch, Ordering::Release);
    }

    #[cold]
    fn open(&'static self, prepare: fn()) {
        MINE.set(Some(self));
        self.thread.store(trace::this_thread(), Ordering::Release);
        stack::prepare_for_traces();
        prepare();
    }

    /// For a thread that ends. It may still run fibers, and then opens the slot again; no other thread has it before it
    /// is left.
    pub(crate) fn close(&self) {
        MINE.set(None);
        self.thread.store(0, Ordering::Release);
        self.patience.store(0, Ordering::Relaxed);
    }

    /// The watched fiber that runs, the innermost of several.
    pub(crate) fn running(&self) -> Option<Running> {
        let stretch = self.stretch.load(Ordering::Acquire);
        if stretch & DEPTH == 0 {
            return None;
        }
        let fiber = self.fiber.load(Ordering::Relaxed);
        let patience = self.patience.load(Ordering::Relaxed);
        let outside = self.outside.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        (self.stretch.load(Ordering::Relaxed) == stretch).then_some(Running { stretch, fiber, patience, outside })
    }

    /// Whether that stretch still runs.
    pub(crate) fn is_at(&self, running: &Running) -> bool {
        self.stretch.load(Ordering::Acquire) == running.stretch
    }

    /// How many stretches there have been.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The patience of the latest stretch, zero before the first.
    pub(crate) fn patience(&self) -> u64 {
        self.patience.load(Ordering::Relaxed)
    }

    /// Where the thread is in this stretch, innermost function first.
    pub(crate) fn trace(&self, running: &Running) -> Result<trace::Trace, trace::Untraceable> {
        trace::capture(self.thread.load(Ordering::Acquire), running.stretch)
    }
}

/// The number of the stretch that runs on this thread, and where the state of the fiber around it lies. May be called
/// in a signal handler.
#[cfg_attr(not(all(feature = "backtrace", target_os = "linux")), allow(dead_code, reason = "nobody asks"))]
pub(super) fn stretch_here() -> (u64, usize) {
    MINE.get().map_or((0, 0), |mine| (mine.stretch.load(Ordering::Relaxed), mine.outside.load(Ordering::Relaxed)))
}

/// Makes this thread the one that is woken when a fiber runs after a time of rest.
pub(crate) fn keep_lookout(thread: Thread) {
    *lock(&LOOKOUT) = Some(thread);
}

/// Rests until a watched fiber runs, unless `is_news` finds out that one has begun meanwhile. For the lookout.
pub(crate) fn rest(is_news: impl FnOnce() -> bool) {
    RESTING.store(true, Ordering::Relaxed);
    fence::heavy();
    if !is_news() {
        while RESTING.load(Ordering::Acquire) {
            std::thread::park();
        }
    }
    RESTING.store(false, Ordering::Relaxed);
}

#[cold]
fn wake() {
    if RESTING.swap(false, Ordering::AcqRel) {
        let lookout = lock(&LOOKOUT);
        if let Some(thread) = &*lookout {
            thread.unpark();
        }
    }
}
