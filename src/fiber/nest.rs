//! Counts the fibers that wait inside a fiber, and the work inside it that no drop ends. Their owners keep the counts,
//! whichever of them was polled last.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{StateExt as _, id::FiberId, registry};
use crate::raw::{State, with_current};

/// What a fiber knows of the fibers inside it. The nest may outlive the fiber, since the inner fibers hold it.
pub(super) struct Nest {
    /// The outer fiber.
    fiber: FiberId,
    /// The fibers directly inside that wait.
    waiting: AtomicUsize,
    /// The fibers inside, at any depth, that wait in a shield.
    shielded: AtomicUsize,
    /// The work inside that goes on to its end when it is dropped, unless a fiber in between follows its caller.
    finishing: AtomicUsize,
    /// Whether the outer fiber is cancelled when its caller goes.
    follows: bool,
}

impl Nest {
    pub(super) fn new(fiber: FiberId, follows: bool) -> Self {
        let [waiting, shielded, finishing] = [const { AtomicUsize::new(0) }; 3];
        Self { fiber, waiting, shielded, finishing, follows }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn is_shielded(&self) -> bool {
        self.shielded.load(Ordering::Relaxed) > 0
    }

    #[cfg(feature = "axum")]
    pub(super) fn is_finishing(&self) -> bool {
        self.finishing.load(Ordering::Relaxed) > 0
    }

    fn is_running(&self) -> bool {
        let is_it = |state: &State| (state.id() == self.fiber).then_some(());
        with_current(|state| state.and_then(|state| state.find_around(is_it)).is_some())
    }
}

pub(super) trait WithNest {
    /// Calls `f` with the nest of this fiber, which is made if there is none. Waits are refused meanwhile.
    fn with_nest<R>(&self, f: impl FnOnce(&Arc<Nest>) -> R) -> R;
}

/// A fiber's share in the nests of the fibers around it: taken when it suspends inside another, given up when it ends,
/// is dropped, or goes on elsewhere.
pub(super) struct Inside {
    /// From the innermost to the outermost; never empty.
    around: Box<[Arc<Nest>]>,
    is_shielded: bool,
    /// Whether the fiber is counted in `finishing`.
    finishes: bool,
}

impl Inside {
    /// `finishes` says whether the fiber goes on when it is dropped and is not cancelled then.
    pub(super) fn new(outer: &State, is_shielded: bool, finishes: bool) -> Self {
        let around = nests(outer).into_boxed_slice();
        around[0].waiting.fetch_add(1, Ordering::Relaxed);
        let inside = Self { around, is_shielded, finishes };
        if is_shielded {
            inside.around.iter().for_each(|nest| _ = nest.shielded.fetch_add(1, Ordering::Relaxed));
        }
        if finishes {
            finishing(&inside.around).for_each(|count| _ = count.fetch_add(1, Ordering::Relaxed));
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
            let is_same = state.with_nest(|nest| known.next().is_some_and(|known| Arc::ptr_eq(known, nest)));
            (!is_same).then_some(())
        };
        outer.find_around(differs).is_none() && known.next().is_none()
    }
}

/// The nests of this fiber and the fibers around it.
fn nests(state: &State) -> Vec<Arc<Nest>> {
    let mut nests = Vec::new();
    state.find_around(|state| {
        nests.push(state.with_nest(Arc::clone));
        None::<()>
    });
    nests
}

/// The counts of finishing work in the nests that learn of it.
fn finishing(around: &[Arc<Nest>]) -> impl Iterator<Item = &AtomicUsize> {
    let first_that_follows = around.iter().position(|nest| nest.follows);
    let known = first_that_follows.map_or(around, |first| &around[..=first]);
    known.iter().map(|nest| &nest.finishing)
}

/// Work on another thread that code in a fiber has begun and awaits, and that goes on to its end when it is dropped.
pub(crate) struct Finishing {
    around: Vec<Arc<Nest>>,
}

impl Finishing {
    pub(crate) fn inside(outer: &State) -> Self {
        let around = nests(outer);
        finishing(&around).for_each(|count| _ = count.fetch_add(1, Ordering::Relaxed));
        Self { around }
    }
}

impl Drop for Finishing {
    fn drop(&mut self) {
        finishing(&self.around).for_each(|count| _ = count.fetch_sub(1, Ordering::Relaxed));
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.around[0].waiting.fetch_sub(1, Ordering::Relaxed);
        if self.finishes {
            finishing(&self.around).for_each(|count| _ = count.fetch_sub(1, Ordering::Relaxed));
        }
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
