//! A thread that sleeps until another thread unparks it.

use std::{
    sync::OnceLock,
    thread::{self, Thread},
    time::Duration,
};

/// An `unpark` that comes before the wait ends that wait at once. A wait may also end spuriously.
#[derive(Default)]
pub(super) struct Parker {
    thread: OnceLock<Thread>,
}

impl Parker {
    /// Makes this thread the only one that waits. Called before any thread unparks it.
    pub(super) fn settle(&self) {
        self.thread.get_or_init(thread::current);
    }

    pub(super) fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    pub(super) fn wait(&self) {
        thread::park();
    }

    pub(super) fn wait_at_most(&self, time: Duration) {
        thread::park_timeout(time);
    }
}
