//! A thread that looks now and then at what others do, and rests while they do nothing.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
};

use super::fence;
use crate::util::lock::lock;

/// Tells the looking thread, when it rests, that there is something to see again.
pub(crate) struct Lookout {
    is_resting: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Lookout {
    /// `is_resting` says whether the first to do something must call [`wake`](Self::wake).
    pub(crate) const fn new(is_resting: bool) -> Self {
        Self { is_resting: AtomicBool::new(is_resting), thread: Mutex::new(None) }
    }

    /// For a thread that has just written what is to be seen: whether it must [`wake`](Self::wake) the looking one.
    #[inline]
    pub(crate) fn is_resting(&self) -> bool {
        fence::light();
        self.is_resting.load(Ordering::Relaxed)
    }

    /// Ends a rest. Returns whether it was this call that did so.
    #[cold]
    pub(crate) fn wake(&self) -> bool {
        let was_resting = self.is_resting.swap(false, Ordering::AcqRel);
        if was_resting {
            lock(&self.thread).iter().for_each(Thread::unpark);
        }
        was_resting
    }

    /// For the looking thread, at its begin.
    pub(crate) fn keep(&self, thread: Thread) {
        *lock(&self.thread) = Some(thread);
    }

    /// For the looking thread. Rests until there is something to see, unless `is_news` finds that there is already.
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
