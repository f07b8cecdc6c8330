//! Whether a panic has left the data of a lock half changed.

use std::{
    sync::{
        LockResult, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::raw::with_current;

/// Set by a panic, read by each locking. The lock orders the two.
#[derive(Debug)]
pub(super) struct Poison(AtomicBool);

impl Poison {
    pub(super) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// What a lock returns: `taken`, in an error if a panic came before.
    pub(super) fn result<G>(&self, taken: G) -> LockResult<G> {
        if self.is_set() { Err(PoisonError::new(taken)) } else { Ok(taken) }
    }
}

/// Notes at the end of a section whether a panic began in it.
#[derive(Debug)]
pub(super) struct Section<'a> {
    poison: &'a Poison,
    was_panicking: bool,
}

impl<'a> Section<'a> {
    pub(super) fn begin(poison: &'a Poison) -> Self {
        Self { poison, was_panicking: is_panicking() }
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        if !self.was_panicking && is_panicking() {
            self.poison.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether the code panics, in a fiber by a panic of its own: neither by a cancel, which unwinds it too, nor by one of
/// the thread's below.
fn is_panicking() -> bool {
    thread::panicking()
        && with_current(|state| state.is_none_or(|state| !state.has_unwound() && !state.is_poller_panicking()))
}
