//! A thread that polls what other threads publish, and parks while nothing changes.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
};

use super::fence;
use crate::util::lock::lock;

/// Wakes the polling thread, if it is parked, when another thread publishes something.
pub(crate) struct Lookout {
    is_resting: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Lookout {
    /// `is_resting` says whether the first thread that publishes something must call [`wake`](Self::wake).
    pub(crate) const fn new(is_resting: bool) -> Self {
        Self { is_resting: AtomicBool::new(is_resting), thread: Mutex::new(None) }
    }

    /// Called by a thread that has just published something. Returns whether it must [`wake`](Self::wake) the polling
    /// thread.
    #[inline]
    pub(crate) fn is_resting(&self) -> bool {
        fence::light();
        self.is_resting.load(Ordering::Relaxed)
    }

    /// Unparks the polling thread. Returns whether it was this call that did so.
    #[cold]
    pub(crate) fn wake(&self) -> bool {
        let was_resting = self.is_resting.swap(false, Ordering::AcqRel);
        if was_resting {
            lock(&self.thread).iter().for_each(Thread::unpark);
        }
        was_resting
    }

    /// Called by the polling thread when it starts.
    pub(crate) fn keep(&self, thread: Thread) {
        *lock(&self.thread) = Some(thread);
    }

    /// Called by the polling thread. Parks until something is published, unless `is_news` finds that there is something
    /// already.
    pub(crate) fn rest(&self, is_news: impl FnOnce() -> bool) {
        self.is_resting.store(true, Ordering::Relaxed);
        fence::heavy();
        if !is_news() {
            while self.is_resting.load(Ordering::Acquire) {
                thread::park();
            }
        }
        self.is_resting.store(false, Ordering::Relaxed);
    }
}
