//! What the fibers inside a fiber do, kept by their owners, whichever of them was polled last.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{id::FiberId, registry, state_ext};
use crate::raw::{State, with_current};

/// What a fiber knows of those inside it. It may outlive the fiber: they hold it.
pub(super) struct Nest {
    /// The fiber around them.
    fiber: FiberId,
    /// Those directly inside that wait.
    waiting: AtomicUsize,
    /// Those inside, however deep, that wait in a shield.
    shielded: AtomicUsize,
}

impl Nest {
    pub(super) fn new(fiber: FiberId) -> Self {
        Self { fiber, waiting: AtomicUsize::new(0), shielded: AtomicUsize::new(0) }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn is_shielded(&self) -> bool {
        self.shielded.load(Ordering::Relaxed) > 0
    }

    fn is_running(&self) -> bool {
        let is_it = |state: &State| (state_ext::id(state) == self.fiber).then_some(());
        with_current(|state| state.and_then(|state| state.find_around(is_it)).is_some())
    }
}

/// A fiber's share in what those around it know: taken when it suspends inside another, given up when it ends, is
/// dropped, or goes on elsewhere.
pub(super) struct Inside {
    /// From the inner to the outer; never empty.
    around: Box<[Arc<Nest>]>,
    is_shielded: bool,
}

impl Inside {
    pub(super) fn new(outer: &State, is_shielded: bool) -> Self {
        let around = nests(outer).into_boxed_slice();
        around[0].waiting.fetch_add(1, Ordering::Relaxed);
        let inside = Self { around, is_shielded };
        if is_shielded {
            inside.around.iter().for_each(|nest| _ = nest.shielded.fetch_add(1, Ordering::Relaxed));
        }
        inside
    }

    /// Whether this is what a fiber would take that suspends inside `outer` now.
    pub(super) fn is_of(&self, outer: &State, is_shielded: bool) -> bool {
        if self.is_shielded != is_shielded {
            return false;
        }
        let mut known = self.around.iter();
        let differs = |state: &State| {
            let is_same =
                state_ext::with_nest(state, |nest| known.next().is_some_and(|known| Arc::ptr_eq(known, nest)));
            (!is_same).then_some(())
        };
        outer.find_around(differs).is_none() && known.next().is_none()
    }
}

/// Of this fiber and those around it.
fn nests(state: &State) -> Vec<Arc<Nest>> {
    let mut nests = Vec::new();
    state.find_around(|state| {
        nests.push(state_ext::with_nest(state, Arc::clone));
        None::<()>
    });
    nests
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.around[0].waiting.fetch_sub(1, Ordering::Relaxed);
        if !self.is_shielded {
            return;
        }
        for nest in &self.around {
            let was_last = nest.shielded.fetch_sub(1, Ordering::Relaxed) == 1;
            // It may have put off a cancel for this one, and runs elsewhere or not at all.
            if was_last && !nest.is_running() {
                registry::wake_fiber(nest.fiber);
            }
        }
    }
}
