//! The watched fiber that a thread is running, and its stretch: written by the thread itself, read by other threads.
//!
//! A *stretch* is what a fiber does between a resume and the next suspend. The thread only numbers it. A reader that
//! finds the same number again after a while has measured the time, and the fiber needs no clock.

use std::{
    cell::Cell,
    num::NonZeroU64,
    sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering, fence},
};

use super::{lookout::Lookout, stack, state, trace::this_thread};

/// The lower bits of a stretch's number count the watched fibers nested on the thread; the innermost one runs. Zero
/// means that no watched fiber runs.
const DEPTH: u64 = 0xff;
const DEPTH_BITS: u32 = DEPTH.count_ones();

thread_local! {
    // Constant and without a destructor: readable at any time, even in a signal handler.
    static MINE: Cell<Option<&'static RunSlot>> = const { Cell::new(None) };
}

/// The thread that reads the run slots. The first fiber to run wakes it.
pub(crate) static LOOKOUT: Lookout = Lookout::new(false);

/// Belongs to one thread, which is the only one to write it.
#[derive(Debug, Default)]
pub(crate) struct RunSlot {
    /// The number of the running stretch.
    stretch: AtomicU64,
    /// The running fiber and how long it may run; written while `stretch` says that none runs.
    fiber: AtomicU64,
    patience: AtomicU64,
    /// The address of the state of the fiber around it, which is the current one until the fiber itself is.
    outside: AtomicUsize,
    /// The number of stretches so far.
    count: AtomicU64,
    /// The thread's id for signals; zero before its first watched fiber and after its end.
    thread: AtomicI32,
}

/// The contents of a run slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    /// The stretch; its number is unique in its run slot.
    pub(crate) stretch: u64,
    fiber: u64,
    /// How long its layer lets it run without a warning, in nanoseconds.
    pub(crate) patience: u64,
    outside: usize,
}

impl Running {
    /// The number of watched fibers on the thread, each inside the one before, down to this one.
    pub(crate) fn depth(&self) -> usize {
        (self.stretch & DEPTH) as usize
    }

    pub(crate) fn fiber(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.fiber)
    }
}

impl RunSlot {
    /// For the owner. Says that a fiber runs, until the guard is dropped.
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
                    // Says that this stretch has ended, not only that none runs.
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
        if LOOKOUT.is_resting() {
            LOOKOUT.wake();
        }
        Entered { run_slot: self, former }
    }

    /// For the owner. The stores are ordered so that a reader which sees the same number before and after has read the
    /// data of that stretch.
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
        self.thread.store(this_thread(), Ordering::Release);
        stack::prepare_for_traces();
        prepare();
    }

    /// For an ending thread. If it still runs fibers it opens the slot again; no other thread gets the slot before this
    /// one has left it.
    pub(crate) fn close(&self) {
        MINE.set(None);
        self.thread.store(0, Ordering::Release);
        self.patience.store(0, Ordering::Relaxed);
    }

    /// The running watched fiber, the innermost of several.
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

    /// Whether the same stretch still runs.
    pub(crate) fn is_at(&self, running: &Running) -> bool {
        self.stretch.load(Ordering::Acquire) == running.stretch
    }

    /// The number of stretches so far.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The patience of the latest stretch, zero before the first.
    pub(crate) fn patience(&self) -> u64 {
        self.patience.load(Ordering::Relaxed)
    }

    /// The thread's id for signals; zero if it has ended.
    #[cfg_attr(
        not(all(feature = "backtrace", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
        allow(dead_code, reason = "nobody asks")
    )]
    pub(super) fn thread(&self) -> i32 {
        self.thread.load(Ordering::Acquire)
    }
}

/// The number of this thread's running stretch, and the address of the state of the fiber around it. May be called in a
/// signal handler.
#[cfg_attr(
    not(all(feature = "backtrace", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    allow(dead_code, reason = "nobody asks")
)]
pub(super) fn stretch_here() -> (u64, usize) {
    MINE.get().map_or((0, 0), |mine| (mine.stretch.load(Ordering::Relaxed), mine.outside.load(Ordering::Relaxed)))
}
