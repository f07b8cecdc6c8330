//! How much of their stacks the fibers of a layer use.

use std::sync::atomic::{AtomicU64, Ordering};

/// Measures how much of their stacks fibers use, when that is asked for.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// How many of the next fibers are to be measured.
    wanted: AtomicU64,
    measured: AtomicU64,
    /// The most bytes that a measured fiber used.
    deepest: AtomicU64,
}

impl Usage {
    pub(crate) fn want(&self, fibers: u64) {
        self.wanted.store(fibers, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_any_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > 0
    }

    /// Whether the fiber that begins is to be measured.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.is_any_wanted() && self.take_turn()
    }

    #[cold]
    fn take_turn(&self) -> bool {
        self.wanted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |wanted| wanted.checked_sub(1)).is_ok()
    }

    #[cold]
    pub(super) fn note(&self, bytes: usize) {
        self.deepest.fetch_max(bytes as u64, Ordering::Relaxed);
        self.measured.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn measured(&self) -> u64 {
        self.measured.load(Ordering::Acquire)
    }

    pub(crate) fn deepest(&self) -> u64 {
        self.deepest.load(Ordering::Relaxed)
    }
}
