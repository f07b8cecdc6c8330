//! The fibers around a fiber, and the stack that its code is on.

use std::{iter, ops::Range};

use super::{ON_THREAD_STACK, Owner, State};
use crate::raw::{stack::GUARD_SIZE, with_current};

impl State {
    /// Calls `f` with the owner. Waits are refused meanwhile, so that nothing suspends while the owner is lent.
    pub(crate) fn with_owner<R>(&self, f: impl FnOnce(&dyn Owner) -> R) -> R {
        with_current(|here| {
            let _refused = here.map(Self::refuse_waits);
            f(self.owner())
        })
    }

    /// Calls `f` with this fiber and each one around it, from the innermost outwards, until it returns `Some`. Waits
    /// are refused meanwhile, since an inner fiber might go on elsewhere after one.
    pub(crate) fn find_around<R>(&self, f: impl FnMut(&Self) -> Option<R>) -> Option<R> {
        with_current(|here| {
            let _refused = here.map(Self::refuse_waits);
            iter::successors(Some(self), |state| state.outer()).find_map(f)
        })
    }

    /// The fiber on whose stack this one was last resumed.
    pub(in crate::raw) fn outer(&self) -> Option<&Self> {
        // SAFETY: invariant 5: that fiber encloses this poll, so its state lives longer.
        self.frame().outer.map(|outer| unsafe { outer.as_ref() })
    }

    /// The addresses that code on this stack may use.
    pub(in crate::raw) fn usable(&self) -> Range<usize> {
        self.owner().usable()
    }

    /// The guard below the stack; touching it ends the process.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "an overflow's message asks"))]
    pub(in crate::raw) fn guard(&self) -> Range<usize> {
        let lowest = self.usable().start;
        lowest - GUARD_SIZE..lowest
    }

    /// Marks the fiber's code as off its stack until the guard is dropped.
    pub(in crate::raw) fn leave_stack(&self) -> impl Drop + '_ {
        struct Left<'a>(&'a State);

        impl Drop for Left<'_> {
            fn drop(&mut self) {
                self.0.clear(ON_THREAD_STACK);
            }
        }

        self.set(ON_THREAD_STACK);
        Left(self)
    }

    /// Whether the caller of this fiber, or of one around it, has gone.
    pub(crate) fn is_caller_gone(&self) -> bool {
        // SAFETY: invariant 5: the caller is borrowed by the poll that made the frame, or by one that is below it.
        self.signals.get().is_caller_gone()
            || self.frame().caller.is_some_and(|caller| unsafe { caller.as_ref() }.is_gone())
    }
}
