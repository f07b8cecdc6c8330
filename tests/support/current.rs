//! A hook whose context is a number of the thread.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tower_fiber::Hook;

thread_local!(pub(crate) static CURRENT: Cell<u32> = const { Cell::new(0) });

/// What is in `CURRENT` follows each call. Counts the fibers that have it on their threads.
#[derive(Clone, Default)]
pub(crate) struct Current(pub(crate) Arc<AtomicUsize>);

impl Hook for Current {
    type State = u32;

    fn on_call(&self) -> u32 {
        CURRENT.get()
    }

    fn on_resume(&self, state: &mut u32) {
        self.0.fetch_add(1, Ordering::Relaxed);
        *state = CURRENT.replace(*state);
    }

    fn on_suspend(&self, state: &mut u32) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        *state = CURRENT.replace(*state);
    }
}
