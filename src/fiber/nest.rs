//! Counts the fibers that wait inside a fiber. Their owners keep the counts, whichever of them was polled last.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{id::FiberId, registry, state_ext};
use crate::raw::{State, with_current};

/// What a fiber knows of the fibers inside it. The nest may outlive the fiber, since the inner fibers hold it.
pub(super) struct Nest {
    /// The outer fiber.
    fiber: FiberId,
    /// The fibers directly inside that wait.
    waiting: AtomicUsize,
    /// The fibers inside, at any depth, that wait in a shield.
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

/// A fiber's share in the nests of the fibers around it: taken when it suspends inside another, given up when it ends,
/// is dropped, or goes on elsewhere.
pub(super) struct Inside {
    /// From the innermost to the outermost; never empty.
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

    /// Whether a fiber that suspends inside `outer` now would take the same share.
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

/// The nests of this fiber and the fibers around it.
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
            // The outer fiber may have put off a cancel for this one; it runs elsewhere or not at all.
            if was_last && !nest.is_running() {
                registry::wake_fiber(nest.fiber);
            }
        }
    }
}
