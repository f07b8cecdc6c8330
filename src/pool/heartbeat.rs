//! Whether a worker makes progress.

use crate::util::loom::{AtomicUsize, Ordering};

/// Counts the tasks and turns that the worker takes up, and keeps the count at which the worker was found stalled. Both
/// are hints, so they order no other memory access.
pub(super) struct Heartbeat {
    beats: AtomicUsize,
    missed: AtomicUsize,
}

impl Heartbeat {
    pub(super) fn new() -> Self {
        Self { beats: AtomicUsize::new(0), missed: AtomicUsize::new(usize::MAX) }
    }

    /// For the worker only, when it takes something up. Returns whether the worker counted as stalled until now.
    pub(super) fn beat(&self) -> bool {
        let beats = self.beats.load(Ordering::Relaxed);
        self.beats.store(beats.wrapping_add(1), Ordering::Relaxed);
        self.missed.load(Ordering::Relaxed) == beats
    }

    pub(super) fn count(&self) -> usize {
        self.beats.load(Ordering::Relaxed)
    }

    /// Notes that the worker has stayed at this count for too long. Its next beat clears that.
    pub(super) fn miss(&self, count: usize) {
        self.missed.store(count, Ordering::Relaxed);
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.missed.load(Ordering::Relaxed) == self.count()
    }
}
