//! Whether a worker gets on.

use crate::util::loom::{AtomicUsize, Ordering};

/// A count of what the worker has taken up, and the count at which it was seen to stay for too long. Both are hints, so
/// nothing is ordered by them.
pub(super) struct Heartbeat {
    beats: AtomicUsize,
    missed: AtomicUsize,
}

impl Heartbeat {
    pub(super) fn new() -> Self {
        Self { beats: AtomicUsize::new(0), missed: AtomicUsize::new(usize::MAX) }
    }

    /// For the worker only, when it takes something up; whether it was taken for stalled until now.
    pub(super) fn beat(&self) -> bool {
        let beats = self.beats.load(Ordering::Relaxed);
        self.beats.store(beats.wrapping_add(1), Ordering::Relaxed);
        self.missed.load(Ordering::Relaxed) == beats
    }

    pub(super) fn count(&self) -> usize {
        self.beats.load(Ordering::Relaxed)
    }

    /// The worker has stayed at this count. That is forgotten with its next beat.
    pub(super) fn miss(&self, count: usize) {
        self.missed.store(count, Ordering::Relaxed);
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.missed.load(Ordering::Relaxed) == self.count()
    }
}
